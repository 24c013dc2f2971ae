#include "samples.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/json.h"

namespace portolan::bench {

double Samples::percentile(double share) const {
  if (values_.empty()) return 0;
  auto sorted = values_;
  std::ranges::sort(sorted);
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

void Samples::tell(const std::string& name) const {
  const Told told{name, values_.size(), percentile(0.50), percentile(0.99), percentile(1.0), failures_};
  std::puts(json::encode(told).c_str());
  std::fflush(stdout);
}

}  // namespace portolan::bench

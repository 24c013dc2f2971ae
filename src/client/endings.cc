#include "client/endings.h"

#include <algorithm>

namespace portolan::client {

void Endings::add(api::LocalEnding ending, Source source) {
  const auto known = std::ranges::find(kept_, ending.trace, &api::LocalEnding::trace);
  if (known != kept_.end()) {
    if (source == Source::kEgress) *known = std::move(ending);
    return;
  }
  kept_.push_front(std::move(ending));
  if (kept_.size() > kKept) kept_.pop_back();
}

}  // namespace portolan::client

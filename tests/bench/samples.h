// What was measured, in milliseconds, and how it is told: a line of JSON for each figure, which tests/bench/run makes a
// table of.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/result.h"

namespace portolan::bench {

using Moment = std::chrono::steady_clock::time_point;
inline Moment moment() { return std::chrono::steady_clock::now(); }

class Samples {
 public:
  void add(Moment from, Moment to) { values_.push_back(std::chrono::duration<double, std::milli>(to - from).count()); }
  void add_since(Moment from) { add(from, moment()); }
  void failed(const Error& why) { ++failures_[why.message]; }
  std::size_t size() const { return values_.size(); }
  // Prints the figure: percentiles of what succeeded, and how often what went wrong.
  void tell(const std::string& name) const;

 private:
  double percentile(double share) const;
  std::vector<double> values_;
  std::map<std::string, std::uint64_t> failures_;
};

struct Told {
  std::string name;
  std::uint64_t count = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double max_ms = 0;
  std::map<std::string, std::uint64_t> failures;
};
BOOST_DESCRIBE_STRUCT(Told, (), (name, count, p50_ms, p99_ms, max_ms, failures))

}  // namespace portolan::bench

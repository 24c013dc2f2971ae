// A way to an egress node by one gateway: what an end-to-end link stands on. Spliced where that works, a plain
// connection that the gateway joins to the relay's (docs/wire.md, "Tickets and spliced paths"); else nested, a stream
// of the client's link to the gateway.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "client/gateways.h"
#include "tunnel/hops.h"

namespace portolan::client {

enum class PathKinds { kAny, kNestedOnly };

struct Way {
  std::unique_ptr<net::Stream> stream;
  bool spliced = false;
  std::string fallback = {};  // why it is not spliced, though it might be; in words for people
  tunnel::Hops hops = {};     // gateways behind the first one, as that says
};

struct WayLimits {
  std::chrono::milliseconds answer;   // of the gateway
  std::chrono::milliseconds wait{0};  // of that, for its link with the egress node to come, where it has no way there
};

// One loop.
class Ways {
 public:
  Ways(Gateways& gateways, const Clock& clock, PathKinds kinds) : gateways_(gateways), clock_(clock), kinds_(kinds) {}
  // By the gateway of this id. Code::kNotFound if it has no link; else what it says.
  net::Task<Result<Way>> open(std::string gateway, std::string egress, WayLimits limits);
  // `why`: what became of a spliced one.
  net::Task<Result<Way>> open_nested(std::string gateway, std::string egress, WayLimits limits, std::string why);
  // A nested way serves where a spliced one did not: for ten minutes, or until forget(), ways by this gateway are
  // nested.
  void does_not_splice(const std::string& gateway, const std::string& egress, std::string why);
  // The network is another one.
  void forget() { failed_.clear(); }

 private:
  struct Failure {
    BootTime until{};
    std::string why;
  };
  net::Task<Result<Way>> ask(std::string gateway, std::string egress, bool spliced, WayLimits limits);

  Gateways& gateways_;
  const Clock& clock_;
  PathKinds kinds_;
  std::map<std::pair<std::string, std::string>, Failure> failed_;  // by gateway, egress
};

}  // namespace portolan::client

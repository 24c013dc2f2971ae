// Ways on from this gateway: to an egress node that it has no link with, by other gateways (docs/wire.md, "Several
// gateways in a row"). Which ones, and in what order, says the control plane; that no path goes in a circle, the list
// of hops that each path bears.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/identity.h"
#include "net/tcp.h"
#include "node/control_watch.h"
#include "node/shares.h"
#include "node/uplinks.h"
#include "tunnel/hops.h"

namespace portolan::node {

// A path that somebody asks this gateway for.
struct PathRequest {
  crypto::UserIdentity user;          // proven on their own link; or as the gateway before this one says
  std::string egress;                 // n-…
  tunnel::Hops hops = {};             // gateways that it has passed, not this one
  bool spliced = false;               // if that can be had
  std::chrono::milliseconds wait{0};  // for a link with the egress node, if there is no way there; here, not further on
  // The gateway that asks; empty: the user.
  std::string from() const { return hops.empty() ? "" : hops.back(); }
};

struct OnwardLimits {
  std::chrono::milliseconds answer = std::chrono::seconds(10);               // of the last gateway that is tried
  std::chrono::milliseconds while_others = std::chrono::milliseconds(1500);  // of those before it
  std::chrono::milliseconds doubt = std::chrono::seconds(15);  // one that has not answered comes last for so long
};

// One loop. Its tasks are the callers'.
class Onward {
 public:
  // `self`: the id of this gateway. All outlive it.
  Onward(std::string self, const ControlWatch& watch, const Uplinks& peers, const Clock& clock, Shares& memory,
         OnwardLimits limits = {});
  const std::string& self() const { return self_; }

  struct Way {
    tunnel::Hops hops = {};  // gateways from here on, at least one
    // One of them: a stream that is the path; or a plain connection on which the next gateway waits.
    std::unique_ptr<tunnel::MuxStream> nested = {};
    std::unique_ptr<net::TcpStream> plain = {};
  };
  // By the first gateway that can. Code::kUnavailable with the reason "relay_away" if there is none to try,
  // tunnel::kTooManyHops if there have been too many, else what the last one said, by its name.
  net::Task<Result<Way>> open(PathRequest path);

 private:
  std::vector<std::string> order(const PathRequest& path) const;
  Error no_way(const PathRequest& path) const;
  std::string name_of(const std::string& node) const;
  net::Task<Result<Way>> by(std::string node, PathRequest path, std::chrono::milliseconds limit);

  std::string self_;
  const ControlWatch& watch_;
  const Uplinks& peers_;
  const Clock& clock_;
  Shares& memory_;
  OnwardLimits limits_;
  std::map<std::string, BootTime> doubtful_;  // until when
  std::map<std::string, BootTime> nested_;    // until when no plain connection is tried
};

}  // namespace portolan::node

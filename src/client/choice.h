// Which gateway to go by: the one from which the whole way to the egress node is shortest, from here to the gateway as
// this client measures it, and on from there as the nodes have measured it. A first choice is kept until another one
// is clearly better for a while: measurements that waver move nobody about (docs/wire.md, "Choosing a gateway").
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/agent.h"
#include "base/clock.h"

namespace portolan::client {

// A gateway that serves.
struct MeasuredGateway {
  std::string id;
  std::optional<std::chrono::microseconds> round_trip = {};  // smoothed
  std::uint64_t measurements = 0;                            // since its link was made
};

// One loop.
class Choice {
 public:
  explicit Choice(const Clock& clock) : clock_(clock) {}
  // What the control plane says of ways; none: nothing.
  void know(const std::optional<std::vector<api::AgentEgress>>& egresses);
  // To be called now and then: counts for how many new measurements another gateway has been better.
  void look(const std::vector<MeasuredGateway>& gateways);
  // The gateway owes an answer: for a quarter of a minute it is tried last, whatever else is known of it.
  void doubt(const std::string& gateway);
  // Ids of all of them, the first choice first, those of which no way is known last.
  std::vector<std::string> order(const std::string& egress, const std::vector<MeasuredGateway>& gateways);

 private:
  struct Cost;
  struct First {
    std::string gateway;
    std::string challenger = {};
    int times = 0;           // that it has been better
    std::uint64_t seen = 0;  // measurements of both by then, the fewer
  };
  Cost cost(const std::string& egress, const MeasuredGateway& gateway) const;

  const Clock& clock_;
  std::map<std::string, BootTime> doubtful_;                 // until when
  std::map<std::string, std::vector<api::EgressWay>> ways_;  // by egress
  std::map<std::string, First> firsts_;                      // by egress
};

}  // namespace portolan::client

// Proxy clusters as the control plane describes them, and which worker each connection is with. Behind a cluster's
// address answers whichever worker the balancer likes; what began with one can go on with that one only. So a cluster
// is one egress to people, and to the paths as many as there are connections with different workers: its members,
// "c-…#1", "c-…#2" …, each of which is with one worker as long as it lasts.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/agent.h"
#include "tunnel/pipe.h"

namespace portolan::client {

// Error::reason of a session whose worker was not found again.
inline constexpr std::string_view kWorkerLost = "worker_lost";

// One loop.
class Clusters {
 public:
  void follow(const api::AgentView& view);
  // The cluster's id of a member; anything else as it is.
  static std::string id_of(const std::string& egress) { return egress.substr(0, egress.find('#')); }
  static std::string member(const std::string& cluster, std::size_t number) {
    return cluster + "#" + std::to_string(number);
  }
  // Where an egress that is a cluster, or a member of one, is dialled; none if it is not one.
  std::optional<std::string> address_of(const std::string& egress) const;
  bool is_egress(const std::string& egress) const { return address_of(egress).has_value(); }
  // Bridged clusters are gateways to their inner workers, and to nothing else.
  static std::vector<api::AgentGateway> bridges(const api::AgentView& view);
  bool may_go_by(const std::string& gateway, const std::string& egress) const;

  // The name of the worker at the other end of a pipe ("spiffe://ORG/node/n-…"); empty if it is not known.
  std::string worker_of(const std::shared_ptr<tunnel::Pipe>& pipe) const;
  void note_worker(const std::shared_ptr<tunnel::Pipe>& pipe, std::string worker);
  // It has a link with its worker again.
  void found(const std::shared_ptr<tunnel::Pipe>& pipe);
  // Another worker has answered, on all attempts of one round. True when there shall be no more of them.
  bool missed(const std::shared_ptr<tunnel::Pipe>& pipe);
  // What becomes of a pipe then.
  Error lost(const std::string& egress) const;

 private:
  struct At {
    std::weak_ptr<tunnel::Pipe> pipe;
    std::string worker;
    int missed = 0;
  };
  std::list<At>::const_iterator find(const std::shared_ptr<tunnel::Pipe>& pipe) const;

  std::map<std::string, api::AgentCluster> clusters_;
  std::map<std::string, std::string> bridge_of_;  // by inner worker
  std::list<At> at_;
};

}  // namespace portolan::client

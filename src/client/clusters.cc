#include "client/clusters.h"

#include <algorithm>

#include "base/id.h"

namespace portolan::client {
namespace {

// Of each four attempts: with two workers one in 65,000 pipes is lost for nothing, with five one in 35.
constexpr int kRounds = 4;

}  // namespace

void Clusters::follow(const api::AgentView& view) {
  clusters_.clear();
  bridge_of_.clear();
  if (view.clusters)
    for (const auto& cluster : *view.clusters) clusters_[cluster.id] = cluster;
  if (!view.egresses) return;
  for (const auto& egress : *view.egresses)
    if (egress.ways)
      for (const auto& way : *egress.ways)
        if (is_id(way.gateway, "c")) bridge_of_[egress.id] = way.gateway;
}

std::optional<std::string> Clusters::address_of(const std::string& egress) const {
  const auto found = clusters_.find(id_of(egress));
  if (found == clusters_.end() || found->second.bridged) return std::nullopt;
  return found->second.address;
}

std::vector<api::AgentGateway> Clusters::bridges(const api::AgentView& view) {
  std::vector<api::AgentGateway> gateways;
  if (view.clusters)
    for (const auto& cluster : *view.clusters)
      if (cluster.bridged) gateways.push_back({cluster.id, cluster.name, cluster.address});
  return gateways;
}

bool Clusters::may_go_by(const std::string& gateway, const std::string& egress) const {
  const auto bridge = bridge_of_.find(egress);
  return bridge == bridge_of_.end() ? !is_id(gateway, "c") : bridge->second == gateway;
}

std::list<Clusters::At>::const_iterator Clusters::find(const std::shared_ptr<tunnel::Pipe>& pipe) const {
  return std::ranges::find_if(at_, [&](const At& at) { return at.pipe.lock() == pipe; });
}

std::string Clusters::worker_of(const std::shared_ptr<tunnel::Pipe>& pipe) const {
  const auto found = find(pipe);
  return found == at_.end() ? "" : found->worker;
}

void Clusters::note_worker(const std::shared_ptr<tunnel::Pipe>& pipe, std::string worker) {
  std::erase_if(at_, [&](const At& at) { return at.pipe.expired() || at.pipe.lock() == pipe; });
  at_.push_back({pipe, std::move(worker)});
}

void Clusters::found(const std::shared_ptr<tunnel::Pipe>& pipe) {
  for (At& at : at_)
    if (at.pipe.lock() == pipe) at.missed = 0;
}

bool Clusters::missed(const std::shared_ptr<tunnel::Pipe>& pipe) {
  for (At& at : at_)
    if (at.pipe.lock() == pipe) return ++at.missed >= kRounds;
  return true;
}

Error Clusters::lost(const std::string& egress) const {
  const auto cluster = clusters_.find(id_of(egress));
  return {Code::kUnavailable,
          "the worker of cluster " + (cluster == clusters_.end() ? id_of(egress) : cluster->second.name) +
              " that had this connection is not found behind its address any more",
          std::string(kWorkerLost), Hop::kAgent};
}

}  // namespace portolan::client

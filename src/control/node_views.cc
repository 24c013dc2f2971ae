// Suspended accounts and ended sign-ins are in the directory. Deleted ones are not: they are remembered here until the
// last certificate for them has ended. A restart forgets them, and loses little: no gateway opens a way, and no lease
// is given, for an account that is not there.
#include "control/node_views.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "directory/certificates.h"
#include "directory/peering.h"
#include "directory/placement.h"

namespace portolan::control {
namespace {

template <class Map, class Tombstones>
void note_missing(const Map& before, const Map& now, Tombstones& tombstones, WallTime until) {
  for (const auto& [id, object] : before)
    if (!now.contains(id)) tombstones[id] = until;
}

// Bridge workers pass on to inner workers of their own cluster, and these dial those. Nobody else's concern.
void keep_to_cluster(const directory::Snapshot& snapshot, const directory::Node& node, api::NodeView& view) {
  const bool bridge = node.kind == directory::kBridgeWorker;
  std::set<std::string_view> bridges, inner;
  if (node.kind != directory::kWorker) {
    for (const auto* each : directory::workers(snapshot, node.cluster, directory::kBridgeWorker))
      if (each->id != node.id) bridges.insert(each->id);
    if (bridge)
      for (const auto* each : directory::workers(snapshot, node.cluster, directory::kBridgedWorker))
        inner.insert(each->id);
  }
  std::erase_if(view.nodes,
                [&](const api::PeerNode& peer) { return !bridges.contains(peer.id) && !inner.contains(peer.id); });
  if (!bridge) return view.accounts.clear();
  for (auto& account : view.accounts)
    std::erase_if(account.nodes, [&](const std::string& id) { return !inner.contains(id); });
  std::erase_if(view.accounts, [](const api::AccountEgress& account) { return account.nodes.empty(); });
}

}  // namespace

void NodeViews::update(const LookupPtr& lookup) {
  if (last_ && &last_->snapshot() != &lookup->snapshot()) note_deleted(last_->snapshot(), lookup->snapshot());
  last_ = lookup;
}

void NodeViews::note_deleted(const directory::Snapshot& before, const directory::Snapshot& now) {
  const WallTime until = clock_.wall() + life_;
  note_missing(before.accounts, now.accounts, accounts_, until);
  note_missing(before.devices, now.devices, devices_, until);
  for (const auto& [id, sign_in] : before.sign_ins)
    if (!now.sign_ins.contains(id) && sign_in.ends > clock_.wall())
      for (auto& serial : directory::live_serials(sign_in, clock_.wall())) serials_[std::move(serial)] = sign_in.ends;
  for (auto* tombstones : {&accounts_, &devices_, &serials_})
    std::erase_if(*tombstones, [&](const auto& entry) { return entry.second <= clock_.wall(); });
}

const api::NodeView& NodeViews::shared(const Lookup& lookup) {
  const auto& snapshot = lookup.snapshot();
  const WallTime now = clock_.wall();
  const bool in_time = !shared_until_ || now < *shared_until_;
  if (shared_epoch_ == snapshot.epoch && shared_revision_ == snapshot.revision && in_time) return shared_;
  shared_until_ = directory::next_boundary(snapshot, now);
  shared_epoch_ = snapshot.epoch;
  shared_revision_ = snapshot.revision;
  shared_ = {};
  const auto deny = [&](std::vector<std::string> serials) {
    std::ranges::move(serials, std::back_inserter(shared_.denied_serials));
  };
  for (const auto& [id, node] : snapshot.nodes) {
    if (node.revoked) {
      deny(directory::live_serials(node, clock_.wall()));
    } else {
      shared_.nodes.push_back({node.id, node.name, node.kind, node.address});
    }
  }
  for (auto& [account, nodes] : directory::egress_nodes_by_account(snapshot, now))
    shared_.accounts.push_back({account, nodes});
  for (const auto& [id, account] : snapshot.accounts)
    if (account.suspended) shared_.denied_accounts.push_back(id);
  for (const auto& [id, sign_in] : snapshot.sign_ins)
    if (sign_in.ended && sign_in.ends > clock_.wall()) deny(directory::live_serials(sign_in, clock_.wall()));
  for (const auto& [id, until] : accounts_) shared_.denied_accounts.push_back(id);
  for (const auto& [id, until] : devices_) shared_.denied_devices.push_back(id);
  for (const auto& [serial, until] : serials_) shared_.denied_serials.push_back(serial);
  return shared_;
}

api::NodeView NodeViews::of(const Lookup& lookup, const directory::Node& node) {
  api::NodeView view = shared(lookup);
  if (directory::is_worker(node.kind)) {
    keep_to_cluster(lookup.snapshot(), node, view);
    return view;
  }
  const bool gateway = node.kind == "gateway";
  const directory::Peering peering(lookup.snapshot());
  std::erase_if(view.nodes, [&](const api::PeerNode& peer) {
    return peer.id == node.id || directory::is_worker(peer.kind) || (!gateway && peer.kind != "gateway") ||
           !peering.may_link(node.id, peer.id);
  });
  if (gateway) {
    routing_.tell_gateway(lookup, node, view);
  } else {
    view.accounts.clear();
  }
  return view;
}

}  // namespace portolan::control

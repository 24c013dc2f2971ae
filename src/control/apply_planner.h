// The making of a plan (apply_plan.h): internal to apply_plan.cc and apply_prune.cc.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "control/apply_plan.h"
#include "control/apply_shown.h"
#include "directory/local_ports.h"

namespace portolan::control {

using directory::Account;
using directory::Grant;
using directory::Membership;
using directory::PeeringGroup;
using directory::Resource;
using directory::Role;
using directory::Snapshot;

class Planner {
 public:
  Planner(const Snapshot& snapshot, const api::ApplyRequest& request, const ApplyContext& context)
      : snapshot_(snapshot), request_(request), context_(context), ports_(snapshot) {}

  Result<ApplyPlan> run() {
    index();
    if (request_.prune.value_or(false)) prune();
    take_wanted_ports();
    if (request_.roles) plan_roles(*request_.roles);
    if (request_.accounts) plan_accounts(*request_.accounts);
    if (request_.clusters) plan_clusters(*request_.clusters);
    if (request_.resources) plan_resources(*request_.resources);
    if (request_.roles) plan_grants(*request_.roles);
    if (request_.peering_groups) plan_peering_groups(*request_.peering_groups);
    if (!errors_.empty()) return std::unexpected(error());
    plan_.answer.dry_run = request_.dry_run.value_or(false);
    plan_.answer.plan = name();
    return std::move(plan_);
  }

 private:
  static constexpr std::size_t kErrorsShown = 20;

  std::string name() const;
  void index();
  void prune();
  void prune_memberships();
  void prune_grants();
  void take_wanted_ports();
  void plan_roles(const std::vector<api::ApplyRole>& roles);
  void plan_accounts(const std::vector<api::ApplyAccount>& accounts);
  Result<Account> account_for(const api::ApplyAccount& asked, std::string email, const Account* before) const;
  void plan_memberships(const api::ApplyAccount& asked, const Account& account, const std::string& list);
  void plan_clusters(const std::vector<api::ApplyCluster>& clusters);
  Result<directory::Cluster> cluster_for(const api::ApplyCluster& asked, const directory::Cluster* before) const;
  void plan_resources(const std::vector<api::ApplyResource>& resources);
  Result<Resource> resource_for(const api::ApplyResource& asked, const Resource* before);
  // apply_peering.cc
  void prune_peering_groups();
  void plan_peering_groups(const std::vector<api::ApplyPeeringGroup>& groups);
  Result<PeeringGroup> group_for(const api::ApplyPeeringGroup& asked) const;
  bool join_peers(const std::vector<api::ApplyPeeringGroup>& groups);
  PeeringGroup named(PeeringGroup group) const;
  void plan_grants(const std::vector<api::ApplyRole>& roles);
  Result<Grant> grant_for(const api::ApplyGrant& asked, const std::string& role, const std::string& resource,
                          const Grant* before) const;

  // Takes note of what is wrong; false when there is no use in looking further.
  bool wrong(const std::string& entry, const Error& error) {
    if (errors_.size() < kErrorsShown) errors_.push_back(entry + ": " + error.message);
    return errors_.size() < kErrorsShown;
  }
  bool wrong(const std::string& entry, std::string message) {
    return wrong(entry, Error{Code::kInvalid, std::move(message)});
  }
  Error error() const {
    if (errors_.size() == 1) return {Code::kInvalid, errors_.front()};
    std::string message = errors_.size() < kErrorsShown ? std::to_string(errors_.size()) + " errors"
                                                        : "the first " + std::to_string(kErrorsShown) + " errors";
    for (const auto& each : errors_) message += std::string(kErrorMark) + each;
    return {Code::kInvalid, std::move(message)};
  }

  template <class Object>
  void put(std::string entry, const Object* before, Object after, api::ApplyChange change) {
    if constexpr (std::is_same_v<Object, PeeringGroup>) {  // ids that are made only now say nothing to anybody
      change.members = differences(before ? named(*before) : Object{}, named(after));
    } else {
      change.members = differences(before ? *before : Object{}, after);
    }
    if (!before)  // the change bears it
      std::erase_if(change.members,
                    [&](const auto& each) { return each.member == "name" && each.after == change.name; });
    if (before && change.members.empty()) {
      ++plan_.answer.totals.unchanged;
      return;
    }
    change.action = before ? "update" : "create";
    ++(before ? plan_.answer.totals.updated : plan_.answer.totals.created);
    if constexpr (std::is_same_v<Object, Account>) plan_.accounts = true;
    plan_.answer.changes.push_back(std::move(change));
    plan_.puts.push_back({std::move(entry), std::move(after)});
  }
  template <class Object>
  void remove(const Object& object, std::string kind, std::string name, std::optional<std::string> target = {}) {
    ++plan_.answer.totals.deleted;
    if constexpr (std::is_same_v<Object, Account>) plan_.accounts = true;
    plan_.removals.push_back({"prune: " + kind + " " + quoted(name), object});
    plan_.answer.changes.push_back({"delete", std::move(kind), std::move(name), std::move(target), {}});
  }

  const Snapshot& snapshot_;
  const api::ApplyRequest& request_;
  const ApplyContext& context_;
  directory::LocalPorts ports_;
  // What is there, and shall stay, by natural key; roles and resources that are made join them.
  std::unordered_map<std::string_view, const Account*> accounts_;
  std::unordered_map<std::string, std::string> role_ids_;
  std::unordered_map<std::string, std::string> resource_ids_;
  std::map<std::string, std::string> new_clusters_;  // ids by name
  std::unordered_map<std::string_view, const Resource*> resources_;
  std::map<std::pair<std::string_view, std::string_view>, const Membership*> memberships_;  // by account and role
  std::map<std::pair<std::string_view, std::string_view>, const Grant*> grants_;            // by role and resource
  std::map<std::string, PeeringGroup> groups_;                   // as they are to be, by name
  std::unordered_map<std::string, std::string> resource_names_;  // by id
  // Ids of what a prune removes.
  std::unordered_set<std::string_view> gone_;
  std::vector<std::string> errors_;
  ApplyPlan plan_;
};

}  // namespace portolan::control

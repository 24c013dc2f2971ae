// What an apply comes to: the difference between what is asked for and a revision of the directory, and what is wrong
// with what is asked for. Pure: nothing is written here, so that a plan that has errors has done nothing.
//
// Everything is found by indexes that are made once: ten thousand resources cost milliseconds, not their square.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "api/apply.h"
#include "base/clock.h"
#include "crypto/sealing.h"
#include "directory/decision.h"

namespace portolan::control {

using AnyObject = std::variant<directory::Account, directory::Role, directory::Membership, directory::Cluster,
                               directory::Resource, directory::Grant, directory::PeeringGroup>;

struct ApplyStep {
  std::string entry;  // where it is asked for, for errors: "resources[3] \"billing\""
  AnyObject object;
};

struct ApplyPlan {
  std::vector<ApplyStep> removals;  // first, so that what comes can have their names and ports; dependents before all
  std::vector<ApplyStep> puts;      // what is referred to before what refers to it
  bool accounts = false;            // some account is changed or removed
  api::ApplyAnswer answer;
};

struct ApplyContext {
  std::string caller;  // the account, which a prune must not remove; empty: none
  WallTime now{};
  const crypto::SealingKey& sealing;
  // Of this process: a plan's name tells nobody whether a password in it has been guessed.
  std::string salt = {};
};

// Code::kInvalid names the first errors, each with its entry, apart by kErrorMark.
inline constexpr std::string_view kErrorMark = " | ";
Result<ApplyPlan> plan_apply(const directory::Snapshot& snapshot, const api::ApplyRequest& request,
                             const ApplyContext& context);

}  // namespace portolan::control

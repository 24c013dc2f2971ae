// A revision of the directory with what requests look up by other keys than ids, indexed once. Immutable; shared by the
// requests and watches that began under it.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "store/directory_store.h"

namespace portolan::control {

class Lookup {
 public:
  // `access`: of a revision with the same memberships and grants, if there is one.
  explicit Lookup(store::DirectoryStore::SnapshotPtr snapshot,
                  std::shared_ptr<const directory::AccessIndex> access = nullptr);

  const directory::Snapshot& snapshot() const { return *snapshot_; }
  const directory::SignIn* sign_in_by_token(const std::string& hash) const;
  const directory::ApiToken* api_token(const std::string& hash) const;
  // By any certificate that was given out for it.
  const directory::SignIn* sign_in_by_serial(const std::string& serial) const;
  // The sign-in of this device that goes on longest, if one goes on at `now`; of any device of the account if `device`
  // is empty.
  const directory::SignIn* lasting_sign_in(std::string_view account, std::string_view device, WallTime now) const;

  // Made when it is first asked for.
  const directory::AccessIndex& access() const;
  // Null as long as nobody has asked.
  std::shared_ptr<const directory::AccessIndex> access_so_far() const { return access_; }

  // By id, else by e-mail or name.
  const directory::Account* account(std::string_view key) const;
  const directory::Role* role(std::string_view key) const;
  const directory::Resource* resource(std::string_view key) const;
  const directory::Node* node(std::string_view key) const;

 private:
  store::DirectoryStore::SnapshotPtr snapshot_;
  mutable std::shared_ptr<const directory::AccessIndex> access_;  // on the loop only
  std::unordered_map<std::string, const directory::SignIn*> by_token_;
  std::unordered_map<std::string, const directory::SignIn*> by_serial_;
  std::unordered_map<std::string, const directory::ApiToken*> api_tokens_;
  std::unordered_map<std::string, std::vector<const directory::SignIn*>> by_account_;  // not ended ones
};

using LookupPtr = std::shared_ptr<const Lookup>;

}  // namespace portolan::control

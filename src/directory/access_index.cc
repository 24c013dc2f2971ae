#include "directory/access_index.h"

#include "directory/decision.h"

namespace portolan::directory {

AccessIndex::AccessIndex(const Snapshot& snapshot) {
  for (const auto& [id, membership] : snapshot.memberships) by_account_[membership.account].push_back(id);
  for (const auto& [id, grant] : snapshot.grants) {
    by_role_[grant.role].push_back(id);
    by_resource_[grant.resource].push_back(id);
  }
}

const AccessIndex::Ids& AccessIndex::find(const Map& map, std::string_view key) {
  static const Ids none;
  const auto found = map.find(key);
  return found == map.end() ? none : found->second;
}

}  // namespace portolan::directory

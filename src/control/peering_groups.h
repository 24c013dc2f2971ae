// /v1/peering-groups: which nodes and resources belong together (directory/peering.h).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "api/routing.h"
#include "control/routes.h"

namespace portolan::control {

void add_peering_groups(Routes& routes, Core& core);

// Ids of what the keys name by id or name, sorted, each once; `member` is for errors.
Result<std::vector<std::string>> node_ids(const directory::Snapshot& snapshot, std::string_view member,
                                          const std::vector<std::string>& keys);
Result<> check_group_name(std::string_view name);
// Writes the group, and itself among the peers of each of its peers, and of no other group.
Result<> put_with_peers(store::Change& change, const directory::PeeringGroup& group);

}  // namespace portolan::control

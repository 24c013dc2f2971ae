// Which memberships an account has, and which grants a role and a resource have: what a decision would else look for
// among all of them. It holds ids, so it is good for every snapshot with the same memberships and grants, whatever else
// has changed between.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace portolan::directory {

struct Snapshot;

// Immutable.
class AccessIndex {
 public:
  using Ids = std::vector<std::string>;  // in their order

  explicit AccessIndex(const Snapshot& snapshot);

  const Ids& memberships_of_account(std::string_view account) const { return find(by_account_, account); }
  const Ids& grants_of_role(std::string_view role) const { return find(by_role_, role); }
  const Ids& grants_of_resource(std::string_view resource) const { return find(by_resource_, resource); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Map = std::unordered_map<std::string, Ids, Hash, std::equal_to<>>;
  static const Ids& find(const Map& map, std::string_view key);

  Map by_account_;
  Map by_role_;
  Map by_resource_;
};

}  // namespace portolan::directory

// Proxy clusters and the keys by which their workers join.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::api {

struct ClusterView {
  std::string id;
  std::string name;
  std::string address;  // host:port that clients dial: a balancer's, or that of the only worker
  bool bridged = false;
  std::map<std::string, std::string> tags = {};
  std::uint64_t workers = 0;     // that have joined and are not revoked
  std::uint64_t workers_up = 0;  // of these
  std::uint64_t keys = 0;        // by which workers can join now
  WallTime created{};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(ClusterView, (), (id, name, address, bridged, tags, workers, workers_up, keys, created, revision))
struct ClusterCreate {
  std::string name;
  std::string address;
  std::optional<bool> bridged = {};  // cannot be changed later
  std::optional<std::map<std::string, std::string>> tags = {};
};
BOOST_DESCRIBE_STRUCT(ClusterCreate, (), (name, address, bridged, tags))
struct ClusterUpdate {
  std::optional<std::string> name = {};
  std::optional<std::string> address = {};
  std::optional<std::map<std::string, std::string>> tags = {};
};
BOOST_DESCRIBE_STRUCT(ClusterUpdate, (), (name, address, tags))

struct ClusterKeyView {
  std::string id;
  std::string cluster;
  std::string cluster_name;
  std::string name;
  std::string state;  // "valid", "ended", "used_up", "revoked"
  std::uint64_t uses = 0;
  std::optional<std::uint64_t> uses_limit = {};  // absent: any number
  std::optional<WallTime> last_used = {};
  std::vector<std::string> networks = {};  // from which it is taken; empty: from anywhere
  std::uint64_t workers = 0;               // that came by it and are not revoked
  WallTime created{};
  std::optional<WallTime> ends = {};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(ClusterKeyView, (),
                      (id, cluster, cluster_name, name, state, uses, uses_limit, last_used, networks, workers, created,
                       ends, revision))
struct ClusterKeyCreate {
  std::string cluster;                                    // id or name
  std::optional<std::string> name = {};                   // for people
  std::optional<std::string> life = {};                   // a duration; without it, until it is revoked
  std::optional<std::uint64_t> uses = {};                 // how many workers it makes; without it, any number
  std::optional<std::vector<std::string>> networks = {};  // "10.0.0.0/8": from where only
};
BOOST_DESCRIBE_STRUCT(ClusterKeyCreate, (), (cluster, name, life, uses, networks))
struct ClusterKeyMade {
  std::string id;
  std::string cluster;
  Secret key;  // shown once; contains the server CA's SHA-256
  std::optional<WallTime> ends = {};
};
BOOST_DESCRIBE_STRUCT(ClusterKeyMade, (), (id, cluster, key, ends))

// Of a cluster's key or a join token: nobody joins by it any more. `nodes`: those that came by it are revoked, too.
struct RevokeJoining {
  std::optional<bool> nodes = {};
};
BOOST_DESCRIBE_STRUCT(RevokeJoining, (), (nodes))
struct JoiningRevoked {
  std::string id;
  std::vector<std::string> nodes = {};  // that were revoked with it
};
BOOST_DESCRIBE_STRUCT(JoiningRevoked, (), (id, nodes))

}  // namespace portolan::api

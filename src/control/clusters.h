// /v1/clusters and /v1/cluster-keys: proxy clusters, and the keys by which workers join them.
#pragma once
#include <string>

#include "control/presence.h"
#include "control/routes.h"

namespace portolan::control {

// By id or name; Code::kNotFound without such a cluster.
Result<std::string> cluster_id(const Lookup& lookup, const std::string& key);

// What holds of a cluster whoever writes it. Code::kConflict if a node has its name.
Result<> check_cluster(const directory::Cluster& cluster, const directory::Snapshot& snapshot);

class Clusters {
 public:
  Clusters(Core& core, const Presence& presence) : core_(core), presence_(presence) {}
  void add_to(Routes& routes);

 private:
  net::Task<Answer> create(Exchange exchange);
  net::Task<Answer> update(Exchange exchange);
  net::Task<Answer> remove(Exchange exchange);

  Core& core_;
  const Presence& presence_;
};

void add_cluster_keys(Routes& routes, Core& core);

}  // namespace portolan::control

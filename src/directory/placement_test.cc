#include "directory/placement.h"

#include <gtest/gtest.h>

namespace portolan::directory {
namespace {

Node node(std::string id, std::string kind, std::string cluster, bool revoked = false) {
  Node made;
  made.name = "name of " + id;
  made.id = std::move(id);
  made.kind = std::move(kind);
  made.cluster = std::move(cluster);
  made.revoked = revoked;
  return made;
}

Snapshot with_clusters() {
  Snapshot snapshot;
  for (const bool bridged : {false, true}) {
    Cluster cluster;
    cluster.id = bridged ? "c-b" : "c-1";
    cluster.name = bridged ? "far" : "near";
    cluster.bridged = bridged;
    snapshot.clusters[cluster.id] = cluster;
  }
  for (auto& each : {node("n-1", "worker", "c-1"), node("n-2", "worker", "c-1"), node("n-3", "worker", "c-1", true),
                     node("n-4", "bridge-worker", "c-b"), node("n-5", "bridged-worker", "c-b"),
                     node("n-6", "relay", ""), node("n-7", "worker", "c-gone")})
    snapshot.nodes[each.id] = each;
  return snapshot;
}

std::vector<std::string> ids(const std::vector<const Node*>& nodes) {
  std::vector<std::string> out;
  for (const Node* each : nodes) out.push_back(each->id);
  return out;
}

Resource behind(std::vector<std::string> egress) {
  Resource resource;
  resource.id = "rs-1";
  resource.egress_nodes = std::move(egress);
  return resource;
}

TEST(Placement, ResourcesNameClusters) {
  auto snapshot = with_clusters();
  using Ids = std::vector<std::string>;
  EXPECT_EQ(ids(egress_nodes(snapshot, behind({"c-1"}))), (Ids{"n-1", "n-2"})) << "never a revoked one";
  EXPECT_EQ(ids(egress_nodes(snapshot, behind({"c-b"}))), Ids{"n-5"}) << "bridge workers reach nothing themselves";
  EXPECT_EQ(ids(egress_nodes(snapshot, behind({"c-1", "n-6"}))), (Ids{"n-1", "n-2", "n-6"}));
  EXPECT_EQ(ids(egress_nodes(snapshot, behind({"c-gone"}))), Ids{}) << "of a cluster that is not there";
  EXPECT_EQ(ids(egress_nodes(snapshot, behind({}))), Ids{"n-6"}) << "workers serve what names their cluster only";
  snapshot.resources["rs-1"] = behind({"c-1"});
  EXPECT_TRUE(may_be_egress(snapshot, "n-2", "rs-1"));
  EXPECT_FALSE(may_be_egress(snapshot, "n-3", "rs-1"));
  EXPECT_FALSE(may_be_egress(snapshot, "n-6", "rs-1"));
}

TEST(Placement, FindsClusters) {
  const auto snapshot = with_clusters();
  EXPECT_EQ(find_cluster(snapshot, "c-b")->name, "far");
  EXPECT_EQ(find_cluster(snapshot, "near")->id, "c-1");
  EXPECT_EQ(find_cluster(snapshot, "nowhere"), nullptr);
}

}  // namespace
}  // namespace portolan::directory

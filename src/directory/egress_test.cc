// Who may be the egress, by named nodes, filters and peering groups; and which nodes may be linked.
#include "directory/egress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "directory/peering.h"

namespace portolan::directory {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EgressCandidates : public ::testing::Test {
 protected:
  EgressCandidates() {
    add("n-g1", "gateway-1", "gateway", {{"env", "prod"}});
    add("n-g2", "gateway-2", "gateway", {});
    add("n-r1", "relay-1", "relay", {{"env", "prod"}});
    add("n-r2", "relay-2", "relay", {{"env", "test"}});
    resource_.id = "rs-1";
    resource_.name = "billing";
    s_.resources["rs-1"] = resource_;
  }
  void add(const std::string& id, const std::string& name, const std::string& kind,
           std::map<std::string, std::string> tags) {
    Node& node = s_.nodes[id];
    node.id = id;
    node.name = name;
    node.kind = kind;
    node.tags = std::move(tags);
  }
  void group(const std::string& id, std::vector<std::string> nodes, std::vector<std::string> resources,
             std::vector<std::string> peers = {}) {
    s_.peering_groups[id] = {.id = id,
                             .name = id.substr(3),
                             .nodes = std::move(nodes),
                             .resources = std::move(resources),
                             .peers = std::move(peers)};
  }
  // All that says who may be the egress says the same.
  std::vector<std::string> egress() {
    s_.resources["rs-1"] = resource_;
    std::vector<std::string> out;
    for (const Node* node : egress_nodes(s_, resource_)) out.push_back(node->name);
    for (const auto& [id, node] : s_.nodes)
      EXPECT_EQ(may_be_egress(s_, id, "rs-1"), std::ranges::find(out, node.name) != out.end()) << id;
    EXPECT_EQ(why_no_egress(s_, resource_).empty(), !out.empty());
    EXPECT_EQ(EgressSets(s_).of(resource_).size(), out.size());
    return out;
  }
  std::string why_not(const std::string& node) {
    for (const auto& each : egress_candidates(s_, resource_))
      if (each.node->name == node) return explain(s_, resource_, each);
    return "is no candidate";
  }

  Snapshot s_;
  Resource resource_;
};

TEST_F(EgressCandidates, EveryRelayElseEveryGateway) {
  EXPECT_THAT(egress(), ElementsAre("relay-1", "relay-2"));
  EXPECT_THAT(why_not("gateway-1"), HasSubstr("only where no relay may be"));
  s_.nodes["n-r1"].revoked = s_.nodes["n-r2"].revoked = true;
  EXPECT_THAT(egress(), ElementsAre("gateway-1", "gateway-2"));
  EXPECT_EQ(why_not("relay-1"), "is no candidate");
  s_.nodes.clear();
  EXPECT_THAT(egress(), IsEmpty());
  EXPECT_THAT(why_no_egress(s_, resource_), HasSubstr("no relay or gateway serves it"));
}

TEST_F(EgressCandidates, AFilterAdmitsSome) {
  resource_.egress_filter = "env=prod";
  EXPECT_THAT(egress(), ElementsAre("relay-1"));
  EXPECT_THAT(why_not("relay-2"), HasSubstr("the resource's egress filter (env=prod) does not admit it"));
  // Gateways where no relay is admitted.
  resource_.egress_filter = "name=gateway-*";
  EXPECT_THAT(egress(), ElementsAre("gateway-1", "gateway-2"));
  // Of the nodes that are named.
  resource_.egress_nodes = {"n-g1", "n-r2"};
  EXPECT_THAT(egress(), ElementsAre("gateway-1"));
  EXPECT_THAT(why_not("relay-1"), HasSubstr("names other nodes"));
}

TEST_F(EgressCandidates, AFilterThatAdmitsNobodyOrCannotBeReadIsNoWay) {
  resource_.egress_filter = "env=nowhere";
  EXPECT_THAT(egress(), IsEmpty());
  EXPECT_THAT(why_no_egress(s_, resource_), HasSubstr("its egress filter (env=nowhere) admits none of the nodes"));
  resource_.egress_filter = "of a newer version";
  EXPECT_THAT(egress(), IsEmpty());
}

TEST_F(EgressCandidates, AResourceInGroupsHasOnlyTheirNodes) {
  group("pg-a", {"n-r2"}, {"rs-1"});
  group("pg-b", {"n-r1"}, {}, {"pg-a"});  // a peer carries, and is no egress
  EXPECT_THAT(egress(), ElementsAre("relay-2"));
  EXPECT_THAT(why_not("relay-1"), HasSubstr("none of the resource's peering groups (\"a\")"));
  group("pg-b", {"n-r1"}, {"rs-1"});
  EXPECT_THAT(egress(), ElementsAre("relay-1", "relay-2"));
  resource_.egress_filter = "env=prod";
  EXPECT_THAT(egress(), ElementsAre("relay-1"));
}

TEST_F(EgressCandidates, AGroupWithoutNodesServesNobody) {
  group("pg-a", {}, {"rs-1"});
  EXPECT_THAT(egress(), IsEmpty());
  EXPECT_THAT(why_no_egress(s_, resource_),
              HasSubstr("none of the nodes that may be its egress is in its peering groups (\"a\")"));
  // A gateway of the group serves, where the group has no relay.
  group("pg-a", {"n-g2"}, {"rs-1"});
  EXPECT_THAT(egress(), ElementsAre("gateway-2"));
}

TEST_F(EgressCandidates, OtherResourcesAreWhereTheyWere) {
  group("pg-a", {"n-r2"}, {"rs-other"}, {"pg-b"});
  EXPECT_THAT(egress(), ElementsAre("relay-1", "relay-2"));
}

TEST_F(EgressCandidates, RevokedOnesThatAreNamedAreExplained) {
  resource_.egress_nodes = {"n-r1"};
  s_.nodes["n-r1"].revoked = true;
  EXPECT_THAT(egress(), IsEmpty());
  EXPECT_THAT(why_not("relay-1"), HasSubstr("revoked"));
  EXPECT_THAT(why_no_egress(s_, resource_), HasSubstr("were revoked"));
}

TEST_F(EgressCandidates, WorkersServeWhatNamesTheirCluster) {
  add("n-w1", "worker-1", "worker", {{"env", "prod"}});
  add("n-w2", "worker-2", "worker", {});
  s_.nodes["n-w1"].cluster = s_.nodes["n-w2"].cluster = "c-1";
  s_.clusters["c-1"].id = "c-1";
  EXPECT_THAT(egress(), ElementsAre("relay-1", "relay-2"));
  resource_.egress_nodes = {"c-1"};
  EXPECT_THAT(egress(), ElementsAre("worker-1", "worker-2"));
  resource_.egress_filter = "env=prod";
  EXPECT_THAT(egress(), ElementsAre("worker-1"));
  group("pg-a", {"n-w2"}, {"rs-1"});
  EXPECT_THAT(egress(), IsEmpty());
  s_.peering_groups.clear();
  resource_.egress_filter.clear();
  // Of a bridged cluster those behind the bridge.
  s_.clusters["c-1"].bridged = true;
  s_.nodes["n-w2"].kind = "bridged-worker";
  EXPECT_THAT(egress(), ElementsAre("worker-2"));
  s_.nodes["n-w2"].kind = "bridge-worker";
  EXPECT_THAT(egress(), IsEmpty());
  EXPECT_THAT(why_no_egress(s_, resource_), HasSubstr("have no workers that reach resources"));
}

TEST_F(EgressCandidates, SetsTellBindingsApart) {
  EgressSets sets(s_);
  Resource other = resource_;
  other.id = "rs-2";
  EXPECT_TRUE(sets.of_new(resource_));
  EXPECT_FALSE(sets.of_new(other));
  other.egress_filter = "env=prod";
  EXPECT_TRUE(sets.of_new(other));
  group("pg-a", {"n-r2"}, {"rs-2"});
  EgressSets grouped(s_);
  other.egress_filter.clear();
  EXPECT_EQ(grouped.of(resource_).size(), 2U);
  EXPECT_EQ(grouped.of(other).size(), 1U);
}

TEST_F(EgressCandidates, LinksGoWithinGroupsAndToPeers) {
  EXPECT_TRUE(Peering(s_).empty());
  EXPECT_TRUE(Peering(s_).may_link("n-g1", "n-r1"));
  group("pg-a", {"n-g1"}, {});
  EXPECT_TRUE(Peering(s_).may_link("n-g1", "n-r1")) << "one that is in no group";
  group("pg-b", {"n-r1"}, {});
  EXPECT_FALSE(Peering(s_).may_link("n-g1", "n-r1"));
  EXPECT_FALSE(Peering(s_).may_link("n-r1", "n-g1"));
  group("pg-b", {"n-r1"}, {}, {"pg-a"});
  EXPECT_TRUE(Peering(s_).may_link("n-g1", "n-r1")) << "peers, said by either";
  EXPECT_TRUE(Peering(s_).may_link("n-r1", "n-g1"));
  // Peers of peers are no peers.
  group("pg-c", {"n-r2"}, {}, {"pg-b"});
  EXPECT_FALSE(Peering(s_).may_link("n-g1", "n-r2"));
  group("pg-a", {"n-g1", "n-r2"}, {});
  EXPECT_TRUE(Peering(s_).may_link("n-g1", "n-r2"));
}

}  // namespace
}  // namespace portolan::directory

#include "node/placement.h"

#include <gtest/gtest.h>

namespace portolan::node {
namespace {
using namespace std::chrono_literals;
using enum tunnel::Purpose;

TEST(Placement, FollowsFromTheKind) {
  struct Case {
    const char* kind;
    bool listens;
    std::vector<tunnel::Purpose> port;
    bool forwards, meshes, dials;
  };
  for (const Case& each :
       {Case{"gateway", true, {kUser, kReverse, kNode, kInner}, true, true, false},
        Case{"relay", false, {}, false, false, true}, Case{"worker", true, {kInner}, false, false, false},
        Case{"bridge-worker", true, {kUser, kReverse}, true, false, false},
        Case{"bridged-worker", false, {}, false, false, true}}) {
    const auto placement = placement_of(each.kind, each.listens);
    ASSERT_TRUE(placement) << each.kind;
    EXPECT_EQ(placement->port, each.port) << each.kind;
    EXPECT_EQ(placement->forwards, each.forwards) << each.kind;
    EXPECT_EQ(placement->meshes, each.meshes) << each.kind;
    EXPECT_EQ(placement->dials, each.dials) << each.kind;
    EXPECT_FALSE(placement_of(each.kind, !each.listens)) << each.kind;
  }
  EXPECT_FALSE(placement_of("satellite", true));
}

TEST(Placement, OnlyGatewaysAreReachedByWebSocketAndOnlyRelaysThatMayDialThem) {
  NodeOptions takes, dials;
  takes.web = WebListen{};
  dials.web_links = true;
  for (const std::string kind : {"gateway", "relay", "worker", "bridge-worker", "bridged-worker"}) {
    EXPECT_EQ(check_web(kind, takes).has_value(), kind == "gateway") << kind;
    EXPECT_EQ(check_web(kind, dials).has_value(), kind == "relay") << kind;
    EXPECT_TRUE(check_web(kind, {})) << kind;
  }
}

TEST(Placement, WorkersKnowTheirOwnClusterOnly) {
  const auto now = Clock::real().wall();
  const auto ca = crypto::Authority::create("nodes", crypto::Profile::kNode, now, 1h);
  const auto key = crypto::PrivateKey::generate();
  const auto leaf = [&](std::vector<std::string> uris) {
    return *ca.issue({crypto::Profile::kNode, key.public_key(), "x", std::move(uris)}, now);
  };
  const auto plain = leaf({"spiffe://org/node/n-1"});
  const auto ours = leaf({"spiffe://org/node/n-1", "spiffe://org/cluster/c-1"});
  const auto theirs = leaf({"spiffe://org/node/n-1", "spiffe://org/cluster/c-2"});
  const auto identity = [&](std::string cluster) {
    return Identity{.organization = "org",
                    .node = "n-9",
                    .name = "x",
                    .kind = "x",
                    .control_name = "x",
                    .certificate = plain,
                    .key = key,
                    .node_ca = {},
                    .user_ca = {},
                    .server_ca = {},
                    .cluster = std::move(cluster)};
  };
  EXPECT_TRUE(check_neighbour(identity("c-1"), ours));
  EXPECT_FALSE(check_neighbour(identity("c-1"), theirs));
  EXPECT_FALSE(check_neighbour(identity("c-1"), plain));
  EXPECT_TRUE(check_neighbour(identity(""), plain));
  EXPECT_FALSE(check_neighbour(identity(""), ours)) << "a gateway takes no worker for a relay";
}

}  // namespace
}  // namespace portolan::node

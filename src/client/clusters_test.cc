#include "client/clusters.h"

#include <gtest/gtest.h>

#include "net/co_test.h"

namespace portolan::client {
namespace {

api::AgentView view() {
  api::AgentView view;
  view.clusters = std::vector<api::AgentCluster>{{"c-1", "near", "near.example:5000", false},
                                                 {"c-2", "far", "far.example:5000", true}};
  view.egresses = std::vector<api::AgentEgress>{{"c-1", "near", {}},
                                                {"n-inner", "i1", std::vector<api::EgressWay>{{"c-2", {}, 1}}},
                                                {"n-relay", "r1", std::vector<api::EgressWay>{{"n-gateway", 700, 1}}},
                                                {"n-other", "r2", {}}};
  return view;
}

TEST(Clusters, AreEgressesOrGateways) {
  Clusters clusters;
  clusters.follow(view());
  EXPECT_EQ(clusters.address_of("c-1"), "near.example:5000");
  EXPECT_EQ(clusters.address_of(Clusters::member("c-1", 2)), "near.example:5000");
  EXPECT_EQ(Clusters::id_of(Clusters::member("c-1", 2)), "c-1");
  EXPECT_EQ(Clusters::id_of("n-relay"), "n-relay");
  EXPECT_EQ(clusters.address_of("c-2"), std::nullopt);
  EXPECT_EQ(clusters.address_of("n-relay"), std::nullopt);
  const auto bridges = Clusters::bridges(view());
  ASSERT_EQ(bridges.size(), 1U);
  EXPECT_EQ(bridges[0].id, "c-2");
  EXPECT_TRUE(clusters.may_go_by("c-2", "n-inner"));
  EXPECT_FALSE(clusters.may_go_by("n-gateway", "n-inner"));
  EXPECT_FALSE(clusters.may_go_by("c-2", "n-relay"));
  EXPECT_TRUE(clusters.may_go_by("n-gateway", "n-relay"));
  EXPECT_TRUE(clusters.may_go_by("n-gateway", "n-other"));
  EXPECT_FALSE(clusters.may_go_by("c-2", "n-other"));
  clusters.follow({});
  EXPECT_EQ(clusters.address_of("c-1"), std::nullopt);
}

CO_TEST(Clusters, KnowWhichWorkerAPipeIsWith) {
  Clusters clusters;
  const auto executor = co_await net::this_executor();
  const auto budget = std::make_shared<tunnel::Budget>();
  const auto make = [&] {
    return std::make_shared<tunnel::Pipe>(executor, tunnel::Pipe::Role::kDialler, tunnel::PipeId{}, Bytes(32),
                                          tunnel::PipeOptions{}, budget);
  };
  const auto pipe = make();
  EXPECT_EQ(clusters.worker_of(pipe), "");
  clusters.note_worker(pipe, "spiffe://org/node/n-1");
  clusters.note_worker(make(), "spiffe://org/node/n-2");
  EXPECT_EQ(clusters.worker_of(pipe), "spiffe://org/node/n-1");
  int rounds = 1;
  while (!clusters.missed(pipe)) ++rounds;
  EXPECT_EQ(rounds, 4) << "a bounded number";
  clusters.found(pipe);
  EXPECT_FALSE(clusters.missed(pipe)) << "it begins anew";
}

}  // namespace
}  // namespace portolan::client

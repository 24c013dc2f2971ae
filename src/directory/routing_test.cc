// Ways between gateways and egress nodes: who dials whom, next hops, and that orders do not flap.
#include "directory/routing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace portolan::directory {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Ids = std::vector<std::string>;
using IdSet = std::set<std::string>;

constexpr BootTime kStart{std::chrono::hours(1)};

// Gateways begin with g, relays with r.
class Net {
 public:
  void add(const std::string& id) { topology.nodes[id] = {id.starts_with('g'), true, true}; }
  void link(const std::string& from, const std::string& to, std::optional<std::uint64_t> round_trip_us = 1000) {
    topology.links[{from, to}] = {true, round_trip_us};
  }
  void cut(const std::string& from, const std::string& to) { topology.links[{from, to}] = {}; }
  void serve(const std::string& egress, bool sought = true) {
    topology.egress.insert(egress);
    if (sought) topology.sought.insert(egress);
  }
  const RoutePlan& plan(std::chrono::seconds later = 0s) {
    now += later;
    last = plan_routes(topology, last, now);
    return last;
  }

  Topology topology;
  RoutePlan last;
  BootTime now = kStart;
};

TEST(Routing, ARelayThatAllGatewaysReachNeedsNobodyToDial) {
  Net net;
  for (const char* id : {"g1", "g2", "r1"}) net.add(id);
  net.link("g1", "r1", 5000);
  net.link("g2", "r1", 9000);
  net.serve("r1");
  net.plan();
  net.plan(1h);
  EXPECT_THAT(net.last.dial, IsEmpty());
  EXPECT_THAT(net.last.next, IsEmpty());
  EXPECT_EQ(net.last.ways.at("r1").at("g1"), (PlannedWay{5000, 1}));
  EXPECT_EQ(net.last.ways.at("r1").at("g2"), (PlannedWay{9000, 1}));
}

TEST(Routing, WhoLacksALinkDialsWhoHasOneAfterAWhile) {
  Net net;
  for (const char* id : {"g1", "g2", "g3", "r1"}) net.add(id);
  net.link("g1", "r1", 5000);
  net.link("g2", "r1", 4000);
  net.serve("r1");
  net.plan();
  EXPECT_THAT(net.last.dial, IsEmpty());
  EXPECT_EQ(net.last.look_again, kStart + kLackLimit);
  net.plan(kLackLimit);
  EXPECT_EQ(net.last.dial.at("g3"), (IdSet{"g1", "g2"}));
  EXPECT_EQ(net.last.dial.size(), 1U);
  EXPECT_FALSE(net.last.ways.at("r1").contains("g3"));  // the links are not up yet
  net.link("g3", "g1", 1000);
  net.link("g3", "g2", 3000);
  net.plan(1s);
  EXPECT_THAT(net.last.next.at("g3").at("r1"), ElementsAre("g1", "g2"));
  EXPECT_EQ(net.last.ways.at("r1").at("g3"), (PlannedWay{6000, 2}));
}

TEST(Routing, ARelayThatComesBackInTimeChangesNothing) {
  Net net;
  for (const char* id : {"g1", "g2", "r1"}) net.add(id);
  net.link("g1", "r1");
  net.serve("r1");
  net.plan();
  net.link("g2", "r1");
  net.plan(10s);
  net.cut("g2", "r1");
  net.plan(15s);
  EXPECT_THAT(net.last.dial, IsEmpty());  // it has lacked it for no time
}

TEST(Routing, ALinkThatIsNotNeededStaysForAWhile) {
  Net net;
  for (const char* id : {"g1", "g2", "r1"}) net.add(id);
  net.link("g1", "r1");
  net.serve("r1");
  net.plan();
  net.plan(kLackLimit);
  ASSERT_EQ(net.last.dial.at("g2"), IdSet{"g1"});
  net.link("g2", "r1");
  net.plan(1s);
  EXPECT_EQ(net.last.dial.at("g2"), IdSet{"g1"});
  net.plan(kNeedlessLimit - 1s);
  EXPECT_EQ(net.last.dial.at("g2"), IdSet{"g1"});
  net.plan(1s);
  EXPECT_THAT(net.last.dial, IsEmpty());
}

TEST(Routing, AGatewayThatIsTheEgressIsDialledByTheOthersAtOnce) {
  Net net;
  for (const char* id : {"g1", "g2"}) net.add(id);
  net.serve("g2");
  net.plan();
  EXPECT_EQ(net.last.dial.at("g1"), IdSet{"g2"});
  EXPECT_FALSE(net.last.dial.contains("g2"));
  net.link("g1", "g2", 700);
  net.plan(9s);
  EXPECT_EQ(net.last.ways.at("g2").at("g2"), (PlannedWay{0, 0}));
  EXPECT_EQ(net.last.ways.at("g2").at("g1"), (PlannedWay{700, 1}));
  EXPECT_THAT(net.last.next, IsEmpty());
}

TEST(Routing, WhereTheNearestCannotBeDialledAFartherOneIs) {
  Net net;
  for (const char* id : {"g1", "g2", "g3", "r1"}) net.add(id);
  net.link("g1", "r1");
  net.serve("r1");
  net.plan();
  net.plan(kLackLimit);
  net.link("g2", "g1", 2000);
  net.cut("g3", "g1");
  net.plan(1s);
  EXPECT_EQ(net.last.dial.at("g3"), (IdSet{"g1", "g2"}));  // the one that is down goes on being tried
  net.link("g3", "g2", 4000);
  net.plan(1s);
  EXPECT_THAT(net.last.next.at("g3").at("r1"), ElementsAre("g2"));
  EXPECT_EQ(net.last.ways.at("r1").at("g3"), (PlannedWay{7000, 3}));
}

TEST(Routing, ForbiddenPairsAreNeverDialledNorUsed) {
  Net net;
  for (const char* id : {"g1", "g2", "r1"}) net.add(id);
  net.link("g1", "r1");
  net.link("g2", "g1");  // from before it was forbidden
  net.serve("r1");
  net.topology.forbidden.insert({"g1", "g2"});
  net.plan();
  net.plan(1h);
  EXPECT_THAT(net.last.dial, IsEmpty());
  EXPECT_FALSE(net.last.ways.at("r1").contains("g2"));
}

TEST(Routing, WhoDoesNotServeIsNoWayForOthers) {
  Net net;
  for (const char* id : {"g1", "g2", "r1"}) net.add(id);
  net.link("g1", "r1");
  net.link("g2", "g1");
  net.serve("r1");
  net.plan();
  ASSERT_TRUE(net.last.ways.at("r1").contains("g2"));
  net.topology.nodes["g1"].serves = false;
  net.plan(1s);
  EXPECT_THAT(net.last.ways.at("r1"), IsEmpty());
  EXPECT_THAT(net.last.next, IsEmpty());
}

// Of one that has just come, and has not said anything yet, nothing is taken away.
TEST(Routing, AGatewayThatHasNotReportedKeepsWhatItDials) {
  Net net;
  for (const char* id : {"g1", "g2", "r1"}) net.add(id);
  net.link("g1", "r1");
  net.serve("r1");
  net.plan();
  net.plan(kLackLimit);
  net.topology.nodes["g2"].reported = false;
  net.plan(2 * kNeedlessLimit);
  EXPECT_EQ(net.last.dial.at("g2"), IdSet{"g1"});
}

TEST(Routing, AWayOfMoreLinksThanAllowedIsNone) {
  Net net;
  for (const char* id : {"g1", "g2", "g3", "g4", "g5", "r1"}) net.add(id);
  net.link("g1", "r1");
  net.link("g2", "g1");
  net.link("g3", "g2");
  net.link("g4", "g3");
  net.link("g5", "g4");
  net.serve("r1", false);
  net.plan();
  EXPECT_EQ(net.last.ways.at("r1").at("g4").hops, kMostLinks);
  EXPECT_FALSE(net.last.ways.at("r1").contains("g5"));
  net.serve("g1", false);  // a gateway on the way as any other
  net.plan();
  EXPECT_EQ(net.last.ways.at("g1").at("g4").hops, kMostLinks - 1);
  EXPECT_FALSE(net.last.ways.at("g1").contains("g5"));
}

TEST(Routing, OrdersChangeOnlyForWhatIsClearlyBetter) {
  EXPECT_TRUE(is_clearly_better(7'000, 10'000));
  EXPECT_FALSE(is_clearly_better(8'500, 10'000));  // not by a fifth
  EXPECT_FALSE(is_clearly_better(500, 2'000));     // not by two milliseconds
  EXPECT_FALSE(is_clearly_better(10'000, 7'000));
  struct Case {
    const char* name;
    std::vector<Costly> members;
    Ids before;
    Ids after;
  };
  const Case cases[] = {
      {"nobody", {}, {"a"}, {}},
      {"by cost at first", {{"a", 9000}, {"b", 3000}, {"c", 6500}}, {}, {"b", "c", "a"}},
      {"by name among those that are alike", {{"a", 1, "y"}, {"b", 99, "x"}}, {}, {"b", "a"}},
      {"a little better", {{"a", 10'000}, {"b", 8'500}}, {"a", "b"}, {"a", "b"}},
      {"clearly better", {{"a", 10'000}, {"b", 7'000}}, {"a", "b"}, {"b", "a"}},
      {"past one that is not much worse",
       {{"a", 100'000}, {"b", 90'000}, {"c", 79'000}},
       {"a", "b", "c"},
       {"c", "a", "b"}},
      {"who is gone", {{"a", 10'000}}, {"b", "a"}, {"a"}},
      {"who is new comes last if it is alike", {{"a", 10'000}, {"n", 9'500}}, {"a"}, {"a", "n"}},
  };
  for (const auto& each : cases) EXPECT_EQ(order_steadily(each.members, each.before), each.after) << each.name;
}

TEST(Routing, ToldRoundTripsAndOrdersDoNotFlap) {
  Net net;
  for (const char* id : {"g1", "r1", "r2"}) net.add(id);
  net.link("g1", "r1", 20'000);
  net.link("g1", "r2", 21'000);
  net.serve("r1");
  net.serve("r2");
  net.plan();
  EXPECT_THAT(net.last.order, ElementsAre("r1", "r2"));
  net.link("g1", "r1", 23'000);  // a tenth more: jitter
  net.link("g1", "r2", 20'000);
  net.plan(1s);
  EXPECT_THAT(net.last.order, ElementsAre("r1", "r2"));
  EXPECT_EQ(net.last.ways.at("r1").at("g1").round_trip_us, 20'000);
  net.link("g1", "r1", 40'000);
  net.plan(1s);
  EXPECT_THAT(net.last.order, ElementsAre("r2", "r1"));
  EXPECT_EQ(net.last.ways.at("r1").at("g1").round_trip_us, 40'000);
  net.cut("g1", "r2");
  net.plan(1s);
  EXPECT_THAT(net.last.order, ElementsAre("r1", "r2"));
}

// ---- random topologies ----

// A world in which some pairs cannot reach each other, whatever they are told.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    const int gateways = pick(1, 9);
    const int relays = pick(1, 5);
    for (int i = 0; i < gateways; ++i) net.add("g" + std::to_string(i));
    for (int i = 0; i < relays; ++i) net.add("r" + std::to_string(i));
    const int density = pick(1, 10);
    for (const auto& [a, node] : net.topology.nodes)
      for (const auto& [b, other] : net.topology.nodes)
        if (a != b && node.gateway && pick(1, 10) <= density) {
          round_trips_[{a, b}] = static_cast<std::uint64_t>(pick(100, 100'000));
          if (other.gateway && pick(1, 8) == 1) net.topology.forbidden.insert({a, b});
        }
    for (const auto& [id, node] : net.topology.nodes)
      if (!node.gateway || pick(1, 3) == 1) net.serve(id);
    for (auto& [id, node] : net.topology.nodes) node.serves = pick(1, 12) != 1;
  }

  // What nodes would report: relays are linked wherever they can be, gateways where they were told to be.
  void report() {
    net.topology.links.clear();
    for (const auto& [pair, round_trip] : round_trips_)
      if (!net.topology.nodes[pair.second].gateway) net.link(pair.first, pair.second, round_trip);
    for (const auto& [from, dialled] : net.last.dial)
      for (const auto& to : dialled) {
        const auto found = round_trips_.find({from, to});
        if (found == round_trips_.end()) {
          net.cut(from, to);
        } else {
          net.link(from, to, found->second);
        }
      }
  }

  bool can_dial(const std::string& from, const std::string& to) const {
    return round_trips_.contains({from, to}) && !net.topology.forbidden.contains({from, to}) &&
           !net.topology.forbidden.contains({to, from});
  }

  // The fewest links that there could be, by gateways that serve.
  std::map<std::string, std::uint32_t> possible(const std::string& egress) const {
    std::map<std::string, std::uint32_t> hops;
    if (net.topology.nodes.at(egress).gateway) hops[egress] = 0;
    const std::uint32_t most = hops.empty() ? kMostLinks : kMostLinks - 1;
    for (std::uint32_t round = 1; round <= most; ++round)
      for (const auto& [id, node] : net.topology.nodes) {
        if (!node.gateway || hops.contains(id)) continue;
        const bool direct = round == 1 && can_dial(id, egress);
        const bool by_another = std::ranges::any_of(net.topology.nodes, [&](const auto& other) {
          const auto found = hops.find(other.first);
          return other.second.serves && found != hops.end() && found->second == round - 1 && round > 1 &&
                 can_dial(id, other.first);
        });
        if (direct || by_another) hops[id] = round;
      }
    return hops;
  }

  int pick(int from, int to) { return std::uniform_int_distribution(from, to)(random_); }
  void measure_anew() {
    for (auto& [pair, round_trip] : round_trips_) round_trip = static_cast<std::uint64_t>(pick(100, 100'000));
  }

  Net net;

 private:
  std::mt19937 random_;
  std::map<NodePair, std::uint64_t> round_trips_;  // who can reach whom
};

// Every choice among the next hops, not only the first: over links that are up, nobody twice, and to the end.
void follow_all(const World& world, const std::string& at, const std::string& egress, IdSet seen, std::uint32_t links) {
  ASSERT_LE(links, kMostLinks);
  ASSERT_TRUE(seen.insert(at).second) << at << " is passed twice on the way to " << egress;
  if (at == egress) return;
  const auto& plan = world.net.last;
  const auto direct = world.net.topology.links.find({at, egress});
  if (direct != world.net.topology.links.end() && direct->second.up && world.can_dial(at, egress)) {
    ASSERT_LT(links, kMostLinks);
    return;
  }
  const auto next = plan.next.find(at);
  ASSERT_TRUE(next != plan.next.end() && next->second.contains(egress)) << "lost at " << at << " for " << egress;
  for (const auto& by : next->second.at(egress)) {
    ASSERT_TRUE(world.net.topology.links.at({at, by}).up);
    ASSERT_TRUE(world.net.topology.nodes.at(by).serves);
    ASSERT_TRUE(world.can_dial(at, by));
    follow_all(world, by, egress, seen, links + 1);
  }
}

void check(const World& world) {
  const auto& plan = world.net.last;
  for (const auto& egress : world.net.topology.sought) {
    const auto possible = world.possible(egress);
    for (const auto& [id, hops] : possible) {
      if (!world.net.topology.nodes.at(id).serves) continue;
      const auto& ways = plan.ways.at(egress);
      // The last link to a gateway that does not serve is nobody's to look for.
      const auto& last = world.net.topology.nodes.at(egress);
      if (!last.gateway || last.serves || id == egress)
        ASSERT_TRUE(ways.contains(id)) << id << " has no way to " << egress << ", and could have one";
    }
    for (const auto& [id, way] : plan.ways.at(egress)) {
      ASSERT_TRUE(possible.contains(id));
      ASSERT_GE(way.hops, possible.at(id));
      follow_all(world, id, egress, {}, 0);
    }
  }
}

TEST(RoutingProperty, EverybodyArrivesWhoCanAndNobodyWalksInCircles) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    for (int round = 0; round < 24; ++round) {
      world.net.plan(9s);
      world.report();
    }
    world.net.plan(9s);
    check(world);
    if (testing::Test::HasFatalFailure()) return;
    // New measurements change the ways at most, and the same ones nothing at all.
    world.measure_anew();
    world.report();
    world.net.plan(9s);
    check(world);
    if (testing::Test::HasFatalFailure()) return;
    const RoutePlan settled = world.net.last;
    world.net.plan(1s);
    EXPECT_EQ(world.net.last.next, settled.next);
    EXPECT_EQ(world.net.last.ways, settled.ways);
    EXPECT_EQ(world.net.last.order, settled.order);
  }
}

}  // namespace
}  // namespace portolan::directory

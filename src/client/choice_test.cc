#include "client/choice.h"

#include <gtest/gtest.h>

namespace portolan::client {
namespace {
using namespace std::chrono_literals;
using Ids = std::vector<std::string>;

// Gateways as measured again and again.
FakeClock the_clock;

struct Measuring {
  std::vector<MeasuredGateway> gateways;
  explicit Measuring(const std::map<std::string, std::chrono::microseconds>& at_first) {
    for (const auto& [id, round_trip] : at_first) gateways.push_back({id, round_trip, 1});
  }
  MeasuredGateway& at(const std::string& id) { return *std::ranges::find(gateways, id, &MeasuredGateway::id); }
  void all() {
    for (auto& gateway : gateways) ++gateway.measurements;
  }
};

std::optional<std::vector<api::AgentEgress>> ways(std::vector<api::EgressWay> of) {
  return std::vector<api::AgentEgress>{{"n-9", "relay", std::move(of)}};
}

TEST(Choice, TheWholeWayCounts) {
  Measuring measuring({{"near", 1ms}, {"far", 20ms}, {"middle", 10ms}});
  Choice plain(the_clock);
  EXPECT_EQ(plain.order("n-9", measuring.gateways), (Ids{"near", "middle", "far"})) << "nothing is known of ways";
  Choice knowing(the_clock);
  knowing.know(ways({{"near", 100'000, 3}, {"far", 2'000, 1}, {"middle", 50'000, 2}}));
  EXPECT_EQ(knowing.order("n-9", measuring.gateways), (Ids{"far", "middle", "near"}));
  EXPECT_EQ(knowing.order("n-8", measuring.gateways), (Ids{"near", "middle", "far"})) << "another egress";
}

TEST(Choice, WhatIsNotMeasuredComesLaterAndWhatLeadsNowhereLast) {
  Measuring measuring({{"a", 1ms}, {"b", 50ms}, {"c", 2ms}});
  Choice choice(the_clock);
  choice.know(ways({{"b", 1'000, 1}, {"c", {}, 1}}));
  EXPECT_EQ(choice.order("n-9", measuring.gateways), (Ids{"b", "c", "a"}));
  measuring.at("b").round_trip.reset();
  Choice fresh(the_clock);
  fresh.know(ways({{"b", 1'000, 1}}));
  EXPECT_EQ(fresh.order("n-9", measuring.gateways), (Ids{"b", "a", "c"}));
  EXPECT_TRUE(fresh.order("n-9", {}).empty());
}

TEST(Choice, AClearlyBetterOneIsTakenAfterSeveralMeasurements) {
  Measuring measuring({{"old", 10ms}, {"new", 30ms}});
  Choice choice(the_clock);
  EXPECT_EQ(choice.order("n-9", measuring.gateways).front(), "old");
  measuring.at("new").round_trip = 5ms;
  for (int measured = 1; measured <= 2; ++measured) {
    measuring.all();
    for (int looks = 0; looks < 20; ++looks) choice.look(measuring.gateways);  // at the same measurement
    EXPECT_EQ(choice.order("n-9", measuring.gateways), (Ids{"old", "new"})) << measured;
  }
  measuring.all();
  choice.look(measuring.gateways);
  EXPECT_EQ(choice.order("n-9", measuring.gateways), (Ids{"new", "old"}));
}

TEST(Choice, OneThatIsMeasuredAloneProvesNothing) {
  Measuring measuring({{"old", 10ms}, {"new", 30ms}});
  Choice choice(the_clock);
  choice.order("n-9", measuring.gateways);
  measuring.at("new").round_trip = 5ms;
  for (int i = 0; i < 50; ++i) {
    ++measuring.at("new").measurements;
    choice.look(measuring.gateways);
  }
  EXPECT_EQ(choice.order("n-9", measuring.gateways).front(), "old");
}

TEST(Choice, ALittleBetterMovesNobody) {
  struct Case {
    std::chrono::microseconds kept, other;
    bool moves;
  };
  for (const Case& one : {Case{10ms, 8ms, false}, Case{10ms, 7900us, true}, Case{10ms, 8100us, false},
                          Case{2ms, 10us, false}, Case{3ms, 100us, true}, Case{100ms, 97ms, false}}) {
    Measuring measuring({{"kept", one.kept}, {"other", 1s}});
    Choice choice(the_clock);
    choice.order("n-9", measuring.gateways);
    measuring.at("other").round_trip = one.other;
    for (int i = 0; i < 10; ++i) {
      measuring.all();
      choice.look(measuring.gateways);
    }
    EXPECT_EQ(choice.order("n-9", measuring.gateways).front(), one.moves ? "other" : "kept")
        << one.kept.count() << " and " << one.other.count();
  }
}

TEST(Choice, MeasurementsThatWaverMoveNobody) {
  Measuring measuring({{"a", 10ms}, {"b", 12ms}});
  Choice choice(the_clock);
  choice.order("n-9", measuring.gateways);
  for (int i = 0; i < 100; ++i) {
    measuring.at("b").round_trip = i % 3 == 2 ? 14ms : 3ms;  // better twice, then worse
    measuring.all();
    choice.look(measuring.gateways);
    EXPECT_EQ(choice.order("n-9", measuring.gateways).front(), "a") << i;
  }
}

TEST(Choice, OneThatIsAwayOrLeadsNowhereIsPassedByAtOnceAndDoesNotComeBackAtOnce) {
  Measuring measuring({{"a", 10ms}, {"b", 20ms}});
  Choice choice(the_clock);
  EXPECT_EQ(choice.order("n-9", measuring.gateways).front(), "a");
  EXPECT_EQ(choice.order("n-9", {measuring.at("b")}).front(), "b");
  EXPECT_EQ(choice.order("n-9", measuring.gateways).front(), "b") << "no flapping";
  choice.know(ways({{"a", 1'000, 1}}));
  EXPECT_EQ(choice.order("n-9", measuring.gateways), (Ids{"a", "b"})) << "there is no way by the other one";
  choice.know(std::nullopt);
  EXPECT_EQ(choice.order("n-9", measuring.gateways).front(), "a");
}

TEST(Choice, OneThatOwesAnAnswerIsTriedLastForAWhile) {
  FakeClock clock;
  Measuring measuring({{"a", 10ms}, {"b", 20ms}, {"c", 30ms}});
  Choice choice(clock);
  EXPECT_EQ(choice.order("n-9", measuring.gateways), (Ids{"a", "b", "c"}));
  choice.doubt("a");
  EXPECT_EQ(choice.order("n-9", measuring.gateways), (Ids{"b", "c", "a"}));
  EXPECT_EQ(choice.order("n-8", measuring.gateways), (Ids{"b", "c", "a"})) << "on every way";
  clock.advance(14'999ms);
  EXPECT_EQ(choice.order("n-9", measuring.gateways).back(), "a");
  clock.advance(1ms);
  EXPECT_EQ(choice.order("n-9", measuring.gateways), (Ids{"a", "b", "c"})) << "it is still the first choice";
}

}  // namespace
}  // namespace portolan::client

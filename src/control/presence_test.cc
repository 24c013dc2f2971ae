#include "control/presence.h"

#include <gtest/gtest.h>

namespace portolan::control {
namespace {

using namespace std::chrono_literals;

class Rig {
 public:
  Rig() : presence(clock, [this](const std::string& node) { changed.push_back(node); }) {
    directory::Snapshot snapshot;
    for (const auto& [id, kind] : {std::pair("n-relay", "relay"), std::pair("n-gateway", "gateway")}) {
      directory::Node node;
      node.id = id;
      node.name = std::string(id).substr(2);
      node.kind = kind;
      snapshot.nodes[id] = node;
    }
    relay = snapshot.nodes["n-relay"];
    lookup = std::make_shared<const Lookup>(std::make_shared<const directory::Snapshot>(std::move(snapshot)));
  }
  Presence::Noted after(std::chrono::seconds seconds) {
    Presence::Noted all;
    for (auto passed = 0s; passed < seconds; ++passed) {
      clock.advance(1s);
      auto noted = presence.note_changes(*lookup);
      all.any = all.any || noted.any;
      all.turned.insert(all.turned.end(), noted.turned.begin(), noted.turned.end());
    }
    return all;
  }
  std::string trouble() const { return presence.trouble(relay, *lookup); }

  FakeClock clock;
  std::vector<std::string> changed;
  Presence presence;
  directory::Node relay;
  LookupPtr lookup;
};

TEST(Presence, AWatchSaysWhoIsThere) {
  Rig rig;
  EXPECT_NE(rig.trouble().find("has not been seen"), std::string::npos);
  {
    const Presence::Seat seat(rig.presence, "n-relay");
    EXPECT_TRUE(rig.presence.up("n-relay"));
    EXPECT_EQ(rig.trouble(), "");
    rig.after(10min);
    EXPECT_TRUE(rig.presence.up("n-relay")) << "a node of the previous release reports nothing";
  }
  EXPECT_FALSE(rig.presence.up("n-relay"));
  EXPECT_NE(rig.trouble().find("no connection to the control plane since 20"), std::string::npos) << rig.trouble();
  EXPECT_EQ(rig.changed.size(), 2U);
}

TEST(Presence, LastSeenIsWhenTheNodeSentSomething) {
  Rig rig;
  auto seat = std::make_optional<Presence::Seat>(rig.presence, "n-relay");
  const WallTime came = rig.clock.wall();
  rig.after(60s);
  EXPECT_EQ(rig.presence.of("n-relay").last_seen, came);
  seat.reset();  // cut off, as one that is frozen is
  EXPECT_EQ(rig.presence.of("n-relay").last_seen, came);
  EXPECT_EQ(rig.presence.of("n-relay").since, rig.clock.wall());
  rig.presence.seen("n-relay");
  EXPECT_EQ(rig.presence.of("n-relay").last_seen, rig.clock.wall());
}

TEST(Presence, WhoLeavesIsUpAndDoesNotServe) {
  Rig rig;
  auto seat = std::make_optional<Presence::Seat>(rig.presence, "n-relay");
  rig.presence.report("n-relay", {});
  rig.presence.set_leaving("n-relay", false);
  EXPECT_TRUE(rig.presence.serves("n-relay"));
  EXPECT_TRUE(rig.after(1s).turned.empty());
  rig.presence.set_leaving("n-relay", true);
  rig.presence.set_leaving("n-relay", true);
  EXPECT_TRUE(rig.presence.up("n-relay"));
  EXPECT_FALSE(rig.presence.serves("n-relay"));
  EXPECT_EQ(rig.after(1s).turned, std::vector<std::string>{"n-relay"}) << "agents are told once";
  EXPECT_NE(rig.trouble().find("told to stop"), std::string::npos) << rig.trouble();
  // Its successor serves, whether or not it says so.
  seat.reset();
  EXPECT_FALSE(rig.presence.serves("n-relay"));
  rig.clock.advance(20s);
  seat.emplace(rig.presence, "n-relay");
  EXPECT_TRUE(rig.presence.serves("n-relay"));
  EXPECT_FALSE(rig.presence.serves("n-nobody"));
}

TEST(Presence, WhoComesBackAtOnceWasNeverAway) {
  Rig rig;
  api::NodeFacts facts;
  auto seat = std::make_optional<Presence::Seat>(rig.presence, "n-relay");
  const auto since = rig.presence.of("n-relay").since;
  rig.clock.advance(8h);
  seat.reset();  // as with a new certificate: the connection with the old one ends first
  EXPECT_FALSE(rig.presence.up("n-relay"));
  EXPECT_EQ(rig.presence.of("n-relay").since, rig.clock.wall());
  rig.clock.advance(2s);
  seat.emplace(rig.presence, "n-relay");
  facts.uptime_s = 8 * 3600 + 2;
  rig.presence.report("n-relay", facts);
  EXPECT_EQ(rig.presence.of("n-relay").since, since);

  rig.clock.advance(1h);
  seat.reset();
  rig.clock.advance(2s);
  seat.emplace(rig.presence, "n-relay");
  facts.uptime_s = 1;  // another process
  rig.presence.report("n-relay", facts);
  EXPECT_EQ(rig.presence.of("n-relay").since, rig.clock.wall() - 1s);

  seat.reset();
  rig.clock.advance(1min);
  seat.emplace(rig.presence, "n-relay");
  EXPECT_EQ(rig.presence.of("n-relay").since, rig.clock.wall());
}

TEST(Presence, ANodeThatReportsNoMoreIsDownThoughItsConnectionStands) {
  Rig rig;
  const Presence::Seat seat(rig.presence, "n-relay");
  rig.presence.report("n-relay", {});
  rig.presence.note_changes(*rig.lookup);
  const auto soon = rig.after(34s);
  EXPECT_FALSE(soon.any);
  EXPECT_TRUE(rig.presence.up("n-relay"));
  const auto later = rig.after(3s);
  EXPECT_EQ(later.turned, std::vector<std::string>{"n-relay"});
  EXPECT_TRUE(later.any);
  EXPECT_FALSE(rig.presence.up("n-relay"));
  EXPECT_NE(rig.trouble().find("reported nothing for 35s"), std::string::npos) << rig.trouble();
  EXPECT_TRUE(rig.after(60s).turned.empty()) << "told once";
  rig.presence.report("n-relay", {});
  EXPECT_EQ(rig.after(1s).turned, std::vector<std::string>{"n-relay"});
  EXPECT_TRUE(rig.presence.up("n-relay"));
}

TEST(Presence, TheControlPlanesOwnSleepIsNobodysSilence) {
  Rig rig;
  const Presence::Seat seat(rig.presence, "n-relay");
  rig.presence.report("n-relay", {});
  rig.after(2s);
  rig.clock.advance(1h);
  EXPECT_TRUE(rig.after(10s).turned.empty());
}

TEST(Presence, WhatIsWrongIsSaidInWordsThatStayTheSame) {
  Rig rig;
  const Presence::Seat seat(rig.presence, "n-relay");
  api::NodeFacts facts;
  facts.links = {{"n-gateway", "gw.example:5000", "down", {}, "connection refused"}};
  facts.load.descriptors = 1000;
  facts.load.descriptor_limit = 1024;
  facts.clock_offset_ms = -6 * 60'000;
  rig.presence.report("n-relay", facts);
  const std::string words = rig.trouble();
  for (const char* part : {"its clock is 6m behind", "people cannot reach anything through it",
                           "not linked to gateway (gw.example:5000): connection refused", "its 1024 descriptors"})
    EXPECT_NE(words.find(part), std::string::npos) << part << " is not in: " << words;
  EXPECT_TRUE(rig.presence.note_changes(*rig.lookup).any);
  facts.load.descriptors = 1010;
  facts.clock_offset_ms -= 2;
  rig.presence.report("n-relay", facts);
  EXPECT_FALSE(rig.presence.note_changes(*rig.lookup).any);
}

}  // namespace
}  // namespace portolan::control

#include "client/status_changes.h"

#include <gtest/gtest.h>

#include "client/endings.h"

namespace portolan::client {
namespace {

api::AgentStatus status() {
  api::AgentStatus status;
  status.signed_in = true;
  status.email = "ann@example.com";
  status.control = "portolan.example:443";
  status.control_state = "up";
  status.gateways = {{"gateway-1", "127.0.0.1:5000", "linked", 300, {}}};
  status.paths = {{"n-1", "gateway-1", "nested", 1, 1, "relay-1"}};
  status.resources = {{"billing", "postgres", "127.0.0.1:15432", "connected", {}, 0, {}}};
  status.endings.emplace();
  return status;
}

std::string text_of(const std::vector<api::LocalChange>& changes) {
  std::string text;
  for (const auto& change : changes)
    text += change.subject + " " + change.name + ": " + change.was + " -> " + change.now +
            (change.reason ? " (" + *change.reason + ")" : "") + "\n";
  return text;
}

TEST(StatusChanges, NothingIsNoChange) {
  auto after = status();
  after.gateways[0].round_trip_us = 900;
  after.paths[0].handshakes = 2;
  EXPECT_EQ(text_of(changes_between(status(), after)), "");
}

TEST(StatusChanges, APathThatIsNotLinkedSaysSo) {
  auto after = status();
  after.paths[0].state = "silent";
  EXPECT_EQ(text_of(changes_between(status(), after)), "path relay-1: nested by gateway-1 -> silent\n");
  after.paths[0].state = "linked";
  EXPECT_EQ(text_of(changes_between(status(), after)), "");
}

TEST(StatusChanges, AreNamed) {
  auto after = status();
  after.control_state = "down";
  after.control_reason = "timed out";
  after.gateways[0].state = "down";
  after.paths.clear();
  after.resources[0].sessions = 2;
  after.resources.push_back({"spare",
                             "tcp",
                             "127.0.0.1:15433",
                             "failed",
                             "port 15433 is held",
                             0,
                             {},
                             {},
                             api::LocalHolder{"mallory", true, "nc", 12}});
  EXPECT_EQ(text_of(changes_between(status(), after)),
            "control portolan.example:443: up -> down (timed out)\n"
            "gateway gateway-1: linked -> down\n"
            "path relay-1: nested by gateway-1 -> \n"
            "resource spare:  -> failed (port 15433 is held)\n"
            "port-holder 127.0.0.1:15433:  -> nc of user mallory\n"
            "sessions billing:  -> 2\n");
}

TEST(StatusChanges, EndingsAreToldOnceOldestFirst) {
  auto before = status();
  before.endings = {{{}, "billing", "no_grant", "old", "t-1"}};
  auto after = before;
  after.endings->insert(after.endings->begin(), {{}, "billing", "no_grant", "second", "t-2"});
  after.endings->insert(after.endings->begin(), {{}, "spare", "no_grant", "third", "t-3"});
  EXPECT_EQ(text_of(changes_between(before, after)),
            "ending billing: open -> ended (second)\nending spare: open -> ended (third)\n");
}

TEST(Endings, TheEgressKnowsBetterThanTheAgent) {
  Endings endings;
  endings.add({{}, "billing", "io", "broken", "t-1"}, Endings::Source::kAgent);
  endings.add({{}, "billing", "no_grant", "taken away", "t-1"}, Endings::Source::kEgress);
  endings.add({{}, "billing", "io", "broken", "t-1"}, Endings::Source::kAgent);
  ASSERT_EQ(endings.list().size(), 1U);
  EXPECT_EQ(endings.list()[0].reason, "taken away");
  for (int i = 0; i < 100; ++i) endings.add({{}, "x", "io", "r", std::to_string(i)}, Endings::Source::kAgent);
  EXPECT_EQ(endings.list().size(), Endings::kKept);
  EXPECT_EQ(endings.list()[0].trace, "99");
}

TEST(StatusChanges, OwnPorts) {
  api::AgentStatus before;
  before.web_proxy = api::LocalPort{"127.0.0.1:65230", "failed", "port 65230 is held by somebody", {}};
  api::AgentStatus after = before;
  EXPECT_TRUE(changes_between(before, after).empty());
  after.web_proxy = api::LocalPort{"127.0.0.1:65230", "listening", {}, {}};
  const auto changes = changes_between(before, after);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].subject, "web-proxy");
  EXPECT_EQ(changes[0].was, "failed");
  EXPECT_EQ(changes[0].now, "listening");
}

}  // namespace
}  // namespace portolan::client

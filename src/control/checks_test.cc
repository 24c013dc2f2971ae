// The plan of checks by a clock that stands still until it is moved.
#include "control/checks.h"

#include <gtest/gtest.h>

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using Health = Checks::Health;

class Book {
 public:
  explicit Book(CheckRules rules = {})
      : checks(clock, rules, [this](const directory::Resource& resource) -> Result<Checks::Secrets> {
          if (unreadable) return fail(Code::kInvalid, "sealed by another key");
          return Checks::Secrets{Secret("password of " + resource.name), {}};
        }) {}

  void add_node(const std::string& id, const std::string& kind = "relay") {
    directory::Node node;
    node.id = id;
    node.name = id;
    node.kind = kind;
    snapshot.nodes[id] = node;
    publish();
  }
  directory::Resource& resource(const std::string& id) { return snapshot.resources[id]; }
  void add_resource(const std::string& id, std::vector<std::string> egress = {}) {
    directory::Resource added;
    added.id = id;
    added.name = id;
    added.type = "postgres";
    added.host = "db.example";
    added.port = 5432;
    added.username = "app";
    added.egress_nodes = std::move(egress);
    snapshot.resources[id] = added;
  }
  void publish() {
    ++snapshot.revision;
    for (auto& [id, resource] : snapshot.resources) resource.revision = snapshot.revision;
    for (auto& [id, node] : snapshot.nodes) node.revision = snapshot.revision;
    follow();
  }
  void follow() {
    checks.follow(std::make_shared<const Lookup>(std::make_shared<const directory::Snapshot>(snapshot)));
  }
  std::vector<api::CheckTask> take(const std::string& node = "n-1") {
    checks.node_can(node, {"postgres"});
    return checks.take(node);
  }
  bool answer(const api::CheckTask& task, bool healthy, std::string code = "connection_refused",
              const std::string& node = "n-1") {
    return checks.answer(node, {task.id, task.nonce, healthy, healthy ? "ok" : std::move(code), "it says why", 7});
  }
  // Moves on until a task comes, and gives how long that took; answers it.
  std::chrono::seconds next_after(bool healthy, std::string code = "connection_refused") {
    for (auto waited = 0s; waited < 1h; waited += 1s) {
      auto tasks = take();
      if (!tasks.empty()) {
        EXPECT_TRUE(answer(tasks[0], healthy, std::move(code)));
        return waited;
      }
      clock.advance(1s);
    }
    return 1h;
  }
  const Checks::State& state(const std::string& resource = "rs-1", const std::string& node = "n-1") const {
    return *checks.find({resource, node});
  }

  FakeClock clock;
  directory::Snapshot snapshot;
  bool unreadable = false;
  Checks checks;
};

// One resource behind one relay.

struct One : Book {
  explicit One(CheckRules rules = {}) : Book(rules) {
    add_resource("rs-1");
    add_node("n-1");
  }
};

bool is_about(std::chrono::seconds found, std::chrono::seconds wanted) {
  return found >= wanted - wanted / 10 - 1s && found <= wanted + wanted / 10 + 1s;
}

TEST(Checks, ANewResourceIsCheckedAtOnceAndThenOnSchedule) {
  One book;
  EXPECT_EQ(book.state().shown, Health::kUnknown);
  EXPECT_EQ(book.state().code, "never_checked");
  const auto tasks = book.take();
  ASSERT_EQ(tasks.size(), 1U);
  EXPECT_EQ(tasks[0].host, "db.example");
  EXPECT_EQ(tasks[0].username, "app");
  EXPECT_EQ(tasks[0].password.reveal(), "password of rs-1");
  EXPECT_EQ(book.state().given, 1U);
  EXPECT_TRUE(book.take().empty()) << "one at a time";
  EXPECT_TRUE(book.answer(tasks[0], true));
  EXPECT_EQ(book.state().shown, Health::kHealthy);
  EXPECT_EQ(book.state().settled, Health::kHealthy);
  EXPECT_EQ(book.state().checked, book.clock.wall());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(is_about(book.next_after(true), 60s));
}

TEST(Checks, AnAnswerCountsOnceFromItsNodeInTime) {
  One book;
  book.add_node("n-2");
  const auto task = book.take().at(0);
  auto forged = task;
  forged.nonce = Secret("guessed");
  EXPECT_FALSE(book.answer(forged, true));
  EXPECT_FALSE(book.answer(task, true, "", "n-2")) << "another node's";
  EXPECT_TRUE(book.answer(task, true));
  EXPECT_FALSE(book.answer(task, false)) << "again";
  EXPECT_EQ(book.state().shown, Health::kHealthy);
  EXPECT_EQ(book.checks.refused(), 3U);

  book.clock.advance(2min);
  const auto late = book.take().at(0);
  book.clock.advance(40s);
  EXPECT_FALSE(book.answer(late, true));
  EXPECT_EQ(book.state().shown, Health::kUnknown);
  EXPECT_EQ(book.state().code, "node_silent");
  EXPECT_EQ(book.state().settled, Health::kHealthy) << "that a node is silent says nothing of the resource";
}

// A change of something else is seen by revisions alone; one of theirs is not overlooked.
TEST(Checks, WhatHasNotChangedIsNotLookedAt) {
  One book;
  EXPECT_TRUE(book.answer(book.take().at(0), true));
  ++book.snapshot.revision;  // somebody signs in
  book.follow();
  EXPECT_EQ(book.state().shown, Health::kHealthy);
  auto& resource = book.snapshot.resources.begin()->second;
  resource.name = "renamed";
  resource.revision = ++book.snapshot.revision;
  book.follow();
  EXPECT_EQ(book.state().shown, Health::kHealthy) << "a check does not depend on its name";
  resource.host = "other.example";
  resource.revision = ++book.snapshot.revision;
  book.follow();
  EXPECT_EQ(book.state().shown, Health::kUnknown);
  EXPECT_EQ(book.take().at(0).host, "other.example");
  auto& node = book.snapshot.nodes.begin()->second;
  node.revoked = true;
  node.revision = ++book.snapshot.revision;
  book.follow();
  EXPECT_TRUE(book.checks.all().empty());
}

TEST(Checks, OnlyNodesThatMayBeTheEgressGetCredentials) {
  One book;
  book.add_node("g-1", "gateway");
  book.add_node("n-2");
  book.add_resource("rs-2", {"n-2"});
  book.publish();
  EXPECT_TRUE(book.take("g-1").empty()) << "a gateway is not asked while there are relays";
  EXPECT_TRUE(book.take("n-9").empty());
  ASSERT_EQ(book.take("n-1").size(), 1U);
  std::set<std::string> names;
  for (const auto& task : book.take("n-2")) names.insert(task.name);
  EXPECT_EQ(names, (std::set<std::string>{"rs-1", "rs-2"}));

  book.snapshot.nodes["n-2"].revoked = true;
  book.publish();
  book.clock.advance(5min);
  EXPECT_TRUE(book.take("n-2").empty());
  EXPECT_EQ(book.checks.find({"rs-2", "n-2"}), nullptr);
}

TEST(Checks, AnAnswerAboutWhatHasBeenChangedMeanwhileDoesNotCount) {
  One book;
  const auto before = book.take().at(0);
  book.resource("rs-1").sealed_password = "another";
  book.publish();
  EXPECT_FALSE(book.answer(before, false));
  const auto after = book.take();
  ASSERT_EQ(after.size(), 1U) << "checked anew at once";
  EXPECT_TRUE(book.answer(after[0], true));
  EXPECT_EQ(book.state().given, 2U) << "what was handed out is not forgotten";
}

TEST(Checks, WhatFailsIsTriedSoonAndThenLessOften) {
  One book;
  book.next_after(true);
  const std::chrono::seconds waits[] = {60s, 5s, 10s, 20s, 40s, 60s, 60s, 60s};
  for (const auto wanted : waits) {
    const auto found = book.next_after(false);
    EXPECT_TRUE(is_about(found, wanted)) << found.count() << " instead of " << wanted.count();
  }
  EXPECT_TRUE(is_about(book.next_after(true), 60s));
  EXPECT_TRUE(is_about(book.next_after(true), 5s)) << "whether it is well again is looked at soon";
}

TEST(Checks, WhatIsSlowToFailAndARefusedCredentialAreTriedLessOftenStill) {
  One slow;
  std::chrono::seconds found{};
  for (int i = 0; i < 10; ++i) found = slow.next_after(false, "timeout");
  EXPECT_TRUE(is_about(found, 300s)) << found.count();
  One refused;
  EXPECT_EQ(refused.next_after(false, "bad_credential"), 0s);
  for (const auto wanted : {60s, 60s, 120s, 240s}) {
    found = refused.next_after(false, "bad_credential");
    EXPECT_TRUE(is_about(found, wanted)) << found.count() << " instead of " << wanted.count();
  }
  for (int i = 0; i < 3; ++i) found = refused.next_after(false, "bad_credential");
  EXPECT_TRUE(is_about(found, 900s)) << found.count();
}

TEST(Checks, ASessionThatIsLetInIsAsGoodAsACheck) {
  One book;
  for (int i = 0; i < 6; ++i) book.next_after(false);
  ASSERT_EQ(book.state().settled, Health::kUnhealthy);
  book.checks.take_settled();
  EXPECT_TRUE(book.checks.seen("n-1", {"rs-1", true}));
  EXPECT_EQ(book.state().shown, Health::kHealthy);
  EXPECT_EQ(book.state().settled, Health::kHealthy) << "at once: somebody is in";
  EXPECT_EQ(book.checks.take_settled(), std::set<std::string>{"rs-1"});
  EXPECT_FALSE(book.checks.seen("n-1", {"rs-1", true})) << "nothing new";
  EXPECT_FALSE(book.checks.seen("n-2", {"rs-1", true})) << "a node that may not reach it";
  EXPECT_FALSE(book.checks.seen("n-1", {"rs-9", true}));
  EXPECT_TRUE(is_about(book.next_after(true), 60s));
}

TEST(Checks, ASessionThatIsKeptOutMakesTheCheckDue) {
  One book;
  book.next_after(true);
  book.checks.take_settled();
  ASSERT_TRUE(book.take().empty());
  book.checks.seen("n-1", {"rs-1", false});
  EXPECT_EQ(book.state().shown, Health::kHealthy) << "it may be the session's own fault";
  const auto first = book.take();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_TRUE(book.answer(first[0], true));
  EXPECT_EQ(book.state().settled, Health::kHealthy);
  book.checks.seen("n-1", {"rs-1", false});
  EXPECT_TRUE(book.take().empty()) << "not as often as a node likes";
  book.clock.advance(6s);
  book.checks.seen("n-1", {"rs-1", false});
  const auto second = book.take();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_TRUE(book.answer(second[0], false));
  EXPECT_EQ(book.state().settled, Health::kUnhealthy) << "session and check are two in a row";
  EXPECT_EQ(book.checks.take_settled(), std::set<std::string>{"rs-1"});
  book.clock.advance(1s);
  book.checks.seen("n-1", {"rs-1", false});
  EXPECT_TRUE(book.take().empty()) << "known already";
}

TEST(Checks, NothingIsCheckedUnaskedWhereThereIsNoSchedule) {
  One book({.interval = 0s});
  book.checks.seen("n-1", {"rs-1", false});
  EXPECT_TRUE(book.take().empty());
  EXPECT_TRUE(book.checks.seen("n-1", {"rs-1", true}));
  EXPECT_EQ(book.state().settled, Health::kHealthy);
}

TEST(Checks, WhatAgentsAreToldDoesNotFlap) {
  One book;
  book.next_after(true);
  EXPECT_EQ(book.checks.take_settled(), std::set<std::string>{"rs-1"});
  for (int i = 0; i < 5; ++i) {
    book.next_after(false);
    EXPECT_EQ(book.state().shown, Health::kUnhealthy) << "admins see each";
    EXPECT_EQ(book.state().settled, Health::kHealthy);
    EXPECT_TRUE(is_about(book.next_after(true), 5s));
  }
  EXPECT_TRUE(book.checks.take_settled().empty());
  book.next_after(false);
  book.next_after(false);
  EXPECT_EQ(book.state().settled, Health::kUnhealthy);
  EXPECT_EQ(book.state().settled_reason, "it says why");
  EXPECT_EQ(book.checks.take_settled(), std::set<std::string>{"rs-1"});
  book.next_after(true);
  EXPECT_EQ(book.state().settled, Health::kUnhealthy);
  book.next_after(true);
  EXPECT_EQ(book.state().settled, Health::kHealthy);
}

TEST(Checks, AskedForItIsDoneAtOnceAndNotTooOften) {
  One book({.interval = 0s});
  EXPECT_TRUE(book.take().empty()) << "no schedule";
  ASSERT_TRUE(book.checks.ask("rs-1", {"n-1"}));
  EXPECT_TRUE(book.checks.is_asked({"rs-1", "n-1"}));
  ASSERT_TRUE(book.checks.ask("rs-1", {"n-1"}));
  const auto tasks = book.take();
  ASSERT_EQ(tasks.size(), 1U) << "one for all who ask";
  EXPECT_TRUE(book.answer(tasks[0], true));
  EXPECT_FALSE(book.checks.is_asked({"rs-1", "n-1"}));
  book.clock.advance(1h);
  EXPECT_TRUE(book.take().empty());
  int asked = 0;
  for (int i = 0; i < 100; ++i) {
    if (!book.checks.ask("rs-1", {"n-1"})) break;
    for (const auto& task : book.take()) book.answer(task, true);
    ++asked;
  }
  EXPECT_EQ(asked, 20);
  book.clock.advance(1s);
  EXPECT_TRUE(book.checks.ask("rs-1", {"n-1"}));
}

TEST(Checks, AskedForItIsDoneAlthoughASessionIsLetInBefore) {
  One book;
  book.next_after(false);
  ASSERT_TRUE(book.checks.ask("rs-1", {"n-1"}));
  EXPECT_TRUE(book.checks.seen("n-1", {"rs-1", true}));
  const auto tasks = book.take();
  ASSERT_EQ(tasks.size(), 1U);
  EXPECT_TRUE(book.checks.is_asked({"rs-1", "n-1"}));
  EXPECT_TRUE(book.answer(tasks[0], false));
  EXPECT_FALSE(book.checks.is_asked({"rs-1", "n-1"}));
  EXPECT_TRUE(book.take().empty());
}

TEST(Checks, AHostileReasonIsPlainAndShort) {
  One book;
  const auto task = book.take().at(0);
  const std::string hostile = "\x1b]0;owned\x07line\r\nbreak\xe2\x80\xae" + std::string(5000, 'x');
  EXPECT_TRUE(book.checks.answer("n-1", {task.id, task.nonce, false, "Bad Code\n", hostile, 1}));
  EXPECT_EQ(book.state().code, "failed");
  EXPECT_TRUE(book.state().reason.starts_with("]0;owned line break x")) << book.state().reason.substr(0, 40);
  EXPECT_LE(book.state().reason.size(), 520U);
  for (const char c : book.state().reason) EXPECT_TRUE(static_cast<unsigned char>(c) >= ' ');
}

TEST(Checks, ANodeThatCannotIsSaidToBeSo) {
  One book;
  book.checks.node_can("n-1", {"tcp"});
  EXPECT_TRUE(book.checks.take("n-1").empty());
  EXPECT_EQ(book.state().code, "not_supported");
  EXPECT_EQ(book.state().shown, Health::kUnknown);
  EXPECT_EQ(book.state().given, 0U);
}

TEST(Checks, ANodeThatDoesNotUnderstandIsUnhealthyUntilItDoes) {
  One book;
  book.snapshot.resources.begin()->second.settings = {{"hosts", "b:1"}};
  book.publish();
  EXPECT_TRUE(book.take().empty()) << "it does not say that it knows the setting";
  EXPECT_EQ(book.state().code, "not_understood");
  EXPECT_EQ(book.state().shown, Health::kUnhealthy);
  EXPECT_EQ(book.state().reason, "the node's release does not know postgres.hosts, which the resource needs");
  EXPECT_EQ(book.state().given, 0U) << "no credential left";
  book.checks.node_can("n-1", {"postgres"}, {"postgres.hosts"});
  const auto tasks = book.checks.take("n-1");
  ASSERT_EQ(tasks.size(), 1U) << "at once, not after the pause of a failure";
  EXPECT_EQ(tasks[0].must_understand, std::vector<std::string>{"postgres.hosts"});
}

TEST(Checks, ACredentialThatCannotBeReadGoesNowhere) {
  One book;
  book.unreadable = true;
  EXPECT_TRUE(book.take().empty());
  EXPECT_EQ(book.state().code, "credential_unreadable");
  EXPECT_EQ(book.state().given, 0U);
}

TEST(Checks, TenThousandResourcesBehindTwoNodesStayWithinTheRate) {
  Book book;
  for (int i = 0; i < 10'000; ++i) book.add_resource("rs-" + std::to_string(i));
  book.add_node("n-1");
  book.add_node("n-2");
  std::map<std::string, std::vector<api::CheckTask>> out;
  std::uint64_t done = 0;
  const int seconds = 500;
  for (int tenth = 0; tenth < seconds * 10; ++tenth) {
    for (const std::string node : {"n-1", "n-2"}) {
      for (const auto& task : out[node]) {
        EXPECT_TRUE(book.answer(task, true, "", node));
        ++done;
      }
      out[node] = book.take(node);
      EXPECT_LE(out[node].size(), 8U);
    }
    book.clock.advance(100ms);
  }
  EXPECT_LE(done, 50U * seconds + 60);
  EXPECT_GE(done, 50U * seconds * 9 / 10);
  // The one that has waited longest first: after one round everything has been looked at.
  std::size_t never = 0;
  for (const auto& [key, state] : book.checks.all()) never += state.checked ? 0 : 1;
  EXPECT_EQ(never, 0U);
}

TEST(Checks, WatchesAreToldEachChangeOnce) {
  One book;
  const auto begin = book.checks.sequence();
  book.next_after(true);
  auto changed = book.checks.changed_since(begin);
  ASSERT_TRUE(changed);
  ASSERT_EQ(changed->size(), 1U);
  EXPECT_FALSE(changed->at(0).removed);
  const auto seen = book.checks.sequence();
  book.next_after(true);
  EXPECT_TRUE(book.checks.changed_since(seen)->empty()) << "the same again is no change";
  book.next_after(false);
  book.next_after(false, "bad_credential");
  EXPECT_EQ(book.checks.changed_since(seen)->size(), 1U) << "what is newest, once";
  book.snapshot.resources.clear();
  book.publish();
  changed = book.checks.changed_since(seen);
  ASSERT_EQ(changed->size(), 1U);
  EXPECT_TRUE(changed->at(0).removed);
  for (int i = 0; i < 5000; ++i) book.add_resource("rs-x" + std::to_string(i));
  book.publish();
  book.snapshot.resources.clear();
  book.publish();
  EXPECT_FALSE(book.checks.changed_since(seen)) << "too long ago";
}

}  // namespace
}  // namespace portolan::control

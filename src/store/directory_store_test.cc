#include "store/directory_store.h"

#include <gmock/gmock.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/json.h"
#include "store/test_folder.h"

namespace portolan::store {
namespace {

using directory::Account;
using directory::Snapshot;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const WallTime kTime{std::chrono::milliseconds(1'700'000'000'123)};

template <class T>
T made(std::string id, const std::function<void(T&)>& fill = {}) {
  T object;
  object.id = std::move(id);
  if constexpr (requires { object.name; }) object.name = object.id;
  if constexpr (requires { object.token_hash; }) object.token_hash = "hash of " + object.id;
  object.created = kTime;
  if (fill) fill(object);
  return object;
}

directory::Account account(const std::string& name) {
  return made<Account>("a-" + name, [&](Account& a) {
    a.email = name + "@example.com";
    a.password_hash = "$argon2id$" + name;
  });
}
directory::Resource resource(const std::string& name, std::uint16_t local_port) {
  return made<directory::Resource>("rs-" + name, [&](directory::Resource& r) {
    r.name = name, r.type = "postgres", r.host = "db.example.com", r.port = 5432, r.local_port = local_port;
    r.settings = {{"database", "app"}, {"tls", "verify"}};
    r.username = "app";
    r.sealed_password = "v1.key.sealed";
  });
}
directory::Membership membership(const std::string& id, const std::string& who, const std::string& role) {
  return made<directory::Membership>(id, [&](auto& m) { m.account = who, m.role = role; });
}
directory::Grant grant(const std::string& id, const std::string& role, const std::string& what) {
  return made<directory::Grant>(id, [&](auto& g) { g.role = role, g.resource = what; });
}

// Two accounts, two roles, two resources, and one of everything that hangs on ann.
Result<> fill(Change& change) {
  PL_CHECK(change.put(account("ann")));
  PL_CHECK(change.put(account("bob")));
  for (const auto* role : {"r-dba", "r-reader"}) PL_CHECK(change.put(made<directory::Role>(role)));
  PL_CHECK(change.put(resource("billing", 15432)));
  PL_CHECK(change.put(resource("ledger", 15433)));
  PL_CHECK(change.put(membership("m-1", "a-ann", "r-dba")));
  PL_CHECK(change.put(membership("m-2", "a-bob", "r-dba")));
  PL_CHECK(change.put(grant("g-1", "r-dba", "rs-billing")));
  PL_CHECK(change.put(grant("g-2", "r-reader", "rs-billing")));
  PL_CHECK(change.put(made<directory::Device>("d-1", [](auto& d) { d.account = "a-ann"; })));
  PL_CHECK(change.put(
      made<directory::SignIn>("si-1", [](auto& s) { s.account = "a-ann", s.device = "d-1", s.ends = kTime; })));
  PL_CHECK(change.put(made<directory::ApiToken>("at-1", [](auto& t) { t.account = "a-ann", t.ends = kTime; })));
  PL_CHECK(change.put(made<directory::ApiToken>("at-2", [](auto& t) { t.account = "a-bob"; })));
  PL_CHECK(change.put(made<directory::Node>("n-1", [](auto& n) { n.kind = "relay", n.revoked = true; })));
  return change.put(made<directory::JoinToken>("jt-1", [](auto& t) { t.kind = "relay", t.ends = kTime; }));
}

class DirectoryStoreTest : public StoreTest {
 protected:
  std::unique_ptr<DirectoryStore> open() {
    auto store = DirectoryStore::open(path_, {.clock = clock_, .busy_timeout = std::chrono::milliseconds(50)});
    EXPECT_TRUE(store) << store.error().message;
    return std::move(*store);
  }
  std::unique_ptr<DirectoryStore> filled() {
    auto store = open();
    const auto changed = store->change("a-root", fill);
    EXPECT_TRUE(changed) << changed.error().message;
    return store;
  }
  static std::vector<std::string> verbs(DirectoryStore& store, std::uint64_t after) {
    std::vector<std::string> out;
    const auto listed = store.activities({.after = after, .limit = 1000});
    EXPECT_TRUE(listed);
    for (const auto& activity : listed->items) out.push_back(activity.verb + " " + activity.object);
    return out;
  }
  FakeClock clock_;
};

template <class T>
std::vector<std::string> encoded(const std::map<std::string, T, std::less<>>& objects) {
  std::vector<std::string> out;
  for (const auto& [id, object] : objects) out.push_back(json::encode(object));
  return out;
}
void expect_equal(const Snapshot& a, const Snapshot& b) {
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.revision, b.revision);
  EXPECT_EQ(encoded(a.accounts), encoded(b.accounts));
  EXPECT_EQ(encoded(a.devices), encoded(b.devices));
  EXPECT_EQ(encoded(a.sign_ins), encoded(b.sign_ins));
  EXPECT_EQ(encoded(a.api_tokens), encoded(b.api_tokens));
  EXPECT_EQ(encoded(a.roles), encoded(b.roles));
  EXPECT_EQ(encoded(a.memberships), encoded(b.memberships));
  EXPECT_EQ(encoded(a.grants), encoded(b.grants));
  EXPECT_EQ(encoded(a.resources), encoded(b.resources));
  EXPECT_EQ(encoded(a.nodes), encoded(b.nodes));
  EXPECT_EQ(encoded(a.join_tokens), encoded(b.join_tokens));
}

TEST_F(DirectoryStoreTest, BeginsEmpty) {
  auto store = open();
  const auto snapshot = store->snapshot();
  EXPECT_EQ(snapshot->revision, 0U);
  EXPECT_GE(snapshot->epoch.size(), 20U);
  EXPECT_THAT(snapshot->accounts, IsEmpty());
  EXPECT_THAT(store->activities({})->items, IsEmpty());
  path_ = folder_ / "other.db";
  EXPECT_NE(open()->snapshot()->epoch, snapshot->epoch);
}

TEST_F(DirectoryStoreTest, ClustersAreKeptWithTheirKeysAndWorkers) {
  auto store = open();
  ASSERT_TRUE(store->change("a-root", [](Change& change) -> Result<> {
    PL_CHECK(change.put(made<directory::Cluster>(
        "c-1", [](auto& c) { c.address = "h:1", c.bridged = true, c.tags = {{"env", "prod"}}; })));
    PL_CHECK(change.put(made<directory::JoinToken>("jt-1", [](auto& t) {
      t.kind = "worker", t.cluster = "c-1", t.uses_limit = 0, t.last_used = kTime, t.networks = {"10.0.0.0/8"};
      t.ends = directory::kNoEnd;
    })));
    return change.put(
        made<directory::Node>("n-1", [](auto& n) { n.kind = "worker", n.cluster = "c-1", n.joined_by = "jt-1"; }));
  }));
  const auto before = store->snapshot();
  store.reset();
  store = open();
  const auto after = store->snapshot();
  expect_equal(*before, *after);
  EXPECT_EQ(encoded(before->clusters), encoded(after->clusters));
  EXPECT_EQ(after->join_tokens.at("jt-1").ends, directory::kNoEnd);
  const auto remove = [](Change& change) { return change.remove<directory::Cluster>("c-1"); };
  const auto held = store->change("a-root", remove);
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Code::kConflict) << held.error().message;
  ASSERT_TRUE(store->change("a-root", [](Change& change) -> Result<> {
    auto node = change.now().nodes.at("n-1");
    node.revoked = true;
    return change.put(node);
  }));
  ASSERT_TRUE(store->change("a-root", remove));
  EXPECT_THAT(store->snapshot()->join_tokens, IsEmpty()) << "its keys go with it";
}

TEST_F(DirectoryStoreTest, EverythingIsThereAfterReopening) {
  auto store = filled();
  const auto before = store->snapshot();
  EXPECT_EQ(before->revision, 1U) << "one change, one revision";
  EXPECT_EQ(before->resources.at("rs-billing").settings.at("tls"), "verify");
  store.reset();
  store = open();
  expect_equal(*before, *store->snapshot());
  EXPECT_EQ(store->snapshot()->sign_ins.size(), 1U);
  EXPECT_EQ(store->snapshot()->api_tokens.at("at-1").ends, kTime);
  EXPECT_FALSE(store->snapshot()->api_tokens.at("at-2").ends);
  EXPECT_TRUE(store->snapshot()->nodes.at("n-1").revoked);
}

TEST_F(DirectoryStoreTest, SnapshotsFollowTheFile) {
  auto store = filled();
  const auto old = store->snapshot();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(store->change("a-root", [&](Change& change) -> Result<> {
      auto edited = change.now().accounts.at("a-bob");
      edited.name = "Bob " + std::to_string(i);
      PL_CHECK(change.put(edited));
      EXPECT_EQ(change.now().accounts.at("a-bob").name, edited.name) << "a change sees itself";
      if (i == 5) PL_CHECK(change.remove<directory::Membership>("m-2"));
      return change.put(made<directory::Role>("r-" + std::to_string(i)));
    }));
    auto second = open();
    expect_equal(*store->snapshot(), *second->snapshot());
  }
  EXPECT_EQ(old->accounts.at("a-bob").name, "a-bob");
  EXPECT_EQ(store->snapshot()->revision, 11U);
}

TEST_F(DirectoryStoreTest, NothingChangedIsNoRevision) {
  auto store = filled();
  int calls = 0;
  store->on_change([&](const DirectoryStore::SnapshotPtr&, const auto&) { ++calls; });
  const auto same = store->change("a-root", [](Change& change) { return change.put(account("ann")); });
  ASSERT_TRUE(same);
  EXPECT_EQ((*same)->revision, 1U);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(store->activities({})->items.size(), 16U);
}

TEST_F(DirectoryStoreTest, ConflictsNameFieldAndHolder) {
  auto store = filled();
  struct Case {
    std::function<Result<>(Change&)> edit;
    Code code;
    std::string message;
  };
  const Case cases[] = {
      {[](Change& c) {
         auto eve = account("eve");
         eve.email = "ann@example.com";
         return c.put(eve);
       },
       Code::kConflict, "account \"ann@example.com\" (a-ann) already has email \"ann@example.com\""},
      {[](Change& c) {
         auto bob = account("bob");
         bob.email = "ann@example.com";  // by updating
         return c.put(bob);
       },
       Code::kConflict, "account \"ann@example.com\" (a-ann) already has email \"ann@example.com\""},
      {[](Change& c) { return c.put(made<directory::Role>("r-2", [](auto& r) { r.name = "r-dba"; })); },
       Code::kConflict, "role \"r-dba\" (r-dba) already has name \"r-dba\""},
      {[](Change& c) {
         auto other = resource("other", 15432);
         return c.put(other);
       },
       Code::kConflict, "resource \"billing\" (rs-billing) already has local_port 15432"},
      {[](Change& c) {
         auto other = resource("other", 20000);
         other.name = "ledger";
         return c.put(other);
       },
       Code::kConflict, "resource \"ledger\" (rs-ledger) already has name \"ledger\""},
      {[](Change& c) { return c.put(made<directory::Node>("n-2", [](auto& n) { n.name = "n-1"; })); }, Code::kConflict,
       "node \"n-1\" (n-1) already has name \"n-1\""},
      {[](Change& c) { return c.put(membership("m-9", "a-ann", "r-dba")); }, Code::kConflict,
       "there is such a membership \"ann@example.com → r-dba\" (m-1) already"},
      {[](Change& c) { return c.put(grant("g-9", "r-dba", "rs-billing")); }, Code::kConflict,
       "there is such a grant \"r-dba → billing\" (g-1) already"},
      {[](Change& c) {
         return c.put(
             made<directory::ApiToken>("at-9", [](auto& t) { t.account = "a-ann", t.token_hash = "hash of at-1"; }));
       },
       Code::kConflict, "API token \"at-1\" (at-1) already has this token or key"},
      {[](Change& c) {
         return c.put(made<directory::SignIn>(
             "si-9", [](auto& s) { s.account = "a-ann", s.device = "d-1", s.token_hash = "hash of si-1"; }));
       },
       Code::kConflict, "sign-in \"ann@example.com on d-1\" (si-1) already has this token or key"},
      {[](Change& c) {
         return c.put(made<directory::JoinToken>("jt-9", [](auto& t) { t.token_hash = "hash of jt-1"; }));
       },
       Code::kConflict, "join token \"jt-1\" (jt-1) already has this token or key"},
      {[](Change& c) { return c.put(membership("m-9", "a-none", "r-dba")); }, Code::kInvalid,
       "membership: there is no account \"a-none\""},
      {[](Change& c) { return c.put(grant("g-9", "r-dba", "rs-none")); }, Code::kInvalid,
       "grant: there is no resource \"rs-none\""},
      {[](Change& c) { return c.put(made<directory::SignIn>("si-9", [](auto& s) { s.account = "a-ann"; })); },
       Code::kInvalid, "sign-in: there is no device \"\""},
      {[](Change& c) { return c.put(made<directory::Role>("dba")); }, Code::kInvalid,
       "role: \"dba\" is no id of this kind"},
      {[](Change& c) { return c.remove<directory::Role>("r-none"); }, Code::kNotFound, "there is no role \"r-none\""},
  };
  const auto before = store->snapshot();
  for (const auto& c : cases) {
    SCOPED_TRACE(c.message);
    const auto changed = store->change("a-root", [&](Change& change) -> Result<> {
      PL_CHECK(change.put(made<directory::Role>("r-new")));
      return c.edit(change);
    });
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, c.code);
    EXPECT_EQ(changed.error().message, c.message);
    EXPECT_EQ(store->snapshot(), before) << "a failing change leaves nothing";
  }
  EXPECT_EQ(store->activities({})->items.size(), 16U);
  store.reset();
  store = open();
  expect_equal(*before, *store->snapshot());
}

TEST_F(DirectoryStoreTest, AConflictCanBeAnsweredWithinTheChange) {
  auto store = filled();
  const auto changed = store->change("a-root", [](Change& change) -> Result<> {
    auto other = resource("other", 15432);
    const auto first = change.put(other);
    EXPECT_EQ(first.error().code, Code::kConflict);
    other.local_port = 15434;
    return change.put(other);
  });
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ((*changed)->resources.at("rs-other").local_port, 15434);
}

TEST_F(DirectoryStoreTest, NamesCanBeSwappedAndUsedAgain) {
  auto store = filled();
  ASSERT_TRUE(store->change("a-root", [](Change& change) -> Result<> {
    PL_CHECK(change.remove<directory::Resource>("rs-billing"));
    return change.put(made<directory::Resource>("rs-new", [](auto& r) { r.name = "billing", r.local_port = 15432; }));
  }));
  EXPECT_EQ(store->snapshot()->resource_by_name("billing")->id, "rs-new");
}

TEST_F(DirectoryStoreTest, RemovingTakesAlongWhatHangsOnIt) {
  struct Case {
    std::function<Result<>(Change&)> edit;
    std::vector<std::string> verbs;
  };
  const Case cases[] = {
      {[](Change& c) { return c.remove<Account>("a-ann"); },
       {"sign_in.deleted si-1", "device.deleted d-1", "api_token.deleted at-1", "membership.deleted m-1",
        "account.deleted a-ann"}},
      {[](Change& c) { return c.remove<directory::Device>("d-1"); }, {"sign_in.deleted si-1", "device.deleted d-1"}},
      {[](Change& c) { return c.remove<directory::Role>("r-dba"); },
       {"membership.deleted m-1", "membership.deleted m-2", "grant.deleted g-1", "role.deleted r-dba"}},
      {[](Change& c) { return c.remove<directory::Resource>("rs-billing"); },
       {"grant.deleted g-1", "grant.deleted g-2", "resource.deleted rs-billing"}},
      {[](Change& c) { return c.remove<directory::Node>("n-1"); }, {"node.deleted n-1"}},
      {[](Change& c) { return c.remove<directory::JoinToken>("jt-1"); }, {"join_token.deleted jt-1"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.verbs.back());
    path_ = folder_ / (make_token(6) + ".db");
    auto store = filled();
    const auto cursor = store->activities({})->cursor;
    ASSERT_TRUE(store->change("a-root", c.edit));
    EXPECT_EQ(store->snapshot()->revision, 2U);
    EXPECT_EQ(verbs(*store, cursor), c.verbs);
    for (const auto& activity : store->activities({.after = cursor})->items) EXPECT_EQ(activity.revision, 2U);
    const auto now = store->snapshot();
    store.reset();
    expect_equal(*now, *open()->snapshot());
  }
}

TEST_F(DirectoryStoreTest, AnEgressNodeInUseStays) {
  auto store = filled();
  ASSERT_TRUE(store->change("a-root", [](Change& change) -> Result<> {
    auto bound = change.now().resources.at("rs-ledger");
    bound.egress_nodes = {"n-1"};
    return change.put(bound);
  }));
  const auto removed = store->change("a-root", [](Change& change) { return change.remove<directory::Node>("n-1"); });
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Code::kConflict);
  EXPECT_EQ(removed.error().message,
            "node \"n-1\" (n-1) is an egress of resource \"ledger\" (rs-ledger); take it out of that resource first");
}

TEST_F(DirectoryStoreTest, ActivitiesTellWhoDidWhatWithoutSecrets) {
  auto store = filled();
  const auto cursor = store->activities({})->cursor;
  ASSERT_TRUE(store->change("a-ann", [](Change& change) -> Result<> {
    auto ann = change.now().accounts.at("a-ann");
    ann.password_hash = "$argon2id$other";
    PL_CHECK(change.put(ann));
    auto bob = change.now().accounts.at("a-bob");
    bob.suspended = true;
    return change.put(bob);
  }));
  auto listed = store->activities({.after = cursor});
  ASSERT_EQ(listed->items.size(), 2U);
  const auto& first = listed->items[0];
  EXPECT_TRUE(is_id(first.id, "ac"));
  EXPECT_EQ(first.revision, 2U);
  EXPECT_EQ(first.time, clock_.wall());
  EXPECT_EQ(first.actor, "a-ann");
  EXPECT_EQ(first.verb, "account.updated");
  EXPECT_EQ(first.object, "a-ann");
  EXPECT_THAT(first.before, HasSubstr(R"x("password_hash":"(set)")x"));
  EXPECT_THAT(first.after, HasSubstr(R"x("password_hash":"(changed)")x"));
  EXPECT_EQ(first.actor_name, "ann@example.com");
  EXPECT_EQ(first.object_name, "ann@example.com");
  EXPECT_THAT(listed->items[1].before, HasSubstr(R"("suspended":false)"));
  EXPECT_THAT(listed->items[1].after, HasSubstr(R"("suspended":true)"));
  EXPECT_THAT(listed->items[1].after, HasSubstr(R"x("password_hash":"(set)")x"));
  ASSERT_TRUE(store->change("a-root", [](Change& change) -> Result<> {
    PL_CHECK(change.remove<Account>("a-ann"));
    return change.remove<directory::Resource>("rs-billing");
  }));
  for (const auto& activity : store->activities({})->items) {
    EXPECT_EQ(activity.before.empty(), activity.verb.ends_with(".created"));
    EXPECT_EQ(activity.after.empty(), activity.verb.ends_with(".deleted"));
    if (activity.verb == "membership.deleted") {
      EXPECT_EQ(activity.object_name, "ann@example.com → r-dba");
    }
    for (const auto* secret : {"argon2id", "sealed\"", "hash of"})
      EXPECT_THAT(activity.before + activity.after, Not(HasSubstr(secret))) << activity.verb;
  }
}

TEST_F(DirectoryStoreTest, ActivitiesByPart) {
  auto store = filled();
  std::vector<std::string> ids;
  std::uint64_t cursor = 0;
  for (bool more = true; more;) {
    const auto listed = store->activities({.after = cursor, .limit = 5});
    ASSERT_TRUE(listed);
    EXPECT_LE(listed->items.size(), 5U);
    for (const auto& activity : listed->items) ids.push_back(activity.id);
    cursor = listed->cursor;
    more = listed->more;
  }
  EXPECT_EQ(ids.size(), 16U);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 16U);
  const auto newest = store->activities({.limit = 2});
  ASSERT_EQ(newest->items.size(), 2U);
  EXPECT_EQ(newest->items[0].id, ids[14]);
  EXPECT_EQ(newest->items[1].id, ids[15]);
  EXPECT_TRUE(newest->more);
  EXPECT_EQ(newest->cursor, cursor) << "a follower goes on behind the newest";
  EXPECT_THAT(store->activities({.after = cursor})->items, IsEmpty());
  ASSERT_TRUE(store->change("system", [](Change& change) { return change.put(made<directory::Role>("r-x")); }));
  EXPECT_THAT(verbs(*store, cursor), ElementsAre("role.created r-x"));
}

TEST_F(DirectoryStoreTest, ListenersHearEveryRevisionInOrder) {
  auto store = open();
  std::vector<std::uint64_t> heard;
  store->on_change([&](const DirectoryStore::SnapshotPtr& snapshot, const auto&) {
    EXPECT_EQ(store->snapshot(), snapshot);
    heard.push_back(snapshot->revision);
  });
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&store, t] {
        for (int i = 0; i < 10; ++i)
          EXPECT_TRUE(store->change("system", [&](Change& change) {
            return change.put(made<directory::Role>("r-" + std::to_string(t * 100 + i)));
          }));
      });
    for (std::uint64_t seen = 0; seen < 40;) {
      const auto snapshot = store->snapshot();
      EXPECT_GE(snapshot->revision, seen);
      EXPECT_EQ(snapshot->roles.size(), snapshot->revision);
      seen = snapshot->revision;
    }
  }
  std::vector<std::uint64_t> expected(40);
  for (std::size_t i = 0; i < 40; ++i) expected[i] = i + 1;
  EXPECT_EQ(heard, expected);
  EXPECT_EQ(store->snapshot()->roles.size(), 40U);
}

TEST_F(DirectoryStoreTest, Settings) {
  auto store = open();
  EXPECT_EQ(*store->setting("name"), std::nullopt);
  ASSERT_TRUE(store->set_setting("name", "Example"));
  ASSERT_TRUE(store->set_setting("name", "Example's; --"));
  ASSERT_TRUE(store->set_setting("user_ca", ""));
  store.reset();
  store = open();
  EXPECT_EQ(*store->setting("name"), "Example's; --");
  EXPECT_EQ(*store->setting("user_ca"), "");
  EXPECT_EQ(store->snapshot()->revision, 0U);
}

TEST_F(DirectoryStoreTest, TakesOverWhatAnotherProcessWrote) {
  auto store = filled();
  auto second = open();
  ASSERT_TRUE(second->change("system", [](Change& change) { return change.remove<Account>("a-ann"); }));
  EXPECT_TRUE(store->snapshot()->accounts.contains("a-ann"));
  int calls = 0;
  store->on_change([&](const DirectoryStore::SnapshotPtr&, const auto&) { ++calls; });
  const auto changed =
      store->change("system", [](Change& change) { return change.put(membership("m-9", "a-ann", "r-dba")); });
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().message, "membership: there is no account \"a-ann\"");
  EXPECT_EQ(calls, 1);
  expect_equal(*store->snapshot(), *second->snapshot());
}

TEST_F(DirectoryStoreTest, AThrowingOrLockedChangeLeavesNothing) {
  auto store = filled();
  const auto before = store->snapshot();
  EXPECT_THROW(static_cast<void>(store->change("system",
                                               [](Change& change) -> Result<> {
                                                 PL_CHECK(change.put(made<directory::Role>("r-new")));
                                                 throw std::runtime_error("bug");
                                               })),
               std::runtime_error);
  auto second = open();
  const auto nested = second->change("system", [&](Change&) -> Result<> {
    const auto locked =
        store->change("system", [](Change& change) { return change.put(made<directory::Role>("r-new")); });
    EXPECT_EQ(locked.error().code, Code::kUnavailable);
    EXPECT_THAT(locked.error().message, HasSubstr("locked by another process"));
    return {};
  });
  ASSERT_TRUE(nested);
  EXPECT_EQ(store->snapshot(), before);
  ASSERT_TRUE(store->change("system", [](Change& change) { return change.put(made<directory::Role>("r-new")); }));
}

TEST_F(DirectoryStoreTest, AnOverlookedErrorOfTheDiskStillFailsTheChange) {
  auto store = filled();
  const auto before = store->snapshot();
  {
    const FullDisk full(512 * 1024);
    const auto changed = store->change("system", [](Change& change) -> Result<> {
      PL_CHECK(change.put(made<directory::Role>("r-first")));
      // More than SQLite keeps in memory: it must write in the middle of the transaction.
      for (int i = 0; i < 40; ++i) {
        auto large = made<directory::Role>("r-" + std::to_string(i));
        large.name = make_token(200'000);
        static_cast<void>(change.put(large));
      }
      return {};
    });
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, Code::kIo) << changed.error().message;
  }
  EXPECT_EQ(store->snapshot(), before);
  ASSERT_TRUE(store->change("system", [](Change& change) { return change.put(made<directory::Role>("r-last")); }));
  EXPECT_FALSE(store->snapshot()->roles.contains("r-first"));
  const auto now = store->snapshot();
  store.reset();
  expect_equal(*now, *open()->snapshot());
}

TEST_F(DirectoryStoreTest, RefusesAnAuditDatabaseAndADamagedOne) {
  static constexpr std::string_view kTable[] = {"CREATE TABLE x (id TEXT)"};
  static constexpr Migration kForeign[] = {{1, "audit: initial", kTable}};
  ASSERT_TRUE(Database::open(path_, "other", kForeign, std::chrono::milliseconds(10)));
  EXPECT_EQ(DirectoryStore::open(path_).error().code, Code::kInvalid);
  path_ = folder_ / "damaged.db";
  filled().reset();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  const auto damaged = DirectoryStore::open(path_);
  ASSERT_FALSE(damaged);
  EXPECT_THAT(damaged.error().message, HasSubstr("is damaged"));
}

TEST_F(DirectoryStoreTest, TenThousandResources) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  const auto timed = [](auto&& body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    return Milliseconds(std::chrono::steady_clock::now() - begin).count();
  };
  auto store = open();
  const double fill_ms = timed([&] {
    ASSERT_TRUE(store->change("system", [](Change& change) -> Result<> {
      PL_CHECK(fill(change));
      for (unsigned i = 0; i < 10'000; ++i) {
        const std::string name = make_id("db");
        PL_CHECK(change.put(resource(name.substr(3), static_cast<std::uint16_t>(16000 + i))));
      }
      return {};
    }));
  });
  store.reset();
  const double load_ms = timed([&] { store = open(); });
  EXPECT_EQ(store->snapshot()->resources.size(), 10'002U);
  std::vector<double> change_ms;
  for (int i = 0; i < 50; ++i) {
    change_ms.push_back(timed([&] {
      EXPECT_TRUE(store->change("system", [&](Change& change) {
        return change.put(membership("m-9", i % 2 ? "a-ann" : "a-bob", "r-reader"));
      }));
    }));
  }
  const auto held = store->snapshot();
  const double copying_ms = timed([&] {
    EXPECT_TRUE(store->change("system", [&](Change& change) { return change.put(made<directory::Role>("r-x")); }));
    const auto held_too = store->snapshot();
    EXPECT_TRUE(store->change("system", [&](Change& change) { return change.put(made<directory::Role>("r-y")); }));
  });
  std::ranges::sort(change_ms);
  std::printf(
      "10,000 resources: made in %.0f ms, loaded in %.0f ms; a change: median %.2f ms, worst %.2f ms; two while readers"
      " hold snapshots: %.2f ms\n",
      fill_ms, load_ms, change_ms[change_ms.size() / 2], change_ms.back(), copying_ms);
  EXPECT_LT(change_ms[change_ms.size() / 2], 20.0);
}

}  // namespace
}  // namespace portolan::store

#include "directory/decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace portolan::directory {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr WallTime kNow{std::chrono::milliseconds(1'800'000'000'000)};

template <class T>
void add(std::map<std::string, T, std::less<>>& objects, std::string id, const std::function<void(T&)>& fill) {
  T& object = objects[id];
  object.id = std::move(id);
  fill(object);
}

// ann has dba and reader, bob has reader, sam (suspended) has dba, eve has nothing.
// dba may use billing and ledger; reader may use billing; nobody may use vault.
Snapshot sample() {
  Snapshot s;
  for (const std::string name : {"ann", "bob", "eve", "sam"})
    add<Account>(s.accounts, "a-" + name, [&](Account& account) {
      account.email = name + "@example.com";
      account.suspended = name == "sam";
    });
  for (const std::string name : {"dba", "reader"})
    add<Role>(s.roles, "r-" + name, [&](Role& role) { role.name = name; });
  for (const std::string name : {"billing", "ledger", "vault"})
    add<Resource>(s.resources, "rs-" + name, [&](Resource& resource) { resource.name = name; });
  const auto membership = [&](std::string id, const std::string& account, const std::string& role) {
    add<Membership>(s.memberships, std::move(id), [&](Membership& m) { m.account = account, m.role = role; });
  };
  membership("m-1", "a-ann", "r-dba");
  membership("m-2", "a-ann", "r-reader");
  membership("m-3", "a-bob", "r-reader");
  membership("m-4", "a-sam", "r-dba");
  const auto grant = [&](std::string id, const std::string& role, const std::string& resource) {
    add<Grant>(s.grants, std::move(id), [&](Grant& g) { g.role = role, g.resource = resource; });
  };
  grant("g-1", "r-dba", "rs-billing");
  grant("g-2", "r-dba", "rs-ledger");
  grant("g-3", "r-reader", "rs-billing");
  return s;
}

void add_node(Snapshot& s, std::string id, const std::string& name, const std::string& kind, bool revoked = false) {
  add<Node>(s.nodes, std::move(id), [&](Node& node) { node.name = name, node.kind = kind, node.revoked = revoked; });
}

template <class T>
std::vector<std::string> names(const std::vector<const T*>& objects) {
  std::vector<std::string> out;
  for (const T* object : objects) out.push_back(object->name);
  return out;
}

TEST(Decision, Table) {
  struct Case {
    std::string account, resource, code;
    std::vector<std::string> reasons;
  };
  const Case cases[] = {
      {"a-ann",
       "rs-billing",
       "granted",
       {"ann@example.com has role \"dba\" (m-1)", "role \"dba\" may use resource \"billing\" (g-1)",
        "ann@example.com has role \"reader\" (m-2)", "role \"reader\" may use resource \"billing\" (g-3)"}},
      {"a-ann",
       "rs-ledger",
       "granted",
       {"ann@example.com has role \"dba\" (m-1)", "role \"dba\" may use resource \"ledger\" (g-2)"}},
      {"a-bob",
       "rs-billing",
       "granted",
       {"bob@example.com has role \"reader\" (m-3)", "role \"reader\" may use resource \"billing\" (g-3)"}},
      {"a-bob",
       "rs-ledger",
       "no_grant",
       {"bob@example.com has only these roles: \"reader\"", "only these roles may use resource \"ledger\": \"dba\""}},
      {"a-eve", "rs-vault", "no_grant", {"eve@example.com has no role", "no role may use resource \"vault\""}},
      {"a-sam", "rs-billing", "account_suspended", {"sam@example.com is suspended"}},
      {"a-sam", "rs-vault", "account_suspended", {"sam@example.com is suspended"}},
      {"a-nobody", "rs-billing", "unknown_account", {"there is no account \"a-nobody\""}},
      {"ann@example.com", "rs-billing", "unknown_account", {"there is no account \"ann@example.com\""}},
      {"", "", "unknown_account", {"there is no account \"\""}},
      {"a-ann", "rs-none", "unknown_resource", {"there is no resource \"rs-none\""}},
  };
  const Snapshot s = sample();
  for (const auto& c : cases) {
    SCOPED_TRACE(c.account + " " + c.resource);
    const Decision decision = allow(s, c.account, c.resource, kNow);
    EXPECT_EQ(decision.code, c.code);
    EXPECT_EQ(decision.allowed, c.code == "granted");
    EXPECT_FALSE(decision.valid_until);
    EXPECT_EQ(decision.reasons, c.reasons);
  }
}

// Every pair of a directory that is drawn at random, with memberships and grants of what does not exist among it.
TEST(Decision, AnIndexChangesNothing) {
  std::minstd_rand chance(1);
  const auto one_of = [&](const char* kind, unsigned count) { return kind + std::to_string(chance() % count); };
  for (unsigned round = 0; round < 20; ++round) {
    Snapshot s;
    for (unsigned i = 0; i < 6; ++i) {
      const std::string number = std::to_string(i);
      add<Account>(s.accounts, "a-" + number, [&](Account& account) { account.suspended = i == 5; });
      add<Role>(s.roles, "r-" + number, [&](Role& role) { role.name = number; });
      add<Resource>(s.resources, "rs-" + number, [&](Resource& resource) { resource.name = number; });
    }
    for (unsigned i = 0; i < 12; ++i) {
      add<Membership>(s.memberships, "m-" + std::to_string(i),
                      [&](Membership& m) { m.account = one_of("a-", 7), m.role = one_of("r-", 7); });
      add<Grant>(s.grants, "g-" + std::to_string(i), [&](Grant& grant) {
        grant.role = one_of("r-", 7), grant.resource = one_of("rs-", 7);
        if (chance() % 3 == 0) grant.ends = kNow + std::chrono::seconds(static_cast<int>(chance() % 3) - 1);
      });
    }
    const AccessIndex access(s);
    for (unsigned a = 0; a < 7; ++a) {
      const std::string account = "a-" + std::to_string(a);
      EXPECT_EQ(usable_resources(s, account, kNow, &access), usable_resources(s, account, kNow));
      for (unsigned r = 0; r < 7; ++r) {
        const std::string resource = "rs-" + std::to_string(r);
        const Decision with = allow(s, account, resource, kNow, &access);
        const Decision without = allow(s, account, resource, kNow);
        EXPECT_EQ(with.code, without.code);
        EXPECT_EQ(with.reasons, without.reasons);
        EXPECT_EQ(with.valid_until, without.valid_until);
      }
    }
  }
}

TEST(Decision, AnIndexThatIsBehindGivesNothing) {
  Snapshot s = sample();
  const AccessIndex access(s);
  ASSERT_TRUE(allow(s, "a-bob", "rs-billing", kNow, &access).allowed);
  s.memberships["m-3"].account = "a-eve";
  EXPECT_FALSE(allow(s, "a-bob", "rs-billing", kNow, &access).allowed);
  s = sample();
  s.grants.erase("g-3");
  EXPECT_FALSE(allow(s, "a-bob", "rs-billing", kNow, &access).allowed);
  EXPECT_THAT(usable_resources(s, "a-bob", kNow, &access), IsEmpty());
}

TEST(Decision, EachLinkOfTheChainCounts) {
  const auto without = [](auto&& edit) {
    Snapshot s = sample();
    edit(s);
    return allow(s, "a-bob", "rs-billing", kNow).code;
  };
  EXPECT_EQ(without([](Snapshot&) {}), "granted");
  EXPECT_EQ(without([](Snapshot& s) { s.memberships.erase("m-3"); }), "no_grant");
  EXPECT_EQ(without([](Snapshot& s) { s.grants.erase("g-3"); }), "no_grant");
  EXPECT_EQ(without([](Snapshot& s) { s.roles.erase("r-reader"); }), "no_grant");
  EXPECT_EQ(without([](Snapshot& s) { s.resources.erase("rs-billing"); }), "unknown_resource");
  EXPECT_EQ(without([](Snapshot& s) { s.accounts.erase("a-bob"); }), "unknown_account");
  EXPECT_EQ(without([](Snapshot& s) { s.accounts["a-bob"].suspended = true; }), "account_suspended");
  EXPECT_EQ(without([](Snapshot& s) { s.accounts["a-eve"].admin = true; }), "granted");
}

// Of the two chains that ann has to billing, one bounded by what the test says and one absent unless it is added.
TEST(Decision, GrantsBeginAndEnd) {
  using std::chrono::hours;
  struct Case {
    const char* name;
    std::optional<WallTime> starts, ends;
    const char* code;
    std::optional<WallTime> valid_until;
  };
  const Case cases[] = {
      {"no bounds", {}, {}, "granted", {}},
      {"begun", kNow, {}, "granted", {}},
      {"until later", {}, kNow + hours(1), "granted", kNow + hours(1)},
      {"within", kNow - hours(1), kNow + hours(1), "granted", kNow + hours(1)},
      {"the end itself is out", {}, kNow, "grant_ended", {}},
      {"ended", kNow - hours(2), kNow - hours(1), "grant_ended", {}},
      {"not begun", kNow + hours(1), kNow + hours(2), "grant_not_begun", {}},
  };
  for (const Case& c : cases) {
    Snapshot s = sample();
    s.grants["g-3"].starts = c.starts;
    s.grants["g-3"].ends = c.ends;
    const Decision decision = allow(s, "a-bob", "rs-billing", kNow);
    EXPECT_EQ(decision.code, c.code) << c.name;
    EXPECT_EQ(decision.valid_until, c.valid_until) << c.name;
    EXPECT_EQ(decision.allowed, std::string_view(c.code) == "granted") << c.name;
    EXPECT_FALSE(decision.reasons.empty()) << c.name;
    EXPECT_EQ(usable_resources(s, "a-bob", kNow).size(), decision.allowed ? 1U : 0U) << c.name;
    add_node(s, "n-1", "relay", "relay");
    EXPECT_EQ(egress_nodes_by_account(s, kNow).contains("a-bob"), decision.allowed) << c.name;
    // ann's other role has no bounds: it outlasts this one.
    EXPECT_TRUE(allow(s, "a-ann", "rs-billing", kNow).allowed) << c.name;
    EXPECT_FALSE(allow(s, "a-ann", "rs-billing", kNow).valid_until) << c.name;
  }
}

TEST(Decision, ReasonsSayWhenAGrantStartsOrEnds) {
  const auto reason = [](std::optional<WallTime> starts, std::optional<WallTime> ends) {
    Snapshot s = sample();
    s.grants["g-3"].starts = starts;
    s.grants["g-3"].ends = ends;
    return allow(s, "a-bob", "rs-billing", kNow).reasons.at(1);
  };
  const auto hour = std::chrono::hours(1);
  const std::string before = to_rfc3339(kNow - hour);
  const std::string later = to_rfc3339(kNow + hour);
  EXPECT_EQ(reason({}, kNow + hour), "role \"reader\" may use resource \"billing\" (g-3), until " + later);
  EXPECT_EQ(reason(kNow + hour, {}), "role \"reader\" may use resource \"billing\" only from " + later +
                                         " on; that grant (g-3) has not started yet");
  EXPECT_EQ(reason({}, kNow - hour),
            "role \"reader\" might use resource \"billing\" until " + before + "; that grant (g-3) has ended");
}

TEST(Decision, TheLongestOfSeveralGrantsHolds) {
  Snapshot s = sample();
  s.grants["g-1"].ends = kNow + std::chrono::hours(2);
  s.grants["g-3"].ends = kNow + std::chrono::hours(1);
  EXPECT_EQ(allow(s, "a-ann", "rs-billing", kNow).valid_until, kNow + std::chrono::hours(2));
  EXPECT_EQ(next_boundary(s, kNow), kNow + std::chrono::hours(1));
  EXPECT_EQ(next_boundary(s, kNow + std::chrono::hours(1)), kNow + std::chrono::hours(2));
  EXPECT_EQ(next_boundary(s, kNow + std::chrono::hours(2)), std::nullopt);
}

TEST(Decision, BeingAdminGrantsNothing) {
  Snapshot s = sample();
  s.accounts["a-eve"].admin = true;
  EXPECT_EQ(allow(s, "a-eve", "rs-billing", kNow).code, "no_grant");
  EXPECT_THAT(usable_resources(s, "a-eve", kNow), IsEmpty());
}

TEST(Decision, UsableResources) {
  Snapshot s = sample();
  EXPECT_THAT(names(usable_resources(s, "a-ann", kNow)), ElementsAre("billing", "ledger"));
  EXPECT_THAT(names(usable_resources(s, "a-bob", kNow)), ElementsAre("billing"));
  for (const auto* account : {"a-eve", "a-sam", "a-nobody"})
    EXPECT_THAT(usable_resources(s, account, kNow), IsEmpty()) << account;
  s.resources["rs-billing"].name = "zeta";
  EXPECT_THAT(names(usable_resources(s, "a-ann", kNow)), ElementsAre("ledger", "zeta"));
}

// What is listed and what is allowed must never differ.
TEST(Decision, UsableIsAllowed) {
  const Snapshot s = sample();
  for (const auto& [account, unused] : s.accounts) {
    std::vector<std::string> allowed;
    for (const auto& [id, resource] : s.resources)
      if (allow(s, account, id, kNow).allowed) allowed.push_back(resource.name);
    EXPECT_EQ(names(usable_resources(s, account, kNow)), allowed) << account;
  }
}

TEST(Egress, NamedNodesElseRelaysElseGateways) {
  Snapshot s = sample();
  const Resource& billing = s.resources["rs-billing"];
  EXPECT_THAT(egress_nodes(s, billing), IsEmpty());
  add_node(s, "n-1", "gw-b", "gateway");
  add_node(s, "n-2", "gw-a", "gateway");
  EXPECT_THAT(names(egress_nodes(s, billing)), ElementsAre("gw-a", "gw-b"));
  add_node(s, "n-3", "relay-b", "relay");
  add_node(s, "n-4", "relay-a", "relay");
  EXPECT_THAT(names(egress_nodes(s, billing)), ElementsAre("relay-a", "relay-b"));
  s.nodes["n-4"].revoked = true;
  EXPECT_THAT(names(egress_nodes(s, billing)), ElementsAre("relay-b"));
  s.nodes["n-3"].revoked = true;
  EXPECT_THAT(names(egress_nodes(s, billing)), ElementsAre("gw-a", "gw-b"));

  s.resources["rs-billing"].egress_nodes = {"n-1", "n-1", "n-none"};
  EXPECT_THAT(names(egress_nodes(s, billing)), ElementsAre("gw-b"));
  s.nodes["n-1"].revoked = true;
  EXPECT_THAT(egress_nodes(s, billing), IsEmpty()) << "named nodes that are away are no reason to take others";
}

TEST(Egress, MayBe) {
  Snapshot s = sample();
  add_node(s, "n-1", "gw", "gateway");
  add_node(s, "n-2", "relay", "relay");
  add_node(s, "n-3", "old", "relay", true);
  s.resources["rs-ledger"].egress_nodes = {"n-1", "n-3"};
  struct Case {
    std::string node, resource;
    bool may;
  };
  const Case cases[] = {{"n-1", "rs-billing", false}, {"n-2", "rs-billing", true}, {"n-3", "rs-billing", false},
                        {"n-1", "rs-ledger", true},   {"n-2", "rs-ledger", false}, {"n-3", "rs-ledger", false},
                        {"n-9", "rs-billing", false}, {"n-2", "rs-none", false},   {"", "rs-billing", false}};
  for (const auto& c : cases) EXPECT_EQ(may_be_egress(s, c.node, c.resource), c.may) << c.node << " " << c.resource;
}

TEST(Egress, OfAccounts) {
  Snapshot s = sample();
  add_node(s, "n-1", "gw", "gateway");
  add_node(s, "n-2", "relay", "relay");
  add_node(s, "n-3", "old", "relay", true);
  s.resources["rs-ledger"].egress_nodes = {"n-1", "n-3"};
  EXPECT_THAT(egress_nodes_of(s, "a-ann", kNow), ElementsAre("n-1", "n-2"));
  EXPECT_THAT(egress_nodes_of(s, "a-bob", kNow), ElementsAre("n-2"));
  for (const auto* account : {"a-eve", "a-sam", "a-nobody"})
    EXPECT_THAT(egress_nodes_of(s, account, kNow), IsEmpty()) << account;
  EXPECT_THAT(egress_nodes_by_account(s, kNow),
              ElementsAre(Pair("a-ann", ElementsAre("n-1", "n-2")), Pair("a-bob", ElementsAre("n-2"))));

  s.nodes["n-2"].revoked = true;  // the only relay: billing now goes by any gateway
  EXPECT_THAT(egress_nodes_of(s, "a-bob", kNow), ElementsAre("n-1"));
  s.nodes["n-1"].revoked = true;
  EXPECT_THAT(egress_nodes_by_account(s, kNow), IsEmpty());
  s.roles.erase("r-reader");
  EXPECT_THAT(egress_nodes_of(s, "a-bob", kNow), IsEmpty());
}

TEST(LocalPort, FirstFreeFromTheProtocols) {
  Snapshot s;
  const auto take = [&](unsigned port) {
    add<Resource>(s.resources, "rs-" + std::to_string(port),
                  [&](Resource& resource) { resource.local_port = static_cast<std::uint16_t>(port); });
  };
  EXPECT_EQ(*choose_local_port(s, 5432), 15432);
  take(15432);
  take(15433);
  EXPECT_EQ(*choose_local_port(s, 5432), 15434);
  EXPECT_EQ(*choose_local_port(s, 22), 10022);
  EXPECT_EQ(*choose_local_port(s, 22767), 32767);
  take(32767);
  EXPECT_EQ(*choose_local_port(s, 22767), 10000) << "wraps";
  EXPECT_EQ(*choose_local_port(s, 27017), 10000) << "10000 + 27017 is above the range";
  take(10000);
  EXPECT_EQ(*choose_local_port(s, 65535), 10001);
  take(5000);  // outside the range: in nobody's way
  for (unsigned port = 10000; port <= 32767; ++port) take(port);
  EXPECT_EQ(choose_local_port(s, 5432).error().code, Code::kLimit);
  s.resources.erase("rs-12345");
  EXPECT_EQ(*choose_local_port(s, 5432), 12345);
}

TEST(Snapshot, Lookups) {
  Snapshot s = sample();
  add_node(s, "n-1", "gw", "gateway");
  ASSERT_TRUE(s.account_by_email("bob@example.com"));
  EXPECT_EQ(s.account_by_email("bob@example.com")->id, "a-bob");
  EXPECT_FALSE(s.account_by_email("bob"));
  EXPECT_EQ(s.resource_by_name("vault")->id, "rs-vault");
  EXPECT_FALSE(s.resource_by_name("rs-vault"));
  EXPECT_EQ(s.role_by_name("dba")->id, "r-dba");
  EXPECT_FALSE(s.role_by_name(""));
  EXPECT_EQ(s.node_by_name("gw")->id, "n-1");
  EXPECT_FALSE(s.node_by_name("n-1"));
}

}  // namespace
}  // namespace portolan::directory

// Leases over hand-made directories: who gets one, what is replayed or forged gets none, and what is no longer allowed
// is taken back.
#include "control/leases.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "api/assertion.h"
#include "base/id.h"
#include "base/json.h"
#include "crypto/key.h"
#include "protocols/features.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;

struct Revoked {
  std::string node;
  std::vector<std::string> leases;
  std::string reason;
};

class LeasesTest : public ::testing::Test {
 protected:
  LeasesTest() {
    directory_.epoch = "e";
    for (const char* name : {"ann", "bob"}) {
      auto& account = directory_.accounts[std::string("a-") + name];
      account.id = std::string("a-") + name;
      account.email = std::string(name) + "@example.com";
    }
    directory_.devices["d-1"] = {"d-1", "a-ann", "laptop", key_.public_key().pem(), clock_.wall()};
    directory_.sign_ins["si-1"] = {"si-1", "a-ann", "d-1", "hash", "01", clock_.wall(), clock_.wall() + 12h, false};
    directory_.roles["r-1"] = {"r-1", "dba", clock_.wall()};
    directory_.memberships["m-1"] = {"m-1", "a-ann", "r-1", clock_.wall()};
    directory_.grants["g-1"] = {"g-1", "r-1", "rs-1", clock_.wall()};
    directory_.resources["rs-1"] = {"rs-1",
                                    "billing-db",
                                    "postgres",
                                    "10.0.0.1",
                                    5432,
                                    15432,
                                    {{"database", "billing"}},
                                    "app",
                                    sealing_.seal(Secret("hunter2"), password_context("rs-1")),
                                    {},
                                    clock_.wall()};
    for (const char* id : {"n-1", "n-2"}) {
      auto& node = directory_.nodes[id];
      node.id = node.name = id;
      node.kind = "relay";
    }
  }

  Lookup lookup() const { return Lookup(std::make_shared<const directory::Snapshot>(directory_)); }
  api::Assertion claim() const { return api::make_assertion("a-ann", "d-1", "rs-1", "n-1", Bytes(32), clock_.wall()); }
  std::string sign(const api::Assertion& assertion) const { return api::sign_assertion(assertion, key_); }
  Result<api::Lease> ask(const std::string& assertion, const std::string& request = "q-1",
                         const std::string& node = "n-1") {
    return leases_.grant(lookup(), node, {assertion, request}, understood_);
  }
  static std::string reason(const Result<api::Lease>& lease) {
    return lease ? "granted" : std::string(lease.error().stable_code());
  }

  FakeClock clock_;
  crypto::PrivateKey key_ = crypto::PrivateKey::generate();
  crypto::SealingKey sealing_ = crypto::SealingKey::generate();
  directory::Snapshot directory_;
  std::vector<Revoked> revoked_;
  std::vector<std::string> understood_ = protocols::features_understood();
  IdentityKeys identity_ = *IdentityKeys::from({{"ca-1", "signing", crypto::PrivateKey::generate()}});
  IdentityTokens identity_tokens_{"https://portolan.example", identity_, 5min};
  Leases leases_{clock_, 5min, sealing_, identity_tokens_,
                 [this](const std::string& node, std::vector<std::string> ids, const Error& why) {
                   revoked_.push_back({node, std::move(ids), why.message});
                 }};
};

TEST_F(LeasesTest, HoldsWhatTheNodeNeeds) {
  const auto lease = ask(sign(claim()));
  ASSERT_TRUE(lease) << lease.error().message;
  EXPECT_TRUE(is_id(lease->id, "l"));
  EXPECT_EQ(lease->email, "ann@example.com");
  EXPECT_EQ(lease->name, "billing-db");
  EXPECT_EQ(lease->host, "10.0.0.1");
  EXPECT_EQ(lease->port, 5432);
  EXPECT_EQ(lease->settings.at("database"), "billing");
  EXPECT_EQ(lease->username, "app");
  EXPECT_EQ(lease->password.reveal(), "hunter2");
  EXPECT_EQ(lease->node, "n-1");
  EXPECT_EQ(lease->life_ms, 300'000U);
}

// A node of an older release would serve without what it does not know.
TEST_F(LeasesTest, ANodeThatDoesNotUnderstandWhatItTakesGetsNone) {
  struct Case {
    const char* setting;
    const char* value;
    const char* feature;  // null: the first release knew it
  };
  auto& resource = directory_.resources["rs-1"];
  int request = 0;
  for (const Case& each :
       {Case{"database", "billing", nullptr}, Case{"tls", "require", nullptr}, Case{"audit", "durable", nullptr},
        Case{"audit", "strict", "strict-audit"}, Case{"hosts", "b:1", "postgres.hosts"},
        Case{"replication", "refuse", "postgres.replication"}, Case{"client_tls", "offer", "postgres.client_tls"}}) {
    resource.settings = {{each.setting, each.value}};
    understood_ = protocols::features_understood();
    const auto lease = ask(sign(claim()), "q-" + std::to_string(++request));
    ASSERT_TRUE(lease) << each.setting << lease.error().message;
    const std::vector<std::string> demanded =
        each.feature ? std::vector<std::string>{each.feature} : std::vector<std::string>();
    EXPECT_EQ(lease->must_understand, demanded);
    EXPECT_TRUE(api::check_lease(*lease, understood_));
    std::erase(understood_, each.feature ? each.feature : "");
    const auto by_older = ask(sign(claim()), "q-" + std::to_string(++request));
    ASSERT_EQ(by_older.has_value(), each.feature == nullptr) << each.setting;
    if (by_older) continue;
    EXPECT_EQ(by_older.error().stable_code(), "lease_not_understood");
    EXPECT_EQ(by_older.error().message, std::string("the node \"n-1\" is of an older release and cannot serve "
                                                    "\"billing-db\", which needs ") +
                                            each.feature + "; an admin has to upgrade the node");
  }
  understood_.clear();  // one that does not say
  resource.settings = {{"database", "billing"}};
  EXPECT_TRUE(ask(sign(claim()), "q-old"));
}

TEST_F(LeasesTest, HoldsTheKeyOfTheCertificate) {
  auto lease = ask(sign(claim()), "q-1");
  ASSERT_TRUE(lease);
  EXPECT_FALSE(json::encode(*lease).contains("tls_key")) << "an older node refuses a member that it does not know";
  auto& resource = directory_.resources["rs-1"];
  resource.settings["tls_certificate"] = "its PEM";
  resource.sealed_tls_key = sealing_.seal(Secret("a key"), tls_key_context("rs-1"));
  lease = ask(sign(claim()), "q-2");
  ASSERT_TRUE(lease) << lease.error().message;
  ASSERT_TRUE(lease->tls_key);
  EXPECT_EQ(lease->tls_key->reveal(), "a key");
  EXPECT_EQ(lease->must_understand, std::vector<std::string>{"postgres.tls_certificate"});
  resource.sealed_tls_key = sealing_.seal(Secret("a key"), tls_key_context("rs-2"));
  EXPECT_FALSE(ask(sign(claim()), "q-3")) << "another resource's key";
}

// Only where the resource asks for one; a node that does not know the setting gets no lease, with or without a token.
TEST_F(LeasesTest, TellsTheResourceWhoItsUserIs) {
  auto lease = ask(sign(claim()), "q-1");
  ASSERT_TRUE(lease);
  EXPECT_FALSE(lease->identity_token);
  EXPECT_FALSE(json::encode(*lease).contains("identity_token")) << "an older node refuses a member it does not know";
  auto& resource = directory_.resources["rs-1"];
  resource.type = "http";
  resource.settings = {{"tls", "require"}};
  resource.username.clear();
  lease = ask(sign(claim()), "q-2");
  ASSERT_TRUE(lease) << lease.error().message;
  EXPECT_FALSE(lease->identity_token);

  resource.settings["jwt_header"] = "X-Identity";
  lease = ask(sign(claim()), "q-3");
  ASSERT_TRUE(lease) << lease.error().message;
  ASSERT_TRUE(lease->identity_token);
  EXPECT_EQ(std::ranges::count(lease->must_understand, "http.jwt_header"), 1);
  EXPECT_TRUE(api::check_lease(*lease, understood_));
  const auto decoded = json::decode<api::Lease>(json::encode(*lease), json::Unknown::kRefuse);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->identity_token->reveal(), lease->identity_token->reveal());
  const auto renewed = ask(sign(claim()), "q-4");
  ASSERT_TRUE(renewed);
  EXPECT_NE(renewed->identity_token->reveal(), lease->identity_token->reveal());

  std::erase(understood_, "http.jwt_header");
  const auto by_older = ask(sign(claim()), "q-5");
  EXPECT_EQ(reason(by_older), "lease_not_understood");
  EXPECT_FALSE(api::check_lease(*lease, understood_)) << "nor does it take one that is given all the same";
}

TEST_F(LeasesTest, TheSameRequestAgainGetsTheSameLease) {
  const auto assertion = sign(claim());
  const auto first = ask(assertion, "q-1");
  const auto again = ask(assertion, "q-1");
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->id, again->id);
  EXPECT_EQ(reason(ask(assertion, "q-2")), "assertion_replayed");
}

TEST_F(LeasesTest, ARenewalKeepsTheId) {
  const auto first = ask(sign(claim()));
  clock_.advance(4min);
  const auto renewed = ask(sign(claim()), "q-2");
  ASSERT_TRUE(first && renewed);
  EXPECT_EQ(first->id, renewed->id);
  EXPECT_EQ(leases_.size(), 1U);
}

TEST_F(LeasesTest, RefusesWhatIsNotAsItMustBe) {
  struct Case {
    const char* name;
    std::function<void(api::Assertion&)> change;
    std::string reason;
  };
  const Case cases[] = {
      {"another node's", [](auto& a) { a.node = "n-2"; }, "wrong_node"},
      {"an unknown device", [](auto& a) { a.device = "d-9"; }, "unknown_device"},
      {"another account with this device", [](auto& a) { a.account = "a-bob"; }, "unknown_device"},
      {"a resource that is not there", [](auto& a) { a.resource = "rs-9"; }, "unknown_resource"},
      {"too old", [](auto& a) { a.time -= 10min; }, "assertion_time"},
      {"too long", [](auto& a) { a.life = 10min; }, "invalid"},
      {"from the future", [](auto& a) { a.time += 10min; }, "assertion_time"},
  };
  for (const auto& each : cases) {
    auto assertion = claim();
    each.change(assertion);
    const auto lease = ask(sign(assertion));
    ASSERT_FALSE(lease) << each.name;
    if (each.reason != "invalid") EXPECT_EQ(reason(lease), each.reason) << each.name << ": " << lease.error().message;
  }
}

TEST_F(LeasesTest, AnotherKeysSignatureIsRefused) {
  const auto lease = ask(api::sign_assertion(claim(), crypto::PrivateKey::generate()));
  ASSERT_FALSE(lease);
  EXPECT_EQ(lease.error().code, Code::kDenied);
  EXPECT_EQ(reason(lease), "bad_assertion");
  EXPECT_FALSE(ask("nonsense"));
  EXPECT_FALSE(ask(sign(claim()), ""));
}

TEST_F(LeasesTest, DenialsSayWhatToDo) {
  directory_.grants.clear();
  const auto lease = ask(sign(claim()));
  ASSERT_FALSE(lease);
  EXPECT_EQ(reason(lease), "no_grant");
  EXPECT_EQ(lease.error().message,
            "ann@example.com may not use \"billing-db\": no role of theirs has a grant for it; ask an admin");
  directory_.accounts["a-ann"].suspended = true;
  EXPECT_EQ(reason(ask(sign(claim()))), "account_suspended");
}

TEST_F(LeasesTest, NoLeaseBeyondTheSignIn) {
  directory_.sign_ins["si-1"].ends = clock_.wall() + 90s;
  const auto lease = ask(sign(claim()));
  ASSERT_TRUE(lease) << lease.error().message;
  EXPECT_EQ(lease->life_ms, 90'000U);
  clock_.advance(90s);
  EXPECT_EQ(reason(ask(sign(claim()))), "signed_out");
}

TEST_F(LeasesTest, OnlyANodeThatMayBeTheEgress) {
  directory_.resources["rs-1"].egress_nodes = {"n-2"};
  EXPECT_EQ(reason(ask(sign(claim()))), "not_egress");
}

TEST_F(LeasesTest, ChangesTakeBackWhatTheyForbid) {
  struct Case {
    const char* name;
    std::function<void(directory::Snapshot&)> change;
    bool revoked;
  };
  const Case cases[] = {
      {"nothing", [](auto&) {}, false},
      {"the membership goes", [](auto& d) { d.memberships.clear(); }, true},
      {"the grant goes", [](auto& d) { d.grants.clear(); }, true},
      {"the account is suspended", [](auto& d) { d.accounts["a-ann"].suspended = true; }, true},
      {"the sign-in is ended", [](auto& d) { d.sign_ins["si-1"].ended = true; }, true},
      {"the device goes",
       [](auto& d) {
         d.sign_ins.clear();
         d.devices.clear();
       },
       true},
      {"the node is revoked", [](auto& d) { d.nodes["n-1"].revoked = true; }, true},
      {"another egress is chosen", [](auto& d) { d.resources["rs-1"].egress_nodes = {"n-2"}; }, true},
      {"the host changes", [](auto& d) { d.resources["rs-1"].host = "10.0.0.2"; }, true},
      {"the key of its certificate changes", [](auto& d) { d.resources["rs-1"].sealed_tls_key += "x"; }, true},
      {"the password changes", [](auto& d) { d.resources["rs-1"].sealed_password += "x"; }, true},
      {"the name changes", [](auto& d) { d.resources["rs-1"].name = "billing"; }, false},
      {"somebody else is suspended", [](auto& d) { d.accounts["a-bob"].suspended = true; }, false},
  };
  directory_.resources["rs-1"].revision = 1;
  const auto before = directory_;
  for (const auto& each : cases) {
    directory_ = before;
    const auto lease = ask(sign(claim()));
    ASSERT_TRUE(lease) << each.name;
    each.change(directory_);
    directory_.resources["rs-1"].revision = 2;  // as any change of the resource makes it
    revoked_.clear();
    leases_.reevaluate(lookup());
    ASSERT_EQ(revoked_.size(), each.revoked ? 1U : 0U) << each.name;
    if (!each.revoked) continue;
    EXPECT_EQ(revoked_[0].node, "n-1") << each.name;
    EXPECT_EQ(revoked_[0].leases, std::vector{lease->id}) << each.name;
    EXPECT_FALSE(revoked_[0].reason.empty()) << each.name;
    EXPECT_EQ(leases_.size(), 0U) << each.name;
  }
}

TEST_F(LeasesTest, ALeaseAfterARevocationIsANewOne) {
  const auto first = ask(sign(claim()));
  const auto grants = std::exchange(directory_.grants, {});
  leases_.reevaluate(lookup());
  directory_.grants = grants;
  const auto second = ask(sign(claim()), "q-2");
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->id, second->id);
}

TEST_F(LeasesTest, SessionsOfUnknownLeasesAreTakenInIfAllowed) {
  // As after a restart: nothing is known, and the node tells.
  const api::LiveSessions live{
      {{"s-1", "l-11111111111111111111", "a-ann", "rs-1"}, {"s-2", "l-22222222222222222222", "a-bob", "rs-1"}}};
  const auto answer = leases_.check(lookup(), "n-1", live);
  ASSERT_EQ(answer.end.size(), 1U);
  EXPECT_EQ(answer.end[0].session, "s-2");
  EXPECT_NE(answer.end[0].reason.find("bob@example.com may not use"), std::string::npos) << answer.end[0].reason;
  directory_.memberships.clear();
  leases_.reevaluate(lookup());
  ASSERT_EQ(revoked_.size(), 1U);
  EXPECT_EQ(revoked_[0].leases, std::vector<std::string>{"l-11111111111111111111"});
}

TEST_F(LeasesTest, ASessionMustBelongToItsLease) {
  const auto lease = ask(sign(claim()));
  ASSERT_TRUE(lease);
  EXPECT_TRUE(leases_.check(lookup(), "n-1", {{{"s-1", lease->id, "a-ann", "rs-1"}}}).end.empty());
  EXPECT_EQ(leases_.check(lookup(), "n-2", {{{"s-1", lease->id, "a-ann", "rs-1"}}}).end.size(), 1U);
  EXPECT_EQ(leases_.check(lookup(), "n-1", {{{"s-1", lease->id, "a-bob", "rs-1"}}}).end.size(), 1U);
  EXPECT_EQ(leases_.check(lookup(), "n-1", {{{"s-1", "nonsense", "a-ann", "rs-1"}}}).end.size(), 1U);
}

TEST_F(LeasesTest, ANodeMakesNoMoreKnownThanItCouldHave) {
  api::LiveSessions live;
  for (int i = 0; i < 20'100; ++i) {
    const std::string number = std::to_string(i);
    live.sessions.push_back({"s-" + number, "l-" + number, "a-ann", "rs-1"});
  }
  EXPECT_EQ(leases_.check(lookup(), "n-1", live).end.size(), 100U);
  EXPECT_EQ(leases_.size(), 20'000U);
}

TEST_F(LeasesTest, AreForgottenWhenTheyAreLongOver) {
  ASSERT_TRUE(ask(sign(claim())));
  clock_.advance(11min);
  leases_.reevaluate(lookup());
  EXPECT_EQ(leases_.size(), 0U);
  EXPECT_TRUE(revoked_.empty());
}

TEST(NonceUses, AreBoundedAndForgotten) {
  NonceUses uses(2);
  FakeClock clock;
  const NonceUses::Nonce a{std::byte{1}}, b{std::byte{2}}, c{std::byte{3}};
  EXPECT_TRUE(uses.use(a, "a-1", "n", "q", clock.boot()));
  EXPECT_TRUE(uses.use(b, "a-1", "n", "q", clock.boot()));
  EXPECT_EQ(uses.use(c, "a-1", "n", "q", clock.boot()).error().code, Code::kLimit);
  EXPECT_EQ(uses.use(a, "a-1", "other", "q", clock.boot()).error().code, Code::kDenied);
  clock.advance(12min);
  EXPECT_TRUE(uses.use(c, "a-1", "n", "q", clock.boot()));
  EXPECT_TRUE(uses.use(a, "a-1", "other", "q", clock.boot()));
}

TEST(NonceUses, OneAccountCannotFillWhatAllNeed) {
  NonceUses uses(1000, 2);
  FakeClock clock;
  const auto nonce = [](int n) { return NonceUses::Nonce{std::byte(n)}; };
  EXPECT_TRUE(uses.use(nonce(1), "a-1", "n", "q", clock.boot()));
  EXPECT_TRUE(uses.use(nonce(2), "a-1", "n", "q", clock.boot()));
  EXPECT_EQ(uses.use(nonce(3), "a-1", "n", "q", clock.boot()).error().code, Code::kLimit);
  EXPECT_TRUE(uses.use(nonce(1), "a-1", "n", "q", clock.boot())) << "the same request again";
  EXPECT_TRUE(uses.use(nonce(4), "a-2", "n", "q", clock.boot()));
  clock.advance(12min);
  EXPECT_TRUE(uses.use(nonce(3), "a-1", "n", "q", clock.boot()));
  EXPECT_TRUE(uses.use(nonce(5), "a-1", "n", "q", clock.boot()));
}

}  // namespace
}  // namespace portolan::control

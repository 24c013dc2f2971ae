// Identity tokens: what they say and for how long, that nothing but our key makes them, and that the key lasts and is
// replaced without a moment at which an application cannot verify a token.
#include "control/identity_tokens.h"

#include <gtest/gtest.h>

#include "api/keys.h"
#include "api/list.h"
#include "control/test_plane.h"
#include "crypto/jwk.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using boost::json::object;
using testing::As;
using testing::TestPlane;

struct Parts {
  std::string signed_part;
  object header;
  object claims;
  Bytes signature;
};

Parts take_apart(const Secret& token) {
  const std::string& text = token.reveal();
  const auto first = text.find('.');
  const auto second = text.rfind('.');
  const auto part = [&](std::size_t from, std::size_t to) {
    return *from_base64url(std::string_view(text).substr(from, to - from));
  };
  const auto json_of = [](const Bytes& bytes) { return json::parse(as_text(bytes))->as_object(); };
  return {text.substr(0, second), json_of(part(0, first)), json_of(part(first + 1, second)),
          part(second + 1, text.size())};
}

// As an application does it: by the published key that the token names.
bool is_signed_by(const std::string& jwks, const IdentityKeys& keys, const Parts& token) {
  const auto published = json::decode<api::Jwks>(jwks, json::Unknown::kRefuse);
  for (const auto& jwk : published->keys) {
    if (jwk.kid != std::string_view(token.header.at("kid").as_string())) continue;
    for (const auto& one : keys.all()) {
      const auto point = crypto::jwk_point(one.key.public_key());
      if (point.x == jwk.x && point.y == jwk.y)
        return crypto::verify_es256(one.key.public_key(), as_bytes(token.signed_part), token.signature);
    }
  }
  return false;
}

class IdentityTokensTest : public ::testing::Test {
 protected:
  IdentityTokensTest() {
    for (const std::string name : {"ann", "bob"}) {
      auto& account = directory_.accounts["a-" + name];
      account.id = "a-" + name;
      account.email = name + "@example.com";
    }
    directory_.accounts["a-ann"].name = "Ann Example";
    directory_.resources["rs-1"].id = "rs-1";
    directory_.resources["rs-1"].name = "wiki";
    give("a-ann", "writers");
    give("a-ann", "dba");
    give("a-bob", "readers");
  }
  void give(const std::string& account, const std::string& role) {
    const std::string number = std::to_string(directory_.memberships.size());
    directory_.roles["r-" + role] = {"r-" + role, role, clock_.wall()};
    directory_.memberships["m-" + number] = {"m-" + number, account, "r-" + role, clock_.wall()};
  }
  Result<Secret> make(const std::string& account = "a-ann", std::chrono::milliseconds permitted = 12h) const {
    const Lookup lookup(std::make_shared<const directory::Snapshot>(directory_));
    return tokens_.make(lookup, account, "rs-1", clock_.wall(), clock_.wall() + permitted);
  }
  std::int64_t now() const { return clock_.wall().time_since_epoch() / 1s; }

  FakeClock clock_;
  directory::Snapshot directory_;
  IdentityKeys keys_ = *IdentityKeys::from({{"ca-1", "signing", crypto::PrivateKey::generate()}});
  IdentityTokens tokens_{"https://portolan.example", keys_, 5min};
};

TEST_F(IdentityTokensTest, SayWhoAndForWhom) {
  const auto token = make();
  ASSERT_TRUE(token) << token.error().message;
  const Parts parts = take_apart(*token);
  EXPECT_EQ(parts.header.at("alg").as_string(), "ES256");
  EXPECT_EQ(parts.header.at("typ").as_string(), "JWT");
  EXPECT_EQ(parts.header.at("kid").as_string(), keys_.signing().kid);
  EXPECT_EQ(parts.header.size(), 3U);
  EXPECT_EQ(parts.claims.at("iss").as_string(), "https://portolan.example");
  EXPECT_EQ(parts.claims.at("aud").as_string(), "rs-1");
  EXPECT_EQ(parts.claims.at("sub").as_string(), "a-ann");
  EXPECT_EQ(parts.claims.at("email").as_string(), "ann@example.com");
  EXPECT_EQ(parts.claims.at("name").as_string(), "Ann Example");
  EXPECT_EQ(json::print(parts.claims.at("groups")), R"(["dba","writers"])");
  EXPECT_EQ(parts.claims.at("resource").as_string(), "wiki");
  EXPECT_EQ(parts.claims.at("iat").to_number<std::int64_t>(), now());
  EXPECT_EQ(parts.claims.at("nbf").to_number<std::int64_t>(), now() - 60);
  EXPECT_EQ(parts.claims.at("exp").to_number<std::int64_t>(), now() + 660);
  EXPECT_GE(parts.claims.at("jti").as_string().size(), 20U);
  EXPECT_TRUE(is_signed_by(keys_.jwks(), keys_, parts));

  const Parts other = take_apart(*make("a-bob"));
  EXPECT_FALSE(other.claims.contains("name"));
  EXPECT_EQ(json::print(other.claims.at("groups")), R"(["readers"])");
  EXPECT_NE(other.claims.at("jti").as_string(), parts.claims.at("jti").as_string());
}

// A minute for clocks, no more.
TEST_F(IdentityTokensTest, EndWithThePermission) {
  const Parts parts = take_apart(*make("a-ann", 90s));
  EXPECT_EQ(parts.claims.at("exp").to_number<std::int64_t>(), now() + 150);
}

TEST_F(IdentityTokensTest, WhatIsAlteredIsNotOurs) {
  const Parts parts = take_apart(*make());
  Parts forged = parts;
  object claims = parts.claims;
  claims["sub"] = "a-bob";
  forged.signed_part = forged.signed_part.substr(0, forged.signed_part.find('.') + 1) +
                       base64url(as_bytes(json::print(boost::json::value(claims))));
  EXPECT_FALSE(is_signed_by(keys_.jwks(), keys_, forged));
  for (std::size_t i = 0; i < parts.signature.size(); ++i) {
    forged = parts;
    forged.signature[i] ^= std::byte{1};
    EXPECT_FALSE(is_signed_by(keys_.jwks(), keys_, forged)) << i;
  }
  // By a key of somebody else's that says it is ours.
  auto theirs = IdentityKeys::from({{"ca-1", "signing", crypto::PrivateKey::generate()}});
  ASSERT_TRUE(theirs);
  Parts other = take_apart(theirs->sign(parts.claims));
  EXPECT_FALSE(is_signed_by(keys_.jwks(), keys_, other)) << "a key that is not published";
  other.header["kid"] = keys_.signing().kid;
  EXPECT_FALSE(is_signed_by(keys_.jwks(), keys_, other));
}

// The application might keep out one of those that do not fit.
TEST_F(IdentityTokensTest, MoreRolesThanFitAreRefusedAsAWhole) {
  for (int i = 0; i < 59; ++i) give("a-ann", std::to_string(100 + i) + std::string(57, 'x'));
  EXPECT_TRUE(make()) << "3,800 bytes of names";
  for (int i = 60; i < 70; ++i) give("a-ann", std::to_string(100 + i) + std::string(57, 'x'));
  const auto token = make();
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, Code::kDenied);
  EXPECT_EQ(token.error().stable_code(), "too_many_roles");
}

TEST(IdentityKeys, OneSigns) {
  const auto key = crypto::PrivateKey::generate();
  EXPECT_FALSE(IdentityKeys::from({}));
  EXPECT_FALSE(IdentityKeys::from({{"ca-1", "announced", key}}));
  EXPECT_FALSE(IdentityKeys::from({{"ca-1", "signing", key}, {"ca-2", "signing", key}}));
}

net::Task<Result<api::Jwks>> published(TestPlane& test) {
  co_return co_await test.get<api::Jwks>({"GET /.well-known/jwks.json"}, As{});
}

CO_TEST(Jwks, AnybodyMayHaveIt) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto answer = co_await test.call({"GET /.well-known/jwks.json"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.header("cache-control"), "public, max-age=300");
  EXPECT_FALSE(answer.body.contains("\"d\"")) << "a private key";
  const auto keys = co_await published(test);
  CO_ASSERT_OK(keys);
  CO_ASSERT_EQ(keys->keys.size(), 1U);
  const auto& key = keys->keys.front();
  EXPECT_EQ(key.kid, crypto::jwk_thumbprint({key.x, key.y}));
  EXPECT_EQ(key.kty + key.crv + key.use + key.alg, "ECP-256sigES256");
}

CO_TEST(Jwks, TheKeyOutlivesARestart) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const std::string before = test.plane->core().authorities.identity.jwks();
  test.open();
  EXPECT_EQ(test.plane->core().authorities.identity.jwks(), before);
}

// A store of a release before there were identity tokens gets a key at its first start under this one.
CO_TEST(Jwks, AnOlderStoreGetsAKey) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const std::string id = test.plane->core().authorities.identity.signing().id;
  CO_ASSERT_OK(test.plane->core().directory->change(
      "test", [&](store::Change& change) { return change.remove<directory::Authority>(id); }));
  const std::string nodes = test.plane->core().authorities.node.certificate().fingerprint();
  test.open();
  EXPECT_NE(test.plane->core().authorities.identity.signing().id, id);
  EXPECT_EQ(test.plane->core().authorities.node.certificate().fingerprint(), nodes);
}

// Announced, it is published and does not sign; retiring, it is still published.
CO_TEST(Jwks, HoldsOldAndNewWhileTheKeyIsRotated) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto& identity = test.plane->core().authorities.identity;
  auto& rotation = test.plane->rotation();
  const std::string old_kid = identity.signing().kid;
  using Page = api::Page<api::KeyView>;
  const auto announced = co_await test.get<Page>({"POST /v1/keys/identity/rotate"}, test.admin);
  CO_ASSERT_OK(announced);
  CO_ASSERT_EQ(announced->items.size(), 2U);
  EXPECT_EQ(announced->items[1].state, "announced");
  EXPECT_TRUE(announced->items[1].waiting_for.empty());
  CO_ASSERT_TRUE(announced->items[1].kid.has_value());
  const std::string new_kid = *announced->items[1].kid;
  EXPECT_NE(new_kid, old_kid);

  clock.advance(1h - 1s);
  CO_ASSERT_OK(co_await rotation.step());
  EXPECT_EQ(identity.signing().kid, old_kid) << "applications may not have fetched the new one yet";
  CO_ASSERT_EQ((co_await published(test))->keys.size(), 2U);
  clock.advance(1s);
  CO_ASSERT_OK(co_await rotation.step());
  EXPECT_EQ(identity.signing().kid, new_kid);
  auto keys = co_await published(test);
  CO_ASSERT_OK(keys);
  CO_ASSERT_EQ(keys->keys.size(), 2U);
  EXPECT_EQ(keys->keys[0].kid, new_kid);
  EXPECT_EQ(keys->keys[1].kid, old_kid);

  // Tokens by the old one are good for a while.
  const auto early = co_await test.get<Page>({"POST /v1/keys/identity/finish"}, test.admin);
  CO_ASSERT_TRUE(!early);
  EXPECT_EQ(early.error().stable_code(), "still_needed");
  clock.advance(11min - 1s);
  CO_ASSERT_OK(co_await rotation.step());
  CO_ASSERT_EQ((co_await published(test))->keys.size(), 2U);
  clock.advance(1s);
  CO_ASSERT_OK(co_await rotation.step());
  keys = co_await published(test);
  CO_ASSERT_OK(keys);
  CO_ASSERT_EQ(keys->keys.size(), 1U);
  EXPECT_EQ(keys->keys[0].kid, new_kid);
}

// For a stolen key.
CO_TEST(Jwks, AKeyIsReplacedAtOnceByForce) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  using Page = api::Page<api::KeyView>;
  const std::string old_kid = test.plane->core().authorities.identity.signing().kid;
  CO_ASSERT_OK(co_await test.get<Page>({"POST /v1/keys/identity/rotate", {}, R"({"now":true})"}, test.admin));
  CO_ASSERT_OK(co_await test.get<Page>({"POST /v1/keys/identity/finish", {}, R"({"force":true})"}, test.admin));
  const auto keys = co_await published(test);
  CO_ASSERT_OK(keys);
  CO_ASSERT_EQ(keys->keys.size(), 1U);
  EXPECT_NE(keys->keys[0].kid, old_kid);
}

}  // namespace
}  // namespace portolan::control

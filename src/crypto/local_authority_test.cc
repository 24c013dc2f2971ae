#include "crypto/local_authority.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/building.h"
#include "crypto/openssl.h"

namespace portolan::crypto {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = *from_rfc3339("2026-11-28T12:00:00.000Z");
constexpr auto kYear = std::chrono::hours(24 * 365);

LocalAuthority make(const std::vector<std::string>& hosts = {"wiki.corp.example", "10.0.0.7"}) {
  auto made = LocalAuthority::create("Portolan test", hosts, kNow, kYear);
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

// As a TLS client does that trusts `root`: 0, or why not.
int verify(const Certificate& leaf, const Certificate& between, const Certificate& root, const std::string& host) {
  const ErrorScope errors;
  const Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), root.native());
  STACK_OF(X509)* others = sk_X509_new_null();
  sk_X509_push(others, between.native());
  const Owned<X509_STORE_CTX, X509_STORE_CTX_free> ctx(X509_STORE_CTX_new());
  X509_STORE_CTX_init(ctx.get(), store.get(), leaf.native(), others);
  X509_STORE_CTX_set_purpose(ctx.get(), X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(ctx.get());
  X509_VERIFY_PARAM_set_time(rules, std::chrono::floor<std::chrono::seconds>(kNow).time_since_epoch().count());
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) != 1) X509_VERIFY_PARAM_set1_host(rules, host.c_str(), 0);
  const int done = X509_verify_cert(ctx.get());
  const int why = X509_STORE_CTX_get_error(ctx.get());
  sk_X509_free(others);
  return done == 1 ? 0 : why;
}

// What a thief of the kept key would make: any name at all.
Certificate forged(const LocalAuthority& authority, const PublicKey& key, const std::string& host) {
  using namespace building;
  OwnedX509 native = begin(key, kNow - kBackdate, kNow + 24h);
  add_common_name(X509_get_subject_name(native.get()), "somebody");
  X509_set_issuer_name(native.get(), X509_get_subject_name(authority.issuer().native()));
  add_constraints(native.get(), Role::kLeaf);
  add_key_usage(native.get(), Role::kLeaf);
  add_extended_usage(native.get(), {"1.3.6.1.5.5.7.3.1"});
  add_key_ids(native.get(), key, authority.issuer().public_key());
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str()))
    push(names.get(), GEN_IPADD, address);
  else
    push(names.get(), GEN_DNS, ascii(host));
  add(native.get(), NID_subject_alt_name, names.get(), Critical::kNo);
  return finish(std::move(native), authority.key());
}

// A root and an issuer that are bound by nothing.
struct Unbound {
  PrivateKey root_key = PrivateKey::generate();
  PrivateKey key = PrivateKey::generate();
  Certificate root = make(root_key.public_key(), 1, nullptr);
  Certificate issuer = make(key.public_key(), 0, &root);

  Certificate make(const PublicKey& own, long path_length, const Certificate* above) const {
    using namespace building;
    OwnedX509 native = begin(own, kNow - kBackdate, kNow + kYear);
    add_common_name(X509_get_subject_name(native.get()), above == nullptr ? "unbound root" : "unbound issuer");
    const X509* issuer_of_it = above == nullptr ? native.get() : above->native();
    X509_set_issuer_name(native.get(), X509_get_subject_name(issuer_of_it));
    add_constraints(native.get(), Role::kRoot, path_length);
    add_key_usage(native.get(), Role::kRoot);
    add_key_ids(native.get(), own, root_key.public_key());
    return finish(std::move(native), root_key);
  }
};

TEST(LocalAuthority, IssuesForItsHosts) {
  const LocalAuthority authority = make();
  const PrivateKey key = PrivateKey::generate();
  for (const std::string host : {"wiki.corp.example", "10.0.0.7"}) {
    const auto leaf = authority.issue(host, key.public_key(), kNow, 24h * 7);
    ASSERT_TRUE(leaf) << leaf.error().message;
    EXPECT_EQ(verify(*leaf, authority.issuer(), authority.root(), host), X509_V_OK) << host;
    EXPECT_EQ(leaf->not_after(), kNow + 24h * 7);
    EXPECT_TRUE(leaf->certifies(key));
  }
}

TEST(LocalAuthority, RefusesOtherHosts) {
  const LocalAuthority authority = make();
  const PublicKey key = PrivateKey::generate().public_key();
  for (const char* host : {"", "corp.example", "a.wiki.corp.example", "wiki.corp.example.", "*.corp.example",
                           "WIKI.corp.example", "10.0.0.8", "10.0.0.7 x", "::1", "bank.example"}) {
    const auto leaf = authority.issue(host, key, kNow, 24h);
    ASSERT_FALSE(leaf) << host;
    EXPECT_EQ(leaf.error().code, Code::kDenied) << host;
    EXPECT_FALSE(authority.covers(host)) << host;
  }
}

// The whole point: a stolen key is worth nothing for anybody else's name.
TEST(LocalAuthority, ItsKeyIsWorthNothingForOtherHosts) {
  const LocalAuthority authority = make();
  const PublicKey key = PrivateKey::generate().public_key();
  EXPECT_EQ(
      verify(forged(authority, key, "wiki.corp.example"), authority.issuer(), authority.root(), "wiki.corp.example"),
      X509_V_OK)
      << "the forger forges well";
  for (const std::string host : {"bank.example", "corp.example", "xwiki.corp.example", "10.0.0.8"}) {
    const Certificate leaf = forged(authority, key, host);
    EXPECT_EQ(verify(leaf, authority.issuer(), authority.root(), host), X509_V_ERR_PERMITTED_VIOLATION) << host;
  }
}

TEST(LocalAuthority, ExcludesTheKindsThatItHasNoneOf) {
  const PublicKey key = PrivateKey::generate().public_key();
  const LocalAuthority names = make({"wiki.corp.example"});
  for (const std::string host : {"10.0.0.7", "127.0.0.1", "::1"})
    EXPECT_TRUE(verify(forged(names, key, host), names.issuer(), names.root(), host) != X509_V_OK) << host;
  const LocalAuthority addresses = make({"10.0.0.7", "fd00::7"});
  EXPECT_TRUE(addresses.covers("fd00:0:0::7"));
  for (const std::string host : {"bank.example", "10.0.0.8", "fd00::8"})
    EXPECT_TRUE(verify(forged(addresses, key, host), addresses.issuer(), addresses.root(), host) != X509_V_OK) << host;
  for (const std::string host : {"10.0.0.7", "fd00::7"}) {
    const auto leaf = addresses.issue(host, key, kNow, 24h);
    ASSERT_TRUE(leaf) << leaf.error().message;
    EXPECT_EQ(verify(*leaf, addresses.issuer(), addresses.root(), host), X509_V_OK) << host;
  }
}

TEST(LocalAuthority, ConstraintsAreCriticalInBothCertificates) {
  const LocalAuthority authority = make();
  for (const Certificate& each : {authority.root(), authority.issuer()}) {
    const int at = X509_get_ext_by_NID(each.native(), NID_name_constraints, -1);
    ASSERT_GE(at, 0);
    EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(each.native(), at)), 1);
  }
  EXPECT_FALSE(authority.root().certifies(authority.key())) << "the root's key is gone";
}

TEST(LocalAuthority, IsReadBackAsItWas) {
  const LocalAuthority authority = make({"b.example", "fd00::7", "a.example"});
  const auto again = LocalAuthority::from(authority.root(), authority.issuer(), authority.key());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->hosts(),
            (std::vector<std::string>{"b.example", "a.example", "fd00:0000:0000:0000:0000:0000:0000:0007"}));
}

TEST(LocalAuthority, TakesNoOther) {
  const LocalAuthority one = make();
  const LocalAuthority other = make();
  EXPECT_FALSE(LocalAuthority::from(other.root(), one.issuer(), one.key()));
  EXPECT_FALSE(LocalAuthority::from(one.root(), other.issuer(), one.key()));
  EXPECT_FALSE(LocalAuthority::from(one.root(), one.issuer(), other.key()));
  EXPECT_FALSE(LocalAuthority::from(one.issuer(), one.issuer(), one.key()));
  EXPECT_FALSE(LocalAuthority::from(one.root(), one.root(), one.key()));
  const Unbound unbound;
  const auto taken = LocalAuthority::from(unbound.root, unbound.issuer, unbound.key);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().message, "authority for web applications with other names than hosts");
}

TEST(LocalAuthority, RefusesWhatIsNoHost) {
  const auto code = [](std::vector<std::string> hosts) {
    const auto made = LocalAuthority::create("Portolan test", hosts, kNow, kYear);
    return made ? Code::kInternal : made.error().code;
  };
  EXPECT_EQ(code({}), Code::kInvalid);
  for (const std::string& host :
       {std::string(""), std::string("*"), std::string("*.corp.example"), std::string(".corp.example"),
        std::string("corp.example."), std::string("a..b"), std::string("Wiki.example"), std::string("wiki example"),
        std::string("a,DNS:b"), std::string("10.0.0.0/8"), std::string("a\0b", 3), std::string(254, 'a')})
    EXPECT_EQ(code({"good.example", host}), Code::kInvalid) << host;
  EXPECT_EQ(code(std::vector<std::string>(LocalAuthority::kHostsLimit + 1, "a.example")), Code::kLimit);
  EXPECT_EQ(code(std::vector<std::string>(100, std::string(200, 'a'))), Code::kLimit);
}

TEST(LocalAuthority, TheLargestIsWhole) {
  std::vector<std::string> hosts;
  for (std::size_t i = 0; i < LocalAuthority::kHostsLimit; ++i)
    hosts.push_back("host-" + std::to_string(i) + ".a-rather-long-name-of-a-network.corp.example");
  const LocalAuthority authority = make(hosts);
  EXPECT_EQ(authority.hosts().size(), LocalAuthority::kHostsLimit);
  EXPECT_LT(authority.issuer().der().size(), 20U * 1024) << "every handshake carries it";
}

TEST(LocalAuthority, EndsAndItsLeavesWithIt) {
  const LocalAuthority authority = make();
  const PublicKey key = PrivateKey::generate().public_key();
  const auto late = authority.issue("10.0.0.7", key, kNow + kYear - 1h, 24h);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->not_after(), authority.issuer().not_after());
  const auto after = authority.issue("10.0.0.7", key, kNow + kYear, 24h);
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().code, Code::kInvalid);
}

}  // namespace
}  // namespace portolan::crypto

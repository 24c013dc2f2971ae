#include "update/root.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "update/testing.h"

namespace portolan::update {
namespace {

using testing::keys_of;
using testing::signed_by;
using Keys = std::vector<const crypto::Ed25519PrivateKey*>;

class RootTest : public ::testing::Test {
 protected:
  Root root(std::uint64_t version, const Keys& keys, std::uint32_t threshold = 1) const {
    return {std::string(kRootFormat), version, now_ + std::chrono::days(365), keys_of(keys, threshold),
            keys_of({&release_})};
  }
  static std::string envelope(const Root& root, const Keys& signers) {
    return encode_envelope(signed_by(Kind::kRoot, {json::encode(root), {}}, signers));
  }
  template <class T>
  static std::string said(const Result<T>& done) {
    return done ? "good" : std::string(done.error().stable_code());
  }
  WallTime now_ = FakeClock().wall();
  crypto::Ed25519PrivateKey a_ = crypto::Ed25519PrivateKey::generate();
  crypto::Ed25519PrivateKey b_ = crypto::Ed25519PrivateKey::generate();
  crypto::Ed25519PrivateKey c_ = crypto::Ed25519PrivateKey::generate();
  crypto::Ed25519PrivateKey release_ = crypto::Ed25519PrivateKey::generate();
};

TEST_F(RootTest, TheFirstIsSignedByTheAnchorAndByItself) {
  EXPECT_EQ(said(first_root(keys_of({&a_}), envelope(root(1, {&a_}), {&a_}))), "good");
  EXPECT_EQ(said(first_root(keys_of({&a_}), envelope(root(1, {&a_}), {}))), "not_signed");
  EXPECT_EQ(said(first_root(keys_of({&b_}), envelope(root(1, {&a_}), {&a_}))), "not_signed");
  // Keys of the attacker's own beside one that he has stolen the signature of: its own threshold must be met, too.
  EXPECT_EQ(said(first_root(keys_of({&a_}), envelope(root(1, {&b_, &c_}, 2), {&a_, &b_}))), "not_signed");
  EXPECT_EQ(said(first_root(keys_of({&a_, &b_}, 2), envelope(root(1, {&a_, &b_}), {&a_}))), "not_signed");
  EXPECT_EQ(said(first_root(keys_of({&a_, &b_}, 2), envelope(root(1, {&a_, &b_}), {&a_, &b_}))), "good");
  // A release key signs no root document.
  EXPECT_EQ(said(first_root(keys_of({&a_}), envelope(root(1, {&a_}), {&release_}))), "not_signed");
}

TEST_F(RootTest, KeysAreReplacedOneAfterTheOther) {
  const Root one = root(1, {&a_, &b_});
  EXPECT_EQ(said(next_root(one, envelope(root(2, {&b_, &c_}), {&b_}))), "good");
  EXPECT_EQ(said(next_root(one, envelope(root(2, {&c_}), {&a_, &c_}))), "good");
  EXPECT_EQ(said(next_root(one, envelope(root(2, {&c_}), {&c_}))), "not_signed") << "the old ones have no say";
  EXPECT_EQ(said(next_root(one, envelope(root(2, {&c_}), {&a_}))), "not_signed") << "the new one has not signed";
  EXPECT_EQ(said(next_root(root(1, {&a_, &b_}, 2), envelope(root(2, {&a_, &b_}), {&a_}))), "not_signed");
}

TEST_F(RootTest, NoneIsLeftOutOrShownAgain) {
  const Root two = root(2, {&a_});
  EXPECT_EQ(said(next_root(two, envelope(root(3, {&a_}), {&a_}))), "good");
  for (const std::uint64_t version : {1, 2, 4, 9999})
    EXPECT_EQ(said(next_root(two, envelope(root(version, {&a_}), {&a_}))), "wrong_version") << version;
}

TEST_F(RootTest, Expires) {
  const Root one = root(1, {&a_});
  EXPECT_EQ(said(check_time(one, one.expires - std::chrono::milliseconds(1))), "good");
  EXPECT_EQ(said(check_time(one, one.expires)), "expired");
}

TEST_F(RootTest, IsDecodedStrictly) {
  const Root good = root(1, {&a_, &b_}, 2);
  EXPECT_TRUE(decode_root(json::encode(good)));
  const auto refused = [&](auto change) {
    Root bad = good;
    change(bad);
    return said(decode_root(json::encode(bad)));
  };
  EXPECT_EQ(refused([](Root& r) { r.format = "portolan-root-2"; }), "unknown_format");
  EXPECT_EQ(refused([](Root& r) { r.format = "portolan-manifest-1"; }), "unknown_format");
  EXPECT_EQ(refused([](Root& r) { r.version = 0; }), "invalid");
  EXPECT_EQ(refused([](Root& r) { r.version = kMostRoots + 1; }), "invalid");
  EXPECT_EQ(refused([](Root& r) { r.root.threshold = 3; }), "invalid");
  EXPECT_EQ(refused([](Root& r) { r.root.threshold = 0; }), "invalid");
  EXPECT_EQ(refused([](Root& r) { r.root.keys.push_back(r.root.keys[0]); }), "invalid");
  EXPECT_EQ(refused([](Root& r) { r.release.keys.clear(); }), "invalid");
  EXPECT_EQ(refused([](Root& r) { r.release.keys = r.root.keys; }), "invalid") << "offline keys are for nothing else";
  std::string more = json::encode(good);
  more.insert(1, R"("more":1,)");
  EXPECT_FALSE(decode_root(more));
}

TEST_F(RootTest, AnAnchorIsPem) {
  const std::string a = a_.public_key().pem();
  const std::string b = b_.public_key().pem();
  const auto one = anchor_from(a);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(*one, keys_of({&a_}));
  const auto two = anchor_from("# threshold: 2\n" + a + "\nsome words\n" + b);
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ(*two, keys_of({&a_, &b_}, 2));
  for (const std::string& bad :
       {std::string(), std::string("no key"), "# threshold: 2\n" + a, "# threshold: x\n" + a, a + a, a.substr(0, 60),
        a_.pem().reveal(), crypto::PrivateKey::generate().public_key().pem()})
    EXPECT_FALSE(anchor_from(bad)) << bad.substr(0, 40);
}

}  // namespace
}  // namespace portolan::update

#include "update/manifest.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "update/testing.h"

namespace portolan::update {
namespace {

using testing::keys_of;
using testing::signed_by;

class ManifestTest : public ::testing::Test {
 protected:
  Manifest good() const {
    const std::string hash(64, 'a');
    return {std::string(kManifestFormat),
            "stable",
            7,
            now_,
            now_ + std::chrono::days(30),
            "1.0.0",
            {{"1.2.0", now_, 25, {{"linux-x86_64", "files/1.2.0/portolan", 1000, hash}}, "https://example/1.2.0"},
             {"1.1.0",
              now_,
              100,
              {{"linux-x86_64", "files/1.1.0/portolan", 900, hash}, {"linux-aarch64", "files/1.1.0/arm", 901, hash}}}}};
  }
  template <class T>
  static std::string said(const Result<T>& done) {
    return done ? "good" : std::string(done.error().stable_code());
  }
  template <class Change>
  std::string with(Change change) const {
    Manifest bad = good();
    change(bad);
    return said(decode_manifest(json::encode(bad)));
  }
  Root root() const {
    return {std::string(kRootFormat), 1, now_ + std::chrono::days(365), keys_of({&root_key_}), keys_of({&key_})};
  }
  std::string envelope(const Manifest& manifest) const {
    return encode_envelope(signed_by(Kind::kManifest, {json::encode(manifest), {}}, {&key_}));
  }
  WallTime now_ = FakeClock().wall();
  crypto::Ed25519PrivateKey root_key_ = crypto::Ed25519PrivateKey::generate();
  crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::generate();
};

TEST_F(ManifestTest, IsDecodedStrictly) {
  EXPECT_EQ(with([](Manifest&) {}), "good");
  EXPECT_EQ(with([](Manifest& m) { m.format = "portolan-manifest-2"; }), "unknown_format");
  EXPECT_EQ(with([](Manifest& m) { m.format = std::string(kRootFormat); }), "unknown_format");
  EXPECT_EQ(with([](Manifest& m) { m.channel = ""; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.channel = "../stable"; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.sequence = 0; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.expires = m.made; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.minimum_version = "1"; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.releases.clear(); }), "limit");
  EXPECT_EQ(with([](Manifest& m) { m.releases.resize(65, m.releases[0]); }), "limit");
  EXPECT_EQ(with([](Manifest& m) { std::swap(m.releases[0], m.releases[1]); }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.releases[1].version = "1.2.0"; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].version = "new"; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].rollout = 101; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].notes = std::string(501, 'x'); }), "limit");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].files.clear(); }), "limit");
  EXPECT_EQ(with([](Manifest& m) { m.releases[1].files[1].platform = "linux-x86_64"; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].files[0].platform = "Linux x86"; }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].files[0].size = 0; }), "limit");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].files[0].size = kLargestFile + 1; }), "limit");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].files[0].sha256 = std::string(63, 'a'); }), "invalid");
  EXPECT_EQ(with([](Manifest& m) { m.releases[0].files[0].sha256 = std::string(64, 'A'); }), "invalid");
}

TEST_F(ManifestTest, PathsStayBelowTheTree) {
  for (const std::string bad : {"", "/", "/etc/passwd", "..", "../x", "files/../../x", "files/..", "./x", "files/.x",
                                "a//b", "a/", "a b", "a%2fb", "a\\b", "http://example/x", "a\n", "a?b"})
    EXPECT_EQ(with([&](Manifest& m) { m.releases[0].files[0].path = bad; }), "invalid") << bad;
  EXPECT_EQ(with([&](Manifest& m) { m.releases[0].files[0].path = std::string(201, 'a'); }), "invalid");
  EXPECT_EQ(with([&](Manifest& m) { m.releases[0].files[0].path = "files/1.2.0/portolan-linux_x.exe"; }), "good");
}

TEST_F(ManifestTest, UnknownMembersAreRefused) {
  std::string text = json::encode(good());
  text.insert(1, R"("mirrors":[],)");
  EXPECT_FALSE(decode_manifest(text));
  const std::string whole = json::encode(good());
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(decode_manifest(whole.substr(0, length))) << length;
}

TEST_F(ManifestTest, IsOpenedForOneChannelAndATime) {
  const std::string text = envelope(good());
  EXPECT_EQ(said(open_manifest(root(), "stable", text, now_)), "good");
  EXPECT_EQ(said(open_manifest(root(), "beta", text, now_)), "wrong_channel");
  EXPECT_EQ(said(open_manifest(root(), "stable", text, good().expires)), "expired");
  EXPECT_EQ(said(open_manifest(root(), "stable", text, good().expires - std::chrono::milliseconds(1))), "good");
}

TEST_F(ManifestTest, IsSignedByReleaseKeysOnly) {
  const Envelope plain{json::encode(good()), {}};
  const auto other = crypto::Ed25519PrivateKey::generate();
  const auto opened = [&](const Envelope& envelope) {
    return said(open_manifest(root(), "stable", encode_envelope(envelope), now_));
  };
  EXPECT_EQ(opened(plain), "not_signed");
  EXPECT_EQ(opened(signed_by(Kind::kManifest, plain, {&other})), "not_signed");
  EXPECT_EQ(opened(signed_by(Kind::kManifest, plain, {&root_key_})), "not_signed");
  EXPECT_EQ(opened(signed_by(Kind::kManifest, plain, {&other, &key_})), "good");
  Envelope of_old = signed_by(Kind::kManifest, plain, {&key_});
  Manifest changed = good();
  changed.minimum_version = "0.0.1";
  of_old.document = json::encode(changed);
  EXPECT_EQ(opened(of_old), "bad_signature");
  EXPECT_EQ(opened(signed_by(Kind::kRoot, plain, {&key_})), "bad_signature");
}

}  // namespace
}  // namespace portolan::update

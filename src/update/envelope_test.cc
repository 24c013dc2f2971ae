#include "update/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "update/testing.h"

namespace portolan::update {
namespace {

using ::testing::HasSubstr;
using testing::keys_of;

class EnvelopeTest : public ::testing::Test {
 protected:
  std::string said(const Envelope& envelope, const KeySet& set, Kind kind = Kind::kManifest) const {
    const auto done = check_signatures(kind, envelope, set, "the keys");
    return done ? "good" : std::string(done.error().stable_code());
  }
  crypto::Ed25519PrivateKey a_ = crypto::Ed25519PrivateKey::generate();
  crypto::Ed25519PrivateKey b_ = crypto::Ed25519PrivateKey::generate();
  crypto::Ed25519PrivateKey c_ = crypto::Ed25519PrivateKey::generate();
  Envelope envelope_{R"({"n":1})", {}};
};

TEST_F(EnvelopeTest, CountsEachKeyOnce) {
  const KeySet two = keys_of({&a_, &b_, &c_}, 2);
  EXPECT_EQ(said(envelope_, two), "not_signed");
  sign(Kind::kManifest, envelope_, a_);
  sign(Kind::kManifest, envelope_, a_);
  EXPECT_EQ(envelope_.signatures.size(), 1U);
  EXPECT_EQ(said(envelope_, two), "not_signed");
  EXPECT_EQ(said(envelope_, keys_of({&a_})), "good");
  EXPECT_EQ(said(envelope_, keys_of({&b_})), "not_signed");
  sign(Kind::kManifest, envelope_, c_);
  EXPECT_EQ(said(envelope_, two), "good");
  const Envelope again = *decode_envelope(Kind::kManifest, encode_envelope(envelope_));
  EXPECT_EQ(said(again, two), "good");
}

TEST_F(EnvelopeTest, FindsWhatWasAltered) {
  sign(Kind::kManifest, envelope_, a_);
  const KeySet set = keys_of({&a_});
  for (std::size_t at = 0; at < envelope_.document.size(); ++at) {
    Envelope altered = envelope_;
    altered.document[at] = static_cast<char>(altered.document[at] ^ 1);
    EXPECT_EQ(said(altered, set), "bad_signature") << at;
  }
  Envelope longer = envelope_;
  longer.document += ' ';
  EXPECT_EQ(said(longer, set), "bad_signature");
  Envelope cut = envelope_;
  cut.document.pop_back();
  EXPECT_EQ(said(cut, set), "bad_signature");
  for (const std::string& signature : {std::string(), std::string("AAAA"), std::string(86, 'A'), std::string("!")}) {
    Envelope forged = envelope_;
    forged.signatures[0].signature = signature;
    EXPECT_EQ(said(forged, set), "bad_signature") << signature;
  }
}

TEST_F(EnvelopeTest, ASignatureIsOfOneKindOnly) {
  sign(Kind::kRoot, envelope_, a_);
  EXPECT_EQ(said(envelope_, keys_of({&a_}), Kind::kRoot), "good");
  EXPECT_EQ(said(envelope_, keys_of({&a_}), Kind::kManifest), "bad_signature");
}

TEST_F(EnvelopeTest, ASignatureOfAnotherKeyIsNotOnesOwn) {
  sign(Kind::kManifest, envelope_, b_);
  envelope_.signatures[0].key = key_text(a_.public_key());
  EXPECT_EQ(said(envelope_, keys_of({&a_})), "bad_signature");
}

TEST_F(EnvelopeTest, IsDecodedStrictly) {
  sign(Kind::kManifest, envelope_, a_);
  const std::string good = encode_envelope(envelope_);
  EXPECT_TRUE(decode_envelope(Kind::kManifest, good));
  for (std::size_t length = 0; length + 2 < good.size(); ++length)
    EXPECT_FALSE(decode_envelope(Kind::kManifest, good.substr(0, length))) << length;
  for (const char* bad :
       {"", "{}", "[]", "null", R"({"document":1,"signatures":[]})", R"({"document":"x"})",
        R"({"document":"x","signatures":[],"more":1})", R"({"document":"x","signatures":{}})",
        R"({"document":"x","document":"y","signatures":[]})", R"({"document":"x","signatures":[{"key":"a"}]})",
        R"({"document":"x","signatures":[{"key":"a","signature":"b"},{"key":"a","signature":"c"}]})"})
    EXPECT_FALSE(decode_envelope(Kind::kManifest, bad)) << bad;
  Envelope many{"x", {}};
  for (int i = 0; i < 17; ++i) many.signatures.push_back({std::to_string(i), "s"});
  const auto refused = decode_envelope(Kind::kManifest, encode_envelope(many));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kLimit);
  const Envelope large{std::string(kRootLimit, 'x'), {}};
  const auto too_large = decode_envelope(Kind::kRoot, encode_envelope(large));
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, Code::kLimit);
  EXPECT_TRUE(decode_envelope(Kind::kManifest, encode_envelope(large)));
}

TEST_F(EnvelopeTest, ChecksKeySets) {
  const auto bad = [](KeySet set) { return !check_keys(set).has_value(); };
  EXPECT_FALSE(bad(keys_of({&a_, &b_}, 2)));
  EXPECT_TRUE(bad({}));
  EXPECT_TRUE(bad(keys_of({&a_}, 0)));
  EXPECT_TRUE(bad(keys_of({&a_}, 2)));
  EXPECT_TRUE(bad(keys_of({&a_, &a_})));
  EXPECT_TRUE(bad({{"short"}, 1}));
  EXPECT_TRUE(bad({{key_text(a_.public_key()) + "="}, 1}));
  std::string other_spelling = key_text(a_.public_key());
  other_spelling.back() = static_cast<char>(other_spelling.back() + 1);
  EXPECT_TRUE(bad({{other_spelling}, 1})) << "bits that no byte has";
  EXPECT_TRUE(bad({std::vector<std::string>(17, key_text(a_.public_key())), 1}));
}

}  // namespace
}  // namespace portolan::update

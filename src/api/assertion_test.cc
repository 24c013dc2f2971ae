#include "api/assertion.h"

#include <functional>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace portolan::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kNow(milliseconds(1'800'000'000'000));

Bytes binding_of(int fill) { return Bytes(32, static_cast<std::byte>(fill)); }

Assertion sample() { return make_assertion("a-ann", "d-laptop", "rs-billing", "n-relay", binding_of(7), kNow); }

std::string assemble(ByteView encoding, ByteView signature) { return base64url(encoding) + "." + base64url(signature); }

Bytes encoding_of(const std::string& text) { return *from_base64url(text.substr(0, text.find('.'))); }
Bytes signature_of(const std::string& text) { return *from_base64url(text.substr(text.find('.') + 1)); }

TEST(Assertion, RoundTrips) {
  const auto key = crypto::PrivateKey::generate();
  const Assertion in = sample();
  EXPECT_EQ(in.life, kAssertionLifeLimit);
  const std::string text = sign_assertion(in, key);
  EXPECT_EQ(*parse_assertion(text), in);
  EXPECT_EQ(*verify_assertion(text, key.public_key()), in);
  EXPECT_NE(sample().nonce, sample().nonce);
}

// The test vector of docs/wire.md, "Access assertion".
constexpr std::string_view kVectorKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7\n"
    "Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==\n"
    "-----END PUBLIC KEY-----\n";
constexpr std::string_view kVectorText =
    "cG9ydG9sYW4tYXNzZXJ0aW9uLXYxAAADYS0xAANkLTIABHJzLTMAA24tNAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    "AAABoxhcUAAAAOpg8PHy8_T19vf4-fr7_P3-_w.MEYCIQDw_odd8UfkjdNofQJeiC2dsvRWaY6QV_pIjZMFXM7U_wIhALvPZ5Z5w"
    "ql8Q4eHeWCyCZx5kSqpuza6lPe9MAJ2UIS3";

Assertion vector_fields() {
  Assertion in = make_assertion("a-1", "d-2", "rs-3", "n-4", {}, kNow);
  for (int i = 0; i < 32; ++i) in.binding.push_back(static_cast<std::byte>(i));
  for (int i = 0; i < 16; ++i) in.nonce[static_cast<std::size_t>(i)] = static_cast<std::byte>(0xf0 + i);
  return in;
}

TEST(Assertion, EncodesAsTheDocumentSays) {
  const auto key = crypto::PrivateKey::generate();
  EXPECT_EQ(hex(encoding_of(sign_assertion(vector_fields(), key))),
            "706f72746f6c616e2d617373657274696f6e2d763100"
            "0003612d31"
            "0003642d32"
            "000472732d33"
            "00036e2d34"
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
            "000001a3185c5000"
            "0000ea60"
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
}

TEST(Assertion, VerifiesTheDocumentsVector) {
  const auto key = crypto::PublicKey::from_pem(kVectorKey);
  ASSERT_TRUE(key);
  EXPECT_EQ(*verify_assertion(kVectorText, *key), vector_fields());
}

TEST(Assertion, EveryFieldIsUnderTheSignature) {
  const std::vector<std::pair<const char*, std::function<void(Assertion&)>>> changes = {
      {"account", [](Assertion& a) { a.account = "a-bob"; }},
      {"device", [](Assertion& a) { a.device = "d-laptoq"; }},
      {"resource", [](Assertion& a) { a.resource = "rs-payroll"; }},
      {"node", [](Assertion& a) { a.node = "n-relax"; }},
      {"a byte moved between fields", [](Assertion& a) { a.account = "a-annd", a.device = "-laptop"; }},
      {"binding", [](Assertion& a) { a.binding = binding_of(8); }},
      {"time", [](Assertion& a) { a.time += milliseconds(1); }},
      {"life", [](Assertion& a) { a.life -= milliseconds(1); }},
      {"nonce", [](Assertion& a) { a.nonce[15] ^= std::byte{1}; }},
  };
  const auto key = crypto::PrivateKey::generate();
  const auto other = crypto::PrivateKey::generate();
  const Assertion genuine = sample();
  const Bytes signature = signature_of(sign_assertion(genuine, key));
  for (const auto& [name, change] : changes) {
    Assertion altered = genuine;
    change(altered);
    const std::string text = assemble(encoding_of(sign_assertion(altered, other)), signature);
    EXPECT_TRUE(parse_assertion(text)) << name;
    const auto verified = verify_assertion(text, key.public_key());
    ASSERT_FALSE(verified) << name;
    EXPECT_EQ(verified.error().code, Code::kUnauthenticated) << name;
  }
}

TEST(Assertion, EveryByteIsUnderTheSignature) {
  const auto key = crypto::PrivateKey::generate();
  const std::string text = sign_assertion(sample(), key);
  const Bytes encoding = encoding_of(text);
  for (std::size_t i = 0; i < encoding.size(); ++i) {
    Bytes altered = encoding;
    altered[i] ^= std::byte{0x01};
    EXPECT_FALSE(verify_assertion(assemble(altered, signature_of(text)), key.public_key())) << "byte " << i;
  }
}

TEST(Assertion, WrongKey) {
  const auto text = sign_assertion(sample(), crypto::PrivateKey::generate());
  EXPECT_EQ(verify_assertion(text, crypto::PrivateKey::generate().public_key()).error().code, Code::kUnauthenticated);
}

TEST(Assertion, OnlyThisForm) {
  const auto key = crypto::PrivateKey::generate();
  const std::string text = sign_assertion(sample(), key);
  const Bytes encoding = encoding_of(text);
  const Bytes signature = signature_of(text);
  Bytes longer = encoding;
  longer.push_back(std::byte{0});
  Bytes second_version = encoding;
  second_version[20] = std::byte{'2'};
  Bytes wild_length = encoding;
  wild_length[22] = std::byte{0xff};
  Bytes far_future = encoding;
  far_future[encoding.size() - 28] = std::byte{0xff};
  Bytes long_life = encoding;
  long_life[encoding.size() - 17] = std::byte{0x61};  // 60,001 ms
  Assertion huge = sample();
  huge.account = std::string(2048, 'a');
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"empty", ""},
      {"no signature", base64url(encoding)},
      {"empty signature", base64url(encoding) + "."},
      {"two dots", text + "."},
      {"padding", text + "="},
      {"white space", text + "\n"},
      {"standard base64", base64url(encoding) + ".+/+/"},
      {"trailing byte", assemble(longer, key.sign(longer))},
      {"other version", assemble(second_version, key.sign(second_version))},
      {"length past the end", assemble(wild_length, key.sign(wild_length))},
      {"time past the year 9999", assemble(far_future, key.sign(far_future))},
      {"life above the limit", assemble(long_life, key.sign(long_life))},
      {"over-long", sign_assertion(huge, key)},
      {"over-long signature", base64url(encoding) + "." + std::string(2048, 'A')},
  };
  for (const auto& [name, wrong] : cases) {
    const auto parsed = parse_assertion(wrong);
    ASSERT_FALSE(parsed) << name;
    EXPECT_EQ(parsed.error().code, Code::kInvalid) << name;
    EXPECT_FALSE(verify_assertion(wrong, key.public_key())) << name;
  }
  for (std::size_t n = 0; n < encoding.size(); ++n) {
    const Bytes cut(encoding.begin(), encoding.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_FALSE(parse_assertion(assemble(cut, key.sign(cut)))) << "cut at " << n;
  }
}

TEST(Assertion, TimeWindow) {
  const Assertion assertion = sample();
  const struct {
    milliseconds from_time;
    bool good;
  } cases[] = {
      {milliseconds(0), true},
      {-kClockSlack, true},
      {-kClockSlack - milliseconds(1), false},
      {kAssertionLifeLimit, true},
      {kAssertionLifeLimit + kClockSlack, true},
      {kAssertionLifeLimit + kClockSlack + milliseconds(1), false},
  };
  for (const auto& c : cases) {
    const auto checked = check_time(assertion, kNow + c.from_time);
    EXPECT_EQ(checked.has_value(), c.good) << c.from_time.count();
    if (!checked) EXPECT_EQ(checked.error().code, Code::kDenied);
  }
  Assertion too_long = assertion;
  too_long.life = kAssertionLifeLimit + milliseconds(1);
  EXPECT_EQ(check_time(too_long, kNow).error().code, Code::kDenied);
  too_long.life = milliseconds(-1);
  EXPECT_FALSE(check_time(too_long, kNow));
}

Assertion used_at(std::chrono::milliseconds after, int nonce) {
  Assertion assertion;
  assertion.time = kNow + after;
  assertion.nonce[0] = static_cast<std::byte>(nonce);
  return assertion;
}

TEST(NonceMemory, KnowsAReplayForGood) {
  NonceMemory memory;
  EXPECT_TRUE(*memory.remember(used_at(milliseconds(0), 1)));
  EXPECT_FALSE(*memory.remember(used_at(milliseconds(0), 1)));
  EXPECT_TRUE(*memory.remember(used_at(milliseconds(0), 2)));
  EXPECT_TRUE(*memory.remember(used_at(minutes(11), 3)));
  EXPECT_FALSE(*memory.remember(used_at(milliseconds(0), 1)));
  EXPECT_FALSE(*memory.remember(used_at(minutes(11), 3)));
}

TEST(NonceMemory, IsBoundedAndNeverInTheWayOfFreshOnes) {
  NonceMemory memory(100);
  for (int i = 0; i < 10'000; ++i) {
    const auto fresh = memory.remember(used_at(milliseconds(i), i % 7));
    ASSERT_TRUE(fresh) << fresh.error().message;
    EXPECT_TRUE(*fresh);
    EXPECT_FALSE(*memory.remember(used_at(milliseconds(i), i % 7)));
  }
  // What was forgotten is not taken for fresh; what came a little out of order is.
  EXPECT_EQ(memory.remember(used_at(milliseconds(1), 1)).error().code, Code::kDenied);
  EXPECT_TRUE(*memory.remember(used_at(milliseconds(9'950), 77)));
  EXPECT_FALSE(*memory.remember(used_at(milliseconds(9'950), 77)));
}

}  // namespace
}  // namespace portolan::api

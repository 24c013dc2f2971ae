#include "audit/chain.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace portolan::audit {
namespace {

const WallTime kTime{std::chrono::milliseconds(1'800'000'000'123)};

// The vectors of docs/wire.md, made without this code
TEST(Chain, HasTheDocumentedHashes) {
  const auto begin = chain_begin_hash("c-0123456789abcdefghij");
  EXPECT_EQ(hex(begin), "287488d41e533d0b2caaf5588ccf087465d1fe4ef37e2c0a0d12a342b24ff26c");
  const auto first = chain_hash(begin, 1, R"({"kind":"query"})");
  EXPECT_EQ(hex(first), "8805ecc4f5a7732ff96fc7c2bb920062b0aef68881f8a09e83bf652b67c4c854");
}

TEST(Chain, EveryPartOfARecordCounts) {
  const auto begin = chain_begin_hash("c-1");
  const auto hash = chain_hash(begin, 1, "{}");
  EXPECT_NE(hash, chain_hash(chain_begin_hash("c-2"), 1, "{}"));
  EXPECT_NE(hash, chain_hash(begin, 2, "{}"));
  EXPECT_NE(hash, chain_hash(begin, 1, "{ }"));
  EXPECT_EQ(hash, chain_hash(begin, 1, "{}"));
}

TEST(Chain, NewOnesHaveNamesOfTheirOwn) {
  const auto one = begin_chain();
  EXPECT_EQ(one.number, 0U);
  EXPECT_NE(one.chain, begin_chain().chain);
  EXPECT_EQ(one.hash, chain_begin_hash(one.chain));
}

TEST(Chain, HeadsAreProvenByTheNodesKeyAlone) {
  const auto key = crypto::PrivateKey::generate();
  const auto head = sign_head({"c-1", 7, crypto::sha256(as_bytes("x"))}, "n-1", kTime, key);
  EXPECT_EQ(head.version, 1U);
  EXPECT_TRUE(check_head(head, "n-1", key.public_key()));
  EXPECT_EQ(check_head(head, "n-2", key.public_key()).error().code, Code::kDenied);
  EXPECT_EQ(check_head(head, "n-1", crypto::PrivateKey::generate().public_key()).error().code, Code::kDenied);
  const auto altered = [&](auto change) {
    auto copy = head;
    change(copy);
    return check_head(copy, "n-1", key.public_key());
  };
  EXPECT_FALSE(altered([](auto& h) { h.chain = "c-2"; }));
  EXPECT_FALSE(altered([](auto& h) { h.number = 8; }));
  EXPECT_FALSE(altered([](auto& h) { h.hash[0] = h.hash[0] == '0' ? '1' : '0'; }));
  EXPECT_FALSE(altered([](auto& h) { h.time += std::chrono::milliseconds(1); }));
  EXPECT_FALSE(altered([](auto& h) { h.signature.back() = h.signature.back() == 'A' ? 'B' : 'A'; }));
  EXPECT_EQ(altered([](auto& h) { h.version = 2; }).error().code, Code::kInvalid);
  EXPECT_EQ(altered([](auto& h) { h.hash = "00"; }).error().code, Code::kInvalid);
  EXPECT_EQ(altered([](auto& h) { h.chain = "x"; }).error().code, Code::kInvalid);
}

TEST(Chain, HashesAreReadStrictly) {
  EXPECT_TRUE(parse_hash(std::string(64, 'a')));
  for (const std::string& text : {std::string(), std::string(63, 'a'), std::string(66, 'a'), std::string(64, 'g')})
    EXPECT_FALSE(parse_hash(text)) << text;
}

}  // namespace
}  // namespace portolan::audit

#include "crypto/aead.h"

#include <optional>

#include <gtest/gtest.h>

namespace portolan::crypto {
namespace {

const Secret kKey(std::string(32, 'k'));

Bytes sealed(Aead& with, std::uint64_t nonce, std::string_view context, std::string_view plain) {
  Bytes out(plain.size() + Aead::kTagSize);
  with.seal(nonce, as_bytes(context), as_bytes(plain), out);
  return out;
}

std::optional<std::string> opened(Aead& with, std::uint64_t nonce, std::string_view context, ByteView bytes) {
  Bytes out(bytes.size() - std::min(bytes.size(), Aead::kTagSize), std::byte{0xee});
  if (with.open(nonce, as_bytes(context), bytes, out)) return std::string(as_text(out));
  EXPECT_EQ(out, Bytes(out.size())) << "nothing unproven is given out";
  return std::nullopt;
}

// By another implementation (Python's cryptography 48): four zero bytes and the number are the nonce.
TEST(Aead, IsAes256GcmWithTheNumberAsNonce) {
  Aead seal(kKey, Aead::Use::kSeal);
  EXPECT_EQ(hex(sealed(seal, 1, "context", "plain text")), "50e59ff0e9a03b8083b109b139792dd66e728d9ab7088e342fe5");
  EXPECT_EQ(hex(sealed(seal, 0x0102030405060708, "", "")), "5b80b4c05f987783d8452c0f3f985866");
}

TEST(Aead, RoundTripsAsOftenAsWanted) {
  Aead seal(kKey, Aead::Use::kSeal);
  Aead open(kKey, Aead::Use::kOpen);
  for (std::uint64_t nonce = 0; nonce < 100; ++nonce) {
    const std::string plain(nonce * 17 % 300, static_cast<char>(nonce));
    const std::string context(nonce % 3, 'c');
    EXPECT_EQ(opened(open, nonce, context, sealed(seal, nonce, context, plain)), plain) << nonce;
  }
}

TEST(Aead, OpensNothingElseAndGoesOnAfterwards) {
  Aead seal(kKey, Aead::Use::kSeal);
  Aead open(kKey, Aead::Use::kOpen);
  const Bytes good = sealed(seal, 7, "c", "select 1");
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Bytes altered = good;
    altered[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_FALSE(opened(open, 7, "c", altered)) << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(opened(open, 7, "c", ByteView(good).first(size))) << size;
  EXPECT_FALSE(opened(open, 8, "c", good));
  EXPECT_FALSE(opened(open, 7, "d", good));
  EXPECT_FALSE(opened(open, 7, "", good));
  Aead other(Secret(std::string(32, 'x')), Aead::Use::kOpen);
  EXPECT_FALSE(opened(other, 7, "c", good));
  EXPECT_EQ(opened(open, 7, "c", good), "select 1");
}

TEST(Aead, AMisuseIsABug) {
  EXPECT_THROW(Aead(Secret("short"), Aead::Use::kSeal), std::runtime_error);
  Aead seal(kKey, Aead::Use::kSeal);
  Bytes small(3);
  EXPECT_THROW(seal.seal(1, {}, as_bytes("plain"), small), std::runtime_error);
  Bytes out(4);
  EXPECT_THROW(seal.open(1, {}, Bytes(20), out), std::runtime_error);
}

}  // namespace
}  // namespace portolan::crypto

#include "tunnel/ticket.h"

#include <gtest/gtest.h>

namespace portolan::tunnel {
namespace {

Ticket counting() {
  Ticket ticket{};
  for (std::size_t i = 0; i < ticket.size(); ++i) ticket[i] = static_cast<std::byte>(i);
  return ticket;
}

// docs/wire.md has the same.
TEST(Ticket, HasTheDocumentedForm) {
  EXPECT_EQ(hex(encode_preface(counting())),
            "d050544c4e0100000000000000000000"
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
}

TEST(Ticket, IsReadBack) {
  const auto preface = decode_preface(encode_preface(counting()));
  ASSERT_TRUE(preface) << preface.error().message;
  EXPECT_EQ(*preface, counting());
  const auto text = parse_ticket(to_text(counting()));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, counting());
}

TEST(Ticket, AnythingElseIsRefused) {
  const auto good = encode_preface(counting());
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(decode_preface(ByteView(good).first(size))) << size;
  for (std::size_t at = 0; at < kPrefaceBytes - kTicketBytes; ++at) {
    auto bad = good;
    bad[at] ^= std::byte{1};
    EXPECT_FALSE(decode_preface(bad)) << at;
  }
  Bytes longer(good.begin(), good.end());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_preface(longer));
  std::string text = to_text(counting());
  EXPECT_FALSE(parse_ticket(text.substr(1)));
  EXPECT_FALSE(parse_ticket(text + "00"));
  text[5] = 'x';
  EXPECT_FALSE(parse_ticket(text));
}

}  // namespace
}  // namespace portolan::tunnel

#include "protocols/http/websocket.h"

#include <gtest/gtest.h>

namespace portolan::protocols::http {
namespace {

using From = FrameCounter::From;
using namespace std::string_literals;

std::string frame(int first, std::size_t length, From from = From::kServer) {
  const char mask = from == From::kClient ? '\x80' : '\0';
  std::string out(1, static_cast<char>(first));
  if (length < 126) {
    out += static_cast<char>(static_cast<char>(length) | mask);
  } else if (length < 65536) {
    out += static_cast<char>('\x7e' | mask);
    out += static_cast<char>(length >> 8);
    out += static_cast<char>(length & 0xff);
  } else {
    out += static_cast<char>('\x7f' | mask);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xff);
  }
  if (mask != 0) out += "mask";
  return out + std::string(length, 'x');
}

TEST(HttpWebSocket, MessagesAreCountedHoweverTheirFramesAreCut) {
  const std::string text = frame(0x81, 5) + frame(0x01, 200) + frame(0x89, 3) + frame(0x00, 0) + frame(0x80, 70'000) +
                           frame(0x82, 0) + frame(0x88, 2);
  for (const std::size_t cut : {1UL, 2UL, 7UL, 1000UL, 100'000UL}) {
    FrameCounter counter(From::kServer);
    for (std::size_t at = 0; at < text.size(); at += cut)
      ASSERT_TRUE(counter.feed(as_bytes(std::string_view(text).substr(at, cut)))) << cut;
    EXPECT_EQ(counter.messages(), 3U);
    EXPECT_TRUE(counter.closed());
    EXPECT_TRUE(counter.at_boundary());
  }
  FrameCounter client(From::kClient);
  ASSERT_TRUE(client.feed(as_bytes(frame(0x82, 300, From::kClient))));
  EXPECT_EQ(client.messages(), 1U);
}

TEST(HttpWebSocket, KnowsWhereItMaySpeak) {
  FrameCounter counter(From::kServer);
  const std::string text = frame(0x81, 3);
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_EQ(counter.at_boundary(), i == 0);
    ASSERT_TRUE(counter.feed(as_bytes(text.substr(i, 1))));
  }
  EXPECT_TRUE(counter.at_boundary());
}

TEST(HttpWebSocket, WhatIsNoFrameIsRefused) {
  const std::pair<const char*, std::string> cases[] = {
      {"masked", "\x81\x80mask"s},
      {"reserved 1", "\xc1\x00"s},
      {"reserved 2", "\xa1\x00"s},
      {"opcode 3", "\x83\x00"s},
      {"opcode 11", "\x8b\x00"s},
      {"a ping in pieces", "\x09\x00"s},
      {"a long ping", frame(0x89, 126)},
      {"a close of one byte", "\x88\x01x"s},
      {"a length of 16 bits that is small", "\x81\x7e\x00\x05hello"s},
      {"a length of 64 bits that is small", "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello"s},
      {"a length with the top bit", "\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"s},
      {"the rest of nothing", "\x80\x00"s},
      {"a message within another", "\x01\x00\x81\x00"s},
      {"something behind a close", frame(0x88, 0) + frame(0x81, 0)},
  };
  for (const auto& [what, text] : cases) EXPECT_FALSE(FrameCounter(From::kServer).feed(as_bytes(text))) << what;
  EXPECT_FALSE(FrameCounter(From::kClient).feed(as_bytes("\x81\x00"s))) << "unmasked";
  EXPECT_TRUE(FrameCounter(From::kServer, FrameCounter::Extension::kDeflate).feed(as_bytes("\xc1\x00"s)));
  EXPECT_FALSE(FrameCounter(From::kServer, FrameCounter::Extension::kDeflate).feed(as_bytes("\xc9\x00"s)));
}

TEST(HttpWebSocket, TheCloseFrameIsOne) {
  FrameCounter counter(From::kServer);
  ASSERT_TRUE(counter.feed(as_bytes(close_frame(1001, std::string(500, 'a') + "\n"))));
  EXPECT_TRUE(counter.closed());
}

}  // namespace
}  // namespace portolan::protocols::http

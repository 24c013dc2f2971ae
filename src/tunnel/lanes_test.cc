#include "tunnel/lanes.h"

#include <gtest/gtest.h>

#include <string>

namespace portolan::tunnel {
namespace {

std::string frame(char what, std::size_t n) { return std::string(n, what); }

// All that waits, at most `most` bytes a piece.
std::string drain(Lanes& lanes, std::size_t most = SIZE_MAX) {
  std::string out;
  while (!lanes.empty()) {
    const ByteView next = lanes.front().first(std::min(lanes.front().size(), most));
    out += as_text(next);
    lanes.consume(next.size());
  }
  return out;
}

TEST(Lanes, WhatIsUrgentWaitsForOneFrame) {
  Lanes lanes;
  const std::string bulk = frame('b', 16'384);
  for (int i = 0; i < 10; ++i) lanes.append(Lane::kBulk, as_bytes(bulk));
  lanes.consume(lanes.front().first(100).size());
  lanes.append(Lane::kFirst, as_bytes("head"), as_bytes("urgent"));
  const std::string out = drain(lanes);
  EXPECT_EQ(out.find("headurgent"), 16'284U);
  EXPECT_EQ(out.size(), 10 * 16'384U - 100 + 10);
}

TEST(Lanes, AFrameIsNeverTornApart) {
  for (const std::size_t piece : {1U, 7U, 1'000U, 5'000U}) {
    Lanes lanes;
    std::string out;
    for (int i = 0; i < 200; ++i) {
      const bool bulk = i % 3 == 0;
      // A frame begins with its length.
      std::string one(bulk ? 4'000 + i * 10 : 20 + i, bulk ? 'b' : 'f');
      const std::string size = std::to_string(10'000 + one.size());
      one.replace(0, size.size(), size);
      lanes.append(bulk ? Lane::kBulk : Lane::kFirst, as_bytes(one));
      if (i % 2 == 0) continue;
      const ByteView next = lanes.front().first(std::min(lanes.front().size(), piece));
      out += as_text(next);
      lanes.consume(next.size());
    }
    out += drain(lanes, piece);
    for (std::size_t at = 0; at < out.size();) {
      const std::size_t size = std::stoul(out.substr(at, 5)) - 10'000;
      const std::string one = out.substr(at + 5, size - 5);
      ASSERT_EQ(one.size(), size - 5);
      ASSERT_EQ(one.find_first_not_of(one[0]), std::string::npos) << piece << " at " << at;
      at += size;
    }
  }
}

TEST(Lanes, ManyWhoWantLittleDoNotStopBulk) {
  Lanes lanes;
  const std::string small = frame('f', 1'000);
  const std::string bulk = frame('b', 16'384);
  lanes.append(Lane::kBulk, as_bytes(bulk));
  std::size_t first = 0;
  while (lanes.pending(Lane::kBulk) > 0 && first < 1'000'000) {
    lanes.append(Lane::kFirst, as_bytes(small));
    const ByteView next = lanes.front();
    if (next[0] == std::byte{'f'}) first += next.size();
    lanes.consume(next.size());
  }
  EXPECT_LE(first, 66'000U);
}

// The headers of a stream before its bytes, whichever lane these are in.
TEST(Lanes, BulkDoesNotOvertakeWhatWasThereBefore) {
  Lanes lanes;
  const std::string small = frame('f', 100'000);
  lanes.append(Lane::kFirst, as_bytes(small));
  lanes.append(Lane::kFirst, as_bytes("HEADERS"));
  const std::string bulk = frame('b', 16'384);
  lanes.append(Lane::kBulk, as_bytes(bulk));
  lanes.append(Lane::kFirst, as_bytes(small));
  const std::string out = drain(lanes, 10'000);
  EXPECT_LT(out.find("HEADERS"), out.find('b'));
  EXPECT_LT(out.find('b'), 110'000U);
}

TEST(Lanes, CountsWhatHasGone) {
  Lanes lanes;
  lanes.append(Lane::kFirst, as_bytes("abc"));
  lanes.append(Lane::kBulk, as_bytes("defgh"));
  EXPECT_EQ(lanes.pending(), 8U);
  EXPECT_EQ(drain(lanes, 2), "abcdefgh");
  EXPECT_EQ(lanes.flushed(Lane::kFirst), 3U);
  EXPECT_EQ(lanes.flushed(Lane::kBulk), 5U);
  EXPECT_EQ(lanes.appended(Lane::kBulk), 5U);
  EXPECT_TRUE(lanes.empty());
}

}  // namespace
}  // namespace portolan::tunnel

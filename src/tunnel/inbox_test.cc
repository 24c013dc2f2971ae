#include "tunnel/inbox.h"

#include <random>

#include <gtest/gtest.h>

#include "net/outbox.h"

namespace portolan::tunnel {
namespace {

Bytes counted(std::size_t from, std::size_t n) {
  Bytes out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>((from + i) * 7);
  return out;
}

TEST(Inbox, GivesBackWhatWasPutInWhateverTheSizes) {
  std::mt19937 random(1);
  for (const std::size_t largest : {1U, 100U, 9'000U, 16'375U, 70'000U}) {
    Inbox inbox;
    std::size_t in = 0;
    std::size_t out = 0;
    for (int round = 0; round < 500; ++round) {
      const std::size_t n = random() % largest + 1;
      inbox.append(counted(in, n));
      in += n;
      while (!inbox.empty() && random() % 3 == 0) {
        const net::Buffer taken = inbox.take();
        ASSERT_FALSE(taken.empty());
        const Bytes expected = counted(out, taken.size());
        ASSERT_TRUE(std::ranges::equal(taken.data(), expected));
        out += taken.size();
      }
      ASSERT_EQ(inbox.size(), in - out);
    }
  }
}

TEST(Inbox, PinsLittleMoreThanItHolds) {
  for (const std::size_t frame : {1U, 10U, 500U, 5'000U, 9'000U, 16'375U}) {
    Inbox inbox;
    for (std::size_t held = 0; held < 200'000; held += frame) {
      inbox.append(counted(held, frame));
      ASSERT_LE(inbox.footprint(), 4 * inbox.size() + 64) << "frames of " << frame << " at " << inbox.size();
    }
  }
}

TEST(Inbox, HoldsNothingWhenItIsEmpty) {
  Inbox inbox;
  for (const std::size_t n : {1U, 100'000U}) {
    inbox.append(counted(0, n));
    while (!inbox.empty()) inbox.take();
    EXPECT_EQ(inbox.footprint(), 0U);
  }
  inbox.append(counted(0, 100'000));
  inbox.clear();
  EXPECT_EQ(inbox.footprint(), 0U);
  EXPECT_EQ(inbox.size(), 0U);
  EXPECT_EQ(net::blocks_in_use(), 0U);
}

TEST(Outbox, CountsWhatLeaves) {
  net::Outbox outbox;
  const Bytes bytes = counted(0, 100'000);
  outbox.append(bytes);
  EXPECT_EQ(outbox.pending(), bytes.size());
  Bytes out;
  while (!outbox.empty()) {
    const ByteView front = outbox.front().first(std::min<std::size_t>(outbox.front().size(), 1'234));
    out.insert(out.end(), front.begin(), front.end());
    outbox.consume(front.size());
  }
  EXPECT_EQ(out, bytes);
  EXPECT_EQ(outbox.flushed(), bytes.size());
  EXPECT_EQ(net::blocks_in_use(), 0U);
}

}  // namespace
}  // namespace portolan::tunnel

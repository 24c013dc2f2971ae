#include "tunnel/pipe_frames.h"

#include <gtest/gtest.h>

#include "tunnel/pipe_simulation.h"

namespace portolan::tunnel {
namespace {

Bytes counted(std::size_t n) {
  Bytes out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(i);
  return out;
}

Attach example() {
  Attach attach{.epoch = 2, .received = 1000, .written = 70'000};
  std::ranges::copy(counted(16), attach.id.begin());
  attach.proof = prove(counted(32), Bytes(32, std::byte{0xbb}), attach);
  return attach;
}

// The vectors of docs/wire-pipe.md.
TEST(PipeFrames, AttachVector) {
  EXPECT_EQ(hex(encode(example())),
            "10000048000102030405060708090a0b0c0d0e0f000000000000000200000000000003e80000000000011170"
            "5e28eac62fefc68a81f574af512d0ee687327acb111adb032ee4d078bc9518e5");
}

TEST(PipeFrames, AttachedVector) {
  Attached attached{.epoch = 2, .received = 60'000, .written = 1024, .grace_ms = 60'000};
  attached.proof = prove(counted(32), Bytes(32, std::byte{0xbb}), example().id, attached);
  EXPECT_EQ(hex(encode(attached)),
            "1100003c0000000000000002000000000000ea6000000000000004000000ea60"
            "f579f2bae13e60f047dcf8c89a8cc4adf83b0b8c75fe2bc07201476c8b05549c");
}

TEST(PipeFrames, WhatIsEncodedIsDecoded) {
  const Attach attach = example();
  const Bytes frame = encode(attach);
  const auto head = decode_pipe_head(ByteView(frame).first(kPipeHead));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->type, PipeFrame::kAttach);
  const auto decoded = decode_attach(ByteView(frame).subspan(kPipeHead));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, attach);
}

TEST(PipeFrames, HeadsOfUnknownTypesAndLengthsAreRefused) {
  for (const auto* text : {"00000001", "01000000", "01040001", "02000007", "06000001", "10000047", "13000000", "0100"})
    EXPECT_FALSE(decode_pipe_head(*from_hex(text))) << text;
  for (const auto* text : {"01000001", "01040000", "02000008", "06000000", "10000048", "1100003c", "12000002"})
    EXPECT_TRUE(decode_pipe_head(*from_hex(text))) << text;
}

TEST(PipeFrames, CountsThatNoPipeReachesAreRefused) {
  Attach attach = example();
  attach.epoch = 0;
  EXPECT_FALSE(decode_attach(ByteView(encode(attach)).subspan(kPipeHead)));
  attach.epoch = 1;
  attach.received = ~std::uint64_t{0};
  EXPECT_FALSE(decode_attach(ByteView(encode(attach)).subspan(kPipeHead)));
}

// ---- attach ----

struct Pair {
  const std::shared_ptr<Budget> budget = std::make_shared<Budget>();
  PipeEnd dialler{example().id, some_bytes(32, 1), {}, budget};
  PipeEnd acceptor{example().id, some_bytes(32, 1), {}, budget};
  Bytes binding = some_bytes(32, 2);
  BootTime now{std::chrono::hours(1)};
};

TEST(PipeAttach, AnAttachOfAnotherLinkIsRefused) {
  Pair pair;
  const Attach attach = pair.dialler.propose(pair.binding, pair.now);
  const auto taken = pair.acceptor.take(attach, some_bytes(32, 3), pair.now);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error(), AttachRefusal::kUnknown);
  EXPECT_FALSE(pair.acceptor.core.attached());
}

TEST(PipeAttach, ADialerWithoutTheSecretIsRefused) {
  Pair pair;
  PipeEnd thief(example().id, some_bytes(32, 9), {}, pair.budget);
  EXPECT_FALSE(pair.acceptor.take(thief.propose(pair.binding, pair.now), pair.binding, pair.now));
}

TEST(PipeAttach, AnEpochIsGoodOnce) {
  Pair pair;
  const Attach attach = pair.dialler.propose(pair.binding, pair.now);
  ASSERT_TRUE(pair.acceptor.take(attach, pair.binding, pair.now));
  const auto again = pair.acceptor.take(attach, pair.binding, pair.now);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), AttachRefusal::kStale);
  EXPECT_TRUE(pair.acceptor.core.attached());
}

TEST(PipeAttach, AnythingChangedInIt) {
  for (int what = 0; what < 4; ++what) {
    Pair pair;
    Attach attach = pair.dialler.propose(pair.binding, pair.now);
    if (what == 0) ++attach.epoch;
    if (what == 1) ++attach.received;
    if (what == 2) ++attach.written;
    if (what == 3) attach.id[0] ^= std::byte{1};
    EXPECT_FALSE(pair.acceptor.take(attach, pair.binding, pair.now)) << what;
  }
}

TEST(PipeAttach, CountsThatCannotBeChangeNothing) {
  Pair pair;
  Attach attach = pair.dialler.propose(pair.binding, pair.now);
  attach.received = 5;
  attach.proof = prove(some_bytes(32, 1), pair.binding, attach);
  const auto taken = pair.acceptor.take(attach, pair.binding, pair.now);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error(), AttachRefusal::kImpossible);
  EXPECT_EQ(pair.acceptor.epoch(), 0U);
}

TEST(PipeAttach, AnAcceptorWithoutTheSecretIsNotBelieved) {
  Pair pair;
  (void)pair.dialler.propose(pair.binding, pair.now);
  Attached attached{.epoch = 1, .grace_ms = 60'000};
  attached.proof = prove(some_bytes(32, 9), pair.binding, pair.dialler.id(), attached);
  EXPECT_FALSE(pair.dialler.confirm(attached, pair.binding, pair.now));
  EXPECT_FALSE(pair.dialler.core.attached());
}

}  // namespace
}  // namespace portolan::tunnel

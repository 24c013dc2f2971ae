// The property of a pipe: whatever happens to its links, what is read is what was written, no byte lost, doubled or
// reordered. Links are cut behind every byte of short exchanges, and behind random ones of long ones.
#include "tunnel/pipe_core.h"

#include <gtest/gtest.h>

#include "tunnel/pipe_simulation.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

constexpr PipeOptions kShort{.in_one_piece = 0, .ack_every = 16};
constexpr PipeOptions kShortInOnePiece{.ack_every = 16};

void say_little(PipeSimulation& world) {
  world.dialler.to_write = some_bytes(41, 2);
  world.acceptor.to_write = some_bytes(67, 3);
  world.piece = [](std::size_t n) { return std::min<std::size_t>(n, 13); };
  world.takes = [](std::size_t n) { return std::min<std::size_t>(n, 11); };
}

// Goes on until all has been said and acknowledged; links are cut when so many bytes have been carried in all.
void run(PipeSimulation& world, std::vector<std::size_t> cuts, Notices who) {
  world.new_link();
  for (int i = 0; i < 100'000 && !world.done(); ++i) {
    ASSERT_FALSE(world.breach) << *world.breach;
    const std::size_t most = cuts.empty() ? SIZE_MAX : cuts.front() - world.carried;
    const bool moved = most > 0 && world.step(most);
    if (!cuts.empty() && world.carried >= cuts.front()) {
      cuts.erase(cuts.begin());
      world.cut(who);
      world.now += 10ms;
      world.new_link();
    } else if (!moved) {
      world.rest();
    }
  }
  ASSERT_TRUE(world.done()) << "read " << world.acceptor.read.size() << " and " << world.dialler.read.size();
  EXPECT_EQ(world.budget->used, 0U);
}

std::size_t bytes_of_short_exchange(PipeOptions options) {
  PipeSimulation world(options);
  say_little(world);
  run(world, {}, Notices::kBoth);
  return world.carried;
}

TEST(PipeCore, ACutBehindEveryByteOfAShortExchangeLosesNothing) {
  for (const PipeOptions& options : {kShort, kShortInOnePiece}) {
    const std::size_t all = bytes_of_short_exchange(options);
    ASSERT_GT(all, 250U);
    for (const Notices who : {Notices::kBoth, Notices::kDialler, Notices::kAcceptor})
      for (std::size_t cut = 0; cut <= all; ++cut) {
        PipeSimulation world(options);
        say_little(world);
        run(world, {cut}, who);
        if (testing::Test::HasFatalFailure()) FAIL() << "cut at " << cut;
      }
  }
}

TEST(PipeCore, TwoCutsBehindEveryPairOfBytesLoseNothing) {
  const std::size_t all = bytes_of_short_exchange(kShortInOnePiece);
  for (std::size_t first = 0; first <= all; ++first)
    for (std::size_t second = first + 1; second <= first + 160; ++second) {
      PipeSimulation world(kShortInOnePiece);
      say_little(world);
      run(world, {first, second}, second % 2 == 0 ? Notices::kBoth : Notices::kDialler);
      if (testing::Test::HasFatalFailure()) FAIL() << "cuts at " << first << " and " << second;
    }
}

TEST(PipeCore, RandomCutsOfLongExchangesLoseNothing) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    std::minstd_rand random(seed + 1);
    PipeSimulation world({.first_window = 50'000, .largest_window = 200'000, .backlog = 30'000, .ack_every = 9'000});
    world.dialler.to_write = some_bytes(1 + random() % 1'500'000, seed);
    world.acceptor.to_write = some_bytes(1 + random() % 1'500'000, seed + 1000);
    world.piece = [&](std::size_t n) { return 1 + random() % n; };
    world.takes = [&](std::size_t n) { return random() % 2 == 0 ? n : 1 + random() % n; };
    std::vector<std::size_t> cuts;
    for (std::size_t at = random() % 20'000; at < 3'000'000; at += 1 + random() % (1 + random() % 400'000))
      cuts.push_back(at);
    run(world, cuts, static_cast<Notices>(random() % 3));
    if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

TEST(PipeCore, NeverHoldsMoreThanItsWindow) {
  const std::shared_ptr<Budget> budget = std::make_shared<Budget>();
  PipeEnd end({}, some_bytes(32, 1), {.first_window = 1000, .largest_window = 1000}, budget);
  const Bytes much = some_bytes(5000, 1);
  EXPECT_EQ(end.core.write(much), 1000U);
  EXPECT_EQ(end.core.write(much), 0U);
  EXPECT_EQ(budget->used, 1000U);
}

TEST(PipeCore, ManyPipesHoldNoMoreThanTheBudgetAndEachItsAssuredShare) {
  const auto budget = std::make_shared<Budget>(Budget{.limit = 5000});
  const PipeOptions options{.assured = 100};
  PipeEnd greedy({}, some_bytes(32, 1), options, budget);
  PipeEnd late({}, some_bytes(32, 1), options, budget);
  const Bytes much = some_bytes(50'000, 1);
  EXPECT_EQ(greedy.core.write(much), 5000U);
  EXPECT_EQ(late.core.write(much), 100U);
}

TEST(PipeCore, WhoeverHoldsAllOfTheirShareLeavesTheOthersTheRest) {
  const auto whole = std::make_shared<Budget>(Budget{.limit = 5000});
  const auto greedy = std::make_shared<Budget>(Budget{.limit = 2000, .whole = whole});
  const auto modest = std::make_shared<Budget>(Budget{.limit = 2000, .whole = whole});
  const auto last = std::make_shared<Budget>(Budget{.limit = 2000, .whole = whole});
  const PipeOptions options{.assured = 100};
  const Bytes much = some_bytes(50'000, 1);
  {
    PipeEnd first({}, some_bytes(32, 1), options, greedy);
    PipeEnd second({}, some_bytes(32, 1), options, greedy);
    PipeEnd other({}, some_bytes(32, 1), options, modest);
    PipeEnd late({}, some_bytes(32, 1), options, last);
    EXPECT_EQ(first.core.write(much), 2000U);
    EXPECT_EQ(second.core.write(much), 100U);
    EXPECT_EQ(other.core.write(much), 2000U);
    EXPECT_EQ(late.core.write(much), 900U) << "what is left of the whole";
    EXPECT_EQ(whole->used, 5000U);
  }
  EXPECT_EQ(whole->used, 0U);
  EXPECT_EQ(greedy->used, 0U);
}

// Two ends that are attached, with nothing under way.
struct Ready : PipeSimulation {
  explicit Ready(PipeOptions options = {}) : PipeSimulation(options) {
    finishes = false;
    new_link();
    for (int i = 0; i < 10; ++i) step(SIZE_MAX);
  }
  PipeCore& near() { return dialler.pipe.core; }
};

TEST(PipeCore, TheWindowGrowsWhereItHoldsUpTheWriter) {
  const std::shared_ptr<Budget> budget = std::make_shared<Budget>();
  PipeEnd end({}, some_bytes(32, 1), {.first_window = 1000, .largest_window = 3000, .backlog = 10'000}, budget);
  end.core.attach(0, 0, {}, BootTime(1h));
  const Bytes much = some_bytes(10'000, 1);
  EXPECT_EQ(end.core.write(much), 1000U);
  EXPECT_EQ(end.core.write(much), 1000U);
  EXPECT_EQ(end.core.write(much), 1000U);
  EXPECT_EQ(end.core.write(much), 0U);
}

TEST(PipeCore, SilenceInSpiteOfUnacknowledgedBytesIsSuspiciousAfterASecondAndDeadAfterTen) {
  Ready world;
  world.near().write(some_bytes(10, 1));
  const ByteView out = world.near().output(world.now);
  world.near().taken(out.size(), world.now);
  const ByteView data = world.near().output(world.now);
  world.near().taken(data.size(), world.now);
  const BootTime begun = world.now;
  world.near().on_time(begun + 999ms);
  EXPECT_FALSE(world.near().suspicious());
  EXPECT_EQ(world.near().next_time(), begun + 1s);
  world.near().on_time(begun + 1s);
  EXPECT_TRUE(world.near().suspicious());
  EXPECT_FALSE(world.near().dead());
  EXPECT_EQ(world.near().next_time(), begun + 10s);
  world.near().on_time(begun + 10s);
  EXPECT_TRUE(world.near().dead());
  world.near().heard(begun + 10s);
  EXPECT_FALSE(world.near().suspicious());
}

TEST(PipeCore, AnIdleLinkIsProbedAndSilenceThenIsSuspicious) {
  Ready world;
  for (int i = 0; i < 4; ++i) {
    world.rest();
    while (world.step(SIZE_MAX)) {
    }
  }
  EXPECT_FALSE(world.near().suspicious());
  const BootTime last = world.now;
  EXPECT_EQ(world.near().next_time(), last + 15s);
  world.near().on_time(last + 15s);
  EXPECT_TRUE(world.near().must_speak(last + 15s));
  world.near().on_time(last + 16s);
  EXPECT_TRUE(world.near().suspicious());
}

TEST(PipeCore, WhoTalksButAcknowledgesNothingIsEndedAtLast) {
  Ready world;
  world.near().write(some_bytes(10, 1));
  for (int i = 0; i < 2; ++i) world.near().taken(world.near().output(world.now).size(), world.now);
  for (auto at = 1s; at < 60s; at += 1s) {
    world.near().heard(world.now + at);
    world.near().on_time(world.now + at);
    EXPECT_FALSE(world.near().dead());
    EXPECT_FALSE(world.near().stalled());
  }
  world.near().heard(world.now + 60s);
  world.near().on_time(world.now + 60s);
  EXPECT_TRUE(world.near().stalled());
}

TEST(PipeCore, WhatWasWrittenBeforeTheLinkIsAsOldAsTheSilence) {
  Ready world;
  world.cut(Notices::kDialler);
  world.dialler.to_write = some_bytes(50, 1);
  world.step(0);
  world.now += 20s;
  world.new_link();
  for (int i = 0; i < 100 && world.acceptor.read.empty(); ++i) world.step(SIZE_MAX);
  ASSERT_FALSE(world.acceptor.read.empty());
  EXPECT_GE(world.acceptor.pipe.core.lateness(world.now), 20s);
  EXPECT_EQ(world.acceptor.pipe.core.lateness(world.now + 2s), 0s);
}

// ---- hostile peers ----

Result<> give(PipeCore& core, PipeFrame type, std::optional<std::uint64_t> number, BootTime now) {
  ByteWriter frame;
  frame.bytes(encode_pipe_head(type, number ? 8 : 0));
  if (number) frame.u64(*number);
  PL_TRY([[maybe_unused]] const auto input, core.take(frame.view(), now));
  return {};
}

TEST(PipeCore, RefusesAcknowledgementsOfWhatWasNotSent) {
  Ready world;
  EXPECT_FALSE(give(world.near(), PipeFrame::kAck, world.near().written() + 1, world.now));
}

TEST(PipeCore, RefusesAcknowledgementsThatGoBack) {
  Ready world;
  PipeCore& core = world.near();
  core.write(some_bytes(100, 1));
  for (int i = 0; i < 2; ++i) core.taken(core.output(world.now).size(), world.now);
  const std::uint64_t all = core.written();
  EXPECT_TRUE(give(core, PipeFrame::kAck, all, world.now));
  EXPECT_TRUE(give(core, PipeFrame::kAck, all, world.now));
  EXPECT_FALSE(give(core, PipeFrame::kAck, all - 1, world.now));
}

TEST(PipeCore, RefusesAnEndThatIsElsewhere) {
  Ready world;
  EXPECT_FALSE(give(world.near(), PipeFrame::kEnd, world.near().received() + 5, world.now));
}

TEST(PipeCore, RefusesBytesBehindTheEnd) {
  Ready world;
  PipeSimulation fresh;
  PipeCore& core = fresh.dialler.pipe.core;
  core.attach(0, 0, {}, fresh.now);
  EXPECT_TRUE(give(core, PipeFrame::kEnd, 0, fresh.now));
  EXPECT_TRUE(core.ended());
  const Bytes data{std::byte{1}, std::byte{0}, std::byte{0}, std::byte{1}, std::byte{9}};
  EXPECT_FALSE(core.take(data, fresh.now));
}

TEST(PipeCore, RefusesAnAttachOnALinkThatIsAttachedAndUnknownFrames) {
  for (const std::uint8_t type : {0, 7, 16, 17, 18, 19, 255}) {
    PipeSimulation fresh;
    PipeCore& core = fresh.dialler.pipe.core;
    core.attach(0, 0, {}, fresh.now);
    ByteWriter frame;
    frame.bytes(encode_pipe_head(static_cast<PipeFrame>(type), type == 16   ? kAttachSize
                                                               : type == 17 ? kAttachedSize
                                                                            : 2));
    frame.bytes(Bytes(kAttachSize));
    EXPECT_FALSE(core.take(frame.view(), fresh.now)) << int{type};
  }
}

TEST(PipeCore, AFloodOfPingsCostsOneAnswer) {
  Ready world;
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_TRUE(give(world.near(), PipeFrame::kPing, i, world.now));
  std::size_t said = 0;
  for (ByteView out = world.near().output(world.now); !out.empty(); out = world.near().output(world.now)) {
    said += out.size();
    world.near().taken(out.size(), world.now);
  }
  EXPECT_LE(said, 2 * (kPipeHead + 8));
}

}  // namespace
}  // namespace portolan::tunnel

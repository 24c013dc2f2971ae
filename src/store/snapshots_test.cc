#include "store/snapshots.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace portolan::store {
namespace {

using directory::Snapshot;

Snapshot first() {
  Snapshot snapshot;
  snapshot.epoch = "e";
  return snapshot;
}

// Adds role r-N, where N is the new revision, and takes r-(N-3) away.
const Snapshot* step(Snapshots& snapshots) {
  auto next = snapshots.writable();
  EXPECT_EQ(next->revision, snapshots.current()->revision);
  const auto revision = ++next->revision;
  const Snapshots::Edit edit = [revision](Snapshot& s) {
    const std::string id = "r-" + std::to_string(revision);
    s.roles[id] = {.id = id, .name = id};
    if (revision > 3) s.roles.erase("r-" + std::to_string(revision - 3));
  };
  edit(*next);
  const Snapshot* address = next.get();
  snapshots.publish(std::move(next), {edit});
  return address;
}

void expect_right(const Snapshot& snapshot) {
  const auto n = snapshot.revision;
  EXPECT_EQ(snapshot.roles.size(), std::min<std::uint64_t>(n, 3)) << n;
  for (auto i = n > 3 ? n - 2 : 1; i <= n; ++i) EXPECT_TRUE(snapshot.roles.contains("r-" + std::to_string(i))) << n;
}

TEST(Snapshots, WithoutReadersTwoTakeTurns) {
  Snapshots snapshots(first());
  std::set<const Snapshot*> seen;
  for (int i = 0; i < 20; ++i) {
    seen.insert(step(snapshots));
    expect_right(*snapshots.current());
  }
  EXPECT_LE(seen.size(), 2U);
}

TEST(Snapshots, AReadersSnapshotStandsStill) {
  Snapshots snapshots(first());
  step(snapshots);
  const auto held = snapshots.current();
  for (int i = 0; i < 10; ++i) step(snapshots);
  EXPECT_EQ(held->revision, 1U);
  expect_right(*held);
  expect_right(*snapshots.current());
}

TEST(Snapshots, OneThatIsTooOldIsNotBroughtUpToDate) {
  Snapshots snapshots(first());
  auto held = snapshots.current();
  for (int i = 0; i < 100; ++i) step(snapshots);
  held.reset();
  for (int i = 0; i < 3; ++i) {
    step(snapshots);
    expect_right(*snapshots.current());
  }
}

TEST(Snapshots, ReplacingForgetsTheOldHistory) {
  Snapshots snapshots(first());
  for (int i = 0; i < 3; ++i) step(snapshots);
  auto held = snapshots.current();
  step(snapshots);
  Snapshot other;  // of the same revision as the one that is still held
  other.epoch = "f";
  other.revision = held->revision;
  for (const auto* id : {"r-1", "r-2", "r-3"}) other.roles[id] = {.id = id, .name = id};
  snapshots.replace(std::move(other));
  held.reset();
  for (int i = 0; i < 5; ++i) {
    step(snapshots);
    EXPECT_EQ(snapshots.current()->epoch, "f");
    expect_right(*snapshots.current());
  }
}

TEST(Snapshots, OutliveTheirMaker) {
  auto snapshots = std::make_unique<Snapshots>(first());
  step(*snapshots);
  const auto held = snapshots->current();
  snapshots.reset();
  expect_right(*held);
}

TEST(Snapshots, ReadersOnOtherThreads) {
  Snapshots snapshots(first());
  std::atomic<bool> done = false;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      while (!done) expect_right(*snapshots.current());
    });
  for (int i = 0; i < 5000; ++i) step(snapshots);
  done = true;
}

}  // namespace
}  // namespace portolan::store

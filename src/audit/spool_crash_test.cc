// What survives a loss of power: a disk that forgets what was not synced, and any part of it, at any moment. (A process
// that is killed loses nothing that the kernel has.)
#include <unistd.h>

#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "audit/spool_line.h"
#include "audit/spool_store.h"
#include "audit/sync_pace.h"
#include "base/file.h"
#include "base/id.h"

namespace portolan::audit {
namespace {

namespace fs = std::filesystem;

api::AuditRecord record(std::uint64_t sequence) {
  api::AuditRecord out;
  out.kind = "query";
  out.session = "s-1";
  out.sequence = sequence;
  out.text = std::string(sequence % 97, 'x');
  return out;
}

// Remembers how much of each file, and which names, are on the disk.
class ForgetfulDisk : public Disk {
 public:
  explicit ForgetfulDisk(std::mt19937& random) : random_(random) {}

  Result<> sync_file(const File& file) override {
    const fs::path path = fs::read_symlink("/proc/self/fd/" + std::to_string(file.descriptor()));
    if (crash_in_sync && random_() % 2 == 0) return {};
    kept_[path.filename()] = fs::file_size(path);
    if (during_sync) during_sync();
    return {};
  }
  Result<> sync_folder(const fs::path& folder) override {
    if (crash_in_sync && random_() % 2 == 0) return {};
    named_.clear();
    for (const auto& entry : fs::directory_iterator(folder)) named_.insert(entry.path().filename());
    return {};
  }
  Result<std::uint64_t> free_bytes(const fs::path&) override { return std::uint64_t{1} << 40; }

  // What the disk may hold when the power comes back: of each segment what was synced, and any part of the rest, which
  // may be torn or zeroes.
  void lose_power(const fs::path& from, const fs::path& to) {
    fs::create_directories(to);
    for (const auto& entry : fs::directory_iterator(from)) {
      const std::string name = entry.path().filename();
      const bool segment = name.ends_with(".spool.sealed");
      if (segment && !named_.contains(name) && random_() % 2 == 0) continue;
      std::string content = *read_file(entry.path(), 1 << 30);
      if (segment) {
        const std::size_t kept = kept_.contains(name) ? kept_[name] : 0;
        content.resize(kept + random_() % (content.size() - kept + 1));
        if (random_() % 4 == 0) content += std::string(random_() % 600, '\0');
      }
      std::ofstream(to / name, std::ios::binary) << content;
    }
  }
  std::function<void()> during_sync;  // what the loop does meanwhile
  bool crash_in_sync = false;         // some of the files are synced, and then it crashes

 private:
  std::mt19937& random_;
  std::map<std::string, std::size_t> kept_;
  std::set<std::string> named_;
};

class Crash : public testing::Test {
 public:
  ~Crash() override { fs::remove_all(root_); }

 protected:
  std::unique_ptr<SpoolStore> open(const fs::path& folder, Disk& disk) {
    auto opened = SpoolStore::open(
        {.folder = folder, .key_file = root_ / "key", .segment_bytes = 2000, .free_floor_bytes = 0, .disk = &disk});
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  // Sequences of all that is handed over; numbers rise, and hashes fit. What was not synced may leave a hole, where the
  // end of a full segment is lost and the beginning of the next one is not.
  std::vector<std::uint64_t> drain(SpoolStore& store) {
    std::vector<std::uint64_t> out;
    std::optional<api::ChainedRecord> before;
    for (;;) {
      const auto batch = store.read(7);
      EXPECT_TRUE(batch);
      if (!batch || batch->count == 0) return out;
      for (const auto& chained : *records_in(batch->lines)) {
        if (before) {
          EXPECT_GT(chained.number, before->number);
          if (chained.number == before->number + 1)
            EXPECT_EQ(chained.hash, hex(chain_hash(*parse_hash(before->hash), chained.number, chained.record)));
        }
        before = chained;
        out.push_back(decode_record(chained.record)->sequence);
      }
      EXPECT_TRUE(store.acknowledge(batch->end));
    }
  }
  Crash() { fs::create_directories(root_); }
  fs::path root_ = fs::path(testing::TempDir()) / make_id("crash");
};

TEST_F(Crash, NothingThatWasCalledDurableIsLostAndTheChainHolds) {
  std::mt19937 random(11);
  for (int round = 0; round < 80; ++round) {
    const fs::path folder = root_ / std::to_string(round);
    ForgetfulDisk disk(random);
    auto store = open(folder, disk);
    ASSERT_NE(store, nullptr);
    std::uint64_t appended = 0, durable = 0;
    disk.during_sync = [&] {
      if (random() % 2 == 0) ASSERT_TRUE(store->append(*encode_record(record(++appended))));
    };
    const int steps = static_cast<int>(random() % 60);
    for (int i = 0; i < steps; ++i) {
      if (random() % 4 != 0) {
        ASSERT_TRUE(store->append(*encode_record(record(++appended))));
      } else {
        durable = appended;
        ASSERT_TRUE(store->sync());
        const auto outcome = store->outcome_of(durable);
        ASSERT_TRUE(outcome && *outcome);
        if (appended > durable) ASSERT_FALSE(store->outcome_of(appended)) << "it came while the sync ran";
      }
      ASSERT_EQ(store->head().number, durable) << "no more is signed than is on the disk";
    }
    if (random() % 2 == 0) {
      disk.crash_in_sync = true;
      ASSERT_TRUE(store->sync());  // nobody hears of it
    }
    const fs::path after = root_ / (std::to_string(round) + "-after");
    disk.lose_power(folder, after);
    disk.during_sync = nullptr;
    store.reset();
    ForgetfulDisk again(random);
    store = open(after, again);
    ASSERT_NE(store, nullptr);
    const auto numbers = drain(*store);
    ASSERT_GE(numbers.size(), durable) << "round " << round;
    for (std::size_t i = 0; i < durable; ++i) ASSERT_EQ(numbers[i], i + 1);
    // The chain goes on from the last record that is left.
    const std::uint64_t last = numbers.empty() ? 0 : numbers.back();
    ASSERT_TRUE(store->append(*encode_record(record(9999))));
    ASSERT_TRUE(store->sync());
    EXPECT_EQ(store->head().number, last + 1);
    store.reset();
    fs::remove_all(folder);
    fs::remove_all(after);
  }
}

// A second of appends with a virtual clock, synced as the pace says, by a disk that takes up to 20 ms and differs by at
// most 10 from one time to the next.
TEST_F(Crash, WhatIsOlderThanFiftyMillisecondsIsOnTheDisk) {
  using std::chrono::microseconds;
  std::mt19937 random(13);
  microseconds oldest{0};
  for (int round = 0; round < 50; ++round) {
    SyncPace pace(SpoolOptions{}.sync_interval);
    const SyncPace::Time start = SyncPace::Time() + std::chrono::hours(1);
    SyncPace::Time now = start;
    SyncPace::Time durable = start;  // all that was appended before this is on the disk
    std::optional<SyncPace::Time> began;
    SyncPace::Time ends{};
    microseconds takes{random() % 20'000};
    for (; now < start + std::chrono::seconds(1); now += microseconds(100)) {
      if (began && now >= ends) {
        pace.synced(*began, ends);
        durable = *began;
        began.reset();
      }
      if (!began && now >= pace.next()) {
        began = now;
        takes =
            microseconds(std::clamp<long>(takes.count() + static_cast<long>(random() % 20'001) - 10'000, 100, 20'000));
        ends = now + takes;
      }
      oldest = std::max(oldest, std::chrono::duration_cast<microseconds>(now - durable));
    }
  }
  EXPECT_LE(oldest, std::chrono::milliseconds(50) + microseconds(400));
}

}  // namespace
}  // namespace portolan::audit

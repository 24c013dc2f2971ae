#include "audit/spool.h"

#include <atomic>
#include <filesystem>

#include <gtest/gtest.h>

#include "audit/spool_files.h"
#include "audit/spool_line.h"
#include "base/id.h"
#include "net/co_test.h"

namespace portolan::audit {
namespace {

namespace fs = std::filesystem;
using net::Task;
using Numbers = std::vector<std::uint64_t>;

// A folder that is gone when the test is.
struct Folder {
  fs::path path = fs::path(testing::TempDir()) / make_id("spool");
  Folder() = default;
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    fs::remove_all(path);
    fs::remove(fs::path(path).concat(".key"));
  }
};

Task<std::unique_ptr<Spool>> open_spool(SpoolOptions options) {
  const net::Executor executor = co_await net::this_executor();
  options.free_floor_bytes = 0;
  auto spool = Spool::open(executor, options);
  EXPECT_TRUE(spool) << net::testing::describe_failure(spool);
  co_return spool ? std::move(*spool) : nullptr;
}

api::AuditRecord record(std::uint64_t sequence) {
  api::AuditRecord out;
  out.kind = "query";
  out.session = "s-0123456789abcdefghij";
  out.sequence = sequence;
  out.time = WallTime(std::chrono::milliseconds(1'800'000'000'000));
  out.trace = "t-0123456789abcdefghij";
  out.text = "select abalance from pgbench_accounts where aid = 4711";
  out.duration_us = 512;
  out.rows = 1;
  out.tag = "SELECT 1";
  return out;
}

Numbers numbers(const SpoolBatch& batch) {
  Numbers out;
  for (const auto& r : *records_in(batch.lines)) out.push_back(decode_record(r.record)->sequence);
  return out;
}

// Appends a record after a while, so that a reader waits first.
Task<> append_soon(Spool& spool, std::uint64_t sequence) {
  co_await net::yield_to_loop();
  EXPECT_TRUE(spool.append(record(sequence)));
}

// Waits for the next batch into `out`.
Task<> wait_for_next(Spool& spool, std::optional<Result<SpoolBatch>>& out) { out = co_await spool.next(10); }

// Takes over `count` records, in as many batches as they come in: a batch holds what has been synced by then.
Task<Numbers> take(Spool& spool, std::size_t count) {
  Numbers taken;
  while (taken.size() < count) {
    auto batch = co_await spool.next(count - taken.size());
    EXPECT_TRUE(batch) << net::testing::describe_failure(batch);
    if (!batch) break;
    for (const std::uint64_t number : numbers(*batch)) taken.push_back(number);
    EXPECT_TRUE(spool.acknowledge(batch->end));
  }
  co_return taken;
}

CO_TEST(Spool, WakesItsReader) {
  const Folder folder;
  const auto spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  const net::Executor executor = co_await net::this_executor();
  net::TaskGroup tasks(executor);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    tasks.spawn("append", append_soon(*spool, i));
    const auto batch = co_await spool->next(10);
    CO_ASSERT_OK(batch);
    CO_ASSERT_EQ(numbers(*batch), Numbers{i});
    CO_ASSERT_OK(spool->acknowledge(batch->end));
  }
  EXPECT_EQ(spool->backlog(), 0U);
  co_await tasks.join();
}

CO_TEST(Spool, SyncsInGroups) {
  const Folder folder;
  const auto spool = co_await open_spool({.folder = folder.path, .sync_interval = std::chrono::milliseconds(100)});
  CO_ASSERT_TRUE(spool != nullptr);
  CO_ASSERT_OK(spool->append(record(1)));
  const auto first = co_await spool->next(10);  // at once
  CO_ASSERT_OK(first);
  CO_ASSERT_OK(spool->acknowledge(first->end));
  const auto before = std::chrono::steady_clock::now();
  for (std::uint64_t i = 2; i <= 9; ++i) CO_ASSERT_OK(spool->append(record(i)));
  const auto second = co_await spool->next(10);  // together, when the interval is over
  CO_ASSERT_OK(second);
  EXPECT_EQ(second->count, 8U);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
}

CO_TEST(Spool, SurvivesARestart) {
  const Folder folder;
  auto spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  for (std::uint64_t i = 1; i <= 4; ++i) CO_ASSERT_OK(spool->append(record(i)));
  Numbers taken = co_await take(*spool, 2);
  CO_ASSERT_EQ(taken, (Numbers{1, 2}));
  CO_ASSERT_OK(spool->append(record(5)));
  spool.reset();  // writes down what was acknowledged
  spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  CO_ASSERT_OK(spool->append(record(6)));
  taken = co_await take(*spool, 4);
  EXPECT_EQ(taken, (Numbers{3, 4, 5, 6}));
}

CO_TEST(Spool, ACancelledReaderLeavesNothingBehind) {
  const Folder folder;
  const auto spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  const net::Executor executor = co_await net::this_executor();
  std::optional<Result<SpoolBatch>> got;
  net::TaskGroup tasks(executor);
  tasks.spawn("reader", wait_for_next(*spool, got));
  co_await net::yield_to_loop();
  co_await net::yield_to_loop();
  tasks.cancel();
  co_await tasks.join();
  CO_ASSERT_TRUE(got.has_value());
  CO_ASSERT_ERROR(*got, Code::kCancelled);
  CO_ASSERT_OK(spool->append(record(1)));
  const auto batch = co_await spool->next(10);
  CO_ASSERT_OK(batch);
  EXPECT_EQ(numbers(*batch), Numbers{1});
}

CO_TEST(Spool, ItsEndEndsTheReader) {
  const Folder folder;
  auto spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  const net::Executor executor = co_await net::this_executor();
  std::optional<Result<SpoolBatch>> got;
  net::TaskGroup tasks(executor);
  tasks.spawn("reader", wait_for_next(*spool, got));
  co_await net::yield_to_loop();
  co_await net::yield_to_loop();
  spool.reset();
  co_await tasks.join();
  CO_ASSERT_TRUE(got.has_value());
  CO_ASSERT_ERROR(*got, Code::kCancelled);
}

CO_TEST(Spool, ASecondReaderTakesThePlaceOfTheFirst) {
  const Folder folder;
  const auto spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  const net::Executor executor = co_await net::this_executor();
  std::optional<Result<SpoolBatch>> first, second;
  net::TaskGroup tasks(executor);
  tasks.spawn("first", wait_for_next(*spool, first));
  co_await net::yield_to_loop();
  co_await net::yield_to_loop();
  tasks.spawn("second", wait_for_next(*spool, second));
  co_await net::yield_to_loop();
  co_await net::yield_to_loop();
  CO_ASSERT_OK(spool->append(record(1)));
  co_await tasks.join();
  CO_ASSERT_ERROR(*first, Code::kConflict);
  CO_ASSERT_OK(*second);
}

CO_TEST(Spool, RefusesASecondOpenerAndAFullDisk) {
  const Folder folder;
  const auto spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  const net::Executor executor = co_await net::this_executor();
  const auto second = Spool::open(executor, {.folder = folder.path});
  CO_ASSERT_ERROR(second, Code::kConflict);
  const Folder other;
  const auto full = Spool::open(executor, {.folder = other.path, .free_floor_bytes = std::uint64_t{1} << 62});
  CO_ASSERT_OK(full);
  CO_ASSERT_ERROR((*full)->append(record(1)), Code::kLimit);
}

CO_TEST(Spool, HandsOverAHundredThousandRecords) {
  constexpr std::uint64_t kRecords = 100'000;
  const Folder folder;
  const auto spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t i = 1; i <= kRecords; ++i) {
    const auto appended = spool->append(record(i));
    CO_ASSERT_OK(appended);
  }
  const auto appended = std::chrono::steady_clock::now();
  const auto bytes = spool->backlog();
  for (std::uint64_t seen = 0; seen < kRecords;) {
    const auto batch = co_await spool->next(1000);
    CO_ASSERT_OK(batch);
    const auto records = records_in(batch->lines);
    CO_ASSERT_OK(records);
    CO_ASSERT_EQ(records->front().number, seen + 1);
    seen += records->size();
    CO_ASSERT_EQ(records->back().number, seen);
    CO_ASSERT_OK(spool->acknowledge(batch->end));
  }
  const auto end = std::chrono::steady_clock::now();
  const auto rate = [](auto span) {
    return static_cast<double>(kRecords) / std::chrono::duration<double>(span).count();
  };
  fmt::print("{} records of {} bytes: {:.0f} appended a second, {:.0f} handed over and acknowledged a second\n",
             kRecords, bytes / kRecords, rate(appended - begin), rate(end - appended));
}

// Puts into `out` when all that was appended is on the disk.
void note_durable(Spool& spool, std::optional<Result<>>& out) {
  spool.when_durable([&out](Result<> durable) { out = std::move(durable); });
}

CO_TEST(Spool, TellsWhenWhatWasAppendedIsOnTheDisk) {
  const Folder folder;
  // A minute until the next group, unless somebody waits.
  const auto spool = co_await open_spool({.folder = folder.path, .sync_interval = std::chrono::minutes(1)});
  CO_ASSERT_TRUE(spool != nullptr);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    CO_ASSERT_OK(spool->append(record(i)));
    std::optional<Result<>> first, second;
    note_durable(*spool, first);
    note_durable(*spool, second);
    EXPECT_FALSE(first) << "within the call";
    while (!second) co_await net::yield_to_loop();
    CO_ASSERT_TRUE(first.has_value());
    CO_ASSERT_OK(*first);
    CO_ASSERT_OK(*second);
    EXPECT_EQ(spool->head().number, i);
  }
  std::optional<Result<>> nothing_new;
  note_durable(*spool, nothing_new);
  while (!nothing_new) co_await net::yield_to_loop();
  CO_ASSERT_OK(*nothing_new);
}

CO_TEST(Spool, ItsEndEndsWhoWaitsForTheDisk) {
  const Folder folder;
  auto spool = co_await open_spool({.folder = folder.path});
  CO_ASSERT_TRUE(spool != nullptr);
  CO_ASSERT_OK(spool->append(record(1)));
  std::optional<Result<>> told;
  note_durable(*spool, told);
  spool.reset();
  CO_ASSERT_TRUE(told.has_value());
}

// Fails to sync until it is mended.
class BrokenDisk : public Disk {
 public:
  Result<> sync_file(const File& file) override {
    return broken ? fail(Code::kIo, "input/output error") : Disk::sync_file(file);
  }
  std::atomic<bool> broken = false;
};

CO_TEST(Spool, TellsThatTheDiskKeepsNothingAndGoesOnWhenItIsMended) {
  const Folder folder;
  BrokenDisk disk;
  const auto retry = std::chrono::milliseconds(20);
  const auto spool = co_await open_spool({.folder = folder.path, .retry = retry, .disk = &disk});
  CO_ASSERT_TRUE(spool != nullptr);
  disk.broken = true;
  CO_ASSERT_OK(spool->append(record(1)));
  std::optional<Result<>> told;
  note_durable(*spool, told);
  while (!told) co_await net::yield_to_loop();
  CO_ASSERT_ERROR(*told, Code::kIo);
  EXPECT_EQ(spool->head().number, 0U) << "nothing is signed that is not on the disk";
  CO_ASSERT_ERROR(spool->append(record(2)), Code::kIo);
  disk.broken = false;
  Result<> again;
  do {
    co_await net::yield_to_loop();
    again = spool->append(record(3));
  } while (!again);
  told.reset();
  note_durable(*spool, told);
  while (!told) co_await net::yield_to_loop();
  CO_ASSERT_OK(*told);
  EXPECT_EQ(spool->head().number, 2U);
  const Numbers taken = co_await take(*spool, 2);
  EXPECT_EQ(taken, (Numbers{1, 3})) << "what can still be read is handed over";
}

}  // namespace
}  // namespace portolan::audit

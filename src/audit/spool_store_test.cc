#include "audit/spool_store.h"

#include <signal.h>
#include <sys/resource.h>

#include <fstream>

#include <gtest/gtest.h>

#include "audit/spool_line.h"
#include "base/file.h"
#include "base/id.h"

namespace portolan::audit {
namespace {

namespace fs = std::filesystem;
using Numbers = std::vector<std::uint64_t>;

api::AuditRecord record(std::uint64_t sequence) {
  api::AuditRecord out;
  out.kind = "query";
  out.session = "s-1";
  out.sequence = sequence;
  out.text = "select 1";
  return out;
}

std::string json_of(std::uint64_t sequence) { return *encode_record(record(sequence)); }
// As long as its line in the file is at most; it may be a byte shorter.
std::uint64_t most() { return LineSealer::most(handed_line({"c-0123456789abcdefghij", 1, {}}, json_of(1)).size()); }
// Of a segment's first line.
std::uint64_t head_size() { return make_head(crypto::SealingKey::generate(), 1).line.size(); }

class SpoolStoreTest : public testing::Test {
 public:
  ~SpoolStoreTest() override {
    store_.reset();
    fs::remove_all(root_);
  }

 protected:
  SpoolStoreTest() : root_(fs::path(testing::TempDir()) / make_id("spool")) {
    options_ = {.folder = root_ / "spool", .free_floor_bytes = 0};
    open();
  }

  void open() {
    store_.reset();
    auto opened = SpoolStore::open(options_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  void append(std::uint64_t from, std::uint64_t to) {
    for (; from <= to; ++from) {
      const auto appended = store_->append(json_of(from));
      ASSERT_TRUE(appended) << appended.error().message;
    }
    ASSERT_TRUE(store_->sync());
  }
  Numbers numbers(const SpoolBatch& batch) {
    Numbers out;
    for (const auto& r : *records_in(batch.lines)) out.push_back(decode_record(r.record)->sequence);
    return out;
  }
  // Everything that is there, handed over and acknowledged.
  Numbers drain() {
    Numbers out;
    for (;;) {
      auto batch = store_->read(3);
      if (!batch || batch->count == 0) return out;
      for (auto n : numbers(*batch)) out.push_back(n);
      EXPECT_TRUE(store_->acknowledge(batch->end));
      EXPECT_TRUE(store_->save());
    }
  }
  std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(options_.folder)) out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }
  fs::path segment(std::uint64_t number) const { return segment_path(options_.folder, number); }
  // Where the lines of the file end: its head, the first record, …
  std::vector<std::uint64_t> ends(const fs::path& path) const {
    const std::string content = *read_file(path);
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < content.size(); ++i)
      if (content[i] == '\n') out.push_back(i + 1);
    return out;
  }
  void alter(const fs::path& path, std::size_t offset) {
    std::string content = *read_file(path);
    content.at(offset) ^= 1;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }

  fs::path root_;
  SpoolOptions options_;
  std::unique_ptr<SpoolStore> store_;
};

TEST_F(SpoolStoreTest, HandsOverWhatIsSyncedUntilItIsAcknowledged) {
  EXPECT_TRUE(store_->read(10)->count == 0);
  ASSERT_TRUE(store_->append(json_of(1)));
  EXPECT_TRUE(store_->read(10)->count == 0) << "not synced yet";
  EXPECT_EQ(store_->backlog(), fs::file_size(segment(1)) - head_size());
  append(2, 5);
  EXPECT_EQ(numbers(*store_->read(2)), (Numbers{1, 2}));
  const auto batch = store_->read(2);
  EXPECT_EQ(numbers(*batch), (Numbers{1, 2}));
  ASSERT_TRUE(store_->acknowledge(batch->end));
  ASSERT_TRUE(store_->acknowledge(batch->end)) << "again";
  EXPECT_EQ(store_->backlog(), fs::file_size(segment(1)) - ends(segment(1))[2]);
  EXPECT_EQ(numbers(*store_->read(10)), (Numbers{3, 4, 5}));
  EXPECT_EQ(drain(), (Numbers{3, 4, 5}));
  EXPECT_EQ(store_->backlog(), 0U);
}

TEST_F(SpoolStoreTest, RefusesAnAcknowledgementOfNothing) {
  append(1, 2);
  ASSERT_TRUE(store_->append(json_of(3)));
  const auto ends_at = ends(segment(1));
  for (const SpoolPosition end : {SpoolPosition{1, ends_at[3]}, SpoolPosition{2, 0}, SpoolPosition{99, 5}})
    EXPECT_EQ(store_->acknowledge(end).error().code, Code::kInvalid) << end.segment;
  EXPECT_TRUE(store_->acknowledge({1, ends_at[2]}));
}

// Whatever the disk has made of it meanwhile.
TEST_F(SpoolStoreTest, HandsOverFromMemoryWhatIsStillThere) {
  append(1, 4);
  const auto ends_at = ends(segment(1));
  for (const std::uint64_t at : {std::uint64_t{0}, ends_at[0], ends_at[3]}) alter(segment(1), at + 30);
  EXPECT_EQ(numbers(*store_->read(2)), (Numbers{1, 2}));
  EXPECT_EQ(drain(), (Numbers{1, 2, 3, 4}));
  append(5, 6);
  EXPECT_EQ(drain(), (Numbers{5, 6}));
}

// A reader that is behind reads the file up to where memory begins.
TEST_F(SpoolStoreTest, ReadsBackWhatNoLongerFitsIntoMemory) {
  for (const std::size_t lines : {0, 1, 2, 3, 5}) {
    options_.recent_bytes = lines * most() + 10;
    options_.segment_bytes = head_size() + 7 * most();
    open();
    append(1, 3);
    EXPECT_EQ(numbers(*store_->read(2)), (Numbers{1, 2}));
    append(4, 9);
    ASSERT_TRUE(store_->append(json_of(10)));
    EXPECT_EQ(drain(), (Numbers{1, 2, 3, 4, 5, 6, 7, 8, 9})) << lines << ": the last is not synced yet";
    ASSERT_TRUE(store_->sync());
    EXPECT_EQ(drain(), (Numbers{10})) << lines;
  }
}

TEST_F(SpoolStoreTest, BatchesAreBoundedInBytes) {
  auto big = record(1);
  big.text = std::string(200 * 1024, 'x');
  for (std::uint64_t i = 1; i <= 5; ++i) {
    big.sequence = i;
    ASSERT_TRUE(store_->append(*encode_record(big)));
  }
  ASSERT_TRUE(store_->sync());
  EXPECT_EQ(numbers(*store_->read(100)), (Numbers{1, 2}));
  EXPECT_EQ(drain(), (Numbers{1, 2, 3, 4, 5}));
}

TEST_F(SpoolStoreTest, RestartsInEveryState) {
  open();  // nothing there
  EXPECT_EQ(drain(), Numbers{});
  ASSERT_TRUE(store_->append(json_of(1)));
  open();  // written, not synced: the kernel has it
  EXPECT_EQ(numbers(*store_->read(10)), Numbers{1});
  append(2, 3);
  open();  // synced, not read; by now in two segments
  EXPECT_EQ(numbers(*store_->read(10)), Numbers{1});
  open();  // read, not acknowledged
  auto batch = store_->read(10);
  EXPECT_EQ(numbers(*batch), Numbers{1});
  ASSERT_TRUE(store_->acknowledge(batch->end));
  open();  // acknowledged, which was not written down: handed over again
  EXPECT_EQ(numbers(*store_->read(10)), Numbers{1});
  ASSERT_TRUE(store_->acknowledge(store_->read(1)->end));
  ASSERT_TRUE(store_->save());
  open();  // written down
  EXPECT_EQ(numbers(*store_->read(10)), (Numbers{2, 3}));
  ASSERT_TRUE(store_->acknowledge(store_->read(1)->end));
  ASSERT_TRUE(store_->save());
  open();  // in the middle of a segment
  EXPECT_EQ(drain(), Numbers{3});
  open();  // all handed over: what comes then is not taken for something old
  EXPECT_EQ(files(), (std::vector<std::string>{"acknowledged", "lock"}));
  append(4, 4);
  open();
  EXPECT_EQ(drain(), Numbers{4});
}

TEST_F(SpoolStoreTest, RollsOverAndRemovesWhatIsDoneWith) {
  options_.segment_bytes = head_size() + 3 * most();
  open();
  append(1, 8);
  EXPECT_EQ(files(), (std::vector<std::string>{"000000000001.spool.sealed", "000000000002.spool.sealed",
                                               "000000000003.spool.sealed", "lock"}));
  auto batch = store_->read(100);
  EXPECT_EQ(numbers(*batch), (Numbers{1, 2, 3}));
  ASSERT_TRUE(store_->acknowledge(batch->end));
  ASSERT_TRUE(store_->save());
  EXPECT_EQ(files(), (std::vector<std::string>{"000000000002.spool.sealed", "000000000003.spool.sealed", "acknowledged",
                                               "lock"}));
  EXPECT_EQ(drain(), (Numbers{4, 5, 6, 7, 8}));
  EXPECT_EQ(files(), (std::vector<std::string>{"000000000003.spool.sealed", "acknowledged", "lock"}));
  append(9, 10);  // the third is full and done with only now
  EXPECT_EQ(drain(), (Numbers{9, 10}));
  EXPECT_EQ(files(), (std::vector<std::string>{"000000000004.spool.sealed", "acknowledged", "lock"}));
}

TEST_F(SpoolStoreTest, CutsATornTailAtEveryByte) {
  append(1, 3);
  const std::string whole = *read_file(segment(1));
  const auto ends_at = ends(segment(1));
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    store_.reset();
    fs::remove_all(options_.folder);
    fs::create_directories(options_.folder);
    std::ofstream(segment(1), std::ios::binary) << whole.substr(0, cut);
    open();
    const auto good = std::ranges::upper_bound(ends_at, cut) - ends_at.begin();  // lines, the head among them
    Numbers expected;
    for (std::uint64_t i = 1; i + 1 <= static_cast<std::uint64_t>(good); ++i) expected.push_back(i);
    ASSERT_EQ(store_->head().number, expected.size()) << cut;
    if (!expected.empty()) EXPECT_EQ(fs::file_size(segment(1)), ends_at[expected.size()]) << cut;
    append(4, 4);
    expected.push_back(4);
    ASSERT_EQ(drain(), expected) << cut;
  }
}

TEST_F(SpoolStoreTest, CutsZeroesThatACrashLeft) {
  append(1, 2);
  store_.reset();
  std::ofstream(segment(1), std::ios::binary | std::ios::app) << std::string(4096, '\0');
  open();
  EXPECT_EQ(drain(), (Numbers{1, 2}));
  store_.reset();
  std::ofstream(segment(5), std::ios::binary) << std::string(4096, '\0');  // nothing else in it
  open();
  EXPECT_EQ(drain(), Numbers{});
  EXPECT_EQ(files(), (std::vector<std::string>{"acknowledged", "lock"}));
}

TEST_F(SpoolStoreTest, SetsAFileAsideAtABrokenRecordAndGoesOn) {
  options_.recent_bytes = 0;
  options_.segment_bytes = head_size() + 4 * most();
  open();
  append(1, 8);
  const auto size = fs::file_size(segment(1));
  alter(segment(1), ends(segment(1))[2] + 30);
  EXPECT_EQ(drain(), (Numbers{1, 2, 5, 6, 7, 8}));
  EXPECT_EQ(files(), (std::vector<std::string>{"000000000001.spool.sealed.bad", "000000000002.spool.sealed",
                                               "acknowledged", "lock"}));
  EXPECT_EQ(store_->backlog(), 0U);
  open();
  append(9, 9);
  EXPECT_EQ(drain(), Numbers{9});
  EXPECT_EQ(fs::file_size(options_.folder / "000000000001.spool.sealed.bad"), size);
}

TEST_F(SpoolStoreTest, SetsTheFileAsideThatIsWrittenTo) {
  options_.recent_bytes = 0;
  open();
  append(1, 2);
  alter(segment(1), ends(segment(1))[0] + 30);
  EXPECT_TRUE(store_->read(10)->count == 0);
  append(3, 4);  // into a new one
  EXPECT_EQ(drain(), (Numbers{3, 4}));
  EXPECT_EQ(files(), (std::vector<std::string>{"000000000001.spool.sealed.bad", "000000000002.spool.sealed",
                                               "acknowledged", "lock"}));
}

TEST_F(SpoolStoreTest, SetsAsideWhatCannotBeOpenedOrHasNoLines) {
  append(1, 1);
  store_.reset();
  fs::create_directory(segment(2));
  std::ofstream(segment(3), std::ios::binary) << std::string(600 * 1024, 'x');
  open();
  append(5, 5);
  EXPECT_EQ(drain(), (Numbers{1, 5}));
  const auto left = files();
  EXPECT_EQ(std::count_if(left.begin(), left.end(), [](const auto& name) { return name.ends_with(".bad"); }), 2);
}

TEST_F(SpoolStoreTest, AStrangePositionMeansAgain) {
  append(1, 3);
  const std::uint64_t first = ends(segment(1))[1];
  for (const std::string& text :
       {std::string("nonsense"), std::string(), std::string(5000, ' '),
        std::string(R"({"form":3,"segment":1,"offset":7})"), std::string(R"({"form":3,"segment":1,"offset":99999})")}) {
    store_.reset();
    std::ofstream(options_.folder / "acknowledged", std::ios::trunc) << text;
    open();
    EXPECT_EQ(numbers(*store_->read(10)), (Numbers{1, 2, 3})) << text;
  }
  store_.reset();
  std::ofstream(options_.folder / "acknowledged", std::ios::trunc)
      << R"({"form":3,"segment":1,"offset":)" << first << "}";
  open();
  EXPECT_EQ(numbers(*store_->read(10)), (Numbers{2, 3}));
}

TEST_F(SpoolStoreTest, RefusesBelowTheFloorOfFreeSpace) {
  options_.free_floor_bytes = std::uint64_t{1} << 62;
  open();
  const auto refused = store_->append(json_of(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kLimit);
  EXPECT_EQ(refused.error().stable_code(), "audit_disk_full");
  EXPECT_EQ(store_->backlog(), 0U);
}

TEST_F(SpoolStoreTest, RefusesASecondOpener) {
  const auto second = SpoolStore::open(options_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  store_.reset();
  EXPECT_TRUE(SpoolStore::open(options_));
}

// A write that the system takes only in part, as on a full disk: what was taken is cut off again.
TEST_F(SpoolStoreTest, WritesAllOrNothing) {
  append(1, 2);
  const std::uint64_t before = fs::file_size(segment(1));
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit limit = old_limit;
  limit.rlim_cur = before + 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto refused = store_->append(json_of(3));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  ::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kIo);
  EXPECT_EQ(fs::file_size(segment(1)), before);
  append(4, 4);
  EXPECT_EQ(drain(), (Numbers{1, 2, 4}));
}

TEST_F(SpoolStoreTest, FilesArePrivate) {
  append(1, 1);
  drain();
  EXPECT_EQ(fs::status(options_.folder).permissions(), fs::perms::owner_all);
  for (const auto& name : files())
    EXPECT_EQ(fs::status(options_.folder / name).permissions(), fs::perms::owner_read | fs::perms::owner_write) << name;
}

}  // namespace
}  // namespace portolan::audit

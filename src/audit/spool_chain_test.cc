// The chain over restarts, full segments, files that are set aside, and the previous release.
#include <atomic>
#include <fstream>

#include <gtest/gtest.h>

#include "audit/spool_line.h"
#include "audit/spool_store.h"
#include "base/file.h"
#include "base/id.h"

namespace portolan::audit {
namespace {

namespace fs = std::filesystem;

std::string json_of(std::uint64_t sequence) {
  api::AuditRecord out;
  out.kind = "query";
  out.session = "s-1";
  out.sequence = sequence;
  return *encode_record(out);
}

// Room for two records.
std::uint64_t segment_bytes() {
  const std::string handed = handed_line({"c-0123456789abcdefghij", 99, {}}, json_of(99));
  return make_head(crypto::SealingKey::generate(), 1).line.size() + 2 * LineSealer::most(handed.size());
}

class SpoolChain : public testing::Test {
 public:
  ~SpoolChain() override {
    store_.reset();
    fs::remove_all(folder_);
    fs::remove(fs::path(folder_).concat(".key"));
  }

 protected:
  SpoolChain() : folder_(fs::path(testing::TempDir()) / make_id("spool")) { open(); }
  void open() {
    store_.reset();
    auto opened =
        SpoolStore::open({.folder = folder_, .segment_bytes = segment_bytes(), .free_floor_bytes = 0, .disk = disk_});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  void append(std::uint64_t from, std::uint64_t to) {
    for (; from <= to; ++from) ASSERT_TRUE(store_->append(json_of(from)));
    ASSERT_TRUE(store_->sync());
  }
  std::vector<api::ChainedRecord> drain() {
    std::vector<api::ChainedRecord> out;
    for (;;) {
      const auto batch = store_->read(100);
      if (!batch || batch->count == 0) return out;
      chains_.insert(batch->chain);
      for (auto& record : *records_in(batch->lines)) out.push_back(std::move(record));
      EXPECT_TRUE(store_->acknowledge(batch->end));
      EXPECT_TRUE(store_->save());
    }
  }
  void expect_chained(const std::vector<api::ChainedRecord>& records) {
    for (std::size_t i = 1; i < records.size(); ++i) {
      EXPECT_EQ(records[i].number, records[i - 1].number + 1);
      EXPECT_EQ(records[i].hash,
                hex(chain_hash(*parse_hash(records[i - 1].hash), records[i].number, records[i].record)));
    }
  }
  fs::path segment(std::uint64_t number) const { return segment_path(folder_, number); }
  // As the releases before named it.
  fs::path clear_segment(std::uint64_t number) const { return segment(number).replace_extension(); }

  fs::path folder_;
  Disk* disk_ = nullptr;
  std::unique_ptr<SpoolStore> store_;
  std::set<std::string> chains_;
};

TEST_F(SpoolChain, GoesOnOverSegmentsAndRestarts) {
  std::vector<api::ChainedRecord> all;
  for (std::uint64_t round = 0; round < 6; ++round) {
    append(round * 5 + 1, round * 5 + 5);
    if (round % 2 == 0)
      for (auto& record : drain()) all.push_back(std::move(record));
    open();
    EXPECT_EQ(store_->head().number, round * 5 + 5);
  }
  for (auto& record : drain()) all.push_back(std::move(record));
  ASSERT_EQ(all.size(), 30U);
  EXPECT_EQ(all[0].number, 1U);
  EXPECT_EQ(all[0].hash, hex(chain_hash(chain_begin_hash(*chains_.begin()), 1, all[0].record)));
  expect_chained(all);
  EXPECT_EQ(chains_.size(), 1U);
}

TEST_F(SpoolChain, GoesOnWhenAllWasHandedOver) {
  append(1, 3);
  const auto before = drain();
  open();
  EXPECT_EQ(store_->head().number, 3U);
  EXPECT_EQ(hex(store_->head().hash), before.back().hash);
  append(4, 4);
  EXPECT_EQ(drain().at(0).number, 4U);
  EXPECT_EQ(chains_.size(), 1U);
}

TEST_F(SpoolChain, ANewOneBeginsWhereTheLastRecordIsNotKnown) {
  append(1, 2);
  std::string content = *read_file(segment(1));
  content[content.size() - 5] ^= 1;
  std::ofstream(segment(1), std::ios::binary | std::ios::trunc) << content;
  open();
  EXPECT_EQ(store_->head().number, 0U);
  append(3, 4);
  const auto records = drain();
  ASSERT_EQ(records.size(), 3U) << "1, and behind the broken one 3 and 4";
  EXPECT_EQ(records[1].number, 1U);
  EXPECT_EQ(chains_.size(), 2U);
  store_.reset();
  fs::remove(folder_ / "acknowledged");
  for (const auto& entry : fs::directory_iterator(folder_)) fs::remove(entry);
  open();
  append(5, 5);
  drain();
  EXPECT_EQ(chains_.size(), 3U) << "nothing is left of the one before";
}

TEST_F(SpoolChain, TakesOverWhatThePreviousReleaseLeft) {
  store_.reset();
  std::ofstream(clear_segment(1), std::ios::binary) << line_with_crc(json_of(1)) << line_with_crc(json_of(2));
  std::ofstream(folder_ / "acknowledged") << R"({"segment":1,"offset":)" << line_with_crc(json_of(1)).size() << "}";
  open();
  append(3, 4);
  const auto first = store_->read(100);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->chain, "");
  EXPECT_EQ(first->lines, json_of(2) + "\n");
  EXPECT_EQ(records_in(first->lines)->at(0).number, 0U);
  ASSERT_TRUE(store_->acknowledge(first->end));
  const auto second = store_->read(100);
  ASSERT_TRUE(second);
  EXPECT_EQ(records_in(second->lines)->at(0).number, 1U);
  EXPECT_NE(second->chain, "");
  drain();
  EXPECT_FALSE(fs::exists(clear_segment(1)));
}

// A segment in clear text that has a chain, too.
TEST_F(SpoolChain, GoesOnBehindASegmentInClearText) {
  store_.reset();
  ChainPoint point = begin_chain();
  std::ofstream file(clear_segment(1), std::ios::binary);
  for (std::uint64_t i = 1; i <= 2; ++i) {
    point = {point.chain, i, chain_hash(point.hash, i, json_of(i))};
    file << line_with_crc(handed_line(point, json_of(i)));
  }
  file.close();
  open();
  EXPECT_EQ(store_->head().number, 2U);
  append(3, 4);
  const auto records = drain();
  ASSERT_EQ(records.size(), 4U);
  expect_chained(records);
  EXPECT_EQ(chains_.size(), 1U);
}

// Who goes back to it, and comes again: it leaves alone what is sealed, and knows another position.
TEST_F(SpoolChain, WhatIsSealedOutlastsAReleaseThatDoesNotKnowIt) {
  append(1, 3);
  const auto batch = store_->read(1);
  ASSERT_TRUE(batch);
  ASSERT_TRUE(store_->acknowledge(batch->end));
  ASSERT_TRUE(store_->save());
  store_.reset();
  EXPECT_EQ(list_folder(folder_)->highest, 2U);
  std::ofstream(clear_segment(3), std::ios::binary) << line_with_crc(json_of(4)) << line_with_crc(json_of(5));
  std::ofstream(folder_ / "acknowledged", std::ios::trunc)
      << R"({"segment":3,"offset":)" << line_with_crc(json_of(4)).size() << "}";
  open();
  append(6, 6);
  std::vector<std::uint64_t> sequences;
  for (const auto& record : drain()) sequences.push_back(decode_record(record.record)->sequence);
  EXPECT_EQ(sequences, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6})) << "some of it twice, none of it never";
}

TEST_F(SpoolChain, WhatIsSetAsideIsMissingInTheChain) {
  append(1, 4);
  std::string content = *read_file(segment(1));
  content[30] ^= 1;
  std::ofstream(segment(1), std::ios::binary | std::ios::trunc) << content;
  open();  // what is in memory is handed over from there
  const auto records = drain();
  ASSERT_FALSE(records.empty());
  EXPECT_GT(records[0].number, 1U);
  expect_chained(records);
  EXPECT_EQ(records.back().number, 4U);
}

TEST_F(SpoolChain, NumbersThatWereHandedOverAreNotGivenAgain) {
  append(1, 4);
  drain();
  append(5, 5);
  store_.reset();
  // As if a disk that had failed held less than was handed over from memory.
  for (const auto& entry : fs::directory_iterator(folder_))
    if (entry.path().extension() == ".sealed") fs::resize_file(entry.path(), 0);
  open();
  EXPECT_EQ(store_->head().number, 4U);
  append(6, 6);
  EXPECT_EQ(drain().at(0).number, 5U);
  EXPECT_EQ(chains_.size(), 1U);
}

// Fails where it is told to.
class FailingDisk : public Disk {
 public:
  Result<> append_whole(const File& file, std::uint64_t size, std::string_view bytes) override {
    return appends_fail ? fail(Code::kIo, "input/output error") : Disk::append_whole(file, size, bytes);
  }
  Result<> sync_file(const File& file) override {
    return syncs_fail ? fail(Code::kIo, "input/output error") : Disk::sync_file(file);
  }
  Result<std::uint64_t> free_bytes(const fs::path&) override { return std::uint64_t{1} << 40; }
  bool appends_fail = false;
  bool syncs_fail = false;
};

TEST_F(SpoolChain, AFailedAppendLeavesNoHole) {
  FailingDisk disk;
  disk_ = &disk;
  open();
  append(1, 2);
  disk.appends_fail = true;
  EXPECT_EQ(store_->append(json_of(3)).error().code, Code::kIo);
  disk.appends_fail = false;
  append(4, 5);
  const auto records = drain();
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records.back().number, 4U);
  expect_chained(records);
}

TEST_F(SpoolChain, WhatTheDiskMayNotHaveKeptIsNotCalledDurable) {
  FailingDisk disk;
  disk_ = &disk;
  open();
  append(1, 2);
  ASSERT_TRUE(store_->append(json_of(3)));
  disk.syncs_fail = true;
  EXPECT_FALSE(store_->sync());
  disk.syncs_fail = false;
  EXPECT_FALSE(store_->sync()) << "a second sync does not bring back what the first one lost";
  EXPECT_TRUE(*store_->outcome_of(2));
  EXPECT_FALSE(*store_->outcome_of(3));
  EXPECT_EQ(store_->head().number, 2U);
  EXPECT_EQ(store_->append(json_of(4)).error().code, Code::kIo) << "until it is tried again";
}

}  // namespace
}  // namespace portolan::audit

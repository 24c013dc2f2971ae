// What lies on a node's disk, and what the spool makes of it: sealed, with the right key, another one or none, and
// altered.
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "audit/spool_line.h"
#include "audit/spool_sealed.h"
#include "audit/spool_store.h"
#include "base/file.h"
#include "base/id.h"

namespace portolan::audit {
namespace {

namespace fs = std::filesystem;
using Numbers = std::vector<std::uint64_t>;

std::string json_of(std::uint64_t sequence) {
  api::AuditRecord out;
  out.kind = "query";
  out.session = "s-1";
  out.sequence = sequence;
  out.text = "select secret";
  return *encode_record(out);
}

class AtRest : public testing::Test {
 public:
  ~AtRest() override {
    store_.reset();
    fs::remove_all(root_);
  }

 protected:
  AtRest() { open(); }

  void open() {
    const auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().message;
  }
  Result<> try_open() {
    store_.reset();
    PL_TRY(store_, SpoolStore::open(options_));
    return {};
  }
  void append(std::uint64_t from, std::uint64_t to) {
    for (; from <= to; ++from) ASSERT_TRUE(store_->append(json_of(from)));
    ASSERT_TRUE(store_->sync());
  }
  Numbers drain() {
    Numbers out;
    for (;;) {
      const auto batch = store_->read(2);
      if (!batch || batch->count == 0) return out;
      for (const auto& chained : *records_in(batch->lines)) out.push_back(decode_record(chained.record)->sequence);
      EXPECT_TRUE(store_->acknowledge(batch->end));
      EXPECT_TRUE(store_->save());
    }
  }
  fs::path segment(std::uint64_t number) const { return segment_path(options_.folder, number); }
  fs::path key_file() const { return root_ / "audit.key"; }
  static void write(const fs::path& path, std::string_view content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }

  fs::path root_ = fs::path(testing::TempDir()) / make_id("rest");
  SpoolOptions options_ = {.folder = root_ / "audit", .free_floor_bytes = 0, .recent_bytes = 0};
  std::unique_ptr<SpoolStore> store_;
};

TEST_F(AtRest, NothingOfARecordStandsInClearText) {
  append(1, 5);
  const auto batch = store_->read(2);
  ASSERT_TRUE(store_->acknowledge(batch->end));
  ASSERT_TRUE(store_->save());
  for (const auto& entry : fs::directory_iterator(options_.folder)) {
    const std::string content = *read_file(entry.path());
    for (const char* word : {"secret", "query", "session", "sequence"})
      EXPECT_EQ(content.find(word), std::string::npos) << word << " in " << entry.path();
  }
  EXPECT_EQ(drain(), (Numbers{3, 4, 5}));
}

TEST_F(AtRest, TheKeyLiesBesideTheFolderOrWhereItIsWanted) {
  EXPECT_EQ(fs::status(key_file()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  const std::string before = *read_file(key_file());
  open();
  EXPECT_EQ(*read_file(key_file()), before);
  fs::remove(key_file());
  options_.key_file = root_ / "elsewhere";
  open();
  append(1, 2);
  open();
  EXPECT_EQ(drain(), (Numbers{1, 2}));
  EXPECT_FALSE(fs::exists(key_file()));
}

TEST_F(AtRest, WithoutItsKeyItIsRefusedAndStaysAsItIs) {
  append(1, 3);
  store_.reset();
  const std::string content = *read_file(segment(1));
  const fs::path put_away = root_ / "put-away";
  fs::rename(key_file(), put_away);
  const auto missing = try_open();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_NE(missing.error().message.find(key_file().string()), std::string::npos) << missing.error().message;
  EXPECT_FALSE(fs::exists(key_file())) << "no other one is made";

  write(key_file(), crypto::SealingKey::generate().text().reveal());
  fs::permissions(key_file(), fs::perms::owner_read | fs::perms::owner_write);
  const auto wrong = try_open();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kDenied);
  EXPECT_NE(wrong.error().message.find("another key"), std::string::npos) << wrong.error().message;
  EXPECT_NE(wrong.error().message.find(segment(1).string()), std::string::npos) << wrong.error().message;

  EXPECT_EQ(*read_file(segment(1)), content);
  fs::rename(put_away, key_file());
  open();
  EXPECT_EQ(drain(), (Numbers{1, 2, 3}));
}

TEST_F(AtRest, ANewKeyIsMadeWhenAllWasHandedOver) {
  append(1, 2);
  EXPECT_EQ(drain(), (Numbers{1, 2}));
  store_.reset();
  EXPECT_TRUE(fs::exists(segment(1))) << "which was appended to";
  fs::remove(key_file());
  open();
  EXPECT_FALSE(fs::exists(segment(1)));
  EXPECT_EQ(store_->head().number, 2U) << "the chain goes on";
  append(3, 3);
  EXPECT_EQ(drain(), Numbers{3});
}

TEST_F(AtRest, ASegmentOfAnotherNumberOrANewerReleaseIsRefused) {
  append(1, 1);
  store_.reset();
  fs::rename(segment(1), segment(7));
  EXPECT_EQ(try_open().error().code, Code::kDenied);
  const std::string newer = line_with_crc(R"({"form":4,"key":"v9"})") + "something\n";
  write(segment(7), newer);
  const auto refused = try_open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_NE(refused.error().message.find("newer release"), std::string::npos) << refused.error().message;
  EXPECT_EQ(*read_file(segment(7)), newer);
}

// Of whatever byte is altered: what stands before it is handed over, the file is set aside, and it goes on.
TEST_F(AtRest, EveryAlteredByteIsSeen) {
  append(1, 3);
  store_.reset();
  const std::string whole = *read_file(segment(1));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    fs::remove_all(options_.folder);
    fs::create_directories(options_.folder);
    std::string altered = whole;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    write(segment(1), altered);
    open();
    append(4, 4);
    Numbers expected;
    const auto lines = std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    for (long i = 1; i < lines; ++i) expected.push_back(static_cast<std::uint64_t>(i));
    expected.push_back(4);
    ASSERT_EQ(drain(), expected) << at;
    // The end of the last line cannot be told from one that was being written.
    const bool torn = at + 1 == whole.size();
    ASSERT_EQ(fs::exists(segment(1).concat(".bad")), !torn) << at;
  }
}

TEST_F(AtRest, SegmentsHaveKeysOfTheirOwn) {
  std::set<std::string> heads;
  std::set<std::string> firsts;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    append(1, 1);
    const std::string content = *read_file(segment(i));
    const auto end = content.find('\n');
    heads.insert(content.substr(0, end));
    firsts.insert(content.substr(end));
    open();
  }
  EXPECT_EQ(heads.size(), 3U);
  EXPECT_EQ(firsts.size(), 3U);
}

// Remembers what it was asked to write, and fails now and then.
class FullDisk : public Disk {
 public:
  Result<> append_whole(const File& file, std::uint64_t size, std::string_view bytes) override {
    asked.emplace_back(bytes);
    return asked.size() % 3 != 0 ? fail(Code::kIo, "no space left") : Disk::append_whole(file, size, bytes);
  }
  std::vector<std::string> asked;
};

TEST_F(AtRest, WhatIsWrittenAgainIsSealedAnew) {
  FullDisk disk;
  options_.disk = &disk;
  open();
  for (int i = 0; i < 30; ++i) static_cast<void>(store_->append(json_of(1)));
  ASSERT_TRUE(store_->sync());
  std::set<std::string> nonces;
  std::string sealed;
  ASSERT_EQ(disk.asked.size(), 30U);
  for (const std::string& bytes : disk.asked) {
    const std::size_t begin = bytes.find(R"("form":3)") == std::string::npos ? 0 : bytes.find('\n') + 1;
    ASSERT_TRUE(unstuff(std::string_view(bytes).substr(begin, bytes.size() - begin - 1), sealed));
    EXPECT_TRUE(nonces.insert(sealed.substr(0, 8)).second);
  }
  EXPECT_EQ(drain(), Numbers(10, 1)) << "what was kept";
  EXPECT_FALSE(fs::exists(segment(2))) << "no file for each failure";
}

}  // namespace
}  // namespace portolan::audit

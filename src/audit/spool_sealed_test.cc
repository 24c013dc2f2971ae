#include "audit/spool_sealed.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/json.h"

namespace portolan::audit {
namespace {

const Secret kKey(std::string(32, 'k'));
const ChainPoint kPoint{"c-0123456789abcdefghij", 41, {}};

std::string_view without_end(std::string_view line) { return line.substr(0, line.size() - 1); }

std::string stuffed(std::string_view bytes) {
  std::string out;
  stuff(bytes, out);
  return out;
}

TEST(SpoolSealed, StuffingIsWithoutNewlinesAndIsUndone) {
  EXPECT_EQ(stuffed(""), "\x01");
  EXPECT_EQ(stuffed("ab\nc"),
            "\x03"
            "ab\x02"
            "c");
  EXPECT_EQ(stuffed("\n"), "\x01\x01");
  EXPECT_EQ(stuffed("123456789"), std::string("\0", 1) + "123456789") << "ten, which is a newline, is written as zero";
  EXPECT_EQ(stuffed(std::string(254, 'x')), "\xff" + std::string(254, 'x'));
  std::mt19937 random(7);
  std::string undone;
  for (std::size_t size = 0; size < 1100; ++size)
    for (const unsigned kinds : {2U, 16U, 256U}) {
      std::string bytes(size, '\0');
      for (char& c : bytes) c = static_cast<char>(random() % kinds + (kinds == 2 ? '\n' : 0));
      const std::string out = stuffed(bytes);
      ASSERT_EQ(out.find('\n'), std::string::npos) << size;
      ASSERT_LE(out.size(), size + size / 254 + 1);
      ASSERT_TRUE(unstuff(out, undone)) << size;
      ASSERT_EQ(undone, bytes) << size;
    }
}

TEST(SpoolSealed, RefusesWhatWasNotStuffed) {
  std::string out;
  for (const std::string_view bytes : {std::string_view(""),
                                       std::string_view("\x03"
                                                        "a"),
                                       std::string_view("\xff"
                                                        "abc"),
                                       std::string_view("\x02"
                                                        "a\x05"
                                                        "abc"),
                                       std::string_view("\0abc", 4)})
    EXPECT_FALSE(unstuff(bytes, out)) << hex(as_bytes(bytes));
}

// Made by another implementation, from the documentation.
TEST(SpoolSealed, HasTheDocumentedForm) {
  LineSealer sealer(kKey);
  EXPECT_EQ(hex(as_bytes(sealer.seal(112, R"({"kind":"query"})"))),
            "2900000000000000009b4c9bc0a9cb36000d6f6795c3bc517cff8de199012888575819f0522b5b8c990a");
  EXPECT_EQ(hex(as_bytes(sealer.seal(0x0102030405, R"({"kind":"query"})"))),
            "2900000000000000015bab95f0e9e46ddfd9b44a0bf44f9e01617cbfd933c552296ebe151fcd88f6a60a");
  const auto spool = crypto::SealingKey::generate();
  const SegmentHead head = make_head(spool, 12);
  EXPECT_EQ(head.line, line_with_crc(R"({"form":3,"key":")" + head.line.substr(26, 92) + R"("})"));
  EXPECT_EQ(head.line.substr(26, 12), "v1." + spool.id() + ".");
}

TEST(SpoolSealed, AHeadIsOpenedWithItsKeyForItsSegment) {
  const auto spool = crypto::SealingKey::generate();
  const SegmentHead head = make_head(spool, 12);
  const std::string_view line = without_end(head.line);
  const auto key = open_head(line, spool, 12);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->reveal(), head.key.reveal());
  EXPECT_NE(make_head(spool, 12).key.reveal(), head.key.reveal());
  EXPECT_EQ(open_head(line, spool, 13).error().code, Code::kDenied);
  const auto other = open_head(line, crypto::SealingKey::generate(), 12);
  EXPECT_EQ(other.error().code, Code::kDenied);
  EXPECT_NE(other.error().message.find("another key"), std::string::npos) << other.error().message;
  for (std::size_t i = 0; i < line.size(); ++i) {
    std::string altered(line);
    altered[i] = static_cast<char>(altered[i] ^ 1);
    const auto opened = open_head(altered, spool, 12);
    ASSERT_FALSE(opened) << i;
    EXPECT_EQ(opened.error().code, Code::kInvalid) << i << ": broken, not somebody else's";
    EXPECT_FALSE(open_head(line.substr(0, i), spool, 12)) << i;
  }
}

TEST(SpoolSealed, AHeadOfANewerReleaseIsNotTakenForABrokenOne) {
  const auto spool = crypto::SealingKey::generate();
  const std::string line = line_with_crc(R"({"form":4,"key":"","more":1})");
  const auto opened = open_head(without_end(line), spool, 1);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kDenied);
  EXPECT_NE(opened.error().message.find("newer release"), std::string::npos);
  const std::string short_key =
      line_with_crc(R"({"form":3,"key":")" + spool.seal(Secret("short"), "audit-spool/1") + R"("})");
  EXPECT_EQ(open_head(without_end(short_key), spool, 1).error().code, Code::kInvalid);
}

TEST(SpoolSealed, ALineIsOpenedAsItWasWrittenWhereItWasWritten) {
  const std::string handed = handed_line(kPoint, R"({"text":"select 1"})");
  LineSealer sealer(kKey);
  LineOpener opener(kKey);
  const std::string line(sealer.seal(300, handed));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(line.find("select"), std::string::npos);
  EXPECT_LE(line.size(), LineSealer::most(handed.size()));
  std::string out = "before ";
  ASSERT_TRUE(opener.open(300, without_end(line), out));
  EXPECT_EQ(out, "before " + handed);
  out.clear();
  for (std::size_t bit = 0; bit < 8 * (line.size() - 1); ++bit) {
    std::string altered(without_end(line));
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(opener.open(300, altered, out)) << bit;
  }
  for (std::size_t size = 0; size + 1 < line.size(); ++size)
    ASSERT_FALSE(opener.open(300, std::string_view(line).substr(0, size), out)) << size;
  EXPECT_FALSE(opener.open(301, without_end(line), out)) << "moved";
  LineOpener other(Secret(std::string(32, 'x')));
  EXPECT_FALSE(other.open(300, without_end(line), out));
  EXPECT_FALSE(opener.open(0, std::string(kFileLineLimit, '\x01'), out)) << "too long to be looked into";
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(opener.open(300, without_end(line), out));
}

// Also of a line that is written again, since it could not be written.
TEST(SpoolSealed, NoNonceComesTwice) {
  LineSealer sealer(kKey);
  std::set<std::string> seen;
  std::string sealed;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(unstuff(without_end(sealer.seal(300, "{}")), sealed));
    ASSERT_TRUE(seen.insert(sealed.substr(0, 8)).second) << i;
  }
}

TEST(SpoolSealed, TheLongestLineFitsIntoTheLimitOfAFile) {
  EXPECT_LE(LineSealer::most(kLineLimit), kFileLineLimit);
  LineSealer sealer(kKey);
  LineOpener opener(kKey);
  const std::string handed(kLineLimit, 'x');
  const std::string line(sealer.seal(0, handed));
  std::string out;
  ASSERT_TRUE(opener.open(0, without_end(line), out));
  EXPECT_EQ(out, handed);
}

// A segment's lines behind its head.
struct Segment {
  std::uint64_t begin = 112;
  std::string bytes;
  std::vector<std::size_t> ends = {0};
  std::string handed;

  explicit Segment(std::uint64_t count, std::size_t text = 10) {
    LineSealer sealer(kKey);
    for (std::uint64_t i = 1; i <= count; ++i) {
      const std::string line = handed_line({kPoint.chain, i, {}}, R"({"text":")" + std::string(text, 'x') + R"("})");
      bytes += sealer.seal(begin + bytes.size(), line);
      ends.push_back(bytes.size());
      handed += line + "\n";
    }
  }
  Scan scan(std::size_t from, std::size_t size, std::size_t limit) const {
    LineOpener opener(kKey);
    return scan_sealed(std::string_view(bytes).substr(ends[from], size), begin + ends[from], limit, opener);
  }
};

TEST(SpoolSealed, AScanStopsWhereItMust) {
  Segment segment(4);
  const std::size_t all = segment.bytes.size();
  const Scan whole = segment.scan(0, all, 10);
  EXPECT_EQ(whole.count, 4U);
  EXPECT_EQ(whole.lines, segment.handed);
  EXPECT_EQ(whole.used, all);
  EXPECT_EQ(whole.last.chain, kPoint.chain);
  EXPECT_EQ(whole.last.number, 4U);
  EXPECT_FALSE(whole.broken);
  EXPECT_EQ(records_in(whole.lines)->size(), 4U);
  EXPECT_EQ(segment.scan(1, all, 2).used, segment.ends[3] - segment.ends[1]);
  EXPECT_EQ(segment.scan(1, all, 2).last.number, 3U);
  for (std::size_t size = 0; size < segment.ends[1]; ++size) {
    const Scan none = segment.scan(0, size, 10);
    ASSERT_TRUE(none.count == 0 && none.used == 0 && none.lines.empty() && !none.broken) << size;
  }
  EXPECT_EQ(segment.scan(0, all - 1, 10).count, 3U) << "torn";
  segment.bytes[segment.ends[2] + 5] ^= 1;
  const Scan broken = segment.scan(0, all, 10);
  EXPECT_EQ(broken.count, 2U);
  EXPECT_EQ(broken.used, segment.ends[2]);
  EXPECT_EQ(broken.last.number, 2U);
  EXPECT_TRUE(broken.broken);
}

TEST(SpoolSealed, LinesThatChangedPlacesAreBroken) {
  Segment segment(3);
  const std::string first = segment.bytes.substr(0, segment.ends[1]);
  const std::string second = segment.bytes.substr(segment.ends[1], segment.ends[2] - segment.ends[1]);
  if (first.size() == second.size()) {
    segment.bytes.replace(0, segment.ends[2], second + first);
    EXPECT_EQ(segment.scan(0, segment.bytes.size(), 10).count, 0U);
  }
  segment = Segment(3);
  segment.bytes.erase(0, segment.ends[1]);
  EXPECT_EQ(segment.scan(0, segment.bytes.size(), 10).count, 0U) << "without the first one";
}

TEST(SpoolSealed, OfABrokenSegmentTheRestIsRead) {
  const auto spool = crypto::SealingKey::generate();
  const SegmentHead head = make_head(spool, 5);
  std::string content = head.line;
  LineSealer sealer(head.key);
  std::vector<std::size_t> begins;
  for (const char* line : {"one", "two", "three", "torn"}) {
    begins.push_back(content.size());
    content += sealer.seal(content.size(), line);
  }
  content.resize(content.size() - 3);
  content[begins[1] + 4] ^= 64;
  const auto unsealed = unseal_segment(content, spool, 5);
  ASSERT_TRUE(unsealed) << unsealed.error().message;
  EXPECT_EQ(unsealed->lines, "one\nthree\n");
  EXPECT_EQ(unsealed->broken, (std::vector<std::uint64_t>{begins[1], begins[3]}));
  EXPECT_EQ(unseal_segment(content, spool, 6).error().code, Code::kDenied);
  EXPECT_EQ(unseal_segment("no end", spool, 5).error().code, Code::kInvalid);
}

TEST(SpoolSealed, AScanIsBoundedInBytes) {
  const Segment segment(3, 200 * 1024);
  EXPECT_EQ(segment.scan(0, segment.bytes.size(), 10).count, 2U);
  EXPECT_LE(segment.scan(0, segment.bytes.size(), 10).lines.size(), kLineLimit);
}

}  // namespace
}  // namespace portolan::audit

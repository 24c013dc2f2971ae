#include "audit/spool_line.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "crypto/hash.h"

namespace portolan::audit {
namespace {

api::AuditRecord query(std::string text) {
  api::AuditRecord out;
  out.kind = "query";
  out.session = "s-1";
  out.sequence = 7;
  out.time = WallTime(std::chrono::milliseconds(1'800'000'000'123));
  out.text = std::move(text);
  return out;
}

std::string_view without_end(std::string_view line) { return line.substr(0, line.size() - 1); }

TEST(SpoolLine, HasTheDocumentedForm) {
  // CRC-32 as in ISO 3309, zlib and zip.
  EXPECT_EQ(line_of("123456789"), "cbf43926 123456789\n");
}

TEST(SpoolLine, RoundTrips) {
  const auto in = query("select 'ü\n\t\"' \xf0\x9f\x90\x98");
  const std::string line = *encode_line(in);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto out = decode_line(without_end(line));
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(json::encode(*out), json::encode(in));
}

TEST(SpoolLine, EveryAlteredByteIsSeen) {
  const std::string line = *encode_line(query("select 1"));
  for (std::size_t i = 0; i + 1 < line.size(); ++i) {
    std::string altered(without_end(line));
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(decode_line(altered)) << "byte " << i;
    EXPECT_FALSE(decode_line(without_end(line).substr(0, i))) << "cut at " << i;
  }
  EXPECT_FALSE(decode_line(line)) << "with its newline";
  EXPECT_FALSE(decode_line("00000000 "));  // the CRC fits, but this is no record
}

TEST(SpoolLine, TakesMembersOfANewerRelease) {
  auto value = json::to_value(query("select 1"));
  value.get_object()["shard"] = 3;
  EXPECT_TRUE(decode_line(without_end(line_of(json::print(value)))));
}

TEST(SpoolLine, KeepsTextOfAnyBytes) {
  const struct {
    std::string_view in, out;
  } cases[] = {
      {"latin1 \xfc", "latin1 \ufffd"},
      {"cut \xe2\x82", "cut \ufffd\ufffd"},
      {"overlong \xc0\xaf \xe0\x80\xaf", "overlong \ufffd\ufffd \ufffd\ufffd\ufffd"},
      {"surrogate \xed\xa0\x80", "surrogate \ufffd\ufffd\ufffd"},
      {"too high \xf4\x90\x80\x80", "too high \ufffd\ufffd\ufffd\ufffd"},
      {"good \xc3\xbc \xe2\x82\xac \xf4\x8f\xbf\xbf", "good \xc3\xbc \xe2\x82\xac \xf4\x8f\xbf\xbf"},
  };
  for (const auto& c : cases) {
    const auto line = encode_line(query(std::string(c.in)));
    ASSERT_TRUE(line);
    const auto out = decode_line(without_end(*line));
    ASSERT_TRUE(out) << c.out << out.error().message;
    EXPECT_EQ(*out->text, c.out);
  }
}

TEST(SpoolLine, CutsTextThatWouldBurstTheLine) {
  const std::string text(256 * 1024, '\x01');  // six bytes each in JSON
  const auto line = encode_line(query(text));
  ASSERT_TRUE(line);
  EXPECT_LE(line->size(), kLineLimit);
  const auto out = decode_line(without_end(*line));
  ASSERT_TRUE(out);
  EXPECT_EQ(*out->text, std::string(64 * 1024, '\x01'));
  EXPECT_EQ(*out->text_length, text.size());
  EXPECT_EQ(*out->text_sha256, hex(crypto::sha256(as_bytes(text))));

  auto cut_before = query(text);
  cut_before.text_length = 1'000'000;
  cut_before.text_sha256 = "abc";
  const auto again = decode_line(without_end(*encode_line(cut_before)));
  EXPECT_EQ(*again->text_length, 1'000'000U);
  EXPECT_EQ(*again->text_sha256, "abc");

  auto hopeless = query("");
  hopeless.error = text;
  EXPECT_EQ(encode_line(hopeless).error().code, Code::kLimit);
}

TEST(SpoolLine, ScanStopsWhereItMust) {
  std::string bytes;
  for (int i = 0; i < 3; ++i) bytes += *encode_line(query("select " + std::to_string(i)));
  const std::size_t each = bytes.size() / 3;
  EXPECT_EQ(scan(bytes, 10).records.size(), 3U);
  EXPECT_EQ(scan(bytes, 10).used, bytes.size());
  EXPECT_EQ(scan(bytes, 2).used, 2 * each);
  const Scan torn = scan(std::string_view(bytes).substr(0, bytes.size() - 1), 10);
  EXPECT_EQ(torn.used, 2 * each);
  EXPECT_FALSE(torn.broken);
  bytes[each + 20] ^= 1;
  const Scan broken = scan(bytes, 10);
  EXPECT_EQ(broken.used, each);
  EXPECT_EQ(broken.records.size(), 1U);
  EXPECT_TRUE(broken.broken);
}

}  // namespace
}  // namespace portolan::audit

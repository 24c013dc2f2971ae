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

const ChainPoint kPoint{"c-0123456789abcdefghij", 41, crypto::sha256(as_bytes("x"))};

// As it stands in a segment in clear text.
std::string line_of(const ChainPoint& point, std::string_view json) { return line_with_crc(handed_line(point, json)); }

std::string line_of_record(const api::AuditRecord& record) { return line_of(kPoint, *encode_record(record)); }

Result<api::AuditRecord> decode_line(std::string_view line) {
  PL_TRY(const Line parsed, parse_line(line));
  return decode_record(parsed.json);
}

TEST(SpoolLine, HasTheDocumentedForm) {
  // CRC-32 as in ISO 3309, zlib and zip.
  EXPECT_EQ(line_with_crc("123456789"), "cbf43926 123456789\n");
  const std::string line = line_of(kPoint, R"({"kind":"query"})");
  EXPECT_EQ(line.substr(8), R"( {"form":2,"chain":"c-0123456789abcdefghij","number":41,"hash":")"
                            R"(2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","kind":"query"})"
                            "\n");
  EXPECT_TRUE(parse_line(without_end(line)));
}

TEST(SpoolLine, RoundTrips) {
  const auto in = query("select 'ü\n\t\"' \xf0\x9f\x90\x98");
  const std::string line = line_of_record(in);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto out = parse_line(without_end(line));
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(out->json, json::encode(in));
  EXPECT_EQ(out->point.chain, kPoint.chain);
  EXPECT_EQ(out->point.number, kPoint.number);
  EXPECT_EQ(out->point.hash, kPoint.hash);
}

TEST(SpoolLine, OfTheFirstReleaseAndForIt) {
  const auto in = query("select 1");
  const auto old = parse_line(without_end(line_with_crc(json::encode(in))));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->point.number, 0U);
  EXPECT_EQ(old->json, json::encode(in));
  // It reads what stands behind the CRC as a record and skips what it does not know.
  const auto read = json::decode<api::AuditRecord>(without_end(line_of_record(in)).substr(9), json::Unknown::kIgnore);
  ASSERT_TRUE(read);
  EXPECT_EQ(json::encode(*read), json::encode(in));
}

TEST(SpoolLine, EveryAlteredByteIsSeen) {
  const std::string line = line_of_record(query("select 1"));
  for (std::size_t i = 0; i + 1 < line.size(); ++i) {
    std::string altered(without_end(line));
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(parse_line(altered)) << "byte " << i;
    EXPECT_FALSE(parse_line(without_end(line).substr(0, i))) << "cut at " << i;
  }
  EXPECT_FALSE(parse_line(line)) << "with its newline";
  EXPECT_FALSE(decode_line("00000000 "));  // the CRC fits, but this is no record
}

TEST(SpoolLine, RefusesPlacesThatAreNone) {
  for (const char* json : {R"({"form":2,"chain":"x","number":1,"hash":"00",)",
                           R"({"form":2,"chain":"c-1","number":-1,)", R"({"form":2,"chain":"c-1","number":0,"hash":")"})
    EXPECT_FALSE(parse_line(without_end(line_with_crc(json)))) << json;
  ChainPoint none = kPoint;
  none.number = 0;
  EXPECT_FALSE(parse_line(without_end(line_of(none, "{}"))));
}

TEST(SpoolLine, TakesMembersOfANewerRelease) {
  auto value = json::to_value(query("select 1"));
  value.get_object()["shard"] = 3;
  EXPECT_TRUE(decode_line(without_end(line_of(kPoint, json::print(value)))));
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
    const auto out = decode_record(*encode_record(query(std::string(c.in))));
    ASSERT_TRUE(out) << c.out << out.error().message;
    EXPECT_EQ(*out->text, c.out);
  }
}

// A record printed in two parts is the one printed at once.
TEST(SpoolLine, WhatRecordsOfASessionSayAlikeIsPrintedOnce) {
  api::AuditRecord whole = query("select '\"trace\":\"\"' \xfc");
  whole.trace = "t-1";
  whole.account = "a-1";
  whole.email = "ann@\"trace\":\"\"";
  whole.device = "d-1";
  whole.resource = "rs-1";
  whole.resource_name = "billing";
  whole.type = "postgres";
  whole.node = "n-1";
  whole.client = "any bytes \xe2\x82 \n";
  whole.database = "app";
  whole.rows = 3;
  for (const bool few : {false, true}) {
    if (few) whole.client.reset(), whole.database.reset(), whole.account.reset(), whole.trace.clear();
    auto own = query(*whole.text);
    own.rows = whole.rows;
    EXPECT_EQ(*encode_record(own, alike_part(whole)), *encode_record(whole));
    own.text = whole.text = std::string(256 * 1024, '\x01');
    EXPECT_EQ(*encode_record(own, alike_part(whole)), *encode_record(whole)) << "cut";
    whole.text = query("x").text;
  }
}

TEST(SpoolLine, CutsTextThatWouldBurstTheLine) {
  const std::string text(256 * 1024, '\x01');  // six bytes each in JSON
  const std::string line = line_of_record(query(text));
  EXPECT_LE(line.size(), kLineLimit);
  const auto out = decode_line(without_end(line));
  ASSERT_TRUE(out);
  EXPECT_EQ(*out->text, std::string(64 * 1024, '\x01'));
  EXPECT_EQ(*out->text_length, text.size());
  EXPECT_EQ(*out->text_sha256, hex(crypto::sha256(as_bytes(text))));

  auto cut_before = query(text);
  cut_before.text_length = 1'000'000;
  cut_before.text_sha256 = "abc";
  const auto again = decode_line(without_end(line_of_record(cut_before)));
  EXPECT_EQ(*again->text_length, 1'000'000U);
  EXPECT_EQ(*again->text_sha256, "abc");

  auto hopeless = query("");
  hopeless.error = text;
  EXPECT_EQ(encode_record(hopeless).error().code, Code::kLimit);
}

TEST(SpoolLine, ScanStopsWhereItMust) {
  std::string bytes;
  for (int i = 0; i < 3; ++i) bytes += line_of_record(query("select " + std::to_string(i)));
  const std::size_t each = bytes.size() / 3;
  EXPECT_EQ(scan(bytes, 10).count, 3U);
  EXPECT_EQ(scan(bytes, 10).used, bytes.size());
  EXPECT_EQ(scan(bytes, 2).used, 2 * each);
  const Scan torn = scan(std::string_view(bytes).substr(0, bytes.size() - 1), 10);
  EXPECT_EQ(torn.used, 2 * each);
  EXPECT_FALSE(torn.broken);
  bytes[each + 20] ^= 1;
  const Scan broken = scan(bytes, 10);
  EXPECT_EQ(broken.used, each);
  EXPECT_EQ(broken.count, 1U);
  EXPECT_TRUE(broken.broken);
}

TEST(SpoolLine, GivesBackWhatWasChained) {
  std::string bytes;
  for (std::uint64_t i = 1; i <= 5; ++i)
    bytes += line_of({kPoint.chain, i, crypto::sha256(as_bytes(std::to_string(i)))}, *encode_record(query("select 1")));
  const auto records = records_in(scan(bytes, 10).lines);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 5U);
  EXPECT_EQ(records->back().number, 5U);
  EXPECT_EQ(records->back().hash, hex(crypto::sha256(as_bytes("5"))));
  EXPECT_EQ(records->back().record, *encode_record(query("select 1")));
  EXPECT_FALSE(records_in("no end"));
}

TEST(SpoolLine, AScanIsOfOneChain) {
  ChainPoint other = kPoint;
  other.chain = "c-other";
  const std::string json = *encode_record(query("select 1"));
  const std::string bytes = line_with_crc(json) + line_of(kPoint, json) + line_of(kPoint, json) + line_of(other, json);
  Scan found = scan(bytes, 10);
  EXPECT_EQ(found.last.chain, "");
  EXPECT_EQ(found.count, 1U);
  found = scan(std::string_view(bytes).substr(found.used), 10);
  EXPECT_EQ(found.last.chain, kPoint.chain);
  EXPECT_EQ(found.count, 2U);
  EXPECT_EQ(found.last.hash, kPoint.hash);
}

}  // namespace
}  // namespace portolan::audit

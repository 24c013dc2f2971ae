#include "protocols/postgres/messages.h"

#include <gtest/gtest.h>

namespace portolan::protocols::postgres {
namespace {

Bytes packet(std::uint32_t code, std::string_view rest, std::optional<std::uint32_t> size = {}) {
  ByteWriter writer;
  writer.u32(size.value_or(static_cast<std::uint32_t>(8 + rest.size())));
  writer.u32(code);
  writer.text(rest);
  return writer.take();
}

constexpr std::uint32_t kV30 = 196608;
using namespace std::string_view_literals;

TEST(FirstPacket, Sizes) {
  struct Case {
    std::uint32_t size;
    bool ok;
  };
  for (const Case& c : {Case{0, false},
                        {3, false},
                        {4, false},
                        {7, false},
                        {8, true},
                        {9, true},
                        {10'000, true},
                        {10'001, false},
                        {0x7fffffff, false},
                        {0x80000000, false},
                        {0xffffffff, false}}) {
    ByteWriter writer;
    writer.u32(c.size);
    const auto size = first_packet_size(writer.view());
    EXPECT_EQ(size.has_value(), c.ok) << c.size;
    if (size) {
      EXPECT_EQ(*size, c.size);
    }
  }
  EXPECT_FALSE(first_packet_size(as_bytes("abc")));
}

TEST(FirstPacket, Requests) {
  EXPECT_TRUE(std::holds_alternative<SslRequest>(*parse_first_packet(packet(80877103, ""))));
  EXPECT_TRUE(std::holds_alternative<GssRequest>(*parse_first_packet(packet(80877104, ""))));
  EXPECT_EQ(as_text(ssl_request()), as_text(packet(80877103, "")));
  const auto cancel = parse_first_packet(cancel_request({12, 34}));
  ASSERT_TRUE(cancel);
  EXPECT_EQ(std::get<BackendKey>(*cancel), (BackendKey{12, 34}));
}

TEST(FirstPacket, Startup) {
  const auto parsed = parse_first_packet(packet(kV30 + 2, "user\0alice\0database\0d1\0database\0d2\0_pq_.x\0y\0\0"sv));
  ASSERT_TRUE(parsed);
  const auto& startup = std::get<Startup>(*parsed);
  EXPECT_EQ(startup.minor, 2);
  EXPECT_EQ(startup.parameters.size(), 4u);
  EXPECT_EQ(startup.find("user"), "alice");
  EXPECT_EQ(startup.find("database"), "d2") << "the last one counts, as at the server";
  EXPECT_EQ(startup.find("nothing"), "");
  EXPECT_EQ(as_text(startup_message({{"user", "alice"}})), as_text(packet(kV30, "user\0alice\0\0"sv)));
}

TEST(FirstPacket, Malformed) {
  struct Case {
    std::string_view what;
    Bytes bytes;
  };
  const Case cases[] = {
      {"no list", packet(kV30, "")},
      {"empty list: no user", packet(kV30, "\0"sv)},
      {"empty user", packet(kV30, "user\0\0\0"sv)},
      {"list without end", packet(kV30, "user\0alice\0"sv)},
      {"name without value", packet(kV30, "user\0alice\0x\0"sv)},
      {"value without end", packet(kV30, "user\0alice"sv)},
      {"bytes behind the end", packet(kV30, "user\0alice\0\0x"sv)},
      {"longer than it says", packet(kV30, "user\0alice\0\0"sv, 12)},
      {"protocol 2.0", packet(2u << 16, std::string(288, '\0'))},
      {"protocol 4.0", packet(4u << 16, "user\0alice\0\0"sv)},
      {"an unknown request", packet(80877105, "")},
      {"an SSLRequest with a tail", packet(80877103, "x")},
      {"a CancelRequest that is too short", packet(80877102, "1234567")},
      {"a CancelRequest that is too long", packet(80877102, "123456789")},
  };
  for (const Case& c : cases) EXPECT_FALSE(parse_first_packet(c.bytes)) << c.what;
  EXPECT_EQ(parse_first_packet(packet(2u << 16, "")).error().reason, "sqlstate_0A000");
}

TEST(FirstPacket, Http) {
  for (std::string_view text :
       {"GET /", "POST /", "PUT /", "HEAD /", "OPTIONS *", "DELETE /", "PATCH /", "CONNECT x", "PRI * HTTP/2.0"})
    EXPECT_TRUE(begins_like_http(as_bytes(text))) << text;
  for (std::string_view text : {"", "GET", "get /", "\0\0\0\x08"})
    EXPECT_FALSE(begins_like_http(as_bytes(text))) << text;
}

TEST(Messages, Headers) {
  struct Case {
    std::uint32_t length;
    bool ok;
  };
  for (const Case& c : {Case{0, false},
                        {3, false},
                        {4, true},
                        {5, true},
                        {1u << 30, true},
                        {(1u << 30) + 1, false},
                        {1u << 31, false},
                        {0xffffffff, false}}) {
    ByteWriter writer;
    writer.u8('Q');
    writer.u32(c.length);
    const auto header = parse_header(writer.view());
    EXPECT_EQ(header.has_value(), c.ok) << c.length;
    if (header) {
      EXPECT_EQ(header->type, 'Q');
      EXPECT_EQ(header->body, c.length - 4);
    }
  }
  ByteWriter writer;
  writer.u8('Q');
  writer.u32(1001);
  EXPECT_FALSE(parse_header(writer.view(), 1000)) << "the caller's limit holds";
  EXPECT_FALSE(parse_header(as_bytes("Q\0\0"sv)));
}

TEST(Messages, Authentication) {
  const auto md5 = parse_authentication(as_bytes("\0\0\0\5salt"sv));
  ASSERT_TRUE(md5);
  EXPECT_EQ(md5->kind, Authentication::kMd5);
  EXPECT_EQ(as_text(md5->data), "salt");
  EXPECT_FALSE(parse_authentication(as_bytes("\0\0\0\5sal"sv)));
  EXPECT_FALSE(parse_authentication(as_bytes("\0\0\0"sv)));
  EXPECT_TRUE(*offers_mechanism(as_bytes("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"sv), "SCRAM-SHA-256"));
  EXPECT_FALSE(*offers_mechanism(as_bytes("SCRAM-SHA-256-PLUS\0\0"sv), "SCRAM-SHA-256"));
  for (std::string_view bad : {""sv, "SCRAM"sv, "SCRAM\0"sv, "SCRAM\0\0x"sv})
    EXPECT_FALSE(offers_mechanism(as_bytes(bad), "SCRAM"));
  EXPECT_TRUE(parse_backend_key(as_bytes("12345678")));
  EXPECT_FALSE(parse_backend_key(as_bytes("1234567")));
  EXPECT_FALSE(parse_backend_key(as_bytes("123456789")));
}

TEST(Messages, ServerErrors) {
  const auto whole = parse_server_error(as_bytes("SFEHLER\0VERROR\0C42P01\0Mno such table\0Hhint\0\0"sv));
  EXPECT_EQ(whole.severity, "ERROR");
  EXPECT_EQ(whole.code, "42P01");
  EXPECT_EQ(whole.message, "no such table");
  EXPECT_EQ(parse_server_error(as_bytes("SFATAL\0C57P01\0\0"sv)).severity, "FATAL") << "before 9.6";
  EXPECT_EQ(parse_server_error(as_bytes("C42P01\0Mno such ta"sv)).message, "no such ta") << "cut";
  for (std::string_view odd : {""sv, "\0"sv, "M"sv, "\0\0\0"sv})
    EXPECT_EQ(parse_server_error(as_bytes(odd)).message, "");
}

TEST(Messages, OurErrorsCannotBeExtendedByForeignText) {
  const Bytes built =
      error_response({.code = "28000", .message = std::string("no\0Cevil", 8), .detail = "d", .hint = "h"});
  const auto header = parse_header(ByteView(built).first(kHeaderSize));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->type, 'E');
  EXPECT_EQ(header->body + kHeaderSize, built.size());
  EXPECT_EQ(as_text(ByteView(built).subspan(kHeaderSize)), "SFATAL\0VFATAL\0C28000\0Mno\0Dd\0Hh\0\0"sv);
}

TEST(Messages, RowsOfTags) {
  struct Case {
    std::string_view tag;
    std::optional<std::uint64_t> rows;
  };
  for (const Case& c : {Case{"INSERT 0 5", 5},
                        {"SELECT 3", 3},
                        {"COPY 100", 100},
                        {"UPDATE 0", 0},
                        {"MERGE 2", 2},
                        {"CREATE TABLE", {}},
                        {"BEGIN", {}},
                        {"", {}},
                        {"SELECT ", {}},
                        {"SELECT -1", {}},
                        {"SELECT 99999999999999999999", {}}})
    EXPECT_EQ(rows_of_tag(c.tag), c.rows) << c.tag;
}

TEST(Messages, Ours) {
  EXPECT_EQ(as_text(authentication_ok()), "R\0\0\0\x08\0\0\0\0"sv);
  EXPECT_EQ(as_text(backend_key_data({1, 2})), "K\0\0\0\x0c\0\0\0\1\0\0\0\2"sv);
  EXPECT_EQ(as_text(negotiate_version({"_pq_.a"})), "v\0\0\0\x13\0\3\0\0\0\0\0\1_pq_.a\0"sv);
  EXPECT_EQ(as_text(sasl_initial_response("M", "xy")), "p\0\0\0\x0cM\0\0\0\0\2xy"sv);
  EXPECT_EQ(as_text(password_message("pw")), "p\0\0\0\x07pw\0"sv);
}

}  // namespace
}  // namespace portolan::protocols::postgres

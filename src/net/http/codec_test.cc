#include "net/http/codec.h"

#include <gtest/gtest.h>

namespace portolan::net::http {
namespace {

struct Parsed {
  Head head;
  std::string body;
  std::size_t used = 0;
};

// Feeds `text` whole, or byte by byte.
Result<Parsed> parse(std::string_view text, Parser& parser, const Limits& limits, bool by_bytes) {
  HeadScanner scanner(limits);
  std::optional<std::size_t> length;
  for (std::size_t n = by_bytes ? 1 : text.size(); n <= text.size() && !length; ++n) {
    PL_TRY(length, scanner.scan(text.substr(0, n)));
  }
  if (!length) return fail(Code::kEof, "no end of the head");
  Parsed out;
  PL_TRY(out.head, parser.head(text.substr(0, *length)));
  PL_CHECK(parser.limit_body(limits.body_bytes));
  out.used = *length;
  std::size_t shown = by_bytes ? 1 : text.size();
  while (!parser.done()) {
    const auto rest = text.substr(out.used);
    if (rest.empty()) break;
    PL_TRY(const std::size_t n, parser.body(rest.substr(0, shown), out.body));
    out.used += n;
    if (n == 0 && shown >= rest.size()) break;
    shown = n == 0 ? shown + 1 : by_bytes ? 1 : text.size();
  }
  if (!parser.done()) PL_CHECK(parser.end());
  return out;
}

Result<Parsed> parse_request(std::string_view text, Limits limits = {}) {
  const auto whole = Parser::of_request(limits);
  const auto bytes = Parser::of_request(limits);
  auto a = parse(text, *whole, limits, false);
  const auto b = parse(text, *bytes, limits, true);
  EXPECT_EQ(a.has_value(), b.has_value()) << text;
  if (a && b) {
    EXPECT_EQ(a->body, b->body);
    EXPECT_EQ(a->used, b->used);
  }
  return a;
}

Result<Parsed> parse_response(std::string_view text, Parser::Body body = Parser::Body::kAsFramed) {
  const auto parser = Parser::of_response({}, body);
  return parse(text, *parser, {}, false);
}

TEST(Codec, ReadsARequest) {
  const auto in =
      parse_request("POST /a?b HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 3\r\n\r\nabcrest");
  ASSERT_TRUE(in) << in.error().message;
  EXPECT_EQ(in->head.method, "POST");
  EXPECT_EQ(in->head.target, "/a?b");
  EXPECT_EQ(in->head.headers.at("x-a"), "1, 2");
  EXPECT_EQ(in->body, "abc");
  EXPECT_TRUE(in->head.keep_alive);
}

TEST(Codec, ReadsChunks) {
  const auto in = parse_request(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3;ext=\"a b\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\nHost: evil\r\n\r\nrest");
  ASSERT_TRUE(in) << in.error().message;
  EXPECT_EQ(in->body, "abc0123456789");
  EXPECT_EQ(in->head.headers.at("host"), "h");
  EXPECT_FALSE(in->head.headers.contains("trailer"));
}

TEST(Codec, RefusesAmbiguousFraming) {
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::string length = "Content-Length: 3\r\n";
  for (const std::string& lines :
       {chunked + length, length + chunked, length + length, length + "content-length: 4\r\n", chunked + chunked,
        std::string("Content-Length: 3, 3\r\n"), std::string("Content-Length: +3\r\n"),
        std::string("Content-Length: -1\r\n"), std::string("Content-Length: 0x3\r\n"),
        std::string("Content-Length: 3 3\r\n"), std::string("Content-Length:\r\n"),
        std::string("Content-Length: 99999999999999999999999\r\n"), std::string("Content-Length : 3\r\n"),
        std::string("Transfer-Encoding: xchunked\r\n"), std::string("Transfer-Encoding: gzip, chunked\r\n"),
        std::string("Transfer-Encoding: chunked, identity\r\n"), std::string("Transfer-Encoding: identity\r\n"),
        std::string("Transfer-Encoding:\r\n"),
        std::string("Transfer-Encoding:\x0b"
                    "chunked\r\n")}) {
    EXPECT_FALSE(parse_request("POST / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\nabc")) << lines;
  }
  EXPECT_FALSE(parse_request("POST / HTTP/1.0\r\n" + chunked + "\r\n0\r\n\r\n"));
}

TEST(Codec, RefusesMalformedHeads) {
  for (const std::string_view text : {"GET / HTTP/1.1\nHost: h\n\n",
                                      "GET / HTTP/1.1\r\nHost: h\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\n\tfolded\r\n\r\n",
                                      "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nauthorization: b\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\nX: \x01\r\n\r\n",
                                      "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
                                      "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
                                      "GET /\r\n\r\n",
                                      "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
                                      "G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
                                      "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
                                      "GET / http/1.1\r\nHost: h\r\n\r\n",
                                      "PRI * HTTP/2.0\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: h\r\nConnection: ,;\r\n\r\n"})
    EXPECT_FALSE(parse_request(text)) << text;
  EXPECT_FALSE(parse_request(std::string("GET / HTTP/1.1\r\nHost: h\r\nX: ") + '\0' + "\r\n\r\n"));
  EXPECT_TRUE(parse_request("GET / HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n"));
}

TEST(Codec, RefusesBadChunks) {
  for (const std::string_view body :
       {"x\r\n", "-1\r\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n", "ffffffffffffffff1\r\nabc", "3;\"a\r\nabc\r\n", "3;a=\"\nb\"\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n", "0\r\nbad trailer\r\n\r\n", "0\r\nContent-Length: 3\r\n\r\n", ";\r\n", "3\r\nabc\r\n"})
    EXPECT_FALSE(parse_request("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body)))
        << body;
}

TEST(Codec, LimitsWhatItTakes) {
  const Limits limits{.header_bytes = 200, .header_count = 3, .body_bytes = 10};
  const auto status = [&](const std::string& text) {
    const auto in = parse_request(text, limits);
    return in ? 200 : refusal_status(in.error());
  };
  EXPECT_EQ(status("GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\n\r\n"), 200);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n"), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nA: " + std::string(200, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status("GET /" + std::string(200, 'x')), 431);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789"), 200);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n"), 413);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n3\r\n"), 413);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"), 501);
  EXPECT_EQ(status("GET / HTTP/3.0\r\n\r\n"), 505);
  EXPECT_EQ(status("GET / HTTP/1.1\n\n"), 400);
}

TEST(Codec, LimitsWhatChunksCost) {
  std::string text = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100; ++i) text += "1;" + std::string(1000, 'x') + "\r\na\r\n";
  EXPECT_FALSE(parse_request(text + "0\r\n\r\n"));
  std::string small = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20000; ++i) small += "1\r\na\r\n";
  const auto parser = Parser::of_request({});
  const auto in = parse(small + "0\r\n\r\n", *parser, {}, false);
  ASSERT_TRUE(in);
  EXPECT_EQ(in->body.size(), 20000u);
}

TEST(Codec, ReadsResponses) {
  const auto by_length = parse_response("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(by_length);
  EXPECT_EQ(by_length->head.status, 200);
  EXPECT_EQ(by_length->body, "ok");
  EXPECT_TRUE(by_length->head.keep_alive);
  const auto to_the_end = parse_response("HTTP/1.1 200 OK\r\n\r\nall of it");
  ASSERT_TRUE(to_the_end);
  EXPECT_EQ(to_the_end->body, "all of it");
  EXPECT_FALSE(to_the_end->head.keep_alive);
  const auto of_head = parse_response("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n", Parser::Body::kNone);
  ASSERT_TRUE(of_head);
  EXPECT_EQ(of_head->body, "");
  EXPECT_TRUE(parse_response("HTTP/1.1 204 No Content\r\n\r\n"));
  EXPECT_TRUE(parse_response("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"));
}

TEST(Codec, RefusesBadResponses) {
  for (const std::string_view text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n",
        "HTTP/1.1 20 X\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"})
    EXPECT_FALSE(parse_response(text)) << text;
}

TEST(Codec, WritesHeads) {
  const Response response{
      200, {{"x-a", "b"}, {"content-length", "99"}, {"connection", "upgrade"}, {"transfer-encoding", "x"}}, "abc"};
  const auto text = encode_head(response, Framing::kLength, Persist::kKeep);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->starts_with("HTTP/1.1 200 OK\r\n")) << *text;
  EXPECT_TRUE(text->ends_with("\r\n\r\n"));
  const auto back = parse_response(*text + "abc");
  ASSERT_TRUE(back) << *text;
  EXPECT_EQ(back->head.headers.at("content-length"), "3");
  EXPECT_EQ(back->head.headers.at("x-a"), "b");
  EXPECT_EQ(back->head.headers.at("date").size(), 29u) << back->head.headers.at("date");
  EXPECT_FALSE(back->head.headers.contains("transfer-encoding"));
  const auto none = encode_head(Response{204, {}, {}}, Framing::kLength, Persist::kClose);
  EXPECT_FALSE(none->contains("ontent-")) << *none;
  EXPECT_TRUE(none->contains("Connection: close")) << *none;
  EXPECT_EQ(encode_chunk("0123456789abcdef"), "10\r\n0123456789abcdef\r\n");
}

TEST(Codec, RefusesToWriteWhatWouldReadDifferently) {
  for (const auto& [name, value] : Headers{{"a b", "x"},
                                           {"a:", "x"},
                                           {"", "x"},
                                           {"a", "x\r\nSet-Cookie: y"},
                                           {"b", "\n"},
                                           {"c", std::string(1, '\0')}}) {
    EXPECT_FALSE(encode_head(Response{200, {{name, value}}, {}}, Framing::kLength, Persist::kKeep)) << name;
    EXPECT_FALSE(encode_head(Request{.headers = {{name, value}}}, "h", Persist::kKeep)) << name;
  }
  EXPECT_FALSE(encode_head(Response{0, {}, {}}, Framing::kLength, Persist::kKeep));
  EXPECT_FALSE(encode_head(Response{100, {}, {}}, Framing::kLength, Persist::kKeep));
  EXPECT_FALSE(encode_head(Response{1000, {}, {}}, Framing::kLength, Persist::kKeep));
  EXPECT_FALSE(encode_head(Request{.method = "GET /x"}, "h", Persist::kKeep));
  EXPECT_FALSE(encode_head(Request{.method = ""}, "h", Persist::kKeep));
  EXPECT_FALSE(encode_head(Request{.path = "x"}, "h", Persist::kKeep));
  EXPECT_FALSE(encode_head(Request{}, "h\r\nX: y", Persist::kKeep));
}

}  // namespace
}  // namespace portolan::net::http

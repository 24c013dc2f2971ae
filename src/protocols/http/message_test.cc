#include "protocols/http/message.h"

#include <gtest/gtest.h>

#include "protocols/http/body.h"

namespace portolan::protocols::http {
namespace {

// How a reader takes a message: "ok", or the reason why it is refused.
std::string verdict(const Error& error) {
  return error.reason.empty() ? std::string(name_of(error.code)) : error.reason;
}

// All of the head and body, in pieces of `cut` bytes; what is left behind the message is shown.
struct Read {
  std::string verdict = "ok";
  std::string body;
  std::string rest;
  Fields trailers;
};

void read_body(Framing framing, std::string_view text, std::size_t cut, Read& out) {
  BodyReader reader(framing);
  std::size_t shown = std::min(cut, text.size()), used = 0;
  while (!reader.done()) {
    if (shown > used) {
      const auto taken = reader.take(text.substr(used, shown - used));
      if (!taken) {
        out.verdict = verdict(taken.error());
        return;
      }
      used += taken->used;
      out.body += taken->body;
      if (taken->used > 0) continue;
    }
    if (shown == text.size()) {
      if (!reader.end()) out.verdict = "cut";
      break;
    }
    shown = std::min(shown + cut, text.size());
  }
  out.rest = text.substr(used);
  out.trailers = reader.trailers();
}

Result<std::size_t> find_head(std::string_view text, std::size_t cut) {
  HeadEnd end;
  for (std::size_t shown = std::min(cut, text.size());; shown = std::min(shown + cut, text.size())) {
    PL_TRY(const auto length, end.find(text.substr(0, shown)));
    if (length) return *length;
    if (shown == text.size()) return fail(Code::kEof, "cut", "cut");
  }
}

Read read_request(std::string_view text, std::size_t cut = 1000) {
  Read out;
  const auto length = find_head(text, cut);
  if (!length) return {verdict(length.error()), {}, {}, {}};
  const auto head = parse_request(text.substr(0, *length));
  if (!head) return {verdict(head.error()), {}, {}, {}};
  const auto framing = framing_of(*head);
  if (!framing) return {verdict(framing.error()), {}, {}, {}};
  read_body(*framing, text.substr(*length), cut, out);
  return out;
}

Read read_response(std::string_view text, std::string_view method = "GET", std::size_t cut = 1000) {
  Read out;
  const auto length = find_head(text, cut);
  if (!length) return {verdict(length.error()), {}, {}, {}};
  const auto head = parse_response(text.substr(0, *length));
  if (!head) return {verdict(head.error()), {}, {}, {}};
  const auto framing = framing_of(*head, method);
  if (!framing) return {verdict(framing.error()), {}, {}, {}};
  read_body(*framing, text.substr(*length), cut, out);
  return out;
}

std::string get(std::string_view fields) { return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n"; }
std::string post(std::string_view fields, std::string_view body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

struct Case {
  const char* what;
  std::string text;
  std::string verdict;
};

TEST(HttpMessage, RequestsThatTwoReadersCouldReadDifferently) {
  using namespace std::string_literals;
  const std::string tail = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  const Case cases[] = {
      {"length and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + tail),
       "bad_message"},
      {"chunked and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + tail),
       "bad_message"},
      {"two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello" + tail), "bad_message"},
      {"twice the same length", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "bad_message"},
      {"lengths in a list", post("Content-Length: 5, 5\r\n", "hello"), "bad_message"},
      {"a length with a sign", post("Content-Length: +5\r\n", "hello"), "bad_message"},
      {"a negative length", post("Content-Length: -5\r\n", "hello"), "bad_message"},
      {"a hexadecimal length", post("Content-Length: 0x5\r\n", "hello"), "bad_message"},
      {"an empty length", post("Content-Length: \r\n", "hello"), "bad_message"},
      {"a length beyond 64 bits", post("Content-Length: 18446744073709551621\r\n", "hello"), "bad_message"},
      {"a space before the colon", post("Content-Length : 5\r\n", "hello"), "bad_message"},
      {"a tab before the colon", post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), "bad_message"},
      {"two encodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
       "bad_message"},
      {"identity", post("Transfer-Encoding: identity\r\n", ""), "unsupported_encoding"},
      {"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "unsupported_encoding"},
      {"chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), "unsupported_encoding"},
      {"xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), "unsupported_encoding"},
      {"a vertical tab",
       post("Transfer-Encoding: \x0b"
            "chunked\r\n",
            "0\r\n\r\n"),
       "bad_message"},
      {"quoted chunked", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), "unsupported_encoding"},
      {"by underscore", post("Transfer_Encoding: chunked\r\n", "0\r\n\r\n"), "bad_message"},
      {"length by underscore", post("Content_Length: 5\r\n", "hello"), "bad_message"},
      {"chunked in 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "bad_message"},
      {"folded", get("X: a\r\n b\r\n"), "bad_message"},
      {"folded by a tab", get("X: a\r\n\tTransfer-Encoding: chunked\r\n"), "bad_message"},
      {"a fold behind the request line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "bad_message"},
      {"bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", "bad_message"},
      {"bare LF in a value", get("X: a\nTransfer-Encoding: chunked\r\n"), "bad_message"},
      {"bare CR in a value", get("X: a\rTransfer-Encoding: chunked\r\n"), "bad_message"},
      {"CR CR LF", get("X: a\r\r\n"), "bad_message"},
      {"a zero byte", get("X: a\0b\r\n"s), "bad_message"},
      {"a control character", get("X: a\x01\r\n"), "bad_message"},
      {"no colon", get("X\r\n"), "bad_message"},
      {"an empty name", get(": a\r\n"), "bad_message"},
      {"a name in brackets", get("X(a): b\r\n"), "bad_message"},
      {"an empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "bad_message"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "bad_message"},
      {"an empty host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", "bad_message"},
      {"a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad_message"},
      {"a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "bad_message"},
      {"a host with a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "bad_message"},
      {"absolute form of another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"absolute form with a user", "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad_message"},
      {"absolute form of another scheme", "GET gopher://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"no path", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"a fragment", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"* of GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"no version", "GET /\r\nHost: a\r\n\r\n", "bad_message"},
      {"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "unsupported_version"},
      {"version 1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "unsupported_version"},
      {"version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", "bad_message"},
      {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "method_refused"},
      {"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "method_refused"},
      {"trace in lower case", "trace / HTTP/1.1\r\nHost: a\r\n\r\n", "method_refused"},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "unsupported_version"},
      {"many headers", get([] {
         std::string out;
         for (std::size_t i = 0; i < kFieldsLimit; ++i) out += "X: a\r\n";
         return out;
       }()),
       "headers_too_large"},
      {"a long header", get("X: " + std::string(kHeadLimit, 'a') + "\r\n"), "headers_too_large"},
      {"a long target", "GET /" + std::string(kTargetLimit, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", "headers_too_large"},
  };
  for (const Case& each : cases)
    for (const std::size_t cut : {1UL, 7UL, 100'000UL})
      EXPECT_EQ(read_request(each.text, cut).verdict, each.verdict) << each.what;
}

TEST(HttpMessage, ChunksThatTwoReadersCouldReadDifferently) {
  const Case cases[] = {
      {"no digits", "\r\n\r\n", "bad_message"},
      {"not hexadecimal", "g\r\n", "bad_message"},
      {"a sign", "+1\r\na\r\n0\r\n\r\n", "bad_message"},
      {"a minus", "-1\r\na\r\n0\r\n\r\n", "bad_message"},
      {"a prefix", "0x1\r\na\r\n0\r\n\r\n", "bad_message"},
      {"a leading space", " 1\r\na\r\n0\r\n\r\n", "bad_message"},
      {"a trailing space", "1 \r\na\r\n0\r\n\r\n", "bad_message"},
      {"bare LF", "1\na\r\n0\r\n\r\n", "bad_message"},
      {"bare CR", "1\ra\r\n0\r\n\r\n", "bad_message"},
      {"beyond 64 bits", "10000000000000001\r\na", "bad_message"},
      {"close to 64 bits", "ffffffffffffffff\r\na", "bad_message"},
      {"seventeen digits", "00000000000000001\r\na\r\n0\r\n\r\n", "bad_message"},
      {"longer than its size", "1\r\nab\r\n0\r\n\r\n", "bad_message"},
      {"ended by LF", "1\r\na\n0\r\n\r\n", "bad_message"},
      {"bare LF in an extension", "1;a\nb\r\na\r\n0\r\n\r\n", "bad_message"},
      {"a zero byte in an extension", std::string("1;a\0\r\na\r\n0\r\n\r\n", 14), "bad_message"},
      {"a long extension", "1;" + std::string(kChunkLineLimit, 'x') + "\r\na\r\n0\r\n\r\n", "bad_message"},
      {"no end of a size", std::string(2 * kChunkLineLimit, '0'), "bad_message"},
      {"a folded trailer", "0\r\nX: a\r\n b\r\n\r\n", "bad_message"},
      {"a trailer that folds at once", "0\r\n X: a\r\n\r\n", "bad_message"},
      {"a trailer without a colon", "0\r\nX\r\n\r\n", "bad_message"},
      {"long trailers", "0\r\nX: " + std::string(kTrailersLimit, 'a') + "\r\n\r\n", "headers_too_large"},
      {"cut in a chunk", "5\r\nhel", "cut"},
      {"cut behind a chunk", "5\r\nhello\r\n", "cut"},
      {"cut in the trailers", "0\r\nX: a\r\n", "cut"},
  };
  for (const Case& each : cases)
    for (const std::size_t cut : {1UL, 5UL, 100'000UL})
      EXPECT_EQ(read_request(post("Transfer-Encoding: chunked\r\n", each.text), cut).verdict, each.verdict)
          << each.what;
}

TEST(HttpMessage, ManyChunkExtensionsAreTooMany) {
  std::string body;
  for (int i = 0; i < 20; ++i) body += "1;" + std::string(900, 'x') + "\r\na\r\n";
  EXPECT_EQ(read_request(post("Transfer-Encoding: chunked\r\n", body + "0\r\n\r\n")).verdict, "bad_message");
}

TEST(HttpMessage, AnswersThatTwoReadersCouldReadDifferently) {
  using namespace std::string_literals;
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const Case cases[] = {
      {"length and chunked", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "bad_message"},
      {"two lengths", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "bad_message"},
      {"a list of lengths", ok + "Content-Length: 5, 5\r\n\r\nhello", "bad_message"},
      {"unknown encoding", ok + "Transfer-Encoding: gzip\r\n\r\n", "unsupported_encoding"},
      {"chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "bad_message"},
      {"folded", ok + "X: a\r\n b\r\n\r\n", "bad_message"},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bad_message"},
      {"bare CR in a cookie", ok + "Set-Cookie: a\rSet-Cookie: b\r\n\r\n", "bad_message"},
      {"a zero byte", ok + "X: a\0\r\n\r\n"s, "bad_message"},
      {"a short status", "HTTP/1.1 20 OK\r\n\r\n", "bad_message"},
      {"a long status", "HTTP/1.1 2000 OK\r\n\r\n", "bad_message"},
      {"status 99", "HTTP/1.1 099 OK\r\n\r\n", "bad_message"},
      {"status 600", "HTTP/1.1 600 OK\r\n\r\n", "bad_message"},
      {"HTTP/0.9", "<html>\r\n\r\n", "bad_message"},
      {"another protocol", "ICY 200 OK\r\n\r\n", "bad_message"},
      {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "unsupported_version"},
      {"cut", ok + "Content-Length: 5\r\n\r\nhel", "cut"},
  };
  for (const Case& each : cases)
    for (const std::size_t cut : {1UL, 7UL, 100'000UL})
      EXPECT_EQ(read_response(each.text, "GET", cut).verdict, each.verdict) << each.what;
  // What is ambiguous is so where no body follows too: who reads it next may not know.
  EXPECT_EQ(read_response(ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD").verdict,
            "bad_message");
}

TEST(HttpMessage, BodiesEndWhereTheyEnd) {
  const std::string tail = "GET /next";
  for (std::size_t cut = 1; cut < 40; ++cut) {
    Read read = read_request(post("Content-Length: 5\r\n", "hello" + tail), cut);
    EXPECT_EQ(read.verdict, "ok");
    EXPECT_EQ(read.body, "hello");
    EXPECT_EQ(read.rest.substr(0, tail.size()), tail.substr(0, read.rest.size()));
    const std::string chunks = "2;name=\"x\"\r\nhe\r\n003\r\nllo\r\n0;last\r\nX-Sum: 1\r\n\r\n";
    read = read_request(post("transfer-encoding: Chunked\r\n", chunks + tail), cut);
    EXPECT_EQ(read.verdict, "ok");
    EXPECT_EQ(read.body, "hello");
    EXPECT_EQ(read.rest, tail);
    ASSERT_EQ(read.trailers.all().size(), 1U);
    EXPECT_EQ(read.trailers.first("x-sum"), "1");
    EXPECT_EQ(read_request(get("Content-Length: 0\r\n") + tail, cut).rest, tail);
    EXPECT_EQ(read_response("HTTP/1.1 200 OK\r\n\r\nhello", "GET", cut).body, "hello");
    EXPECT_EQ(read_response("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nnext", "GET", cut).rest, "next");
    EXPECT_EQ(read_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnext", "HEAD", cut).rest, "next");
    EXPECT_EQ(read_response("HTTP/1.1 204\r\n\r\nnext", "GET", cut).rest, "next");
  }
}

TEST(HttpMessage, HeadsComeOutAsTheyWereRead) {
  const auto head =
      parse_request("GET /a%20b?x=1 HTTP/1.1\r\nHOST: Wiki.Localhost:65230\r\nX-A:  b \t\r\nx-a: c\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->authority, "wiki.localhost:65230");
  EXPECT_EQ(head->path(), "/a%20b");
  EXPECT_EQ(head->query(), "x=1");
  EXPECT_EQ(print(*head), "GET /a%20b?x=1 HTTP/1.1\r\nHost: wiki.localhost:65230\r\nX-A: b\r\nx-a: c\r\n\r\n");
  const auto absolute = parse_request("GET HTTPS://a:443 HTTP/1.1\r\nHost: A\r\n\r\n");
  ASSERT_TRUE(absolute) << absolute.error().message;
  EXPECT_EQ(absolute->scheme, "https");
  EXPECT_EQ(absolute->authority, "a");
  EXPECT_EQ(absolute->target, "/");
  const auto answer = parse_response("HTTP/1.1 404 Not here\r\nX: y\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(print(*answer), "HTTP/1.1 404 Not here\r\nX: y\r\n\r\n");
}

TEST(HttpMessage, Authorities) {
  EXPECT_EQ(parse_authority("A.b:80"), (Authority{"a.b", 80}));
  EXPECT_EQ(parse_authority("[::1]:5"), (Authority{"::1", 5}));
  EXPECT_EQ(print(Authority{"::1", 5}, "http"), "[::1]:5");
  EXPECT_EQ(print(Authority{"a", 443}, "https"), "a");
  EXPECT_EQ(print(Authority{"a", 443}, "http"), "a:443");
  for (const char* bad :
       {"", ":80", "a:", "a:0", "a:65536", "a:1x", "a:-1", "[::1", "[]", "[a]", "a b", "a%41", "a\\b", "::1"})
    EXPECT_FALSE(parse_authority(bad)) << bad;
}

}  // namespace
}  // namespace portolan::protocols::http

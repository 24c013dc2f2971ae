#include "net/http/message.h"

#include <gtest/gtest.h>

#include "net/http/target.h"

namespace portolan::net::http {
namespace {

TEST(Target, TakesPathAndQueryApart) {
  const auto target = parse_target("/v1/a%20b/%C3%BC?x=1&y=%26+z&flag&&empty=");
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->path, "/v1/a b/ü");
  const std::map<std::string, std::string> query = {{"x", "1"}, {"y", "& z"}, {"flag", ""}, {"empty", ""}};
  EXPECT_EQ(target->query, query);
  EXPECT_EQ(target->origin, "/v1/a%20b/%C3%BC?x=1&y=%26+z&flag&&empty=");
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_EQ(parse_target("/")->origin, "/");
  EXPECT_EQ(parse_target("/a/")->path, "/a/");
  EXPECT_EQ(parse_target("/a//b")->path, "/a//b");
  EXPECT_EQ(parse_target("/...")->path, "/...");
}

TEST(Target, TakesTheAbsoluteForm) {
  const auto target = parse_target("http://Host:80/a?b=c");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->authority, "Host:80");
  EXPECT_EQ(target->path, "/a");
  EXPECT_EQ(parse_target("https://host")->path, "/");
  EXPECT_EQ(target->origin, "/a?b=c");
  EXPECT_EQ(parse_target("https://host?x=%31")->origin, "/?x=%31");
  EXPECT_EQ(parse_target("https://host?x=1")->query.at("x"), "1");
}

TEST(Target, RefusesWhatHides) {
  for (const char* text : {"",         "*",        "a",          "host:80",      "http://",       "http:///a",
                           "/a#b",     "/a b",     "/\x01",      "/\xc3\xbc",    "/a\x7f",        "/%",
                           "/%4",      "/%4g",     "/%00",       "/%0a",         "/%7f",          "/a%2fb",
                           "/a%2Fb",   "/..",      "/../a",      "/a/..",        "/a/./b",        "/%2e%2E/a",
                           "/%2e",     "/%ff",     "/%c0%af",    "/%ed%a0%80",   "/%f4%90%80%80", "/a?x=%00",
                           "/a?x=%zz", "/a?x=%ff", "/a?x=1&x=2", "/a?x=1&%78=2", "/a?x&x"}) {
    const auto target = parse_target(text);
    EXPECT_FALSE(target) << text;
    if (!target) {
      EXPECT_EQ(target.error().code, Code::kInvalid) << text;
    }
  }
}

TEST(Target, HostNames) {
  EXPECT_EQ(*host_name("App.Example"), "app.example");
  EXPECT_EQ(*host_name("app.example:443"), "app.example");
  EXPECT_EQ(*host_name("127.0.0.1:8080"), "127.0.0.1");
  EXPECT_EQ(*host_name("[::1]:5000"), "[::1]");
  for (const char* text : {"", ":80", "a:b", "a:", "a:80x", "a:99999", "a b", "a/b", "a@b", "a,b", "[::1", "[]", "::1",
                           "[::1]x", "a:80:80"})
    EXPECT_FALSE(host_name(text)) << text;
}

TEST(Target, Utf8) {
  for (const char* text : {"", "abc", "ü", "€", "\xf0\x9f\x9a\xa2", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(text)) << text;
  for (const char* text : {"\x80", "\xc3", "\xc1\x81", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf5\x80\x80\x80", "\xe2\x82", "a\xff"})
    EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(Message, TargetAndBack) {
  Request request;
  request.path = "/v1/a b/100%/ü";
  request.query = {{"x", "1"}, {"y", " &=+#/\n"}};
  EXPECT_EQ(to_target(request), "/v1/a%20b/100%25/%C3%BC?x=1&y=%20%26%3D%2B%23%2F%0A");
  const auto back = parse_target(to_target(request));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->path, request.path);
  EXPECT_EQ(back->query, request.query);
}

TEST(Message, HeadersAndParameters) {
  const Request request{.query = {{"a", "1"}}, .headers = {{"accept", "x"}}};
  EXPECT_EQ(request.header("accept"), "x");
  EXPECT_EQ(request.header("other"), "");
  EXPECT_EQ(request.parameter("a"), "1");
  EXPECT_EQ(request.parameter("b"), std::nullopt);
}

}  // namespace
}  // namespace portolan::net::http

#include "protocols/http/rules.h"

#include <gtest/gtest.h>

namespace portolan::protocols::http {
namespace {

std::string verdict(const Rules& rules, std::string method, std::string target, bool websocket = false) {
  const RequestHead head{.method = std::move(method), .scheme = {}, .authority = "a", .target = std::move(target)};
  const auto checked = rules.check(head, websocket);
  return checked ? "ok" : checked.error().reason;
}

TEST(HttpRules, Methods) {
  const Rules rules = *Rules::make("GET, POST", "", false);
  EXPECT_EQ(verdict(rules, "GET", "/"), "ok");
  EXPECT_EQ(verdict(rules, "DELETE", "/"), "method_refused");
  EXPECT_EQ(verdict(rules, "get", "/"), "method_refused");
  EXPECT_EQ(rules.allowed(), "GET, POST");
  EXPECT_FALSE(Rules::make("get", "", false));
  EXPECT_FALSE(Rules::make("G T", "", false));
  EXPECT_FALSE(Rules::make("POST", "", true));
}

TEST(HttpRules, ReadOnly) {
  const Rules rules = *Rules::make("", "", true);
  for (const char* method : {"GET", "HEAD", "OPTIONS"}) EXPECT_EQ(verdict(rules, method, "/"), "ok") << method;
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "PROPPATCH", "GET2"})
    EXPECT_EQ(verdict(rules, method, "/"), "read_only") << method;
  EXPECT_EQ(verdict(rules, "GET", "/", true), "read_only");
}

TEST(HttpRules, AMethodIsNotAnotherByAHeader) {
  Fields fields;
  fields.add("X-HTTP-Method-Override", "DELETE");
  fields.add("X_HTTP_Method", "DELETE");
  Fields kept = fields;
  Rules().drop_overrides(kept);
  EXPECT_EQ(kept.all().size(), 2U);
  Rules::make("GET,POST", "", false)->drop_overrides(fields);
  EXPECT_TRUE(fields.empty());
}

TEST(HttpRules, PathsThatCouldBeReadInTwoWaysAreRefused) {
  const Rules rules = *Rules::make("", "/public/*, /status", false);
  for (const char* path :
       {"/public/", "/public/a/b?x=/../y", "/status", "/status?a", "/public/%61", "/p%75blic/x", "/public/a%20b",
        "/public/.well-known", "/public/a..", "/public/%c3%a4", "/public/%e2%82%ac"})
    EXPECT_EQ(verdict(rules, "GET", path), "ok") << path;
  for (const char* path : {"/", "/private", "/public", "/statusx", "/status/"})
    EXPECT_EQ(verdict(rules, "GET", path), "path_refused") << path;
  for (const char* path : {"/public/../private",
                           "/public/%2e%2e/private",
                           "/public/.%2E/private",
                           "/public/./x",
                           "/public/..",
                           "/public//x",
                           "//private",
                           "/public/%2e",
                           "/public/..%2fprivate",
                           "/public/..%5cprivate",
                           "/public/..\\private",
                           "/public/..;/private",
                           "/public/x;y",
                           "/public/%252e%252e/private",
                           "/public/%00",
                           "/public/%0a",
                           "/public/%",
                           "/public/%2",
                           "/public/%zz",
                           "/public/..%20/private",
                           "/public/.../private",
                           "/public/%c0%ae%c0%ae/private",
                           "/public/..%c0%af..",
                           "/public/%e0%80%af",
                           "/public/%f0%80%80%af",
                           "/public/%ff"})
    EXPECT_EQ(verdict(rules, "GET", path), "path_ambiguous") << path;
  // Without patterns any path is the application's own affair.
  EXPECT_EQ(verdict(Rules(), "GET", "/public/..;/private"), "ok");
}

TEST(HttpRules, WhereSomethingIsMovedIsAPathToo) {
  const Rules rules = *Rules::make("", "/public/*", false);
  const auto moved = [&](const std::string& destination, const char* name = "Destination") {
    RequestHead head{.method = "MOVE", .scheme = {}, .authority = "a", .target = "/public/a"};
    head.fields.add(name, destination);
    const auto checked = rules.check(head, false);
    return checked ? "ok" : checked.error().reason;
  };
  for (const char* good : {"http://a/public/b", "/public/b", "https://other/public/b?x#y"})
    EXPECT_EQ(moved(good), "ok") << good;
  for (const char* other : {"http://a/private/b", "/private/b", "http://a", "http://a?/public/b", "", "public/b"})
    EXPECT_EQ(moved(other), "path_refused") << other;
  for (const char* odd : {"http://a/public/../private", "//a/private", "/public/%2e%2e/b", "http://a//public/b"})
    EXPECT_EQ(moved(odd), "path_ambiguous") << odd;
  EXPECT_EQ(moved("/private/b", "destination"), "path_refused");
  EXPECT_EQ(moved("/private/b", "X-Other"), "ok");
}

TEST(HttpRules, Patterns) {
  EXPECT_TRUE(matches("/a/*/c", "/a/b/b/c"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("/*.js", "/a.js.js"));
  EXPECT_FALSE(matches("/*.js", "/a.jsx"));
  EXPECT_FALSE(matches("/a", "/ab"));
  EXPECT_FALSE(matches("/a*b", "/a"));
  const std::string many = std::string(30, '*') + "x";
  EXPECT_FALSE(matches(many, std::string(5000, 'a')));
}

}  // namespace
}  // namespace portolan::protocols::http

#include "protocols/http/names.h"

#include <gtest/gtest.h>

#include "protocols/http/rewrite.h"

namespace portolan::protocols::http {
namespace {

Names wiki() {
  auto hosts =
      hosts_of_application("wiki.corp.example", "static=static.corp.example, api=api.example:8443", "https", {});
  return {"wiki", "https", *hosts};
}

RequestHead head_for(std::string authority, std::string scheme = "") {
  return {.method = "GET", .scheme = std::move(scheme), .authority = std::move(authority), .target = "/"};
}

TEST(HttpNames, WhomARequestIsFor) {
  const Names names = wiki();
  const auto main = names.view_of(head_for("wiki.localhost:65230"));
  ASSERT_TRUE(main);
  EXPECT_EQ(main->real_origin(), "https://wiki.corp.example");
  EXPECT_EQ(main->local_origin(), "http://wiki.localhost:65230");
  const auto api = names.view_of(head_for("api.wiki.localhost:65230"));
  ASSERT_TRUE(api);
  EXPECT_EQ(api->real_authority(), "api.example:8443");
  const auto real = names.view_of(head_for("wiki.corp.example", "https"));
  ASSERT_TRUE(real);
  EXPECT_EQ(real->form(), View::Form::kReal);
  for (const char* other : {"other.localhost:65230", "xwiki.localhost", "x.wiki.localhost", "localhost", "127.0.0.1",
                            "evil.example", "wiki.localhost.evil.example", "wiki.corp.example:8443"})
    EXPECT_FALSE(names.view_of(head_for(other, "https"))) << other;
}

TEST(HttpNames, UrlsBothWays) {
  const Names names = wiki();
  const View view = *names.view_of(head_for("wiki.localhost:65230"));
  EXPECT_EQ(view.to_local("https://wiki.corp.example/a?b#c"), "http://wiki.localhost:65230/a?b#c");
  EXPECT_EQ(view.to_local("https://WIKI.corp.example:443"), "http://wiki.localhost:65230");
  EXPECT_EQ(view.to_local("http://wiki.corp.example/"), "http://wiki.localhost:65230/");
  EXPECT_EQ(view.to_local("//static.corp.example/x"), "http://static.wiki.localhost:65230/x");
  EXPECT_EQ(view.to_local("wss://api.example:8443/s"), "ws://api.wiki.localhost:65230/s");
  for (const char* other :
       {"/relative", "https://evil.example/", "https://wiki.corp.example.evil/", "https://wiki.corp.example:8443/",
        "https://x@wiki.corp.example/", "https://api.example/", "javascript://wiki.corp.example/", ""})
    EXPECT_EQ(view.to_local(other), std::nullopt) << other;
  EXPECT_EQ(view.to_real("http://wiki.localhost:65230/a"), "https://wiki.corp.example/a");
  EXPECT_EQ(view.to_real("http://static.wiki.localhost:65230"), "https://static.corp.example");
  for (const char* other :
       {"http://wiki.localhost/", "https://wiki.localhost:65230/", "http://other.localhost:65230/", "null"})
    EXPECT_EQ(view.to_real(other), std::nullopt) << other;
}

TEST(HttpNames, Cookies) {
  const Names names = wiki();
  const View view = *names.view_of(head_for("wiki.localhost:65230"));
  const View alias = *names.view_of(head_for("static.wiki.localhost:65230"));
  EXPECT_EQ(local_cookie("a=b; Path=/x; HttpOnly; Secure; SameSite=Strict", view),
            "a=b; Path=/x; HttpOnly; SameSite=Strict");
  EXPECT_EQ(local_cookie("a=b; SameSite=None; Secure; Partitioned", view), "a=b");
  EXPECT_EQ(local_cookie("a=b; Domain=.corp.example", view), "a=b; Domain=wiki.localhost");
  EXPECT_EQ(local_cookie("a=b; domain=static.corp.example", alias), "a=b; Domain=static.wiki.localhost");
  EXPECT_EQ(local_cookie("__Host-s=1; Path=/; Secure", view), "pl__Host-s=1; Path=/");
  EXPECT_EQ(local_cookie("__Secure-s=1; Secure; Domain=corp.example", view), "pl__Secure-s=1; Domain=wiki.localhost");
  // Under its new name the browser does not hold it to what its own name promises.
  for (const char* broken : {"__Host-s=1; Path=/", "__Host-s=1; Secure", "__Host-s=1; Path=/x; Secure",
                             "__host-s=1; Path=/; Path=/x; Secure", "__Host-s=1; Path=/; Secure; Domain=corp.example",
                             "__Secure-s=1; Path=/", "pl__Host-s=1; Path=/; Secure",
                             "PL__secure-s=1; Domain=corp.example", " __Host-s=1; Path=/"})
    EXPECT_EQ(local_cookie(broken, view), std::nullopt) << broken;
  EXPECT_EQ(local_cookie("pl=1", view), "pl=1");
  EXPECT_EQ(real_cookies("x=1; pl__Host-s=1;pl__Secure-t=2; pl=3"), "x=1; __Host-s=1; __Secure-t=2; pl=3");
  // A browser would not take them from the application either.
  for (const char* domain : {"evil.example", "localhost", "orp.example", "static.corp.example", "other.localhost"})
    EXPECT_EQ(local_cookie(std::string("a=b; Domain=") + domain, view), std::nullopt) << domain;
}

TEST(HttpNames, HeadersBothWays) {
  const Names names = wiki();
  const View view = *names.view_of(head_for("wiki.localhost:65230"));
  Fields answer;
  answer.add("Location", "https://wiki.corp.example/next");
  answer.add("Access-Control-Allow-Origin", "https://static.corp.example");
  answer.add(
      "Content-Security-Policy",
      "default-src 'self'; upgrade-insecure-requests; connect-src https://api.example:8443 wss://wiki.corp.example");
  answer.add("Alt-Svc", "h3=\":443\"");
  answer.add("Strict-Transport-Security", "max-age=1");
  answer.add("Set-Cookie", "a=b; Domain=evil.example");
  answer.add("Refresh", "5; url=https://wiki.corp.example/x");
  to_local_names(answer, view);
  EXPECT_EQ(answer.first("location"), "http://wiki.localhost:65230/next");
  EXPECT_EQ(answer.first("access-control-allow-origin"), "http://static.wiki.localhost:65230");
  EXPECT_EQ(answer.first("content-security-policy"),
            "default-src 'self'; connect-src http://api.wiki.localhost:65230 ws://wiki.localhost:65230");
  EXPECT_EQ(answer.first("refresh"), "5; url=http://wiki.localhost:65230/x");
  for (const char* gone : {"alt-svc", "strict-transport-security", "set-cookie"})
    EXPECT_FALSE(answer.has(gone)) << gone;

  Fields request;
  request.add("Origin", "http://wiki.localhost:65230");
  request.add("Referer", "http://wiki.localhost:65230/page");
  to_real_names(request, view);
  EXPECT_EQ(request.first("origin"), "https://wiki.corp.example");
  EXPECT_EQ(request.first("referer"), "https://wiki.corp.example/page");
  request.set("Origin", "http://evil.example");
  to_real_names(request, view);
  EXPECT_EQ(request.first("origin"), "http://evil.example");
}

TEST(HttpNames, LinksInTextHoweverItIsCut) {
  const Names names = wiki();
  const auto pairs = names.view_of(head_for("wiki.localhost:65230"))->to_local_pairs();
  const std::string text =
      R"(<a href="https://wiki.corp.example/x"> //static.corp.example/y "https:\/\/wiki.corp.example\/z" wss://wiki.corp.example )"
      R"(https://wiki.corp.example.evil/ https://wiki.corp.example@evil/ xhttps://wiki.corp.example https://wiki.corp.example)";
  const std::string expected =
      R"(<a href="http://wiki.localhost:65230/x"> //static.wiki.localhost:65230/y "http:\/\/wiki.localhost:65230\/z" ws://wiki.localhost:65230 )"
      R"(https://wiki.corp.example.evil/ https://wiki.corp.example@evil/ xhttps://wiki.corp.example http://wiki.localhost:65230)";
  for (std::size_t cut = 1; cut < 60; ++cut) {
    LinkReplacer replacer(pairs);
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += cut) replacer.feed(std::string_view(text).substr(at, cut), out);
    replacer.end(out);
    EXPECT_EQ(out, expected) << cut;
  }
}

TEST(HttpNames, AliasesAreChecked) {
  for (const char* bad : {"x", "=a", "A=a", "a_b=a", "a=", "a=b c", "a=wiki.corp.example", "a=x, a=y", "-a=x"})
    EXPECT_FALSE(hosts_of_application("wiki.corp.example", bad, "https", {})) << bad;
  const auto hosts = hosts_of_application("w", "a=b.example", "https", {{"w", 443}, {"b.example", 443}});
  ASSERT_TRUE(hosts);
  EXPECT_EQ((*hosts)[1].dial, 1U);
}

}  // namespace
}  // namespace portolan::protocols::http

#include "client/web/checks.h"

#include <gtest/gtest.h>

namespace portolan::client::web {
namespace {

api::AgentResource web_resource(std::string name, std::vector<api::AgentWebHost> hosts) {
  return {.id = "rs-" + name, .name = std::move(name), .type = "http", .egress = {}, .web = std::move(hosts)};
}

const Names& names() {
  static const Names some(
      {web_resource("wiki", {{"", "https://wiki.corp.example"}, {"cdn", "https://cdn.other.example"}}),
       web_resource("crm", {{"", "https://crm.corp.example"}}), web_resource("old", {{"", "http://old.corp.example"}})},
      {"wiki", "crm"}, {});
  return some;
}

// Of a request as it comes: "" if it may pass, else the reason.
std::string verdict(const std::string& lines) {
  const auto head = http::parse_request(lines + "\r\n");
  EXPECT_TRUE(head) << lines;
  if (!head) return "unreadable";
  const auto asked = whom(*head, {65230, nullptr, &names()});
  EXPECT_TRUE(asked) << lines;
  if (!asked) return "nobody's";
  const auto checked = check_sender(*head, *asked);
  return checked ? "" : checked.error().reason;
}

std::string request(const std::string& method, const std::string& more,
                    const std::string& host = "wiki.localhost:65230") {
  return method + " / HTTP/1.1\r\nHost: " + host + "\r\n" + more;
}
std::string fetch(const std::string& site, const std::string& mode = "no-cors", const std::string& dest = "image") {
  return "Sec-Fetch-Site: " + site + "\r\nSec-Fetch-Mode: " + mode + "\r\nSec-Fetch-Dest: " + dest + "\r\n";
}
const std::string kOwn = "Origin: http://wiki.localhost:65230\r\n";
const std::string kAlias = "Origin: http://cdn.wiki.localhost:65230\r\n";
const std::string kEvil = "Origin: https://evil.example\r\n";
const std::string kOther = "Origin: http://crm.localhost:65230\r\n";
const std::string kNull = "Origin: null\r\n";
const std::string kSocket = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

TEST(WebChecks, ProgramsPass) {
  for (const char* method : {"GET", "POST", "DELETE", "OPTIONS", "PROPFIND"})
    EXPECT_EQ(verdict(request(method, "User-Agent: curl/8\r\n")), "") << method;
  EXPECT_EQ(verdict(request("GET", kSocket)), "");
}

TEST(WebChecks, OwnPagesPass) {
  for (const std::string& origin : {kOwn, kAlias, std::string("Origin: HTTP://WIKI.localhost:65230\r\n")}) {
    EXPECT_EQ(verdict(request("POST", origin)), "") << origin;
    EXPECT_EQ(verdict(request("GET", origin + kSocket)), "") << origin;
    EXPECT_EQ(verdict(request("OPTIONS", origin + "Access-Control-Request-Method: PUT\r\n")), "") << origin;
  }
  EXPECT_EQ(verdict(request("GET", fetch("same-origin"))), "");
  EXPECT_EQ(verdict(request("POST", kOwn + fetch("same-origin", "cors", "empty"))), "");
  EXPECT_EQ(verdict(request("POST", kAlias + fetch("same-site", "cors", "empty"))), "");
  EXPECT_EQ(verdict(request("GET", kOwn + kSocket + fetch("same-origin", "websocket", "empty"))), "");
  // A picture of an alias: browsers send no Origin, and where it comes from as Referer.
  EXPECT_EQ(verdict(request("GET", "Referer: http://cdn.wiki.localhost:65230/\r\n" + fetch("same-site"))), "");
  // A form of a page without referrer.
  EXPECT_EQ(verdict(request("POST", kNull + fetch("same-origin", "navigate", "document"))), "");
  // What a person types, and a bookmark.
  EXPECT_EQ(verdict(request("GET", fetch("none", "navigate", "document"))), "");
}

TEST(WebChecks, OtherPagesDoNot) {
  for (const std::string& origin :
       {kEvil, kOther, std::string("Origin: http://localhost:65230\r\n"),
        std::string("Origin: http://wiki.localhost\r\n"), std::string("Origin: https://wiki.localhost:65230\r\n"),
        std::string("Origin: http://x.wiki.localhost:65230\r\n"),
        std::string("Origin: http://wiki.localhost:65230.evil.example\r\n"), std::string("Origin: \r\n"),
        std::string("Origin: https://wiki.corp.example\r\n")}) {
    for (const char* method : {"GET", "HEAD", "POST", "OPTIONS"})
      EXPECT_EQ(verdict(request(method, origin)), "foreign_origin") << method << origin;
    EXPECT_EQ(verdict(request("GET", origin + kSocket)), "foreign_origin") << origin;
  }
  EXPECT_EQ(verdict(request("POST", kNull)), "foreign_origin");
  EXPECT_EQ(verdict(request("POST", kNull + fetch("cross-site", "navigate", "document"))), "foreign_origin");
  EXPECT_EQ(verdict(request("GET", kNull + kSocket)), "foreign_origin");
  EXPECT_EQ(verdict(request("OPTIONS", kNull)), "foreign_origin");
  for (const char* site : {"cross-site", "same-site", "whatever", "CROSS-SITE"}) {
    EXPECT_EQ(verdict(request("GET", fetch(site))), "cross_site") << site;
    EXPECT_EQ(verdict(request("GET", fetch(site, "navigate", "iframe"))), "cross_site") << site;
    EXPECT_EQ(verdict(request("POST", fetch(site, "navigate", "document"))), "cross_site") << site;
    EXPECT_EQ(verdict(request("GET", kNull + fetch(site, "cors", "empty"))), "cross_site") << site;
    EXPECT_EQ(verdict(request("GET", "Referer: http://crm.localhost:65230/\r\n" + fetch(site))), "cross_site") << site;
    EXPECT_EQ(verdict(request("GET", "Referer: http://wiki.localhost:65230.evil.example/\r\n" + fetch(site))),
              "cross_site")
        << site;
  }
  // Another site that was asked by a page of the application, and that redirects.
  EXPECT_EQ(verdict(request("GET", "Referer: http://wiki.localhost:65230/\r\n" + fetch("cross-site"))), "cross_site");
  EXPECT_EQ(verdict(request("GET", kOwn + fetch("cross-site", "cors", "empty"))), "cross_site");
  // A browser that says so much says the Origin of a WebSocket, too.
  EXPECT_EQ(verdict(request("GET", kSocket + fetch("same-origin", "websocket", "empty"))), "cross_site");
  EXPECT_EQ(verdict(request("GET", kSocket + fetch("cross-site", "navigate", "document"))), "cross_site");
}

TEST(WebChecks, LinksMayBeFollowed) {
  EXPECT_EQ(verdict(request("GET", fetch("cross-site", "navigate", "document"))), "");
  EXPECT_EQ(verdict(request("GET", fetch("same-site", "navigate", "document"))), "");
  EXPECT_EQ(verdict(request("GET", fetch("cross-site", "navigate", "document"), "localhost:65230")), "");
}

TEST(WebChecks, NothingIsSaidTwice) {
  EXPECT_EQ(verdict(request("POST", kOwn + kEvil)), "bad_message");
  EXPECT_EQ(verdict(request("GET", fetch("same-origin") + "Sec-Fetch-Site: cross-site\r\n")), "bad_message");
}

TEST(WebChecks, TheOwnPageIsForItselfOnly) {
  EXPECT_EQ(verdict(request("GET", "", "localhost:65230")), "");
  EXPECT_EQ(verdict(request("GET", "Origin: http://localhost:65230\r\n" + fetch("same-origin", "cors", "empty"),
                            "localhost:65230")),
            "");
  EXPECT_EQ(verdict(request("GET", "Origin: http://localhost:3000\r\n", "localhost:65230")), "foreign_origin");
  EXPECT_EQ(verdict(request("GET", fetch("same-site", "cors", "empty"), "localhost:65230")), "cross_site");
  EXPECT_EQ(verdict(request("GET", "Referer: http://localhost:65230/\r\n" + fetch("same-site"), "localhost:65230")),
            "cross_site");
}

// In the forward proxy an application's hosts may be of several sites.
TEST(WebChecks, RealNames) {
  const auto real = [](const std::string& method, const std::string& more) {
    return method + " https://wiki.corp.example/ HTTP/1.1\r\nHost: wiki.corp.example\r\n" + more;
  };
  const std::string cdn = "Origin: https://cdn.other.example\r\n";
  EXPECT_EQ(verdict(real("POST", "Origin: https://wiki.corp.example\r\n" + fetch("same-origin", "cors", "empty"))), "");
  EXPECT_EQ(verdict(real("POST", cdn + fetch("cross-site", "cors", "empty"))), "");
  EXPECT_EQ(verdict(real("GET", "Referer: https://cdn.other.example/\r\n" + fetch("cross-site"))), "");
  EXPECT_EQ(verdict(real("POST", kEvil)), "foreign_origin");
  EXPECT_EQ(verdict(real("POST", kOwn)), "foreign_origin");
  EXPECT_EQ(verdict(real("POST", "Origin: https://crm.corp.example\r\n" + fetch("same-site", "cors", "empty"))),
            "foreign_origin");
  EXPECT_EQ(verdict(real("GET", "Referer: https://crm.corp.example/\r\n" + fetch("same-site"))), "cross_site");
}

// To an application without TLS a browser says nothing but what it always says.
TEST(WebChecks, RealNamesWithoutTls) {
  const std::string browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n";
  const auto real = [&](const std::string& method, const std::string& more) {
    return method + " http://old.corp.example/ HTTP/1.1\r\nHost: old.corp.example\r\n" + more;
  };
  EXPECT_EQ(verdict(real("GET", "User-Agent: curl/8\r\n")), "");
  EXPECT_EQ(verdict(real("GET", browser + "Referer: http://old.corp.example/page\r\n")), "");
  EXPECT_EQ(verdict(real("GET", browser + "Upgrade-Insecure-Requests: 1\r\n")), "");
  EXPECT_EQ(verdict(real("POST", browser + "Origin: http://old.corp.example\r\n")), "");
  EXPECT_EQ(verdict(real("GET", browser)), "cross_site");
  EXPECT_EQ(verdict(real("GET", browser + kNull)), "cross_site");
  EXPECT_EQ(verdict(real("GET", browser + "Referer: http://evil.example/\r\n")), "cross_site");
  EXPECT_EQ(verdict(real("GET", browser + "Referer: http://evil.example/\r\nUpgrade-Insecure-Requests: 1\r\n")),
            "cross_site");
  EXPECT_EQ(verdict(real("POST", browser + kEvil)), "foreign_origin");
  // Everywhere else they do say it.
  EXPECT_EQ(verdict(request("GET", browser)), "");
}

TEST(WebChecks, TheRefusalIsForPeople) {
  const auto head = http::parse_request(request("POST", kEvil) + "\r\n");
  const auto asked = whom(*head, {65230, nullptr, &names()});
  const auto checked = check_sender(*head, *asked);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::kDenied);
  EXPECT_EQ(checked.error().hop, Hop::kAgent);
  EXPECT_TRUE(checked.error().message.contains("https://evil.example")) << checked.error().message;
  EXPECT_TRUE(checked.error().message.contains("http://wiki.localhost:65230")) << checked.error().message;
}

}  // namespace
}  // namespace portolan::client::web

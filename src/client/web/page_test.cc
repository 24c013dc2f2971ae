#include "client/web/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "client/web/page_view.h"

namespace portolan::client::web {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

api::LocalResource web_resource(std::string name, std::string state, std::optional<std::string> health) {
  api::LocalResource out{name, "http", "127.0.0.1:10080", std::move(state), std::nullopt, 0};
  out.health = std::move(health);
  out.url = "http://" + name + ".localhost:65230";
  return out;
}

api::AgentStatus signed_in() {
  api::AgentStatus status;
  status.version = "0.1.0";
  status.signed_in = true;
  status.email = "ada@example.org";
  status.organization = "example";
  status.control = "cp.example:443";
  status.control_state = "up";
  status.sign_in_ends = *from_rfc3339("2026-11-28T18:05:00.000Z");
  status.resources = {web_resource("wiki", "connected", "ok"),
                      {"billing-db", "postgres", "127.0.0.1:15432", "connected", std::nullopt, 0}};
  return status;
}

std::string page(const api::AgentStatus& status) {
  const auto asset = home_asset("/", status);
  EXPECT_TRUE(asset);
  return asset ? asset->body : "";
}

HomeResource only_resource(const api::AgentStatus& status) {
  const HomeView view = home_view(status);
  EXPECT_EQ(view.resources.size(), 1U);
  return view.resources.empty() ? HomeResource{} : view.resources[0];
}

HomeResource shown(api::LocalResource resource) {
  api::AgentStatus status = signed_in();
  status.resources = {std::move(resource)};
  return only_resource(status);
}

TEST(HomePage, HasItsPartsAndNoOthers) {
  const api::AgentStatus status = signed_in();
  const auto type = [&](std::string_view path) {
    const auto asset = home_asset(path, status);
    return asset ? std::string(asset->type) : "none";
  };
  EXPECT_EQ(type("/"), "text/html; charset=utf-8");
  EXPECT_EQ(type("/style.css"), "text/css; charset=utf-8");
  EXPECT_EQ(type("/page.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(type("/icon.svg"), "image/svg+xml");
  EXPECT_EQ(type("/status.json"), "application/json");
  for (const char* other : {"", "/index.html", "//", "/?", "/v1/status", "/style.css/", "/STYLE.CSS", "/../"})
    EXPECT_EQ(type(other), "none") << other;
}

TEST(HomePage, ShowsWhoIsSignedInAndWhatMayBeOpened) {
  const std::string html = page(signed_in());
  EXPECT_THAT(html, HasSubstr("<dt>Signed in as</dt><dd>ada@example.org</dd>"));
  EXPECT_THAT(html, HasSubstr("<dt>Organisation</dt><dd>example</dd>"));
  EXPECT_THAT(html, HasSubstr("<time datetime=\"2026-11-28T18:05:00.000Z\">2026-11-28 18:05 UTC</time>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"mark ok\">up</span>"));
  EXPECT_THAT(html, HasSubstr("<a href=\"http://wiki.localhost:65230\">wiki</a>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"place\">wiki.localhost:65230</span>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"mark ok\">Ready</span>"));
  EXPECT_THAT(html, HasSubstr("id=\"empty\" hidden>"));
  EXPECT_THAT(html, Not(HasSubstr("class=\"notice\"")));
  EXPECT_THAT(html, Not(HasSubstr("billing-db"))) << "which is no web resource";
}

TEST(HomePage, SaysThatNothingMayBeOpened) {
  api::AgentStatus status = signed_in();
  status.resources.clear();
  EXPECT_THAT(page(status), HasSubstr("id=\"empty\">There is no web application that you may open yet."));
}

// What its policy forbids would silently not work.
TEST(HomePage, NeedsNothingThatItsPolicyForbids) {
  const std::string html = page(signed_in());
  EXPECT_THAT(html, Not(HasSubstr(" style=")));
  EXPECT_THAT(html, Not(HasSubstr("<style")));
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, Not(HasSubstr(" onclick=")));
  EXPECT_THAT(html, Not(HasSubstr("javascript:")));
  EXPECT_THAT(html, Not(HasSubstr("src=\"http")));
  EXPECT_THAT(home_asset("/style.css", signed_in())->body, AllOf(Not(HasSubstr("url(")), Not(HasSubstr("@import"))));
  EXPECT_THAT(home_asset("/page.js", signed_in())->body,
              AllOf(Not(HasSubstr("innerHTML")), Not(HasSubstr("eval(")), Not(HasSubstr(".style"))));
}

TEST(HomePage, TellsNothingElseOfTheStatus) {
  api::AgentStatus status = signed_in();
  status.pid = 424242;
  status.gateways = {{"gw-secret", "gw.internal:5000", "linked", std::nullopt, std::nullopt}};
  status.paths = {{.egress = "n-secret", .gateway = "gw-secret", .kind = "spliced"}};
  status.endings = {{{}, "ending-secret", "grant_ended", "reason-secret", "trace-secret"}};
  for (const char* path : {"/", "/status.json"}) {
    const std::string body = home_asset(path, status)->body;
    EXPECT_THAT(body, AllOf(Not(HasSubstr("secret")), Not(HasSubstr("424242")), Not(HasSubstr("gw.internal")),
                            Not(HasSubstr("cp.example")), Not(HasSubstr("127.0.0.1:10080"))))
        << path;
  }
}

TEST(HomePage, SaysHowToSignIn) {
  api::AgentStatus status;
  status.control_state = "signed-out";
  status.control_reason = "nobody is signed in here; run: portolan login ADDRESS";
  const std::string html = page(status);
  EXPECT_THAT(html, HasSubstr("<p class=\"notice\">Nobody is signed in here. To sign in, type in a terminal: "
                              "<code>portolan login</code></p>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"mark off\">signed out</span>"));
  EXPECT_THAT(html, Not(HasSubstr("Signed in as")));
  EXPECT_THAT(html, HasSubstr("id=\"empty\" hidden>")) << "it is not known what they may open";
  status.control_reason.reset();
  EXPECT_THAT(page(status), HasSubstr("<code>portolan login</code>"));
}

TEST(HomePage, SaysWhyASignInHasEnded) {
  api::AgentStatus status = signed_in();
  status.signed_in = false;
  status.control_state = "signed-out";
  status.control_reason = "account is suspended; ask an admin";
  const std::string html = page(status);
  EXPECT_THAT(html, HasSubstr("<p class=\"notice\">Account is suspended; ask an admin.</p>"));
  EXPECT_THAT(html, HasSubstr("<dt>Was signed in as</dt>"));
  EXPECT_THAT(html, Not(HasSubstr("<time")));
  EXPECT_EQ(only_resource(status).state, "Signed out");
}

TEST(HomePage, SaysThatTheControlPlaneIsAway) {
  api::AgentStatus status = signed_in();
  status.control_state = "down";
  status.control_reason = "connect to cp: timed out";
  const std::string html = page(status);
  EXPECT_THAT(html, HasSubstr("<span class=\"mark bad\">down</span>"));
  EXPECT_THAT(html, HasSubstr("The control plane cannot be reached."));
  EXPECT_THAT(html, HasSubstr("(connect to cp: timed out)"));
}

TEST(HomePage, JudgesResources) {
  EXPECT_EQ(shown(web_resource("a", "connected", "ok")).state, "Ready");
  EXPECT_EQ(shown(web_resource("a", "connected", "unknown")).state, "Not checked");
  EXPECT_EQ(shown(web_resource("a", "connected", std::nullopt)).mark, "unknown");
  const HomeResource off = shown(web_resource("a", "disconnected", "ok"));
  EXPECT_EQ(off.mark, "off");
  EXPECT_EQ(off.command, "portolan connect a");
  api::LocalResource away = web_resource("a", "connected", "unreachable");
  away.health_reason = "connection refused";
  EXPECT_EQ(shown(away).mark, "bad");
  EXPECT_EQ(shown(away).note, "connection refused");
  api::LocalResource failed = web_resource("a", "failed", "ok");
  failed.reason = "port 10080 is held by nginx (pid 12)";
  EXPECT_EQ(shown(failed).mark, "warning");
  EXPECT_EQ(shown(failed).note, "port 10080 is held by nginx (pid 12)");
}

TEST(HomePage, GivesEachNameItsOwnLook) {
  EXPECT_EQ(shown(web_resource("wiki", "connected", "ok")).initial, "W");
  EXPECT_EQ(shown(web_resource("9x", "connected", "ok")).initial, "9");
  EXPECT_EQ(shown(web_resource("\xc3\xa4x", "connected", "ok")).initial, "\xc3\xa4");
  EXPECT_EQ(shown(web_resource("", "connected", "ok")).initial, "?");
  for (const char* name : {"a", "b", "wiki", "grafana", "jenkins", "x-1", "x-2", ""})
    EXPECT_LT(shown(web_resource(name, "connected", "ok")).tint, 8U) << name;
}

// Names and reasons are other people's words.
TEST(HomePage, TakesNoMarkupFromAnybody) {
  const std::string evil = "</code><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>";
  api::AgentStatus status = signed_in();
  status.email = evil;
  status.organization = evil;
  status.version = evil;
  status.control_state = "down";
  status.control_reason = evil;
  api::LocalResource resource = web_resource(evil, "connected", "unreachable");
  resource.health_reason = evil;
  api::LocalResource off = web_resource(evil, "disconnected", std::nullopt);
  status.resources = {resource, off};
  const std::string html = page(status);
  EXPECT_THAT(html, AllOf(Not(HasSubstr("<script>")), Not(HasSubstr("<img src=x")), Not(HasSubstr("</code><"))));
  EXPECT_THAT(html, HasSubstr("&lt;/code&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;&lt;img"));
  EXPECT_FALSE(only_resource([&] {
                 status.resources = {off};
                 return status;
               }())
                   .command)
      << "a command that people copy is never made of such a name";
}

TEST(HomePage, LinksToWebPagesOnly) {
  for (const char* url : {"javascript:alert(1)", "data:text/html,x", "", "//evil.example", "http:/x", " http://a",
                          "http://a b", "http://a\nb", "HTTP://a",
                          "http://a\xe2\x80\xae"
                          "b"}) {
    api::LocalResource resource = web_resource("a", "connected", "ok");
    resource.url = url;
    EXPECT_FALSE(shown(resource).url) << url;
    api::AgentStatus status = signed_in();
    status.resources = {resource};
    EXPECT_THAT(page(status), AllOf(HasSubstr("<span class=\"name\">a</span>"), Not(HasSubstr("<a href=\"j"))));
  }
  api::LocalResource quoted = web_resource("a", "connected", "ok");
  quoted.url = "http://a\"onmouseover=\"alert(1)";
  api::AgentStatus status = signed_in();
  status.resources = {quoted};
  EXPECT_THAT(page(status), HasSubstr("<a href=\"http://a&quot;onmouseover=&quot;alert(1)\">"));
}

TEST(HomePage, ShowsTextsOnOneLineAndInOneDirection) {
  api::LocalResource resource = web_resource("a", "connected", "unreachable");
  resource.name =
      "wi\xe2\x80\xaeki\n\x01"
      "x\xff";
  resource.health_reason = std::string(5000, 'r');
  const HomeResource out = shown(resource);
  EXPECT_EQ(out.name, "wi ki x?");
  EXPECT_LT(out.note->size(), 500U);
}

// The script reads it, and it reads back: what is in it is what the page shows.
TEST(HomePage, GivesTheSameAsJson) {
  const auto asset = home_asset("/status.json", signed_in());
  const auto view = json::decode<HomeView>(asset->body, json::Unknown::kRefuse);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->who, "ada@example.org");
  ASSERT_EQ(view->resources.size(), 1U);
  EXPECT_EQ(view->resources[0].url, "http://wiki.localhost:65230");
  EXPECT_EQ(view->resources[0].mark, "ok");
}

}  // namespace
}  // namespace portolan::client::web

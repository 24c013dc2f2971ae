#include "client/web/names.h"

#include <gtest/gtest.h>

namespace portolan::client::web {
namespace {

api::AgentResource web_resource(std::string name, std::vector<api::AgentWebHost> hosts) {
  return {.id = "rs-" + name, .name = std::move(name), .type = "http", .egress = {}, .web = std::move(hosts)};
}

const std::vector<api::AgentResource> kResources = {
    web_resource("wiki", {{"", "https://wiki.corp.example"}, {"api", "https://api.example:8443"}}),
    web_resource("crm", {{"", "http://10.0.0.7:8080"}}),
    web_resource("again", {{"", "https://wiki.corp.example"}}),
    {.id = "rs-old", .name = "old-9", .type = "http", .egress = {}},  // of a control plane that says nothing of hosts
    {.id = "rs-billing", .name = "billing", .type = "postgres", .port = 15432, .egress = {}},
};
// Not before main(): the table of protocols need not be there.
const Names& some_names() {
  static const Names names(kResources, {"wiki"}, {"gone", "wiki"});
  return names;
}

// "local wiki", "real wiki", "own"; or the reason of the refusal.
std::string whose(std::string authority, std::string scheme = {}, const Origin* tunnel = nullptr,
                  const Names* names = &some_names()) {
  http::RequestHead head;
  head.method = "GET";
  head.scheme = std::move(scheme);
  head.authority = std::move(authority);
  const auto asked = whom(head, {65230, tunnel, names});
  if (!asked) {
    EXPECT_EQ(asked.error().hop, Hop::kAgent);
    return asked.error().reason;
  }
  if (asked->kind == Asked::Kind::kOwnPage) return "own";
  return (asked->kind == Asked::Kind::kLocal ? "local " : "real ") + asked->application->name;
}

TEST(WebNames, LocalNamesAreTheResources) {
  EXPECT_EQ(whose("wiki.localhost:65230"), "local wiki");
  EXPECT_EQ(whose("wiki.localhost"), "local wiki");
  EXPECT_EQ(whose("WIKI.LocalHost:1"), "local wiki");
  EXPECT_EQ(whose("api.wiki.localhost:65230"), "local wiki");
  EXPECT_EQ(whose("api.old-9.localhost"), "local old-9");
  EXPECT_EQ(whose("wiki.localhost:65230", "http"), "local wiki");
  for (const char* nobody : {"x.wiki.localhost", "a.api.wiki.localhost", ".wiki.localhost", "wiki..localhost",
                             ".localhost", "api..wiki.localhost", "wiki.localhost.", "wikilocalhost"})
    EXPECT_EQ(whose(nobody), "misdirected") << nobody;
  EXPECT_EQ(whose("wiki.localhost", "https"), "misdirected");
  EXPECT_EQ(whose("other.localhost"), "unknown_resource");
  EXPECT_EQ(whose("wiki.other.localhost"), "unknown_resource");
  EXPECT_EQ(whose("billing.localhost"), "unknown_resource");
  EXPECT_EQ(whose("gone.localhost"), "no_grant");
}

TEST(WebNames, LoopbackItselfIsTheOwnPage) {
  for (const char* own : {"localhost:65230", "LOCALHOST", "127.0.0.1:65230", "127.1.2.3", "[::1]:65230"})
    EXPECT_EQ(whose(own), "own") << own;
  EXPECT_EQ(whose("localhost:65230", "http"), "own");
  // Somebody else's server on this machine.
  EXPECT_EQ(whose("localhost:3000", "http"), "misdirected");
  EXPECT_EQ(whose("localhost:65230", "https"), "misdirected");
  for (const char* other : {"127.0.0.1.evil.example", "127.evil.example", "localhost.evil.example", "10.0.0.1", "127.1",
                            "[::ffff:7f00:1]", "0.0.0.0"})
    EXPECT_EQ(whose(other), "misdirected") << other;
}

// A page whose name resolves to 127.0.0.1 sends that name as Host.
TEST(WebNames, RealNamesCountOnlyWhereWeAreTheProxy) {
  EXPECT_EQ(whose("wiki.corp.example"), "misdirected");
  EXPECT_EQ(whose("evil.example:65230"), "misdirected");
  EXPECT_EQ(whose("evil.example", "http"), "misdirected");
  EXPECT_EQ(whose("wiki.corp.example", "https"), "real wiki");
  EXPECT_EQ(whose("api.example:8443", "https"), "real wiki");
  EXPECT_EQ(whose("10.0.0.7:8080", "http"), "real crm");
  EXPECT_EQ(whose("wiki.corp.example", "http"), "misdirected");
  EXPECT_EQ(whose("10.0.0.7", "http"), "misdirected");
}

TEST(WebNames, InATunnelThereIsOneName) {
  const Origin wiki{"https", {"wiki.corp.example", 443}};
  EXPECT_EQ(whose("wiki.corp.example", {}, &wiki), "real wiki");
  EXPECT_EQ(whose("wiki.corp.example:443", {}, &wiki), "real wiki");
  EXPECT_EQ(whose("wiki.corp.example", "https", &wiki), "real wiki");
  for (const char* other : {"api.example:8443", "crm.localhost", "localhost", "evil.example"})
    EXPECT_EQ(whose(other, {}, &wiki), "misdirected") << other;
  EXPECT_EQ(whose("wiki.corp.example", "http", &wiki), "misdirected");
}

// Of two resources that are the same host, the connected one.
TEST(WebNames, TheConnectedOneIsAsked) {
  const Names other(kResources, {"again"}, {});
  EXPECT_EQ(whose("wiki.corp.example", "https", nullptr, &other), "real again");
  const Names none(kResources, {}, {});
  EXPECT_EQ(whose("wiki.corp.example", "https", nullptr, &none), "real again");
}

TEST(WebNames, NobodyIsSignedIn) {
  EXPECT_EQ(whose("wiki.localhost", {}, nullptr, nullptr), "not_signed_in");
  EXPECT_EQ(whose("wiki.corp.example", "https", nullptr, nullptr), "not_signed_in");
  EXPECT_EQ(whose("localhost", {}, nullptr, nullptr), "own");
  EXPECT_EQ(whose("evil.example", {}, nullptr, nullptr), "misdirected");
}

TEST(WebNames, Origins) {
  EXPECT_EQ(to_text(*parse_origin("HTTP://Wiki.localhost:65230")), "http://wiki.localhost:65230");
  EXPECT_EQ(to_text(*parse_origin("https://a.example:443/x?y")), "https://a.example");
  for (const char* none : {"null", "", "wiki.localhost", "ftp://a", "http://", "http://u@a", "http://a:b", "file:///x"})
    EXPECT_FALSE(parse_origin(none)) << none;
  EXPECT_EQ(url_of("wiki", 65230), "http://wiki.localhost:65230");
  EXPECT_EQ(url_of("wiki", 80), "http://wiki.localhost");
}

}  // namespace
}  // namespace portolan::client::web

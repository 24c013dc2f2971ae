#include "protocols/http/settings.h"

#include <gtest/gtest.h>

#include "protocols/http/inject.h"
#include "protocols/http/pages.h"

namespace portolan::protocols::http {
namespace {

TEST(HttpSettings, Checked) {
  struct Case {
    Settings settings;
    const char* user;
    bool ok;
  };
  const Case cases[] = {
      {{}, "", true},
      {{}, "app", false},
      {{{"auth", "basic"}}, "app", true},
      {{{"auth", "basic"}}, "", false},
      {{{"auth", "basic"}}, "a:b", false},
      {{{"auth", "bearer"}}, "", true},
      {{{"auth", "digest"}}, "", false},
      {{{"tls", "verify-full"}, {"tls_server_name", "x.example"}}, "", true},
      {{{"tls", "prefer"}}, "", false},
      {{{"tls_server_name", "x.example"}}, "", false},
      {{{"tls", "require"}, {"tls_ca", "x"}}, "", false},
      {{{"tls", "verify-ca"}, {"tls_ca", "not a certificate"}}, "", false},
      {{{"http_version", "2"}}, "", true},
      {{{"http_version", "3"}}, "", false},
      {{{"host_header", "wiki.example:8443"}}, "", true},
      {{{"host_header", "wiki.example/x"}}, "", false},
      {{{"aliases", "static=static.example"}}, "", true},
      {{{"aliases", "static"}}, "", false},
      {{{"headers", "X-Remote-User: {email}\nX-Team: ops"}}, "", true},
      {{{"headers", "X-Remote-User: {password}"}}, "", false},
      {{{"headers", "X-A: b\nX_A: c"}}, "", false},
      {{{"headers", "Host: x"}}, "", false},
      {{{"headers", "Content_Length: 1"}}, "", false},
      {{{"headers", "Transfer-Encoding: chunked"}}, "", false},
      {{{"headers", "X A: b"}}, "", false},
      {{{"headers", "nothing"}}, "", false},
      {{{"jwt_header", "X-Portolan-Identity"}}, "", true},
      {{{"jwt_header", "Cookie"}}, "", false},
      {{{"methods", "GET"}, {"read_only", "on"}}, "", true},
      {{{"read_only", "yes"}}, "", false},
      {{{"paths", "/a/*"}}, "", true},
      {{{"paths", "a"}}, "", false},
      {{{"rewrite_links", "html, json"}}, "", true},
      {{{"rewrite_links", "css"}}, "", false},
      {{{"record_bodies", "65536"}}, "", true},
      {{{"record_bodies", "65537"}}, "", false},
      {{{"record_bodies", "-1"}}, "", false},
      {{{"health_path", "/healthz"}, {"health_status", "204"}}, "", true},
      {{{"health_path", "x"}}, "", false},
      {{{"health_status", "20"}}, "", false},
      {{{"answer_timeout", "2m"}}, "", true},
      {{{"answer_timeout", "0s"}}, "", false},
      {{{"idle_timeout", "forever"}}, "", false},
      {{{"unknown", "x"}}, "", false},
      {{{"paths", std::string("/a\0b", 4)}}, "", false},
  };
  for (const Case& each : cases)
    EXPECT_EQ(check(each.settings, each.user).has_value(), each.ok)
        << (each.settings.empty() ? "" : each.settings.begin()->first + "=" + each.settings.begin()->second) << " "
        << each.user;
}

TEST(HttpSettings, NamesOfTheApplication) {
  const Options plain = *parse_options({});
  EXPECT_EQ((*hosts_of_application(plain, {{"wiki.example", 80}}))[0].real, (Authority{"wiki.example", {}}));
  EXPECT_EQ((*hosts_of_application(plain, {{"10.0.0.1", 8080}}))[0].real, (Authority{"10.0.0.1", 8080}));
  const Options named = *parse_options({{"tls", "require"}, {"host_header", "wiki.example:443"}});
  EXPECT_EQ((*hosts_of_application(named, {{"10.0.0.1", 8443}}))[0].real, (Authority{"wiki.example", {}}));
  const Host host{"", {"wiki.example", {}}, 0};
  const auto tls = tls_options(*parse_options({{"tls", "verify-full"}}), {{"tls", "verify-full"}}, host, {});
  ASSERT_TRUE(tls);
  EXPECT_EQ(tls->server_name, "wiki.example");
  EXPECT_EQ(tls->verify_host, "wiki.example");
  EXPECT_TRUE(tls->system_trust);
}

Granted ann() {
  Granted granted;
  granted.account = "a-1";
  granted.email = "ann@example.com";
  granted.name = "wiki";
  granted.username = "app";
  granted.password = Secret("s3cret");
  return granted;
}

std::string applied(const Settings& settings, const Granted& granted, const Secret& token, Fields fields) {
  const auto options = parse_options(settings);
  if (!options) return options.error().message;
  const auto injection = Injection::make(*options, granted, token);
  if (!injection) return "error: " + std::string(injection.error().stable_code());
  injection->apply(fields);
  std::string out;
  for (const Field& field : fields.all()) out += field.name + "=" + field.value + ";";
  return out;
}

TEST(HttpInjection, WhatAClientSendsUnderTheNameGoesFirst) {
  Fields forged;
  for (const char* name :
       {"X-Remote-User", "x-remote-user", "X_Remote_User", "X_REMOTE-USER", "X.Remote.User", "X-Remote_User"})
    forged.add(name, "root");
  forged.add("X-Remote-Users", "kept");
  EXPECT_EQ(applied({{"headers", "X-Remote-User: {email}"}}, ann(), {}, forged),
            "X-Remote-Users=kept;X-Remote-User=ann@example.com;");
  Fields authorized;
  authorized.add("authorization", "Basic forged");
  EXPECT_EQ(applied({{"auth", "basic"}}, ann(), {}, authorized), "Authorization=Basic YXBwOnMzY3JldA==;");
  EXPECT_EQ(applied({{"auth", "bearer"}}, ann(), {}, authorized), "Authorization=Bearer s3cret;");
  EXPECT_EQ(applied({}, ann(), {}, authorized), "authorization=Basic forged;");
}

TEST(HttpInjection, SecretHeadersAndTokens) {
  Granted granted = ann();
  granted.password = Secret("X-Api-Key: k1\r\nX-Other: k2\n");
  EXPECT_EQ(applied({{"auth", "headers"}}, granted, {}, {}), "X-Api-Key=k1;X-Other=k2;");
  EXPECT_EQ(applied({{"jwt_header", "X-Id"}}, ann(), Secret("a.b.c"), {}), "X-Id=a.b.c;");
  EXPECT_EQ(applied({{"jwt_header", "Authorization"}}, ann(), Secret("a.b.c"), {}), "Authorization=Bearer a.b.c;");
}

TEST(HttpInjection, NobodyIsLetInAsNobody) {
  Granted without = ann();
  without.password = Secret();
  without.email = "";
  EXPECT_TRUE(applied({{"auth", "bearer"}}, without, {}, {}).starts_with("error"));
  EXPECT_TRUE(applied({{"headers", "X-Remote-User: {email}"}}, without, {}, {}).starts_with("error"));
  EXPECT_TRUE(applied({{"jwt_header", "X-Id"}}, ann(), {}, {}).starts_with("error"));
  Granted split = ann();
  split.email = "a@b\r\nX-Admin: 1";
  EXPECT_TRUE(applied({{"headers", "X-Remote-User: {email}"}}, split, {}, {}).starts_with("error"));
  split.password = Secret("a\r\nX-Admin: 1");
  EXPECT_TRUE(applied({{"auth", "bearer"}}, split, {}, {}).starts_with("error"));
  EXPECT_TRUE(applied({{"auth", "basic"}, {"headers", "Authorization: x"}}, ann(), {}, {}).starts_with("error"));
}

TEST(HttpPages, AreEscaped) {
  const Error why{Code::kDenied, "no <script>alert(1)</script> & \"x\"", "read_only", Hop::kEgress};
  const std::string page = refusal(why, "t-<1>", {.accept = "text/html,*/*"});
  EXPECT_TRUE(page.starts_with("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_FALSE(page.contains("<script>"));
  EXPECT_TRUE(page.contains("&lt;script&gt;"));
  EXPECT_TRUE(page.contains("t-&lt;1&gt;"));
  EXPECT_TRUE(page.contains("read_only"));
  const std::string json = refusal(why, "t-1", {.accept = "application/json"});
  EXPECT_TRUE(json.contains("application/problem+json"));
  EXPECT_TRUE(json.contains(R"(no <script>alert(1)</script> & \"x\")"));
  EXPECT_TRUE(json.contains(R"("trace":"t-1")"));
  const std::string split = refusal(Error{Code::kIo, "a\r\nb", {}, Hop::kResource}, "x\r\nSet-Cookie: a=b", {});
  EXPECT_FALSE(split.contains("\r\nSet-Cookie"));
  const std::string head = refusal(why, "", {.accept = {}, .head_only = true});
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(HttpPages, StatusesByWhoIsToBlame) {
  EXPECT_EQ(status_of({Code::kProtocol, "", "bad_message", Hop::kEgress}), 400);
  EXPECT_EQ(status_of({Code::kProtocol, "", "bad_message", Hop::kResource}), 502);
  EXPECT_EQ(status_of({Code::kLimit, "", "headers_too_large", Hop::kResource}), 502);
  EXPECT_EQ(status_of({Code::kTimeout, "", "", Hop::kResource}), 504);
  EXPECT_EQ(status_of({Code::kTimeout, "", "", Hop::kEgress}), 408);
  EXPECT_EQ(status_of({Code::kDenied, "", "lease_ended", Hop::kEgress}), 403);
  EXPECT_EQ(status_of({Code::kUnavailable, "", "node_stopping", Hop::kEgress}), 503);
}

}  // namespace
}  // namespace portolan::protocols::http

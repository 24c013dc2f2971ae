#include "cli/resource_url.h"

#include <gtest/gtest.h>

namespace portolan::cli {
namespace {

TEST(ResourceUrl, AllOfAPostgresUrl) {
  const auto url = parse_resource(
      "billing=postgres://app%40corp:p%40ss%2Fword%3A%25@db.example:6432/"
      "bill%20ing?tls=verify-full&tls_server_name=x.example");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->name, "billing");
  EXPECT_EQ(url->type, "postgres");
  EXPECT_EQ(url->host, "db.example");
  EXPECT_EQ(url->port, 6432);
  EXPECT_EQ(url->username, "app@corp");
  ASSERT_TRUE(url->password);
  EXPECT_EQ(url->password->reveal(), "p@ss/word:%");
  const std::map<std::string, std::string> settings{
      {"database", "bill ing"}, {"tls", "verify-full"}, {"tls_server_name", "x.example"}};
  EXPECT_EQ(url->settings, settings);
}

TEST(ResourceUrl, WhereThePasswordComesFrom) {
  const auto file = parse_resource("a=postgres://u@h/?password_file=/run/secret%2Fx");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->password_file, "/run/secret/x");
  EXPECT_FALSE(file->password);
  EXPECT_FALSE(file->port);
  const auto environment = parse_resource("a=postgres://u@h?password_env=DB_PASSWORD");
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->password_env, "DB_PASSWORD");
}

TEST(ResourceUrl, OtherForms) {
  EXPECT_EQ(parse_resource("a=postgresql://h/db")->type, "postgres");
  EXPECT_EQ(parse_resource("a=POSTGRES://h/db")->type, "postgres");
  EXPECT_EQ(parse_resource("a=tcp://h:9000")->port, 9000);
  EXPECT_EQ(parse_resource("a=tcp://[::1]:9000")->host, "::1");
  EXPECT_EQ(parse_resource("a=postgres://[fe80::1]/db")->host, "fe80::1");
  EXPECT_EQ(parse_resource("a=postgres://u:p@ss@h/db")->password->reveal(), "p@ss");
  EXPECT_FALSE(parse_resource("a=postgres://u:@h/db")->password);
  EXPECT_EQ(parse_resource("a=postgres://h/db?tls=verify-full&tls_ca_file=/ca.pem")->setting_files.at("tls_ca"),
            "/ca.pem");
}

using Settings = std::map<std::string, std::string>;

TEST(ResourceUrl, WebResources) {
  const auto plain = parse_resource("wiki=http://wiki.corp.example");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->type, "http");
  EXPECT_FALSE(plain->port) << "the protocol's own";
  EXPECT_TRUE(plain->settings.empty());

  const auto secure = parse_resource("wiki=HTTPS://wiki.corp.example/");
  ASSERT_TRUE(secure) << secure.error().message;
  EXPECT_EQ(secure->type, "http");
  EXPECT_EQ(secure->port, 443);
  EXPECT_EQ(secure->settings, (Settings{{"tls", "verify-full"}}));

  const auto said = parse_resource("wiki=https://h:8443?tls=require&paths=/public/*%2C/x&headers_file=h.txt");
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(said->port, 8443);
  EXPECT_EQ(said->settings, (Settings{{"tls", "require"}, {"paths", "/public/*,/x"}}));
  EXPECT_EQ(said->setting_files, (Settings{{"headers", "h.txt"}}));
}

TEST(ResourceUrl, WhatSignsInToWebResources) {
  const auto basic = parse_resource("wiki=http://svc:hunter2@h");
  ASSERT_TRUE(basic) << basic.error().message;
  EXPECT_EQ(basic->settings.at("auth"), "basic");
  EXPECT_EQ(basic->username, "svc");
  EXPECT_EQ(parse_resource("wiki=http://svc@h?password_file=p")->settings.at("auth"), "basic");
  const auto token = parse_resource("wiki=https://:abc%3D@h?auth=bearer");
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_EQ(token->username, "");
  EXPECT_EQ(token->password->reveal(), "abc=");
  EXPECT_EQ(token->settings.at("auth"), "bearer");
  const auto lines = parse_resource("wiki=http://h?auth=headers&password_file=lines.txt");
  ASSERT_TRUE(lines) << lines.error().message;
  EXPECT_EQ(lines->settings.at("auth"), "headers");
}

struct Refused {
  const char* text;
  const char* says;
};

TEST(ResourceUrl, Refusals) {
  const Refused cases[] = {
      {"billing", "NAME=URL"},
      {"=postgres://h/db", "NAME=URL"},
      {"postgres://h/db?tls=x", "NAME=URL"},
      {"a=db.example:5432", "known schemes are: "},
      {"a=://h", "known schemes are: "},
      {"a=oracle://h:1/", "unknown scheme \"oracle\"; known are: "},
      {"a=postgres://", "the host is missing"},
      {"a=postgres://u@:5432/db", "the host is missing"},
      {"a=postgres://h:0/db", "from 1 to 65535"},
      {"a=postgres://h:65536/db", "from 1 to 65535"},
      {"a=postgres://h:54x/db", "from 1 to 65535"},
      {"a=postgres://[::1/db", "\"]\""},
      {"a=postgres://[::1]5432/db", "only a port"},
      {"a=postgres://h/d%2", "two hexadecimal digits"},
      {"a=postgres://h/d%00b", "two hexadecimal digits"},
      {"a=postgres://h/db?colour=red", "unknown setting \"colour\""},
      {"a=postgres://h/db?tls", "name=value"},
      {"a=postgres://h/db?tls=prefer&tls=require", "given twice"},
      {"a=postgres://h/db?database=other", "given twice"},
      {"a=postgres://u:p@h/db?password_env=X", "more than once"},
      {"a=postgres://h/db#x", "%23"},
      {"a=tcp://h", "needs a port"},
      {"a=tcp://h:1/path", "no path"},
      {"a=http://h/wiki", "a web resource is a whole host and has no path; the setting paths"},
      {"a=https://h/wiki/", "has no path"},
      {"a=https://h?tls=disable", "do not agree"},
      {"a=http://:token@h", "auth=bearer"},
      {"a=http://h?password_file=p", "auth=bearer"},
      {"a=http://h?auth=none&auth=basic", "given twice"},
      {"a=httpsx://h", "tcp, postgres, http, https"},
  };
  for (const Refused& refused : cases) {
    const auto url = parse_resource(refused.text);
    ASSERT_FALSE(url) << refused.text;
    EXPECT_NE(url.error().message.find(refused.says), std::string::npos) << refused.text << ": " << url.error().message;
  }
}

TEST(ResourceUrl, ErrorsNeverShowThePassword) {
  for (const char* text : {"a=postgres://u:hunter2@h:x/db", "a=oracle://u:hunter2@h/db", "a=postgres://u:hunter2@/db",
                           "a=postgres://u:hunter2%@h", "a=http://:hunter2@h", "a=https://u:hunter2@h/path",
                           "a=https://u:hunter2@h?tls=disable"})
    EXPECT_EQ(parse_resource(text).error().message.find("hunter2"), std::string::npos) << text;
}

TEST(ResourceUrl, Lines) {
  const auto lines = parse_resource_lines("# databases\n\n  a = postgres://h/db \r\nb=tcp://h:1");
  ASSERT_TRUE(lines) << lines.error().message;
  ASSERT_EQ(lines->size(), 2U);
  EXPECT_EQ((*lines)[0].name, "a");
  EXPECT_EQ((*lines)[0].settings.at("database"), "db");
  EXPECT_EQ((*lines)[1].type, "tcp");
  const auto bad = parse_resource_lines("a=tcp://h:1\nb=oracle://h");
  ASSERT_FALSE(bad);
  EXPECT_TRUE(bad.error().message.starts_with("line 2: ")) << bad.error().message;
}

TEST(ResourceUrl, ToCreate) {
  const auto create = to_create(*parse_resource("a=postgres://u:p@h/db"));
  ASSERT_TRUE(create);
  EXPECT_EQ(create->username, "u");
  EXPECT_EQ(create->password->reveal(), "p");
  EXPECT_EQ(create->settings->at("database"), "db");
  EXPECT_FALSE(create->port);
  EXPECT_FALSE(to_create(*parse_resource("a=postgres://u@h/db"))->password);
  const auto missing = to_create(*parse_resource("a=postgres://u@h/db?password_file=/no/such/file"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

}  // namespace
}  // namespace portolan::cli

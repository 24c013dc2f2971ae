#include "protocols/http/hop.h"

#include <gtest/gtest.h>

namespace portolan::protocols::http {
namespace {

std::string text_of(const Fields& fields) {
  std::string out;
  for (const Field& field : fields.all()) out += field.name + "=" + field.value + " ";
  return out;
}

TEST(HttpHop, WhatIsOfTheConnectionStaysThere) {
  Fields fields;
  for (const auto& [name, value] : {std::pair{"Connection", "close, X-Mine"},
                                    {"X-Mine", "1"},
                                    {"x-mine", "2"},
                                    {"Keep-Alive", "5"},
                                    {"TE", "trailers"},
                                    {"Proxy-Authorization", "x"},
                                    {"Proxy-Connection", "x"},
                                    {"Upgrade", "x"},
                                    {"HTTP2-Settings", "x"},
                                    {"Transfer-Encoding", "chunked"},
                                    {"X-Other", "3"}})
    fields.add(name, value);
  ASSERT_TRUE(drop_hop_by_hop(fields));
  EXPECT_EQ(text_of(fields), "X-Other=3 ");
}

TEST(HttpHop, ConnectionCannotTakeAwayWhatDecidesAboutTheMessage) {
  for (const char* name : {"Content-Length", "transfer-encoding", "Host", "Authorization", "Cookie", "set-cookie"}) {
    Fields fields;
    fields.add("Connection", std::string("close, ") + name);
    EXPECT_FALSE(drop_hop_by_hop(fields)) << name;
  }
}

TEST(HttpHop, NobodyElseTellsWhoIsAtTheOtherEnd) {
  Fields fields;
  for (const char* name : {"Forwarded", "X-Forwarded-For", "X_Forwarded_For", "x-forwarded-user", "X-Real-IP",
                           "X.Real.IP", "X-Original-URL", "X-Rewrite-URL", "True-Client-IP", "X-Forwarded", "Client-IP",
                           "SCRIPT_NAME", "Script-Name", "X-Script-Name", "PATH_INFO", "Proxy", "X-Original-URI"})
    fields.add(name, "x");
  fields.add("X-Forward", "kept");
  fields.add("Proxies", "kept");
  drop_forwarded(fields);
  EXPECT_EQ(text_of(fields), "X-Forward=kept Proxies=kept ");
}

TEST(HttpHop, TrailersCannotChangeWhatWasActedOn) {
  Fields fields;
  for (const char* name :
       {"Content-Length", "Transfer-Encoding", "Host", "Authorization", "Cookie", "Set-Cookie", "X-Forwarded-For",
        "content_length", "If-Match", "Access-Control-Allow-Origin", "SCRIPT_NAME"})
    fields.add(name, "x");
  fields.add("Grpc-Status", "0");
  keep_harmless_trailers(fields);
  EXPECT_EQ(text_of(fields), "Grpc-Status=0 ");
}

RequestHead upgrade(std::initializer_list<std::pair<const char*, const char*>> changes) {
  RequestHead head{.method = "GET", .scheme = {}, .authority = "a", .target = "/"};
  head.fields.add("Connection", "keep-alive, Upgrade");
  head.fields.add("Upgrade", "websocket");
  head.fields.add("Sec-WebSocket-Version", "13");
  head.fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  for (const auto& [name, value] : changes) {
    head.fields.remove(name);
    if (*value != '\0') head.fields.add(name, value);
  }
  return head;
}

TEST(HttpHop, OnlyAWholeUpgradeToAWebSocketIsOne) {
  const auto wants = wants_websocket(upgrade({}), {});
  ASSERT_TRUE(wants) << wants.error().message;
  EXPECT_TRUE(*wants);
  const auto plain = wants_websocket(upgrade({{"Upgrade", ""}}), {});
  ASSERT_TRUE(plain);
  EXPECT_FALSE(*plain);
  for (const auto& change : std::initializer_list<std::pair<const char*, const char*>>{{"Upgrade", "h2c"},
                                                                                       {"Upgrade", "websocket, h2c"},
                                                                                       {"Upgrade", "TLS/1.0"},
                                                                                       {"Connection", "keep-alive"},
                                                                                       {"Connection", ""},
                                                                                       {"Sec-WebSocket-Version", "8"},
                                                                                       {"Sec-WebSocket-Version", ""},
                                                                                       {"Sec-WebSocket-Key", "x"},
                                                                                       {"Sec-WebSocket-Key", ""}}) {
    const auto refused = wants_websocket(upgrade({change}), {});
    ASSERT_FALSE(refused) << change.first << " " << change.second;
    EXPECT_EQ(refused.error().reason, "upgrade_refused");
  }
  EXPECT_FALSE(wants_websocket(upgrade({}), {Framing::Kind::kLength, 1}));
  RequestHead post = upgrade({});
  post.method = "POST";
  EXPECT_FALSE(wants_websocket(post, {}));
}

TEST(HttpHop, ExpectationsThatAreNotKnownAreRefused) {
  RequestHead head;
  head.fields.add("Expect", "100-Continue");
  EXPECT_TRUE(*expects_continue(head));
  head.version = Version::k10;
  EXPECT_FALSE(*expects_continue(head));
  head.fields.set("Expect", "200-ok");
  EXPECT_FALSE(expects_continue(head));
}

}  // namespace
}  // namespace portolan::protocols::http

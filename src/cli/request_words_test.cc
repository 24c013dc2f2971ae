#include "cli/request_words.h"

#include <gtest/gtest.h>

namespace portolan::cli {
namespace {

api::AuditHttp request() {
  api::AuditHttp out;
  out.method = "GET";
  out.host = "wiki.corp.example";
  out.path = "/a";
  out.query = "b=c&token=***";
  return out;
}

const std::string kText = "GET https://wiki.corp.example/a?b=c&token=***";

TEST(RequestWords, StatusFirstAndBytesLast) {
  auto http = request();
  http.status = 200;
  http.bytes_in = 120;
  http.bytes_out = 5321;
  EXPECT_EQ(request_in_words(kText, http), "200 " + kText + "  -- 120 bytes in, 5321 out");
  http.bytes_in = http.bytes_out = 0;
  EXPECT_EQ(request_in_words(kText, http), "200 " + kText);
}

TEST(RequestWords, WithoutAnAnswer) { EXPECT_EQ(request_in_words(kText, request()), kText); }

TEST(RequestWords, OfAWebSocket) {
  auto http = request();
  http.status = 101;
  http.messages_in = 3;
  http.messages_out = 4;
  http.bytes_in = 30;
  http.bytes_out = 40;
  EXPECT_EQ(request_in_words(kText, http), "101 " + kText + "  -- 3 messages in, 4 out; 30 bytes in, 40 out");
}

TEST(RequestWords, WithoutTheShortForm) {
  EXPECT_EQ(request_in_words("", request()), "GET wiki.corp.example/a?b=c&token=***");
}

}  // namespace
}  // namespace portolan::cli

#include "protocols/http/record.h"

#include <gtest/gtest.h>

namespace portolan::protocols::http {
namespace {

TEST(HttpRecord, QueriesAreMaskedByName) {
  Options options;
  options.mask_query = {"token", "Pass Word"};
  EXPECT_EQ(masked_query("a=1&token=x&TOKEN=y&t%6Fken=z&pass+word=w&token&b", options),
            "a=1&token=***&TOKEN=***&t%6Fken=***&pass+word=***&token&b");
  EXPECT_EQ(masked_query("token=a;b=c&=x", options), "token=***;b=c&=x");
  options.mask_all = true;
  EXPECT_EQ(masked_query("a=1&b=2&c", options), "a=***&b=***&***");
  EXPECT_EQ(masked_query("", options), "");
}

RequestHead head() { return {.method = "POST", .scheme = {}, .authority = "w.localhost", .target = "/a?token=1"}; }

TEST(HttpRecord, OneRequest) {
  FakeClock clock;
  Options options;
  options.mask_query = {"token"};
  options.record_bodies = 4;
  Recorded recorded(options, clock);
  EXPECT_FALSE(recorded.open());
  recorded.begin(head(), "https", "wiki.example");
  recorded.sent("hello ");
  recorded.sent("you");
  recorded.received("\xff\xfe");
  recorded.answered(201);
  clock.advance(std::chrono::milliseconds(5));
  const audit::Query query = recorded.query(audit::Query::Stage::kOver);
  EXPECT_EQ(query.text, "POST https://wiki.example/a?token=***");
  EXPECT_EQ(query.tag, "201");
  EXPECT_EQ(query.duration, std::chrono::milliseconds(5));
  ASSERT_TRUE(query.http);
  EXPECT_EQ(query.http->path, "/a");
  EXPECT_EQ(query.http->query, "token=***");
  EXPECT_EQ(query.http->bytes_in, 9U);
  EXPECT_EQ(query.http->bytes_out, 2U);
  EXPECT_EQ(query.http->request_body->text, "hell");
  EXPECT_EQ(query.http->request_body->length, 9U);
  EXPECT_EQ(query.http->response_body->base64, "//4=");
  EXPECT_FALSE(recorded.open());
}

TEST(HttpRecord, NothingHidesBehindLongText) {
  FakeClock clock;
  const Options options;
  Recorded recorded(options, clock);
  RequestHead long_head = head();
  long_head.target = "/" + std::string(7000, 'p') + "/end?" + std::string(9000, 'q') + "&do=delete";
  recorded.begin(long_head, "https", "w");
  const audit::Query query = recorded.query(audit::Query::Stage::kOver);
  EXPECT_TRUE(query.http->path.ends_with("/end"));
  EXPECT_TRUE(query.http->query->ends_with("&do=delete"));
  EXPECT_TRUE(query.text.ends_with("&do=delete"));
}

TEST(HttpRecord, BodiesAreNotKeptUnlessAskedFor) {
  FakeClock clock;
  const Options options;
  Recorded recorded(options, clock);
  recorded.begin(head(), "http", "w");
  recorded.sent("secret");
  const audit::Query query = recorded.query(audit::Query::Stage::kOver);
  EXPECT_FALSE(query.http->request_body);
  EXPECT_FALSE(query.http->status);
  EXPECT_FALSE(query.tag);
}

TEST(HttpRecord, TextIsCutBetweenCharacters) {
  KeptBody body(4);
  body.add("ab\xe2\x82\xac");  // cut within the euro sign
  EXPECT_EQ(body.take()->text, "ab");
  KeptBody control(10);
  control.add("a\x01");
  EXPECT_TRUE(control.take()->base64);
  KeptBody lines(10);
  lines.add("a\r\n\tb");
  EXPECT_EQ(lines.take()->text, "a\r\n\tb");
  KeptBody odd(10);
  odd.add("\xed\xa0\x80");  // a surrogate
  EXPECT_TRUE(odd.take()->base64);
}

}  // namespace
}  // namespace portolan::protocols::http

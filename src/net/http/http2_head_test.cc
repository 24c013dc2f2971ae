#include "net/http/http2_head.h"

#include <gtest/gtest.h>

namespace portolan::net::http {
namespace {

Result<FieldBlock::Head> read(const FieldList& fields, Limits limits = {}) {
  FieldBlock block(limits);
  for (const auto& [name, value] : fields) block.add(name, value);
  return block.finish();
}

FieldList head(FieldList more = {}) {
  FieldList fields = {
      {":method", "GET"}, {":scheme", "https"}, {":authority", "App.example:443"}, {":path", "/a%20b?x=1"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

FieldList without(std::string_view name) {
  FieldList fields = head();
  std::erase_if(fields, [name](const auto& field) { return field.first == name; });
  return fields;
}

FieldList with(std::string_view name, std::string value) {
  FieldList fields = head();
  for (auto& field : fields)
    if (field.first == name) field.second = value;
  return fields;
}

TEST(Http2Head, BecomesARequest) {
  const auto read_head = read(head({{"x-a", "1"}, {"x-a", "2"}, {"te", "trailers"}, {"content-length", "12"}}));
  ASSERT_TRUE(read_head) << read_head.error().message;
  EXPECT_EQ(read_head->request.method, "GET");
  EXPECT_EQ(read_head->request.path, "/a b");
  EXPECT_EQ(read_head->request.target, "/a%20b?x=1");
  EXPECT_EQ(read_head->request.parameter("x"), "1");
  EXPECT_EQ(read_head->request.header("x-a"), "1, 2");
  EXPECT_EQ(read_head->request.header("host"), "App.example:443");
  EXPECT_EQ(read_head->host, "app.example");
  EXPECT_EQ(read_head->length, 12U);
  EXPECT_FALSE(read_head->head_only);
}

TEST(Http2Head, JoinsCookies) {
  const auto read_head = read(head({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2; c=3"}}));
  ASSERT_TRUE(read_head);
  EXPECT_EQ(read_head->request.header("cookie"), "a=1; b=2; c=3");
}

TEST(Http2Head, TakesTheHostHeaderWhereThereIsNoAuthority) {
  FieldList fields = without(":authority");
  fields.emplace_back("host", "h:8443");
  const auto alone = read(fields);
  ASSERT_TRUE(alone) << alone.error().message;
  EXPECT_EQ(alone->host, "h");
  const auto same = read(head({{"host", "app.EXAMPLE"}}));
  ASSERT_TRUE(same);
  EXPECT_EQ(same->request.header("host"), "App.example:443");
}

TEST(Http2Head, RefusesOtherHosts) {
  for (const FieldList& fields :
       {without(":authority"), head({{"host", "other.example"}}), with(":authority", "a@app.example"),
        with(":authority", "app.example/x"), with(":authority", "app.example, other.example")}) {
    const auto refused = read(fields);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "bad_host") << refused.error().message;
  }
}

TEST(Http2Head, RefusesWhatIsMalformed) {
  for (const FieldList& fields :
       {without(":method"),
        without(":scheme"),
        with(":scheme", "ftp"),
        with(":method", "G T"),
        with(":method", ""),
        head({{":path", "/other"}}),
        head({{":method", "GET"}}),
        head({{":status", "200"}}),
        head({{":protocol", "websocket"}}),
        FieldList{{"x-a", "1"}, {":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/"}},
        head({{"X-Upper", "1"}}),
        head({{"x a", "1"}}),
        head({{"x-a", "1\r\nx-b: 2"}}),
        head({{"x-a", std::string("\0", 1)}}),
        head({{"x-a", " 1"}}),
        head({{"x-a", "1\t"}}),
        head({{"", "1"}}),
        head({{"connection", "close"}}),
        head({{"keep-alive", "1"}}),
        head({{"proxy-connection", "close"}}),
        head({{"transfer-encoding", "chunked"}}),
        head({{"upgrade", "h2c"}}),
        head({{"te", "gzip"}}),
        head({{"content-length", "1"}, {"content-length", "1"}}),
        head({{"content-length", "1, 1"}}),
        head({{"content-length", "+1"}}),
        head({{"content-length", ""}}),
        head({{"content-length", "99999999999999999999"}}),
        head({{"authorization", "a"}, {"authorization", "b"}}),
        head({{"host", "app.example"}, {"host", "app.example"}}),
        head({{"content-type", "a"}, {"content-type", "a"}})}) {
    const auto refused = read(fields);
    ASSERT_FALSE(refused) << fields.back().first << ": " << fields.back().second;
    EXPECT_EQ(refused.error().reason, "bad_message") << fields.back().first << ": " << refused.error().message;
  }
  FieldBlock spoilt({});
  for (const auto& [name, value] : head()) spoilt.add(name, value);
  spoilt.spoil();
  EXPECT_FALSE(spoilt.finish());
}

TEST(Http2Head, RefusesOtherTargets) {
  for (const char* path :
       {"*", "https://app.example/", "a", "/../x", "/%2e%2e/x", "/a%2fb", "/%00", "/?a=1&a=2", "/#a", "/ "}) {
    const auto refused = read(with(":path", path));
    ASSERT_FALSE(refused) << path;
    EXPECT_NE(refused.error().reason, "") << path;
  }
  const auto connect = read({{":method", "CONNECT"}, {":authority", "h:1"}});
  ASSERT_FALSE(connect);
  EXPECT_EQ(connect.error().reason, "bad_target");
}

TEST(Http2Head, KeepsNoMoreThanItsLimits) {
  const Limits limits{.header_bytes = 1000, .header_count = 5};
  FieldList many = head();
  for (int i = 0; i < 6; ++i) many.emplace_back("x", "y");
  for (const FieldList& fields : {many, head({{"x", std::string(1000, 'y')}})}) {
    const auto refused = read(fields, limits);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "headers_too_large");
  }
  many.pop_back();
  EXPECT_TRUE(read(many, limits));
}

TEST(Http2Head, AnswersBecomeFields) {
  const Response response{
      201, {{"Content-Type", "a/b"}, {"connection", "close"}, {"content-length", "7"}, {"upgrade", "x"}}, "abc"};
  const auto fields = encode_fields(response, 3);
  ASSERT_TRUE(fields);
  FieldList seen = *fields;
  std::erase_if(seen, [](const auto& field) { return field.first == "date"; });
  EXPECT_EQ(seen, (FieldList{{":status", "201"}, {"content-type", "a/b"}, {"content-length", "3"}}));
  EXPECT_EQ(fields->size(), 4U);
  for (const Response& bad : {Response{0, {}, {}}, Response{100, {}, {}}, Response{200, {{"x", "a\r\nb: c"}}, {}},
                              Response{200, {{"x y", "a"}}, {}}})
    EXPECT_FALSE(encode_fields(bad, 0));
  const auto none = encode_fields({204, {}, {}}, 0);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->size(), 2U);
}

}  // namespace
}  // namespace portolan::net::http

#include "base/json.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

struct Inner {
  std::string name;
  std::optional<std::uint16_t> port;
  bool operator==(const Inner&) const = default;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (name, port))

struct Outer {
  std::vector<Inner> items;
  std::map<std::string, std::int64_t> counts;
  bool on = false;
  bool operator==(const Outer&) const = default;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (items, counts, on))

TEST(Json, RoundTrips) {
  const Outer in{{{"a", 5}, {"b", std::nullopt}}, {{"x", -1}}, true};
  EXPECT_EQ(json::encode(in), R"({"items":[{"name":"a","port":5},{"name":"b"}],"counts":{"x":-1},"on":true})");
  EXPECT_EQ(*json::decode<Outer>(json::encode(in), json::Unknown::kRefuse), in);
}

TEST(Json, SaysWhereAndWhat) {
  const auto wrong = json::decode<Outer>(R"({"items":[{"name":5}],"counts":{},"on":true})", json::Unknown::kRefuse);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "items[0].name: expected text, found int64");
  EXPECT_EQ(json::decode<Inner>("{}", json::Unknown::kRefuse).error().message, "name: is missing");
  EXPECT_EQ(json::decode<Inner>(R"({"name":"a","port":70000})", json::Unknown::kRefuse).error().message,
            "port: is out of range");
}

TEST(Json, UnknownMembers) {
  const char* text = R"({"name":"a","new":1})";
  EXPECT_FALSE(json::decode<Inner>(text, json::Unknown::kRefuse));
  EXPECT_TRUE(json::decode<Inner>(text, json::Unknown::kIgnore));
}

TEST(Json, RefusesWhatReadersReadDifferently) {
  EXPECT_FALSE(json::parse(R"({"a":1,"a":2})"));
  EXPECT_TRUE(json::parse(R"({"a":{"a":1},"b":{"a":2}})"));
  EXPECT_FALSE(json::parse(R"({"a":1} x)"));
  EXPECT_FALSE(json::parse(R"({"a":1)"));
  EXPECT_FALSE(json::parse(""));
  EXPECT_FALSE(json::parse(std::string(100, '[') + std::string(100, ']')));
}

}  // namespace
}  // namespace portolan

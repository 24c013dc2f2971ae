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

struct Everything {
  bool on = true;
  std::int64_t low = std::numeric_limits<std::int64_t>::min();
  std::uint64_t high = std::numeric_limits<std::uint64_t>::max();
  double part = 0.25;
  WallTime time{};
  json::Value any = {{"a", {1, nullptr, "x"}}};
  std::optional<std::string> none;
  std::vector<std::vector<std::int64_t>> nested = {{}, {1, -2}};
  std::map<std::string, Inner> map = {{"a \"b\"", {"x", 1}}};
  std::map<std::string, Inner> empty;
};
BOOST_DESCRIBE_STRUCT(Everything, (), (on, low, high, part, time, any, none, nested, map, empty))
struct Nothing {};
BOOST_DESCRIBE_STRUCT(Nothing, (), ())

TEST(Json, PrintsWhatItsOwnReaderReads) {
  const std::string text = json::encode(Everything{});
  const auto value = json::parse(text);
  ASSERT_TRUE(value) << text;
  EXPECT_EQ(json::print(*value), text);
  EXPECT_EQ(json::print(json::to_value(Everything{})), text);
  const auto back = json::decode<Everything>(text, json::Unknown::kRefuse);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(json::encode(*back), text);
  EXPECT_EQ(json::encode(Nothing{}), "{}");
  EXPECT_EQ(json::encode(std::vector<Nothing>(2)), "[{},{}]");
}

// Every byte, also where it is no character: as Boost.JSON prints it.
TEST(Json, PrintsTextAsTheLibraryDoes) {
  for (int c = 0; c < 256; ++c) {
    const std::string text = std::string("a") + static_cast<char>(c) + "b";
    EXPECT_EQ(json::encode(text), json::print(boost::json::string(text))) << c;
    EXPECT_EQ(json::print(json::to_value(text)), json::encode(text)) << c;
  }
}

TEST(Json, SaysWhereAndWhat) {
  const auto wrong = json::decode<Outer>(R"({"items":[{"name":5}],"counts":{},"on":true})", json::Unknown::kRefuse);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "items[0].name: expected text, found int64");
  EXPECT_EQ(json::decode<Inner>("{}", json::Unknown::kRefuse).error().message, "name: is missing");
  EXPECT_EQ(json::decode<Inner>(R"({"name":"a","port":70000})", json::Unknown::kRefuse).error().message,
            "port: is out of range");
  EXPECT_EQ(json::decode<Inner>("[]", json::Unknown::kRefuse).error().message, "expected an object, found array");
  EXPECT_EQ(
      json::decode<Outer>(R"({"items":[],"counts":{"a.b":true},"on":true})", json::Unknown::kRefuse).error().message,
      "counts.a.b: expected an integer, found bool");
  EXPECT_EQ(json::decode<Outer>(R"({"items":[{"name":"a","colour":1}],"counts":{},"on":true})", json::Unknown::kRefuse)
                .error()
                .message,
            "items[0]: unknown member \"colour\"");
}

TEST(Json, UnknownMembers) {
  const char* text = R"({"name":"a","new":1})";
  EXPECT_FALSE(json::decode<Inner>(text, json::Unknown::kRefuse));
  EXPECT_TRUE(json::decode<Inner>(text, json::Unknown::kIgnore));
}

TEST(Json, RefusesWhatReadersReadDifferently) {
  EXPECT_FALSE(json::parse(R"({"a":1,"a":2})"));
  EXPECT_FALSE(json::parse(R"({"a":1,"\u0061":2})"));
  EXPECT_FALSE(json::parse(R"([{"x":{"a":{"b":1,"c":2},"a":{"b":1,"d":2}}}])"));
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += "\"" + std::to_string(i) + "\":1,";
  EXPECT_TRUE(json::parse(many + "\"x\":1}"));
  EXPECT_FALSE(json::parse(many + "\"7\":1}"));
  EXPECT_TRUE(json::parse(R"({"a":{"a":1},"b":{"a":2}})"));
  EXPECT_FALSE(json::parse(R"({"a":1} x)"));
  EXPECT_FALSE(json::parse(R"({"a":1)"));
  EXPECT_FALSE(json::parse(""));
  EXPECT_FALSE(json::parse(std::string(100, '[') + std::string(100, ']')));
}

}  // namespace
}  // namespace portolan

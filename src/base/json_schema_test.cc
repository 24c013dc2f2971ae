#include "base/json_schema.h"

#include <gtest/gtest.h>

namespace portolan::json {
namespace {

struct Inner {
  std::string text;
  std::optional<std::uint16_t> port;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (text, port))
template <class T>
struct Several {
  std::vector<T> items;
  BOOST_DESCRIBE_CLASS(Several, (), (items), (), ())
};
struct Outer {
  bool flag = false;
  WallTime time{};
  std::optional<Inner> inner;
  std::map<std::string, std::string> tags;
  Secret secret;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (flag, time, inner, tags, secret))

TEST(JsonSchema, NamesAndReferences) {
  Schemas schemas;
  EXPECT_EQ(print(schemas.of<Several<Inner>>()), R"({"$ref":"#/components/schemas/InnerSeveral"})");
  EXPECT_EQ(print(schemas.components().at("Inner")),
            R"({"type":"object","properties":{"text":{"type":"string"},"port":{"type":"integer","minimum":0,)"
            R"("maximum":65535}},"additionalProperties":false,"required":["text"]})");
}

// What encode() makes fits, and whatever is changed about it does not.
TEST(JsonSchema, FitsWhatIsEncodedAndNothingElse) {
  Schemas schemas;
  const Value schema = schemas.of<Outer>();
  Outer outer;
  outer.inner = Inner{"x", std::uint16_t{5}};
  outer.tags["a"] = "b";
  EXPECT_EQ(schema_fault(to_value(outer), schema, schemas.components()), "");
  const std::pair<const char*, const char*> faults[] = {
      {R"({"flag":1,"time":"2026-01-01T00:00:00Z","tags":{},"secret":""})", ".flag: is not true or false"},
      {R"({"flag":true,"time":"yesterday","tags":{},"secret":""})", ".time: is no time"},
      {R"({"flag":true,"time":"2026-01-01T00:00:00Z","tags":{"a":1},"secret":""})", ".tags.a: is no text"},
      {R"({"flag":true,"time":"2026-01-01T00:00:00Z","tags":{}})", ".secret: is missing"},
      {R"({"flag":true,"time":"2026-01-01T00:00:00Z","tags":{},"secret":"","x":1})", ".x: is not documented"},
      {R"({"flag":true,"time":"2026-01-01T00:00:00Z","tags":{},"secret":"","inner":{"text":"","port":65536}})",
       ".inner.port: is too large"},
      {R"({"flag":true,"time":"2026-01-01T00:00:00Z","tags":{},"secret":"","inner":{"text":"","port":-1}})",
       ".inner.port: is too small"},
      {R"([])", "the document: is no object"},
  };
  for (const auto& [text, fault] : faults)
    EXPECT_EQ(schema_fault(*parse(text), schema, schemas.components()), fault) << text;
}

}  // namespace
}  // namespace portolan::json

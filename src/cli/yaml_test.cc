#include "cli/yaml.h"

#include <malloc.h>

#include <gtest/gtest.h>

namespace portolan::cli {
namespace {

std::string as_json(std::string_view text) {
  const auto document = parse_yaml(text);
  return document ? json::print(document->value) : document.error().message;
}

TEST(Yaml, SaysWhatJsonCanSay) {
  const std::pair<const char*, const char*> cases[] = {
      {"a: 1", R"({"a":1})"},
      {"a: -17\nb: 0\n", R"({"a":-17,"b":0})"},
      {"a: 007\nb: 1.10\nc: 1e3\nd: 0x10\ne: -0\nf: +1\n",
       R"({"a":"007","b":"1.10","c":"1e3","d":"0x10","e":"-0","f":"+1"})"},
      {"a: 99999999999999999999", R"({"a":"99999999999999999999"})"},
      {"a: yes\nb: true\nc: null\nd: ~\ne:\n", R"({"a":"yes","b":true,"c":null,"d":null,"e":null})"},
      {"a: '1'\nb: \"true\"\nc: ''\n", R"({"a":"1","b":"true","c":""})"},
      {"a: 2026-12-31T00:00:00Z", R"({"a":"2026-12-31T00:00:00Z"})"},
      {"- a\n- [b, {c: d}]\n", R"(["a",["b",{"c":"d"}]])"},
      {"a: |\n  one\n  two\n", R"({"a":"one\ntwo\n"})"},
      {R"({"a": [1, "x\/y", true], "b": {}})", R"({"a":[1,"x/y",true],"b":{}})"},
      {"word", R"("word")"},
      {"# only a remark\na: b # and another\n", R"({"a":"b"})"},
  };
  for (const auto& [text, json] : cases) EXPECT_EQ(as_json(text), json) << text;
}

TEST(Yaml, RefusesTheRestAndNamesTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "there is nothing in it"},
      {"# nothing", "there is nothing in it"},
      {"a: 1\nb: 2\na: 3\n", "line 3: \"a\" is there twice"},
      {"a:\n  x: 1\n  x: 2\n", "line 3: \"x\" is there twice"},
      {"a: &name 1\nb: *name\n", "line 1: anchors"},
      {"a: 1\nb: *name\n", "line 2: aliases"},
      {"a: !!int '1'\n", "line 1: tags"},
      {"a: 1\n---\nb: 2\n", "line 2: a second document"},
      {"[a, b]: 1\n", "line 1: a name must be text"},
      {"a: 1\n b: 2\n", "line 2: "},
      {"a: [1\nb: 2\n", "line "},
      {"a: 'open\n", "line "},
      {"\xff\xfe", "line 1: "},
  };
  for (const auto& [text, says] : cases) EXPECT_TRUE(as_json(text).starts_with(says)) << text << as_json(text);
}

TEST(Yaml, IsBounded) {
  EXPECT_TRUE(as_json(std::string(40, '[')).ends_with("nested more than 32 deep"));
  EXPECT_TRUE(as_json(std::string(100'000, '[')).ends_with("nested more than 32 deep"));
  const auto many = parse_yaml("[1, 2, 3, 4]", {.values = 4});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().message, "line 1: more than 4 values are too many");
  const auto large = parse_yaml("a: 1", {.bytes = 3});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Code::kLimit);
}

// The paths of these values are 30 kB each, 600 MB together.
TEST(Yaml, MemoryIsInProportionToTheText) {
  std::string text;
  for (int depth = 0; depth < 30; ++depth) text += "{" + std::string(1000, 'k') + ": ";
  text += "[1" + std::string(40'000, ' ');
  for (std::size_t at = text.size() - 40'000; at < text.size(); at += 2) text.replace(at, 2, ",1");
  text += "]" + std::string(30, '}');
  const auto used = [] { return mallinfo2().uordblks + mallinfo2().hblkhd; };
  const std::size_t before = used();
  const auto document = parse_yaml(text);
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_LT(used() - before, text.size() * 100);
}

TEST(Yaml, KnowsWhereThingsAre) {
  const auto document =
      parse_yaml("resources:\n  - name: a\n    host: x\n  -\n    name: b\n    tags:\n      env: prod\n");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->lines.of("resources[0]"), 2U);
  EXPECT_EQ(document->lines.of("resources[0].host"), 3U);
  EXPECT_EQ(document->lines.of("resources[1].name"), 5U);
  EXPECT_EQ(document->lines.of("resources[1].tags.env"), 7U);
  EXPECT_EQ(document->lines.of("resources[1].port"), 5U);
  EXPECT_EQ(document->lines.of("resources[7].port"), 1U);
  EXPECT_EQ(document->lines.of("nothing"), 0U);
  EXPECT_EQ(document->lines.of("resource"), 0U);
  EXPECT_EQ(document->lines.of("resources.name"), 1U);
  EXPECT_EQ(document->lines.of("resources[1"), 1U);
  EXPECT_EQ(document->lines.of("resources[1].tags.environment"), 6U);
  EXPECT_EQ(document->lines.of(""), 0U);
}

TEST(Yaml, NamesMayHaveDots) {
  const auto document = parse_yaml("a:\n  b: 1\na.b:\n  c:\n    - 1\n    - - 2\n      - 3\n");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->lines.of("a.b"), 2U);
  EXPECT_EQ(document->lines.of("a.b.c"), 4U);
  EXPECT_EQ(document->lines.of("a.b.c[1][1].d"), 7U);
  EXPECT_EQ(parse_yaml("- 1\n- a: 2\n")->lines.of("[1].a"), 2U);
}

}  // namespace
}  // namespace portolan::cli

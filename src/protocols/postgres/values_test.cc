#include "protocols/postgres/values.h"

#include <gtest/gtest.h>

#include "protocols/postgres/test_inspect.h"

namespace portolan::protocols::postgres {
namespace {

using Form = ValuesReader::Form;
using Keep = ValuesReader::Keep;

std::string u16(std::size_t n) { return {static_cast<char>(n >> 8), static_cast<char>(n)}; }
std::string value(std::string_view bytes) { return "\0\0"s + u16(bytes.size()) + std::string(bytes); }
const std::string kNull = "\xff\xff\xff\xff";

struct Read {
  bool whole;
  audit::Parameters parameters;
};
Read read(Form form, std::string_view bytes, std::size_t cut = 1'000'000, Keep keep = Keep::kValues) {
  ValuesReader reader(keep);
  reader.begin(form);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(cut, bytes.size()))) reader.body(as_bytes(bytes.substr(0, cut)));
  const bool whole = reader.whole();
  return {whole, reader.take()};
}

const std::string kMixed =
    u16(3) + u16(0) + u16(1) + u16(0) + u16(3) + value("it's") + value("\0\xff"s) + kNull + u16(0);

TEST(Values, TextBinaryAndNull) {
  for (std::size_t cut = 1; cut <= kMixed.size(); ++cut) {
    const Read got = read(Form::kBind, kMixed, cut);
    ASSERT_TRUE(got.whole) << cut;
    EXPECT_EQ(got.parameters.count, 3u);
    const std::vector<audit::Parameter> expected = {{"it's", {}, {}}, {{}, "00ff", 2}, {{}, {}, {}}};
    EXPECT_EQ(got.parameters.values, expected);
  }
}

TEST(Values, FormatsForNoneOneOrEach) {
  const std::string two = u16(2) + value("a") + value("b") + u16(0);
  EXPECT_EQ(read(Form::kBind, u16(0) + two).parameters.values[1].text, "b");
  EXPECT_EQ(read(Form::kBind, u16(1) + u16(1) + two).parameters.values[1].hex, "62");
  EXPECT_EQ(read(Form::kBind, u16(2) + u16(1) + u16(0) + two).parameters.values[0].hex, "61");
  EXPECT_EQ(read(Form::kBind, u16(2) + u16(1) + u16(0) + two).parameters.values[1].text, "b");
}

TEST(Values, NothingIsKeptUnasked) {
  const Read got = read(Form::kBind, kMixed, 3, Keep::kNothing);
  EXPECT_TRUE(got.whole);
  EXPECT_TRUE(got.parameters.values.empty());
}

TEST(Values, LongOnesAreCutWithTheirLength) {
  const std::string long_text(5000, 'x');
  const Read got =
      read(Form::kBind, u16(2) + u16(0) + u16(1) + u16(2) + value(long_text) + value(long_text) + u16(0), 999);
  ASSERT_TRUE(got.whole);
  EXPECT_EQ(got.parameters.values[0].text, std::string(audit::kParameterLimit, 'x'));
  EXPECT_EQ(got.parameters.values[0].length, 5000u);
  EXPECT_EQ(got.parameters.values[1].hex->size(), 2 * audit::kParameterLimit);
  EXPECT_EQ(got.parameters.values[1].length, 5000u);
}

TEST(Values, AllTogetherAreBounded) {
  for (const std::string_view one : {"", "0123456789", "0123456789012345678901234567890123456789"}) {
    constexpr std::size_t kMany = 65'535;
    std::string bytes = u16(0) + u16(kMany);
    for (std::size_t i = 0; i < kMany; ++i) bytes += value(one);
    const Read got = read(Form::kBind, bytes + u16(0));
    ASSERT_TRUE(got.whole);
    EXPECT_EQ(got.parameters.count, kMany);
    EXPECT_EQ(got.parameters.values.size(), audit::kParametersLimit / std::max<std::size_t>(16, one.size()));
  }
}

TEST(Values, NoneIsLeftOutInTheMiddle) {
  std::string bytes = u16(0) + u16(20);
  for (int i = 0; i < 19; ++i) bytes += value(std::string(1000, 'x'));
  const Read got = read(Form::kBind, bytes + value("last") + u16(0));
  ASSERT_TRUE(got.whole);
  EXPECT_EQ(got.parameters.values.size(), 16u);  // the short one behind the long ones would have had room
}

TEST(Values, TextThatIsNotUtf8HasItsLength) {
  const Read got = read(Form::kBind, u16(0) + u16(1) + value("z\xfcrich") + u16(0));
  EXPECT_EQ(got.parameters.values[0].text, "z\xef\xbf\xbdrich");
  EXPECT_EQ(got.parameters.values[0].length, 6u);
}

TEST(Values, Forms) {
  EXPECT_TRUE(read(Form::kTypes, u16(0)).whole);
  EXPECT_TRUE(read(Form::kTypes, u16(2) + "\0\0\0\x17\0\0\0\x19"s).whole);
  EXPECT_TRUE(read(Form::kBind, u16(0) + u16(0) + u16(2) + u16(1) + u16(0)).whole);
  EXPECT_TRUE(read(Form::kFunctionCall, u16(0) + u16(1) + value("5") + u16(0)).whole);
}

TEST(Values, WhatLeavesDoubtIsNotWhole) {
  const std::pair<Form, std::string> bads[] = {
      {Form::kBind, ""},
      {Form::kBind, u16(0) + u16(0)},
      {Form::kBind, u16(0) + u16(0) + u16(0) + "x"},
      {Form::kBind, u16(0) + u16(0) + u16(1)},
      {Form::kBind, u16(0) + u16(1) + u16(0)},
      {Form::kBind, u16(0) + u16(1) + "\0\0\0\5"s + "1234"},
      {Form::kBind, u16(0) + u16(1) + "\x80\0\0\0"s + u16(0)},
      {Form::kBind, u16(0) + u16(1) + "\xff\xff\xff\xfe"s + u16(0)},
      {Form::kBind, u16(2) + u16(0) + u16(1)},
      {Form::kTypes, ""},
      {Form::kTypes, u16(1)},
      {Form::kTypes, u16(0) + "\0"s},
      {Form::kFunctionCall, u16(0) + u16(0)},
      {Form::kFunctionCall, u16(0) + u16(0) + u16(0) + u16(0)},
  };
  for (const auto& [form, bytes] : bads)
    for (const Keep keep : {Keep::kNothing, Keep::kValues})
      for (const std::size_t cut : {1uz, 1000uz})
        EXPECT_FALSE(read(form, bytes, cut, keep).whole) << hex(as_bytes(bytes));
}

TEST(Values, OnRecordWithTheirStatement) {
  const Script script = {
      {'c', parse("s", "select $1") + bind_to("", "s", "one") + execute("") + bind_to("p", "s", "two") + execute("p")},
      {'s', parsed() + bound() + complete("SELECT 1") + bound() + msg('s')},
      {'c', execute("p") + sync()},
      {'s', complete("SELECT 1") + ready()},
      {'c', bind_to("", "s", "wrong") + sync() + msg('F', "\0\0\0\1"s + u16(0) + u16(1) + value("arg") + u16(0)) +
                query("q")},
      {'s', error("22P02", "invalid") + ready() + msg('V', kNull) + ready() + complete("Q") + ready()}};
  const auto with = run(script, 1'000'000, Keep::kValues);
  ASSERT_EQ(with.records.size(), 6u);
  const std::string_view expected[] = {"one", "two", "two", "wrong", "arg"};
  for (std::size_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(with.records[i].parameters) << i;
    ASSERT_EQ(with.records[i].parameters->values.size(), 1u);
    EXPECT_EQ(with.records[i].parameters->values.front().text, expected[i]) << i;
  }
  EXPECT_FALSE(with.records[5].parameters);
  for (const auto& record : run(script).records) EXPECT_FALSE(record.parameters);
}

TEST(Values, OfManyRequestsWithoutAnAnswerTheirNumberIsKept) {
  const std::string many = u16(0) + u16(16) + [] {
    std::string out;
    for (int i = 0; i < 16; ++i) out += value(std::string(1000, 'x'));
    return out;
  }() + u16(0);
  std::string requests;
  std::string answers;
  constexpr std::size_t kBatch = 1000;
  for (std::size_t i = 0; i < kBatch; ++i) {
    requests += msg('B', "\0s\0"s + many) + execute("");
    answers += bound() + complete("INSERT 0 1");
  }
  const Ran ran = run({{'c', parse("s", "insert") + requests + sync()}, {'s', parsed() + answers + ready()}}, 1'000'000,
                      Keep::kValues);
  ASSERT_TRUE(ran.outcome) << ran.outcome.error().message;
  ASSERT_EQ(ran.records.size(), kBatch);
  EXPECT_EQ(ran.records.front().parameters->values.size(), 16u);
  EXPECT_TRUE(ran.records.back().parameters->values.empty());
  EXPECT_EQ(ran.records.back().parameters->count, 16u);
}

}  // namespace
}  // namespace portolan::protocols::postgres

#include "protocols/postgres/names.h"

#include <gtest/gtest.h>

#include "protocols/postgres/test_inspect.h"

namespace portolan::protocols::postgres {
namespace {

const std::string kLong(63, 'n');
const std::string kUnknown = "(prepared statement \"s\", made by SQL)";
const std::string kGone = error("26000", "gone");

// A statement "s" known as "old", then a query with one tag for each of its statements, then "s" is used.
Case after(std::string_view sql, std::vector<std::string> tags, std::string expected) {
  std::string answers;
  std::vector<std::string> records;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    answers += complete(tags[i]);
    records.push_back(std::string(sql) + "|" + tags[i] + "|-|-|-" + (i > 0 ? "#" + std::to_string(i + 1) : ""));
  }
  records.push_back(std::move(expected) + "|USED|-|-|-");
  return {sql,
          {{'c', parse("s", "old") + query(sql) + bind_to("", "s") + execute("") + sync()},
           {'s', parsed() + answers + ready() + bound() + complete("USED") + ready()}},
          std::move(records)};
}

std::vector<Case> cases() {
  return {
      {"names that SQL made",
       {{'c', bind_to("", "s9") + execute("") + execute("cur") + sync()},
        {'s', bound() + complete("SELECT 0") + complete("FETCH 2") + ready()}},
       {"(prepared statement \"s9\", made by SQL)|SELECT 0|0|-|-", "(cursor \"cur\", made by SQL)|FETCH 2|2|-|-"}},
      {"closed names, and the unnamed ones after a simple query",
       {{'c', parse("s", "a") + close('S', "s") + bind_to("", "s") + sync()},
        {'s', parsed() + closed() + error("26000", "no such") + ready()},
        {'c', parse("", "b") + query("c") + bind_to("", "") + execute("") + sync()},
        {'s', parsed() + complete("C") + ready() + error("26000", "gone") + ready()}},
       {"(prepared statement \"s\", made by SQL)|-|-|26000|no such", "c|C|-|-|-",
        "(prepared statement \"\", made by SQL)|-|-|26000|gone"}},
      {"portals end with their transaction",
       {{'c', parse("", "a") + bind_to("p", "") + sync() + execute("p") + sync()},
        {'s', parsed() + bound() + ready('T') + complete("A") + ready('I')},
        {'c', execute("p") + sync()},
        {'s', error("34000", "no such portal") + ready()}},
       {"a|A|-|-|-", "(cursor \"p\", made by SQL)|-|-|34000|no such portal"}},
      {"DISCARD ALL",
       {{'c', parse("s", "a") + query("discard all") + bind_to("", "s") + sync()},
        {'s', parsed() + complete("DISCARD ALL") + ready() + error("26000", "gone") + ready()}},
       {"discard all|DISCARD ALL|-|-|-", "(prepared statement \"s\", made by SQL)|-|-|26000|gone"}},
      after("deallocate s; ", {"DEALLOCATE"}, kUnknown),
      after("/* a /* nested */ one */ DEALLOCATE -- it\n prepare S", {"DEALLOCATE"}, kUnknown),
      after("deallocate other", {"DEALLOCATE"}, "old"),
      after("deallocate \"S\"", {"DEALLOCATE"}, "old"),
      after("deallocate prepare", {"DEALLOCATE"}, "old"),
      after("select 1; deallocate other", {"SELECT", "DEALLOCATE"}, kUnknown),  // in doubt
      after("deallocate all", {"DEALLOCATE ALL"}, kUnknown),
      after("deallocate s; prepare s as select 2", {"DEALLOCATE", "PREPARE"}, kUnknown),
      after("prepare s (int) as select $1", {"PREPARE"}, "prepare s (int) as select $1"),
      after("PREPARE \"s\" AS SELECT 2", {"PREPARE"}, "PREPARE \"s\" AS SELECT 2"),
      after("prepare u&\"s\" as select 2", {"PREPARE"}, kUnknown),  // in doubt
      after("create rule deallocate as on insert to s", {"CREATE RULE"}, "old"),
      {"the first 63 bytes of a name count",
       {{'c', parse(kLong + "one", "a") + bind_to("", kLong + "two") + execute("") + sync()},
        {'s', parsed() + bound() + complete("A") + ready()}},
       {"a|A|-|-|-"}},
      {"and all of it where that is known",
       {{'c', parse(kLong + "1", "a") + parse(kLong + "2", "b") + bind_to("", kLong + "2") + execute("") +
                  bind_to("", kLong + "1") + execute("") + sync()},
        {'s', parsed() + parsed() + bound() + complete("B") + bound() + complete("A") + ready()}},
       {"b|B|-|-|-", "a|A|-|-|-"}},
      {"a cursor by SQL",
       {{'c', query("begin") + query("declare Cur cursor for select") + execute("cur") + sync() + query("close cur") +
                  execute("cur") + sync()},
        {'s', complete("BEGIN") + ready('T') + complete("DECLARE CURSOR") + ready('T') + complete("FETCH 1") +
                  ready('T') + complete("CLOSE CURSOR") + ready('T') + error("34000", "gone") + ready('E')}},
       {"begin|BEGIN|-|-|-", "declare Cur cursor for select|DECLARE CURSOR|-|-|-",
        "declare Cur cursor for select|FETCH 1|1|-|-", "close cur|CLOSE CURSOR|-|-|-",
        "(cursor \"cur\", made by SQL)|-|-|34000|gone"}},
      {"one that is held outlives its transaction; CLOSE ALL ends it",
       {{'c', query("declare c scroll cursor with hold for select") + query("declare d cursor without hold for x") +
                  execute("c") + sync() + execute("d") + sync() + query("close all") + execute("c") + sync()},
        {'s', complete("DECLARE CURSOR") + ready() + complete("DECLARE CURSOR") + ready() + complete("FETCH 1") +
                  ready() + error("34000", "gone") + ready() + complete("CLOSE CURSOR ALL") + ready() +
                  error("34000", "gone") + ready()}},
       {"declare c scroll cursor with hold for select|DECLARE CURSOR|-|-|-",
        "declare d cursor without hold for x|DECLARE CURSOR|-|-|-",
        "declare c scroll cursor with hold for select|FETCH 1|1|-|-", "(cursor \"d\", made by SQL)|-|-|34000|gone",
        "close all|CLOSE CURSOR ALL|-|-|-", "(cursor \"c\", made by SQL)|-|-|34000|gone"}},
      {"DISCARD ALL in an Execute leaves the unnamed statement",
       {{'c', parse("s", "a") + parse("", "discard all") + bind_to("", "") + execute("") + sync() + bind_to("", "") +
                  execute("") + bind_to("", "s") + sync()},
        {'s', parsed() + parsed() + bound() + complete("DISCARD ALL") + ready() + bound() + complete("DISCARD ALL") +
                  kGone + ready()}},
       {"discard all|DISCARD ALL|-|-|-", "discard all|DISCARD ALL|-|-|-", kUnknown + "|-|-|26000|gone"}},
      {"a Parse of the unnamed statement that fails has dropped it all the same",
       {{'c', parse("", "a") + sync() + parse("", "b") + sync() + bind_to("", "") + sync()},
        {'s', parsed() + ready() + error("42601", "no") + ready() + kGone + ready()}},
       {"b|-|-|42601|no", "(prepared statement \"\", made by SQL)|-|-|26000|gone"}},
      {"a simple query without a statement leaves the unnamed portal",
       {{'c', query("begin") + parse("", "a") + bind_to("", "") + sync() + query("") + execute("") + sync()},
        {'s', complete("BEGIN") + ready('T') + parsed() + bound() + ready('T') + msg('I') + ready('T') + complete("A") +
                  ready('T')}},
       {"begin|BEGIN|-|-|-", "|-|-|-|-", "a|A|-|-|-"}},
  };
}

TEST(Names, Records) { expect_records(cases()); }

TEST(Names, StatementsThatName) {
  using Verb = NamingStatement::Verb;
  struct Parsed {
    std::string sql;
    std::optional<Verb> verb;
    std::string name = {};
    bool with_hold = false;
  };
  const Parsed all[] = {
      {"prepare a as select 1", Verb::kPrepare, "a"},
      {" ;;\n-- c\r prepare\tA_1$(int) as", Verb::kPrepare, "a_1$"},
      {"prepare \"a\"\"b\" as", Verb::kPrepare, "a\"b"},
      {"prepare \xc3\x84\xc3\xa4 as", Verb::kPrepare, "\xc3\x84\xc3\xa4"},
      {"prepare " + std::string(100, 'X') + " as", Verb::kPrepare, std::string(63, 'x')},
      {"deallocate prepare a", Verb::kDeallocate, "a"},
      {"declare a binary insensitive no scroll cursor with hold for", Verb::kDeclare, "a", true},
      {"declare a cursor /* with */ without hold for", Verb::kDeclare, "a", false},
      {"close a", Verb::kClose, "a"},
      {"declare a cursor", std::nullopt},
      {"prepare", std::nullopt},
      {"prepare \"a", std::nullopt},
      {"prepare 'a' as", std::nullopt},
      {"prepare u&\"a\" as", std::nullopt},
      {"/* not /* closed */ prepare a as", std::nullopt},
      {"preparea", std::nullopt},
      {"", std::nullopt},
      {"select 1", std::nullopt},
  };
  for (const Parsed& expected : all) {
    const auto found = parse_naming_statement(expected.sql);
    ASSERT_EQ(found.has_value(), expected.verb.has_value()) << expected.sql;
    if (!found) continue;
    EXPECT_EQ(found->verb, *expected.verb) << expected.sql;
    EXPECT_EQ(found->name, expected.name) << expected.sql;
    EXPECT_EQ(found->with_hold, expected.with_hold) << expected.sql;
  }
}

}  // namespace
}  // namespace portolan::protocols::postgres

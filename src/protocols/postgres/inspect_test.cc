#include "protocols/postgres/inspect.h"

#include <gtest/gtest.h>

#include "protocols/postgres/test_inspect.h"

namespace portolan::protocols::postgres {
namespace {

std::vector<Case> cases() {
  const std::string bad = error("42601", "syntax error");
  return {
      {"simple",
       {{'c', query("select 1")}, {'s', description() + row() + complete("SELECT 1") + ready()}},
       {"select 1|SELECT 1|1|-|-"}},
      {"empty", {{'c', query("")}, {'s', msg('I') + ready()}}, {"|-|-|-|-"}},
      {"several statements in one query",
       {{'c', query("insert into t values (1); select 2")},
        {'s', complete("INSERT 0 1") + description() + row() + complete("SELECT 1") + ready()}},
       {"insert into t values (1); select 2|INSERT 0 1|1|-|-", "insert into t values (1); select 2|SELECT 1|1|-|-#2"}},
      {"an error in the middle",
       {{'c', query("begin; boom; commit")},
        {'s', complete("BEGIN") + bad + ready('E')},
        {'c', query("rollback")},
        {'s', complete("ROLLBACK") + ready()}},
       {"begin; boom; commit|BEGIN|-|-|-", "begin; boom; commit|-|-|42601|syntax error#2", "rollback|ROLLBACK|-|-|-"}},
      {"extended, unnamed",
       {{'c', parse("", "select $1") + bind_to("", "", "7") + describe('P', "") + execute("") + sync()},
        {'s', parsed() + bound() + description() + row() + complete("SELECT 1") + ready()}},
       {"select $1|SELECT 1|1|-|-"}},
      {"prepared once, executed many times",
       {{'c', parse("s1", "insert into t values ($1)") + describe('S', "s1") + sync()},
        {'s', parsed() + msg('t', "\0\0"sv) + msg('n') + ready()},
        {'c', bind_to("", "s1", "1") + execute("") + bind_to("", "s1", "2") + execute("") + sync()},
        {'s', bound() + complete("INSERT 0 1") + bound() + complete("INSERT 0 2") + ready()}},
       {"insert into t values ($1)|INSERT 0 1|1|-|-", "insert into t values ($1)|INSERT 0 2|2|-|-"}},
      {"a portal fetched in parts",
       {{'c', parse("", "select * from t") + bind_to("p", "") + execute("p") + msg('H')},
        {'s', parsed() + bound() + row() + row() + msg('s')},
        {'c', execute("p") + close('P', "p") + sync()},
        {'s', row() + complete("SELECT 1") + closed() + ready()}},
       {"select * from t|-|2|-|-", "select * from t|SELECT 1|1|-|-"}},
      {"pipelined; what follows an error up to Sync is not run",
       {{'c', parse("", "a") + bind_to("", "") + execute("") + parse("", "b") + bind_to("", "") + execute("") +
                  parse("", "c") + bind_to("", "") + execute("") + sync() + query("d")},
        {'s', parsed() + bound() + complete("INSERT 0 1") + parsed() + bound() + error("23505", "duplicate key") +
                  ready() + complete("D") + ready()}},
       {"a|INSERT 0 1|1|-|-", "b|-|-|23505|duplicate key", "d|D|-|-|-"}},
      {"an error before the client has sent what it skips",
       {{'c', parse("", "boom") + msg('H')},
        {'s', bad},
        {'c', bind_to("", "") + execute("") + query("skipped too") + sync() + query("next")},
        {'s', ready() + complete("NEXT") + ready()}},
       {"boom|-|-|42601|syntax error", "next|NEXT|-|-|-"}},
      {"a Parse that fails does not rename what was prepared",
       {{'c', parse("s", "delete from t") + sync()},
        {'s', parsed() + ready()},
        {'c', parse("s", "select 1") + sync()},
        {'s', error("42P05", "exists") + ready()},
        {'c', bind_to("", "s") + execute("") + sync()},
        {'s', bound() + complete("DELETE 3") + ready()}},
       {"select 1|-|-|42P05|exists", "delete from t|DELETE 3|3|-|-"}},
      {"a Bind that fails",
       {{'c', parse("", "select $1::int") + bind_to("", "", "x") + describe('P', "") + execute("") + sync()},
        {'s', parsed() + error("22P02", "invalid input") + ready()}},
       {"select $1::int|-|-|22P02|invalid input"}},
      {"the commit at Sync fails",
       {{'c', parse("", "insert") + bind_to("", "") + execute("") + sync() + query("next")},
        {'s', parsed() + bound() + complete("INSERT 0 1") + error("40001", "serialize") + ready() + complete("NEXT") +
                  ready()}},
       {"insert|INSERT 0 1|1|-|-", "(commit at the end of an implicit transaction)|-|-|40001|serialize",
        "next|NEXT|-|-|-"}},
      {"notifications, notices and parameters in between",
       {{'s', msg('A', "\0\0\0\1ch\0\0"sv)},
        {'c', query("set x")},
        {'s', msg('N', "SNOTICE\0\0"sv) + msg('S', "a\0b\0"sv) + complete("SET") + msg('A', "\0\0\0\1ch\0\0"sv) +
                  ready() + msg('A', "\0\0\0\1ch\0\0"sv)}},
       {"set x|SET|-|-|-"}},
      {"function call",
       {{'c', msg('F', "\0\0\x04\xd2\0\0\0\0\0\0"sv)}, {'s', msg('V', "\xff\xff\xff\xff"sv) + ready()}},
       {"(call of function 1234)|-|-|-|-"}},
      {"function call that fails",
       {{'c', msg('F', "\0\0\x04\xd2\0\0\0\0\0\0"sv)}, {'s', error("42883", "no such function") + ready()}},
       {"(call of function 1234)|-|-|42883|no such function"}},
      {"the server ends the session while nothing runs", {{'s', error("57P01", "shutting down")}}, {}},
      {"lost while it runs, and behind it",
       {{'c', query("select pg_sleep(9)") + parse("", "insert") + bind_to("", "") + execute("") + sync()},
        {'s', description()}},
       {"select pg_sleep(9)|-|-|-|connection lost", "insert|-|-|-|connection lost"}},
      {"lost between the answer and ReadyForQuery", {{'c', query("a")}, {'s', complete("A")}}, {"a|A|-|-|-"}},
      {"the same, of a text that may hold more",
       {{'c', query("a; b")}, {'s', complete("A")}},
       {"a; b|A|-|-|-", "a; b|-|-|-|connection lost#2"}},
      {"an error, and another as the server goes",
       {{'c', query("a")}, {'s', error("57014", "cancelled") + error("57P01", "shutting down")}},
       {"a|-|-|57014|cancelled"}},
      {"rows before the error, and before the end",
       {{'c', query("a; b")},
        {'s', description() + row() + row() + error("57014", "cancelled") + ready()},
        {'c', query("c")},
        {'s', description() + row()}},
       {"a; b|-|2|57014|cancelled", "c|-|1|-|connection lost"}},
      {"rows of a tag that counts none",
       {{'c', query("explain a")}, {'s', description() + row() + row() + complete("EXPLAIN") + ready()}},
       {"explain a|EXPLAIN|2|-|-"}},
      {"lost after its error",
       {{'c', query("boom")}, {'s', error("57P01", "terminated")}},
       {"boom|-|-|57P01|terminated"}},
      {"lost half-way through the next message",
       {{'c', query("a")}, {'s', complete("A") + ready()}, {'c', query("delete from t").substr(0, 12)}},
       {"a|A|-|-|-"}},
      {"what comes behind Terminate is not run",
       {{'c', query("a") + msg('X') + query("b")}, {'s', complete("A") + ready()}},
       {"a|A|-|-|-"}},
      {"terminate", {{'c', query("a") + msg('X')}, {'s', complete("A") + ready()}}, {"a|A|-|-|-"}},
  };
}

TEST(Inspect, Records) { expect_records(cases()); }

TEST(Inspect, Times) {
  const auto ran =
      run({{'c', query("a; b")}, {'s', description()}, {'s', complete("A")}, {'s', complete("B") + ready()}});
  ASSERT_EQ(ran.records.size(), 2u);
  const FakeClock start;
  EXPECT_EQ(ran.records[0].started, start.wall());
  EXPECT_EQ(ran.records[0].duration, std::chrono::milliseconds(20));
  EXPECT_EQ(ran.records[1].started, start.wall() + std::chrono::milliseconds(20));
  EXPECT_EQ(ran.records[1].duration, std::chrono::milliseconds(10));
}

TEST(Inspect, LongTextsAreCutWithHashAndLength) {
  for (std::size_t size : {audit::kTextLimit, audit::kTextLimit + 1, audit::kTextLimit * 3}) {
    const std::string sql(size, 'x');
    const auto ran = run({{'c', query(sql)}, {'s', complete("A") + ready()}}, 32 * 1024);
    ASSERT_EQ(ran.records.size(), 1u);
    const auto& q = ran.records[0];
    EXPECT_EQ(q.text.size(), audit::kTextLimit);
    EXPECT_EQ(q.text_sha256.has_value(), size > audit::kTextLimit);
    if (!q.text_sha256) continue;
    EXPECT_EQ(*q.text_sha256, hex(crypto::sha256(as_bytes(sql))));
    EXPECT_EQ(q.text_length, size);
  }
}

TEST(Inspect, TextsThatAreNotUtf8KeepTheirHash) {
  const auto ran = run({{'c', query("select 'z\xfcrich'")}, {'s', complete("SELECT 1") + ready()}});
  ASSERT_EQ(ran.records.size(), 1u);
  EXPECT_EQ(ran.records[0].text, "select 'z\xef\xbf\xbdrich'");
  EXPECT_EQ(ran.records[0].text_sha256, hex(crypto::sha256(as_bytes("select 'z\xfcrich'"))));
  EXPECT_EQ(ran.records[0].text_length, 15u);
}

TEST(Inspect, LongErrorsAndOnesThatAreCut) {
  const auto ran = run({{'c', query("a")}, {'s', error("XX000", std::string(100'000, 'e')) + ready()}});
  ASSERT_EQ(ran.records.size(), 1u);
  EXPECT_EQ(ran.records[0].error_code, "XX000");
  EXPECT_EQ(ran.records[0].error->size(), 1024u);
}

TEST(Inspect, MemoryIsBounded) {
  FakeClock clock;
  Inspect many_names(clock, [](audit::Query) -> Result<> { return {}; });
  Result<> outcome;
  std::size_t prepared = 0;
  for (; outcome && prepared < 100'000; ++prepared) {
    outcome = many_names.from_client(as_bytes(parse("s" + std::to_string(prepared), "select 1")));
    if (outcome) outcome = many_names.from_server(as_bytes(parsed()));
  }
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kLimit);
  EXPECT_GT(prepared, 30'000u);

  Inspect no_answers(clock, [](audit::Query) -> Result<> { return {}; });
  const std::string syncs = [] {
    std::string out;
    for (int i = 0; i < 1000; ++i) out += sync();
    return out;
  }();
  outcome = {};
  for (int i = 0; outcome && i < 1000; ++i) outcome = no_answers.from_client(as_bytes(syncs));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kLimit);
}

TEST(Inspect, MemoryOfRequestsWithoutAnAnswerIsBounded) {
  FakeClock clock;
  std::vector<audit::Query> records;
  Inspect inspect(clock, [&records](audit::Query q) -> Result<> {
    records.push_back(std::move(q));
    return {};
  });
  const std::string sql(audit::kTextLimit, 'x');
  // A server holds back the short answers of many statements until a Sync.
  constexpr std::size_t kMany = 1500;
  std::string answers;
  for (std::size_t i = 0; i < kMany; ++i) {
    ASSERT_TRUE(inspect.from_client(as_bytes(query(sql))));
    answers += complete("A") + ready();
  }
  ASSERT_TRUE(inspect.from_server(as_bytes(answers)));
  ASSERT_EQ(records.size(), kMany);
  std::size_t kept = 0;
  for (const auto& record : records) {
    kept += record.text.size();
    if (record.text.size() < sql.size()) EXPECT_EQ(record.text_sha256, hex(crypto::sha256(as_bytes(sql))));
  }
  EXPECT_LT(kept, 8u * 1024 * 1024);
  // What was answered is free again.
  ASSERT_TRUE(inspect.from_client(as_bytes(query(sql))));
  ASSERT_TRUE(inspect.from_server(as_bytes(complete("A") + ready())));
  EXPECT_EQ(records.back().text, sql);
  // Names count as well.
  const std::string name(300, 'n');
  const std::string_view same = name;
  std::string binds;
  for (int i = 0; i < 1000; ++i) binds += bind_to(same, same);
  Result<> outcome;
  std::size_t sent = 0;
  for (; outcome && sent < 400'000; sent += 1000) outcome = inspect.from_client(as_bytes(binds));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kLimit);
  EXPECT_LT(sent, 200'000u);
}

TEST(Inspect, ManyLongStatementsAreKeptByTheirHash) {
  FakeClock clock;
  std::vector<audit::Query> records;
  Inspect inspect(clock, [&records](audit::Query q) -> Result<> {
    records.push_back(std::move(q));
    return {};
  });
  const std::string sql(audit::kTextLimit, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(inspect.from_client(as_bytes(parse("s" + std::to_string(i), sql))));
    ASSERT_TRUE(inspect.from_server(as_bytes(parsed())));
  }
  ASSERT_TRUE(inspect.from_client(as_bytes(bind_to("", "s0") + execute("") + bind_to("", "s99") + execute(""))));
  ASSERT_TRUE(inspect.from_server(as_bytes(bound() + complete("A") + bound() + complete("B"))));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].text, sql);
  EXPECT_LT(records[1].text.size(), sql.size());
  EXPECT_EQ(records[1].text_sha256, hex(crypto::sha256(as_bytes(sql))));
  EXPECT_EQ(records[1].text_length, sql.size());
}

TEST(Inspect, ARecordThatCannotBeKeptEndsIt) {
  FakeClock clock;
  Inspect inspect(clock, [](audit::Query) -> Result<> { return fail(Code::kLimit, "disk full"); });
  ASSERT_TRUE(inspect.from_client(as_bytes(query("a"))));
  const auto outcome = inspect.from_server(as_bytes(complete("A") + ready()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().message, "disk full");
}

TEST(Inspect, KnowsWhereTheServersMessagesEnd) {
  FakeClock clock;
  Inspect inspect(clock, [](audit::Query) -> Result<> { return {}; });
  const std::string notice = msg('N', "SNOTICE\0\0"sv);
  for (std::size_t i = 0; i < notice.size(); ++i) {
    EXPECT_EQ(inspect.at_server_boundary(), i == 0);
    EXPECT_EQ(inspect.server_bytes_wanted(), i == 0 ? 0 : i < kHeaderSize ? kHeaderSize - i : notice.size() - i) << i;
    ASSERT_TRUE(inspect.from_server(as_bytes(notice.substr(i, 1))));
  }
  EXPECT_TRUE(inspect.at_server_boundary());
  EXPECT_EQ(inspect.server_bytes_wanted(), 0u);
}

}  // namespace
}  // namespace portolan::protocols::postgres

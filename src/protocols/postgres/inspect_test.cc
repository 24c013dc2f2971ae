#include "protocols/postgres/inspect.h"

#include <gtest/gtest.h>

namespace portolan::protocols::postgres {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

std::string msg(char type, std::string_view body = {}) { return std::string(as_text(message(type, as_bytes(body)))); }
std::string z(std::string_view text) { return std::string(text) + '\0'; }

// The client's messages.
std::string query(std::string_view sql) { return msg('Q', z(sql)); }
std::string parse(std::string_view name, std::string_view sql) {
  return msg('P', z(name) + z(sql) + std::string(2, '\0'));
}
std::string bind(std::string_view portal, std::string_view statement, std::string_view value = "") {
  return msg('B', z(portal) + z(statement) + std::string(2, '\0') + "\0\1"s + std::string("\0\0\0", 3) +
                      static_cast<char>(value.size()) + std::string(value) + std::string(2, '\0'));
}
std::string describe(char kind, std::string_view name) { return msg('D', kind + z(name)); }
std::string execute(std::string_view portal) { return msg('E', z(portal) + std::string(4, '\0')); }
std::string close(char kind, std::string_view name) { return msg('C', kind + z(name)); }
std::string sync() { return msg('S'); }

// The server's.
std::string complete(std::string_view tag) { return msg('C', z(tag)); }
std::string ready(char status = 'I') { return msg('Z', std::string(1, status)); }
std::string row() { return msg('D', "\0\1\0\0\0\1x"sv); }
std::string description() { return msg('T', "\0\0"sv); }
std::string error(std::string_view code, std::string_view text) {
  return msg('E', "SERROR\0VERROR\0C"s + z(code) + "M" + z(text) + std::string(1, '\0'));
}
std::string parsed() { return msg('1'); }
std::string bound() { return msg('2'); }
std::string closed() { return msg('3'); }

// A conversation: pieces in order, 'c' from the client, 's' from the server.
struct Piece {
  char from;
  std::string bytes;
};
using Script = std::vector<Piece>;

struct Ran {
  std::vector<audit::Query> records;
  Result<> outcome;
};

Ran run(const Script& script, std::size_t cut = 1'000'000) {
  Ran out;
  FakeClock clock;
  Inspect inspect(clock, [&out](audit::Query record) -> Result<> {
    out.records.push_back(std::move(record));
    return {};
  });
  for (const Piece& piece : script) {
    for (std::string_view rest = piece.bytes; !rest.empty() && out.outcome;
         rest.remove_prefix(std::min(cut, rest.size())))
      out.outcome = piece.from == 'c' ? inspect.from_client(as_bytes(rest.substr(0, cut)))
                                      : inspect.from_server(as_bytes(rest.substr(0, cut)));
    clock.advance(std::chrono::milliseconds(10));
  }
  const auto lost = inspect.connection_lost();
  EXPECT_TRUE(lost);
  return out;
}

// One record in a line: text|tag|rows|code|error, "-" for what is absent.
std::string line(const audit::Query& q) {
  return q.text + "|" + q.tag.value_or("-") + "|" + (q.rows ? std::to_string(*q.rows) : "-") + "|" +
         q.error_code.value_or("-") + "|" + q.error.value_or("-");
}
std::vector<std::string> lines(const Ran& ran) {
  std::vector<std::string> out;
  for (const auto& q : ran.records) out.push_back(line(q));
  return out;
}

struct Case {
  std::string_view name;
  Script script;
  std::vector<std::string> expected;
};

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
       {"insert into t values (1); select 2|INSERT 0 1|1|-|-", "insert into t values (1); select 2|SELECT 1|1|-|-"}},
      {"an error in the middle",
       {{'c', query("begin; boom; commit")},
        {'s', complete("BEGIN") + bad + ready('E')},
        {'c', query("rollback")},
        {'s', complete("ROLLBACK") + ready()}},
       {"begin; boom; commit|BEGIN|-|-|-", "begin; boom; commit|-|-|42601|syntax error", "rollback|ROLLBACK|-|-|-"}},
      {"extended, unnamed",
       {{'c', parse("", "select $1") + bind("", "", "7") + describe('P', "") + execute("") + sync()},
        {'s', parsed() + bound() + description() + row() + complete("SELECT 1") + ready()}},
       {"select $1|SELECT 1|1|-|-"}},
      {"prepared once, executed many times",
       {{'c', parse("s1", "insert into t values ($1)") + describe('S', "s1") + sync()},
        {'s', parsed() + msg('t', "\0\0"sv) + msg('n') + ready()},
        {'c', bind("", "s1", "1") + execute("") + bind("", "s1", "2") + execute("") + sync()},
        {'s', bound() + complete("INSERT 0 1") + bound() + complete("INSERT 0 2") + ready()}},
       {"insert into t values ($1)|INSERT 0 1|1|-|-", "insert into t values ($1)|INSERT 0 2|2|-|-"}},
      {"a portal fetched in parts",
       {{'c', parse("", "select * from t") + bind("p", "") + execute("p") + msg('H')},
        {'s', parsed() + bound() + row() + row() + msg('s')},
        {'c', execute("p") + close('P', "p") + sync()},
        {'s', row() + complete("SELECT 1") + closed() + ready()}},
       {"select * from t|-|2|-|-", "select * from t|SELECT 1|1|-|-"}},
      {"pipelined; what follows an error up to Sync is not run",
       {{'c', parse("", "a") + bind("", "") + execute("") + parse("", "b") + bind("", "") + execute("") +
                  parse("", "c") + bind("", "") + execute("") + sync() + query("d")},
        {'s', parsed() + bound() + complete("INSERT 0 1") + parsed() + bound() + error("23505", "duplicate key") +
                  ready() + complete("D") + ready()}},
       {"a|INSERT 0 1|1|-|-", "b|-|-|23505|duplicate key", "d|D|-|-|-"}},
      {"an error before the client has sent what it skips",
       {{'c', parse("", "boom") + msg('H')},
        {'s', bad},
        {'c', bind("", "") + execute("") + query("skipped too") + sync() + query("next")},
        {'s', ready() + complete("NEXT") + ready()}},
       {"boom|-|-|42601|syntax error", "next|NEXT|-|-|-"}},
      {"a Parse that fails does not rename what was prepared",
       {{'c', parse("s", "delete from t") + sync()},
        {'s', parsed() + ready()},
        {'c', parse("s", "select 1") + sync()},
        {'s', error("42P05", "exists") + ready()},
        {'c', bind("", "s") + execute("") + sync()},
        {'s', bound() + complete("DELETE 3") + ready()}},
       {"select 1|-|-|42P05|exists", "delete from t|DELETE 3|3|-|-"}},
      {"a Bind that fails",
       {{'c', parse("", "select $1::int") + bind("", "", "x") + describe('P', "") + execute("") + sync()},
        {'s', parsed() + error("22P02", "invalid input") + ready()}},
       {"select $1::int|-|-|22P02|invalid input"}},
      {"the commit at Sync fails",
       {{'c', parse("", "insert") + bind("", "") + execute("") + sync() + query("next")},
        {'s', parsed() + bound() + complete("INSERT 0 1") + error("40001", "serialize") + ready() + complete("NEXT") +
                  ready()}},
       {"insert|INSERT 0 1|1|-|-", "(commit at the end of an implicit transaction)|-|-|40001|serialize",
        "next|NEXT|-|-|-"}},
      {"names that SQL made",
       {{'c', bind("", "s9") + execute("") + execute("cur") + sync()},
        {'s', bound() + complete("SELECT 0") + complete("FETCH 2") + ready()}},
       {"(prepared statement \"s9\", made by SQL)|SELECT 0|0|-|-", "(cursor \"cur\", made by SQL)|FETCH 2|2|-|-"}},
      {"closed names, and the unnamed ones after a simple query",
       {{'c', parse("s", "a") + close('S', "s") + bind("", "s") + sync()},
        {'s', parsed() + closed() + error("26000", "no such") + ready()},
        {'c', parse("", "b") + query("c") + bind("", "") + execute("") + sync()},
        {'s', parsed() + complete("C") + ready() + error("26000", "gone") + ready()}},
       {"(prepared statement \"s\", made by SQL)|-|-|26000|no such", "c|C|-|-|-",
        "(prepared statement \"\", made by SQL)|-|-|26000|gone"}},
      {"portals end with their transaction",
       {{'c', parse("", "a") + bind("p", "") + sync() + execute("p") + sync()},
        {'s', parsed() + bound() + ready('T') + complete("A") + ready('I')},
        {'c', execute("p") + sync()},
        {'s', error("34000", "no such portal") + ready()}},
       {"a|A|-|-|-", "(cursor \"p\", made by SQL)|-|-|34000|no such portal"}},
      {"DISCARD ALL",
       {{'c', parse("s", "a") + query("discard all") + bind("", "s") + sync()},
        {'s', parsed() + complete("DISCARD ALL") + ready() + error("26000", "gone") + ready()}},
       {"discard all|DISCARD ALL|-|-|-", "(prepared statement \"s\", made by SQL)|-|-|26000|gone"}},
      {"copy in, simple",
       {{'c', query("copy t from stdin")},
        {'s', msg('G', "\0\0\0"sv)},
        {'c', msg('d', "1\n") + msg('d', "2\n") + msg('c')},
        {'s', complete("COPY 2") + ready()},
        {'c', query("next")},
        {'s', complete("NEXT") + ready()}},
       {"copy t from stdin|COPY 2|2|-|-", "next|NEXT|-|-|-"}},
      {"two copies in one query",
       {{'c', query("copy a from stdin; copy b from stdin")},
        {'s', msg('G', "\0\0\0"sv)},
        {'c', msg('d', "1\n") + msg('c')},
        {'s', complete("COPY 1") + msg('G', "\0\0\0"sv)},
        {'c', msg('f', z("no more"))},
        {'s', error("57014", "COPY from stdin failed") + ready()}},
       {"copy a from stdin; copy b from stdin|COPY 1|1|-|-",
        "copy a from stdin; copy b from stdin|-|-|57014|COPY from stdin failed"}},
      {"two copies in one query, the first sent ahead, a Sync within the second",
       {{'c', query("copy a from stdin; copy b from stdin") + msg('d', "1\n") + msg('c')},
        {'s', msg('G', "\0\0\0"sv) + complete("COPY 1") + msg('G', "\0\0\0"sv)},
        {'c', sync() + msg('c') + query("next")},
        {'s', complete("COPY 0") + ready() + complete("NEXT") + ready()}},
       {"copy a from stdin; copy b from stdin|COPY 1|1|-|-", "copy a from stdin; copy b from stdin|COPY 0|0|-|-",
        "next|NEXT|-|-|-"}},
      {"copy in, extended: the Sync sent before the copy began is ignored by the server",
       {{'c', parse("", "copy t from stdin") + bind("", "") + execute("") + sync()},
        {'s', parsed() + bound() + msg('G', "\0\0\0"sv)},
        {'c', msg('d', "1\n") + sync() + msg('H') + msg('c') + sync()},
        {'s', complete("COPY 1") + ready()},
        {'c', query("next")},
        {'s', complete("NEXT") + ready()}},
       {"copy t from stdin|COPY 1|1|-|-", "next|NEXT|-|-|-"}},
      {"copy in, all sent ahead",
       {{'c', parse("", "copy t from stdin") + bind("", "") + execute("") + msg('d', "1\n") + msg('c') + sync() +
                  query("next")},
        {'s', parsed() + bound() + msg('G', "\0\0\0"sv) + complete("COPY 1") + ready() + complete("NEXT") + ready()}},
       {"copy t from stdin|COPY 1|1|-|-", "next|NEXT|-|-|-"}},
      {"copy in that fails at the server while the client still sends",
       {{'c', query("copy t from stdin")},
        {'s', msg('G', "\0\0\0"sv)},
        {'c', msg('d', "x\n")},
        {'s', error("22P02", "invalid input") + ready()},
        {'c', msg('d', "2\n") + msg('c') + query("next")},
        {'s', complete("NEXT") + ready()}},
       {"copy t from stdin|-|-|22P02|invalid input", "next|NEXT|-|-|-"}},
      {"the same, extended",
       {{'c', parse("", "copy t from stdin") + bind("", "") + execute("") + sync()},
        {'s', parsed() + bound() + msg('G', "\0\0\0"sv)},
        {'c', msg('d', "x\n")},
        {'s', error("22P02", "invalid input")},
        {'c', msg('d', "2\n") + msg('c') + sync() + query("next")},
        {'s', ready() + complete("NEXT") + ready()}},
       {"copy t from stdin|-|-|22P02|invalid input", "next|NEXT|-|-|-"}},
      {"copy out",
       {{'c', query("copy t to stdout")},
        {'s', msg('H', "\0\0\0"sv) + msg('d', "1\n") + msg('d', "2\n") + msg('c') + complete("COPY 2") + ready()}},
       {"copy t to stdout|COPY 2|2|-|-"}},
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
       {{'c', query("select pg_sleep(9)") + parse("", "insert") + bind("", "") + execute("") + sync()},
        {'s', description()}},
       {"select pg_sleep(9)|-|-|-|connection lost", "insert|-|-|-|connection lost"}},
      {"lost after its error",
       {{'c', query("boom")}, {'s', error("57P01", "terminated")}},
       {"boom|-|-|57P01|terminated"}},
      {"lost half-way through the next message",
       {{'c', query("a")}, {'s', complete("A") + ready()}, {'c', query("delete from t").substr(0, 12)}},
       {"a|A|-|-|-"}},
      {"terminate", {{'c', query("a") + msg('X')}, {'s', complete("A") + ready()}}, {"a|A|-|-|-"}},
  };
}

TEST(Inspect, Records) {
  for (const Case& c : cases()) {
    const Ran whole = run(c.script);
    EXPECT_TRUE(whole.outcome) << c.name << ": " << whole.outcome.error().message;
    EXPECT_EQ(lines(whole), c.expected) << c.name;
  }
}

TEST(Inspect, HoweverItIsCut) {
  for (const Case& c : cases())
    for (std::size_t cut : {1uz, 2uz, 3uz, 5uz, 7uz, 11uz, 64uz})
      EXPECT_EQ(lines(run(c.script, cut)), c.expected) << c.name << " cut at " << cut;
}

TEST(Inspect, SplitAtEveryByte) {
  for (const Case& c : cases()) {
    for (std::size_t i = 0; i < c.script.size(); ++i) {
      for (std::size_t at = 1; at < c.script[i].bytes.size(); ++at) {
        Script split = c.script;
        split[i].bytes = c.script[i].bytes.substr(0, at);
        split.insert(split.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                     {c.script[i].from, c.script[i].bytes.substr(at)});
        ASSERT_EQ(lines(run(split)), c.expected) << c.name << " piece " << i << " at " << at;
      }
    }
  }
}

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

TEST(Inspect, WhatIsRefused) {
  struct Bad {
    std::string_view name;
    Script script;
  };
  const Bad bads[] = {
      {"unknown type from the client", {{'c', msg('z')}}},
      {"a password after sign-in", {{'c', msg('p', "secret")}}},
      {"unknown type from the server", {{'s', msg('z')}}},
      {"authentication after sign-in", {{'s', msg('R', "\0\0\0\3"sv)}}},
      {"a cancellation key after sign-in", {{'s', msg('K', "\0\0\0\3\0\0\0\3"sv)}}},
      {"length 0 from the client", {{'c', "Q\0\0\0\0"s}}},
      {"length 3 from the client", {{'c', "Q\0\0\0\3"s}}},
      {"length 3 from the server", {{'s', "D\0\0\0\3"s}}},
      {"2 GiB from the client", {{'c', "Q\x80\0\0\0"s}}},
      {"2 GiB from the server", {{'s', "D\x7f\xff\xff\xff"s}}},
      {"a query without an end", {{'c', msg('Q', "select 1")}}},
      {"a query with two ends", {{'c', msg('Q', "select 1\0drop table t\0"sv)}}},
      {"an empty query message", {{'c', msg('Q')}}},
      {"a Parse without text", {{'c', msg('P', z("s"))}}},
      {"a Describe of neither", {{'c', msg('D', "X\0"sv)}}},
      {"an Execute without its count", {{'c', msg('E', "\0"sv)}}},
      {"a Sync with a body", {{'c', msg('S', "x")}}},
      {"an answer to nothing", {{'s', complete("SELECT 1")}}},
      {"ParseComplete for a Bind", {{'c', bind("", "")}, {'s', parsed()}}},
      {"CommandComplete for a Parse", {{'c', parse("", "a")}, {'s', complete("SELECT 1")}}},
      {"CommandComplete after the error", {{'c', query("a")}, {'s', error("42601", "no") + complete("SELECT 1")}}},
      {"ReadyForQuery before the answer", {{'c', parse("", "a") + sync()}, {'s', ready()}}},
      {"a function's result for a query", {{'c', query("a")}, {'s', msg('V')}}},
  };
  for (const Bad& bad : bads) {
    for (std::size_t cut : {1uz, 1'000'000uz}) {
      const auto ran = run(bad.script, cut);
      EXPECT_FALSE(ran.outcome) << bad.name;
      if (!ran.outcome) {
        EXPECT_EQ(ran.outcome.error().code, Code::kProtocol) << bad.name;
      }
    }
  }
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
  for (int i = 0; i < 1000; ++i) binds += bind(same, same);
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
  ASSERT_TRUE(inspect.from_client(as_bytes(bind("", "s0") + execute("") + bind("", "s99") + execute(""))));
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

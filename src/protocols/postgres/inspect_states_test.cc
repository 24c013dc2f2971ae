// Every message in every state: what passes, and what is refused before a byte of it has passed.
#include <map>

#include <gtest/gtest.h>

#include "protocols/postgres/inspect.h"
#include "protocols/postgres/test_inspect.h"

namespace portolan::protocols::postgres {
namespace {

const std::string kBegun = parse("", "copy") + bind_to("", "") + execute("");

// A state, how one comes there, and the types that the server may send in it beside what may come at any time (A
// notification, E error, N notice, S parameter).
struct State {
  std::string_view name;
  Script script;
  std::string_view answers;
};

std::vector<State> states() {
  return {
      {"idle", {}, ""},
      {"a query", {{'c', query("a")}}, "CDGHITW"},
      {"a query, one statement done", {{'c', query("a; b")}, {'s', complete("A")}}, "CDGHITWZ"},
      {"a query of nothing", {{'c', query("")}, {'s', msg('I')}}, "CDGHITWZ"},
      {"a query that failed", {{'c', query("a")}, {'s', error("42601", "no")}}, "Z"},
      {"Parse", {{'c', parse("", "a")}}, "1"},
      {"Bind", {{'c', bind_to("", "")}}, "2"},
      {"Describe of a statement", {{'c', describe('S', "")}}, "t"},
      {"the same, parameters told", {{'c', describe('S', "")}, {'s', msg('t', "\0\0"sv)}}, "Tn"},
      {"Describe of a portal", {{'c', describe('P', "")}}, "Tn"},
      {"Execute", {{'c', execute("")}}, "CDGHIWs"},
      {"Close", {{'c', close('S', "")}}, "3"},
      {"FunctionCall", {{'c', call()}}, "V"},
      {"FunctionCall, answered", {{'c', call()}, {'s', msg('V', "\xff\xff\xff\xff"sv)}}, "Z"},
      {"Sync", {{'c', sync()}}, "Z"},
      {"Sync whose commit failed", {{'c', sync()}, {'s', error("40001", "no")}}, "Z"},
      {"skipping to a Sync that is not sent", {{'c', parse("", "a")}, {'s', error("42601", "no")}}, ""},
      {"copy in, simple", {{'c', query("a")}, {'s', copy_in()}}, "C"},
      {"copy in, extended", {{'c', kBegun}, {'s', parsed() + bound() + copy_in()}}, "C"},
      {"copy in, ended by the client", {{'c', query("a")}, {'s', copy_in()}, {'c', copy_done()}}, "C"},
      {"copy in, a Sync within", {{'c', kBegun}, {'s', parsed() + bound() + copy_in()}, {'c', sync()}}, "C"},
      {"copy in that failed", {{'c', kBegun}, {'s', parsed() + bound() + copy_in() + error("22P02", "no")}}, ""},
      {"copy out", {{'c', query("a")}, {'s', copy_out() + copy_data("1")}}, "cd"},
      {"copy out, ended", {{'c', query("a")}, {'s', copy_out() + copy_done()}}, "CDGHITW"},
      {"copy both ways", {{'c', query("a")}, {'s', copy_both()}}, "cd"},
      {"a notice before anything", {{'s', msg('N', "SNOTICE\0\0"sv)}}, ""},
      {"after Terminate", {{'c', msg('X')}}, ""},
  };
}

const std::map<char, std::string> kFromClient = {{'Q', query("select 1")},
                                                 {'P', parse("s", "select 1")},
                                                 {'B', bind_to("p", "s")},
                                                 {'D', describe('S', "s")},
                                                 {'E', execute("p")},
                                                 {'C', close('P', "p")},
                                                 {'S', sync()},
                                                 {'H', msg('H')},
                                                 {'F', call()},
                                                 {'d', copy_data("x")},
                                                 {'c', copy_done()},
                                                 {'f', msg('f', z("why"))},
                                                 {'X', msg('X')}};
const std::map<char, std::string> kFromServer = {{'1', parsed()},
                                                 {'2', bound()},
                                                 {'3', closed()},
                                                 {'A', msg('A', "\0\0\0\1ch\0\0"sv)},
                                                 {'C', complete("SELECT 1")},
                                                 {'D', row()},
                                                 {'E', error("42601", "no")},
                                                 {'G', copy_in()},
                                                 {'H', copy_out()},
                                                 {'I', msg('I')},
                                                 {'N', msg('N', "SNOTICE\0\0"sv)},
                                                 {'S', msg('S', "a\0b\0"sv)},
                                                 {'T', description()},
                                                 {'V', msg('V', "\xff\xff\xff\xff"sv)},
                                                 {'W', copy_both()},
                                                 {'Z', ready()},
                                                 {'c', copy_done()},
                                                 {'d', copy_data("x")},
                                                 {'n', msg('n')},
                                                 {'s', msg('s')},
                                                 {'t', msg('t', "\0\0"sv)}};

// How the inspection takes `bytes` in a state. Each piece of `cut` bytes stands for one that would be passed on: gives
// how many were.
struct Taken {
  Result<> outcome;
  std::size_t passed = 0;
};
Taken take(const State& state, char from, std::string_view bytes, std::size_t cut = 1'000'000) {
  FakeClock clock;
  Inspect inspect(clock, [](audit::Query) -> Result<> { return {}; });
  const auto feed = [&inspect](char side, std::string_view part) {
    return side == 'c' ? inspect.from_client(as_bytes(part)) : inspect.from_server(as_bytes(part));
  };
  for (const Piece& piece : state.script) EXPECT_TRUE(feed(piece.from, piece.bytes)) << state.name;
  Taken out;
  for (; !bytes.empty() && out.outcome; bytes.remove_prefix(std::min(cut, bytes.size()))) {
    out.outcome = feed(from, bytes.substr(0, cut));
    if (out.outcome) out.passed += std::min(cut, bytes.size());
  }
  return out;
}

// A refusal is Code::kProtocol; nothing of the message has passed, or of one that came byte by byte nothing but what
// cannot be acted upon: never its end.
void expect_refused(const State& state, char from, std::string_view bytes, std::string_view what) {
  const Taken whole = take(state, from, bytes);
  EXPECT_FALSE(whole.outcome) << what << " in state " << state.name;
  EXPECT_EQ(whole.passed, 0u);
  if (!whole.outcome) EXPECT_EQ(whole.outcome.error().code, Code::kProtocol) << what;
  const Taken cut = take(state, from, bytes, 1);
  EXPECT_FALSE(cut.outcome) << what << " byte by byte in state " << state.name;
  EXPECT_LT(cut.passed, bytes.size()) << what;
}

TEST(InspectStates, EveryMessageOfTheClient) {
  for (const State& state : states()) {
    for (int type = 0; type < 256; ++type) {
      const char letter = static_cast<char>(type);
      const auto known = kFromClient.find(letter);
      // What is out of order the server itself answers with an error, or ignores.
      const bool passes = known != kFromClient.end();
      const std::string bytes = known == kFromClient.end() ? msg(letter, "body") : known->second;
      if (!passes) {
        expect_refused(state, 'c', bytes, quoted_type(letter));
        continue;
      }
      const Taken taken = take(state, 'c', bytes);
      EXPECT_TRUE(taken.outcome) << letter << " in state " << state.name << ": " << taken.outcome.error().message;
      EXPECT_EQ(taken.passed, bytes.size());
    }
  }
}

TEST(InspectStates, EveryMessageOfTheServer) {
  for (const State& state : states()) {
    for (int type = 0; type < 256; ++type) {
      const char letter = static_cast<char>(type);
      const auto known = kFromServer.find(letter);
      const bool passes = "AENS"sv.contains(letter) || state.answers.contains(letter);
      const std::string bytes = known == kFromServer.end() ? msg(letter, "body") : known->second;
      if (!passes) {
        expect_refused(state, 's', bytes, quoted_type(letter));
        continue;
      }
      const Taken taken = take(state, 's', bytes);
      EXPECT_TRUE(taken.outcome) << letter << " in state " << state.name << ": "
                                 << (taken.outcome ? "" : taken.outcome.error().message);
    }
  }
}

// The same message with its length changed, and with bytes cut off its end or put behind it.
std::vector<std::string> malformed(const std::string& good) {
  const auto with_length = [&good](std::uint32_t length, std::string_view body) {
    std::string out = good.substr(0, 1);
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift);
    return out + std::string(body);
  };
  const std::string body = good.substr(kHeaderSize);
  std::vector<std::string> out;
  for (const std::uint32_t length : {0u, 1u, 2u, 3u, kMessageLimit + 1, 0x7fffffffu, 0x80000000u, 0xffffffffu})
    out.push_back(with_length(length, body));
  if (good.front() == 'd') return out;  // of any bytes
  out.push_back(with_length(static_cast<std::uint32_t>(body.size()) + 5, body + "x"));
  if (!body.empty())
    out.push_back(with_length(static_cast<std::uint32_t>(body.size()) + 3, body.substr(0, body.size() - 1)));
  return out;
}

TEST(InspectStates, MalformedInEveryState) {
  for (const State& state : states()) {
    for (const auto& [type, good] : kFromClient)
      for (const std::string& bad : malformed(good)) expect_refused(state, 'c', bad, hex(as_bytes(bad)));
    for (const auto& [type, good] : kFromServer) {
      // What only carries rows and results passes unread, whatever is in it: its header alone is looked at.
      // Of what tells something at any time the end is looked at too.
      const bool unread = "DTVGHWt"sv.contains(type);
      const bool end_only = "AENS"sv.contains(type);
      for (const std::string& bad : malformed(good)) {
        if (bad.size() != good.size() && (unread || (end_only && bad.back() == '\0'))) continue;
        expect_refused(state, 's', bad, hex(as_bytes(bad)));
      }
    }
  }
}

TEST(InspectStates, BodiesThatLeaveDoubt) {
  const State idle = states().front();
  const std::pair<std::string_view, std::string> from_client[] = {
      {"a query without an end", msg('Q', "select 1")},
      {"a query with two ends", msg('Q', "select 1\0drop table t\0"sv)},
      {"a Parse without text", msg('P', z("s"))},
      {"a Parse with more types than it says", msg('P', z("s") + z("a") + "\0\0\0\0\0\1"s)},
      {"a Parse with fewer", msg('P', z("s") + z("a") + "\0\2\0\0\0\1"s)},
      {"a Bind with a value longer than itself", msg('B', z("") + z("") + "\0\0\0\1\0\0\0\6abcd\0\0"s)},
      {"a Bind with a value of length -2", msg('B', z("") + z("") + "\0\0\0\1\xff\xff\xff\xfe\0\0"s)},
      {"a Bind with fewer values than it says", msg('B', z("") + z("") + "\0\0\0\2\0\0\0\1a\0\0"s)},
      {"a Bind with bytes behind its end", msg('B', z("") + z("") + "\0\0\0\0\0\0"s + query("drop table t"))},
      {"a Describe of neither", msg('D', "X\0"sv)},
      {"a Close of neither", msg('C', "s\0"sv)},
      {"a name with two ends", msg('C', "Sa\0b\0"sv)},
      {"an Execute without its count", msg('E', "\0"sv)},
      {"an Execute with half a count", msg('E', "\0\0\0"sv)},
      {"a FunctionCall without a format for its result", msg('F', "\0\0\0\1\0\0\0\0"sv)},
      {"a name longer than a server takes", msg('E', z(std::string(20'000, 'n')) + "\0\0\0\0"s)},
  };
  for (const auto& [what, bytes] : from_client) expect_refused(idle, 'c', bytes, what);
  const State asked = states()[1];
  const std::pair<std::string_view, std::string> from_server[] = {
      {"a tag without an end", msg('C', "SELECT 1")},
      {"two tags", msg('C', "SELECT 1\0DELETE 5\0"sv)},
      {"a tag of a kilobyte", msg('C', z(std::string(1000, 'x')))},
      {"ReadyForQuery in no known state", ready('x')},
      {"an error without an end", msg('E', "SERROR")},
      {"authentication after sign-in", msg('R', "\0\0\0\3"sv)},
      {"a cancellation key after sign-in", msg('K', "\0\0\0\3\0\0\0\3"sv)},
      {"NegotiateProtocolVersion after sign-in", msg('v', "\0\3\0\0\0\0\0\0"sv)},
  };
  for (const auto& [what, bytes] : from_server) expect_refused(asked, 's', bytes, what);
}

TEST(InspectStates, GoodMessagesBeforeABadOneInTheSamePieceDoNotPassEither) {
  const State idle = states().front();
  EXPECT_EQ(take(idle, 'c', query("a") + msg('z')).passed, 0u);
  EXPECT_EQ(take(idle, 's', msg('N', "\0"sv) + msg('z')).passed, 0u);
}

}  // namespace
}  // namespace portolan::protocols::postgres

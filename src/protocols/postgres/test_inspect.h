// For the tests of this folder: conversations run through the inspection, and the records expected of them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "protocols/postgres/inspect.h"
#include "protocols/postgres/test_messages.h"

namespace portolan::protocols::postgres {

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

// Ten milliseconds pass after each piece; at the end the connection is lost.
inline Ran run(const Script& script, std::size_t cut = 1'000'000,
               ValuesReader::Keep keep = ValuesReader::Keep::kNothing) {
  Ran out;
  FakeClock clock;
  Inspect inspect(
      clock,
      [&out](audit::Query record) -> Result<> {
        out.records.push_back(std::move(record));
        return {};
      },
      keep);
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

// One record in a line: text|tag|rows|code|error, "-" for what is absent; then "#2" for the second statement of its
// query, and "+7" for seven bytes copied.
inline std::string line(const audit::Query& q) {
  return q.text + "|" + q.tag.value_or("-") + "|" + (q.rows ? std::to_string(*q.rows) : "-") + "|" +
         q.error_code.value_or("-") + "|" + q.error.value_or("-") +
         (q.statement ? "#" + std::to_string(*q.statement) : "") +
         (q.copied_bytes ? "+" + std::to_string(*q.copied_bytes) : "");
}
inline std::vector<std::string> lines(const Ran& ran) {
  std::vector<std::string> out;
  for (const auto& q : ran.records) out.push_back(line(q));
  return out;
}

// A conversation and the records expected of it.
struct Case {
  std::string_view name;
  Script script;
  std::vector<std::string> expected;
};

// The same records however the bytes are cut.
inline void expect_records(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const Ran whole = run(c.script);
    EXPECT_TRUE(whole.outcome) << c.name << ": " << whole.outcome.error().message;
    EXPECT_EQ(lines(whole), c.expected) << c.name;
    for (std::size_t cut : {1uz, 2uz, 3uz, 5uz, 7uz, 11uz, 64uz})
      EXPECT_EQ(lines(run(c.script, cut)), c.expected) << c.name << " cut at " << cut;
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

}  // namespace portolan::protocols::postgres

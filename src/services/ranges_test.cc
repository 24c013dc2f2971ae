#include "services/ranges.h"

#include <gtest/gtest.h>

namespace portolan::services {
namespace {

constexpr std::string_view kTag = "\"abc\"";

std::string shown(const Wanted& wanted) {
  const std::string range = std::to_string(wanted.range.begin) + "-" + std::to_string(wanted.range.end);
  switch (wanted.verdict) {
    case Verdict::kWhole: return "whole " + range;
    case Verdict::kPart: return "part " + range;
    case Verdict::kUnchanged: return "unchanged";
    case Verdict::kUnsatisfiable: return "unsatisfiable";
    case Verdict::kFailed: return "failed";
  }
  return "";
}

std::string wanted(net::http::Headers headers, std::uint64_t size = 100, std::string method = "GET") {
  net::http::Request request;
  request.method = std::move(method);
  request.headers = std::move(headers);
  return shown(wanted_of(request, size, kTag));
}

TEST(Ranges, AreTakenAsRfc9110Says) {
  struct Row {
    std::string range, expected;
  };
  for (const Row& row : {
           Row{"", "whole 0-100"},
           Row{"bytes=0-", "part 0-100"},
           Row{"bytes=0-0", "part 0-1"},
           Row{"bytes=10-19", "part 10-20"},
           Row{"bytes=99-", "part 99-100"},
           Row{"bytes=90-1000", "part 90-100"},
           Row{"bytes=90-18446744073709551615", "part 90-100"},
           Row{"bytes=-1", "part 99-100"},
           Row{"bytes=-100", "part 0-100"},
           Row{"bytes=-5000", "part 0-100"},
           Row{"bytes= 10-19 ", "part 10-20"},
           // Cannot be satisfied.
           Row{"bytes=100-", "unsatisfiable"},
           Row{"bytes=100-200", "unsatisfiable"},
           Row{"bytes=-0", "unsatisfiable"},
           // Ignored: malformed, of another unit, several.
           Row{"bytes=20-10", "whole 0-100"},
           Row{"bytes=", "whole 0-100"},
           Row{"bytes=-", "whole 0-100"},
           Row{"bytes=a-b", "whole 0-100"},
           Row{"bytes=1-b", "whole 0-100"},
           Row{"bytes=+1-2", "whole 0-100"},
           Row{"bytes=--1", "whole 0-100"},
           Row{"bytes=1-2,5-6", "whole 0-100"},
           Row{"bytes=99999999999999999999-", "whole 0-100"},
           Row{"lines=1-2", "whole 0-100"},
           Row{"0-10", "whole 0-100"},
       })
    EXPECT_EQ(wanted({{"range", row.range}}), row.expected) << row.range;
}

TEST(Ranges, OfAnEmptyFileCannotBeSatisfied) {
  EXPECT_EQ(wanted({}, 0), "whole 0-0");
  EXPECT_EQ(wanted({{"range", "bytes=0-"}}, 0), "unsatisfiable");
  EXPECT_EQ(wanted({{"range", "bytes=-5"}}, 0), "unsatisfiable");
}

TEST(Ranges, AreOfGetOnly) { EXPECT_EQ(wanted({{"range", "bytes=1-2"}}, 100, "HEAD"), "whole 0-100"); }

TEST(Ranges, GoByTheConditions) {
  struct Row {
    net::http::Headers headers;
    std::string expected;
  };
  for (const Row& row : {
           Row{{{"if-none-match", "\"abc\""}}, "unchanged"},
           Row{{{"if-none-match", "W/\"abc\""}}, "unchanged"},
           Row{{{"if-none-match", "*"}}, "unchanged"},
           Row{{{"if-none-match", "\"x\", \"abc\""}}, "unchanged"},
           Row{{{"if-none-match", "\"x\",\"y\""}}, "whole 0-100"},
           Row{{{"if-none-match", "abc"}}, "whole 0-100"},
           Row{{{"if-match", "\"abc\""}}, "whole 0-100"},
           Row{{{"if-match", "W/\"abc\""}}, "failed"},
           Row{{{"if-match", "\"x\""}}, "failed"},
           Row{{{"if-match", "\"x\""}, {"range", "bytes=1-"}}, "failed"},
           Row{{{"if-range", "\"abc\""}, {"range", "bytes=1-"}}, "part 1-100"},
           Row{{{"if-range", "\"x\""}, {"range", "bytes=1-"}}, "whole 0-100"},
           Row{{{"if-range", "W/\"abc\""}, {"range", "bytes=1-"}}, "whole 0-100"},
           Row{{{"if-range", "Sat, 28 Nov 2026 00:00:00 GMT"}, {"range", "bytes=1-"}}, "whole 0-100"},
       })
    EXPECT_EQ(wanted(row.headers), row.expected) << row.headers.begin()->first << ": " << row.headers.begin()->second;
}

}  // namespace
}  // namespace portolan::services

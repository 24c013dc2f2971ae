#include <gtest/gtest.h>

#include "base/json.h"
#include "net/http/server.h"

namespace portolan::net::http {
namespace {

TEST(Problem, SaysWhatRfc9457Asks) {
  const Response response = problem(Error{Code::kDenied, "no grant for \"db\"", "no_grant", Hop::kControlPlane});
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.header("content-type"), "application/problem+json");
  EXPECT_EQ(response.body, R"({"type":"about:blank","title":"Forbidden","status":403,"detail":"no grant for \"db\"",)"
                           R"("code":"no_grant","hop":"control-plane","retry":false})");
}

TEST(Problem, ComesBackAsTheError) {
  for (const Error& in :
       {Error{Code::kDenied, "no grant", "no_grant", Hop::kControlPlane},
        Error{Code::kNotFound, "no such role", "", Hop::kUnknown}, Error{Code::kIo, "disk", "", Hop::kEgress},
        Error{Code::kLimit, "too many", "rate", Hop::kGateway}, Error{Code::kTimeout, "slow", "", Hop::kResource},
        Error{Code::kUnavailable, "away", "store_away", Hop::kAgent}}) {
    const Error out = error_from(problem(in));
    EXPECT_EQ(out.code, in.code) << in.message;
    EXPECT_EQ(out.message, in.message);
    EXPECT_EQ(out.reason, in.reason);
    EXPECT_EQ(out.hop, in.hop);
    EXPECT_EQ(out.retry_can_help(), in.retry_can_help());
  }
}

TEST(Problem, KeepsThatARetryCanHelp) {
  const Error out = error_from(problem(Error{Code::kIo, "disk", "disk_full", Hop::kUnknown}));
  EXPECT_EQ(out.reason, "disk_full");
  EXPECT_TRUE(out.retry_can_help());
}

TEST(Problem, TakesAnswersOfOthers) {
  const Error page = error_from({502, {{"content-type", "text/html"}}, "<html>secret</html>"});
  EXPECT_EQ(page.code, Code::kUnavailable);
  EXPECT_EQ(page.message, "the server answered 502 Bad Gateway");
  const Error broken = error_from({404, {{"content-type", "application/problem+json"}}, "{"});
  EXPECT_EQ(broken.code, Code::kNotFound);
  const Error hostile =
      error_from({400,
                  {{"content-type", "application/problem+json"}},
                  json::encode(std::map<std::string, std::string>{
                      {"detail", "\x1b[2J" + std::string(5000, 'x')}, {"code", "a\nb"}, {"hop", "moon"}})});
  EXPECT_EQ(hostile.message.size(), 4000u);
  EXPECT_EQ(hostile.message.front(), ' ');
  EXPECT_EQ(hostile.reason, "");
  EXPECT_EQ(hostile.hop, Hop::kUnknown);
}

TEST(Problem, IsJsonWhateverTheMessageHolds) {
  const Response response = problem(Error{Code::kInvalid, "bad name \"\xff\xfe\"", "", Hop::kUnknown});
  EXPECT_TRUE(json::parse(response.body)) << response.body;
}

TEST(Problem, EveryCodeHasAStatus) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    EXPECT_GE(status_of(static_cast<Code>(code)), 400);
    EXPECT_LE(status_of(static_cast<Code>(code)), 504);
  }
  EXPECT_EQ(status_of(Code::kLimit), 429);
}

}  // namespace
}  // namespace portolan::net::http

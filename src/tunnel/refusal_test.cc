#include "tunnel/refusal.h"

#include <gtest/gtest.h>

namespace portolan::tunnel {
namespace {

TEST(Refusal, ArrivesAsItWasSent) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    const Error sent{static_cast<Code>(code), "no grant for \"billing-db\": ask \xc3\xa4 person, 100%", "no_grant",
                     Hop::kEgress};
    const Refusal refusal = to_refusal(sent);
    EXPECT_GE(refusal.status, 400);
    EXPECT_TRUE(check_headers(refusal.headers, 16'384));
    const Error back = from_refusal(refusal.status, refusal.headers);
    EXPECT_EQ(back.code, sent.code == Code::kCancelled ? Code::kUnavailable : sent.code);
    EXPECT_EQ(back.message, sent.message);
    EXPECT_EQ(back.reason, sent.reason);
    EXPECT_EQ(back.hop, sent.hop);
  }
}

TEST(Refusal, BoundsItsText) {
  Error sent{Code::kDenied, std::string(511, 'x') + "\xc3\xa4", "Not A Reason", Hop::kUnknown};
  const Refusal refusal = to_refusal(sent);
  EXPECT_FALSE(refusal.headers.contains("portolan-reason"));
  EXPECT_FALSE(refusal.headers.contains("portolan-hop"));
  EXPECT_EQ(from_refusal(refusal.status, refusal.headers).message, std::string(511, 'x'));  // no half character
}

TEST(Refusal, DoesNotTrustThePeersText) {
  struct Case {
    int status;
    net::http::Headers headers;
    Code code;
    std::string message;
  };
  for (const Case& c : {
           Case{403, {}, Code::kDenied, "refused by the peer with status 403"},
           Case{404, {{"portolan-code", "nonsense"}}, Code::kNotFound, "refused by the peer with status 404"},
           Case{500, {{"portolan-message", "a%0Ab%1b[2Jc"}}, Code::kInternal, "a?b?[2Jc"},
           Case{503, {{"portolan-message", "half%2"}, {"portolan-hop", "moon"}}, Code::kUnavailable, "half%2"},
           Case{429, {{"portolan-message", std::string(4'000, 'y')}}, Code::kLimit, std::string(512, 'y')},
           Case{418, {{"portolan-message", "%"}}, Code::kInvalid, "%"},
       }) {
    const Error error = from_refusal(c.status, c.headers);
    EXPECT_EQ(error.code, c.code) << c.status;
    EXPECT_EQ(error.message, c.message);
    EXPECT_EQ(error.hop, Hop::kUnknown);
  }
}

TEST(Refusal, OfALinkIsOneLine) {
  const std::string words = to_farewell(Error{Code::kDenied, "the account was disabled", {}, Hop::kUnknown});
  EXPECT_EQ(words, "denied the account was disabled");
  const std::string stopping = to_farewell(Error{Code::kUnavailable, "gateway g1 is stopping", "node_stopping", {}});
  EXPECT_EQ(stopping, "unavailable gateway g1 is stopping (node_stopping)");
  EXPECT_EQ(from_farewell(as_bytes(stopping)).reason, "node_stopping");
  EXPECT_EQ(from_farewell(as_bytes(stopping)).message, "gateway g1 is stopping");
  EXPECT_EQ(from_farewell(as_bytes("io read (NOT a reason)")).message, "read (NOT a reason)");
  EXPECT_EQ(from_farewell(as_bytes("io (only)")).message, "(only)");
  EXPECT_EQ(from_farewell(as_bytes("io ")).message, "the peer closed the link");
  const Error back = from_farewell(as_bytes(words));
  EXPECT_EQ(back.code, Code::kDenied);
  EXPECT_EQ(back.message, "the account was disabled");
  EXPECT_EQ(from_farewell(as_bytes("cancelled the client has stopped")).code, Code::kUnavailable);
  EXPECT_EQ(from_farewell(as_bytes("something else")).code, Code::kEof);
  EXPECT_EQ(from_farewell(as_bytes("")).message, "the peer closed the link");
}

TEST(Refusal, ChecksHeadersAndAuthority) {
  EXPECT_TRUE(check_headers({{"portolan-a", "x"}, {"portolan-b-2", ""}}, 1'000));
  EXPECT_FALSE(check_headers({{"host", "x"}}, 1'000));
  EXPECT_FALSE(check_headers({{"portolan-", "x"}}, 1'000));
  EXPECT_FALSE(check_headers({{"portolan-A", "x"}}, 1'000));
  EXPECT_FALSE(check_headers({{"portolan-a", "x\r\ny"}}, 1'000));
  EXPECT_FALSE(check_headers({{"portolan-a", " x"}}, 1'000));
  EXPECT_FALSE(check_headers({{"portolan-a", std::string(1'000, 'x')}}, 1'000));
  EXPECT_TRUE(check_authority("n-0123456789"));
  EXPECT_TRUE(check_authority("[::1]:5000"));
  for (const std::string& bad :
       {std::string(), std::string(256, 'a'), std::string("a b"), std::string("a@b"), std::string("a/b")})
    EXPECT_FALSE(check_authority(bad)) << bad;
}

}  // namespace
}  // namespace portolan::tunnel

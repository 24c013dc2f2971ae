#include "tunnel/hops.h"

#include <gtest/gtest.h>

namespace portolan::tunnel {
namespace {

TEST(Hops, AreAListOfNodesInOrder) {
  const auto hops = parse_hops("n-3,n-1,n-2");
  ASSERT_TRUE(hops);
  EXPECT_EQ(*hops, (Hops{"n-3", "n-1", "n-2"}));
  EXPECT_EQ(to_text(*hops), "n-3,n-1,n-2");
  EXPECT_TRUE(parse_hops("")->empty());
  EXPECT_EQ(parse_hops("n-1,n-2,n-3,n-4")->size(), kHopLimit);
}

TEST(Hops, AnythingElseIsRefused) {
  for (const std::string text : {",", "n-1,", ",n-1", "n-1,,n-2", "n-1, n-2", "n-1;n-2", "a-1", "n-", "n-A", "n-1,n-1",
                                 "n-1,n-2,n-1", "n-1,n-2,n-3,n-4,n-5"}) {
    const auto hops = parse_hops(text);
    ASSERT_FALSE(hops) << text;
    EXPECT_EQ(hops.error().code, Code::kProtocol) << text;
  }
  EXPECT_FALSE(parse_hops(std::string(1'000'000, ',')));
  EXPECT_FALSE(parse_hops("n-" + std::string(1'000'000, '1')));
}

TEST(Hops, AForwardedPathSaysWhereItWasAndWhoseItIs) {
  const Forwarded sent{{"n-1", "n-2"}, "a-7", "d-9"};
  const auto read = read_forwarded(to_headers(sent));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->hops, sent.hops);
  EXPECT_EQ(read->account, "a-7");
  EXPECT_EQ(read->device, "d-9");
  for (const std::string_view missing : {kHopsHeader, kAccountHeader, kDeviceHeader}) {
    auto headers = to_headers(sent);
    headers.erase(headers.find(missing));
    EXPECT_FALSE(read_forwarded(headers)) << missing;
    headers.emplace(missing, "x");
    EXPECT_FALSE(read_forwarded(headers)) << missing;
  }
}

TEST(Hops, AGatewayWaitsNoLongerThanItMay) {
  EXPECT_EQ(read_wait({}), std::chrono::milliseconds(0));
  const std::vector<std::pair<std::string, int>> cases = {
      {"0", 0}, {"1000", 1000}, {"2000", 2000}, {"2001", 2000}, {"4294967295", 2000}, {"4294967296", 0}, {"-1", 0},
      {"", 0},  {"1000 ", 0},   {"1e3", 0},     {"x", 0}};
  for (const auto& [text, wait] : cases) {
    net::http::Headers headers;
    headers.emplace(kWaitHeader, text);
    EXPECT_EQ(read_wait(headers), std::chrono::milliseconds(wait)) << quoted(text);
  }
}

}  // namespace
}  // namespace portolan::tunnel

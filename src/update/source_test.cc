#include "update/source.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "update/testing.h"

namespace portolan::update {
namespace {

using testing::Folder;
using testing::Server;

std::string parsed(std::string_view text) {
  const auto url = parse_url(text);
  return url ? to_text(*url) : "error";
}

TEST(Url, IsHttps) {
  EXPECT_EQ(parsed("https://downloads.us.example"), "https://downloads.us.example:443");
  EXPECT_EQ(parsed("https://downloads.us.example/"), "https://downloads.us.example:443");
  EXPECT_EQ(parsed("https://d.example:8443/portolan/tree/"), "https://d.example:8443/portolan/tree");
  EXPECT_EQ(parsed("https://[::1]:8443"), "https://[::1]:8443");
  EXPECT_EQ(parsed("http://127.0.0.1:8000/x"), "http://127.0.0.1:8000/x");
  EXPECT_EQ(parsed("http://localhost"), "http://localhost:80");
  for (const char* bad :
       {"", "downloads.example", "http://downloads.example", "http://10.0.0.1:80", "ftp://localhost", "https://",
        "https:///x", "https://a b", "https://user@host", "https://host/../x", "https://host/%2e%2e",
        "https://host/a?b=c", "https://host/a#b", "https://host:0x1", "https://host:99999", "HTTPS://host"})
    EXPECT_EQ(parsed(bad), "error") << bad;
}

CO_TEST(Source, GivesDocumentsWithinTheirLimit) {
  const Folder tree;
  CO_ASSERT_OK(write_file(tree / "root.json", std::string(1000, 'x'), Privacy::kPublic));
  Server server(co_await net::this_executor(), tree.path());
  const auto source = server.source();
  const auto there = co_await source->document("root.json", 1000);
  CO_ASSERT_OK(there);
  CO_ASSERT_TRUE(there->has_value());
  EXPECT_EQ((*there)->size(), 1000U);
  const auto large = co_await source->document("root.json", 999);
  CO_ASSERT_ERROR(large, Code::kLimit);
  const auto missing = co_await source->document("root/2.json", 1000);
  CO_ASSERT_OK(missing);
  EXPECT_FALSE(missing->has_value());
  // More than any document may have is not even read.
  CO_ASSERT_OK(write_file(tree / "root.json", std::string(2'000'000, 'x'), Privacy::kPublic));
  const auto huge = co_await source->document("root.json", 100'000'000);
  CO_ASSERT_ERROR(huge, Code::kLimit);
  co_await server.stop();
}

CO_TEST(Source, SaysWhatItCouldNotGet) {
  Source source(
      []() -> net::Task<Result<std::unique_ptr<net::Stream>>> {
        co_return fail(Code::kUnavailable, "connect to downloads.example:443: refused");
      },
      "downloads.example", "");
  const auto answer = co_await source.document("root.json", 1000);
  CO_ASSERT_ERROR(answer, Code::kUnavailable);
  EXPECT_NE(answer.error().message.find("downloads.example:443"), std::string::npos);
}

}  // namespace
}  // namespace portolan::update

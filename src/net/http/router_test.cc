#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http/server.h"

namespace portolan::net::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

Handler handler() {
  return [](Call) -> Task<Response> { co_return Response{}; };
}

struct Routes : testing::Test {
  Routes() {
    router.add("GET", "/", handler());
    router.add("GET", "/v1/roles", handler());
    router.add("POST", "/v1/roles", handler());
    router.add("GET", "/v1/roles/{id}", handler());
    router.add("DELETE", "/v1/roles/{role}", handler());
    router.add("POST", "/v1/roles/import", handler());
    router.add("GET", "/v1/{kind}/all/{id}", handler());
    router.add_stream("GET", "/v1/watch", [](Call, Sink&) -> Task<Result<>> { co_return Result<>{}; });
  }
  Router router;
};

TEST_F(Routes, MatchMethodAndPath) {
  EXPECT_TRUE(router.match("GET", "/").handler);
  EXPECT_TRUE(router.match("POST", "/v1/roles").handler);
  EXPECT_THAT(router.match("GET", "/v1/roles/r-1").arguments, ElementsAre("r-1"));
  EXPECT_THAT(router.match("GET", "/v1/x/all/y").arguments, ElementsAre("x", "y"));
  EXPECT_TRUE(router.match("GET", "/v1/watch").stream_handler);
  EXPECT_FALSE(router.match("GET", "/v1/watch").handler);
}

TEST_F(Routes, HeadIsAnsweredWhereGetIs) {
  EXPECT_TRUE(router.match("HEAD", "/v1/roles").handler);
  EXPECT_TRUE(router.match("HEAD", "/v1/watch").stream_handler);
}

TEST_F(Routes, LiteralSegmentsWin) {
  EXPECT_TRUE(router.match("POST", "/v1/roles/import").handler);
  EXPECT_THAT(router.match("POST", "/v1/roles/import").arguments, IsEmpty());
  EXPECT_THAT(router.match("GET", "/v1/roles/import").allowed, ElementsAre("POST"));
}

TEST_F(Routes, WrongMethodNamesTheRightOnes) {
  const auto match = router.match("PUT", "/v1/roles/r-1");
  EXPECT_FALSE(match.handler);
  EXPECT_THAT(match.allowed, UnorderedElementsAre("GET", "HEAD", "DELETE"));
}

TEST_F(Routes, UnknownPathsMatchNothing) {
  for (const char* path : {"/v1", "/v1/", "/v1/roles/", "/v1/roles/a/b", "/V1/roles", "//v1/roles", "/v1//all/x"}) {
    const auto match = router.match("GET", path);
    EXPECT_FALSE(match.handler) << path;
    EXPECT_THAT(match.allowed, IsEmpty()) << path;
  }
}

TEST_F(Routes, CanBeWalked) {
  EXPECT_THAT(router.routes(), testing::Contains("DELETE /v1/roles/{role}"));
  EXPECT_EQ(router.routes().size(), 8u);
}

TEST_F(Routes, RefusesAPatternThatNothingCanMatch) {
  EXPECT_THROW(router.add("GET", "v1", handler()), std::logic_error);
}

}  // namespace
}  // namespace portolan::net::http

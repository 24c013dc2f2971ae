// Downloads from servers that break off, stall, never end, know no ranges, or give something else.
#include "update/download.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "update/testing.h"

namespace portolan::update {
namespace {

using namespace std::chrono_literals;
using testing::content_of;
using ::testing::ElementsAre;
using testing::Fault;
using testing::Folder;
using ::testing::HasSubstr;
using testing::Server;

constexpr std::string_view kPath = "files/1.2.0/program";

std::string pattern(std::size_t size) {
  std::string out;
  while (out.size() < size) out += std::to_string(out.size()) + " ";
  out.resize(size);
  return out;
}

// A tree with one file, its server, and where it is downloaded to.
struct Scene {
  explicit Scene(const net::Executor& executor, std::size_t size = 100'000)
      : content(pattern(size)), server(executor, tree.path()), source(server.source()) {
    EXPECT_TRUE(make_folder(tree / "files/1.2.0", Privacy::kPublic));
    EXPECT_TRUE(write_file(tree / kPath, content, Privacy::kPublic));
    file = {"linux", std::string(kPath), content.size(), hex(crypto::sha256(as_bytes(content)))};
  }
  net::Task<Result<>> fetch(DownloadLimits limits = {.stall = 5s, .total = 8s, .attempts = 3, .pause = 1ms}) {
    return download(*source, file, part, limits, [this](std::uint64_t have, std::uint64_t of) {
      seen.push_back(have);
      EXPECT_EQ(of, file.size);
    });
  }
  void leave_part(std::string_view text) const { EXPECT_TRUE(write_file(part, text, Privacy::kPrivate)); }
  bool whole() const { return content_of(part) == content; }

  Folder tree, home;
  std::string content;
  Server server;
  std::unique_ptr<Source> source;
  File file;
  std::filesystem::path part = home / ".portolan.part";
  std::vector<std::uint64_t> seen;  // by the progress
};

CO_TEST(Download, GivesTheFile) {
  Scene scene(co_await net::this_executor());
  const auto done = co_await scene.fetch();
  CO_ASSERT_OK(done);
  EXPECT_TRUE(scene.whole());
  struct stat info{};
  EXPECT_EQ(::stat(scene.part.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(scene.seen.front(), 0U);
  EXPECT_EQ(scene.seen.back(), scene.file.size);
  EXPECT_TRUE(std::ranges::is_sorted(scene.seen));
  EXPECT_THAT(scene.server.requests, ElementsAre("/files/1.2.0/program"));
  co_await scene.server.stop();
}

CO_TEST(Download, GoesOnWhereItBrokeOff) {
  Scene scene(co_await net::this_executor());
  scene.server.fault = {.breaks_after = 30'000, .times = 2};
  const auto done = co_await scene.fetch();
  CO_ASSERT_OK(done);
  EXPECT_TRUE(scene.whole());
  EXPECT_THAT(scene.server.requests, ElementsAre("/files/1.2.0/program", "/files/1.2.0/program bytes=30000-",
                                                 "/files/1.2.0/program bytes=60000-"));
  EXPECT_TRUE(std::ranges::is_sorted(scene.seen)) << "nothing is fetched twice";
  co_await scene.server.stop();
}

CO_TEST(Download, GoesOnWhereAnEarlierOneEnded) {
  Scene scene(co_await net::this_executor());
  scene.leave_part(scene.content.substr(0, 70'000));
  const auto done = co_await scene.fetch();
  CO_ASSERT_OK(done);
  EXPECT_TRUE(scene.whole());
  EXPECT_THAT(scene.server.requests, ElementsAre("/files/1.2.0/program bytes=70000-"));
  EXPECT_EQ(scene.seen.front(), 70'000U);
  // All is there: nobody is asked.
  scene.server.requests.clear();
  const auto again = co_await scene.fetch();
  CO_ASSERT_OK(again);
  EXPECT_TRUE(scene.server.requests.empty());
  co_await scene.server.stop();
}

CO_TEST(Download, BeginsAnewIfWhatWasLeftIsOfAnotherFile) {
  Scene scene(co_await net::this_executor());
  scene.leave_part(std::string(70'000, '?'));
  const auto done = co_await scene.fetch();
  CO_ASSERT_OK(done);
  EXPECT_TRUE(scene.whole());
  EXPECT_THAT(scene.server.requests, ElementsAre("/files/1.2.0/program bytes=70000-", "/files/1.2.0/program"));
  scene.leave_part(std::string(200'000, '?'));
  const auto longer = co_await scene.fetch();
  CO_ASSERT_OK(longer);
  EXPECT_TRUE(scene.whole());
  co_await scene.server.stop();
}

CO_TEST(Download, TakesServersWithoutRanges) {
  Scene scene(co_await net::this_executor());
  scene.leave_part(scene.content.substr(0, 70'000));
  scene.server.fault.no_ranges = true;
  const auto done = co_await scene.fetch();
  CO_ASSERT_OK(done);
  EXPECT_TRUE(scene.whole());
  co_await scene.server.stop();
}

CO_TEST(Download, RefusesOtherBytes) {
  Scene scene(co_await net::this_executor());
  std::string altered = scene.content;
  altered[50'000] ^= 1;
  CO_ASSERT_OK(write_file(scene.tree / kPath, altered, Privacy::kPublic));
  const auto done = co_await scene.fetch();
  CO_ASSERT_ERROR(done, Code::kDenied);
  EXPECT_EQ(done.error().reason, "wrong_hash");
  EXPECT_FALSE(std::filesystem::exists(scene.part)) << "wrong bytes do not stay";
  // A part of the wrong file first, and the wrong file again: it is not asked for ever.
  scene.leave_part(altered.substr(0, 70'000));
  scene.server.requests.clear();
  const auto again = co_await scene.fetch();
  CO_ASSERT_ERROR(again, Code::kDenied);
  EXPECT_EQ(scene.server.requests.size(), 2U);
  co_await scene.server.stop();
}

CO_TEST(Download, RefusesAnotherSize) {
  Scene scene(co_await net::this_executor());
  CO_ASSERT_OK(write_file(scene.tree / kPath, scene.content + "more", Privacy::kPublic));
  const auto longer = co_await scene.fetch();
  CO_ASSERT_ERROR(longer, Code::kProtocol);
  EXPECT_EQ(longer.error().reason, "wrong_size");
  scene.leave_part(scene.content.substr(0, 10));
  const auto longer_range = co_await scene.fetch();
  CO_ASSERT_ERROR(longer_range, Code::kProtocol);
  std::filesystem::remove(scene.part);
  CO_ASSERT_OK(write_file(scene.tree / kPath, scene.content.substr(0, 99'000), Privacy::kPublic));
  const auto shorter = co_await scene.fetch();
  CO_ASSERT_ERROR(shorter, Code::kProtocol);
  EXPECT_EQ(shorter.error().reason, "wrong_size");
  co_await scene.server.stop();
}

CO_TEST(Download, LeavesAServerThatNeverEndsItsAnswer) {
  Scene scene(co_await net::this_executor(), 10'000);
  scene.server.fault.endless = true;
  const auto done = co_await scene.fetch();
  CO_ASSERT_ERROR(done, Code::kProtocol);
  EXPECT_EQ(done.error().reason, "wrong_size");
  EXPECT_LE(std::filesystem::file_size(scene.part), scene.file.size) << "not a byte more than was signed for";
  co_await scene.server.stop();
}

CO_TEST(Download, LeavesAServerThatSaysNothingMore) {
  Scene scene(co_await net::this_executor());
  scene.server.fault = {.breaks_after = 10, .times = 100, .stalls = true};
  const auto done = co_await scene.fetch({.stall = 20ms, .total = 5s, .attempts = 1, .pause = 1ms});
  CO_ASSERT_ERROR(done, Code::kTimeout);
  EXPECT_EQ(std::filesystem::file_size(scene.part), 10U) << "what has come is kept";
  co_await scene.server.stop();
}

CO_TEST(Download, EndsWhenAllOfItsTimeIsOver) {
  Scene scene(co_await net::this_executor());
  scene.server.fault = {.breaks_after = 1, .times = 1'000'000};
  const auto done = co_await scene.fetch({.stall = 1s, .total = 100ms, .attempts = 1'000'000, .pause = 1ms});
  CO_ASSERT_ERROR(done, Code::kTimeout);
  co_await scene.server.stop();
}

CO_TEST(Download, GivesUpAfterSomeAttemptsWithoutAByte) {
  Scene scene(co_await net::this_executor());
  scene.server.fault = {.breaks_after = 0, .times = 100};
  const auto done = co_await scene.fetch();
  EXPECT_FALSE(done);
  EXPECT_EQ(scene.server.requests.size(), 3U);
  co_await scene.server.stop();
}

CO_TEST(Download, RefusesAnotherRangeThanItAskedFor) {
  Scene scene(co_await net::this_executor());
  scene.leave_part(scene.content.substr(0, 70'000));
  scene.server.fault.shifted = 100;
  const auto done = co_await scene.fetch();
  CO_ASSERT_ERROR(done, Code::kProtocol);
  EXPECT_THAT(done.error().message, HasSubstr("another part"));
  co_await scene.server.stop();
}

CO_TEST(Download, WritesToNobodyElsesFile) {
  Scene scene(co_await net::this_executor());
  const auto victim = scene.home / "victim";
  CO_ASSERT_OK(write_file(victim, "precious", Privacy::kPrivate));
  EXPECT_EQ(::symlink(victim.c_str(), scene.part.c_str()), 0);
  const auto linked = co_await scene.fetch();
  EXPECT_FALSE(linked);
  std::filesystem::remove(scene.part);
  EXPECT_EQ(::link(victim.c_str(), scene.part.c_str()), 0);
  const auto second_name = co_await scene.fetch();
  CO_ASSERT_ERROR(second_name, Code::kDenied);
  std::filesystem::remove(scene.part);
  EXPECT_EQ(::mkfifo(scene.part.c_str(), 0600), 0);
  const auto pipe = co_await scene.fetch();
  EXPECT_FALSE(pipe);
  EXPECT_EQ(content_of(victim), "precious");
  EXPECT_TRUE(scene.server.requests.empty());
  co_await scene.server.stop();
}

CO_TEST(Download, SaysThatTheServerHasNoSuchFile) {
  Scene scene(co_await net::this_executor());
  std::filesystem::remove(scene.tree / kPath);
  const auto done = co_await scene.fetch();
  CO_ASSERT_ERROR(done, Code::kNotFound);
  EXPECT_THAT(done.error().message, HasSubstr("downloads.example has no /files/1.2.0/program"));
  co_await scene.server.stop();
}

}  // namespace
}  // namespace portolan::update

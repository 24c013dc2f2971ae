// What downloads gives out, over its router and a pair in memory.
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/id.h"
#include "net/co_test.h"
#include "net/http/test_peer.h"
#include "services/services.h"

namespace portolan::services {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A tree with a file, and one outside of it.
class Tree {
 public:
  Tree() {
    make(top_ / "tree" / "files" / "1.0.0");
    write(top_ / "outside", "secret");
    write(root() / "root.json", "{}");
    write(root() / ".hidden", "secret");
    write(root() / "files" / "1.0.0" / "program", body());
    EXPECT_EQ(::symlink((top_ / "outside").c_str(), (root() / "link").c_str()), 0);
    EXPECT_EQ(::symlink(top_.c_str(), (root() / "up").c_str()), 0);
    EXPECT_EQ(::mkfifo((root() / "pipe").c_str(), 0600), 0);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { std::filesystem::remove_all(top_); }
  std::filesystem::path root() const { return top_ / "tree"; }
  // More than one piece.
  static const std::string& body() {
    static const std::string made = [] {
      std::string text;
      while (text.size() < 700'000) text += std::to_string(text.size()) + "\n";
      return text;
    }();
    return made;
  }

 private:
  static void make(const std::filesystem::path& path) { EXPECT_TRUE(make_folder(path, Privacy::kPublic)); }
  static void write(const std::filesystem::path& path, std::string_view text) {
    EXPECT_TRUE(write_file(path, text, Privacy::kPublic));
  }
  std::filesystem::path top_ = std::filesystem::temp_directory_path() / ("portolan-downloads-" + make_token(6));
};

net::Task<Result<net::http::Response>> ask(const Service& service, std::string path, std::string more = {},
                                           std::string method = "GET") {
  const auto executor = co_await net::this_executor();
  net::http::testing::Served served(executor, service.router(), service.http());
  const auto body = method == "HEAD" ? net::http::Parser::Body::kNone : net::http::Parser::Body::kAsFramed;
  auto answer = co_await served.ask(method + " " + path + " HTTP/1.1\r\nHost: h\r\n" + more + "\r\n", body);
  co_await served.leave();
  co_return answer;
}

CO_TEST(Downloads, GivesFilesAndRanges) {
  const Tree tree;
  const auto executor = co_await net::this_executor();
  const auto service = make_downloads(executor, {tree.root()});
  CO_ASSERT_OK(service);
  const auto whole = co_await ask(**service, "/files/1.0.0/program");
  CO_ASSERT_OK(whole);
  EXPECT_EQ(whole->status, 200);
  EXPECT_EQ(whole->body == Tree::body(), true);
  EXPECT_EQ(whole->header("accept-ranges"), "bytes");
  EXPECT_EQ(whole->header("x-content-type-options"), "nosniff");
  EXPECT_THAT(std::string(whole->header("cache-control")), HasSubstr("immutable"));
  const std::string etag(whole->header("etag"));
  EXPECT_THAT(etag, StartsWith("\""));

  const auto part = co_await ask(**service, "/files/1.0.0/program", "Range: bytes=300000-699999\r\n");
  CO_ASSERT_OK(part);
  EXPECT_EQ(part->status, 206);
  EXPECT_EQ(part->header("content-range"), "bytes 300000-699999/" + std::to_string(Tree::body().size()));
  EXPECT_EQ(part->body == Tree::body().substr(300'000, 400'000), true);

  const auto beyond = co_await ask(**service, "/files/1.0.0/program", "Range: bytes=9000000-\r\n");
  CO_ASSERT_OK(beyond);
  EXPECT_EQ(beyond->status, 416);
  EXPECT_EQ(beyond->header("content-range"), "bytes */" + std::to_string(Tree::body().size()));

  const auto same = co_await ask(**service, "/files/1.0.0/program", "If-None-Match: " + etag + "\r\n");
  CO_ASSERT_OK(same);
  EXPECT_EQ(same->status, 304);
  EXPECT_EQ(same->body, "");

  const auto head = co_await ask(**service, "/files/1.0.0/program", {}, "HEAD");
  CO_ASSERT_OK(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->header("etag"), etag);

  const auto json = co_await ask(**service, "/root.json");
  CO_ASSERT_OK(json);
  EXPECT_EQ(json->header("content-type"), "application/json");
  EXPECT_THAT(std::string(json->header("cache-control")), HasSubstr("no-cache"));
}

CO_TEST(Downloads, GivesOtherTagsToOtherContents) {
  const Tree tree;
  const auto executor = co_await net::this_executor();
  const auto service = make_downloads(executor, {tree.root()});
  CO_ASSERT_OK(service);
  const auto before = co_await ask(**service, "/root.json");
  CO_ASSERT_OK(before);
  CO_ASSERT_OK(write_file(tree.root() / "root.json", "[]", Privacy::kPublic));
  const auto after = co_await ask(**service, "/root.json");
  CO_ASSERT_OK(after);
  EXPECT_EQ(after->body, "[]");
  EXPECT_NE(before->header("etag"), after->header("etag"));
}

CO_TEST(Downloads, GivesNothingElse) {
  const Tree tree;
  const auto executor = co_await net::this_executor();
  const auto service = make_downloads(executor, {tree.root()});
  CO_ASSERT_OK(service);
  for (const std::string path :
       {"/", "/files", "/files/", "/files/1.0.0", "/files/1.0.0/", "/link", "/up/outside", "/up/tree/root.json",
        "/pipe", "/.hidden", "/missing", "/root.json/", "/root.json/x", "/a/b/c/d/e/f/g/h/i/j"}) {
    const auto answer = co_await ask(**service, path);
    CO_ASSERT_OK(answer);
    EXPECT_EQ(answer->status, 404) << path;
    EXPECT_EQ(answer->body.find("secret"), std::string::npos) << path;
  }
  // What could hide behind an encoding does not come as far as the service.
  for (const std::string path : {"/../outside", "/files/../../outside", "/%2e%2e/outside", "/files%2f1.0.0/program",
                                 "/%2fetc/passwd", "/root.json%00", "//etc/passwd"}) {
    const auto answer = co_await ask(**service, path);
    CO_ASSERT_OK(answer);
    EXPECT_TRUE(answer->status == 400 || answer->status == 404) << path << ": " << answer->status;
    EXPECT_EQ(answer->body.find("secret"), std::string::npos) << path;
  }
  for (const std::string method : {"POST", "PUT", "DELETE"}) {
    const auto answer = co_await ask(**service, "/root.json", "Content-Length: 0\r\n", method);
    CO_ASSERT_OK(answer);
    EXPECT_EQ(answer->status, 405) << method;
  }
}

CO_TEST(Downloads, WantsAFolder) {
  const auto executor = co_await net::this_executor();
  const auto missing = make_downloads(executor, {"/nonexistent/portolan"});
  CO_ASSERT_ERROR(missing, Code::kInvalid);
}

CO_TEST(Downloads, FollowsTheFolderWhenItIsSwitched) {
  const Tree one, two;
  CO_ASSERT_OK(write_file(two.root() / "root.json", "{\"two\":2}", Privacy::kPublic));
  const auto link = std::filesystem::temp_directory_path() / ("portolan-current-" + make_token(6));
  std::filesystem::create_directory_symlink(one.root(), link);
  const auto executor = co_await net::this_executor();
  const auto service = make_downloads(executor, {link});
  CO_ASSERT_OK(service);
  const auto before = co_await ask(**service, "/root.json");
  std::filesystem::remove(link);
  std::filesystem::create_directory_symlink(two.root(), link);
  const auto after = co_await ask(**service, "/root.json");
  std::filesystem::remove(link);
  CO_ASSERT_OK(before);
  CO_ASSERT_OK(after);
  EXPECT_EQ(before->body, "{}");
  EXPECT_EQ(after->body, "{\"two\":2}");
}

}  // namespace
}  // namespace portolan::services

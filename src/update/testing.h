// For the tests of update/: a maker of releases with keys and a tree of its own, programs that are small scripts, and a
// web server that gives the tree out as well or as badly as a test wants.
#pragma once
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/id.h"
#include "base/version.h"
#include "net/co_test.h"
#include "net/http/server.h"
#include "net/memory_stream.h"
#include "update/publish.h"
#include "update/source.h"

namespace portolan::update::testing {

using crypto::Ed25519PrivateKey;

// A folder of its own that disappears.
class Folder {
 public:
  Folder() { EXPECT_TRUE(make_folder(path_, Privacy::kPrivate)); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() / ("portolan-update-" + make_token(6));
};

inline std::string content_of(const std::filesystem::path& path) {
  const auto text = read_file(path, kLargestFile);
  return text ? *text : "(" + text.error().message + ")";
}

// A program that is `version`: a script that answers --version, with the mark that version_in() looks for. `body` runs
// before the answer.
inline std::string program(std::string_view version, std::string_view body = "") {
  return "#!/bin/sh\n" + std::string(body) + "\necho 'portolan " + std::string(version) + "'\nexit 0\n" +
         std::string(kVersionMark) + std::string(version) + std::string(1, '\0');
}
// Runs, too: of mode 0755.
inline void write_program(const std::filesystem::path& path, std::string_view content) {
  EXPECT_TRUE(write_file(path, content, Privacy::kPublic));
  EXPECT_EQ(::chmod(path.c_str(), 0755), 0);
}

inline KeySet keys_of(const std::vector<const Ed25519PrivateKey*>& keys, std::uint32_t threshold = 1) {
  KeySet out;
  for (const auto* key : keys) out.keys.push_back(key_text(key->public_key()));
  out.threshold = threshold;
  return out;
}

inline Envelope signed_by(Kind kind, Envelope envelope, const std::vector<const Ed25519PrivateKey*>& keys) {
  for (const auto* key : keys) sign(kind, envelope, *key);
  return envelope;
}

// Makes releases.
class Maker {
 public:
  explicit Maker(WallTime at) : now(at) { publish_root({&root_key}, {&release_key}, {&root_key}); }

  void publish_root(const std::vector<const Ed25519PrivateKey*>& root,
                    const std::vector<const Ed25519PrivateKey*>& release,
                    const std::vector<const Ed25519PrivateKey*>& signers,
                    std::chrono::seconds life = std::chrono::days(365)) {
    auto planned = plan_root(tree.path(), {keys_of(root), keys_of(release), now + life});
    ASSERT_TRUE(planned) << planned.error().message;
    const auto done = publish(tree.path(), signed_by(Kind::kRoot, *planned, signers), now);
    ASSERT_TRUE(done) << done.error().message;
  }
  // For this platform.
  ReleasePlan plan(const std::string& version, std::string_view body = "") {
    const auto file = programs / (version + "-" + make_token(4));
    EXPECT_TRUE(write_file(file, program(version, body), Privacy::kPublic));
    return {.version = version, .programs = {{std::string(this_platform()), file}}};
  }
  Envelope planned(const ReleasePlan& plan, std::chrono::seconds life = std::chrono::days(30)) {
    auto envelope = plan_release(tree.path(), plan, now, life);
    EXPECT_TRUE(envelope) << net::testing::describe_failure(envelope);
    return envelope.value_or(Envelope{});
  }
  void release(const ReleasePlan& plan, std::chrono::seconds life = std::chrono::days(30)) {
    put(signed_by(Kind::kManifest, planned(plan, life), {&release_key}));
  }
  void release(const std::string& version, std::string_view body = "") { release(plan(version, body)); }
  void put(const Envelope& envelope) {
    const auto done = publish(tree.path(), envelope, now);
    EXPECT_TRUE(done) << net::testing::describe_failure(done);
  }
  // As an attacker on the server: whatever it is.
  void plant(const std::string& path, std::string_view text) {
    EXPECT_TRUE(write_file(tree / path, text, Privacy::kPublic));
  }
  std::string text(const std::string& path) const { return content_of(tree / path); }
  KeySet anchor() const { return keys_of({&root_key}); }

  Folder tree, programs;
  Ed25519PrivateKey root_key = Ed25519PrivateKey::generate();
  Ed25519PrivateKey release_key = Ed25519PrivateKey::generate();
  WallTime now;
};

// What goes wrong with a file; requests for documents are always answered well.
struct Fault {
  bool no_ranges = false;
  std::size_t breaks_after = 0;  // bytes of an answer, for the next `times` answers
  int times = 0;
  bool endless = false;       // goes on with more bytes when the file has ended
  bool stalls = false;        // says nothing more after `breaks_after` bytes
  std::uint64_t shifted = 0;  // answers a range with a later one
};

class Server {
 public:
  Server(const net::Executor& executor, const std::filesystem::path& tree) : tree_(tree), tasks_(executor) {
    for (const char* pattern : {"/{a}", "/{a}/{b}", "/{a}/{b}/{c}"})
      router_.add_stream("GET", pattern,
                         [this](net::http::Call call, net::http::Sink& sink) { return give(std::move(call), sink); });
  }
  std::unique_ptr<Source> source() {
    return std::make_unique<Source>([this] { return connect(); }, "downloads.example", "");
  }
  // For connections that come by other ways than source().
  const net::http::Router& router() const { return router_; }
  // Every connection ends.
  net::Task<> stop() {
    tasks_.cancel();
    co_await tasks_.join();
  }

  Fault fault;
  std::vector<std::string> requests;  // "GET /path range"

 private:
  net::Task<Result<std::unique_ptr<net::Stream>>> connect() {
    auto [ours, theirs] = net::memory_pair(tasks_.executor(), 16 * 1024);
    tasks_.spawn("server", net::http::serve_connection(std::move(theirs), {}, router_, options_));
    co_return std::move(ours);
  }

  net::Task<Result<>> give(net::http::Call call, net::http::Sink& sink) {
    const std::string path = call.request.path;
    const std::string range(call.request.header("range"));
    requests.push_back(range.empty() ? path : path + " " + range);
    const auto content = read_file(tree_ / path.substr(1), kLargestFile);
    if (!content) co_return fail(Code::kNotFound, "no such file");
    const bool is_file = path.starts_with("/files/");
    std::size_t begin = 0;
    net::http::Response head;
    if (!range.empty() && !(is_file && fault.no_ranges)) {
      std::from_chars(range.data() + 6, range.data() + range.size(), begin);
      if (is_file) begin += fault.shifted;
      if (begin >= content->size()) {
        CO_CHECK(co_await sink.begin({416, {}, {}}));
        co_return Result<>{};
      }
      head.status = 206;
      head.headers["content-range"] = "bytes " + std::to_string(begin) + "-" + std::to_string(content->size() - 1) +
                                      "/" + std::to_string(content->size());
    }
    CO_CHECK(co_await sink.begin(head));
    co_return co_await send(content->substr(begin), is_file, sink);
  }

  net::Task<Result<>> send(std::string bytes, bool is_file, net::http::Sink& sink) {
    const bool breaks = is_file && fault.times > 0;
    if (breaks) {
      --fault.times;
      CO_CHECK(co_await sink.send(std::string_view(bytes).substr(0, fault.breaks_after)));
      if (fault.stalls) co_return co_await sink.closed();
      co_return fail(Code::kIo, "broken on purpose");
    }
    CO_CHECK(co_await sink.send(bytes));
    while (is_file && fault.endless) {
      CO_CHECK(co_await sink.send(std::string(1000, 'x')));
      co_await net::yield_to_loop();
    }
    co_return Result<>{};
  }

  const std::filesystem::path tree_;
  net::http::ServerOptions options_;
  net::http::Router router_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::update::testing

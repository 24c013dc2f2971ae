// For the tests of this folder: a driver at work between a client and an application that send exactly the bytes they
// are told to, over memory pairs.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "net/co_test.h"
#include "net/memory_stream.h"
#include "protocols/http/driver.h"
#include "protocols/testing/fake_session.h"

namespace portolan::protocols::http {

using namespace std::chrono_literals;
using namespace std::string_literals;

class Peer {
 public:
  explicit Peer(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}

  net::Task<> send(std::string bytes) {
    const auto written = co_await net::write(*stream_, as_bytes(bytes));
    EXPECT_TRUE(written) << net::testing::describe_failure(written);
  }
  // What has come up to `mark` and with it; what there was if the stream ends before.
  net::Task<std::string> until(std::string mark) {
    while (true) {
      const auto at = text_.find(mark);
      if (at != std::string::npos) {
        std::string out = text_.substr(0, at + mark.size());
        text_.erase(0, out.size());
        co_return out;
      }
      const auto buffer = co_await net::read(*stream_);
      if (!buffer || buffer->empty()) {
        broken_ = !buffer;
        co_return std::exchange(text_, {});
      }
      text_ += as_text(buffer->data());
    }
  }
  net::Task<std::string> head() { co_return co_await until("\r\n\r\n"); }
  // Everything to the end of the stream.
  net::Task<std::string> rest() { co_return co_await until("\x01 never sent \x01"); }
  // What has come in some turns of the loop, without waiting for more.
  net::Task<std::string> at_once() {
    for (int turn = 0; turn < 50; ++turn) {
      co_await net::yield_to_loop();
      auto chunk = stream_->try_read();
      if (chunk && chunk->kind == net::Chunk::Kind::kData) text_ += as_text(chunk->buffer.data());
    }
    co_return std::exchange(text_, {});
  }
  bool broken() const { return broken_; }
  void half_close() { EXPECT_TRUE(stream_->shutdown_send()); }
  void disconnect() { stream_.reset(); }

 private:
  std::unique_ptr<net::Stream> stream_;
  std::string text_;
  bool broken_ = false;
};

inline net::Task<> serve_and_note(Session& session, std::unique_ptr<net::Stream> stream,
                                  std::optional<Result<>>& outcome) {
  const auto driver = make(session);
  outcome = co_await driver->serve(std::move(stream));
}

// The resource "wiki" at wiki.example:80, without TLS.
struct Setup {
  explicit Setup(const net::Executor& executor, Settings settings = {}) : group(executor) {
    session.granted_.name = "wiki";
    session.granted_.account = "a-1";
    session.granted_.email = "ann@example.com";
    session.granted_.hosts = {{"wiki.example", 80}};
    session.granted_.settings = std::move(settings);
    session.dial_ = [this, executor](std::size_t) { return dial(executor); };
    auto [ours, drivers] = net::memory_pair(executor);
    client = std::make_unique<Peer>(std::move(ours));
    stream = std::move(drivers);
  }
  // Begins to serve: once the test has set the session up.
  void begin() { group.spawn("serve", serve_and_note(session, std::move(stream), outcome)); }

  // The application's end of the so-manieth connection, once there is one; null if there is none in time.
  net::Task<Peer*> application(std::size_t number = 0) {
    for (int turn = 0; turn < 2000 && applications.size() <= number; ++turn) co_await net::yield_to_loop();
    co_return number < applications.size() ? applications[number].get() : nullptr;
  }
  // A request goes through, up to the application, which answers so.
  net::Task<std::string> exchange(std::string request, std::string answer, std::size_t connection = 0) {
    co_await client->send(std::move(request));
    Peer* app = co_await application(connection);
    EXPECT_NE(app, nullptr);
    if (app == nullptr) co_return "";
    std::string seen = co_await app->head();
    co_await app->send(std::move(answer));
    co_return seen;
  }
  net::Task<> leave() {
    client->disconnect();
    co_await group.join();
  }

  testing::FakeSession session;
  std::unique_ptr<Peer> client;
  std::unique_ptr<net::Stream> stream;
  std::deque<std::unique_ptr<Peer>> applications;
  bool refuses = false;  // to be dialled
  std::optional<Result<>> outcome;
  net::TaskGroup group;

 private:
  net::Task<Result<std::unique_ptr<net::Stream>>> dial(net::Executor executor) {
    if (refuses)
      co_return std::unexpected(Error{Code::kUnavailable, "connection refused", "connection_refused", Hop::kResource});
    auto [drivers, ours] = net::memory_pair(executor);
    applications.push_back(std::make_unique<Peer>(std::move(ours)));
    co_return std::move(drivers);
  }
};

inline std::string get(std::string_view path = "/", std::string_view more = {}) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: wiki.localhost:65230\r\n" + std::string(more) + "\r\n";
}
inline const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

inline void expect_contains(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts)
    EXPECT_TRUE(text.contains(part)) << quoted(part) << " is not in " << quoted(text, 2000);
}
inline void expect_lacks(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts)
    EXPECT_FALSE(text.contains(part)) << quoted(part) << " is in " << quoted(text, 2000);
}

}  // namespace portolan::protocols::http

// For the tests of this folder: a driver at work between two memory pairs, and ends of them that speak message by
// message.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "net/co_test.h"
#include "net/memory_stream.h"
#include "protocols/postgres/driver.h"
#include "protocols/postgres/messages.h"
#include "protocols/postgres/test_messages.h"
#include "protocols/testing/fake_session.h"

namespace portolan::protocols::postgres {

using namespace std::chrono_literals;
inline std::string startup(const Parameters& parameters) { return std::string(as_text(startup_message(parameters))); }
inline std::string text_of(const Bytes& bytes) { return std::string(as_text(bytes)); }

inline const std::string kReady = msg('Z', "I");
inline const std::string kAuthenticationOk = msg('R', "\0\0\0\0"sv);

// One end: writes bytes, reads messages.
class Peer {
 public:
  explicit Peer(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)), reader_(*stream_) {}

  net::Task<> send(std::string bytes) {
    const auto written = co_await net::write(*stream_, as_bytes(bytes));
    EXPECT_TRUE(written) << net::testing::describe_failure(written);
  }
  // The next message as its type and body; "end" at the end of the stream, "error" if it broke.
  net::Task<std::string> next() {
    auto filled = co_await reader_.fill(kHeaderSize);
    if (!filled) co_return filled.error().code == Code::kEof ? "end" : "error";
    const auto header = parse_header(reader_.data().first(kHeaderSize));
    if (!header) co_return "malformed";
    reader_.consume(kHeaderSize);
    const auto body = co_await reader_.take(header->body);
    if (!body) co_return "cut";
    co_return header->type + std::string(as_text(*body));
  }
  // Exactly so many bytes; what is there before the end if there are fewer.
  net::Task<std::string> raw(std::size_t n) {
    const auto got = co_await reader_.take(n);
    co_return got ? std::string(as_text(*got)) : std::string(as_text(reader_.data()));
  }
  // A first packet, with its length.
  net::Task<std::string> first_packet() {
    const auto filled = co_await reader_.fill(4);
    if (!filled) co_return "end";
    const auto size = first_packet_size(reader_.data().first(4));
    if (!size) co_return "malformed";
    const auto packet = co_await reader_.take(*size);
    co_return packet ? std::string(as_text(*packet)) : "cut";
  }
  void half_close() { EXPECT_TRUE(stream_->shutdown_send()); }
  void disconnect() { stream_.reset(); }
  net::Stream& stream() { return *stream_; }
  std::unique_ptr<net::Stream> take() { return std::move(stream_); }

 private:
  std::unique_ptr<net::Stream> stream_;
  net::Reader reader_;
};

inline net::Task<> serve_and_note(Session& session, std::unique_ptr<net::Stream> stream,
                                  std::optional<Result<>>& outcome) {
  const auto driver = make(session);
  outcome = co_await driver->serve(std::move(stream));
}

// client ⇄ driver ⇄ server; the resource is "billing" with user "app" and password "pencil", TLS off unless a test sets
// it.
struct Setup {
  explicit Setup(const net::Executor& executor, std::size_t capacity = 64 * 1024) : group(executor) {
    auto [ours, drivers] = net::memory_pair(executor, capacity);
    auto [resource, servers] = net::memory_pair(executor, capacity);
    client = std::make_unique<Peer>(std::move(ours));
    server = std::make_unique<Peer>(std::move(servers));
    session.resource_ = std::move(resource);
    session.granted_.name = "billing";
    session.granted_.username = "app";
    session.granted_.password = Secret("pencil");
    session.granted_.settings = {{"tls", "disable"}};
    group.spawn("serve", serve_and_note(session, std::move(drivers), outcome));
  }

  // Up to the client's ReadyForQuery, by trust.
  net::Task<> sign_in() {
    co_await client->send(startup({{"user", "alice"}}));
    [[maybe_unused]] const auto asked = co_await server->first_packet();
    co_await server->send(kAuthenticationOk + msg('K', "\0\0\0\7secr"sv) + kReady);
    std::string got;
    while (!got.starts_with("Z") && got != "end" && got != "error") got = co_await client->next();
    EXPECT_EQ(got, "ZI");
  }

  testing::FakeSession session;
  std::unique_ptr<Peer> client;
  std::unique_ptr<Peer> server;
  std::optional<Result<>> outcome;
  net::TaskGroup group;
};

inline void expect_contains(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts)
    EXPECT_TRUE(text.contains(part)) << quoted(part) << " is not in " << quoted(text, 1000);
}

}  // namespace portolan::protocols::postgres

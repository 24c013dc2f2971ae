// Two muxes joined in memory, and what tests do with their streams. For tests only.
#pragma once
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <random>

#include <boost/asio/this_coro.hpp>

#include "net/co_test.h"
#include "net/event.h"
#include "net/memory_stream.h"
#include "tunnel/mux.h"

namespace portolan::tunnel {

inline constexpr std::chrono::seconds kSoon{5};

// One mux and what it told its owner. Stays where it was made.
struct MuxEnd {
  explicit MuxEnd(const net::Executor& executor) : arrived(executor), over(executor) {}
  MuxEnd(const MuxEnd&) = delete;
  MuxEnd& operator=(const MuxEnd&) = delete;

  std::deque<std::unique_ptr<Incoming>> requests;
  net::Event arrived;
  std::optional<Error> end;
  net::Event over;
  std::unique_ptr<Mux> mux;

  void start(std::unique_ptr<net::Stream> below, Mux::Role role, MuxOptions options) {
    mux = Mux::make(
        std::move(below), role, options,
        [this](std::unique_ptr<Incoming> request) {
          requests.push_back(std::move(request));
          arrived.set();
        },
        [this](const Error& why) {
          EXPECT_FALSE(end.has_value()) << "told twice";
          end = why;
          over.set();
        });
  }
  net::Task<std::unique_ptr<Incoming>> next() {
    if (requests.empty()) {
      const auto waited = co_await arrived.wait(kSoon);
      EXPECT_TRUE(waited.has_value()) << "no stream arrived";
      if (!waited) co_return nullptr;
    }
    auto request = std::move(requests.front());
    requests.pop_front();
    co_return request;
  }
  net::Task<Error> ended() {
    if (!end) {
      const auto waited = co_await over.wait(kSoon);
      EXPECT_TRUE(waited.has_value()) << "the mux did not end";
    }
    co_return end.value_or(Error{});
  }
};

struct MuxPair {
  explicit MuxPair(const net::Executor& executor, MuxOptions opener_options = {}, MuxOptions acceptor_options = {})
      : executor(executor), opener(executor), acceptor(executor) {
    auto [a, b] = net::memory_pair(executor);
    opener.start(std::move(a), Mux::Role::kOpener, opener_options);
    acceptor.start(std::move(b), Mux::Role::kAcceptor, acceptor_options);
  }
  net::Executor executor;
  MuxEnd opener;
  MuxEnd acceptor;

  // Both ends of a stream that has been accepted.
  net::Task<std::pair<std::unique_ptr<MuxStream>, std::unique_ptr<MuxStream>>> stream() {
    auto near = opener.mux->open({"n-test"});
    EXPECT_TRUE(near.has_value());
    if (!near) co_return std::pair<std::unique_ptr<MuxStream>, std::unique_ptr<MuxStream>>();
    const auto request = co_await acceptor.next();
    auto far = request->accept();
    const auto answered = co_await (*near)->answered(kSoon);
    EXPECT_TRUE(answered.has_value());
    co_return std::pair(std::move(*near), std::move(far));
  }
  // Until what is under way in memory has come to rest.
  net::Task<> settle() {
    for (int i = 0; i < 50; ++i) co_await net::yield_to_loop();
  }
};

inline Bytes random_bytes(std::mt19937& random, std::size_t n) {
  Bytes out(n);
  for (auto& b : out) b = static_cast<std::byte>(random());
  return out;
}

// To the end of the stream; what came before an error is lost.
inline net::Task<Result<Bytes>> read_all(net::Stream& stream) {
  Bytes all;
  while (true) {
    CO_TRY(const net::Buffer buffer, co_await net::read(stream));
    if (buffer.empty()) co_return all;
    all.insert(all.end(), buffer.data().begin(), buffer.data().end());
  }
}

inline net::Task<Result<std::string>> read_some(net::Stream& stream) {
  CO_TRY(const net::Buffer buffer, co_await net::read(stream));
  co_return std::string(as_text(buffer.data()));
}

// Writes until it is stopped, and counts.
inline net::Task<> write_forever(net::Stream& stream, std::size_t& written) {
  const Bytes block(10'000, std::byte{'x'});
  while (true) {
    const auto done = co_await net::write(stream, block);
    if (!done) co_return;
    written += block.size();
  }
}

inline net::Task<> read_forever(net::Stream& stream, std::size_t& got, std::size_t until, net::Event& reached) {
  while (true) {
    const auto buffer = co_await net::read(stream);
    if (!buffer || buffer->empty()) co_return;
    got += buffer->size();
    if (got >= until) reached.set();
  }
}

// Writes as join() does: within the call, as much as is taken.
struct Pusher {
  net::Stream& stream;
  Bytes block = Bytes(30'000, std::byte{'y'});
  std::size_t left = SIZE_MAX;
  std::size_t written = 0;
  void push() {
    while (left > 0) {
      const auto taken = stream.try_write(ByteView(block).first(std::min(block.size(), left)));
      if (!taken) return;
      if (*taken == 0) break;
      written += *taken;
      left -= *taken;
    }
    if (left > 0) stream.on_writable([this] { push(); });
  }
};

// Reads in the same way.
struct Puller {
  net::Stream& stream;
  std::size_t got = 0;
  void pull() {
    while (true) {
      const auto chunk = stream.try_read();
      if (!chunk || chunk->kind == net::Chunk::Kind::kEnd) return;
      if (chunk->kind == net::Chunk::Kind::kWait) break;
      got += chunk->buffer.size();
    }
    stream.on_readable([this] { pull(); });
  }
};

}  // namespace portolan::tunnel

// Two muxes with a path in virtual time between them, plain or with a pipe below. For tests.
#pragma once
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "tunnel/attach.h"
#include "tunnel/mux_testing.h"
#include "tunnel/pipe.h"
#include "tunnel/virtual_path.h"

namespace portolan::tunnel {

struct VirtualWorld {
  using Ends = std::pair<std::unique_ptr<MuxStream>, std::unique_ptr<MuxStream>>;

  VirtualWorld(const net::Executor& on, PathShape shape) : path(on, shape), opener(on), acceptor(on), executor_(on) {}
  ~VirtualWorld() {
    streams.clear();
    opener.mux.reset();
    acceptor.mux.reset();
  }
  VirtualPath path;
  MuxEnd opener, acceptor;
  std::vector<Ends> streams;
  std::shared_ptr<Pipe> near_pipe, far_pipe;
  const std::shared_ptr<Budget> budget = std::make_shared<Budget>();

  void start(MuxOptions options = {}) { start_on(path.near(), path.far(), options); }
  net::Task<> start_on_pipe(PipeOptions pipe = {}, MuxOptions options = {}) {
    near_pipe = std::make_shared<Pipe>(executor_, Pipe::Role::kDialler, PipeId{}, Bytes(32), pipe, budget);
    far_pipe = std::make_shared<Pipe>(executor_, Pipe::Role::kAcceptor, PipeId{}, Bytes(32), pipe, budget);
    co_await link();
    options.drained_limit = std::chrono::milliseconds(0);
    start_on(near_pipe->top("near"), far_pipe->top("far"), options);
  }
  // A stream that has been accepted, ticks included; at streams[its number].
  net::Task<std::size_t> stream() {
    auto near = opener.mux->open({"n-test"});
    EXPECT_TRUE(near.has_value());
    if (!near) co_return 0;
    for (int i = 0; i < 2'000 && acceptor.requests.empty(); ++i) co_await path.tick();
    EXPECT_FALSE(acceptor.requests.empty());
    if (acceptor.requests.empty()) co_return 0;
    auto far = acceptor.requests.front()->accept();
    acceptor.requests.pop_front();
    streams.emplace_back(std::move(*near), std::move(far));
    co_return streams.size() - 1;
  }
  // Writes to a stream of the opener, without end, and reads it at the other end; or does not read it.
  Pusher& push(std::size_t number, std::size_t bytes = SIZE_MAX) {
    puller(number);
    return push_unread(number, bytes);
  }
  Pusher& push_unread(std::size_t number, std::size_t bytes = SIZE_MAX) {
    Pusher& pusher = pushers_.emplace_back(*streams[number].first);
    pusher.left = bytes;
    net::post(executor_, [&pusher] { pusher.push(); });
    return pusher;
  }
  // Who reads the acceptor's end of a stream; from the first call on it does.
  Puller& puller(std::size_t number) {
    auto& puller = pullers_[number];
    if (!puller) {
      puller = std::make_unique<Puller>(*streams[number].second);
      puller->pull();
    }
    return *puller;
  }
  // By all of them.
  std::size_t pulled() const {
    std::size_t total = 0;
    for (const auto& [number, puller] : pullers_) total += puller->got;
    return total;
  }

 private:
  void start_on(std::unique_ptr<net::Stream> near, std::unique_ptr<net::Stream> far, MuxOptions options) {
    options.probe_after = std::chrono::milliseconds(0);
    options.clock = &path.clock;
    opener.start(std::move(near), Mux::Role::kOpener, options);
    acceptor.start(std::move(far), Mux::Role::kAcceptor, options);
  }
  // The dialler's words are not sent over the path; the answer is.
  net::Task<> link() {
    const Bytes binding(32, std::byte{5});
    const Attach attach = near_pipe->propose(binding);
    auto far = path.far();
    EXPECT_TRUE(far_pipe->take(attach, binding, far, {}).has_value());
    auto near = path.near();
    Bytes answer;
    for (int i = 0; i < 2'000 && answer.size() < kPipeHead + kAttachedSize; ++i) {
      co_await path.tick();
      const auto chunk = near->try_read();
      if (chunk) answer.insert(answer.end(), chunk->buffer.data().begin(), chunk->buffer.data().end());
    }
    EXPECT_EQ(answer.size(), kPipeHead + kAttachedSize);
    const auto attached = decode_attached(ByteView(answer).subspan(kPipeHead));
    EXPECT_TRUE(attached && near_pipe->confirm(*attached, binding, std::move(near), {}).has_value());
  }
  net::Executor executor_;
  std::deque<Pusher> pushers_;
  std::map<std::size_t, std::unique_ptr<Puller>> pullers_;
};

}  // namespace portolan::tunnel

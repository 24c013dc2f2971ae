// Two streams joined by a path with a delay and a bandwidth, in virtual time: nothing moves but by tick(). For tests.
#pragma once
#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "net/loop.h"
#include "net/outbox.h"
#include "net/ready_slot.h"

namespace portolan::tunnel {

struct PathShape {
  int delay = 50;                   // ms, one way
  std::size_t per_ms = 20'000;      // bytes, each way
  std::size_t unsent = 128 * 1024;  // that wait at an end to be sent before their writer does
};

// What may arrive beside what is asked about: what a tick carries, and frames without bytes of a stream.
inline constexpr std::size_t kPathSlack = 8 * 1024;

// One direction.
struct PathFlow {
  PathFlow(const net::Executor& executor, PathShape shape) : shape(shape), readable(executor), writable(executor) {}
  struct Piece {
    int due;
    net::Buffer bytes;
  };
  PathShape shape;
  net::Outbox waiting;
  std::deque<Piece> flying;
  std::deque<net::Buffer> arrived;
  std::uint64_t delivered = 0;
  net::ReadySlot readable, writable;

  void tick(int now) {
    for (std::size_t left = shape.per_ms; left > 0 && !waiting.empty();) {
      const ByteView next = waiting.front().first(std::min(waiting.front().size(), left));
      flying.push_back({now + shape.delay, net::Buffer::copy_of(next)});
      left -= next.size();
      waiting.consume(next.size());
    }
    for (; !flying.empty() && flying.front().due <= now; flying.pop_front()) {
      delivered += flying.front().bytes.size();
      arrived.push_back(std::move(flying.front().bytes));
    }
    if (!arrived.empty()) readable.fire();
    if (waiting.pending() < shape.unsent / 2) writable.fire();
  }
};

class PathEnd final : public net::Stream {
 public:
  PathEnd(net::Executor executor, std::shared_ptr<PathFlow> in, std::shared_ptr<PathFlow> out)
      : executor_(std::move(executor)), in_(std::move(in)), out_(std::move(out)) {}
  Result<net::Chunk> try_read() override {
    if (in_->arrived.empty()) return net::Chunk{};
    net::Chunk chunk{net::Chunk::Kind::kData, std::move(in_->arrived.front())};
    in_->arrived.pop_front();
    return chunk;
  }
  Result<std::size_t> try_write(ByteView bytes) override {
    const std::size_t n =
        std::min(bytes.size(), out_->shape.unsent - std::min(out_->shape.unsent, out_->waiting.pending()));
    out_->waiting.append(bytes.first(n));
    return n;
  }
  Result<> shutdown_send() override { return {}; }
  std::size_t unsent() const override { return 0; }
  void on_readable(Ready ready) override {
    in_->readable.set(std::move(ready));
    if (!in_->arrived.empty()) in_->readable.fire();
  }
  void on_writable(Ready ready) override {
    out_->writable.set(std::move(ready));
    if (out_->waiting.pending() < out_->shape.unsent / 2) out_->writable.fire();
  }
  void cancel_readable() override { in_->readable.cancel(); }
  void cancel_writable() override { out_->writable.cancel(); }
  const net::Executor& executor() const override { return executor_; }
  std::string describe() const override { return "virtual path"; }

 private:
  net::Executor executor_;
  std::shared_ptr<PathFlow> in_, out_;
};

class VirtualPath {
 public:
  VirtualPath(const net::Executor& executor, PathShape shape)
      : executor_(executor),
        there_(std::make_shared<PathFlow>(executor, shape)),
        back_(std::make_shared<PathFlow>(executor, shape)) {}

  FakeClock clock;
  std::unique_ptr<net::Stream> near() { return std::make_unique<PathEnd>(executor_, back_, there_); }
  std::unique_ptr<net::Stream> far() { return std::make_unique<PathEnd>(executor_, there_, back_); }
  // Bytes that have arrived at the far end, and at the near one.
  std::uint64_t arrived_far() const { return there_->delivered; }
  std::uint64_t arrived_near() const { return back_->delivered; }

  // A millisecond, and all that follows from it.
  net::Task<> tick() {
    clock.advance(std::chrono::milliseconds(1));
    ++now_;
    there_->tick(now_);
    back_->tick(now_);
    for (int i = 0; i < 16; ++i) co_await net::yield_to_loop();
  }
  net::Task<> run(int ms) {
    for (int i = 0; i < ms; ++i) co_await tick();
  }

 private:
  net::Executor executor_;
  std::shared_ptr<PathFlow> there_, back_;
  int now_ = 0;
};

}  // namespace portolan::tunnel

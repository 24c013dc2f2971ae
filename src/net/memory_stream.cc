#include "net/memory_stream.h"

#include <algorithm>
#include <deque>

#include "net/ready_slot.h"

namespace portolan::net {

namespace {

// One direction. Both ends own it; each end's destruction is noted here for the other.
struct Pipe {
  Pipe(const Executor& executor, std::size_t limit) : capacity(limit), readable(executor), writable(executor) {}

  std::size_t capacity;
  std::size_t size = 0;
  std::deque<Buffer> blocks;
  bool ended = false;  // the writer has half-closed
  bool writer_gone = false;
  bool reader_gone = false;
  ReadySlot readable;  // the reader's waiter
  ReadySlot writable;  // the writer's

  bool can_read() const { return size > 0 || ended || writer_gone; }
  bool can_write() const { return size < capacity || ended || reader_gone; }

  std::size_t append(ByteView bytes) {
    const std::size_t accepted = std::min(bytes.size(), capacity - size);
    for (auto rest = bytes.first(accepted); !rest.empty();) {
      if (blocks.empty() || blocks.back().spare().empty()) blocks.push_back(Buffer::take());
      const auto part = rest.first(std::min(rest.size(), blocks.back().spare().size()));
      std::ranges::copy(part, blocks.back().spare().begin());
      blocks.back().grow(part.size());
      rest = rest.subspan(part.size());
    }
    size += accepted;
    return accepted;
  }
};

class MemoryStream : public Stream {
 public:
  MemoryStream(const Executor& executor, std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : executor_(executor), in_(std::move(in)), out_(std::move(out)) {}

  ~MemoryStream() override {
    cancel_readable();
    cancel_writable();
    in_->reader_gone = true;
    in_->blocks.clear();
    in_->size = 0;
    in_->writable.fire();
    out_->writer_gone = true;
    out_->readable.fire();
  }

  Result<Chunk> try_read() override {
    if (in_->size > 0) {
      Chunk chunk{Chunk::Kind::kData, std::move(in_->blocks.front())};
      in_->blocks.pop_front();
      in_->size -= chunk.buffer.size();
      in_->writable.fire();
      return chunk;
    }
    if (in_->ended) return Chunk{Chunk::Kind::kEnd};
    if (in_->writer_gone) return fail(Code::kIo, "peer closed");
    return Chunk{Chunk::Kind::kWait};
  }

  Result<std::size_t> try_write(ByteView bytes) override {
    if (out_->ended) return fail(Code::kInternal, "write after half-close");
    if (out_->reader_gone) {
      failed_ = true;
      return fail(Code::kIo, "peer closed");
    }
    const std::size_t accepted = out_->append(bytes);
    if (accepted > 0) out_->readable.fire();
    return accepted;
  }

  Result<> shutdown_send() override {
    if (failed_) return fail(Code::kIo, "peer closed");
    out_->ended = true;
    out_->readable.fire();
    out_->writable.fire();
    return {};
  }

  std::size_t unsent() const override { return 0; }

  void on_readable(Ready ready) override {
    in_->readable.set(std::move(ready));
    if (in_->can_read()) in_->readable.fire();
  }
  void on_writable(Ready ready) override {
    out_->writable.set(std::move(ready));
    if (out_->can_write()) out_->writable.fire();
  }
  void cancel_readable() override { in_->readable.cancel(); }
  void cancel_writable() override { out_->writable.cancel(); }
  const Executor& executor() const override { return executor_; }
  std::string describe() const override { return "memory"; }

 private:
  Executor executor_;
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  bool failed_ = false;
};

}  // namespace

StreamPair memory_pair(const Executor& executor, std::size_t capacity) {
  const auto there = std::make_shared<Pipe>(executor, capacity);
  const auto back = std::make_shared<Pipe>(executor, capacity);
  return {std::make_unique<MemoryStream>(executor, back, there), std::make_unique<MemoryStream>(executor, there, back)};
}

}  // namespace portolan::net

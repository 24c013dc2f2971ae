#include <algorithm>

#include "net/ready_slot.h"
#include "net/stream.h"

namespace portolan::net {

namespace {

class Prepended : public Stream {
 public:
  Prepended(Bytes head, std::unique_ptr<Stream> rest)
      : rest_(std::move(rest)), head_(std::move(head)), readable_(rest_->executor()) {}

  Result<Chunk> try_read() override {
    if (at_ == head_.size()) return rest_->try_read();
    const auto part = ByteView(head_).subspan(at_, std::min(kBlockSize, head_.size() - at_));
    Chunk chunk{Chunk::Kind::kData, Buffer::copy_of(part)};
    at_ += part.size();
    if (at_ == head_.size()) {
      head_ = Bytes();
      at_ = 0;
    }
    return chunk;
  }

  void on_readable(Ready ready) override {
    if (at_ == head_.size()) return rest_->on_readable(std::move(ready));
    readable_.set(std::move(ready));
    readable_.fire();
  }

  void cancel_readable() override {
    readable_.cancel();
    rest_->cancel_readable();
  }

  Result<std::size_t> try_write(ByteView bytes) override { return rest_->try_write(bytes); }
  Result<> shutdown_send() override { return rest_->shutdown_send(); }
  std::size_t unsent() const override { return rest_->unsent(); }
  void on_writable(Ready ready) override { rest_->on_writable(std::move(ready)); }
  void cancel_writable() override { rest_->cancel_writable(); }
  const Executor& executor() const override { return rest_->executor(); }
  std::string describe() const override { return rest_->describe(); }

 private:
  std::unique_ptr<Stream> rest_;
  Bytes head_;
  std::size_t at_ = 0;
  ReadySlot readable_;
};

}  // namespace

std::unique_ptr<Stream> prepend(Bytes head, std::unique_ptr<Stream> rest) {
  if (head.empty()) return rest;
  return std::make_unique<Prepended>(std::move(head), std::move(rest));
}

}  // namespace portolan::net

#include "client/meter.h"

#include <algorithm>
#include <utility>

namespace portolan::client {
namespace {

class Metered final : public tunnel::MuxStream {
 public:
  Metered(std::unique_ptr<tunnel::MuxStream> stream, std::shared_ptr<Meter> meter)
      : stream_(std::move(stream)), meter_(std::move(meter)) {
    meter_->began();
  }
  ~Metered() override { meter_->ended(); }
  Result<net::Chunk> try_read() override {
    auto chunk = stream_->try_read();
    if (chunk && chunk->kind == net::Chunk::Kind::kData) meter_->moved(chunk->buffer.size());
    return chunk;
  }
  Result<std::size_t> try_write(ByteView bytes) override {
    const auto taken = stream_->try_write(bytes);
    if (taken && *taken > 0) meter_->moved(*taken);
    return taken;
  }
  Result<> shutdown_send() override { return stream_->shutdown_send(); }
  std::size_t unsent() const override { return stream_->unsent(); }
  void on_readable(Ready ready) override { stream_->on_readable(std::move(ready)); }
  void on_writable(Ready ready) override { stream_->on_writable(std::move(ready)); }
  void cancel_readable() override { stream_->cancel_readable(); }
  void cancel_writable() override { stream_->cancel_writable(); }
  const net::Executor& executor() const override { return stream_->executor(); }
  std::string describe() const override { return stream_->describe(); }
  net::Task<Result<>> answered(std::chrono::milliseconds limit) override { return stream_->answered(limit); }
  const net::http::Headers& answer() const override { return stream_->answer(); }
  void abort() override { stream_->abort(); }

 private:
  std::unique_ptr<tunnel::MuxStream> stream_;
  std::shared_ptr<Meter> meter_;
};

}  // namespace

void Meter::moved(std::size_t bytes) {
  const BootTime now = clock_.boot();
  if (const auto since = now - span_began_; since >= kSpan) {
    before_ = since < 2 * kSpan ? here_ : 0;
    here_ = 0;
    span_began_ = now;
  }
  here_ += bytes;
}

std::uint64_t Meter::lately() const {
  const auto since = clock_.boot() - span_began_;
  if (since >= 2 * kSpan) return 0;
  return since >= kSpan ? here_ : std::max(here_, before_);
}

void Meter::ended() {
  --streams_;
  idle_since_ = clock_.boot();
}

std::chrono::nanoseconds Meter::idle() const {
  return streams_ > 0 ? std::chrono::nanoseconds(0) : std::chrono::nanoseconds(clock_.boot() - idle_since_);
}

std::unique_ptr<tunnel::MuxStream> metered(std::unique_ptr<tunnel::MuxStream> stream, std::shared_ptr<Meter> meter) {
  return std::make_unique<Metered>(std::move(stream), std::move(meter));
}

}  // namespace portolan::client

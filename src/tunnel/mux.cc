// The handles: thin, they hold the core and their state, and may outlive the mux and the link.
#include "tunnel/mux.h"

#include <utility>

#include "tunnel/mux_core.h"
#include "tunnel/mux_handles.h"

namespace portolan::tunnel {
namespace {

net::Task<Result<>> wait_for_answer(std::shared_ptr<MuxCore> core, StreamPtr s, std::chrono::milliseconds limit) {
  if (!s->answered && !s->failure) {
    if (!s->answer_event) s->answer_event = std::make_unique<net::Event>(core->executor());
    const auto woken = co_await s->answer_event->wait(limit);
    if (!s->answered && !s->failure && !woken) co_return std::unexpected(woken.error());
  }
  if (!s->answered && s->failure) co_return std::unexpected(*s->failure);
  co_return Result<>{};
}

net::Task<Result<std::chrono::microseconds>> wait_for_pong(std::shared_ptr<MuxCore> core,
                                                           std::chrono::milliseconds limit) {
  if (core->ended()) co_return std::unexpected(core->reason());
  const auto ping = core->ping();
  const auto woken = co_await ping->event.wait(limit);
  core->forget(*ping);
  if (ping->round_trip) co_return *ping->round_trip;
  if (core->ended()) co_return std::unexpected(core->reason());
  co_return std::unexpected(woken ? Error{} : woken.error());
}

class StreamHandle final : public MuxStream {
 public:
  StreamHandle(std::shared_ptr<MuxCore> core, StreamPtr state) : core_(std::move(core)), state_(std::move(state)) {}
  ~StreamHandle() override { core_->release(*state_); }

  Result<net::Chunk> try_read() override { return core_->read(*state_); }
  Result<std::size_t> try_write(ByteView bytes) override { return core_->write(*state_, bytes); }
  Result<> shutdown_send() override { return core_->shutdown_send(*state_); }
  std::size_t unsent() const override { return core_->unsent(*state_); }
  void on_readable(Ready ready) override { core_->wait_readable(state_, std::move(ready)); }
  void on_writable(Ready ready) override { core_->wait_writable(state_, std::move(ready)); }
  void cancel_readable() override { state_->on_readable = nullptr; }
  void cancel_writable() override { state_->on_writable = nullptr; }
  const net::Executor& executor() const override { return core_->executor(); }
  std::string describe() const override { return "stream " + std::to_string(state_->id) + " of " + core_->name(); }

  net::Task<Result<>> answered(std::chrono::milliseconds limit) override {
    return wait_for_answer(core_, state_, limit);
  }
  const net::http::Headers& answer() const override { return state_->answer; }
  void abort() override {
    core_->reset(*state_, Error{Code::kCancelled, "the stream was aborted", {}, Hop::kUnknown}, NGHTTP2_CANCEL);
  }

 private:
  std::shared_ptr<MuxCore> core_;
  StreamPtr state_;
};

class Request final : public Incoming {
 public:
  Request(std::shared_ptr<MuxCore> core, StreamPtr state, OpenRequest request)
      : core_(std::move(core)), state_(std::move(state)), request_(std::move(request)) {}
  ~Request() override {
    if (state_) refuse(Error{Code::kInternal, "the request was dropped unanswered", {}, Hop::kUnknown});
  }

  const OpenRequest& request() const override { return request_; }
  void charge(std::shared_ptr<Budget> to) override {
    const std::size_t held = state_->inbox.size() + state_->header_bytes;
    if (state_->budget) state_->budget->give_back(held);
    if (to) to->take(held);
    state_->budget = std::move(to);
  }
  std::unique_ptr<MuxStream> accept(net::http::Headers answer) override {
    core_->accept(*state_, answer);
    return make_stream(core_, std::exchange(state_, nullptr));
  }
  void refuse(const Error& why) override {
    if (const StreamPtr state = std::exchange(state_, nullptr)) {
      core_->refuse(*state, why);
    }
  }

 private:
  std::shared_ptr<MuxCore> core_;
  StreamPtr state_;
  OpenRequest request_;
};

class MuxHandle final : public Mux {
 public:
  explicit MuxHandle(std::shared_ptr<MuxCore> core) : core_(std::move(core)) {}
  ~MuxHandle() override { core_->abandon(); }

  Result<std::unique_ptr<MuxStream>> open(OpenRequest request) override {
    PL_TRY(auto state, core_->open(request));
    return make_stream(core_, std::move(state));
  }
  void drain() override { core_->drain(); }
  bool draining() const override { return core_->draining(); }
  void on_draining(std::function<void()> heard) override { core_->on_draining(std::move(heard)); }
  void close(Error why) override { core_->close(std::move(why)); }
  bool ended() const override { return core_->ended(); }
  std::size_t open_streams() const override { return core_->open_streams(); }
  std::size_t buffered() const override { return core_->buffered(); }
  void probe(std::chrono::milliseconds limit) override { core_->ask(limit); }
  net::Task<Result<std::chrono::microseconds>> ping(std::chrono::milliseconds limit) override {
    return wait_for_pong(core_, limit);
  }

 private:
  std::shared_ptr<MuxCore> core_;
};

}  // namespace

std::unique_ptr<MuxStream> make_stream(std::shared_ptr<MuxCore> core, StreamPtr state) {
  return std::make_unique<StreamHandle>(std::move(core), std::move(state));
}

std::unique_ptr<Incoming> make_incoming(std::shared_ptr<MuxCore> core, StreamPtr state, OpenRequest request) {
  return std::make_unique<Request>(std::move(core), std::move(state), std::move(request));
}

std::unique_ptr<Mux> Mux::make(std::unique_ptr<net::Stream> below, Role role, MuxOptions options,
                               OnIncoming on_incoming, OnEnd on_end) {
  auto core = std::make_shared<MuxCore>(std::move(below), role, options, std::move(on_incoming), std::move(on_end));
  core->start();
  return std::make_unique<MuxHandle>(std::move(core));
}

}  // namespace portolan::tunnel

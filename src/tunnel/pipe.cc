#include "tunnel/pipe.h"

#include <algorithm>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "net/turn_end.h"

namespace portolan::tunnel {
namespace {

// How long the last words of a pipe that was given up may take.
constexpr std::chrono::milliseconds kLastWords{1'000};
// What lies unread because this loop was busy counts as heard: silence is looked at once more so much later.
constexpr std::chrono::milliseconds kSecondLook{20};
// Taken from the link for one read that finds nothing for who reads: acknowledgements and pings that come faster than
// they can be looked at must not keep the loop for themselves.
constexpr int kBlocksPerRead = 2;
// Of such reads, where nobody reads.
constexpr int kReadsPerTurn = 4;

BootTime now() { return Clock::real().boot(); }

}  // namespace

class Pipe::Top final : public net::Stream {
 public:
  Top(std::shared_ptr<Pipe> pipe, std::string name) : pipe_(std::move(pipe)), name_(std::move(name)) {}
  ~Top() override { pipe_->abandon(); }
  Result<net::Chunk> try_read() override { return pipe_->read(); }
  Result<std::size_t> try_write(ByteView bytes) override { return pipe_->write(bytes); }
  Result<> shutdown_send() override { return pipe_->finish(); }
  std::size_t unsent() const override { return pipe_->unsent(); }
  void on_readable(Ready ready) override { pipe_->wait_readable(std::move(ready)); }
  void on_writable(Ready ready) override { pipe_->wait_writable(std::move(ready)); }
  void cancel_readable() override {
    pipe_->reader_ = nullptr;
    pipe_->readable_.cancel();
  }
  void cancel_writable() override { pipe_->writable_.cancel(); }
  const net::Executor& executor() const override { return pipe_->executor_; }
  std::string describe() const override { return name_; }

 private:
  std::shared_ptr<Pipe> pipe_;
  std::string name_;
};

Pipe::Pipe(const net::Executor& executor, Role role, PipeId id, Bytes secret, PipeOptions options,
           std::shared_ptr<Budget> budget)
    : executor_(executor),
      role_(role),
      grace_(options.grace),
      end_(id, std::move(secret), options, std::move(budget)),
      readable_(executor),
      writable_(executor, net::ReadySlot::When::kTurnEnd),
      timer_(executor) {}

Pipe::~Pipe() = default;

std::unique_ptr<net::Stream> Pipe::top(std::string name) {
  return std::make_unique<Top>(shared_from_this(), std::move(name));
}

// ---- links ----

Attach Pipe::propose(ByteView binding) {
  const bool had_one = end_.core.attached();
  drop_link();
  const Attach attach = end_.propose(binding, now());
  if (had_one) {
    arm();
    tell_change();
  }
  return attach;
}

Result<> Pipe::confirm(const Attached& attached, ByteView binding, std::unique_ptr<net::Stream> link, Bytes rest) {
  if (over()) return std::unexpected(Error{Code::kUnavailable, "the pipe has ended", {}, Hop::kUnknown});
  PL_CHECK(end_.confirm(attached, binding, now()));
  use(std::move(link), std::move(rest));
  return {};
}

std::expected<void, AttachRefusal> Pipe::take(const Attach& attach, ByteView binding,
                                              std::unique_ptr<net::Stream>& link, Bytes rest) {
  if (over()) return std::unexpected(AttachRefusal::kUnknown);
  if (auto taken = end_.take(attach, binding, now()); !taken) return taken;
  drop_link();
  use(std::move(link), std::move(rest));
  return {};
}

void Pipe::use(std::unique_ptr<net::Stream> link, Bytes rest) {
  link_ = std::move(link);
  in_ = rest.empty() ? net::Buffer() : net::Buffer::copy_of(rest);
  looked_again_ = suspected_ = to_replace_ = false;
  flush_later();
  if (reader_) listen();
  arm();
  tell_change();
}

// One of its callbacks may be on the stack.
void Pipe::drop_link() {
  in_ = {};
  waiting_below_ = listening_ = false;
  if (!link_) return;
  link_->cancel_readable();
  link_->cancel_writable();
  net::post(executor_, [link = std::move(link_)] {});
  link_.reset();
}

// The link is no more; the pipe waits for another.
void Pipe::lose(const Error& why) {
  if (over() || !end_.core.attached()) return;
  log::debug("a pipe has lost its link", {{"why", why}});
  end_.core.freeze(now());
  drop_link();
  arm();
  tell_change();
}

void Pipe::end(Error why) {
  if (over()) return;
  failure_ = std::move(why);
  if (link_ && end_.core.attached()) {
    end_.core.say_gone();
    flush();
  }
  end_.core.freeze(now());
  timer_.cancel();
  // Its last words leave at the end of the turn.
  if (link_) {
    auto last = std::shared_ptr<net::Stream>(std::move(link_));
    last->cancel_readable();
    last->cancel_writable();
    // Kept by the loop's queue and freed with it; a net::Timer would keep itself.
    const auto timer = std::make_shared<boost::asio::steady_timer>(executor_, kLastWords);
    [[maybe_unused]] const auto closed = last->shutdown_send();
    last->on_writable([timer] { timer->cancel(); });
    timer->async_wait([last, timer](const boost::system::error_code&) {});
  }
  drop_link();
  if (reader_) {
    readable_.set(std::exchange(reader_, nullptr));
    readable_.fire();
  }
  if (writable_.waiting()) writable_.fire();
  tell_change();
}

void Pipe::abandon() {
  changed_ = nullptr;
  reader_ = nullptr;
  readable_.cancel();
  writable_.cancel();
  if (!over()) end(Error{Code::kCancelled, "the pipe was closed", {}, Hop::kUnknown});
  abandoned_ = true;
}

// ---- above ----

Result<net::Chunk> Pipe::read() {
  if (end_.core.ended()) return net::Chunk{net::Chunk::Kind::kEnd, {}};
  if (failure_) return std::unexpected(*failure_);
  const BootTime at = now();
  auto chunk = read_link(at);
  if (end_.core.must_speak(at)) flush_later();
  if (writable_.waiting() && can_write()) writable_.fire();
  arm();
  return chunk;
}

Result<net::Chunk> Pipe::read_link(BootTime at) {
  for (int blocks = 0; link_;) {
    if (in_.empty()) {
      if (blocks++ == kBlocksPerRead) break;
      auto got = link_->try_read();
      if (!got || got->kind == net::Chunk::Kind::kEnd) {
        lose(got ? Error{Code::kEof, "the peer closed the link", {}, Hop::kUnknown} : got.error());
        break;
      }
      if (got->kind == net::Chunk::Kind::kWait) break;
      in_ = std::move(got->buffer);
      end_.core.heard(at);
    }
    const auto input = end_.core.take(in_.data(), at);
    if (!input) {
      end(input.error());
      return std::unexpected(*failure_);
    }
    in_.consume(input->skip);
    if (end_.core.gone()) {
      end(Error{Code::kUnavailable, "the other end has closed the connection", {}, Hop::kUnknown});
      return std::unexpected(*failure_);
    }
    if (end_.core.ended()) return net::Chunk{net::Chunk::Kind::kEnd, {}};
    if (input->payload == 0) continue;
    // Most often the payload is all that is left, and goes on without being copied.
    if (input->payload == in_.size()) return net::Chunk{net::Chunk::Kind::kData, std::move(in_)};
    auto part = net::Buffer::copy_of(in_.data().first(input->payload));
    in_.consume(input->payload);
    return net::Chunk{net::Chunk::Kind::kData, std::move(part)};
  }
  return net::Chunk{net::Chunk::Kind::kWait, {}};
}

void Pipe::wait_readable(net::Stream::Ready ready) {
  reader_ = std::move(ready);
  if (failure_ || end_.core.ended()) {
    readable_.set(std::exchange(reader_, nullptr));
    readable_.fire();
  } else {
    listen();
  }
}

void Pipe::listen() {
  if (!link_) return;
  if (!in_.empty()) {
    readable_.set(std::exchange(reader_, nullptr));
    readable_.fire();
    return;
  }
  if (std::exchange(listening_, true)) return;
  link_->on_readable([this, self = weak_from_this()] {
    const auto alive = self.lock();
    if (!alive) return;
    listening_ = false;
    if (reader_) std::exchange(reader_, nullptr)();
  });
}

Result<std::size_t> Pipe::write(ByteView bytes) {
  if (failure_) return std::unexpected(*failure_);
  std::size_t n = end_.core.write(bytes);
  // The backlog is short, so that little stands before what comes next; what the link takes at once makes room for
  // more.
  while (n < bytes.size() && end_.core.unsent() > 0 && link_ && !waiting_below_) {
    flush();
    const std::size_t more = end_.core.write(bytes.subspan(n));
    n += more;
    if (more == 0) break;
  }
  if (n > 0) flush_later();
  return n;
}

Result<> Pipe::finish() {
  if (failure_) return std::unexpected(*failure_);
  end_.core.finish();
  flush_later();
  return {};
}

std::size_t Pipe::unsent() const {
  if (failure_) return 0;
  if (end_.core.finished()) return end_.core.unacknowledged();
  return end_.core.unsent() + (link_ ? link_->unsent() : 0);
}

bool Pipe::can_write() const { return failure_ || (end_.core.finished() ? unsent() == 0 : end_.core.room() > 0); }

void Pipe::wait_writable(net::Stream::Ready ready) {
  writable_.set(std::move(ready));
  if (can_write())
    writable_.fire();
  else if (end_.core.finished())
    read_for_nobody();
}

// Acknowledgements, by which who has ended the pipe here knows when it may go, come with what nobody reads any more.
void Pipe::read_for_nobody() {
  if (over() || reader_ || readable_.waiting()) return;
  reader_ = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->discard();
  };
  listen();
}

void Pipe::discard() {
  const BootTime at = now();
  for (int i = 0; i < kReadsPerTurn && !over(); ++i)
    if (const auto chunk = read_link(at); !chunk || chunk->kind == net::Chunk::Kind::kWait) break;
  if (over()) return;
  if (end_.core.left())
    return end(Error{Code::kUnavailable, "the other end has closed the connection", {}, Hop::kUnknown});
  if (end_.core.must_speak(at)) flush_later();
  if (writable_.waiting() && can_write()) writable_.fire();
  arm();
  read_for_nobody();
}

// ---- to the link ----

void Pipe::flush_later() {
  if (!link_ || flush_posted_ || waiting_below_) return;
  flush_posted_ = true;
  net::at_turn_end(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->flush_posted_ = false;
    self->flush();
  });
}

void Pipe::flush() {
  const BootTime at = now();
  while (link_ && !waiting_below_) {
    const ByteView out = end_.core.output(at);
    if (out.empty()) break;
    const auto taken = link_->try_write(out);
    if (!taken) return lose(taken.error());
    if (*taken == 0) {
      waiting_below_ = true;
      link_->on_writable([this, weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        waiting_below_ = false;
        flush();
      });
      break;
    }
    end_.core.taken(*taken, at);
  }
  if (writable_.waiting() && can_write()) writable_.fire();
  arm();
}

// ---- time ----

void Pipe::arm() {
  if (over()) return;
  const BootTime wanted = end_.core.attached() ? end_.core.next_time() : end_.core.detached_since() + grace_;
  if (wanted >= timer_at_) return;
  timer_at_ = wanted;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(wanted - now());
  timer_.schedule(std::max(wait, std::chrono::milliseconds(1)), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_timer();
  });
}

void Pipe::on_timer() {
  timer_at_ = BootTime::max();
  if (over()) return;
  const BootTime at = now();
  if (!end_.core.attached()) {
    if (at < end_.core.detached_since() + grace_) return arm();
    return end(Error{Code::kIo,
                     "the connection between the client and the egress node was interrupted for longer than " +
                         format_duration(grace_),
                     std::string(kPipeTimedOut), role_ == Role::kDialler ? Hop::kAgent : Hop::kEgress});
  }
  end_.core.on_time(at);
  if (end_.core.suspicious() && !std::exchange(looked_again_, true)) {
    timer_at_ = at + kSecondLook;
    return timer_.schedule(kSecondLook, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->on_timer();
    });
  }
  if (!end_.core.suspicious()) looked_again_ = suspected_ = false;
  if (end_.core.stalled())
    return end(Error{Code::kTimeout, "the peer acknowledges nothing that is sent to it", {}, Hop::kUnknown});
  if (end_.core.dead()) return lose(Error{Code::kTimeout, "the peer has fallen silent", {}, Hop::kUnknown});
  if (end_.core.suspicious() && !std::exchange(suspected_, true)) tell_change();
  if (end_.core.must_speak(at)) flush();
  arm();
}

std::optional<std::chrono::milliseconds> Pipe::time_left() const {
  if (over() || end_.core.attached()) return std::nullopt;
  const auto left = end_.core.detached_since() + std::min(grace_, end_.peer_grace()) - now();
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds(0));
}

void Pipe::probe(std::chrono::milliseconds limit) {
  if (!attached()) return;
  end_.core.ask(limit, now());
  flush();
}

void Pipe::replace_link() {
  if (!attached() || std::exchange(to_replace_, true)) return;
  tell_change();
}

std::chrono::milliseconds Pipe::lateness() const { return end_.core.lateness(now()); }

void Pipe::tell_change() {
  if (!changed_ || change_posted_) return;
  change_posted_ = true;
  net::post(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->change_posted_ = false;
    if (self->changed_) self->changed_();
  });
}

}  // namespace portolan::tunnel

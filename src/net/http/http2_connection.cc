// The life of an HTTP/2 connection: turns, time, the ways to end.
#include "net/http/http2_connection.h"

#include <algorithm>
#include <exception>

#include "base/log.h"
#include "net/http/http2_limits.h"
#include "net/http/sink.h"
#include "net/wait.h"

namespace portolan::net::http {
namespace {

using std::chrono::milliseconds;

constexpr int kBlocksPerTurn = 4;  // read before other work of the loop runs
constexpr milliseconds kGoodbyeLimit = std::chrono::seconds(1);
constexpr BootTime kNever = BootTime::max();

}  // namespace

Http2Connection::Http2Connection(std::unique_ptr<Stream> stream, Connection connection, const Router& router,
                                 const ServerOptions& options)
    : stream_(std::move(stream)),
      executor_(stream_->executor()),
      connection_(std::move(connection)),
      router_(router),
      options_(options),
      quiet_since_(Clock::real().boot()),
      work_(executor_),
      tasks_(executor_) {
  if (options_.draining) stopping_ = options_.draining->stop.listen([this](const Error&) { wake(); });
}

Http2Connection::~Http2Connection() {
  if (session_ != nullptr) nghttp2_session_del(session_);
}

Task<> Http2Connection::run() {
  std::string exception;
  try {
    co_await turns();
  } catch (const std::exception& e) {
    exception = e.what();
  }
  if (!exception.empty()) {
    phase_ = Phase::kBroken;
    log::error("http/2 connection failed", {{"peer", connection_.peer}, {"error", exception}});
  }
  stream_->cancel_readable();
  stream_->cancel_writable();
  close_streams();
  if (phase_ == Phase::kGoodbye) co_await say_goodbye();
  co_await tasks_.join();
  note_busy();
  if (!ended_by_.empty()) log::debug("http/2 connection ended", {{"peer", connection_.peer}, {"why", ended_by_}});
}

Task<> Http2Connection::turns() {
  make_session();
  while (phase_ == Phase::kOpen) {
    if (may_read()) read_some();
    do {
      settle();
      write_some();
    } while (!noted_.empty() && phase_ == Phase::kOpen);
    check_time();
    note_busy();
    if (phase_ != Phase::kOpen) break;
    arm();
    const auto woken = co_await wait_for_work();
    if (!woken) phase_ = Phase::kBroken;  // cancelled: the server has no more time
  }
}

// Who makes us write more than it reads is not read from any more.
bool Http2Connection::may_read() const {
  return nghttp2_session_get_outbound_queue_size(session_) < kQueuedFrames && nghttp2_session_want_read(session_) != 0;
}

void Http2Connection::read_some() {
  for (int i = 0; i < kBlocksPerTurn && may_read(); ++i) {
    const auto chunk = stream_->try_read();
    if (!chunk) {
      phase_ = Phase::kBroken;
      return;
    }
    if (chunk->kind == Chunk::Kind::kWait) return;
    if (chunk->kind == Chunk::Kind::kEnd) {
      phase_ = Phase::kGoodbye;
      return;
    }
    take_in(chunk->buffer.data());
    if (fault_) return;
  }
}

void Http2Connection::write_some() {
  while (phase_ == Phase::kOpen) {
    pump_out(kBatch);
    if (outbox_.empty()) break;
    const auto taken = stream_->try_write(outbox_.front());
    if (!taken) {
      phase_ = Phase::kBroken;
      return;
    }
    if (*taken == 0) break;
    outbox_.consume(*taken);
  }
  if (!outbox_.empty() && (!writing_ || outbox_.flushed() >= write_mark_)) {
    write_mark_ = outbox_.flushed() + kBatch;
    write_due_ = Clock::real().boot() + options_.write_timeout;
  }
  writing_ = !outbox_.empty();
  const bool over = nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  if (over && phase_ == Phase::kOpen) phase_ = Phase::kGoodbye;
}

void Http2Connection::check_time() {
  const BootTime now = Clock::real().boot();
  if (!streams_.empty() || running_ > 0)
    quiet_since_.reset();
  else if (!quiet_since_)
    quiet_since_ = now;
  if (next_due() > now || phase_ != Phase::kOpen) return;
  if (writing_ && now >= write_due_) {
    ended_by_ = "the client does not read";
    phase_ = Phase::kBroken;
    return;
  }
  if (block_began_ && now >= *block_began_ + options_.header_timeout)
    return end("a head did not come to its end in time", NGHTTP2_ENHANCE_YOUR_CALM);
  if (quiet_since_ && now >= *quiet_since_ + (asked_ ? options_.idle_timeout : options_.header_timeout))
    return end("idle", NGHTTP2_NO_ERROR);
  for (const auto& [id, s] : streams_) {
    if (!s->body_due || now < *s->body_due) continue;
    s->body_due.reset();
    if (s->answered)
      reset(*s, NGHTTP2_NO_ERROR);
    else
      refuse(s, Error{Code::kTimeout, "the body did not come in time", {}, Hop::kUnknown});
  }
}

BootTime Http2Connection::next_due() const {
  BootTime due = kNever;
  if (writing_) due = std::min(due, write_due_);
  if (block_began_) due = std::min(due, *block_began_ + options_.header_timeout);
  if (quiet_since_) due = std::min(due, *quiet_since_ + (asked_ ? options_.idle_timeout : options_.header_timeout));
  for (const auto& [id, s] : streams_)
    if (s->body_due) due = std::min(due, *s->body_due);
  return due;
}

void Http2Connection::arm() {
  if (may_read())
    stream_->on_readable([this] { wake(); });
  else
    stream_->cancel_readable();
  if (!outbox_.empty()) stream_->on_writable([this] { wake(); });
}

void Http2Connection::wake() {
  woken_ = true;
  work_.set();
}

// Lets others run also when there is more to do at once: a client that is fast must not have the loop for itself.
Task<Result<>> Http2Connection::wait_for_work() {
  if (woken_) {
    co_await yield_to_loop();
    const bool ended = co_await cancelled();
    if (ended) co_return cancelled_error();
  } else {
    const BootTime due = std::min(next_due(), Clock::real().boot() + std::chrono::hours(1));
    const auto left = std::chrono::ceil<milliseconds>(due - Clock::real().boot());
    auto waited = co_await work_.wait(std::max(left, milliseconds(1)));
    if (!waited && waited.error().code != Code::kTimeout) co_return waited;
  }
  woken_ = false;
  co_return Result<>{};
}

void Http2Connection::end(std::string why, std::uint32_t code) {
  if (phase_ != Phase::kOpen) return;
  ended_by_ = std::move(why);
  nghttp2_session_terminate_session(session_, code);
  phase_ = Phase::kGoodbye;
}

// What was asked is answered; what is asked from now on, nghttp2 passes over, and the client may ask elsewhere.
void Http2Connection::drain() {
  if (std::exchange(drained_, true)) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

void Http2Connection::close_streams() {
  waiting_.clear();
  uploads_.clear();
  for (const auto& [id, s] : std::exchange(streams_, {})) {
    s->closed = true;
    s->progressed.set();
    s->gone.set();
  }
}

void Http2Connection::note_busy() {
  const bool busy = running_ > 0 || !waiting_.empty() || (phase_ == Phase::kOpen && !outbox_.empty());
  if (!busy)
    busy_.reset();
  else if (!busy_)
    busy_.emplace(options_.draining);
}

// The last frames, then nothing: what the client still sends is dropped for a moment, so that no reset by the system
// overtakes them.
Task<> Http2Connection::say_goodbye() {
  pump_out(outbox_.pending() + kBatch);
  Bytes rest;
  while (!outbox_.empty()) {
    const ByteView front = outbox_.front();
    rest.insert(rest.end(), front.begin(), front.end());
    outbox_.consume(front.size());
  }
  const auto written = co_await with_timeout(write(*stream_, rest), kGoodbyeLimit);
  if (!written) co_return;
  const auto finished = co_await finish(*stream_, kGoodbyeLimit);
  if (!finished) co_return;
  const auto lingered = co_await with_timeout(drop_input(*stream_), kGoodbyeLimit);
  static_cast<void>(lingered);  // however it ends, the connection does
}

}  // namespace portolan::net::http

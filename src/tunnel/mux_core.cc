// The life of a mux: turns, flushing, probing, the ways to end.
#include "tunnel/mux_core.h"

#include <algorithm>
#include <array>

#include "net/turn_end.h"
#include "tunnel/fields.h"
#include "tunnel/refusal.h"

namespace portolan::tunnel {
namespace {

constexpr int kBlocksPerTurn = 8;  // read from below before other work of the loop runs
constexpr std::size_t kOutboxLimit =
    8 * 1024 * 1024;  // more unsent frames: the peer does not read and yet makes us talk
constexpr std::size_t kUncounted = kBatch + 64 * 1024;     // waits also for a peer that reads slowly
constexpr std::size_t kOutboxForOpening = 1024 * 1024;     // more: no further streams are opened
constexpr std::chrono::milliseconds kGoodbyeLimit{1'000};  // for the last words of a link

std::uint32_t goaway_code(Code code) {
  switch (code) {
    case Code::kProtocol: return NGHTTP2_PROTOCOL_ERROR;
    case Code::kLimit: return NGHTTP2_ENHANCE_YOUR_CALM;
    case Code::kUnauthenticated:
    case Code::kDenied: return NGHTTP2_INADEQUATE_SECURITY;
    case Code::kInternal: return NGHTTP2_INTERNAL_ERROR;
    default: return NGHTTP2_CANCEL;
  }
}

Error drained() { return {Code::kUnavailable, "the link was drained", std::string(kDrained), Hop::kUnknown}; }

MuxOptions checked(MuxOptions options) {
  options.stream_window = std::clamp<std::uint32_t>(options.stream_window, 1024, 1U << 30);
  options.connection_window = std::clamp<std::uint32_t>(options.connection_window, 65'535, 1U << 30);
  options.largest_window = std::clamp<std::uint32_t>(options.largest_window, options.stream_window, 1U << 30);
  return options;
}

}  // namespace

MuxCore::MuxCore(std::unique_ptr<net::Stream> below, Mux::Role role, MuxOptions options, Mux::OnIncoming on_incoming,
                 Mux::OnEnd on_end)
    : role_(role),
      options_(checked(options)),
      executor_(below->executor()),
      name_(below->describe()),
      below_(std::move(below)),
      windows_({.first = options_.stream_window, .largest = options_.largest_window, .grown = options_.budget / 2}),
      pace_timer_(executor_),
      timer_(executor_),
      on_incoming_(std::move(on_incoming)),
      on_end_(std::move(on_end)) {}

MuxCore::~MuxCore() {
  if (options_.shared) options_.shared->give_back(queued_);
  if (session_ != nullptr) nghttp2_session_del(session_);
}

void MuxCore::start() {
  make_session();
  last_heard_ = now();
  if (options_.probe_after.count() > 0) timer_.schedule(options_.probe_after, [this] { probe(); });
  arm_reading();
  schedule_flush();
}

// ---- turns ----

void MuxCore::turn(Turn kind) {
  const auto self = shared_from_this();
  if (phase_ == Phase::kEnded) return;
  in_turn_ = true;
  if (kind == Turn::kRead && phase_ == Phase::kOpen) read_below();
  pump_out();
  if (kind == Turn::kFlush) write_down();
  settle();
  dispatch();
  in_turn_ = false;
  if (!ready_.empty() || !requests_.empty() || (phase_ == Phase::kEnded && on_end_)) schedule_dispatch();
  if (phase_ != Phase::kEnded) schedule_flush();
}

void MuxCore::read_below() {
  for (int i = 0; i < kBlocksPerTurn; ++i) {
    auto chunk = below_->try_read();
    if (!chunk) return end_now(std::move(chunk).error().within("link " + name_));
    if (chunk->kind == net::Chunk::Kind::kWait) break;
    if (chunk->kind == net::Chunk::Kind::kEnd) {
      const bool was_drained = drain_heard_ && streams_.empty();
      const Error lost = was_drained ? drained() : Error{Code::kEof, "the peer closed the link", {}, Hop::kUnknown};
      return end_now(fault_.value_or(lost));
    }
    last_heard_ = now();
    take_in(chunk->buffer.data());
    if (fault_) return;
  }
  arm_reading();
}

void MuxCore::arm_reading() {
  below_->on_readable([this] { turn(Turn::kRead); });
}

void MuxCore::write_down() {
  if (!below_) return;
  while (!outbox_.empty()) {
    auto taken = below_->try_write(outbox_.front());
    if (!taken) return end_now(fault_.value_or(std::move(taken).error().within("link " + name_)));
    if (*taken == 0) break;
    outbox_.consume(*taken);
  }
  if (phase_ == Phase::kClosing && outbox_.empty()) {
    const auto shut = below_->shutdown_send();
    if (!shut || below_->unsent() == 0) return finish_end();
  } else if (outbox_.empty()) {
    return;
  }
  write_armed_ = true;
  below_->on_writable([this] {
    write_armed_ = false;
    turn(Turn::kFlush);
  });
}

// Acts on what the callbacks noted.
void MuxCore::settle() {
  for (const StreamPtr& s : std::exchange(over_budget_, {}))
    if (!s->closed) {
      reset(*s, Error{Code::kLimit, "more was received than the link has room for", {}, Hop::kUnknown},
            NGHTTP2_ENHANCE_YOUR_CALM);
      enqueue(s);
    }
  if (std::exchange(settings_heard_, false))
    for (const auto& [id, s] : streams_) enqueue(s);
  pace_resets();
  const bool has_room = count_queue();
  if (phase_ != Phase::kOpen) return;
  if (outbox_.pending() > kOutboxLimit || !has_room)
    return end_now(Error{Code::kLimit, "the peer of link " + name_ + " takes nothing in", {}, Hop::kUnknown});
  if (fault_) return begin_end(*fault_, fault_is_ours_ ? Tell::kPeer : Tell::kNobody, kGoodbyeLimit);
  if ((drain_sent_ || drain_heard_) && streams_.empty() && outbox_.empty())
    begin_end(drained(), Tell::kNobody, options_.drained_limit);
}

// Frames beyond a batch of DATA wait because the peer does not read, and count as what it makes us hold. False: the
// budget that the link shares with others has no room for them.
bool MuxCore::count_queue() {
  const std::size_t queued = outbox_.pending() - std::min(outbox_.pending(), kUncounted);
  if (!options_.shared || queued == queued_) return true;
  const bool fits = queued <= queued_ || may_hold(options_.shared.get(), queued - queued_);
  options_.shared->give_back(queued_);
  options_.shared->take(queued);
  queued_ = queued;
  return fits;
}

void MuxCore::schedule_flush() {
  if (flush_posted_ || write_armed_ || in_turn_ || phase_ == Phase::kEnded) return;
  const bool drained = (drain_sent_ || drain_heard_) && streams_.empty();
  const bool idle = outbox_.empty() && !nghttp2_session_want_write(session_) && !fault_ && !drained;
  if (phase_ == Phase::kOpen && idle) return;
  flush_posted_ = true;
  net::at_turn_end(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->flush_posted_ = false;
    self->turn(Turn::kFlush);
  });
}

// ---- what the Mux asks for ----

Result<StreamPtr> MuxCore::open(const OpenRequest& request) {
  if (ended()) return std::unexpected(reason_);
  if (role_ != Mux::Role::kOpener) return fail(Code::kInvalid, "streams are opened by the other side of this link");
  if (drain_sent_ || drain_heard_) return fail(Code::kUnavailable, "the link takes no more streams");
  PL_CHECK(check_authority(request.authority));
  PL_CHECK(check_headers(request.headers, options_.header_bytes));
  if (nghttp2_session_get_next_stream_id(session_) >= options_.last_stream_id)
    return fail(Code::kUnavailable, "the link has used up its stream numbers");
  const std::size_t allowed = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  if (streams_.size() >= allowed) pump_out();  // resets on their way make room
  if (streams_.size() >= allowed) return fail(Code::kLimit, "the peer's limit of open streams is reached");
  if (outbox_.pending() > kOutboxForOpening) return fail(Code::kLimit, "the link is congested");

  Fields fields(":method", "CONNECT");
  fields.add(":authority", request.authority);
  fields.add(request.headers);
  auto s = std::make_shared<StreamState>();
  s->budget = request.charged ? request.charged : options_.shared;
  s->window = windows_.open();
  const nghttp2_data_provider source = source_of(*s);
  const std::int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), &source, s.get());
  if (id < 0) return fail(Code::kInternal, std::string("cannot open a stream: ") + nghttp2_strerror(id));
  s->id = id;
  streams_.emplace(id, s);
  pump_out();
  schedule_flush();
  return s;
}

void MuxCore::drain() {
  if (ended() || drain_sent_) return;
  drain_sent_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  schedule_flush();
}

void MuxCore::on_draining(std::function<void()> heard) {
  on_draining_ = std::move(heard);
  if (drain_heard_) schedule_dispatch();
}

void MuxCore::close(Error why) {
  if (!ended())
    begin_end(std::move(why), Tell::kPeer, kGoodbyeLimit);
  else if (phase_ == Phase::kClosing && std::exchange(lingering_, false))
    limit_goodbye(kGoodbyeLimit);
}

void MuxCore::abandon() {
  abandoned_ = true;
  on_incoming_ = nullptr;
  on_draining_ = nullptr;
  on_end_ = nullptr;
  if (phase_ == Phase::kOpen)
    begin_end(Error{Code::kCancelled, "the link was closed", {}, Hop::kUnknown}, Tell::kPeer, kGoodbyeLimit);
  if (phase_ == Phase::kClosing) write_down();
  if (phase_ == Phase::kClosing) finish_end();
}

std::shared_ptr<PingWait> MuxCore::ping() {
  auto wait = std::make_shared<PingWait>(executor_, next_ping_++);
  wait->sent = now();
  pings_.emplace(wait->id, wait);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, reinterpret_cast<const std::uint8_t*>(&wait->id));
  schedule_flush();
  return wait;
}

// ---- silence ----

void MuxCore::probe() {
  const auto self = shared_from_this();
  if (phase_ != Phase::kOpen) return;
  // What lies unread because this loop was busy counts as heard.
  if (probed_at_ && last_heard_ < *probed_at_) turn(Turn::kRead);
  if (phase_ != Phase::kOpen) return;
  if (probed_at_ && last_heard_ < *probed_at_) {
    return end_now(Error{Code::kTimeout, "the peer of link " + name_ + " has fallen silent", {}, Hop::kUnknown});
  }
  probed_at_.reset();
  const auto silence = std::chrono::ceil<std::chrono::milliseconds>(now() - last_heard_);
  if (silence < options_.probe_after) {
    timer_.schedule(options_.probe_after - silence, [this] { probe(); });
    return;
  }
  ask(options_.probe_limit);
}

void MuxCore::ask(std::chrono::milliseconds limit) {
  if (phase_ != Phase::kOpen || options_.probe_after.count() == 0) return;
  const bool asked = probed_at_ && last_heard_ < *probed_at_;
  if (asked && probe_due_ <= now() + limit) return;
  if (!asked) {
    constexpr std::array<std::uint8_t, 8> kProbe{};
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kProbe.data());
    probed_at_ = now();
    schedule_flush();
  }
  probe_due_ = now() + limit;
  timer_.schedule(limit, [this] { probe(); });
}

// ---- the end ----

void MuxCore::begin_end(Error why, Tell tell, std::chrono::milliseconds limit) {
  phase_ = Phase::kClosing;
  reason_ = std::move(why);
  if (tell == Tell::kPeer) {
    const std::string words = to_farewell(reason_);
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          goaway_code(reason_.code), reinterpret_cast<const std::uint8_t*>(words.data()), words.size());
    pump_out();
  }
  fail_streams();
  below_->cancel_readable();
  lingering_ = limit.count() == 0;
  if (lingering_)
    timer_.cancel();
  else
    limit_goodbye(limit);
  schedule_flush();
}

void MuxCore::limit_goodbye(std::chrono::milliseconds limit) {
  timer_.schedule(limit, [this] {
    const auto self = shared_from_this();
    finish_end();
  });
}

void MuxCore::end_now(Error why) {
  if (phase_ == Phase::kOpen) {
    reason_ = std::move(why);
    fail_streams();
  }
  finish_end();
}

void MuxCore::finish_end() {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  timer_.cancel();
  pace_timer_.cancel();
  held_.clear();
  for (const auto& [id, wait] : std::exchange(pings_, {})) wait->event.set();
  // A stream whose last bytes will not leave any more has failed, also if it had said all.
  for (const StreamPtr& s : std::exchange(finishing_, {})) enqueue(s);
  nghttp2_session_del(session_);
  session_ = nullptr;
  below_->cancel_readable();
  below_->cancel_writable();
  // In a turn one of its callbacks may be on the stack.
  if (in_turn_) net::post(executor_, [below = std::move(below_)] {});
  below_.reset();
  if (!in_turn_) schedule_dispatch();
}

void MuxCore::fail_streams() {
  for (const auto& [id, s] : std::exchange(streams_, {})) {
    close_state(*s);
    set_failure(*s, reason_);
    if (s->answer_event) s->answer_event->set();
    enqueue(s);
  }
  for (const StreamPtr& s : std::exchange(requests_, {})) drop_inbox(*s);
}

}  // namespace portolan::tunnel

// Who waits for what, and when they are called: from the loop only, with nothing of ours on the stack, so that a
// callback may do anything. A condition is looked at again just before the call, so nobody is woken for nothing.
#include <algorithm>
#include <utility>

#include "tunnel/mux_core.h"
#include "tunnel/mux_handles.h"
#include "tunnel/refusal.h"

namespace portolan::tunnel {

bool MuxCore::readable(const StreamState& s) const {
  return s.failure != nullptr || (s.answered && (!s.inbox.empty() || s.receive_ended));
}

bool MuxCore::writable(const StreamState& s) const {
  if (s.failure || phase_ == Phase::kEnded) return true;
  return s.send_ended ? unsent(s) == 0 : blocked(s) == Blocked::kNo;
}

// Half of the batch must be free before who waits is called, so that they write pieces worth framing.
bool MuxCore::link_has_room() const {
  return session_ != nullptr && outbox_.pending(Lane::kBulk) <= kBatch / 2 &&
         nghttp2_session_get_remote_window_size(session_) > 0;
}

// A stream that wants little does not stand in line.
bool MuxCore::may_overtake(const StreamState& s) const {
  return session_ != nullptr && light(s, kPiece) && nghttp2_session_get_remote_window_size(session_) > 0;
}

MuxCore::Blocked MuxCore::blocked(const StreamState& s) const {
  const bool in_turn = link_has_room() && !(contended_ && s.turn_used >= kShare);
  if (!in_turn && !may_overtake(s)) return Blocked::kByLink;
  return nghttp2_session_get_stream_remote_window_size(session_, s.id) > 0 ? Blocked::kNo : Blocked::kByStream;
}

void MuxCore::wait_readable(const StreamPtr& s, net::Stream::Ready ready) {
  s->on_readable = std::move(ready);
  if (readable(*s)) enqueue(s);
}

void MuxCore::wait_writable(const StreamPtr& s, net::Stream::Ready ready) {
  if (phase_ == Phase::kEnded && unsent(*s) > 0) set_failure(*s, reason_);
  s->on_writable = std::move(ready);
  if (writable(*s) && !must_queue(*s))
    enqueue(s);
  else
    park(s);
}

// Who becomes able to write does not overtake those who stand in line, but for who wants little.
bool MuxCore::must_queue(const StreamState& s) const {
  return !writers_.empty() && !s.failure && !s.send_ended && phase_ != Phase::kEnded && !may_overtake(s);
}

void MuxCore::enqueue(const StreamPtr& s) {
  if (s->queued) return;
  s->queued = true;
  ready_.push_back(s);
  if (!in_turn_) schedule_dispatch();
}

// Puts a writer where it will be looked at when what it waits for may have changed. One that waits for its own window
// needs no place: the WINDOW_UPDATE names it.
void MuxCore::park(const StreamPtr& s) {
  use_promise(*s, kShare);
  if (s->parked) return;
  if (s->send_ended) {
    s->parked = true;
    finishing_.push_back(s);
  } else if (blocked(*s) != Blocked::kByStream) {
    s->parked = true;
    if (written_lately(*s) + kPiece <= kLittle)
      writers_.push_front(s);
    else
      writers_.push_back(s);
    if (link_has_room() && !in_turn_) schedule_dispatch();
  }
}

void MuxCore::schedule_dispatch() {
  if (dispatch_posted_) return;
  dispatch_posted_ = true;
  net::post(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->dispatch_posted_ = false;
    self->dispatch();
  });
}

void MuxCore::dispatch() {
  const auto self = shared_from_this();
  serve_ready();
  serve_requests();
  serve_writers();
  serve_finishing();
  tell_draining();
  tell_end();
}

void MuxCore::serve_ready() {
  for (const StreamPtr& s : std::exchange(ready_, {})) {
    s->queued = false;
    if (s->on_readable && readable(*s)) std::exchange(s->on_readable, nullptr)();
    if (!must_queue(*s))
      serve_writer(s);
    else if (s->on_writable)
      park(s);
  }
}

void MuxCore::serve_writer(const StreamPtr& s) {
  if (!s->on_writable) return;
  if (writable(*s))
    std::exchange(s->on_writable, nullptr)();
  else
    park(s);
}

// In turn: each may write its share, and goes to the end of the line for more. Who is called may write later (a
// coroutine), so room is promised to it, into which nobody else is called until it has written, or come back, or
// everything has gone down.
void MuxCore::serve_writers() {
  if (outbox_.empty()) {
    promised_ = 0;
    ++promise_round_;
  }
  std::size_t called = 0;
  for (std::size_t left = writers_.size(); left > 0 && !writers_.empty(); --left) {
    const bool fits = link_has_room() && outbox_.pending(Lane::kBulk) + promised_ + kShare <= kBatch;
    if (phase_ != Phase::kEnded && !fits && !may_overtake(*writers_.front())) break;
    const StreamPtr s = std::move(writers_.front());
    writers_.pop_front();
    s->parked = false;
    s->turn_used = 0;
    if (!s->on_writable) continue;
    contended_ = called++ > 0 || !writers_.empty();
    s->promise = kShare;
    s->promise_round = promise_round_;
    promised_ += kShare;
    serve_writer(s);
  }
  contended_ = called > 1 || !writers_.empty();
  if (!writers_.empty() && outbox_.empty() && link_has_room()) schedule_dispatch();
}

// `written` bytes of what was promised have been used; kShare gives up all.
void MuxCore::use_promise(StreamState& s, std::size_t written) {
  const std::size_t used = std::min(s.promise, written);
  s.promise -= used;
  if (s.promise_round == promise_round_) promised_ -= used;
}

void MuxCore::serve_finishing() {
  for (const StreamPtr& s : std::exchange(finishing_, {})) {
    s->parked = false;
    serve_writer(s);
  }
}

std::optional<Error> MuxCore::judge(const HeaderBlock& block) const {
  if (block.too_large) return Error{Code::kLimit, "the request's headers are too large", {}, Hop::kUnknown};
  if (block.method != "CONNECT" || block.foreign)
    return Error{Code::kProtocol, "only CONNECT with portolan- headers is understood here", {}, Hop::kUnknown};
  if (const auto fits = check_authority(block.authority); !fits) return fits.error();
  if (!on_incoming_) return Error{Code::kUnavailable, "no streams are accepted here", {}, Hop::kUnknown};
  return std::nullopt;
}

void MuxCore::serve_requests() {
  for (const StreamPtr& s : std::exchange(requests_, {})) {
    const std::unique_ptr<HeaderBlock> block = std::move(s->block);
    if (s->closed) {
      drop_inbox(*s);
      continue;
    }
    if (const auto error = judge(*block)) {
      if (!block->excessive && error->code == Code::kProtocol) charge(Toll::For::kForeign);
      refuse(*s, *error);
      continue;
    }
    auto request =
        make_incoming(shared_from_this(), s, OpenRequest{std::move(block->authority), std::move(block->headers)});
    // Held here while it runs: it may destroy the Mux, which drops it.
    auto call = std::exchange(on_incoming_, nullptr);
    call(std::move(request));
    if (!abandoned_) on_incoming_ = std::move(call);
  }
}

// A goodbye with a code is no draining: the link has ended.
void MuxCore::tell_draining() {
  if (drain_heard_ && !fault_ && on_draining_) std::exchange(on_draining_, nullptr)();
}

void MuxCore::tell_end() {
  if (phase_ != Phase::kEnded || !on_end_) return;
  auto call = std::exchange(on_end_, nullptr);
  on_incoming_ = nullptr;
  call(reason_);
}

}  // namespace portolan::tunnel

// From streams to requests: heads are judged, bodies admitted, handlers started, each as far as there is room.
#include <algorithm>

#include "base/log.h"
#include "net/http/http2_connection.h"
#include "net/http/http2_limits.h"

namespace portolan::net::http {
namespace {

Error too_large() { return {Code::kLimit, "body is too large", "body_too_large", Hop::kUnknown}; }

}  // namespace

void Http2Connection::note(const Http2StreamPtr& s) {
  if (std::exchange(s->noted, true)) return;
  noted_.push_back(s);
}

void Http2Connection::settle() {
  if (fault_) return end(*fault_, NGHTTP2_ENHANCE_YOUR_CALM);
  for (const Http2StreamPtr& s : std::exchange(noted_, {})) {
    s->noted = false;
    attend(s);
  }
  start_waiting();
  grant_uploads();
  if (options_.draining && options_.draining->stop.stopped()) drain();
}

void Http2Connection::attend(const Http2StreamPtr& s) {
  if (s->closed) {
    if (!s->answering) release(*s);
    return;
  }
  if (s->head_ended && s->block) judge(s);
  if (s->refused || s->answering) return;
  if (s->too_large) return refuse(s, too_large());
  if (s->shed) {
    s->refused = true;
    drop_body(*s);
    return reset(*s, NGHTTP2_REFUSED_STREAM);
  }
  if (!s->receive_ended) return;
  s->answering = true;
  s->body_due.reset();
  waiting_.push_back(s);
}

void Http2Connection::judge(const Http2StreamPtr& s) {
  const auto block = std::move(s->block);
  // Tasks outlive their streams when the client resets these; twice, since who is answered may ask again before its
  // task has ended.
  const bool many = running_ >= 2 * std::size_t{options_.concurrent_requests};
  if (many || head_bytes_ + block->size() > kHeads) {
    s->refused = true;
    drop_body(*s);
    return reset(*s, NGHTTP2_REFUSED_STREAM);
  }
  s->head_bytes = block->size();
  head_bytes_ += s->head_bytes;
  const Result<> fits = prepare(*s, *block);
  if (!fits) return refuse(s, fits.error());
  if (s->receive_ended) return;
  if (s->needs > kFreeWindow) {
    s->held = true;
    uploads_.push_back(s);
  } else {
    s->body_due = Clock::real().boot() + options_.body_timeout;
  }
}

Result<> Http2Connection::prepare(Http2Stream& s, FieldBlock& block) {
  PL_TRY(FieldBlock::Head head, block.finish());
  PL_CHECK(check_host_served(head.host, connection_, options_));
  s.request = std::move(head.request);
  s.head_only = head.head_only;
  s.limit = body_limit(options_, s.request, connection_);
  if (head.length.value_or(0) > s.limit || s.body.size() > s.limit || s.too_large) return std::unexpected(too_large());
  if (s.receive_ended && s.body.empty()) return {};
  PL_TRY(const bool waits, expects_continue(s.request));
  if (s.receive_ended) return {};
  s.needs = std::min<std::uint64_t>(head.length.value_or(s.limit), s.limit);
  s.body_mark = body_step(options_);
  if (!waits || !s.body.empty()) return {};
  std::uint8_t name[] = ":status", value[] = "100";
  const nghttp2_nv interim{name, value, 7, 3, NGHTTP2_NV_FLAG_NONE};
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, s.id, nullptr, &interim, 1, nullptr);
  return {};
}

// Answers what could not be taken; what still comes of it is dropped, and the rest is not wanted.
void Http2Connection::refuse(const Http2StreamPtr& s, const Error& why) {
  log::debug("refused a request", {{"peer", connection_.peer}, {"error", why}});
  s->refused = true;
  s->answering = true;
  s->body_due.reset();
  drop_body(*s);
  ++running_;
  tasks_.spawn("http/2 refusal", answer_refused(s, refusal(why, options_.hop)));
}

void Http2Connection::start(const Http2StreamPtr& s) {
  s->request.body = std::move(s->body);
  s->body = {};
  ++running_;
  tasks_.spawn("http/2 request", answer(s));
}

void Http2Connection::start_waiting() {
  while (!waiting_.empty() && answer_bytes_ <= kAnswers) {
    const Http2StreamPtr s = std::move(waiting_.front());
    waiting_.pop_front();
    if (s->closed)
      release(*s);
    else
      start(s);
  }
}

// In the order in which they came, and only what is sure to find room to the end: two half uploads that fill the room
// would wait for each other. A body that is larger than all of the room waits until it is alone.
void Http2Connection::grant_uploads() {
  while (!uploads_.empty()) {
    const Http2StreamPtr& s = uploads_.front();
    if (s->held && !s->closed) {
      if (reserved_ > 0 && reserved_ + s->needs > kBodies) return;
      grant(*s);
    }
    uploads_.pop_front();
  }
}

void Http2Connection::grant(Http2Stream& s) {
  s.held = false;
  if (s.receive_ended) return;
  s.granted = true;
  s.reserved = s.needs;
  reserved_ += s.reserved;
  unreserved_ -= std::exchange(s.unreserved, 0);
  s.body_due = Clock::real().boot() + options_.body_timeout;
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, s.id, kUploadWindow);
  if (s.uncredited > 0) nghttp2_session_consume_stream(session_, s.id, std::exchange(s.uncredited, 0));
}

void Http2Connection::drop_body(Http2Stream& s) {
  s.body = {};
  s.held = false;
  reserved_ -= std::exchange(s.reserved, 0);
  unreserved_ -= std::exchange(s.unreserved, 0);
}

void Http2Connection::release(Http2Stream& s) {
  drop_body(s);
  head_bytes_ -= std::exchange(s.head_bytes, 0);
}

void Http2Connection::reset(Http2Stream& s, std::uint32_t code) {
  if (s.closed) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s.id, code);
  wake();
}

}  // namespace portolan::net::http

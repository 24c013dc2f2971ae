// The nghttp2 side of the mux: settings, callbacks, framing. RFC 9113; https://nghttp2.org/documentation/
//
// DATA is framed without a copy of nghttp2's own (NO_COPY): try_write() offers its bytes, the data source says how many
// fit, and the send callback copies them once, behind their frame header, into the outbox. Received DATA goes into the
// stream's inbox.
#include <algorithm>
#include <array>
#include <cstring>

#include "tunnel/mux_core.h"
#include "tunnel/refusal.h"

namespace portolan::tunnel {
namespace {

// With its header of nine bytes, a frame of this size fills one TLS record.
constexpr std::size_t kFrameHead = 9;
constexpr std::size_t kFramePayload = 16384 - kFrameHead;
// Until its SETTINGS arrive, a peer is taken to allow as many streams as our default does.
constexpr std::uint32_t kStreamsBeforeSettings = 4096;
// Resets of any stream that the acceptor tolerates: more than people's programs can abort, at the rate that a link can
// open.
constexpr std::uint64_t kResetBurst = 50'000;
constexpr std::uint64_t kResetsPerSecond = 10'000;
constexpr std::size_t kHeaderCount = 64;
constexpr std::size_t kAbsurd = 4;  // times the headers that a request may have
// The PING by which windows are measured; those of MuxCore::ping() are numbered, and a probe's is zero.
constexpr std::uint8_t kMeasure[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
// And the one by which resets are paced.
constexpr std::uint8_t kPace[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};

std::string_view text_of(nghttp2_rcbuf* buffer) {
  const nghttp2_vec v = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(v.base), v.len};
}

ByteView view_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

}  // namespace

struct MuxCore::Callbacks {
  static MuxCore& core(void* user) { return *static_cast<MuxCore*>(user); }
  static StreamState* state(nghttp2_session* session, std::int32_t id) {
    return static_cast<StreamState*>(nghttp2_session_get_stream_user_data(session, id));
  }

  // ---- sending ----

  static ssize_t read_source(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length, std::uint32_t* flags,
                             nghttp2_data_source* source, void*) {
    auto& s = *static_cast<StreamState*>(source->ptr);
    const std::size_t n = std::min({length, kFramePayload, s.offered.size()});
    if (n > 0) {
      *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
      return static_cast<ssize_t>(n);
    }
    if (!s.send_ended) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    s.end_framed = true;
    return 0;
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t length,
                       nghttp2_data_source* source, void* user) {
    auto& s = *static_cast<StreamState*>(source->ptr);
    core(user).outbox_.append(s.lane, view_of(head, kFrameHead), s.offered.first(length));
    s.offered = s.offered.subspan(length);
    return 0;
  }

  // nghttp2 ends the session by itself when the peer breaks HTTP/2; all our own GOAWAYs with a code come from
  // begin_end().
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    MuxCore& c = core(user);
    if (frame->hd.type != NGHTTP2_GOAWAY || frame->goaway.error_code == NGHTTP2_NO_ERROR || c.fault_ || c.ended())
      return 0;
    const std::string words = c.library_words_.empty() ? std::string(nghttp2_http2_strerror(frame->goaway.error_code))
                                                       : quoted(c.library_words_, 200);
    c.fault_ = Error{Code::kProtocol, "the peer broke HTTP/2: " + words, {}, Hop::kUnknown};
    return 0;
  }

  // ---- receiving ----

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    MuxCore& c = core(user);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      auto s = std::make_shared<StreamState>();
      s->id = frame->hd.stream_id;
      s->budget = c.options_.shared;
      s->window = c.windows_.open();
      s->block = std::make_unique<HeaderBlock>();
      nghttp2_session_set_stream_user_data(session, s->id, s.get());
      c.streams_.emplace(s->id, std::move(s));
    } else if (frame->headers.cat == NGHTTP2_HCAT_RESPONSE) {
      if (StreamState* s = state(session, frame->hd.stream_id)) s->block = std::make_unique<HeaderBlock>();
    }
    return 0;  // trailers are read over
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                    std::uint8_t, void* user) {
    StreamState* s = state(session, frame->hd.stream_id);
    if (s == nullptr || !s->block) return 0;
    HeaderBlock& block = *s->block;
    const std::string_view n = text_of(name);
    const std::string_view v = text_of(value);
    const std::size_t size = n.size() + v.size() + 32;
    block.size += size;
    const std::size_t limit = core(user).options_.header_bytes;
    if (!block.excessive && (block.size > limit || block.headers.size() >= kHeaderCount)) {
      block.excessive = true;
      core(user).charge(Toll::For::kBomb);
    }
    // Not refused in words any more: the rest of them is not even looked at, and the stream is reset.
    if (block.size > kAbsurd * limit) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (block.too_large) return 0;
    if (block.excessive || !core(user).keep_header(*s, size)) {
      block.headers.clear();
      block.too_large = true;
    } else if (n == ":method") {
      block.method = v;
    } else if (n == ":authority") {
      block.authority = v;
    } else if (n == ":status") {
      block.status = v;
    } else if (!n.starts_with(kHeaderPrefix) || !block.headers.emplace(n, v).second) {
      block.foreign = true;
    }
    return 0;
  }

  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    MuxCore& c = core(user);
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        headers_received(c, session, *frame);
        if (ends) end_received(c, frame->hd.stream_id);
        break;
      case NGHTTP2_DATA:
        if (ends) end_received(c, frame->hd.stream_id);
        if (!ends && frame->hd.length == frame->data.padlen) c.charge(Toll::For::kNothing);
        break;
      case NGHTTP2_WINDOW_UPDATE:
        c.charge(Toll::For::kCredit);
        if (const auto found = c.streams_.find(frame->hd.stream_id); found != c.streams_.end())
          c.enqueue(found->second);
        break;  // the connection's own: every turn looks at those who wait for it
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) c.charge(Toll::For::kSettings);
        c.settings_heard_ = true;
        break;
      case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
          pong(c, frame->ping.opaque_data);
        else
          c.charge(Toll::For::kPing);
        break;
      case NGHTTP2_GOAWAY:
        c.charge(Toll::For::kSettings);
        farewell(c, frame->goaway);
        break;
      case NGHTTP2_PRIORITY: c.charge(Toll::For::kNothing); break;
      default: break;
    }
    return 0;
  }

  static void headers_received(MuxCore& c, nghttp2_session* session, const nghttp2_frame& frame) {
    StreamState* s = state(session, frame.hd.stream_id);
    const auto found = c.streams_.find(frame.hd.stream_id);
    if (s == nullptr || !s->block || found == c.streams_.end()) return;
    if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
      c.requests_.push_back(found->second);
      return;
    }
    const std::unique_ptr<HeaderBlock> block = std::move(s->block);
    const int status = block->status.size() == 3 ? std::atoi(block->status.c_str()) : 0;
    if (status >= 200 && status < 300 && !block->too_large) {
      s->answered = true;
      s->answer = std::move(block->headers);
      if (std::exchange(s->held, false)) nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    } else if (status >= 300) {
      c.set_failure(*s, from_refusal(status, block->headers));
    } else {
      c.set_failure(*s, Error{Code::kProtocol, "the peer's answer cannot be understood", {}, Hop::kUnknown});
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_PROTOCOL_ERROR);
    }
    if (s->answer_event) s->answer_event->set();
    c.enqueue(found->second);
  }

  static void end_received(MuxCore& c, std::int32_t id) {
    const auto found = c.streams_.find(id);
    if (found == c.streams_.end()) return;
    found->second->receive_ended = true;
    c.enqueue(found->second);
  }

  static int data_received(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                           std::size_t size, void* user) {
    MuxCore& c = core(user);
    // The connection's credit goes back on receipt, so that one stopped reader never stalls the rest.
    nghttp2_session_consume_connection(session, size);
    const auto found = c.streams_.find(id);
    if (found == c.streams_.end()) return 0;
    StreamState& s = *found->second;
    if (s.failure || s.over_budget) return 0;
    if (c.windows_.arrived(s.window, size, c.last_heard_)) nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, kMeasure);
    if (c.buffered_ + size > c.options_.budget || !c.may_hold(s.budget.get(), size)) {
      s.over_budget = true;
      c.over_budget_.push_back(found->second);
      return 0;
    }
    s.inbox.append(view_of(data, size));
    c.buffered_ += size;
    if (s.budget) s.budget->take(size);
    c.enqueue(found->second);
    return 0;
  }

  static void pong(MuxCore& c, const std::uint8_t* opaque) {
    if (std::memcmp(opaque, kMeasure, sizeof kMeasure) == 0) return c.windows_.answered(c.last_heard_);
    if (std::memcmp(opaque, kPace, sizeof kPace) == 0) return c.pace_.answered(c.last_heard_);
    std::uint64_t id = 0;
    std::memcpy(&id, opaque, sizeof id);
    const auto found = c.pings_.find(id);
    if (found == c.pings_.end()) return c.charge(Toll::For::kPing);
    found->second->round_trip = std::chrono::duration_cast<std::chrono::microseconds>(c.now() - found->second->sent);
    found->second->event.set();
    c.pings_.erase(found);
  }

  static void farewell(MuxCore& c, const nghttp2_goaway& goaway) {
    c.drain_heard_ = true;
    if (goaway.error_code == NGHTTP2_NO_ERROR || c.fault_) return;
    c.fault_ = from_farewell(view_of(goaway.opaque_data, goaway.opaque_data_len));
  }

  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    MuxCore& c = core(user);
    const auto found = c.streams_.find(id);
    if (found == c.streams_.end()) return 0;
    const StreamPtr s = std::move(found->second);
    c.streams_.erase(found);
    c.close_state(*s);
    c.just_closed_ = s;
    if (c.role_ == Mux::Role::kAcceptor && !s->answered && !s->reset_here) c.charge(Toll::For::kReset);
    const bool whole = code == NGHTTP2_NO_ERROR && s->receive_ended && s->end_framed;
    if (!whole) c.set_failure(*s, c.error_from_reset(code));
    if (s->answer_event) s->answer_event->set();
    c.enqueue(s);
    return 0;
  }

  static int library_error(nghttp2_session*, int, const char* message, std::size_t length, void* user) {
    core(user).library_words_.assign(message, std::min<std::size_t>(length, 256));
    return 0;
  }
};

void MuxCore::make_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, Callbacks::send_data);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::frame_sent);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, Callbacks::header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::frame_received);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::data_received);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::stream_closed);
  nghttp2_session_callbacks_set_error_callback2(callbacks, Callbacks::library_error);

  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_peer_max_concurrent_streams(option, kStreamsBeforeSettings);
  nghttp2_option_set_stream_reset_rate_limit(option, kResetBurst, kResetsPerSecond);
  const auto make = role_ == Mux::Role::kOpener ? nghttp2_session_client_new2 : nghttp2_session_server_new2;
  make(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);

  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(options_.header_bytes)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  if (role_ == Mux::Role::kOpener)
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  else
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.max_streams});
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(options_.connection_window));
}

nghttp2_data_provider MuxCore::source_of(StreamState& s) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &s;
  provider.read_callback = Callbacks::read_source;
  return provider;
}

void MuxCore::pump_out() {
  if (session_ == nullptr) return;
  const std::uint8_t* data = nullptr;
  ssize_t n = 0;
  while ((n = nghttp2_session_mem_send(session_, &data)) > 0) append_frame(view_of(data, static_cast<std::size_t>(n)));
  just_closed_.reset();
  if (n < 0 && !fault_)
    fault_ = Error{
        Code::kInternal, std::string("framing failed: ") + nghttp2_strerror(static_cast<int>(n)), {}, Hop::kUnknown};
}

// Everything but DATA with bytes, a frame at a time, which is how nghttp2 gives them (no header block of ours needs
// more than one). An end or a reset does not overtake what its stream has said; nor does a goodbye.
void MuxCore::append_frame(ByteView frame) {
  const auto type = frame.size() < kFrameHead ? NGHTTP2_SETTINGS : static_cast<std::uint8_t>(frame[3]);
  Lane lane = Lane::kFirst;
  if (type == NGHTTP2_GOAWAY && outbox_.pending(Lane::kBulk) > 0) lane = Lane::kBulk;
  if (type != NGHTTP2_DATA && type != NGHTTP2_RST_STREAM) return outbox_.append(lane, frame);
  ByteReader head(frame.subspan(5, 4));
  const auto id = static_cast<std::int32_t>(head.u32() & 0x7fff'ffffU);
  const auto found = streams_.find(id);
  StreamPtr stream = found == streams_.end() ? just_closed_ : found->second;
  if (!stream || stream->id != id) return outbox_.append(lane, frame);
  if (stream->marks[static_cast<std::size_t>(Lane::kBulk)] > outbox_.flushed(Lane::kBulk)) lane = Lane::kBulk;
  outbox_.append(lane, frame);
  if (type == NGHTTP2_DATA) stream->marks[static_cast<std::size_t>(lane)] = outbox_.appended(lane);
}

void MuxCore::take_in(ByteView bytes) {
  const ssize_t n =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (n >= 0 || fault_) return;
  fault_ = Error{Code::kProtocol,
                 std::string("the peer broke HTTP/2: ") + nghttp2_strerror(static_cast<int>(n)),
                 {},
                 Hop::kUnknown};
  fault_is_ours_ = true;
}

// What the peer has made us do, if that was for nothing.
void MuxCore::charge(Toll::For what) {
  if (toll_.pay(what, last_heard_, outbox_.appended(Lane::kBulk) + outbox_.appended(Lane::kFirst)) || fault_) return;
  fault_ = Error{Code::kLimit, "the peer sends " + std::string(Toll::words(what)) + " too fast", {}, Hop::kUnknown};
  fault_is_ours_ = true;
}

// Whether the reset of a stream has to wait; then it will be sent when it may, or when the stream has been answered.
bool MuxCore::hold_reset(StreamState& s, std::uint32_t code) {
  const bool early = role_ == Mux::Role::kOpener && !s.answered && code == NGHTTP2_CANCEL;
  if (!early || phase_ != Phase::kOpen || pace_.take()) return false;
  const auto found = streams_.find(s.id);
  if (found == streams_.end()) return false;
  s.held = true;
  if (held_.empty()) pace_timer_.schedule(ResetPace::kEvery, [this] { turn(Turn::kFlush); });
  // Those that have been answered meanwhile are not kept for the sake of one before them that has not.
  if (held_.size() > 2 * streams_.size()) std::erase_if(held_, [](const StreamPtr& one) { return one->closed; });
  held_.push_back(found->second);
  return true;
}

void MuxCore::pace_resets() {
  if (phase_ != Phase::kOpen || (held_.empty() && !pace_.needs_pings())) return;
  while (!held_.empty() && (!held_.front()->held || held_.front()->closed || pace_.take())) {
    const StreamPtr s = std::move(held_.front());
    held_.pop_front();
    if (std::exchange(s->held, false) && !s->closed)
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
  }
  if (!pace_.needs_pings()) return;
  if (pace_.ping_is_due(now())) {
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kPace);
    pace_.sent(now());
  }
  pace_timer_.schedule(ResetPace::kEvery, [this] { turn(Turn::kFlush); });
}

Error MuxCore::error_from_reset(std::uint32_t code) const {
  switch (code) {
    case NGHTTP2_REFUSED_STREAM:
      if (drain_heard_ || drain_sent_) return {Code::kUnavailable, "the link takes no more streams", {}, Hop::kUnknown};
      return {Code::kLimit, "the peer's limit of open streams is reached", {}, Hop::kUnknown};
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return {Code::kLimit, "the peer has no room for what the stream sends", {}, Hop::kUnknown};
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_CANCEL: return {Code::kIo, "the peer closed the stream", {}, Hop::kUnknown};
    case NGHTTP2_INTERNAL_ERROR: return {Code::kInternal, "the stream failed at the peer", {}, Hop::kUnknown};
    default:
      return {Code::kProtocol, std::string("the stream was reset: ") + nghttp2_http2_strerror(code), {}, Hop::kUnknown};
  }
}

}  // namespace portolan::tunnel

// The nghttp2 side of an HTTP/2 connection: settings, callbacks, framing, and what is counted against floods. The
// callbacks only note.
#include <algorithm>
#include <cstring>

#include "net/http/http2_connection.h"
#include "net/http/http2_limits.h"

namespace portolan::net::http {
namespace {

std::string_view text_of(nghttp2_rcbuf* buffer) {
  const nghttp2_vec v = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(v.base), v.len};
}

// A bucket of tokens: what is left after `cost`, refilled at `rate` a second up to `burst`.
double spend(double left, BootTime& since, double burst, double rate, double cost) {
  const BootTime now = Clock::real().boot();
  const double elapsed = std::chrono::duration<double>(now - since).count();
  since = now;
  return std::min(burst, left + elapsed * rate) - cost;
}

}  // namespace

struct Http2Connection::Callbacks {
  static Http2Connection& of(void* user) { return *static_cast<Http2Connection*>(user); }
  static Http2StreamPtr find(Http2Connection& c, std::int32_t id) {
    const auto found = c.streams_.find(id);
    return found == c.streams_.end() ? nullptr : found->second;
  }

  // ---- sending ----

  static ssize_t read_source(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t room, std::uint32_t* flags,
                             nghttp2_data_source* source, void*) {
    auto& s = *static_cast<Http2Stream*>(source->ptr);
    const std::size_t n = std::min(room, s.offered.size());
    if (n > 0) std::memcpy(into, s.offered.data(), n);
    s.offered.remove_prefix(n);
    const bool all = s.ends && s.offered.empty();
    if (n == 0 && !all) return NGHTTP2_ERR_DEFERRED;
    if (all) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      s.end_framed = true;
    }
    s.progressed.set();
    return static_cast<ssize_t>(n);
  }

  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Connection& c = of(user);
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && c.ended_by_.empty())
      c.ended_by_ = c.library_words_.empty() ? nghttp2_http2_strerror(frame->goaway.error_code) : c.library_words_;
    if (frame->hd.type == NGHTTP2_DATA) c.idle_frames_ = std::min(kIdleFrames, c.idle_frames_ + kIdleFramesPerData);
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    // The whole answer has gone before the whole request has come. The rest is not wanted (RFC 9113 §8.1), but a client
    // that is told so at once may take it for a failure before it has looked at the answer: curl 7.88 does.
    const auto s = find(c, frame->hd.stream_id);
    if (s && !s->receive_ended) s->body_due = Clock::real().boot() + kUnwanted;
    return 0;
  }

  // ---- receiving ----

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    Http2Connection& c = of(user);
    if (head->type != NGHTTP2_CONTINUATION) c.block_began_.reset();
    const bool brings_something = head->type == NGHTTP2_HEADERS || head->type == NGHTTP2_CONTINUATION ||
                                  (head->type == NGHTTP2_DATA && head->length > 0);
    if (!brings_something) c.count_idle_frame();
    return 0;
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Connection& c = of(user);
    c.block_began_ = Clock::real().boot();
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    c.asked_ = true;
    c.idle_frames_ = std::min(kIdleFrames, c.idle_frames_ + kIdleFramesPerRequest);
    const std::int32_t id = frame->hd.stream_id;
    c.streams_.emplace(id, std::make_shared<Http2Stream>(c.executor_, id, c.options_.limits));
    return 0;
  }

  static FieldBlock* block_of(Http2Connection& c, const nghttp2_frame* frame) {
    const bool trailer = frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST;
    const auto s = trailer ? nullptr : find(c, frame->hd.stream_id);
    return s ? s->block.get() : nullptr;  // trailers are read over
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                    std::uint8_t, void* user) {
    if (auto* block = block_of(of(user), frame)) block->add(text_of(name), text_of(value));
    return 0;
  }

  // nghttp2 would pass over a header that it cannot take for one.
  static int invalid_header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf*, nghttp2_rcbuf*, std::uint8_t,
                            void* user) {
    if (auto* block = block_of(of(user), frame)) block->spoil();
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Connection& c = of(user);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS) c.block_began_.reset();
    const auto s = find(c, frame->hd.stream_id);
    if (!s) return 0;
    s->head_ended = true;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) s->receive_ended = true;
    c.note(s);
    return 0;
  }

  static int invalid_frame(nghttp2_session*, const nghttp2_frame*, int, void* user) {
    of(user).block_began_.reset();
    return 0;
  }

  static int data_received(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                           std::size_t size, void* user) {
    Http2Connection& c = of(user);
    // The connection's credit goes back on receipt, so that one stopped upload never stalls the others.
    nghttp2_session_consume_connection(session, size);
    const auto s = find(c, id);
    if (!s || s->refused || s->too_large || s->shed) return 0;
    if (!s->block && s->body.size() + size > s->limit) {
      s->too_large = true;
      c.drop_body(*s);
      c.note(s);
      return 0;
    }
    if (s->granted) {
      nghttp2_session_consume_stream(session, id, size);
    } else if (c.unreserved_ + size > c.options_.concurrent_requests * kFreeWindow) {
      s->shed = true;  // a client that has not heeded our settings
      c.note(s);
      return 0;
    } else {
      s->uncredited += size;
      s->unreserved += size;
      c.unreserved_ += size;
    }
    s->body.append(reinterpret_cast<const char*>(data), size);
    if (s->body_due && s->body.size() >= s->body_mark) {
      s->body_mark = s->body.size() + body_step(c.options_);
      s->body_due = Clock::real().boot() + c.options_.body_timeout;
    }
    return 0;
  }

  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    Http2Connection& c = of(user);
    const auto s = find(c, id);
    if (!s) return 0;
    c.streams_.erase(id);
    s->closed = true;
    if (!s->answered) c.count_early_reset();
    s->progressed.set();
    s->gone.set();
    c.note(s);
    return 0;
  }

  static int library_error(nghttp2_session*, int, const char* message, std::size_t length, void* user) {
    of(user).library_words_.assign(message, std::min<std::size_t>(length, 256));
    return 0;
  }
};

void Http2Connection::make_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::frame_sent);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, Callbacks::begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, Callbacks::header);
  nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, Callbacks::invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::frame_received);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Callbacks::invalid_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::data_received);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::stream_closed);
  nghttp2_session_callbacks_set_error_callback2(callbacks, Callbacks::library_error);

  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_session_server_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);

  early_resets_ = kEarlyResets;
  idle_frames_ = kIdleFrames;
  early_resets_at_ = idle_frames_at_ = Clock::real().boot();

  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.concurrent_requests},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kFreeWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(options_.limits.header_bytes)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

void Http2Connection::take_in(ByteView bytes) {
  const ssize_t n =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (n < 0 && !fault_) fault_ = nghttp2_strerror(static_cast<int>(n));
}

void Http2Connection::pump_out(std::size_t until) {
  while (outbox_.pending() < until) {
    const std::uint8_t* data = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session_, &data);
    if (n < 0 && !fault_) fault_ = nghttp2_strerror(static_cast<int>(n));
    if (n <= 0) break;
    outbox_.append({reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(n)});
  }
}

bool Http2Connection::submit_head(Http2Stream& s, const FieldList& fields, Body body) {
  if (s.closed || s.answered) return false;
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  std::vector<nghttp2_nv> pairs;
  for (const auto& [name, value] : fields)
    pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  nghttp2_data_provider provider{};
  provider.source.ptr = &s;
  provider.read_callback = Callbacks::read_source;
  const int submitted =
      nghttp2_submit_response(session_, s.id, pairs.data(), pairs.size(), body == Body::kFollows ? &provider : nullptr);
  if (submitted != 0) return false;
  s.answered = true;
  wake();
  return true;
}

// A stream that ends before its answer costs us work for nothing (CVE-2023-44487), as does one that we must refuse.
void Http2Connection::count_early_reset() {
  early_resets_ = spend(early_resets_, early_resets_at_, kEarlyResets, kEarlyResetsPerSecond, 1);
  if (early_resets_ < 0 && !fault_) fault_ = "streams are opened and reset too fast";
}

// PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA: cheap for who sends them, and never many from an honest client.
void Http2Connection::count_idle_frame() {
  idle_frames_ = spend(idle_frames_, idle_frames_at_, kIdleFrames, kIdleFramesPerSecond, 1);
  if (idle_frames_ < 0 && !fault_) fault_ = "too many frames that ask for nothing";
}

}  // namespace portolan::net::http

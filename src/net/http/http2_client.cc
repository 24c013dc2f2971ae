#include "net/http/http2_client.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include "net/outbox.h"
#include "net/wait.h"

namespace portolan::net::http {
namespace {

constexpr int kBlocksPerTurn = 8;
constexpr std::size_t kBatch = 64 * 1024;       // framed ahead of the stream below
constexpr std::size_t kQueuedFrames = 500;      // nothing is read while so many wait to be written
constexpr std::size_t kIdleFramesLimit = 5000;  // that bring nothing, since the last that did

Error fault(std::string what) { return {Code::kProtocol, std::move(what), "bad_message", Hop::kUnknown}; }

Error broken_by(int code) { return fault(fmt::format("the server breaks HTTP/2: {}", nghttp2_strerror(code))); }

std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Also of what nghttp2 has reset by itself, since the server broke the rules.
Error reset_error(std::uint32_t code) {
  if (code == NGHTTP2_REFUSED_STREAM)
    return {Code::kUnavailable, "the server has refused the stream", "refused_stream", Hop::kUnknown};
  if (code == NGHTTP2_HTTP_1_1_REQUIRED)
    return {Code::kUnavailable, "the server wants this request by HTTP/1.1", "http_1_1_required", Hop::kUnknown};
  const std::string words = fmt::format("the stream was reset: {}", nghttp2_http2_strerror(code));
  if (code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR) return fault(words);
  return {Code::kIo, words, {}, Hop::kUnknown};
}

}  // namespace

struct Http2Client::Impl {
  // One request and its answer.
  struct Exchange {
    std::int32_t id = -1;
    bool over = true;  // nghttp2 knows it no more
    // receiving
    FieldPairs block = {};  // the head that arrives
    std::size_t block_bytes = 0;
    std::deque<FieldPairs> heads = {};
    std::size_t interim = 0;
    bool final_head = false;
    std::string body = {};
    std::string given = {};
    FieldPairs trailers = {};
    bool ended = false;
    std::optional<Error> failed = {};
    // sending
    std::string_view offered = {};
    bool ends = false;
    bool end_framed = false;
    FieldPairs own_trailers = {};
  };

  Impl(std::unique_ptr<Stream> connected, Http2ClientLimits given_limits)
      : limits(given_limits), stream(std::move(connected)) {
    make_session();
    pump();
  }
  ~Impl() { nghttp2_session_del(session); }

  void make_session();
  void pump();
  void read_some();
  void write_some();
  void wake();
  void fail_all(Error why);
  // What ends a wait for the answer, or for room to send.
  bool can_read() const { return broken || x.failed || !x.heads.empty() || !x.body.empty() || x.ended; }
  bool can_send() const { return broken || x.failed || x.over || (x.ends ? x.end_framed : x.offered.empty()); }
  Task<Result<>> wait_to_read();
  Task<Result<>> wait_to_send();
  // Why the answer is none comes before how its connection has ended.
  std::optional<Error> trouble() const { return x.failed ? x.failed : broken; }

  // ---- nghttp2's callbacks: they only note ----
  static Impl& of(void* user) { return *static_cast<Impl*>(user); }
  static ssize_t read_source(nghttp2_session* s, std::int32_t, std::uint8_t* into, std::size_t room,
                             std::uint32_t* flags, nghttp2_data_source*, void* user);
  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user);
  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user);
  static int invalid_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t*, std::size_t,
                            const std::uint8_t*, std::size_t, std::uint8_t, void* user);
  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int data_received(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                           void* user);
  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user);
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int library_error(nghttp2_session*, int, const char* message, std::size_t length, void* user);
  void take_block(bool ends);

  Http2ClientLimits limits;
  std::unique_ptr<Stream> stream;
  nghttp2_session* session = nullptr;
  Outbox outbox;
  Exchange x;
  std::optional<Error> broken;  // of the connection
  std::size_t idle_frames = 0;
  std::size_t idle_bytes = 0;  // also of frames that nghttp2 passes over
  bool pumping = false;
  std::string words;  // nghttp2's last explanation
  Done reader, sender;
};

void Http2Client::Impl::make_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, begin_frame);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_received);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
  nghttp2_session_callbacks_set_error_callback2(callbacks, library_error);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_session_client_new2(&session, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(limits.window)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.header_bytes)},
  };
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(limits.window));
}

ssize_t Http2Client::Impl::read_source(nghttp2_session* s, std::int32_t id, std::uint8_t* into, std::size_t room,
                                       std::uint32_t* flags, nghttp2_data_source*, void* user) {
  Impl& c = of(user);
  Exchange& x = c.x;
  if (id != x.id) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t n = std::min(room, x.offered.size());
  if (n > 0) {
    std::memcpy(into, x.offered.data(), n);
    c.idle_frames = c.idle_bytes = 0;
  }
  x.offered.remove_prefix(n);
  if (!x.ends || !x.offered.empty()) return n > 0 ? static_cast<ssize_t>(n) : NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  x.end_framed = true;
  if (x.own_trailers.empty()) return static_cast<ssize_t>(n);
  *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  std::vector<nghttp2_nv> pairs;
  for (auto& [name, value] : x.own_trailers)
    pairs.push_back({reinterpret_cast<std::uint8_t*>(name.data()), reinterpret_cast<std::uint8_t*>(value.data()),
                     name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  nghttp2_submit_trailer(s, id, pairs.data(), pairs.size());
  return static_cast<ssize_t>(n);
}

int Http2Client::Impl::begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
  Impl& c = of(user);
  const bool brings = head->type == NGHTTP2_HEADERS || (head->type == NGHTTP2_DATA && head->length > 0);
  // An upload asks for as many WINDOW_UPDATEs as the server likes: what it has sent of it lets the count begin anew.
  c.idle_frames = brings ? 0 : c.idle_frames + 1;
  if (brings) c.idle_bytes = 0;
  if (c.idle_frames > kIdleFramesLimit && !c.broken) c.broken = fault("the server sends too many frames for nothing");
  return 0;
}

int Http2Client::Impl::header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                              std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                              void* user) {
  Impl& c = of(user);
  if (frame->hd.stream_id != c.x.id || c.x.over) return 0;
  c.x.block_bytes += name_size + value_size + 32;
  if (c.x.block_bytes > c.limits.header_bytes) {
    c.x.block.clear();
    if (!c.x.failed)
      c.x.failed = Error{Code::kLimit, "the server's header is too large", "headers_too_large", Hop::kUnknown};
    if (!c.broken) c.broken = c.x.failed;
    return 0;
  }
  c.x.block.emplace_back(text_of(name, name_size), text_of(value, value_size));
  return 0;
}

// nghttp2 would pass over it, and give the rest as a head.
int Http2Client::Impl::invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                                      const std::uint8_t*, std::size_t, std::uint8_t, void* user) {
  Impl& c = of(user);
  if (!c.x.failed) c.x.failed = fault("the server sends a malformed header");
  if (!c.broken) c.broken = c.x.failed;
  return 0;
}

// A head, or what follows the body.
void Http2Client::Impl::take_block(bool ends) {
  FieldPairs block = std::exchange(x.block, {});
  x.block_bytes = 0;
  if (x.failed) return;
  const bool head = !block.empty() && block.front().first == ":status";
  if (!head) {
    if (!x.final_head || !ends) {
      x.failed = fault("the server sends trailers where none can be");
      return;
    }
    x.trailers = std::move(block);
    return;
  }
  if (x.final_head) {
    x.failed = fault("the server sends a second head");
    return;
  }
  x.final_head = !block.front().second.starts_with('1');
  if (!x.final_head && ++x.interim > limits.interim) {
    x.failed = fault("the server sends too many interim answers");
    return;
  }
  x.heads.push_back(std::move(block));
}

int Http2Client::Impl::frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Impl& c = of(user);
  if (frame->hd.stream_id != c.x.id || c.x.over) return 0;
  const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (frame->hd.type == NGHTTP2_HEADERS) c.take_block(ends);
  if (ends && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)) {
    if (!c.x.final_head && !c.x.failed) c.x.failed = fault("the server's answer ends before its head");
    c.x.ended = true;
  }
  return 0;
}

int Http2Client::Impl::data_received(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                                     std::size_t size, void* user) {
  Impl& c = of(user);
  if (id != c.x.id || c.x.over || c.x.failed) {
    nghttp2_session_consume(session, id, size);
    return 0;
  }
  c.x.body += text_of(data, size);
  return 0;
}

int Http2Client::Impl::stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
  Impl& c = of(user);
  if (id != c.x.id) return 0;
  c.x.over = true;
  if (!c.x.ended && !c.x.failed) c.x.failed = reset_error(code);
  return 0;
}

int Http2Client::Impl::frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Impl& c = of(user);
  const bool complains = frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR;
  if (complains && c.words.empty()) c.words = nghttp2_http2_strerror(frame->goaway.error_code);
  return 0;
}

int Http2Client::Impl::library_error(nghttp2_session*, int, const char* message, std::size_t length, void* user) {
  of(user).words.assign(message, std::min<std::size_t>(length, 256));
  return 0;
}

void Http2Client::Impl::fail_all(Error why) {
  const bool ended = why.code == Code::kEof || why.code == Code::kIo;
  if (!broken && ended && !words.empty()) why = fault("the server breaks HTTP/2: " + words);
  if (!broken) broken = std::move(why);
  stream->cancel_readable();
  stream->cancel_writable();
}

void Http2Client::Impl::read_some() {
  for (int i = 0; i < kBlocksPerTurn && !broken; ++i) {
    write_some();  // also what nghttp2 has to say of the last block, if it ends the connection
    if (broken || nghttp2_session_want_read(session) == 0) return;
    if (nghttp2_session_get_outbound_queue_size(session) >= kQueuedFrames) return;
    auto chunk = stream->try_read();
    if (!chunk) return fail_all(std::move(chunk).error());
    if (chunk->kind == Chunk::Kind::kWait) return;
    if (chunk->kind == Chunk::Kind::kEnd)
      return fail_all({Code::kEof, "the server has closed the connection", {}, Hop::kUnknown});
    const ByteView bytes = chunk->buffer.data();
    idle_bytes += bytes.size();
    if (idle_bytes > limits.idle_bytes) return fail_all(fault("the server sends too much for nothing"));
    const ssize_t n =
        nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (n < 0) return fail_all(broken_by(static_cast<int>(n)));
  }
}

void Http2Client::Impl::write_some() {
  while (!broken) {
    while (outbox.pending() < kBatch) {
      const std::uint8_t* data = nullptr;
      const ssize_t n = nghttp2_session_mem_send(session, &data);
      if (n < 0) return fail_all(broken_by(static_cast<int>(n)));
      if (n == 0) break;
      outbox.append({reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(n)});
    }
    if (outbox.empty()) return;
    auto taken = stream->try_write(outbox.front());
    if (!taken) return fail_all(std::move(taken).error());
    if (*taken == 0) return;
    outbox.consume(*taken);
  }
}

void Http2Client::Impl::pump() {
  if (broken || std::exchange(pumping, true)) return;
  read_some();
  write_some();
  pumping = false;
  if (!broken) {
    if (nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0)
      fail_all({Code::kEof, "the server has ended the connection", {}, Hop::kUnknown});
    else
      stream->on_readable([this] { pump(); });
  }
  if (!broken && !outbox.empty()) stream->on_writable([this] { pump(); });
  wake();
}

// The tasks go on from the loop, not from here.
void Http2Client::Impl::wake() {
  if (can_read()) std::exchange(reader, Done())();
  if (can_send()) std::exchange(sender, Done())();
}

Task<Result<>> Http2Client::Impl::wait_to_read() {
  co_return co_await wait_for([this](Done done) { reader = std::move(done); }, [this] { reader = {}; });
}

Task<Result<>> Http2Client::Impl::wait_to_send() {
  co_return co_await wait_for([this](Done done) { sender = std::move(done); }, [this] { sender = {}; });
}

Http2Client::Http2Client(std::unique_ptr<Stream> stream, Http2ClientLimits limits)
    : impl_(std::make_unique<Impl>(std::move(stream), limits)) {}
Http2Client::~Http2Client() = default;

bool Http2Client::usable() const {
  const Impl& c = *impl_;
  // A server that has broken the rules once is not asked again.
  const bool well = !c.x.failed || c.x.failed->reason == "refused_stream";
  return !c.broken && c.x.over && well && nghttp2_session_check_request_allowed(c.session) != 0;
}

Result<> Http2Client::request(const FieldPairs& fields, Body body) {
  Impl& c = *impl_;
  if (c.broken) return std::unexpected(*c.broken);
  if (!c.x.over) return fail(Code::kInternal, "a request while another one is under way");
  c.x = {};
  std::vector<nghttp2_nv> pairs;
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  for (const auto& [name, value] : fields)
    pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  nghttp2_data_provider provider{};
  provider.read_callback = Impl::read_source;
  const std::int32_t id = nghttp2_submit_request(c.session, nullptr, pairs.data(), pairs.size(),
                                                 body == Body::kFollows ? &provider : nullptr, nullptr);
  if (id < 0) return fail(Code::kUnavailable, "no further request on this connection", "refused_stream");
  c.x.id = id;
  c.x.over = false;
  c.pump();
  return {};
}

Task<Result<>> Http2Client::send(std::string_view piece) {
  Impl& c = *impl_;
  c.x.offered = piece;
  nghttp2_session_resume_data(c.session, c.x.id);
  c.pump();
  Result<> waited;
  while (waited && !c.can_send()) waited = co_await c.wait_to_send();
  c.x.offered = {};  // it does not live any longer
  if (!waited) co_return waited;
  if (const auto why = c.trouble()) co_return std::unexpected(*why);
  co_return Result<>{};
}

Task<Result<>> Http2Client::end(FieldPairs trailers) {
  Impl& c = *impl_;
  c.x.own_trailers = std::move(trailers);
  c.x.ends = true;
  co_return co_await send({});
}

Task<Result<FieldPairs>> Http2Client::head() {
  Impl& c = *impl_;
  while (c.x.failed || c.x.heads.empty()) {
    if (const auto why = c.trouble()) co_return std::unexpected(*why);
    CO_CHECK(co_await c.wait_to_read());
  }
  FieldPairs out = std::move(c.x.heads.front());
  c.x.heads.pop_front();
  co_return out;
}

Task<Result<std::string_view>> Http2Client::body() {
  Impl& c = *impl_;
  if (!c.x.given.empty()) {
    nghttp2_session_consume(c.session, c.x.id, c.x.given.size());
    c.x.given.clear();
    c.pump();
  }
  while (c.x.body.empty()) {
    // What has come whole is whole, also when the connection has ended behind it.
    if (c.x.ended && !c.x.failed) co_return std::string_view();
    if (const auto why = c.trouble()) co_return std::unexpected(*why);
    CO_CHECK(co_await c.wait_to_read());
  }
  c.x.given.swap(c.x.body);
  co_return std::string_view(c.x.given);
}

bool Http2Client::ready() const { return !impl_->x.body.empty() || impl_->x.ended || impl_->trouble(); }

bool Http2Client::ended() const { return impl_->x.ended && !impl_->x.failed && impl_->x.body.empty(); }

const FieldPairs& Http2Client::trailers() const { return impl_->x.trailers; }

void Http2Client::cancel() {
  Impl& c = *impl_;
  if (c.x.over || c.broken) return;
  c.x.offered = {};
  nghttp2_submit_rst_stream(c.session, NGHTTP2_FLAG_NONE, c.x.id, NGHTTP2_CANCEL);
  if (!c.x.failed) c.x.failed = Error{Code::kCancelled, "given up", {}, Hop::kUnknown};
  c.pump();
}

}  // namespace portolan::net::http

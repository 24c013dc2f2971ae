// For the tests of HTTP/2: a client that sends exactly what it is told, right or wrong, and keeps what it is answered.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "net/http/http2_head.h"
#include "net/http/test_peer.h"

namespace portolan::net::http::testing {

inline std::vector<nghttp2_nv> pairs_of(const FieldList& fields) {
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  std::vector<nghttp2_nv> pairs;
  for (const auto& [name, value] : fields)
    pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  return pairs;
}

inline FieldList get(std::string path, FieldList more = {}) {
  FieldList fields = {{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", std::move(path)}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
inline FieldList post(std::string path, FieldList more = {}) {
  FieldList fields = get(std::move(path), std::move(more));
  fields[0].second = "POST";
  return fields;
}

class Http2Client {
 public:
  struct Answer {
    Headers headers = {};
    int interim = 0;  // heads with a status below 200 before it
    std::string body = {};
    bool ended = false;
    std::optional<std::uint32_t> reset = {};
    bool over() const { return ended || reset; }
    int status() const {
      const auto field = headers.find(":status");
      return field == headers.end() ? 0 : std::stoi(field->second);
    }
  };
  enum class Windows { kOpen, kShut /* what is read is not given back */ };

  explicit Http2Client(std::unique_ptr<Stream> stream, Windows windows = Windows::kOpen) : stream_(std::move(stream)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_no_auto_window_update(option, windows == Windows::kShut);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;
  ~Http2Client() { nghttp2_session_del(session_); }

  // A request with nothing behind its head.
  std::int32_t request(const FieldList& fields) {
    const auto pairs = pairs_of(fields);
    return nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(), nullptr, nullptr);
  }
  // One with a body, which ends there or goes on for ever (without a byte more).
  enum class End { kHere, kNever };
  std::int32_t upload(const FieldList& fields, std::string body, End end = End::kHere) {
    auto& source = *bodies_.emplace_back(std::make_unique<Source>(std::move(body), 0, end));
    nghttp2_data_provider provider{};
    provider.source.ptr = &source;
    provider.read_callback = read_body;
    const auto pairs = pairs_of(fields);
    return nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(), &provider, nullptr);
  }
  void reset(std::int32_t id) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }

  // Sends and takes in until `done`; false if the connection ends before.
  Task<bool> until(std::function<bool()> done) {
    while (true) {
      co_await send();
      if (done()) co_return true;
      if (ended_) co_return false;
      const auto buffer = co_await read(*stream_);
      ended_ = !buffer || buffer->empty();
      if (!ended_) take_in(buffer->data());
    }
  }
  Task<Answer> ask(FieldList fields) {
    const std::int32_t id = request(fields);
    const bool came = co_await until([&] { return answers[id].over(); });
    static_cast<void>(came);
    co_return answers[id];
  }
  Task<Answer> ask(FieldList fields, std::string body) {
    const std::int32_t id = upload(fields, std::move(body));
    const bool came = co_await until([&] { return answers[id].over(); });
    static_cast<void>(came);
    co_return answers[id];
  }
  // Takes in what comes until the connection ends.
  Task<> to_the_end() {
    const bool more = co_await until([] { return false; });
    static_cast<void>(more);
  }
  // Sends, and takes in what comes in some turns of the loop.
  Task<> linger(int turns = 50) {
    for (int i = 0; i < turns; ++i) {
      co_await send();
      const auto chunk = stream_->try_read();
      if (!chunk || chunk->kind == Chunk::Kind::kEnd) co_return;
      if (chunk->kind == Chunk::Kind::kData) take_in(chunk->buffer.data());
      co_await yield_to_loop();
    }
  }
  Task<> send() {
    const std::uint8_t* data = nullptr;
    ssize_t n = 0;
    while ((n = nghttp2_session_mem_send(session_, &data)) > 0) {
      const Bytes copy(reinterpret_cast<const std::byte*>(data), reinterpret_cast<const std::byte*>(data) + n);
      const auto sent = co_await write(*stream_, copy);
      if (!sent) co_return;
    }
  }
  // Goes away without a word.
  void leave() { stream_.reset(); }

  std::map<std::int32_t, Answer> answers;
  std::optional<std::uint32_t> goaway;
  nghttp2_session* session() { return session_; }

 private:
  struct Source {
    std::string body;
    std::size_t sent = 0;
    End end = End::kHere;
  };
  static Http2Client& of(void* user) { return *static_cast<Http2Client*>(user); }

  void take_in(ByteView bytes) {
    const ssize_t n =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    EXPECT_GE(n, 0) << nghttp2_strerror(static_cast<int>(n));
  }
  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t room, std::uint32_t* flags,
                           nghttp2_data_source* source, void*) {
    auto& from = *static_cast<Source*>(source->ptr);
    const std::size_t n = from.body.copy(reinterpret_cast<char*>(into), room, from.sent);
    from.sent += n;
    const bool all = from.sent == from.body.size();
    if (all && from.end == End::kHere) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (n == 0 && from.end == End::kNever) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(n);
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* head, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    Answer& answer = of(user).answers[head->hd.stream_id];
    std::string field(reinterpret_cast<const char*>(name), name_size);
    std::string text(reinterpret_cast<const char*>(value), value_size);
    if (field == ":status" && text.starts_with('1'))
      ++answer.interim;
    else
      answer.headers.emplace(std::move(field), std::move(text));
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                     void* user) {
    of(user).answers[id].body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* got, void* user) {
    auto& self = of(user);
    const bool of_answer = got->hd.type == NGHTTP2_HEADERS || got->hd.type == NGHTTP2_DATA;
    if (of_answer && (got->hd.flags & NGHTTP2_FLAG_END_STREAM)) self.answers[got->hd.stream_id].ended = true;
    if (got->hd.type == NGHTTP2_RST_STREAM) self.answers[got->hd.stream_id].reset = got->rst_stream.error_code;
    if (got->hd.type == NGHTTP2_GOAWAY) self.goaway = got->goaway.error_code;
    return 0;
  }

  std::unique_ptr<Stream> stream_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Source>> bodies_;
  bool ended_ = false;
};

// A server with one HTTP/2 connection to it, of which the test has the client's end.
struct Http2Served {
  Http2Served(const Executor& executor, const Router& router, ServerOptions server_options = {},
              Connection connection = {"10.0.0.1"}, Http2Client::Windows windows = Http2Client::Windows::kOpen,
              std::size_t capacity = 64 * 1024)
      : served(executor, router, std::move(server_options), with_alpn(std::move(connection)), capacity),
        client(std::move(served.client), windows) {}
  // The client goes away, and the server has noticed.
  Task<> leave() {
    client.leave();
    co_await served.group.join();
  }
  // Until the server has ended the connection by itself.
  Task<> ended() {
    co_await client.to_the_end();
    client.leave();
    co_await served.group.join();
  }

  static Connection with_alpn(Connection connection) {
    connection.alpn = "h2";
    return connection;
  }
  Served served;
  Http2Client client;
};

}  // namespace portolan::net::http::testing

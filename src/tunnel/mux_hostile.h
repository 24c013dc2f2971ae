// Peers that do not keep to the rules, or abuse them: raw bytes and raw HTTP/2 against an acceptor's mux. For tests.
#pragma once
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include <nghttp2/nghttp2.h>

#include "net/http/http2_frame_testing.h"
#include "tunnel/fields.h"
#include "tunnel/mux.h"
#include "tunnel/mux_testing.h"

namespace portolan::tunnel {

inline constexpr std::string_view kMagic = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

using net::http::testing::frame;

// An HTTP/2 client that sends what it is told, and writes down the answers.
struct RawClient {
  explicit RawClient(std::unique_ptr<net::Stream> stream) : below(std::move(stream)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* head, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
          static_cast<RawClient*>(user)->answers[head->hd.stream_id].emplace(
              std::string(reinterpret_cast<const char*>(name), name_size),
              std::string(reinterpret_cast<const char*>(value), value_size));
          return 0;
        });
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_session_client_new2(&session, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~RawClient() { nghttp2_session_del(session); }

  std::int32_t request(const Fields& fields) {
    return nghttp2_submit_request(session, nullptr, fields.data(), fields.size(), nullptr, nullptr);
  }
  // One that does not end with its headers, and of which nghttp2 sends nothing more.
  std::int32_t request_with_data(const Fields& fields) {
    nghttp2_data_provider later{};
    later.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t, std::uint32_t*,
                             nghttp2_data_source*, void*) -> ssize_t { return NGHTTP2_ERR_DEFERRED; };
    return nghttp2_submit_request(session, nullptr, fields.data(), fields.size(), &later, nullptr);
  }
  // Sends what is to be sent and takes what has arrived, for some turns.
  net::Task<> exchange() {
    for (int i = 0; i < 40; ++i) {
      const std::uint8_t* data = nullptr;
      ssize_t n = 0;
      while ((n = nghttp2_session_mem_send(session, &data)) > 0) {
        const auto sent =
            co_await net::write(*below, {reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(n)});
        if (!sent) co_return;
      }
      const auto chunk = below->try_read();
      if (chunk && chunk->kind == net::Chunk::Kind::kData)
        nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(chunk->buffer.data().data()),
                                 chunk->buffer.size());
      co_await net::yield_to_loop();
    }
  }

  std::unique_ptr<net::Stream> below;
  nghttp2_session* session = nullptr;
  std::map<std::int32_t, net::http::Headers> answers;
};

inline net::Task<> swallow(net::Stream& stream) { const auto all = co_await read_all(stream); }

// An acceptor's mux, and raw bytes for it.
struct Victim {
  explicit Victim(const net::Executor& executor, MuxOptions options = {}) : mux(executor), tasks(executor) {
    auto [near, far] = net::memory_pair(executor);
    peer = std::move(near);
    mux.start(std::move(far), Mux::Role::kAcceptor, options);
  }
  // After magic and SETTINGS, while somebody reads what comes back.
  net::Task<Error> fed_with(Bytes bytes, int times = 1) {
    tasks.spawn("swallow", swallow(*peer));
    const auto magic = co_await net::write(*peer, as_bytes(kMagic));
    const Bytes settings = frame(NGHTTP2_SETTINGS, 0, 0);
    const auto greeted = co_await net::write(*peer, settings);
    EXPECT_TRUE(magic && greeted);
    for (int i = 0; i < times && !mux.end; ++i) {
      const auto sent = co_await net::write(*peer, bytes);
      if (!sent) break;
    }
    const Error end = co_await mux.ended();
    tasks.cancel();
    co_await tasks.join();
    co_return end;
  }
  MuxEnd mux;
  std::unique_ptr<net::Stream> peer;
  net::TaskGroup tasks;
};

// A request of ours, packed for any stream: nothing of it is remembered.
inline Bytes packed_request() {
  nghttp2_hd_deflater* deflater = nullptr;
  nghttp2_hd_deflate_new(&deflater, 0);
  Fields fields(":method", "CONNECT");
  fields.add(":authority", "n-test");
  std::array<std::uint8_t, 256> block{};
  const ssize_t size = nghttp2_hd_deflate_hd(deflater, block.data(), block.size(), fields.data(), fields.size());
  nghttp2_hd_deflate_del(deflater);
  const ByteView packed(reinterpret_cast<const std::byte*>(block.data()), static_cast<std::size_t>(size));
  return {packed.begin(), packed.end()};
}

}  // namespace portolan::tunnel

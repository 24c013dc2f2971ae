// Bytes of a stranger behind the preface of HTTP/2 against the whole server. The first byte says how they are cut into
// writes. http2_fuzz.seeds/ has what curl, nghttp and h2load have sent to a control plane.
#include <string>

#include "net/http/server.h"
#include "net/loop.h"
#include "net/memory_stream.h"

namespace portolan::net::http {
namespace {

Task<Response> echo(Call call) {
  if (call.request.path.contains("..")) __builtin_trap();
  std::string body = call.request.path + call.request.body;
  for (const auto& [name, value] : call.request.query) body += name + value;
  for (const auto& [name, value] : call.request.headers) body += name + value;
  co_await yield_to_loop();
  co_return Response{200, {}, std::move(body)};
}

Task<Result<>> stream(Call, Sink& sink) {
  CO_CHECK(co_await sink.begin({}));
  CO_CHECK(co_await sink.send("piece"));
  const auto closed = co_await with_timeout(sink.closed(), std::chrono::milliseconds(1));
  static_cast<void>(closed);
  co_return co_await sink.send(std::string(100'000, 'x'));
}

Router routes() {
  Router router;
  router.add("GET", "/", echo);
  router.add("POST", "/{a}/{b}", echo);
  router.add_stream("GET", "/s", stream);
  return router;
}

Task<> take_answers(Stream& client) {
  while (true) {
    const auto buffer = co_await read(client);
    if (!buffer || buffer->empty()) co_return;
  }
}

Task<> play(std::string bytes, std::size_t cut, const Router& router, const ServerOptions& options, Loop& loop) {
  TaskGroup group(loop.executor());
  auto [client, server] = memory_pair(loop.executor());
  Connection connection{"fuzz"};
  connection.alpn = "h2";
  group.spawn("server", serve_connection(std::move(server), std::move(connection), router, options));
  group.spawn("answers", take_answers(*client));
  for (std::size_t at = 0; at < bytes.size(); at += cut) {
    const auto written = co_await write(*client, as_bytes(std::string_view(bytes).substr(at, cut)));
    if (!written) break;
    co_await yield_to_loop();
  }
  for (int i = 0; i < 20; ++i) co_await yield_to_loop();
  const auto shut = client->shutdown_send();
  static_cast<void>(shut);
  co_await group.join();
  loop.stop();
}

}  // namespace
}  // namespace portolan::net::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan::net;
  if (size == 0) return 0;
  static const http::Router router = http::routes();
  static const http::ServerOptions options{.limits = {.header_bytes = 4096, .header_count = 20, .body_bytes = 30'000},
                                           .write_timeout = std::chrono::milliseconds(5),
                                           .concurrent_requests = 8};
  const std::size_t cut = data[0] < 64 ? data[0] + 1u : 100'000u;
  std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  Loop loop;
  TaskGroup tasks(loop.executor());
  tasks.spawn("fuzz", http::play(std::move(bytes), cut, router, options, loop));
  loop.run();
  return 0;
}

// Bytes of a stranger against the whole server: parser, targets, routing, streamed answers. The first byte says how
// they are cut into writes. What a connection answers must be responses of its own parser's grammar.
#include <cstdlib>
#include <string>

#include "net/http/codec.h"
#include "net/http/server.h"
#include "net/loop.h"
#include "net/memory_stream.h"

namespace portolan::net::http {
namespace {

Task<Response> echo(Call call) {
  std::string body = call.request.path + call.request.body;
  for (const auto& [name, value] : call.request.query) body += name + value;
  for (const auto& argument : call.path_arguments) body += argument;
  co_return Response{200, {}, std::move(body)};
}

Task<Result<>> stream(Call, Sink& sink) {
  CO_CHECK(co_await sink.begin({}));
  co_return co_await sink.send("piece");
}

Router routes() {
  Router router;
  router.add("GET", "/", echo);
  router.add("POST", "/{a}/{b}", echo);
  router.add_stream("GET", "/s", stream);
  return router;
}

Task<> read_answers(Stream& client) {
  Reader reader(client);
  while (true) {
    const auto more = co_await reader.fill(1);
    if (!more) co_return;
    // A HEAD's answer has no body to check, so heads are all that is checked.
    HeadScanner scanner({});
    if (as_text(reader.data()).starts_with("HTTP/1.1 ")) {
      const auto scanned = scanner.scan(as_text(reader.data()));
      if (!scanned) std::abort();
    }
    reader.consume(reader.data().size());
  }
}

Task<> play(std::string bytes, std::size_t cut, const Router& router, const ServerOptions& options, Loop& loop) {
  TaskGroup group(loop.executor());
  auto [client, server] = memory_pair(loop.executor());
  group.spawn("server", serve_connection(std::move(server), {"fuzz"}, router, options));
  group.spawn("answers", read_answers(*client));
  for (std::size_t at = 0; at < bytes.size(); at += cut) {
    const auto written = co_await write(*client, as_bytes(std::string_view(bytes).substr(at, cut)));
    if (!written) break;
    if (cut < 64) co_await yield_to_loop();
  }
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
  static const http::ServerOptions options{.limits = {.header_bytes = 4096, .header_count = 20, .body_bytes = 4096}};
  const std::size_t cut = data[0] < 64 ? data[0] + 1u : 100'000u;
  Loop loop;
  TaskGroup tasks(loop.executor());
  tasks.spawn("fuzz",
              http::play(std::string(reinterpret_cast<const char*>(data) + 1, size - 1), cut, router, options, loop));
  loop.run();
  return 0;
}

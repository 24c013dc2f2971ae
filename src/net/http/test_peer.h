// For the tests of net/http: a server over a pair in memory, and a client that sends exactly the bytes it is told to.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/http/codec.h"
#include "net/http/server.h"
#include "net/memory_stream.h"

namespace portolan::net::http::testing {

// Everything up to the end of the stream, or to what breaks it.
inline Task<std::string> read_all(Stream& stream) {
  std::string all;
  while (true) {
    auto buffer = co_await read(stream);
    if (!buffer || buffer->empty()) co_return all;
    all += as_text(buffer->data());
  }
}

inline Task<> write_text(Stream& stream, std::string text) {
  const auto written = co_await write(stream, as_bytes(text));
  static_cast<void>(written);
}

inline Task<Result<Response>> receive(Reader& reader, Parser::Body body = Parser::Body::kAsFramed) {
  const auto parser = Parser::of_response({}, body);
  CO_TRY(auto head, co_await read_head(reader, *parser, {}));
  Response out{head.status, std::move(head.headers), {}};
  CO_CHECK(co_await read_body(reader, *parser, out.body));
  co_return out;
}

// The router outlives it; its client end is the test's.
struct Served {
  Served(const Executor& executor, const Router& router, ServerOptions server_options, Connection connection = {},
         std::size_t capacity = 64 * 1024)
      : options(std::move(server_options)), group(executor) {
    auto [ours, theirs] = memory_pair(executor, capacity);
    client = std::move(ours);
    reader = std::make_unique<Reader>(*client);
    group.spawn("served", serve_connection(std::move(theirs), std::move(connection), router, options));
  }
  // What the server answers to these bytes until it closes the connection. The client half-closes.
  Task<std::string> talk(std::string bytes) {
    co_await write_text(*client, std::move(bytes));
    const auto shut = client->shutdown_send();
    static_cast<void>(shut);
    co_return co_await read_all(*client);
  }
  Task<Result<Response>> ask(std::string bytes, Parser::Body body = Parser::Body::kAsFramed) {
    co_await write_text(*client, std::move(bytes));
    co_return co_await receive(*reader, body);
  }
  // Goes away without a word and waits until the server has noticed.
  Task<> leave() {
    reader.reset();
    client.reset();
    co_await group.join();
  }

  ServerOptions options;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Reader> reader;
  TaskGroup group;
};

inline std::size_t count(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace portolan::net::http::testing

// An HTTP server over any Stream: parses, routes, limits, answers. Used by the control plane (over TLS), the agent's
// status API (over TCP and a Unix socket), and health and metrics. HTTP/1.1 by Boost.Beast's parser: ambiguous framing
// (both Content-Length and Transfer-Encoding, repeated or malformed lengths, bare CR, obsolete folding) is refused with
// 400 and the connection closed. HTTP/2, where the TLS handshake has chosen it (ALPN "h2"), by nghttp2
// (http2_connection.h); handlers see no difference.
#pragma once
#include <sys/types.h>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/certificate.h"
#include "net/http/message.h"
#include "net/stop.h"
#include "net/stream.h"

namespace portolan::net::http {

// What is known of a connection before its first request.
struct Connection {
  std::string peer;                                     // for logs and limits: an address without its port
  std::optional<crypto::Certificate> certificate = {};  // proven
  std::string server_name = {};                         // TLS server name; a Host that differs gets 421 when it is set
  std::string alpn = {};                                // "h2": HTTP/2 is spoken
  std::optional<uid_t> user = {};                       // of a Unix socket's peer
};

// Writes a response of unknown length piece by piece, such as a watch: as chunks, or as DATA frames of HTTP/2. Valid
// until its handler returns.
class Sink {
 public:
  virtual ~Sink() = default;
  // Sends the status line and headers; once, before the first piece.
  virtual Task<Result<>> begin(Response head) = 0;
  // Fails when the client has gone; waits when the client reads slowly (at most the server's write time-out).
  virtual Task<Result<>> send(std::string_view piece) = 0;
  // Code::kEof as soon as the client closes the connection, or resets the stream, for handlers that wait for something
  // else meanwhile.
  virtual Task<Result<>> closed() = 0;
};

struct Call {
  Request request;
  std::vector<std::string> path_arguments;  // what {…} in the route matched, in order
  const Connection* connection;
};

using Handler = std::function<Task<Response>(Call call)>;
using StreamHandler = std::function<Task<Result<>>(Call call, Sink& sink)>;

// Routes are "METHOD /path/{argument}/…"; the literal segment wins over an argument. An unknown path is 404, a known
// one with another method 405 with Allow, both as RFC 9457 problem objects. HEAD is answered where GET is.
class Router {
 public:
  void add(std::string_view method, std::string_view pattern, Handler handler);
  void add_stream(std::string_view method, std::string_view pattern, StreamHandler handler);
  // Every route as "METHOD pattern", for tests that walk them.
  std::vector<std::string> routes() const;

  struct Match {
    const Handler* handler = nullptr;
    const StreamHandler* stream_handler = nullptr;
    std::vector<std::string> arguments;
    std::vector<std::string> allowed;  // methods of this path, when the method does not fit
  };
  Match match(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> segments;
    Handler handler;
    StreamHandler stream_handler;
  };
  std::vector<Route> routes_;
};

// How a server ends in good order. Outlives the connections that refer to it; one loop.
struct Draining {
  StopSignal stop;       // take no further request, and end once what was asked is answered
  std::size_t busy = 0;  // connections with an answer that is being made or sent
};

struct ServerOptions {
  Limits limits = {};
  Hop hop = Hop::kUnknown;  // whom problems name that the server finds by itself
  std::chrono::milliseconds header_timeout =
      std::chrono::seconds(10);  // from the first byte of a request, or from the accept
  // For each limits.body_bytes of a body, so that a large one over a slow network is no slow client.
  std::chrono::milliseconds body_timeout = std::chrono::seconds(30);
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(75);  // between requests
  std::chrono::milliseconds write_timeout = std::chrono::seconds(30);
  // Host names that are answered (lower case, without port); empty: any. Others get 421. Guards against DNS rebinding.
  std::vector<std::string> hosts = {};
  // How many bytes the body of a request may have, in place of limits.body_bytes, by its head (whose body is empty) and
  // who sends it. Asked before a byte of the body is taken. Null: limits.body_bytes for all.
  std::function<std::size_t(const Request& head, const Connection& connection)> body_limit = {};
  std::uint32_t concurrent_requests = 100;  // of one HTTP/2 connection
  Draining* draining = nullptr;
};

// Serves one connection until it ends. An exception or nothing from a handler is a 500 without details and a log line.
// The router and options outlive the task.
Task<> serve_connection(std::unique_ptr<Stream> stream, Connection connection, const Router& router,
                        const ServerOptions& options);

// RFC 9457: {"type": "about:blank", "title", "status", "detail", "code", "hop", "retry"}; status from the error's code.
Response problem(const Error& error);
Response problem(int status, std::string_view code, std::string_view detail, Hop hop = Hop::kUnknown);
Response json_response(int status, std::string body);
int status_of(Code code);

}  // namespace portolan::net::http

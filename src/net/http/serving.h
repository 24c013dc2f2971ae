// Inside net/http/ only: what the server does with a request by whichever version of HTTP it came.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http/server.h"

namespace portolan::net::http {

// What an exception would end in: the coroutine that awaits a handler must neither die of it nor show it to a stranger.
template <class Answer>
struct Outcome {
  std::optional<Answer> answer;
  std::string exception;
};
Task<Outcome<Response>> run_handler(const Handler& handler, Call call);
Task<Outcome<Result<>>> run_handler(const StreamHandler& handler, Call call, Sink& sink);

// Counts a connection that is answering, for a server that wants to end.
class Busy {
 public:
  explicit Busy(Draining* draining) : draining_(draining) {
    if (draining_) ++draining_->busy;
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() {
    if (draining_) --draining_->busy;
  }

 private:
  Draining* draining_;
};

// For the log, when the request itself has gone to its handler.
struct Asked {
  std::string method;
  std::string path;
};
void complain(const Asked& asked, const Connection& connection, std::string_view error);

// The answers that the server makes by itself.
Response nothing_to_tell(Hop hop);
Response not_routed(const Request& request, const std::vector<std::string>& allowed, Hop hop);
// To what could not be read, or read safely.
Response refusal(const Error& error, Hop hop);

// Whether this server, on this connection, answers for a host (as host_name() gives it): reason "misdirected" if not.
Result<> check_host_served(const std::string& host, const Connection& connection, const ServerOptions& options);

// Whether the client waits for leave to send its body; an expectation that is not known is an error.
Result<bool> expects_continue(const Request& head);
std::size_t body_limit(const ServerOptions& options, const Request& head, const Connection& connection);
// Bytes of a body that must come within the body's time-out.
std::size_t body_step(const ServerOptions& options);

}  // namespace portolan::net::http

#include "net/http/serving.h"

#include <algorithm>
#include <exception>

#include <fmt/ranges.h>

#include "base/log.h"
#include "net/http/codec.h"
#include "net/http/target.h"

namespace portolan::net::http {

Task<Outcome<Response>> run_handler(const Handler& handler, Call call) {
  Outcome<Response> outcome;
  try {
    outcome.answer = co_await handler(std::move(call));
  } catch (const std::exception& e) {
    outcome.exception = e.what();
  } catch (...) {
    outcome.exception = "unknown exception";
  }
  co_return outcome;
}

Task<Outcome<Result<>>> run_handler(const StreamHandler& handler, Call call, Sink& sink) {
  Outcome<Result<>> outcome;
  try {
    outcome.answer = co_await handler(std::move(call), sink);
  } catch (const std::exception& e) {
    outcome.exception = e.what();
  } catch (...) {
    outcome.exception = "unknown exception";
  }
  co_return outcome;
}

void complain(const Asked& asked, const Connection& connection, std::string_view error) {
  log::error("request handler failed",
             {{"method", asked.method}, {"path", asked.path}, {"peer", connection.peer}, {"error", error}});
}

Response nothing_to_tell(Hop hop) {
  return problem(500, name_of(Code::kInternal), "the server could not answer; its log says why", hop);
}

Response not_routed(const Request& request, const std::vector<std::string>& allowed, Hop hop) {
  if (allowed.empty()) return problem(404, name_of(Code::kNotFound), "nothing is at " + quoted(request.path, 256), hop);
  Response response =
      problem(405, "method_not_allowed", request.path + " does not take " + quoted(request.method), hop);
  response.headers["allow"] = fmt::format("{}", fmt::join(allowed, ", "));
  return response;
}

Response refusal(const Error& error, Hop hop) {
  int status = refusal_status(error);
  if (error.reason == "misdirected") status = 421;
  if (error.reason == "unsupported_expectation") status = 417;
  return problem(status, error.stable_code(), error.message, hop);
}

Result<> check_host_served(const std::string& host, const Connection& connection, const ServerOptions& options) {
  const bool known = options.hosts.empty() || std::ranges::find(options.hosts, host) != options.hosts.end();
  PL_TRY(const std::string expected,
         connection.server_name.empty() ? Result<std::string>(host) : host_name(connection.server_name));
  if (!known || host != expected)
    return fail(Code::kInvalid, "this server does not answer for the host " + quoted(host), "misdirected");
  return {};
}

Result<bool> expects_continue(const Request& head) {
  const auto expects = head.header("expect");
  if (expects.empty()) return false;
  if (expects == "100-continue" || expects == "100-Continue") return true;
  return fail(Code::kInvalid, "unknown expectation " + quoted(expects), "unsupported_expectation");
}

std::size_t body_limit(const ServerOptions& options, const Request& head, const Connection& connection) {
  return options.body_limit ? options.body_limit(head, connection) : options.limits.body_bytes;
}

std::size_t body_step(const ServerOptions& options) {
  return std::max<std::size_t>(options.limits.body_bytes, 64 * 1024);
}

}  // namespace portolan::net::http

// Whether the application can be used: the way of serve() up to an answer to GET at the health path, with the
// resource's own credential and no person's. Nothing of the answer's body is read.
#include <fmt/format.h>

#include "protocols/http/application.h"
#include "protocols/http/driver.h"
#include "protocols/http/inject.h"

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kInterimLimit = 16;

net::Task<Result<ResponseHead>> ask(Connection& connection, const Outgoing& request) {
  CO_CHECK(co_await connection.send(request, {}, true));
  for (std::size_t i = 0; i < kInterimLimit; ++i) {
    CO_TRY(ResponseHead head, co_await connection.head());
    if (head.status >= 200) co_return head;
    if (head.status == 101) break;
  }
  co_return fail(Code::kProtocol, "the application does not come to its answer", "bad_message");
}

Result<> judge(int status, const Options& options) {
  if (options.health_status != 0) {
    if (status == options.health_status) return {};
    return fail(Code::kUnavailable, fmt::format("the application answers {} with status {}, not {}",
                                                options.health_path, status, options.health_status));
  }
  // Where no credential is the resource's, the person signs in.
  if ((status == 401 || status == 407) && options.auth != Auth::kNone)
    return fail(Code::kDenied, fmt::format("the application refuses the credential with status {}", status),
                "bad_credential");
  if (status < 500) return {};
  return fail(Code::kUnavailable, fmt::format("the application answers with status {}", status),
              status == 503 ? "starting" : "");
}

net::Task<Result<>> look(const Target& target, const Dial& dial, std::chrono::milliseconds limit) {
  CO_TRY(Options options, parse_options(target.settings));
  CO_TRY(const auto hosts, hosts_of_application(options, target.hosts));
  // Only what signs in: the check is nobody's, and no person stands in its headers.
  options.headers.clear();
  options.jwt_header.clear();
  Granted granted;
  granted.username = target.username;
  granted.password = target.password;
  CO_TRY(const Injection injection, Injection::make(options, granted, {}));
  Application application({{}, options, target.settings, target.tls_key, dial, limit});
  CO_TRY(const auto connection, co_await application.connect(hosts.front(), Application::For::kRequests));
  Outgoing request{.head = {.method = "GET",
                            .scheme = {},
                            .authority = print(hosts.front().real, options.scheme()),
                            .target = options.health_path},
                   .framing = {},
                   .scheme = std::string(options.scheme())};
  request.head.fields.add("User-Agent", "portolan-health");
  request.head.fields.add("Accept", "*/*");
  injection.apply(request.head.fields);
  CO_TRY(const ResponseHead head, co_await net::with_timeout(ask(*connection, request), limit));
  co_return judge(head.status, options);
}

}  // namespace

net::Task<Result<>> probe(Target target, Dial dial, std::chrono::milliseconds limit) {
  auto done = co_await look(target, dial, limit);
  if (done) co_return done;
  co_return std::unexpected(std::move(done).error().at(Hop::kResource));
}

}  // namespace portolan::protocols::http

#include "protocols/postgres/resource_side.h"

#include <fmt/format.h>

#include "protocols/postgres/server_state.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::chrono::milliseconds kCancelLimit = std::chrono::seconds(5);

std::unexpected<Error> failed(Error error, const Way& way, std::string_view doing) {
  if (!way.resource.empty())
    error = std::move(error).within(fmt::format("{} resource {}", doing, quoted(way.resource)));
  return std::unexpected(std::move(error).at(Hop::kResource));
}

// An alert about our certificate says nothing of whose it is, or of what is to be done.
Error explain_refused(Error error, bool shown) {
  const bool about_it = error.reason == net::kCertificateRefused || error.reason == net::kRefusedAuthority;
  if (!shown || !about_it) return error;
  error.message = "the server refuses the certificate that the resource has for it (tls_certificate): " + error.message;
  error.reason = "client_certificate";
  return error;
}

// Whether another host may do better: this one is away, or not ready yet.
bool is_away(const Error& error) {
  if (error.code == Code::kTimeout || error.code == Code::kEof || error.code == Code::kIo) return true;
  return error.reason == "sqlstate_57P03";
}

// How it went at one host.
struct Tried {
  Result<Reached> outcome;
  bool go_on = false;  // to the next one
};

net::Task<Tried> try_host(const Way& way, SignIn as, std::size_t number, Wanted wanted) {
  const net::Endpoint& host = way.hosts[number];
  auto tls = tls_choice(way.settings, host.host);
  if (!tls) co_return Tried{failed(std::move(tls).error(), way, "reach")};
  if (auto shown = show_certificate(*tls, way.settings, way.tls_key); !shown)
    co_return Tried{failed(std::move(shown).error(), way, "reach")};
  const bool shows = tls->options.identity.has_value();
  as.channel_binding = tls->channel_binding;
  auto raw = co_await way.dial(number);
  if (!raw) co_return Tried{std::unexpected(std::move(raw).error()), true};
  auto leg = co_await protect(std::move(*raw), *tls, way.limit);
  if (!leg) {
    const bool away = is_away(leg.error());
    co_return Tried{failed(explain_refused(std::move(leg).error(), shows), way, "reach"), away};
  }
  auto in = co_await net::with_timeout(sign_in(*leg->stream, leg->protection, as), way.limit);
  if (!in) {
    const bool away = is_away(in.error());
    co_return Tried{
        failed(explain_refused(std::move(in).error(), shows), way, fmt::format("sign in as {} to", quoted(as.user))),
        away};
  }
  auto suits = co_await net::with_timeout(serves(*leg->stream, *in, wanted), way.limit);
  if (!suits) co_return Tried{failed(std::move(suits).error(), way, "ask"), true};
  if (*suits) co_return Tried{Reached{std::move(leg->stream), std::move(*in), host, std::move(*tls)}};
  const Bytes goodbye = message('X', {});
  [[maybe_unused]] const auto said = co_await net::with_timeout(net::write(*leg->stream, goodbye), kCancelLimit);
  co_return Tried{
      failed({Code::kUnavailable, "it is not such a server as target_session_attrs asks for", "wrong_server"}, way,
             "use"),
      true};
}

net::Task<Result<Reached>> try_all(const Way& way, const SignIn& as, Wanted wanted) {
  std::optional<Error> why;
  std::string all;
  for (std::size_t number = 0; number < way.hosts.size(); ++number) {
    Tried tried = co_await try_host(way, as, number, wanted);
    if (tried.outcome || !tried.go_on || way.hosts.size() == 1) co_return std::move(tried.outcome);
    Error& error = tried.outcome.error();
    if (!all.empty()) all += "; ";
    all += fmt::format("{}: {}", net::to_text(way.hosts[number]), error.message);
    // Of several, one that could not be reached says more than one that was not wanted.
    if (!why || error.reason != "wrong_server") why = std::move(error);
  }
  why->message = fmt::format("none of the {} hosts of {} will do: {}", way.hosts.size(), quoted(way.resource), all);
  co_return std::unexpected(std::move(*why).at(Hop::kResource));
}

net::Task<Result<>> cancel_on(net::Endpoint host, TlsChoice choice, BackendKey key) {
  CO_TRY(auto raw, co_await net::dial_tcp(host, kCancelLimit));
  CO_TRY(Leg leg, co_await protect(std::move(raw), std::move(choice), kCancelLimit));
  const Bytes request = cancel_request(key);
  CO_CHECK(co_await net::write(*leg.stream, request));
  // The server answers nothing; it closes when the signal is on its way. A reset says the same.
  [[maybe_unused]] const auto end = co_await net::read(*leg.stream);
  co_return Result<>{};
}

}  // namespace

net::Task<Result<Reached>> reach(Way way, SignIn as) {
  CO_TRY(const Wanted wanted, wanted_server(way.settings));
  auto reached = co_await try_all(way, as, wanted);
  const bool would_do = !reached && wanted == Wanted::kPreferStandby && reached.error().retry_can_help();
  if (would_do) reached = co_await try_all(way, as, Wanted::kAny);
  co_return reached;
}

net::Task<Result<>> cancel_at(net::Endpoint host, TlsChoice choice, BackendKey key) {
  auto done = co_await net::with_timeout(cancel_on(std::move(host), std::move(choice), key), kCancelLimit);
  if (!done) co_return std::unexpected(std::move(done).error().within("cancel at the resource").at(Hop::kResource));
  co_return done;
}

}  // namespace portolan::protocols::postgres

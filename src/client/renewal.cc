#include "client/renewal.h"

#include <algorithm>

#include "base/log.h"
#include "net/backoff.h"

namespace portolan::client {
namespace {

// The wall clock may be set, and the machine may sleep: the time that is left is looked at again and again.
constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kLongestRetry = std::chrono::seconds(30);
// A control plane of an older release cannot; its certificates last as long as the sign-in.
constexpr std::chrono::milliseconds kNotThere = std::chrono::hours(1);

void take_trust(ClientState& state, const api::TrustedAuthorities& trust) {
  state.node_ca = trust.node_ca;
  state.user_ca = trust.user_ca;
  state.server_ca = trust.server_ca;
  state.trust_version = trust.version;
}

Result<> check_trust(const api::TrustedAuthorities& trust) {
  for (const std::string* bundle : {&trust.node_ca, &trust.user_ca, &trust.server_ca})
    PL_CHECK(crypto::Certificate::all_from_pem(*bundle));
  return {};
}

}  // namespace

Result<api::ControlAddress> control_address(const Credentials& credentials) {
  PL_TRY(auto endpoint, net::parse_endpoint(credentials.state.control, 443));
  PL_TRY(auto server_ca, crypto::Certificate::all_from_pem(credentials.state.server_ca));
  net::TlsIdentity identity{{credentials.certificate}, std::make_shared<crypto::PrivateKey>(credentials.key)};
  return api::ControlAddress{std::move(endpoint), std::move(server_ca), credentials.state.control_name,
                             std::move(identity), false};
}

Renewal::Renewal(const net::Executor& executor, Parts parts)
    : parts_(std::move(parts)), changed_(executor), tasks_(executor) {
  tasks_.spawn("renew-certificate", keep());
}

std::chrono::milliseconds Renewal::until_due() const {
  const auto& [state, certificate, key] = parts_.credentials;
  const WallTime now = parts_.clock.wall();
  if (now >= state.sign_in_ends) return std::chrono::hours(1);  // no certificate goes beyond it
  if (state.user_ca)
    if (const auto signing = crypto::Certificate::from_pem(*state.user_ca);
        signing && !crypto::is_issued_by(certificate, *signing))
      return std::chrono::milliseconds(0);
  // A second, since certificates know no fractions of it.
  if (certificate.not_after() + std::chrono::seconds(1) >= state.sign_in_ends) return std::chrono::hours(1);
  return std::max<std::chrono::milliseconds>(std::chrono::milliseconds(0), certificate.renewal() - now);
}

net::Task<> Renewal::keep() {
  net::Backoff backoff(std::chrono::milliseconds(500), kLongestRetry);
  for (;;) {
    std::chrono::milliseconds pause = std::min(until_due(), kLook);
    if (until_due() == std::chrono::milliseconds(0)) {
      const auto renewed = co_await renew_once();
      if (renewed) {
        backoff.reset();
        continue;
      }
      if (renewed.error().code == Code::kCancelled) co_return;
      log::warn("cannot renew the certificate yet",
                {{"ends", to_rfc3339(parts_.credentials.certificate.not_after())}, {"why", renewed.error()}});
      const bool unknown = renewed.error().code == Code::kNotFound && renewed.error().hop == Hop::kControlPlane;
      pause = unknown ? kNotThere : backoff.next();
    }
    const auto woken = co_await changed_.wait(std::max(pause, std::chrono::milliseconds(1)));
    if (!woken && woken.error().code == Code::kCancelled) co_return;
  }
}

// A machine that has slept longer than its certificate lasted has the sign-in's token still. The certificate that it
// gets is for the device's registered key, so that a token alone is worth nothing.
net::Task<Result<std::string>> Renewal::ask() {
  constexpr const char* kPath = "/v1/sign-ins/current/certificate";
  if (parts_.clock.wall() < parts_.credentials.certificate.not_after())
    co_return co_await parts_.control.call("POST", kPath, {}, "");
  CO_TRY(auto token, parts_.home.token());
  CO_TRY(auto address, control_address(parts_.credentials));
  address.identity.reset();
  CO_TRY(const auto by_token, api::ControlClient::make(std::move(address), std::move(token)));
  co_return co_await by_token->call("POST", kPath, {}, "");
}

net::Task<Result<>> Renewal::renew_once() {
  CO_TRY(const auto body, co_await ask());
  auto answer = json::decode<api::RenewedCertificate>(body, json::Unknown::kIgnore);
  if (!answer) co_return std::unexpected(std::move(answer).error().within("answer of the control plane"));
  co_return accept(*answer);
}

Result<> Renewal::accept(const api::RenewedCertificate& answer) {
  PL_TRY(auto certificate, crypto::Certificate::from_pem(answer.certificate));
  PL_CHECK(check_trust(answer.trust));
  const Credentials& now = parts_.credentials;
  PL_TRY(const auto before, now.certificate.identity());
  PL_TRY(const auto after, certificate.identity());
  if (before != after || !(certificate.public_key() == now.key.public_key()))
    return fail(Code::kProtocol, "the new certificate is for another name or key");
  Credentials next = now;
  next.certificate = std::move(certificate);
  take_trust(next.state, answer.trust);
  PL_CHECK(parts_.home.save_renewed(next.state, next.certificate));
  log::info("certificate renewed", {{"ends", to_rfc3339(next.certificate.not_after())}});
  use(std::move(next));
  return {};
}

void Renewal::take(const api::TrustedAuthorities& trust) {
  if (trust.version == parts_.credentials.state.trust_version.value_or("")) return;
  Credentials next = parts_.credentials;
  take_trust(next.state, trust);
  auto taken = check_trust(trust);
  if (taken) taken = parts_.home.save_renewed(next.state, next.certificate);
  if (!taken) {
    log::error("cannot take the authorities that the control plane tells of", {{"why", taken.error()}});
    return;
  }
  log::info("authorities have changed", {{"version", trust.version}});
  use(std::move(next));
  changed_.set();
}

void Renewal::use(Credentials next) {
  parts_.credentials = std::move(next);
  if (const auto address = control_address(parts_.credentials)) {
    const auto used = parts_.control.renew(*address);
    if (!used) log::error("cannot use the renewed certificate", {{"why", used.error()}});
  }
  parts_.on_renewed();
}

net::Task<> Renewal::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::client

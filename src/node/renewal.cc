#include "node/renewal.h"

#include <algorithm>

#include "base/log.h"
#include "net/backoff.h"

namespace portolan::node {
namespace {

// The wall clock may be set: the time that is left is looked at again and again.
constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kLongestRetry = std::chrono::minutes(1);
// A control plane of an older release cannot; it may be updated.
constexpr std::chrono::milliseconds kNotThere = std::chrono::hours(1);

}  // namespace

Result<> check_renewed(const Identity& identity, const crypto::Certificate& certificate,
                       const std::vector<crypto::Certificate>& node_ca, WallTime now) {
  const auto after = certificate.uris();
  if (identity.certificate.uris() != after)
    return fail(Code::kProtocol, "the new certificate is for " + quoted(after.empty() ? "nobody" : after.front(), 160));
  if (!(certificate.public_key() == identity.key.public_key()))
    return fail(Code::kProtocol, "the new certificate is for another key");
  Result<> verified = fail(Code::kProtocol, "no authority for nodes");
  for (const auto& authority : node_ca) {
    verified = crypto::verify_leaf(certificate, authority, crypto::Profile::kNode, now);
    if (verified) break;
  }
  return verified;
}

Renewal::Renewal(const net::Executor& executor, Parts parts)
    : parts_(std::move(parts)), changed_(executor), tasks_(executor) {
  tasks_.spawn("renew-certificate", keep());
}

std::chrono::milliseconds Renewal::until_due() const {
  const Identity& identity = parts_.identity;
  if (!identity.node_ca.empty() && !crypto::is_issued_by(identity.certificate, identity.node_ca.front()))
    return std::chrono::milliseconds(0);
  const auto left = identity.certificate.renewal() - parts_.clock.wall();
  return std::max(std::chrono::milliseconds(0), left);
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
      const bool unknown = renewed.error().code == Code::kNotFound && renewed.error().hop == Hop::kControlPlane;
      log::warn(unknown ? "this control plane is of an older release and renews no certificates"
                        : "cannot renew the certificate yet",
                {{"ends", to_rfc3339(parts_.identity.certificate.not_after())}, {"why", renewed.error()}});
      pause = unknown ? kNotThere : backoff.next();
    }
    const auto woken = co_await changed_.wait(std::max(pause, std::chrono::milliseconds(1)));
    if (!woken && woken.error().code == Code::kCancelled) co_return;
  }
}

net::Task<Result<>> Renewal::renew_once() {
  CO_TRY(const auto body, co_await parts_.control.call("POST", "/v1/node/certificate", {}, ""));
  auto answer = json::decode<api::RenewedCertificate>(body, json::Unknown::kIgnore);
  if (!answer) co_return std::unexpected(std::move(answer).error().within("answer of the control plane"));
  co_return accept(*answer);
}

Result<> Renewal::accept(const api::RenewedCertificate& answer) {
  PL_TRY(auto certificate, crypto::Certificate::from_pem(answer.certificate));
  Identity next = parts_.identity;
  PL_CHECK(take_trust(next, answer.trust));
  PL_CHECK(check_renewed(next, certificate, next.node_ca, parts_.clock.wall()));
  next.certificate = std::move(certificate);
  PL_CHECK(save(next, parts_.data));
  parts_.identity = std::move(next);
  log::info("certificate renewed", {{"ends", to_rfc3339(parts_.identity.certificate.not_after())}});
  parts_.on_renewed(Renewed::kCertificate);
  return {};
}

void Renewal::take(const api::TrustedAuthorities& trust) {
  if (trust.version == parts_.identity.trust_version) return;
  Identity next = parts_.identity;
  auto taken = take_trust(next, trust);
  if (taken) taken = save(next, parts_.data);
  if (!taken) {
    log::error("cannot take the authorities that the control plane tells of", {{"why", taken.error()}});
    return;
  }
  parts_.identity = std::move(next);
  log::info("authorities have changed", {{"version", trust.version}});
  parts_.on_renewed(Renewed::kTrust);
  changed_.set();
}

net::Task<> Renewal::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node

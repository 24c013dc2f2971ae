#include "client/sign_in.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "api/client.h"
#include "base/file.h"

namespace portolan::client {
namespace {

// Whatever the control plane says.
constexpr std::chrono::seconds kLongestWait = std::chrono::minutes(30);
constexpr std::chrono::seconds kLongestPause = std::chrono::seconds(30);

std::string device_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "client";
  return name.data();
}

// The server CA that this contact makes us believe, and what else the control plane says of itself.
net::Task<Result<api::Trust>> trust_of(net::Endpoint control, FirstContact contact) {
  std::vector<std::string> fingerprints;
  if (contact.ca_pem) {
    // Several while the server CA is rotated: any of them will do.
    CO_TRY(const auto all, crypto::Certificate::all_from_pem(*contact.ca_pem));
    for (const auto& ca : all) fingerprints.push_back(ca.fingerprint());
  } else if (contact.ca_sha256) {
    fingerprints.push_back(*contact.ca_sha256);
  } else {
    co_return fail(Code::kInvalid, "nothing says which control plane to believe; give --ca-file or --ca-sha256");
  }
  Result<api::Trust> trust = fail(Code::kInternal, "not asked");
  for (const std::string& fingerprint : fingerprints) {
    trust = co_await api::fetch_trust(control, fingerprint);
    if (trust || trust.error().reason != "untrusted_control_plane") break;
  }
  co_return trust;
}

}  // namespace

net::Task<Result<std::string>> claimed_fingerprint(net::Endpoint control) {
  CO_TRY(const auto chain, co_await api::look_at_certificate(control));
  // Our own server CA comes last in the chain that a control plane sends.
  if (chain.empty()) co_return fail(Code::kProtocol, "the control plane showed no certificate");
  co_return chain.back().fingerprint();
}

namespace {

// The control plane on its public name, proven, with a new key for this installation.
struct Applicant {
  net::Endpoint control;
  api::Trust trust;
  std::unique_ptr<api::ControlClient> client;
  crypto::PrivateKey key;
  std::optional<std::string> device;
  std::optional<bool> renews;  // as the request says it: an older control plane is not told
};

net::Task<Result<Applicant>> apply_to(Home home, net::Endpoint control, FirstContact contact) {
  CO_TRY(api::Trust trust, co_await trust_of(control, std::move(contact)));
  CO_TRY(auto server_ca, crypto::Certificate::all_from_pem(trust.server_ca));
  api::ControlAddress address{control, std::move(server_ca), trust.control_name, std::nullopt, false};
  CO_TRY(auto client, api::ControlClient::make(std::move(address)));
  std::optional<std::string> device;
  const auto before = home.remembered();
  if (before && !before->device.empty() && before->organization == trust.organization) device = before->device;
  std::optional<bool> renews;
  if (trust.renews.value_or(false)) renews = true;
  co_return Applicant{std::move(control), std::move(trust),
                      std::move(client),  crypto::PrivateKey::generate(),
                      std::move(device),  renews};
}

Result<ClientState> keep(const Home& home, const Applicant& applicant, const api::SignedIn& answer) {
  PL_TRY(const auto certificate, crypto::Certificate::from_pem(answer.certificate));
  ClientState state{net::to_text(applicant.control),
                    applicant.trust.control_name,
                    answer.server_ca,
                    answer.node_ca,
                    answer.organization,
                    answer.account,
                    answer.email,
                    answer.admin,
                    answer.device,
                    answer.ends};
  PL_CHECK(home.save(state, certificate, applicant.key, answer.token));
  return state;
}

bool still_waits(const Error& error) { return error.reason == "authorization_pending" || error.reason == "slow_down"; }

}  // namespace

net::Task<Result<ClientState>> sign_in(Home home, net::Endpoint control, FirstContact contact, std::string email,
                                       Secret password) {
  CO_TRY(const Applicant applicant, co_await apply_to(home, std::move(control), std::move(contact)));
  api::SignInRequest request{std::move(email), std::move(password), applicant.key.public_key().pem(),
                             device_name(),    applicant.device,    applicant.renews};
  CO_TRY(const auto answer, co_await applicant.client->post<api::SignedIn>("/v1/sign-ins", std::move(request)));
  co_return keep(home, applicant, answer);
}

net::Task<Result<ClientState>> sign_in_by_browser(Home home, net::Endpoint control, FirstContact contact,
                                                  std::function<void(const api::DeviceCode&)> show) {
  CO_TRY(const Applicant applicant, co_await apply_to(home, std::move(control), std::move(contact)));
  api::DeviceCodeRequest request{applicant.key.public_key().pem(), device_name(), applicant.device, applicant.renews};
  auto code = co_await applicant.client->post<api::DeviceCode>("/v1/device-codes", std::move(request));
  if (!code && code.error().code == Code::kNotFound)
    co_return fail(Code::kUnavailable, "this control plane knows no sign-in by browser; use: portolan login --password",
                   std::string(kNoBrowserSignIn));
  if (!code) co_return std::unexpected(std::move(code).error());
  show(*code);
  const auto until = Clock::real().boot() + std::min(std::chrono::seconds(code->expires_in), kLongestWait);
  auto pause = std::clamp(std::chrono::seconds(code->interval), std::chrono::seconds(1), kLongestPause);
  for (;;) {
    CO_CHECK(co_await net::sleep_for(pause));
    auto answer = co_await applicant.client->post<api::SignedIn>("/v1/device-codes/token",
                                                                 api::DeviceCodeQuestion{code->device_code});
    if (answer) co_return keep(home, applicant, *answer);
    const Error& why = answer.error();
    if (why.reason == "access_denied") co_return fail(Code::kDenied, why.message, why.reason);
    // A control plane that is away for a moment does not end the wait; one that has started anew knows the code no
    // more.
    const bool away = why.code == Code::kUnavailable || why.code == Code::kTimeout;
    if (!still_waits(why) && !away) co_return std::unexpected(std::move(answer).error());
    if (why.reason == "slow_down") pause = std::min(pause + std::chrono::seconds(5), kLongestPause);
    if (Clock::real().boot() >= until)
      co_return fail(Code::kTimeout, "nobody has approved the sign-in in time; begin again: portolan login");
  }
}

net::Task<Result<>> sign_out(Home home) {
  CO_TRY(const ClientState state, home.state());
  const auto told = co_await [](const ClientState& who, const Home& where) -> net::Task<Result<>> {
    CO_TRY(const auto token, where.token());
    CO_TRY(const auto endpoint, net::parse_endpoint(who.control, 443));
    CO_TRY(auto ca, crypto::Certificate::all_from_pem(who.server_ca));
    CO_TRY(const auto client,
           api::ControlClient::make({endpoint, std::move(ca), who.control_name, std::nullopt, false}, token));
    auto removed = co_await client->remove("/v1/sign-ins/current");
    co_return removed;
  }(state, home);
  CO_CHECK(home.sign_out());
  if (!told)
    co_return std::unexpected(Error(told.error()).within("signed out here, but the control plane does not know"));
  co_return Result<>{};
}

}  // namespace portolan::client

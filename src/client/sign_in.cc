#include "client/sign_in.h"

#include <unistd.h>

#include <array>

#include "api/client.h"
#include "base/file.h"

namespace portolan::client {
namespace {

std::string device_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "client";
  return name.data();
}

// The server CA that this contact makes us believe, and what else the control plane says of itself.
net::Task<Result<api::Trust>> trust_of(net::Endpoint control, FirstContact contact) {
  std::string fingerprint;
  if (contact.ca_pem) {
    CO_TRY(const auto ca, crypto::Certificate::from_pem(*contact.ca_pem));
    fingerprint = ca.fingerprint();
  } else if (contact.ca_sha256) {
    fingerprint = *contact.ca_sha256;
  } else {
    co_return fail(Code::kInvalid, "nothing says which control plane to believe; give --ca-file or --ca-sha256");
  }
  auto trust = co_await api::fetch_trust(std::move(control), std::move(fingerprint));
  co_return trust;
}

}  // namespace

net::Task<Result<std::string>> claimed_fingerprint(net::Endpoint control) {
  CO_TRY(const auto chain, co_await api::look_at_certificate(control));
  // Our own server CA comes last in the chain that a control plane sends.
  if (chain.empty()) co_return fail(Code::kProtocol, "the control plane showed no certificate");
  co_return chain.back().fingerprint();
}

net::Task<Result<ClientState>> sign_in(Home home, net::Endpoint control, FirstContact contact, std::string email,
                                       Secret password) {
  CO_TRY(const api::Trust trust, co_await trust_of(control, std::move(contact)));
  CO_TRY(auto server_ca, crypto::Certificate::all_from_pem(trust.server_ca));
  api::ControlAddress address{control, std::move(server_ca), trust.control_name, std::nullopt, false};
  CO_TRY(const auto client, api::ControlClient::make(std::move(address)));

  const auto key = crypto::PrivateKey::generate();
  const auto before = home.remembered();
  api::SignInRequest request{std::move(email), std::move(password), key.public_key().pem(), device_name(),
                             std::nullopt};
  if (before && !before->device.empty() && before->organization == trust.organization) request.device = before->device;
  CO_TRY(const auto answer, co_await client->post<api::SignedIn>("/v1/sign-ins", std::move(request)));

  CO_TRY(const auto certificate, crypto::Certificate::from_pem(answer.certificate));
  ClientState state{net::to_text(control), trust.control_name, trust.server_ca, answer.node_ca, answer.organization,
                    answer.account,        answer.email,       answer.admin,    answer.device,  answer.ends};
  CO_CHECK(home.save(state, certificate, key, answer.token));
  co_return state;
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

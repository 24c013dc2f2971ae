#include "world.h"

namespace portolan::bench {
namespace {

constexpr unsigned kPatience = 600;
constexpr std::chrono::milliseconds kPause = std::chrono::milliseconds(200);

// A loaded machine may keep everybody waiting; whoever measures wants to see it, not an error.
api::ControlLimits limits() {
  api::ControlLimits out;
  out.connect = std::chrono::seconds(30);
  out.call = std::chrono::seconds(60);
  out.silence = std::chrono::seconds(60);
  return out;
}

Result<std::unique_ptr<api::ControlClient>> client(const Control& control, std::optional<net::TlsIdentity> identity) {
  return api::ControlClient::make(
      {control.endpoint, control.server_ca, control.trust.control_name, std::move(identity), false}, Secret(),
      limits());
}

}  // namespace

net::Task<Result<Control>> find_control(net::Endpoint endpoint, std::string ca_sha256) {
  Control control{std::move(endpoint), std::move(ca_sha256)};
  CO_TRY(control.trust, co_await api::fetch_trust(control.endpoint, control.ca_sha256));
  CO_TRY(control.server_ca, crypto::Certificate::all_from_pem(control.trust.server_ca));
  co_return control;
}

Result<std::unique_ptr<api::ControlClient>> anonymous(const Control& control) { return client(control, std::nullopt); }

net::Task<Result<Person>> sign_in(const Control& control, std::string email, Secret password) {
  CO_TRY(const auto nobody, anonymous(control));
  auto key = crypto::PrivateKey::generate();
  api::SignInRequest request;
  request.email = std::move(email);
  request.password = std::move(password);
  request.public_key = key.public_key().pem();
  request.device_name = "bench";
  for (unsigned attempt = 0;; ++attempt) {
    auto answer = co_await nobody->post<api::SignedIn>("/v1/sign-ins", request);
    if (answer) co_return Person{std::move(*answer), std::move(key)};
    const bool again = answer.error().code == Code::kUnavailable || answer.error().code == Code::kLimit;
    if (!again || attempt == kPatience) co_return std::unexpected(std::move(answer).error());
    CO_CHECK(co_await net::sleep_for(kPause));
  }
}

Result<std::unique_ptr<api::ControlClient>> client_of(const Control& control, const Person& person) {
  PL_TRY(auto certificate, crypto::Certificate::from_pem(person.signed_in.certificate));
  return client(control, net::TlsIdentity{{std::move(certificate)}, std::make_shared<crypto::PrivateKey>(person.key)});
}

net::Task<Result<Relay>> join_relay(const Control& control, api::ControlClient& admin, std::string name) {
  api::JoinTokenCreate wanted;
  wanted.kind = "relay";
  CO_TRY(auto token, co_await admin.post<api::JoinTokenMade>("/v1/join-tokens", std::move(wanted)));
  CO_TRY(const auto nobody, anonymous(control));
  auto key = crypto::PrivateKey::generate();
  api::JoinRequest request;
  request.token = std::move(token.token);
  request.public_key = key.public_key().pem();
  request.name = std::move(name);
  request.version = PORTOLAN_VERSION;
  CO_TRY(const auto joined, co_await nobody->post<api::Joined>("/v1/node/join", std::move(request)));
  CO_TRY(auto certificate, crypto::Certificate::from_pem(joined.certificate));
  co_return Relay{joined.node, {{std::move(certificate)}, std::make_shared<crypto::PrivateKey>(std::move(key))}};
}

Result<std::unique_ptr<api::ControlClient>> client_of(const Control& control, const Relay& relay) {
  return client(control, relay.identity);
}

}  // namespace portolan::bench

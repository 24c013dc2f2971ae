// Who takes part: an admin, people with their devices, and one relay, each with the certificate that the control plane
// has given them, each over real TLS.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "api/client.h"
#include "crypto/key.h"
#include "net/task.h"

namespace portolan::bench {

struct Control {
  net::Endpoint endpoint;
  std::string ca_sha256;
  api::Trust trust = {};
  std::vector<crypto::Certificate> server_ca = {};
};
net::Task<Result<Control>> find_control(net::Endpoint endpoint, std::string ca_sha256);
// On the public name, as nobody.
Result<std::unique_ptr<api::ControlClient>> anonymous(const Control& control);

struct Person {
  api::SignedIn signed_in;
  crypto::PrivateKey key;
};
// A person who is told to come again in a moment does.
net::Task<Result<Person>> sign_in(const Control& control, std::string email, Secret password);
// A connection of its own on the internal name, as this person.
Result<std::unique_ptr<api::ControlClient>> client_of(const Control& control, const Person& person);

struct Relay {
  std::string id;
  net::TlsIdentity identity;
};
net::Task<Result<Relay>> join_relay(const Control& control, api::ControlClient& admin, std::string name);
Result<std::unique_ptr<api::ControlClient>> client_of(const Control& control, const Relay& relay);

}  // namespace portolan::bench

// The client's state on disk, in PORTOLAN_HOME (default $XDG_STATE_HOME/portolan): who is signed in where, keys, what
// is connected. Secrets are in files of mode 0600 in a folder of mode 0700. Written by login and logout, read by the
// agent.
//
//   client.json       ClientState                    device.key      private key, PEM
//   certificate.pem   user certificate               token           API bearer token
//   routes.json       last AgentView, so that the agent works while the control plane is away
//   connected.json    names of connected resources   agent.sock, agent.token, agent.pid, agent.log
//   ways.json         in which networks gateways are reached by WebSocket
//   web-ca.pem, web-ca.key   the person's own authority for the forward proxy, if made (web/local_ca.h)
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/key.h"

namespace portolan::client {

struct ClientState {
  std::string control;       // host:port
  std::string control_name;  // internal server name
  std::string server_ca;     // PEM, pinned
  std::string node_ca;       // PEM
  std::string organization;
  std::string account;
  std::string email;
  bool admin = false;
  std::string device;
  WallTime sign_in_ends{};
  std::optional<std::string> user_ca = {};        // PEM; from the control plane's word on its authorities
  std::optional<std::string> trust_version = {};  // of that word
};
BOOST_DESCRIBE_STRUCT(ClientState, (),
                      (control, control_name, server_ca, node_ca, organization, account, email, admin, device,
                       sign_in_ends, user_ca, trust_version))

struct Credentials {
  ClientState state;
  crypto::Certificate certificate;
  crypto::PrivateKey key;
};

class Home {
 public:
  // PORTOLAN_HOME, or the default for this user.
  static Result<Home> from_environment();
  explicit Home(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path socket() const { return folder_ / "agent.sock"; }
  std::filesystem::path agent_token() const { return folder_ / "agent.token"; }

  // Code::kUnauthenticated, telling to run `portolan login`, when nobody is signed in.
  Result<ClientState> state() const;
  Result<Credentials> credentials() const;
  Result<Secret> token() const;
  // All or nothing, as far as a file system allows: client.json is written last.
  Result<> save(const ClientState& state, const crypto::Certificate& certificate, const crypto::PrivateKey& key,
                const Secret& token) const;
  // In place of what save() has written for the same device and key. Code::kConflict if another sign-in is there by
  // now.
  Result<> save_renewed(const ClientState& state, const crypto::Certificate& certificate) const;
  // Forgets the sign-in; keeps the pinned CA, the control plane's address and the device id for the next login.
  Result<> sign_out() const;
  // What the last sign-in left behind, if any: the address, pin and device to use again.
  std::optional<ClientState> remembered() const;

  std::vector<std::string> connected() const;
  Result<> save_connected(const std::vector<std::string>& names) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace portolan::client

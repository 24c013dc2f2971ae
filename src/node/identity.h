// Who this node is: made by joining with a single-use token, kept in its data folder (node.json, node.key of mode
// 0600).
#pragma once
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "api/client.h"
#include "crypto/certificate.h"
#include "crypto/key.h"
#include "node/node.h"
#include "tunnel/link.h"

namespace portolan::node {

struct Identity {
  std::string organization;
  std::string node;  // n-…
  std::string name;
  std::string kind;  // "gateway", "relay", "worker" …
  std::string control_name;
  crypto::Certificate certificate;
  crypto::PrivateKey key;
  std::vector<crypto::Certificate> node_ca;
  std::vector<crypto::Certificate> user_ca;
  std::vector<crypto::Certificate> server_ca;
  std::string trust_version = "none";  // of the authorities, as the control plane names it
  std::string cluster = {};            // c-…, as the certificate has it; empty: of none
};

// Loads the identity; if there is none, joins the control plane with options.join_token and keeps what it gives. The
// join token's own server CA fingerprint is what is believed of the control plane. `address` is what the node
// advertises.
net::Task<Result<Identity>> load_or_join(const NodeOptions& options, std::string address);

// Takes these authorities for those of the identity; Code::kInvalid for bundles that cannot be read.
Result<> take_trust(Identity& identity, const api::TrustedAuthorities& trust);
// Writes all of it but the key, which never changes: after a crash the old or the new certificate is there, and both
// are good for the key.
Result<> save(const Identity& identity, const std::filesystem::path& data);

tunnel::LinkIdentity link_identity(const Identity& identity);
api::ControlAddress control_address(const Identity& identity, const net::Endpoint& control);

}  // namespace portolan::node

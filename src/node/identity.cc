#include "node/identity.h"

#include <unistd.h>

#include <array>

#include "api/node.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "crypto/identity.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kJoinPause = std::chrono::seconds(1);

// node.json: everything but the key.
struct Stored {
  std::string organization;
  std::string node;
  std::string name;
  std::string kind;
  std::string control_name;
  std::string certificate;
  std::string node_ca;
  std::string user_ca;
  std::string server_ca;
  std::optional<std::string> trust_version = {};  // older releases have none
};
BOOST_DESCRIBE_STRUCT(Stored, (),
                      (organization, node, name, kind, control_name, certificate, node_ca, user_ca, server_ca,
                       trust_version))

Result<Identity> from_stored(const Stored& stored, crypto::PrivateKey key) {
  PL_TRY(auto certificate, crypto::Certificate::from_pem(stored.certificate));
  PL_TRY(auto node_ca, crypto::Certificate::all_from_pem(stored.node_ca));
  PL_TRY(auto user_ca, crypto::Certificate::all_from_pem(stored.user_ca));
  PL_TRY(auto server_ca, crypto::Certificate::all_from_pem(stored.server_ca));
  if (!(certificate.public_key() == key.public_key()))
    return fail(Code::kInvalid, "the certificate belongs to another key");
  const auto uris = certificate.uris();
  PL_TRY(const auto names, crypto::parse_node_names(uris));
  return Identity{stored.organization,
                  stored.node,
                  stored.name,
                  stored.kind,
                  stored.control_name,
                  std::move(certificate),
                  std::move(key),
                  std::move(node_ca),
                  std::move(user_ca),
                  std::move(server_ca),
                  stored.trust_version.value_or("none"),
                  names.cluster ? names.cluster->cluster : ""};
}

Result<Identity> load(const std::filesystem::path& data) {
  PL_TRY(const auto text, read_file(data / "node.json"));
  PL_TRY(const auto stored, json::decode<Stored>(text, json::Unknown::kIgnore));
  PL_TRY(auto pem, read_private_file(data / "node.key"));
  PL_TRY(auto key, crypto::PrivateKey::from_pem(Secret(std::move(pem))));
  return from_stored(stored, std::move(key));
}

std::string own_host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "node";
  return name.data();
}

// "pjt1.<secret>.<server CA SHA-256>", or "pck1.…" of a cluster's key.
Result<std::string> fingerprint_in(const Secret& token) {
  const std::string& text = token.reveal();
  const auto last = text.rfind('.');
  if (!(text.starts_with("pjt1.") || text.starts_with("pck1.")) || last == std::string::npos ||
      text.size() - last - 1 != 64)
    return fail(
        Code::kInvalid,
        "this is neither a join token nor a cluster key; make one with: portolan admin nodes token create, or portolan "
        "admin clusters keys create");
  return text.substr(last + 1);
}

net::Task<Result<api::Joined>> ask_to_join(const NodeOptions& options, std::string address, crypto::PublicKey key) {
  CO_TRY(const std::string fingerprint, fingerprint_in(*options.join_token));
  CO_TRY(const api::Trust trust, co_await api::fetch_trust(options.control, fingerprint));
  CO_TRY(auto server_ca, crypto::Certificate::all_from_pem(trust.server_ca));
  api::ControlAddress control{options.control, std::move(server_ca), trust.control_name, std::nullopt, false};
  CO_TRY(const auto client, api::ControlClient::make(std::move(control)));
  api::JoinRequest request;
  request.token = *options.join_token;
  request.public_key = key.pem();
  request.name = options.name.empty() ? own_host_name() : options.name;
  request.address = std::move(address);
  request.version = PORTOLAN_VERSION;
  auto joined = co_await client->post<api::Joined>("/v1/node/join", std::move(request));
  co_return joined;
}

net::Task<Result<Identity>> join(const NodeOptions& options, std::string address) {
  // The key is kept before the token is spent, so that a crash in between costs a token and nothing else.
  const crypto::PrivateKey key = crypto::PrivateKey::generate();
  CO_CHECK(write_file(options.data / "node.key", key.pem().reveal(), Privacy::kPrivate));
  Result<api::Joined> joined = co_await ask_to_join(options, address, key.public_key());
  while (!joined && joined.error().retry_can_help()) {
    log::warn("cannot join yet", {{"why", joined.error()}});
    CO_CHECK(co_await net::sleep_for(kJoinPause));
    joined = co_await ask_to_join(options, address, key.public_key());
  }
  if (!joined) co_return std::unexpected(std::move(joined).error().within("join " + net::to_text(options.control)));
  const Stored stored{joined->organization, joined->node,    joined->name,    joined->kind,      joined->control_name,
                      joined->certificate,  joined->node_ca, joined->user_ca, joined->server_ca, std::nullopt};
  CO_TRY(auto identity, from_stored(stored, key));
  CO_CHECK(write_file(options.data / "node.json", json::encode(stored), Privacy::kPublic));
  log::info("joined", {{"node", identity.node}, {"name", identity.name}, {"kind", identity.kind}});
  co_return identity;
}

}  // namespace

net::Task<Result<Identity>> load_or_join(const NodeOptions& options, std::string address) {
  CO_CHECK(make_folder(options.data, Privacy::kPrivate));
  auto loaded = load(options.data);
  if (loaded) co_return loaded;
  if (loaded.error().code != Code::kNotFound)
    co_return std::unexpected(
        std::move(loaded).error().within("load this node's identity from " + options.data.string()));
  if (!options.join_token)
    co_return fail(
        Code::kInvalid,
        "this node has not joined yet: give it --join-token-file with a token from: portolan admin nodes token create; "
        "or, for a worker, --cluster-key-file with a key from: portolan admin clusters keys create");
  auto joined = co_await join(options, std::move(address));
  co_return joined;
}

Result<> take_trust(Identity& identity, const api::TrustedAuthorities& trust) {
  PL_TRY(auto node_ca, crypto::Certificate::all_from_pem(trust.node_ca));
  PL_TRY(auto user_ca, crypto::Certificate::all_from_pem(trust.user_ca));
  PL_TRY(auto server_ca, crypto::Certificate::all_from_pem(trust.server_ca));
  identity.node_ca = std::move(node_ca);
  identity.user_ca = std::move(user_ca);
  identity.server_ca = std::move(server_ca);
  identity.trust_version = trust.version;
  return {};
}

Result<> save(const Identity& identity, const std::filesystem::path& data) {
  const Stored stored{identity.organization,
                      identity.node,
                      identity.name,
                      identity.kind,
                      identity.control_name,
                      identity.certificate.pem(),
                      crypto::to_pem(identity.node_ca),
                      crypto::to_pem(identity.user_ca),
                      crypto::to_pem(identity.server_ca),
                      identity.trust_version};
  return write_file(data / "node.json", json::encode(stored), Privacy::kPublic);
}

tunnel::LinkIdentity link_identity(const Identity& identity) {
  return {net::TlsIdentity{{identity.certificate}, std::make_shared<crypto::PrivateKey>(identity.key)},
          identity.node_ca, identity.user_ca};
}

api::ControlAddress control_address(const Identity& identity, const net::Endpoint& control) {
  return {control, identity.server_ca, identity.control_name,
          net::TlsIdentity{{identity.certificate}, std::make_shared<crypto::PrivateKey>(identity.key)}, false};
}

}  // namespace portolan::node

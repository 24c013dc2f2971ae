#include "control/caller.h"

#include <algorithm>
#include <utility>

#include "control/signature.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "crypto/identity.h"
#include "directory/certificates.h"

namespace portolan::control {
namespace {

constexpr std::string_view kSignInAgain = "; run `portolan login`";

std::unexpected<Error> unauthenticated(std::string message, std::string reason) {
  return fail(Code::kUnauthenticated, std::move(message), std::move(reason));
}

std::unexpected<Error> revoked() {
  return unauthenticated("this node has been revoked; join again with a new token", "node_revoked");
}

Result<> check_account(const directory::Snapshot& snapshot, const std::string& id, Caller& caller) {
  const auto account = snapshot.accounts.find(id);
  if (account == snapshot.accounts.end())
    return unauthenticated("this account does not exist any more", "unknown_account");
  if (account->second.suspended)
    return fail(Code::kDenied, "the account " + quoted(account->second.email) + " is suspended; ask an admin",
                "account_suspended");
  caller.account = id;
  caller.admin = account->second.admin;
  return {};
}

Result<> check_sign_in(const directory::SignIn* sign_in, WallTime now, Caller& caller) {
  if (!sign_in) return unauthenticated("this sign-in is not known" + std::string(kSignInAgain), "signed_out");
  if (sign_in->ended) return unauthenticated("this sign-in has been ended" + std::string(kSignInAgain), "signed_out");
  if (sign_in->ends <= now)
    return unauthenticated("this sign-in ended at " + to_rfc3339(sign_in->ends) + std::string(kSignInAgain),
                           "sign_in_expired");
  caller.sign_in = sign_in->id;
  caller.device = sign_in->device;
  return {};
}

// Its renewed certificate takes a certificate's place when it is seen in use.
template <class Holder>
Result<> check_standing(const Holder& holder, const std::string& serial, std::string_view remedy, Caller& caller) {
  switch (directory::standing_of(holder, serial)) {
    case directory::Standing::kCurrent: return {};
    case directory::Standing::kPending: caller.pending_serial = serial; return {};
    case directory::Standing::kReplaced:
    case directory::Standing::kUnknown: break;
  }
  return unauthenticated("this certificate has been replaced by a newer one" + std::string(remedy),
                         "certificate_replaced");
}

Result<Caller> identify_api_token(const directory::ApiToken& token, const directory::Snapshot& snapshot, WallTime now) {
  if (token.ends && *token.ends <= now)
    return unauthenticated("the API token " + quoted(token.name) + " ended at " + to_rfc3339(*token.ends),
                           "token_expired");
  Caller caller{.kind = Caller::Kind::kApiToken, .token = token.id};
  if (std::ranges::find(token.permissions, kAllPermissions) == token.permissions.end())
    caller.permissions = token.permissions;
  PL_CHECK(check_account(snapshot, token.account, caller));
  return caller;
}

// All that anybody can say without the key comes first, what only its holder learns last.
Result<Caller> identify_signature(const net::http::Request& request, const Lookup& lookup, Nonces& nonces, WallTime now,
                                  Body body) {
  if (!request.header("authorization").empty())
    return unauthenticated("signature: a signed request has no Authorization header", "bad_signature");
  PL_TRY(const auto input, parse_signature_input(request.header("signature-input")));
  PL_TRY(const auto signature, parse_signature(request.header("signature")));
  PL_CHECK(check_headers(request, input));
  const auto& tokens = lookup.snapshot().api_tokens;
  const auto token = tokens.find(input.key);
  if (token == tokens.end() || token->second.public_key.empty())
    return unauthenticated("signature: there is no API token " + quoted(input.key) + " with a key", "bad_signature");
  PL_CHECK(check_created(input.created, now, nonces.since()));
  if (body == Body::kThere) PL_CHECK(check_digest(request));
  PL_TRY(const auto key, crypto::Ed25519PublicKey::from_pem(token->second.public_key));
  if (!key.verify(as_bytes(signature_base(request, input)), signature))
    return unauthenticated("signature: is not by this key for this request", "bad_signature");
  if (nonces.known(input.key, input.nonce))
    return unauthenticated("signature: this nonce has been used; sign anew", "signature_replayed");
  PL_TRY(auto caller, identify_api_token(token->second, lookup.snapshot(), now));
  caller.nonce = input.nonce;
  return caller;
}

Result<Caller> identify_token(std::string_view header, const Lookup& lookup, WallTime now) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!header.starts_with(kScheme) || header.size() > 512)
    return unauthenticated("the Authorization header must be \"Bearer TOKEN\"", "bad_token");
  const std::string hash = token_hash(header.substr(kScheme.size()));
  Caller caller;
  if (const auto* sign_in = lookup.sign_in_by_token(hash)) {
    caller.kind = Caller::Kind::kSignInToken;
    PL_CHECK(check_account(lookup.snapshot(), sign_in->account, caller));
    PL_CHECK(check_sign_in(sign_in, now, caller));
    return caller;
  }
  const auto* token = lookup.api_token(hash);
  if (!token) return unauthenticated("this token is not known" + std::string(kSignInAgain), "bad_token");
  return identify_api_token(*token, lookup.snapshot(), now);
}

Result<Caller> identify_user(const crypto::Certificate& certificate, const crypto::UserIdentity& identity,
                             const Lookup& lookup, WallTime now) {
  Caller caller{.kind = Caller::Kind::kUserCertificate};
  const auto& snapshot = lookup.snapshot();
  PL_CHECK(check_account(snapshot, identity.account, caller));
  const auto device = snapshot.devices.find(identity.device);
  if (device == snapshot.devices.end() || device->second.account != identity.account)
    return unauthenticated("this device is not registered any more" + std::string(kSignInAgain), "unknown_device");
  const auto* sign_in = lookup.sign_in_by_serial(certificate.serial());
  if (sign_in && (sign_in->account != identity.account || sign_in->device != identity.device)) sign_in = nullptr;
  PL_CHECK(check_sign_in(sign_in, now, caller));
  PL_CHECK(check_standing(*sign_in, certificate.serial(), kSignInAgain, caller));
  return caller;
}

Result<Caller> identify_node(const crypto::Certificate& certificate, const crypto::NodeIdentity& identity,
                             const Lookup& lookup) {
  const auto& nodes = lookup.snapshot().nodes;
  const auto node = nodes.find(identity.node);
  if (node == nodes.end() || node->second.revoked) return revoked();
  Caller caller{.kind = Caller::Kind::kNode, .node = identity.node};
  PL_CHECK(check_standing(node->second, certificate.serial(), "; join again with a new token", caller));
  return caller;
}

}  // namespace

std::string token_hash(std::string_view token) { return hex(crypto::sha256(as_bytes(token))); }

Result<Caller> identify_certificate(const crypto::Certificate& certificate, const Lookup& lookup,
                                    const Authorities& authorities, WallTime now) {
  // The authority that signed the leaf decides what it may say; the handshake has proven that one of the two did.
  if (certificate.has_profile(crypto::Profile::kUser)) {
    PL_CHECK(authorities.user.verify(certificate, now));
    PL_TRY(const auto uri, certificate.identity());
    PL_TRY(const auto identity, crypto::parse_user_identity(uri));
    if (identity.organization != authorities.organization)
      return unauthenticated("a certificate of another organization", "foreign");
    return identify_user(certificate, identity, lookup, now);
  }
  PL_CHECK(authorities.node.verify(certificate, now));
  const auto uris = certificate.uris();
  PL_TRY(const auto names, crypto::parse_node_names(uris));
  if (names.node.organization != authorities.organization)
    return unauthenticated("a certificate of another organization", "foreign");
  return identify_node(certificate, names.node, lookup);
}

Result<Caller> identify(const net::http::Call& call, const Lookup& lookup, const Authorities& authorities,
                        Nonces& nonces, WallTime now, Body body) {
  if (call.connection->certificate)
    return identify_certificate(*call.connection->certificate, lookup, authorities, now);
  const auto& headers = call.request.headers;
  if (headers.contains("signature") || headers.contains("signature-input"))
    return identify_signature(call.request, lookup, nonces, now, body);
  const auto header = call.request.header("authorization");
  if (header.empty()) return Caller{};
  return identify_token(header, lookup, now);
}

Result<Caller> identify_again(const net::http::Call& call, const Caller& before, const Lookup& lookup,
                              const Authorities& authorities, Nonces& nonces, WallTime now) {
  if (before.kind != Caller::Kind::kApiToken) return identify(call, lookup, authorities, nonces, now);
  return identify_later(before, lookup.snapshot(), now);
}

Result<Caller> identify_later(const Caller& before, const directory::Snapshot& snapshot, WallTime now) {
  if (before.kind == Caller::Kind::kNobody) return before;
  Caller caller = before;
  if (before.kind == Caller::Kind::kNode) {
    const auto node = snapshot.nodes.find(before.node);
    if (node == snapshot.nodes.end() || node->second.revoked) return revoked();
    return caller;
  }
  if (before.kind == Caller::Kind::kApiToken) {
    const auto token = snapshot.api_tokens.find(before.token);
    if (token == snapshot.api_tokens.end()) return unauthenticated("this token is not known any more", "bad_token");
    return identify_api_token(token->second, snapshot, now);
  }
  PL_CHECK(check_account(snapshot, before.account, caller));
  const auto sign_in = snapshot.sign_ins.find(before.sign_in);
  PL_CHECK(check_sign_in(sign_in == snapshot.sign_ins.end() ? nullptr : &sign_in->second, now, caller));
  return caller;
}

}  // namespace portolan::control

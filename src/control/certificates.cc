#include "control/certificates.h"

#include <algorithm>
#include <utility>

#include "control/trust.h"
#include "crypto/identity.h"
#include "directory/certificates.h"

namespace portolan::control {
namespace {

std::chrono::seconds in_seconds(std::chrono::milliseconds life) {
  return std::max(std::chrono::duration_cast<std::chrono::seconds>(life), std::chrono::seconds(1));
}

Result<Issued> issue(const Authorised& authority, const crypto::CertificateRequest& request, WallTime now) {
  PL_TRY(auto certificate, authority.issue(request, now));
  directory::HeldCertificate held{certificate.serial(), authority.signing_id(), certificate.not_after(), {}};
  return Issued{std::move(certificate), std::move(held)};
}

// Nothing is asked for: everything about the new certificate is as it was.
Result<> check_empty(const net::http::Request& request) {
  if (request.body.empty()) return {};
  PL_TRY(const auto asked, json::parse(request.body));
  if (asked.is_object() && asked.as_object().empty()) return {};
  return fail(Code::kInvalid, "a certificate is renewed as it is: the body must be empty");
}

// Within the transaction: whoever was revoked or signed out a moment ago gets none.
template <class Holder>
Core::Edit keep(std::string id, std::string key, directory::HeldCertificate issued, directory::HeldCertificate now_held,
                WallTime now) {
  return [id = std::move(id), key = std::move(key), issued = std::move(issued), now_held = std::move(now_held),
          now](store::Change& change) -> Result<> {
    const auto& all = [&]() -> const auto& {
      if constexpr (std::is_same_v<Holder, directory::Node>) {
        return change.now().nodes;
      } else {
        return change.now().sign_ins;
      }
    }();
    const auto found = all.find(id);
    if (found == all.end()) return fail(Code::kUnauthenticated, "it has been removed meanwhile", "signed_out");
    Holder holder = found->second;
    if constexpr (std::is_same_v<Holder, directory::Node>) {
      if (holder.revoked || holder.public_key != key)
        return fail(Code::kUnauthenticated, "this node has been revoked; join again with a new token", "node_revoked");
    } else {
      const auto device = change.now().devices.find(holder.device);
      if (holder.ended || device == change.now().devices.end() || device->second.public_key != key)
        return fail(Code::kUnauthenticated, "this sign-in has been ended; run `portolan login`", "signed_out");
    }
    directory::take_into_use(holder, now_held.serial);
    PL_CHECK(directory::add_pending(holder, issued, now_held, now));
    return change.put(holder);
  };
}

// The certificate by which this request has come; by a token there is none.
directory::HeldCertificate present(const Exchange& exchange, const Authorised& authority) {
  const auto& shown = exchange.call.connection->certificate;
  if (!shown) return {};
  return {shown->serial(), authority.issuer_of(*shown), shown->not_after(), {}};
}

}  // namespace

Result<Issued> issue_for_node(const Core& core, const directory::Node& node, std::chrono::milliseconds life) {
  PL_TRY(const auto key, crypto::PublicKey::from_pem(node.public_key));
  const auto& authorities = core.authorities;
  std::vector<std::string> uris = {crypto::to_uri(crypto::NodeIdentity{authorities.organization, node.id})};
  if (!node.cluster.empty())
    uris.push_back(crypto::to_uri(crypto::ClusterIdentity{authorities.organization, node.cluster}));
  return issue(authorities.node,
               {.profile = crypto::Profile::kNode,
                .key = key,
                .common_name = node.name,
                .uris = std::move(uris),
                .life = in_seconds(life)},
               core.now());
}

Result<Issued> issue_for_device(const Core& core, const directory::Device& device, const std::string& email,
                                WallTime until, std::chrono::milliseconds life) {
  PL_TRY(const auto key, crypto::PublicKey::from_pem(device.public_key));
  const auto& authorities = core.authorities;
  const WallTime now = core.now();
  return issue(authorities.user,
               {.profile = crypto::Profile::kUser,
                .key = key,
                .common_name = email.size() <= 64 ? email : std::string(),
                .uris = {crypto::to_uri(crypto::UserIdentity{authorities.organization, device.account, device.id})},
                .life = in_seconds(std::min<std::chrono::milliseconds>(life, until - now))},
               now);
}

void Certificates::add_to(Routes& routes) {
  routes.add("POST /v1/node/certificate", [this](Exchange exchange) { return renew_node(std::move(exchange)); });
  routes.add("POST /v1/sign-ins/current/certificate",
             [this](Exchange exchange) { return renew_device(std::move(exchange)); });
}

std::chrono::milliseconds Certificates::life_for_people() const {
  const auto whole = core_.options.sign_in_life;
  return readers_.all_nodes_renew() ? std::min(core_.options.certificate_life, whole) : whole;
}

net::Task<Answer> Certificates::renew_node(Exchange exchange) {
  CO_CHECK(check_empty(exchange.call.request));
  const auto& node = exchange.lookup->snapshot().nodes.find(exchange.caller.node)->second;
  CO_TRY(auto issued, issue_for_node(core_, node, core_.options.node_life));
  CO_CHECK(co_await change_as(core_, exchange,
                              keep<directory::Node>(node.id, node.public_key, std::move(issued.held),
                                                    present(exchange, core_.authorities.node), core_.now())));
  co_return created(api::RenewedCertificate{issued.certificate.pem(), trust_of(core_.authorities)});
}

net::Task<Answer> Certificates::renew_device(Exchange exchange) {
  CO_CHECK(check_empty(exchange.call.request));
  const auto& snapshot = exchange.lookup->snapshot();
  const auto& caller = exchange.caller;
  const auto& sign_in = snapshot.sign_ins.find(caller.sign_in)->second;
  const auto& device = snapshot.devices.find(caller.device)->second;
  CO_TRY(auto issued, issue_for_device(core_, device, snapshot.accounts.find(caller.account)->second.email,
                                       sign_in.ends, life_for_people()));
  CO_CHECK(co_await change_as(core_, exchange,
                              keep<directory::SignIn>(sign_in.id, device.public_key, std::move(issued.held),
                                                      present(exchange, core_.authorities.user), core_.now())));
  co_return created(api::RenewedCertificate{issued.certificate.pem(), trust_of(core_.authorities)});
}

net::Task<Result<>> Certificates::take_into_use(const Exchange& exchange) {
  const auto& caller = exchange.caller;
  if (caller.pending_serial.empty()) co_return Result<>{};
  auto edit = [node = caller.node, sign_in = caller.sign_in,
               serial = caller.pending_serial](store::Change& change) -> Result<> {
    const auto use = [&](const auto& all, const std::string& id) -> Result<> {
      const auto found = all.find(id);
      if (found == all.end()) return {};
      auto holder = found->second;
      return directory::take_into_use(holder, serial) ? change.put(holder) : Result<>();
    };
    return node.empty() ? use(change.now().sign_ins, sign_in) : use(change.now().nodes, node);
  };
  co_return co_await core_.change(caller.actor(), std::move(edit));
}

}  // namespace portolan::control

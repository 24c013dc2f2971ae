#include "protocols/postgres/client_tls.h"

#include "crypto/certificate.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::string_view kAlpn = "postgresql";  // registered with IANA
constexpr std::chrono::hours kLife{24 * 30};

// Of this process, made at first need. Leaves cost one signature each.
struct Issuer {
  crypto::Authority authority;
  std::shared_ptr<const crypto::PrivateKey> key;
};

const Issuer& issuer(WallTime now) {
  static const Issuer made{
      crypto::Authority::create("Portolan, PostgreSQL clients", crypto::Profile::kServer, now, kLife * 120),
      std::make_shared<const crypto::PrivateKey>(crypto::PrivateKey::generate())};
  return made;
}

Result<net::TlsIdentity> identity_for(const std::string& resource, WallTime now) {
  const Issuer& by = issuer(now);
  crypto::CertificateRequest request{.profile = crypto::Profile::kServer,
                                     .key = by.key->public_key(),
                                     .common_name = "localhost",
                                     .dns_names = {"localhost"},
                                     .addresses = {"127.0.0.1", "::1"},
                                     .life = kLife};
  if (!resource.empty()) request.dns_names.push_back(resource);
  auto leaf = by.authority.issue(request, now);
  if (!leaf) {  // a name that cannot stand in a certificate
    request.dns_names = {"localhost"};
    leaf = by.authority.issue(request, now);
  }
  if (!leaf) return std::unexpected(std::move(leaf).error());
  return net::TlsIdentity{{std::move(*leaf), by.authority.certificate()}, by.key};
}

}  // namespace

Result<std::shared_ptr<const net::TlsServer>> make_client_tls(const std::string& resource, WallTime now,
                                                              TlsStart start) {
  net::TlsServerPurpose purpose;
  PL_TRY(purpose.identity, identity_for(resource, now));
  std::vector<net::TlsServerPurpose> purposes;
  if (start == TlsStart::kAsked) purposes.push_back(purpose);
  purpose.alpn = {std::string(kAlpn)};
  purposes.push_back(std::move(purpose));
  return net::TlsServer::make(std::move(purposes), net::TlsVersions::k12And13);
}

}  // namespace portolan::protocols::postgres

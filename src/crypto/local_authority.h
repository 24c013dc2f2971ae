// An authority of a person's own, for the names of a few web servers, that the person may have trusted by browsers on
// this machine. What is signed with its key is worth something for these names only: they are in critical name
// constraints (RFC 5280 §4.2.1.10), which browsers and TLS libraries check.
//
// There are two certificates. Whether constraints in a root bind is up to who trusts it (RFC 5280 §6.2); those of an
// authority below it always do. So the root signs one issuer, with the same constraints, and its key is forgotten at
// once: the key that is kept is the issuer's, and it can never sign for another name, whoever gets it.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/key.h"

namespace portolan::crypto {

// Value type.
class LocalAuthority {
 public:
  static constexpr std::size_t kHostsLimit = 256;
  static constexpr std::size_t kHostsBytes = 16 * 1024;  // of all names: every handshake carries them

  // `hosts`: DNS names in lower case, or IP addresses; at least one. A DNS name's subdomains are within the constraint,
  // too; issue() has none of them. `label` begins the subjects' common names, at most 40 bytes. Code::kInvalid for
  // what is no host, Code::kLimit for too many.
  static Result<LocalAuthority> create(const std::string& label, const std::vector<std::string>& hosts, WallTime now,
                                       std::chrono::seconds life);
  // As it was kept. Code::kInvalid unless the three belong together and the issuer is constrained.
  static Result<LocalAuthority> from(Certificate root, Certificate issuer, PrivateKey key);

  // For a TLS server of exactly this host. Valid from five minutes ago, never beyond the issuer's end. Code::kDenied
  // for a host that is not one of hosts(), Code::kInvalid once the authority has ended.
  Result<Certificate> issue(const std::string& host, const PublicKey& key, WallTime now,
                            std::chrono::seconds life) const;

  const Certificate& root() const { return root_; }      // what is to be trusted
  const Certificate& issuer() const { return issuer_; }  // what is sent behind each leaf
  const PrivateKey& key() const { return key_; }         // the issuer's
  // As the constraints have them, DNS names first, then addresses.
  const std::vector<std::string>& hosts() const { return hosts_; }
  bool covers(std::string_view host) const;

 private:
  LocalAuthority(Certificate root, Certificate issuer, PrivateKey key, std::vector<std::string> hosts)
      : root_(std::move(root)), issuer_(std::move(issuer)), key_(std::move(key)), hosts_(std::move(hosts)) {}
  Certificate root_;
  Certificate issuer_;
  PrivateKey key_;
  std::vector<std::string> hosts_;
};

}  // namespace portolan::crypto

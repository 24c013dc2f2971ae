// The person's own certificate authority for the forward proxy (docs/guide/web-forward-proxy.md): made only where the
// person says so (`portolan web-ca create`), trusted only where the person has it trusted. With it the web proxy can
// answer https://wiki.corp.example by that very name.
//
// In PORTOLAN_HOME: web-ca.pem, the root, which is what browsers are given; web-ca.key (0600), the issuer's key and,
// behind it, its certificate. The root has no key any more, and both are constrained to the hosts that the web
// resources had when it was made (crypto/local_authority.h). It ends after a year.
#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "client/home.h"
#include "crypto/local_authority.h"
#include "net/tls.h"

namespace portolan::client::web {

inline constexpr std::chrono::seconds kLocalCaLife = std::chrono::days(365);
inline constexpr std::chrono::seconds kLocalLeafLife = std::chrono::days(7);

// Used on one thread. Movable.
class LocalCa {
 public:
  // None: the person has made none. Code::kInvalid if what is there is not what was made, Code::kDenied if others can
  // read its key. `clock` outlives it, here and below.
  static Result<std::optional<LocalCa>> load(const Home& home, const Clock& clock = Clock::real());
  // Makes one for these hosts (names in lower case, or addresses) and keeps it. Code::kConflict if there is one.
  static Result<LocalCa> create(const Home& home, const std::vector<std::string>& hosts,
                                const Clock& clock = Clock::real());
  // Forgets it, the key first; also what cannot be loaded. Code::kNotFound if there is none.
  static Result<> remove(const Home& home);
  // Where the root is.
  static std::filesystem::path certificate_file(const Home& home) { return home.folder() / "web-ca.pem"; }

  const crypto::Certificate& root() const { return authority_.root(); }
  const std::vector<std::string>& hosts() const { return authority_.hosts(); }
  bool covers(std::string_view host) const { return authority_.covers(host); }
  bool ended() const { return clock_->wall() >= authority_.issuer().not_after(); }

  // What a TLS server of this host shows: made when it is first asked for, kept in memory until two thirds of its life
  // are over; at most one for each of hosts(). Code::kDenied for any other host, Code::kInvalid once it has ended.
  Result<net::TlsIdentity> identity(const std::string& host) const;

 private:
  LocalCa(crypto::LocalAuthority authority, const Clock& clock) : authority_(std::move(authority)), clock_(&clock) {}
  crypto::LocalAuthority authority_;
  const Clock* clock_;
  mutable std::map<std::string, net::TlsIdentity> leaves_;
};

// The authority as it is on disk now, for a process that lives longer than one: asked for each connection, it reads the
// files again and keeps what it has while they are the same. Used on one thread.
class LocalCaOnDisk {
 public:
  explicit LocalCaOnDisk(Home home, const Clock& clock = Clock::real()) : home_(std::move(home)), clock_(&clock) {}
  // Null: there is none.
  Result<std::shared_ptr<const LocalCa>> get();

 private:
  Home home_;
  const Clock* clock_;
  std::string fingerprint_;  // of the root that `current_` is
  std::shared_ptr<const LocalCa> current_;
};

// The hosts that an authority can be made for now: of the web resources that the account may use, as the agent has last
// heard, those that are asked for by https. Empty if there are none.
Result<std::vector<std::string>> hosts_with_https(const Home& home);

}  // namespace portolan::client::web

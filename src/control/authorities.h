// The organisation's certificate authorities: one for people's devices, one for nodes, one for the control plane's own
// server certificates; beside them the key of identity tokens (identity_keys.h). Made at the first start, their keys
// sealed; separate keys for separate audiences (architecture §5). While one is rotated there are several for its
// purpose: all are trusted, one signs (control/rotation.h).
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/identity_keys.h"
#include "control/options.h"
#include "crypto/certificate.h"
#include "crypto/sealing.h"
#include "directory/decision.h"
#include "store/directory_store.h"

namespace portolan::control {

// Of certificates.
inline constexpr std::array<std::pair<std::string_view, crypto::Profile>, 3> kPurposes = {
    {{"user", crypto::Profile::kUser}, {"node", crypto::Profile::kNode}, {"server", crypto::Profile::kServer}}};

// The authorities of one purpose. Value type, never empty.
class Authorised {
 public:
  struct One {
    std::string id;     // ca-…
    std::string state;  // directory::Authority
    crypto::Authority authority;
  };
  // Exactly one of them signs.
  static Result<Authorised> from(std::vector<One> all);

  const crypto::Authority& signing() const { return all_.front().authority; }
  const std::string& signing_id() const { return all_.front().id; }
  const crypto::Certificate& certificate() const { return signing().certificate(); }
  crypto::Profile profile() const { return signing().profile(); }
  Result<crypto::Certificate> issue(const crypto::CertificateRequest& request, WallTime now) const {
    return signing().issue(request, now);
  }
  // The one that signs first, then the announced and the retiring ones.
  const std::vector<One>& all() const { return all_; }
  std::vector<crypto::Certificate> trusted() const;
  std::string bundle() const { return crypto::to_pem(trusted()); }
  // Whether any of them has issued the leaf (crypto::verify_leaf).
  Result<> verify(const crypto::Certificate& leaf, WallTime now) const;
  // The id of the one that has issued the leaf; empty if none has.
  std::string issuer_of(const crypto::Certificate& leaf) const;
  // The one that all who take part know: while one retires, whoever was away knows that one only.
  const One& known_longest() const;

 private:
  explicit Authorised(std::vector<One> all) : all_(std::move(all)) {}
  std::vector<One> all_;
};

struct Authorities {
  std::string organization;
  std::string control_name;  // the internal server name: "control.ORG.portolan.internal"
  Authorised user;
  Authorised node;
  Authorised server;
  IdentityKeys identity;
  const Authorised& of(std::string_view purpose) const;
};

struct Opened {
  Authorities authorities;
  crypto::SealingKey sealing;
  bool first_start = false;
  WallTime sealing_since{};  // when that key was put in place
};

// Opens what the store holds, or makes it at the first start. Code::kDenied when the sealing key is another than the
// one that sealed it. Blocks.
Result<Opened> open_authorities(store::DirectoryStore& store, const ServerOptions& options);
// The key by which the store is sealed, or is to be if it is new. Blocks.
Result<crypto::SealingKey> open_sealing_key(store::DirectoryStore& store, const ServerOptions& options,
                                            bool first_start);
// What the source gives, whatever the store says. `salt` is for passphrases.
Result<crypto::SealingKey> read_sealing_key(const SealingSource& source, const ServerOptions& options,
                                            crypto::SealingKey::Create create, const std::string& salt);
inline constexpr std::string_view kSealingKeyId = "sealing.key_id";  // settings
inline constexpr std::string_view kSealingSalt = "sealing.salt";
inline constexpr std::string_view kSealingSince = "sealing.since";
inline constexpr std::string_view kSealingScrub = "sealing.scrub";  // "1" until what an old key opens has been removed
// Finishes a change of the sealing key that was cut short behind its commit.
Result<> scrub_if_due(store::DirectoryStore& store);
// "file", "passphrase", "environment".
std::string_view name_of(const SealingSource& source);

// Of the snapshot's authorities, unsealed.
Result<Authorities> authorities_of(const directory::Snapshot& snapshot, const crypto::SealingKey& sealing,
                                   std::string organization);
// A new root of the purpose, in the state "announced".
Result<directory::Authority> make_authority(const crypto::SealingKey& sealing, const std::string& organization,
                                            std::string_view purpose, WallTime now);
// What the key of an authority is sealed for.
std::string authority_context(std::string_view id);

// One DNS-fit name of [a-z0-9.-], since it is a part of the internal server name.
Result<> check_organization(const std::string& name);

}  // namespace portolan::control

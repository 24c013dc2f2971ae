// The organisation's name is a setting, written last at the first start: without it the first start was cut short and
// goes on; with it everything else must be there, so that a damaged store is an error and never a silent new authority
// that nobody trusts.
#include "control/authorities.h"

#include <algorithm>
#include <optional>
#include <system_error>

#include <boost/describe.hpp>

#include "base/id.h"
#include "base/json.h"

namespace portolan::control {
namespace {

constexpr auto kAuthorityLife = std::chrono::days(3650);
constexpr std::size_t kDistinct = 6;  // letters of an id that tell two roots of one purpose apart

// As releases before the rotation of keys kept it, in a setting.
struct StoredAuthority {
  std::uint32_t version = 1;
  std::string certificate;
  std::string sealed_key;
};
BOOST_DESCRIBE_STRUCT(StoredAuthority, (), (version, certificate, sealed_key))

bool lies_within(const std::filesystem::path& path, const std::filesystem::path& folder) {
  std::error_code ignored;
  const auto inner = std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
  const auto outer = std::filesystem::weakly_canonical(std::filesystem::absolute(folder, ignored), ignored);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

Result<crypto::SealingKey> key_from_file(const SealingFile& source, const ServerOptions& options,
                                         crypto::SealingKey::Create create) {
  if (source.path.empty())
    return fail(Code::kInvalid, "no sealing key: give a key file, a passphrase or a key in the environment");
  if (options.key_beside_data == KeyBesideData::kRefuse && lies_within(source.path, options.data))
    return fail(Code::kInvalid, "the sealing key " + quoted(source.path.string()) +
                                    " lies in the data folder that it protects; keep it elsewhere");
  return crypto::SealingKey::from_file(source.path, create);
}

// Of this store's passphrase; made if there is none.
Result<std::string> sealing_salt(store::DirectoryStore& store) {
  PL_TRY(auto salt, store.setting(kSealingSalt));
  if (!salt) {
    salt = make_token(16);
    PL_CHECK(store.set_setting(kSealingSalt, *salt));
  }
  return *salt;
}

Result<Authorised::One> open_one(const directory::Authority& stored, const crypto::SealingKey& sealing,
                                 crypto::Profile profile) {
  PL_TRY(auto certificate, crypto::Certificate::from_pem(stored.certificate));
  PL_TRY(const Secret pem, sealing.open(stored.sealed_key, authority_context(stored.id)));
  PL_TRY(auto key, crypto::PrivateKey::from_pem(pem));
  PL_TRY(auto authority, crypto::Authority::from(std::move(certificate), std::move(key), profile));
  return Authorised::One{stored.id, stored.state, std::move(authority)};
}

Result<Authorised> open_purpose(const directory::Snapshot& snapshot, const crypto::SealingKey& sealing,
                                std::string_view purpose, crypto::Profile profile) {
  std::vector<Authorised::One> all;
  for (const auto& [id, stored] : snapshot.authorities) {
    if (stored.purpose != purpose) continue;
    auto one = open_one(stored, sealing, profile);
    if (!one) return std::unexpected(std::move(one).error().within(std::string(purpose) + " authority " + id));
    all.push_back(std::move(*one));
  }
  auto found = Authorised::from(std::move(all));
  if (!found) return std::unexpected(std::move(found).error().within(std::string(purpose) + " authority"));
  return found;
}

// What an older release has left in a setting; none if it has not.
Result<std::optional<directory::Authority>> from_setting(store::DirectoryStore& store,
                                                         const crypto::SealingKey& sealing, std::string_view purpose) {
  PL_TRY(const auto text, store.setting("authority." + std::string(purpose)));
  if (!text || text->empty()) return std::nullopt;
  PL_TRY(const auto stored, json::decode<StoredAuthority>(*text, json::Unknown::kRefuse));
  if (stored.version != 1) return fail(Code::kInvalid, "made by a newer version of portolan");
  PL_TRY(const auto certificate, crypto::Certificate::from_pem(stored.certificate));
  PL_TRY(const Secret pem, sealing.open(stored.sealed_key, "authority/" + std::string(purpose) + "/key"));
  directory::Authority made;
  made.id = make_id("ca");
  made.purpose = std::string(purpose);
  made.state = "signing";
  made.certificate = stored.certificate;
  made.sealed_key = sealing.seal(pem, authority_context(made.id));
  made.created = certificate.not_before();
  made.signs_since = made.created;
  return made;
}

// All three in one transaction, with the organisation's name or with the end of the old settings.
Result<> make_all(store::DirectoryStore& store, const crypto::SealingKey& sealing, const std::string& organization,
                  WallTime now) {
  std::vector<directory::Authority> made;
  for (const auto& [purpose, profile] : kPurposes) {
    PL_TRY(auto one, make_authority(sealing, organization, purpose, now));
    one.state = "signing";
    one.signs_since = now;
    made.push_back(std::move(one));
  }
  PL_CHECK(store.change("system", [&](store::Change& change) -> Result<> {
    for (const auto& one : made) PL_CHECK(change.put(one));
    PL_CHECK(change.set_setting(kSealingSince, to_rfc3339(now)));
    return change.set_setting("organization", organization);
  }));
  return {};
}

Result<> take_over_settings(store::DirectoryStore& store, const crypto::SealingKey& sealing) {
  std::vector<directory::Authority> made;
  for (const auto& [purpose, profile] : kPurposes) {
    auto one = from_setting(store, sealing, purpose);
    if (!one) return std::unexpected(std::move(one).error().within(std::string(purpose) + " authority"));
    if (*one) made.push_back(std::move(**one));
  }
  if (made.empty()) return {};
  PL_CHECK(store.change("system", [&](store::Change& change) -> Result<> {
    for (const auto& one : made) {
      PL_CHECK(change.put(one));
      PL_CHECK(change.set_setting("authority." + one.purpose, ""));
    }
    return {};
  }));
  return store.scrub();
}

}  // namespace

Result<> scrub_if_due(store::DirectoryStore& store) {
  PL_TRY(const auto due, store.setting(kSealingScrub));
  if (!due || *due != "1") return {};
  PL_CHECK(store.scrub());
  return store.set_setting(kSealingScrub, "");
}

Result<> check_organization(const std::string& name) {
  const bool known = !name.empty() && name.size() <= 40 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  const bool dns = known && ("." + name + ".").find("..") == std::string::npos &&
                   ("." + name).find(".-") == std::string::npos && (name + ".").find("-.") == std::string::npos;
  if (dns) return {};
  return fail(Code::kInvalid,
              "organization name " + quoted(name) + ": at most 40 of a-z, 0-9, \"-\" and \".\", as in a host name");
}

std::string_view name_of(const SealingSource& source) {
  if (std::holds_alternative<SealingFile>(source)) return "file";
  return std::holds_alternative<SealingPassphrase>(source) ? "passphrase" : "environment";
}

std::string authority_context(std::string_view id) { return "authority/" + std::string(id) + "/key"; }

Result<Authorised> Authorised::from(std::vector<One> all) {
  if (std::ranges::count(all, "signing", &One::state) != 1)
    return fail(Code::kInternal, "the store has none that signs, or more than one; restore it from a backup");
  constexpr std::array<std::string_view, 3> kOrder = {"signing", "announced", "retiring"};
  std::ranges::sort(all, {}, [&](const One& one) {
    return std::pair(std::ranges::find(kOrder, one.state) - kOrder.begin(), std::string_view(one.id));
  });
  return Authorised(std::move(all));
}

std::vector<crypto::Certificate> Authorised::trusted() const {
  std::vector<crypto::Certificate> certificates;
  for (const auto& one : all_) certificates.push_back(one.authority.certificate());
  return certificates;
}

Result<> Authorised::verify(const crypto::Certificate& leaf, WallTime now) const {
  // With every request: the signature is verified once if all is well.
  for (const auto& one : all_) {
    auto verified = crypto::verify_leaf(leaf, one.authority.certificate(), profile(), now);
    if (verified || crypto::is_issued_by(leaf, one.authority.certificate())) return verified;
  }
  return fail(Code::kDenied, "certificate refused: its authority is none of ours, or is not trusted any more");
}

std::string Authorised::issuer_of(const crypto::Certificate& leaf) const {
  for (const auto& one : all_)
    if (crypto::is_issued_by(leaf, one.authority.certificate())) return one.id;
  return {};
}

const Authorised::One& Authorised::known_longest() const {
  const auto retiring = std::ranges::find(all_, "retiring", &One::state);
  return retiring == all_.end() ? all_.front() : *retiring;
}

const Authorised& Authorities::of(std::string_view purpose) const {
  return purpose == "user" ? user : purpose == "node" ? node : server;
}

Result<directory::Authority> make_authority(const crypto::SealingKey& sealing, const std::string& organization,
                                            std::string_view purpose, WallTime now) {
  const auto* row = std::ranges::find(kPurposes, purpose, [](const auto& each) { return each.first; });
  if (row == kPurposes.end())
    return fail(Code::kInvalid, "no authority " + quoted(purpose) + ": must be user, node or server");
  directory::Authority made;
  made.id = make_id("ca");
  made.purpose = std::string(purpose);
  made.state = "announced";
  // The names differ, so that a client can say which one it knows (RFC 8446 §4.2.4).
  const auto authority =
      crypto::Authority::create(organization + " " + made.purpose + " CA " + made.id.substr(made.id.size() - kDistinct),
                                row->second, now, kAuthorityLife);
  made.certificate = authority.certificate().pem();
  made.sealed_key = sealing.seal(authority.key().pem(), authority_context(made.id));
  made.created = now;
  return made;
}

Result<Authorities> authorities_of(const directory::Snapshot& snapshot, const crypto::SealingKey& sealing,
                                   std::string organization) {
  PL_TRY(auto user, open_purpose(snapshot, sealing, "user", crypto::Profile::kUser));
  PL_TRY(auto node, open_purpose(snapshot, sealing, "node", crypto::Profile::kNode));
  PL_TRY(auto server, open_purpose(snapshot, sealing, "server", crypto::Profile::kServer));
  PL_TRY(auto identity, identity_keys_of(snapshot, sealing));
  std::string control_name = "control." + organization + ".portolan.internal";
  return Authorities{std::move(organization), std::move(control_name), std::move(user),
                     std::move(node),         std::move(server),       std::move(identity)};
}

Result<crypto::SealingKey> read_sealing_key(const SealingSource& source, const ServerOptions& options,
                                            crypto::SealingKey::Create create, const std::string& salt) {
  auto open = [&]() -> Result<crypto::SealingKey> {
    if (const auto* file = std::get_if<SealingFile>(&source)) return key_from_file(*file, options, create);
    if (const auto* phrase = std::get_if<SealingPassphrase>(&source))
      return crypto::SealingKey::from_passphrase(phrase->passphrase, as_bytes(salt));
    return crypto::SealingKey::from_text(std::get<SealingText>(source).key);
  };
  auto key = open();
  if (!key) return std::unexpected(std::move(key).error().within("sealing key"));
  return key;
}

Result<crypto::SealingKey> open_sealing_key(store::DirectoryStore& store, const ServerOptions& options,
                                            bool first_start) {
  const auto create = first_start ? crypto::SealingKey::Create::kIfMissing : crypto::SealingKey::Create::kNo;
  std::string salt;
  if (std::holds_alternative<SealingPassphrase>(options.sealing)) {
    PL_TRY(salt, sealing_salt(store));
  }
  PL_TRY(auto key, read_sealing_key(options.sealing, options, create, salt));
  PL_TRY(const auto known, store.setting(kSealingKeyId));
  if (!known) {
    PL_CHECK(store.set_setting(kSealingKeyId, key.id()));
  } else if (*known != key.id()) {
    return fail(Code::kDenied, "wrong sealing key: the data folder " + quoted(options.data.string()) +
                                   " is sealed with key " + *known + ", and this is key " + key.id() +
                                   "; give the key that it is sealed with");
  }
  return key;
}

Result<Opened> open_authorities(store::DirectoryStore& store, const ServerOptions& options) {
  PL_TRY(auto organization, store.setting("organization"));
  const bool first_start = !organization;
  if (first_start) organization = options.organization.empty() ? "portolan" : options.organization;
  PL_CHECK(check_organization(*organization));
  if (!options.organization.empty() && options.organization != *organization)
    return fail(Code::kConflict, "this data folder belongs to the organization " + quoted(*organization) + ", not to " +
                                     quoted(options.organization));
  PL_TRY(auto sealing, open_sealing_key(store, options, first_start));
  PL_CHECK(scrub_if_due(store));
  if (first_start) {
    PL_CHECK(make_all(store, sealing, *organization, options.clock.wall()));
  } else if (store.snapshot()->authorities.empty()) {
    PL_CHECK(take_over_settings(store, sealing));
  }
  // Without any authority the store is damaged, which is told below.
  if (!store.snapshot()->authorities.empty()) PL_CHECK(ensure_identity_key(store, sealing, options.clock.wall()));
  PL_TRY(auto authorities, authorities_of(*store.snapshot(), sealing, *organization));
  PL_TRY(const auto since, store.setting(kSealingSince));
  const WallTime made = authorities.server.certificate().not_before();
  return Opened{std::move(authorities), std::move(sealing), first_start,
                since ? from_rfc3339(*since).value_or(made) : made};
}

}  // namespace portolan::control

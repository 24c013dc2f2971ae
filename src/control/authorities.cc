// All of it lies in settings of the store. "organization" is written last: without it the first start was cut short and
// goes on; with it everything else must be there, so that a damaged store is an error and never a silent new authority
// that nobody trusts.
#include "control/authorities.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/describe.hpp>

#include "base/id.h"
#include "base/json.h"

namespace portolan::control {
namespace {

constexpr auto kAuthorityLife = std::chrono::days(3650);

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

Result<crypto::SealingKey> key_from_file(const SealingFile& source, const ServerOptions& options, bool first_start) {
  if (source.path.empty())
    return fail(Code::kInvalid, "no sealing key: give a key file, a passphrase or a key in the environment");
  if (options.key_beside_data == KeyBesideData::kRefuse && lies_within(source.path, options.data))
    return fail(Code::kInvalid, "the sealing key " + quoted(source.path.string()) +
                                    " lies in the data folder that it protects; keep it elsewhere");
  return crypto::SealingKey::from_file(
      source.path, first_start ? crypto::SealingKey::Create::kIfMissing : crypto::SealingKey::Create::kNo);
}

Result<crypto::SealingKey> key_from_passphrase(store::DirectoryStore& store, const SealingPassphrase& source) {
  PL_TRY(auto salt, store.setting("sealing.salt"));
  if (!salt) {
    salt = make_token(16);
    PL_CHECK(store.set_setting("sealing.salt", *salt));
  }
  return crypto::SealingKey::from_passphrase(source.passphrase, as_bytes(*salt));
}

Result<crypto::SealingKey> open_sealing_key(store::DirectoryStore& store, const ServerOptions& options,
                                            bool first_start) {
  auto open = [&]() -> Result<crypto::SealingKey> {
    if (const auto* file = std::get_if<SealingFile>(&options.sealing))
      return key_from_file(*file, options, first_start);
    if (const auto* phrase = std::get_if<SealingPassphrase>(&options.sealing))
      return key_from_passphrase(store, *phrase);
    return crypto::SealingKey::from_text(std::get<SealingText>(options.sealing).key);
  };
  auto key = open();
  if (!key) return std::unexpected(std::move(key).error().within("sealing key"));
  PL_TRY(const auto known, store.setting("sealing.key_id"));
  if (!known) {
    PL_CHECK(store.set_setting("sealing.key_id", key->id()));
  } else if (*known != key->id()) {
    return fail(Code::kDenied, "wrong sealing key: the data folder " + quoted(options.data.string()) +
                                   " was sealed with key " + *known + ", and this is key " + key->id() +
                                   "; give the key that it was made with");
  }
  return key;
}

std::string context_of(std::string_view name) { return "authority/" + std::string(name) + "/key"; }

Result<crypto::Authority> open_authority(store::DirectoryStore& store, const crypto::SealingKey& sealing,
                                         const std::string& name, crypto::Profile profile) {
  PL_TRY(const auto text, store.setting("authority." + name));
  if (!text) return fail(Code::kInternal, "the store has no " + name + " authority; restore it from a backup");
  PL_TRY(const auto stored, json::decode<StoredAuthority>(*text, json::Unknown::kRefuse));
  if (stored.version != 1) return fail(Code::kInvalid, "made by a newer version of portolan");
  PL_TRY(auto certificate, crypto::Certificate::from_pem(stored.certificate));
  PL_TRY(const Secret pem, sealing.open(stored.sealed_key, context_of(name)));
  PL_TRY(auto key, crypto::PrivateKey::from_pem(pem));
  return crypto::Authority::from(std::move(certificate), std::move(key), profile);
}

Result<> make_authority(store::DirectoryStore& store, const crypto::SealingKey& sealing,
                        const std::string& organization, const std::string& name, crypto::Profile profile,
                        WallTime now) {
  const auto made = crypto::Authority::create(organization + " " + name + " CA", profile, now, kAuthorityLife);
  const StoredAuthority stored{1, made.certificate().pem(), sealing.seal(made.key().pem(), context_of(name))};
  return store.set_setting("authority." + name, json::encode(stored));
}

}  // namespace

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

Result<Opened> open_authorities(store::DirectoryStore& store, const ServerOptions& options) {
  PL_TRY(auto organization, store.setting("organization"));
  const bool first_start = !organization;
  if (first_start) organization = options.organization.empty() ? "portolan" : options.organization;
  PL_CHECK(check_organization(*organization));
  if (!options.organization.empty() && options.organization != *organization)
    return fail(Code::kConflict, "this data folder belongs to the organization " + quoted(*organization) + ", not to " +
                                     quoted(options.organization));
  PL_TRY(auto sealing, open_sealing_key(store, options, first_start));
  constexpr std::pair<std::string_view, crypto::Profile> kAll[] = {
      {"user", crypto::Profile::kUser}, {"node", crypto::Profile::kNode}, {"server", crypto::Profile::kServer}};
  if (first_start) {
    for (const auto& [name, profile] : kAll)
      PL_CHECK(make_authority(store, sealing, *organization, std::string(name), profile, options.clock.wall()));
    PL_CHECK(store.set_setting("organization", *organization));
  }
  auto open = [&](const std::string& name, crypto::Profile profile) -> Result<crypto::Authority> {
    auto opened = open_authority(store, sealing, name, profile);
    if (!opened) return std::unexpected(std::move(opened).error().within(name + " authority"));
    return opened;
  };
  PL_TRY(auto user, open("user", crypto::Profile::kUser));
  PL_TRY(auto node, open("node", crypto::Profile::kNode));
  PL_TRY(auto server, open("server", crypto::Profile::kServer));
  const std::string control_name = "control." + *organization + ".portolan.internal";
  return Opened{Authorities{*organization, control_name, std::move(user), std::move(node), std::move(server)},
                std::move(sealing), first_start};
}

}  // namespace portolan::control

#include "control/identity_keys.h"

#include <algorithm>
#include <array>

#include "api/keys.h"
#include "base/id.h"
#include "control/authorities.h"
#include "crypto/jwk.h"

namespace portolan::control {
namespace {

using boost::json::object;

bool is_of_identity(const directory::Authority& stored) { return stored.purpose == kIdentityPurpose; }

Result<IdentityKeys::One> open_one(const directory::Authority& stored, const crypto::SealingKey& sealing) {
  PL_TRY(const Secret pem, sealing.open(stored.sealed_key, authority_context(stored.id)));
  PL_TRY(auto key, crypto::PrivateKey::from_pem(pem));
  return IdentityKeys::One{stored.id, stored.state, std::move(key)};
}

}  // namespace

Result<IdentityKeys> IdentityKeys::from(std::vector<One> all) {
  if (std::ranges::count(all, "signing", &One::state) != 1)
    return fail(Code::kInternal, "the store has none that signs, or more than one; restore it from a backup");
  constexpr std::array<std::string_view, 3> kOrder = {"signing", "announced", "retiring"};
  std::ranges::sort(all, {}, [&](const One& one) {
    return std::pair(std::ranges::find(kOrder, one.state) - kOrder.begin(), std::string_view(one.id));
  });
  api::Jwks jwks;
  for (One& one : all) {
    const auto point = crypto::jwk_point(one.key.public_key());
    one.kid = crypto::jwk_thumbprint(point);
    jwks.keys.push_back({"EC", "P-256", point.x, point.y, one.kid, "sig", "ES256"});
  }
  return IdentityKeys(std::move(all), json::encode(jwks));
}

Secret IdentityKeys::sign(const object& claims) const {
  const object header{{"alg", "ES256"}, {"kid", signing().kid}, {"typ", "JWT"}};
  std::string token = base64url(as_bytes(json::print(header))) + "." + base64url(as_bytes(json::print(claims)));
  const Bytes signature = crypto::sign_es256(signing().key, as_bytes(token));
  return Secret(token + "." + base64url(signature));
}

Result<IdentityKeys> identity_keys_of(const directory::Snapshot& snapshot, const crypto::SealingKey& sealing) {
  std::vector<IdentityKeys::One> all;
  for (const auto& [id, stored] : snapshot.authorities) {
    if (!is_of_identity(stored)) continue;
    auto one = open_one(stored, sealing);
    if (!one) return std::unexpected(std::move(one).error().within("identity key " + id));
    all.push_back(std::move(*one));
  }
  auto keys = IdentityKeys::from(std::move(all));
  if (!keys) return std::unexpected(std::move(keys).error().within("identity key"));
  return keys;
}

directory::Authority make_identity_key(const crypto::SealingKey& sealing, WallTime now) {
  const auto key = crypto::PrivateKey::generate();
  directory::Authority made;
  made.id = make_id("ca");
  made.purpose = std::string(kIdentityPurpose);
  made.state = "announced";
  made.certificate = key.public_key().pem();
  made.sealed_key = sealing.seal(key.pem(), authority_context(made.id));
  made.created = now;
  return made;
}

Result<> ensure_identity_key(store::DirectoryStore& store, const crypto::SealingKey& sealing, WallTime now) {
  const auto has_one = [](const directory::Snapshot& snapshot) {
    return std::ranges::any_of(snapshot.authorities, [](const auto& entry) { return is_of_identity(entry.second); });
  };
  if (has_one(*store.snapshot())) return {};
  directory::Authority first = make_identity_key(sealing, now);
  first.state = "signing";
  first.signs_since = now;
  PL_CHECK(store.change("system", [&](store::Change& change) -> Result<> {
    return has_one(change.now()) ? Result<>() : change.put(first);
  }));
  return {};
}

std::string kid_of(const directory::Authority& stored) {
  if (!is_of_identity(stored)) return {};
  const auto key = crypto::PublicKey::from_pem(stored.certificate);
  return key ? crypto::jwk_thumbprint(crypto::jwk_point(*key)) : std::string();
}

}  // namespace portolan::control

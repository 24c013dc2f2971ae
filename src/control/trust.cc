#include "control/trust.h"

#include <map>
#include <utility>

#include "crypto/hash.h"

namespace portolan::control {
namespace {

constexpr std::size_t kVersionLimit = 64;

}  // namespace

api::TrustedAuthorities trust_of(const Authorities& authorities) {
  api::TrustedAuthorities trust{{}, authorities.user.bundle(), authorities.node.bundle(), authorities.server.bundle()};
  trust.version = hex(crypto::sha256(as_bytes(trust.user_ca + trust.node_ca + trust.server_ca))).substr(0, 16);
  return trust;
}

std::string server_bundle_for_strangers(const Authorities& authorities) {
  const auto& first = authorities.server.known_longest();
  std::string bundle = first.authority.certificate().pem();
  for (const auto& one : authorities.server.all())
    if (one.id != first.id) bundle += one.authority.certificate().pem();
  return bundle;
}

TrustReaders::Seat::Seat(TrustReaders& readers, Kind kind, std::string id, std::string name,
                         const net::http::Request& request)
    : readers_(readers) {
  std::optional<std::string> version;
  if (const auto said = request.parameter("trust")) version = said->substr(0, kVersionLimit);
  told_ = version.value_or("");
  at_ = readers_.readers_.insert(readers_.readers_.end(), {kind, std::move(id), std::move(name), std::move(version)});
}

TrustReaders::Seat::~Seat() { readers_.readers_.erase(at_); }

bool TrustReaders::Seat::must_hear(const std::string& version) {
  if (!tells() || told_ == version) return false;
  told_ = version;
  return true;
}

std::vector<std::string> TrustReaders::waiting_for(const Authorities& authorities, std::string_view purpose) const {
  const std::string version = trust_of(authorities).version;
  std::map<std::string, const Reader*> newest;
  for (const auto& reader : readers_) newest[reader.id] = &reader;
  std::vector<std::string> waiting;
  for (const auto& [id, reader] : newest) {
    // People's certificates prove nothing to agents.
    if (reader->kind == Kind::kAgent && purpose == "user") continue;
    if (!reader->version) {
      waiting.push_back(reader->name + " (an older release, which does not tell)");
    } else if (*reader->version != version) {
      waiting.push_back(reader->name);
    }
  }
  return waiting;
}

bool TrustReaders::all_nodes_renew() const {
  for (const auto& reader : readers_)
    if (reader.kind == Kind::kNode && !reader.version) return false;
  return true;
}

}  // namespace portolan::control

#include "client/web/local_ca.h"

#include <algorithm>
#include <system_error>

#include "api/agent.h"
#include "base/file.h"
#include "base/json.h"
#include "client/web/real_host.h"

namespace portolan::client::web {
namespace {

constexpr std::string_view kLabel = "Portolan web, this machine only";
constexpr std::size_t kFileLimit = 128 * 1024;

std::filesystem::path key_file(const Home& home) { return home.folder() / "web-ca.key"; }

// What to do about files that are not what was made.
Error with_way_out(Error error, const Home& home) {
  if (error.code == Code::kDenied) return error;
  error.message += "; to be rid of it, run: portolan web-ca remove";
  return std::move(error).within("certificate authority in " + home.folder().string());
}

// None: there is no root.
Result<std::optional<crypto::Certificate>> read_root(const Home& home) {
  const auto pem = read_file(LocalCa::certificate_file(home), kFileLimit);
  if (!pem && pem.error().code == Code::kNotFound) return std::nullopt;
  if (!pem) return std::unexpected(pem.error());
  auto root = crypto::Certificate::from_pem(*pem);
  if (!root) return std::unexpected(with_way_out(std::move(root).error(), home));
  return *root;
}

Result<crypto::LocalAuthority> read_authority(const Home& home, crypto::Certificate root) {
  PL_TRY(auto text, read_private_file(key_file(home), kFileLimit));
  const Secret pem(std::move(text));
  PL_TRY(auto key, crypto::PrivateKey::from_pem(pem));
  PL_TRY(auto issuer, crypto::Certificate::from_pem(pem.reveal()));
  return crypto::LocalAuthority::from(std::move(root), std::move(issuer), std::move(key));
}

}  // namespace

Result<std::optional<LocalCa>> LocalCa::load(const Home& home, const Clock& clock) {
  PL_TRY(auto root, read_root(home));
  if (!root) return std::nullopt;
  auto authority = read_authority(home, std::move(*root));
  if (!authority) return std::unexpected(with_way_out(std::move(authority).error(), home));
  return LocalCa(std::move(*authority), clock);
}

Result<LocalCa> LocalCa::create(const Home& home, const std::vector<std::string>& hosts, const Clock& clock) {
  std::error_code ignored;
  if (std::filesystem::exists(certificate_file(home), ignored))
    return fail(Code::kConflict,
                "there is a certificate authority for web applications already; see: portolan web-ca show, or run: "
                "portolan web-ca remove");
  PL_TRY(auto authority, crypto::LocalAuthority::create(std::string(kLabel), hosts, clock.wall(), kLocalCaLife));
  PL_CHECK(make_folder(home.folder(), Privacy::kPrivate));
  const Secret kept(authority.key().pem().reveal() + authority.issuer().pem());
  PL_CHECK(write_file(key_file(home), kept.reveal(), Privacy::kPrivate));
  // Last: without it there is none.
  PL_CHECK(write_file(certificate_file(home), authority.root().pem(), Privacy::kPublic));
  return LocalCa(std::move(authority), clock);
}

Result<> LocalCa::remove(const Home& home) {
  bool found = false;
  for (const auto& file : {key_file(home), certificate_file(home)}) {
    std::error_code why;
    found = std::filesystem::remove(file, why) || found;
    if (why) return fail(Code::kIo, "remove " + file.string() + ": " + why.message());
  }
  if (!found) return fail(Code::kNotFound, "there is no certificate authority for web applications");
  return {};
}

Result<net::TlsIdentity> LocalCa::identity(const std::string& host) const {
  const WallTime now = clock_->wall();
  if (const auto kept = leaves_.find(host); kept != leaves_.end()) {
    const crypto::Certificate& leaf = kept->second.chain.front();
    if (now >= leaf.not_before() && now < leaf.renewal()) return kept->second;
    leaves_.erase(kept);
  }
  auto key = std::make_shared<const crypto::PrivateKey>(crypto::PrivateKey::generate());
  PL_TRY(auto leaf, authority_.issue(host, key->public_key(), now, kLocalLeafLife));
  net::TlsIdentity made{{std::move(leaf), authority_.issuer()}, std::move(key)};
  // Bounded, though an IPv6 address has many spellings.
  if (leaves_.size() < hosts().size()) leaves_.emplace(host, made);
  return made;
}

Result<std::shared_ptr<const LocalCa>> LocalCaOnDisk::get() {
  PL_TRY(const auto root, read_root(home_));
  if (!root) {
    current_.reset();
    return nullptr;
  }
  std::string fingerprint = root->fingerprint();
  if (current_ && fingerprint == fingerprint_) return current_;
  current_.reset();
  PL_TRY(auto loaded, LocalCa::load(home_, *clock_));
  if (!loaded) return nullptr;
  fingerprint_ = std::move(fingerprint);
  current_ = std::make_shared<const LocalCa>(std::move(*loaded));
  return current_;
}

Result<std::vector<std::string>> hosts_with_https(const Home& home) {
  PL_TRY(const ClientState state, home.state());
  std::vector<std::string> hosts;
  const auto text = read_file(home.folder() / "routes.json");
  if (!text && text.error().code != Code::kNotFound) return std::unexpected(text.error());
  if (!text) return hosts;
  PL_TRY(const auto view, json::decode<api::AgentView>(*text, json::Unknown::kIgnore));
  if (view.account != state.account) return hosts;
  for (RealHost& host : real_hosts(view.resources))
    if (host.scheme == "https") hosts.push_back(std::move(host.host));
  // In their order, one with several ports once.
  const auto repeated = std::ranges::unique(hosts);
  hosts.erase(repeated.begin(), repeated.end());
  return hosts;
}

}  // namespace portolan::client::web

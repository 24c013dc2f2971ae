#include "control/server.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "api/client.h"
#include "base/file.h"
#include "base/log.h"
#include "control/caller.h"
#include "control/connections.h"
#include "control/control_plane.h"
#include "control/permissions.h"
#include "control/public_name.h"
#include "net/admission.h"

namespace portolan::control {
namespace {

constexpr std::chrono::milliseconds kLook = std::chrono::seconds(2);  // whether a certificate must be made anew
constexpr auto kStopLimit = std::chrono::seconds(2);
constexpr std::size_t kPublicBody = 256 * 1024;
constexpr std::size_t kInternalBody = 8 * 1024 * 1024;  // a batch of audit records
constexpr std::size_t kApplyBody = 32 * 1024 * 1024;    // an organization's whole directory, from an admin
constexpr std::string_view kApplyRoute = "POST /v1/apply";

bool is_address(const std::string& host) {
  return host.find(':') != std::string::npos ||
         (host.find_first_not_of("0123456789.") == std::string::npos && !host.empty());
}

// Of the control plane, and of the services that share its port.
std::vector<std::string> certificate_names(const ServerOptions& options) {
  std::vector<std::string> names = public_names(options);
  for (const net::http::Site& site : options.beside)
    for (const std::string& host : site.hosts)
      if (std::ranges::find(names, host) == names.end()) names.push_back(host);
  return names;
}

Result<net::TlsIdentity> own_identity(const Core& core, const crypto::Authority& authority,
                                      const std::vector<std::string>& names) {
  auto key = std::make_shared<const crypto::PrivateKey>(crypto::PrivateKey::generate());
  crypto::CertificateRequest request{
      .profile = crypto::Profile::kServer, .key = key->public_key(), .common_name = names.front()};
  for (const auto& name : names) (is_address(name) ? request.addresses : request.dns_names).push_back(name);
  request.life = std::chrono::duration_cast<std::chrono::seconds>(core.options.server_life);
  auto leaf = authority.issue(request, core.now());
  if (!leaf) return std::unexpected(std::move(leaf).error().within("server certificate"));
  return net::TlsIdentity{{std::move(*leaf)}, std::move(key)};
}

Result<net::TlsIdentity> operator_identity(const std::filesystem::path& certificate_file,
                                           const std::filesystem::path& key_file) {
  const auto read = [&]() -> Result<net::TlsIdentity> {
    PL_TRY(const auto certificates, read_file(certificate_file));
    PL_TRY(auto chain, crypto::Certificate::all_from_pem(certificates));
    PL_TRY(auto pem, read_private_file(key_file));
    PL_TRY(auto key, crypto::PrivateKey::from_pem(Secret(std::move(pem))));
    return net::TlsIdentity{std::move(chain), std::make_shared<const crypto::PrivateKey>(std::move(key))};
  };
  auto identity = read();
  if (!identity)
    return std::unexpected(std::move(identity).error().within("certificate " + quoted(certificate_file.string()) +
                                                              " with key " + quoted(key_file.string())));
  return identity;
}

// While the server CA is rotated there is a leaf of each. A client that tells which it knows is shown one of those; any
// other the one that all know (Authorised::known_longest).
Result<> show_own(const Core& core, const std::vector<std::string>& names, net::TlsServerPurpose& purpose) {
  const auto& server = core.authorities.server;
  const auto& shown = server.known_longest();
  for (const auto& one : server.all()) {
    PL_TRY(auto identity, own_identity(core, one.authority, names));
    if (one.id == shown.id) purpose.identity = identity;
    purpose.for_telling_clients.push_back(std::move(identity));
  }
  return {};
}

Result<> show_public(const Core& core, net::TlsServerPurpose& purpose) {
  const auto& options = core.options;
  if (options.certificate_file.has_value() != options.key_file.has_value())
    return fail(Code::kInvalid, "a certificate file needs its key file, and the other way round");
  PL_CHECK(show_own(core, certificate_names(options), purpose));
  if (options.certificate_file) {
    PL_TRY(purpose.identity, operator_identity(*options.certificate_file, *options.key_file));
  }
  // Last in the chain, for `portolan login`, which shows its fingerprint at first contact (client/sign_in.h).
  purpose.identity.chain.push_back(core.authorities.server.known_longest().authority.certificate());
  return {};
}

// In the handshake: a leaf is of the authority that its profile belongs to. Whether it is still good is asked for every
// request.
Result<> check_peer(const Core& core, const crypto::Certificate& leaf) {
  const bool user = leaf.has_profile(crypto::Profile::kUser);
  const auto& authority = user ? core.authorities.user : core.authorities.node;
  return authority.verify(leaf, core.now());
}

Result<std::shared_ptr<const net::TlsServer>> make_tls(const Core& core) {
  net::TlsServerPurpose internal;
  internal.alpn = {std::string(api::kControlAlpn)};
  internal.server_name = core.authorities.control_name;
  PL_CHECK(show_own(core, {core.authorities.control_name}, internal));
  internal.require_client_certificate = true;
  internal.client_trust = core.authorities.user.trusted();
  std::ranges::copy(core.authorities.node.trusted(), std::back_inserter(internal.client_trust));
  internal.accept_peer = [&core](const crypto::Certificate& leaf) { return check_peer(core, leaf); };

  net::TlsServerPurpose outside;
  outside.alpn = {"h2", "http/1.1"};
  PL_CHECK(show_public(core, outside));
  net::TlsServerPurpose plain = outside;  // clients that offer no ALPN
  plain.alpn.clear();
  return net::TlsServer::make({std::move(internal), std::move(outside), std::move(plain)});
}

// Strangers get little memory; who may apply, known by the head of the request already, may send a whole directory.
std::size_t body_limit(Core& core, std::size_t usual, const net::http::Request& head,
                       const net::http::Connection& connection) {
  if (head.method + ' ' + head.path != kApplyRoute) return usual;
  const auto lookup = core.lookup();
  const auto caller =
      identify({head, {}, &connection}, *lookup, core.authorities, core.nonces, core.now(), Body::kToCome);
  const auto* permission = find_permission(kApplyRoute);
  if (!caller || !permission || !may_call(*permission, *caller)) return usual;
  return std::max(usual, kApplyBody);
}

net::http::ServerOptions http_options(Core& core, std::size_t body) {
  net::http::ServerOptions options;
  options.hop = Hop::kControlPlane;
  options.limits.body_bytes = body;
  options.body_limit = [&core, body](const net::http::Request& head, const net::http::Connection& connection) {
    return body_limit(core, body, head, connection);
  };
  return options;
}

}  // namespace

struct Server::Impl {
  Impl(const net::Executor& executor, std::unique_ptr<ControlPlane> opened, std::shared_ptr<const net::TlsServer> tls)
      : plane(std::move(opened)),
        connections(executor, plane->core().options,
                    {std::move(tls), &plane->router(), http_options(plane->core(), kPublicBody),
                     http_options(plane->core(), kInternalBody)}),
        remake_timer(executor) {}

  void admit(const net::Executor& executor) {
    admission.emplace(executor, net::AdmissionLimits{.silence = plane->core().options.handshake_limit},
                      [this](std::unique_ptr<net::TcpStream> stream) { connections.add(std::move(stream)); });
  }
  // Makes new leaves when two thirds of the present ones' life are over or the authorities have changed, and reads the
  // operator's files again when they have. Connections go on.
  void remake();
  void look_again();
  void write_ca();

  std::unique_ptr<ControlPlane> plane;
  Connections connections;
  std::optional<net::Admission> admission;
  std::unique_ptr<net::Listener> listener;
  net::Timer remake_timer;
  WallTime renewal{};
  std::vector<std::filesystem::file_time_type> operator_files;
};

// When the operator's files were last written.
static std::vector<std::filesystem::file_time_type> written(const ServerOptions& options) {
  std::vector<std::filesystem::file_time_type> times;
  std::error_code ignored;
  for (const auto* path : {&options.certificate_file, &options.key_file})
    if (*path) times.push_back(std::filesystem::last_write_time(**path, ignored));
  return times;
}

void Server::Impl::remake() {
  Core& core = plane->core();
  renewal = core.now() + core.options.server_life * 2 / 3;
  operator_files = written(core.options);
  auto tls = make_tls(core);
  if (tls) {
    connections.use(std::move(*tls));
    log::info("new server certificates");
  } else {
    log::error("keeping the old server certificate", {{"error", tls.error()}});
  }
}

void Server::Impl::write_ca() {
  const Core& core = plane->core();
  if (!core.options.ca_out) return;
  if (auto written = write_file(*core.options.ca_out, core.authorities.server.bundle(), Privacy::kPublic); !written)
    log::error("cannot write the server CA", {{"error", written.error()}});
}

void Server::Impl::look_again() {
  remake_timer.schedule(kLook, [this] {
    const Core& core = plane->core();
    if (core.now() >= renewal || written(core.options) != operator_files) remake();
    look_again();
  });
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

net::Task<Result<std::unique_ptr<Server>>> Server::start(net::Loop& loop, ServerOptions options) {
  const net::Executor executor = loop.executor();
  CO_TRY(auto plane, ControlPlane::open(executor, std::move(options)));
  CO_TRY(auto tls, make_tls(plane->core()));
  auto impl = std::make_unique<Impl>(executor, std::move(plane), std::move(tls));
  impl->admit(executor);
  const auto& at = impl->plane->core().options.listen;
  CO_TRY(impl->listener, net::listen_tcp(executor, at, [self = impl.get()](std::unique_ptr<net::TcpStream> stream) {
           if (self->admission) self->admission->add(std::move(stream));
         }));
  impl->renewal = impl->plane->core().now() + impl->plane->core().options.server_life * 2 / 3;
  impl->operator_files = written(impl->plane->core().options);
  impl->look_again();
  impl->plane->on_authorities([self = impl.get()] {
    self->remake();
    self->write_ca();
  });
  impl->plane->rotation().start();
  co_return std::unique_ptr<Server>(new Server(std::move(impl)));
}

net::Endpoint Server::local() const { return impl_->listener ? impl_->listener->local() : net::Endpoint{}; }
const std::string& Server::organization() const { return impl_->plane->core().authorities.organization; }
const std::string& Server::control_name() const { return impl_->plane->core().authorities.control_name; }
std::string Server::server_ca_sha256() const {
  return impl_->plane->core().authorities.server.certificate().fingerprint();
}
std::string Server::server_ca() const { return impl_->plane->core().authorities.server.bundle(); }
bool Server::first_start() const { return impl_->plane->core().first_start; }

net::Task<Result<Server::Ensured>> Server::ensure_admin(std::string email, Secret password) {
  CO_TRY(const auto ensured, co_await impl_->plane->ensure_admin(std::move(email), std::move(password)));
  co_return ensured == ControlPlane::Ensured::kMade ? Ensured::kMade : Ensured::kThere;
}

net::Task<Result<Secret>> Server::make_api_token(std::string email, std::string name) {
  co_return co_await impl_->plane->make_api_token(std::move(email), std::move(name));
}

net::Task<> Server::stop() {
  impl_->listener.reset();
  impl_->admission.reset();
  impl_->remake_timer.cancel();
  impl_->plane->stop();
  co_await impl_->plane->rotation().stop();
  Core& core = impl_->plane->core();
  impl_->connections.drain();
  core.hub.close();
  const auto limit = Clock::real().boot() + kStopLimit;
  const auto answering = [&] { return impl_->connections.busy() || core.requests > 0 || core.hub.watches() > 0; };
  while (answering() && Clock::real().boot() < limit) {
    const auto slept = co_await net::sleep_for(std::chrono::milliseconds(10));
    if (!slept) break;
  }
  co_await impl_->connections.stop();
}

}  // namespace portolan::control

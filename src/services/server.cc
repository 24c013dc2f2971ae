#include "services/server.h"

#include <cstdint>
#include <map>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "net/admission.h"
#include "net/tls.h"

namespace portolan::services {
namespace {

constexpr std::chrono::milliseconds kLook = std::chrono::seconds(10);  // whether there is a new certificate

Result<std::shared_ptr<const net::TlsServer>> make_tls(const ServerOptions& options) {
  const auto read = [&]() -> Result<net::TlsIdentity> {
    PL_TRY(const auto certificates, read_file(options.certificate_file));
    PL_TRY(auto chain, crypto::Certificate::all_from_pem(certificates));
    PL_TRY(auto pem, read_private_file(options.key_file));
    PL_TRY(auto key, crypto::PrivateKey::any_from_pem(Secret(std::move(pem))));
    return net::TlsIdentity{std::move(chain), std::make_shared<const crypto::PrivateKey>(std::move(key))};
  };
  auto identity = read();
  if (!identity) return std::unexpected(std::move(identity).error().within("certificate of the services"));
  net::TlsServerPurpose named;
  named.alpn = {"h2", "http/1.1"};
  named.identity = std::move(*identity);
  net::TlsServerPurpose plain = named;  // clients that offer no ALPN
  plain.alpn.clear();
  return net::TlsServer::make({std::move(named), std::move(plain)});
}

std::vector<std::filesystem::file_time_type> written(const ServerOptions& options) {
  std::error_code ignored;
  return {std::filesystem::last_write_time(options.certificate_file, ignored),
          std::filesystem::last_write_time(options.key_file, ignored)};
}

}  // namespace

struct Server::Impl {
  // A connection with the task that serves it.
  struct Entry {
    explicit Entry(const net::Executor& executor) : tasks(executor) {}
    bool shaking = true;
    net::TaskGroup tasks;
  };

  Impl(const net::Executor& on, ServerOptions with, std::vector<Hosted> hosted,
       std::shared_ptr<const net::TlsServer> made)
      : executor(on),
        options(std::move(with)),
        services(std::move(hosted)),
        sites(sites_of(services)),
        tls(std::move(made)),
        look_timer(on) {
    for (net::http::Site& site : sites) site.http.draining = &draining;
    admission.emplace(on, net::AdmissionLimits{.silence = options.handshake_limit},
                      [this](std::unique_ptr<net::TcpStream> stream) { add(std::move(stream)); });
  }

  void add(std::unique_ptr<net::TcpStream> stream) {
    if (stopping || entries.size() >= options.connections) return;
    if (shaking.size() >= options.handshakes) {
      shaking.begin()->second->tasks.cancel();
      shaking.erase(shaking.begin());
    }
    const std::uint64_t id = next++;
    Entry& entry = *entries.emplace(id, std::make_unique<Entry>(executor)).first->second;
    shaking.emplace(id, &entry);
    entry.tasks.spawn("connection", serve(id, std::move(stream)));
  }

  net::Task<> serve(std::uint64_t id, std::unique_ptr<net::TcpStream> stream) {
    std::string address = stream->peer().host;
    const auto context = tls;  // a new one may come meanwhile
    auto secured = co_await context->accept(std::move(stream), options.handshake_limit);
    shaking.erase(id);
    if (secured) {
      net::http::Connection connection{
          .peer = std::move(address), .server_name = (*secured)->server_name(), .alpn = (*secured)->alpn()};
      const net::http::Site& site = site_for(connection.server_name);
      co_await net::http::serve_connection(std::move(*secured), std::move(connection), *site.router, site.http);
    } else {
      log::debug("handshake failed", {{"peer", address}, {"error", secured.error()}});
    }
    net::post(executor, [this, id] { reap(id); });
  }

  // Who names no host of ours is told so by any site (421), and not left with a connection that just ends.
  const net::http::Site& site_for(const std::string& server_name) const {
    const net::http::Site* found = net::http::find_site(sites, server_name);
    return found ? *found : sites.front();
  }

  // The group can go when its task has ended, which is just after the task asked for it.
  void reap(std::uint64_t id) {
    const auto found = entries.find(id);
    if (stopping || found == entries.end()) return;
    if (found->second->tasks.size() == 0) {
      entries.erase(found);
    } else {
      net::post(executor, [this, id] { reap(id); });
    }
  }

  void look_again() {
    look_timer.schedule(kLook, [this] {
      if (auto now = written(options); now != files) {
        files = std::move(now);
        if (auto made = make_tls(options)) {
          tls = std::move(*made);
          log::info("new server certificate");
        } else {
          log::error("keeping the old server certificate", {{"error", made.error()}});
        }
      }
      look_again();
    });
  }

  const net::Executor executor;
  const ServerOptions options;
  std::vector<Hosted> services;
  std::vector<net::http::Site> sites;
  std::shared_ptr<const net::TlsServer> tls;
  std::vector<std::filesystem::file_time_type> files = written(options);
  net::http::Draining draining;
  std::map<std::uint64_t, std::unique_ptr<Entry>> entries;
  std::map<std::uint64_t, Entry*> shaking;  // by age
  std::uint64_t next = 0;
  bool stopping = false;
  std::optional<net::Admission> admission;
  std::unique_ptr<net::Listener> listener;
  net::Timer look_timer;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(net::Loop& loop, ServerOptions options, std::vector<Hosted> services) {
  const net::Executor executor = loop.executor();
  if (services.empty()) return fail(Code::kInvalid, "no service to give");
  PL_TRY(auto tls, make_tls(options));
  const net::Endpoint at = options.listen;
  auto impl = std::make_unique<Impl>(executor, std::move(options), std::move(services), std::move(tls));
  PL_TRY(impl->listener, net::listen_tcp(executor, at, [self = impl.get()](std::unique_ptr<net::TcpStream> stream) {
           if (self->admission) self->admission->add(std::move(stream));
         }));
  impl->look_again();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

net::Endpoint Server::local() const { return impl_->listener ? impl_->listener->local() : net::Endpoint{}; }

net::Task<> Server::stop() {
  Impl& impl = *impl_;
  impl.listener.reset();
  impl.admission.reset();
  impl.look_timer.cancel();
  impl.draining.stop.stop(Error{Code::kUnavailable, "the server is stopping", {}, Hop::kUnknown});
  impl.stopping = true;
  for (auto& [id, entry] : impl.entries) entry->tasks.cancel();
  for (auto& [id, entry] : impl.entries) co_await entry->tasks.join();
  impl.shaking.clear();
  impl.entries.clear();
  for (const Hosted& hosted : impl.services) co_await hosted.service->stop();
}

}  // namespace portolan::services

#include "control/connections.h"

#include <utility>

#include "base/log.h"
#include "net/loop.h"

namespace portolan::control {

void Connections::add(std::unique_ptr<net::TcpStream> stream) {
  if (stopping_ || entries_.size() >= options_.connections) return;
  std::string address = stream->peer().host;
  make_room_for(address);
  const std::uint64_t id = next_++;
  Entry& entry = *entries_.emplace(id, std::make_unique<Entry>(executor_, std::move(address))).first->second;
  shaking_.emplace(id, &entry);
  entry.tasks.spawn("connection", serve(id, std::move(stream)));
}

void Connections::make_room_for(const std::string& address) {
  std::size_t same = 0;
  auto oldest_same = shaking_.end();
  for (auto at = shaking_.begin(); at != shaking_.end(); ++at) {
    if (at->second->address != address) continue;
    if (same++ == 0) oldest_same = at;
  }
  auto victim = shaking_.end();
  if (same >= options_.handshakes_per_address) {
    victim = oldest_same;
  } else if (shaking_.size() >= options_.handshakes) {
    victim = shaking_.begin();
  }
  if (victim == shaking_.end()) return;
  victim->second->tasks.cancel();
  shaking_.erase(victim);
}

net::Task<> Connections::serve(std::uint64_t id, std::unique_ptr<net::TcpStream> stream) {
  std::string address = stream->peer().host;
  auto secured = co_await served_.tls->accept(std::move(stream), options_.handshake_limit);
  shaking_.erase(id);
  if (secured) {
    net::http::Connection connection{.peer = std::move(address),
                                     .certificate = (*secured)->peer(),
                                     .server_name = (*secured)->server_name(),
                                     .alpn = (*secured)->alpn()};
    const auto& http = connection.certificate ? served_.internal_http : served_.public_http;
    const auto* beside = connection.certificate ? nullptr : net::http::find_site(beside_, connection.server_name);
    co_await net::http::serve_connection(std::move(*secured), std::move(connection),
                                         beside ? *beside->router : *served_.router, beside ? beside->http : http);
  } else {
    log::debug("handshake failed", {{"peer", address}, {"error", secured.error()}});
  }
  net::post(executor_, [this, id] { reap(id); });
}

// The group can go when its task has ended, which is just after the task asked for it.
void Connections::reap(std::uint64_t id) {
  const auto found = entries_.find(id);
  if (stopping_ || found == entries_.end()) return;
  if (found->second->tasks.size() == 0) {
    entries_.erase(found);
  } else {
    net::post(executor_, [this, id] { reap(id); });
  }
}

net::Task<> Connections::stop() {
  stopping_ = true;
  for (auto& [id, entry] : entries_) entry->tasks.cancel();
  for (auto& [id, entry] : entries_) co_await entry->tasks.join();
  shaking_.clear();
  entries_.clear();
}

}  // namespace portolan::control

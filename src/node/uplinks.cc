#include "node/uplinks.h"

#include "base/log.h"
#include "net/backoff.h"
#include "net/event.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kMeasureEvery = std::chrono::seconds(15);
constexpr std::chrono::milliseconds kPingLimit = std::chrono::seconds(10);

}  // namespace

Uplinks::Uplinks(const net::Executor& executor, const Identity& identity, const NodeOptions& options,
                 std::function<void(std::unique_ptr<net::Stream>)> on_path)
    : identity_(identity), options_(options), on_path_(std::move(on_path)), tasks_(executor) {}

void Uplinks::follow(const api::NodeView& view) {
  std::map<std::string, std::string> wanted;
  for (const api::PeerNode& node : view.nodes)
    if (node.kind == "gateway" && !node.address.empty() && node.id != identity_.node) wanted[node.id] = node.address;
  for (auto known = gateways_.begin(); known != gateways_.end();) {
    const auto same = wanted.find(known->first);
    if (same != wanted.end() && same->second == known->second->address) {
      wanted.erase(same);
      ++known;
    } else {
      tasks_.spawn("drop-gateway", drop(std::move(known->second)));
      known = gateways_.erase(known);
    }
  }
  for (const auto& [id, address] : wanted) {
    auto gateway = std::make_unique<Gateway>(tasks_.executor());
    gateway->id = id;
    gateway->address = address;
    Gateway& kept = *gateway;
    gateways_[id] = std::move(gateway);
    kept.tasks.spawn("uplink " + address, keep(kept));
  }
}

net::Task<> Uplinks::keep(Gateway& gateway) {
  net::Backoff backoff;
  for (;;) {
    const auto linked = co_await link_once(gateway);
    if (linked) {
      log::info("linked to gateway", {{"gateway", gateway.address}});
      backoff.reset();
      changed_();
      const auto measured = co_await measure_until_end(gateway);
      if (!measured) co_return;
      gateway.link.reset();
      gateway.round_trip.reset();
    } else if (linked.error().code == Code::kCancelled) {
      co_return;
    } else {
      gateway.reason = linked.error().message;
      log::warn("cannot link to gateway", {{"gateway", gateway.address}, {"why", linked.error()}});
    }
    const auto slept = co_await net::sleep_for(backoff.next());
    if (!slept) co_return;
  }
}

// Fails with the task only.
net::Task<Result<>> Uplinks::measure_until_end(Gateway& gateway) {
  while (gateway.up) {
    const auto measured = co_await gateway.link->mux->ping(kPingLimit);
    if (measured) gateway.round_trip = gateway.round_trip ? (*gateway.round_trip * 7 + *measured) / 8 : *measured;
    if (!gateway.up) break;
    const auto ended = co_await gateway.ended.wait(kMeasureEvery);
    if (!ended && ended.error().code == Code::kCancelled) co_return ended;
  }
  co_return Result<>{};
}

std::vector<api::NodeLink> Uplinks::health() const {
  std::vector<api::NodeLink> links;
  for (const auto& [id, gateway] : gateways_) {
    const bool up = gateway->up && gateway->link;
    api::NodeLink link{id, gateway->address, up ? "up" : "down", {}, {}};
    if (up && gateway->round_trip) link.round_trip_us = static_cast<std::uint64_t>(gateway->round_trip->count());
    if (!up) link.reason = gateway->reason;
    links.push_back(std::move(link));
  }
  return links;
}

net::Task<Result<>> Uplinks::link_once(Gateway& gateway) {
  CO_TRY(const net::Endpoint endpoint, net::parse_endpoint(gateway.address, 5000));
  CO_TRY(auto tls, tunnel::make_link_client(link_identity(identity_), tunnel::Purpose::kReverse,
                                            crypto::to_uri(crypto::NodeIdentity{identity_.organization, gateway.id})));
  CO_TRY(auto path, co_await net::dial_tcp(endpoint, options_.dial_limit));
  gateway.up = true;
  auto link = co_await tunnel::dial_link(
      std::move(path), std::move(tls), tunnel::Purpose::kReverse, {.handshake_limit = options_.handshake_limit},
      [this](std::unique_ptr<tunnel::Incoming> incoming) { take_path(std::move(incoming)); },
      [this, &gateway](const Error& why) {
        log::warn("link to gateway ended", {{"gateway", gateway.address}, {"why", why}});
        gateway.up = false;
        gateway.reason = why.message;
        gateway.ended.set();
        changed_();
      });
  if (!link) {
    gateway.up = false;
    co_return std::unexpected(std::move(link).error());
  }
  gateway.link = std::move(*link);
  co_return Result<>{};
}

void Uplinks::take_path(std::unique_ptr<tunnel::Incoming> incoming) {
  if (incoming->request().authority != identity_.node) {
    incoming->refuse(Error{Code::kProtocol, "this is another node", "unknown_node", Hop::kEgress});
    return;
  }
  on_path_(incoming->accept());
}

std::size_t Uplinks::linked() const {
  std::size_t count = 0;
  for (const auto& [id, gateway] : gateways_) count += gateway->up && gateway->link ? 1 : 0;
  return count;
}

net::Task<> Uplinks::drop(std::unique_ptr<Gateway> gateway) {
  gateway->tasks.cancel();
  co_await gateway->tasks.join();
}

net::Task<> Uplinks::stop() {
  for (auto& [id, gateway] : gateways_) {
    gateway->tasks.cancel();
    co_await gateway->tasks.join();
  }
  gateways_.clear();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node

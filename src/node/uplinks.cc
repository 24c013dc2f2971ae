#include "node/uplinks.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "directory/placement.h"
#include "net/backoff.h"
#include "net/event.h"
#include "net/link_backoff.h"
#include "tunnel/ticket.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kMeasureEvery = std::chrono::seconds(15);
constexpr std::chrono::milliseconds kPingLimit = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);  // whether a link must be made anew
// Between attempts: where a good link has been lost lately, and otherwise, at most. Nodes are few, and whoever uses the
// resources behind a relay waits for its links.
constexpr std::chrono::milliseconds kSoon = std::chrono::milliseconds(400);
constexpr std::chrono::milliseconds kLongestRest = std::chrono::seconds(5);
// Of silence on a link, and after that. Sooner than elsewhere: a router before a relay that forgets its links takes all
// ways to it, and nobody else can make new ones.
constexpr std::chrono::milliseconds kProbeAfter = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kProbeLimit = std::chrono::seconds(3);
// Less than a gateway waits for it.
constexpr std::chrono::milliseconds kDialBackLimit = std::chrono::milliseconds(2500);
constexpr std::size_t kDialsAtOnce = 256;
constexpr std::string_view kStopping = "the gateway is stopping";

tunnel::GatewayWaysOptions ways_of(const NodeOptions& options) {
  return {.memory = options.data.empty() ? std::filesystem::path() : options.data / "ways.json",
          .ca_file = options.web_ca_file,
          .dial_limit = options.dial_limit,
          .handshake_limit = options.handshake_limit,
          .plain_retry = options.plain_retry};
}

}  // namespace

Uplinks::Uplinks(const net::Executor& executor, const Identity& identity, const NodeOptions& options,
                 std::function<void(std::unique_ptr<net::Stream>)> on_path)
    : identity_(identity),
      options_(options),
      purpose_(tunnel::Purpose::kReverse),
      on_path_(std::move(on_path)),
      ways_(ways_of(options), Clock::real()),
      tasks_(executor) {}

Uplinks::Uplinks(const net::Executor& executor, const Identity& identity, const NodeOptions& options)
    : identity_(identity),
      options_(options),
      purpose_(tunnel::Purpose::kNode),
      ways_(ways_of(options), Clock::real()),
      tasks_(executor) {}

Uplinks::Gateway::Gateway(const net::Executor& executor, std::string its_id, std::string its_address,
                          std::function<void()> ended)
    : id(std::move(its_id)),
      address(std::move(its_address)),
      on_end(std::move(ended)),
      turned(executor),
      links([this](const Error& why) {
        if (why.reason == tunnel::kDrained) {
          log::info("link to gateway ended, which is leaving", {{"gateway", address}});
          reason = kStopping;
        } else {
          log::warn("link to gateway ended", {{"gateway", address}, {"why", why}});
          reason = why.message;
        }
        turned.set();
        on_end();
      }),
      tasks(executor) {}

void Uplinks::renewed() {
  for (const auto& [id, gateway] : gateways_) gateway->turned.set();
}

void Uplinks::follow(const api::NodeView& view) {
  std::map<std::string, std::string> wanted;
  const auto& peers =
      purpose_ == tunnel::Purpose::kReverse ? view.nodes : view.dial.value_or(std::vector<api::PeerNode>{});
  for (const api::PeerNode& node : peers)
    if ((node.kind == "gateway" || node.kind == directory::kBridgeWorker) && !node.address.empty() &&
        node.id != identity_.node)
      wanted[node.id] = node.address;
  for (auto known = gateways_.begin(); known != gateways_.end();) {
    const auto same = wanted.find(known->first);
    if (same != wanted.end() && same->second == known->second->address) {
      wanted.erase(same);
      ++known;
    } else {
      const std::string id = known->first;
      tasks_.spawn("drop-gateway", drop(std::move(known->second)));
      known = gateways_.erase(known);
      lost_(id);
    }
  }
  for (const auto& [id, address] : wanted) {
    auto gateway = std::make_unique<Gateway>(tasks_.executor(), id, address, [this, id] {
      changed_();
      lost_(id);
    });
    Gateway& kept = *gateway;
    kept.links.on_draining([this, &kept] { leaves(kept); });
    gateways_[id] = std::move(gateway);
    kept.tasks.spawn("uplink " + address, keep(kept));
  }
  for (const api::PeerNode& node : peers)
    if (const auto known = gateways_.find(node.id); known != gateways_.end() && purpose_ == tunnel::Purpose::kReverse)
      (options_.web_links ? known->second->web_address : known->second->web_offer) = node.web_address;
  settled_ = settled_ || all_tried();
}

bool Uplinks::all_tried() const {
  return std::ranges::all_of(gateways_, [](const auto& entry) { return entry.second->tried; });
}

void Uplinks::note_tried(Gateway& gateway) {
  if (std::exchange(gateway.tried, true)) return;
  settled_ = settled_ || all_tried();
  changed_();
}

// What runs on the link goes on. The others are there already, with links of their own; those who choose ways are told.
void Uplinks::leaves(Gateway& gateway) {
  log::info("a gateway is leaving", {{"gateway", gateway.address}});
  gateway.reason = kStopping;
  changed_();
}

net::Task<> Uplinks::keep(Gateway& gateway) {
  net::LinkBackoff backoff(kSoon, kLongestRest);
  const auto now = [] { return Clock::real().boot(); };
  for (;;) {
    const auto linked = co_await link_once(gateway);
    if (linked) {
      log::info("linked to gateway", {{"gateway", gateway.address}});
      note_tried(gateway);
      changed_();
      const BootTime began = now();
      const auto stayed = co_await stay(gateway);
      if (!stayed) co_return;
      backoff.lost(now() - began, now());
      gateway.round_trip.reset();
    } else if (linked.error().code == Code::kCancelled) {
      co_return;
    } else {
      std::string why = linked.error().message;
      if (gateway.web_offer)
        why += "; it takes links by WebSocket on " + *gateway.web_offer + ", which --web-links allows";
      // Said once, and not for each of many attempts.
      const auto say = std::exchange(gateway.reason, why) == why ? &log::debug : &log::warn;
      say("cannot link to gateway", {{"gateway", gateway.address}, {"why", why}});
      note_tried(gateway);
    }
    const auto slept = co_await net::sleep_for(backoff.next(now()));
    if (!slept) co_return;
  }
}

// Until the newest link has ended; meanwhile it is measured, and made anew when a certificate has been renewed. Fails
// with the task only.
net::Task<Result<>> Uplinks::stay(Gateway& gateway) {
  net::Backoff backoff(kLook, std::chrono::minutes(1));
  auto measure = std::chrono::steady_clock::now();
  auto renewal = measure;
  while (gateway.links.up()) {
    gateway.links.tidy();
    const auto now = std::chrono::steady_clock::now();
    if (now >= renewal && gateway.links.due(identity_.certificate, Clock::real().wall())) {
      renewal = now + backoff.next();
      CO_CHECK(co_await renew_link(gateway));
      continue;
    }
    if (ways_.plain_due(gateway.id)) {
      CO_CHECK(co_await try_plain(gateway));
      continue;
    }
    if (now >= measure) {
      measure = now + kMeasureEvery;
      const auto measured = co_await gateway.links.newest()->mux->ping(kPingLimit);
      const bool first = measured && !gateway.round_trip;
      if (measured) gateway.round_trip = first ? *measured : (*gateway.round_trip * 7 + *measured) / 8;
      if (first) changed_();
      if (!gateway.links.up()) break;
    }
    const auto woken = co_await gateway.turned.wait(kLook);
    if (!woken && woken.error().code == Code::kCancelled) co_return woken;
  }
  co_return Result<>{};
}

// Beside the one that there is, which goes on for what runs on it. Fails with the task only.
net::Task<Result<>> Uplinks::renew_link(Gateway& gateway) {
  auto linked = co_await link_once(gateway);
  if (linked) {
    log::info("link to gateway renewed", {{"gateway", gateway.address}, {"older", gateway.links.retired()}});
  } else if (linked.error().code != Code::kCancelled) {
    log::warn("cannot renew the link to a gateway yet", {{"gateway", gateway.address}, {"why", linked.error()}});
    linked = {};
  }
  co_return linked;
}

std::vector<api::NodeLink> Uplinks::health() const {
  std::vector<api::NodeLink> links;
  for (const auto& [id, gateway] : gateways_) {
    // By one that leaves no path comes any more, whatever runs on its link.
    const bool up = gateway->links.serves();
    api::NodeLink link{id, gateway->address, up ? "up" : "down", {}, {}};
    if (up && gateway->round_trip) link.round_trip_us = static_cast<std::uint64_t>(gateway->round_trip->count());
    if (!up) link.reason = gateway->reason;
    links.push_back(std::move(link));
  }
  return links;
}

net::Task<Result<>> Uplinks::link_once(Gateway& gateway) {
  CO_TRY(auto make, maker(gateway));
  co_return co_await ways_.link({gateway.id, gateway.address, gateway.web_address}, std::move(make));
}

net::Task<Result<>> Uplinks::try_plain(Gateway& gateway) {
  CO_TRY(auto make, maker(gateway));
  auto made = co_await ways_.link_plainly({gateway.id, gateway.address, gateway.web_address}, std::move(make));
  if (made || made.error().code != Code::kCancelled) co_return Result<>{};
  co_return made;
}

Result<tunnel::GatewayWays::Make> Uplinks::maker(Gateway& gateway) {
  PL_TRY(auto tls, tunnel::make_link_client(link_identity(identity_), purpose_,
                                            crypto::to_uri(crypto::NodeIdentity{identity_.organization, gateway.id})));
  return [this, &gateway, tls, mine = identity_.certificate](std::unique_ptr<net::Stream> path,
                                                             std::chrono::milliseconds limit) {
    tunnel::Succession::OnIncoming take;
    if (purpose_ == tunnel::Purpose::kReverse)
      take = [this, &gateway](std::unique_ptr<tunnel::Incoming> incoming) { take_path(gateway, std::move(incoming)); };
    tunnel::LinkOptions options{.handshake_limit = limit};
    options.mux.probe_after = kProbeAfter;
    options.mux.probe_limit = kProbeLimit;
    return gateway.links.dial(std::move(path), tls, mine, purpose_, std::move(options), std::move(take));
  };
}

const tunnel::Link* Uplinks::link_to(const std::string& node) const {
  const auto found = gateways_.find(node);
  return found != gateways_.end() && found->second->links.serves() ? found->second->links.newest() : nullptr;
}

std::string Uplinks::address_of(const std::string& node) const {
  const auto found = gateways_.find(node);
  return found == gateways_.end() ? "" : found->second->address;
}

void Uplinks::take_path(Gateway& gateway, std::unique_ptr<tunnel::Incoming> incoming) {
  if (incoming->request().authority != identity_.node) {
    incoming->refuse(Error{Code::kProtocol, "this is another node", "unknown_node", Hop::kEgress});
    return;
  }
  if (!incoming->request().headers.contains(tunnel::kDialBackHeader)) return on_path_(incoming->accept());
  if (ways_.by_web(gateway.id)) {
    incoming->refuse(
        Error{Code::kUnavailable, "this relay reaches the gateway by WebSocket only", "no_dial_back", Hop::kEgress});
    return;
  }
  if (tasks_.size() >= kDialsAtOnce) {
    incoming->refuse(Error{Code::kLimit, "too many paths are being dialled", "too_many_paths", Hop::kEgress});
    return;
  }
  tasks_.spawn("dial-back", dial_back(gateway.address, std::move(incoming)));
}

net::Task<> Uplinks::dial_back(std::string address, std::unique_ptr<tunnel::Incoming> incoming) {
  const auto ticket = tunnel::parse_ticket(incoming->request().headers.find(tunnel::kDialBackHeader)->second);
  const auto endpoint = net::parse_endpoint(address, 5000);
  if (!ticket || !endpoint) {
    incoming->refuse(Error{Code::kProtocol, "a ticket that cannot be read", {}, Hop::kEgress});
    co_return;
  }
  auto path = co_await ways_.dial_plain(*endpoint, kDialBackLimit);
  const auto preface = tunnel::encode_preface(*ticket);
  const auto sent = path ? co_await net::write(**path, preface) : Result<>(std::unexpected(path.error()));
  if (!sent) {
    incoming->refuse(Error{Code::kUnavailable, sent.error().message, "no_dial_back", Hop::kEgress});
    co_return;
  }
  const auto answer = incoming->accept();
  on_path_(std::move(*path));
  [[maybe_unused]] const auto told = co_await net::finish(*answer, kDialBackLimit);
}

std::size_t Uplinks::linked() const {
  std::size_t count = 0;
  for (const auto& [id, gateway] : gateways_) count += gateway->links.up() ? 1 : 0;
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

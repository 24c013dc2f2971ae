#include "tunnel/gateway_ways.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "net/address_range.h"
#include "net/network_name.h"
#include "net/segments.h"
#include "net/tls.h"

namespace portolan::tunnel {
namespace {

using StreamResult = Result<std::unique_ptr<net::Stream>>;
using Milliseconds = std::chrono::milliseconds;

constexpr std::uint16_t kDefaultPort = 5000;
constexpr std::uint16_t kDefaultWebPort = 443;
constexpr Milliseconds kFirstRetry = std::chrono::minutes(1);
constexpr std::size_t kMostRemembered = 64;
constexpr std::size_t kMemoryLimit = std::size_t{256} * 1024;

struct Memory {
  std::vector<RememberedWay> ways;
};
BOOST_DESCRIBE_STRUCT(Memory, (), (ways))

std::vector<RememberedWay> load(const std::filesystem::path& file) {
  if (file.empty()) return {};
  const auto text = read_file(file, kMemoryLimit);
  if (!text) return {};
  auto memory = json::decode<Memory>(*text, json::Unknown::kIgnore);
  if (!memory) return {};
  auto& ways = memory->ways;
  if (ways.size() > kMostRemembered) ways.erase(ways.begin(), ways.end() - kMostRemembered);
  return std::move(ways);
}

bool is_of_certificate(const Error& error) {
  return error.reason == net::kUnknownAuthority || error.reason == "tls_name" || error.reason == "tls_expired";
}

// Within this machine no packet is too long.
bool is_here(const net::Endpoint& endpoint) {
  const auto loopback = net::parse_address_ranges("127.0.0.0/8,::1");
  return loopback && net::any_contains(*loopback, endpoint);
}

}  // namespace

std::string why_not_plain(const Error& error, bool connected) {
  if (!connected) return "the plain way is closed (" + error.message + ")";
  // What is around it names the connection once more.
  const auto certificate = error.message.find("the peer's certificate");
  if (is_of_certificate(error))
    return "TLS is intercepted on the plain way (" +
           (certificate == std::string::npos ? error.message : error.message.substr(certificate)) + ")";
  return "the plain way lets no TLS of ours pass (" + error.message + ")";
}

GatewayWays::GatewayWays(GatewayWaysOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), remembered_(load(options_.memory)) {}

std::string GatewayWays::network() const { return options_.network ? options_.network() : net::network_name(); }

net::Task<Result<>> GatewayWays::link(GatewayPlace to, Make make) {
  std::string why;
  if (!to.web_address) {
    by_web_.erase(to.id);
    co_return co_await by_plain(to, make, {options_.dial_limit, options_.handshake_limit}, why);
  }
  const std::string here = network();
  Result<> web = fail(Code::kInternal, "not tried");
  const RememberedWay* known = remembered(here, to.id);
  const bool web_first = known != nullptr;
  if (web_first) {
    std::string its_why = known->why;
    web = co_await by_websocket(to, make);
    if (web) goes_by_web(to, here, std::move(its_why));
    if (web || web.error().code == Code::kCancelled) co_return web;
  }
  auto plain = co_await by_plain(to, make, {options_.plain_limit, options_.plain_limit}, why);
  if (plain) goes_plainly(to, here);
  if (plain || plain.error().code == Code::kCancelled) co_return plain;
  if (!web_first) web = co_await by_websocket(to, make);
  if (web) goes_by_web(to, here, std::move(why));
  if (web || web.error().code == Code::kCancelled) co_return web;
  plain.error().message += "; by WebSocket on " + *to.web_address + ": " + web.error().message;
  co_return plain;
}

net::Task<Result<>> GatewayWays::link_plainly(GatewayPlace to, Make make) {
  std::string why;
  auto made = co_await by_plain(to, make, {options_.plain_limit, options_.plain_limit}, why);
  const auto found = by_web_.find(to.id);
  if (found == by_web_.end() || (!made && made.error().code == Code::kCancelled)) co_return made;
  if (made) {
    goes_plainly(to, network());
    co_return made;
  }
  ByWeb& still = found->second;
  still.why = std::move(why);
  still.next_plain = clock_.boot() + still.pause;
  still.pause = std::min(still.pause * 2, options_.plain_retry);
  co_return made;
}

net::Task<StreamResult> GatewayWays::dial(GatewayPlace to, Milliseconds limit) {
  if (by_web(to.id) && to.web_address) co_return co_await dial_websocket(to, limit);
  CO_TRY(const auto endpoint, net::parse_endpoint(to.address, kDefaultPort));
  auto path = co_await dial_plain(endpoint, limit);
  if (!path) co_return std::unexpected(std::move(path).error());
  co_return StreamResult(std::move(*path));
}

net::Task<Result<std::unique_ptr<net::TcpStream>>> GatewayWays::dial_plain(net::Endpoint to, Milliseconds limit) {
  const int longest = is_here(to) ? 0 : segments_.longest(network());
  return net::dial_tcp_in_segments(std::move(to), limit, longest);
}

net::Task<Result<>> GatewayWays::by_plain(const GatewayPlace& to, const Make& make, Limits limits, std::string& why) {
  CO_TRY(const auto endpoint, net::parse_endpoint(to.address, kDefaultPort));
  auto path = co_await dial_plain(endpoint, limits.dial);
  if (!path) {
    why = why_not_plain(path.error(), false);
    co_return std::unexpected(std::move(path).error());
  }
  auto made = co_await make(std::move(*path), limits.handshake);
  if (!made) why = why_not_plain(made.error(), true);
  if (!made && made.error().code == Code::kTimeout) fell_silent();
  co_return made;
}

net::Task<Result<>> GatewayWays::by_websocket(const GatewayPlace& to, const Make& make) {
  CO_TRY(auto path, co_await dial_websocket(to, options_.dial_limit));
  co_return co_await make(std::move(path), options_.handshake_limit);
}

net::Task<StreamResult> GatewayWays::dial_websocket(const GatewayPlace& to, Milliseconds limit) const {
  CO_TRY(const auto endpoint, net::parse_endpoint(*to.web_address, kDefaultWebPort));
  WebDial how;
  how.ca_file = options_.ca_file;
  co_return co_await dial_web(endpoint, std::move(how), limit);
}

std::optional<std::string> GatewayWays::why_web(const std::string& id) const {
  const auto found = by_web_.find(id);
  return found == by_web_.end() ? std::nullopt : std::optional(found->second.why);
}

bool GatewayWays::plain_due(const std::string& id) const {
  const auto found = by_web_.find(id);
  return found != by_web_.end() && clock_.boot() >= found->second.next_plain;
}

void GatewayWays::network_changed() {
  for (auto& [id, way] : by_web_) way.next_plain = clock_.boot();
}

const RememberedWay* GatewayWays::remembered(const std::string& network, const std::string& gateway) const {
  const auto found = std::ranges::find_if(
      remembered_, [&](const RememberedWay& each) { return each.network == network && each.gateway == gateway; });
  return found == remembered_.end() ? nullptr : &*found;
}

// A link that is made anew by the same way does not put the next attempt at the other off.
void GatewayWays::goes_by_web(const GatewayPlace& to, const std::string& network, std::string why) {
  const auto known = by_web_.find(to.id);
  if (known == by_web_.end() || known->second.network != network) {
    const auto pause = std::min(kFirstRetry, options_.plain_retry);
    by_web_[to.id] = {network, why, clock_.boot() + pause, std::min(pause * 2, options_.plain_retry)};
    log::info("a gateway is reached by WebSocket", {{"gateway", to.id}, {"address", *to.web_address}, {"why", why}});
  }
  if (remembered(network, to.id) != nullptr) return;
  remembered_.push_back({network, to.id, std::move(why), clock_.wall()});
  if (remembered_.size() > kMostRemembered) remembered_.erase(remembered_.begin());
  save();
}

void GatewayWays::goes_plainly(const GatewayPlace& to, const std::string& network) {
  if (by_web_.erase(to.id) > 0) log::info("a gateway is reached by the plain way again", {{"gateway", to.id}});
  const auto forgotten = std::erase_if(
      remembered_, [&](const RememberedWay& each) { return each.network == network && each.gateway == to.id; });
  if (forgotten > 0) save();
}

void GatewayWays::save() const {
  if (options_.memory.empty()) return;
  if (auto saved = write_file(options_.memory, json::encode(Memory{remembered_}), Privacy::kPrivate); !saved)
    log::warn("cannot remember by which way gateways are reached", {{"why", saved.error()}});
}

}  // namespace portolan::tunnel

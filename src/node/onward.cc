#include "node/onward.h"

#include <algorithm>

#include "base/log.h"
#include "net/wait.h"
#include "tunnel/ticket.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kDialLimit = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kNested =
    std::chrono::minutes(10);  // after a plain connection that did not come about

// The plain connection to the next gateway, with its preface sent.
net::Task<Result<std::unique_ptr<net::TcpStream>>> dial_plain(std::string address, std::string ticket_text) {
  CO_TRY(const auto ticket, tunnel::parse_ticket(ticket_text));
  CO_TRY(const auto endpoint, net::parse_endpoint(address, 5000));
  CO_TRY(auto stream, co_await net::dial_tcp(endpoint, kDialLimit));
  const auto preface = tunnel::encode_preface(ticket);
  CO_CHECK(co_await net::write(*stream, preface));
  co_return stream;
}

}  // namespace

Onward::Onward(std::string self, const ControlWatch& watch, const Uplinks& peers, const Clock& clock, Shares& memory,
               OnwardLimits limits)
    : self_(std::move(self)), watch_(watch), peers_(peers), clock_(clock), memory_(memory), limits_(limits) {}

std::string Onward::name_of(const std::string& node) const {
  if (const IndexedView* view = watch_.view())
    for (const api::PeerNode& peer : view->view.nodes)
      if (peer.id == node) return peer.name;
  return node;
}

// As the control plane says, those that have not answered lately last. One that the path has passed is left out: it
// would refuse.
std::vector<std::string> Onward::order(const PathRequest& path) const {
  std::vector<std::string> order, last;
  const IndexedView* view = watch_.view();
  if (!view) return order;
  auto listed = view->via(path.egress);
  for (std::string& node : listed) {
    if (node == self_ || std::ranges::find(path.hops, node) != path.hops.end() || peers_.link_to(node) == nullptr)
      continue;
    const auto doubtful = doubtful_.find(node);
    (doubtful != doubtful_.end() && clock_.boot() < doubtful->second ? last : order).push_back(std::move(node));
  }
  order.insert(order.end(), last.begin(), last.end());
  return order;
}

Error Onward::no_way(const PathRequest& path) const {
  Error error{Code::kUnavailable, "the relay is not connected to this gateway", std::string(tunnel::kRelayAway),
              Hop::kGateway};
  const IndexedView* view = watch_.view();
  const auto via = view ? view->via(path.egress) : std::vector<std::string>{};
  if (via.empty()) return error;
  error.message += ", and no gateway that leads to it is:";
  for (const std::string& node : via) error.message += " " + name_of(node);
  return error;
}

net::Task<Result<Onward::Way>> Onward::open(PathRequest path) {
  const auto nodes = order(path);
  if (nodes.empty()) co_return std::unexpected(no_way(path));
  if (path.hops.size() + 1 >= tunnel::kHopLimit)
    co_return std::unexpected(
        Error{Code::kUnavailable,
              "the way to the relay has too many gateways in a row: " + tunnel::to_text(path.hops) + "," + self_,
              std::string(tunnel::kTooManyHops), Hop::kGateway});
  Result<Way> way = std::unexpected(no_way(path));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    way = co_await by(nodes[i], path, i + 1 < nodes.size() ? limits_.while_others : limits_.answer);
    const bool ended = co_await net::cancelled();
    if (way || ended) break;
    if (way.error().code == Code::kTimeout) doubtful_[nodes[i]] = clock_.boot() + limits_.doubt;
    log::info("a gateway cannot be the next hop",
              {{"gateway", name_of(nodes[i])}, {"egress", path.egress}, {"why", way.error()}});
    way = std::unexpected(std::move(way).error().within("gateway " + name_of(nodes[i])).at(Hop::kGateway));
  }
  co_return way;
}

// The next gateway may answer with a ticket, or that the stream is the path itself.
net::Task<Result<Onward::Way>> Onward::by(std::string node, PathRequest path, std::chrono::milliseconds limit) {
  const tunnel::Link* link = peers_.link_to(node);
  if (link == nullptr) co_return fail(Code::kUnavailable, "the link has just ended");
  const auto nested = nested_.find(node);
  if (peers_.links_only(node) || (nested != nested_.end() && clock_.boot() < nested->second)) path.spliced = false;
  tunnel::Hops passed = path.hops;
  passed.push_back(self_);
  auto headers = tunnel::to_headers({std::move(passed), path.user.account, path.user.device});
  if (path.spliced) headers.emplace(tunnel::kPathHeader, tunnel::kPathSpliced);
  CO_TRY(auto stream, link->mux->open({path.egress, std::move(headers), memory_.of(path.user.account)}));
  CO_CHECK(co_await stream->answered(limit));
  Way way{{node}};
  const auto& answer = stream->answer();
  if (const auto further = answer.find(tunnel::kHopsHeader); further != answer.end())
    if (auto hops = tunnel::parse_hops(further->second)) way.hops.insert(way.hops.end(), hops->begin(), hops->end());
  const auto ticket = answer.find(tunnel::kTicketHeader);
  if (!path.spliced || ticket == answer.end()) {
    way.nested = std::move(stream);
    co_return way;
  }
  [[maybe_unused]] const auto closed = stream->shutdown_send();
  auto plain = co_await dial_plain(peers_.address_of(node), ticket->second);
  if (plain) {
    way.plain = std::move(*plain);
    co_return way;
  }
  if (plain.error().code == Code::kCancelled) co_return std::unexpected(std::move(plain).error());
  log::info("paths by a gateway are nested", {{"gateway", name_of(node)}, {"why", plain.error()}});
  nested_[node] = clock_.boot() + kNested;
  co_return co_await by(std::move(node), std::move(path), limit);
}

}  // namespace portolan::node

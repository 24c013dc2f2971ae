// How a gateway makes the paths that it is asked for: by its own link with the relay, spliced or nested, or by another
// gateway.
#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "net/join.h"
#include "net/wait.h"
#include "node/gateway.h"
#include "node/gateway_refusal.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kAnswerLimit = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kDialBackLimit = std::chrono::seconds(3);
// Of a relay that is asked for a path, or four round trips: then its link is asked for a sign of life. For the answer
// to that, before others are tried; and for any, before the link is given up.
constexpr std::chrono::milliseconds kPatience = std::chrono::milliseconds(500);
constexpr std::chrono::milliseconds kPongLimit = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kSilent = std::chrono::seconds(3);
constexpr std::string_view kRelaySilent = "relay_silent";

Error relay_away() {
  return refusal(Code::kUnavailable, "the relay is not connected to this gateway", tunnel::kRelayAway);
}

}  // namespace

Result<> Gateway::allows(const PathRequest& path) const {
  if (!is_id(path.egress, "n"))
    return std::unexpected(refusal(Code::kProtocol, "not a node: " + quoted(path.egress), "unknown_node"));
  const IndexedView* view = watch_.view();
  if (!view || !view->account_may_reach(path.user.account, path.egress))
    return std::unexpected(
        refusal(Code::kDenied, "this account may use nothing behind node " + quoted(path.egress), "no_grant"));
  if (streams_.of(path.user.account) + splices_.of(path.user.account) >= streams_per_account_)
    return std::unexpected(refusal(Code::kLimit, "too many streams of this account are open", "too_many_streams"));
  return {};
}

std::shared_ptr<Gateway::Relay> Gateway::linked(const std::string& node) const {
  const auto found = relays_.find(node);
  return found == relays_.end() || found->second->link->mux->ended() ? nullptr : found->second;
}

// A link can be dead without either end knowing: a router between them has forgotten it. Whoever waits for the relay
// finds out, and nobody waits for it again.
net::Task<Result<>> Gateway::answer_of(std::shared_ptr<Relay> relay, tunnel::MuxStream& stream,
                                       std::chrono::milliseconds limit) {
  const auto round_trips =
      std::chrono::ceil<std::chrono::milliseconds>(4 * relay->round_trip.value_or(std::chrono::microseconds(0)));
  const auto patience = std::min(std::max(kPatience, round_trips), limit);
  const auto answered = co_await stream.answered(patience);
  if (answered || answered.error().code != Code::kTimeout || patience == limit) co_return answered;
  relay->link->mux->probe(std::max(kSilent, round_trips));
  const auto pong = co_await relay->link->mux->ping(std::max(kPongLimit, round_trips));
  if (!pong && pong.error().code == Code::kTimeout)
    co_return std::unexpected(
        refusal(Code::kTimeout, "the relay's link with this gateway gives no sign of life", std::string(kRelaySilent)));
  co_return co_await stream.answered(limit - patience);
}

// Looked up by name: a link may end while somebody waits.
net::Task<Result<tunnel::Ticket>> Gateway::splice(PathRequest path) {
  const auto relay = linked(path.egress);
  if (!relay || (relay->link->agreed.features & tunnel::kSplices) == 0)
    co_return fail(Code::kUnavailable, "the relay is of a release that dials no path back");
  CO_TRY(const auto tickets, splices_.issue({path.user, path.egress, path.from()}));
  auto asked =
      relay->link->mux->open({path.egress, {{std::string(tunnel::kDialBackHeader), tunnel::to_text(tickets.relay)}}});
  const auto answered =
      asked ? co_await answer_of(relay, **asked, kDialBackLimit) : Result<>(std::unexpected(std::move(asked).error()));
  if (answered) co_return tickets.user;
  splices_.withdraw(tickets);
  co_return std::unexpected(answered.error());
}

net::Task<Result<std::unique_ptr<tunnel::MuxStream>>> Gateway::nest(std::string node, std::string account) {
  const auto relay = linked(node);
  if (!relay) co_return std::unexpected(relay_away());
  auto way = relay->link->mux->open({std::move(node), {}, memory_.of(account)});
  if (!way) co_return std::unexpected(std::move(way).error().within("open a stream to the relay").at(Hop::kGateway));
  auto answered = co_await answer_of(relay, **way, kAnswerLimit);
  if (!answered) co_return std::unexpected(std::move(answered).error().within("the relay").at(Hop::kGateway));
  co_return std::move(*way);
}

// A relay comes back within a moment of its own start, or of this gateway's: who may be let wait need not ask again.
net::Task<bool> Gateway::comes(std::string relay, std::chrono::milliseconds limit) {
  const BootTime until = clock_.boot() + limit;
  while (!linked(relay)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock_.boot());
    if (left.count() <= 0 || leaving_) break;
    const auto came = co_await relay_linked_.wait(left);
    if (!came) break;
  }
  co_return linked(relay) != nullptr;
}

net::Task<Result<Gateway::Found>> Gateway::find_here(PathRequest path) {
  if (path.spliced) {
    const auto ticket = co_await splice(path);
    if (ticket) co_return Found{*ticket};
    // A nested path would have to go by the same link.
    if (ticket.error().reason == kRelaySilent) co_return std::unexpected(ticket.error());
    // Whoever has asked sees that the answer has no ticket: the path is nested.
    log::debug("a path cannot be spliced", {{"relay", path.egress}, {"why", ticket.error()}});
  }
  CO_TRY(auto nested, co_await nest(path.egress, path.user.account));
  co_return Found{{}, std::move(nested)};
}

net::Task<Result<Gateway::Found>> Gateway::find(PathRequest path) {
  std::optional<Error> silent;
  if (linked(path.egress)) {
    auto here = co_await find_here(path);
    // What a link says that has just ended, or is silent, is no answer of the relay: there may be another way.
    const bool is_silent = !here && here.error().reason == kRelaySilent;
    const bool cancelled = co_await net::cancelled();
    if (here || cancelled || (!is_silent && linked(path.egress))) co_return here;
    log::info("a relay does not answer", {{"relay", path.egress}, {"why", here.error()}});
    if (is_silent) silent = std::move(here).error();
  }
  auto onward = co_await find_onward(path);
  if (onward || onward.error().reason != tunnel::kRelayAway) co_return onward;
  if (silent) co_return std::unexpected(std::move(*silent));
  if (path.wait.count() == 0) co_return onward;
  const bool came = co_await comes(path.egress, path.wait);
  if (!came) co_return onward;
  co_return co_await find_here(std::move(path));
}

net::Task<Result<Gateway::Found>> Gateway::find_onward(PathRequest path) {
  if (beyond_.onward == nullptr) co_return std::unexpected(relay_away());
  CO_TRY(auto way, co_await beyond_.onward->open(path));
  if (!way.plain) co_return Found{{}, std::move(way.nested), std::move(way.hops)};
  const auto tickets = splices_.issue({path.user, way.hops.front(), path.from()});
  if (tickets) {
    splices_.take(std::move(way.plain), tickets->relay);
    co_return Found{tickets->user, {}, std::move(way.hops)};
  }
  way.plain.reset();
  path.spliced = false;
  CO_TRY(way, co_await beyond_.onward->open(std::move(path)));
  co_return Found{{}, std::move(way.nested), std::move(way.hops)};
}

net::Task<> Gateway::forward(PathRequest path, std::unique_ptr<tunnel::Incoming> incoming) {
  if (const auto allowed = allows(path); !allowed) {
    ++counters_.refused;
    log::warn("stream refused", {{"account", path.user.account}, {"why", allowed.error()}});
    incoming->refuse(allowed.error());
    co_return;
  }
  const Counted counted(streams_, path.user.account);
  if (path.egress == beyond_.self && beyond_.on_path) {
    beyond_.on_path(incoming->accept());
    co_return;
  }
  auto found = co_await find(path);
  if (!found) {
    ++counters_.refused;
    incoming->refuse(found.error());
    co_return;
  }
  net::http::Headers answer;
  if (!found->hops.empty()) answer.emplace(tunnel::kHopsHeader, tunnel::to_text(found->hops));
  if (found->ticket) {
    answer.emplace(tunnel::kTicketHeader, tunnel::to_text(*found->ticket));
    const auto told = incoming->accept(std::move(answer));
    [[maybe_unused]] const auto finished = co_await net::finish(*told, kAnswerLimit);
    co_return;
  }
  const auto stream = incoming->accept(std::move(answer));
  incoming.reset();  // what was asked need not be kept while the stream goes on
  co_await carry(path, *stream, *found->nested);
}

net::Task<> Gateway::carry(const PathRequest& path, net::Stream& from, net::Stream& to) {
  ++counters_.streams;
  std::shared_ptr<Transit> transit;
  net::JoinOptions options;
  if (!path.from().empty()) {
    transit = running_.emplace_back(std::make_shared<Transit>(path.user));
    options.stop = &transit->stop;
  }
  const net::Joined joined = co_await net::join(from, to, options);
  counters_.bytes += joined.forward + joined.backward;
  if (!transit) co_return;
  running_.remove(transit);
  log::info("forwarded path ended", {{"account", path.user.account},
                                     {"gateway", path.from()},
                                     {"egress", path.egress},
                                     {"bytes", joined.forward + joined.backward}});
}

}  // namespace portolan::node

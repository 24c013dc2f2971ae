// How end-to-end links are made, and made anew before their certificates end.
#include <algorithm>

#include "base/log.h"
#include "client/paths.h"
#include "client/paths_limits.h"
#include "net/wait.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kDialLimit = std::chrono::seconds(5);
// For the answer of a gateway, and for the handshake with the egress node, where a pipe is resumed.
constexpr std::chrono::milliseconds kResumeLimit = std::chrono::seconds(3);

std::vector<MeasuredGateway> measured(const std::vector<Gateways::Linked>& linked) {
  std::vector<MeasuredGateway> all;
  for (const auto& gateway : linked) all.push_back(gateway.measured);
  return all;
}

}  // namespace

net::Task<> Paths::keep_fresh() {
  for (;;) {
    const auto slept = co_await net::sleep_for(kLook);
    if (!slept) co_return;
    choice_.look(measured(gateways_.linked_now()));
    for (const auto& [egress, path] : paths_) {
      if (!path->opening) path->channels.tidy();
      for (const auto& channel : path->channels.all()) {
        if (channel->renewing || clock_.boot() < channel->next_renewal) continue;
        if (!channel->links.due(credentials_.certificate, clock_.wall())) continue;
        channel->renewing = true;
        tasks_.spawn("renew-link", renew_link({egress, channel}));
      }
    }
  }
}

net::Task<> Paths::renew_link(Wanted wanted) {
  const auto made = co_await make_link(wanted);
  if (!made && made.error().code != Code::kCancelled)
    log::warn("cannot renew the link to an egress yet", {{"egress", wanted.egress}, {"why", made.error()}});
  wanted.channel->next_renewal = clock_.boot() + kRenewalRetry;
  wanted.channel->renewing = false;
}

net::Task<Result<>> Paths::make_link(Wanted wanted) {
  const std::string egress = wanted.egress;
  if (auto cluster = clusters_.address_of(egress))
    co_return co_await link_to_cluster(std::move(wanted), std::move(*cluster));
  if (!gateways_.address_of(egress)) co_return co_await link_by_gateways(std::move(wanted));
  auto direct = co_await gateways_.dial(egress, kDialLimit);
  if (direct) co_return co_await link_over(Way{std::move(*direct)}, std::move(wanted), "");
  Error why = std::move(direct).error().within("gateway " + gateways_.name_of(egress)).at(Hop::kAgent);
  // Not from here, but perhaps from another gateway.
  const auto others = gateways_.linked_now();
  const bool none = std::ranges::all_of(others, [&](const auto& gateway) { return gateway.id == egress; });
  if (none || why.code == Code::kCancelled) co_return std::unexpected(std::move(why));
  auto by_others = co_await link_by_gateways(std::move(wanted));
  if (by_others || by_others.error().code == Code::kConflict || by_others.error().reason == tunnel::kPipeUnknown)
    co_return by_others;
  co_return std::unexpected(std::move(why));
}

// The egress itself has been tried.
std::vector<std::pair<std::string, std::string>> Paths::order_for(const std::string& egress,
                                                                  const std::vector<Gateways::Linked>& gateways) {
  std::vector<std::pair<std::string, std::string>> order;
  for (const std::string& id : choice_.order(egress, measured(gateways)))
    if (id != egress && clusters_.may_go_by(id, egress)) order.emplace_back(id, gateways_.name_of(id));
  return order;
}

net::Task<Result<>> Paths::link_by_gateways(Wanted wanted) {
  const Resumed& resumed = wanted.resumed;
  auto gateways = co_await gateways_.linked(kGatewayWait);
  if (!gateways) co_return std::unexpected(std::move(gateways).error().at(Hop::kAgent));
  Result<> result = fail(Code::kUnavailable, "no gateway", "gateway_away");
  auto order = order_for(wanted.egress, *gateways);
  // The way that has fallen silent comes last.
  const std::string silent_id = resumed && resumed->attached() ? wanted.channel->gateway_id : "";
  if (const auto silent = std::ranges::find(order, silent_id, &std::pair<std::string, std::string>::first);
      silent != order.end())
    std::rotate(silent, std::next(silent), order.end());
  // A gateway that is the egress itself is not waited for at another one: it is dialled again.
  bool away = resumed != nullptr && !order.empty() && !gateways_.address_of(wanted.egress);
  for (const auto& [id, name] : order) {
    if (resumed && !resumed->wants_link()) co_return fail(Code::kConflict, "the pipe has a link");
    result = co_await link_by_gateway(wanted, id, std::chrono::milliseconds(0));
    if (result && !silent_id.empty() && id != silent_id && gateways_.serves(silent_id)) choice_.doubt(silent_id);
    if (result || result.error().reason == tunnel::kPipeUnknown) break;
    if (result.error().code == Code::kTimeout) choice_.doubt(id);
    away = away && result.error().reason == tunnel::kRelayAway;
    result = std::unexpected(std::move(result).error().within("gateway " + name));
  }
  if (result || !away) co_return result;
  if (!resumed->wants_link()) co_return fail(Code::kConflict, "the pipe has a link");
  // All have lost the relay, or are new themselves: it is about to come back, if it is to come at all.
  const auto& [id, name] = order.front();
  result = co_await link_by_gateway(wanted, id, kRelayWait);
  if (!result && result.error().reason != tunnel::kPipeUnknown)
    result = std::unexpected(std::move(result).error().within("gateway " + name));
  co_return result;
}

// A spliced way through which nothing comes, since a balancer or a filter stands before the gateway, gives place to a
// nested one.
net::Task<Result<>> Paths::link_by_gateway(Wanted wanted, std::string gateway, std::chrono::milliseconds wait) {
  const std::string& egress = wanted.egress;
  const WayLimits limits{wanted.resumed ? kResumeLimit : kAnswerLimit, wait};
  auto way = co_await ways_.open(gateway, egress, limits);
  if (!way) co_return tunnel::of_the_way(std::move(way).error());
  const bool spliced = way->spliced;
  auto linked = co_await link_over(std::move(*way), wanted, gateway);
  if (linked || !spliced || linked.error().code == Code::kCancelled || linked.error().code == Code::kConflict ||
      linked.error().reason == tunnel::kPipeUnknown)
    co_return linked;
  if (linked.error().code == Code::kTimeout) gateways_.fell_silent();
  const std::string why = std::move(linked).error().message;
  auto nested = co_await ways_.open_nested(gateway, egress, limits, why);
  if (!nested) co_return tunnel::of_the_way(std::move(nested).error());
  linked = co_await link_over(std::move(*nested), wanted, gateway);
  if (linked) ways_.does_not_splice(gateway, egress, why);
  co_return linked;
}

net::Task<Result<>> Paths::link_over(Way way, Wanted wanted, std::string gateway) {
  const std::string& egress = wanted.egress;
  const Resumed& resumed = wanted.resumed;
  Channel& channel = *wanted.channel;
  CO_TRY(auto tls,
         tunnel::make_link_client(link_identity(credentials_), tunnel::Purpose::kInner,
                                  node_uri(credentials_, Clusters::id_of(egress)), worker_for(egress, resumed)));
  tunnel::LinkOptions options{.pipe = tunnel::LinkOptions::PipeParts{pipes_}};
  if (way.spliced) options.handshake_limit = kResumeLimit;
  auto linked = resumed ? co_await tunnel::resume_link(std::move(way.stream), std::move(tls), resumed, kResumeLimit)
                        : co_await channel.links.dial(std::move(way.stream), std::move(tls), credentials_.certificate,
                                                      tunnel::Purpose::kInner, std::move(options), nullptr);
  if (!linked) co_return std::unexpected(std::move(linked).error().at(Hop::kEgress));
  channel.gateway = clusters_.is_egress(egress) ? name_of_(Clusters::id_of(egress))
                                                : gateways_.name_of(gateway.empty() ? egress : gateway);
  channel.kind = gateway.empty() ? "direct" : way.spliced ? "spliced" : "nested";
  channel.fallback = std::move(way.fallback);
  channel.gateway_id = gateway;
  channel.hops = std::move(way.hops);
  changes_.note();
  log::info(resumed ? "end-to-end link resumed" : "end-to-end link",
            {{"egress", egress}, {"gateway", channel.gateway}, {"kind", channel.kind}});
  if (resumed) {
    goes_by(resumed, gateway);
    clusters_.found(resumed);
    co_return Result<>{};
  }
  channel.not_reconnected.reset();
  channel.tells_endings = false;
  ++path_to(egress).handshakes;
  if (const auto pipe = channel.pipe()) {
    look_after(wanted, pipe);
    goes_by(pipe, gateway);
    if (clusters_.is_egress(egress)) clusters_.note_worker(pipe, channel.links.newest()->peer);
  }
  co_return Result<>{};
}

}  // namespace portolan::client

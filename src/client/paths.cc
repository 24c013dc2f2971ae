#include "client/paths.h"

#include <algorithm>

#include "api/assertion.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "net/backoff.h"
#include "net/tcp.h"
#include "net/wait.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kGatewayWait = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kAnswerLimit = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kDialLimit = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kRenewalRetry = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);  // whether a link must be made anew
constexpr std::chrono::milliseconds kShortestRenewal = std::chrono::milliseconds(500);
// After a change of the network, as for gateways.
constexpr std::chrono::milliseconds kProbeLimit = std::chrono::seconds(1);
constexpr std::size_t kEndingLine = 16 * 1024;
// Of reconnecting: between attempts; for the answer of a gateway, and for the handshake with the egress node.
constexpr std::chrono::milliseconds kFirstRest = std::chrono::milliseconds(40);
constexpr std::chrono::milliseconds kLongestRest = std::chrono::seconds(2);
// A link that has lasted so long was a good one.
constexpr std::chrono::milliseconds kLasting = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kFarewell = std::chrono::milliseconds(500);
// For so long another egress node is tried before one that no link could be made to.
constexpr std::chrono::milliseconds kSpared = std::chrono::seconds(15);
constexpr std::chrono::milliseconds kResumeLimit = std::chrono::seconds(3);

std::vector<MeasuredGateway> measured(const std::vector<Gateways::Linked>& linked) {
  std::vector<MeasuredGateway> all;
  for (const auto& gateway : linked) all.push_back(gateway.measured);
  return all;
}

}  // namespace

Paths::Paths(const net::Executor& executor, const Credentials& credentials, const Clock& clock, Gateways& gateways,
             Changes& changes, PathKinds kinds)
    : credentials_(credentials),
      clock_(clock),
      gateways_(gateways),
      ways_(gateways, clock, kinds),
      choice_(clock),
      changes_(changes),
      tasks_(executor) {
  gateways_.on_leaving([this](const std::string& id) { move_from(id); });
  gateways_.on_plain_way([this](const std::string& id) { move_to_plain(id); });
  tasks_.spawn("renew-links", keep_fresh());
}

Paths::Path::Path(const net::Executor& executor, std::string egress, Changes& changes)
    : links([egress = std::move(egress), &changes](const Error& why) {
        log::warn("end-to-end link ended", {{"egress", egress}, {"why", why}});
        changes.note();
      }),
      turn(executor),
      hurry(executor),
      rest(kFirstRest, kLongestRest) {}

Paths::Path& Paths::path_to(const std::string& egress) {
  auto& path = paths_[egress];
  if (!path) path = std::make_unique<Path>(tasks_.executor(), egress, changes_);
  return *path;
}

net::Task<> Paths::keep_fresh() {
  for (;;) {
    const auto slept = co_await net::sleep_for(kLook);
    if (!slept) co_return;
    choice_.look(measured(gateways_.linked_now()));
    for (const auto& [egress, path] : paths_) {
      path->links.tidy();
      if (path->renewing || clock_.boot() < path->next_renewal) continue;
      if (!path->links.due(credentials_.certificate, clock_.wall())) continue;
      path->renewing = true;
      tasks_.spawn("renew-link", renew_link(egress));
    }
  }
}

net::Task<> Paths::renew_link(std::string egress) {
  Path& path = path_to(egress);
  const auto made = co_await make_link(egress, nullptr);
  if (!made && made.error().code != Code::kCancelled)
    log::warn("cannot renew the link to an egress yet", {{"egress", egress}, {"why", made.error()}});
  path.next_renewal = clock_.boot() + kRenewalRetry;
  path.renewing = false;
}

net::Task<Result<OpenedStream>> Paths::open(api::AgentResource resource, std::string operation, std::string trace) {
  for (std::string& egress : resource.egress)
    if (clusters_.is_egress(egress)) egress = member_of(egress, resource.id);
  std::vector<std::string> candidates;
  for (const std::string& egress : resource.egress)
    if (const auto use = uses_.find({resource.id, egress}); use != uses_.end() && use->second.sessions > 0)
      candidates.push_back(egress);
  for (const std::string& egress : resource.egress)
    if (std::ranges::find(candidates, egress) == candidates.end()) candidates.push_back(egress);
  if (candidates.empty()) {
    // The control plane knows why: that there is none at all is only one of the reasons.
    const std::string none = "no relay or gateway serves it; an admin has to add one";
    const std::string why = resource.health ? resource.health->reason.value_or(none) : none;
    co_return fail(Code::kUnavailable, "nobody can reach " + quoted(resource.name) + ": " + why, "no_egress");
  }
  std::vector<std::string> last;
  for (const std::string& egress : candidates) {
    const auto path = paths_.find(egress);
    if (silent(egress) || (path != paths_.end() && clock_.boot() < path->second->spare_until)) last.push_back(egress);
  }
  std::erase_if(candidates, [&](const std::string& egress) { return std::ranges::find(last, egress) != last.end(); });
  candidates.insert(candidates.end(), last.begin(), last.end());
  Result<OpenedStream> opened = fail(Code::kInternal, "not tried");
  for (const std::string& egress : candidates) {
    opened = co_await open_at(resource, egress, operation, trace);
    if (opened || !opened.error().retry_can_help()) break;
  }
  co_return opened;
}

// A link that is only to be replaced, since its gateway is leaving, is not silent.
bool Paths::silent(const std::string& egress) const {
  const auto path = paths_.find(egress);
  if (path == paths_.end()) return false;
  const tunnel::Link* link = path->second->links.newest();
  if (!link || !link->pipe || !link->pipe->attached() || !link->pipe->wants_link()) return false;
  const std::string& gateway = path->second->gateway_id;
  return gateway.empty() || gateways_.serves(gateway);
}

Error Paths::no_answer(const std::string& resource, const std::string& egress, std::chrono::nanoseconds waited) const {
  const std::string kind = clusters_.is_egress(egress)    ? "cluster "
                           : gateways_.address_of(egress) ? "gateway "
                                                          : "relay ";
  return {Code::kTimeout,
          quoted(resource) + ": " + kind + name_of_(Clusters::id_of(egress)) + " has not answered for " +
              std::to_string(std::chrono::floor<std::chrono::seconds>(waited).count()) + " s",
          std::string(kEgressSilent), Hop::kAgent};
}

net::Task<Result<OpenedStream>> Paths::open_at(api::AgentResource resource, std::string egress, std::string operation,
                                               std::string trace) {
  CO_CHECK(co_await ensure(egress));
  Path& path = path_to(egress);
  const tunnel::Link* link = path.links.newest();
  if (!link) co_return fail(Code::kUnavailable, "the link to the egress node has just ended");
  if (operation == "open" && !std::exchange(path.tells_endings, true))
    tasks_.spawn("follow-endings", follow_endings(resource, egress));
  CO_TRY(auto stream, open_on(*link, resource.id, egress, std::move(operation), std::move(trace)));
  co_return OpenedStream{std::move(stream), std::move(egress), link, path.gateway_id, link->pipe != nullptr};
}

Result<std::unique_ptr<tunnel::MuxStream>> Paths::open_on(const tunnel::Link& link, const std::string& resource,
                                                          const std::string& egress, std::string operation,
                                                          std::string trace) {
  std::string node = egress;
  if (Clusters::id_of(egress) != egress) {
    PL_TRY(const auto worker, crypto::parse_node_identity(link.peer));
    node = worker.node;
  }
  const auto assertion = api::make_assertion(credentials_.state.account, credentials_.state.device, resource, node,
                                             link.binding, clock_.wall());
  return link.mux->open({resource,
                         {{"portolan-assertion", api::sign_assertion(assertion, credentials_.key)},
                          {"portolan-operation", std::move(operation)},
                          {"portolan-trace", std::move(trace)}}});
}

// One task makes the link; others that want it meanwhile wait for its outcome.
net::Task<Result<>> Paths::ensure(std::string egress) {
  for (;;) {
    Path& path = path_to(egress);
    const tunnel::Link* link = path.links.newest();
    if (link && !(link->pipe && link->pipe->over())) {
      if (!link->pipe || link->pipe->attached()) co_return Result<>{};
      CO_CHECK(co_await wait_for_pipe(egress, link->pipe));
      continue;
    }
    if (!path.opening) break;
    const auto opening = path.opening;
    const auto waited = co_await opening->wait(kGatewayWait + kAnswerLimit);
    if (!waited) co_return std::unexpected(waited.error());
    if (!path.links.up() && !path.opening) break;
  }
  const auto opening = std::make_shared<net::Event>(tasks_.executor());
  path_to(egress).opening = opening;
  auto made = co_await make_link(egress, nullptr);
  path_to(egress).spare_until = made ? BootTime{} : clock_.boot() + kSpared;
  path_to(egress).opening.reset();
  opening->set();
  co_return made;
}

// Whoever wants to open a stream need not wait longer than for one attempt: there may be another egress node.
net::Task<Result<>> Paths::wait_for_pipe(std::string egress, std::shared_ptr<tunnel::Pipe> pipe) {
  Path& path = path_to(egress);
  if (path.not_reconnected) co_return std::unexpected(*path.not_reconnected);
  const auto waited = co_await path.turn.wait(kGatewayWait + kAnswerLimit);
  if (!waited) co_return std::unexpected(waited.error());
  if (pipe->attached() || pipe->over()) co_return Result<>{};
  if (path.not_reconnected) co_return std::unexpected(*path.not_reconnected);
  co_return fail(Code::kUnavailable, "the link to the egress node has just ended");
}

void Paths::look_after(const std::string& egress, const std::shared_ptr<tunnel::Pipe>& pipe) {
  pipe->on_change([this, egress, weak = std::weak_ptr(pipe)] {
    const auto changed = weak.lock();
    if (!changed) return;
    changes_.note();
    if (changed->wants_link() && reconnecting_.insert(changed.get()).second)
      tasks_.spawn("reconnect", reconnect(egress, changed));
  });
}

void Paths::goes_by(const std::shared_ptr<tunnel::Pipe>& pipe, const std::string& gateway) {
  std::erase_if(piped_, [&](const Piped& known) { return known.pipe.expired() || known.pipe.lock() == pipe; });
  if (gateway.empty()) return;
  piped_.push_back({pipe, gateway});
  // It may have said that it is leaving while the link was being made.
  if (!gateways_.serves(gateway)) pipe->replace_link();
}

void Paths::move_from(const std::string& gateway) {
  for (const Piped& piped : piped_)
    if (const auto pipe = piped.pipe.lock(); pipe && piped.gateway == gateway) pipe->replace_link();
}

void Paths::move_to_plain(const std::string& gateway) {
  move_from(gateway);
  const auto direct = paths_.find(gateway);
  if (direct == paths_.end() || !direct->second->gateway_id.empty()) return;
  if (const tunnel::Link* link = direct->second->links.newest(); link && link->pipe) link->pipe->replace_link();
}

// A first moment of rest, each of another length: after a gateway's death thousands come at once. Longer ones also
// where each link breaks as soon as it has been made: whoever lets us in and then cuts us off would have handshakes
// without end. A link that is only silent, or whose gateway is leaving, is not given up before another answers.
net::Task<> Paths::reconnect(std::string egress, std::shared_ptr<tunnel::Pipe> pipe) {
  Path& path = path_to(egress);
  log::info(pipe->attached() ? "an end-to-end link is silent, or its gateway is leaving; trying another way"
                             : "an end-to-end link has broken; reconnecting",
            {{"egress", egress}, {"gateway", path.gateway}});
  if (clock_.boot() - path.reconnected >= kLasting) path.rest.reset();
  while (pipe->wants_link()) {
    const auto rested = co_await path.hurry.wait(path.rest.next());
    if (!rested && rested.error().code == Code::kCancelled) break;
    if (!pipe->wants_link()) break;
    auto resumed = co_await make_link(egress, pipe);
    // Not as an error says: a gateway's link that is closed here calls itself cancelled, too.
    const bool ended = co_await net::cancelled();
    if (ended) break;
    if (resumed) path.reconnected = clock_.boot();
    if (resumed || resumed.error().code == Code::kConflict) {
      path.not_reconnected.reset();
    } else if (resumed.error().reason == tunnel::kPipeUnknown) {
      pipe->end(std::move(resumed).error());
    } else if (resumed.error().reason == tunnel::kOtherWorker && clusters_.missed(pipe)) {
      pipe->end(clusters_.lost(egress));
    } else if (pipe->wants_link()) {
      log::info("cannot reconnect yet", {{"egress", egress}, {"why", resumed.error()}});
      path.not_reconnected = std::move(resumed).error();
    }
    path.turn.set();
    changes_.note();
  }
  if (!pipe->over() && pipe->attached()) path.not_reconnected.reset();
  reconnecting_.erase(pipe.get());
  changes_.note();
}

net::Task<Result<>> Paths::make_link(std::string egress, Resumed resumed) {
  if (auto cluster = clusters_.address_of(egress))
    co_return co_await link_to_cluster(std::move(egress), std::move(*cluster), std::move(resumed));
  if (!gateways_.address_of(egress)) co_return co_await link_by_gateways(std::move(egress), std::move(resumed));
  auto direct = co_await gateways_.dial(egress, kDialLimit);
  if (direct) co_return co_await link_over(Way{std::move(*direct)}, std::move(egress), "", std::move(resumed));
  Error why = std::move(direct).error().within("gateway " + gateways_.name_of(egress)).at(Hop::kAgent);
  // Not from here, but perhaps from another gateway.
  const auto others = gateways_.linked_now();
  const bool none = std::ranges::all_of(others, [&](const auto& gateway) { return gateway.id == egress; });
  if (none || why.code == Code::kCancelled) co_return std::unexpected(std::move(why));
  auto by_others = co_await link_by_gateways(std::move(egress), std::move(resumed));
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

net::Task<Result<>> Paths::link_by_gateways(std::string egress, Resumed resumed) {
  auto gateways = co_await gateways_.linked(kGatewayWait);
  if (!gateways) co_return std::unexpected(std::move(gateways).error().at(Hop::kAgent));
  Result<> result = fail(Code::kUnavailable, "no gateway", "gateway_away");
  auto order = order_for(egress, *gateways);
  // The way that has fallen silent comes last.
  const std::string silent_id = resumed && resumed->attached() ? path_to(egress).gateway_id : "";
  if (const auto silent = std::ranges::find(order, silent_id, &std::pair<std::string, std::string>::first);
      silent != order.end())
    std::rotate(silent, std::next(silent), order.end());
  for (const auto& [id, name] : order) {
    if (resumed && !resumed->wants_link()) co_return fail(Code::kConflict, "the pipe has a link");
    result = co_await link_by_gateway(egress, id, resumed);
    if (result && !silent_id.empty() && id != silent_id && gateways_.serves(silent_id)) choice_.doubt(silent_id);
    if (result || result.error().reason == tunnel::kPipeUnknown) break;
    if (result.error().code == Code::kTimeout) choice_.doubt(id);
    result = std::unexpected(std::move(result).error().within("gateway " + name));
  }
  co_return result;
}

// A spliced way through which nothing comes, since a balancer or a filter stands before the gateway, gives place to a
// nested one.
net::Task<Result<>> Paths::link_by_gateway(std::string egress, std::string gateway, Resumed resumed) {
  const auto limit = resumed ? kResumeLimit : kAnswerLimit;
  auto way = co_await ways_.open(gateway, egress, limit);
  if (!way) co_return tunnel::of_the_way(std::move(way).error());
  const bool spliced = way->spliced;
  auto linked = co_await link_over(std::move(*way), egress, gateway, resumed);
  if (linked || !spliced || linked.error().code == Code::kCancelled || linked.error().code == Code::kConflict ||
      linked.error().reason == tunnel::kPipeUnknown)
    co_return linked;
  const std::string why = std::move(linked).error().message;
  auto nested = co_await ways_.open_nested(gateway, egress, limit, why);
  if (!nested) co_return tunnel::of_the_way(std::move(nested).error());
  linked = co_await link_over(std::move(*nested), egress, gateway, resumed);
  if (linked) ways_.does_not_splice(gateway, egress, why);
  co_return linked;
}

net::Task<Result<>> Paths::link_over(Way way, std::string egress, std::string gateway, Resumed resumed) {
  CO_TRY(auto tls,
         tunnel::make_link_client(link_identity(credentials_), tunnel::Purpose::kInner,
                                  node_uri(credentials_, Clusters::id_of(egress)), worker_for(egress, resumed)));
  Path& path = path_to(egress);
  tunnel::LinkOptions options{.pipe = tunnel::LinkOptions::PipeParts{pipes_}};
  if (way.spliced) options.handshake_limit = kResumeLimit;
  auto linked = resumed ? co_await tunnel::resume_link(std::move(way.stream), std::move(tls), resumed, kResumeLimit)
                        : co_await path.links.dial(std::move(way.stream), std::move(tls), credentials_.certificate,
                                                   tunnel::Purpose::kInner, std::move(options), nullptr);
  if (!linked) co_return std::unexpected(std::move(linked).error().at(Hop::kEgress));
  path.gateway = clusters_.is_egress(egress) ? name_of_(Clusters::id_of(egress))
                                             : gateways_.name_of(gateway.empty() ? egress : gateway);
  path.kind = gateway.empty() ? "direct" : way.spliced ? "spliced" : "nested";
  path.fallback = std::move(way.fallback);
  path.gateway_id = gateway;
  path.hops = std::move(way.hops);
  changes_.note();
  log::info(resumed ? "end-to-end link resumed" : "end-to-end link",
            {{"egress", egress}, {"gateway", path.gateway}, {"kind", path.kind}});
  if (resumed) {
    goes_by(resumed, gateway);
    clusters_.found(resumed);
    co_return Result<>{};
  }
  path.not_reconnected.reset();
  path.tells_endings = false;
  ++path.handshakes;
  if (const tunnel::Link* link = path.links.newest(); link && link->pipe) {
    look_after(egress, link->pipe);
    goes_by(link->pipe, gateway);
    if (clusters_.is_egress(egress)) clusters_.note_worker(link->pipe, link->peer);
  }
  co_return Result<>{};
}

void Paths::session_began(const api::AgentResource& resource, const std::string& egress,
                          std::chrono::milliseconds lease_life) {
  const UseKey key{resource.id, egress};
  Use& use = uses_[key];
  use.resource = resource;
  use.lease_life = lease_life;
  ++use.sessions;
  changes_.note();
  if (!std::exchange(use.renewing, true)) tasks_.spawn("renew-lease", keep_renewed(key));
}

void Paths::session_ended(const std::string& resource, const std::string& egress) {
  if (const auto use = uses_.find({resource, egress}); use != uses_.end() && use->second.sessions > 0)
    --use->second.sessions;
  changes_.note();
}

std::optional<Error> Paths::why_ended(const OpenedStream& opened, const Error& failure) const {
  // What the pipe has found out says more than what has become of its last link.
  if (opened.piped && (failure.reason == tunnel::kPipeTimedOut || failure.reason == tunnel::kPipeUnknown ||
                       failure.reason == kWorkerLost)) {
    // The innermost cause; what is around it names streams and sockets.
    const auto inner = failure.message.rfind(": ");
    const std::string cause = inner == std::string::npos ? failure.message : failure.message.substr(inner + 2);
    return Error{failure.code, cause, failure.reason, Hop::kAgent};
  }
  const auto path = paths_.find(opened.egress);
  if (path != paths_.end() && path->second->links.standing(opened.link) != tunnel::Succession::Standing::kEnded)
    return std::nullopt;
  const std::string gateway = opened.piped && path != paths_.end() ? path->second->gateway_id : opened.gateway;
  if (!gateway.empty())
    if (auto why = gateways_.why_ended(gateway)) return why;
  const bool direct = gateway.empty();
  const bool cluster = clusters_.is_egress(opened.egress);
  std::string peer = (cluster  ? "a worker of cluster "
                      : direct ? "gateway "
                               : "node ") +
                     name_of_(Clusters::id_of(opened.egress));
  if (!direct) peer += ", by gateway " + gateways_.name_of(gateway) + ",";
  return why_link_ended(peer, failure, direct ? Hop::kGateway : Hop::kEgress);
}

// One stream for each link. An egress node that does not know the operation says so, and sessions end there without a
// word to us.
net::Task<> Paths::follow_endings(api::AgentResource resource, std::string egress) {
  const tunnel::Succession& links = path_to(egress).links;
  const tunnel::Link* link = links.newest();
  if (!link) co_return;
  auto opened = open_on(*link, resource.id, egress, "endings", make_id("t"));
  const auto answered = opened ? co_await (*opened)->answered(kAnswerLimit) : Result<>(std::unexpected(opened.error()));
  if (!answered) {
    log::debug("the egress node does not tell why sessions end", {{"egress", egress}, {"why", answered.error()}});
    co_return;
  }
  std::string pending;
  for (bool alone = false;;) {
    const auto more = co_await net::with_timeout(net::read(**opened), kLook);
    const auto standing = links.standing(link);
    if (!more && more.error().code == Code::kTimeout && standing != tunnel::Succession::Standing::kEnded) {
      // A link that has retired ends with its last stream, which must not be this one. The last session's line may
      // still be under way when it ends.
      const bool last = standing == tunnel::Succession::Standing::kRetired && link->mux->open_streams() <= 1;
      if (std::exchange(alone, last) && last) co_return;
      continue;
    }
    if (!more || more->empty()) co_return;
    alone = false;
    pending += as_text(more->data());
    for (auto end = pending.find('\n'); end != pending.npos; end = pending.find('\n')) {
      auto ending = json::decode<api::SessionEnding>(pending.substr(0, end), json::Unknown::kIgnore);
      pending.erase(0, end + 1);
      if (!ending) co_return;
      if (tell_ending_) tell_ending_(std::move(*ending));
    }
    if (pending.size() > kEndingLine) co_return;
  }
}

void Paths::probe() {
  ways_.forget();
  for (const auto& [egress, path] : paths_) {
    path->hurry.set();
    if (path->links.up() || path->links.retired() > 0) tasks_.spawn("probe-path", probe_one(egress));
  }
}

net::Task<> Paths::probe_one(std::string egress) {
  Path& path = path_to(egress);
  const Error why{Code::kUnavailable, "the network has changed, and the egress node does not answer", "network_changed",
                  Hop::kAgent};
  const auto answered = co_await path.links.probe_newest(kProbeLimit, why);
  if (!answered && answered.error().code == Code::kCancelled) co_return;
  if (!answered) changes_.note();
  [[maybe_unused]] const auto retired = co_await path.links.probe_retired(kProbeLimit, why);
}

// While sessions live, a fresh assertion every half life: without it the control plane renews no lease.
net::Task<> Paths::keep_renewed(UseKey key) {
  std::chrono::milliseconds pause = std::max(uses_[key].lease_life / 2, kShortestRenewal);
  for (;;) {
    const auto slept = co_await net::sleep_for(pause);
    if (!slept) co_return;
    const Use use = uses_[key];
    if (use.sessions == 0) {
      uses_.erase(key);
      co_return;
    }
    auto opened = co_await open_at(use.resource, key.second, "renew", make_id("t"));
    const auto answered =
        opened ? co_await opened->stream->answered(kAnswerLimit) : Result<>(std::unexpected(opened.error()));
    const bool ended = co_await net::cancelled();
    if (ended) co_return;
    if (!answered) {
      log::warn("cannot renew a lease", {{"resource", use.resource.name}, {"why", answered.error()}});
    }
    pause = std::max(answered ? use.lease_life / 2 : std::min(use.lease_life / 4, kRenewalRetry), kShortestRenewal);
  }
}

std::vector<api::LocalPath> Paths::status() const {
  std::vector<api::LocalPath> list;
  for (const auto& [egress, path] : paths_) {
    if (!path->links.up()) continue;
    std::uint64_t sessions = 0;
    for (const auto& [key, use] : uses_)
      if (key.second == egress) sessions += use.sessions;
    api::LocalPath entry{
        Clusters::id_of(egress), path->gateway, path->kind, sessions, path->handshakes, {}, "linked", {}, {}, {}, {}};
    if (!path->fallback.empty()) entry.fallback = path->fallback;
    if (!path->gateway_id.empty()) {
      entry.hops = {{path->gateway}};
      for (const std::string& hop : path->hops) entry.hops->push_back(gateways_.name_of(hop));
    }
    const auto& pipe = path->links.newest()->pipe;
    if (silent(egress)) entry.state = "silent";
    if (const auto left = pipe ? pipe->time_left() : std::nullopt) {
      entry.state = "reconnecting";
      entry.time_left_ms = static_cast<std::uint64_t>(left->count());
      if (path->not_reconnected) entry.reason = path->not_reconnected->message;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

net::Task<> Paths::stop() {
  gateways_.on_leaving(nullptr);
  gateways_.on_plain_way(nullptr);
  tasks_.cancel();
  co_await tasks_.join();
  // The egress nodes are told, or they would keep the sessions for whoever might come back.
  const auto until = std::chrono::steady_clock::now() + kFarewell;
  for (const auto& [egress, path] : paths_)
    path->links.close(Error{Code::kCancelled, "the client has stopped", "agent_stopped", Hop::kAgent});
  for (const auto& [egress, path] : paths_)
    while (path->links.lives() && std::chrono::steady_clock::now() < until)
      if (const auto slept = co_await net::sleep_for(std::chrono::milliseconds(5)); !slept) break;
  paths_.clear();
}

}  // namespace portolan::client

#include "control/health.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "api/assertion.h"
#include "base/words.h"
#include "control/health_views.h"
#include "control/leases.h"
#include "control/listing.h"
#include "directory/egress.h"

namespace portolan::control {
namespace {

constexpr std::chrono::milliseconds kTick = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kAskedLimit = std::chrono::seconds(15);
constexpr std::size_t kLinksLimit = 1000;
constexpr std::size_t kResultsLimit = 256;
constexpr std::size_t kNameLimit = 64;
constexpr std::size_t kWordsLimit = 256;

std::string name_of(Checks::Health health) {
  switch (health) {
    case Checks::Health::kHealthy: return "healthy";
    case Checks::Health::kUnhealthy: return "unhealthy";
    case Checks::Health::kUnknown: break;
  }
  return "unknown";
}

// What a node says goes to admins' terminals: of limited length, and plain.
api::NodeFacts facts_of(api::NodeHealth report, WallTime now) {
  api::NodeFacts facts;
  facts.reported = now;
  facts.uptime_s = report.uptime_s;
  facts.clock_offset_ms = (report.time - now).count();
  for (auto& name : report.checks)
    if (facts.checks.size() < kNameLimit) facts.checks.push_back(plain_words(name, kNameLimit));
  for (auto& link : report.links) {
    if (facts.links.size() >= kLinksLimit) break;
    link.node = plain_words(link.node, kNameLimit);
    link.address = plain_words(link.address, kWordsLimit);
    link.state = link.state == "up" ? "up" : "down";
    link.name.reset();
    if (link.reason) link.reason = plain_words(*link.reason, kWordsLimit);
    facts.links.push_back(std::move(link));
  }
  facts.load = report.load;
  return facts;
}

struct Wanted {
  std::string resource;
  std::string node;
  std::string state;

  bool passes(const Checks::Key& key) const {
    return (resource.empty() || key.first == resource) && (node.empty() || key.second == node);
  }
};

// An id or a name, as everywhere.
Result<Wanted> wanted_of(const net::http::Request& request, const Lookup& lookup) {
  Wanted wanted;
  if (const auto key = request.parameter("resource")) {
    PL_TRY(const auto resource, existing(lookup.resource(*key), "resource", *key));
    wanted.resource = resource.id;
  }
  if (const auto key = request.parameter("node")) {
    PL_TRY(const auto node, existing(lookup.node(*key), "node", *key));
    wanted.node = node.id;
  }
  wanted.state = request.parameter("state").value_or("");
  constexpr std::string_view kStates[] = {"healthy", "unhealthy", "unknown"};
  if (!wanted.state.empty()) PL_CHECK(check_one_of("state", wanted.state, kStates));
  return wanted;
}

}  // namespace

Health::Health(Core& core, Presence& presence, Routing& routing, Others others)
    : core_(core),
      presence_(presence),
      routing_(routing),
      others_(std::move(others)),
      checks_(core.options.clock, core.options.checks,
              [&core](const directory::Resource& resource) -> Result<Checks::Secrets> {
                Checks::Secrets out;
                if (!resource.sealed_password.empty()) {
                  PL_TRY(out.password, core.sealing.open(resource.sealed_password, password_context(resource.id)));
                }
                if (!resource.sealed_tls_key.empty()) {
                  PL_TRY(out.tls_key, core.sealing.open(resource.sealed_tls_key, tls_key_context(resource.id)));
                }
                return out;
              }),
      answered_(core.executor),
      timer_(core.executor) {
  timer_.schedule(kTick, [this] { tick(); });
  core.hub.on_change([this] { everybody_told_ = ++told_; });
}

void Health::add_to(Routes& routes) {
  routes.add_at_once("POST /v1/node/health", [this](const Exchange& exchange) { return take_report(exchange); });
  routes.add_watch(
      "GET /v1/health/resources", Topic::kHealth, [this](Exchange exchange) { return list(std::move(exchange)); },
      [this](Exchange exchange, Watch& its_watch, net::http::Sink& sink) {
        return watch(std::move(exchange), its_watch, sink);
      });
  routes.add_watch(
      "GET /v1/health/nodes", Topic::kHealth, [this](Exchange exchange) { return list_nodes(std::move(exchange)); },
      [this](Exchange exchange, Watch& its_watch, net::http::Sink& sink) {
        return watch_nodes(std::move(exchange), its_watch, sink);
      });
  routes.add("POST /v1/resources/{resource}/checks",
             [this](Exchange exchange) { return check_now(std::move(exchange)); });
}

// ---- nodes ----

// Leniently: a newer node may say more.
Answer Health::take_report(const Exchange& exchange) {
  const std::string& node = exchange.caller.node;
  PL_TRY(auto report, json::decode<api::NodeHealth>(exchange.call.request.body, json::Unknown::kIgnore));
  if (report.results.size() > kResultsLimit)
    return fail(Code::kInvalid, "results: at most " + std::to_string(kResultsLimit) + " at a time");
  const auto lookup = core_.lookup();
  presence_.seen(node);
  presence_.set_version(node, plain_words(report.version, kNameLimit));
  presence_.set_sessions(node, report.load.sessions);
  presence_.set_leaving(node, report.leaving.value_or(false));
  presence_.set_linking(node, report.linking.value_or(false));
  checks_.follow(lookup);
  checks_.node_can(node, report.checks, report.understands.value_or(std::vector<std::string>()));
  bool any = false;
  for (const auto& result : report.results) any = checks_.answer(node, result) || any;
  if (report.seen && report.seen->size() > kResultsLimit) report.seen->resize(kResultsLimit);
  for (const auto& seen : report.seen.value_or(std::vector<api::ResourceSeen>{})) any = checks_.seen(node, seen) || any;
  presence_.report(node, facts_of(std::move(report), core_.now()));
  routing_.touch();
  if (note_nodes(*lookup) || any) core_.hub.wake(Topic::kHealth);
  if (any) answered_.set();
  api::NodeHealthAnswer answer;
  answer.time = core_.now();
  answer.tasks = checks_.take(node);
  answer.next_ms = static_cast<std::uint64_t>(checks_.next(node).count());
  return ok(answer);
}

void Health::node_changed(const std::string& node) {
  checks_.node_changed(node);
  nodes_told_ = everybody_told_ = ++told_;
  note_nodes(*core_.lookup());
  routing_.touch();
  // Node lists and agents' views say who is there.
  for (const Topic topic : {Topic::kDirectory, Topic::kAgents, Topic::kHealth}) core_.hub.wake(topic);
}

void Health::ways_changed(const Routing::Changed& changed) {
  everybody_told_ = ++told_;
  if (changed.order) nodes_told_ = told_;
  core_.hub.wake(Topic::kAgents);
}

bool Health::note_nodes(const Lookup& lookup) {
  const auto noted = presence_.note_changes(lookup);
  for (const auto& node : noted.turned) node_changed(node);
  return noted.any;
}

// What nobody calls for: tasks that were not answered, nodes that fall silent; and agents are woken no more often.
void Health::tick() {
  timer_.schedule(kTick, [this] { tick(); });
  const auto lookup = core_.lookup();
  checks_.follow(lookup);
  checks_.sweep();
  const bool nodes = note_nodes(*lookup);
  if (nodes || std::exchange(shown_, checks_.sequence()) != checks_.sequence()) {
    answered_.set();
    core_.hub.wake(Topic::kHealth);
  }
  const auto settled = checks_.take_settled();
  if (settled.empty()) return;
  for (const auto& resource : settled) {
    auto& last = told_of_[resource];
    told_order_.erase(last);
    last = ++told_;
    told_order_.emplace(last, resource);
  }
  core_.hub.wake(Topic::kAgents);
}

// ---- agents ----

std::optional<std::vector<std::string>> Health::changed_since(std::uint64_t since) const {
  if (nodes_told_ > since) return std::nullopt;
  std::vector<std::string> changed;
  for (auto at = told_order_.upper_bound(since); at != told_order_.end(); ++at) changed.push_back(at->second);
  return changed;
}

bool Health::concerns(std::uint64_t since, const std::vector<std::string>& resources) const {
  if (everybody_told_ > since) return true;
  return std::ranges::any_of(resources, [&](const std::string& resource) {
    const auto told = told_of_.find(resource);
    return told != told_of_.end() && told->second > since;
  });
}

void Health::best_first(const std::string& resource, std::vector<const directory::Node*>& nodes) const {
  const auto rank = [&](const directory::Node* node) {
    const auto* state = checks_.find({resource, node->id});
    if (!state || state->settled == Checks::Health::kUnknown) return 1;
    return state->settled == Checks::Health::kHealthy ? 0 : 2;
  };
  std::ranges::sort(nodes, {}, [&](const directory::Node* node) {
    return std::tuple(!presence_.serves(node->id), routing_.is_cut_off(node->id), rank(node), routing_.place(node->id),
                      std::string_view(node->name));
  });
}

std::optional<std::string> Health::why_unhealthy(const std::string& resource, const std::string& node) const {
  const auto* state = checks_.find({resource, node});
  if (!state || state->settled != Checks::Health::kUnhealthy) return std::nullopt;
  return state->settled_reason;
}

api::AgentHealth Health::for_agents(const directory::Snapshot& snapshot, const directory::Resource& resource,
                                    const std::vector<const directory::Node*>& nodes) const {
  if (nodes.empty()) return {"unreachable", directory::why_no_egress(snapshot, resource), {}};
  std::string fails;
  std::string away;
  bool unknown = false;
  for (const auto* node : nodes) {
    if (!presence_.up(node->id)) {
      const auto* known = presence_.find(node->id);
      if (known && known->last_seen) away = "the node " + quoted(node->name) + " is down";
      continue;
    }
    const auto* state = checks_.find({resource.id, node->id});
    if (state && state->settled == Checks::Health::kHealthy) return {"ok", {}, node->id};
    if (state && state->settled == Checks::Health::kUnhealthy) {
      if (fails.empty()) fails = state->settled_reason;
    } else {
      unknown = true;
    }
  }
  if (unknown || (fails.empty() && away.empty())) return {"unknown", {}, {}};
  return {"unreachable", fails.empty() ? away : fails, {}};
}

// ---- admins ----

api::ResourceHealthView Health::view(const Checks::Key& key, const Lookup& lookup) const {
  const auto& [resource, node] = key;
  api::ResourceHealthView out;
  out.resource = resource;
  out.node = node;
  const auto* of_resource = lookup.resource(resource);
  const auto* of_node = lookup.node(node);
  out.resource_name = of_resource ? of_resource->name : resource;
  out.node_name = of_node ? of_node->name : node;
  const Checks::State nothing;
  const auto* known = checks_.find(key);
  const Checks::State& state = known ? *known : nothing;
  out.state = name_of(state.shown);
  out.code = state.code;
  out.reason = state.reason;
  if (state.since != WallTime{}) out.since = state.since;
  out.checked = state.checked;
  if (state.checked) out.duration_ms = state.duration_ms;
  out.checks = state.given;
  const auto* present = presence_.find(node);
  if (!presence_.up(node)) {
    out.state = "unknown";
    out.code = "node_down";
    out.reason = "the node " + quoted(out.node_name) + " is down";
    out.since = present ? present->since : std::nullopt;
  } else if (state.code == "never_checked" && !checks_.can_check(node)) {
    out.code = "not_supported";
    out.reason = present->facts ? "the node cannot make checks"
                                : "the node's version does not report it, or the node has only just come";
  }
  out.remedy = remedy(out.code, out.resource_name);
  return out;
}

net::Task<Answer> Health::list(Exchange exchange) {
  const auto& request = exchange.call.request;
  CO_TRY(const auto part, list_request(request, {"resource", "node", "state", "watch"}));
  const auto lookup = core_.lookup();
  checks_.follow(lookup);
  CO_TRY(const auto wanted, wanted_of(request, *lookup));
  // By names, as people look for them; only what is on the page is put into words.
  std::vector<std::pair<std::string, const Checks::Key*>> entries;
  for (const auto& [key, state] : checks_.all()) {
    if (!wanted.passes(key)) continue;
    if (!wanted.state.empty() && view(key, *lookup).state != wanted.state) continue;
    const auto* resource = lookup->resource(key.first);
    const auto* node = lookup->node(key.second);
    std::string order = order_key(resource ? resource->name : key.first, node ? node->name : key.second);
    if (order > part.after) entries.emplace_back(std::move(order), &key);
  }
  const auto count = std::min(entries.size(), part.limit);
  std::ranges::partial_sort(entries, entries.begin() + static_cast<std::ptrdiff_t>(count), {},
                            [](const auto& entry) { return std::string_view(entry.first); });
  api::Page<api::ResourceHealthView> page;
  for (std::size_t i = 0; i < count; ++i) page.items.push_back(view(*entries[i].second, *lookup));
  if (count < entries.size()) page.cursor = encode_cursor(entries[count - 1].first);
  co_return ok(page);
}

net::Task<Result<>> Health::watch(Exchange exchange, Watch& watch, net::http::Sink& sink) {
  CO_CHECK(check_parameters(exchange.call.request, {"watch", "resource", "node"}));
  CO_TRY(const auto wanted, wanted_of(exchange.call.request, *exchange.lookup));
  LineSender lines(sink, core_.options.clock, core_.options.heartbeat);
  CO_CHECK(co_await lines.begin());
  checks_.follow(core_.lookup());
  std::uint64_t seen = checks_.sequence();
  std::vector<Checks::Changed> due;
  for (const auto& [key, state] : checks_.all()) due.push_back({key, false});
  bool listed = false;
  while (true) {
    for (const auto& each : due) {
      if (!wanted.passes(each.key)) continue;
      const auto lookup = core_.lookup();
      api::ResourceHealthEvent event{each.removed ? "removed" : "health", {}, {}, {}};
      if (each.removed) {
        event.resource = each.key.first;
        event.node = each.key.second;
      } else {
        event.health = view(each.key, *lookup);
      }
      CO_CHECK(co_await lines.send(json::encode(event)));
    }
    if (!std::exchange(listed, true)) {
      CO_CHECK(co_await lines.send(R"({"kind":"listed"})"));
    }
    if (lines.heartbeat_due()) {
      CO_CHECK(co_await lines.send(R"({"kind":"heartbeat"})"));
    }
    CO_CHECK(co_await watch.wait(lines.until_heartbeat()));
    CO_CHECK(readmit(core_, exchange));
    checks_.follow(exchange.lookup);
    CO_TRY(due, checks_.changed_since(seen));
    seen = checks_.sequence();
  }
}

net::Task<Answer> Health::list_nodes(Exchange exchange) {
  const auto& request = exchange.call.request;
  CO_TRY(const auto part, list_request(request, {"watch"}));
  const auto lookup = core_.lookup();
  std::map<std::string, const directory::Node*> in_order;
  for (const auto& [id, node] : lookup->snapshot().nodes) in_order.emplace(order_key(node.name, id), &node);
  api::Page<api::NodeStatusView> page;
  auto at = in_order.upper_bound(part.after);
  for (; at != in_order.end() && page.items.size() < part.limit; ++at)
    page.items.push_back(others_.status(*at->second, *lookup));
  if (at != in_order.end()) page.cursor = encode_cursor(std::prev(at)->first);
  co_return ok(page);
}

net::Task<Result<>> Health::watch_nodes(Exchange exchange, Watch& watch, net::http::Sink& sink) {
  CO_CHECK(check_parameters(exchange.call.request, {"watch"}));
  LineSender lines(sink, core_.options.clock, core_.options.heartbeat);
  CO_CHECK(co_await lines.begin());
  std::map<std::string, std::uint64_t> seen;  // by node
  bool listed = false;
  while (true) {
    CO_CHECK(readmit(core_, exchange));
    const auto lookup = exchange.lookup;
    for (const auto& [id, node] : lookup->snapshot().nodes) {
      const auto* present = presence_.find(id);
      const std::uint64_t sequence = present ? present->sequence : 0;
      const auto [at, is_new] = seen.try_emplace(id, sequence);
      if (!is_new && std::exchange(at->second, sequence) == sequence) continue;
      CO_CHECK(co_await lines.send(json::encode(api::NodeHealthEvent{"node", others_.status(node, *lookup)})));
    }
    if (!std::exchange(listed, true)) {
      CO_CHECK(co_await lines.send(R"({"kind":"listed"})"));
    }
    if (lines.heartbeat_due()) {
      CO_CHECK(co_await lines.send(R"({"kind":"heartbeat"})"));
    }
    CO_CHECK(co_await watch.wait(lines.until_heartbeat()));
  }
}

// One entry for each node that may reach it. Which nodes are asked is decided here; who comes later is not waited for.
net::Task<Answer> Health::check_now(Exchange exchange) {
  const auto lookup = core_.lookup();
  CO_TRY(const auto resource, existing(lookup->resource(exchange.argument()), "resource", exchange.argument()));
  checks_.follow(lookup);
  const auto nodes = directory::egress_nodes(lookup->snapshot(), resource);
  if (nodes.empty())
    co_return fail(
        Code::kUnavailable,
        "no node may reach " + quoted(resource.name) + ": " + directory::why_no_egress(lookup->snapshot(), resource),
        "no_egress");
  std::vector<std::string> asked;
  for (const auto* node : nodes)
    if (presence_.up(node->id) && checks_.can_check(node->id)) asked.push_back(node->id);
  CO_CHECK(checks_.ask(resource.id, asked));
  for (const auto& node : asked) others_.call_node(node);
  const auto until = core_.options.clock.boot() + kAskedLimit;
  const auto waits = [&] {
    return std::ranges::any_of(asked, [&](const auto& node) { return checks_.is_asked({resource.id, node}); });
  };
  while (waits()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - core_.options.clock.boot());
    if (left.count() <= 0 || core_.hub.closing()) break;
    const auto waited = co_await answered_.wait(std::min(left, kTick));
    if (!waited && waited.error().code == Code::kCancelled) co_return std::unexpected(waited.error());
  }
  api::Page<api::ResourceHealthView> page;
  const auto now = core_.lookup();
  for (const auto* node : nodes) {
    page.items.push_back(view({resource.id, node->id}, *now));
    if (!checks_.is_asked({resource.id, node->id})) continue;
    auto& late = page.items.back();
    late.state = "unknown";
    late.code = "no_answer";
    late.reason = "the node has not answered within " + format_duration(kAskedLimit);
    late.remedy.reset();
  }
  co_return ok(page);
}

}  // namespace portolan::control

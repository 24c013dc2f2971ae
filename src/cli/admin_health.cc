// portolan admin health: what nodes and resources are like, once or as it changes; and a check on demand.
#include "cli/admin_health.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/admin.h"
#include "cli/exit.h"
#include "net/event.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string resource;
  std::string node;
  std::string state;
  bool follow = false;
};

std::string words(const api::ResourceHealthView& health) {
  if (health.reason.empty()) return "";
  return health.remedy ? health.reason + "; " + *health.remedy : health.reason;
}

Table node_table(const std::vector<api::NodeStatusView>& nodes) {
  const WallTime now = Clock::real().wall();
  Table table({{"NODE"}, {"KIND"}, {"STATE"}, {"SINCE"}, {"LAST SEEN"}, {"WHAT IS WRONG"}});
  for (const auto& node : nodes)
    table.add(
        {node.name, node.kind, node.state, ago(node.since, now), ago(node.last_seen, now), node.reason.value_or("")});
  return table;
}

// ---- once ----

Result<> list(Context& context, const Options& options) {
  Query query{{"limit", "1000"}};
  if (!options.resource.empty()) query["resource"] = options.resource;
  if (!options.node.empty()) query["node"] = options.node;
  if (!options.state.empty()) query["state"] = options.state;
  std::vector<api::NodeStatusView> nodes;
  const bool with_nodes = options.resource.empty() && options.state.empty() && options.node.empty();
  if (with_nodes) {
    auto listed = call_list<api::NodeStatusView>("/v1/health/nodes");
    if (!listed && listed.error().code == Code::kNotFound)
      return fail(Code::kUnavailable,
                  "this control plane is of an older version, which knows nothing of health; bring it up to date");
    PL_TRY(nodes, std::move(listed));
  }
  PL_TRY(const auto resources, call_list<api::ResourceHealthView>("/v1/health/resources", query));
  if (context.out.json) {
    for (auto& node : nodes) context.out.object(api::NodeHealthEvent{"node", std::move(node)});
    for (const auto& health : resources) context.out.object(api::ResourceHealthEvent{"health", health, {}, {}});
    return {};
  }
  if (!nodes.empty()) {
    context.out.table(node_table(nodes));
    context.out.line("");
  }
  const Table table = health_table(resources);
  if (table.empty()) {
    context.out.note("Nothing to show: no resource that a node may reach passes.");
  } else {
    context.out.table(table);
  }
  return {};
}

// ---- as it changes ----

// A line of either watch.
struct Event {
  std::string kind;
  std::optional<api::NodeStatusView> node;
  std::optional<api::ResourceHealthView> health;
  std::optional<std::string> resource;
};
BOOST_DESCRIBE_STRUCT(Event, (), (kind, node, health, resource))

// What is printed of one line: nothing of heartbeats; of what was there before, only what is not well.
class Follower {
 public:
  explicit Follower(const Output& out) : out_(out) {}

  Result<> take(std::string_view line) {
    PL_TRY(const auto event, json::decode<Event>(line, json::Unknown::kIgnore));
    if (event.kind == "heartbeat") return {};
    if (event.kind == "listed") {
      listed_ = true;
      return {};
    }
    if (out_.json) {
      out_.line(line);
      return {};
    }
    if (event.kind == "node" && event.node) show_node(*event.node);
    if (event.kind == "health" && event.health) show_health(*event.health);
    if (event.kind == "removed") show("resource", event.resource.value_or(""), "removed", "");
    return {};
  }

 private:
  void show_node(const api::NodeStatusView& node) const {
    if (!listed_ && node.state == "up" && !node.reason) return;
    show("node", node.name, node.state, node.reason.value_or(""));
  }
  void show_health(const api::ResourceHealthView& health) const {
    if (!listed_ && health.state == "healthy") return;
    show("resource", health.resource_name + " from " + health.node_name, health.state, words(health));
  }
  void show(std::string_view what, const std::string& name, const std::string& state, const std::string& why) const {
    out_.line(fmt::format("{}  {} {}: {}{}", local_time(Clock::real().wall()), what, fit_for_terminal(name),
                          fit_for_terminal(state), why.empty() ? "" : ": " + fit_for_terminal(why)));
  }

  const Output& out_;
  bool listed_ = false;
};

struct Following {
  explicit Following(const net::Executor& executor) : over(executor), tasks(executor) {}
  std::optional<Result<>> ended;
  net::Event over;
  net::TaskGroup tasks;
};

net::Task<> follow_one(api::ControlClient& control, std::string path, Query query, Follower& follower,
                       Following& following) {
  auto ended = co_await control.watch(std::move(path), std::move(query),
                                      [&follower](std::string_view line) { return follower.take(line); });
  if (!following.ended) following.ended = std::move(ended);
  following.over.set();
}

net::Task<Result<>> follow_all(api::ControlClient& control, Query query, const Output& out) {
  Following following(co_await net::this_executor());
  Follower nodes(out);
  Follower resources(out);
  if (!query.contains("resource") && !query.contains("node"))
    following.tasks.spawn("nodes", follow_one(control, "/v1/health/nodes", {{"watch", "1"}}, nodes, following));
  query["watch"] = "1";
  following.tasks.spawn("resources",
                        follow_one(control, "/v1/health/resources", std::move(query), resources, following));
  while (!following.ended) {
    const auto waited = co_await following.over.wait(std::chrono::hours(24));
    if (!waited && waited.error().code == Code::kCancelled) break;
  }
  following.tasks.cancel();
  co_await following.tasks.join();
  co_return following.ended.value_or(Result<>());
}

Result<> run(Context& context, Options& options) {
  if (!options.follow) return list(context, options);
  if (!options.state.empty()) return wrong_usage("--state filters the list; with --follow every change is shown");
  Query query;
  if (!options.resource.empty()) query["resource"] = options.resource;
  if (!options.node.empty()) query["node"] = options.node;
  return ask_control<void>([&](api::ControlClient& control) { return follow_all(control, query, context.out); });
}

// ---- on demand ----

struct CheckOptions {
  std::string resource;
};

Result<> check(Context& context, CheckOptions& options) {
  PL_TRY(const auto path, path_with("/v1/resources", options.resource));
  PL_TRY(const auto page,
         ask_control<api::Page<api::ResourceHealthView>>(
             [&](api::ControlClient& control) -> net::Task<Result<api::Page<api::ResourceHealthView>>> {
               CO_TRY(const auto body, co_await control.call("POST", path + "/checks", {}, "{}"));
               co_return json::decode<api::Page<api::ResourceHealthView>>(body, json::Unknown::kIgnore);
             }));
  if (context.out.json) {
    for (const auto& health : page.items) context.out.object(health);
  } else {
    context.out.table(health_table(page.items));
  }
  if (std::ranges::any_of(page.items, [](const auto& health) { return health.state == "healthy"; })) return {};
  return std::unexpected(Error{Code::kUnavailable,
                               "no node can use " + quoted(options.resource) + ": " +
                                   (page.items.empty() ? "there is none" : words(page.items.front())),
                               "unhealthy", Hop::kResource});
}

}  // namespace

Table health_table(const std::vector<api::ResourceHealthView>& list) {
  const WallTime now = Clock::real().wall();
  Table table({{"RESOURCE"}, {"FROM NODE"}, {"STATE"}, {"SINCE"}, {"CHECKED"}, {"TOOK", Align::kRight}, {"WHY"}});
  for (const auto& health : list)
    table.add({health.resource_name, health.node_name, health.state, ago(health.since, now), ago(health.checked, now),
               health.duration_ms ? fmt::format("{} ms", *health.duration_ms) : "", words(health)});
  return table;
}

std::string health_in_short(const std::vector<api::ResourceHealthView>& by_node) {
  const auto count = [&](std::string_view state) {
    return std::ranges::count(by_node, state, &api::ResourceHealthView::state);
  };
  const auto first_of = [&](std::string_view state) {
    const auto found = std::ranges::find(by_node, state, &api::ResourceHealthView::state);
    return found == by_node.end() ? std::string() : found->reason;
  };
  if (by_node.empty()) return "unknown";
  const auto healthy = count("healthy");
  const auto all = std::ssize(by_node);
  if (healthy == all) return "healthy";
  if (healthy > 0) {
    const std::string_view other = count("unhealthy") > 0 ? "unhealthy" : "unknown";
    return fmt::format("healthy from {} of {} nodes; {}: {}", healthy, all, other, first_of(other));
  }
  const std::string_view other = count("unhealthy") > 0 ? "unhealthy" : "unknown";
  return fmt::format("{}: {}", other, first_of(other));
}

void add_check(CLI::App& group, Context& context) {
  CLI::App& app = add_command(group, context, "check", "sign in to a resource now, from each node that may reach it",
                              "portolan admin resources check billing");
  auto options = std::make_shared<CheckOptions>();
  app.add_option("resource", options->resource, "its name or id")->required();
  on_chosen(app, context, options, check);
}

void add_admin_health(CLI::App& admin, Context& context) {
  CLI::App& app = add_command(admin, context, "health", "how nodes are, and whether resources can be used from them",
                              "portolan admin health --follow");
  auto options = std::make_shared<Options>();
  app.add_option("--resource", options->resource, "only this resource: name or id");
  app.add_option("--node", options->node, "only from this node: name or id");
  app.add_option("--state", options->state, "only what is healthy, unhealthy or unknown")
      ->check(one_of({"healthy", "unhealthy", "unknown"}));
  app.add_flag("-f,--follow,--watch", options->follow, "go on with what changes");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli

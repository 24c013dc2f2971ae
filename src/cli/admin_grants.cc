// Grants: which role may use which resource, for good or for a time.
#include "cli/admin.h"

namespace portolan::cli {
namespace {

Kind<api::GrantView> kind() {
  return {"admin grants",
          "grant",
          "/v1/grants",
          "grant",
          {{"ROLE"}, {"RESOURCE"}, {"STATE"}, {"FROM"}, {"UNTIL"}, {"CREATED"}, {"ID"}},
          [](const api::GrantView& g) -> std::vector<std::string> {
            return {name_or(g.role_name, g.role),
                    name_or(g.resource_name, g.resource),
                    g.state,
                    local_time(g.starts),
                    local_time(g.ends),
                    local_time(g.created),
                    g.id};
          },
          {"role", "resource", {"state", {"active", "scheduled", "ended"}}},
          {},
          nullptr,
          kById};
}

struct Options {
  std::string role;  // or the grant's id, without a resource
  std::string resource;
  std::string from;
  std::string until;
  std::string life;
  bool no_start = false;
  bool no_end = false;
  Revision revision;
};

struct Bounds {
  std::optional<WallTime> starts;
  std::optional<WallTime> ends;
};

Result<Bounds> bounds_of(const Options& options) {
  if (!options.until.empty() && !options.life.empty()) return wrong_usage("give one of --until and --for");
  Bounds bounds;
  if (!options.from.empty()) {
    PL_TRY(bounds.starts, parse_time(options.from));
  }
  if (!options.until.empty()) {
    PL_TRY(bounds.ends, parse_time(options.until));
  }
  if (options.life.empty()) return bounds;
  const auto life = parse_duration(options.life);
  if (!life || *life <= std::chrono::milliseconds(0))
    return wrong_usage("--for: not a duration: " + quoted(options.life) + "; give one like 2h or 30d");
  bounds.ends = bounds.starts.value_or(Clock::real().wall()) + *life;
  return bounds;
}

Result<> create(Context& context, Options& options) {
  PL_TRY(const auto bounds, bounds_of(options));
  PL_TRY(auto made, call_post<api::GrantView>(
                        "/v1/grants", api::GrantCreate{options.role, options.resource, bounds.starts, bounds.ends}));
  return print_one(context, kind(), std::move(made));
}

Result<> update(Context& context, Options& options) {
  PL_TRY(const auto bounds, bounds_of(options));
  api::GrantUpdate request{.starts = bounds.starts, .ends = bounds.ends};
  if ((request.starts && options.no_start) || (request.ends && options.no_end))
    return wrong_usage("these options contradict each other");
  if (options.no_start) request.no_start = true;
  if (options.no_end) request.no_end = true;
  if (!request.starts && !request.ends && !request.no_start && !request.no_end)
    return wrong_usage("nothing to change; see: portolan admin grants update --help");
  PL_TRY(const auto id, connecting_id(kind(), options.role, options.resource));
  PL_TRY(const auto path, path_with("/v1/grants", id));
  PL_TRY(auto changed, call_patch<api::GrantView>(path, std::move(request), options.revision));
  return print_one(context, kind(), std::move(changed));
}

Result<> remove(Context& context, Options& options) {
  PL_TRY(const auto id, connecting_id(kind(), options.role, options.resource));
  PL_TRY(const auto path, path_with("/v1/grants", id));
  PL_CHECK(call_delete(path, options.revision));
  return print_deleted(context, "grant", id);
}

void add_bounds(CLI::App& app, Options& options) {
  app.add_option("--from", options.from, "not before this time: 2026-11-23T20:24:01Z, or 2026-11-23");
  app.add_option("--until", options.until, "not from this time on");
  app.add_option("--for", options.life, "so long, from its start or from now, like 2h or 30d");
}

void add_existing(CLI::App& app, Options& options) {
  app.add_option("role", options.role, "its name or id; or the grant's id alone")->required();
  app.add_option("resource", options.resource, "its name or id");
  add_if_revision(app, options.revision);
}

}  // namespace

void add_admin_grants(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "grants", "which role may use which resource, and when");
  add_list(group, context, kind());
  add_show(group, context, kind());
  CLI::App& creating = add_command(group, context, "create", "let a role use a resource",
                                   "portolan admin grants create analysts billing --for 30d");
  auto made = std::make_shared<Options>();
  creating.add_option("role", made->role, "its name or id")->required();
  creating.add_option("resource", made->resource, "its name or id")->required();
  add_bounds(creating, *made);
  on_chosen(creating, context, made, create);

  CLI::App& updating = add_command(group, context, "update", "change when a grant begins or ends",
                                   "portolan admin grants update analysts billing --until 2026-12-31");
  auto changed = std::make_shared<Options>();
  add_existing(updating, *changed);
  add_bounds(updating, *changed);
  updating.add_flag("--no-start", changed->no_start, "from now on, or since it was made");
  updating.add_flag("--no-end", changed->no_end, "until it is removed");
  on_chosen(updating, context, changed, update);

  CLI::App& deleting = add_command(group, context, "delete", "take a grant back; what was used by it ends",
                                   "portolan admin grants delete analysts billing");
  auto gone = std::make_shared<Options>();
  add_existing(deleting, *gone);
  on_chosen(deleting, context, gone, remove);
}

}  // namespace portolan::cli

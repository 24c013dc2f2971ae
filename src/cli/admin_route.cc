// portolan admin nodes route: the way to a resource, and why it is that.
#include <fmt/format.h>

#include "api/routing.h"
#include "cli/admin.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string resource;
  std::string account;
};

std::string milliseconds(const std::optional<std::uint64_t>& round_trip_us) {
  return round_trip_us ? fmt::format("{:.1f} ms", static_cast<double>(*round_trip_us) / 1000.0) : "";
}

std::string way_of(const api::RouteGateway& gateway) {
  std::string way;
  for (const auto& name : gateway.via) way += " → " + name;
  return gateway.hops ? gateway.name + way : "";
}

void print_access(const Output& out, const api::RouteView& view) {
  if (!view.account) return;
  out.line(
      fmt::format("{} {} use it", fit_for_terminal(*view.account), view.allowed.value_or(false) ? "may" : "may not"));
  for (const auto& reason : view.reasons) out.line("  because " + fit_for_terminal(reason));
}

void print_route(const Output& out, const api::RouteView& view) {
  out.line(fit_for_terminal(view.egress ? "New sessions with " + view.resource_name + " go to " + *view.egress
                                        : "There is no way to " + view.resource_name));
  if (view.problem) out.line("  because " + fit_for_terminal(*view.problem));
  std::string groups;
  for (const auto& group : view.peering_groups) groups += (groups.empty() ? "" : ", ") + group;
  if (!groups.empty()) out.line("Peering groups: " + fit_for_terminal(groups));
  if (!view.egress_filter.empty()) out.line("Egress filter:  " + fit_for_terminal(view.egress_filter));
  print_access(out, view);
  Table nodes({{"EGRESS"}, {"KIND"}, {"ROUND TRIP", Align::kRight}, {"STATE"}, {"WHY"}});
  for (const auto& each : view.candidates)
    nodes.add({each.name, each.kind, milliseconds(each.round_trip_us), each.code, each.reason});
  if (!nodes.empty()) {
    out.line("");
    out.table(nodes);
  }
  Table gateways({{"BY GATEWAY"}, {"WAY"}, {"ROUND TRIP", Align::kRight}, {"STATE"}, {"WHY"}});
  for (const auto& each : view.gateways)
    gateways.add({each.name, way_of(each), milliseconds(each.round_trip_us), each.code, each.reason});
  if (gateways.empty()) return;
  out.line("");
  out.table(gateways);
  out.note("Each agent adds its own round trip to the gateway, and takes the least: see portolan status there.");
}

Result<> route(Context& context, Options& options) {
  PL_TRY(auto path, path_with("/v1/resources", options.resource));
  Query query;
  if (!options.account.empty()) query["account"] = options.account;
  PL_TRY(const auto view, call_get<api::RouteView>(path + "/route", std::move(query)));
  if (context.out.json) {
    context.out.object(view);
  } else {
    print_route(context.out, view);
  }
  return {};
}

}  // namespace

void add_admin_route(CLI::App& nodes, Context& context) {
  CLI::App& app = add_command(nodes, context, "route", "the way to a resource that a new session would take, and why",
                              "portolan admin nodes route billing --account ann@example.com");
  auto options = std::make_shared<Options>();
  app.add_option("resource", options->resource, "its name or id")->required();
  app.add_option("--account", options->account, "whether this account may use it, by its e-mail address or id");
  on_chosen(app, context, options, route);
}

}  // namespace portolan::cli

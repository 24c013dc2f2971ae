#include "cli/local_tables.h"

#include <fmt/format.h>

#include "cli/control_api.h"

namespace portolan::cli {
namespace {

std::string state_of(const std::string& state, const std::optional<std::string>& reason) {
  return reason && !reason->empty() ? fmt::format("{}: {}", state, *reason) : state;
}

std::string round_trip(const std::optional<std::uint64_t>& microseconds) {
  return microseconds ? fmt::format("{:.1f} ms", static_cast<double>(*microseconds) / 1000.0) : "";
}

Table gateway_table(const std::vector<api::LocalGateway>& gateways) {
  Table table({{"GATEWAY"}, {"ADDRESS"}, {"ROUND TRIP", Align::kRight}, {"STATE"}});
  for (const auto& gateway : gateways)
    table.add(
        {gateway.name, gateway.address, round_trip(gateway.round_trip_us), state_of(gateway.state, gateway.reason)});
  return table;
}

Table path_table(const std::vector<api::LocalPath>& paths) {
  Table table({{"EGRESS"}, {"BY GATEWAY"}, {"KIND"}, {"SESSIONS", Align::kRight}, {"HANDSHAKES", Align::kRight}});
  for (const auto& path : paths)
    table.add({path.egress, path.gateway, path.kind, std::to_string(path.sessions), std::to_string(path.handshakes)});
  return table;
}

Table resource_table(const std::vector<api::LocalResource>& resources) {
  Table table({{"RESOURCE"}, {"TYPE"}, {"ADDRESS"}, {"SESSIONS", Align::kRight}, {"STATE"}, {"HEALTH"}});
  for (const auto& resource : resources)
    table.add({resource.name, resource.type, resource.address, std::to_string(resource.sessions),
               state_of(resource.state, resource.reason),
               state_of(resource.health.value_or("unknown"), resource.health_reason)});
  return table;
}

}  // namespace

void print_resources(const Output& out, const std::vector<api::LocalResource>& resources) {
  if (out.json) {
    for (const auto& resource : resources) out.object(resource);
    return;
  }
  if (resources.empty()) return out.note("No resources.");
  out.table(resource_table(resources));
}

void print_status(const Output& out, const api::AgentStatus& status) {
  if (out.json) return out.object(status);
  if (!out.quiet) {
    out.line(status.signed_in ? fmt::format("Signed in to {} as {} until {}", fit_for_terminal(status.control),
                                            fit_for_terminal(status.email), local_time(status.sign_in_ends))
                              : "Not signed in; run: portolan login ADDRESS");
    out.line("Control plane: " + fit_for_terminal(state_of(status.control_state, status.control_reason)));
  }
  const auto section = [&](const Table& table) {
    if (table.empty()) return;
    if (!out.quiet) out.line("");
    out.table(table);
  };
  section(gateway_table(status.gateways));
  section(path_table(status.paths));
  section(resource_table(status.resources));
}

}  // namespace portolan::cli

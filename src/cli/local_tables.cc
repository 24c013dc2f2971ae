#include "cli/local_tables.h"

#include <fmt/format.h>

#include "cli/control_api.h"

namespace portolan::cli {
namespace {

constexpr std::size_t kEndingsShown = 5;

std::string state_of(const std::string& state, const std::optional<std::string>& reason) {
  return reason && !reason->empty() ? fmt::format("{}: {}", state, *reason) : state;
}

std::string round_trip(const std::optional<std::uint64_t>& microseconds) {
  return microseconds ? fmt::format("{:.1f} ms", static_cast<double>(*microseconds) / 1000.0) : "";
}

std::string gateway_state(const api::LocalGateway& gateway) {
  if (!gateway.way) return state_of(gateway.state, gateway.reason);
  return fmt::format("{} by WebSocket on {}: {}", gateway.state, gateway.way_address.value_or(""),
                     gateway.way_reason.value_or(""));
}

Table gateway_table(const std::vector<api::LocalGateway>& gateways) {
  Table table({{"GATEWAY"}, {"ADDRESS"}, {"ROUND TRIP", Align::kRight}, {"STATE"}});
  for (const auto& gateway : gateways)
    table.add({gateway.name, gateway.address, round_trip(gateway.round_trip_us), gateway_state(gateway)});
  return table;
}

std::string path_state(const api::LocalPath& path) {
  std::string state = path.state.value_or("linked");
  if (path.time_left_ms) state += fmt::format(", {} s left", (*path.time_left_ms + 999) / 1000);
  if (path.fallback) state += ", not spliced (" + *path.fallback + ")";
  return state_of(state, path.reason);
}

std::string path_kind(const api::LocalPath& path) {
  return path.pipes ? fmt::format("{}, {} pipes", path.kind, *path.pipes) : path.kind;
}

// All of them, in order.
std::string gateways_of(const api::LocalPath& path) {
  if (!path.hops || path.hops->empty()) return path.gateway;
  return fmt::format("{}", fmt::join(*path.hops, ", "));
}

Table path_table(const std::vector<api::LocalPath>& paths) {
  Table table(
      {{"EGRESS"}, {"BY GATEWAY"}, {"KIND"}, {"SESSIONS", Align::kRight}, {"HANDSHAKES", Align::kRight}, {"STATE"}});
  for (const auto& path : paths)
    table.add({path.egress_name.value_or(path.egress), gateways_of(path), path_kind(path),
               std::to_string(path.sessions), std::to_string(path.handshakes), path_state(path)});
  return table;
}

Table resource_table(const std::vector<api::LocalResource>& resources) {
  Table table({{"RESOURCE"}, {"TYPE"}, {"ADDRESS"}, {"SESSIONS", Align::kRight}, {"STATE"}, {"HEALTH"}});
  for (const auto& resource : resources)
    table.add({resource.name, resource.type, resource.url.value_or(resource.address), std::to_string(resource.sessions),
               state_of(resource.state, resource.reason),
               state_of(resource.health.value_or("unknown"), resource.health_reason)});
  return table;
}

Table ending_table(const std::vector<api::LocalEnding>& endings) {
  Table table({{"ENDED"}, {"RESOURCE"}, {"WHY"}});
  for (std::size_t i = 0; i < endings.size() && i < kEndingsShown; ++i)
    table.add({local_time(endings[i].time), endings[i].resource, endings[i].reason});
  return table;
}

std::string foreign_warning(const api::LocalResource& resource) {
  const api::LocalHolder& holder = *resource.held_by;
  const std::string process =
      holder.process ? fmt::format("{} (pid {})", *holder.process, holder.pid.value_or(0)) : "a process";
  return fit_for_terminal(fmt::format(
      "WARNING: user {} of this machine listens on {} with {}. What you send there goes to them, not to {}: "
      "do not use that port until they have gone.",
      holder.user, resource.address, process, resource.name));
}

std::string web_warning(const api::LocalPort& proxy) {
  return fit_for_terminal(
      fmt::format("WARNING: user {} of this machine listens at the port of the web proxy ({}). What a browser sends to "
                  "NAME.localhost there may go to them: do not use it until they have gone.",
                  proxy.held_by->user, proxy.address));
}

}  // namespace

void print_resources(const Output& out, const std::vector<api::LocalResource>& resources) {
  if (out.json) {
    for (const auto& resource : resources) out.object(resource);
    return;
  }
  for (const auto& resource : resources)
    if (resource.held_by && resource.held_by->foreign) out.warn(foreign_warning(resource));
  if (resources.empty()) return out.note("No resources.");
  out.table(resource_table(resources));
}

std::string status_text(const Output& out, const api::AgentStatus& status) {
  std::string text;
  const auto line = [&](const std::string& words) { text += words + "\n"; };
  const auto warning = [&](const std::string& words) {
    line(out.paint() == Paint::kColors ? "\x1b[1;31m" + words + "\x1b[0m" : words);
  };
  for (const auto& resource : status.resources)
    if (resource.held_by && resource.held_by->foreign) warning(foreign_warning(resource));
  if (status.web_proxy && status.web_proxy->held_by && status.web_proxy->held_by->foreign)
    warning(web_warning(*status.web_proxy));
  if (!out.quiet) {
    const bool ended = !status.signed_in && !status.email.empty() && status.control_reason;
    line(status.signed_in ? fmt::format("Signed in to {} as {} until {}", fit_for_terminal(status.control),
                                        fit_for_terminal(status.email), local_time(status.sign_in_ends))
         : ended          ? fmt::format("Signed in to {} as {} no more: {}", fit_for_terminal(status.control),
                                        fit_for_terminal(status.email), fit_for_terminal(*status.control_reason))
                          : "Not signed in; run: portolan login ADDRESS");
    if (!ended) line("Control plane: " + fit_for_terminal(state_of(status.control_state, status.control_reason)));
    if (status.status_port && status.status_port->state != "listening")
      line("Status port: " + fit_for_terminal(state_of(status.status_port->state, status.status_port->reason)));
    if (status.web_proxy && (status.web_proxy->state != "listening" || status.web_proxy->reason))
      line("Web proxy: " + fit_for_terminal(state_of(status.web_proxy->state, status.web_proxy->reason)));
  }
  const auto section = [&](const Table& table) {
    if (table.empty()) return;
    if (!out.quiet) line("");
    text += out.rendered(table);
  };
  section(gateway_table(status.gateways));
  section(path_table(status.paths));
  section(resource_table(status.resources));
  if (status.endings) section(ending_table(*status.endings));
  return text;
}

void print_status(const Output& out, const api::AgentStatus& status) {
  if (out.json) return out.object(status);
  out.text(status_text(out, status));
}

std::string change_text(const api::LocalChange& change) {
  std::string text = fmt::format("{} {}: ", change.subject, change.name);
  if (change.was.empty()) {
    text += change.now;
  } else if (change.now.empty()) {
    text += "gone (was " + change.was + ")";
  } else {
    text += change.was == change.now ? change.now : fmt::format("{} -> {}", change.was, change.now);
  }
  if (change.reason && !change.reason->empty()) text += ": " + *change.reason;
  return fit_for_terminal(text);
}

}  // namespace portolan::cli

#include "client/status_changes.h"

#include <algorithm>
#include <map>

namespace portolan::client {
namespace {

// What one named thing is like: a word, and the reason for it.
struct Looks {
  std::string state;
  std::optional<std::string> reason = {};
  bool operator==(const Looks&) const = default;
};
using Named = std::map<std::string, Looks>;

void compare(std::string_view subject, const Named& before, const Named& after, std::vector<api::LocalChange>& out) {
  for (const auto& [name, looks] : before)
    if (!after.contains(name)) out.push_back({std::string(subject), name, looks.state, "", {}});
  for (const auto& [name, looks] : after) {
    const auto old = before.find(name);
    if (old != before.end() && old->second == looks) continue;
    out.push_back(
        {std::string(subject), name, old == before.end() ? "" : old->second.state, looks.state, looks.reason});
  }
}

Named sign_in(const api::AgentStatus& status) {
  return {{status.email, {status.signed_in ? "signed in" : "signed out", {}}}};
}

Named control(const api::AgentStatus& status) {
  return {{status.control, {status.control_state, status.control_reason}}};
}

Named gateways(const api::AgentStatus& status) {
  Named named;
  for (const auto& gateway : status.gateways)
    named[gateway.name] = gateway.way ? Looks{gateway.state + " by " + *gateway.way, gateway.way_reason}
                                      : Looks{gateway.state, gateway.reason};
  return named;
}

Named paths(const api::AgentStatus& status) {
  Named named;
  for (const auto& path : status.paths) {
    std::string by = path.gateway;
    if (path.hops)
      for (std::size_t i = 1; i < path.hops->size(); ++i) by += ", " + path.hops->at(i);
    named[path.egress_name.value_or(path.egress)] = {
        path.state && path.state != "linked" ? *path.state : path.kind + " by " + by, path.reason};
  }
  return named;
}

Named resources(const api::AgentStatus& status) {
  Named named;
  for (const auto& resource : status.resources) named[resource.name] = {resource.state, resource.reason};
  return named;
}

Named sessions(const api::AgentStatus& status) {
  Named named;
  for (const auto& resource : status.resources)
    if (resource.sessions > 0) named[resource.name] = {std::to_string(resource.sessions), {}};
  return named;
}

std::string text_of(const api::LocalHolder& holder) {
  return holder.process ? *holder.process + " of user " + holder.user : "a process of user " + holder.user;
}

Named holders(const api::AgentStatus& status) {
  Named named;
  for (const auto& resource : status.resources)
    if (resource.held_by) named[resource.address] = {text_of(*resource.held_by), {}};
  return named;
}

Named own_port(const std::optional<api::LocalPort>& port) {
  if (!port) return {};
  return {{port->address, {port->state, port->reason}}};
}

// They are never changed, only added, newest first.
void new_endings(const api::AgentStatus& before, const api::AgentStatus& after, std::vector<api::LocalChange>& out) {
  if (!after.endings) return;
  const auto known = [&](const api::LocalEnding& ending) {
    return before.endings && std::ranges::any_of(*before.endings, [&](const api::LocalEnding& old) {
             return old.trace == ending.trace && old.reason == ending.reason;
           });
  };
  for (auto ending = after.endings->rbegin(); ending != after.endings->rend(); ++ending)
    if (!known(*ending)) out.push_back({"ending", ending->resource, "open", "ended", ending->reason});
}

}  // namespace

std::vector<api::LocalChange> changes_between(const api::AgentStatus& before, const api::AgentStatus& after) {
  std::vector<api::LocalChange> out;
  compare("sign-in", sign_in(before), sign_in(after), out);
  compare("control", control(before), control(after), out);
  compare("gateway", gateways(before), gateways(after), out);
  compare("path", paths(before), paths(after), out);
  compare("resource", resources(before), resources(after), out);
  compare("port-holder", holders(before), holders(after), out);
  compare("status-port", own_port(before.status_port), own_port(after.status_port), out);
  compare("web-proxy", own_port(before.web_proxy), own_port(after.web_proxy), out);
  compare("sessions", sessions(before), sessions(after), out);
  new_endings(before, after, out);
  return out;
}

}  // namespace portolan::client

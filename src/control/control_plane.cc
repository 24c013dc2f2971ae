#include "control/control_plane.h"

#include <algorithm>
#include <utility>

#include "control/accounts.h"
#include "control/activate.h"
#include "control/agents.h"
#include "control/apply.h"
#include "control/audit_chains.h"
#include "control/audit_lists.h"
#include "control/certificates.h"
#include "control/clusters.h"
#include "control/devices.h"
#include "control/first_contact.h"
#include "control/health.h"
#include "control/identity_tokens.h"
#include "control/join_tokens.h"
#include "control/keys.h"
#include "control/leases.h"
#include "control/node_views.h"
#include "control/nodes.h"
#include "control/openapi.h"
#include "control/peering_groups.h"
#include "control/presence.h"
#include "control/public_name.h"
#include "control/resource_route.h"
#include "control/resources.h"
#include "control/roles.h"
#include "control/rotation.h"
#include "control/routing.h"
#include "control/sessions.h"
#include "control/sign_in.h"
#include "control/tokens.h"
#include "control/trust.h"
#include "net/loop.h"

namespace portolan::control {
namespace {

// Who acts when nobody has called: the operator at the machine.
constexpr const char* kSystem = "system";
constexpr auto kBoundaryCheck = std::chrono::minutes(1);

}  // namespace

struct ControlPlane::Parts {
  explicit Parts(std::unique_ptr<Core> opened);
  void stop();

  std::unique_ptr<Core> core;
  Presence presence;
  Routing routing;
  NodeViews node_views;
  TrustReaders readers;
  Certificates certificates;
  IdentityTokens identity_tokens;
  Leases leases;
  Nodes nodes;
  Health health;
  Agents agents;
  SignIns sign_ins;
  Activation activation;
  Accounts accounts;
  Resources resources;
  JoinTokens join_tokens;
  Clusters clusters;
  Tokens tokens;
  Rotation rotation;
  Keys keys;
  AuditChains audit_chains;
  AuditLists audit_lists;
  net::http::Router router;
  std::function<void()> on_authorities;

 private:
  // Grants begin and end by themselves: what follows from the directory changes then as if somebody had changed it.
  void await_boundary();
  void tell_ways(const Routing::Changed& changed);
  net::Timer boundary_;
  bool stopped_ = false;
};

ControlPlane::Parts::Parts(std::unique_ptr<Core> opened)
    : core(std::move(opened)),
      presence(core->options.clock, [this](const std::string& node) { health.node_changed(node); }),
      routing(*core, presence, [this](const Routing::Changed& changed) { tell_ways(changed); }),
      node_views(core->options.clock, core->options.sign_in_life, routing),
      certificates(*core, readers),
      identity_tokens(public_url(core->options), core->authorities.identity, core->options.lease_life),
      leases(core->options.clock, core->options.lease_life, core->sealing, identity_tokens,
             [this](const std::string& node, const std::vector<std::string>& ids, const Error& reason) {
               nodes.revoke(node, ids, reason);
             }),
      nodes(*core, presence, leases, node_views, readers, certificates),
      health(*core, presence, routing,
             {[this](const directory::Node& node, const Lookup& lookup) { return nodes.status(node, lookup); },
              [this](const std::string& node) { nodes.call_for_health(node); }}),
      agents(*core, presence, health, routing, readers, certificates),
      sign_ins(*core, certificates),
      activation(*core, sign_ins),
      accounts(*core),
      resources(*core),
      join_tokens(*core),
      clusters(*core, presence),
      tokens(*core),
      rotation(*core, readers),
      keys(*core, readers, rotation),
      audit_chains(*core, presence),
      audit_lists(*core, presence),
      boundary_(core->executor) {
  node_views.update(core->lookup());
  core->hub.on_change([this] {
    const auto lookup = core->lookup();
    if (core->refresh_authorities() && on_authorities) on_authorities();
    node_views.update(lookup);
    leases.reevaluate(*lookup);
    await_boundary();
  });
  await_boundary();
  routing.touch();
  Routes routes(*core, router);
  add_first_contact(routes, *core);
  add_openapi(routes);
  nodes.add_to(routes);
  health.add_to(routes);
  agents.add_to(routes);
  sign_ins.add_to(routes);
  activation.add_to(routes);
  accounts.add_to(routes);
  add_roles(routes, *core);
  add_memberships(routes, *core);
  add_grants(routes, *core);
  add_access(routes, *core);
  add_apply(routes, *core);
  add_devices(routes, *core);
  resources.add_to(routes);
  add_peering_groups(routes, *core);
  add_resource_route(routes, routing, presence, health);
  join_tokens.add_to(routes);
  clusters.add_to(routes);
  add_cluster_keys(routes, *core);
  tokens.add_to(routes);
  certificates.add_to(routes);
  keys.add_to(routes);
  audit_chains.add_to(routes);
  audit_lists.add_to(routes);
  add_sessions(routes, *core, nodes);
}

void ControlPlane::Parts::stop() {
  stopped_ = true;
  boundary_.cancel();
  health.stop();
  routing.stop();
}

void ControlPlane::Parts::tell_ways(const Routing::Changed& changed) {
  if (changed.nodes) core->hub.wake(Topic::kDirectory);
  if (changed.ways) health.ways_changed(changed);
}

void ControlPlane::Parts::await_boundary() {
  if (stopped_) return;
  const WallTime now = core->now();
  const auto next = directory::next_boundary(core->lookup()->snapshot(), now);
  if (!next) return boundary_.cancel();
  // The wall clock may be set meanwhile; a millisecond more, so that the boundary is behind us then.
  const auto wait = std::min<std::chrono::milliseconds>(*next - now + std::chrono::milliseconds(1), kBoundaryCheck);
  boundary_.schedule(wait, [this] { core->hub.directory_changed(); });
}

ControlPlane::ControlPlane(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ControlPlane::~ControlPlane() = default;

void ControlPlane::stop() { parts_->stop(); }

Result<std::unique_ptr<ControlPlane>> ControlPlane::open(net::Executor executor, ServerOptions options) {
  if (!options.public_url.empty()) PL_CHECK(check_public_url(options.public_url));
  PL_TRY(auto core, Core::open(std::move(executor), std::move(options)));
  return std::unique_ptr<ControlPlane>(new ControlPlane(std::make_unique<Parts>(std::move(core))));
}

const net::http::Router& ControlPlane::router() const { return parts_->router; }
Core& ControlPlane::core() { return *parts_->core; }
void ControlPlane::on_authorities(std::function<void()> listener) { parts_->on_authorities = std::move(listener); }
Rotation& ControlPlane::rotation() { return parts_->rotation; }

net::Task<Result<ControlPlane::Ensured>> ControlPlane::ensure_admin(std::string email, Secret password) {
  CO_TRY(const auto normal, directory::normalize_email(email));
  const auto lookup = parts_->core->lookup();
  if (const auto* account = lookup->snapshot().account_by_email(normal)) {
    if (is_admin_who_can_sign_in(*account)) co_return Ensured::kThere;
    co_return fail(Code::kConflict, "the account " + quoted(normal) + " is there and is no admin who may sign in");
  }
  api::AccountCreate request{.email = normal, .name = {}, .admin = true, .password = std::move(password)};
  CO_CHECK(co_await parts_->accounts.make(kSystem, std::move(request)));
  co_return Ensured::kMade;
}

net::Task<Result<Secret>> ControlPlane::make_api_token(std::string email, std::string name) {
  CO_TRY(const auto normal, directory::normalize_email(email));
  const auto lookup = parts_->core->lookup();
  const auto* account = lookup->snapshot().account_by_email(normal);
  if (!account) co_return fail(Code::kNotFound, "there is no account " + quoted(normal));
  CO_TRY(auto made, co_await parts_->tokens.make(kSystem, account->id, {.name = std::move(name)}));
  co_return made.token.value_or(Secret());
}

}  // namespace portolan::control

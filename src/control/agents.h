// What a client is told: GET /v1/agent, once or as a watch, and GET /v1/whoami.
#pragma once
#include "api/agent.h"
#include "control/agent_views.h"
#include "control/certificates.h"
#include "control/health.h"
#include "control/presence.h"
#include "control/routes.h"
#include "control/trust.h"

namespace portolan::control {

class Agents {
 public:
  Agents(Core& core, const Presence& presence, const Health& health, const Routing& routing, TrustReaders& readers,
         Certificates& certificates)
      : core_(core),
        health_(health),
        readers_(readers),
        certificates_(certificates),
        views_(core, presence, health, routing) {}
  void add_to(Routes& routes);

 private:
  net::Task<Answer> show_view(Exchange exchange);
  net::Task<Result<>> watch(Exchange exchange, Watch& watch, net::http::Sink& sink);

  Core& core_;
  const Health& health_;
  TrustReaders& readers_;
  Certificates& certificates_;
  AgentViews views_;
};

}  // namespace portolan::control

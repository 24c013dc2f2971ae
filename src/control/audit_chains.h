// Records as nodes hand them over, and the chains of them, for those who verify: /v1/node/audit…, /v1/audit/chains,
// chain and heads (docs/wire.md, "The audit chain").
#pragma once
#include "control/presence.h"
#include "control/routes.h"

namespace portolan::control {

class AuditChains {
 public:
  AuditChains(Core& core, Presence& presence) : core_(core), presence_(presence) {}
  void add_to(Routes& routes);

 private:
  net::Task<Answer> take_records(Exchange exchange);
  net::Task<Answer> take_chain(Exchange exchange);
  net::Task<Answer> take_heads(Exchange exchange);
  net::Task<Answer> keep(std::string node, std::vector<store::AuditEntry> entries, std::vector<api::ChainHead> heads);
  net::Task<Answer> list_chains(Exchange exchange);
  net::Task<Answer> list_records(Exchange exchange);
  net::Task<Answer> list_heads(Exchange exchange);

  Core& core_;
  Presence& presence_;
};

}  // namespace portolan::control

// /v1/join-tokens: tokens that gateways and relays join by, each for one node or several.
#pragma once
#include "control/routes.h"

namespace portolan::control {

class JoinTokens {
 public:
  explicit JoinTokens(Core& core) : core_(core) {}
  void add_to(Routes& routes);

 private:
  net::Task<Answer> create(Exchange exchange);
  net::Task<Answer> remove(Exchange exchange);

  Core& core_;
};

}  // namespace portolan::control

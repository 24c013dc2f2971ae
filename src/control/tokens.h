// /v1/tokens: API tokens, for scripts that cannot sign in. Made by people for themselves; an admin sees and removes
// everybody's.
#pragma once
#include <string>

#include "api/token.h"
#include "control/routes.h"

namespace portolan::control {

class Tokens {
 public:
  explicit Tokens(Core& core) : core_(core) {}
  void add_to(Routes& routes);
  net::Task<Result<api::ApiTokenMade>> make(std::string actor, std::string account, api::ApiTokenCreate request);

 private:
  net::Task<Answer> create(Exchange exchange);
  net::Task<Answer> remove(Exchange exchange);

  Core& core_;
};

}  // namespace portolan::control

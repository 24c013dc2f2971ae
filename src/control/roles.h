// /v1/roles, /v1/memberships and /v1/grants: an account has a role by a membership, a role may use a resource by a
// grant. GET /v1/access/explain says what follows from them.
#pragma once
#include "control/routes.h"

namespace portolan::control {

class Roles {
 public:
  explicit Roles(Core& core) : core_(core) {}
  void add_to(Routes& routes);

 private:
  net::Task<Answer> create_role(Exchange exchange);
  net::Task<Answer> create_membership(Exchange exchange);
  net::Task<Answer> create_grant(Exchange exchange);
  template <class Object>
  net::Task<Answer> remove(Exchange exchange, std::string id);

  Core& core_;
};

}  // namespace portolan::control

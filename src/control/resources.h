// /v1/resources: what people want to reach, with the credential that they never see.
#pragma once
#include "api/admin.h"
#include "control/routes.h"

namespace portolan::control {

class Resources {
 public:
  explicit Resources(Core& core) : core_(core) {}
  void add_to(Routes& routes);

 private:
  net::Task<Answer> create(Exchange exchange);
  net::Task<Answer> update(Exchange exchange);
  net::Task<Answer> remove(Exchange exchange);

  Core& core_;
};

}  // namespace portolan::control

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
  std::string seal(const std::string& resource, const Secret& password) const;
  // Sealed, or as it is when it is the same password: to write the same again changes nothing.
  std::string reseal(const directory::Resource& resource, const Secret& password) const;

  Core& core_;
};

}  // namespace portolan::control

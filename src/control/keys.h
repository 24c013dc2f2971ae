// What admins see and do of the organisation's keys: /v1/keys.
#pragma once
#include "control/rotation.h"
#include "control/routes.h"

namespace portolan::control {

class Keys {
 public:
  Keys(Core& core, const TrustReaders& readers, Rotation& rotation)
      : core_(core), readers_(readers), rotation_(rotation) {}
  void add_to(Routes& routes);

 private:
  Answer list(const Exchange& exchange) const;
  api::KeyView view(const directory::Snapshot& snapshot, const directory::Authority& authority) const;
  api::KeyView sealing_view() const;
  Rotation::MakeChange as(const Exchange& exchange) const;
  net::Task<Answer> rotate(Exchange exchange);
  net::Task<Answer> activate(Exchange exchange);
  net::Task<Answer> finish(Exchange exchange);
  Answer those_of(const std::string& purpose) const;

  Core& core_;
  const TrustReaders& readers_;
  Rotation& rotation_;
};

}  // namespace portolan::control

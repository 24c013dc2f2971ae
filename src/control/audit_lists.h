// /v1/audit/…: what is on record, listed and followed. The stores number entries in order of their commits, so that a
// follower needs no queue: it goes on behind its cursor whenever something may have come.
#pragma once
#include "control/routes.h"

namespace portolan::control {

class AuditLists {
 public:
  explicit AuditLists(Core& core) : core_(core) {}
  void add_to(Routes& routes);

 private:
  Core& core_;
};

}  // namespace portolan::control

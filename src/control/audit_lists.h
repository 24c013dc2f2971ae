// /v1/audit/…: what is on record, listed and followed. The stores number entries in order of their commits, so that a
// follower needs no queue: it goes on behind its cursor whenever something may have come. /v1/sessions is the same list
// of sessions with those only that go on.
#pragma once
#include "control/presence.h"
#include "control/routes.h"

namespace portolan::control {

class AuditLists {
 public:
  AuditLists(Core& core, const Presence& presence) : core_(core), presence_(presence) {}
  void add_to(Routes& routes);

 private:
  Core& core_;
  const Presence& presence_;
};

}  // namespace portolan::control

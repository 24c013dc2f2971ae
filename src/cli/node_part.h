// A gateway or relay as a part.
#pragma once
#include <optional>

#include "base/cron.h"
#include "cli/node_updates.h"
#include "cli/part.h"
#include "net/hangup_watch.h"
#include "node/node.h"

namespace portolan::cli {

// When a restart that was asked for, by SIGHUP, may begin.
struct Maintenance {
  std::optional<Cron> window = {};  // in one of these minutes; none: at any time
  bool require_idle = false;        // when nothing runs that a restart would end
  bool may_begin(WallTime now, bool idle) const { return (!window || window->matches(now)) && (!require_idle || idle); }
};

class NodePart : public Part {
 public:
  // Without `maintenance` no restart can be asked for. `updates`, if there are any, outlive the part.
  static net::Task<Result<std::unique_ptr<Part>>> start(net::Loop& loop, node::NodeOptions options,
                                                        std::optional<Maintenance> maintenance = {},
                                                        NodeUpdates* updates = nullptr);
  NodePart(net::Loop& loop, std::unique_ptr<node::Node> node, std::optional<Maintenance> maintenance,
           NodeUpdates* updates);
  // A restart is due, as it was asked for or for an update: fails with what restart_due() says.
  net::Task<Result<>> ended() override;
  net::Task<> stop() override;
  const node::Node& node() const { return *node_; }

 private:
  std::unique_ptr<node::Node> node_;
  std::optional<Maintenance> maintenance_;
  bool asked_ = false;
  net::Event asked_now_;
  std::optional<net::HangupWatch> hangup_;
  NodeUpdates* updates_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::cli

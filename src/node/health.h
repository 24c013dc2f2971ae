// /liveness and /readiness on one port, /metrics (Prometheus text) on another; both bind to loopback unless configured
// otherwise.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http/server.h"
#include "net/tcp.h"

namespace portolan::node {

struct Metric {
  enum class Kind { kCounter, kGauge };
  std::string name;  // "portolan_sessions"
  std::string help;
  Kind kind = Kind::kGauge;
  double value = 0;
};
std::string to_prometheus(const std::vector<Metric>& metrics);

struct HealthSources {
  std::function<bool()> ready;
  std::function<std::vector<Metric>()> metrics;
};

// One loop. stop() before destruction.
class Health {
 public:
  // A port that is taken is an error that names it.
  static Result<std::unique_ptr<Health>> start(const net::Executor& executor, std::optional<net::Endpoint> health,
                                               std::optional<net::Endpoint> metrics, HealthSources sources);
  net::Task<> stop();

 private:
  Health(const net::Executor& executor, HealthSources sources);
  Result<std::unique_ptr<net::Listener>> listen(const net::Endpoint& at, const net::http::Router& router,
                                                std::string_view option);

  HealthSources sources_;
  net::http::Router health_routes_, metrics_routes_;
  net::http::ServerOptions options_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node

#include "node/health.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace portolan::node {
namespace {

constexpr std::size_t kConnections = 64;

net::http::Response text(int status, std::string body, std::string type = "text/plain; charset=utf-8") {
  return {status, {{"content-type", std::move(type)}}, std::move(body)};
}

}  // namespace

std::string to_prometheus(const std::vector<Metric>& metrics) {
  std::vector<prometheus::MetricFamily> families;
  for (const Metric& metric : metrics) {
    prometheus::ClientMetric value;
    const bool counter = metric.kind == Metric::Kind::kCounter;
    (counter ? value.counter.value : value.gauge.value) = metric.value;
    families.push_back(
        {metric.name, metric.help, counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge, {value}});
  }
  return prometheus::TextSerializer().Serialize(families);
}

Health::Health(const net::Executor& executor, HealthSources sources) : sources_(std::move(sources)), tasks_(executor) {
  options_.limits.body_bytes = 0;
  options_.header_timeout = std::chrono::seconds(5);
  options_.idle_timeout = std::chrono::seconds(15);
  health_routes_.add("GET", "/liveness",
                     [](net::http::Call) -> net::Task<net::http::Response> { co_return text(200, "alive\n"); });
  health_routes_.add("GET", "/readiness", [this](net::http::Call) -> net::Task<net::http::Response> {
    const bool ready = sources_.ready();
    co_return ready ? text(200, "ready\n") : text(503, "not ready\n");
  });
  metrics_routes_.add("GET", "/metrics", [this](net::http::Call) -> net::Task<net::http::Response> {
    co_return text(200, to_prometheus(sources_.metrics()), "text/plain; version=0.0.4; charset=utf-8");
  });
}

Result<std::unique_ptr<net::Listener>> Health::listen(const net::Endpoint& at, const net::http::Router& router,
                                                      std::string_view option) {
  auto listener = net::listen_tcp(tasks_.executor(), at, [this, &router](std::unique_ptr<net::TcpStream> stream) {
    if (tasks_.size() >= kConnections) return;
    net::http::Connection connection{.peer = stream->peer().host};
    tasks_.spawn("health", net::http::serve_connection(std::move(stream), std::move(connection), router, options_));
  });
  if (!listener) return std::unexpected(std::move(listener).error().within("listen for " + std::string(option)));
  return listener;
}

Result<std::unique_ptr<Health>> Health::start(const net::Executor& executor, std::optional<net::Endpoint> health,
                                              std::optional<net::Endpoint> metrics, HealthSources sources) {
  std::unique_ptr<Health> made(new Health(executor, std::move(sources)));
  if (health) {
    PL_TRY(auto listener, made->listen(*health, made->health_routes_, "health (--health)"));
    made->listeners_.push_back(std::move(listener));
  }
  if (metrics) {
    PL_TRY(auto listener, made->listen(*metrics, made->metrics_routes_, "metrics (--metrics)"));
    made->listeners_.push_back(std::move(listener));
  }
  return made;
}

net::Task<> Health::stop() {
  listeners_.clear();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node

#include "node/health.h"

#include <gtest/gtest.h>

namespace portolan::node {
namespace {

TEST(Health, MetricsInPrometheusText) {
  const std::string text = to_prometheus({{"portolan_sessions", "sessions that live here", Metric::Kind::kGauge, 3},
                                          {"portolan_bytes_total", "bytes", Metric::Kind::kCounter, 7}});
  EXPECT_NE(
      text.find(
          "# HELP portolan_sessions sessions that live here\n# TYPE portolan_sessions gauge\nportolan_sessions 3"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("# TYPE portolan_bytes_total counter\nportolan_bytes_total 7"), std::string::npos) << text;
}

}  // namespace
}  // namespace portolan::node

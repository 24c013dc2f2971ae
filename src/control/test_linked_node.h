// For the tests of routing: a node that is there and says which links it has.
#pragma once
#include <optional>
#include <string>
#include <utility>

#include "api/health.h"
#include "control/test_plane.h"

namespace portolan::control::testing {

// Its watch has to be ended by the test.
class LinkedNode {
 public:
  LinkedNode(TestPlane& test, const JoinedNode& node)
      : test_(test), node_(node), watch_(test, "/v1/node", node.by_certificate) {
    health.version = "1.1";
  }
  // Until the control plane knows that it is there.
  net::Task<Result<>> come() {
    CO_CHECK(co_await watch_.sink.next_of<api::NodeEvent>("view"));
    co_return Result<>{};
  }
  const std::string& id() const { return node_.joined.node; }
  // That this node has dialled, or has been dialled by.
  LinkedNode& dialled(const LinkedNode& other, std::optional<std::uint64_t> round_trip_us, bool up = true) {
    return put({other.id(), "gw:5000", up ? "up" : "down", round_trip_us, {}});
  }
  LinkedNode& accepted(const LinkedNode& other, std::uint64_t round_trip_us) {
    return put({other.id(), "", "up", round_trip_us, {}});
  }
  net::Task<Result<>> report() {
    health.time = test_.clock.wall();
    CO_CHECK(co_await test_.post<api::NodeHealthAnswer>("/v1/node/health", health, node_.by_certificate));
    co_return Result<>{};
  }
  // The next view that says anything of ways.
  net::Task<Result<api::NodeView>> view() {
    while (true) {
      CO_TRY(auto event, co_await watch_.sink.next_of<api::NodeEvent>("view"));
      if (event.view->dial) co_return std::move(*event.view);
    }
  }
  RunningWatch& watch() { return watch_; }

  api::NodeHealth health;

 private:
  LinkedNode& put(api::NodeLink link) {
    std::erase_if(health.links, [&](const auto& each) { return each.node == link.node; });
    health.links.push_back(std::move(link));
    return *this;
  }
  TestPlane& test_;
  const JoinedNode& node_;
  RunningWatch watch_;
};

}  // namespace portolan::control::testing

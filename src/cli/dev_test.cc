// The pure parts of dev: where it listens, which ports resources get, what the ready file says.
#include <sys/stat.h>

#include <set>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "cli/dev_ports.h"
#include "cli/dev_ready_file.h"
#include "cli/dev_setup.h"

namespace portolan::cli {
namespace {

TEST(DevPorts, Layout) {
  const DevPorts ports{20000};
  EXPECT_EQ(ports.control(), 20000);
  EXPECT_EQ(ports.gateway(0), 20001);
  EXPECT_EQ(ports.agent_status(), 20002);
  EXPECT_EQ(ports.web_proxy(), 20003);
  EXPECT_EQ(ports.gateway(1), 20004);
  EXPECT_EQ(ports.gateway(DevPorts::kMostGateways - 1), 20009);
  EXPECT_EQ(ports.resource(0), 20010);
  EXPECT_EQ(ports.resource(DevPorts::kMostResources - 1), 20089);
  EXPECT_EQ(ports.health(0), 20090);
  EXPECT_EQ(ports.metrics(0), 20110);
  EXPECT_EQ(ports.metrics(DevPorts::kMostNodes - 1), 20000 + DevPorts::kSpan - 1);
}

TEST(DevPorts, NoTwoAlike) {
  const DevPorts ports{20000};
  std::set<std::uint16_t> all{ports.control(), ports.agent_status(), ports.web_proxy()};
  for (std::size_t i = 0; i < DevPorts::kMostGateways; ++i) EXPECT_TRUE(all.insert(ports.gateway(i)).second);
  for (std::size_t i = 0; i < DevPorts::kMostResources; ++i) EXPECT_TRUE(all.insert(ports.resource(i)).second);
  for (std::size_t i = 0; i < DevPorts::kMostNodes; ++i)
    EXPECT_TRUE(all.insert(ports.health(i)).second && all.insert(ports.metrics(i)).second);
}

TEST(DevPorts, BasesKeepResourcesInTheirRange) {
  EXPECT_TRUE(check_base(9990));
  EXPECT_TRUE(check_base(32678));
  EXPECT_FALSE(check_base(9989));
  EXPECT_FALSE(check_base(32679));
}

TEST(DevPorts, AChosenBaseIsKeptFromOthers) {
  const auto first = choose_base(std::nullopt);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = choose_base(first->ports.base);
  ASSERT_TRUE(second);
  EXPECT_NE(first->ports.base, second->ports.base);
}

api::ResourceCreate wanted(std::string name) {
  api::ResourceCreate create;
  create.name = std::move(name);
  create.type = "postgres";
  return create;
}

api::ResourceView there(std::string name, std::uint16_t port) {
  api::ResourceView view;
  view.name = std::move(name);
  view.type = "postgres";
  view.local_port = port;
  return view;
}

TEST(DevSetup, LocalPorts) {
  const DevPorts ports{20000};
  using Ports = std::vector<std::uint16_t>;
  EXPECT_EQ(*dev_local_ports({wanted("a"), wanted("b")}, {}, ports), (Ports{20010, 20011}));
  // Where it was before, whatever the order now.
  EXPECT_EQ(*dev_local_ports({wanted("b"), wanted("a")}, {there("a", 20010), there("b", 20011)}, ports),
            (Ports{20011, 20010}));
  // Not where another one is.
  EXPECT_EQ(*dev_local_ports({wanted("c"), wanted("a")}, {there("a", 20010), there("x", 20012)}, ports),
            (Ports{20011, 20010}));
  // From the range of an earlier run into this one's.
  EXPECT_EQ(*dev_local_ports({wanted("a")}, {there("a", 25010)}, ports), (Ports{20010}));
  std::vector<api::ResourceCreate> many;
  for (int i = 0; i < 81; ++i) many.push_back(wanted("r" + std::to_string(i)));
  EXPECT_FALSE(dev_local_ports(many, {}, ports));
}

TEST(DevSetup, Nodes) {
  const auto nodes = dev_nodes(2, 1);
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes[1].kind + "/" + nodes[1].name, "gateway/gateway-2");
  EXPECT_EQ(nodes[2].kind + "/" + nodes[2].name, "relay/relay-1");
}

TEST(DevReadyFile, ExactlyTheDocumentedMembers) {
  DevReady ready{"https://127.0.0.1:1/",
                 "a@b.example",
                 Secret("p"),
                 Secret("t"),
                 "/ca",
                 "/home",
                 {{"r", "postgres", "127.0.0.1:2"}},
                 std::nullopt};
  EXPECT_EQ(
      json::encode(ready),
      R"({"admin_url":"https://127.0.0.1:1/","email":"a@b.example","password":"p","token":"t","ca_file":"/ca","home":"/home",)"
      R"("resources":[{"name":"r","type":"postgres","address":"127.0.0.1:2"}]})");
  ready.processes = {{"gateway", "gateway-1", 7, "127.0.0.1:3"}};
  EXPECT_NE(json::encode(ready).find(
                R"("processes":[{"part":"gateway","name":"gateway-1","pid":7,"address":"127.0.0.1:3"}])"),
            std::string::npos);
}

TEST(DevReadyFile, IsPrivate) {
  const auto path = std::filesystem::temp_directory_path() / ("portolan-ready-" + make_token(6));
  ASSERT_TRUE(write_ready_file(path, {}));
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace portolan::cli

// A node's updates against a web server on loopback; the node itself is not there.
#include "cli/node_updates.h"

#include <gtest/gtest.h>

#include "net/event.h"
#include "net/tcp.h"
#include "update/testing.h"

namespace portolan::cli {
namespace {

using update::testing::content_of;
using update::testing::Folder;
using update::testing::Maker;
using update::testing::program;
using update::testing::write_program;

Cron cron(std::string_view text) { return *Cron::parse(text); }

// An installation of 1.0.0, releases, and the port that gives them out.
struct Scene {
  explicit Scene(const net::Executor& on)
      : executor(on), maker(Clock::real().wall()), server(on, maker.tree.path()), connections(on) {
    write_program(home / "portolan", program("1.0.0"));
    auto made = net::listen_tcp(on, {"127.0.0.1", 0}, [this](std::unique_ptr<net::TcpStream> stream) {
      connections.spawn("connection", net::http::serve_connection(std::move(stream), {}, server.router(), http));
    });
    EXPECT_TRUE(made);
    if (made) listener = std::move(*made);
  }
  NodeUpdateOptions options(std::string_view window) const {
    const std::string at = listener ? net::to_text(listener->local()) : "127.0.0.1:1";
    return {.window = cron(window),
            .source = {.url = *update::parse_url("http://" + at)},
            .updater = {.anchor = maker.anchor(),
                        .state_folder = home / "data/update",
                        .place = {home / "portolan", std::chrono::seconds(10)},
                        .version = *update::Version::parse("1.0.0")},
            .between = std::chrono::milliseconds(50),
            .most_jitter = std::chrono::milliseconds(1)};
  }
  update::State state() const {
    const auto loaded = update::load_state(home / "data/update" / update::kStateFile);
    EXPECT_TRUE(loaded);
    return loaded.value_or(update::State{});
  }
  net::Task<> stop() {
    listener.reset();
    connections.cancel();
    co_await connections.join();
    co_await server.stop();
  }

  net::Executor executor;
  Maker maker;
  Folder home;
  update::testing::Server server;
  net::http::ServerOptions http;
  std::unique_ptr<net::Listener> listener;
  net::TaskGroup connections;
};

CO_TEST(NodeUpdates, DownloadsWhileItServesAndInstallsAfterwards) {
  Scene scene(co_await net::this_executor());
  CO_ASSERT_TRUE(scene.listener != nullptr);
  CO_ASSERT_OK(make_folder(scene.home / "data", Privacy::kPrivate));
  scene.maker.release("1.1.0");
  NodeUpdates updates(scene.options("* * * * *"));
  EXPECT_FALSE(updates.may_begin(Clock::real().wall(), true));
  int staged = 0;
  co_await updates.follow([&staged] { ++staged; });
  EXPECT_EQ(staged, 1);
  EXPECT_TRUE(updates.staged());
  EXPECT_TRUE(updates.may_begin(Clock::real().wall(), false));
  EXPECT_EQ(content_of(scene.home / "portolan"), program("1.0.0")) << "not before it has left";
  updates.install();
  EXPECT_EQ(content_of(scene.home / "portolan"), program("1.1.0"));
  EXPECT_FALSE(updates.staged());
  const auto state = scene.state();
  CO_ASSERT_TRUE(state.trial.has_value());
  EXPECT_EQ(state.trial->version, "1.1.0");

  // The new program serves, and its trial is over.
  auto options = scene.options("* * * * *");
  options.updater.version = *update::Version::parse("1.1.0");
  NodeUpdates next(std::move(options));
  co_await next.confirm([] { return true; });
  EXPECT_FALSE(scene.state().trial);
  co_await scene.stop();
}

CO_TEST(NodeUpdates, AsksAgainUntilThereIsOne) {
  Scene scene(co_await net::this_executor());
  CO_ASSERT_TRUE(scene.listener != nullptr);
  CO_ASSERT_OK(make_folder(scene.home / "data", Privacy::kPrivate));
  NodeUpdates updates(scene.options("* * * * *"));
  bool staged = false;
  net::Event done(scene.executor);
  net::TaskGroup tasks(scene.executor);
  tasks.spawn("follow", updates.follow([&] {
    staged = true;
    done.set();
  }));
  // Nothing is published yet: that is an error, which is no reason to give up.
  while (scene.server.requests.size() < 4) {
    const auto slept = co_await net::sleep_for(std::chrono::milliseconds(5));
    CO_ASSERT_OK(slept);
  }
  EXPECT_FALSE(staged);
  scene.maker.release("1.1.0");
  if (!staged) {
    const auto waited = co_await done.wait(std::chrono::seconds(5));
    CO_ASSERT_OK(waited);
  }
  EXPECT_TRUE(updates.staged());
  co_await tasks.join();
  co_await scene.stop();
}

CO_TEST(NodeUpdates, WaitForTheirWindow) {
  Scene scene(co_await net::this_executor());
  CO_ASSERT_TRUE(scene.listener != nullptr);
  scene.maker.release("1.1.0");
  // Half a day from now.
  const auto later = std::chrono::floor<std::chrono::hours>(Clock::real().wall()) + std::chrono::hours(12);
  const auto hour = std::chrono::hh_mm_ss(later - std::chrono::floor<std::chrono::days>(later)).hours().count();
  NodeUpdates updates(scene.options("* " + std::to_string(hour) + " * * *"));
  net::TaskGroup tasks(scene.executor);
  tasks.spawn("follow", updates.follow([] { ADD_FAILURE() << "out of its window"; }));
  const auto slept = co_await net::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(slept);
  EXPECT_TRUE(scene.server.requests.empty());
  tasks.cancel();
  co_await tasks.join();
  co_await scene.stop();
}

CO_TEST(NodeUpdates, WaitForIdlenessWhereItIsWanted) {
  Scene scene(co_await net::this_executor());
  CO_ASSERT_TRUE(scene.listener != nullptr);
  CO_ASSERT_OK(make_folder(scene.home / "data", Privacy::kPrivate));
  scene.maker.release("1.1.0");
  auto options = scene.options("* * * * *");
  options.require_idle = true;
  NodeUpdates updates(std::move(options));
  co_await updates.follow([] {});
  EXPECT_FALSE(updates.may_begin(Clock::real().wall(), false));
  EXPECT_TRUE(updates.may_begin(Clock::real().wall(), true));
  co_await scene.stop();
}

CO_TEST(NodeUpdates, WhatDoesNotStartLeavesTheProgramAlone) {
  Scene scene(co_await net::this_executor());
  CO_ASSERT_TRUE(scene.listener != nullptr);
  CO_ASSERT_OK(make_folder(scene.home / "data", Privacy::kPrivate));
  scene.maker.release("1.1.0", "exit 1");
  NodeUpdates updates(scene.options("* * * * *"));
  co_await updates.follow([] {});
  updates.install();
  EXPECT_EQ(content_of(scene.home / "portolan"), program("1.0.0"));
  const auto state = scene.state();
  EXPECT_TRUE(state.failed.contains("1.1.0"));
  EXPECT_FALSE(state.trial);
  co_await scene.stop();
}

}  // namespace
}  // namespace portolan::cli

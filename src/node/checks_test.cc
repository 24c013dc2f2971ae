// Checks against a server of the test's own on loopback.
#include "node/checks.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/event.h"
#include "net/tcp.h"

namespace portolan::node {
namespace {

using namespace std::chrono_literals;

api::CheckTask task_for(std::uint16_t port, std::string type = "tcp") {
  api::CheckTask task;
  task.id = "ck-1";
  task.nonce = Secret("nonce");
  task.resource = "rs-1";
  task.name = "billing";
  task.type = std::move(type);
  task.host = "127.0.0.1";
  task.port = port;
  task.username = task.type == "tcp" ? "" : "app";
  task.password = Secret("pencil");
  task.settings = task.type == "tcp" ? protocols::Settings{} : protocols::Settings{{"tls", "disable"}};
  task.deadline_ms = 2000;
  task.life_ms = 5000;
  return task;
}

// Begins a task and waits for its result.
net::Task<api::CheckResult> result_of(api::CheckTask task) {
  const auto executor = co_await net::this_executor();
  net::Event came(executor);
  bool over = false;
  Checks checks(executor, 1s, [&](const std::string&, bool) {
    over = true;
    came.set();
  });
  checks.begin(std::move(task));
  if (!over) {
    const auto waited = co_await came.wait(10s);
    EXPECT_TRUE(waited);
  }
  auto results = checks.take();
  EXPECT_EQ(results.size(), 1U);
  co_await checks.stop();
  co_return results.empty() ? api::CheckResult{} : std::move(results[0]);
}

CO_TEST(NodeChecks, ASocketThatIsOpenAndOneThatIsNot) {
  const auto executor = co_await net::this_executor();
  auto listener = net::listen_tcp(executor, {"127.0.0.1", 0}, [](std::unique_ptr<net::TcpStream>) {});
  CO_ASSERT_OK(listener);
  const auto port = (*listener)->local().port;
  auto result = co_await result_of(task_for(port));
  EXPECT_TRUE(result.healthy) << result.reason;
  EXPECT_EQ(result.code, "ok");
  EXPECT_EQ(result.id, "ck-1");
  EXPECT_EQ(result.nonce.reveal(), "nonce");
  listener->reset();
  result = co_await result_of(task_for(port));
  EXPECT_FALSE(result.healthy);
  EXPECT_EQ(result.code, "connection_refused");
  EXPECT_EQ(result.reason, "connect to 127.0.0.1:" + std::to_string(port) + ": connection refused");
}

// Takes a connection and answers it, or stays silent.
struct Server {
  static net::Task<> serve(std::unique_ptr<net::TcpStream> stream, std::string answer) {
    const auto asked = co_await net::read(*stream);
    if (asked && !answer.empty()) {
      const auto wrote = co_await net::write(*stream, as_bytes(answer));
      EXPECT_TRUE(wrote);
    }
    [[maybe_unused]] const auto rest = co_await net::read(*stream);
  }
  Server(const net::Executor& executor, std::string answer) : tasks(executor) {
    auto made = net::listen_tcp(executor, {"127.0.0.1", 0},
                                [this, answer = std::move(answer)](std::unique_ptr<net::TcpStream> stream) {
                                  tasks.spawn("serve", serve(std::move(stream), answer));
                                });
    EXPECT_TRUE(made);
    if (made) listener = std::move(*made);
  }
  net::Task<> stop() {
    listener.reset();
    tasks.cancel();
    co_await tasks.join();
  }
  std::uint16_t port() const { return listener->local().port; }
  std::unique_ptr<net::Listener> listener;
  net::TaskGroup tasks;
};

CO_TEST(NodeChecks, AServerThatSaysNothingIsLeftAtTheDeadline) {
  Server server(co_await net::this_executor(), "");
  auto task = task_for(server.port(), "postgres");
  task.deadline_ms = 300;
  const auto result = co_await result_of(std::move(task));
  EXPECT_EQ(result.code, "timeout");
  EXPECT_EQ(result.reason, "127.0.0.1:" + std::to_string(server.port()) + ": timed out after 300ms");
  EXPECT_GE(result.duration_ms, 250U);
  co_await server.stop();
}

CO_TEST(NodeChecks, AServerThatSendsThePasswordBackDoesNotGetItShown) {
  const std::string fields = std::string("SFATAL\0C28P01\0Mwrong: pencil\x1b[2J pencil!\0\0", 42);
  std::string message = "E";
  const auto size = static_cast<std::uint32_t>(fields.size() + 4);
  for (int shift = 24; shift >= 0; shift -= 8)
    message += static_cast<char>(size >> static_cast<unsigned>(shift) & 0xffU);
  Server server(co_await net::this_executor(), message + fields);
  const auto result = co_await result_of(task_for(server.port(), "postgres"));
  EXPECT_FALSE(result.healthy);
  EXPECT_EQ(result.code, "bad_credential") << result.reason;
  EXPECT_EQ(result.reason.find("pencil"), std::string::npos) << result.reason;
  EXPECT_NE(result.reason.find("wrong: …"), std::string::npos) << result.reason;
  EXPECT_EQ(result.reason.find('\x1b'), std::string::npos);
  EXPECT_TRUE(result.reason.starts_with("127.0.0.1:" + std::to_string(server.port()))) << result.reason;
  co_await server.stop();
}

CO_TEST(NodeChecks, WhatIsNotUnderstoodIsLeft) {
  auto task = task_for(1);
  task.must_understand = {"kerberos"};
  auto result = co_await result_of(task);
  EXPECT_EQ(result.code, "not_understood");
  result = co_await result_of(task_for(1, "gopher"));
  EXPECT_EQ(result.code, "not_understood");
}

CO_TEST(NodeChecks, ResultsWaitUntilTheyAreHandedOver) {
  Checks checks(co_await net::this_executor(), 1s, [](const std::string&, bool) {});
  auto task = task_for(1);
  task.must_understand = {"x"};
  checks.begin(task);
  auto first = checks.take();
  EXPECT_EQ(first.size(), 1U);
  checks.begin(task);
  checks.put_back(std::move(first));
  EXPECT_EQ(checks.take().size(), 2U);
  std::vector<api::CheckResult> many(1000);
  checks.put_back(std::move(many));
  EXPECT_EQ(checks.take().size(), 200U);
  co_await checks.stop();
}

}  // namespace
}  // namespace portolan::node

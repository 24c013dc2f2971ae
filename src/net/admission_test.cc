#include "net/admission.h"

#include <boost/asio/this_coro.hpp>

#include "net/co_test.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::this_coro::executor;

// A listener whose connections go through admission.
struct Gate {
  std::vector<std::unique_ptr<TcpStream>> spoke;
  Admission admission;
  std::unique_ptr<Listener> listener;

  Gate(const Executor& on, AdmissionLimits limits)
      : admission(on, limits, [this](std::unique_ptr<TcpStream> stream) { spoke.push_back(std::move(stream)); }) {
    auto made = listen_tcp(on, {"127.0.0.1", 0},
                           [this](std::unique_ptr<TcpStream> stream) { admission.add(std::move(stream)); });
    if (made) listener = std::move(*made);
  }
};

CO_TEST(Admission, LetsThroughWhoSpeaks) {
  const auto before = blocks_in_use();
  Gate gate(co_await executor, {});
  auto silent = co_await dial_tcp(gate.listener->local(), 1s);
  CO_ASSERT_OK(silent);
  auto client = co_await dial_tcp(gate.listener->local(), 1s);
  CO_ASSERT_OK(client);
  while (gate.admission.waiting() < 2) co_await yield_to_loop();
  EXPECT_EQ(blocks_in_use(), before);
  auto wrote = co_await write(**client, as_bytes("hello"));
  CO_ASSERT_OK(wrote);
  while (gate.spoke.empty()) co_await yield_to_loop();
  EXPECT_EQ(gate.admission.waiting(), 1U);
  auto got = co_await read(*gate.spoke[0]);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "hello");
}

CO_TEST(Admission, ClosesWhoStaysSilent) {
  Gate gate(co_await executor, {.silence = 30ms});
  auto client = co_await dial_tcp(gate.listener->local(), 1s);
  CO_ASSERT_OK(client);
  auto end = co_await with_timeout(read(**client), 2s);
  CO_ASSERT_OK(end);
  EXPECT_TRUE(end->empty());
  EXPECT_EQ(gate.admission.waiting(), 0U);
  EXPECT_TRUE(gate.spoke.empty());
}

CO_TEST(Admission, TheLongestSilentMakesRoom) {
  Gate gate(co_await executor, {.waiting = 2});
  std::vector<std::unique_ptr<TcpStream>> clients;
  for (int i = 0; i < 3; ++i) {
    auto client = co_await dial_tcp(gate.listener->local(), 1s);
    CO_ASSERT_OK(client);
    clients.push_back(std::move(*client));
  }
  auto end = co_await with_timeout(read(*clients[0]), 2s);
  CO_ASSERT_OK(end);
  EXPECT_TRUE(end->empty());
  EXPECT_EQ(gate.admission.waiting(), 2U);
}

}  // namespace
}  // namespace portolan::net

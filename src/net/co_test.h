// Tests whose body is a coroutine: CO_TEST(Suite, Name) { ...; co_await ...; } runs it on a loop of its own and fails
// if it throws or takes longer than ten seconds. In it use EXPECT_* and the CO_ASSERT_* below (gtest's ASSERT_* contain
// `return`).
#pragma once
#include <chrono>
#include <exception>
#include <string>

#include <gtest/gtest.h>

#include "net/loop.h"
#include "net/task.h"

namespace portolan::net::testing {

// The sanitizers make everything several times slower.
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
inline constexpr std::chrono::seconds kTestLimit{60};
#else
inline constexpr std::chrono::seconds kTestLimit{10};
#endif

inline Task<> run_test_body(Task<> body, Loop& loop) {
  try {
    co_await std::move(body);
  } catch (const std::exception& e) {
    ADD_FAILURE() << "exception: " << e.what();
  }
  loop.stop();
}

inline void run_co_test(Task<> (*body)()) {
  Loop loop;
  TaskGroup tasks(loop.executor());
  tasks.spawn("test", run_test_body(body(), loop));
  Timer limit(loop.executor());
  limit.schedule(kTestLimit, [&loop] {
    ADD_FAILURE() << "the test took too long";
    loop.stop();
  });
  loop.run();
}

template <class T>
std::string describe_failure(const Result<T>& result) {
  return result ? "no error" : std::string(name_of(result.error().code)) + ": " + result.error().message;
}

}  // namespace portolan::net::testing

#define CO_TEST(suite, name)                                                              \
  static ::portolan::net::Task<> co_test_##suite##_##name();                              \
  TEST(suite, name) { ::portolan::net::testing::run_co_test(&co_test_##suite##_##name); } \
  static ::portolan::net::Task<> co_test_##suite##_##name()

#define CO_ASSERT_TRUE(...)                       \
  do {                                            \
    const bool co_assert_holds(__VA_ARGS__);      \
    EXPECT_TRUE(co_assert_holds) << #__VA_ARGS__; \
    if (!co_assert_holds) co_return;              \
  } while (false)
#define CO_ASSERT_EQ(a, b)                                \
  do {                                                    \
    const auto& co_assert_a = (a);                        \
    const auto& co_assert_b = (b);                        \
    EXPECT_EQ(co_assert_a, co_assert_b) << #a " and " #b; \
    if (!(co_assert_a == co_assert_b)) co_return;         \
  } while (false)
// The Result holds a value; else its error is shown.
#define CO_ASSERT_OK(...)                                                                        \
  do {                                                                                           \
    const auto& co_assert_result = (__VA_ARGS__);                                                \
    EXPECT_TRUE(co_assert_result.has_value())                                                    \
        << #__VA_ARGS__ << ": " << ::portolan::net::testing::describe_failure(co_assert_result); \
    if (!co_assert_result) co_return;                                                            \
  } while (false)
// The Result holds an error with this code.
#define CO_ASSERT_ERROR(result, expected_code)                                                                       \
  do {                                                                                                               \
    const auto& co_assert_result = (result);                                                                         \
    const bool co_assert_holds = !co_assert_result && co_assert_result.error().code == (expected_code);              \
    EXPECT_TRUE(co_assert_holds) << #result << ": " << ::portolan::net::testing::describe_failure(co_assert_result); \
    if (!co_assert_holds) co_return;                                                                                 \
  } while (false)

#include "net/link_backoff.h"

#include <gtest/gtest.h>

namespace portolan::net {
namespace {
using namespace std::chrono_literals;

// The waits, each of which lies between half and all of its step, of attempts from `now` on.
std::vector<std::chrono::milliseconds> waits(LinkBackoff& backoff, BootTime now, int count) {
  std::vector<std::chrono::milliseconds> all;
  for (int i = 0; i < count; ++i) all.push_back(backoff.next(now));
  return all;
}

void expect_steps(const std::vector<std::chrono::milliseconds>& waits,
                  const std::vector<std::chrono::milliseconds>& steps) {
  ASSERT_EQ(waits.size(), steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_GE(waits[i], steps[i] / 2) << i;
    EXPECT_LE(waits[i], steps[i]) << i;
  }
}

TEST(LinkBackoff, DoublesUntilALinkIsMade) {
  LinkBackoff backoff(400ms, 5s);
  expect_steps(waits(backoff, BootTime(1h), 7), {200ms, 400ms, 800ms, 1600ms, 3200ms, 5s, 5s});
}

TEST(LinkBackoff, StaysShortForAWhileAfterAGoodLinkWasLost) {
  LinkBackoff backoff(400ms, 5s);
  waits(backoff, BootTime(1h), 9);
  backoff.lost(1s, BootTime(2h));
  expect_steps(waits(backoff, BootTime(2h), 3), {200ms, 400ms, 400ms});
  const BootTime last = BootTime(2h) + LinkBackoff::kSoonFor - 1ms;
  expect_steps(waits(backoff, last, 2), {400ms, 400ms});
  expect_steps(waits(backoff, last + 1ms, 5), {400ms, 800ms, 1600ms, 3200ms, 5s});
}

TEST(LinkBackoff, WhoEndsEachLinkAtOnceGetsFewer) {
  LinkBackoff backoff(400ms, 5s);
  waits(backoff, BootTime(1h), 5);
  backoff.lost(999ms, BootTime(1h));
  expect_steps(waits(backoff, BootTime(1h), 2), {5s, 5s});
}

}  // namespace
}  // namespace portolan::net

#include "net/turn_end.h"

#include <string>

#include <gtest/gtest.h>

#include "net/loop.h"

namespace portolan::net {
namespace {

TEST(TurnEnd, ComesAfterWhatIsReadyAndBeforeWhatIsNot) {
  Loop loop;
  const auto executor = loop.executor();
  std::string order;
  loop.post([&] {
    at_turn_end(executor, [&] {
      order += "c";
      at_turn_end(executor, [&] { order += "d"; });  // the layer below
      loop.post([&] { order += "e"; });
    });
    order += "a";
  });
  loop.post([&] { order += "b"; });
  loop.run();
  EXPECT_EQ(order, "abcde");
}

TEST(TurnEnd, LetsOthersInWhenItGoesOnAndOn) {
  Loop loop;
  const auto executor = loop.executor();
  int calls = 0;
  bool others = false;
  std::move_only_function<void()> again = [&] {
    if (others || ++calls > 100'000) return;
    at_turn_end(executor, [&] { again(); });
  };
  loop.post([&] {
    again();
    at_turn_end(executor, [&] { loop.post([&] { others = true; }); });
  });
  loop.run();
  EXPECT_TRUE(others);
  EXPECT_LT(calls, 1000);
}

TEST(TurnEnd, WhatWaitsGoesWithTheLoop) {
  const auto kept = std::make_shared<int>(1);
  {
    Loop loop;
    const auto executor = loop.executor();
    loop.post([&] {
      at_turn_end(executor, [kept] { ADD_FAILURE() << "the loop had been stopped"; });
      loop.stop();
    });
    loop.run();
    EXPECT_EQ(kept.use_count(), 2);
  }
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace portolan::net

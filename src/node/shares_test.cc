#include "node/shares.h"

#include <gtest/gtest.h>

namespace portolan::node {
namespace {

TEST(Shares, AnAccountHasOneWhileAnythingOfItLives) {
  Shares shares({.each = 100, .all = 150});
  auto ann = shares.of("a-1");
  const auto ben = shares.of("a-2");
  EXPECT_EQ(shares.of("a-1"), ann);
  EXPECT_NE(ann, ben);
  ann->take(90);
  EXPECT_EQ(ann->left(), 10U);
  EXPECT_EQ(ben->left(), 60U) << "what is left of all";
  EXPECT_EQ(shares.all()->used, 90U);
  ann->give_back(90);
  ann.reset();
  EXPECT_EQ(shares.of("a-1")->left(), 100U);
  EXPECT_EQ(ben->left(), 100U);
}

}  // namespace
}  // namespace portolan::node

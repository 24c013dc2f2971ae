#include "directory/certificates.h"

#include <gtest/gtest.h>

namespace portolan::directory {
namespace {

constexpr WallTime kNow{std::chrono::hours(1000)};

HeldCertificate held(std::string serial, std::chrono::minutes left) {
  return {std::move(serial), "ca-1", kNow + left, {}};
}

Node node_with(std::string serial) {
  Node node;
  node.certificate_serial = std::move(serial);
  return node;
}

TEST(Certificates, APendingOneTakesThePlaceWhenItIsUsed) {
  Node node = node_with("1");
  ASSERT_TRUE(add_pending(node, held("2", std::chrono::minutes(60)), held("1", std::chrono::minutes(20)), kNow));
  EXPECT_EQ(standing_of(node, "1"), Standing::kCurrent);
  EXPECT_EQ(standing_of(node, "2"), Standing::kPending);
  EXPECT_EQ(standing_of(node, "3"), Standing::kUnknown);
  EXPECT_EQ(standing_of(node, ""), Standing::kUnknown);
  EXPECT_FALSE(take_into_use(node, "1"));
  EXPECT_TRUE(take_into_use(node, "2"));
  EXPECT_EQ(node.certificate_serial, "2");
  EXPECT_EQ(standing_of(node, "1"), Standing::kReplaced);
  EXPECT_EQ(standing_of(node, "2"), Standing::kCurrent);
  EXPECT_FALSE(take_into_use(node, "1"));
  EXPECT_EQ(authority_of(node), "ca-1");
}

// The answer was lost: the old one asks again, and the one that was lost is good for nothing.
TEST(Certificates, OneGivenOutInVainIsReplaced) {
  Node node = node_with("1");
  ASSERT_TRUE(add_pending(node, held("2", std::chrono::minutes(60)), held("1", std::chrono::minutes(20)), kNow));
  ASSERT_TRUE(add_pending(node, held("3", std::chrono::minutes(60)), held("1", std::chrono::minutes(20)), kNow));
  EXPECT_EQ(standing_of(node, "1"), Standing::kCurrent);
  EXPECT_EQ(standing_of(node, "2"), Standing::kReplaced);
  EXPECT_EQ(standing_of(node, "3"), Standing::kPending);
}

TEST(Certificates, AllThatHaveNotEndedCanBeDenied) {
  Node node = node_with("1");
  ASSERT_TRUE(add_pending(node, held("2", std::chrono::minutes(60)), held("1", std::chrono::minutes(20)), kNow));
  ASSERT_TRUE(take_into_use(node, "2"));
  EXPECT_EQ(live_serials(node, kNow), (std::vector<std::string>{"2", "1"}));
  EXPECT_EQ(live_serials(node, kNow + std::chrono::minutes(21)), (std::vector<std::string>{"2"}));
  // Those of older releases have no end on record: the current one is denied in any case.
  EXPECT_EQ(live_serials(node_with("9"), kNow), (std::vector<std::string>{"9"}));
}

TEST(Certificates, ThereIsALimit) {
  Node node = node_with("0");
  Result<> added;
  std::size_t count = 0;
  for (; added && count < 100; ++count)
    added = add_pending(node, held(std::to_string(count + 1), std::chrono::minutes(60)),
                        held("0", std::chrono::minutes(20)), kNow);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, Code::kLimit);
  EXPECT_EQ(count, kCertificatesLimit);
  // When they have ended there is room again.
  EXPECT_TRUE(add_pending(node, held("new", std::chrono::minutes(120)), held("0", std::chrono::minutes(20)),
                          kNow + std::chrono::minutes(61)));
  EXPECT_EQ(node.certificates.size(), 2U);
}

}  // namespace
}  // namespace portolan::directory

#include "protocols/features.h"

#include <gtest/gtest.h>

namespace portolan::protocols {
namespace {

using Features = std::vector<std::string>;

TEST(Features, WhatTheFirstReleaseKnewNeedsNothing) {
  EXPECT_TRUE(features_needed("tcp", {}).empty());
  EXPECT_TRUE(features_needed("postgres", {}).empty());
  EXPECT_TRUE(features_needed("postgres",
                              {{"database", "app"}, {"tls", "verify-full"}, {"tls_ca", "…"}, {"tls_server_name", "db"}})
                  .empty());
}

TEST(Features, EveryNewerSettingIsOne) {
  for (const Protocol& protocol : registry())
    for (const auto setting : protocol.setting_names) {
      const auto needed = features_needed(protocol.name, {{std::string(setting), "x"}});
      EXPECT_LE(needed.size(), features_needed(protocol.name, {}).size() + 1) << setting;
      EXPECT_TRUE(features_missing(needed, features_understood()).empty()) << setting;
    }
  EXPECT_EQ(features_needed("postgres", {{"database", "app"}, {"hosts", "b"}, {"replication", "refuse"}}),
            (Features{"postgres.hosts", "postgres.replication"}));
}

TEST(Features, ANewerProtocolIsOne) {
  EXPECT_EQ(features_needed("gopher", {{"plus", "on"}}), (Features{"gopher", "gopher.plus"}));
}

TEST(Features, OfTheAuditModesOnlyStrictIs) {
  for (const char* mode : {"durable", "best-effort"}) EXPECT_TRUE(features_needed("tcp", {{"audit", mode}}).empty());
  EXPECT_EQ(features_needed("tcp", {{"audit", "strict"}}), Features{"strict-audit"});
  EXPECT_TRUE(features_missing({"strict-audit"}, features_understood()).empty());
}

TEST(Features, WhatIsMissingAndItsWords) {
  EXPECT_EQ(features_missing({"a", "b", "c"}, {"b", "d"}), (Features{"a", "c"}));
  EXPECT_EQ(join_features({"a", "b"}), "a,b");
  EXPECT_EQ(split_features("a,b"), (Features{"a", "b"}));
  EXPECT_EQ(split_features(",,a,"), Features{"a"});
  EXPECT_TRUE(split_features("").empty());
  EXPECT_EQ(features_in_words({}), "");
  EXPECT_EQ(features_in_words({"a"}), "a");
  EXPECT_EQ(features_in_words({"a", "b"}), "a and b");
  EXPECT_EQ(features_in_words({"a", "b", "c"}), "a and 2 more");
}

}  // namespace
}  // namespace portolan::protocols

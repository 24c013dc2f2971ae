#include "directory/egress_filter.h"

#include <gtest/gtest.h>

namespace portolan::directory {
namespace {

Node node() {
  return {.id = "n-1",
          .name = "relay-berlin",
          .kind = "relay",
          .address = {},
          .public_key = {},
          .certificate_serial = {},
          .tags = {{"env", "prod"}, {"region", "eu-west-1"}, {"name", "x"}, {"a/b", ""}}};
}

TEST(EgressFilter, AdmitsByTagsNameAndKind) {
  struct Case {
    const char* filter;
    bool admits;
  };
  const Case cases[] = {
      {"", true},
      {"env=prod", true},
      {"env=test", false},
      {"env=prod,region=eu-west-1", true},
      {"env=prod,region=us-east-1", false},
      {" env = prod , region = eu-west-1 ", true},
      {"env=test|prod", true},
      {"env=test|stage", false},
      {"region=eu-*", true},
      {"region=*west*", true},
      {"region=us-*", false},
      {"region=*-2", false},
      {"region=*", true},
      {"tier=*", false},
      {"tier!=gold", true},
      {"env!=prod", false},
      {"env!=test|stage", true},
      {"name=relay-*", true},
      {"name=relay-berlin,kind=relay", true},
      {"kind=gateway", false},
      {"tags.name=x", true},
      {"tags.env=prod", true},
      {"a/b=*", true},
      {"Env=prod", false},
      {"env=Prod", false},
  };
  for (const auto& each : cases) {
    const auto filter = EgressFilter::parse(each.filter);
    ASSERT_TRUE(filter) << each.filter << ": " << filter.error().message;
    EXPECT_EQ(filter->admits(node()), each.admits) << each.filter;
  }
}

TEST(EgressFilter, SaysWhatIsWrongWithIt) {
  struct Case {
    std::string filter;
    const char* says;
  };
  const Case cases[] = {
      {"env", "must be KEY=VALUE"},
      {"=prod", "must be KEY=VALUE"},
      {"env=", "a value is missing"},
      {"env=prod|", "a value is missing"},
      {"env=|prod", "a value is missing"},
      {"env=prod,", "a term is missing"},
      {",env=prod", "a term is missing"},
      {"env=prod region=eu", "a comma is missing"},
      {"e v=prod", "the key of"},
      {"!=prod", "the key of"},
      {"   ", "has no term"},
      {"env=a\nb", "control characters"},
      {std::string(600, 'a') + "=b", "at most 512"},
      {std::string(64, 'a') + "=b", "the key of"},
  };
  for (const auto& each : cases) {
    const auto filter = EgressFilter::parse(each.filter);
    ASSERT_FALSE(filter) << each.filter;
    EXPECT_EQ(filter.error().code, Code::kInvalid);
    EXPECT_TRUE(filter.error().message.starts_with("egress_filter: ")) << filter.error().message;
    EXPECT_NE(filter.error().message.find(each.says), std::string::npos) << filter.error().message;
  }
}

// However many stars there are, it is no work.
TEST(EgressFilter, StarsCostNothing) {
  std::string stars = "region=";
  for (int i = 0; i < 200; ++i) stars += "*a";
  Node each = node();
  each.tags["region"] = std::string(255, 'a');
  EXPECT_TRUE(EgressFilter::parse(stars)->admits(each));
  each.tags["region"] = std::string(100, 'a') + "b";
  EXPECT_FALSE(EgressFilter::parse(stars)->admits(each));
}

}  // namespace
}  // namespace portolan::directory

#include <gtest/gtest.h>

#include "protocols/driver.h"

namespace portolan::protocols {
namespace {

TEST(CommonSettings, AreTakenByEveryProtocol) {
  for (const Protocol& protocol : registry()) {
    const char* user = protocol.name == "postgres" ? "app" : "";
    for (const char* mode : {"strict", "durable", "best-effort"})
      EXPECT_TRUE(check_settings(protocol, {{"audit", mode}}, user)) << protocol.name << " " << mode;
    for (const char* mode : {"", "Strict", "off", "none"}) {
      const auto checked = check_settings(protocol, {{"audit", mode}}, user);
      ASSERT_FALSE(checked) << protocol.name << " " << mode;
      EXPECT_TRUE(checked.error().message.contains("strict, durable or best-effort")) << checked.error().message;
    }
    const auto unknown = check_settings(protocol, {{"no_such", "1"}}, user);
    ASSERT_FALSE(unknown);
    for (const auto name : all_setting_names(protocol))
      EXPECT_TRUE(unknown.error().message.contains(name)) << unknown.error().message;
  }
}

TEST(CommonSettings, AProtocolsOwnAreCheckedByIt) {
  const Protocol& postgres = *find_protocol("postgres");
  EXPECT_TRUE(check_settings(postgres, {{"audit", "strict"}, {"database", "app"}}, "app"));
  EXPECT_FALSE(check_settings(postgres, {{"audit", "strict"}, {"tls", "perhaps"}}, "app"));
  EXPECT_FALSE(check_settings(postgres, {{"audit", "strict"}}, ""));
}

TEST(CommonSettings, TheModeOfAudit) {
  EXPECT_EQ(audit_mode({}), audit::Mode::kDurable);
  EXPECT_EQ(audit_mode({{"audit", "strict"}}), audit::Mode::kStrict);
  EXPECT_EQ(audit_mode({{"audit", "best-effort"}}), audit::Mode::kBestEffort);
  EXPECT_EQ(audit_mode({{"audit", "x"}}).error().code, Code::kInvalid);
  EXPECT_EQ(own_settings({{"audit", "strict"}, {"database", "app"}}), (Settings{{"database", "app"}}));
}

}  // namespace
}  // namespace portolan::protocols

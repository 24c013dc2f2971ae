#include <set>

#include <gtest/gtest.h>

#include "protocols/driver.h"
#include "protocols/testing/fake_session.h"

namespace portolan::protocols {
namespace {

// A row that somebody forgot to fill in fails here, not at a user's.
TEST(Registry, EveryRowIsWhole) {
  std::set<std::string_view> names;
  for (const Protocol& protocol : registry()) {
    EXPECT_FALSE(protocol.name.empty());
    EXPECT_TRUE(names.insert(protocol.name).second) << protocol.name << " twice";
    EXPECT_NE(protocol.check, nullptr) << protocol.name;
    EXPECT_NE(protocol.refuse, nullptr) << protocol.name;
    EXPECT_NE(protocol.look_on, nullptr) << protocol.name;
    EXPECT_NE(protocol.probe, nullptr) << protocol.name;
    EXPECT_NE(protocol.make, nullptr) << protocol.name;
    testing::FakeSession session;
    EXPECT_NE(protocol.make(session), nullptr) << protocol.name;
    EXPECT_EQ(find_protocol(protocol.name), &protocol);
  }
}

TEST(Registry, UnknownSettingsAreRefusedByName) {
  for (const Protocol& protocol : registry()) {
    const auto checked = protocol.check({{"no_such_setting", "1"}}, protocol.name == "tcp" ? "" : "app");
    ASSERT_FALSE(checked) << protocol.name;
    EXPECT_EQ(checked.error().code, Code::kInvalid);
    EXPECT_TRUE(checked.error().message.contains("no_such_setting")) << checked.error().message;
    for (std::string_view name : protocol.setting_names)
      EXPECT_TRUE(checked.error().message.contains(name)) << checked.error().message;
  }
}

TEST(Registry, UnknownProtocols) {
  EXPECT_EQ(find_protocol("gopher"), nullptr);
  EXPECT_EQ(find_protocol(""), nullptr);
}

TEST(Registry, Checks) {
  struct Case {
    std::string_view protocol;
    Settings settings;
    std::string_view user;
    bool ok;
  };
  const Case cases[] = {
      {"tcp", {}, "", true},
      {"tcp", {}, "app", false},
      {"postgres", {}, "app", true},
      {"postgres", {}, "", false},
      {"postgres", {}, std::string_view("a\0b", 3), false},
      {"postgres", {{"database", "billing"}, {"tls", "verify-full"}, {"tls_server_name", "db.example"}}, "app", true},
      {"postgres", {{"database", std::string("a\0b", 3)}}, "app", false},
      {"postgres", {{"tls", "disable"}}, "app", true},
      {"postgres", {{"tls", "on"}}, "app", false},
      {"postgres", {{"tls", "disable"}, {"tls_server_name", "db.example"}}, "app", false},
      {"postgres", {{"tls", "verify-ca"}, {"tls_ca", "not a certificate"}}, "app", false},
      {"postgres", {{"tls_ca", "anything"}}, "app", false},
      {"http", {}, "", true},
      {"http", {{"auth", "basic"}, {"tls", "verify-full"}}, "app", true},
      {"http", {{"auth", "basic"}}, "", false},
  };
  for (const Case& c : cases)
    EXPECT_EQ(find_protocol(c.protocol)->check(c.settings, c.user).has_value(), c.ok)
        << c.protocol << " " << c.user << " " << (c.settings.empty() ? "" : c.settings.begin()->second);
}

}  // namespace
}  // namespace portolan::protocols

#include "cli/settings.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/id.h"
#include "cli/control_api.h"
#include "cli/exit.h"
#include "cli/service_options.h"

namespace portolan::cli {
namespace {

// A command "server" with three settings.
struct Fixture {
  CLI::App app{"", "server"};
  Settings settings{app};
  std::string listen = "default";
  std::vector<std::string> names;
  bool wide = false;
  std::filesystem::path file = std::filesystem::temp_directory_path() / ("portolan-settings-" + make_token(6));

  Fixture() {
    settings.add("--listen", listen, "");
    settings.add("--public-name", names, "");
    settings.add_switch("--wide", wide, "");
    for (const char* name : {"PORTOLAN_LISTEN", "PORTOLAN_PUBLIC_NAME", "PORTOLAN_WIDE", "PORTOLAN_CONFIG"})
      unsetenv(name);
  }
  ~Fixture() {
    std::filesystem::remove(file);
    unsetenv("PORTOLAN_LISTEN");
    unsetenv("PORTOLAN_PUBLIC_NAME");
  }
  Result<> load(std::vector<std::string> arguments, const std::string& toml) {
    EXPECT_TRUE(write_file(file, toml, Privacy::kPublic));
    if (!toml.empty()) arguments.insert(arguments.begin(), {"--config", file.string()});
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return settings.load();
  }
};

constexpr const char* kToml = "[server]\nlisten = \"file\"\npublic-name = [\"a\", \"b\"]\nwide = true\n";

TEST(Settings, Defaults) {
  Fixture fixture;
  ASSERT_TRUE(fixture.load({}, ""));
  EXPECT_EQ(fixture.listen, "default");
}

TEST(Settings, FileOverDefaults) {
  Fixture fixture;
  ASSERT_TRUE(fixture.load({}, kToml));
  EXPECT_EQ(fixture.listen, "file");
  EXPECT_EQ(fixture.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(fixture.wide);
}

TEST(Settings, EnvironmentOverFile) {
  Fixture fixture;
  setenv("PORTOLAN_LISTEN", "environment", 1);
  setenv("PORTOLAN_PUBLIC_NAME", "c,d", 1);
  ASSERT_TRUE(fixture.load({}, kToml));
  EXPECT_EQ(fixture.listen, "environment");
  EXPECT_EQ(fixture.names, (std::vector<std::string>{"c", "d"}));
}

TEST(Settings, CommandLineOverAll) {
  Fixture fixture;
  setenv("PORTOLAN_LISTEN", "environment", 1);
  ASSERT_TRUE(fixture.load({"--listen", "line"}, kToml));
  EXPECT_EQ(fixture.listen, "line");
}

TEST(Settings, UnknownKeysAndTablesAreWrongUsage) {
  for (const char* toml : {"[server]\nlisen = \"x\"\n", "listen = \"x\"\n", "[server\n", "[server]\nlisten = 1.5\n"}) {
    Fixture fixture;
    const auto loaded = fixture.load({}, toml);
    ASSERT_FALSE(loaded) << toml;
    EXPECT_EQ(exit_for(loaded.error()), Exit::kUsage) << toml;
  }
}

TEST(Settings, Durations) {
  EXPECT_EQ(*duration_setting("--x", "90s"), std::chrono::seconds(90));
  for (const char* text : {"", "0s", "-1s", "5", "soon"}) {
    const auto bad = duration_setting("--x", text);
    ASSERT_FALSE(bad) << text;
    EXPECT_EQ(exit_for(bad.error()), Exit::kUsage);
    EXPECT_TRUE(bad.error().message.starts_with("--x: ")) << bad.error().message;
  }
}

TEST(Settings, Endpoints) {
  EXPECT_EQ(endpoint_setting("--x", "h", 443)->port, 443);
  EXPECT_FALSE(*optional_endpoint("--x", "none", 1));
  EXPECT_EQ((*optional_endpoint("--x", "127.0.0.1:9", 1))->port, 9);
  EXPECT_FALSE(optional_endpoint("--x", "h:x", 1));
}

TEST(Moments, Forms) {
  const auto now = *from_rfc3339("2026-11-23T20:00:00.000Z");
  EXPECT_EQ(*parse_moment("2026-11-01T00:00:00Z", now), *from_rfc3339("2026-11-01T00:00:00.000Z"));
  EXPECT_EQ(*parse_moment("2h", now), *from_rfc3339("2026-11-23T18:00:00.000Z"));
  EXPECT_TRUE(parse_moment("2026-11-23", now));
  EXPECT_FALSE(parse_moment("yesterday", now));
}

}  // namespace
}  // namespace portolan::cli

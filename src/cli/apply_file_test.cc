#include "cli/apply_file.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/id.h"

namespace portolan::cli {
namespace {

Result<ApplyFile> parsed(std::string_view text, const std::filesystem::path& folder = ".",
                         Literals literals = Literals::kRefused) {
  return parse_apply_file("team.yaml", text, folder, literals);
}

TEST(ApplyFile, IsTheBodyOfTheRequest) {
  ASSERT_EQ(setenv("PORTOLAN_TEST_PASSWORD", "secret", 1), 0);
  const auto file = parsed(R"(
accounts:
  - email: ann@example.com
    roles: [engineers]
roles:
  - name: engineers
    grants:
      - billing
      - resource: ledger
        from: 2026-01-01T00:00:00Z
        until: none
resources:
  - name: billing
    url: postgres://app@db.internal/billing?tls=require
    settings: {pool: 5}
    password_env: PORTOLAN_TEST_PASSWORD
    tags: {env: prod, tier: 1, old: true}
  - name: ledger
    host: other
)");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(json::encode(file->request),
            R"({"accounts":[{"email":"ann@example.com","roles":["engineers"]}],"roles":[{"name":"engineers","grants":[)"
            R"({"resource":"billing"},{"resource":"ledger","from":"2026-01-01T00:00:00.000Z","until":"none"}]}],)"
            R"("resources":[{"name":"billing","type":"postgres","host":"db.internal","port":5432,)"
            R"("settings":{"database":"billing","pool":"5","tls":"require"},"username":"app","password":"secret",)"
            R"("tags":{"env":"prod","old":"true","tier":"1"}},{"name":"ledger","host":"other"}]})");
}

TEST(ApplyFile, ReadsFilesBesideIt) {
  const auto folder = std::filesystem::temp_directory_path() / ("portolan-apply-" + make_token(6));
  ASSERT_TRUE(make_folder(folder, Privacy::kPrivate));
  ASSERT_TRUE(write_file(folder / "db.password", "secret\n", Privacy::kPrivate));
  ASSERT_TRUE(write_file(folder / "ca.pem", "CA", Privacy::kPrivate));
  const auto file = parsed(R"(
resources:
  - {name: a, type: tcp, host: h, port: 1, password_file: db.password, setting_files: {tls_ca: ca.pem}}
)",
                           folder);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(file) << file.error().message;
  const auto& resource = file->request.resources->front();
  EXPECT_EQ(resource.password->reveal(), "secret");
  EXPECT_EQ(resource.settings->at("tls_ca"), "CA");
}

TEST(ApplyFile, NamesTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"resources:\n  - name: a\n    hots: b\n", "team.yaml:3: resources[0]: unknown member \"hots\""},
      {"resources:\n  - name: a\n    port: x\n", "team.yaml:3: resources[0].port: "},
      {"roles:\n  - name: a\n    grants:\n      - resource: b\n        until: soon\n",
       "team.yaml:5: roles[0].grants[0].until: "},
      {"resources:\n  - name: a\n    url: nonsense\n", "team.yaml:3: resources[0].url: "},
      {"resources:\n  - name: a\n    url: tcp://h:1\n    host: b\n", "team.yaml:4: resources[0].host: the url"},
      {"resources:\n  - name: a\n    password_file: none.such\n", "team.yaml:3: resources[0].password_file: "},
      {"resources:\n  - name: a\n    password: secret\n", "team.yaml:3: resources[0].password: others can read"},
      {"roles: 7\n", "team.yaml:1: roles: "},
      {"prune: true\n", "team.yaml:1: prune: is for the command line"},
      {"- a\n", "team.yaml: must have members"},
      {"a: 1\na: 2\n", "team.yaml: line 2: "},
  };
  for (const auto& [text, says] : cases) {
    const auto file = parsed(text);
    ASSERT_FALSE(file) << text;
    EXPECT_TRUE(file.error().message.starts_with(says)) << file.error().message;
    EXPECT_EQ(file.error().message.find("secret"), std::string::npos);
  }
}

TEST(ApplyFile, PlacesWhatTheControlPlaneSays) {
  const auto file = parsed("resources:\n  - name: a\n    host: b\n  - name: c\n    host: d\n");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->placed("resources[1] \"c\": host \"d\": must be"),
            "team.yaml:5: resources[1] \"c\": host \"d\": must be");
  EXPECT_EQ(file->placed("resources[1] \"c\": port: is"), "team.yaml:4: resources[1] \"c\": port: is");
  EXPECT_EQ(file->placed("only for admins"), "team.yaml: only for admins");
}

TEST(ApplyFile, TakesJsonAndLiteralsOfPrivateFiles) {
  const auto file =
      parsed("{\n\t\"resources\": [{\"name\": \"a\", \"password\": \"\\ud83d\\ude00\"}]}", ".", Literals::kTaken);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->request.resources->front().password->reveal(), "😀");
}

}  // namespace
}  // namespace portolan::cli

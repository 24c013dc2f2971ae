#include "cli/apply_file.h"

#include <unistd.h>

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/id.h"

namespace portolan::cli {
namespace {

constexpr const char* kCertificate = "-----BEGIN CERTIFICATE-----\nMIIBszCC\n-----END CERTIFICATE-----\n";

Result<ApplyFile> parsed(std::string_view text, const std::filesystem::path& folder = ".",
                         Literals literals = Literals::kRefused) {
  return parse_apply_file("team.yaml", text, ApplyReader(folder, Trust::kBeside), literals);
}

TEST(ApplyFile, IsTheBodyOfTheRequest) {
  ASSERT_EQ(setenv("PORTOLAN_PASSWORD_TEST", "secret", 1), 0);
  ASSERT_EQ(setenv("TZ", "America/New_York", 1), 0);  // which a day does not depend on
  const auto file = parsed(R"(
accounts:
  - email: ann@example.com
    roles: [engineers]
roles:
  - name: engineers
    grants:
      - billing
      - resource: ledger
        from: 2026-01-01
        until: none
resources:
  - name: billing
    url: postgres://app@db.internal/billing?tls=require
    settings: {pool: 5}
    password_env: PORTOLAN_PASSWORD_TEST
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
  ASSERT_TRUE(write_file(folder / "ca.pem", kCertificate, Privacy::kPrivate));
  const auto file = parsed(R"(
resources:
  - {name: a, type: tcp, host: h, port: 1, password_file: db.password, setting_files: {tls_ca: ca.pem}}
)",
                           folder);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(file) << file.error().message;
  const auto& resource = file->request.resources->front();
  EXPECT_EQ(resource.password->reveal(), "secret");
  EXPECT_EQ(resource.settings->at("tls_ca"), kCertificate);
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
      {"resources:\n  - name: a\n    password_file: /etc/passwd\n",
       "team.yaml:3: resources[0].password_file: \"/etc/passwd\" is \"/etc/passwd\", outside of the folder"},
      {"resources:\n  - name: a\n    password_env: HOME\n",
       "team.yaml:3: resources[0].password_env: the variable \"HOME\""},
      {"resources:\n  - name: a\n    type: postgres\n    setting_files:\n      tls_ca: /etc/passwd\n",
       "team.yaml:5: resources[0].setting_files.tls_ca: \"/etc/passwd\" is"},
      {"resources:\n  - name: a\n    url: tcp://h:1?password_file=/etc/passwd\n",
       "team.yaml:3: resources[0].url.password_file: \"/etc/passwd\" is"},
      {"resources:\n  - name: a\n    url: tcp://h:1?password_env=HOME\n",
       "team.yaml:3: resources[0].url.password_env: the variable"},
      {"resources:\n  - name: a\n    url: postgres://u@h/b?tls_ca_file=/etc/passwd\n",
       "team.yaml:3: resources[0].url.tls_ca_file: \"/etc/passwd\" is"},
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

// Its folder is where the command runs, whatever comes through the pipe.
TEST(ApplyFile, StandardInputLiesInTheWorkingDirectory) {
  const auto folder = std::filesystem::temp_directory_path() / ("portolan-apply-" + make_token(6));
  ASSERT_TRUE(make_folder(folder / "here", Privacy::kPrivate));
  for (const char* path : {"secret", "here/secret"})
    ASSERT_TRUE(write_file(folder / path, "secret", Privacy::kPrivate));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder / "here");
  const auto piped = [](const std::string& file, Trust trust) {
    int ends[2] = {};
    EXPECT_EQ(pipe(ends), 0);
    const std::string text = "resources:\n  - name: a\n    password_file: " + file + "\n";
    EXPECT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(ends[1]);
    const int standard_input = dup(STDIN_FILENO);
    dup2(ends[0], STDIN_FILENO);
    auto read = read_apply_file("-", trust);
    dup2(standard_input, STDIN_FILENO);
    close(standard_input);
    close(ends[0]);
    return read ? read->request.resources->front().password->reveal() : read.error().message;
  };
  EXPECT_EQ(piped("secret", Trust::kBeside), "secret");
  EXPECT_TRUE(piped("../secret", Trust::kBeside)
                  .starts_with("standard input:3: resources[0].password_file: \"../secret\" is "));
  EXPECT_EQ(piped("../secret", Trust::kAll), "secret");
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
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

#include "cli/apply_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/id.h"

namespace portolan::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCertificate = "-----BEGIN CERTIFICATE-----\nMIIBszCC\nAVmgAw==\n-----END CERTIFICATE-----\n";
constexpr const char* kKey = "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----\n";

// A folder "team" with what was laid there for its file, and beside it what was not.
class ApplyReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(make_folder(team_ / "more", Privacy::kPrivate));
    ASSERT_TRUE(make_folder(home_ / "team-2", Privacy::kPrivate));
    for (const auto& path :
         {team_ / "password", team_ / "more/password", home_ / "password", home_ / "team-2/password"})
      write(path, "hunter2\n");
    write(team_ / "ca.pem", kCertificate);
    write(home_ / "ca.pem", kCertificate);
  }
  void TearDown() override { fs::remove_all(home_); }

  static void write(const fs::path& path, std::string_view content) {
    ASSERT_TRUE(write_file(path, content, Privacy::kPrivate));
  }
  // The password, or why it was not read; it is never in that.
  static std::string said(const Result<Secret>& secret) {
    if (secret) return secret->reveal();
    EXPECT_EQ(secret.error().message.find("hunter2"), std::string::npos) << secret.error().message;
    EXPECT_EQ(secret.error().code, Code::kInvalid);
    return secret.error().message;
  }
  std::string password(const std::string& file, Trust trust = Trust::kBeside) const {
    return said(ApplyReader(team_, trust).password_file(file));
  }
  std::string setting(const std::string& content, Trust trust = Trust::kBeside) const {
    write(team_ / "setting", content);
    const auto read = ApplyReader(team_, trust).setting("setting");
    return read ? *read : read.error().message;
  }

  const fs::path home_ = fs::canonical(fs::temp_directory_path()) / ("portolan-reader-" + make_token(6));
  const fs::path team_ = home_ / "team";
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(ApplyReaderTest, ReadsWhatLiesBesideTheFile) {
  fs::create_symlink("more/password", team_ / "link");
  fs::create_symlink(team_ / "more/password", team_ / "absolute");
  const std::string files[] = {
      "password", "./more/../password", team_ / "password", "more/password", "../team/password", "link", "absolute"};
  for (const std::string& file : files) EXPECT_EQ(password(file), "hunter2") << file;
  EXPECT_EQ(*ApplyReader(team_, Trust::kBeside).setting("ca.pem"), kCertificate);
}

TEST_F(ApplyReaderTest, ReadsNothingElse) {
  fs::create_symlink(home_ / "password", team_ / "link");
  fs::create_directory_symlink(home_, team_ / "folder");
  const std::string files[] = {"../password",     home_ / "password",   "link",
                               "folder/password", "../team-2/password", "more/../../password"};
  for (const std::string& file : files) {
    const std::string why = password(file);
    EXPECT_TRUE(contains(why, quoted(file, 256) + " is ")) << why;
    EXPECT_TRUE(contains(why, "outside of the folder " + quoted(team_.string(), 256))) << why;
    EXPECT_TRUE(contains(why, "move it there, or give --trust")) << why;
    EXPECT_EQ(password(file, Trust::kAll), "hunter2") << file;
  }
  const auto certificate = ApplyReader(team_, Trust::kBeside).setting("../ca.pem");
  ASSERT_FALSE(certificate);
  EXPECT_TRUE(contains(certificate.error().message, "outside of the folder"));
  EXPECT_TRUE(ApplyReader(team_, Trust::kAll).setting("../ca.pem"));
}

// A link to the folder does not make what lies in it another place.
TEST_F(ApplyReaderTest, TheFolderMayBeALink) {
  fs::create_directory_symlink(team_, home_ / "link");
  EXPECT_EQ(said(ApplyReader(home_ / "link", Trust::kBeside).password_file("password")), "hunter2");
  EXPECT_EQ(said(ApplyReader(home_ / "link", Trust::kBeside).password_file((team_ / "password").string())), "hunter2");
}

TEST_F(ApplyReaderTest, AnEmptyFolderIsTheWorkingDirectory) {
  const fs::path before = fs::current_path();
  fs::current_path(team_);
  const ApplyReader reader("", Trust::kBeside);
  EXPECT_EQ(said(reader.password_file("password")), "hunter2");
  EXPECT_TRUE(contains(said(reader.password_file("../password")), "outside of the folder"));
  // "-" is no standard input here.
  EXPECT_TRUE(contains(said(reader.password_file("-")), "open \"-\": No such file"));
  fs::current_path(before);
}

TEST_F(ApplyReaderTest, KeepsOffWhatToolsHide) {
  ASSERT_TRUE(make_folder(team_ / ".ssh", Privacy::kPrivate));
  ASSERT_TRUE(make_folder(team_ / "..data", Privacy::kPrivate));
  for (const char* file : {".ssh/key", ".pgpass", "..data/password"}) write(team_ / file, "hunter2");
  fs::create_symlink(".ssh/key", team_ / "link");
  for (const char* file : {".ssh/key", ".pgpass", "link"}) {
    EXPECT_TRUE(contains(password(file), "is hidden")) << file;
    EXPECT_EQ(password(file, Trust::kAll), "hunter2") << file;
  }
  EXPECT_EQ(password("..data/password"), "hunter2");  // as Kubernetes mounts a secret
}

TEST_F(ApplyReaderTest, ReadsFilesOnly) {
  ASSERT_EQ(mkfifo((team_ / "pipe").c_str(), 0600), 0);
  for (const char* file : {"pipe", "more", "."})
    EXPECT_TRUE(contains(password(file), "no ordinary file")) << password(file);
  EXPECT_TRUE(contains(password("none"), "open \"none\": No such file"));
}

TEST_F(ApplyReaderTest, PasswordsArePrivateAndSmall) {
  fs::permissions(team_ / "password", fs::perms::owner_read | fs::perms::group_read);
  EXPECT_TRUE(contains(password("password"), "open \"password\": others can read this file; run chmod 600"));
  write(team_ / "large", std::string(70'000, 'x'));
  EXPECT_TRUE(contains(password("large"), "read \"large\": larger than 65536 bytes"));
  write(team_ / "empty", "\n");
  EXPECT_TRUE(contains(password("empty"), "is empty"));
}

TEST_F(ApplyReaderTest, SettingsAreCertificates) {
  const std::string one = kCertificate;
  const std::string taken[] = {one, one + one, "\n" + one + "\n" + one,
                               "-----BEGIN CERTIFICATE-----\r\nAA==\r\n-----END CERTIFICATE-----"};
  for (const std::string& content : taken) EXPECT_EQ(setting(content), content);
  const std::string wrong[] = {"",
                               "hunter2",
                               kKey,
                               one + kKey,
                               kKey + one,
                               "hunter2\n" + one,
                               one + "hunter2",
                               one + "-----BEGIN CERTIFICATE-----\nhunter2\n",
                               "-----BEGIN CERTIFICATE-----\nkey: hunter2\n-----END CERTIFICATE-----"};
  for (const std::string& content : wrong) {
    const std::string why = setting(content);
    EXPECT_TRUE(contains(why, "\"setting\" holds something other than certificates")) << content << why;
    EXPECT_FALSE(contains(why, "hunter2")) << why;
    EXPECT_EQ(setting(content, Trust::kAll), content);
  }
}

TEST_F(ApplyReaderTest, VariablesAreNamedForIt) {
  ASSERT_EQ(setenv("PORTOLAN_PASSWORD_READER", "hunter2", 1), 0);
  ASSERT_EQ(setenv("PORTOLAN_READER", "hunter2", 1), 0);
  const ApplyReader reader(team_, Trust::kBeside);
  EXPECT_EQ(said(reader.password_variable("PORTOLAN_PASSWORD_READER")), "hunter2");
  EXPECT_TRUE(contains(said(reader.password_variable("PORTOLAN_PASSWORD_NONE")), "is not set"));
  EXPECT_EQ(
      said(reader.password_variable("PORTOLAN_READER")),
      "the variable \"PORTOLAN_READER\" is not named for this; let its name begin with PORTOLAN_PASSWORD_, or give "
      "--trust if you have written or read all of this file yourself");
  EXPECT_EQ(said(ApplyReader(team_, Trust::kAll).password_variable("PORTOLAN_READER")), "hunter2");
}

}  // namespace
}  // namespace portolan::cli

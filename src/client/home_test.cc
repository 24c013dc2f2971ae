#include "client/home.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include "base/id.h"
#include "crypto/identity.h"

namespace portolan::client {
namespace {

class HomeTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = std::filesystem::temp_directory_path() / ("portolan-home-" + make_token(6)); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  crypto::Certificate certificate_for(const crypto::PrivateKey& key) {
    const auto now = Clock::real().wall();
    const auto authority = crypto::Authority::create("test", crypto::Profile::kUser, now, std::chrono::hours(1));
    return *authority.issue(
        {crypto::Profile::kUser, key.public_key(), "ann", {crypto::to_uri(crypto::UserIdentity{"o", "a-1", "d-1"})}},
        now);
  }
  ClientState ann() {
    ClientState state;
    state.control = "127.0.0.1:443";
    state.organization = "o";
    state.account = "a-1";
    state.email = "ann@example.com";
    state.device = "d-1";
    return state;
  }
  unsigned mode_of(const char* name) {
    struct stat info{};
    EXPECT_EQ(::stat((folder_ / name).c_str(), &info), 0) << name;
    return info.st_mode & 0777;
  }
  std::filesystem::path folder_;
};

TEST_F(HomeTest, KeepsASignInPrivately) {
  const Home home(folder_);
  EXPECT_EQ(home.state().error().code, Code::kUnauthenticated);
  EXPECT_EQ(home.token().error().code, Code::kUnauthenticated);
  const auto key = crypto::PrivateKey::generate();
  ASSERT_TRUE(home.save(ann(), certificate_for(key), key, Secret("token-1")));
  EXPECT_EQ(home.credentials()->state.email, "ann@example.com");
  EXPECT_EQ(home.token()->reveal(), "token-1");
  for (const char* name : {"device.key", "token", "client.json"}) EXPECT_EQ(mode_of(name), 0600U) << name;
  EXPECT_EQ(mode_of("."), 0700U);
}

TEST_F(HomeTest, SignOutForgetsTheSecretsAndKeepsThePin) {
  const Home home(folder_);
  const auto key = crypto::PrivateKey::generate();
  ASSERT_TRUE(home.save(ann(), certificate_for(key), key, Secret("token-1")));
  ASSERT_TRUE(home.sign_out());
  EXPECT_FALSE(home.credentials());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "token"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "device.key"));
  EXPECT_EQ(home.remembered()->control, "127.0.0.1:443");
  EXPECT_EQ(home.remembered()->device, "d-1");
}

TEST_F(HomeTest, RefusesASecretThatOthersCanReadAndAKeyOfAnotherCertificate) {
  const Home home(folder_);
  const auto key = crypto::PrivateKey::generate();
  ASSERT_TRUE(home.save(ann(), certificate_for(key), key, Secret("token-1")));
  ::chmod((folder_ / "token").c_str(), 0644);
  EXPECT_EQ(home.token().error().code, Code::kDenied);
  ASSERT_TRUE(home.save(ann(), certificate_for(crypto::PrivateKey::generate()), key, Secret("token-1")));
  EXPECT_FALSE(home.credentials());
}

TEST_F(HomeTest, RemembersWhatIsConnected) {
  const Home home(folder_);
  std::filesystem::create_directories(folder_);
  EXPECT_TRUE(home.connected().empty());
  ASSERT_TRUE(home.save_connected({"a", "b"}));
  EXPECT_EQ(home.connected(), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace portolan::client

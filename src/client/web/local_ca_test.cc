#include "client/web/local_ca.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "api/agent.h"
#include "base/file.h"
#include "base/json.h"
#include "client/web/testing.h"

namespace portolan::client::web {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kHosts = {"wiki.corp.example", "10.0.0.7"};

unsigned mode_of(const std::filesystem::path& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

TEST(LocalCa, IsThereOnlyIfSomebodyMakesIt) {
  const TemporaryHome temporary;
  const auto loaded = LocalCa::load(temporary.home);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_FALSE(loaded->has_value());
  EXPECT_FALSE(std::filesystem::exists(temporary.home.folder()));
  LocalCaOnDisk on_disk(temporary.home);
  const auto current = on_disk.get();
  ASSERT_TRUE(current) << current.error().message;
  EXPECT_EQ(*current, nullptr);
}

TEST(LocalCa, IsKeptPrivatelyAndReadBack) {
  const TemporaryHome temporary;
  const auto made = LocalCa::create(temporary.home, kHosts);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(mode_of(temporary.home.folder() / "web-ca.key"), 0600U);
  EXPECT_EQ(mode_of(temporary.home.folder()), 0700U);
  const auto root = read_file(LocalCa::certificate_file(temporary.home));
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("PRIVATE KEY"), std::string::npos);
  const auto loaded = LocalCa::load(temporary.home);
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_TRUE(loaded->has_value());
  EXPECT_EQ((*loaded)->root().fingerprint(), made->root().fingerprint());
  EXPECT_EQ((*loaded)->hosts(), kHosts);
  EXPECT_FALSE((*loaded)->ended());
}

TEST(LocalCa, IsNotReplacedByAccident) {
  const TemporaryHome temporary;
  const auto made = LocalCa::create(temporary.home, kHosts);
  ASSERT_TRUE(made);
  const auto again = LocalCa::create(temporary.home, kHosts);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kConflict);
  EXPECT_EQ((*LocalCa::load(temporary.home))->root().fingerprint(), made->root().fingerprint());
}

TEST(LocalCa, IsNotMadeOfWhatIsNoHost) {
  const TemporaryHome temporary;
  EXPECT_FALSE(LocalCa::create(temporary.home, {}));
  EXPECT_FALSE(LocalCa::create(temporary.home, {"*.corp.example"}));
  EXPECT_FALSE(std::filesystem::exists(LocalCa::certificate_file(temporary.home)));
  EXPECT_FALSE(std::filesystem::exists(temporary.home.folder() / "web-ca.key"));
}

TEST(LocalCa, IsRefusedIfOthersCanReadItsKey) {
  const TemporaryHome temporary;
  ASSERT_TRUE(LocalCa::create(temporary.home, kHosts));
  ASSERT_EQ(::chmod((temporary.home.folder() / "web-ca.key").c_str(), 0644), 0);
  const auto loaded = LocalCa::load(temporary.home);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::kDenied);
  EXPECT_THAT(loaded.error().message, HasSubstr("chmod 600"));
}

TEST(LocalCa, WhatIsSpoiledIsRefusedAndCanBeRemoved) {
  const TemporaryHome temporary;
  const TemporaryHome other;
  ASSERT_TRUE(LocalCa::create(temporary.home, kHosts));
  ASSERT_TRUE(LocalCa::create(other.home, kHosts));
  const auto key_file = temporary.home.folder() / "web-ca.key";
  const auto foreign = read_private_file(other.home.folder() / "web-ca.key");
  ASSERT_TRUE(foreign);
  for (const std::string& key : {*foreign, std::string("nonsense"), std::string()}) {
    ASSERT_TRUE(write_file(key_file, key, Privacy::kPrivate));
    const auto loaded = LocalCa::load(temporary.home);
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message, HasSubstr("portolan web-ca remove"));
  }
  std::filesystem::remove(key_file);
  EXPECT_FALSE(LocalCa::load(temporary.home));
  EXPECT_TRUE(LocalCa::remove(temporary.home));
  EXPECT_FALSE(LocalCa::load(temporary.home)->has_value());
}

TEST(LocalCa, IsForgotten) {
  const TemporaryHome temporary;
  EXPECT_EQ(LocalCa::remove(temporary.home).error().code, Code::kNotFound);
  ASSERT_TRUE(LocalCa::create(temporary.home, kHosts));
  EXPECT_TRUE(LocalCa::remove(temporary.home));
  EXPECT_FALSE(std::filesystem::exists(temporary.home.folder() / "web-ca.key"));
  EXPECT_FALSE(std::filesystem::exists(LocalCa::certificate_file(temporary.home)));
}

TEST(LocalCa, MakesALeafForEachHostAndKeepsIt) {
  const TemporaryHome temporary;
  FakeClock clock;
  const auto made = LocalCa::create(temporary.home, kHosts, clock);
  ASSERT_TRUE(made) << made.error().message;
  const auto first = made->identity("wiki.corp.example");
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->chain.size(), 2U);
  EXPECT_TRUE(crypto::is_issued_by(first->chain[0], first->chain[1]));
  EXPECT_TRUE(crypto::is_issued_by(first->chain[1], made->root()));
  EXPECT_TRUE(first->chain[0].certifies(*first->key));
  const auto serial = [&](const std::string& host) { return made->identity(host)->chain[0].serial(); };
  EXPECT_EQ(serial("wiki.corp.example"), first->chain[0].serial());
  EXPECT_NE(serial("10.0.0.7"), first->chain[0].serial());
  EXPECT_EQ(serial("wiki.corp.example"), first->chain[0].serial()) << "kept beside the other";
  clock.advance(24h * 4);
  EXPECT_EQ(serial("wiki.corp.example"), first->chain[0].serial());
  clock.advance(24h);
  EXPECT_NE(serial("wiki.corp.example"), first->chain[0].serial()) << "renewed before it ends";
}

TEST(LocalCa, MakesNoneForOthersAndNoneAfterItsEnd) {
  const TemporaryHome temporary;
  FakeClock clock;
  const auto made = LocalCa::create(temporary.home, kHosts, clock);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->identity("bank.example").error().code, Code::kDenied);
  EXPECT_EQ(made->identity("a.wiki.corp.example").error().code, Code::kDenied);
  clock.advance(24h * 366);
  EXPECT_TRUE(made->ended());
  EXPECT_EQ(made->identity("wiki.corp.example").error().code, Code::kInvalid);
}

TEST(LocalCa, IsFollowedOnDisk) {
  const TemporaryHome temporary;
  LocalCaOnDisk on_disk(temporary.home);
  EXPECT_EQ(*on_disk.get(), nullptr);
  ASSERT_TRUE(LocalCa::create(temporary.home, kHosts));
  const auto first = *on_disk.get();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(*on_disk.get(), first) << "with its leaves";
  ASSERT_TRUE(LocalCa::remove(temporary.home));
  EXPECT_EQ(*on_disk.get(), nullptr);
  ASSERT_TRUE(LocalCa::create(temporary.home, {"other.example"}));
  const auto second = *on_disk.get();
  ASSERT_NE(second, nullptr);
  EXPECT_THAT(second->hosts(), ElementsAre("other.example"));
  EXPECT_EQ(first->hosts(), kHosts) << "whoever still uses the old one may";
}

class HostsWithHttps : public testing::Test {
 protected:
  void SetUp() override {
    ClientState state;
    state.account = "a-1";
    state.email = "ann@example.com";
    ASSERT_TRUE(make_folder(home().folder(), Privacy::kPrivate));
    ASSERT_TRUE(write_file(home().folder() / "client.json", json::encode(state), Privacy::kPrivate));
  }
  void keep(const std::string& account) {
    api::AgentView view;
    view.account = account;
    api::AgentResource wiki{.id = "rs-1", .name = "wiki", .type = "http", .port = 10080, .egress = {}};
    wiki.web = {{"", "https://wiki.corp.example"},
                {"api", "https://wiki.corp.example:8443"},
                {"old", "http://old.corp.example"},
                {"bad", "https://bad name"}};
    view.resources = {wiki, {.id = "rs-2", .name = "db", .type = "postgres", .port = 15432, .egress = {}}};
    ASSERT_TRUE(write_file(home().folder() / "routes.json", json::encode(view), Privacy::kPrivate));
  }
  const Home& home() const { return temporary_.home; }
  TemporaryHome temporary_;
};

TEST_F(HostsWithHttps, AreThoseOfWebResources) {
  EXPECT_TRUE(hosts_with_https(home())->empty()) << "the agent has heard nothing yet";
  keep("a-1");
  EXPECT_THAT(*hosts_with_https(home()), ElementsAre("wiki.corp.example"));
}

TEST_F(HostsWithHttps, AreNotThoseOfAnotherAccount) {
  keep("a-2");
  EXPECT_TRUE(hosts_with_https(home())->empty());
}

TEST_F(HostsWithHttps, AskForASignIn) {
  const TemporaryHome empty;
  EXPECT_EQ(hosts_with_https(empty.home).error().code, Code::kUnauthenticated);
}

}  // namespace
}  // namespace portolan::client::web

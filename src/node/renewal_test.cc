#include "node/renewal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "net/co_test.h"
#include "node/fake_control.h"

namespace portolan::node {
namespace {

using namespace std::chrono_literals;
using crypto::Authority;
using crypto::Profile;
using testing::FakeControl;

constexpr const char* kName = "spiffe://portolan/node/n-1";

struct World {
  FakeClock clock;
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("portolan-renewal-" + make_token(6));
  Authority nodes = Authority::create("node CA", Profile::kNode, clock.wall(), 24h * 365);
  Authority next = Authority::create("node CA 2", Profile::kNode, clock.wall(), 24h * 365);
  Authority users = Authority::create("user CA", Profile::kUser, clock.wall(), 24h * 365);
  Authority servers = Authority::create("server CA", Profile::kServer, clock.wall(), 24h * 365);
  crypto::PrivateKey key = crypto::PrivateKey::generate();
  Identity identity{"portolan",
                    "n-1",
                    "relay-1",
                    "relay",
                    "control.portolan.portolan.internal",
                    leaf(nodes),
                    key,
                    {nodes.certificate()},
                    {users.certificate()},
                    {servers.certificate()}};
  std::vector<Renewed> renewed;

  World() {
    EXPECT_TRUE(make_folder(folder, Privacy::kPrivate));
    EXPECT_TRUE(write_file(folder / "node.key", key.pem().reveal(), Privacy::kPrivate));
    EXPECT_TRUE(save(identity, folder));
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { std::filesystem::remove_all(folder); }

  crypto::Certificate leaf(const Authority& authority, std::string name = kName,
                           std::optional<crypto::PublicKey> of = {}) const {
    auto made = authority.issue(
        {Profile::kNode, of.value_or(key.public_key()), "relay-1", {std::move(name)}, {}, {}, 30h}, clock.wall());
    EXPECT_TRUE(made);
    return *made;
  }
  api::TrustedAuthorities trust(const std::vector<crypto::Certificate>& node_ca, std::string version) const {
    return {std::move(version), users.certificate().pem(), crypto::to_pem(node_ca), servers.certificate().pem()};
  }
  Renewal::Parts parts(api::ControlClient& control) {
    return {folder, identity, control, clock, [this](Renewed what) { renewed.push_back(what); }};
  }
  // What a start after a crash finds.
  net::Task<Result<Identity>> reload() const {
    NodeOptions options;
    options.data = folder;
    co_return co_await load_or_join(options, "");
  }
};

net::Task<> until(std::function<bool()> condition) {
  for (int i = 0; i < 400 && !condition(); ++i) {
    const auto slept = co_await net::sleep_for(std::chrono::milliseconds(10));
    if (!slept) co_return;
  }
  EXPECT_TRUE(condition());
}

CO_TEST(NodeRenewal, AtTwoThirdsOfItsLife) {
  World world;
  FakeControl control([&](const std::string& path, const std::string& body) -> Result<std::string> {
    EXPECT_EQ(path, "/v1/node/certificate");
    EXPECT_EQ(body, "");
    return json::encode(
        api::RenewedCertificate{world.leaf(world.nodes).pem(), world.trust({world.nodes.certificate()}, "v")});
  });
  const auto before = world.identity.certificate.serial();
  world.clock.advance(20h - 1s);
  Renewal renewal(co_await net::this_executor(), world.parts(control));
  [[maybe_unused]] const auto slept = co_await net::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(control.calls, 0);
  world.clock.advance(1s);
  co_await until([&] { return !world.renewed.empty(); });
  EXPECT_NE(world.identity.certificate.serial(), before);
  EXPECT_EQ(world.identity.trust_version, "v");
  const auto reloaded = co_await world.reload();
  CO_ASSERT_OK(reloaded);
  EXPECT_EQ(reloaded->certificate.serial(), world.identity.certificate.serial());
  EXPECT_EQ(reloaded->trust_version, "v");
  EXPECT_EQ(control.calls, 1);
  co_await renewal.stop();
}

CO_TEST(NodeRenewal, WhenAnotherAuthoritySigns) {
  World world;
  FakeControl control([&](const std::string&, const std::string&) -> Result<std::string> {
    return json::encode(api::RenewedCertificate{
        world.leaf(world.next).pem(), world.trust({world.next.certificate(), world.nodes.certificate()}, "3")});
  });
  Renewal renewal(co_await net::this_executor(), world.parts(control));
  // Announced: taken, and nothing to renew.
  renewal.take(world.trust({world.nodes.certificate(), world.next.certificate()}, "2"));
  CO_ASSERT_EQ(world.renewed.size(), 1U);
  EXPECT_EQ(world.identity.node_ca.size(), 2U);
  [[maybe_unused]] const auto slept = co_await net::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(control.calls, 0);
  renewal.take(world.trust({world.next.certificate(), world.nodes.certificate()}, "3"));
  co_await until([&] { return world.renewed.size() == 3; });
  EXPECT_TRUE(crypto::is_issued_by(world.identity.certificate, world.next.certificate()));
  // The same again is nothing new.
  renewal.take(world.trust({world.next.certificate(), world.nodes.certificate()}, "3"));
  EXPECT_EQ(world.renewed.size(), 3U);
  co_await renewal.stop();
}

CO_TEST(NodeRenewal, WhatMustNotTakeItsPlace) {
  World world;
  const auto other_key = crypto::PrivateKey::generate().public_key();
  const Authority stranger = Authority::create("node CA", Profile::kNode, world.clock.wall(), 24h);
  const auto refused = [&](const crypto::Certificate& certificate) {
    return !check_renewed(world.identity, certificate, world.identity.node_ca, world.clock.wall());
  };
  EXPECT_FALSE(refused(world.leaf(world.nodes)));
  EXPECT_TRUE(refused(world.leaf(world.nodes, "spiffe://portolan/node/n-2")));
  EXPECT_TRUE(refused(world.leaf(world.nodes, kName, other_key)));
  EXPECT_TRUE(refused(world.leaf(stranger)));
  co_return;
}

// The control plane answers with what must not be taken, then not at all, then well: the old one stays until then.
CO_TEST(NodeRenewal, TriesAgain) {
  World world;
  int calls = 0;
  FakeControl control([&](const std::string&, const std::string&) -> Result<std::string> {
    ++calls;
    if (calls == 1) return fail(Code::kUnavailable, "away");
    const std::string name = calls == 2 ? "spiffe://portolan/node/n-2" : kName;
    return json::encode(
        api::RenewedCertificate{world.leaf(world.nodes, name).pem(), world.trust({world.nodes.certificate()}, "v")});
  });
  const auto before = world.identity.certificate.serial();
  world.clock.advance(25h);
  Renewal renewal(co_await net::this_executor(), world.parts(control));
  co_await until([&] { return calls == 2; });
  EXPECT_EQ(world.identity.certificate.serial(), before);
  co_await until([&] { return !world.renewed.empty(); });
  EXPECT_NE(world.identity.certificate.serial(), before);
  co_await renewal.stop();
}

// Killed at any point of the writing: a temporary file is all that can be left behind, and what is loaded fits the key.
CO_TEST(NodeRenewal, ACrashWhileItIsWrittenLeavesAPairThatWorks) {
  World world;
  const auto before = world.identity.certificate.serial();
  const auto text = read_file(world.folder / "node.json");
  CO_ASSERT_OK(text);
  for (const std::size_t written : {std::size_t{0}, text->size() / 2, text->size()}) {
    std::ofstream(world.folder / ".node.json.torn") << text->substr(0, written);
    const auto reloaded = co_await world.reload();
    CO_ASSERT_OK(reloaded);
    EXPECT_EQ(reloaded->certificate.serial(), before);
    EXPECT_TRUE(reloaded->certificate.public_key() == reloaded->key.public_key());
  }
  // A disk that takes nothing: the node goes on with what it has, on the disk and in memory.
  FakeControl control([&](const std::string&, const std::string&) -> Result<std::string> {
    return json::encode(
        api::RenewedCertificate{world.leaf(world.nodes).pem(), world.trust({world.nodes.certificate()}, "v")});
  });
  auto parts = world.parts(control);
  parts.data = world.folder / "gone";
  world.clock.advance(25h);
  Renewal renewal(co_await net::this_executor(), parts);
  co_await until([&] { return control.calls >= 2; });
  EXPECT_EQ(world.identity.certificate.serial(), before);
  EXPECT_TRUE(world.renewed.empty());
  co_await renewal.stop();
}

}  // namespace
}  // namespace portolan::node

#include "client/renewal.h"

#include <gtest/gtest.h>

#include "base/id.h"
#include "base/json.h"
#include "net/co_test.h"

namespace portolan::client {
namespace {

using namespace std::chrono_literals;
using crypto::Authority;
using crypto::Profile;

constexpr const char* kName = "spiffe://portolan/user/a-1/device/d-1";

class FakeControl : public api::ControlClient {
 public:
  explicit FakeControl(std::function<Result<std::string>()> answer) : answer_(std::move(answer)) {}
  net::Task<Result<std::string>> call(std::string, std::string, std::map<std::string, std::string>,
                                      std::string) override {
    ++calls;
    co_await net::yield_to_loop();
    co_return answer_();
  }
  net::Task<Result<>> watch(std::string, std::map<std::string, std::string>,
                            std::function<Result<>(std::string_view)>) override {
    co_return fail(Code::kUnavailable, "no watch here");
  }
  Result<> renew(api::ControlAddress) override {
    ++renewals;
    return {};
  }
  int calls = 0;
  int renewals = 0;

 private:
  std::function<Result<std::string>()> answer_;
};

struct World {
  FakeClock clock;
  Home home{std::filesystem::temp_directory_path() / ("portolan-client-" + make_token(6))};
  Authority users = Authority::create("user CA", Profile::kUser, clock.wall(), 24h * 365);
  Authority next = Authority::create("user CA 2", Profile::kUser, clock.wall(), 24h * 365);
  Authority nodes = Authority::create("node CA", Profile::kNode, clock.wall(), 24h * 365);
  Authority servers = Authority::create("server CA", Profile::kServer, clock.wall(), 24h * 365);
  crypto::PrivateKey key = crypto::PrivateKey::generate();
  Credentials credentials{state(), leaf(users, 1h), key};
  int renewed = 0;

  World() { EXPECT_TRUE(home.save(credentials.state, credentials.certificate, key, Secret("pst1.x"))); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { std::filesystem::remove_all(home.folder()); }

  ClientState state() const {
    ClientState out;
    out.control = "127.0.0.1:1";
    out.control_name = "control.portolan.portolan.internal";
    out.server_ca = servers.certificate().pem();
    out.node_ca = nodes.certificate().pem();
    out.organization = "portolan";
    out.account = "a-1";
    out.device = "d-1";
    out.sign_in_ends = clock.wall() + 12h;
    return out;
  }
  crypto::Certificate leaf(const Authority& authority, std::chrono::seconds life, std::string name = kName) const {
    auto made = authority.issue({Profile::kUser, key.public_key(), "x", {std::move(name)}, {}, {}, life}, clock.wall());
    EXPECT_TRUE(made);
    return *made;
  }
  api::TrustedAuthorities trust(std::vector<crypto::Certificate> user_ca, std::string version) const {
    return {std::move(version), crypto::to_pem(user_ca), nodes.certificate().pem(), servers.certificate().pem()};
  }
  std::string answer(const Authority& authority, std::chrono::seconds life, std::string name = kName) const {
    return json::encode(
        api::RenewedCertificate{leaf(authority, life, std::move(name)).pem(), trust({authority.certificate()}, "v")});
  }
  Renewal::Parts parts(api::ControlClient& control) {
    return {home, credentials, control, clock, [this] { ++renewed; }};
  }
};

net::Task<> until(std::function<bool()> condition) {
  for (int i = 0; i < 400 && !condition(); ++i) {
    const auto slept = co_await net::sleep_for(10ms);
    if (!slept) co_return;
  }
  EXPECT_TRUE(condition());
}

CO_TEST(ClientRenewal, AtTwoThirdsAndOnTheDiskFirst) {
  World world;
  FakeControl control([&]() -> Result<std::string> { return world.answer(world.users, 1h); });
  world.clock.advance(40min - 1s);
  Renewal renewal(co_await net::this_executor(), world.parts(control));
  [[maybe_unused]] const auto slept = co_await net::sleep_for(50ms);
  EXPECT_EQ(control.calls, 0);
  world.clock.advance(1s);
  co_await until([&] { return world.renewed == 1; });
  EXPECT_EQ(control.renewals, 1);
  const auto kept = world.home.credentials();
  CO_ASSERT_OK(kept);
  EXPECT_EQ(kept->certificate.serial(), world.credentials.certificate.serial());
  EXPECT_EQ(kept->state.trust_version, "v");
  co_await renewal.stop();
}

CO_TEST(ClientRenewal, NotBeyondTheSignIn) {
  World world;
  world.credentials.certificate = world.leaf(world.users, 12h);
  FakeControl control([&]() -> Result<std::string> { return world.answer(world.users, 1h); });
  world.clock.advance(11h);
  Renewal renewal(co_await net::this_executor(), world.parts(control));
  [[maybe_unused]] const auto slept = co_await net::sleep_for(50ms);
  EXPECT_EQ(control.calls, 0);
  co_await renewal.stop();
}

CO_TEST(ClientRenewal, WhenAnotherAuthoritySigns) {
  World world;
  FakeControl control([&]() -> Result<std::string> { return world.answer(world.next, 1h); });
  Renewal renewal(co_await net::this_executor(), world.parts(control));
  renewal.take(world.trust({world.users.certificate(), world.next.certificate()}, "2"));
  EXPECT_EQ(world.renewed, 1);
  [[maybe_unused]] const auto slept = co_await net::sleep_for(50ms);
  EXPECT_EQ(control.calls, 0);
  renewal.take(world.trust({world.next.certificate(), world.users.certificate()}, "3"));
  co_await until([&] { return world.renewed == 3; });
  EXPECT_TRUE(crypto::is_issued_by(world.credentials.certificate, world.next.certificate()));
  co_await renewal.stop();
}

CO_TEST(ClientRenewal, AnotherNameIsNotTaken) {
  World world;
  FakeControl control(
      [&]() -> Result<std::string> { return world.answer(world.users, 1h, "spiffe://portolan/user/a-2/device/d-1"); });
  const auto before = world.credentials.certificate.serial();
  world.clock.advance(41min);
  Renewal renewal(co_await net::this_executor(), world.parts(control));
  co_await until([&] { return control.calls >= 2; });
  EXPECT_EQ(world.credentials.certificate.serial(), before);
  co_await renewal.stop();
}

// Somebody signs in anew while the agent renews: what they have put there stays.
CO_TEST(ClientRenewal, AnotherSignInIsNotOverwritten) {
  World world;
  const auto other = crypto::PrivateKey::generate();
  const auto certificate =
      world.users.issue({Profile::kUser, other.public_key(), "x", {kName}, {}, {}, 1h}, world.clock.wall());
  CO_ASSERT_OK(certificate);
  CO_ASSERT_OK(world.home.save(world.state(), *certificate, other, Secret("pst1.y")));
  FakeControl control([&]() -> Result<std::string> { return world.answer(world.users, 1h); });
  world.clock.advance(41min);
  Renewal renewal(co_await net::this_executor(), world.parts(control));
  co_await until([&] { return control.calls >= 1; });
  co_await renewal.stop();
  const auto kept = world.home.credentials();
  CO_ASSERT_OK(kept);
  EXPECT_EQ(kept->certificate.serial(), certificate->serial());
}

}  // namespace
}  // namespace portolan::client

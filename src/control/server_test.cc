// The whole server over real TLS on loopback, by the same client that agents, nodes and the command line use.
#include "control/server.h"

#include <gtest/gtest.h>

#include "api/admin.h"
#include "api/agent.h"
#include "api/client.h"
#include "api/node.h"
#include "api/sign_in.h"
#include "api/token.h"
#include "base/file.h"
#include "control/test_plane.h"
#include "net/tls.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::TestFolder;

const std::string kPassword = "correct horse battery";

// CO_TEST's loop is not ours to have: these run on one of their own.
class ServerTest : public ::testing::Test {
 protected:
  using Body = net::Task<> (*)(ServerTest& test);
  void run(Body body) {
    net::TaskGroup tasks(loop_.executor());
    tasks.spawn("test", whole(*this, body));
    net::Timer limit(loop_.executor());
    limit.schedule(20s, [this] {
      ADD_FAILURE() << "the test took too long";
      loop_.stop();
    });
    loop_.run();
  }

 public:
  ServerOptions options() const {
    return {.data = folder_.path / "data",
            .listen = {"127.0.0.1", 0},
            .sealing = SealingFile{folder_.path / "key"},
            .heartbeat = 200ms,
            .handshake_limit = 10s,
            .handshakes = 16};
  }
  net::Task<Result<>> start() {
    CO_TRY(server, co_await Server::start(loop_, options()));
    CO_CHECK(co_await server->ensure_admin("admin@example.com", Secret(kPassword)));
    CO_TRY(ca, crypto::Certificate::all_from_pem(server->server_ca()));
    co_return Result<>{};
  }
  Result<std::unique_ptr<api::ControlClient>> client(Secret token = Secret()) const {
    return api::ControlClient::make({.endpoint = server->local(), .trust = ca, .control_name = {}, .identity = {}},
                                    std::move(token));
  }
  Result<std::unique_ptr<api::ControlClient>> internal(const std::string& certificate,
                                                       const crypto::PrivateKey& key) const {
    PL_TRY(auto leaf, crypto::Certificate::from_pem(certificate));
    return api::ControlClient::make(
        {.endpoint = server->local(),
         .trust = ca,
         .control_name = server->control_name(),
         .identity = net::TlsIdentity{{std::move(leaf)}, std::make_shared<const crypto::PrivateKey>(key)}});
  }
  net::Task<Result<api::SignedIn>> sign_in(crypto::PrivateKey key) const {
    CO_TRY(auto anyone, client());
    api::SignInRequest request{.email = "admin@example.com",
                               .password = Secret(kPassword),
                               .public_key = key.public_key().pem(),
                               .device_name = "test",
                               .device = {}};
    co_return co_await anyone->post<api::SignedIn>("/v1/sign-ins", std::move(request));
  }
  net::Loop& loop() { return loop_; }

  std::unique_ptr<Server> server;
  std::vector<crypto::Certificate> ca;

 private:
  static net::Task<> whole(ServerTest& test, Body body) {
    const auto started = co_await test.start();
    EXPECT_TRUE(started) << started.error().message;
    if (started) co_await body(test);
    if (test.server) co_await test.server->stop();
    test.loop_.stop();
  }
  TestFolder folder_;
  net::Loop loop_;
};

net::Task<> sign_in_and_use(ServerTest& test) {
  const auto key = crypto::PrivateKey::generate();
  const auto signed_in = co_await test.sign_in(key);
  CO_ASSERT_OK(signed_in);
  auto by_token = test.client(signed_in->token);
  CO_ASSERT_OK(by_token);
  CO_ASSERT_OK(co_await (*by_token)->post<api::RoleView>("/v1/roles", api::RoleCreate{"dba"}));
  const auto roles = co_await (*by_token)->get<api::Page<api::RoleView>>("/v1/roles");
  CO_ASSERT_OK(roles);
  EXPECT_EQ(roles->items.size(), 1U);
  auto by_certificate = test.internal(signed_in->certificate, key);
  CO_ASSERT_OK(by_certificate);
  const auto me = co_await (*by_certificate)->get<api::AccountView>("/v1/whoami");
  CO_ASSERT_OK(me);
  EXPECT_EQ(me->email, "admin@example.com");
  int views = 0;
  const auto watched =
      co_await (*by_certificate)->watch("/v1/agent", {{"watch", "1"}}, [&](std::string_view line) -> Result<> {
        const auto event = json::decode<api::AgentEvent>(line, json::Unknown::kIgnore);
        if (!event) return std::unexpected(event.error());
        views += event->kind == "view" ? 1 : 0;
        if (event->kind == "heartbeat") return fail(Code::kCancelled, "seen enough");
        return {};
      });
  EXPECT_FALSE(watched);
  EXPECT_EQ(watched.error().message, "seen enough");
  EXPECT_EQ(views, 1);
}
TEST_F(ServerTest, SignInAndUse) { run(sign_in_and_use); }

net::Task<> first_contact(ServerTest& test) {
  const auto trust = co_await api::fetch_trust(test.server->local(), test.server->server_ca_sha256());
  CO_ASSERT_OK(trust);
  EXPECT_EQ(trust->control_name, test.server->control_name());
  const auto other = co_await api::fetch_trust(test.server->local(), std::string(64, 'a'));
  EXPECT_FALSE(other);
}
TEST_F(ServerTest, FirstContactByFingerprint) { run(first_contact); }

// Pins of the old server authority and of the new one both do while it is replaced; afterwards the old one does not,
// and it is said what to do.
net::Task<> first_contact_while_rotated(ServerTest& test) {
  const auto key = crypto::PrivateKey::generate();
  const auto signed_in = co_await test.sign_in(key);
  CO_ASSERT_OK(signed_in);
  const std::string old_pin = test.server->server_ca_sha256();
  auto by_token = test.client(signed_in->token);
  CO_ASSERT_OK(by_token);
  CO_ASSERT_OK(
      co_await (*by_token)->post<api::Page<api::KeyView>>("/v1/keys/server/rotate", api::KeyRotate{{}, {}, true}));
  const std::string new_pin = test.server->server_ca_sha256();
  EXPECT_NE(new_pin, old_pin);
  for (const auto& pin : {old_pin, new_pin}) {
    CO_ASSERT_OK(co_await api::fetch_trust(test.server->local(), pin));
  }
  // What an agent has pinned: the old one alone, on the internal name.
  auto by_certificate = test.internal(signed_in->certificate, key);
  CO_ASSERT_OK(by_certificate);
  CO_ASSERT_OK(co_await (*by_certificate)->get<api::AccountView>("/v1/whoami"));
  CO_ASSERT_OK(co_await (*by_token)->post<api::Page<api::KeyView>>("/v1/keys/server/finish", api::KeyFinish{true}));
  const auto refused = co_await api::fetch_trust(test.server->local(), old_pin);
  CO_ASSERT_ERROR(refused, Code::kDenied);
  EXPECT_NE(refused.error().message.find("replaced"), std::string::npos) << refused.error().message;
  CO_ASSERT_OK(co_await api::fetch_trust(test.server->local(), new_pin));
  auto again = test.internal(signed_in->certificate, key);
  CO_ASSERT_OK(again);
  const auto lost = co_await (*again)->get<api::AccountView>("/v1/whoami");
  CO_ASSERT_ERROR(lost, Code::kUnavailable);
  EXPECT_NE(lost.error().message.find("portolan admin keys list"), std::string::npos) << lost.error().message;
}
TEST_F(ServerTest, FirstContactWhileTheServerAuthorityIsRotated) { run(first_contact_while_rotated); }

net::Task<> join_and_watch(ServerTest& test) {
  const auto admin_key = crypto::PrivateKey::generate();
  const auto signed_in = co_await test.sign_in(admin_key);
  CO_ASSERT_OK(signed_in);
  auto admin = test.client(signed_in->token);
  auto anyone = test.client();
  CO_ASSERT_TRUE(admin && anyone);
  const auto token =
      co_await (*admin)->post<api::JoinTokenMade>("/v1/join-tokens", api::JoinTokenCreate{"relay", {}, {}});
  CO_ASSERT_OK(token);
  const auto key = crypto::PrivateKey::generate();
  const api::JoinRequest request{
      .token = token->token, .public_key = key.public_key().pem(), .name = "relay-1", .address = "", .version = "1"};
  const auto joined = co_await (*anyone)->post<api::Joined>("/v1/node/join", request);
  CO_ASSERT_OK(joined);
  auto node = test.internal(joined->certificate, key);
  CO_ASSERT_OK(node);
  CO_ASSERT_OK(co_await (*node)->get<api::NodeView>("/v1/node"));
  const auto not_a_person = co_await (*node)->get<api::AccountView>("/v1/whoami");
  CO_ASSERT_ERROR(not_a_person, Code::kDenied);
  const auto person = test.internal(signed_in->certificate, admin_key);
  CO_ASSERT_OK(person);
  const auto not_a_node = co_await (*person)->get<api::NodeView>("/v1/node");
  CO_ASSERT_ERROR(not_a_node, Code::kDenied);
}
TEST_F(ServerTest, JoinAndCall) { run(join_and_watch); }

// What makes a body too large depends on who sends it: only who may apply may send a whole directory.
net::Task<> bodies(ServerTest& test) {
  const auto signed_in = co_await test.sign_in(crypto::PrivateKey::generate());
  CO_ASSERT_OK(signed_in);
  auto admin = test.client(signed_in->token);
  auto anyone = test.client();
  auto stranger = test.client(Secret("pat1.not-a-token"));
  CO_ASSERT_TRUE(admin && anyone && stranger);
  const api::RoleCreate large{std::string(1'000'000, 'x')};
  const auto applied = co_await (*admin)->post<api::RoleView>("/v1/apply", large);
  EXPECT_FALSE(applied);
  EXPECT_NE(applied.error().reason, "body_too_large") << applied.error().message;
  const auto elsewhere = co_await (*admin)->post<api::RoleView>("/v1/roles", large);
  EXPECT_EQ(elsewhere.error().reason, "body_too_large") << elsewhere.error().message;
  const auto limited = co_await (*admin)->post<api::ApiTokenMade>(
      "/v1/tokens", api::ApiTokenCreate{.name = "no apply", .permissions = std::vector<std::string>{"roles:write"}});
  CO_ASSERT_OK(limited);
  auto denied = test.client(*limited->token);
  CO_ASSERT_OK(denied);
  for (auto* client : {anyone->get(), stranger->get(), denied->get()}) {
    const auto refused = co_await client->post<api::RoleView>("/v1/apply", large);
    EXPECT_EQ(refused.error().reason, "body_too_large") << refused.error().message;
  }
}
TEST_F(ServerTest, OnlyWhoMayApplyMaySendMuch) { run(bodies); }

// Certificates of authorities that are not ours do not pass the handshake, whatever they say.
net::Task<> foreign_certificates(ServerTest& test) {
  const auto key = crypto::PrivateKey::generate();
  const auto signed_in = co_await test.sign_in(key);
  CO_ASSERT_OK(signed_in);
  const auto real = crypto::Certificate::from_pem(signed_in->certificate);
  CO_ASSERT_OK(real);
  const auto now = Clock::real().wall();
  const auto other = crypto::Authority::create("portolan user CA", crypto::Profile::kUser, now, 1h);
  const auto forged = other.issue(
      {.profile = crypto::Profile::kUser, .key = key.public_key(), .common_name = "x", .uris = real->uris()}, now);
  CO_ASSERT_OK(forged);
  // Alone, and before the real one: only the leaf that was proven counts.
  for (const auto& chain :
       {std::vector{*forged}, std::vector{*forged, *real}, std::vector{*forged, other.certificate()}}) {
    auto client = api::ControlClient::make(
        {.endpoint = test.server->local(),
         .trust = test.ca,
         .control_name = test.server->control_name(),
         .identity = net::TlsIdentity{chain, std::make_shared<const crypto::PrivateKey>(key)}});
    CO_ASSERT_OK(client);
    const auto me = co_await (*client)->get<api::AccountView>("/v1/whoami");
    EXPECT_FALSE(me) << me->email;
  }
  // And none at all.
  auto bare = api::ControlClient::make({.endpoint = test.server->local(),
                                        .trust = test.ca,
                                        .control_name = test.server->control_name(),
                                        .identity = net::TlsIdentity{}});
  if (bare) {
    const auto me = co_await (*bare)->get<api::AccountView>("/v1/whoami");
    EXPECT_FALSE(me);
  }
}
TEST_F(ServerTest, ForeignCertificates) { run(foreign_certificates); }

// Connections that never speak, and handshakes that stop half-way, keep nobody out.
net::Task<> silent_strangers(ServerTest& test) {
  std::vector<std::unique_ptr<net::TcpStream>> strangers;
  for (int i = 0; i < 60; ++i) {
    auto stream = co_await net::dial_tcp(test.server->local(), 5s);
    CO_ASSERT_OK(stream);
    if (i % 2 == 0) CO_ASSERT_OK(co_await net::write(**stream, as_bytes("\x16\x03\x01")));
    strangers.push_back(std::move(*stream));
  }
  const auto signed_in = co_await test.sign_in(crypto::PrivateKey::generate());
  CO_ASSERT_OK(signed_in);
  // The oldest half-way ones have made room, long before their time was up; the newest have not.
  const auto oldest = co_await net::with_timeout(net::read(*strangers[0]), 1s);
  EXPECT_TRUE(oldest || oldest.error().code != Code::kTimeout);
  const auto newest = co_await net::with_timeout(net::read(*strangers[58]), 200ms);
  CO_ASSERT_ERROR(newest, Code::kTimeout);
}
TEST_F(ServerTest, SilentStrangersKeepNobodyOut) { run(silent_strangers); }

net::Task<> restart(ServerTest& test) {
  const auto signed_in = co_await test.sign_in(crypto::PrivateKey::generate());
  CO_ASSERT_OK(signed_in);
  EXPECT_TRUE(test.server->first_start());
  const auto fingerprint = test.server->server_ca_sha256();
  co_await test.server->stop();
  test.server.reset();
  CO_ASSERT_OK(co_await test.start());
  EXPECT_FALSE(test.server->first_start());
  EXPECT_EQ(test.server->server_ca_sha256(), fingerprint);
  auto client = test.client(signed_in->token);
  CO_ASSERT_OK(client);
  CO_ASSERT_OK(co_await (*client)->get<api::AccountView>("/v1/whoami"));
  const auto twice = co_await Server::start(test.loop(), [&] {
    auto options = test.options();
    options.data += "-other";
    options.sealing = SealingText{crypto::SealingKey::generate().text()};
    options.listen = test.server->local();
    return options;
  }());
  CO_ASSERT_ERROR(twice, Code::kConflict);
}
TEST_F(ServerTest, RestartsWithWhatItHad) { run(restart); }

// A watch is told by its end that the server stops; stop() does not wait for it longer than that.
net::Task<> stop_with_watch(ServerTest& test) {
  const auto key = crypto::PrivateKey::generate();
  const auto signed_in = co_await test.sign_in(key);
  CO_ASSERT_OK(signed_in);
  auto client = test.internal(signed_in->certificate, key);
  CO_ASSERT_OK(client);
  Server* server = test.server.get();
  net::TaskGroup stopping(test.loop().executor());
  const auto watched = co_await (*client)->watch("/v1/agent", {{"watch", "1"}}, [&](std::string_view) -> Result<> {
    if (stopping.size() == 0) stopping.spawn("stop", server->stop());
    return {};
  });
  EXPECT_FALSE(watched);
  EXPECT_EQ(watched.error().code, Code::kUnavailable) << watched.error().message;
  const auto began = Clock::real().boot();
  co_await stopping.join();
  EXPECT_LT(Clock::real().boot() - began, 1500ms);
}
TEST_F(ServerTest, StopEndsWatches) { run(stop_with_watch); }

}  // namespace
}  // namespace portolan::control

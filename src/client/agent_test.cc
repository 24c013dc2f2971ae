// The agent of somebody who is signed in, while no control plane answers: what its own API makes it do.
#include "client/agent.h"

#include <gtest/gtest.h>

#include "base/id.h"
#include "crypto/identity.h"
#include "net/co_test.h"
#include "net/http/client.h"
#include "net/tcp.h"

namespace portolan::client {
namespace {
using namespace std::chrono_literals;

class Signed {
 public:
  Signed() : home(std::filesystem::temp_directory_path() / ("portolan-agent-" + make_token(6))) {
    const auto key = crypto::PrivateKey::generate();
    const auto now = Clock::real().wall();
    const auto authority = crypto::Authority::create("test", crypto::Profile::kUser, now, 1h);
    const std::string pem = authority.certificate().pem();
    const auto certificate = *authority.issue(
        {crypto::Profile::kUser, key.public_key(), "ann", {crypto::to_uri(crypto::UserIdentity{"o", "a-1", "d-1"})}},
        now);
    const ClientState state{
        "127.0.0.1:1", "control.o.portolan.internal", pem, pem, "o", "a-1", "ann@example.com", false, "d-1", now + 1h};
    saved = home.save(state, certificate, key, Secret("token"));
  }
  ~Signed() { std::filesystem::remove_all(home.folder()); }
  Signed(const Signed&) = delete;
  Signed& operator=(const Signed&) = delete;

  Home home;
  Result<> saved;
};

net::Task<> post(const Home& home, std::string path, int& done) {
  net::http::Client client([socket = home.socket().string()] { return net::dial_unix(socket, 2s); }, "agent");
  net::http::Request request;
  request.method = "POST";
  request.path = std::move(path);
  const auto answer = co_await client.request(std::move(request), 5s);
  if (answer && answer->status == 200) ++done;
}

net::Task<> reload_many(net::Loop& loop, const Signed& in, int& done) {
  AgentOptions options;
  options.home = in.home;
  options.status = std::nullopt;
  options.web = std::nullopt;
  auto agent = co_await Agent::start(loop, options);
  CO_ASSERT_OK(agent);
  net::TaskGroup tasks(loop.executor());
  for (int i = 0; i < 8; ++i) tasks.spawn("reload", post(in.home, "/v1/reload", done));
  co_await tasks.join();
  co_await (*agent)->stop();
}

net::Task<> until_stopped(net::Loop& loop, net::Task<> body) {
  co_await std::move(body);
  loop.stop();
}

// Two accounts at a time would want the same ports, and one would go while its tasks live.
TEST(Agent, IsToldToReloadWhileItReloads) {
  const Signed in;
  ASSERT_TRUE(in.saved);
  net::Loop loop;
  net::TaskGroup tasks(loop.executor());
  int done = 0;
  tasks.spawn("test", until_stopped(loop, reload_many(loop, in, done)));
  net::Timer limit(loop.executor());
  limit.schedule(10s, [&loop] {
    ADD_FAILURE() << "the test took too long";
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(done, 8);
}

}  // namespace
}  // namespace portolan::client

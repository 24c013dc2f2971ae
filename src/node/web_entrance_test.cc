#include "node/web_entrance.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/file.h"
#include "net/http/websocket.h"
#include "net/test_tls.h"
#include "tunnel/web_dial.h"

namespace portolan::node {
namespace {

using namespace std::chrono_literals;

struct Entrance {
  Entrance() {
    std::string name = (std::filesystem::temp_directory_path() / "portolan-web-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) folder = name;
  }
  Entrance(const Entrance&) = delete;
  Entrance& operator=(const Entrance&) = delete;
  ~Entrance() { std::filesystem::remove_all(folder); }

  void show(const net::testing::Pki& pki) const {
    const auto identity = pki.server();
    EXPECT_TRUE(write_file(folder / "ca.pem", pki.servers.certificate().pem(), Privacy::kPublic));
    EXPECT_TRUE(write_file(folder / "web.pem", crypto::to_pem(identity.chain), Privacy::kPublic));
    EXPECT_TRUE(write_file(folder / "web.key", identity.key->pem().reveal(), Privacy::kPrivate));
  }
  NodeOptions options(bool tls) const {
    NodeOptions options;
    options.web = WebListen{{"127.0.0.1", 0}};
    if (tls) options.web->certificate_file = folder / "web.pem";
    if (tls) options.web->key_file = folder / "web.key";
    return options;
  }
  net::Task<Result<>> dial(net::Endpoint at) const {
    tunnel::WebDial how{folder / "ca.pem", {}};
    auto path = co_await tunnel::dial_web(std::move(at), std::move(how), 2s);
    if (!path) co_return std::unexpected(path.error());
    CO_CHECK(co_await net::write(**path, as_bytes("hello")));
    CO_CHECK(co_await net::finish(**path, 1s));
    co_return Result<>{};
  }
  std::filesystem::path folder;
};

CO_TEST(WebEntrance, GivesWhatIsFoundInAWebSocket) {
  const auto executor = co_await net::this_executor();
  Entrance made;
  made.show(net::testing::Pki());
  std::vector<std::unique_ptr<net::Stream>> paths;
  auto entrance = WebEntrance::start(executor, made.options(true),
                                     [&](std::unique_ptr<net::Stream> path) { paths.push_back(std::move(path)); });
  CO_ASSERT_OK(entrance);
  auto dialled = co_await made.dial((*entrance)->local());
  CO_ASSERT_OK(dialled);
  CO_ASSERT_EQ(paths.size(), 1U);
  auto got = co_await net::read(*paths[0]);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "hello");
  // Renewed files are taken without a restart.
  made.show(net::testing::Pki());
  dialled = co_await made.dial((*entrance)->local());
  for (int i = 0; i < 100 && !dialled; ++i) {
    auto slept = co_await net::sleep_for(50ms);
    CO_ASSERT_OK(slept);
    dialled = co_await made.dial((*entrance)->local());
  }
  CO_ASSERT_OK(dialled);
  co_await (*entrance)->stop();
}

CO_TEST(WebEntrance, EverythingElseIsNotFound) {
  const auto executor = co_await net::this_executor();
  Entrance made;
  int paths = 0;
  auto entrance =
      WebEntrance::start(executor, made.options(false), [&](const std::unique_ptr<net::Stream>&) { ++paths; });
  CO_ASSERT_OK(entrance);
  auto stream = co_await net::dial_tcp((*entrance)->local(), 1s);
  CO_ASSERT_OK(stream);
  auto wrote = co_await net::write(**stream, as_bytes("GET / HTTP/1.1\r\nHost: gw\r\n\r\n"));
  CO_ASSERT_OK(wrote);
  auto got = co_await net::read(**stream);
  CO_ASSERT_OK(got);
  EXPECT_TRUE(as_text(got->data()).starts_with("HTTP/1.1 404 ")) << as_text(got->data());
  // Behind a proxy there is no TLS here.
  stream = co_await net::dial_tcp((*entrance)->local(), 1s);
  CO_ASSERT_OK(stream);
  auto path = co_await net::http::connect_websocket(std::move(*stream), "gw", std::string(tunnel::kWebPath), 1s);
  CO_ASSERT_OK(path);
  for (int i = 0; i < 100 && paths == 0; ++i) co_await net::yield_to_loop();
  EXPECT_EQ(paths, 1);
  co_await (*entrance)->stop();
}

CO_TEST(WebEntrance, WhatItCannotBe) {
  const auto executor = co_await net::this_executor();
  Entrance made;
  auto options = made.options(false);
  for (const std::string elsewhere : {"0.0.0.0", "", "127.0.0.1.example", "127.example", "::", "localhost.example"}) {
    options.web->at.host = elsewhere;
    const auto refused = WebEntrance::start(executor, options, nullptr);
    EXPECT_TRUE(!refused && refused.error().code == Code::kInvalid) << elsewhere;
  }
  for (const std::string here : {"127.0.0.1", "127.9.8.7", "localhost"}) {
    options.web->at.host = here;
    const auto taken = WebEntrance::start(executor, options, nullptr);
    CO_ASSERT_OK(taken);
    co_await (*taken)->stop();
  }
  auto entrance = WebEntrance::start(executor, made.options(true), nullptr);
  CO_ASSERT_ERROR(entrance, Code::kNotFound);
}

}  // namespace
}  // namespace portolan::node

// The proxy on a real loopback port, between clients that send exactly these bytes and applications that are none: each
// answers every request with its own name and the first line of what it was asked.
#include "client/web/proxy.h"

#include <gtest/gtest.h>

#include "base/id.h"
#include "net/co_test.h"

namespace portolan::client::web {
namespace {
using namespace std::chrono_literals;

api::AgentResource web_resource(std::string name, std::string origin) {
  return {.id = "rs-" + name,
          .name = std::move(name),
          .type = "http",
          .egress = {},
          .web = std::vector<api::AgentWebHost>{{"", std::move(origin)}}};
}

class Answering final : public Applications {
 public:
  explicit Answering(const net::Executor& executor)
      : resources_{web_resource("wiki", "http://wiki.corp.example"), web_resource("crm", "https://crm.corp.example"),
                   web_resource("off", "http://off.corp.example")},
        tasks(executor) {}

  std::shared_ptr<const Names> names() const override {
    if (!signed_in) return nullptr;
    return std::make_shared<Names>(resources_, std::set<std::string>{"wiki", "crm"}, std::set<std::string>{});
  }
  Result<> usable(const std::string& name) const override {
    if (name != "off") return {};
    return std::unexpected(Error{Code::kUnavailable, "\"off\" is not connected", "not_connected", Hop::kAgent});
  }
  void carry(const std::string& name, std::unique_ptr<net::Stream> requests, net::CallBack over) override {
    ++sessions;
    tasks.spawn("session", serve(*this, name, std::move(requests), std::move(over)));
  }
  api::AgentStatus status() const override { return {}; }
  std::vector<api::AgentResource> web_resources() const override { return resources_; }

  bool signed_in = true;
  bool breaks = false;  // in place of an answer
  int sessions = 0;
  std::vector<std::string> asked = {};

 private:
  static net::Task<> serve(Answering& self, std::string name, std::unique_ptr<net::Stream> stream, net::CallBack over) {
    std::string text;
    Result<> outcome;
    while (true) {
      const auto end = text.find("\r\n\r\n");
      if (end == std::string::npos) {
        const auto buffer = co_await net::read(*stream);
        if (!buffer) outcome = std::unexpected(buffer.error());
        if (!buffer || buffer->empty()) break;
        text += as_text(buffer->data());
        continue;
      }
      self.asked.push_back(name + " " + text.substr(0, text.find("\r\n")));
      text.erase(0, end + 4);
      if (self.breaks) {
        outcome = fail(Code::kIo, "broken");
        break;
      }
      const std::string body = self.asked.back();
      const std::string answer =
          "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      const auto written = co_await net::write(*stream, as_bytes(answer));
      if (!written) break;
    }
    if (outcome) outcome = co_await net::finish(*stream, 5s);
    stream.reset();
    over(std::move(outcome));
  }

  std::vector<api::AgentResource> resources_;

 public:
  net::TaskGroup tasks;
};

// The proxy and what it needs, from start() to stop().
struct Running {
  explicit Running(const net::Executor& executor, net::Endpoint at = {"127.0.0.1", 0})
      : changes(executor),
        applications(executor),
        proxy(executor, {.at = std::move(at), .home = Home("/nonexistent/" + make_token(6))}, applications, changes) {
    proxy.start();
  }
  std::uint16_t port() const { return net::parse_endpoint(proxy.port().address)->port; }
  net::Task<> stop() {
    applications.tasks.cancel();
    co_await applications.tasks.join();
    co_await proxy.stop();
  }
  Changes changes;
  Answering applications;
  Proxy proxy;
};

std::string get(const std::string& host, const std::string& more = {}, const std::string& target = "/") {
  return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n";
}
const std::string kEvil = "Origin: https://evil.example\r\nAccept: text/html\r\n";
const std::string kClose = "Connection: close\r\n";

class Client {
 public:
  static net::Task<std::unique_ptr<Client>> dial(const Running& running, std::string host = "127.0.0.1") {
    auto stream = co_await net::dial_tcp({std::move(host), running.port()}, 5s);
    EXPECT_TRUE(stream) << net::testing::describe_failure(stream);
    auto client = std::make_unique<Client>();
    if (stream) client->stream_ = std::move(*stream);
    co_return client;
  }
  net::Task<> send(std::string text) {
    const auto written = co_await net::write(*stream_, as_bytes(text));
    EXPECT_TRUE(written) << net::testing::describe_failure(written);
  }
  // Up to the mark and with it; all there was if the connection ends before.
  net::Task<std::string> until(std::string mark) {
    while (true) {
      const auto at = text_.find(mark);
      if (at != std::string::npos) {
        std::string out = text_.substr(0, at + mark.size());
        text_.erase(0, out.size());
        co_return out;
      }
      const auto buffer = co_await net::read(*stream_);
      if (!buffer || buffer->empty()) co_return std::exchange(text_, {});
      text_ += as_text(buffer->data());
    }
  }
  net::Task<std::string> rest() { co_return co_await until("\x01 never sent"); }

 private:
  std::unique_ptr<net::Stream> stream_;
  std::string text_;
};

// All of the answer to one request on a connection of its own.
net::Task<std::string> ask(const Running& running, std::string request) {
  const auto client = co_await Client::dial(running);
  co_await client->send(std::move(request));
  co_return co_await client->until(" HTTP/1.1");
}
net::Task<std::string> refused(const Running& running, std::string request) {
  const auto client = co_await Client::dial(running);
  co_await client->send(std::move(request));
  co_return co_await client->rest();
}

CO_TEST(WebProxy, NamesLeadToApplications) {
  Running running(co_await net::this_executor());
  EXPECT_EQ(running.proxy.port().state, "listening");
  std::string answer = co_await ask(running, get("wiki.localhost", {}, "/a?b"));
  EXPECT_TRUE(answer.ends_with("wiki GET /a?b HTTP/1.1")) << answer;
  answer = co_await ask(running, get("CRM.localhost:1"));
  EXPECT_TRUE(answer.ends_with("crm GET / HTTP/1.1")) << answer;
  answer = co_await ask(running, get("wiki.corp.example", {}, "http://wiki.corp.example/x"));
  EXPECT_TRUE(answer.ends_with("wiki GET http://wiki.corp.example/x HTTP/1.1")) << answer;
  co_await running.stop();
}

CO_TEST(WebProxy, WhatIsRefusedReachesNobody) {
  Running running(co_await net::this_executor());
  struct Case {
    std::string request;
    std::string status;
    std::string code;
  };
  const Case cases[] = {
      {get("evil.example"), "421", "misdirected"},
      {get("nobody.localhost"), "404", "unknown_resource"},
      {get("off.localhost"), "503", "not_connected"},
      {get("wiki.localhost", kEvil), "403", "foreign_origin"},
      {get("wiki.localhost", "Sec-Fetch-Site: cross-site\r\n"), "403", "cross_site"},
      {get("localhost", kEvil), "403", "foreign_origin"},
      {get("wiki.localhost", "Host: crm.localhost\r\n"), "400", "bad_message"},
      {"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", "421", "misdirected"},
      {"CONNECT crm.localhost:443 HTTP/1.1\r\n\r\n", "421", "misdirected"},
      {"CONNECT crm.corp.example:443 HTTP/1.1\r\n\r\n", "403", "no_local_ca"},
      {"POST / HTTP/1.1\r\nHost: wiki.localhost\r\nTransfer-Encoding: gzip\r\n\r\n", "501", "unsupported_encoding"},
      {get("wiki.localhost", "X: " + std::string(70000, 'x') + "\r\n"), "431", "headers_too_large"},
  };
  for (const Case& each : cases) {
    const std::string answer = co_await refused(running, each.request);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + each.status)) << each.code << ": " << answer.substr(0, 300);
    EXPECT_TRUE(answer.contains(each.code)) << each.code << ": " << answer.substr(0, 2000);
    EXPECT_TRUE(answer.contains("Connection: close\r\n")) << each.code;
  }
  const std::string page = co_await refused(running, get("wiki.localhost", kEvil));
  EXPECT_TRUE(page.contains("Content-Type: text/html")) << page;
  EXPECT_EQ(running.applications.sessions, 0);
  running.applications.signed_in = false;
  const std::string answer = co_await refused(running, get("wiki.localhost"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403") && answer.contains("not_signed_in")) << answer;
  co_await running.stop();
}

CO_TEST(WebProxy, OneConnectionForSeveralApplications) {
  Running running(co_await net::this_executor());
  const auto client = co_await Client::dial(running);
  for (const char* name : {"wiki", "wiki", "crm", "wiki"}) {
    co_await client->send(get(std::string(name) + ".localhost"));
    const std::string answer = co_await client->until(std::string(name) + " GET / HTTP/1.1");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  }
  EXPECT_EQ(running.applications.sessions, 3);
  co_await client->send(get("localhost", {}, "/proxy.pac"));
  std::string answer = co_await client->until("FindProxyForURL");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  co_await running.stop();
}

// What was asked before is answered, and the page comes behind it.
CO_TEST(WebProxy, ARefusalInTheMiddleComesAfterTheAnswers) {
  Running running(co_await net::this_executor());
  const auto client = co_await Client::dial(running);
  co_await client->send(get("wiki.localhost", {}, "/1") + get("wiki.localhost", kEvil, "/2") +
                        get("wiki.localhost", {}, "/3"));
  std::string answer = co_await client->until("wiki GET /1 HTTP/1.1");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  answer = co_await client->rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403")) << answer;
  EXPECT_TRUE(answer.ends_with("</html>\n")) << answer;
  EXPECT_EQ(running.applications.asked, std::vector<std::string>{"wiki GET /1 HTTP/1.1"});
  co_await running.stop();
}

// A session that breaks off owes an answer: no page of ours may stand where it should.
CO_TEST(WebProxy, ARefusalIsNoAnswerToAnEarlierRequest) {
  Running running(co_await net::this_executor());
  running.applications.breaks = true;
  const std::string answer = co_await refused(running, get("wiki.localhost") + get("wiki.localhost", kEvil));
  EXPECT_EQ(answer, "");
  co_await running.stop();
}

CO_TEST(WebProxy, TheOwnPageIsKeptAlive) {
  Running running(co_await net::this_executor());
  const auto client = co_await Client::dial(running);
  co_await client->send(get("127.0.0.1", {}, "/nothing"));
  std::string answer = co_await client->until("\r\n\r\nThere is no such page; see /\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 404")) << answer;
  co_await client->send(get("localhost", kClose, "/nothing"));
  answer = co_await client->rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 404") && answer.contains(kClose)) << answer;
  co_await running.stop();
}

// An application without TLS is asked through a tunnel as well: that is how browsers open its WebSockets.
CO_TEST(WebProxy, ATunnelWithoutTls) {
  Running running(co_await net::this_executor());
  const auto client = co_await Client::dial(running);
  co_await client->send("CONNECT wiki.corp.example:80 HTTP/1.1\r\nHost: wiki.corp.example:80\r\n\r\n");
  std::string answer = co_await client->until("\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  co_await client->send(get("wiki.corp.example", "Origin: http://wiki.corp.example\r\n", "/in"));
  answer = co_await client->until("wiki GET http://wiki.corp.example/in HTTP/1.1");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  // Within it there is nobody else, and no other tunnel.
  co_await client->send(get("crm.localhost"));
  answer = co_await client->rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 421")) << answer;
  co_await running.stop();
}

CO_TEST(WebProxy, APortThatIsHeldIsTakenLater) {
  const auto executor = co_await net::this_executor();
  Running first(executor);
  Running second(executor, {"127.0.0.1", first.port()});
  EXPECT_EQ(second.proxy.port().state, "failed");
  CO_ASSERT_TRUE(second.proxy.port().reason.has_value());
  EXPECT_TRUE(second.proxy.port().reason->contains(std::to_string(first.port()))) << *second.proxy.port().reason;
  CO_ASSERT_TRUE(second.proxy.port().held_by.has_value());
  EXPECT_FALSE(second.proxy.port().held_by->foreign);
  Changes::Watcher watcher(second.changes);
  co_await first.stop();
  for (int i = 0; i < 4 && second.proxy.port().state != "listening"; ++i) {
    const auto changed = co_await watcher.wait(5s);
    CO_ASSERT_OK(changed);
  }
  EXPECT_EQ(second.proxy.port().state, "listening");
  co_await second.stop();
}

}  // namespace
}  // namespace portolan::client::web

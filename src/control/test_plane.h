// For the tests of control/: a control plane on a folder of its own, called without sockets.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>

#include "api/admin.h"
#include "api/agent.h"
#include "api/assertion.h"
#include "api/audit.h"
#include "api/lease.h"
#include "api/node.h"
#include "api/sign_in.h"
#include "base/id.h"
#include "base/json.h"
#include "control/control_plane.h"
#include "control/test_documented.h"
#include "net/co_test.h"
#include "net/event.h"

namespace portolan::control::testing {

using net::http::Response;

// A folder that goes with it.
struct TestFolder {
  TestFolder() : path(std::filesystem::temp_directory_path() / ("portolan-control-" + make_token(6))) {}
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

// Who a test calls as: a token, or a certificate on the internal name.
struct As {
  std::string token = {};
  std::optional<crypto::Certificate> certificate = {};
};

struct Ask {
  std::string route;  // "GET /v1/accounts/a-1"
  std::map<std::string, std::string> query = {};
  std::string body = {};
  net::http::Headers headers = {};
};

// A person's installation that has signed in, and a node that has joined.
struct Person {
  api::SignedIn signed_in;
  crypto::PrivateKey key;
  As by_token;
  As by_certificate;
};
struct JoinedNode {
  api::Joined joined;
  As by_certificate;
  crypto::PrivateKey key;
};

// Takes what a watch sends, line by line.
class LineSink : public net::http::Sink {
 public:
  explicit LineSink(const net::Executor& executor) : came_(executor), left_(executor), released_(executor) {}
  net::Task<Result<>> begin(Response head) override;
  net::Task<Result<>> send(std::string_view piece) override;
  net::Task<Result<>> closed() override;

  // The next line, within five seconds.
  net::Task<Result<std::string>> next();
  // The next line of this kind, others skipped, decoded.
  template <class Event>
  net::Task<Result<Event>> next_of(std::string kind) {
    while (true) {
      CO_TRY(const auto line, co_await next());
      CO_TRY(auto event, json::decode<Event>(line, json::Unknown::kRefuse));
      if (event.kind == kind) co_return event;
    }
  }
  void leave();
  // Until release() the reader takes nothing more: send() waits.
  void hold() { held_ = true; }
  void release();
  std::optional<Response> head;
  std::string body;

 private:
  std::size_t read_ = 0;
  bool gone_ = false;
  bool held_ = false;
  net::Event came_;
  net::Event left_;
  net::Event released_;
};

class TestPlane {
 public:
  TestPlane(const net::Executor& executor, const Clock& clock = Clock::real());
  ServerOptions options() const;
  void open();

  net::Task<Response> call(Ask ask, As as = {});
  // What has been asked so far, against the OpenAPI document.
  const Documented& documented() const { return documented_; }
  // A GET that goes on, until the sink's client leaves or the server ends it. To be spawned.
  net::Task<> watch(Ask ask, As as, LineSink& sink);
  // The decoded answer of a call that must succeed; Code and message of the problem else.
  template <class View>
  net::Task<Result<View>> get(Ask ask, As as) {
    const auto response = co_await call(std::move(ask), std::move(as));
    CO_CHECK(succeeded(response));
    co_return json::decode<View>(response.body, json::Unknown::kRefuse);
  }
  template <class View, class Body>
  net::Task<Result<View>> post(std::string path, Body body, As as) {
    co_return co_await get<View>({"POST " + path, {}, json::encode(body)}, std::move(as));
  }
  static Result<> succeeded(const Response& response);

  // Makes the admin of the tests.
  net::Task<Result<>> set_up();
  net::Task<Result<api::AccountView>> make_account(std::string email);
  net::Task<Result<Person>> sign_in(std::string email, std::string password = kPassword);
  net::Task<Result<JoinedNode>> join(std::string kind, std::string name);
  // A resource of type tcp, a role of the same name that may use it, and the account's membership in it (the answer).
  net::Task<Result<api::MembershipView>> give(std::string email, std::string resource);
  net::Task<Result<std::string>> resource_id(std::string name);

  static inline const std::string kPassword = "correct horse battery";

 private:
  net::Task<Response> answer(Ask ask, As as);
  Documented documented_;

 public:
  TestFolder folder;
  net::Executor executor;
  const Clock& clock;
  Secret sealing_key;
  std::unique_ptr<ControlPlane> plane;
  As admin;  // an API token of admin@example.com
};

// A watch that runs beside the test, until the test ends it.
class RunningWatch {
 public:
  RunningWatch(TestPlane& test, std::string path, As as, std::map<std::string, std::string> query = {})
      : sink(test.executor), connection_{.peer = "127.0.0.1", .certificate = as.certificate}, tasks_(test.executor) {
    query["watch"] = "1";
    net::http::Call call{
        .request = {.method = "GET", .path = path, .query = std::move(query), .headers = {}, .body = {}},
        .path_arguments = {},
        .connection = &connection_};
    if (!as.token.empty()) call.request.headers["authorization"] = "Bearer " + as.token;
    tasks_.spawn("watch", run(*test.plane->router().match("GET", path).stream_handler, std::move(call), *this));
  }
  // Leaves as a client that closes its connection does.
  net::Task<> end() {
    sink.leave();
    co_await tasks_.join();
  }
  bool running() const { return tasks_.size() > 0; }
  net::Task<> ended() { co_await tasks_.join(); }

  LineSink sink;
  std::optional<Result<>> result;

 private:
  static net::Task<> run(const net::http::StreamHandler& handler, net::http::Call call, RunningWatch& self) {
    self.result = co_await handler(std::move(call), self.sink);
  }
  net::http::Connection connection_;
  net::TaskGroup tasks_;
};

// An assertion by this person for a node, as the agent makes them.
std::string assertion_of(const Person& person, const std::string& resource, const std::string& node, WallTime now);

}  // namespace portolan::control::testing

// A control plane for unit tests of the node: answers what the test tells it to.
#pragma once
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/client.h"
#include "net/event.h"

namespace portolan::node::testing {

class FakeControl : public api::ControlClient {
 public:
  using Answer = std::function<Result<std::string>(const std::string& path, const std::string& body)>;
  explicit FakeControl(Answer answer) : answer_(std::move(answer)) {}

  net::Task<Result<std::string>> call(std::string, std::string path, std::map<std::string, std::string>,
                                      std::string body) override {
    ++calls;
    // As over a network: never within the call.
    co_await net::yield_to_loop();
    co_return answer_(path, body);
  }
  net::Task<Result<std::string>> post_lines(std::string path, std::string body) override {
    return call("POST", std::move(path), {}, std::move(body));
  }
  net::Task<Result<>> watch(std::string, std::map<std::string, std::string>,
                            std::function<Result<>(std::string_view)> on_line) override {
    for (const std::string& line : lines) {
      CO_CHECK(on_line(line));
    }
    if (watch_ends) co_return *watch_ends;
    CO_CHECK(co_await net::sleep_for(std::chrono::hours(1)));
    co_return Result<>{};
  }

  int calls = 0;
  std::vector<std::string> lines;           // what each watch says, before it falls silent
  std::optional<Result<>> watch_ends = {};  // or ends so

 private:
  Answer answer_;
};

}  // namespace portolan::node::testing

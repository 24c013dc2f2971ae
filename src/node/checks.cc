#include "node/checks.h"

#include <algorithm>

#include "base/clock.h"
#include "base/words.h"
#include "net/tcp.h"
#include "protocols/features.h"

namespace portolan::node {
namespace {

constexpr std::size_t kAtOnce = 64;        // the control plane gives fewer
constexpr std::size_t kResultsKept = 200;  // while it cannot be told
constexpr std::size_t kWordsLimit = 480;
constexpr std::size_t kShortestSecret = 3;  // shorter ones are in every text
constexpr std::chrono::milliseconds kLongest = std::chrono::seconds(30);

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

}  // namespace

std::string code_of(const Error& error) {
  if (!error.reason.empty()) return error.reason;
  if (error.code == Code::kTimeout) return "timeout";
  if (error.code == Code::kNotFound) return "no_such_name";
  return std::string(name_of(error.code));
}

std::string words_of(const Error& error, const api::CheckTask& task) {
  std::string words = error.message;
  // A server that is given the password can send it back.
  const std::string& secret = task.password.reveal();
  if (secret.size() >= kShortestSecret) replace_all(words, secret, "…");
  const std::string address = net::to_text({task.host, task.port});
  if (!words.contains(address)) words = address + ": " + words;
  return plain_words(words, kWordsLimit);
}

Checks::Checks(const net::Executor& executor, std::chrono::milliseconds dial_limit, OnResult on_result, Find find)
    : dial_limit_(dial_limit), on_result_(std::move(on_result)), find_(std::move(find)), tasks_(executor) {}

std::vector<std::string> Checks::protocols() {
  std::vector<std::string> names;
  for (const auto& protocol : protocols::registry()) names.emplace_back(protocol.name);
  return names;
}

void Checks::begin(api::CheckTask task) {
  const auto missing = protocols::features_missing(task.must_understand, protocols::features_understood());
  if (!missing.empty()) {
    finish(task,
           fail(Code::kUnavailable,
                "the node does not understand " + protocols::features_in_words(missing) + ", which the check asks for",
                "not_understood"),
           std::chrono::milliseconds(0));
    return;
  }
  // One more is not begun, and the control plane learns it as silence.
  if (tasks_.size() >= kAtOnce) return;
  const std::string name = "check " + task.name;
  tasks_.spawn(name, run(std::move(task)));
}

net::Task<Result<>> Checks::probe(const protocols::Protocol& protocol, const api::CheckTask& task,
                                  std::vector<net::Endpoint> hosts, std::chrono::milliseconds deadline) {
  const protocols::Dial dial = [hosts, limit = std::min(dial_limit_, deadline)](
                                   std::size_t host) -> net::Task<Result<std::unique_ptr<net::Stream>>> {
    auto stream = co_await net::dial_tcp(hosts[host], limit);
    if (!stream) co_return std::unexpected(std::move(stream).error());
    co_return std::move(*stream);
  };
  protocols::Target target{task.name,     hosts,         task.settings,
                           task.username, task.password, task.tls_key.value_or(Secret())};
  co_return co_await net::with_timeout(protocol.probe(std::move(target), dial, deadline), deadline);
}

net::Task<> Checks::run(api::CheckTask task) {
  const BootTime began = Clock::real().boot();
  const auto* protocol = find_(task.type);
  const auto deadline = std::min(std::chrono::milliseconds(task.deadline_ms), kLongest);
  Result<> outcome;
  if (!protocol) {
    outcome = fail(Code::kUnavailable, "the node does not speak " + quoted(task.type), "not_understood");
  } else {
    auto hosts = protocols::hosts_of(task.host, task.port, task.settings);
    outcome = hosts ? co_await probe(*protocol, task, std::move(*hosts), deadline)
                    : std::unexpected(std::move(hosts).error());
    if (!outcome && outcome.error().code == Code::kCancelled) co_return;
    if (!outcome && outcome.error().code == Code::kTimeout)
      outcome = fail(Code::kTimeout, "timed out after " + format_duration(deadline));
  }
  finish(task, outcome, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::real().boot() - began));
}

void Checks::finish(const api::CheckTask& task, const Result<>& outcome, std::chrono::milliseconds took) {
  if (results_.size() >= kResultsKept) results_.erase(results_.begin());
  results_.push_back({task.id, task.nonce, outcome.has_value(), outcome ? "ok" : code_of(outcome.error()),
                      outcome ? "" : words_of(outcome.error(), task), static_cast<std::uint64_t>(took.count())});
  on_result_(task.resource, outcome.has_value());
}

std::vector<api::CheckResult> Checks::take() { return std::exchange(results_, {}); }

void Checks::put_back(std::vector<api::CheckResult> results) {
  results.insert(results.end(), std::make_move_iterator(results_.begin()), std::make_move_iterator(results_.end()));
  if (results.size() > kResultsKept)
    results.erase(results.begin(), results.end() - static_cast<std::ptrdiff_t>(kResultsKept));
  results_ = std::move(results);
}

net::Task<> Checks::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node

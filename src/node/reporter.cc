#include "node/reporter.h"

#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "api/assertion.h"
#include "base/log.h"
#include "net/backoff.h"
#include "protocols/features.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kEvery = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kNotSooner = std::chrono::milliseconds(100);  // after a poke: more may come with it
constexpr std::size_t kSeenKept = 200;                                            // while it cannot be told
constexpr std::chrono::milliseconds kOldControlPlane = std::chrono::minutes(10);

std::chrono::microseconds cpu_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t open_descriptors() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error))
    ++count;
  return count;
}

void wipe_text(std::string& text) { wipe(std::as_writable_bytes(std::span(text.data(), text.size()))); }

}  // namespace

void ProcessLoad::fill(api::NodeLoad& load) {
  const auto cpu = cpu_time();
  const BootTime now = Clock::real().boot();
  const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(now - at_);
  if (at_ != BootTime{} && passed.count() > 0)
    load.cpu_permille = static_cast<std::uint64_t>((cpu - cpu_).count() * 1000 / passed.count());
  cpu_ = cpu;
  at_ = now;
  load.memory_bytes = resident_bytes();
  load.descriptors = open_descriptors();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) load.descriptor_limit = limit.rlim_cur;
}

Reporter::Reporter(const net::Executor& executor, std::unique_ptr<api::ControlClient> client, const Clock& clock,
                   std::chrono::milliseconds dial_limit, Facts facts, Checks::Find find)
    : client_(std::move(client)),
      clock_(clock),
      facts_(std::move(facts)),
      began_(clock.boot()),
      wake_(executor),
      checks_(
          executor, dial_limit,
          [this](const std::string& resource, bool healthy) {
            known_[resource] = healthy;
            poke();
          },
          std::move(find)),
      tasks_(executor) {
  tasks_.spawn("report-health", follow());
}

void Reporter::saw(const std::string& resource, bool healthy) {
  const auto [known, is_new] = known_.try_emplace(resource, healthy);
  if (!is_new && std::exchange(known->second, healthy) == healthy) return;
  std::erase_if(seen_, [&](const auto& each) { return each.resource == resource; });
  seen_.push_back({resource, healthy});
  if (seen_.size() > kSeenKept) seen_.erase(seen_.begin());
  poke();
}

void Reporter::poke() {
  poked_ = true;
  wake_.set();
}

net::Task<> Reporter::follow() {
  net::Backoff backoff;
  for (;;) {
    poked_ = false;
    const auto next = co_await report_once();
    if (!next && next.error().code == Code::kCancelled) co_return;
    std::chrono::milliseconds pause = kOldControlPlane;
    if (next) {
      backoff.reset();
      // Jittered: nodes that began together do not report together.
      pause = std::min(*next, kEvery) - net::Backoff(std::min(*next, kEvery) / 5).next();
    } else if (next.error().retry_can_help()) {
      pause = backoff.next();
      log::debug("cannot report health", {{"why", next.error()}});
    } else if (!std::exchange(told_of_old_, true)) {
      const bool old = next.error().code == Code::kNotFound;
      log::info(old ? "the control plane is of an older version and takes no health reports" : "cannot report health",
                {{"why", next.error()}});
    }
    const bool failed = !next;
    const auto slept = co_await net::sleep_for(failed ? std::min(pause, std::chrono::milliseconds(200)) : kNotSooner);
    if (!slept) co_return;
    if (poked_ && !failed) continue;
    const auto waited = co_await wake_.wait(pause);
    if (!waited && waited.error().code == Code::kCancelled) co_return;
  }
}

net::Task<Result<std::chrono::milliseconds>> Reporter::report_once() {
  api::NodeHealth health;
  health.version = PORTOLAN_VERSION;
  health.uptime_s =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(clock_.boot() - began_).count());
  health.checks = Checks::protocols();
  health.understands = protocols::features_understood();
  process_.fill(health.load);
  facts_(health);
  health.results = checks_.take();
  if (auto seen = std::exchange(seen_, {}); !seen.empty()) health.seen = std::move(seen);
  health.time = clock_.wall();
  auto body = co_await client_->call("POST", "/v1/node/health", {}, json::encode(health));
  if (!body) {
    checks_.put_back(std::move(health.results));
    for (auto& each : health.seen.value_or(std::vector<api::ResourceSeen>{}))
      if (std::ranges::find(seen_, each.resource, &api::ResourceSeen::resource) == seen_.end())
        seen_.push_back(std::move(each));
    co_return std::unexpected(std::move(body).error());
  }
  auto answer = json::decode<api::NodeHealthAnswer>(*body, json::Unknown::kIgnore);
  wipe_text(*body);
  if (!answer) co_return std::unexpected(std::move(answer).error().within("answer to the health report"));
  compare_clocks(health.time, answer->time);
  for (auto& task : answer->tasks) checks_.begin(std::move(task));
  co_return std::chrono::milliseconds(std::clamp<std::uint64_t>(answer->next_ms, 200, 60'000));
}

// Assertions of people whose clocks are right are refused by a node whose clock is not.
void Reporter::compare_clocks(WallTime sent, WallTime theirs) {
  const auto offset = std::chrono::abs(sent - theirs);
  if (offset <= api::kClockSlack) {
    told_of_clock_ = false;
  } else if (!std::exchange(told_of_clock_, true)) {
    log::warn("this machine's clock is not the control plane's; set it by NTP",
              {{"apart", format_duration(std::chrono::duration_cast<std::chrono::seconds>(offset))}});
  }
}

net::Task<> Reporter::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  co_await checks_.stop();
}

}  // namespace portolan::node

// Every part on a thread and a loop of its own, in this process.
#include <thread>

#include "base/log.h"
#include "cli/dev_parts.h"

namespace portolan::cli {
namespace {

// Lives on the main loop; what the part's thread has to say it posts there.
struct Running {
  Running(const net::Executor& main, DevPart described) : part(std::move(described)), changed(main) {}
  DevPart part;
  net::Loop loop;
  std::unique_ptr<PartLife> life;
  std::thread thread;
  std::optional<Result<>> started;
  bool ended = false;
  net::Event changed;
};

void run_thread(Running& running) {
  {
    net::TaskGroup tasks(running.loop.executor());
    tasks.spawn("life", running.life->run());
    running.loop.run();
  }
}

class DevThreads final : public DevParts {
 public:
  explicit DevThreads(const net::Executor& executor) : executor_(executor) {}

  net::Task<Result<>> start(DevPart part) override;
  std::vector<DevProcess> processes() const override { return {}; }
  net::Task<> stop() override;

 private:
  net::Executor executor_;
  std::vector<std::unique_ptr<Running>> running_;
};

net::Task<Result<>> DevThreads::start(DevPart part) {
  running_.push_back(std::make_unique<Running>(executor_, std::move(part)));
  Running& running = *running_.back();
  const auto tell = [main = executor_, &running](Result<> started) {
    net::post(main, [&running, started = std::move(started)]() mutable {
      running.started = std::move(started);
      running.changed.set();
    });
  };
  running.life = std::make_unique<PartLife>(running.loop, running.part.start, [tell](Result<Part*> started) {
    tell(started ? Result<>() : std::unexpected(std::move(started).error()));
  });
  running.thread = std::thread([main = executor_, &running] {
    run_thread(running);
    net::post(main, [&running] {
      running.ended = true;
      running.changed.set();
    });
  });
  while (!running.started) {
    const auto waited = co_await running.changed.wait(std::chrono::hours(24));
    if (!waited && waited.error().code == Code::kCancelled) co_return std::unexpected(waited.error());
  }
  if (!*running.started)
    co_return std::unexpected(Error(running.started->error()).within("start " + running.part.name));
  co_return co_await probe_until(running.part.probe, [] { return std::nullopt; }, kDevStartLimit);
}

net::Task<> DevThreads::stop() {
  while (!running_.empty()) {
    Running& running = *running_.back();
    running.loop.post([&running] { running.life->request_stop(); });
    while (!running.ended) {
      [[maybe_unused]] const auto waited = co_await running.changed.wait(std::chrono::hours(24));
    }
    running.thread.join();
    running.life.reset();
    running_.pop_back();
  }
}

}  // namespace

std::unique_ptr<DevParts> make_dev_threads(const net::Executor& executor) {
  return std::make_unique<DevThreads>(executor);
}

}  // namespace portolan::cli

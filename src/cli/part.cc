#include "cli/part.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <utility>

namespace portolan::cli {
namespace {

// After a flood the allocator keeps what it had taken, scattered. Giving it back holds everything up, of a large heap
// for a fifth of a second: done when there is little to do, which a flood's end is, else seldom.
constexpr std::chrono::milliseconds kTrimEvery = std::chrono::seconds(10);
constexpr std::clock_t kBusy = CLOCKS_PER_SEC;  // of the processor's time, in each of these
constexpr int kSeldom = 6;

}  // namespace

net::Task<Result<>> Part::ended() {
  for (;;) {
    const auto slept = co_await net::sleep_for(std::chrono::hours(24));
    if (!slept) co_return Result<>{};
  }
}

PartLife::PartLife(net::Loop& loop, StartPart start, OnStarted on_started)
    : loop_(loop),
      start_(std::move(start)),
      on_started_(std::move(on_started)),
      changed_(loop.executor()),
      tasks_(loop.executor()) {}

void PartLife::request_stop() {
  over_ = true;
  changed_.set();
}

net::Task<> PartLife::begin() {
  auto started = co_await start_(loop_);
  if (started) {
    part_ = std::move(*started);
    if (on_started_) on_started_(part_.get());
    result_ = co_await part_->ended();
  } else {
    result_ = std::unexpected(started.error());
    if (on_started_) on_started_(std::unexpected(std::move(started).error()));
  }
  request_stop();
}

net::Task<> PartLife::run() {
  tasks_.spawn("part", begin());
  std::clock_t used = std::clock();
  int put_off = 0;
  while (!over_) {
    const auto waited = co_await changed_.wait(kTrimEvery);
    const std::clock_t before = std::exchange(used, std::clock());
    if (waited || (used - before >= kBusy && ++put_off < kSeldom)) continue;
    malloc_trim(0);
    put_off = 0;
  }
  // What waits on the part goes before it; a start that is under way is called off and cleans up behind itself.
  tasks_.cancel();
  co_await tasks_.join();
  if (part_) co_await part_->stop();
  part_.reset();
  loop_.stop();
}

Result<> run_part(StartPart start, PartLife::OnStarted on_started) {
  net::Loop loop;
  PartLife life(loop, std::move(start), std::move(on_started));
  net::TaskGroup tasks(loop.executor());
  bool asked = false;
  net::SignalWatch signals(loop.executor(), [&](int signal) {
    if (asked) _exit(128 + signal);
    asked = true;
    life.request_stop();
  });
  tasks.spawn("life", life.run());
  loop.run();
  if (asked) return {};
  return life.result();
}

void prepare_process() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
#ifndef PORTOLAN_KEYLOG  // test builds are looked into
  prctl(PR_SET_DUMPABLE, 0);
#endif
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace portolan::cli

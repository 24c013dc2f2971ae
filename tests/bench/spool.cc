// What a node's spool does: query records a second written durably, in the modes of audit, and where the time goes.
//
//   portolan_spool_bench FOLDER [SECONDS]
//
// One loop, as in a node; the spool has a thread of its own. FOLDER decides which disk is measured. Load and time are
// bounded: SECONDS (default 3) for each line.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <deque>
#include <filesystem>

#include <fmt/format.h>

#include "audit/spool.h"
#include "audit/spool_line.h"
#include "audit/spool_sealed.h"
#include "base/id.h"
#include "base/json.h"
#include "net/loop.h"
#include "net/task.h"
#include "net/wait.h"

namespace portolan {
namespace {

using Steady = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// As a pgbench select-only query makes it.
api::AuditRecord record_of(std::uint64_t sequence) {
  api::AuditRecord out;
  out.kind = "query";
  out.session = "s-0123456789abcdefghij";
  out.sequence = sequence;
  out.time = Clock::real().wall();
  out.trace = "t-0123456789abcdefghij";
  out.account = "a-0123456789abcdefghij";
  out.email = "ann@example.com";
  out.device = "d-0123456789abcdefghij";
  out.resource = "rs-0123456789abcdefghij";
  out.resource_name = "billing-db";
  out.type = "postgres";
  out.node = "n-0123456789abcdefghij";
  out.client = "pgbench";
  out.database = "bench";
  out.text = "SELECT abalance FROM pgbench_accounts WHERE aid = 471147;";
  out.duration_us = 512;
  out.rows = 1;
  out.tag = "SELECT 1";
  return out;
}

net::Task<Result<>> durable_now(audit::Spool& spool) {
  co_return co_await net::wait_for_call([&spool](net::CallBack then) { spool.when_durable(std::move(then)); });
}

// Of all threads of this process: what a busy machine does not change much.
Seconds cpu_time() { return Seconds(static_cast<double>(std::clock()) / CLOCKS_PER_SEC); }

// Since it was made.
struct Watch {
  Steady::time_point begin = Steady::now();
  Seconds cpu = cpu_time();

  void say(std::string_view what, std::uint64_t records, std::string_view more = "") const {
    fmt::print("{:<44} {:>9.0f} records/s  {:>5.1f} us of CPU each  {}\n", what,
               static_cast<double>(records) / Seconds(Steady::now() - begin).count(),
               (cpu_time() - cpu).count() * 1e6 / static_cast<double>(records), more);
  }
};

// As fast as one loop appends; ends when all is on the disk.
net::Task<Result<>> unbounded(audit::Spool& spool, Seconds limit) {
  std::uint64_t count = 0;
  const Watch watch;
  while (Steady::now() - watch.begin < limit) {
    for (int i = 0; i < 100; ++i) {
      CO_CHECK(spool.append(record_of(++count)));
    }
    co_await net::yield_to_loop();
  }
  CO_CHECK(co_await durable_now(spool));
  watch.say("durable, as fast as it goes", count);
  co_return Result<>{};
}

// At a rate: how old is what is not on the disk yet?
net::Task<Result<>> at_rate(audit::Spool& spool, std::uint64_t rate, Seconds limit) {
  const std::uint64_t before = spool.head().number;
  const Watch watch;
  const auto begin = watch.begin;
  std::uint64_t count = 0;
  std::deque<std::pair<std::uint64_t, Steady::time_point>> waiting;  // not on the disk, every hundredth
  std::vector<double> ages;
  while (Steady::now() - begin < limit) {
    const auto due = static_cast<std::uint64_t>(Seconds(Steady::now() - begin).count() * static_cast<double>(rate));
    for (; count < due; ++count) {
      CO_CHECK(spool.append(record_of(count + 1)));
      if (count % 100 == 0) waiting.emplace_back(count + 1, Steady::now());
    }
    const std::uint64_t kept = spool.head().number - before;
    for (; !waiting.empty() && waiting.front().first <= kept; waiting.pop_front())
      ages.push_back(Seconds(Steady::now() - waiting.front().second).count() * 1000);
    CO_CHECK(co_await net::sleep_for(std::chrono::milliseconds(1)));
  }
  CO_CHECK(co_await durable_now(spool));
  std::ranges::sort(ages);
  const auto age = [&](double part) {
    return ages.empty() ? 0.0 : ages[static_cast<std::size_t>(part * static_cast<double>(ages.size() - 1))];
  };
  watch.say(
      fmt::format("durable, {} a second", rate), count,
      fmt::format("on the disk after: median {:.1f} ms, p99 {:.1f} ms, most {:.1f} ms", age(0.5), age(0.99), age(1)));
  co_return Result<>{};
}

net::Task<> strict_session(audit::Spool& spool, Steady::time_point end, int pipelined, std::uint64_t& count,
                           Result<>& outcome) {
  while (outcome && Steady::now() < end) {
    for (int i = 0; i < pipelined && outcome; ++i) outcome = spool.append(record_of(++count));
    if (outcome) outcome = co_await durable_now(spool);
  }
}

// Sessions that each wait for the disk before they go on.
net::Task<Result<>> strict(audit::Spool& spool, int sessions, int pipelined, Seconds limit) {
  net::TaskGroup tasks(co_await net::this_executor());
  std::uint64_t count = 0;
  Result<> outcome;
  const Watch watch;
  const auto end = watch.begin + std::chrono::duration_cast<Steady::duration>(limit);
  for (int i = 0; i < sessions; ++i) tasks.spawn("session", strict_session(spool, end, pipelined, count, outcome));
  co_await tasks.join();
  CO_CHECK(outcome);
  const Seconds took = Steady::now() - watch.begin;
  watch.say(fmt::format("strict, {} sessions, {} statements a batch", sessions, pipelined), count,
            fmt::format("{:.2f} ms a batch", took.count() * 1000 * sessions * pipelined / static_cast<double>(count)));
  co_return Result<>{};
}

template <class Work>
void time_one(std::string_view what, Work work) {
  constexpr int kTimes = 100'000;
  const Seconds begin = cpu_time();
  for (int i = 0; i < kTimes; ++i) work(static_cast<std::uint64_t>(i + 1));
  fmt::print("{:<44} {:>9.2f} us of CPU each\n", what, (cpu_time() - begin).count() * 1e6 / kTimes);
}

void parts() {
  const auto record = record_of(4711);
  const std::string json = *audit::encode_record(record);
  const auto point = audit::begin_chain();
  audit::LineSealer sealer(Secret(std::string(32, 'k')));
  std::size_t bytes = 0;
  fmt::print("a record is {} bytes of JSON, {} in the file\n", json.size(),
             sealer.seal(0, audit::handed_line(point, json)).size());
  time_one("make the record", [&](std::uint64_t i) { bytes += record_of(i).text->size(); });
  time_one("to JSON", [&](std::uint64_t) { bytes += audit::encode_record(record)->size(); });
  time_one("hash of the chain", [&](std::uint64_t i) { bytes += audit::chain_hash(point.hash, i, json).size(); });
  time_one("line", [&](std::uint64_t) { bytes += audit::handed_line(point, json).size(); });
  const std::string handed = audit::handed_line(point, json);
  time_one("sealed", [&](std::uint64_t i) { bytes += sealer.seal(i, handed).size(); });
  if (bytes == 0) std::abort();
}

net::Task<Result<>> measure(net::Executor executor, std::filesystem::path folder, Seconds limit) {
  parts();
  CO_TRY(const auto spool, audit::Spool::open(executor, {.folder = folder / "audit"}));
  CO_CHECK(co_await unbounded(*spool, limit));
  for (const std::uint64_t rate : {20'000, 40'000}) {
    CO_CHECK(co_await at_rate(*spool, rate, limit));
  }
  for (const auto& [sessions, pipelined] :
       {std::pair(1, 1), std::pair(8, 1), std::pair(64, 1), std::pair(256, 1), std::pair(8, 100)}) {
    CO_CHECK(co_await strict(*spool, sessions, pipelined, limit));
  }
  co_return Result<>{};
}

int run(const char* where, double seconds) {
  const std::filesystem::path folder = std::filesystem::path(where) / make_id("spool");
  net::Loop loop;
  Result<> outcome = fail(Code::kInternal, "nothing was measured");
  net::TaskGroup tasks(loop.executor());
  const auto body = [&]() -> net::Task<> {
    outcome = co_await measure(loop.executor(), folder, Seconds(seconds));
    loop.stop();
  };
  tasks.spawn("measure", body());
  loop.run();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (outcome) return 0;
  fmt::print(stderr, "portolan_spool_bench: {}\n", outcome.error().message);
  return 1;
}

}  // namespace
}  // namespace portolan

int main(int argc, char** argv) {
  double seconds = 3;
  if (argc == 3) std::from_chars(argv[2], argv[2] + std::char_traits<char>::length(argv[2]), seconds);
  if (argc < 2 || argc > 3 || seconds <= 0 || seconds > 60) {
    std::fputs("usage: portolan_spool_bench FOLDER [SECONDS]\n", stderr);
    return 2;
  }
  return portolan::run(argv[1], seconds);
}

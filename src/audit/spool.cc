// The spool's thread, and how the loop waits for it. The loop only writes to the kernel and asks; whatever can take as
// long as a disk takes (sync, reading, writing down the position, removing files) is done by the thread, one thing
// after another.
//
// Syncs come in groups: at once if the last one is longer than the interval ago, else when the interval is over, for
// all that was appended meanwhile. A busy node syncs 20 times a second however many records it writes.
#include "audit/spool.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "audit/spool_line.h"
#include "audit/spool_store.h"
#include "base/log.h"
#include "net/event.h"
#include "net/loop.h"

namespace portolan::audit {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

struct Request {
  std::uint64_t id = 0;
  std::size_t limit = 0;
};

// What the loop and the thread say to each other. Owned by the spool and by a next() that waits; the thread, which the
// spool outlives, borrows it.
struct Shared : std::enable_shared_from_this<Shared> {
  Shared(net::Executor on, std::unique_ptr<SpoolStore> files, std::chrono::milliseconds interval)
      : executor(std::move(on)), store(std::move(files)), sync_interval(interval), answered(executor) {}

  void ask_sync();
  void ask_save();
  std::uint64_t ask_batch(std::size_t limit);
  std::optional<Result<SpoolBatch>> take_answer(std::uint64_t id);
  void forget(std::uint64_t id);
  void close();

  void run();
  bool step(std::unique_lock<std::mutex>& lock);
  void sync(std::unique_lock<std::mutex>& lock);
  void save(std::unique_lock<std::mutex>& lock);
  void read(std::unique_lock<std::mutex>& lock);

  const net::Executor executor;
  const std::unique_ptr<SpoolStore> store;
  const std::chrono::milliseconds sync_interval;
  net::Event answered;  // the loop's

  std::mutex mutex;  // guards all below
  std::condition_variable asked;
  bool to_sync = false;
  bool to_save = false;
  bool may_read = false;  // something changed since nothing was found to read
  std::optional<Request> wanted;
  std::optional<std::pair<std::uint64_t, Result<SpoolBatch>>> answer;
  std::uint64_t last_id = 0;
  SteadyTime next_sync{};
  bool closing = false;
};

void Shared::ask_sync() {
  const std::lock_guard guard(mutex);
  if (std::exchange(to_sync, true)) return;
  asked.notify_one();
}

void Shared::ask_save() {
  const std::lock_guard guard(mutex);
  to_save = may_read = true;
  asked.notify_one();
}

std::uint64_t Shared::ask_batch(std::size_t limit) {
  const std::lock_guard guard(mutex);
  wanted = Request{++last_id, limit};
  answer.reset();
  may_read = true;
  asked.notify_one();
  return last_id;
}

std::optional<Result<SpoolBatch>> Shared::take_answer(std::uint64_t id) {
  const std::lock_guard guard(mutex);
  if (answer && answer->first == id) {
    auto taken = std::exchange(answer, std::nullopt);
    return std::move(taken->second);
  }
  if (closing) return fail(Code::kCancelled, "audit spool: closed");
  if (!wanted || wanted->id != id) return fail(Code::kConflict, "audit spool: another reader came");
  return std::nullopt;
}

void Shared::forget(std::uint64_t id) {
  const std::lock_guard guard(mutex);
  if (wanted && wanted->id == id) wanted.reset();
}

void Shared::close() {
  const std::lock_guard guard(mutex);
  closing = true;
  asked.notify_one();
}

void Shared::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    if (step(lock)) continue;
    if (closing) return;
    if (to_sync) {
      asked.wait_until(lock, next_sync);
    } else {
      asked.wait(lock);
    }
  }
}

// Does one thing that is to be done now; false if there is none.
bool Shared::step(std::unique_lock<std::mutex>& lock) {
  if (to_sync && (closing || std::chrono::steady_clock::now() >= next_sync)) {
    sync(lock);
  } else if (to_save) {
    save(lock);
  } else if (wanted && may_read && !closing) {
    read(lock);
  } else {
    return false;
  }
  return true;
}

void Shared::sync(std::unique_lock<std::mutex>& lock) {
  to_sync = false;
  next_sync = std::chrono::steady_clock::now() + sync_interval;
  lock.unlock();
  if (const auto synced = store->sync(); !synced)
    log::error("audit spool: the disk does not keep what is written; no more is taken", {{"why", synced.error()}});
  lock.lock();
  may_read = true;
}

void Shared::save(std::unique_lock<std::mutex>& lock) {
  to_save = false;
  lock.unlock();
  if (const auto saved = store->save(); !saved)
    log::error("audit spool: cannot write down what was handed over; after a restart it is handed over again",
               {{"why", saved.error()}});
  lock.lock();
}

void Shared::read(std::unique_lock<std::mutex>& lock) {
  const Request request = *wanted;
  may_read = false;
  lock.unlock();
  auto batch = store->read(request.limit);
  lock.lock();
  if (batch && batch->records.empty()) return;
  if (!wanted || wanted->id != request.id) {
    may_read = true;
    return;
  }
  wanted.reset();
  answer.emplace(request.id, std::move(batch));
  net::post(executor, [weak = weak_from_this()] {
    if (const auto shared = weak.lock()) shared->answered.set();
  });
}

// Takes the request back when the task that waits is cancelled.
class Asked {
 public:
  Asked(std::shared_ptr<Shared> shared, std::size_t limit)
      : shared_(std::move(shared)), id_(shared_->ask_batch(limit)) {}
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;
  ~Asked() { shared_->forget(id_); }
  std::optional<Result<SpoolBatch>> take() { return shared_->take_answer(id_); }

 private:
  std::shared_ptr<Shared> shared_;
  std::uint64_t id_;
};

net::Task<Result<SpoolBatch>> next_batch(std::shared_ptr<Shared> shared, std::size_t limit) {
  Asked asked(shared, limit);
  for (;;) {
    if (auto batch = asked.take()) co_return std::move(*batch);
    const auto rung = co_await shared->answered.wait(std::chrono::hours(1));
    if (!rung && rung.error().code != Code::kTimeout) co_return std::unexpected(rung.error());
  }
}

class ThreadedSpool : public Spool {
 public:
  explicit ThreadedSpool(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), thread_([state = shared_.get()] { state->run(); }) {}

  ~ThreadedSpool() override {
    shared_->close();
    thread_.join();
    shared_->answered.set();
  }

  Result<> append(const api::AuditRecord& record) override {
    PL_TRY(const std::string line, encode_line(record));
    PL_CHECK(shared_->store->append(line));
    shared_->ask_sync();
    return {};
  }

  net::Task<Result<SpoolBatch>> next(std::size_t limit) override { return next_batch(shared_, limit); }

  Result<> acknowledge(SpoolPosition end) override {
    PL_CHECK(shared_->store->acknowledge(end));
    shared_->ask_save();
    return {};
  }

  std::uint64_t backlog() const override { return shared_->store->backlog(); }

 private:
  const std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Spool>> Spool::open(net::Executor executor, SpoolOptions options) {
  const auto interval = options.sync_interval;
  PL_TRY(auto store, SpoolStore::open(std::move(options)));
  return std::make_unique<ThreadedSpool>(std::make_shared<Shared>(std::move(executor), std::move(store), interval));
}

}  // namespace portolan::audit

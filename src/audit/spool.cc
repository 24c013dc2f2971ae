// The spool's thread, and how the loop waits for it. The loop only writes to the kernel and asks; whatever can take as
// long as a disk takes (sync, reading, writing down the position, removing files) is done by the thread, one thing
// after another.
//
// Syncs come in groups: at once if the last one is longer than the interval ago or somebody waits for it, else when the
// interval is over (sync_pace.h), for all that was appended meanwhile. A busy node syncs a few times a second however
// many records it writes; under strict audit as often as the disk can.
#include "audit/spool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "audit/spool_line.h"
#include "audit/spool_store.h"
#include "audit/sync_pace.h"
#include "base/log.h"
#include "net/event.h"
#include "net/loop.h"

namespace portolan::audit {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// What was handed over need not be written down at once: after a crash it is handed over again.
constexpr std::chrono::milliseconds kSaveInterval = std::chrono::seconds(1);

struct Request {
  std::uint64_t id = 0;
  std::size_t limit = 0;
};

// Waits until the first `appended` records are on the disk.
struct Waiter {
  std::uint64_t appended = 0;
  std::move_only_function<void(Result<>)> then;
};

// What the loop and the thread say to each other. Owned by the spool and by a next() that waits; the thread, which the
// spool outlives, borrows it.
struct Shared : std::enable_shared_from_this<Shared> {
  Shared(net::Executor on, std::unique_ptr<SpoolStore> files, std::chrono::milliseconds interval)
      : executor(std::move(on)), store(std::move(files)), answered(executor), pace(interval) {}

  enum class Urgency { kNone, kWaitedFor };
  void ask_sync(Urgency urgency);
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
  net::Event answered;         // the loop's
  std::deque<Waiter> waiters;  // the loop's, in the order of what they wait for
  void settle();

  std::mutex mutex;  // guards all below
  std::condition_variable asked;
  bool to_sync = false;
  bool waited_for = false;  // the sync
  bool to_save = false;
  bool may_read = false;  // something changed since nothing was found to read
  std::optional<Request> wanted;
  std::optional<std::pair<std::uint64_t, Result<SpoolBatch>>> answer;
  std::uint64_t last_id = 0;
  SyncPace pace;
  SteadyTime next_save{};
  bool closing = false;
};

void Shared::ask_sync(Urgency urgency) {
  const std::lock_guard guard(mutex);
  const bool news = !to_sync || (urgency == Urgency::kWaitedFor && !waited_for);
  to_sync = true;
  waited_for = waited_for || urgency == Urgency::kWaitedFor;
  if (news) asked.notify_one();
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
    if (to_sync || to_save) {
      const SteadyTime later = SteadyTime::max();
      asked.wait_until(lock, std::min(to_sync ? pace.next() : later, to_save ? next_save : later));
    } else {
      asked.wait(lock);
    }
  }
}

// Does one thing that is to be done now; false if there is none.
bool Shared::step(std::unique_lock<std::mutex>& lock) {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (to_sync && (closing || waited_for || now >= pace.next())) {
    sync(lock);
  } else if (to_save && (closing || now >= next_save)) {
    save(lock);
  } else if (wanted && may_read && !closing) {
    read(lock);
  } else {
    return false;
  }
  return true;
}

void Shared::sync(std::unique_lock<std::mutex>& lock) {
  to_sync = waited_for = false;
  lock.unlock();
  const SteadyTime began = std::chrono::steady_clock::now();
  if (const auto synced = store->sync(); !synced)
    log::error("audit spool: the disk does not keep what is written", {{"why", synced.error()}});
  lock.lock();
  pace.synced(began, std::chrono::steady_clock::now());
  may_read = true;
  net::post(executor, [weak = weak_from_this()] {
    if (const auto shared = weak.lock()) shared->settle();
  });
}

// On the loop. A waiter may wait anew.
void Shared::settle() {
  while (!waiters.empty()) {
    auto outcome = store->outcome_of(waiters.front().appended);
    if (!outcome) return;
    auto then = std::move(waiters.front().then);
    waiters.pop_front();
    then(std::move(*outcome));
  }
}

void Shared::save(std::unique_lock<std::mutex>& lock) {
  to_save = false;
  next_save = std::chrono::steady_clock::now() + kSaveInterval;
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
  if (batch && batch->count == 0) return;
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
    for (auto& waiter : std::exchange(shared_->waiters, {})) waiter.then(fail(Code::kCancelled, "audit spool: closed"));
  }

  Result<> append_encoded(std::string_view json) override {
    PL_CHECK(shared_->store->append(json));
    shared_->ask_sync(Shared::Urgency::kNone);
    return {};
  }

  void when_durable(std::move_only_function<void(Result<>)> then) override {
    shared_->waiters.push_back({shared_->store->appended(), std::move(then)});
    shared_->ask_sync(Shared::Urgency::kWaitedFor);
  }

  ChainPoint head() const override { return shared_->store->head(); }

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

Result<> Spool::append(const api::AuditRecord& record) {
  PL_TRY(const std::string json, encode_record(record));
  return append_encoded(json);
}

Result<std::unique_ptr<Spool>> Spool::open(net::Executor executor, SpoolOptions options) {
  const auto interval = options.sync_interval;
  PL_TRY(auto store, SpoolStore::open(std::move(options)));
  return std::make_unique<ThreadedSpool>(std::make_shared<Shared>(std::move(executor), std::move(store), interval));
}

}  // namespace portolan::audit

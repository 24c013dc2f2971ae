#include "control/core.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "crypto/password.h"
#include "store/kinds.h"

namespace portolan::control {
namespace {

// Changes whenever the authorities do.
std::string version_of(const directory::Snapshot& snapshot) {
  std::string version;
  for (const auto& [id, authority] : snapshot.authorities) version += id + authority.state + authority.sealed_key;
  return version;
}

// Half of the cores: the rest are for leases, also where there are two.
std::size_t password_threads() { return std::clamp<std::size_t>(std::thread::hardware_concurrency() / 2, 1, 4); }

// A password takes a core for tens of milliseconds, and as many people as there are threads sign in at once: the loop,
// which answers everybody else, goes first. Of the calling thread, from its first password on.
void give_way() {
  constexpr int kNice = 10;
  [[maybe_unused]] thread_local const int done = setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
}

}  // namespace

Core::Core(net::Executor on, ServerOptions with, Opened opened, std::unique_ptr<store::DirectoryStore> directory_store,
           std::unique_ptr<store::AuditStore> audit_store)
    : options(std::move(with)),
      executor(std::move(on)),
      first_start(opened.first_start),
      authorities(std::move(opened.authorities)),
      sealing(std::move(opened.sealing)),
      sealing_since(opened.sealing_since),
      hub(executor),
      rates(options.rates, options.clock),
      nonces(options.clock),
      attempts(options.clock, options.lock_failures, options.lock_time),
      directory(std::move(directory_store)),
      audit(std::move(audit_store)),
      store_pool("store", 1),
      audit_pool("audit", 2),
      password_pool("password", password_threads(), options.password_queue) {
  authorities_version_ = version_of(*directory->snapshot());
  directory->on_change([this, notify = hub.notifier()](const auto& snapshot, const auto& touched) {
    changes.append(snapshot->revision, touched);
    notify();
  });
}

Result<std::unique_ptr<Core>> Core::open(net::Executor executor, ServerOptions options) {
  PL_CHECK(make_folder(options.data, Privacy::kPrivate));
  // Two control planes on one folder would each decide by what only they know.
  PL_TRY(auto lock, FolderLock::take(options.data, "server.lock"));
  const store::StoreOptions store_options{.clock = options.clock};
  auto directory = store::DirectoryStore::open(options.data / "directory.db", store_options);
  if (!directory) return std::unexpected(std::move(directory).error().within("open the directory"));
  PL_CHECK((*directory)->drop_kept_answers(options.clock.wall() - store::KeptLimits().life));
  auto audit = store::AuditStore::open(options.data / "audit.db", store_options);
  if (!audit) return std::unexpected(std::move(audit).error().within("open the audit"));
  PL_TRY(auto opened, open_authorities(**directory, options));
  std::unique_ptr<Core> core(
      new Core(std::move(executor), std::move(options), std::move(opened), std::move(*directory), std::move(*audit)));
  core->lock_.emplace(std::move(lock));
  return core;
}

bool Core::refresh_authorities() {
  const auto snapshot = directory->snapshot();
  std::string version = version_of(*snapshot);
  if (version == authorities_version_) return false;
  authorities_version_ = std::move(version);
  auto read = authorities_of(*snapshot, sealing, authorities.organization);
  if (!read) {
    log::error("cannot read the authorities; going on with those from before", {{"why", read.error()}});
    return false;
  }
  authorities = std::move(*read);
  return true;
}

LookupPtr Core::lookup() {
  auto newest = directory->snapshot();
  if (lookup_ && &lookup_->snapshot() == newest.get()) return lookup_;
  auto access = lookup_ && same_access(lookup_->snapshot(), *newest) ? lookup_->access_so_far() : nullptr;
  lookup_ = std::make_shared<const Lookup>(std::move(newest), std::move(access));
  return lookup_;
}

// Most changes are people signing in.
bool Core::same_access(const directory::Snapshot& before, const directory::Snapshot& now) const {
  const auto steps = before.epoch == now.epoch ? changes.since(before.revision, now.revision) : std::nullopt;
  if (!steps) return false;
  return std::ranges::none_of(*steps, [](const Changes::Step& step) {
    return step->empty() || std::ranges::any_of(*step, [](const store::Touched& touched) {
             return touched.table == std::string_view(store::kKind<directory::Membership>.table) ||
                    touched.table == std::string_view(store::kKind<directory::Grant>.table);
           });
  });
}

net::Task<Result<>> Core::change(std::string actor, Edit edit) {
  auto work = [store = directory.get(), actor = std::move(actor), edit = std::move(edit)]() -> Result<> {
    PL_CHECK(store->change(actor, edit));
    return {};
  };
  // The store's listener posts to the loop before this work's end does: the hub has run when this resumes.
  co_return co_await net::run_blocking(store_pool, std::move(work));
}

net::Task<Result<bool>> Core::verify_password(std::string hash, Secret password) {
  auto work = [hash = std::move(hash), password = std::move(password)]() -> Result<bool> {
    give_way();
    return crypto::verify_password(hash, password);
  };
  co_return co_await net::run_blocking(password_pool, std::move(work));
}

net::Task<Result<std::string>> Core::hash_password(Secret password) {
  auto work = [password = std::move(password)] {
    give_way();
    return crypto::hash_password(password);
  };
  co_return co_await net::run_blocking(password_pool, std::move(work));
}

}  // namespace portolan::control

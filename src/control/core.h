// Core: what every part of the control plane stands on: the stores with their threads, the authorities, the sealing
// key, the hub. Owned by ControlPlane, which destroys it last; one loop.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "audit/records.h"
#include "base/file.h"
#include "control/attempts.h"
#include "control/authorities.h"
#include "control/changes.h"
#include "control/lookup.h"
#include "control/nonces.h"
#include "control/options.h"
#include "control/rate_limit.h"
#include "control/watch.h"
#include "net/task.h"
#include "store/audit_store.h"
#include "store/directory_store.h"

namespace portolan::control {

class Core {
 public:
  // Opens (or makes) what is in the data folder. Blocks: before the server listens there is nobody to keep waiting.
  static Result<std::unique_ptr<Core>> open(net::Executor executor, ServerOptions options);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // The newest revision, indexed.
  LookupPtr lookup();

  using Edit = std::function<Result<>(store::Change&)>;
  // Runs `edit` in a transaction on the store's thread: it owns what it touches. By the time this returns, leases have
  // been re-evaluated and watches woken; they are too if the caller has gone meanwhile.
  net::Task<Result<>> change(std::string actor, Edit edit);

  // Slow work (tens of ms of CPU by design) on threads of its own. Code::kLimit when too many wait.
  net::Task<Result<bool>> verify_password(std::string hash, Secret password);
  net::Task<Result<std::string>> hash_password(Secret password);

  WallTime now() const { return options.clock.wall(); }
  // After every change of the directory: brings `authorities` up to date. True if they have changed.
  bool refresh_authorities();

  const ServerOptions options;
  const net::Executor executor;
  const bool first_start;
  Authorities authorities;  // as of the newest revision that this loop has seen
  const crypto::SealingKey sealing;
  const WallTime sealing_since;  // when it became the key of this store
  Hub hub;
  Changes changes;
  RateLimits rates;
  Nonces nonces;
  Attempts attempts;         // to sign in
  std::size_t requests = 0;  // that are being answered, watches apart
  const std::unique_ptr<store::DirectoryStore> directory;
  const std::unique_ptr<store::AuditStore> audit;

  // Declared behind the stores: destroyed first, which waits for what still runs.
  net::BlockingPool store_pool;
  net::BlockingPool audit_pool;
  net::BlockingPool password_pool;

 private:
  std::optional<FolderLock> lock_;  // of the data folder
  Core(net::Executor on, ServerOptions with, Opened opened, std::unique_ptr<store::DirectoryStore> directory_store,
       std::unique_ptr<store::AuditStore> audit_store);
  // Whether nothing of who may use what has changed between.
  bool same_access(const directory::Snapshot& before, const directory::Snapshot& now) const;
  LookupPtr lookup_;
  std::string authorities_version_;
};

}  // namespace portolan::control

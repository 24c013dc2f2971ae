// Spool: what a node has put on record and not yet handed over. Append-only segment files in one folder, each record
// chained to the one before it (chain.h) and sealed (spool_sealed.h); a segment is removed when all of it has been
// acknowledged.
//
// Written by the node's loop, synced and read by a thread of its own (spool_store.h has the files, spool_line.h what
// they hold). A torn last line (crash) is cut off at start and logged; a file with a line that cannot be read is set
// aside as NAME.bad when the reader comes to that line (the records before it have been handed over then), and the rest
// goes on.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include <boost/describe.hpp>

#include "api/audit.h"
#include "audit/chain.h"
#include "base/result.h"
#include "net/task.h"

namespace portolan::audit {

class Disk;

struct SpoolOptions {
  std::filesystem::path folder;
  // The key that segments are sealed with, made if it is missing and nothing needs it (crypto/sealing.h: of mode
  // 0600). Empty: FOLDER.key, beside the folder.
  std::filesystem::path key_file = {};
  std::uint64_t segment_bytes = 16 * 1024 * 1024;
  // A record is on the disk so long after it was appended, if the disk takes as long as the last time (sync_pace.h):
  // with what it may take longer, 50 ms are kept.
  std::chrono::milliseconds sync_interval = std::chrono::milliseconds(40);
  std::uint64_t free_floor_bytes =
      256 * 1024 * 1024;  // less free space on the disk: append() refuses with Code::kLimit
  // What was appended last is kept in memory up to so much, to be handed over without reading it back.
  std::size_t recent_bytes = 1024 * 1024;
  std::chrono::milliseconds retry = std::chrono::seconds(1);  // after the disk has failed
  Disk* disk = nullptr;                                       // null: the real one; outlives the spool
};

// Where the reader is: segment number and byte offset behind the last record of a batch.
struct SpoolPosition {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const SpoolPosition&) const = default;
};
BOOST_DESCRIBE_STRUCT(SpoolPosition, (), (segment, offset))

struct SpoolBatch {
  std::string chain;      // of all its records; empty: the first release wrote them, which had no chain
  std::string lines;      // as they are handed over (spool_line.h: records_in)
  std::size_t count = 0;  // of them
  SpoolPosition end;      // what to acknowledge when the batch has been taken over
};

class Spool {
 public:
  // Opens the folder (made if missing) and recovers what is there. Code::kConflict if it is open already, here or
  // elsewhere; kNotFound or kDenied if what is there is sealed with a key that is missing, or another one: all of it
  // stays as it is.
  static Result<std::unique_ptr<Spool>> open(net::Executor executor, SpoolOptions options);
  virtual ~Spool() = default;  // on the loop; syncs what was appended, and ends a waiting next() with Code::kCancelled

  // Appends; the record is in the kernel when this returns, and on the disk at most sync_interval later. An error (disk
  // full, read-only) means that it is not kept: the caller decides what that means for the session.
  // `json` is of encode_record() (spool_line.h).
  virtual Result<> append_encoded(std::string_view json) = 0;
  Result<> append(const api::AuditRecord& record);
  // Calls `then` when all that has been appended so far is on the disk, or with the error for which it is not. From the
  // loop, never within this call; with Code::kCancelled when the spool ends before. Does not wait for the interval; all
  // who wait while one sync runs share the next one.
  virtual void when_durable(std::move_only_function<void(Result<>)> then) = 0;
  // How far the chain is on the disk; number 0: nothing is yet.
  virtual ChainPoint head() const = 0;
  // The next unacknowledged, synced records, at most `limit` and 512 KiB of them; waits until there is one.
  // One at a time; the same ones again until they are acknowledged.
  virtual net::Task<Result<SpoolBatch>> next(std::size_t limit) = 0;
  // Everything up to `end` is taken over: the next next() begins there; finished segments are removed. Survives a
  // restart, but for the last second before a crash: that is handed over again.
  virtual Result<> acknowledge(SpoolPosition end) = 0;
  // Bytes not acknowledged, for metrics.
  virtual std::uint64_t backlog() const = 0;
};

}  // namespace portolan::audit

// Spool: what a node has put on record and not yet handed over. Append-only segment files in one folder; a segment is
// removed when all of it has been acknowledged. First form: one JSON record a line with a CRC-32, group fsync; the hash
// chain, encryption and modes come with durable audit, in this same place (docs/architecture.md, "Audit").
//
// Written by the node's loop, synced and read by a thread of its own (spool_store.h has the files, spool_line.h the
// form). A torn last line (crash) is cut off at start and logged; a file with a line that cannot be read is set aside
// as NAME.bad when the reader comes to that line (the records before it have been handed over then), and the rest goes
// on.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include <boost/describe.hpp>

#include "api/audit.h"
#include "base/result.h"
#include "net/task.h"

namespace portolan::audit {

struct SpoolOptions {
  std::filesystem::path folder;
  std::uint64_t segment_bytes = 16 * 1024 * 1024;
  std::chrono::milliseconds sync_interval = std::chrono::milliseconds(50);
  std::uint64_t free_floor_bytes =
      256 * 1024 * 1024;  // less free space on the disk: append() refuses with Code::kLimit
};

// Where the reader is: segment number and byte offset behind the last record of a batch.
struct SpoolPosition {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const SpoolPosition&) const = default;
};
BOOST_DESCRIBE_STRUCT(SpoolPosition, (), (segment, offset))

struct SpoolBatch {
  std::vector<api::AuditRecord> records;
  SpoolPosition end;  // what to acknowledge when the batch has been taken over
};

class Spool {
 public:
  // Opens the folder (made if missing) and recovers what is there. Code::kConflict if it is open already, here or
  // elsewhere.
  static Result<std::unique_ptr<Spool>> open(net::Executor executor, SpoolOptions options);
  virtual ~Spool() = default;  // on the loop; syncs what was appended, and ends a waiting next() with Code::kCancelled

  // Appends; the record is in the kernel when this returns, and on the disk at most sync_interval later. An error (disk
  // full, read-only) means that it is not kept: the caller decides what that means for the session.
  virtual Result<> append(const api::AuditRecord& record) = 0;
  // The next unacknowledged, synced records, at most `limit` and 512 KiB of them; waits until there is one.
  // One at a time; the same ones again until they are acknowledged.
  virtual net::Task<Result<SpoolBatch>> next(std::size_t limit) = 0;
  // Everything up to `end` is taken over: the next next() begins there; finished segments are removed. Survives a
  // restart.
  virtual Result<> acknowledge(SpoolPosition end) = 0;
  // Bytes not acknowledged, for metrics.
  virtual std::uint64_t backlog() const = 0;
};

}  // namespace portolan::audit

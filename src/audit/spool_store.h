// The spool's state on disk and in memory, without threads or waiting of its own: what the loop calls and what the
// spool's thread calls (spool.cc) meet here, under one lock that is never held over a sync or a read.
//
// Segments are numbered and no number is used twice, also over restarts, so that a position says where a record is for
// good. Every start begins a new segment. Records are read from the acknowledged position on, each time; what is not
// acknowledged is read again.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "audit/spool.h"
#include "audit/spool_files.h"

namespace portolan::audit {

class SpoolStore {
 public:
  static Result<std::unique_ptr<SpoolStore>> open(SpoolOptions options);
  SpoolStore(const SpoolStore&) = delete;
  SpoolStore& operator=(const SpoolStore&) = delete;

  // ---- the loop ----
  Result<> append(std::string_view line);
  Result<> acknowledge(SpoolPosition end);
  std::uint64_t backlog() const;

  // ---- the spool's thread ----
  // Puts on the disk what had been appended before the call. After a failure nothing more can be appended, since nobody
  // can say what the disk kept; what is there is still handed over.
  Result<> sync();
  // The next synced records; none if there are none yet.
  Result<SpoolBatch> read(std::size_t limit);
  // Writes down the acknowledged position and removes the segments that are done with.
  Result<> save();

 private:
  struct Segment {
    std::uint64_t size = 0;
    std::uint64_t synced = 0;
  };
  struct Piece {  // of a segment, to be read
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  SpoolStore(SpoolOptions options, File lock) : options_(std::move(options)), lock_(std::move(lock)) {}
  Result<> recover();
  Result<> recover_acknowledged();
  Result<> start_segment();
  void drop_finished();
  std::optional<Piece> next_piece() const;
  Result<> give_up(std::uint64_t segment, std::string_view why);

  const SpoolOptions options_;
  const File lock_;
  mutable std::mutex mutex_;  // guards all below
  std::map<std::uint64_t, Segment> segments_;
  std::uint64_t next_number_ = 1;
  SpoolPosition acknowledged_;
  std::shared_ptr<const File> current_;  // appended to; the last of segments_
  std::map<std::uint64_t, std::shared_ptr<const File>> unsynced_;
  bool folder_unsynced_ = false;
  std::vector<std::uint64_t> finished_;  // to be removed
  std::optional<Error> failure_;
};

}  // namespace portolan::audit

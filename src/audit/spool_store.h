// The spool's state on disk and in memory, without threads or waiting of its own: what the loop calls and what the
// spool's thread calls (spool.cc) meet here, under one lock that is never held over a sync or a read.
//
// Each segment is sealed with a key of its own, which no other start and no other segment has, so that no number is
// used twice as a nonce under it.
//
// Segments are numbered and no number is used twice, also over restarts, so that a position says where a record is for
// good. Every start begins a new segment; the chain goes on from the last record that is known, and a new one begins
// where none is. Records are read from the acknowledged position on, each time; what is not
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
#include "audit/spool_recent.h"
#include "audit/spool_sealed.h"
#include "crypto/sealing.h"

namespace portolan::audit {

class SpoolStore {
 public:
  static Result<std::unique_ptr<SpoolStore>> open(SpoolOptions options);
  SpoolStore(const SpoolStore&) = delete;
  SpoolStore& operator=(const SpoolStore&) = delete;

  // ---- the loop ----
  // The record as JSON.
  Result<> append(std::string_view json);
  Result<> acknowledge(SpoolPosition end);
  std::uint64_t backlog() const;
  // How many records were appended since the start.
  std::uint64_t appended() const;
  // What has become of the last one of so many: no value while nobody can say.
  std::optional<Result<>> outcome_of(std::uint64_t appended) const;
  ChainPoint head() const;

  // ---- the spool's thread ----
  // Puts on the disk what had been appended before the call. After a failure nobody can say what the disk kept: what
  // was not on it counts as lost, though it is still handed over if it can be read, and nothing is appended for a while
  // (SpoolOptions::retry), then to a new segment.
  Result<> sync();
  // The next synced records; none if there are none yet.
  Result<SpoolBatch> read(std::size_t limit);
  // Writes down the acknowledged position and removes the segments that are done with.
  Result<> save();

 private:
  using Key = std::shared_ptr<const Secret>;
  struct Segment {
    std::filesystem::path path = {};
    std::uint64_t size = 0;
    std::uint64_t synced = 0;
    std::uint64_t begin = 0;  // of its records
    Key key = {};             // null: in clear text
  };
  struct Piece {  // of a segment, to be read
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::filesystem::path path;
    Key key;
  };

  struct Known {  // of the chain, at a place in the files
    SpoolPosition at;
    ChainPoint point;
  };

  SpoolStore(SpoolOptions options, File lock);
  Result<> recover(const FolderContent& content);
  Result<> recover_acknowledged(const FolderContent& content);
  bool handed_over(const SegmentFile& file) const;
  Result<> recover_segment_of(const SegmentFile& file);
  void recover_chain(const Segment& segment, std::string_view last_line);
  Result<> may_append();
  Result<> start_segment();
  void drop_finished();
  std::optional<Piece> next_piece() const;
  // From memory, if all of it is there; else from the file.
  Result<Scan> read_piece_of(const Piece& piece, std::size_t limit);
  static Scan scan_piece(const Piece& piece, std::string_view bytes, std::size_t limit);
  Result<> give_up(std::uint64_t segment, std::string_view why);

  const SpoolOptions options_;
  Disk& disk_;
  const File lock_;
  std::optional<crypto::SealingKey> key_;  // from recover() on
  mutable std::mutex mutex_;               // guards all below
  std::map<std::uint64_t, Segment> segments_;
  std::uint64_t next_number_ = 1;
  SpoolPosition acknowledged_;
  ChainPoint acknowledged_point_;  // number 0: not known
  std::optional<Known> handed_;    // the end of the last batch
  ChainPoint last_;                // of the chain
  ChainPoint durable_point_;
  std::uint64_t appended_ = 0;
  std::uint64_t durable_ = 0;  // of them, or told to be lost
  struct Lost {
    std::uint64_t after = 0;  // the first so many records are on the disk
    std::uint64_t last = 0;
    Error why;
  };
  std::optional<Lost> lost_;             // when the disk failed the last time
  RecentLines recent_;                   // of what is not acknowledged
  std::shared_ptr<const File> current_;  // appended to; the last of segments_
  std::string head_;                     // of it
  std::optional<LineSealer> sealer_;     // of it
  std::map<std::uint64_t, std::shared_ptr<const File>> unsynced_;
  bool folder_unsynced_ = false;
  std::vector<std::filesystem::path> finished_;  // to be removed
  std::optional<Error> failure_;
  std::chrono::steady_clock::time_point failed_{};
  std::uint64_t free_ = 0;  // bytes, when the disk was last asked
  std::chrono::steady_clock::time_point free_asked_{};
  std::uint64_t since_asked_ = 0;  // records
};

}  // namespace portolan::audit

#include "audit/spool_store.h"

#include <algorithm>
#include <utility>

#include "audit/spool_line.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

namespace portolan::audit {
namespace {

constexpr const char* kAcknowledgedFile = "acknowledged";

// Whether a line begins at the offset.
Result<bool> line_begins(const std::filesystem::path& path, std::uint64_t offset) {
  if (offset == 0) return true;
  PL_TRY(const std::string before, read_piece(path, offset - 1, 1));
  return before == "\n";
}

}  // namespace

Result<std::unique_ptr<SpoolStore>> SpoolStore::open(SpoolOptions options) {
  PL_CHECK(make_folder(options.folder, Privacy::kPrivate));
  PL_TRY(File lock, lock_folder(options.folder));
  std::unique_ptr<SpoolStore> store(new SpoolStore(std::move(options), std::move(lock)));
  PL_CHECK(store->recover_acknowledged());
  PL_CHECK(store->recover());
  return store;
}

Result<> SpoolStore::recover_acknowledged() {
  const auto path = options_.folder / kAcknowledgedFile;
  auto text = read_file(path, 4096);
  if (!text && text.error().code == Code::kNotFound) return {};
  if (!text && text.error().code != Code::kLimit) return std::unexpected(std::move(text).error().within("audit spool"));
  auto position = text ? json::decode<SpoolPosition>(*text, json::Unknown::kIgnore)
                       : Result<SpoolPosition>(std::unexpected(text.error()));
  if (position) {
    acknowledged_ = *position;
  } else {
    // Nothing is lost by handing records over twice: they are told apart by session and sequence.
    log::warn("audit spool: the acknowledged position cannot be read; all that is there is handed over again",
              {{"file", path.string()}, {"why", position.error()}});
  }
  return {};
}

Result<> SpoolStore::recover() {
  PL_TRY(const FolderContent content, list_folder(options_.folder));
  next_number_ = std::max(content.highest, acknowledged_.segment) + 1;
  for (const auto& [number, path] : content.segments) {
    if (number < acknowledged_.segment) {
      finished_.push_back(number);
      continue;
    }
    const auto size = recover_segment(path);
    if (!size) {
      if (size.error().code == Code::kUnavailable) return std::unexpected(size.error());
      PL_CHECK(set_aside(path, size.error().message));
      continue;
    }
    if (number == acknowledged_.segment) {
      const auto begins = line_begins(path, acknowledged_.offset);
      if (acknowledged_.offset > *size || !begins || !*begins) acknowledged_.offset = 0;
    }
    segments_[number] = {*size, *size};
  }
  drop_finished();
  if (!finished_.empty()) PL_CHECK(save());
  return {};
}

Result<> SpoolStore::append(std::string_view line) {
  const std::lock_guard guard(mutex_);
  if (failure_) return std::unexpected(*failure_);
  PL_TRY(const std::uint64_t free, free_bytes(options_.folder));
  if (free < options_.free_floor_bytes)
    return fail(Code::kLimit,
                "audit spool: only " + std::to_string(free / 1024 / 1024) + " MiB free on the disk of " +
                    options_.folder.string() + "; free some",
                "audit_disk_full");
  if (!current_ || segments_.rbegin()->second.size + line.size() > options_.segment_bytes) PL_CHECK(start_segment());
  auto& [number, segment] = *segments_.rbegin();
  if (auto written = append_whole(*current_, segment.size, line); !written) {
    if (written.error().code == Code::kInternal) current_.reset();
    return written;
  }
  segment.size += line.size();
  unsynced_[number] = current_;
  return {};
}

Result<> SpoolStore::start_segment() {
  PL_TRY(File file, create_segment(segment_path(options_.folder, next_number_)));
  current_ = std::make_shared<const File>(std::move(file));
  segments_[next_number_++] = {};
  folder_unsynced_ = true;
  drop_finished();
  return {};
}

// Forgets the segments of which all is acknowledged and that are not appended to.
void SpoolStore::drop_finished() {
  while (!segments_.empty()) {
    const auto& [number, segment] = *segments_.begin();
    const bool last = current_ && segments_.size() == 1;
    const bool done = number < acknowledged_.segment ||
                      (number == acknowledged_.segment && acknowledged_.offset >= segment.size) ||
                      (segment.size == 0 && number > acknowledged_.segment);
    if (last || !done) return;
    finished_.push_back(number);
    segments_.erase(segments_.begin());
  }
}

Result<> SpoolStore::acknowledge(SpoolPosition end) {
  const std::lock_guard guard(mutex_);
  if (end <= acknowledged_) return {};
  const auto segment = segments_.find(end.segment);
  if (segment == segments_.end() || end.offset > segment->second.synced)
    return fail(Code::kInvalid, "audit spool: acknowledged what was never handed over");
  acknowledged_ = end;
  drop_finished();
  return {};
}

std::uint64_t SpoolStore::backlog() const {
  const std::lock_guard guard(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [number, segment] : segments_) {
    if (number > acknowledged_.segment) sum += segment.size;
    if (number == acknowledged_.segment) sum += segment.size - std::min(segment.size, acknowledged_.offset);
  }
  return sum;
}

Result<> SpoolStore::sync() {
  std::unique_lock guard(mutex_);
  const auto files = std::exchange(unsynced_, {});
  const bool folder = std::exchange(folder_unsynced_, false);
  std::map<std::uint64_t, std::uint64_t> sizes;
  for (const auto& entry : files)
    if (const auto found = segments_.find(entry.first); found != segments_.end())
      sizes[entry.first] = found->second.size;
  guard.unlock();

  Result<> outcome;
  for (const auto& entry : files)
    if (auto synced = sync_file(*entry.second); !synced) outcome = std::move(synced);
  if (folder)
    if (auto synced = sync_folder(options_.folder); !synced) outcome = std::move(synced);

  guard.lock();
  for (const auto& [number, size] : sizes)
    if (const auto found = segments_.find(number); found != segments_.end()) found->second.synced = size;
  if (!outcome) failure_ = outcome.error();
  return outcome;
}

std::optional<SpoolStore::Piece> SpoolStore::next_piece() const {
  for (auto it = segments_.lower_bound(acknowledged_.segment); it != segments_.end(); ++it) {
    const std::uint64_t offset = it->first == acknowledged_.segment ? acknowledged_.offset : 0;
    if (it->second.synced > offset) return Piece{it->first, offset, it->second.synced - offset};
  }
  return std::nullopt;
}

Result<SpoolBatch> SpoolStore::read(std::size_t limit) {
  for (;;) {
    std::unique_lock guard(mutex_);
    const auto piece = next_piece();
    guard.unlock();
    if (!piece) return SpoolBatch{};
    const auto path = segment_path(options_.folder, piece->segment);
    const auto bytes =
        read_piece(path, piece->offset, static_cast<std::size_t>(std::min<std::uint64_t>(piece->size, kLineLimit)));
    if (!bytes && bytes.error().code == Code::kUnavailable) return std::unexpected(bytes.error());
    if (bytes) {
      Scan found = scan(*bytes, std::max<std::size_t>(limit, 1));
      if (!found.records.empty())
        return SpoolBatch{std::move(found.records), {piece->segment, piece->offset + found.used}};
    }
    // What stands here was synced as a whole line of less than the limit, and is no longer one.
    PL_CHECK(give_up(piece->segment, bytes ? "the record at offset " + std::to_string(piece->offset) + " is broken"
                                           : bytes.error().message));
  }
}

Result<> SpoolStore::give_up(std::uint64_t segment, std::string_view why) {
  const std::lock_guard guard(mutex_);
  if (current_ && segments_.rbegin()->first == segment) current_.reset();
  PL_CHECK(set_aside(segment_path(options_.folder, segment), why));
  segments_.erase(segment);
  folder_unsynced_ = true;
  return {};
}

Result<> SpoolStore::save() {
  std::unique_lock guard(mutex_);
  const SpoolPosition position = acknowledged_;
  const auto finished = std::exchange(finished_, {});
  guard.unlock();
  if (auto written = write_file(options_.folder / kAcknowledgedFile, json::encode(position) + "\n", Privacy::kPrivate);
      !written) {
    guard.lock();
    finished_.insert(finished_.end(), finished.begin(), finished.end());
    return written;
  }
  // A segment that stays by accident is below the position, and goes at the next start.
  for (const std::uint64_t number : finished) {
    std::error_code error;
    std::filesystem::remove(segment_path(options_.folder, number), error);
    if (error)
      log::warn("audit spool: cannot remove a file that is done with", {{"segment", number}, {"why", error.message()}});
  }
  return {};
}

}  // namespace portolan::audit

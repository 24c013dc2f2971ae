#include "audit/spool_store.h"

#include <algorithm>
#include <utility>

#include "audit/spool_line.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

namespace portolan::audit {
namespace {

// How often the disk is asked what is free: what is written meanwhile is far less than the floor.
constexpr std::uint64_t kAskFreeRecords = 64;  // of at most 512 KiB
constexpr std::chrono::milliseconds kAskFreeInterval(500);
constexpr std::size_t kHeadLimit = 1024;  // of a sealed segment's first line
constexpr const char* kAcknowledgedFile = "acknowledged";

constexpr std::uint32_t kForm = 3;  // that of sealed segments

// What the file holds. The first release wrote and reads `segment` and `offset`; who does not write the form knows
// nothing of sealed segments.
struct Acknowledged {
  std::optional<std::uint32_t> form;
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::optional<std::string> chain;
  std::optional<std::uint64_t> number;
  std::optional<std::string> hash;
};
BOOST_DESCRIBE_STRUCT(Acknowledged, (), (form, segment, offset, chain, number, hash))

// Whether a line begins at the offset.
Result<bool> line_begins(const std::filesystem::path& path, std::uint64_t offset) {
  if (offset == 0) return true;
  PL_TRY(const std::string before, read_piece(path, offset - 1, 1));
  return before == "\n";
}

// Made only where nothing is sealed. On the disk, and its name too, before anything is sealed with it.
Result<crypto::SealingKey> spool_key(const SpoolOptions& options, bool needed) {
  std::filesystem::path path = options.key_file;
  if (path.empty()) path = (options.folder / "").parent_path().concat(".key");
  auto key = crypto::SealingKey::from_file(
      path, needed ? crypto::SealingKey::Create::kNo : crypto::SealingKey::Create::kIfMissing);
  if (!key && needed && key.error().code == Code::kNotFound)
    return fail(Code::kNotFound, "audit spool: " + path.string() + ", with which the records in " +
                                     options.folder.string() +
                                     " are sealed, is not there: put it back, or give these records up and move that "
                                     "folder away");
  if (!key) return std::unexpected(std::move(key).error().within("audit spool"));
  if (!needed) PL_CHECK(Disk::real().sync_folder(path.has_parent_path() ? path.parent_path() : "."));
  return key;
}

// The key of a sealed segment, and where its records begin.
struct Opened {
  Secret key;
  std::uint64_t begin = 0;
};
Result<Opened> open_segment(const SegmentFile& file, const crypto::SealingKey& key) {
  PL_TRY(const std::string bytes, read_piece(file.path, 0, kHeadLimit));
  std::string_view rest = bytes;
  const auto line = take_line(rest);
  if (!line) return fail(Code::kInvalid, "its first line has no end");
  PL_TRY(Secret opened, open_head(*line, key, file.number));
  return Opened{std::move(opened), line->size() + 1};
}

}  // namespace

SpoolStore::SpoolStore(SpoolOptions options, File lock)
    : options_(std::move(options)),
      disk_(options_.disk != nullptr ? *options_.disk : Disk::real()),
      lock_(std::move(lock)),
      recent_(options_.recent_bytes) {}

Result<std::unique_ptr<SpoolStore>> SpoolStore::open(SpoolOptions options) {
  PL_CHECK(make_folder(options.folder, Privacy::kPrivate));
  PL_TRY(File lock, lock_folder(options.folder));
  PL_TRY(const FolderContent content, list_folder(options.folder));
  std::unique_ptr<SpoolStore> store(new SpoolStore(std::move(options), std::move(lock)));
  PL_CHECK(store->recover_acknowledged(content));
  PL_CHECK(store->recover(content));
  return store;
}

Result<> SpoolStore::recover_acknowledged(const FolderContent& content) {
  const auto path = options_.folder / kAcknowledgedFile;
  auto text = read_file(path, 4096);
  if (!text && text.error().code == Code::kNotFound) return {};
  if (!text && text.error().code != Code::kLimit) return std::unexpected(std::move(text).error().within("audit spool"));
  auto known = text ? json::decode<Acknowledged>(*text, json::Unknown::kIgnore)
                    : Result<Acknowledged>(std::unexpected(text.error()));
  if (known) {
    acknowledged_ = {known->segment, known->offset};
    const auto hash = parse_hash(known->hash.value_or(""));
    if (hash) acknowledged_point_ = {known->chain.value_or(""), known->number.value_or(0), *hash};
    last_ = acknowledged_point_;
    // A release that knows only segments in clear text has handed over what it wrote itself, behind sealed ones.
    const auto sealed = std::ranges::find_if(content.segments, &SegmentFile::sealed);
    if (!known->form && sealed != content.segments.end())
      acknowledged_ = std::min(acknowledged_, SpoolPosition{sealed->number, 0});
  } else {
    // Nothing is lost by handing records over twice: they are told apart by session and sequence.
    log::warn("audit spool: the acknowledged position cannot be read; all that is there is handed over again",
              {{"file", path.string()}, {"why", known.error()}});
  }
  return {};
}

// All of it, so that nothing in it is asked for again, not even where its chain ends.
bool SpoolStore::handed_over(const SegmentFile& file) const {
  if (file.number != acknowledged_.segment) return file.number < acknowledged_.segment;
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file.path, error);
  return !error && acknowledged_.offset >= size && acknowledged_point_.number > 0;
}

Result<> SpoolStore::recover(const FolderContent& content) {
  const bool key_needed = std::ranges::any_of(
      content.segments, [this](const SegmentFile& file) { return file.sealed && !handed_over(file); });
  PL_TRY(key_, spool_key(options_, key_needed));
  next_number_ = std::max(content.highest, acknowledged_.segment) + 1;
  for (const SegmentFile& file : content.segments) {
    if (handed_over(file)) {
      finished_.push_back(file.path);
    } else {
      PL_CHECK(recover_segment_of(file));
    }
  }
  // What a failing disk lost may have been handed over before: its numbers are not given again.
  if (acknowledged_point_.chain == last_.chain && acknowledged_point_.number > last_.number)
    last_ = acknowledged_point_;
  if (last_.number == 0) last_ = begin_chain();
  durable_point_ = last_;
  drop_finished();
  PL_CHECK(disk_.sync_folder(options_.folder));
  if (!finished_.empty()) PL_CHECK(save());
  return {};
}

Result<> SpoolStore::recover_segment_of(const SegmentFile& file) {
  const auto not_read = [&](const Error& why) -> Result<> {
    last_ = {};
    return set_aside(file.path, why.message);
  };
  const auto found = recover_segment(file.path);
  if (!found && found.error().code == Code::kUnavailable) return std::unexpected(found.error());
  if (!found) return not_read(found.error());
  Segment segment{.path = file.path, .size = found->size, .synced = found->size};
  if (file.sealed && found->size > 0) {
    auto opened = open_segment(file, *key_);
    // Nothing is wrong with the file: whoever has the key, or the newer release, still reads it.
    if (!opened && (opened.error().code == Code::kDenied || opened.error().code == Code::kUnavailable))
      return std::unexpected(std::move(opened).error().within("audit spool: read " + file.path.string()));
    if (!opened) return not_read(opened.error());
    segment.begin = opened->begin;
    segment.key = std::make_shared<const Secret>(std::move(opened->key));
  }
  if (file.number == acknowledged_.segment) {
    const auto begins = line_begins(file.path, acknowledged_.offset);
    if (acknowledged_.offset > found->size || !begins || !*begins) acknowledged_.offset = 0;
  }
  if (segment.size > segment.begin) recover_chain(segment, found->last_line);
  segments_[file.number] = std::move(segment);
  return {};
}

// A chain that went on from anywhere else than its last record would look as if that had been removed.
void SpoolStore::recover_chain(const Segment& segment, std::string_view last_line) {
  Result<Line> line = fail(Code::kInvalid, "it is not what was written there");
  if (!segment.key) {
    line = parse_line(last_line);
  } else if (std::string handed;
             LineOpener(*segment.key).open(segment.size - last_line.size() - 1, last_line, handed)) {
    line = parse_handed(handed);
  }
  last_ = line ? line->point : ChainPoint{};
  if (line) return;
  log::warn("audit spool: the last record of a file cannot be read, so a new chain of records begins",
            {{"file", segment.path.string()}, {"why", line.error()}});
}

Result<> SpoolStore::append(std::string_view json) {
  const std::lock_guard guard(mutex_);
  PL_CHECK(may_append());
  ChainPoint point{last_.chain, last_.number + 1, chain_hash(last_.hash, last_.number + 1, json)};
  const std::string handed = handed_line(point, json);
  if (!current_ || segments_.rbegin()->second.size + LineSealer::most(handed.size()) > options_.segment_bytes)
    PL_CHECK(start_segment());
  auto& [number, segment] = *segments_.rbegin();
  const bool first = segment.size == 0;
  const std::uint64_t offset = first ? segment.begin : segment.size;
  const std::string_view line = sealer_->seal(offset, handed);
  auto written = first ? disk_.append_whole(*current_, 0, head_ + std::string(line))
                       : disk_.append_whole(*current_, segment.size, line);
  if (!written) {
    if (written.error().code == Code::kInternal) current_.reset();
    since_asked_ = kAskFreeRecords;
    return written;
  }
  recent_.add(number, offset, offset + line.size(), handed);
  segment.size = offset + line.size();
  last_ = std::move(point);
  ++appended_;
  unsynced_[number] = current_;
  return {};
}

Result<> SpoolStore::may_append() {
  const auto now = std::chrono::steady_clock::now();
  if (failure_) {
    if (now < failed_ + options_.retry) return std::unexpected(*failure_);
    lost_ = Lost{durable_, appended_, *std::exchange(failure_, std::nullopt)};
    durable_ = appended_;
    current_.reset();
  }
  if (++since_asked_ > kAskFreeRecords || now > free_asked_ + kAskFreeInterval || free_ < options_.free_floor_bytes) {
    PL_TRY(free_, disk_.free_bytes(options_.folder));
    free_asked_ = now;
    since_asked_ = 0;
  }
  if (free_ >= options_.free_floor_bytes) return {};
  return fail(Code::kLimit,
              "audit spool: only " + std::to_string(free_ / 1024 / 1024) + " MiB free on the disk of " +
                  options_.folder.string() + "; free some",
              "audit_disk_full");
}

Result<> SpoolStore::start_segment() {
  const auto path = segment_path(options_.folder, next_number_);
  PL_TRY(File file, create_segment(path));
  current_ = std::make_shared<const File>(std::move(file));
  auto head = make_head(*key_, next_number_);
  head_ = std::move(head.line);
  sealer_.emplace(head.key);
  segments_[next_number_++] = {
      .path = path, .begin = head_.size(), .key = std::make_shared<const Secret>(std::move(head.key))};
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
                      segment.size <= segment.begin;
    if (last || !done) return;
    finished_.push_back(segment.path);
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
  acknowledged_point_ = handed_ && handed_->at == end ? handed_->point : ChainPoint{};
  recent_.drop(end.segment, end.offset);
  drop_finished();
  return {};
}

std::uint64_t SpoolStore::backlog() const {
  const std::lock_guard guard(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [number, segment] : segments_) {
    if (number < acknowledged_.segment) continue;
    const std::uint64_t done = number == acknowledged_.segment ? acknowledged_.offset : 0;
    sum += segment.size - std::min(segment.size, std::max(done, segment.begin));
  }
  return sum;
}

std::uint64_t SpoolStore::appended() const {
  const std::lock_guard guard(mutex_);
  return appended_;
}

std::optional<Result<>> SpoolStore::outcome_of(std::uint64_t appended) const {
  const std::lock_guard guard(mutex_);
  if (lost_ && appended > lost_->after && appended <= lost_->last) return std::unexpected(lost_->why);
  if (appended <= durable_) return Result<>();
  if (failure_) return std::unexpected(*failure_);
  return std::nullopt;
}

ChainPoint SpoolStore::head() const {
  const std::lock_guard guard(mutex_);
  return durable_point_;
}

Result<> SpoolStore::sync() {
  std::unique_lock guard(mutex_);
  if (failure_) return std::unexpected(*failure_);
  const auto files = std::exchange(unsynced_, {});
  const bool folder = std::exchange(folder_unsynced_, false);
  const std::uint64_t appended = appended_;
  const ChainPoint last = last_;
  std::map<std::uint64_t, std::uint64_t> sizes;
  for (const auto& entry : files)
    if (const auto found = segments_.find(entry.first); found != segments_.end())
      sizes[entry.first] = found->second.size;
  guard.unlock();

  Result<> outcome;
  for (const auto& entry : files)
    if (auto synced = disk_.sync_file(*entry.second); !synced) outcome = std::move(synced);
  if (folder)
    if (auto synced = disk_.sync_folder(options_.folder); !synced) outcome = std::move(synced);

  guard.lock();
  for (const auto& [number, size] : sizes)
    if (const auto found = segments_.find(number); found != segments_.end()) found->second.synced = size;
  if (outcome) {
    durable_ = std::max(durable_, appended);
    durable_point_ = last;
  } else {
    failure_ = outcome.error();
    failed_ = std::chrono::steady_clock::now();
  }
  return outcome;
}

std::optional<SpoolStore::Piece> SpoolStore::next_piece() const {
  for (auto it = segments_.lower_bound(acknowledged_.segment); it != segments_.end(); ++it) {
    const auto& [number, segment] = *it;
    const std::uint64_t offset = std::max(number == acknowledged_.segment ? acknowledged_.offset : 0, segment.begin);
    if (segment.synced > offset) return Piece{number, offset, segment.synced - offset, segment.path, segment.key};
  }
  return std::nullopt;
}

Scan SpoolStore::scan_piece(const Piece& piece, std::string_view bytes, std::size_t limit) {
  if (!piece.key) return scan(bytes.substr(0, kLineLimit), limit);
  LineOpener opener(*piece.key);
  return scan_sealed(bytes, piece.offset, limit, opener);
}

Result<Scan> SpoolStore::read_piece_of(const Piece& piece, std::size_t limit) {
  {
    const std::lock_guard guard(mutex_);
    if (auto recent = recent_.from(piece.segment, piece.offset, piece.offset + piece.size, limit))
      return *std::move(recent);
  }
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size, kFileLineLimit));
  PL_TRY(const std::string bytes, read_piece(piece.path, piece.offset, most));
  return scan_piece(piece, bytes, limit);
}

Result<SpoolBatch> SpoolStore::read(std::size_t limit) {
  for (;;) {
    std::unique_lock guard(mutex_);
    const auto piece = next_piece();
    guard.unlock();
    if (!piece) return SpoolBatch{};
    auto found = read_piece_of(*piece, std::max<std::size_t>(limit, 1));
    if (!found && found.error().code == Code::kUnavailable) return std::unexpected(found.error());
    if (found && found->count > 0) {
      const SpoolPosition end{piece->segment, piece->offset + found->used};
      guard.lock();
      handed_ = Known{end, found->last};
      return SpoolBatch{std::move(found->last.chain), std::move(found->lines), found->count, end};
    }
    // What stands here was synced as a whole line of less than the limit, and is no longer one.
    PL_CHECK(give_up(piece->segment, found ? "the record at offset " + std::to_string(piece->offset) + " is broken"
                                           : found.error().message));
  }
}

Result<> SpoolStore::give_up(std::uint64_t segment, std::string_view why) {
  const std::lock_guard guard(mutex_);
  if (current_ && segments_.rbegin()->first == segment) current_.reset();
  const auto found = segments_.find(segment);
  if (found == segments_.end()) return {};
  PL_CHECK(set_aside(found->second.path, why));
  segments_.erase(found);
  folder_unsynced_ = true;
  return {};
}

Result<> SpoolStore::save() {
  std::unique_lock guard(mutex_);
  Acknowledged done{kForm, acknowledged_.segment, acknowledged_.offset, {}, {}, {}};
  if (acknowledged_point_.number > 0) {
    done.chain = acknowledged_point_.chain;
    done.number = acknowledged_point_.number;
    done.hash = hex(acknowledged_point_.hash);
  }
  const auto finished = std::exchange(finished_, {});
  guard.unlock();
  if (auto written = write_file(options_.folder / kAcknowledgedFile, json::encode(done) + "\n", Privacy::kPrivate);
      !written) {
    guard.lock();
    finished_.insert(finished_.end(), finished.begin(), finished.end());
    return written;
  }
  // A segment that stays by accident is below the position, and goes at the next start.
  for (const auto& path : finished) {
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error)
      log::warn("audit spool: cannot remove a file that is done with",
                {{"file", path.string()}, {"why", error.message()}});
  }
  return {};
}

}  // namespace portolan::audit

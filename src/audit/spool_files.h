// The files of a spool's folder: segments by number, torn tails, what is set aside, and the lock that keeps a second
// process out.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace portolan::audit {

// An open descriptor.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File();
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

struct SegmentFile {
  std::uint64_t number = 0;
  std::filesystem::path path;
  bool sealed = false;  // else in clear text, of a release before
};
struct FolderContent {
  std::vector<SegmentFile> segments;  // by number
  std::uint64_t highest = 0;          // number in use, those set aside among them
};

// That of a name NUMBER.spool…: of a segment, sealed or not, also of one that was set aside.
std::optional<std::uint64_t> segment_number(std::string_view name);
// Of a sealed segment: NUMBER.spool.sealed. The releases that know segments in clear text alone, NUMBER.spool, leave it
// alone, and do not give its number again.
std::filesystem::path segment_path(const std::filesystem::path& folder, std::uint64_t number);
Result<FolderContent> list_folder(const std::filesystem::path& folder);
// Code::kConflict if another process, or this one, has the folder open. The lock goes with the file.
Result<File> lock_folder(const std::filesystem::path& folder);

// A new segment, for appending.
Result<File> create_segment(const std::filesystem::path& path);
// Cuts off an unfinished last line, syncs the file and gives its length and its last line (without its end; empty if
// there is none, or none so short as a line may be).
struct Recovered {
  std::uint64_t size = 0;
  std::string last_line;
};
Result<Recovered> recover_segment(const std::filesystem::path& path);
// Up to `limit` bytes from `offset` on. Code::kUnavailable for a lack of descriptors or memory, which says nothing
// about the file.
Result<std::string> read_piece(const std::filesystem::path& path, std::uint64_t offset, std::size_t limit);
// Renames it to NAME.bad and tells the operator why.
Result<> set_aside(const std::filesystem::path& path, std::string_view why);

// What decides whether a record is kept. Tests put disks in its place that fail, or that forget in a crash what was
// not synced. Any thread.
class Disk {
 public:
  static Disk& real();
  virtual ~Disk() = default;
  // All of `bytes`, or nothing: what was written before a failure is cut off again. `size` is the length before.
  // Code::kInternal if even that failed: the file must not be appended to any more.
  virtual Result<> append_whole(const File& file, std::uint64_t size, std::string_view bytes);
  virtual Result<> sync_file(const File& file);
  virtual Result<> sync_folder(const std::filesystem::path& folder);
  virtual Result<std::uint64_t> free_bytes(const std::filesystem::path& folder);
};

}  // namespace portolan::audit

// Bytes in memory: views, big-endian reading and writing with checked lengths, text encodings, and secrets that wipe
// themselves.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace portolan {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

inline ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Reads integers (network byte order) and slices off a view. Once a read goes past the end, ok() is false for good and
// every later read gives zero or an empty view, so a parser may check once at the end.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}
  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  ByteView take(std::size_t n);
  // Text up to a zero byte, which is consumed; a missing one is a failure.
  std::string_view zero_terminated();
  // A u16 length, then as many bytes.
  std::string_view text16();
  ByteView rest() const { return rest_; }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }

 private:
  ByteView rest_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  void u8(std::uint8_t value);
  void u16(std::uint16_t value);
  void u32(std::uint32_t value);
  void u64(std::uint64_t value);
  void bytes(ByteView value);
  void text(std::string_view value) { bytes(as_bytes(value)); }
  void zero_terminated(std::string_view value);
  void text16(std::string_view value);  // at most 65535 bytes; longer is a bug
  // Overwrites four bytes written before, for lengths that are known late.
  void patch_u32(std::size_t offset, std::uint32_t value);
  std::size_t size() const { return out_.size(); }
  ByteView view() const { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

std::string hex(ByteView bytes);
Result<Bytes> from_hex(std::string_view text);
// RFC 4648: base64 with padding; base64url without.
std::string base64(ByteView bytes);
Result<Bytes> from_base64(std::string_view text);
std::string base64url(ByteView bytes);
Result<Bytes> from_base64url(std::string_view text);

// Overwrites memory in a way that the compiler keeps.
void wipe(std::span<std::byte> memory);

// Text that is wiped when it is destroyed or assigned over, and that no formatter prints.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret& other) : text_(other.text_) {}
  Secret(Secret&& other) noexcept { text_.swap(other.text_); }
  Secret& operator=(Secret other) noexcept {
    text_.swap(other.text_);
    return *this;
  }
  ~Secret();
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

// Compares without telling by its time where the difference is.
bool equal_in_constant_time(ByteView a, ByteView b);

}  // namespace portolan

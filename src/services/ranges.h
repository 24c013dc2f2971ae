// Range and the conditions of a GET (RFC 9110 §13, §14) for a file with a strong entity tag. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http/message.h"

namespace portolan::services {

// Bytes [begin, end) of a file.
struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool operator==(const Range&) const = default;
};

enum class Verdict {
  kWhole,          // 200
  kPart,           // 206
  kUnchanged,      // 304
  kUnsatisfiable,  // 416
  kFailed,         // 412
};

struct Wanted {
  Verdict verdict = Verdict::kWhole;
  Range range = {};  // what to send; of kWhole all of it
  bool operator==(const Wanted&) const = default;
};

// What a request for a file of `size` bytes with this entity tag (with its quotes) wants. A Range that is malformed, of
// another unit or of several ranges is ignored, as §14.2 allows.
Wanted wanted_of(const net::http::Request& request, std::uint64_t size, std::string_view etag);

}  // namespace portolan::services

// What drivers put on record. The session turns it into an api::AuditRecord.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace portolan::audit {

// Texts are kept up to this many bytes; longer ones with their SHA-256 and length beside the kept beginning.
inline constexpr std::size_t kTextLimit = 256 * 1024;

// One request inside a session, recorded when its outcome is known.
struct Query {
  std::string text;                          // at most kTextLimit bytes
  std::optional<std::string> text_sha256;    // hex, of all of it, when it was longer
  std::optional<std::uint64_t> text_length;  // likewise
  WallTime started{};
  std::chrono::microseconds duration{0};
  std::optional<std::uint64_t> rows;
  std::optional<std::string> tag;         // the server's command tag
  std::optional<std::string> error_code;  // SQLSTATE
  std::optional<std::string> error;       // the server's primary message, at most 1 KiB
};

}  // namespace portolan::audit

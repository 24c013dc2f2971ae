// What drivers put on record. The session turns it into an api::AuditRecord.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace portolan::audit {

// What a resource demands of its records (its setting `audit`).
enum class Mode {
  kDurable,     // "durable", if nothing is said: on the disk at most 50 ms after they were made
  kStrict,      // "strict": on the disk before the client sees a byte of the answer
  kBestEffort,  // "best-effort": what cannot be kept is counted and logged, and the session goes on
};
inline constexpr std::string_view kModeSetting = "audit";
inline std::optional<Mode> parse_mode(std::string_view text) {
  if (text == "durable") return Mode::kDurable;
  if (text == "strict") return Mode::kStrict;
  if (text == "best-effort") return Mode::kBestEffort;
  return std::nullopt;
}

// Texts are kept up to this many bytes; longer ones with their SHA-256 and length beside the kept beginning.
inline constexpr std::size_t kTextLimit = 256 * 1024;

// A value that a statement was run with. Without `text` and `hex`: NULL.
struct Parameter {
  std::optional<std::string> text;      // at most kParameterLimit bytes
  std::optional<std::string> hex;       // of a binary one: at most so many bytes of it, two digits each
  std::optional<std::uint64_t> length;  // in bytes: of every binary one, and where `text` is not all
  bool operator==(const Parameter&) const = default;
};
inline constexpr std::size_t kParameterLimit = 1024;
// All values of one record together, each counted as 16 bytes at least.
inline constexpr std::size_t kParametersLimit = 16 * 1024;
struct Parameters {
  std::vector<Parameter> values;
  std::uint64_t count = 0;  // how many there were; more than `values` has when the limit was reached
};

// A body of a web request or of its answer, where the resource wants them on record: its beginning.
struct HttpBody {
  std::optional<std::string> text;    // if it is UTF-8
  std::optional<std::string> base64;  // else
  std::uint64_t length = 0;           // of all of it
};
// A request to a web resource.
struct HttpRequest {
  std::string method;
  std::string host;  // the application's own name
  std::string path;
  std::optional<std::string> query;          // values masked where the resource asks for it
  std::optional<std::uint64_t> status;       // none: no answer
  std::uint64_t bytes_in = 0;                // of the body, or of a WebSocket's frames, towards the application
  std::uint64_t bytes_out = 0;               // and from it
  std::optional<std::uint64_t> messages_in;  // of a WebSocket
  std::optional<std::uint64_t> messages_out;
  std::optional<HttpBody> request_body;
  std::optional<HttpBody> response_body;
};

// One request inside a session, recorded when its outcome is known; under strict audit also when it is under way and a
// part of its answer is about to go on.
struct Query {
  std::string text;                          // at most kTextLimit bytes
  std::optional<std::string> text_sha256;    // hex, of all of it, when it was longer
  std::optional<std::uint64_t> text_length;  // likewise
  enum class Stage { kOver, kUnderWay };
  Stage stage = Stage::kOver;
  WallTime started{};
  std::chrono::microseconds duration{0};
  std::optional<std::uint64_t> rows;
  std::optional<std::uint64_t> statement;  // which statement of a text that holds several, from 2; the first has none
  std::optional<std::uint64_t> copied_bytes;  // what a COPY has carried, in either direction
  std::optional<Parameters> parameters;       // where the resource wants them on record
  std::optional<std::string> tag;             // the server's command tag
  std::optional<std::string> error_code;      // SQLSTATE
  std::optional<std::string> error;           // the server's primary message, at most 1 KiB
  std::optional<HttpRequest> http;            // of web resources: what `text` says, taken apart
};

}  // namespace portolan::audit

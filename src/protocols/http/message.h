// HTTP/1.1 messages as a proxy must read and write them (RFC 9110, RFC 9112): bytes to heads and back. Pure, and
// strict: both sides are hostile, and two readers of the same bytes must never disagree about where a message ends.
// What is ambiguous is an error, never a guess; what goes on is always printed anew from what was read.
//
// Errors are Code::kProtocol or kLimit. Their reason says what the answer is: bad_message 400, headers_too_large 431,
// unsupported_encoding 501, unsupported_version 505, method_refused 405, upgrade_refused 400.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocols/http/fields.h"

namespace portolan::protocols::http {

inline constexpr std::size_t kHeadLimit = 64 * 1024;  // of a head, with its empty line
inline constexpr std::size_t kFieldsLimit = 200;      // lines of a head or of trailers
inline constexpr std::size_t kTargetLimit = 16 * 1024;

enum class Version { k10, k11 };

struct RequestHead {
  std::string method;
  std::string scheme;     // of the absolute form, in lower case; empty: the origin form
  std::string authority;  // whom it is for, in lower case: the Host field, which the absolute form must agree with
  std::string target;     // path and query as they came, still encoded; "*" for OPTIONS *
  Version version = Version::k11;
  Fields fields = {};  // without Host

  std::string_view path() const;   // of the target
  std::string_view query() const;  // without its "?"
};

struct ResponseHead {
  int status = 0;
  std::string reason;
  Version version = Version::k11;
  Fields fields = {};
};

// Finds the end of a head or of trailers while it arrives, and refuses as soon as it can tell: a line that does not end
// with CR LF, a lone CR, a zero byte, folding, a head that is too long.
class HeadEnd {
 public:
  enum class Begins { kWithStartLine, kWithFields };
  explicit HeadEnd(Begins begins = Begins::kWithStartLine, std::size_t limit = kHeadLimit)
      : lines_(begins == Begins::kWithFields ? 1 : 0), limit_(limit) {}
  // `data` is all that has arrived of it. Its length with the empty line, once that is there.
  Result<std::optional<std::size_t>> find(std::string_view data);

 private:
  std::size_t seen_ = 0;
  std::size_t line_begin_ = 0;
  std::size_t lines_;
  std::size_t limit_;
};

// The whole head, as HeadEnd found it.
Result<RequestHead> parse_request(std::string_view head);
Result<ResponseHead> parse_response(std::string_view head);
// Lines of fields with the empty line behind them.
Result<Fields> parse_fields(std::string_view lines);

// How long a body is (RFC 9112 §6).
struct Framing {
  enum class Kind { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;
  bool operator==(const Framing&) const = default;
};
Result<Framing> framing_of(const RequestHead& head);
// `method`: of the request. Of 101 there is no body, but what follows is no HTTP any more.
Result<Framing> framing_of(const ResponseHead& head, std::string_view method);
bool is_bodiless(int status, std::string_view method);
// Whether the sender keeps its connection open behind this message.
bool keeps_alive(Version version, const Fields& fields);

// The name and port of "name", "name:port" or "[::1]:port"; nothing if it is no authority. In lower case.
struct Authority {
  std::string host;  // a literal IPv6 address without its brackets
  std::optional<std::uint16_t> port = {};
  bool operator==(const Authority&) const = default;
};
std::optional<Authority> parse_authority(std::string_view text);
// As it stands in Host and in URLs: without the port that is the scheme's own.
std::string print(const Authority& authority, std::string_view scheme);
std::uint16_t default_port_of(std::string_view scheme);  // 80 or 443

// Heads as they go on, in HTTP/1.1, with what `fields` holds and nothing else but Host.
std::string print(const RequestHead& head);
std::string print(const ResponseHead& head);
std::string_view reason_phrase(int status);
std::string chunk_head(std::size_t size);  // "1f\r\n"; behind the bytes comes "\r\n"
std::string last_chunk(const Fields& trailers);

}  // namespace portolan::protocols::http

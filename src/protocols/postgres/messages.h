// PostgreSQL's messages, protocol 3.0, as far as Portolan itself reads or writes them: bytes to structs and back, pure.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
// Everything here comes from a peer that may be hostile: a length is checked before memory is taken for what it
// announces.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace portolan::protocols::postgres {

// The first packet of a connection, its length included: PostgreSQL takes no more than this either.
inline constexpr std::size_t kFirstPacketLimit = 10'000;
// Any later message, its length included.
inline constexpr std::uint32_t kMessageLimit = 1u << 30;
// Type and length, in front of every message but the first.
inline constexpr std::size_t kHeaderSize = 5;

using Parameters = std::vector<std::pair<std::string, std::string>>;

// ---- the first packet ----

struct SslRequest {};
struct GssRequest {};
// What a CancelRequest names and a BackendKeyData hands out.
struct BackendKey {
  std::uint32_t process = 0;
  std::uint32_t secret = 0;
  bool operator==(const BackendKey&) const = default;
};
struct Startup {
  std::uint16_t minor = 0;
  Parameters parameters;  // in the client's order
  // The last value given for `name`, empty if there is none.
  std::string_view find(std::string_view name) const;
};
using FirstPacket = std::variant<SslRequest, GssRequest, BackendKey, Startup>;

// Whether these are the first four bytes of an HTTP request: a web page that knocks on a database's port.
bool begins_like_http(ByteView bytes);
// The size of the packet that begins with these four bytes, checked.
Result<std::size_t> first_packet_size(ByteView length);
// `packet` is whole.
Result<FirstPacket> parse_first_packet(ByteView packet);

Bytes ssl_request();
Bytes cancel_request(BackendKey key);
Bytes startup_message(const Parameters& parameters);

// ---- every later message ----

struct Header {
  char type = 0;
  std::uint32_t body = 0;  // bytes that follow
};
// Reads the five bytes of a header; `limit` is that of the whole message without its type.
Result<Header> parse_header(ByteView header, std::uint32_t limit = kMessageLimit);
Bytes message(char type, ByteView body);
// For error texts.
inline std::string quoted_type(char type) { return quoted(std::string_view(&type, 1)); }

// AuthenticationXXX ('R').
struct Authentication {
  enum Kind : std::uint32_t { kOk = 0, kCleartext = 3, kMd5 = 5, kSasl = 10, kSaslContinue = 11, kSaslFinal = 12 };
  std::uint32_t kind = kOk;
  ByteView data;  // of the body: salt, mechanisms, or SASL data
};
Result<Authentication> parse_authentication(ByteView body);
// Whether the list in AuthenticationSASL names `mechanism`.
Result<bool> offers_mechanism(ByteView list, std::string_view mechanism);
Result<BackendKey> parse_backend_key(ByteView body);

// The fields that matter of an ErrorResponse or NoticeResponse. A body that was cut gives what is there of them.
struct ServerError {
  std::string severity;  // not translated where the server tells (9.6 and later)
  std::string code;      // SQLSTATE
  std::string message;
};
ServerError parse_server_error(ByteView body);

// What of a command tag counts rows: "INSERT 0 5" is 5, "CREATE TABLE" is none.
std::optional<std::uint64_t> rows_of_tag(std::string_view tag);

// An ErrorResponse of our own.
struct ErrorFields {
  std::string_view severity = "FATAL";
  std::string_view code;
  std::string message;
  std::string detail = {};
  std::string hint = {};
};
Bytes error_response(const ErrorFields& fields);
Bytes authentication_ok();
Bytes backend_key_data(BackendKey key);
Bytes negotiate_version(const std::vector<std::string>& unknown_options);
Bytes sasl_initial_response(std::string_view mechanism, std::string_view data);
Bytes sasl_response(std::string_view data);
Bytes password_message(std::string_view password);

}  // namespace portolan::protocols::postgres

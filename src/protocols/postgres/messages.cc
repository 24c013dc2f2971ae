#include "protocols/postgres/messages.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace portolan::protocols::postgres {
namespace {

// Request codes take the place of the protocol version: 1234 in the upper half, which no version will be.
constexpr std::uint32_t kCancelCode = 1234u << 16 | 5678;
constexpr std::uint32_t kSslCode = 1234u << 16 | 5679;
constexpr std::uint32_t kGssCode = 1234u << 16 | 5680;
constexpr std::uint32_t kProtocol30 = 3u << 16;

Bytes with_length(ByteWriter writer) {
  writer.patch_u32(0, static_cast<std::uint32_t>(writer.size()));
  return writer.take();
}

Result<Startup> parse_startup(std::uint32_t version, ByteReader reader) {
  Startup startup;
  startup.minor = static_cast<std::uint16_t>(version & 0xffff);
  while (true) {
    const std::string_view name = reader.zero_terminated();
    if (!reader.ok()) return fail(Code::kProtocol, "start-up packet: its list of parameters has no end");
    if (name.empty()) break;
    const std::string_view value = reader.zero_terminated();
    if (!reader.ok()) return fail(Code::kProtocol, "start-up packet: parameter " + quoted(name) + " has no value");
    startup.parameters.emplace_back(name, value);
  }
  if (!reader.at_end()) return fail(Code::kProtocol, "start-up packet: bytes after the list of parameters");
  if (startup.find("user").empty()) return fail(Code::kProtocol, "start-up packet: it names no user");
  return startup;
}

}  // namespace

std::string_view Startup::find(std::string_view name) const {
  for (auto it = parameters.rbegin(); it != parameters.rend(); ++it)
    if (it->first == name) return it->second;
  return {};
}

bool begins_like_http(ByteView bytes) {
  constexpr std::array<std::string_view, 10> kBeginnings = {"GET ", "POST", "PUT ", "HEAD", "OPTI",
                                                            "DELE", "PATC", "CONN", "TRAC", "PRI "};
  return bytes.size() >= 4 && std::ranges::find(kBeginnings, as_text(bytes.first(4))) != kBeginnings.end();
}

Result<std::size_t> first_packet_size(ByteView length) {
  ByteReader reader(length);
  const std::uint32_t size = reader.u32();
  if (!reader.ok() || size < 8 || size > kFirstPacketLimit)
    return fail(Code::kProtocol,
                fmt::format("start-up packet: its length {} is not within 8 to {}", size, kFirstPacketLimit));
  return size;
}

Result<FirstPacket> parse_first_packet(ByteView packet) {
  ByteReader reader(packet);
  const std::uint32_t size = reader.u32();
  const std::uint32_t code = reader.u32();
  if (!reader.ok() || size != packet.size())
    return fail(Code::kProtocol, "start-up packet: it is not of its own length");
  const bool bare = packet.size() == 8;
  if (code == kSslCode && bare) return SslRequest{};
  if (code == kGssCode && bare) return GssRequest{};
  if (code == kCancelCode && packet.size() == 16) {
    const std::uint32_t process = reader.u32();
    const std::uint32_t secret = reader.u32();
    return BackendKey{process, secret};
  }
  if (code >> 16 == 3) {
    PL_TRY(Startup startup, parse_startup(code, reader));
    return startup;
  }
  if (code >> 16 == 1234)
    return fail(Code::kProtocol, fmt::format("start-up packet: unknown request {}", code & 0xffff));
  return fail(Code::kInvalid,
              fmt::format("PostgreSQL protocol {}.{} is not supported; use a client that speaks 3.0", code >> 16,
                          code & 0xffff),
              "sqlstate_0A000");
}

Bytes ssl_request() {
  ByteWriter writer;
  writer.u32(8);
  writer.u32(kSslCode);
  return writer.take();
}

Bytes cancel_request(BackendKey key) {
  ByteWriter writer;
  writer.u32(16);
  writer.u32(kCancelCode);
  writer.u32(key.process);
  writer.u32(key.secret);
  return writer.take();
}

Bytes startup_message(const Parameters& parameters) {
  ByteWriter writer;
  writer.u32(0);
  writer.u32(kProtocol30);
  for (const auto& [name, value] : parameters) {
    writer.zero_terminated(name);
    writer.zero_terminated(value);
  }
  writer.u8(0);
  return with_length(std::move(writer));
}

Result<Header> parse_header(ByteView header, std::uint32_t limit) {
  ByteReader reader(header);
  const char type = static_cast<char>(reader.u8());
  const std::uint32_t length = reader.u32();
  if (!reader.ok() || length < 4 || length > limit)
    return fail(Code::kProtocol,
                fmt::format("message {}: its length {} is not within 4 to {}", quoted_type(type), length, limit));
  return Header{type, length - 4};
}

Bytes message(char type, ByteView body) {
  ByteWriter writer;
  writer.u8(static_cast<std::uint8_t>(type));
  writer.u32(static_cast<std::uint32_t>(body.size() + 4));
  writer.bytes(body);
  return writer.take();
}

Result<Authentication> parse_authentication(ByteView body) {
  ByteReader reader(body);
  Authentication out;
  out.kind = reader.u32();
  if (!reader.ok()) return fail(Code::kProtocol, "authentication request: it is too short");
  out.data = reader.rest();
  if (out.kind == Authentication::kMd5 && out.data.size() != 4)
    return fail(Code::kProtocol, "authentication request: the salt for md5 has not four bytes");
  return out;
}

Result<bool> offers_mechanism(ByteView list, std::string_view mechanism) {
  ByteReader reader(list);
  bool offered = false;
  for (std::string_view name = reader.zero_terminated(); reader.ok() && !name.empty(); name = reader.zero_terminated())
    offered = offered || name == mechanism;
  if (!reader.at_end())
    return fail(Code::kProtocol, "authentication request: its list of SASL mechanisms is malformed");
  return offered;
}

Result<BackendKey> parse_backend_key(ByteView body) {
  ByteReader reader(body);
  BackendKey key;
  key.process = reader.u32();
  key.secret = reader.u32();
  if (!reader.at_end()) return fail(Code::kProtocol, "cancellation key: it has not eight bytes");
  return key;
}

ServerError parse_server_error(ByteView body) {
  ServerError out;
  std::string_view rest = as_text(body);
  while (!rest.empty() && rest.front() != '\0') {
    const char field = rest.front();
    const std::size_t end = std::min(rest.find('\0', 1), rest.size());
    const std::string_view value = rest.substr(1, end - 1);
    if (field == 'V' || (field == 'S' && out.severity.empty())) out.severity = value;
    if (field == 'C') out.code = value;
    if (field == 'M') out.message = value;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

std::optional<std::uint64_t> rows_of_tag(std::string_view tag) {
  const std::string_view last = tag.substr(tag.rfind(' ') + 1);
  std::uint64_t rows = 0;
  const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), rows);
  if (error != std::errc() || end != last.data() + last.size()) return std::nullopt;
  return rows;
}

Bytes error_response(const ErrorFields& fields) {
  ByteWriter body;
  const auto add = [&body](char type, std::string_view value) {
    if (value.empty()) return;
    body.u8(static_cast<std::uint8_t>(type));
    body.zero_terminated(value.substr(0, value.find('\0')));  // foreign text begins no field of its own
  };
  add('S', fields.severity);
  add('V', fields.severity);
  add('C', fields.code);
  add('M', fields.message);
  add('D', fields.detail);
  add('H', fields.hint);
  body.u8(0);
  return message('E', body.view());
}

Bytes authentication_ok() {
  ByteWriter body;
  body.u32(Authentication::kOk);
  return message('R', body.view());
}

Bytes backend_key_data(BackendKey key) {
  ByteWriter body;
  body.u32(key.process);
  body.u32(key.secret);
  return message('K', body.view());
}

Bytes negotiate_version(const std::vector<std::string>& unknown_options) {
  ByteWriter body;
  body.u32(kProtocol30);
  body.u32(static_cast<std::uint32_t>(unknown_options.size()));
  for (const std::string& option : unknown_options) body.zero_terminated(option);
  return message('v', body.view());
}

Bytes sasl_initial_response(std::string_view mechanism, std::string_view data) {
  ByteWriter body;
  body.zero_terminated(mechanism);
  body.u32(static_cast<std::uint32_t>(data.size()));
  body.text(data);
  return message('p', body.view());
}

Bytes sasl_response(std::string_view data) { return message('p', as_bytes(data)); }

Bytes password_message(std::string_view password) {
  ByteWriter body;
  body.zero_terminated(password);
  return message('p', body.view());
}

}  // namespace portolan::protocols::postgres

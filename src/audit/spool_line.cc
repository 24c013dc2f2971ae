#include "audit/spool_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>
#include <boost/crc.hpp>

#include "base/bytes.h"
#include "base/json.h"
#include "crypto/hash.h"

namespace portolan::audit {
namespace {

constexpr std::size_t kHead = 9;               // CRC and space
constexpr std::size_t kShortText = 64 * 1024;  // at most six times that in JSON
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::uint32_t crc32(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

// The length of the UTF-8 character at the beginning of `text`, or 0 if there is none (RFC 3629 §4).
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                             : (first & 0xf0) == 0xe0         ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || text.size() < length) return 0;
  const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return length;
}

std::string as_utf8(std::string text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return text;
  std::string out;
  out.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = character_length(rest);
    out += length == 0 ? kReplacement : rest.substr(0, length);
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

api::AuditRecord with_short_text(api::AuditRecord record) {
  if (!record.text_length) record.text_length = record.text->size();
  if (!record.text_sha256) record.text_sha256 = hex(crypto::sha256(as_bytes(*record.text)));
  record.text->resize(std::min(record.text->size(), kShortText));
  return record;
}

}  // namespace

std::string line_of(std::string_view json) { return fmt::format("{:08x} {}\n", crc32(json), json); }

Result<std::string> encode_line(const api::AuditRecord& record) {
  // JSON's own characters are ASCII, so that the whole can be mended at once.
  std::string line = line_of(as_utf8(json::encode(record)));
  if (line.size() > kLineLimit && record.text) line = line_of(as_utf8(json::encode(with_short_text(record))));
  if (line.size() > kLineLimit)
    return fail(Code::kLimit, "audit record of session " + quoted(record.session) + ": larger than 512 KiB");
  return line;
}

Result<api::AuditRecord> decode_line(std::string_view line) {
  std::uint32_t crc = 0;
  if (line.size() < kHead || line.size() >= kLineLimit || line[kHead - 1] != ' ')
    return fail(Code::kInvalid, "not a line of an audit spool");
  const auto parsed = std::from_chars(line.data(), line.data() + kHead - 1, crc, 16);
  if (parsed.ec != std::errc() || parsed.ptr != line.data() + kHead - 1)
    return fail(Code::kInvalid, "not a line of an audit spool");
  line.remove_prefix(kHead);
  if (crc32(line) != crc) return fail(Code::kInvalid, "its CRC does not fit");
  return json::decode<api::AuditRecord>(line, json::Unknown::kIgnore);
}

Scan scan(std::string_view bytes, std::size_t limit) {
  Scan out;
  while (out.records.size() < limit) {
    const std::string_view rest = bytes.substr(out.used);
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) return out;
    auto record = decode_line(rest.substr(0, end));
    if (!record) {
      out.broken = true;
      return out;
    }
    out.records.push_back(std::move(*record));
    out.used += end + 1;
  }
  return out;
}

}  // namespace portolan::audit

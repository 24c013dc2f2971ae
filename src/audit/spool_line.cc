#include "audit/spool_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>
#include <boost/crc.hpp>

#include "base/bytes.h"
#include "base/id.h"
#include "base/json.h"
#include "crypto/hash.h"

namespace portolan::audit {
namespace {

constexpr std::size_t kHead = 9;          // CRC and space
constexpr std::size_t kPlaceLimit = 200;  // of all of a line but the record
constexpr std::size_t kJsonLimit = kLineLimit - kPlaceLimit;
constexpr std::string_view kForm = R"({"form":2,"chain":")";
constexpr std::string_view kNumber = R"(","number":)";
constexpr std::string_view kHash = R"(,"hash":")";
constexpr std::string_view kRecord = R"(",)";
constexpr std::size_t kShortText = 64 * 1024;  // at most six times that in JSON
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::uint32_t crc32(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::unexpected<Error> not_a_line() { return fail(Code::kInvalid, "not a line of an audit spool"); }

// Takes the beginning of `text` up to `end`, and the end.
std::string_view take_up_to(std::string_view& text, std::string_view end) {
  const auto at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + end.size());
  return taken;
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

Result<std::string> encode_record(const api::AuditRecord& record) {
  // JSON's own characters are ASCII, so that the whole can be mended at once.
  std::string json = as_utf8(json::encode(record));
  if (json.size() > kJsonLimit && record.text) json = as_utf8(json::encode(with_short_text(record)));
  if (json.size() > kJsonLimit)
    return fail(Code::kLimit, "audit record of session " + quoted(record.session) + ": larger than 512 KiB");
  return json;
}

Result<api::AuditRecord> decode_record(std::string_view json) {
  return json::decode<api::AuditRecord>(json, json::Unknown::kIgnore);
}

std::string line_of(const ChainPoint& point, std::string_view json) {
  std::string line;
  line.reserve(json.size() + kPlaceLimit);
  line += "00000000 ";
  line += kForm;
  line += point.chain;
  line += kNumber;
  line += std::to_string(point.number);
  line += kHash;
  line += hex(point.hash);
  line += kRecord;
  line += json.substr(1);
  fmt::format_to_n(line.data(), kHead - 1, "{:08x}", crc32(std::string_view(line).substr(kHead)));
  line += '\n';
  return line;
}

std::string line_without_chain(std::string_view json) { return fmt::format("{:08x} {}\n", crc32(json), json); }

Result<Line> parse_line(std::string_view line) {
  std::uint32_t crc = 0;
  if (line.size() < kHead || line.size() >= kLineLimit || line[kHead - 1] != ' ') return not_a_line();
  const auto parsed = std::from_chars(line.data(), line.data() + kHead - 1, crc, 16);
  if (parsed.ec != std::errc() || parsed.ptr != line.data() + kHead - 1) return not_a_line();
  line.remove_prefix(kHead);
  if (crc32(line) != crc) return fail(Code::kInvalid, "its CRC does not fit");
  if (!line.starts_with(kForm)) return Line{{}, std::string(line)};
  line.remove_prefix(kForm.size());
  Line out;
  out.point.chain = take_up_to(line, kNumber);
  const std::string_view number = take_up_to(line, kHash);
  const auto* end = number.data() + number.size();
  const auto [stopped, error] = std::from_chars(number.data(), end, out.point.number);
  const auto hash = parse_hash(take_up_to(line, kRecord));
  if (!is_id(out.point.chain, "c") || error != std::errc() || stopped != end || out.point.number == 0 || !hash)
    return not_a_line();
  out.point.hash = *hash;
  out.json = "{" + std::string(line);
  return out;
}

Scan scan(std::string_view bytes, std::size_t limit) {
  Scan out;
  while (out.records.size() < limit) {
    const std::string_view rest = bytes.substr(out.used);
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) return out;
    const auto line = parse_line(rest.substr(0, end));
    if (!line || !decode_record(line->json)) {
      out.broken = true;
      return out;
    }
    if (out.records.empty()) out.chain = line->point.chain;
    if (out.chain != line->point.chain) return out;
    const bool chained = line->point.number > 0;
    out.records.push_back({line->point.number, chained ? hex(line->point.hash) : "", line->json});
    out.last_hash = line->point.hash;
    out.used += end + 1;
  }
  return out;
}

}  // namespace portolan::audit

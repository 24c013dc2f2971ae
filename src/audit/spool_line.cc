#include "audit/spool_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <zlib.h>

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
constexpr std::string_view kTrace = R"("trace":)";
constexpr std::string_view kNoTrace = R"("trace":"")";
constexpr std::size_t kShortText = 64 * 1024;  // at most six times that in JSON
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::uint32_t crc32(std::string_view bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
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

// Eight bytes at a time: nearly all text is.
bool is_ascii(std::string_view text) {
  std::uint64_t found = 0;
  for (; text.size() >= 8; text.remove_prefix(8)) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data(), sizeof(eight));
    found |= eight;
  }
  for (const char c : text) found |= static_cast<unsigned char>(c);
  return (found & 0x8080808080808080U) == 0;
}

std::string as_utf8(std::string text) {
  if (is_ascii(text)) return text;
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

std::string alike_part(const api::AuditRecord& record) {
  api::AuditRecord alike;
  alike.trace = record.trace;
  alike.account = record.account;
  alike.email = record.email;
  alike.device = record.device;
  alike.resource = record.resource;
  alike.resource_name = record.resource_name;
  alike.type = record.type;
  alike.node = record.node;
  alike.client = record.client;
  alike.database = record.database;
  const std::string json = json::encode(alike);
  const auto begin = json.find(kTrace);
  return as_utf8(json.substr(begin, json.size() - 1 - begin));
}

Result<std::string> encode_record(const api::AuditRecord& record) { return encode_record(record, {}); }

Result<std::string> encode_record(const api::AuditRecord& record, std::string_view alike) {
  const auto encode = [alike](const api::AuditRecord& of) {
    std::string json = json::encode(of);
    // Kind, session, sequence and time stand before it: none of them can look like it.
    if (!alike.empty()) json.replace(json.find(kNoTrace), kNoTrace.size(), alike);
    // JSON's own characters are ASCII, so that the whole can be mended at once.
    return as_utf8(std::move(json));
  };
  std::string json = encode(record);
  if (json.size() > kJsonLimit && record.text) json = encode(with_short_text(record));
  if (json.size() > kJsonLimit)
    return fail(Code::kLimit, "audit record of session " + quoted(record.session) + ": larger than 512 KiB");
  return json;
}

Result<api::AuditRecord> decode_record(std::string_view json) {
  return json::decode<api::AuditRecord>(json, json::Unknown::kIgnore);
}

std::string handed_line(const ChainPoint& point, std::string_view json) {
  std::string line;
  line.reserve(json.size() + kPlaceLimit);
  line += kForm;
  line += point.chain;
  line += kNumber;
  line += std::to_string(point.number);
  line += kHash;
  line += hex(point.hash);
  line += kRecord;
  line += json.substr(1);
  return line;
}

std::string line_with_crc(std::string_view text) { return fmt::format("{:08x} {}\n", crc32(text), text); }

std::optional<std::string_view> take_line(std::string_view& bytes) {
  const auto end = bytes.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  return line;
}

Result<std::string_view> behind_crc(std::string_view line) {
  std::uint32_t crc = 0;
  if (line.size() < kHead || line.size() >= kLineLimit || line[kHead - 1] != ' ') return not_a_line();
  const auto parsed = std::from_chars(line.data(), line.data() + kHead - 1, crc, 16);
  if (parsed.ec != std::errc() || parsed.ptr != line.data() + kHead - 1) return not_a_line();
  line.remove_prefix(kHead);
  if (crc32(line) != crc) return fail(Code::kInvalid, "its CRC does not fit");
  return line;
}

Result<Line> parse_line(std::string_view line) {
  PL_TRY(const std::string_view text, behind_crc(line));
  return parse_handed(text);
}

Result<Line> parse_handed(std::string_view line) {
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
  out.json.reserve(line.size() + 1);
  out.json += '{';
  out.json += line;
  return out;
}

namespace {

void add(Scan& out, std::string_view line) {
  out.lines += line.substr(kHead);
  out.lines += '\n';
  out.used += line.size() + 1;
  ++out.count;
}

}  // namespace

Scan scan(std::string_view bytes, std::size_t limit) {
  Scan out;
  while (out.count < limit) {
    const auto text = take_line(bytes);
    if (!text) return out;
    auto line = parse_line(*text);
    if (!line || !decode_record(line->json)) {
      out.broken = true;
      return out;
    }
    if (out.count > 0 && out.last.chain != line->point.chain) return out;
    add(out, *text);
    out.last = std::move(line->point);
  }
  return out;
}

Result<std::vector<api::ChainedRecord>> records_in(std::string_view lines) {
  std::vector<api::ChainedRecord> out;
  while (const auto text = take_line(lines)) {
    PL_TRY(auto line, parse_handed(*text));
    const bool chained = line.point.number > 0;
    out.push_back({line.point.number, chained ? hex(line.point.hash) : "", std::move(line.json)});
  }
  if (!lines.empty()) return not_a_line();
  return out;
}

}  // namespace portolan::audit

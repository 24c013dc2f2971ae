// A record as it is handed over:
//   {"form":2,"chain":"c-…","number":N,"hash":"…", and the members of the record}
// JSON with its place in the chain (chain.h) before its own members; the hash is of the JSON without these.
//
// In its file it is sealed (spool_sealed.h). Segments of the time before hold it in clear text, as "CRC RECORD": the
// CRC-32 of all behind it in eight hexadecimal digits, and a space; those of the first release without the place in the
// chain. They are read, and written no more. What is read back may be torn by a crash or altered by the disk, so
// reading trusts nothing that the CRC does not cover.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/audit.h"
#include "audit/chain.h"
#include "base/result.h"

namespace portolan::audit {

// Of a line with its newline. What the control plane takes in one request has to be larger.
inline constexpr std::size_t kLineLimit = 512 * 1024;
// The same in a file: sealed, it is less than a hundredth longer.
inline constexpr std::size_t kFileLineLimit = kLineLimit + 4096;

// The record as JSON, short enough for a line. Text that is not UTF-8 (a client may send any bytes) has U+FFFD in the
// place of what is wrong, since JSON carries nothing else; a query text that would burst the line is cut further, with
// its length and SHA-256 beside it.
Result<std::string> encode_record(const api::AuditRecord& record);
// What all records of a session say alike, `trace` to `database`, as it stands in their JSON: printed once. The rest of
// `record` is not looked at.
std::string alike_part(const api::AuditRecord& record);
// encode_record() of a record whose members from `trace` to `database` are not set, with what alike_part() gave in
// their place.
Result<std::string> encode_record(const api::AuditRecord& record, std::string_view alike);
// Members that are not known come from a newer release and are skipped.
Result<api::AuditRecord> decode_record(std::string_view json);

// The line of a record at this point of a chain, without its newline.
std::string handed_line(const ChainPoint& point, std::string_view json);
// "CRC TEXT" and a newline.
std::string line_with_crc(std::string_view text);
// The text of such a line, which is given without its newline. Code::kInvalid if the CRC does not fit.
Result<std::string_view> behind_crc(std::string_view line);
// The first line, which is taken off; nothing without an end.
std::optional<std::string_view> take_line(std::string_view& bytes);

struct Line {
  ChainPoint point;  // number 0: the first release wrote it
  std::string json;
};
// Of a segment in clear text, without its newline.
Result<Line> parse_line(std::string_view line);
// As it is handed over, without its newline.
Result<Line> parse_handed(std::string_view line);

// What a piece of a segment holds: whole lines of one chain.
struct Scan {
  std::string lines;      // as they are handed over
  std::size_t count = 0;  // of them
  ChainPoint last;        // of the last one; number 0: the first release wrote them
  std::size_t used = 0;   // bytes of the piece
  bool broken = false;    // the line behind them cannot be read
};
// Of a segment in clear text: at most `limit` records; stops before a line without an end.
Scan scan(std::string_view bytes, std::size_t limit);
// What stands in `Scan::lines`, one by one.
Result<std::vector<api::ChainedRecord>> records_in(std::string_view lines);

}  // namespace portolan::audit

// One line of a spool segment: the CRC-32 of the record in eight hexadecimal digits, a space, the record as JSON, a
// newline. What is read back may be torn by a crash or altered by the disk, so reading trusts nothing that the CRC does
// not cover.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "api/audit.h"
#include "base/result.h"

namespace portolan::audit {

// Of a line with its newline. What the control plane takes in one request has to be larger.
inline constexpr std::size_t kLineLimit = 512 * 1024;

// The record's line. Text that is not UTF-8 (a client may send any bytes) has U+FFFD in the place of what is wrong,
// since JSON carries nothing else; a query text that would burst the line is cut further, with its length and SHA-256
// beside it.
Result<std::string> encode_line(const api::AuditRecord& record);
// A line without its newline. Members that are not known come from a newer release and are skipped.
Result<api::AuditRecord> decode_line(std::string_view line);
// The line of a JSON text that is at hand.
std::string line_of(std::string_view json);

// What a piece of a segment holds.
struct Scan {
  std::vector<api::AuditRecord> records;
  std::size_t used = 0;  // bytes of the lines of `records`
  bool broken = false;   // the line behind them cannot be read
};
// At most `limit` records; stops before a line without an end.
Scan scan(std::string_view bytes, std::size_t limit);

}  // namespace portolan::audit

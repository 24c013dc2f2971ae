// One line of a spool segment:
//   CRC {"form":2,"chain":"c-…","number":N,"hash":"…", and the members of the record}
// the CRC-32 of all behind it in eight hexadecimal digits, a space, and the record as JSON with its place in the chain
// (chain.h) before its own members; the hash is of the JSON without these. The first release wrote the record alone: it
// reads ours, since it skips members it does not know, and we read what it left. What is read back may be torn by a
// crash or altered by the disk, so reading trusts nothing that the CRC does not cover.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "api/audit.h"
#include "audit/chain.h"
#include "base/result.h"

namespace portolan::audit {

// Of a line with its newline. What the control plane takes in one request has to be larger.
inline constexpr std::size_t kLineLimit = 512 * 1024;

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

// The line of a record at this point of a chain.
std::string line_of(const ChainPoint& point, std::string_view json);
// As the first release wrote it; also any other JSON text.
std::string line_without_chain(std::string_view json);

struct Line {
  ChainPoint point;  // number 0: the first release wrote it
  std::string json;
};
// A line without its newline.
Result<Line> parse_line(std::string_view line);
// The same without CRC and space: as it is handed over.
Result<Line> parse_handed(std::string_view line);

// What a piece of a segment holds: whole lines of one chain.
struct Scan {
  std::string lines;      // without their CRCs
  std::size_t count = 0;  // of them
  ChainPoint last;        // of the last one; number 0: the first release wrote them
  std::size_t used = 0;   // bytes of the piece
  bool broken = false;    // the line behind them cannot be read
};
// Where the piece comes from: what was read back is believed only as far as its CRCs go and if each record can be read;
// what is still as this process made it is all of one chain and not looked into.
enum class From { kDisk, kMemory };
// At most `limit` records; stops before a line without an end.
Scan scan(std::string_view bytes, std::size_t limit, From from);
// What stands in `Scan::lines`, one by one.
Result<std::vector<api::ChainedRecord>> records_in(std::string_view lines);

}  // namespace portolan::audit

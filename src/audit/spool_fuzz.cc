// What a segment holds after the disk altered it: the scan neither crashes nor reads past a broken line, and whatever
// record is taken can be written and read again.
#include <cstdlib>

#include "audit/spool_line.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto found = audit::scan(text, 100, audit::From::kDisk);
  if (found.used > size || (found.count == 0 && found.used != 0)) std::abort();
  const auto records = audit::records_in(found.lines);
  if (!records || records->size() != found.count) std::abort();
  static_cast<void>(audit::records_in(text));

  // The input as what follows a CRC that fits, so that the fuzzer gets to what lies behind it.
  const std::string line = audit::line_without_chain(text);
  const auto parsed = audit::parse_line(std::string_view(line).substr(0, line.size() - 1));
  const audit::ChainPoint point{"c-1", 1, {}};
  const auto record = parsed ? audit::decode_record(parsed->json) : Result<api::AuditRecord>(fail(Code::kInvalid, ""));
  if (record) {
    const auto again = audit::encode_record(*record);
    if (!again) return 0;
    const std::string whole = audit::line_of(point, *again);
    const auto reread = audit::parse_line(std::string_view(whole).substr(0, whole.size() - 1));
    if (!reread || reread->json != *again) std::abort();
    const auto decoded = audit::decode_record(reread->json);
    if (!decoded || json::encode(*decoded) != json::encode(*record)) std::abort();
  }

  // The input as a query's text: any bytes can be put on record.
  api::AuditRecord query;
  query.text = std::string(text);
  const auto kept = audit::encode_record(query);
  if (!kept || kept->find('\n') != std::string::npos) std::abort();
  const std::string whole = audit::line_of(point, *kept);
  if (!audit::parse_line(std::string_view(whole).substr(0, whole.size() - 1))) std::abort();
  return 0;
}

// What a segment holds after the disk altered it: the scan neither crashes nor reads past a broken line, and whatever
// record is taken can be written and read again.
#include <cstdlib>

#include "audit/spool_line.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto found = audit::scan(text, 100);
  if (found.used > size || (found.records.empty() && found.used != 0)) std::abort();

  // The input as a record with a CRC that fits, so that the fuzzer gets to what lies behind it.
  const std::string line = audit::line_of(text);
  const auto record = audit::decode_line(std::string_view(line).substr(0, line.size() - 1));
  if (record) {
    const auto again = audit::encode_line(*record);
    if (!again) return 0;
    const auto reread = audit::decode_line(std::string_view(*again).substr(0, again->size() - 1));
    if (!reread || json::encode(*reread) != json::encode(*record)) std::abort();
  }

  // The input as a query's text: any bytes can be put on record.
  api::AuditRecord query;
  query.text = std::string(text);
  const auto kept = audit::encode_line(query);
  if (!kept || kept->find('\n') != kept->size() - 1) std::abort();
  if (!audit::decode_line(std::string_view(*kept).substr(0, kept->size() - 1))) std::abort();
  return 0;
}

// What a segment holds after the disk altered it: the scan neither crashes nor reads past a broken line, and whatever
// record is taken can be written and read again. Sealed segments are of one key, so that their seeds can be opened.
#include <cstdlib>

#include "audit/spool_line.h"
#include "audit/spool_sealed.h"
#include "base/json.h"

namespace {

using namespace portolan;

const std::string kKey(32, 'k');

void check(bool holds) {
  if (!holds) std::abort();
}

std::string_view without_end(std::string_view line) { return line.substr(0, line.size() - 1); }

void check_scan(const audit::Scan& found, std::string_view text) {
  check(found.used <= text.size() && (found.count > 0 || found.used == 0));
  const auto records = audit::records_in(found.lines);
  check(records && records->size() == found.count);
}

void try_sealed(std::string_view text) {
  audit::LineOpener opener{Secret(kKey)};
  check_scan(audit::scan_sealed(text, 0, 100, opener), text);
  static const auto spool = *crypto::SealingKey::from_text(Secret(base64url(as_bytes(kKey))));
  const auto key = audit::open_head(text, spool, 1);
  check(!key || key->reveal().size() == kKey.size());

  // Any bytes can be stuffed, and sealed.
  std::string stuffed, undone;
  static_cast<void>(audit::unstuff(text, undone));
  audit::stuff(text, stuffed);
  check(stuffed.find('\n') == std::string::npos && audit::unstuff(stuffed, undone) && undone == text);
  audit::LineSealer sealer{Secret(kKey)};
  const std::string_view line = sealer.seal(7, text);
  check(line.size() <= audit::LineSealer::most(text.size()));
  std::string opened;
  check(opener.open(7, without_end(line), opened) && opened == text);
}

void try_line(std::string_view text) {
  check_scan(audit::scan(text, 100), text);
  static_cast<void>(audit::records_in(text));

  // The input as what follows a CRC that fits, so that the fuzzer gets to what lies behind it.
  const std::string line = audit::line_with_crc(text);
  const auto parsed = audit::parse_line(without_end(line));
  const audit::ChainPoint point{"c-1", 1, {}};
  const auto record = parsed ? audit::decode_record(parsed->json) : Result<api::AuditRecord>(fail(Code::kInvalid, ""));
  if (!record) return;
  const auto again = audit::encode_record(*record);
  if (!again) return;
  const auto reread = audit::parse_handed(audit::handed_line(point, *again));
  check(reread && reread->json == *again);
  const auto decoded = audit::decode_record(reread->json);
  check(decoded && json::encode(*decoded) == json::encode(*record));
}

// As a query's text: any bytes can be put on record.
void try_text(std::string_view text) {
  api::AuditRecord query;
  query.text = std::string(text);
  const auto kept = audit::encode_record(query);
  check(kept && kept->find('\n') == std::string::npos);
  const auto line = audit::parse_handed(audit::handed_line({"c-1", 1, {}}, *kept));
  check(line && line->json == *kept);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_sealed(text);
  try_line(text);
  try_text(text);
  return 0;
}

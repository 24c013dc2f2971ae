// Records come from nodes, and somebody may have taken one over: what makes a record has the facts of that record, and
// whatever has facts is text of which they are.
#include <cstdlib>

#include "api/record_facts.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto facts = api::facts_of(text);
  const auto record = json::decode<api::AuditRecord>(text, json::Unknown::kIgnore);
  if (!record) return 0;
  if (!facts) std::abort();
  const auto expected = api::facts_of(*record);
  const bool same = facts->kind == expected.kind && facts->session == expected.session &&
                    facts->sequence == expected.sequence && facts->time == expected.time &&
                    facts->trace == expected.trace && facts->account == expected.account &&
                    facts->email == expected.email && facts->resource == expected.resource &&
                    facts->reason == expected.reason && facts->begun == expected.begun;
  if (!same) std::abort();
  return 0;
}

// What a record is found by, read from its JSON in one pass without making the record: a control plane takes many
// thousands a second and keeps their text as it is.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/audit.h"
#include "base/clock.h"
#include "base/result.h"

namespace portolan::api {

// Members of AuditRecord; empty: it does not say.
struct RecordFacts {
  std::string kind;
  std::string session;
  std::uint64_t sequence = 0;
  WallTime time{};
  std::string trace;
  std::string account;
  std::string email;
  std::string device;
  std::string resource;
  std::string resource_name;
  std::string type;
  std::string client;
  std::optional<std::string> reason;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::optional<std::uint64_t> begun;
};

// Code::kInvalid for what is not JSON (UTF-8, at most 64 levels deep), lacks a member that a record must have, says one
// of these twice or as another type. All else in it is skipped.
Result<RecordFacts> facts_of(std::string_view json);
RecordFacts facts_of(const AuditRecord& record);

}  // namespace portolan::api

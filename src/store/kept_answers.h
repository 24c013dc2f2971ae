// Answers to requests that made something, kept for the case that the same request comes again because nobody has seen
// the first answer. Not part of the snapshot, no activity, no revision. Bounded: the oldest go.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace portolan::store {

class Database;

struct KeptAnswer {
  std::string key;      // unique
  std::string account;  // whose it is, for the bound
  std::string answer;   // sealed by who keeps it
  WallTime made{};
};

struct KeptLimits {
  std::chrono::milliseconds life = std::chrono::hours(24);
  std::size_t per_account = 1000;
  std::size_t in_all = 10'000;
};

// Inside a transaction, or alone. Internal to store/: others go by DirectoryStore and Change.
Result<std::optional<KeptAnswer>> find_kept_answer(Database& database, std::string_view key);
// In the place of one with the same key, and of the oldest beyond the limits.
Result<> keep_answer(Database& database, const KeptAnswer& answer, const KeptLimits& limits);
// What `answer` is sealed for.
std::string kept_answer_context(const std::string& key);
// All of them through `again`, which gets that and the answer, and gives the new one. Their number.
Result<std::size_t> reseal_kept_answers(
    Database& database,
    const std::function<Result<std::string>(const std::string& context, const std::string& sealed)>& again);
// Those made before.
Result<> drop_kept_answers(Database& database, WallTime before);

}  // namespace portolan::store

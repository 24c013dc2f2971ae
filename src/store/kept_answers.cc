#include "store/kept_answers.h"

#include <utility>
#include <vector>

#include "store/database.h"

namespace portolan::store {
namespace {

Cell time(WallTime at) { return static_cast<long long>(at.time_since_epoch().count()); }

// Standard SQL knows no OFFSET without an order and SQLite none without LIMIT.
constexpr std::string_view kBeyond = " ORDER BY made DESC LIMIT 1000000 OFFSET :kept)";

}  // namespace

Result<std::optional<KeptAnswer>> find_kept_answer(Database& database, std::string_view key) {
  std::optional<KeptAnswer> found;
  PL_CHECK(database.select("SELECT key, account, answer, made FROM kept_answers WHERE key = :key", {text(key)}, "ttti",
                           [&](Cells& row) {
                             found.emplace(text_in(row[0]), text_in(row[1]), text_in(row[2]),
                                           WallTime(std::chrono::milliseconds(integer_in(row[3]))));
                             return false;
                           }));
  return found;
}

Result<> keep_answer(Database& database, const KeptAnswer& answer, const KeptLimits& limits) {
  PL_CHECK(drop_kept_answers(database, answer.made - limits.life));
  PL_CHECK(database.run("DELETE FROM kept_answers WHERE key = :key", {text(answer.key)}));
  // Before it is there itself, so that it cannot be the one that goes.
  PL_CHECK(database.run("DELETE FROM kept_answers WHERE key IN (SELECT key FROM kept_answers WHERE account = :account" +
                            std::string(kBeyond),
                        {text(answer.account), integer(limits.per_account - 1)}));
  PL_CHECK(database.run("DELETE FROM kept_answers WHERE key IN (SELECT key FROM kept_answers" + std::string(kBeyond),
                        {integer(limits.in_all - 1)}));
  PL_CHECK(database.run("INSERT INTO kept_answers (key, account, answer, made) VALUES (:key, :account, :answer, :made)",
                        {text(answer.key), text(answer.account), text(answer.answer), time(answer.made)}));
  return {};
}

std::string kept_answer_context(const std::string& key) { return "kept-answer/" + key; }

Result<std::size_t> reseal_kept_answers(
    Database& database,
    const std::function<Result<std::string>(const std::string& context, const std::string& sealed)>& again) {
  std::vector<std::pair<std::string, std::string>> all;
  PL_CHECK(database.select("SELECT key, answer FROM kept_answers", {}, "tt", [&](Cells& row) {
    all.emplace_back(text_in(row[0]), text_in(row[1]));
    return true;
  }));
  for (const auto& [key, answer] : all) {
    PL_TRY(const auto resealed, again(kept_answer_context(key), answer));
    PL_CHECK(database.run("UPDATE kept_answers SET answer = :answer WHERE key = :key", {text(resealed), text(key)}));
  }
  return all.size();
}

Result<> drop_kept_answers(Database& database, WallTime before) {
  PL_CHECK(database.run("DELETE FROM kept_answers WHERE made < :before", {time(before)}));
  return {};
}

}  // namespace portolan::store

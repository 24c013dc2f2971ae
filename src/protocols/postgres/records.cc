// How a pending request and its outcome become a record, and what the outcome does to names.
#include <array>

#include <fmt/format.h>

#include "protocols/postgres/inspect.h"

namespace portolan::protocols::postgres {
namespace {

// One message may hold many statements: from the second on a long text is not kept again and again.
constexpr std::size_t kRepeatedText = 1024;

// Whether the text may hold a statement behind its first: a semicolon with more than spaces after it.
bool may_hold_several(const Text& text) {
  const std::string_view sql = text.kept;
  const auto semicolon = sql.find(';');
  if (semicolon == std::string_view::npos) return text.length > sql.size();
  return sql.find_first_not_of("; \t\r\n\f\v", semicolon) != std::string_view::npos || text.length > sql.size();
}

struct NamingTag {
  std::string_view tag;
  NamingStatement::Verb verb;
};
constexpr std::array<NamingTag, 4> kNamingTags = {{{"PREPARE", NamingStatement::Verb::kPrepare},
                                                   {"DEALLOCATE", NamingStatement::Verb::kDeallocate},
                                                   {"DECLARE CURSOR", NamingStatement::Verb::kDeclare},
                                                   {"CLOSE CURSOR", NamingStatement::Verb::kClose}}};

}  // namespace

// The statement has been run: what it has done to names.
Result<> Inspect::on_names(const Pending& of, std::string_view tag) {
  using Verb = NamingStatement::Verb;
  if (tag == "DISCARD ALL" || tag == "DEALLOCATE ALL") statements_.clear_named();
  if (tag == "DISCARD ALL" || tag == "CLOSE CURSOR ALL") portals_.clear();
  const auto* naming = std::ranges::find(kNamingTags, tag, &NamingTag::tag);
  if (naming == kNamingTags.end()) return {};
  const bool of_statement = naming->verb == Verb::kPrepare || naming->verb == Verb::kDeallocate;
  const Meaning meaning = meaning_of(of);
  const auto parsed = of.outcomes == 1 ? parse_naming_statement(meaning.text->kept) : std::nullopt;
  if (!parsed || parsed->verb != naming->verb) {
    of_statement ? statements_.clear_named() : portals_.clear();  // any of them may be another one now
    return {};
  }
  Names& names = of_statement ? statements_ : portals_;
  if (parsed->verb == Verb::kPrepare || parsed->verb == Verb::kDeclare)
    return names.put(parsed->name, {meaning.text, nullptr, parsed->with_hold});
  names.erase(parsed->name);
  return {};
}

Meaning Inspect::meaning_of(const Pending& pending) const {
  if (pending.text) return {pending.text, pending.parameters};
  if (pending.kind == Asked::kSync)
    return {std::make_shared<const Text>(Text{"(commit at the end of an implicit transaction)"})};
  const bool portal = pending.kind != Asked::kBind && pending.of_portal;
  const std::string& name = pending.kind == Asked::kBind ? pending.from : pending.name;
  Meaning meaning;
  if (const Meaning* known = (portal ? portals_ : statements_).find(name)) {
    meaning = *known;
  } else {
    meaning.text = std::make_shared<const Text>(
        Text{fmt::format("({} {}, made by SQL)", portal ? "cursor" : "prepared statement", quoted(name))});
  }
  if (pending.kind == Asked::kBind) meaning.parameters = pending.parameters;
  return meaning;
}

// All but the outcome.
audit::Query Inspect::query_of(const Pending& pending) const {
  const Meaning meaning = meaning_of(pending);
  const Text& text = *meaning.text;
  audit::Query query;
  query.text = to_utf8(text.kept, audit::kTextLimit);
  if (text.sha256 || query.text != text.kept) {
    query.text_sha256 = text.sha256 ? *text.sha256 : hex(crypto::sha256(as_bytes(text.kept)));
    query.text_length = text.length;
  }
  query.started = pending.started;
  query.duration = std::chrono::duration_cast<std::chrono::microseconds>(clock_.boot() - pending.since);
  if (pending.outcomes > 0 && pending.kind == Asked::kQuery) query.statement = pending.outcomes + 1;
  if (meaning.parameters) query.parameters = *meaning.parameters;
  return query;
}

Result<> Inspect::note_under_way() {
  Pending* at = front();
  const bool part = answered_ || !at_server_boundary();
  if (at == nullptr || at->noted || at->settled || !part) return {};
  if (at->kind != Asked::kQuery && at->kind != Asked::kExecute && at->kind != Asked::kFunction) return {};
  at->noted = true;
  audit::Query query = query_of(*at);
  query.stage = audit::Query::Stage::kUnderWay;
  return sink_(std::move(query));
}

Result<> Inspect::record(Pending& pending, Outcome outcome) {
  if (pending.kind == Asked::kQuery && pending.outcomes > 0 && pending.text->kept.size() > kRepeatedText)
    pending.text = std::make_shared<const Text>(pending.text->shortened(kRepeatedText));
  audit::Query query = query_of(pending);
  ++pending.outcomes;
  query.rows = outcome.rows;
  query.copied_bytes = copied_;
  query.tag = std::move(outcome.tag);
  query.error_code = std::move(outcome.error_code);
  query.error = std::move(outcome.error);
  if (pending.kind == Asked::kQuery) {  // the next statement begins with this end
    pending.started = clock_.wall();
    pending.since = clock_.boot();
  }
  return sink_(std::move(query));
}

Result<> Inspect::connection_lost() {
  Result<> first;
  for (; !pending_.empty(); pending_.pop_front()) {
    Pending& at = pending_.front();
    if (at.kind == Asked::kParse || at.kind == Asked::kBind) {
      // As if the server had confirmed them: what was sent behind them may have run.
      const auto put =
          at.kind == Asked::kParse ? statements_.put(at.name, {at.text}) : portals_.put(at.name, meaning_of(at));
      if (!put && first) first = put;
    }
    if ((at.kind != Asked::kQuery && at.kind != Asked::kExecute && at.kind != Asked::kFunction) || at.settled) continue;
    if (at.outcomes == 1 && !may_hold_several(*at.text)) continue;  // all of it is on record
    const auto kept = record(at, {.rows = rows_seen(), .error = "connection lost"});
    forget_answer();
    if (!kept && first) first = kept;
  }
  return first;
}

}  // namespace portolan::protocols::postgres

#include "store/audit_append.h"

#include <algorithm>

#include "store/rows.h"

namespace portolan::store {
namespace {

constexpr std::chrono::milliseconds kHeadsApart = std::chrono::minutes(1);

// Nobody has told its end: it was only found to be gone.
bool is_lost(const SessionRow& row) { return row.ended && row.reason && row.reason->starts_with(kLost); }

}  // namespace

Result<api::AuditAcknowledged> Appending::run(const std::vector<AuditEntry>& entries) {
  PL_TRY(auto state, database_.select_one("SELECT number FROM state", {}, "i"));
  number_ = static_cast<std::uint64_t>(integer_in(state[0]));
  api::AuditAcknowledged acknowledged;
  for (const auto& entry : entries) {
    PL_TRY(Touched* const touched, find(entry.facts));
    PL_TRY(const bool added, insert(entry, touched->row.id));
    if (!added) {
      ++acknowledged.known;
      continue;
    }
    ++acknowledged.stored;
    apply(entry.facts, *touched);
  }
  for (auto& [session, touched] : sessions_) PL_CHECK(write(touched));
  if (acknowledged.stored > 0) PL_CHECK(database_.run("UPDATE state SET number = :number", {integer(number_)}));
  return acknowledged;
}

// Mostly only queries have come: then the indexes by all the rest are left alone.
Result<> Appending::write(const Touched& touched) {
  const SessionRow& row = touched.row;
  if (touched.renamed) PL_CHECK(renumber_queries(row.id));
  if (!touched.stored) {
    PL_CHECK(database_.run(insert_into<SessionRow>("sessions"), to_cells(row)));
  } else if (touched.changed) {
    Cells cells = to_cells(row);
    cells.push_back(integer(row.id));
    PL_CHECK(database_.run(update<SessionRow>("sessions", "id = :old_id"), cells));
  } else if (touched.queries != row.queries) {
    PL_CHECK(database_.run("UPDATE sessions SET queries = :queries WHERE id = :id",
                           {integer(row.queries), integer(row.id)}));
  }
  return {};
}

// False when the record is there already.
Result<bool> Appending::insert(const AuditEntry& entry, std::uint64_t owner) {
  const api::RecordFacts& record = entry.facts;
  PL_TRY(const std::uint64_t chain, chain_number(entry.chain));
  PL_TRY(const auto rows,
         database_.run(
             "INSERT INTO records (number, owner, sequence, kind, time, record, chain, place, hash) VALUES"
             " (:number, :owner, :sequence, :kind, :time, :record, :chain, :place, :hash)"
             " ON CONFLICT (owner, sequence) DO NOTHING",
             {integer(number_ + 1), integer(owner), integer(record.sequence), text(record.kind), to_cell(record.time),
              text(entry.record), integer(chain), integer(entry.number), text(entry.hash)}));
  if (rows == 0) return false;
  ++number_;
  // Only what is listed itself takes the place of another.
  if (record.begun && record.kind == "query") PL_CHECK(begun_is_over(record, owner));
  return true;
}

// The query is listed by its outcome from now on.
Result<> Appending::begun_is_over(const api::RecordFacts& query, std::uint64_t owner) {
  PL_CHECK(
      database_.run("UPDATE records SET kind = 'query.over' WHERE owner = :owner AND sequence = :sequence AND"
                    " kind = 'query.begun'",
                    {integer(owner), integer(*query.begun)}));
  return {};
}

Result<std::uint64_t> Appending::chain_number(const std::string& chain) {
  if (chain.empty()) return 0;
  if (const auto found = chains_.find(chain); found != chains_.end()) return found->second;
  PL_CHECK(
      database_.run("INSERT INTO chains (number, node, chain) SELECT COALESCE(MAX(number), 0) + 1, :node, :chain"
                    " FROM chains WHERE true ON CONFLICT (node, chain) DO NOTHING",
                    {text(node_), text(chain)}));
  PL_TRY(const auto row, database_.select_one("SELECT number FROM chains WHERE node = :node AND chain = :chain",
                                              {text(node_), text(chain)}, "i"));
  return chains_.emplace(chain, static_cast<std::uint64_t>(integer_in(row[0]))).first->second;
}

// Of those that come within a minute the last is kept: it says all that the ones before say.
Result<> Appending::add_head(const api::ChainHead& head) {
  PL_CHECK(chain_number(head.chain));
  std::vector<HeadRow> newest;
  PL_CHECK(database_.select("SELECT " + column_list<HeadRow>() +
                                " FROM heads WHERE node = :node AND chain = :chain ORDER BY place DESC LIMIT 2",
                            {text(node_), text(head.chain)}, column_letters<HeadRow>(), [&](Cells& cells) {
                              if (auto row = from_cells<HeadRow>(cells)) newest.push_back(std::move(*row));
                              return true;
                            }));
  if (newest.size() == 2 && newest[0].place < head.number && newest[0].time - newest[1].time < kHeadsApart &&
      newest[1].time <= newest[0].time)
    PL_CHECK(
        database_.run("DELETE FROM heads WHERE node = :node AND chain = :chain AND place = :place AND hash = :hash",
                      {text(node_), text(head.chain), integer(newest[0].place), text(newest[0].hash)}));
  const HeadRow row{node_, head.chain, head.number, head.hash, head.version, head.time, head.signature};
  PL_CHECK(database_.run(insert_into<HeadRow>("heads") + " ON CONFLICT (node, chain, place, hash) DO NOTHING",
                         to_cells(row)));
  return {};
}

Result<Appending::Touched*> Appending::find(const api::RecordFacts& record) {
  if (const auto it = sessions_.find(record.session); it != sessions_.end()) return &it->second;
  Touched touched;
  auto row = database_.select_one(
      "SELECT " + column_list<SessionRow>() + " FROM sessions WHERE node = :node AND session = :session",
      {text(node_), text(record.session)}, column_letters<SessionRow>());
  if (row) {
    PL_TRY(touched.row, from_cells<SessionRow>(*row));
    touched.stored = true;
    touched.queries = touched.row.queries;
  } else if (row.error().code == Code::kNotFound) {
    touched.row.id = touched.row.number = ++number_;
    touched.row.node = node_;
    touched.row.session = record.session;
    touched.row.started = record.time;
  } else {
    return std::unexpected(std::move(row).error());
  }
  return &sessions_.emplace(record.session, std::move(touched)).first->second;
}

void Appending::apply(const api::RecordFacts& record, Touched& touched) {
  SessionRow& row = touched.row;
  // A session begins once, and ends once: what is on record of it is not written anew by a node that has been stolen
  // meanwhile.
  const bool start = record.kind == "session.started" && !row.start_known;
  // The start is what counts; other records only fill gaps.
  const auto take = [&](std::string& member, const std::string& value) {
    if (value.empty() || !(start || member.empty()) || member == value) return false;
    member = value;
    touched.changed = true;
    return true;
  };
  // What queries are found by.
  for (const bool taken : {take(row.account, record.account), take(row.email, record.email),
                           take(row.resource, record.resource), take(row.resource_name, record.resource_name)})
    touched.renamed = touched.renamed || (taken && row.queries > 0);
  take(row.device, record.device);
  take(row.type, record.type);
  take(row.client, record.client);
  if (start || row.trace.empty()) take(row.trace, record.trace);
  if (record.kind == "query") ++row.queries;
  if (start) {
    row.start_known = true;
    row.started = record.time;
    row.number = ++number_;
    touched.changed = true;
  } else if (!row.start_known && record.time < row.started) {
    row.started = record.time;
    touched.changed = true;
  }
  if (record.kind != "session.ended" && is_lost(row) && *row.ended < record.time) {
    row.ended = record.time;
    touched.changed = true;
  }
  if (record.kind == "session.ended" && (!row.ended || is_lost(row))) {
    row.ended = record.time;
    row.reason = record.reason;
    row.bytes_in = record.bytes_in;
    row.bytes_out = record.bytes_out;
    row.number = ++number_;
    touched.changed = true;
  }
}

Result<std::size_t> Appending::end_lost(const std::vector<std::uint64_t>& sessions, std::string_view why) {
  PL_TRY(auto state, database_.select_one("SELECT number FROM state", {}, "i"));
  number_ = static_cast<std::uint64_t>(integer_in(state[0]));
  std::size_t count = 0;
  for (const auto id : sessions) {
    PL_TRY(
        const auto rows,
        database_.run("UPDATE sessions SET number = :number, reason = :reason, ended = MAX(started, COALESCE((SELECT"
                      " MAX(r.time) FROM records r WHERE r.owner = sessions.id), 0)) WHERE id = :id AND ended IS NULL",
                      {integer(number_ + 1), text(std::string(kLost) + std::string(why)), integer(id)}));
    if (rows == 0) continue;
    ++number_;
    ++count;
  }
  PL_CHECK(database_.run("UPDATE state SET number = :number", {integer(number_)}));
  return count;
}

// A follower by account has passed these without seeing them.
Result<> Appending::renumber_queries(std::uint64_t owner) {
  std::vector<std::uint64_t> numbers;
  PL_CHECK(
      database_.select("SELECT number FROM records WHERE owner = :owner AND kind IN ('query', 'query.begun')"
                       " ORDER BY number",
                       {integer(owner)}, "i", [&](Cells& row) {
                         numbers.push_back(static_cast<std::uint64_t>(integer_in(row[0])));
                         return true;
                       }));
  for (const auto number : numbers)
    PL_CHECK(
        database_.run("UPDATE records SET number = :new WHERE number = :old", {integer(++number_), integer(number)}));
  return {};
}

}  // namespace portolan::store

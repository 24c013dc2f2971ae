#include "store/audit_append.h"

#include <algorithm>
#include <tuple>

#include "base/json.h"
#include "store/rows.h"

namespace portolan::store {
namespace {

constexpr std::chrono::milliseconds kHeadsApart = std::chrono::minutes(1);

}  // namespace

Result<api::AuditAcknowledged> Appending::run(const std::vector<AuditEntry>& entries) {
  PL_TRY(auto state, database_.select_one("SELECT number FROM state", {}, "i"));
  number_ = static_cast<std::uint64_t>(integer_in(state[0]));
  api::AuditAcknowledged acknowledged;
  for (const auto& entry : entries) {
    const api::AuditRecord& record = entry.record;
    PL_TRY(const bool added, insert(entry));
    if (!added) {
      ++acknowledged.known;
      continue;
    }
    ++acknowledged.stored;
    PL_TRY(Touched* const touched, find(record));
    apply(record, *touched);
  }
  for (auto& [session, touched] : sessions_) {
    if (touched.renamed) PL_CHECK(renumber_queries(session));
    Cells cells = to_cells(touched.row);
    std::string sql = insert_into<SessionRow>("sessions");
    if (touched.stored) {
      sql = update<SessionRow>("sessions", "node = :old_node AND session = :old_session");
      cells.push_back(text(node_));
      cells.push_back(text(session));
    }
    PL_CHECK(database_.run(sql, cells));
  }
  if (acknowledged.stored > 0) PL_CHECK(database_.run("UPDATE state SET number = :number", {integer(number_)}));
  return acknowledged;
}

// False when the record is there already.
Result<bool> Appending::insert(const AuditEntry& entry) {
  const api::AuditRecord& record = entry.record;
  RecordRow row{.number = number_ + 1,
                .node = node_,
                .session = record.session,
                .sequence = record.sequence,
                .kind = record.kind,
                .time = record.time,
                .record = entry.chained.record,
                .chain = entry.chain,
                .place = entry.chained.number,
                .hash = entry.chained.hash};
  if (row.record.empty()) row.record = json::encode(record);
  PL_TRY(const auto rows,
         database_.run(insert_into<RecordRow>("records") + " ON CONFLICT (node, session, sequence) DO NOTHING",
                       to_cells(row)));
  if (rows == 0) return false;
  ++number_;
  if (record.begun) PL_CHECK(begun_is_over(record));
  return true;
}

// The query is listed by its outcome from now on.
Result<> Appending::begun_is_over(const api::AuditRecord& query) {
  PL_CHECK(
      database_.run("UPDATE records SET kind = 'query.over' WHERE node = :node AND session = :session AND"
                    " sequence = :sequence AND kind = 'query.begun'",
                    {text(node_), text(query.session), integer(*query.begun)}));
  return {};
}

Result<> Appending::add_chain(const std::string& chain) {
  PL_CHECK(
      database_.run("INSERT INTO chains (number, node, chain) SELECT COALESCE(MAX(number), 0) + 1, :node, :chain"
                    " FROM chains WHERE true ON CONFLICT (node, chain) DO NOTHING",
                    {text(node_), text(chain)}));
  return {};
}

// Of those that come within a minute the last is kept: it says all that the ones before say.
Result<> Appending::add_head(const api::ChainHead& head) {
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

Result<Appending::Touched*> Appending::find(const api::AuditRecord& record) {
  if (const auto it = sessions_.find(record.session); it != sessions_.end()) return &it->second;
  Touched touched;
  auto row = database_.select_one(
      "SELECT " + column_list<SessionRow>() + " FROM sessions WHERE node = :node AND session = :session",
      {text(node_), text(record.session)}, column_letters<SessionRow>());
  if (row) {
    PL_TRY(touched.row, from_cells<SessionRow>(*row));
    touched.stored = true;
  } else if (row.error().code == Code::kNotFound) {
    touched.row.number = ++number_;
    touched.row.node = node_;
    touched.row.session = record.session;
    touched.row.started = record.time;
  } else {
    return std::unexpected(std::move(row).error());
  }
  return &sessions_.emplace(record.session, std::move(touched)).first->second;
}

void Appending::apply(const api::AuditRecord& record, Touched& touched) {
  SessionRow& row = touched.row;
  const bool start = record.kind == "session.started";
  const auto identity = [&] { return std::tie(row.account, row.email, row.resource, row.resource_name); };
  const std::tuple<std::string, std::string, std::string, std::string> before = identity();
  // The start is what counts; other records only fill gaps.
  const auto take = [&](std::string& member, const std::optional<std::string>& value) {
    if (value && (start || member.empty())) member = *value;
  };
  take(row.account, record.account);
  take(row.email, record.email);
  take(row.device, record.device);
  take(row.resource, record.resource);
  take(row.resource_name, record.resource_name);
  take(row.type, record.type);
  take(row.client, record.client);
  if (start || row.trace.empty()) row.trace = record.trace;
  if (row.queries > 0 && identity() != before) touched.renamed = true;
  if (record.kind == "query") ++row.queries;
  if (start) {
    row.start_known = true;
    row.started = record.time;
    row.number = ++number_;
  } else if (!row.start_known) {
    row.started = std::min(row.started, record.time);
  }
  if (record.kind == "session.ended") {
    row.ended = record.time;
    row.reason = record.reason;
    row.bytes_in = record.bytes_in.value_or(0);
    row.bytes_out = record.bytes_out.value_or(0);
    row.number = ++number_;
  }
}

// A follower by account has passed these without seeing them.
Result<> Appending::renumber_queries(const std::string& session) {
  std::vector<std::uint64_t> numbers;
  PL_CHECK(
      database_.select("SELECT number FROM records WHERE node = :node AND session = :session AND kind IN ('query', "
                       "'query.begun') ORDER BY number",
                       {text(node_), text(session)}, "i", [&](Cells& row) {
                         numbers.push_back(static_cast<std::uint64_t>(integer_in(row[0])));
                         return true;
                       }));
  for (const auto number : numbers)
    PL_CHECK(
        database_.run("UPDATE records SET number = :new WHERE number = :old", {integer(++number_), integer(number)}));
  return {};
}

}  // namespace portolan::store

#include "store/audit_store.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <tuple>

#include "base/json.h"
#include "store/database.h"
#include "store/migrations/audit_001_initial.h"
#include "store/rows.h"

namespace portolan::store {
namespace {

constexpr Migration kMigrations[] = {{1, "audit: initial", migrations::kAudit001}};
// A query's text may be long; a page of them must still fit into memory.
constexpr std::size_t kMostRecordBytes = 16 * 1024 * 1024;

// A row of the table `sessions`.
struct SessionRow {
  std::uint64_t number = 0;
  std::string node;
  std::string session;
  bool start_known = false;
  std::string account;
  std::string email;
  std::string device;
  std::string resource;
  std::string resource_name;
  std::string type;
  std::string client;
  std::string trace;
  WallTime started{};  // of the first record, until the start is known
  std::optional<WallTime> ended;
  std::optional<std::string> reason;
  std::uint64_t queries = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};
BOOST_DESCRIBE_STRUCT(SessionRow, (),
                      (number, node, session, start_known, account, email, device, resource, resource_name, type,
                       client, trace, started, ended, reason, queries, bytes_in, bytes_out))

// A row of the table `records`.
struct RecordRow {
  std::uint64_t number = 0;
  std::string node;
  std::string session;
  std::uint64_t sequence = 0;
  std::string kind;
  WallTime time{};
  std::string record;
};
BOOST_DESCRIBE_STRUCT(RecordRow, (), (number, node, session, sequence, kind, time, record))

api::SessionEntry to_entry(SessionRow row) {
  return {.session = std::move(row.session),
          .account = std::move(row.account),
          .email = std::move(row.email),
          .resource = std::move(row.resource),
          .resource_name = std::move(row.resource_name),
          .type = std::move(row.type),
          .node = std::move(row.node),
          .client = std::move(row.client),
          .trace = std::move(row.trace),
          .started = row.started,
          .ended = row.ended,
          .reason = std::move(row.reason),
          .queries = row.queries,
          .bytes_in = row.bytes_in,
          .bytes_out = row.bytes_out};
}

// One transaction of append(): the sessions it touches are read once and written once.
class Appending {
 public:
  Appending(Database& database, std::string_view node) : database_(database), node_(node) {}
  Result<api::AuditAcknowledged> run(const std::vector<api::AuditRecord>& records);

 private:
  struct Touched {
    SessionRow row;
    bool stored = false;   // has a row in the table
    bool renamed = false;  // a late start changed what its queries are found by
  };
  Result<bool> insert(const api::AuditRecord& record);
  Result<Touched*> find(const api::AuditRecord& record);
  void apply(const api::AuditRecord& record, Touched& touched);
  Result<> renumber_queries(const std::string& session);

  Database& database_;
  std::string node_;
  std::uint64_t number_ = 0;  // the last one given
  std::map<std::string, Touched> sessions_;
};

Result<api::AuditAcknowledged> Appending::run(const std::vector<api::AuditRecord>& records) {
  PL_TRY(auto state, database_.select_one("SELECT number FROM state", {}, "i"));
  number_ = static_cast<std::uint64_t>(integer_in(state[0]));
  api::AuditAcknowledged acknowledged;
  for (const auto& record : records) {
    PL_TRY(const bool added, insert(record));
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
Result<bool> Appending::insert(const api::AuditRecord& record) {
  api::AuditRecord kept = record;
  kept.node = node_;
  const RecordRow row{.number = number_ + 1,
                      .node = node_,
                      .session = record.session,
                      .sequence = record.sequence,
                      .kind = record.kind,
                      .time = record.time,
                      .record = json::encode(kept)};
  PL_TRY(const auto rows,
         database_.run(insert_into<RecordRow>("records") + " ON CONFLICT (node, session, sequence) DO NOTHING",
                       to_cells(row)));
  if (rows == 0) return false;
  ++number_;
  return true;
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
  PL_CHECK(database_.select(
      "SELECT number FROM records WHERE node = :node AND session = :session AND kind = 'query' ORDER BY number",
      {text(node_), text(session)}, "i", [&](Cells& row) {
        numbers.push_back(static_cast<std::uint64_t>(integer_in(row[0])));
        return true;
      }));
  for (const auto number : numbers)
    PL_CHECK(
        database_.run("UPDATE records SET number = :new WHERE number = :old", {integer(++number_), integer(number)}));
  return {};
}

// The conditions of a list, built from fixed texts; values are bound.
class Conditions {
 public:
  Conditions(const AuditFilter& filter, const Part& part, const std::string& numbered, const std::string& timed) {
    add(numbered + " > :after", {integer(part.after.value_or(0))});
    if (!filter.account.empty())
      add("(s.account = :account OR s.email = :email)", {text(filter.account), text(filter.account)});
    if (!filter.resource.empty())
      add("(s.resource = :resource OR s.resource_name = :resource_name)",
          {text(filter.resource), text(filter.resource)});
    if (!filter.session.empty()) add("s.session = :session", {text(filter.session)});
    if (filter.live) add("s.ended IS NULL", {});
    if (filter.from) add(timed + " >= :from_time", {to_cell(*filter.from)});
    if (filter.to) add(timed + " < :to_time", {to_cell(*filter.to)});
    limit_ = std::min(part.limit, kMostEntries);
    tail_ = " ORDER BY " + numbered + (part.after ? " ASC" : " DESC") + " LIMIT :row_limit";
  }
  std::string sql() const { return " WHERE " + sql_ + tail_; }
  Cells values() const {
    Cells values = values_;
    values.push_back(integer(limit_ + 1));  // one more tells whether there is more
    return values;
  }
  std::size_t limit() const { return limit_; }

 private:
  void add(const std::string& condition, Cells values) {
    sql_ += (sql_.empty() ? "" : " AND ") + condition;
    std::ranges::move(values, std::back_inserter(values_));
  }
  std::string sql_;
  std::string tail_;
  Cells values_;
  std::size_t limit_ = 0;
};

// The record as it is shown. One that cannot be read must not hide the others.
api::AuditRecord to_record(Cells& row) {
  const std::string encoded = text_in(row[1]);
  auto decoded = json::decode<api::AuditRecord>(encoded, json::Unknown::kIgnore);
  api::AuditRecord record;
  if (decoded) {
    record = std::move(*decoded);
  } else {
    record.kind = "query";
    record.session = text_in(row[2]);
    record.sequence = static_cast<std::uint64_t>(integer_in(row[3]));
    record.time = WallTime(std::chrono::milliseconds(integer_in(row[4])));
    record.error = "the stored record cannot be read: " + decoded.error().message;
  }
  std::size_t i = 5;
  for (auto* member : {&record.account, &record.email, &record.device, &record.resource, &record.resource_name,
                       &record.type, &record.client}) {
    std::string known = text_in(row[i++]);
    if (!*member && !known.empty()) *member = std::move(known);
  }
  if (record.trace.empty()) record.trace = text_in(row[i]);
  return record;
}

}  // namespace

struct AuditStore::Impl {
  std::mutex writing;
  std::unique_ptr<Database> writer;
  std::mutex reading;
  std::unique_ptr<Database> reader;

  // Runs the SELECT of a list and makes an item of each row, whose first column is its number.
  template <class T>
  Result<Listed<T>> list(const std::string& sql, const Conditions& conditions, const Part& part,
                         std::string_view columns, const std::function<Result<T>(Cells&)>& make);
};

AuditStore::AuditStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AuditStore::~AuditStore() = default;

Result<std::unique_ptr<AuditStore>> AuditStore::open(const std::filesystem::path& path, StoreOptions options) {
  auto impl = std::make_unique<Impl>();
  PL_TRY(impl->writer, Database::open(path, "audit database", kMigrations, options.busy_timeout));
  PL_TRY(impl->reader, Database::open(path, "audit database", kMigrations, options.busy_timeout));
  return std::unique_ptr<AuditStore>(new AuditStore(std::move(impl)));
}

Result<api::AuditAcknowledged> AuditStore::append(std::string_view node, const std::vector<api::AuditRecord>& records) {
  const std::lock_guard lock(impl_->writing);
  api::AuditAcknowledged acknowledged;
  PL_CHECK(impl_->writer->transaction(Database::Access::kWrite, [&]() -> Result<> {
    PL_TRY(acknowledged, Appending(*impl_->writer, node).run(records));
    return {};
  }));
  return acknowledged;
}

template <class T>
Result<Listed<T>> AuditStore::Impl::list(const std::string& sql, const Conditions& conditions, const Part& part,
                                         std::string_view columns, const std::function<Result<T>(Cells&)>& make) {
  const std::lock_guard lock(reading);
  Listed<T> listed;
  // One view of the file for the list and for the number that everything in it is below.
  PL_CHECK(reader->transaction(Database::Access::kRead, [&]() -> Result<> {
    PL_TRY(auto state, reader->select_one("SELECT number FROM state", {}, "i"));
    listed.cursor = static_cast<std::uint64_t>(integer_in(state[0]));
    std::uint64_t last = 0;
    std::size_t bytes = 0;
    Result<> result;
    PL_CHECK(reader->select(sql + conditions.sql(), conditions.values(), columns, [&](Cells& row) {
      if (listed.items.size() == conditions.limit() || bytes > kMostRecordBytes) {
        listed.more = true;
        return false;
      }
      last = static_cast<std::uint64_t>(integer_in(row[0]));
      for (const auto& cell : row)
        if (const auto* string = std::get_if<std::string>(&cell)) bytes += string->size();
      auto item = make(row);
      if (!item) {
        result = std::unexpected(std::move(item).error());
        return false;
      }
      listed.items.push_back(std::move(*item));
      return true;
    }));
    PL_CHECK(result);
    if (!part.after) std::ranges::reverse(listed.items);
    if (part.after && listed.more) listed.cursor = last;
    return {};
  }));
  return listed;
}

Result<Listed<api::SessionEntry>> AuditStore::sessions(const AuditFilter& filter, Part part) {
  const Conditions conditions(filter, part, "s.number", "s.started");
  return impl_->list<api::SessionEntry>("SELECT " + column_list<SessionRow>() + " FROM sessions s", conditions, part,
                                        column_letters<SessionRow>(), [](Cells& row) -> Result<api::SessionEntry> {
                                          PL_TRY(auto found, from_cells<SessionRow>(row));
                                          return to_entry(std::move(found));
                                        });
}

Result<Listed<api::AuditRecord>> AuditStore::queries(const AuditFilter& filter, Part part) {
  const Conditions conditions(filter, part, "r.number", "r.time");
  return impl_->list<api::AuditRecord>(
      "SELECT r.number, r.record, r.session, r.sequence, r.time, s.account, s.email, s.device, s.resource, "
      "s.resource_name, s.type,"
      " s.client, s.trace FROM (SELECT * FROM records WHERE kind = 'query') r"
      " JOIN sessions s ON s.node = r.node AND s.session = r.session",
      conditions, part, "ittiitttttttt", [](Cells& row) -> Result<api::AuditRecord> { return to_record(row); });
}

}  // namespace portolan::store

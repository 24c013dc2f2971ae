#include "store/audit_store.h"

#include <algorithm>
#include <iterator>
#include <mutex>

#include "base/json.h"
#include "store/audit_append.h"
#include "store/audit_rows.h"
#include "store/database.h"
#include "store/migrations/audit_001_initial.h"
#include "store/migrations/audit_002_chains.h"
#include "store/migrations/audit_003_numbers.h"
#include "store/rows.h"

namespace portolan::store {
namespace {

constexpr Migration kMigrations[] = {{1, "audit: initial", migrations::kAudit001},
                                     {2, "audit: chains", migrations::kAudit002},
                                     {3, "audit: numbers", migrations::kAudit003}};
// A query's text may be long; a page of them must still fit into memory.
constexpr std::size_t kMostRecordBytes = 16 * 1024 * 1024;
constexpr std::size_t kMostChainBytes = 2 * 1024 * 1024;  // of one page: clients take 8 MiB, and JSON in JSON grows

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
    // Last, since it reads each record that the others leave. One that is no JSON must not hide the others.
    if (!filter.words.empty())
      add("instr(lower(json_extract(CASE WHEN json_valid(r.record) THEN r.record ELSE '{}' END, '$.text')),"
          " lower(:words)) > 0",
          {text(filter.words)});
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
  record.node = text_in(row[5]);  // who sent it, whatever it says
  std::size_t i = 6;
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
  std::vector<AuditEntry> entries;
  for (const auto& record : records) entries.push_back({api::facts_of(record), json::encode(record)});
  return append(node, entries, {});
}

Result<api::AuditAcknowledged> AuditStore::append(std::string_view node, const std::vector<AuditEntry>& entries,
                                                  const std::vector<api::ChainHead>& heads) {
  const std::lock_guard lock(impl_->writing);
  api::AuditAcknowledged acknowledged;
  PL_CHECK(impl_->writer->transaction(Database::Access::kWrite, [&]() -> Result<> {
    Appending appending(*impl_->writer, node);
    PL_TRY(acknowledged, appending.run(entries));
    for (const auto& head : heads) PL_CHECK(appending.add_head(head));
    return {};
  }));
  return acknowledged;
}

Result<std::size_t> AuditStore::end_lost(std::string_view node, WallTime before, const std::set<std::string>& live,
                                         std::string_view why) {
  std::vector<std::uint64_t> lost;
  {
    const std::lock_guard lock(impl_->reading);
    PL_CHECK(impl_->reader->select(
        "SELECT id, session FROM sessions WHERE node = :node AND ended IS NULL AND started < :before",
        {text(node), to_cell(before)}, "it", [&](Cells& row) {
          if (!live.contains(text_in(row[1]))) lost.push_back(static_cast<std::uint64_t>(integer_in(row[0])));
          return true;
        }));
  }
  std::size_t count = 0;
  if (lost.empty()) return count;
  const std::lock_guard lock(impl_->writing);
  PL_CHECK(impl_->writer->transaction(Database::Access::kWrite, [&]() -> Result<> {
    Appending appending(*impl_->writer, node);
    PL_TRY(count, appending.end_lost(lost, why));
    return {};
  }));
  return count;
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
      "SELECT r.number, r.record, s.session, r.sequence, r.time, s.node, s.account, s.email, s.device, s.resource, "
      "s.resource_name, s.type,"
      " s.client, s.trace FROM (SELECT * FROM records WHERE kind IN ('query', 'query.begun')) r"
      " JOIN sessions s ON s.id = r.owner",
      conditions, part, "ittiittttttttt", [](Cells& row) -> Result<api::AuditRecord> { return to_record(row); });
}

Result<std::vector<api::ChainView>> AuditStore::chains() {
  const std::lock_guard lock(impl_->reading);
  std::vector<api::ChainView> out;
  const auto add = [&](Cells& row) {
    api::ChainView view;
    view.node = text_in(row[0]);
    view.chain = text_in(row[1]);
    view.first = static_cast<std::uint64_t>(integer_in(row[2]));
    view.last = static_cast<std::uint64_t>(integer_in(row[3]));
    view.records = static_cast<std::uint64_t>(integer_in(row[4]));
    out.push_back(std::move(view));
    return true;
  };
  PL_CHECK(impl_->reader->select(
      "SELECT s.node, '', 0, 0, COUNT(*) FROM records r JOIN sessions s ON s.id = r.owner WHERE r.chain = 0"
      " GROUP BY s.node",
      {}, "ttiii", add));
  PL_CHECK(
      impl_->reader->select("SELECT c.node, c.chain, MIN(r.place), MAX(r.place), COUNT(r.place) FROM chains c"
                            " LEFT JOIN records r ON r.chain = c.number"
                            " GROUP BY c.number, c.node, c.chain ORDER BY c.number",
                            {}, "ttiii", add));
  return out;
}

Result<Listed<api::ChainedRecord>> AuditStore::chain(const std::string& node, const std::string& chain,
                                                     std::uint64_t after, std::size_t limit) {
  const std::lock_guard lock(impl_->reading);
  Listed<api::ChainedRecord> listed;
  listed.cursor = after;
  std::size_t bytes = 0;
  PL_CHECK(impl_->reader->select(
      "SELECT place, hash, record FROM records WHERE chain = (SELECT number FROM chains WHERE node = :node AND chain"
      " = :chain) AND place > :after"
      " ORDER BY place, number LIMIT :row_limit",
      {text(node), text(chain), integer(after), integer(limit + 1)}, "itt", [&](Cells& row) {
        const auto place = static_cast<std::uint64_t>(integer_in(row[0]));
        // All of one place in one part: a second record of that place would be passed over else.
        listed.more = (listed.items.size() >= limit || bytes > kMostChainBytes) && place != listed.cursor;
        if (listed.more) return false;
        listed.cursor = place;
        listed.items.push_back({place, text_in(row[1]), text_in(row[2])});
        bytes += listed.items.back().record.size();
        return true;
      }));
  return listed;
}

Result<Listed<api::ChainHead>> AuditStore::heads(const std::string& node, const std::string& chain, std::uint64_t after,
                                                 std::size_t limit) {
  const std::lock_guard lock(impl_->reading);
  Listed<api::ChainHead> listed;
  listed.cursor = after;
  Result<> result;
  PL_CHECK(impl_->reader->select(
      "SELECT " + column_list<HeadRow>() +
          " FROM heads WHERE node = :node AND chain = :chain AND place > :after ORDER BY place LIMIT :row_limit",
      {text(node), text(chain), integer(after), integer(limit + 1)}, column_letters<HeadRow>(), [&](Cells& cells) {
        auto row = from_cells<HeadRow>(cells);
        if (!row) {
          result = std::unexpected(std::move(row).error());
          return false;
        }
        listed.more = listed.items.size() >= limit && row->place != listed.cursor;
        if (listed.more) return false;
        listed.cursor = row->place;
        listed.items.push_back({row->version, row->chain, row->place, row->hash, row->time, row->signature});
        return true;
      }));
  PL_CHECK(result);
  return listed;
}

}  // namespace portolan::store

#include "store/directory_store.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "base/id.h"
#include "store/change.h"
#include "store/kinds.h"
#include "store/migrations/directory_001_initial.h"
#include "store/migrations/directory_002_admin.h"
#include "store/migrations/directory_003_keys.h"
#include "store/migrations/directory_004_kept_answers.h"
#include "store/migrations/directory_005_names.h"
#include "store/migrations/directory_006_tls_keys.h"
#include "store/migrations/directory_007_clusters.h"
#include "store/migrations/directory_008_routing.h"
#include "store/rows.h"

namespace portolan::store {
namespace {

using directory::Snapshot;

constexpr Migration kMigrations[] = {{1, "directory: initial", migrations::kDirectory001},
                                     {2, "directory: administration", migrations::kDirectory002},
                                     {3, "directory: keys", migrations::kDirectory003},
                                     {4, "directory: kept answers", migrations::kDirectory004},
                                     {5, "directory: names in activities", migrations::kDirectory005},
                                     {6, "directory: keys of client certificates", migrations::kDirectory006},
                                     {7, "directory: clusters", migrations::kDirectory007},
                                     {8, "directory: routing", migrations::kDirectory008}};

struct State {
  std::string epoch;
  std::uint64_t revision = 0;
  std::uint64_t activities = 0;
};

Result<State> read_state(Database& database) {
  PL_TRY(auto row, database.select_one("SELECT epoch, revision, activities FROM state", {}, "tii"));
  State state;
  state.epoch = text_in(row[0]);
  state.revision = static_cast<std::uint64_t>(integer_in(row[1]));
  state.activities = static_cast<std::uint64_t>(integer_in(row[2]));
  return state;
}

template <class Object>
Result<> load_objects(Database& database, Snapshot& snapshot) {
  const std::string table = kKind<Object>.table;
  Result<> result;
  PL_CHECK(database.select("SELECT " + column_list<Object>() + " FROM " + table, {}, column_letters<Object>(),
                           [&](Cells& row) {
                             auto object = from_cells<Object>(row);
                             if (!object) {
                               result = std::unexpected(std::move(object).error().within("table " + table));
                               return false;
                             }
                             std::string id = object->id;
                             (snapshot.*kObjects<Object>).insert_or_assign(std::move(id), std::move(*object));
                             return true;
                           }));
  return result;
}

// Inside a transaction, so that all tables are of one revision.
Result<Snapshot> load(Database& database) {
  Snapshot snapshot;
  PL_TRY(const State state, read_state(database));
  snapshot.epoch = state.epoch;
  snapshot.revision = state.revision;
#define PORTOLAN_STORE_LOAD(Kind) PL_CHECK(load_objects<directory::Kind>(database, snapshot));
  PORTOLAN_STORE_KINDS(PORTOLAN_STORE_LOAD)
#undef PORTOLAN_STORE_LOAD
  return snapshot;
}

// A new file gets its epoch; a damaged one is refused before anybody relies on it.
Result<> prepare(Database& database) {
  PL_TRY(auto verdict, database.select_one("PRAGMA quick_check(1)", {}, "t"));
  if (const std::string text = text_in(verdict[0]); text != "ok")
    return fail(Code::kIo, "directory database: is damaged (" + quoted(text, 200) + "); restore it from a backup");
  return database.transaction(Database::Access::kWrite, [&]() -> Result<> {
    PL_TRY(auto row, database.select_one("SELECT count(*) FROM state", {}, "i"));
    if (integer_in(row[0]) > 0) return {};
    PL_CHECK(
        database.run("INSERT INTO state (epoch, revision, activities) VALUES (:epoch, 0, 0)", {text(make_token(16))}));
    return {};
  });
}

}  // namespace

struct DirectoryStore::Impl {
  Impl(std::unique_ptr<Database> opened, const Clock& its_clock, Snapshot snapshot)
      : clock(its_clock), database(std::move(opened)), snapshots(std::move(snapshot)) {}

  const Clock& clock;
  std::mutex writer;  // of everything below but snapshots.current()
  std::unique_ptr<Database> database;
  Snapshots snapshots;
  std::vector<Listener> listeners;

  // Takes over what another process, or a commit whose outcome was not known, has written meanwhile.
  Result<> catch_up(const State& state);
  Result<> write(Change::Impl& change, const std::function<Result<>(Change&)>& edit);
};

DirectoryStore::DirectoryStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DirectoryStore::~DirectoryStore() = default;

Result<std::unique_ptr<DirectoryStore>> DirectoryStore::open(const std::filesystem::path& path, StoreOptions options) {
  PL_TRY(auto database, Database::open(path, "directory database", kMigrations, options.busy_timeout));
  PL_CHECK(prepare(*database));
  database->defer_checkpoints();
  Snapshot snapshot;
  PL_CHECK(database->transaction(Database::Access::kRead, [&]() -> Result<> {
    PL_TRY(snapshot, load(*database));
    return {};
  }));
  return std::unique_ptr<DirectoryStore>(
      new DirectoryStore(std::make_unique<Impl>(std::move(database), options.clock, std::move(snapshot))));
}

DirectoryStore::SnapshotPtr DirectoryStore::snapshot() const { return impl_->snapshots.current(); }

void DirectoryStore::on_change(Listener listener) {
  const std::lock_guard lock(impl_->writer);
  impl_->listeners.push_back(std::move(listener));
}

Result<> DirectoryStore::Impl::catch_up(const State& state) {
  const auto current = snapshots.current();
  if (state.epoch == current->epoch && state.revision == current->revision) return {};
  PL_TRY(Snapshot found, load(*database));
  snapshots.replace(std::move(found));
  return {};
}

Result<> DirectoryStore::Impl::write(Change::Impl& change, const std::function<Result<>(Change&)>& edit) {
  Change lent(change);
  PL_CHECK(edit(lent));
  PL_CHECK(change.failure);
  if (!change.after) return {};
  // The transaction holds the write lock since its beginning, so nobody else can have taken this revision.
  PL_CHECK(database->run("UPDATE state SET revision = :revision, activities = :activities",
                         {integer(change.after->revision), integer(change.activities)}));
  return {};
}

Result<DirectoryStore::SnapshotPtr> DirectoryStore::change(std::string actor,
                                                           const std::function<Result<>(Change&)>& edit) {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.writer);
  const auto before = impl.snapshots.current();
  std::unique_ptr<Snapshot> next;
  std::vector<Snapshots::Edit> edits;
  std::vector<Touched> touched;
  const auto done = impl.database->transaction(Database::Access::kWrite, [&]() -> Result<> {
    PL_TRY(const State state, read_state(*impl.database));
    PL_CHECK(impl.catch_up(state));
    Change::Impl change{*impl.database, impl.snapshots, impl.clock, std::move(actor), state.activities};
    PL_CHECK(impl.write(change, edit));
    next = std::move(change.after);
    edits = std::move(change.edits);
    touched = std::move(change.touched);
    return {};
  });
  if (done && next) impl.snapshots.publish(std::move(next), std::move(edits));
  const auto now = impl.snapshots.current();
  if (now != before)
    for (const auto& listener : impl.listeners) listener(now, touched);
  impl.database->checkpoint();
  if (!done) return std::unexpected(done.error());
  return now;
}

Result<std::optional<std::string>> DirectoryStore::setting(std::string_view name) {
  const std::lock_guard lock(impl_->writer);
  std::optional<std::string> value;
  PL_CHECK(impl_->database->select("SELECT value FROM settings WHERE name = :name", {text(name)}, "t", [&](Cells& row) {
    value = text_in(row[0]);
    return false;
  }));
  return value;
}

Result<> DirectoryStore::set_setting(std::string_view name, std::string_view value) {
  const std::lock_guard lock(impl_->writer);
  PL_CHECK(impl_->database->run(kWriteSetting, {text(name), text(value)}));
  return {};
}

Result<> DirectoryStore::scrub() {
  const std::lock_guard lock(impl_->writer);
  return impl_->database->scrub();
}

Result<std::optional<KeptAnswer>> DirectoryStore::kept_answer(std::string_view key) {
  const std::lock_guard lock(impl_->writer);
  return find_kept_answer(*impl_->database, key);
}

Result<> DirectoryStore::drop_kept_answers(WallTime before) {
  const std::lock_guard lock(impl_->writer);
  return store::drop_kept_answers(*impl_->database, before);
}

Result<Listed<directory::Activity>> DirectoryStore::activities(Part part) {
  const std::lock_guard lock(impl_->writer);
  PL_TRY(const State state, read_state(*impl_->database));
  const std::size_t limit = std::min(part.limit, kMostEntries);
  Listed<directory::Activity> listed;
  listed.cursor = state.activities;
  Result<> result;
  const std::string sql = "SELECT number, " + column_list<directory::Activity>() +
                          " FROM activities WHERE number > :after" + " ORDER BY number " +
                          (part.after ? "ASC" : "DESC") + " LIMIT :limit";
  std::uint64_t last = 0;
  PL_CHECK(impl_->database->select(sql, {integer(part.after.value_or(0)), integer(limit + 1)},
                                   "i" + column_letters<directory::Activity>(), [&](Cells& row) {
                                     if (listed.items.size() == limit) {
                                       listed.more = true;
                                       return false;
                                     }
                                     last = static_cast<std::uint64_t>(integer_in(row[0]));
                                     row.erase(row.begin());
                                     auto activity = from_cells<directory::Activity>(row);
                                     if (!activity) {
                                       result = std::unexpected(std::move(activity).error());
                                       return false;
                                     }
                                     listed.items.push_back(std::move(*activity));
                                     return true;
                                   }));
  PL_CHECK(result);
  if (!part.after) std::ranges::reverse(listed.items);
  if (part.after && listed.more) listed.cursor = last;
  return listed;
}

}  // namespace portolan::store

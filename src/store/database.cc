#include "store/database.h"

#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace portolan::store {
namespace {

constexpr int kLongLog = 1000;  // pages; SQLite's own measure

Error translate(const std::string& name, int result, const std::string& message) {
  const auto error = [&](Code code, const std::string& text) { return Error{code, name + ": " + text}; };
  switch (result) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return error(Code::kUnavailable, "is locked by another process; end that process, or try again");
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return error(Code::kIo, "is read-only; check the owner and mode of the file and its folder, and the file system");
    case SQLITE_FULL: return error(Code::kIo, "the disk is full; free some space");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return error(Code::kIo, "is damaged or no database; restore it from a backup");
    case SQLITE_CANTOPEN: return error(Code::kIo, "cannot be opened; check that its folder exists and is writable");
    case SQLITE_IOERR: return error(Code::kIo, "reading or writing failed: " + message);
    case SQLITE_CONSTRAINT: return error(Code::kConflict, message);
    default: return error(Code::kInternal, message);
  }
}

// SOCI begins messages with the name of its function.
std::string without_origin(const std::string& message) {
  constexpr std::string_view kOrigin = "sqlite3_statement_backend::";
  const auto colon = message.find(": ");
  return message.starts_with(kOrigin) && colon != std::string::npos ? message.substr(colon + 2) : message;
}

template <class Body>
auto guarded(const std::string& name, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const soci::sqlite3_soci_error& error) {
    return std::unexpected(translate(name, error.result() & 0xff, without_origin(error.get_error_message())));
  } catch (const soci::soci_error& error) {
    return fail(Code::kInternal, name + ": " + error.get_error_message());
  } catch (const std::exception& error) {
    return fail(Code::kInternal, name + ": " + error.what());
  }
}

// SQLite makes its files with mode 0644 and gives the log beside it the mode of the database. Path operations only:
// closing a descriptor of a database file would drop the locks that this process holds on it (fcntl(2)).
Result<> make_private(const std::filesystem::path& path, const std::string& name) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    ::close(fd);
    return {};
  }
  struct stat info{};
  if (errno != EEXIST || ::stat(path.c_str(), &info) != 0)
    return fail(errno == ENOENT ? Code::kNotFound : Code::kIo, name + ": cannot be made: " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return fail(Code::kIo, name + ": is not a file");
  if ((info.st_mode & 077) != 0 && ::chmod(path.c_str(), 0600) != 0)
    return fail(Code::kIo, name + ": others can read it, and its mode cannot be changed: " + std::strerror(errno));
  return {};
}

// The stores know some dozens that are run again and again, with other values.
constexpr std::size_t kCompiledLimit = 100;

// What SOCI reads results into.
struct Slot {
  long long integer = 0;
  std::string text;
  soci::indicator indicator = soci::i_ok;
};
// What SOCI is given for NULL.
struct Null {
  std::string text;
  soci::indicator indicator = soci::i_null;
};

// Binds by reference: everything passed outlives the statement's execution.
void attach(soci::statement& statement, const Cells& values, Null& null, std::vector<Slot>& slots,
            std::string_view columns) {
  slots.resize(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] == 'i') {
      statement.exchange(soci::into(slots[i].integer, slots[i].indicator));
    } else {
      statement.exchange(soci::into(slots[i].text, slots[i].indicator));
    }
  }
  for (const Cell& value : values) {
    if (const auto* number = std::get_if<long long>(&value)) {
      statement.exchange(soci::use(*number));
    } else if (const auto* string = std::get_if<std::string>(&value)) {
      statement.exchange(soci::use(*string));
    } else {
      statement.exchange(soci::use(null.text, null.indicator));
    }
  }
}

Cells take_row(std::vector<Slot>& slots, std::string_view columns) {
  Cells row(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (slots[i].indicator == soci::i_null) continue;
    if (columns[i] == 'i') {
      row[i] = slots[i].integer;
    } else {
      row[i] = std::exchange(slots[i].text, {});
    }
  }
  return row;
}

}  // namespace

Database::Database(std::unique_ptr<soci::session> session, std::string name)
    : session_(std::move(session)), name_(std::move(name)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& path, std::string what,
                                                 std::span<const Migration> migrations,
                                                 std::chrono::milliseconds busy_timeout) {
  std::error_code ignored;
  const std::string full = std::filesystem::absolute(path, ignored).string();
  const std::string name = what + " " + full;
  // SOCI reads its connect string up to the next quote.
  if (full.find('"') != std::string::npos)
    return fail(Code::kInvalid, name + ": the path must not contain a quotation mark");
  PL_CHECK(make_private(full, name));
  auto session = guarded(name, [&]() -> Result<std::unique_ptr<soci::session>> {
    return std::make_unique<soci::session>(soci::sqlite3, "db=\"" + full + "\"");
  });
  if (!session) return std::unexpected(std::move(session).error());
  std::unique_ptr<Database> database(new Database(std::move(*session), name));
  PL_CHECK(database->configure(busy_timeout));
  PL_CHECK(database->migrate(migrations));
  return database;
}

Result<> Database::configure(std::chrono::milliseconds busy_timeout) {
  PL_CHECK(run("PRAGMA busy_timeout = " + std::to_string(busy_timeout.count())));
  PL_TRY(auto mode, select_one("PRAGMA journal_mode = WAL", {}, "t"));
  if (text_in(mode[0]) != "wal")
    return fail(Code::kIo, name_ + ": its file system does not support a write-ahead log; put it on a local disk");
  PL_CHECK(run("PRAGMA synchronous = FULL"));
  PL_CHECK(run("PRAGMA foreign_keys = ON"));
  return {};
}

Result<> Database::migrate(std::span<const Migration> migrations) {
  return transaction(Access::kWrite, [&]() -> Result<> {
    PL_CHECK(run(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, time BIGINT NOT NULL)"));
    std::vector<std::string> done;
    PL_CHECK(select("SELECT name FROM migrations ORDER BY number", {}, "t", [&](Cells& row) {
      done.push_back(text_in(row[0]));
      return true;
    }));
    for (std::size_t i = 0; i < std::min(done.size(), migrations.size()); ++i)
      if (done[i] != migrations[i].name)
        return fail(Code::kInvalid, name_ + ": is a database of another kind (" + quoted(done[i]) + ")");
    if (done.size() > migrations.size())
      return fail(Code::kInvalid, name_ + ": was written by a newer version (form " + std::to_string(done.size()) +
                                      ", this one knows " + std::to_string(migrations.size()) +
                                      "); update Portolan or restore a backup");
    for (const auto& migration : migrations.subspan(done.size())) {
      for (const auto statement : migration.statements) PL_CHECK(run(statement));
      const auto now = Clock::real().wall().time_since_epoch().count();
      PL_CHECK(run("INSERT INTO migrations (number, name, time) VALUES (:number, :name, :time)",
                   {integer(static_cast<std::uint64_t>(migration.number)), text(migration.name),
                    Cell(static_cast<long long>(now))}));
    }
    return {};
  });
}

soci::statement& Database::compiled(std::string_view sql) {
  if (const auto found = compiled_.find(sql); found != compiled_.end()) return *found->second;
  if (compiled_.size() >= kCompiledLimit) compiled_.clear();
  auto statement = std::make_unique<soci::statement>(*session_);
  statement->alloc();
  statement->prepare(std::string(sql));
  return *compiled_.emplace(sql, std::move(statement)).first->second;
}

Result<std::uint64_t> Database::run(std::string_view sql, const Cells& values) {
  auto ran = guarded(name_, [&]() -> Result<std::uint64_t> {
    std::vector<Slot> none;
    Null null;
    soci::statement& statement = compiled(sql);
    attach(statement, values, null, none, "");
    statement.define_and_bind();
    statement.execute(true);
    const auto rows = static_cast<std::uint64_t>(std::max(0LL, statement.get_affected_rows()));
    statement.bind_clean_up();
    return rows;
  });
  // One that failed may stand in the midst of its work, or still refer to the values; and so may one that gives a row,
  // as PRAGMA does.
  if (!ran || values.empty())
    if (const auto failed = compiled_.find(sql); failed != compiled_.end()) compiled_.erase(failed);
  return ran;
}

Result<> Database::select(std::string_view sql, const Cells& values, std::string_view columns,
                          const std::function<bool(Cells&)>& on_row) {
  return guarded(name_, [&]() -> Result<> {
    std::vector<Slot> slots;
    Null null;
    soci::statement statement(*session_);
    attach(statement, values, null, slots, columns);
    statement.alloc();
    statement.prepare(std::string(sql));
    statement.define_and_bind();
    statement.execute(false);
    while (statement.fetch()) {
      Cells row = take_row(slots, columns);
      if (!on_row(row)) break;
    }
    return {};
  });
}

Result<Cells> Database::select_one(std::string_view sql, const Cells& values, std::string_view columns) {
  Cells found;
  PL_CHECK(select(sql, values, columns, [&](Cells& row) {
    found = std::move(row);
    return false;
  }));
  if (found.empty()) return fail(Code::kNotFound, name_ + ": no such row");
  return found;
}

Result<> Database::transaction(Access access, const std::function<Result<>()>& body) {
  PL_CHECK(run(access == Access::kWrite ? "BEGIN IMMEDIATE" : "BEGIN"));
  // Also when `body` throws. After a full disk SQLite has rolled back by itself and says so: nothing is left to undo.
  struct Undo {
    Database* database;
    ~Undo() {
      if (database) static_cast<void>(database->run("ROLLBACK"));
    }
  } undo{this};
  PL_CHECK(body());
  PL_CHECK(run("COMMIT"));
  undo.database = nullptr;
  return {};
}

void Database::defer_checkpoints() {
  auto& connection = *static_cast<soci::sqlite3_session_backend*>(session_->get_backend());
  // In the place of SQLite's own hook, which is what checkpoints by itself.
  const auto note = [](void* pages, sqlite_api::sqlite3*, const char*, int in_log) {
    *static_cast<int*>(pages) = in_log;
    return SQLITE_OK;
  };
  sqlite_api::sqlite3_wal_hook(connection.conn_, note, &log_pages_);
}

void Database::checkpoint() {
  if (log_pages_ < kLongLog) return;
  log_pages_ = 0;
  // It waits for nobody. One that fails is made up for by a later one; what is in the log is safe.
  static_cast<void>(select_one("PRAGMA wal_checkpoint(PASSIVE)", {}, "i"));
}

Result<> Database::scrub() {
  PL_CHECK(run("VACUUM"));
  PL_TRY(const auto row, select_one("PRAGMA wal_checkpoint(TRUNCATE)", {}, "i"));
  if (integer_in(row[0]) != 0) return fail(Code::kUnavailable, name_ + ": another process uses it");
  return {};
}

}  // namespace portolan::store

#include "store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
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

int bind(sqlite3_stmt* statement, int at, const Cell& value) {
  if (const auto* number = std::get_if<long long>(&value)) return sqlite3_bind_int64(statement, at, *number);
  if (const auto* string = std::get_if<std::string>(&value))
    return sqlite3_bind_text64(statement, at, string->data(), string->size(), SQLITE_STATIC, SQLITE_UTF8);
  return sqlite3_bind_null(statement, at);
}

void take_row(sqlite3_stmt* statement, std::string_view columns, Cells& row) {
  row.assign(columns.size(), {});
  for (int i = 0; i < static_cast<int>(columns.size()); ++i) {
    if (sqlite3_column_type(statement, i) == SQLITE_NULL) continue;
    Cell& cell = row[static_cast<std::size_t>(i)];
    if (columns[static_cast<std::size_t>(i)] == 'i') {
      cell = static_cast<long long>(sqlite3_column_int64(statement, i));
    } else {
      const auto* begin = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
      cell.emplace<std::string>(begin == nullptr ? "" : begin,
                                static_cast<std::size_t>(sqlite3_column_bytes(statement, i)));
    }
  }
}

}  // namespace

void Database::Close::operator()(sqlite3* native) const { sqlite3_close(native); }
void Database::Close::operator()(sqlite3_stmt* native) const { sqlite3_finalize(native); }

// A statement with its values, which outlive this, while it runs. Goes back to those that are kept.
class Database::Use {
 public:
  Use(Database& database, std::string_view sql, Statement statement)
      : database_(database), sql_(sql), statement_(std::move(statement)) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
    database_.keep(sql_, std::move(statement_));
  }

  Result<> bind_all(const Cells& values) {
    int at = 0;
    for (const Cell& value : values)
      if (const int result = bind(statement_.get(), ++at, value); result != SQLITE_OK) return database_.failure(result);
    return {};
  }
  // Whether there is another row.
  Result<bool> step() {
    const int result = sqlite3_step(statement_.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return database_.failure(result);
  }
  sqlite3_stmt* native() const { return statement_.get(); }

 private:
  Database& database_;
  std::string_view sql_;
  Statement statement_;
};

Database::Database(std::unique_ptr<sqlite3, Close> native, std::string name)
    : native_(std::move(native)), name_(std::move(name)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& path, std::string what,
                                                 std::span<const Migration> migrations,
                                                 std::chrono::milliseconds busy_timeout) {
  std::error_code ignored;
  const std::string full = std::filesystem::absolute(path, ignored).string();
  const std::string name = what + " " + full;
  PL_CHECK(make_private(full, name));
  sqlite3* native = nullptr;
  const int opened = sqlite3_open_v2(full.c_str(), &native, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> database(new Database(std::unique_ptr<sqlite3, Close>(native), name));
  if (opened != SQLITE_OK) return database->failure(opened);
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

std::unexpected<Error> Database::failure(int result) const {
  const char* message = native_ ? sqlite3_errmsg(native_.get()) : sqlite3_errstr(result);
  return std::unexpected(translate(name_, result & 0xff, message));
}

Result<Database::Statement> Database::take(std::string_view sql) {
  if (const auto found = compiled_.find(sql); found != compiled_.end() && found->second)
    return std::exchange(found->second, nullptr);
  sqlite3_stmt* made = nullptr;
  const int result = sqlite3_prepare_v3(native_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &made, nullptr);
  if (result != SQLITE_OK) return failure(result);
  return Statement(made);
}

void Database::keep(std::string_view sql, Statement statement) {
  const auto found = compiled_.find(sql);
  if (found != compiled_.end()) {
    found->second = std::move(statement);
    return;
  }
  if (compiled_.size() >= kCompiledLimit) compiled_.clear();
  compiled_.emplace(sql, std::move(statement));
}

Result<std::uint64_t> Database::run(std::string_view sql, const Cells& values) {
  PL_TRY(auto statement, take(sql));
  Use use(*this, sql, std::move(statement));
  PL_CHECK(use.bind_all(values));
  const auto before = sqlite3_total_changes64(native_.get());
  for (;;) {
    PL_TRY(const bool row, use.step());
    if (!row) break;  // PRAGMA gives some
  }
  return static_cast<std::uint64_t>(sqlite3_total_changes64(native_.get()) - before);
}

Result<> Database::select(std::string_view sql, const Cells& values, std::string_view columns,
                          const std::function<bool(Cells&)>& on_row) {
  PL_TRY(auto statement, take(sql));
  Use use(*this, sql, std::move(statement));
  PL_CHECK(use.bind_all(values));
  Cells row;
  for (;;) {
    PL_TRY(const bool found, use.step());
    if (!found) return {};
    take_row(use.native(), columns, row);
    if (!on_row(row)) return {};
  }
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
  // In the place of SQLite's own hook, which is what checkpoints by itself.
  const auto note = [](void* pages, sqlite3*, const char*, int in_log) {
    *static_cast<int*>(pages) = in_log;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(native_.get(), note, &log_pages_);
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

// One connection to a SQLite file, and the only place that knows SQLite. Internal to store/. Not thread-safe: the
// stores guard each connection with a mutex.
//
// Values are always bound, never pasted into SQL. Errors never repeat bound values. Statements are compiled once and
// kept, and values are bound where they stand: for a record that is put on disk, what a general layer over databases
// adds (an object on the heap and a copy for each value) costs more than the database itself.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace portolan::store {

// A value of a row or a parameter: NULL, a number or a text.
using Cell = std::variant<std::monostate, long long, std::string>;
using Cells = std::vector<Cell>;
inline Cell integer(std::uint64_t value) { return static_cast<long long>(value); }
inline Cell text(std::string_view value) { return std::string(value); }
inline long long integer_in(const Cell& cell) {
  return std::holds_alternative<long long>(cell) ? std::get<long long>(cell) : 0;
}
inline std::string text_in(Cell& cell) {
  return std::holds_alternative<std::string>(cell) ? std::move(std::get<std::string>(cell)) : std::string();
}

// One numbered step of the schema. Steps that have been released are never edited.
struct Migration {
  int number;
  std::string_view name;
  std::span<const std::string_view> statements;
};

class Database {
 public:
  // Opens the file or makes it (mode 0600), with write-ahead log, full synchronisation and foreign keys, and applies
  // the migrations it lacks. `what` begins every error: "directory database".
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path, std::string what,
                                                std::span<const Migration> migrations,
                                                std::chrono::milliseconds busy_timeout);
  ~Database();

  // Runs one statement and gives the number of rows it touched. A violated constraint is Code::kConflict.
  Result<std::uint64_t> run(std::string_view sql, const Cells& values = {});
  // Runs one SELECT. `columns` has a letter for each result: i (integer) or t (text). on_row returns false to stop.
  Result<> select(std::string_view sql, const Cells& values, std::string_view columns,
                  const std::function<bool(Cells&)>& on_row);
  // The only row of the result; Code::kNotFound without one.
  Result<Cells> select_one(std::string_view sql, const Cells& values, std::string_view columns);

  // Runs `body` in a transaction and commits, or undoes all of it and returns its error. Write takes the lock at once:
  // a transaction that begins by reading and then wants to write could fail half-way.
  enum class Access { kRead, kWrite };
  Result<> transaction(Access access, const std::function<Result<>()>& body);
  // From now on a commit leaves the write-ahead log to checkpoint(): writing a long one back to the file takes three
  // syncs of the disk, for which whoever waits for that commit need not wait.
  void defer_checkpoints();
  // Writes the log back, as far as no reader needs it, if it has become long. It can be done again at any time.
  void checkpoint();
  // Rewrites the file without its free pages, and empties the log: what was overwritten is nowhere in them afterwards.
  Result<> scrub();

 private:
  struct Close {
    void operator()(sqlite3* native) const;
    void operator()(sqlite3_stmt* native) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Close>;
  class Use;

  Database(std::unique_ptr<sqlite3, Close> native, std::string name);
  Result<> configure(std::chrono::milliseconds busy_timeout);
  Result<> migrate(std::span<const Migration> migrations);
  std::unexpected<Error> failure(int result) const;
  // The statement, compiled once however often it is run; taken out of those that are kept, since what it finds may
  // lead to the same one again.
  Result<Statement> take(std::string_view sql);
  void keep(std::string_view sql, Statement statement);

  std::unique_ptr<sqlite3, Close> native_;
  std::string name_;                                        // for messages
  std::map<std::string, Statement, std::less<>> compiled_;  // ends before native_
  int log_pages_ = 0;                                       // as of the last commit, once checkpoints are deferred
};

}  // namespace portolan::store

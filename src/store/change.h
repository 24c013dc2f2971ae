// A running change: writes each object and its activity to the database at once, and to a private copy of the snapshot,
// which becomes the current one when the transaction has been committed. Internal to store/.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/directory_store.h"
#include "store/snapshots.h"

namespace portolan::store {

inline constexpr std::string_view kWriteSetting =
    "INSERT INTO settings (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

struct Change::Impl {
  Database& database;
  Snapshots& snapshots;
  const Clock& clock;
  std::string actor;
  std::uint64_t activities;  // number of the last one

  std::shared_ptr<const directory::Snapshot> before = snapshots.current();
  std::unique_ptr<directory::Snapshot> after = {};  // null until something is written
  std::vector<Snapshots::Edit> edits = {};
  std::vector<Touched> touched = {};
  // The first error that was not about the objects. SQLite may have undone the transaction by then, so nothing more is
  // written and the change fails even if its author overlooks the error.
  Result<> failure = {};

  const directory::Snapshot& now() const { return after ? *after : *before; }
  // Remembers an error of the database itself.
  Result<> checked(Result<> result);
  struct Of {
    const std::string& id;
    std::string name;
  };
  Result<> write_activity(std::string_view kind, std::string_view what, const Of& object, std::string old_json,
                          std::string new_json);
  // Both on the snapshot.
  template <class Object>
  void assign(const Object& object);
  template <class Object>
  void erase(const std::string& id);
  template <class Object>
  Error explain_conflict(const Object& object);
  template <class Object>
  Result<> remove_only(const Object& object);
  template <class Object>
  Result<std::size_t> reseal_kind(const Change::Again& again);
  void apply(Snapshots::Edit edit);
};

}  // namespace portolan::store

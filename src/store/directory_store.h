// Keeps the directory in one SQLite file and a copy of all of it in memory. Reading means taking the snapshot, which
// costs a pointer; every change is one transaction that writes the objects, one activity for each of them, and the next
// revision.
//
// Any thread may call anything; changes wait for each other. change(), setting(), set_setting() and activities() read
// or write the disk: callers on an event loop run them on a blocking pool.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "directory/decision.h"
#include "directory/model.h"
#include "store/kept_answers.h"
#include "store/listing.h"

namespace portolan::store {

struct StoreOptions {
  const Clock& clock = Clock::real();                                        // outlives the store
  std::chrono::milliseconds busy_timeout = std::chrono::milliseconds(5000);  // for a lock held by another process
};

// One running transaction, lent to the function given to DirectoryStore::change.
class Change {
 public:
  // The directory with what this change has done so far. The reference is good until the next put or remove.
  const directory::Snapshot& now() const;

  // Makes the object, or replaces the one with its id, and writes the activity ("role.created", "role.updated");
  // nothing if it is there just so. Sets the object's revision, whatever it says: the one of this change. Object:
  // Account, Device, SignIn, ApiToken, Role, Membership, Grant, Resource, Node, JoinToken, Cluster. Code::kConflict
  // names the field that must be unique and the object that has the value; kInvalid names a reference to nothing.
  template <class Object>
  Result<> put(Object object);
  // Removes the object and what hangs on it, each with an activity ("role.deleted"): with an account its devices,
  // sign-ins, API tokens and memberships; with a device its sign-ins; with a role its memberships and grants; with a
  // resource its grants. Code::kNotFound if there is none. A node that resources name as egress is not removed
  // (Code::kConflict): a resource whose last egress node disappeared would go by any other one.
  template <class Object>
  Result<> remove(std::string_view id);
  // Writes an activity about something that is not an object of the directory: `verb` as "session.ended", `what` it was
  // done to, what people call that, and that as JSON. It raises the revision as any change does.
  Result<> note(std::string_view verb, const std::string& what, std::string name, std::string json);
  // A setting of the store (DirectoryStore::setting), changed together with the objects.
  Result<> set_setting(std::string_view name, std::string_view value);
  // Every sealed value of every object through `again`, which gets what it is sealed for ("resource/rs-…/password") and
  // the value, and gives the new one. No object's revision changes, and it is one activity, "sealing_key.replaced", for
  // all. The number of values.
  using Again = std::function<Result<std::string>(const std::string& context, const std::string& sealed)>;
  Result<std::size_t> reseal(const std::string& old_key, const std::string& new_key, const Again& again);

  // The answer that is kept under this key, if any, and a new one: together with the objects that it is about, or not
  // at all.
  Result<std::optional<KeptAnswer>> kept_answer(std::string_view key) const;
  Result<> keep_answer(const KeptAnswer& answer, const KeptLimits& limits);

  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  friend class DirectoryStore;
  struct Impl;
  explicit Change(Impl& impl) : impl_(impl) {}
  Impl& impl_;
};

// An object that a change has made, changed or removed.
struct Touched {
  const char* table;  // as in kinds.h
  std::string id;
};

class DirectoryStore {
 public:
  using SnapshotPtr = std::shared_ptr<const directory::Snapshot>;

  // Opens the file, made with mode 0600 if it is missing, brings it to this version's form and loads it. A file of a
  // newer version is refused.
  static Result<std::unique_ptr<DirectoryStore>> open(const std::filesystem::path& path, StoreOptions options = {});
  ~DirectoryStore();

  SnapshotPtr snapshot() const;

  // Runs `edit` in a transaction: its error undoes all of it and is returned. On success the new snapshot is in place,
  // listeners have been called, and it is returned; a change that changed nothing raises no revision. `edit` calls
  // nothing else of this store.
  Result<SnapshotPtr> change(std::string actor, const std::function<Result<>(Change&)>& edit);

  // Called after every change, in order of revisions, on the thread that made it, with what it has touched (nothing
  // when the directory was loaded anew). Listeners may take the snapshot, and call nothing else of this store. They
  // stay for the store's life.
  using Listener = std::function<void(SnapshotPtr, const std::vector<Touched>&)>;
  void on_change(Listener listener);

  // Small values of the organisation: its name, sealed CA keys. Not part of the snapshot, no activity, no revision.
  Result<std::optional<std::string>> setting(std::string_view name);
  Result<> set_setting(std::string_view name, std::string_view value);
  // Leaves nothing in the file of what was changed or removed: old values lie in free pages and in the log until then.
  // Takes as long as copying the file.
  Result<> scrub();

  Result<std::optional<KeptAnswer>> kept_answer(std::string_view key);
  Result<> drop_kept_answers(WallTime before);

  // Who changed what.
  Result<Listed<directory::Activity>> activities(Part part);

 private:
  struct Impl;
  explicit DirectoryStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

#define PORTOLAN_STORE_KINDS(X) \
  X(Account)                    \
  X(Device)                     \
  X(SignIn)                     \
  X(ApiToken) X(Role) X(Membership) X(Grant) X(Resource) X(Node) X(JoinToken) X(Cluster) X(Authority) X(PeeringGroup)
#define PORTOLAN_STORE_EXTERN(Kind)                                       \
  extern template Result<> Change::put<directory::Kind>(directory::Kind); \
  extern template Result<> Change::remove<directory::Kind>(std::string_view);
PORTOLAN_STORE_KINDS(PORTOLAN_STORE_EXTERN)
#undef PORTOLAN_STORE_EXTERN

}  // namespace portolan::store

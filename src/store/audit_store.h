// Keeps what nodes have put on record, in one SQLite file apart from the directory's: it grows without end and may be
// moved away.
//
// Nodes hand over at least once, so a record that is there already is counted and left. After a node's crash records
// may come in any order: a session is made up from whichever of its records comes first and completed by the others.
//
// Any thread may call anything. Everything blocks on the disk: callers on an event loop use a blocking pool. Readers do
// not wait for writers.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/audit.h"
#include "api/record_facts.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/directory_store.h"
#include "store/listing.h"

namespace portolan::store {

// Empty members do not restrict.
struct AuditFilter {
  std::string account = {};   // id or e-mail
  std::string resource = {};  // id or name
  std::string session = {};
  bool live = false;                  // sessions only: those whose end is not on record
  std::optional<WallTime> from = {};  // sessions started, or queries run, at this time or later
  std::optional<WallTime> to = {};    // and before this one
  std::string words = {};             // queries only: their text has this in it, ASCII letters in either case
};

// A record as it came: with its place in its node's chain, if the node knows chains.
struct AuditEntry {
  api::RecordFacts facts;
  std::string record;  // the JSON that they were read from
  std::string chain = {};
  std::uint64_t number = 0;
  std::string hash = {};
};

// How the reason of a session begins of which its node knows nothing any more.
inline constexpr std::string_view kLost = "lost: ";

class AuditStore {
 public:
  static Result<std::unique_ptr<AuditStore>> open(const std::filesystem::path& path, StoreOptions options = {});
  ~AuditStore();

  // All of the records or, with an error, none; they are on the disk when this returns. `node` is the proven sender,
  // whatever the records say; a node cannot touch another one's sessions.
  Result<api::AuditAcknowledged> append(std::string_view node, const std::vector<api::AuditRecord>& records);
  // The same of records that have a place in a chain, and heads, whose signatures the caller has checked.
  Result<api::AuditAcknowledged> append(std::string_view node, const std::vector<AuditEntry>& entries,
                                        const std::vector<api::ChainHead>& heads);

  // Ends the sessions of a node that began before `before`, whose end is not on record, and which are not among `live`:
  // at the time of their last record, for the reason kLost + `why`. An end that comes later all the same takes the
  // place of this one. How many there were.
  Result<std::size_t> end_lost(std::string_view node, WallTime before, const std::set<std::string>& live,
                               std::string_view why);

  // A session comes into the list when its first record arrives, and again, behind the others, when its start was late
  // and when it ends: a follower sees both.
  Result<Listed<api::SessionEntry>> sessions(const AuditFilter& filter, Part part);
  // Members that the record leaves out (account, e-mail, resource …) are filled in from its session. Queries whose
  // session was not known when they came are listed again when it is, so that a follower by account sees them.
  Result<Listed<api::AuditRecord>> queries(const AuditFilter& filter, Part part);

  // First, for each node that has any, its records that came without a chain; then the chains, in the order in which
  // they came to be known. Without names and keys.
  Result<std::vector<api::ChainView>> chains();
  // The records of a chain behind number `after`, in the chain's order.
  Result<Listed<api::ChainedRecord>> chain(const std::string& node, const std::string& chain, std::uint64_t after,
                                           std::size_t limit);
  // Signed heads behind number `after`: about one a minute, and the newest.
  Result<Listed<api::ChainHead>> heads(const std::string& node, const std::string& chain, std::uint64_t after,
                                       std::size_t limit);

 private:
  struct Impl;
  explicit AuditStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace portolan::store

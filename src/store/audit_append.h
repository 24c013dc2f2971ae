// How records come into the audit database. Internal to store/.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/audit_rows.h"
#include "store/audit_store.h"
#include "store/database.h"

namespace portolan::store {

// One transaction of append(): the sessions it touches are read once and written once.
class Appending {
 public:
  Appending(Database& database, std::string_view node) : database_(database), node_(node) {}
  Result<api::AuditAcknowledged> run(const std::vector<AuditEntry>& entries);
  Result<> add_head(const api::ChainHead& head);
  // Of these sessions, by their rows' ids, those whose end is not on record. How many.
  Result<std::size_t> end_lost(const std::vector<std::uint64_t>& sessions, std::string_view why);

 private:
  struct Touched {
    SessionRow row;
    bool stored = false;        // has a row in the table
    std::uint64_t queries = 0;  // that this has, if there is one
    bool changed = false;       // in more than that
    bool renamed = false;       // a late start changed what its queries are found by
  };
  Result<bool> insert(const AuditEntry& entry, std::uint64_t owner);
  Result<> begun_is_over(const api::RecordFacts& query, std::uint64_t owner);
  Result<Touched*> find(const api::RecordFacts& record);
  void apply(const api::RecordFacts& record, Touched& touched);
  Result<> write(const Touched& touched);
  Result<> renumber_queries(std::uint64_t owner);
  // The number of the chain of this name, which it gets with its first record or head; 0 for no name.
  Result<std::uint64_t> chain_number(const std::string& chain);

  Database& database_;
  std::string node_;
  std::uint64_t number_ = 0;  // the last one given
  std::map<std::string, Touched> sessions_;
  std::map<std::string, std::uint64_t> chains_;
};

}  // namespace portolan::store

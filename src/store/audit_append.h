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
  // Notes that there is a chain of this name.
  Result<> add_chain(const std::string& chain);
  Result<> add_head(const api::ChainHead& head);

 private:
  struct Touched {
    SessionRow row;
    bool stored = false;   // has a row in the table
    bool renamed = false;  // a late start changed what its queries are found by
  };
  Result<bool> insert(const AuditEntry& entry);
  Result<> begun_is_over(const api::AuditRecord& query);
  Result<Touched*> find(const api::AuditRecord& record);
  void apply(const api::AuditRecord& record, Touched& touched);
  Result<> renumber_queries(const std::string& session);

  Database& database_;
  std::string node_;
  std::uint64_t number_ = 0;  // the last one given
  std::map<std::string, Touched> sessions_;
};

}  // namespace portolan::store

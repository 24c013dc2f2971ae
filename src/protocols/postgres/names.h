// The names of prepared statements and portals and what they stand for. Pure.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "audit/records.h"
#include "base/result.h"
#include "protocols/postgres/text.h"

namespace portolan::protocols::postgres {

// What a record of using the name says.
struct Meaning {
  std::shared_ptr<const Text> text;
  std::shared_ptr<const audit::Parameters> parameters = nullptr;  // of a portal, where they are kept
  bool held = false;                                              // a cursor WITH HOLD: outlives its transaction
  std::size_t bytes() const;
};

// Bounded: too many names are an error, too much text is kept by its beginning and hash. As in PostgreSQL only the
// first 63 bytes of a name count; what has the very name goes first, for servers where all of it counts.
class Names {
 public:
  Result<> put(const std::string& name, Meaning meaning);
  const Meaning* find(std::string_view name) const;  // null if there is none
  void erase(std::string_view name);
  void end_of_transaction();  // all but what is held
  void clear_named();         // all but the one without a name
  void clear();

 private:
  using Map = std::unordered_map<std::string, Meaning>;
  Map::const_iterator at(std::string_view name) const;
  void erase(Map::const_iterator it);

  Map meanings_;
  std::size_t bytes_ = 0;
};

// A statement of SQL that makes or drops such a name, by how its text begins: the text of a PREPARE, DEALLOCATE,
// DECLARE or CLOSE, with nothing but comments and spaces before it. None if there is any doubt.
struct NamingStatement {
  enum class Verb : std::uint8_t { kPrepare, kDeallocate, kDeclare, kClose } verb;
  std::string name;
  bool with_hold = false;
};
std::optional<NamingStatement> parse_naming_statement(std::string_view sql);

}  // namespace portolan::protocols::postgres

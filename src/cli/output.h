// What a command prints: tables for people, one JSON object a line for programs, notes that --quiet silences.
// Data goes to standard output; notes and errors to standard error, so that a pipe gets data only.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "cli/table.h"

namespace portolan::cli {

class Output {
 public:
  bool json = false;
  bool quiet = false;
  bool verbose = false;

  // To standard output, with its line end. A reader that has gone ends the process, as it would end any filter.
  void line(std::string_view text) const;
  void text(std::string_view text) const;
  template <class T>
  void object(const T& value) const {
    line(json::encode(value));
  }
  // The table, without its header if quiet.
  void table(const Table& table) const;
  std::string rendered(const Table& table) const;
  // For people only: neither with --json nor with --quiet.
  void note(std::string_view text) const;
  void warn(std::string_view text) const;
  void error(const Error& error) const;

  bool on_terminal() const;
  Paint paint() const;
  // Whether the terminal can be redrawn in place.
  bool paint_can_move() const;
  // Of the terminal; 0 in a pipe.
  std::size_t columns() const;
};

}  // namespace portolan::cli

// A table whose rows come one by one, as those of a watch do.
#pragma once
#include <string>
#include <vector>

#include "cli/output.h"
#include "cli/table.h"

namespace portolan::cli {

// The header comes first, if it is not quiet; each column is as wide as what has come so far. Borrows the output.
class RowPrinter {
 public:
  RowPrinter(const Output& out, std::vector<Column> columns) : out_(out), table_(std::move(columns)) {}
  // Keeps rows until flush(), so that what was there before the watch is one aligned table.
  void hold() { held_ = true; }
  void row(std::vector<std::string> cells);
  // Prints what was held, or the header alone.
  void flush();

 private:
  void print();

  const Output& out_;
  Table table_;
  bool held_ = false;
  bool begun_ = false;
};

}  // namespace portolan::cli

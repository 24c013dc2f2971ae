#include "cli/row_printer.h"

#include <utility>

namespace portolan::cli {

void RowPrinter::row(std::vector<std::string> cells) {
  table_.add(std::move(cells));
  if (!held_) print();
}

void RowPrinter::flush() {
  held_ = false;
  print();
}

void RowPrinter::print() {
  const bool with_header = !std::exchange(begun_, true) && !out_.quiet;
  out_.text(with_header ? table_.print(out_.columns(), out_.paint()) : table_.print_rows(out_.columns()));
  table_.drop_rows();
}

}  // namespace portolan::cli

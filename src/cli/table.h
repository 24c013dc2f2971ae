// Calm, aligned tables for people: a header line, columns two spaces apart, one line a row.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace portolan::cli {

// Columns that text takes on a terminal, counting each code point as one.
std::size_t width_of(std::string_view text);
// Foreign text fit for a cell: control characters and invalid UTF-8 become spaces or "?"; runs of spaces shrink.
std::string fit_for_terminal(std::string_view text);
// At most `columns` wide, the last of which is "…" if something was cut.
std::string cut(std::string_view text, std::size_t columns);

enum class Align { kLeft, kRight };
enum class Paint { kPlain, kColors };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell for each column; shorter rows are filled up.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // `columns`: the terminal's width, to which the last column is cut; 0: nothing is cut.
  std::string print(std::size_t columns, Paint paint) const;
  // Without the header line.
  std::string print_rows(std::size_t columns) const;
  // What is added from now on is as wide as these were, or wider: for rows that come one by one.
  void drop_rows();

 private:
  std::vector<std::size_t> widths(bool with_header) const;
  std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                   std::size_t columns) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> least_;  // widths; empty before anything was dropped
};

}  // namespace portolan::cli

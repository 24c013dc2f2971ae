#include "cli/table.h"

#include <algorithm>

namespace portolan::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastCut = 16;  // a narrower last column is not worth cutting

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Length of the UTF-8 sequence that begins at `at`, 0 if it is not one.
std::size_t sequence_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (!is_continuation(text[at + i])) return 0;
  // U+0080–U+009F are control characters to terminals.
  if (lead == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0) return 0;
  return length;
}

}  // namespace

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

std::string fit_for_terminal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_at(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      out += '?';
    } else if (byte <= 0x20 || byte == 0x7f) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out.append(text.substr(i, length));
    }
    i += length == 0 ? 1 : length;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string cut(std::string_view text, std::size_t columns) {
  if (width_of(text) <= columns) return std::string(text);
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (is_continuation(text[end])) continue;
    if (++seen == std::max<std::size_t>(columns, 1)) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = fit_for_terminal(cell);
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths(bool with_header) const {
  std::vector<std::size_t> out(columns_.size(), 0);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (with_header) out[i] = width_of(columns_[i].title);
    for (const auto& row : rows_) out[i] = std::max(out[i], width_of(row[i]));
    if (!least_.empty()) out[i] = std::max(out[i], least_[i]);
  }
  return out;
}

void Table::drop_rows() {
  least_ = widths(true);
  rows_.clear();
}

std::string Table::line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                        std::size_t columns) const {
  std::string out;
  std::size_t used = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool last = i + 1 == cells.size();
    std::string cell = cells[i];
    if (last && columns > 0) cell = cut(cell, std::max(kLeastCut, columns > used ? columns - used : 0));
    const std::string fill(widths[i] > width_of(cell) ? widths[i] - width_of(cell) : 0, ' ');
    out += columns_[i].align == Align::kRight ? fill + cell : last ? cell : cell + fill;
    if (!last) out += std::string(kGap, ' ');
    used += widths[i] + kGap;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out + "\n";
}

std::string Table::print(std::size_t columns, Paint paint) const {
  const auto wide = widths(true);
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::string header = line(titles, wide, columns);
  if (paint == Paint::kColors) header = "\x1b[2m" + header.substr(0, header.size() - 1) + "\x1b[0m\n";
  for (const auto& row : rows_) header += line(row, wide, columns);
  return header;
}

std::string Table::print_rows(std::size_t columns) const {
  std::string out;
  for (const auto& row : rows_) out += line(row, widths(false), columns);
  return out;
}

}  // namespace portolan::cli

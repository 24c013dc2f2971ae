#include "protocols/http/fields.h"

#include <algorithm>

namespace portolan::protocols::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string loose_name(std::string_view name) {
  std::string out = lower_case(name);
  for (char& c : out)
    if (!is_alnum(c)) c = '-';
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return is_alnum(c) || kTokenMarks.contains(c); });
}

bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; });
}

void Fields::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

void Fields::remove(std::string_view name) {
  std::erase_if(all_, [&](const Field& field) { return same_name(field.name, name); });
}

std::string_view Fields::first(std::string_view name) const {
  const auto found = std::ranges::find_if(all_, [&](const Field& field) { return same_name(field.name, name); });
  return found == all_.end() ? std::string_view() : std::string_view(found->value);
}

std::size_t Fields::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(all_, [&](const Field& field) { return same_name(field.name, name); }));
}

std::vector<std::string> Fields::tokens(std::string_view name) const {
  std::vector<std::string> out;
  for (const Field& field : all_) {
    if (!same_name(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      const std::string_view element = trimmed(rest.substr(0, end));
      if (!element.empty()) out.push_back(lower_case(element));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return out;
}

bool Fields::has_token(std::string_view name, std::string_view token) const {
  const auto all = tokens(name);
  return std::ranges::find(all, token) != all.end();
}

}  // namespace portolan::protocols::http

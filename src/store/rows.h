// Described structs as rows of a table: one column for each member, of the same name. Internal to store/.
// bool and integers are numbers, times milliseconds since 1970, std::optional may be NULL, lists and maps are JSON
// texts.
#pragma once
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "store/database.h"

namespace portolan::store {

template <class T>
Cell to_cell(const T& in) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<long long>(in);
  } else if constexpr (std::is_same_v<T, WallTime>) {
    return static_cast<long long>(in.time_since_epoch().count());
  } else if constexpr (std::is_same_v<T, std::string>) {
    return in;
  } else if constexpr (json::detail::IsOptional<T>::value) {
    return in ? to_cell(*in) : Cell();
  } else {
    return json::encode(in);
  }
}

template <class T>
constexpr char column_letter() {
  if constexpr (json::detail::IsOptional<T>::value) {
    return column_letter<typename T::value_type>();
  } else {
    return std::is_integral_v<T> || std::is_same_v<T, WallTime> ? 'i' : 't';
  }
}

template <class T>
Result<> from_cell(Cell& in, T& out) {
  if constexpr (json::detail::IsOptional<T>::value) {
    out.reset();
    if (std::holds_alternative<std::monostate>(in)) return {};
    return from_cell(in, out.emplace());
  } else if constexpr (std::is_integral_v<T>) {
    out = static_cast<T>(integer_in(in));
  } else if constexpr (std::is_same_v<T, WallTime>) {
    out = WallTime(std::chrono::milliseconds(integer_in(in)));
  } else if constexpr (std::is_same_v<T, std::string>) {
    out = text_in(in);
  } else {
    PL_TRY(const json::Value value, json::parse(text_in(in)));
    PL_TRY(out, json::from_value<T>(value, json::Unknown::kRefuse));
  }
  return {};
}

template <class T, class Visit>
void for_each_column(Visit&& visit) {
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(visit);
}

template <class T>
Cells to_cells(const T& in) {
  Cells cells;
  for_each_column<T>([&](auto member) { cells.push_back(to_cell(in.*member.pointer)); });
  return cells;
}

// Takes the texts out of the row.
template <class T>
Result<T> from_cells(Cells& row) {
  T out{};
  Result<> result;
  std::size_t i = 0;
  for_each_column<T>([&](auto member) {
    if (result)
      if (result = from_cell(row[i], out.*member.pointer); !result)
        result = std::unexpected(std::move(result).error().within(std::string("column ") + member.name));
    ++i;
  });
  if (!result) return std::unexpected(std::move(result).error());
  return out;
}

// "id", "name", …
template <class T>
std::string column_list() {
  std::string list;
  for_each_column<T>([&](auto member) { list += (list.empty() ? "\"" : ", \"") + std::string(member.name) + "\""; });
  return list;
}
template <class T>
std::string column_letters() {
  std::string letters;
  for_each_column<T>([&](auto member) {
    letters += column_letter<std::remove_cvref_t<decltype(std::declval<T>().*member.pointer)>>();
  });
  return letters;
}
template <class T>
std::string insert_into(const std::string& table) {
  std::string values;
  for_each_column<T>([&](auto member) { values += (values.empty() ? ":" : ", :") + std::string(member.name); });
  return "INSERT INTO " + table + " (" + column_list<T>() + ") VALUES (" + values + ")";
}
// Binds the columns in order, and then whatever `where` needs.
template <class T>
std::string update(const std::string& table, const std::string& where) {
  std::string sets;
  for_each_column<T>([&](auto member) {
    sets += (sets.empty() ? "\"" : ", \"") + std::string(member.name) + "\" = :" + std::string(member.name);
  });
  return "UPDATE " + table + " SET " + sets + " WHERE " + where;
}

}  // namespace portolan::store

// How json.h prints: structs to text in one pass. Internal to json.h.
#pragma once
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11/algorithm.hpp>

#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::json {

using Value = boost::json::value;
std::string print(const Value& value);

namespace detail {

// Text with its quotes.
void print_text(std::string_view text, std::string& out);
void print_number(double number, std::string& out);

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
using Members = boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>;

template <class T>
void print(const T& in, std::string& out);
template <class T>
void print_struct(const T& in, std::string& out) {
  char before = '{';
  boost::mp11::mp_for_each<Members<T>>([&](auto member) {
    const auto& field = in.*member.pointer;
    constexpr bool kMayBeAbsent = IsOptional<std::remove_cvref_t<decltype(field)>>::value;
    if constexpr (kMayBeAbsent)
      if (!field) return;
    out += std::exchange(before, ',');
    out += '"';
    out += member.name;  // an identifier of C++
    out += "\":";
    if constexpr (kMayBeAbsent) {
      print(*field, out);
    } else {
      print(field, out);
    }
  });
  if (before == '{') out += '{';
  out += '}';
}

template <class T>
void print(const T& in, std::string& out) {
  if constexpr (std::is_same_v<T, bool>) {
    out += in ? "true" : "false";
  } else if constexpr (std::is_floating_point_v<T>) {
    print_number(in, out);
  } else if constexpr (std::is_integral_v<T>) {
    std::array<char, 24> digits{};
    out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), in).ptr);
  } else if constexpr (std::is_same_v<T, Value>) {
    out += json::print(in);
  } else if constexpr (std::is_same_v<T, std::string>) {
    print_text(in, out);
  } else if constexpr (std::is_same_v<T, Secret>) {
    print_text(in.reveal(), out);
  } else if constexpr (std::is_same_v<T, WallTime>) {
    print_text(to_rfc3339(in), out);
  } else if constexpr (IsVector<T>::value) {
    out += '[';
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (i > 0) out += ',';
      print(in[i], out);
    }
    out += ']';
  } else if constexpr (IsMap<T>::value) {
    char before = '{';
    for (const auto& [key, element] : in) {
      out += std::exchange(before, ',');
      print_text(key, out);
      out += ':';
      print(element, out);
    }
    if (in.empty()) out += '{';
    out += '}';
  } else {
    print_struct(in, out);
  }
}

}  // namespace detail
}  // namespace portolan::json

// What a list is asked for: `filter` and `order_by`, over the members of the described struct that is shown.
//
//   filter   terms apart by spaces, all of which must hold: MEMBER OP VALUE with OP one of = != ~ !~ < <= > >=
//            (~: contains, whatever the case). VALUE may stand in double quotes, with \" and \\ in it. A word alone
//            must be in some text of the object. An entry of a map is MAP.KEY; a list of texts fits if one of them
//            does. type=postgres tags.env=prod created>=2026-01-01T00:00:00Z "billing db"
//   order_by MEMBER, or "MEMBER desc"
//
// Pure. A mistyped filter is refused and never shows more than was asked for.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace portolan::control {

using TextList = std::vector<std::string>;
using TextMap = std::map<std::string, std::string>;

// A member that can be compared; monostate: an absent one.
using Field =
    std::variant<std::monostate, bool, std::int64_t, WallTime, std::string_view, const TextList*, const TextMap*>;
enum class FieldKind { kNone, kBool, kNumber, kTime, kText, kList, kMap };

enum class Op { kEqual, kUnequal, kContains, kLacks, kLess, kLessEqual, kGreater, kGreaterEqual };

struct Term {
  std::string member;  // empty: a word alone
  std::string entry;   // of a map
  Op op = Op::kEqual;
  std::string text;
  std::int64_t number = 0;  // of kNumber, kBool and kTime (milliseconds)
};

struct Order {
  std::string member;
  bool descending = false;
};

struct Member {
  std::string_view name;
  FieldKind kind;
};

// Only the grammar; checked against the members.
Result<std::vector<Term>> parse_filter(std::string_view text, const std::vector<Member>& members);
Result<Order> parse_order(std::string_view text, const std::vector<Member>& members);
// One term for MEMBER=VALUE of a parameter of its own.
Result<Term> exact_term(std::string_view member, std::string_view value, const std::vector<Member>& members);

bool holds(const Term& term, const Field& field);
// Whether the word is in the text, whatever the (ASCII) case.
bool contains(std::string_view text, std::string_view word);
// Texts that compare as the fields do; absent ones come first.
std::string sort_key(const Field& field);

namespace detail {

template <class T>
constexpr FieldKind kind_of() {
  if constexpr (json::detail::IsOptional<T>::value) {
    return kind_of<typename T::value_type>();
  } else if constexpr (std::is_same_v<T, bool>) {
    return FieldKind::kBool;
  } else if constexpr (std::is_integral_v<T>) {
    return FieldKind::kNumber;
  } else if constexpr (std::is_same_v<T, WallTime>) {
    return FieldKind::kTime;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return FieldKind::kText;
  } else if constexpr (std::is_same_v<T, TextList>) {
    return FieldKind::kList;
  } else if constexpr (std::is_same_v<T, TextMap>) {
    return FieldKind::kMap;
  } else {
    return FieldKind::kNone;
  }
}

template <class T>
Field to_field(const T& in) {
  if constexpr (json::detail::IsOptional<T>::value) {
    return in ? to_field(*in) : Field();
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, WallTime>) {
    return in;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<std::int64_t>(in);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return std::string_view(in);
  } else if constexpr (std::is_same_v<T, TextList> || std::is_same_v<T, TextMap>) {
    return &in;
  } else {
    return Field();
  }
}

template <class T, class Visit>
void for_each_member(Visit&& visit) {
  boost::mp11::mp_for_each<
      boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>>(visit);
}

}  // namespace detail

// The members that can be asked for.
template <class T>
std::vector<Member> members_of() {
  std::vector<Member> out;
  detail::for_each_member<T>([&](auto member) {
    constexpr auto kind = detail::kind_of<std::remove_cvref_t<decltype(std::declval<T>().*member.pointer)>>();
    if (kind != FieldKind::kNone) out.push_back({member.name, kind});
  });
  return out;
}

// None if the struct has no such member.
template <class T>
std::optional<Field> field_of(const T& object, std::string_view name) {
  std::optional<Field> found;
  detail::for_each_member<T>([&](auto member) {
    if (!found && name == member.name) found = detail::to_field(object.*member.pointer);
  });
  return found;
}

template <class T>
bool any_text_contains(const T& object, std::string_view word) {
  bool found = false;
  detail::for_each_member<T>([&](auto member) {
    const Field field = detail::to_field(object.*member.pointer);
    if (const auto* text = std::get_if<std::string_view>(&field)) found = found || contains(*text, word);
    if (const auto* map = std::get_if<const TextMap*>(&field))
      for (const auto& [key, value] : **map) found = found || contains(key, word) || contains(value, word);
  });
  return found;
}

}  // namespace portolan::control

// Structs in, JSON out, and back, without hand-written mapping: a struct is described once with BOOST_DESCRIBE_STRUCT
// and encode()/decode() do the rest. Understood member types: bool, integers, double, std::string, Secret, WallTime
// (RFC 3339), std::vector, std::map<std::string, T>, std::optional (absent or null), boost::json::value, and described
// structs.
//
// decode() is strict about types, ranges and missing members: a member that is not std::optional and has no entry is an
// error. Unknown members are refused (Unknown::kRefuse) in requests and security structures, and skipped (kIgnore)
// where a newer neighbour may have added some; there an older one may leave out what kMissingIsDefault says.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11/algorithm.hpp>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace portolan::json {

enum class Unknown { kRefuse, kIgnore };
using Value = boost::json::value;

// Specialised as true for a struct that has grown: decoded with kIgnore, what an older neighbour does not send has the
// struct's own default.
template <class T>
inline constexpr bool kMissingIsDefault = false;

// Parses one document, at most 64 levels deep; duplicate names are refused.
Result<Value> parse(std::string_view text);
std::string print(const Value& value);

namespace detail {

Error mismatch(std::string_view path, std::string_view expected, const Value& found);

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
Value to_value(const T& in);
template <class T>
Result<> from_value(const Value& in, T& out, const std::string& path, Unknown unknown);

template <class T>
Value struct_to_value(const T& in) {
  boost::json::object object;
  boost::mp11::mp_for_each<
      boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>>(
      [&](auto member) {
        const auto& field = in.*member.pointer;
        if constexpr (IsOptional<std::remove_cvref_t<decltype(field)>>::value) {
          if (field) object[member.name] = to_value(*field);
        } else {
          object[member.name] = to_value(field);
        }
      });
  return object;
}

template <class T>
Result<> struct_from_value(const Value& in, T& out, const std::string& path, Unknown unknown) {
  if (!in.is_object()) return std::unexpected(mismatch(path, "an object", in));
  const auto& object = in.get_object();
  Result<> result;
  std::size_t known = 0;
  boost::mp11::mp_for_each<
      boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>>(
      [&](auto member) {
        if (!result) return;
        auto& field = out.*member.pointer;
        using Field = std::remove_cvref_t<decltype(field)>;
        const std::string inner = path.empty() ? std::string(member.name) : path + "." + member.name;
        const Value* found = object.if_contains(member.name);
        if (found) ++known;
        if constexpr (IsOptional<Field>::value) {
          field.reset();
          if (!found || found->is_null()) return;
          result = from_value(*found, field.emplace(), inner, unknown);
        } else {
          if (!found && kMissingIsDefault<T> && unknown == Unknown::kIgnore) return;
          result = found ? from_value(*found, field, inner, unknown)
                         : Result<>(fail(Code::kInvalid, inner + ": is missing"));
        }
      });
  if (result && unknown == Unknown::kRefuse && known != object.size()) {
    for (const auto& entry : object) {
      bool described = false;
      boost::mp11::mp_for_each<
          boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>>(
          [&](auto member) { described = described || entry.key() == member.name; });
      if (!described)
        return fail(Code::kInvalid,
                    (path.empty() ? "" : path + ": ") + "unknown member " + quoted(std::string_view(entry.key())));
    }
  }
  return result;
}

template <class T>
Value to_value(const T& in) {
  if constexpr (std::is_same_v<T, bool> || std::is_floating_point_v<T> || std::is_integral_v<T>) {
    return in;
  } else if constexpr (std::is_same_v<T, Value>) {
    return in;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return boost::json::string(in);
  } else if constexpr (std::is_same_v<T, Secret>) {
    return boost::json::string(in.reveal());
  } else if constexpr (std::is_same_v<T, WallTime>) {
    return boost::json::string(to_rfc3339(in));
  } else if constexpr (IsVector<T>::value) {
    boost::json::array array;
    array.reserve(in.size());
    for (const auto& element : in) array.push_back(to_value(element));
    return array;
  } else if constexpr (IsMap<T>::value) {
    boost::json::object object;
    for (const auto& [key, element] : in) object[key] = to_value(element);
    return object;
  } else {
    return struct_to_value(in);
  }
}

template <class T>
Result<> integer_from_value(const Value& in, T& out, const std::string& path) {
  std::int64_t wide = 0;
  if (in.is_int64()) {
    wide = in.get_int64();
  } else if (in.is_uint64()) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
      out = in.get_uint64();
      return {};
    }
    return fail(Code::kInvalid, path + ": is out of range");
  } else {
    return std::unexpected(mismatch(path, "an integer", in));
  }
  if (!std::in_range<T>(wide)) return fail(Code::kInvalid, path + ": is out of range");
  out = static_cast<T>(wide);
  return {};
}

template <class T>
Result<> from_value(const Value& in, T& out, const std::string& path, Unknown unknown) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!in.is_bool()) return std::unexpected(mismatch(path, "true or false", in));
    out = in.get_bool();
    return {};
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!in.is_number()) return std::unexpected(mismatch(path, "a number", in));
    out = in.to_number<double>();
    return {};
  } else if constexpr (std::is_integral_v<T>) {
    return integer_from_value(in, out, path);
  } else if constexpr (std::is_same_v<T, Value>) {
    out = in;
    return {};
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Secret> || std::is_same_v<T, WallTime>) {
    if (!in.is_string()) return std::unexpected(mismatch(path, "text", in));
    std::string text(in.get_string());
    if constexpr (std::is_same_v<T, WallTime>) {
      auto time = from_rfc3339(text);
      if (!time) return std::unexpected(std::move(time).error().within(path));
      out = *time;
    } else {
      out = T(std::move(text));
    }
    return {};
  } else if constexpr (IsVector<T>::value) {
    if (!in.is_array()) return std::unexpected(mismatch(path, "an array", in));
    out.clear();
    for (std::size_t i = 0; i < in.get_array().size(); ++i)
      PL_CHECK(from_value(in.get_array()[i], out.emplace_back(), path + "[" + std::to_string(i) + "]", unknown));
    return {};
  } else if constexpr (IsMap<T>::value) {
    if (!in.is_object()) return std::unexpected(mismatch(path, "an object", in));
    out.clear();
    for (const auto& entry : in.get_object())
      PL_CHECK(
          from_value(entry.value(), out[std::string(entry.key())], path + "." + std::string(entry.key()), unknown));
    return {};
  } else {
    return struct_from_value(in, out, path, unknown);
  }
}

}  // namespace detail

template <class T>
Value to_value(const T& in) {
  return detail::to_value(in);
}
template <class T>
std::string encode(const T& in) {
  return print(detail::to_value(in));
}
template <class T>
Result<T> from_value(const Value& in, Unknown unknown) {
  T out{};
  PL_CHECK(detail::from_value(in, out, "", unknown));
  return out;
}
template <class T>
Result<T> decode(std::string_view text, Unknown unknown) {
  PL_TRY(const Value value, parse(text));
  return from_value<T>(value, unknown);
}

}  // namespace portolan::json

// Structs in, JSON out, and back, without hand-written mapping: a struct is described once with BOOST_DESCRIBE_STRUCT
// and encode()/decode() do the rest. Understood member types: bool, integers, double, std::string, Secret, WallTime
// (RFC 3339), std::vector, std::map<std::string, T>, std::optional (absent or null), boost::json::value, and described
// structs.
//
// decode() is strict about types, ranges and missing members: a member that is not std::optional and has no entry is an
// error. Unknown members are refused (Unknown::kRefuse) in requests and security structures, and skipped (kIgnore)
// where a newer neighbour may have added some; there an older one may leave out what kMissingIsDefault says.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11/algorithm.hpp>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json_print.h"
#include "base/result.h"

namespace portolan::json {

enum class Unknown { kRefuse, kIgnore };

// Specialised as true for a struct that has grown: decoded with kIgnore, what an older neighbour does not send has the
// struct's own default.
template <class T>
inline constexpr bool kMissingIsDefault = false;

// Parses one document, at most 64 levels deep; duplicate names are refused.
Result<Value> parse(std::string_view text);

namespace detail {

// Where in a document a value stands; made into words only for an error.
struct Place {
  const Place* outer = nullptr;
  std::string_view name = {};  // a member's; else the element `index` of an array
  std::size_t index = 0;

  std::string words() const;  // "items[3].name"; of the whole document ""
};

Error mismatch(const Place& place, std::string_view expected, const Value& found);
std::unexpected<Error> wrong(const Place& place, std::string_view what);
Value value_of(std::string_view printed);
// `memory` outlives the value.
Result<Value> parse_into(boost::json::storage_ptr memory, std::string_view text);

template <class T>
Result<> from_value(const Value& in, T& out, const Place& place, Unknown unknown);

template <class T>
Result<> refuse_unknown(const boost::json::object& object, const Place& place) {
  for (const auto& entry : object) {
    bool described = false;
    boost::mp11::mp_for_each<Members<T>>(
        [&](auto member) { described = described || entry.key() == std::string_view(member.name); });
    if (!described) return wrong(place, "unknown member " + quoted(std::string_view(entry.key())));
  }
  return {};
}

template <class T>
Result<> struct_from_value(const Value& in, T& out, const Place& place, Unknown unknown) {
  if (!in.is_object()) return std::unexpected(mismatch(place, "an object", in));
  const auto& object = in.get_object();
  Result<> result;
  std::size_t known = 0;
  boost::mp11::mp_for_each<Members<T>>([&](auto member) {
    if (!result) return;
    auto& field = out.*member.pointer;
    using Field = std::remove_cvref_t<decltype(field)>;
    const Place inner{&place, member.name};
    const Value* found = object.if_contains(member.name);
    if (found) ++known;
    if constexpr (IsOptional<Field>::value) {
      field.reset();
      if (!found || found->is_null()) return;
      result = from_value(*found, field.emplace(), inner, unknown);
    } else {
      if (!found && kMissingIsDefault<T> && unknown == Unknown::kIgnore) return;
      result = found ? from_value(*found, field, inner, unknown) : Result<>(wrong(inner, "is missing"));
    }
  });
  if (result && unknown == Unknown::kRefuse && known != object.size()) return refuse_unknown<T>(object, place);
  return result;
}

template <class T>
Result<> integer_from_value(const Value& in, T& out, const Place& place) {
  std::int64_t wide = 0;
  if (in.is_int64()) {
    wide = in.get_int64();
  } else if (in.is_uint64()) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
      out = in.get_uint64();
      return {};
    }
    return wrong(place, "is out of range");
  } else {
    return std::unexpected(mismatch(place, "an integer", in));
  }
  if (!std::in_range<T>(wide)) return wrong(place, "is out of range");
  out = static_cast<T>(wide);
  return {};
}

template <class T>
Result<> text_from_value(const Value& in, T& out, const Place& place) {
  if (!in.is_string()) return std::unexpected(mismatch(place, "text", in));
  std::string text(in.get_string());
  if constexpr (std::is_same_v<T, WallTime>) {
    auto time = from_rfc3339(text);
    if (!time) return std::unexpected(std::move(time).error().within(place.words()));
    out = *time;
  } else {
    out = T(std::move(text));
  }
  return {};
}

template <class T>
Result<> from_value(const Value& in, T& out, const Place& place, Unknown unknown) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!in.is_bool()) return std::unexpected(mismatch(place, "true or false", in));
    out = in.get_bool();
    return {};
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!in.is_number()) return std::unexpected(mismatch(place, "a number", in));
    out = in.to_number<double>();
    return {};
  } else if constexpr (std::is_integral_v<T>) {
    return integer_from_value(in, out, place);
  } else if constexpr (std::is_same_v<T, Value>) {
    out = in;
    return {};
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Secret> || std::is_same_v<T, WallTime>) {
    return text_from_value(in, out, place);
  } else if constexpr (IsVector<T>::value) {
    if (!in.is_array()) return std::unexpected(mismatch(place, "an array", in));
    const auto& array = in.get_array();
    out.clear();
    out.reserve(array.size());
    for (std::size_t i = 0; i < array.size(); ++i)
      PL_CHECK(from_value(array[i], out.emplace_back(), Place{&place, {}, i}, unknown));
    return {};
  } else if constexpr (IsMap<T>::value) {
    if (!in.is_object()) return std::unexpected(mismatch(place, "an object", in));
    out.clear();
    for (const auto& entry : in.get_object())
      PL_CHECK(from_value(entry.value(), out[std::string(entry.key())], Place{&place, entry.key()}, unknown));
    return {};
  } else {
    return struct_from_value(in, out, place, unknown);
  }
}

}  // namespace detail

// One pass, without a Value between: records and views are printed by the thousand.
template <class T>
std::string encode(const T& in) {
  std::string out;
  detail::print(in, out);
  return out;
}
// The same as a Value, for what is to be changed before it is printed.
template <class T>
Value to_value(const T& in) {
  return detail::value_of(encode(in));
}
template <class T>
Result<T> from_value(const Value& in, Unknown unknown) {
  T out{};
  PL_CHECK(detail::from_value(in, out, {}, unknown));
  return out;
}
template <class T>
Result<T> decode(std::string_view text, Unknown unknown) {
  // Read once and dropped: all of it lies in a few blocks.
  std::array<unsigned char, 4096> first;
  boost::json::monotonic_resource arena(first.data(), first.size());
  PL_TRY(const Value value, detail::parse_into(&arena, text));
  return from_value<T>(value, unknown);
}

}  // namespace portolan::json

// What is shown of a change that an apply makes: its members before and after, without secrets.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>

#include "api/apply.h"
#include "base/clock.h"

namespace portolan::control {

namespace detail {

using ShownText = std::optional<std::string>;

ShownText shown(bool value);
ShownText shown(std::uint16_t value);
ShownText shown(const std::optional<WallTime>& value);
ShownText shown(const std::vector<std::string>& values);

// Not what names an object, or is the store's own.
bool is_shown(std::string_view member);

void compare(const std::string& member, const std::string& before, const std::string& after,
             std::vector<api::ApplyMember>& out);
void compare(const std::string& member, const std::map<std::string, std::string>& before,
             const std::map<std::string, std::string>& after, std::vector<api::ApplyMember>& out);
template <class T>
void compare(const std::string& member, const T& before, const T& after, std::vector<api::ApplyMember>& out) {
  if (before != after) out.push_back({member, shown(before), shown(after)});
}

}  // namespace detail

// Object: one of the directory's.
template <class Object>
std::vector<api::ApplyMember> differences(const Object& before, const Object& after) {
  std::vector<api::ApplyMember> out;
  boost::mp11::mp_for_each<boost::describe::describe_members<Object, boost::describe::mod_any_access>>(
      [&](auto member) {
        using Field = std::remove_cvref_t<decltype(before.*member.pointer)>;
        if constexpr (!std::is_same_v<Field, WallTime> && !std::is_same_v<Field, std::uint64_t>)
          if (detail::is_shown(member.name))
            detail::compare(member.name, before.*member.pointer, after.*member.pointer, out);
      });
  return out;
}

}  // namespace portolan::control

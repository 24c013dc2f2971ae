// JSON Schemas (draft 2020-12, as in OpenAPI 3.1) of described structs, from the same descriptions that encode and
// decode them, so that a document cannot say anything else than the program does. A struct is strict: members that are
// not std::optional are required, and there are no others.
#pragma once
#include <limits>
#include <string>
#include <string_view>

#include "base/json.h"

namespace portolan::json {

namespace detail {

// "portolan::api::Page<portolan::api::RoleView>" as "RoleViewPage".
std::string schema_name(std::string_view type);

template <class T>
constexpr std::string_view type_name() {
  // clang: "… type_name() [T = portolan::api::RoleView]"
  constexpr std::string_view all = __PRETTY_FUNCTION__;
  constexpr auto begin = all.find("[T = ") + 5;
  return all.substr(begin, all.rfind(']') - begin);
}

}  // namespace detail

// Collects the structs that are asked for, each once, under its name without namespaces.
class Schemas {
 public:
  // The schema of T: in full for plain types, a reference to `#/components/schemas/NAME` for structs.
  template <class T>
  Value of() {
    if constexpr (detail::IsOptional<T>::value) {
      return of<typename T::value_type>();
    } else if constexpr (std::is_same_v<T, bool>) {
      return typed("boolean");
    } else if constexpr (std::is_floating_point_v<T>) {
      return typed("number");
    } else if constexpr (std::is_integral_v<T>) {
      return integer(static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                     static_cast<std::uint64_t>(std::numeric_limits<T>::max()));
    } else if constexpr (std::is_same_v<T, std::string>) {
      return typed("string");
    } else if constexpr (std::is_same_v<T, Secret>) {
      return formatted("password");
    } else if constexpr (std::is_same_v<T, WallTime>) {
      return formatted("date-time");
    } else if constexpr (std::is_same_v<T, Value>) {
      return boost::json::object();
    } else if constexpr (detail::IsVector<T>::value) {
      return list_of(of<typename T::value_type>());
    } else if constexpr (detail::IsMap<T>::value) {
      return map_of(of<typename T::mapped_type>());
    } else {
      return struct_of<T>();
    }
  }

  // By name; complete once everything that refers to them has been asked for.
  const boost::json::object& components() const { return components_; }

 private:
  static Value typed(std::string_view type);
  static Value formatted(std::string_view format);
  static Value integer(std::int64_t least, std::uint64_t most);
  static Value list_of(Value element);
  static Value map_of(Value element);
  static Value reference(const std::string& name);
  void keep(const std::string& name, boost::json::object properties, boost::json::array required);

  template <class T>
  Value struct_of() {
    const std::string name = detail::schema_name(detail::type_name<T>());
    if (components_.contains(name)) return reference(name);
    components_[name] = nullptr;  // for structs that contain themselves
    boost::json::object properties;
    boost::json::array required;
    boost::mp11::mp_for_each<
        boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>>(
        [&](auto member) {
          using Field = std::remove_cvref_t<decltype(std::declval<T>().*member.pointer)>;
          properties[member.name] = of<Field>();
          if constexpr (!detail::IsOptional<Field>::value) required.emplace_back(member.name);
        });
    keep(name, std::move(properties), std::move(required));
    return reference(name);
  }

  boost::json::object components_;
};

// What in `value` is not as `schema` says, "" if nothing: the path and the fault. For the schemas that Schemas makes,
// with `components` for their references, and enum and const.
std::string schema_fault(const Value& value, const Value& schema, const boost::json::object& components);

}  // namespace portolan::json

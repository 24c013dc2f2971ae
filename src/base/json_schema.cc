#include "base/json_schema.h"

#include <algorithm>

namespace portolan::json {
namespace {

using boost::json::array;
using boost::json::object;

constexpr std::string_view kComponents = "#/components/schemas/";

std::string without_namespaces(std::string_view name) {
  const auto colons = name.rfind("::");
  return std::string(colons == std::string_view::npos ? name : name.substr(colons + 2));
}

std::string at(std::string_view path, std::string_view fault) {
  return (path.empty() ? "the document" : std::string(path)) + ": " + std::string(fault);
}

class Checker {
 public:
  explicit Checker(const object& components) : components_(components) {}

  std::string fault(const Value& value, const Value& any_schema, const std::string& path) const {
    if (!any_schema.is_object()) return at(path, "its schema is missing");
    const object& schema = any_schema.get_object();
    if (const auto* ref = schema.if_contains("$ref")) return referred(value, ref->get_string(), path);
    if (const auto* allowed = schema.if_contains("enum"))
      if (std::ranges::find(allowed->get_array(), value) == allowed->get_array().end())
        return at(path, "is none of the known values");
    const auto* type = schema.if_contains("type");
    if (!type) return {};
    const std::string_view name = type->get_string();
    if (name == "object") return object_fault(value, schema, path);
    if (name == "array") return array_fault(value, schema, path);
    if (name == "integer") return integer_fault(value, schema, path);
    if (name == "string") return string_fault(value, schema, path);
    if (name == "boolean") return value.is_bool() ? "" : at(path, "is not true or false");
    if (name == "number") return value.is_number() ? "" : at(path, "is no number");
    return at(path, "its schema has an unknown type");
  }

 private:
  std::string referred(const Value& value, std::string_view ref, const std::string& path) const {
    if (!ref.starts_with(kComponents)) return at(path, "its schema refers to elsewhere");
    const auto* found = components_.if_contains(ref.substr(kComponents.size()));
    return found ? fault(value, *found, path) : at(path, "its schema refers to nothing");
  }

  std::string object_fault(const Value& value, const object& schema, const std::string& path) const {
    if (!value.is_object()) return at(path, "is no object");
    const auto* properties = schema.if_contains("properties");
    const auto* more = schema.if_contains("additionalProperties");
    for (const auto& member : value.get_object()) {
      const std::string inner = path + "." + std::string(member.key());
      const auto* known = properties ? properties->get_object().if_contains(member.key()) : nullptr;
      const auto* of_member = known ? known : more && more->is_object() ? more : nullptr;
      if (!of_member) {
        if (more && more->is_bool() && more->get_bool()) continue;
        return at(inner, "is not documented");
      }
      if (auto found = fault(member.value(), *of_member, inner); !found.empty()) return found;
    }
    if (const auto* required = schema.if_contains("required"))
      for (const auto& name : required->get_array())
        if (!value.get_object().contains(name.get_string()))
          return at(path + "." + std::string(name.get_string()), "is missing");
    return {};
  }

  std::string array_fault(const Value& value, const object& schema, const std::string& path) const {
    if (!value.is_array()) return at(path, "is no array");
    for (std::size_t i = 0; i < value.get_array().size(); ++i)
      if (auto found = fault(value.get_array()[i], schema.at("items"), path + "[" + std::to_string(i) + "]");
          !found.empty())
        return found;
    return {};
  }

  static std::string integer_fault(const Value& value, const object& schema, const std::string& path) {
    if (!value.is_int64() && !value.is_uint64()) return at(path, "is no integer");
    const auto* least = schema.if_contains("minimum");
    if (least && value.is_int64() && value.get_int64() < least->to_number<std::int64_t>())
      return at(path, "is too small");
    const auto* most = schema.if_contains("maximum");
    const bool negative = value.is_int64() && value.get_int64() < 0;
    if (most && !negative && value.to_number<std::uint64_t>() > most->to_number<std::uint64_t>())
      return at(path, "is too large");
    return {};
  }

  static std::string string_fault(const Value& value, const object& schema, const std::string& path) {
    if (!value.is_string()) return at(path, "is no text");
    const auto* format = schema.if_contains("format");
    if (format && format->get_string() == "date-time" && !from_rfc3339(std::string_view(value.get_string())))
      return at(path, "is no time");
    return {};
  }

  const object& components_;
};

}  // namespace

namespace detail {

std::string schema_name(std::string_view type) {
  const auto open = type.find('<');
  if (open == std::string_view::npos) return without_namespaces(type);
  const auto inner = type.substr(open + 1, type.rfind('>') - open - 1);
  return schema_name(inner) + without_namespaces(type.substr(0, open));
}

}  // namespace detail

Value Schemas::typed(std::string_view type) { return object{{"type", type}}; }
Value Schemas::formatted(std::string_view format) { return object{{"type", "string"}, {"format", format}}; }
Value Schemas::integer(std::int64_t least, std::uint64_t most) {
  return object{{"type", "integer"}, {"minimum", least}, {"maximum", most}};
}
Value Schemas::list_of(Value element) { return object{{"type", "array"}, {"items", std::move(element)}}; }
Value Schemas::map_of(Value element) {
  return object{{"type", "object"}, {"additionalProperties", std::move(element)}};
}
Value Schemas::reference(const std::string& name) { return object{{"$ref", std::string(kComponents) + name}}; }

void Schemas::keep(const std::string& name, object properties, array required) {
  object schema{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  components_[name] = std::move(schema);
}

std::string schema_fault(const Value& value, const Value& schema, const object& components) {
  return Checker(components).fault(value, schema, "");
}

}  // namespace portolan::json

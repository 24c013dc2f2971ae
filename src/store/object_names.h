// What people call an object of the directory, for messages and activities.
#pragma once
#include <string>
#include <string_view>

#include "directory/decision.h"
#include "directory/model.h"

namespace portolan::store {

namespace detail {

// What names the object with this id; the id itself if there is none.
template <class Object>
std::string name_or_id(const std::map<std::string, Object, std::less<>>& objects, std::string_view id,
                       std::string Object::* name) {
  const auto found = objects.find(id);
  return found == objects.end() ? std::string(id) : found->second.*name;
}

}  // namespace detail

// May be empty: a device need have no name. `snapshot` is asked for what the object connects.
template <class Object>
std::string object_name(const directory::Snapshot& snapshot, const Object& object) {
  const auto email = [&](std::string_view id) {
    return detail::name_or_id(snapshot.accounts, id, &directory::Account::email);
  };
  const auto role = [&](std::string_view id) { return detail::name_or_id(snapshot.roles, id, &directory::Role::name); };
  if constexpr (requires { object.email; }) {
    return object.email;
  } else if constexpr (requires { object.name; }) {
    return object.name;
  } else if constexpr (requires { object.purpose; }) {
    return object.purpose;
  } else if constexpr (requires { object.device; }) {
    return email(object.account) + " on " +
           detail::name_or_id(snapshot.devices, object.device, &directory::Device::name);
  } else if constexpr (requires { object.resource; }) {
    return role(object.role) + " → " +
           detail::name_or_id(snapshot.resources, object.resource, &directory::Resource::name);
  } else {
    return email(object.account) + " → " + role(object.role);
  }
}

}  // namespace portolan::store

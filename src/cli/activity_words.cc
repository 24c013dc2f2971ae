#include "cli/activity_words.h"

#include <algorithm>
#include <string_view>

#include "base/json.h"
#include "base/words.h"

namespace portolan::cli {
namespace {

using boost::json::object;

constexpr std::size_t kValueLimit = 60;

object parsed(const std::string& text) {
  auto value = json::parse(text);
  return value && value->is_object() ? value->get_object() : object();
}

// Its name says these, or people have no use for them.
bool is_told(std::string_view member) {
  constexpr std::string_view kHidden[] = {"id",    "created",      "revision",    "account",
                                          "role",  "resource",     "device",      "certificate_serial",
                                          "email", "certificates", "certificate", "public_key"};
  return std::ranges::find(kHidden, member) == std::end(kHidden);
}

bool is_nothing(const json::Value& value) {
  return value.is_null() || (value.is_string() && value.get_string().empty()) ||
         (value.is_bool() && !value.get_bool()) || (value.is_object() && value.get_object().empty()) ||
         (value.is_array() && value.get_array().empty());
}

// What is kept of secrets is a hash or sealed; people know them by other names.
std::string called(std::string_view member) {
  if (member == "sealed_password" || member == "password_hash") return "password";
  if (member == "token_hash") return "token";
  if (member == "wrong_passwords") return "wrong passwords";
  return member == "sealed_key" ? "key" : std::string(member);
}

std::string words_of(const json::Value& value) {
  if (value.is_null() || (value.is_string() && value.get_string().empty())) return "none";
  if (value.is_string()) return plain_words(std::string(value.get_string()), kValueLimit);
  return plain_words(json::print(value), kValueLimit);
}

void add(std::string& out, const std::string& more) { out += (out.empty() ? "" : ", ") + more; }

// Maps are compared entry by entry.
void compare(const std::string& member, const json::Value& before, const json::Value& after, std::string& out) {
  if (before == after) return;
  if (before.is_object() && after.is_object()) {
    const auto& was = before.get_object();
    const auto& is = after.get_object();
    for (const auto& each : was)
      compare(member + "." + std::string(each.key()), each.value(),
              is.contains(each.key()) ? is.at(each.key()) : json::Value(), out);
    for (const auto& each : is)
      if (!was.contains(each.key())) compare(member + "." + std::string(each.key()), {}, each.value(), out);
    return;
  }
  add(out, called(member) + ": " + words_of(before) + " → " + words_of(after));
}

}  // namespace

std::string verb_in_words(std::string_view verb) {
  std::string out(verb);
  std::ranges::replace_if(out, [](char c) { return c == '.' || c == '_'; }, ' ');
  return out;
}

std::string object_in_words(const api::ActivityView& activity) {
  if (!activity.object_name.empty()) return activity.object_name;
  const object told = parsed(activity.after.empty() ? activity.before : activity.after);
  for (const char* member : {"email", "name"})
    if (const auto* name = told.if_contains(member); name && name->is_string() && !name->get_string().empty())
      return std::string(name->get_string());
  return activity.object;
}

std::string change_in_words(const api::ActivityView& activity) {
  // Nothing was changed, but it says from where.
  const bool only_told = activity.verb == "account.locked";
  const object before = only_told ? object() : parsed(activity.before);
  const object after = parsed(only_told ? activity.before : activity.after);
  std::string out;
  for (const auto& each : after) {
    const std::string member(each.key());
    if (!is_told(member)) continue;
    if (!before.empty()) {
      compare(member, before.contains(member) ? before.at(member) : json::Value(), each.value(), out);
    } else if (member != "name" && !is_nothing(each.value())) {
      add(out, called(member) + ": " + words_of(each.value()));
    }
  }
  return out;
}

}  // namespace portolan::cli

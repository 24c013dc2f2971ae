// Lists of the directory's objects, and looking one up: the same for every kind. Read from the snapshot of the request;
// the cursor is the place behind the last entry in the list's order, so that objects that come and go meanwhile disturb
// nothing.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/admin.h"
#include "control/routes.h"

namespace portolan::control {

struct ListRequest {
  std::size_t limit = 100;
  std::string after;  // order key; empty: from the beginning
};
inline constexpr std::size_t kListLimit = 1000;

// `limit`, `cursor` and the filters named; any other parameter is refused, since a list with a mistyped filter shows
// too much.
Result<ListRequest> list_request(const net::http::Request& request, std::initializer_list<std::string_view> filters);
Result<std::size_t> list_limit(const net::http::Request& request);
Result<> check_parameters(const net::http::Request& request, std::initializer_list<std::string_view> known);

std::string encode_cursor(std::string_view key);

// An entry of a list: what it is ordered by (made unique by the id in it) and what is shown.
template <class View>
using Entry = std::pair<std::string, View>;

template <class View>
net::http::Response page(std::vector<Entry<View>> entries, const ListRequest& request) {
  std::ranges::sort(entries, {}, &Entry<View>::first);
  const auto begin = std::ranges::upper_bound(entries, request.after, {}, &Entry<View>::first);
  api::Page<View> out;
  auto at = begin;
  for (; at != entries.end() && out.items.size() < request.limit; ++at) out.items.push_back(std::move(at->second));
  if (at != entries.end()) out.cursor = encode_cursor(std::prev(at)->first);
  return ok(out);
}

// The key by which a list is ordered: the name first, then the id, apart by a byte that neither has.
inline std::string order_key(std::string_view name, std::string_view id) {
  return std::string(name) + '\n' + std::string(id);
}

// Whether the object passes the filter, if the request has one.
inline bool passes(const net::http::Request& request, const std::string& filter, std::string_view value) {
  const auto wanted = request.parameter(filter);
  return !wanted || *wanted == value;
}

// `found`, or Code::kNotFound with the words of the request.
template <class Object>
Result<Object> existing(const Object* found, std::string_view kind, std::string_view key) {
  if (found) return *found;
  return fail(Code::kNotFound, "there is no " + std::string(kind) + " " + quoted(key));
}

}  // namespace portolan::control

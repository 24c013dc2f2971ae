// What lists and look-ups share.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http/message.h"

namespace portolan::control {

inline constexpr std::size_t kListLimit = 1000;

// `limit`; 100 without it.
Result<std::size_t> list_limit(const net::http::Request& request);
// Any other parameter is refused, since a list with a mistyped filter shows too much.
Result<> check_parameters(const net::http::Request& request, std::span<const std::string_view> known);
Result<> check_parameters(const net::http::Request& request, std::initializer_list<std::string_view> known);

// Code::kInvalid, with the values that there are, if it is none of them.
Result<> check_one_of(std::string_view parameter, std::string_view value, std::span<const std::string_view> values);

std::string encode_cursor(std::string_view place);

// Lists of what is not in the directory (collection.h has those): `limit`, `cursor` and the filters named.
struct ListRequest {
  std::size_t limit = 100;
  std::string after;  // place in the order; empty: from the beginning
};
Result<ListRequest> list_request(const net::http::Request& request, std::initializer_list<std::string_view> filters);

// The place of an entry in a list by name; the id makes it unique.
inline std::string order_key(std::string_view name, std::string_view id) {
  return std::string(name) + '\n' + std::string(id);
}

// `found`, or Code::kNotFound with the words of the request.
template <class Object>
Result<Object> existing(const Object* found, std::string_view kind, std::string_view key) {
  if (found) return *found;
  return fail(Code::kNotFound, "there is no " + std::string(kind) + " " + quoted(key));
}

}  // namespace portolan::control

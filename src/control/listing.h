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

std::string encode_cursor(std::string_view place);

// `found`, or Code::kNotFound with the words of the request.
template <class Object>
Result<Object> existing(const Object* found, std::string_view kind, std::string_view key) {
  if (found) return *found;
  return fail(Code::kNotFound, "there is no " + std::string(kind) + " " + quoted(key));
}

}  // namespace portolan::control

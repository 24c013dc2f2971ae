#include "control/listing.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"

namespace portolan::control {

Result<> check_parameters(const net::http::Request& request, std::span<const std::string_view> known) {
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string all;
    for (const auto each : known) all += (all.empty() ? "" : ", ") + std::string(each);
    return fail(Code::kInvalid, "unknown parameter " + quoted(name) + "; known are: " + all);
  }
  return {};
}

Result<> check_parameters(const net::http::Request& request, std::initializer_list<std::string_view> known) {
  return check_parameters(request, std::span(known.begin(), known.size()));
}

Result<std::size_t> list_limit(const net::http::Request& request) {
  const auto text = request.parameter("limit");
  if (!text) return std::size_t{100};
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (error != std::errc() || end != text->data() + text->size() || limit == 0 || limit > kListLimit)
    return fail(Code::kInvalid, "limit: must be 1 to " + std::to_string(kListLimit));
  return limit;
}

Result<> check_one_of(std::string_view parameter, std::string_view value, std::span<const std::string_view> values) {
  if (std::ranges::find(values, value) != values.end()) return {};
  std::string all;
  for (std::size_t i = 0; i < values.size(); ++i)
    all += (i == 0 ? "" : i + 1 == values.size() ? " or " : ", ") + std::string(values[i]);
  return fail(Code::kInvalid, std::string(parameter) + " " + quoted(value) + ": must be " + all);
}

std::string encode_cursor(std::string_view place) { return base64url(as_bytes(place)); }

Result<ListRequest> list_request(const net::http::Request& request, std::initializer_list<std::string_view> filters) {
  std::vector<std::string_view> known = {"limit", "cursor"};
  known.insert(known.end(), filters.begin(), filters.end());
  PL_CHECK(check_parameters(request, known));
  ListRequest out;
  PL_TRY(out.limit, list_limit(request));
  if (const auto cursor = request.parameter("cursor")) {
    const auto place = from_base64url(*cursor);
    if (!place || place->empty()) return fail(Code::kInvalid, "cursor: is not one of ours");
    out.after = as_text(*place);
  }
  return out;
}

}  // namespace portolan::control

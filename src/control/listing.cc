#include "control/listing.h"

#include <charconv>

namespace portolan::control {

Result<> check_parameters(const net::http::Request& request, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string all;
    for (const auto each : known) all += (all.empty() ? "" : ", ") + std::string(each);
    return fail(Code::kInvalid, "unknown parameter " + quoted(name) + "; known are: " + all);
  }
  return {};
}

Result<std::size_t> list_limit(const net::http::Request& request) {
  const auto text = request.parameter("limit");
  if (!text) return ListRequest{}.limit;
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (error != std::errc() || end != text->data() + text->size() || limit == 0 || limit > kListLimit)
    return fail(Code::kInvalid, "limit: must be 1 to " + std::to_string(kListLimit));
  return limit;
}

std::string encode_cursor(std::string_view key) { return base64url(as_bytes(key)); }

Result<ListRequest> list_request(const net::http::Request& request, std::initializer_list<std::string_view> filters) {
  for (const auto& [name, value] : request.query)
    if (name != "limit" && name != "cursor" && std::ranges::find(filters, name) == filters.end()) {
      std::string all = "limit, cursor";
      for (const auto each : filters) all += ", " + std::string(each);
      return fail(Code::kInvalid, "unknown parameter " + quoted(name) + "; known are: " + all);
    }
  ListRequest out;
  PL_TRY(out.limit, list_limit(request));
  if (const auto cursor = request.parameter("cursor")) {
    const auto key = from_base64url(*cursor);
    if (!key) return fail(Code::kInvalid, "cursor: is not one of ours");
    out.after = as_text(*key);
  }
  return out;
}

}  // namespace portolan::control

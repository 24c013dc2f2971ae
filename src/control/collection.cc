#include "control/collection.h"

#include "base/bytes.h"

namespace portolan::control {

std::string account_id(const Lookup& lookup, const std::string& key) {
  const auto* found = lookup.account(key);
  return found ? found->id : key;
}
std::string role_id(const Lookup& lookup, const std::string& key) {
  const auto* found = lookup.role(key);
  return found ? found->id : key;
}
std::string resource_id(const Lookup& lookup, const std::string& key) {
  const auto* found = lookup.resource(key);
  return found ? found->id : key;
}

namespace {

Result<> check_known(const net::http::Request& request, std::span<const ExactFilter> exact) {
  std::vector<std::string_view> known = {"filter", "order_by", "limit", "cursor", "watch"};
  for (const auto& filter : exact) known.push_back(filter.parameter);
  return check_parameters(request, known);
}

}  // namespace

Result<ListQuery> list_query(const Exchange& exchange, const std::vector<Member>& members,
                             std::span<const ExactFilter> exact, std::string_view usual_order, ListUse use) {
  const auto& request = exchange.call.request;
  PL_CHECK(check_known(request, exact));
  ListQuery query;
  if (use == ListUse::kWatch)
    for (const char* of_pages : {"limit", "cursor", "order_by"})
      if (request.parameter(of_pages)) return fail(Code::kInvalid, std::string(of_pages) + ": not with watch=1");
  PL_TRY(query.limit, list_limit(request));
  PL_TRY(query.order, parse_order(request.parameter("order_by").value_or(std::string(usual_order)), members));
  PL_TRY(query.terms, parse_filter(request.parameter("filter").value_or(""), members));
  for (const auto& filter : exact) {
    const auto asked = request.parameter(std::string(filter.parameter));
    if (!asked) continue;
    PL_TRY(auto term,
           exact_term(filter.member, filter.resolve ? filter.resolve(*exchange.lookup, *asked) : *asked, members));
    query.terms.push_back(std::move(term));
  }
  if (const auto cursor = request.parameter("cursor")) {
    const auto place = from_base64url(*cursor);
    if (!place || place->empty()) return fail(Code::kInvalid, "cursor: is not one of ours");
    query.after = as_text(*place);
  }
  return query;
}

}  // namespace portolan::control

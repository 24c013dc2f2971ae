#include "control/collection.h"

#include "base/bytes.h"

namespace portolan::control {

Result<std::string> account_id(const Lookup& lookup, const std::string& key) {
  PL_TRY(const auto account, existing(lookup.account(key), "account", key));
  return account.id;
}
Result<std::string> role_id(const Lookup& lookup, const std::string& key) {
  PL_TRY(const auto role, existing(lookup.role(key), "role", key));
  return role.id;
}
Result<std::string> resource_id(const Lookup& lookup, const std::string& key) {
  PL_TRY(const auto resource, existing(lookup.resource(key), "resource", key));
  return resource.id;
}

namespace {

Result<> check_known(const net::http::Request& request, std::span<const ExactFilter> exact) {
  std::vector<std::string_view> known = {"filter", "order_by", "limit", "cursor", "watch"};
  for (const auto& filter : exact) known.push_back(filter.parameter);
  return check_parameters(request, known);
}

Result<> check_values(const std::vector<Term>& terms, std::span<const ExactFilter> exact) {
  for (const auto& term : terms)
    if (term.op == Op::kEqual || term.op == Op::kUnequal)
      for (const auto& filter : exact)
        if (filter.member == term.member && !filter.values.empty())
          PL_CHECK(check_one_of(filter.parameter, term.text, filter.values));
  return {};
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
    std::string value = *asked;
    if (filter.resolve) {
      PL_TRY(value, filter.resolve(*exchange.lookup, *asked));
    }
    PL_TRY(auto term, exact_term(filter.member, value, members));
    query.terms.push_back(std::move(term));
  }
  PL_CHECK(check_values(query.terms, exact));
  if (const auto cursor = request.parameter("cursor")) {
    const auto place = from_base64url(*cursor);
    if (!place || place->empty()) return fail(Code::kInvalid, "cursor: is not one of ours");
    query.after = as_text(*place);
  }
  return query;
}

}  // namespace portolan::control

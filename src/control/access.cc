#include <utility>

#include "api/admin.h"
#include "control/listing.h"
#include "control/roles.h"

namespace portolan::control {
namespace {

Answer explain(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  PL_CHECK(check_parameters(request, {"account", "resource"}));
  const auto account_key = request.parameter("account");
  const auto resource_key = request.parameter("resource");
  if (!account_key || !resource_key) return fail(Code::kInvalid, "account and resource are needed");
  PL_TRY(const auto account, existing(exchange.lookup->account(*account_key), "account", *account_key));
  PL_TRY(const auto resource, existing(exchange.lookup->resource(*resource_key), "resource", *resource_key));
  const auto& snapshot = exchange.lookup->snapshot();
  auto decision = directory::allow(snapshot, account.id, resource.id, exchange.now);
  api::ExplainView view{
      decision.allowed, std::move(decision.code), std::move(decision.reasons), {}, decision.valid_until};
  for (const auto* node : directory::egress_nodes(snapshot, resource)) view.egress.push_back(node->name);
  return ok(view);
}

}  // namespace

void add_access(Routes& routes, Core&) { routes.add_at_once("GET /v1/access/explain", explain); }

}  // namespace portolan::control

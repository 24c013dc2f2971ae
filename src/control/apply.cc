// The plan is made inside the transaction, on the directory as it is then: nobody can come in between. A dry run goes
// the whole way and is undone at its end, so that what it says is what would be done, the database's own rules
// included.
#include "control/apply.h"

#include <memory>
#include <utility>

#include "base/id.h"
#include "control/accounts.h"
#include "control/apply_plan.h"

namespace portolan::control {
namespace {

constexpr std::string_view kUndone = "dry_run";

Result<> within(Result<> result, const std::string& entry) {
  if (result || entry.empty()) return result;
  return std::unexpected(std::move(result).error().within(entry));
}

Result<> carry_out(store::Change& change, const ApplyPlan& plan) {
  for (const auto& step : plan.removals)
    PL_CHECK(within(
        std::visit([&]<class Object>(const Object& object) -> Result<> { return change.remove<Object>(object.id); },
                   step.object),
        step.entry));
  for (const auto& step : plan.puts)
    PL_CHECK(within(std::visit([&](const auto& object) -> Result<> { return change.put(object); }, step.object),
                    step.entry));
  return plan.accounts ? keep_an_admin(change) : Result<>();
}

std::unexpected<Error> too_many(std::uint64_t count, std::string_view what) {
  return fail(Code::kLimit, std::to_string(count) + " " + std::string(what) + " are too many for one apply; at most " +
                                std::to_string(api::kApplyEntries) + " will do: divide the file");
}

Result<> check_count(const api::ApplyRequest& request) {
  std::size_t entries = 0;
  if (request.accounts)
    for (const auto& account : *request.accounts) entries += 1 + (account.roles ? account.roles->size() : 0);
  if (request.roles)
    for (const auto& role : *request.roles) entries += 1 + (role.grants ? role.grants->size() : 0);
  if (request.resources) entries += request.resources->size();
  const auto count = [](const auto& list) { return list ? list->size() : 0; };
  if (request.peering_groups)
    for (const auto& group : *request.peering_groups)
      entries += 1 + count(group.nodes) + count(group.resources) + count(group.peers);
  if (request.clusters) entries += request.clusters->size();
  if (entries <= api::kApplyEntries) return {};
  return too_many(entries, "entries");
}

Result<> check_count(const api::ApplyTotals& totals) {
  const auto changes = totals.created + totals.updated + totals.deleted;
  return changes <= api::kApplyEntries ? Result<>() : too_many(changes, "changes");
}

Result<> check_plan(const api::ApplyRequest& request, const api::ApplyAnswer& answer) {
  if (!request.plan || *request.plan == answer.plan) return {};
  return fail(Code::kConflict,
              "the directory has been changed meanwhile: something else than what was shown would be done now; look at "
              "it again with a dry run",
              "stale");
}

struct Outcome {
  bool dry_run = false;
  std::string body;
};

// One apply from body to body, on the store's thread: reading and printing megabytes would hold up everybody else on
// the loop.
Result<> run(store::Change& change, const std::string& body, const ApplyContext& context, Outcome& outcome) {
  PL_TRY(const auto request, json::decode<api::ApplyRequest>(body, json::Unknown::kRefuse));
  PL_CHECK(check_count(request));
  PL_TRY(const auto plan, plan_apply(change.now(), request, context));
  PL_CHECK(check_plan(request, plan.answer));
  PL_CHECK(check_count(plan.answer.totals));
  PL_CHECK(carry_out(change, plan));
  outcome.body = json::encode(plan.answer);
  outcome.dry_run = request.dry_run.value_or(false);
  if (outcome.dry_run) return fail(Code::kConflict, "nothing was changed", std::string(kUndone));
  return {};
}

// What all applies share.
struct Applies {
  // One that runs and one that waits: each holds the store's thread for seconds.
  static constexpr int kAtOnce = 2;
  int there = 0;
  const std::string salt = make_token();
};

class Place {
 public:
  explicit Place(Applies& applies) : applies_(applies) { ++applies_.there; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { --applies_.there; }

 private:
  Applies& applies_;
};

net::Task<Answer> apply(Core& core, std::shared_ptr<Applies> applies, Exchange exchange) {
  if (applies->there >= Applies::kAtOnce)
    co_return fail(Code::kLimit, "another apply is running, and one more waits; come again when they are done",
                   "apply_busy");
  const Place place(*applies);
  const auto outcome = std::make_shared<Outcome>();
  auto work = [&core, applies, outcome, body = std::move(exchange.call.request.body), account = exchange.caller.account,
               now = exchange.now](store::Change& change) {
    return run(change, body, {account, now, core.sealing, applies->salt}, *outcome);
  };
  const auto done = co_await change_as(core, exchange, std::move(work));
  if (!done && !(outcome->dry_run && done.error().reason == kUndone)) co_return std::unexpected(done.error());
  co_return net::http::json_response(200, std::move(outcome->body));
}

}  // namespace

void add_apply(Routes& routes, Core& core) {
  routes.add("POST /v1/apply", [&core, applies = std::make_shared<Applies>()](Exchange exchange) {
    return apply(core, applies, std::move(exchange));
  });
}

}  // namespace portolan::control

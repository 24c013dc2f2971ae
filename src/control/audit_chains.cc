#include "control/audit_chains.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "api/admin.h"
#include "audit/chain.h"
#include "audit/spool_line.h"
#include "base/bytes.h"
#include "base/id.h"
#include "control/listing.h"

namespace portolan::control {
namespace {

constexpr std::size_t kRecordsLimit = 20'000;
constexpr std::size_t kHeadsLimit = 100;
constexpr std::size_t kNameLimit = 64;  // ids and kinds in records

// What everything else is found by. The rest is text that the node vouches for.
Result<> check_record(const api::RecordFacts& record) {
  if (!is_id(record.session, "s") || record.session.size() > kNameLimit)
    return fail(Code::kInvalid, "records: not a session: " + quoted(record.session));
  if (record.kind.empty() || record.kind.size() > kNameLimit)
    return fail(Code::kInvalid, "records: not a kind: " + quoted(record.kind));
  if (record.trace.size() > kNameLimit) return fail(Code::kInvalid, "records: not a trace id: " + quoted(record.trace));
  return {};
}

Result<> check_count(std::size_t records) {
  if (records <= kRecordsLimit) return {};
  return fail(Code::kInvalid, "records: at most " + std::to_string(kRecordsLimit) + " at a time");
}

// Whether the hashes are right is for those to find out who verify: to refuse a record here would lose it.
Result<std::vector<store::AuditEntry>> entries_of(std::string_view lines) {
  const auto count = static_cast<std::size_t>(std::ranges::count(lines, '\n'));
  PL_CHECK(check_count(count));
  std::vector<store::AuditEntry> entries;
  entries.reserve(count);
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    if (end == std::string_view::npos) return fail(Code::kInvalid, "records: the last line has no end");
    auto line = audit::parse_handed(lines.substr(0, end));
    if (!line || line->point.number == 0)
      return fail(Code::kInvalid, "records: a line does not begin with its place in a chain");
    auto facts = api::facts_of(line->json);
    if (!facts) return std::unexpected(std::move(facts).error().within("records"));
    PL_CHECK(check_record(*facts));
    entries.push_back({std::move(*facts), std::move(line->json), std::move(line->point.chain), line->point.number,
                       hex(line->point.hash)});
    lines.remove_prefix(end + 1);
  }
  return entries;
}

Result<> check_heads(const std::vector<api::ChainHead>& heads, const directory::Node& node) {
  if (heads.size() > kHeadsLimit)
    return fail(Code::kInvalid, "heads: at most " + std::to_string(kHeadsLimit) + " at a time");
  if (heads.empty()) return {};
  PL_TRY(const auto key, crypto::PublicKey::from_pem(node.public_key));
  for (const auto& head : heads) PL_CHECK(audit::check_head(head, node.id, key));
  return {};
}

struct ChainQuestion {
  std::string node;
  std::string chain;
  std::uint64_t after = 0;
  std::size_t limit = 0;
};

Result<ChainQuestion> question_of(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  PL_CHECK(check_parameters(request, {"node", "chain", "cursor", "limit"}));
  ChainQuestion out{request.parameter("node").value_or(""), request.parameter("chain").value_or(""), 0, 0};
  if (!is_id(out.node, "n")) return fail(Code::kInvalid, "node: must be the id of a node");
  if (!is_id(out.chain, "c")) return fail(Code::kInvalid, "chain: must be the id of a chain");
  PL_TRY(out.limit, list_limit(request));
  const std::string cursor = request.parameter("cursor").value_or("0");
  const auto* end = cursor.data() + cursor.size();
  const auto [stopped, error] = std::from_chars(cursor.data(), end, out.after);
  if (error != std::errc() || stopped != end) return fail(Code::kInvalid, "cursor: must be a number");
  return out;
}

template <class View>
Answer page_of(store::Listed<View> listed) {
  api::Page<View> page{std::move(listed.items), {}};
  if (listed.more) page.cursor = std::to_string(listed.cursor);
  return ok(page);
}

}  // namespace

void AuditChains::add_to(Routes& routes) {
  routes.add("POST /v1/node/audit", [this](Exchange exchange) { return take_records(std::move(exchange)); });
  routes.add("POST /v1/node/audit/chain", [this](Exchange exchange) { return take_chain(std::move(exchange)); });
  routes.add("POST /v1/node/audit/heads", [this](Exchange exchange) { return take_heads(std::move(exchange)); });
  routes.add("GET /v1/audit/chains", [this](Exchange exchange) { return list_chains(std::move(exchange)); });
  routes.add("GET /v1/audit/chain", [this](Exchange exchange) { return list_records(std::move(exchange)); });
  routes.add("GET /v1/audit/heads", [this](Exchange exchange) { return list_heads(std::move(exchange)); });
}

net::Task<Answer> AuditChains::take_records(Exchange exchange) {
  presence_.seen(exchange.caller.node);
  CO_TRY(auto batch, exchange.body<api::AuditBatch>());
  CO_CHECK(check_count(batch.records.size()));
  std::vector<store::AuditEntry> entries;
  for (auto& record : batch.records) {
    auto facts = api::facts_of(record);
    CO_CHECK(check_record(facts));
    entries.push_back({std::move(facts), json::encode(record)});
  }
  co_return co_await keep(exchange.caller.node, std::move(entries), {});
}

net::Task<Answer> AuditChains::take_chain(Exchange exchange) {
  presence_.seen(exchange.caller.node);
  CO_TRY(auto entries, entries_of(exchange.call.request.body));
  co_return co_await keep(exchange.caller.node, std::move(entries), {});
}

net::Task<Answer> AuditChains::take_heads(Exchange exchange) {
  presence_.seen(exchange.caller.node);
  // A later release may say more of them.
  CO_TRY(auto told, json::decode<api::ChainHeads>(exchange.call.request.body, json::Unknown::kIgnore));
  CO_CHECK(check_heads(told.heads, exchange.lookup->snapshot().nodes.find(exchange.caller.node)->second));
  co_return co_await keep(exchange.caller.node, {}, std::move(told.heads));
}

net::Task<Answer> AuditChains::keep(std::string node, std::vector<store::AuditEntry> entries,
                                    std::vector<api::ChainHead> heads) {
  auto work = [store = core_.audit.get(), node = std::move(node), entries = std::move(entries),
               heads = std::move(heads)] { return store->append(node, entries, heads); };
  CO_TRY(const auto acknowledged, co_await net::run_blocking(core_.audit_pool, std::move(work)));
  if (acknowledged.stored > 0) core_.hub.wake(Topic::kAudit);
  co_return ok(acknowledged);
}

net::Task<Answer> AuditChains::list_chains(Exchange exchange) {
  CO_CHECK(check_parameters(exchange.call.request, {"limit"}));
  auto work = [store = core_.audit.get()] { return store->chains(); };
  CO_TRY(auto chains, co_await net::run_blocking(core_.audit_pool, std::move(work)));
  const auto& nodes = exchange.lookup->snapshot().nodes;
  for (auto& view : chains)
    if (const auto node = nodes.find(view.node); node != nodes.end()) {
      view.name = node->second.name;
      view.public_key = node->second.public_key;
    }
  co_return ok(api::Page<api::ChainView>{std::move(chains), {}});
}

net::Task<Answer> AuditChains::list_records(Exchange exchange) {
  CO_TRY(const auto asked, question_of(exchange));
  auto work = [store = core_.audit.get(), asked] {
    return store->chain(asked.node, asked.chain, asked.after, asked.limit);
  };
  CO_TRY(auto listed, co_await net::run_blocking(core_.audit_pool, std::move(work)));
  co_return page_of(std::move(listed));
}

net::Task<Answer> AuditChains::list_heads(Exchange exchange) {
  CO_TRY(const auto asked, question_of(exchange));
  auto work = [store = core_.audit.get(), asked] {
    return store->heads(asked.node, asked.chain, asked.after, asked.limit);
  };
  CO_TRY(auto listed, co_await net::run_blocking(core_.audit_pool, std::move(work)));
  co_return page_of(std::move(listed));
}

}  // namespace portolan::control

#include <gtest/gtest.h>

#include "audit/spool_line.h"
#include "audit/verify.h"
#include "base/bytes.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::JoinedNode;
using testing::TestPlane;

constexpr const char* kPath = "/v1/node/audit/chain";
constexpr const char* kHeads = "/v1/node/audit/heads";
const std::string kChain = "c-0123456789abcdefghij";

// Records as a node would send them: a session's start and queries.
struct Sent {
  std::string lines;
  audit::ChainPoint last{kChain, 0, audit::chain_begin_hash(kChain)};
};

std::string handed(const audit::ChainPoint& point, std::string_view json) {
  return audit::handed_line(point, json) + "\n";
}

Sent records_of(std::uint64_t count) {
  Sent out;
  for (std::uint64_t i = 1; i <= count; ++i) {
    api::AuditRecord record;
    record.kind = i == 1 ? "session.started" : "query";
    record.session = "s-1";
    record.sequence = i;
    record.time = Clock::real().wall();
    record.text = "select " + std::to_string(i);
    const std::string json = json::encode(record);
    out.last = {kChain, i, audit::chain_hash(out.last.hash, i, json)};
    out.lines += handed(out.last, json);
  }
  return out;
}

api::ChainHeads head_of(const Sent& sent, const JoinedNode& node) {
  return {{audit::sign_head(sent.last, node.joined.node, Clock::real().wall(), node.key)}};
}

net::Task<Result<api::AuditAcknowledged>> send(TestPlane& test, std::string lines, JoinedNode by) {
  const auto response = co_await test.call({std::string("POST ") + kPath, {}, std::move(lines)}, by.by_certificate);
  if (response.status != 200) co_return std::unexpected(net::http::error_from(response));
  co_return json::decode<api::AuditAcknowledged>(response.body, json::Unknown::kRefuse);
}

CO_TEST(AuditChains, WhatANodeSendsCanBeVerified) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  const auto sent = records_of(5);
  const auto stored = co_await send(test, sent.lines, *relay);
  CO_ASSERT_OK(stored);
  EXPECT_EQ(stored->stored, 5U);
  const auto again = co_await send(test, sent.lines, *relay);
  CO_ASSERT_OK(again);
  EXPECT_EQ(again->known, 5U);
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>(kHeads, head_of(sent, *relay), relay->by_certificate));

  const auto queries = co_await test.get<api::Page<api::AuditRecord>>({"GET /v1/audit/queries"}, test.admin);
  CO_ASSERT_OK(queries);
  EXPECT_EQ(queries->items.size(), 4U);
  const auto chains = co_await test.get<api::Page<api::ChainView>>({"GET /v1/audit/chains"}, test.admin);
  CO_ASSERT_OK(chains);
  CO_ASSERT_EQ(chains->items.size(), 1U);
  EXPECT_EQ(chains->items[0].name, "relay-1");
  const auto key = crypto::PublicKey::from_pem(chains->items[0].public_key);
  CO_ASSERT_OK(key);
  EXPECT_TRUE(*key == relay->key.public_key());

  const std::map<std::string, std::string> query{{"node", relay->joined.node}, {"chain", kChain}, {"limit", "2"}};
  audit::Heads heads(relay->joined.node, kChain, *key);
  const auto told = co_await test.get<api::Page<api::ChainHead>>({"GET /v1/audit/heads", query}, test.admin);
  CO_ASSERT_OK(told);
  for (const auto& head : told->items) heads.add(head);
  audit::Verifier verifier(heads, {}, Clock::real().wall());
  auto next = query;
  for (int pages = 0; pages < 10; ++pages) {
    const auto page = co_await test.get<api::Page<api::ChainedRecord>>({"GET /v1/audit/chain", next}, test.admin);
    CO_ASSERT_OK(page);
    for (const auto& record : page->items) verifier.add(record);
    if (!page->cursor) break;
    next["cursor"] = *page->cursor;
  }
  verifier.finish();
  EXPECT_EQ(verifier.records(), 5U);
  EXPECT_EQ(verifier.signed_to(), 5U);
  EXPECT_TRUE(verifier.findings().empty());
}

CO_TEST(AuditChains, AHeadMustBeTheSendersOwn) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  const auto other = co_await test.join("relay", "relay-2");
  CO_ASSERT_OK(relay);
  CO_ASSERT_OK(other);
  const auto sent = records_of(2);
  const auto foreign = head_of(sent, *other);
  CO_ASSERT_ERROR(co_await test.post<api::AuditAcknowledged>(kHeads, foreign, relay->by_certificate), Code::kDenied);
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>(kHeads, head_of(sent, *relay), relay->by_certificate));
}

CO_TEST(AuditChains, WhatIsNotAsItMustBeIsRefused) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  const std::string good = records_of(1).lines;
  const audit::ChainPoint point{kChain, 1, {}};
  const std::string json = R"({"kind":"query","session":"s-1","sequence":1,"time":"2026-01-01T00:00:00Z","trace":"t"})";
  CO_ASSERT_OK(co_await send(test, handed(point, json), *relay));
  auto altered = [](std::string line, std::string_view what, std::string_view by) {
    line.replace(line.find(what), what.size(), by);
    return line;
  };
  for (const std::string& lines : {
           good.substr(0, good.size() - 1),                   // no end
           good + "\n",                                       // nothing
           good.substr(0, good.size() / 2) + "\n",            // cut
           altered(good, kChain, "x"),                        // no chain
           altered(good, "\"number\":1", "\"number\":0"),     // numbers begin with 1
           altered(good, "\"hash\":\"", "\"hash\":\"x"),      // no hash
           json + "\n",                                       // without a place
           handed(point, "{}"),                               // no record
           handed(point, "{nonsense}"),                       // no JSON
           handed(point, altered(json, "\"s-1\"", "\"x\"")),  // no session
           handed(point, altered(json, "\"s-1\"", "7")),      // a number in its place
           handed(point, altered(json, "\"sequence\":1", "\"sequence\":-1")),
           handed(point, altered(json, "\"trace\":\"t\"", "\"kind\":\"t\"")),  // twice
       })
    CO_ASSERT_ERROR(co_await send(test, lines, *relay), Code::kInvalid);
  CO_ASSERT_ERROR(co_await test.post<api::AuditAcknowledged>(kHeads, api::ChainHeads{std::vector<api::ChainHead>(101)},
                                                             relay->by_certificate),
                  Code::kInvalid);
  // A later release may say more.
  CO_ASSERT_OK(
      co_await send(test, handed(point, altered(json, "\"trace\"", R"("more":{"kind":[1]},"trace")")), *relay));
  for (const std::map<std::string, std::string>& query :
       {std::map<std::string, std::string>{},
        {{"node", "x"}, {"chain", kChain}},
        {{"node", relay->joined.node}, {"chain", "x"}},
        {{"node", relay->joined.node}, {"chain", kChain}, {"cursor", "x"}}}) {
    const auto refused = co_await test.call({"GET /v1/audit/chain", query}, test.admin);
    EXPECT_EQ(refused.status, 400);
  }
}

}  // namespace
}  // namespace portolan::control

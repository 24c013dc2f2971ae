#include <gtest/gtest.h>

#include "audit/verify.h"
#include "base/bytes.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::JoinedNode;
using testing::TestPlane;

constexpr const char* kPath = "/v1/node/audit/chain";
const std::string kChain = "c-0123456789abcdefghij";

// Records as a node would send them: a session's start and queries.
api::ChainBatch batch_of(std::uint64_t count) {
  api::ChainBatch batch{kChain, {}, {}};
  auto before = audit::chain_begin_hash(kChain);
  for (std::uint64_t i = 1; i <= count; ++i) {
    api::AuditRecord record;
    record.kind = i == 1 ? "session.started" : "query";
    record.session = "s-1";
    record.sequence = i;
    record.time = Clock::real().wall();
    record.text = "select " + std::to_string(i);
    const std::string json = json::encode(record);
    before = audit::chain_hash(before, i, json);
    batch.records.push_back({i, hex(before), json});
  }
  return batch;
}

api::ChainHead head_of(const api::ChainBatch& batch, const JoinedNode& node) {
  const auto& last = batch.records.back();
  return audit::sign_head({kChain, last.number, *audit::parse_hash(last.hash)}, node.joined.node, Clock::real().wall(),
                          node.key);
}

CO_TEST(AuditChains, WhatANodeSendsCanBeVerified) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  auto batch = batch_of(5);
  batch.heads.push_back(head_of(batch, *relay));
  const auto stored = co_await test.post<api::AuditAcknowledged>(kPath, batch, relay->by_certificate);
  CO_ASSERT_OK(stored);
  EXPECT_EQ(stored->stored, 5U);
  const auto again = co_await test.post<api::AuditAcknowledged>(kPath, batch, relay->by_certificate);
  CO_ASSERT_OK(again);
  EXPECT_EQ(again->known, 5U);

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
  const auto batch = batch_of(2);
  const api::ChainBatch foreign{{}, {}, {head_of(batch, *other)}};
  CO_ASSERT_ERROR(co_await test.post<api::AuditAcknowledged>(kPath, foreign, relay->by_certificate), Code::kDenied);
  const api::ChainBatch own{{}, {}, {head_of(batch, *relay)}};
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>(kPath, own, relay->by_certificate));
}

CO_TEST(AuditChains, WhatIsNotAsItMustBeIsRefused) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  using Change = void (*)(api::ChainBatch&);
  const Change changes[] = {
      [](api::ChainBatch& b) { b.chain = "x"; },
      [](api::ChainBatch& b) { b.records[0].number = 0; },
      [](api::ChainBatch& b) { b.records[0].hash = "x"; },
      [](api::ChainBatch& b) { b.records[0].record = "{}"; },
      [](api::ChainBatch& b) { b.records[0].record = "nonsense"; },
      [](api::ChainBatch& b) { b.heads.assign(101, {}); },
  };
  for (const auto change : changes) {
    auto batch = batch_of(1);
    change(batch);
    CO_ASSERT_ERROR(co_await test.post<api::AuditAcknowledged>(kPath, batch, relay->by_certificate), Code::kInvalid);
  }
  // A later release may say more.
  auto value = json::to_value(batch_of(1));
  value.get_object()["compression"] = "none";
  const auto taken = co_await test.call({std::string("POST ") + kPath, {}, json::print(value)}, relay->by_certificate);
  EXPECT_EQ(taken.status, 200);
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

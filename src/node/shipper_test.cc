#include "node/shipper.h"

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "audit/spool_line.h"
#include "audit/verify.h"
#include "base/id.h"
#include "net/co_test.h"
#include "node/fake_control.h"

namespace portolan::node {
namespace {

using namespace std::chrono_literals;

constexpr const char* kChain = "/v1/node/audit/chain";
constexpr const char* kHeads = "/v1/node/audit/heads";
constexpr const char* kPlain = "/v1/node/audit";

api::AuditRecord record(std::uint64_t sequence) {
  api::AuditRecord out;
  out.kind = "query";
  out.session = "s-1";
  out.sequence = sequence;
  out.time = Clock::real().wall();
  out.begun = sequence;
  return out;
}

// A spool, and a control plane that keeps what it is given as the real one does.
struct Rig {
  explicit Rig(const net::Executor& on) : executor(on), came(on) {
    auto opened = audit::Spool::open(executor, {.folder = folder / "audit", .free_floor_bytes = 0});
    EXPECT_TRUE(opened);
    spool = std::move(*opened);
  }
  ~Rig() {
    spool.reset();
    std::filesystem::remove_all(folder);
  }
  std::unique_ptr<Shipper> ship() {
    auto client = std::make_unique<testing::FakeControl>(
        [this](const std::string& path, const std::string& body) { return take(path, body); });
    return std::make_unique<Shipper>(executor, *spool, std::move(client), Signer{"n-1", key, Clock::real()});
  }
  Result<std::string> take(const std::string& path, const std::string& body) {
    came.set();
    paths.push_back(path);
    if (path != kPlain && !knows_chains) return fail(Code::kNotFound, "there is no such endpoint");
    if (fails_before-- > 0) return fail(Code::kUnavailable, "it was killed before it stored");
    if (path == kChain) {
      const auto came_in = audit::records_in(body);
      EXPECT_TRUE(came_in);
      for (const auto& chained : *came_in) {
        ++arrived;
        if (sequences.insert(audit::decode_record(chained.record)->sequence).second) records.push_back(chained);
      }
    } else if (path == kHeads) {
      const auto told = json::decode<api::ChainHeads>(body, json::Unknown::kRefuse);
      EXPECT_TRUE(told);
      for (const auto& head : told->heads) heads.push_back(head);
    } else {
      const auto batch = json::decode<api::AuditBatch>(body, json::Unknown::kRefuse);
      EXPECT_TRUE(batch);
      for (const auto& plain : batch->records) {
        EXPECT_FALSE(plain.begun) << "the previous release refuses it";
        ++arrived;
        sequences.insert(plain.sequence);
      }
    }
    if (fails_after-- > 0) return fail(Code::kUnavailable, "it was killed before it answered");
    return json::encode(api::AuditAcknowledged{});
  }
  net::Task<Result<>> until(std::function<bool()> condition) {
    while (!condition()) {
      const auto woken = co_await came.wait(100ms);
      if (!woken && woken.error().code != Code::kTimeout) co_return woken;
    }
    co_return Result<>{};
  }

  net::Executor executor;
  net::Event came;
  std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / make_id("spool");
  crypto::PrivateKey key = crypto::PrivateKey::generate();
  std::unique_ptr<audit::Spool> spool;
  bool knows_chains = true;
  int fails_before = 0;
  int fails_after = 0;
  std::vector<std::string> paths;
  std::size_t arrived = 0;  // records, also those that were there
  std::set<std::uint64_t> sequences;
  std::vector<api::ChainedRecord> records;
  std::vector<api::ChainHead> heads;
};

CO_TEST(Shipper, HandsOverAChainThatCanBeVerified) {
  Rig rig(co_await net::this_executor());
  for (std::uint64_t i = 1; i <= 5; ++i) CO_ASSERT_OK(rig.spool->append(record(i)));
  auto shipper = rig.ship();
  CO_ASSERT_OK(co_await rig.until([&rig] { return rig.spool->backlog() == 0; }));
  co_await shipper->stop(5s);
  CO_ASSERT_TRUE(!rig.heads.empty());
  const auto public_key = rig.key.public_key();
  audit::Heads heads("n-1", rig.heads.back().chain, public_key);
  for (const auto& head : rig.heads) heads.add(head);
  audit::Verifier verifier(heads, {}, Clock::real().wall());
  for (const auto& chained : rig.records) verifier.add(chained);
  verifier.finish();
  EXPECT_TRUE(verifier.findings().empty());
  EXPECT_TRUE(heads.findings().empty());
  EXPECT_EQ(verifier.signed_to(), 5U) << "the last head is told when it stops";
}

CO_TEST(Shipper, WhatWasStoredAndNotAcknowledgedComesAgain) {
  Rig rig(co_await net::this_executor());
  for (std::uint64_t i = 1; i <= 5; ++i) CO_ASSERT_OK(rig.spool->append(record(i)));
  rig.fails_after = 2;
  auto shipper = rig.ship();
  CO_ASSERT_OK(co_await rig.until([&rig] { return rig.spool->backlog() == 0; }));
  EXPECT_EQ(rig.sequences.size(), 5U);
  EXPECT_GT(rig.arrived, 5U);
  co_await shipper->stop(5s);
}

CO_TEST(Shipper, NothingIsAcknowledgedThatWasNotStored) {
  Rig rig(co_await net::this_executor());
  rig.fails_before = 1;
  CO_ASSERT_OK(rig.spool->append(record(1)));
  auto shipper = rig.ship();
  CO_ASSERT_OK(co_await rig.until([&rig] { return !rig.paths.empty(); }));
  if (rig.sequences.empty()) EXPECT_GT(rig.spool->backlog(), 0U);
  CO_ASSERT_OK(co_await rig.until([&rig] { return rig.spool->backlog() == 0; }));
  EXPECT_EQ(rig.sequences.size(), 1U);
  co_await shipper->stop(5s);
}

CO_TEST(Shipper, AControlPlaneOfThePreviousReleaseGetsRecordsAsItKnowsThem) {
  Rig rig(co_await net::this_executor());
  rig.knows_chains = false;
  for (std::uint64_t i = 1; i <= 3; ++i) CO_ASSERT_OK(rig.spool->append(record(i)));
  auto shipper = rig.ship();
  CO_ASSERT_OK(co_await rig.until([&rig] { return rig.spool->backlog() == 0; }));
  CO_ASSERT_OK(rig.spool->append(record(4)));
  CO_ASSERT_OK(co_await rig.until([&rig] { return rig.sequences.size() == 4; }));
  EXPECT_EQ(rig.sequences.size(), 4U);
  EXPECT_TRUE(rig.heads.empty());
  EXPECT_LE(std::ranges::count(rig.paths, kChain), 2) << "it is not asked each time";
  EXPECT_GE(std::ranges::count(rig.paths, kPlain), 2);
  co_await shipper->stop(5s);
}

}  // namespace
}  // namespace portolan::node

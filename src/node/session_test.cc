#include "node/session.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "node/fake_control.h"

namespace portolan::node {
namespace {

const LeaseKey kAnn{"a-1", "d-1", "rs-1"};

// Keeps what it is given, until it is told to refuse.
class FakeSpool : public audit::Spool {
 public:
  Result<> append(const api::AuditRecord& record) override {
    if (full) return fail(Code::kLimit, "the disk is full");
    records.push_back(record);
    return {};
  }
  net::Task<Result<audit::SpoolBatch>> next(std::size_t) override { co_return fail(Code::kCancelled, ""); }
  Result<> acknowledge(audit::SpoolPosition) override { return {}; }
  std::uint64_t backlog() const override { return 0; }
  bool full = false;
  std::vector<api::AuditRecord> records;
};

struct Rig {
  explicit Rig(const net::Executor& executor)
      : control([](const std::string&, const std::string&) -> Result<std::string> {
          api::Lease lease;
          lease.id = "l-1";
          lease.account = kAnn.account;
          lease.device = kAnn.device;
          lease.resource = kAnn.resource;
          lease.node = "n-1";
          lease.name = "billing-db";
          lease.email = "ann@example.com";
          lease.life_ms = 300'000;
          return json::encode(lease);
        }),
        leases(executor, control, clock, "n-1") {}
  SessionParts parts() { return {spool, leases, cancels, clock, std::chrono::seconds(1)}; }
  FakeClock clock;
  testing::FakeControl control;
  FakeSpool spool;
  CancelRegistry cancels;
  LeaseCache leases;
};

CO_TEST(NodeSession, IsOnRecordFromItsFirstMomentToItsLast) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor);
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  {
    auto session = NodeSession::begin(rig.parts(), *lease, "t-1");
    CO_ASSERT_OK(session);
    EXPECT_EQ(rig.leases.sessions(), 1U);
    (*session)->describe_client("psql", "postgres");
    audit::Query query;
    query.text = "select 1";
    CO_ASSERT_OK((*session)->record(query));
    (*session)->count_bytes(10, 20);
    rig.clock.advance(std::chrono::seconds(2));
    (*session)->end({});
  }
  EXPECT_EQ(rig.leases.sessions(), 0U);
  CO_ASSERT_EQ(rig.spool.records.size(), 3U);
  EXPECT_EQ(rig.spool.records[0].kind, "session.started");
  EXPECT_EQ(rig.spool.records[1].kind, "query");
  EXPECT_EQ(rig.spool.records[1].sequence, 2U);
  EXPECT_EQ(rig.spool.records[1].client, "psql");
  const api::AuditRecord& last = rig.spool.records[2];
  EXPECT_EQ(last.kind, "session.ended");
  EXPECT_EQ(last.reason, "closed");
  EXPECT_EQ(last.bytes_in, 10U);
  EXPECT_EQ(last.bytes_out, 20U);
  EXPECT_EQ(last.duration_us, 2'000'000U);
}

CO_TEST(NodeSession, DoesNotBeginUnrecordedOrWithoutALease) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor);
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  rig.spool.full = true;
  const auto unrecorded = NodeSession::begin(rig.parts(), *lease, "t-1");
  CO_ASSERT_ERROR(unrecorded, Code::kLimit);
  EXPECT_EQ(rig.leases.sessions(), 0U);
  rig.spool.full = false;
  rig.leases.revoke({"l-1"}, "gone");
  const auto revoked = NodeSession::begin(rig.parts(), *lease, "t-1");
  CO_ASSERT_ERROR(revoked, Code::kDenied);
  EXPECT_TRUE(rig.spool.records.empty());
}

CO_TEST(NodeSession, OneLostMidwayIsRecordedAsEndedToo) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor);
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  auto session = NodeSession::begin(rig.parts(), *lease, "t-1");
  CO_ASSERT_OK(session);
  session->reset();
  CO_ASSERT_EQ(rig.spool.records.size(), 2U);
  EXPECT_EQ(rig.spool.records[1].kind, "session.ended");
}

net::Task<Result<>> cancelled(int* count) {
  ++*count;
  co_return Result<>{};
}

CO_TEST(NodeSession, CancelsOnlyForTheSameAccountDeviceAndResource) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor);
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  auto session = NodeSession::begin(rig.parts(), *lease, "t-1");
  auto other = NodeSession::begin(rig.parts(), *lease, "t-2");
  CO_ASSERT_OK(session);
  CO_ASSERT_OK(other);
  int count = 0;
  const auto key = (*session)->offer_cancel([&count] { return cancelled(&count); });
  const auto own = co_await (*other)->cancel(key);
  CO_ASSERT_OK(own);
  EXPECT_EQ(count, 1);
  for (const LeaseKey& stranger :
       {LeaseKey{"a-2", "d-1", "rs-1"}, LeaseKey{"a-1", "d-2", "rs-1"}, LeaseKey{"a-1", "d-1", "rs-2"}})
    EXPECT_FALSE(rig.cancels.find(stranger, key));
  const auto guessed = co_await (*other)->cancel({key.process, key.secret + 1});
  CO_ASSERT_ERROR(guessed, Code::kNotFound);
  session->reset();
  const auto late = co_await (*other)->cancel(key);
  CO_ASSERT_ERROR(late, Code::kNotFound);
}

}  // namespace
}  // namespace portolan::node

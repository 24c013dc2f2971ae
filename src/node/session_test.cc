#include "node/session.h"

#include <gtest/gtest.h>

#include "audit/spool_line.h"
#include "net/co_test.h"
#include "node/fake_control.h"
#include "protocols/driver.h"

namespace portolan::node {
namespace {

const LeaseKey kAnn{"a-1", "d-1", "rs-1"};

// Keeps what it is given, until it is told to refuse.
class FakeSpool : public audit::Spool {
 public:
  Result<> append_encoded(std::string_view json) override {
    if (full) return fail(Code::kLimit, "the disk is full");
    records.push_back(*audit::decode_record(json));
    return {};
  }
  void when_durable(std::move_only_function<void(Result<>)> then) override { waiters.push_back(std::move(then)); }
  audit::ChainPoint head() const override { return {}; }
  void keep(Result<> outcome = {}) {
    for (auto& waiter : std::exchange(waiters, {})) waiter(outcome);
  }
  net::Task<Result<audit::SpoolBatch>> next(std::size_t) override { co_return fail(Code::kCancelled, ""); }
  Result<> acknowledge(audit::SpoolPosition) override { return {}; }
  std::uint64_t backlog() const override { return 0; }
  bool full = false;
  std::vector<api::AuditRecord> records;
  std::vector<std::move_only_function<void(Result<>)>> waiters;
};

struct Rig {
  using Change = std::function<void(api::Lease&)>;
  explicit Rig(
      const net::Executor& executor, Change change = [](api::Lease&) {})
      : control([change = std::move(change)](const std::string&, const std::string&) -> Result<std::string> {
          api::Lease lease;
          lease.id = "l-1";
          lease.account = kAnn.account;
          lease.device = kAnn.device;
          lease.resource = kAnn.resource;
          lease.node = "n-1";
          lease.name = "billing-db";
          lease.email = "ann@example.com";
          lease.life_ms = 300'000;
          change(lease);
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
  for (const auto& record : rig.spool.records) {
    EXPECT_EQ(record.session, rig.spool.records[0].session);
    EXPECT_EQ(record.trace, "t-1");
    EXPECT_EQ(record.account, kAnn.account);
    EXPECT_EQ(record.email, "ann@example.com");
    EXPECT_EQ(record.device, kAnn.device);
    EXPECT_EQ(record.resource, kAnn.resource);
    EXPECT_EQ(record.resource_name, "billing-db");
    EXPECT_EQ(record.node, "n-1");
  }
  const api::AuditRecord& last = rig.spool.records[2];
  EXPECT_EQ(last.kind, "session.ended");
  EXPECT_EQ(last.reason, "closed");
  EXPECT_EQ(last.bytes_in, 10U);
  EXPECT_EQ(last.bytes_out, 20U);
  EXPECT_EQ(last.duration_us, 2'000'000U);
}

// A lease that is renewed while its session lives brings a newer one.
CO_TEST(NodeSession, GivesTheNewestIdentityToken) {
  const auto executor = co_await net::this_executor();
  std::optional<Secret> token;
  Rig rig(executor, [&token](api::Lease& lease) { lease.identity_token = token; });
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  {
    const auto without = NodeSession::begin(rig.parts(), *lease, "t-1");
    CO_ASSERT_OK(without);
    EXPECT_TRUE((*without)->identity_token().empty());
  }
  token = Secret("first.token.x");
  const auto first = co_await rig.leases.renew(kAnn, "x");
  CO_ASSERT_OK(first);
  {
    const auto session = NodeSession::begin(rig.parts(), *first, "t-2");
    CO_ASSERT_OK(session);
    EXPECT_EQ((*session)->identity_token().reveal(), "first.token.x");
    token = Secret("second.token.x");
    CO_ASSERT_OK(co_await rig.leases.renew(kAnn, "x"));
    EXPECT_EQ((*session)->identity_token().reveal(), "second.token.x");
    rig.leases.revoke({"l-1"}, "gone");
    EXPECT_TRUE((*session)->identity_token().empty()) << "access was taken away";
  }
  for (const auto& record : rig.spool.records)
    EXPECT_FALSE(json::encode(record).contains("token.x")) << "it is on record";
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

CO_TEST(NodeSession, TellsWhetherItsResourceLetItIn) {
  Rig rig(co_await net::this_executor());
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  std::vector<Entrance> told;
  SessionParts parts = rig.parts();
  parts.on_entrance = [&](const std::string& resource, Entrance entrance) {
    EXPECT_EQ(resource, "rs-1");
    told.push_back(entrance);
  };
  const auto run = [&](bool in, Result<> outcome) {
    told.clear();
    auto session = NodeSession::begin(parts, *lease, "t-1");
    if (!session) return;
    if (in) (*session)->let_in();
    (*session)->end(outcome);
  };
  run(true, {});
  EXPECT_EQ(told, std::vector{Entrance::kLetIn});
  run(true, std::unexpected(Error{Code::kIo, "lost later", {}, Hop::kResource}));
  EXPECT_EQ(told, std::vector{Entrance::kLetIn});
  run(false, std::unexpected(Error{Code::kIo, "refused", "connection_refused", Hop::kResource}));
  EXPECT_EQ(told, std::vector{Entrance::kKeptOut});
  run(false, std::unexpected(Error{Code::kProtocol, "the client is to blame", {}, Hop::kEgress}));
  EXPECT_TRUE(told.empty());
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

// A lease of a resource whose audit is of this mode.
std::shared_ptr<const api::Lease> lease_with(const api::Lease& lease, const std::string& mode) {
  auto out = std::make_shared<api::Lease>(lease);
  out->settings = {{"audit", mode}, {"database", "app"}};
  return out;
}

CO_TEST(NodeSession, StrictAuditWaitsForTheDisk) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor);
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  auto session = NodeSession::begin(rig.parts(), lease_with(**lease, "strict"), "t-1");
  CO_ASSERT_OK(session);
  EXPECT_EQ((*session)->granted().settings, (protocols::Settings{{"database", "app"}})) << "drivers see their own";
  EXPECT_TRUE((*session)->must_wait()) << "the start is not on the disk";
  std::optional<Result<>> told;
  (*session)->when_kept([&told](Result<> kept) { told = kept; });
  audit::Query query;
  query.text = "select 1";
  CO_ASSERT_OK((*session)->record(query));
  rig.spool.keep();
  CO_ASSERT_OK(*told);
  EXPECT_TRUE((*session)->must_wait()) << "the query came after";
  (*session)->when_kept([&told](Result<> kept) { told = kept; });
  rig.spool.keep();
  EXPECT_FALSE((*session)->must_wait());
  CO_ASSERT_OK((*session)->record(query));
  (*session)->when_kept([&told](Result<> kept) { told = kept; });
  rig.spool.keep(fail(Code::kIo, "the disk is gone"));
  CO_ASSERT_ERROR(*told, Code::kIo);
  EXPECT_TRUE((*session)->must_wait());
  (*session)->when_kept([&told](Result<> kept) { told = kept; });
  session->reset();
  rig.spool.keep();  // the session may be gone
  CO_ASSERT_OK(*told);
}

CO_TEST(NodeSession, DurableAuditWaitsForNothing) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor);
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  for (const char* mode : {"durable", "best-effort"}) {
    auto session = NodeSession::begin(rig.parts(), lease_with(**lease, mode), "t-1");
    CO_ASSERT_OK(session);
    EXPECT_FALSE((*session)->must_wait()) << mode;
  }
  CO_ASSERT_ERROR(NodeSession::begin(rig.parts(), lease_with(**lease, "whatever"), "t-1"), Code::kInvalid);
}

CO_TEST(NodeSession, BestEffortGoesOnWithoutItsRecords) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor);
  AuditCounters counters;
  auto parts = rig.parts();
  parts.counters = &counters;
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  rig.spool.full = true;
  auto session = NodeSession::begin(parts, lease_with(**lease, "best-effort"), "t-1");
  CO_ASSERT_OK(session);
  audit::Query query;
  query.text = "select 1";
  CO_ASSERT_OK((*session)->record(query));
  (*session)->end({});
  EXPECT_EQ(counters.lost, 3U);
  rig.spool.full = false;
  CO_ASSERT_OK(NodeSession::begin(parts, lease_with(**lease, "best-effort"), "t-2"));
  EXPECT_EQ(rig.spool.records.at(0).kind, "session.started");
}

CO_TEST(NodeSession, AQueryUnderWayIsNamedByItsOutcome) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor);
  const auto lease = co_await rig.leases.get(kAnn, "x", std::nullopt);
  CO_ASSERT_OK(lease);
  auto session = NodeSession::begin(rig.parts(), lease_with(**lease, "strict"), "t-1");
  CO_ASSERT_OK(session);
  audit::Query query;
  query.text = "select * from big";
  query.stage = audit::Query::Stage::kUnderWay;
  CO_ASSERT_OK((*session)->record(query));
  query.stage = audit::Query::Stage::kOver;
  CO_ASSERT_OK((*session)->record(query));
  CO_ASSERT_OK((*session)->record(query));
  const auto& records = rig.spool.records;
  EXPECT_EQ(records.at(1).kind, "query.begun");
  EXPECT_EQ(records.at(1).text, "select * from big");
  EXPECT_EQ(records.at(2).kind, "query");
  EXPECT_EQ(records.at(2).begun, 2U);
  EXPECT_FALSE(records.at(3).begun);
}

}  // namespace
}  // namespace portolan::node

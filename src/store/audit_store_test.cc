#include "store/audit_store.h"

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "base/json.h"
#include "store/migrations/audit_001_initial.h"
#include "store/migrations/audit_002_chains.h"
#include "store/test_folder.h"

namespace portolan::store {
namespace {

using api::AuditRecord;
using testing::ElementsAre;
using testing::IsEmpty;

const WallTime kTime{std::chrono::milliseconds(1'700'000'000'000)};
WallTime at(int seconds) { return kTime + std::chrono::seconds(seconds); }

AuditRecord record(std::string kind, std::string session, std::uint64_t sequence, int seconds) {
  AuditRecord out;
  out.kind = std::move(kind);
  out.session = std::move(session);
  out.sequence = sequence;
  out.time = at(seconds);
  out.trace = "t-" + out.session;
  return out;
}
AuditRecord started(const std::string& session, const std::string& who, const std::string& what, int seconds = 0) {
  auto out = record("session.started", session, 1, seconds);
  out.account = "a-" + who;
  out.email = who + "@example.com";
  out.device = "d-1";
  out.resource = "rs-" + what;
  out.resource_name = what;
  out.type = "postgres";
  out.node = "n-liar";
  out.client = "psql";
  return out;
}
AuditRecord query(const std::string& session, std::uint64_t sequence, int seconds = 0, std::string text = "select 1") {
  auto out = record("query", session, sequence, seconds);
  out.text = std::move(text);
  out.rows = 1;
  out.duration_us = 250;
  return out;
}
AuditRecord ended(const std::string& session, std::uint64_t sequence, int seconds = 0) {
  auto out = record("session.ended", session, sequence, seconds);
  out.reason = "client closed";
  out.bytes_in = 10;
  out.bytes_out = 20;
  return out;
}

class AuditStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
  void open() {
    store_.reset();
    auto opened = AuditStore::open(path_, {.busy_timeout = std::chrono::milliseconds(50)});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  std::pair<std::uint64_t, std::uint64_t> append(const std::vector<AuditRecord>& records,
                                                 const std::string& node = "n-1") {
    const auto acknowledged = store_->append(node, records);
    EXPECT_TRUE(acknowledged) << acknowledged.error().message;
    return {acknowledged->stored, acknowledged->known};
  }
  std::vector<std::string> sessions(const AuditFilter& filter = {}, Part part = {.after = 0}) {
    std::vector<std::string> out;
    const auto listed = store_->sessions(filter, part);
    EXPECT_TRUE(listed);
    for (const auto& entry : listed->items) out.push_back(entry.session);
    return out;
  }
  std::vector<std::string> queries(const AuditFilter& filter = {}, Part part = {.after = 0}) {
    std::vector<std::string> out;
    const auto listed = store_->queries(filter, part);
    EXPECT_TRUE(listed);
    for (const auto& item : listed->items) out.push_back(item.session + "/" + std::to_string(item.sequence));
    return out;
  }
  std::unique_ptr<AuditStore> store_;
};
using Counts = std::pair<std::uint64_t, std::uint64_t>;

TEST_F(AuditStoreTest, ASessionFromStartToEnd) {
  auto failing = query("s-1", 3, 2, std::string("select 'naïve'\0--", 18));
  failing.error_code = "42P01";
  failing.error = "no such table";
  EXPECT_EQ(append({started("s-1", "ann", "billing", 0), query("s-1", 2, 1), failing, ended("s-1", 4, 3)}),
            Counts(4, 0));
  open();
  const auto listed = store_->sessions({}, {});
  ASSERT_EQ(listed->items.size(), 1U);
  EXPECT_EQ(
      json::encode(listed->items[0]),
      R"({"session":"s-1","account":"a-ann","email":"ann@example.com","resource":"rs-billing","resource_name":"billing",)"
      R"("type":"postgres","node":"n-1","client":"psql","trace":"t-s-1","started":"2023-11-14T22:13:20.000Z",)"
      R"("ended":"2023-11-14T22:13:23.000Z","reason":"client closed","queries":2,"bytes_in":10,"bytes_out":20})");
  const auto found = store_->queries({}, {});
  ASSERT_EQ(found->items.size(), 2U);
  EXPECT_EQ(found->items[1].text, failing.text);
  EXPECT_EQ(found->items[1].error_code, "42P01");
  EXPECT_EQ(found->items[1].node, "n-1") << "who sent it, not what it says";
  EXPECT_EQ(found->items[1].email, "ann@example.com") << "filled in from the session";
  EXPECT_EQ(found->items[1].resource_name, "billing");
  EXPECT_EQ(found->items[1].duration_us, 250U);
}

TEST_F(AuditStoreTest, RecordsSentTwiceAreKeptOnce) {
  const std::vector<AuditRecord> batch = {started("s-1", "ann", "billing"), query("s-1", 2), query("s-1", 3)};
  EXPECT_EQ(append(batch), Counts(3, 0));
  EXPECT_EQ(append(batch), Counts(0, 3));
  EXPECT_EQ(append({query("s-1", 3), query("s-1", 4), query("s-1", 4)}), Counts(1, 2));
  EXPECT_EQ(store_->sessions({}, {})->items[0].queries, 3U);
  EXPECT_THAT(queries(), ElementsAre("s-1/2", "s-1/3", "s-1/4"));
  const auto cursor = store_->queries({}, {})->cursor;
  EXPECT_EQ(append(batch), Counts(0, 3));
  EXPECT_EQ(store_->queries({}, {})->cursor, cursor);
}

TEST_F(AuditStoreTest, ANodeCannotTouchAnothersSessions) {
  append({started("s-1", "ann", "billing"), query("s-1", 2)});
  EXPECT_EQ(append({started("s-1", "eve", "billing"), query("s-1", 2, 0, "select 'mine'"), ended("s-1", 3)}, "n-2"),
            Counts(3, 0));
  const auto listed = store_->sessions({.session = "s-1"}, {});
  ASSERT_EQ(listed->items.size(), 2U);
  EXPECT_EQ(listed->items[0].node, "n-1");
  EXPECT_EQ(listed->items[0].email, "ann@example.com");
  EXPECT_FALSE(listed->items[0].ended);
  EXPECT_EQ(listed->items[1].node, "n-2");
  EXPECT_EQ(append({query("s-1", 3)}), Counts(1, 0)) << "its sequence is not taken by the other node";
}

TEST_F(AuditStoreTest, AnyOrderGivesTheSame) {
  std::vector<AuditRecord> batch = {started("s-1", "ann", "billing", 0), query("s-1", 2, 1), query("s-1", 3, 2),
                                    ended("s-1", 4, 3)};
  std::vector<int> order = {0, 1, 2, 3};
  append(batch);
  const std::string expected = json::encode(store_->sessions({}, {})->items[0]);
  do {
    for (const bool together : {true, false}) {
      SCOPED_TRACE(testing::PrintToString(order) + (together ? " in one batch" : " one by one"));
      path_ = folder_ / (make_token(6) + ".db");
      open();
      std::vector<AuditRecord> shuffled;
      for (const int i : order) shuffled.push_back(batch[static_cast<std::size_t>(i)]);
      if (together) {
        append(shuffled);
      } else {
        for (const auto& one : shuffled) append({one});
      }
      const auto listed = store_->sessions({}, {});
      ASSERT_EQ(listed->items.size(), 1U);
      EXPECT_EQ(json::encode(listed->items[0]), expected);
      EXPECT_EQ(queries().size(), 2U);
      EXPECT_EQ(queries({.account = "ann@example.com"}).size(), 2U);
    }
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(AuditStoreTest, WithoutAStartNothingIsLost) {
  append({query("s-1", 5, 9), query("s-1", 4, 8)});
  const auto listed = store_->sessions({}, {});
  ASSERT_EQ(listed->items.size(), 1U);
  EXPECT_EQ(listed->items[0].started, at(8));
  EXPECT_EQ(listed->items[0].queries, 2U);
  EXPECT_EQ(listed->items[0].email, "");
  EXPECT_EQ(queries().size(), 2U);
  auto future = record("session.paused", "s-2", 1, 0);  // a newer node's
  EXPECT_EQ(append({future}), Counts(1, 0));
  EXPECT_EQ(append({future}), Counts(0, 1));
  EXPECT_EQ(append({AuditRecord{}}), Counts(1, 0));
}

// What a follower with any filter has seen after going on from cursor to cursor is everything.
TEST_F(AuditStoreTest, AFollowerMissesNothing) {
  const AuditFilter by_account{.account = "a-ann"};
  std::uint64_t session_cursor = 0;
  std::uint64_t query_cursor = 0;
  std::vector<std::string> seen_sessions;
  std::vector<std::string> seen_queries;
  const auto follow = [&] {
    for (bool more = true; more;) {
      const auto listed = store_->sessions(by_account, {.after = session_cursor, .limit = 2});
      for (const auto& entry : listed->items) seen_sessions.push_back(entry.session + (entry.ended ? " ended" : ""));
      session_cursor = listed->cursor;
      more = listed->more;
    }
    for (bool more = true; more;) {
      const auto listed = store_->queries(by_account, {.after = query_cursor, .limit = 2});
      for (const auto& item : listed->items) seen_queries.push_back(item.session + "/" + std::to_string(item.sequence));
      query_cursor = listed->cursor;
      more = listed->more;
    }
  };
  append({started("s-1", "ann", "billing"), query("s-1", 2)});
  append({started("s-2", "bob", "billing"), query("s-2", 2)});
  follow();
  append({query("s-1", 3), query("s-1", 4), query("s-1", 5), query("s-3", 2), query("s-3", 3)});
  follow();
  append({ended("s-1", 6), started("s-3", "ann", "ledger")});  // the late start makes s-3's queries ann's
  follow();
  append({query("s-3", 4), ended("s-2", 3)});
  follow();
  EXPECT_THAT(seen_sessions, ElementsAre("s-1", "s-1 ended", "s-3"));
  EXPECT_THAT(seen_queries, ElementsAre("s-1/2", "s-1/3", "s-1/4", "s-1/5", "s-3/2", "s-3/3", "s-3/4"));
  follow();
  EXPECT_EQ(seen_queries.size(), 7U);
}

TEST_F(AuditStoreTest, WhatANodeKnowsNothingOfAnyMoreIsLost) {
  append({started("s-gone", "ann", "billing", 0), query("s-gone", 2, 5)});
  append({started("s-lives", "ann", "billing", 1), started("s-new", "ann", "billing", 20)});
  append({started("s-over", "ann", "billing", 2), ended("s-over", 2, 3)});
  append({started("s-gone", "bob", "billing", 0)}, "n-2");
  const auto cursor = store_->sessions({}, {})->cursor;
  const auto lost = store_->end_lost("n-1", at(10), {"s-lives"}, "relay-1 was restarted");
  ASSERT_TRUE(lost) << lost.error().message;
  EXPECT_EQ(*lost, 1U);
  EXPECT_EQ(store_->end_lost("n-1", at(10), {"s-lives"}, "again").value_or(9), 0U);
  // Its followers are told.
  const auto listed = store_->sessions({}, {.after = cursor});
  ASSERT_EQ(listed->items.size(), 1U);
  EXPECT_EQ(listed->items[0].session, "s-gone");
  EXPECT_EQ(listed->items[0].node, "n-1");
  EXPECT_EQ(listed->items[0].ended, at(5));
  EXPECT_EQ(listed->items[0].reason, "lost: relay-1 was restarted");
  EXPECT_THAT(sessions({.live = true}), testing::UnorderedElementsAre("s-lives", "s-new", "s-gone"));  // of n-2
}

TEST_F(AuditStoreTest, WhatWasLostIsCompletedByLateRecords) {
  append({started("s-1", "ann", "billing", 0)});
  ASSERT_EQ(store_->end_lost("n-1", at(10), {}, "relay-1 was restarted").value_or(0), 1U);
  EXPECT_EQ(append({query("s-1", 2, 4)}).first, 1U);
  auto entry = store_->sessions({}, {})->items.at(0);
  EXPECT_EQ(entry.queries, 1U);
  EXPECT_EQ(entry.ended, at(4));
  EXPECT_EQ(entry.reason, "lost: relay-1 was restarted");
  append({ended("s-1", 3, 6)});
  append({ended("s-1", 4, 8)});  // a session ends once
  entry = store_->sessions({}, {})->items.at(0);
  EXPECT_EQ(entry.ended, at(6));
  EXPECT_EQ(entry.reason, "client closed");
  EXPECT_EQ(entry.bytes_in, 10U);
}

TEST_F(AuditStoreTest, Filters) {
  append({started("s-1", "ann", "billing", 0), query("s-1", 2, 1), query("s-1", 3, 5)});
  append({started("s-2", "ann", "ledger", 10), query("s-2", 2, 11)}, "n-2");
  append({started("s-3", "bob", "billing", 20), query("s-3", 2, 21)});
  struct Case {
    AuditFilter filter;
    std::vector<std::string> sessions, queries;
  };
  const auto filter = [](const std::function<void(AuditFilter&)>& set) {
    AuditFilter out;
    set(out);
    return out;
  };
  const Case cases[] = {
      {{}, {"s-1", "s-2", "s-3"}, {"s-1/2", "s-1/3", "s-2/2", "s-3/2"}},
      {filter([](auto& f) { f.account = "a-ann"; }), {"s-1", "s-2"}, {"s-1/2", "s-1/3", "s-2/2"}},
      {filter([](auto& f) { f.account = "bob@example.com"; }), {"s-3"}, {"s-3/2"}},
      {filter([](auto& f) { f.account = "' OR 1=1 --"; }), {}, {}},
      {filter([](auto& f) { f.resource = "rs-billing"; }), {"s-1", "s-3"}, {"s-1/2", "s-1/3", "s-3/2"}},
      {filter([](auto& f) { f.resource = "ledger"; }), {"s-2"}, {"s-2/2"}},
      {filter([](auto& f) { f.account = "a-ann", f.resource = "billing"; }), {"s-1"}, {"s-1/2", "s-1/3"}},
      {filter([](auto& f) { f.session = "s-2"; }), {"s-2"}, {"s-2/2"}},
      {filter([](auto& f) { f.from = at(5); }), {"s-2", "s-3"}, {"s-1/3", "s-2/2", "s-3/2"}},
      {filter([](auto& f) { f.to = at(20); }), {"s-1", "s-2"}, {"s-1/2", "s-1/3", "s-2/2"}},
      {filter([](auto& f) { f.from = at(10), f.to = at(20), f.account = "a-ann"; }), {"s-2"}, {"s-2/2"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(testing::PrintToString(c.sessions));
    EXPECT_EQ(sessions(c.filter), c.sessions);
    EXPECT_EQ(queries(c.filter), c.queries);
    EXPECT_EQ(queries(c.filter, {}), c.queries) << "the newest, oldest first";
  }
  EXPECT_THAT(queries({}, {.after = std::nullopt, .limit = 2}), ElementsAre("s-2/2", "s-3/2"));
  EXPECT_THAT(queries({}, {.after = 0, .limit = 2}), ElementsAre("s-1/2", "s-1/3"));
  EXPECT_TRUE(store_->queries({}, {.after = 0, .limit = 2})->more);
  EXPECT_FALSE(store_->queries({}, {.after = 0, .limit = 4})->more);
  EXPECT_THAT(queries({}, {.after = 0, .limit = 0}), IsEmpty());
}

TEST_F(AuditStoreTest, LongTextsAreListedInSeveralParts) {
  for (std::uint64_t i = 0; i < 100; ++i) append({query("s-1", i, 0, std::string(256 * 1024, 'x'))});
  std::size_t total = 0;
  std::size_t parts = 0;
  std::uint64_t cursor = 0;
  for (bool more = true; more; ++parts) {
    const auto listed = store_->queries({}, {.after = cursor, .limit = 1000});
    total += listed->items.size();
    cursor = listed->cursor;
    more = listed->more;
  }
  EXPECT_EQ(total, 100U);
  EXPECT_EQ(parts, 2U);
}

TEST_F(AuditStoreTest, ARecordThatCannotBeReadHidesNoOther) {
  append({started("s-1", "ann", "billing"), query("s-1", 2, 1, "select '\xff'"), query("s-1", 3)});
  const auto listed = store_->queries({}, {});
  ASSERT_EQ(listed->items.size(), 2U);
  EXPECT_EQ(listed->items[0].sequence, 2U);
  EXPECT_EQ(listed->items[0].time, at(1));
  EXPECT_EQ(listed->items[0].email, "ann@example.com");
  EXPECT_EQ(listed->items[0].error->substr(0, 33), "the stored record cannot be read:");
  EXPECT_EQ(listed->items[1].text, "select 1");
}

TEST_F(AuditStoreTest, AFailingBatchLeavesNothing) {
  append({started("s-1", "ann", "billing")});
  // A trigger stands for whatever goes wrong in the middle.
  static constexpr std::string_view kNone[] = {"SELECT 1"};
  static constexpr Migration kAudit[] = {
      {1, "audit: initial", kNone}, {2, "audit: chains", kNone}, {3, "audit: numbers", kNone}};
  auto same = *Database::open(path_, "other", kAudit, std::chrono::milliseconds(10));
  ASSERT_TRUE(same->run(
      "CREATE TRIGGER trap BEFORE INSERT ON records WHEN NEW.sequence = 3 BEGIN SELECT RAISE(ABORT, 'trap'); END"));
  EXPECT_FALSE(store_->append("n-1", {query("s-1", 2), query("s-1", 3)}));
  EXPECT_THAT(queries(), IsEmpty());
  EXPECT_EQ(store_->sessions({}, {})->items[0].queries, 0U);
  ASSERT_TRUE(same->run("DROP TRIGGER trap"));
  EXPECT_EQ(append({query("s-1", 2), query("s-1", 3)}), Counts(2, 0));
  ASSERT_TRUE(same->run("BEGIN IMMEDIATE"));
  EXPECT_EQ(store_->append("n-1", {query("s-1", 4)}).error().code, Code::kUnavailable);
  EXPECT_EQ(queries().size(), 2U) << "reading goes on";
  ASSERT_TRUE(same->run("ROLLBACK"));
}

TEST_F(AuditStoreTest, ReadersAndWritersTogether) {
  std::jthread writer([&] {
    for (std::uint64_t i = 0; i < 50; ++i) append({query("s-1", 2 * i), query("s-1", 2 * i + 1)});
  });
  std::uint64_t cursor = 0;
  std::uint64_t next = 0;
  while (next < 100) {
    const auto listed = store_->queries({}, {.after = cursor, .limit = 7});
    ASSERT_TRUE(listed) << listed.error().message;
    for (const auto& item : listed->items) EXPECT_EQ(item.sequence, next++);
    cursor = listed->cursor;
  }
}

TEST_F(AuditStoreTest, AThousandRecords) {
  std::vector<AuditRecord> batch;
  for (std::uint64_t i = 0; i < 1000; ++i) batch.push_back(query("s-" + std::to_string(i % 20), i));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(append(batch), Counts(1000, 0));
  const auto middle = std::chrono::steady_clock::now();
  EXPECT_EQ(queries({}, {.after = 0, .limit = 1000}).size(), 1000U);
  const auto end = std::chrono::steady_clock::now();
  std::printf("1,000 records: appended in %.1f ms, listed in %.1f ms\n",
              std::chrono::duration<double, std::milli>(middle - begin).count(),
              std::chrono::duration<double, std::milli>(end - middle).count());
}

AuditEntry chained(AuditRecord record, std::uint64_t number, std::string chain = "c-1") {
  std::string text = json::encode(record);
  text.insert(1, " ");  // not as we would write it
  return {api::facts_of(record), std::move(text), std::move(chain), number, std::string(64, 'a')};
}

TEST_F(AuditStoreTest, ChainedRecordsAreKeptByteForByte) {
  const std::vector<AuditEntry> entries = {chained(started("s-1", "ann", "billing"), 1), chained(query("s-1", 2), 2),
                                           chained(query("s-1", 3), 3), chained(ended("s-1", 4), 4)};
  ASSERT_TRUE(store_->append("n-1", entries, {}));
  const auto again = store_->append("n-1", entries, {});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->known, 4U);
  open();
  EXPECT_THAT(queries(), ElementsAre("s-1/2", "s-1/3"));
  EXPECT_EQ(store_->queries({}, {})->items[0].node, "n-1");
  const auto first = store_->chain("n-1", "c-1", 0, 3);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->items.size(), 3U);
  EXPECT_TRUE(first->more);
  EXPECT_EQ(first->items[1].record, entries[1].record);
  EXPECT_EQ(first->items[1].hash, std::string(64, 'a'));
  const auto rest = store_->chain("n-1", "c-1", first->cursor, 3);
  ASSERT_EQ(rest->items.size(), 1U);
  EXPECT_EQ(rest->items[0].number, 4U);
  EXPECT_FALSE(rest->more);
  EXPECT_TRUE(store_->chain("n-2", "c-1", 0, 3)->items.empty());
}

// What the form before held is found as before, goes on, and is not taken twice.
TEST_F(AuditStoreTest, TakesOverTheFormBefore) {
  path_ = folder_ / "before.db";
  {
    static constexpr Migration kBefore[] = {{1, "audit: initial", migrations::kAudit001},
                                            {2, "audit: chains", migrations::kAudit002}};
    auto before = *Database::open(path_, "audit database", kBefore, std::chrono::milliseconds(50));
    ASSERT_TRUE(before->run("UPDATE state SET number = 40"));
    ASSERT_TRUE(before->run("INSERT INTO chains VALUES (1, 'n-1', 'c-1'), (2, 'n-2', 'c-1')"));
    std::uint64_t number = 10;
    for (const char* node : {"n-1", "n-2"}) {
      ASSERT_TRUE(before->run(
          "INSERT INTO sessions VALUES (:number, :node, 's-1', 1, :account, 'e', 'd', 'r', 'billing', 't', 'c',"
          " 'tr', 1, NULL, NULL, 2, 0, 0)",
          {integer(number), text(node), text(std::string("a-") + node)}));
      for (std::uint64_t i = 2; i <= 3; ++i)
        ASSERT_TRUE(
            before->run("INSERT INTO records VALUES (:number, :node, 's-1', :sequence, 'query', 5, :record, :chain,"
                        " :place, 'hash')",
                        {integer(++number), text(node), integer(i), text(json::encode(query("s-1", i))),
                         text(i == 2 ? "" : "c-1"), integer(i == 2 ? 0 : 7)}));
      ++number;
    }
  }
  open();
  EXPECT_THAT(queries({.account = "a-n-1"}), ElementsAre("s-1/2", "s-1/3"));
  EXPECT_THAT(queries({}), ElementsAre("s-1/2", "s-1/3", "s-1/2", "s-1/3"));
  EXPECT_EQ(append({query("s-1", 3), query("s-1", 4), ended("s-1", 5)}), Counts(2, 1));
  EXPECT_THAT(queries({.account = "a-n-1"}), ElementsAre("s-1/2", "s-1/3", "s-1/4"));
  EXPECT_EQ(store_->sessions({.account = "a-n-1"}, {})->items.at(0).queries, 3U);
  EXPECT_EQ(store_->sessions({.account = "a-n-2"}, {})->items.at(0).queries, 2U);
  ASSERT_TRUE(store_->append("n-2", {chained(query("s-1", 4), 8)}, {}));
  const auto chain = store_->chain("n-2", "c-1", 0, 10);
  ASSERT_EQ(chain->items.size(), 2U);
  EXPECT_EQ(chain->items[0].number, 7U);
  EXPECT_EQ(chain->items[0].record, json::encode(query("s-1", 3)));
  EXPECT_EQ(chain->items[1].number, 8U);
  EXPECT_EQ(store_->chain("n-1", "c-1", 0, 10)->items.size(), 1U);
  EXPECT_EQ(store_->chains()->size(), 4U) << "of each node its chain, and what has none";
}

TEST_F(AuditStoreTest, ChainsAreListedAndWhatHasNone) {
  append({started("s-0", "ann", "billing"), query("s-0", 2)});
  ASSERT_TRUE(store_->append("n-2", {chained(query("s-1", 2), 7, "c-b"), chained(query("s-1", 3), 9, "c-b")}, {}));
  ASSERT_TRUE(store_->append("n-1", {chained(query("s-2", 2), 1, "c-a")}, {}));
  ASSERT_TRUE(store_->append("n-1", {}, {{1, "c-c", 5, std::string(64, 'a'), at(0), "x"}}));
  const auto chains = store_->chains();
  ASSERT_TRUE(chains) << chains.error().message;
  ASSERT_EQ(chains->size(), 4U);
  EXPECT_EQ(json::encode(chains->at(0)),
            R"({"node":"n-1","name":"","chain":"","public_key":"","first":0,"last":0,"records":2})");
  EXPECT_EQ(json::encode(chains->at(1)),
            R"({"node":"n-2","name":"","chain":"c-b","public_key":"","first":7,"last":9,"records":2})");
  EXPECT_EQ(chains->at(2).chain, "c-a");
  EXPECT_EQ(chains->at(3).chain, "c-c");
  EXPECT_EQ(chains->at(3).records, 0U);
}

TEST_F(AuditStoreTest, HeadsAreThinnedToOneAMinuteAndTheNewest) {
  for (std::uint64_t i = 1; i <= 200; ++i)
    ASSERT_TRUE(store_->append("n-1", {}, {{1, "c-1", i, std::string(64, 'a'), at(static_cast<int>(2 * i)), "x"}}));
  const auto heads = store_->heads("n-1", "c-1", 0, 100);
  ASSERT_TRUE(heads);
  ASSERT_EQ(heads->items.size(), 8U);
  EXPECT_EQ(heads->items.front().number, 1U);
  EXPECT_EQ(heads->items.back().number, 200U);
  EXPECT_EQ(heads->items.back().time, at(400));
  for (std::size_t i = 1; i + 1 < heads->items.size(); ++i)
    EXPECT_GE(heads->items[i].time - heads->items[i - 1].time, std::chrono::seconds(58));
  // Two of one number contradict each other: both are kept.
  ASSERT_TRUE(store_->append("n-1", {}, {{1, "c-1", 200, std::string(64, 'b'), at(401), "x"}}));
  EXPECT_EQ(store_->heads("n-1", "c-1", 199, 100)->items.size(), 2U);
}

TEST_F(AuditStoreTest, AQueryUnderWayIsListedUntilItsOutcomeIs) {
  auto begun = query("s-1", 2);
  begun.kind = "query.begun";
  append({started("s-1", "ann", "billing"), begun});
  EXPECT_THAT(queries(), ElementsAre("s-1/2"));
  EXPECT_EQ(store_->queries({}, {})->items[0].kind, "query.begun");
  auto over = query("s-1", 3);
  over.begun = 2;
  append({over});
  EXPECT_THAT(queries(), ElementsAre("s-1/3"));
  EXPECT_EQ(store_->sessions({}, {})->items[0].queries, 1U);
}

// What has been handed over is not written anew by whoever has the node's key now.
TEST_F(AuditStoreTest, WhoDidItIsSaidOnce) {
  append({started("s-1", "ann", "billing"), query("s-1", 2), ended("s-1", 3, 10)});
  auto other = started("s-1", "eve", "payroll", -60);
  other.sequence = 4;
  auto later = ended("s-1", 5, 20);
  later.reason = "something else";
  EXPECT_EQ(append({other, later}), Counts(2, 0)) << "on record, and of no effect";
  const auto listed = store_->sessions({}, {});
  ASSERT_EQ(listed->items.size(), 1U);
  EXPECT_EQ(listed->items[0].email, "ann@example.com");
  EXPECT_EQ(listed->items[0].resource_name, "billing");
  EXPECT_EQ(listed->items[0].started, at(0));
  EXPECT_EQ(listed->items[0].ended, at(10));
  EXPECT_EQ(listed->items[0].reason, "client closed");
  EXPECT_EQ(store_->queries({}, {})->items[0].email, "ann@example.com");
}

TEST_F(AuditStoreTest, OnlyAQueryTakesThePlaceOfOneUnderWay) {
  auto begun = query("s-1", 2);
  begun.kind = "query.begun";
  auto odd = query("s-1", 3);
  odd.kind = "something";
  odd.begun = 2;
  append({started("s-1", "ann", "billing"), begun, odd});
  EXPECT_THAT(queries(), ElementsAre("s-1/2"));
}

TEST_F(AuditStoreTest, QueriesAreFoundByTheirText) {
  append({started("s-1", "ann", "wiki"), query("s-1", 2, 1, "GET https://wiki.example/a?q=50%_off"),
          query("s-1", 3, 2, "select 'J\u00f6rg \"x\"' from people"), query("s-1", 4, 3, "")});
  AuditRecord without = record("query", "s-1", 5, 4);
  append({without});
  EXPECT_THAT(queries({.words = "get HTTPS://wiki"}), ElementsAre("s-1/2"));
  EXPECT_THAT(queries({.words = "50%_off"}), ElementsAre("s-1/2")) << "no patterns";
  EXPECT_THAT(queries({.words = "50%off"}), IsEmpty());
  EXPECT_THAT(queries({.words = "\u00f6rg \"x\""}), ElementsAre("s-1/3"));
  EXPECT_THAT(queries({.words = "s-1"}), IsEmpty()) << "the text alone";
  EXPECT_THAT(queries({.account = "bob@example.com", .words = "select"}), IsEmpty());
  EXPECT_THAT(queries({.from = at(2), .words = "e"}), ElementsAre("s-1/3"));
}

}  // namespace
}  // namespace portolan::store

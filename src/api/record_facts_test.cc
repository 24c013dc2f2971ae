#include "api/record_facts.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace portolan::api {
namespace {

AuditRecord full() {
  AuditRecord out;
  out.kind = "query";
  out.session = "s-1";
  out.sequence = 7;
  out.time = WallTime(std::chrono::milliseconds(1'800'000'000'123));
  out.trace = "t-1";
  out.account = "a-1";
  out.email = "ann@\"ex\u00fc\".com";
  out.device = "d-1";
  out.resource = "rs-1";
  out.resource_name = "billing";
  out.type = "postgres";
  out.node = "n-1";
  out.client = "psql\n";
  out.text = "select '{\"kind\":1}'";
  out.reason = "closed";
  out.bytes_in = 1ULL << 63;
  out.bytes_out = 2;
  out.begun = 6;
  out.parameters.emplace().push_back({.text = "x", .hex = {}, .length = {}});
  return out;
}

void expect_same(const RecordFacts& a, const RecordFacts& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.session, b.session);
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.time, b.time);
  EXPECT_EQ(a.trace, b.trace);
  EXPECT_EQ(a.account, b.account);
  EXPECT_EQ(a.email, b.email);
  EXPECT_EQ(a.device, b.device);
  EXPECT_EQ(a.resource, b.resource);
  EXPECT_EQ(a.resource_name, b.resource_name);
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.client, b.client);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.bytes_in, b.bytes_in);
  EXPECT_EQ(a.bytes_out, b.bytes_out);
  EXPECT_EQ(a.begun, b.begun);
}

TEST(RecordFacts, AreThoseOfTheRecord) {
  AuditRecord few;
  few.kind = few.session = "x";
  for (const auto& record : {full(), few}) {
    const auto facts = facts_of(json::encode(record));
    ASSERT_TRUE(facts) << facts.error().message;
    expect_same(*facts, facts_of(record));
  }
}

TEST(RecordFacts, InAnyOrderAndWithWhatIsNotKnown) {
  const auto facts =
      facts_of(R"( {"trace":"t","more":{"kind":[{"session":1}]},"sequence":3,"m":1.5,"begun":null,"reason":null,)"
               R"("time":"2026-01-01T00:00:00Z","s\u0065ssion":"s-1","kind":"query"} )");
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->session, "s-1");
  EXPECT_EQ(facts->sequence, 3U);
  EXPECT_FALSE(facts->begun);
  EXPECT_FALSE(facts->reason);
}

TEST(RecordFacts, RefusesWhatIsNoRecord) {
  const std::string good = R"({"kind":"query","session":"s-1","sequence":1,"time":"2026-01-01T00:00:00Z","trace":"t"})";
  ASSERT_TRUE(facts_of(good));
  const auto altered = [&good](std::string_view what, std::string_view by) {
    std::string out = good;
    return out.replace(out.find(what), what.size(), by);
  };
  for (const std::string& bad : {std::string(),
                                 std::string("7"),
                                 std::string("\"x\""),
                                 std::string("null"),
                                 std::string("[]"),
                                 std::string("{}"),
                                 good + "x",
                                 good.substr(0, good.size() - 1),
                                 altered("\"query\"", "7"),
                                 altered("\"query\"", "null"),
                                 altered("\"query\"", "true"),
                                 altered("\"query\"", "[\"query\"]"),
                                 altered("\"query\"", "{}"),
                                 altered(":1,", ":-1,"),
                                 altered(":1,", ":\"1\","),
                                 altered(":1,", ":1.5,"),
                                 altered("2026-01", "2026-13"),
                                 altered("\"trace\":\"t\"", "\"kind\":\"t\""),
                                 altered("\"trace\"", "\"kind\":\"a\",\"trace\""),
                                 altered("\"trace\"", "\"begun\":\"x\",\"trace\""),
                                 altered("\"query\"", "\"\xff\"")}) {
    const auto facts = facts_of(bad);
    EXPECT_FALSE(facts) << bad;
    if (!facts) EXPECT_EQ(facts.error().code, Code::kInvalid);
  }
}

}  // namespace
}  // namespace portolan::api

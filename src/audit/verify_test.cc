#include "audit/verify.h"

#include <random>

#include <gmock/gmock.h>

#include "base/bytes.h"
#include "base/json.h"

namespace portolan::audit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Records = std::vector<api::ChainedRecord>;

const WallTime kTime{std::chrono::milliseconds(1'800'000'000'000)};
WallTime at(std::uint64_t seconds) { return kTime + std::chrono::seconds(seconds); }

// A chain of a record a second, signed every ten.
struct Kept {
  std::string chain = "c-1";
  crypto::PrivateKey key = crypto::PrivateKey::generate();
  crypto::PublicKey public_key = key.public_key();
  Records records;
  std::vector<api::ChainHead> heads;

  explicit Kept(std::uint64_t count = 35) {
    ChainPoint point{chain, 0, chain_begin_hash(chain)};
    for (std::uint64_t i = 1; i <= count; ++i) {
      api::AuditRecord record;
      record.kind = "query";
      record.sequence = i;
      record.time = at(i);
      record.text = "select " + std::to_string(i);
      const std::string json = json::encode(record);
      point = {chain, i, chain_hash(point.hash, i, json)};
      records.push_back({i, hex(point.hash), json});
      if (i % 10 == 0) heads.push_back(sign_head(point, "n-1", at(i), key));
    }
  }
  api::ChainedRecord& number(std::uint64_t i) { return records.at(i - 1); }
  void remove(std::uint64_t from, std::uint64_t to) {
    std::erase_if(records, [&](const auto& record) { return record.number >= from && record.number <= to; });
  }
  // Hashes everything from this number on anew, as somebody who has the database would.
  void rehash(std::uint64_t from) {
    auto before = from == 1 ? chain_begin_hash(chain) : *parse_hash(number(from - 1).hash);
    for (std::uint64_t i = from; i <= records.size(); ++i) {
      before = chain_hash(before, i, number(i).record);
      number(i).hash = hex(before);
    }
  }
};

struct Told {
  std::vector<std::string> found;  // "kind from-to"
  std::uint64_t records = 0;
  std::uint64_t signed_to = 0;
  std::string first = {};  // what was said of it
};

Told verify(const Kept& kept, std::optional<WallTime> since = {}, std::optional<WallTime> until = {},
            WallTime now = at(60)) {
  Heads heads("n-1", kept.chain, kept.public_key);
  for (const auto& head : kept.heads) heads.add(head);
  const Stretch stretch = heads.stretch(since, until);
  Verifier verifier(heads, stretch, now);
  for (const auto& record : kept.records)
    if (record.number > stretch.after && !verifier.add(record)) break;
  verifier.finish();
  Told told{{}, verifier.records(), verifier.signed_to()};
  for (const auto& all : {heads.findings(), verifier.findings()})
    for (const auto& finding : all) {
      if (told.first.empty()) told.first = finding.what;
      told.found.push_back(finding.kind + " " + std::to_string(finding.number) + "-" + std::to_string(finding.to));
    }
  return told;
}

TEST(Verify, AChainAsTheNodeMadeIt) {
  const Kept kept;
  const auto told = verify(kept);
  EXPECT_THAT(told.found, IsEmpty());
  EXPECT_EQ(told.records, 35U);
  EXPECT_EQ(told.signed_to, 30U);
  EXPECT_THAT(verify(Kept(0)).found, IsEmpty());
}

TEST(Verify, WhereARecordIsNotWhatItWas) {
  struct Case {
    const char* name;
    void (*change)(Kept&);
    std::vector<std::string> found;
  };
  const Case cases[] = {
      {"its text", [](Kept& k) { k.number(12).record[20] ^= 1; }, {"altered 12-12"}},
      {"its hash", [](Kept& k) { k.number(12).hash = std::string(64, '0'); }, {"altered 12-12"}},
      {"no hash", [](Kept& k) { k.number(12).hash = "nonsense"; }, {"altered 12-12"}},
      {"the text of a signed one", [](Kept& k) { k.number(20).record[20] ^= 1; }, {"altered 20-20"}},
      {"the hash of a signed one", [](Kept& k) { k.number(20).hash = std::string(64, '0'); }, {"altered 20-20"}},
      {"two changed places",
       [](Kept& k) { std::swap(k.number(12).record, k.number(14).record); },
       {"altered 12-12", "altered 14-14"}},
      {"the first", [](Kept& k) { k.number(1).record[20] ^= 1; }, {"altered 1-1"}},
      {"two",
       [](Kept& k) { k.number(12).record[20] ^= 1, k.number(13).record[20] ^= 1; },
       {"altered 12-12", "altered 13-13"}},
      {"all hashed anew", [](Kept& k) { k.number(12).record[20] ^= 1, k.rehash(12); }, {"head 11-20", "head 21-30"}},
  };
  for (const auto& c : cases) {
    Kept kept;
    c.change(kept);
    EXPECT_THAT(verify(kept).found, testing::UnorderedElementsAreArray(c.found)) << c.name;
  }
}

TEST(Verify, OneRecordIsSpokenOfAsOne) {
  Kept one;
  one.remove(12, 12);
  EXPECT_THAT(verify(one).first, testing::StartsWith("1 record is not there; "));
  Kept two;
  two.remove(12, 13);
  EXPECT_THAT(verify(two).first, testing::StartsWith("2 records are not there; "));
}

TEST(Verify, WhatIsNotThere) {
  Kept middle;
  middle.remove(12, 14);
  EXPECT_THAT(verify(middle).found, ElementsAre("missing 12-14"));
  Kept begin;
  begin.remove(1, 3);
  EXPECT_THAT(verify(begin).found, ElementsAre("missing 1-3"));
  Kept end;
  end.remove(26, 35);
  EXPECT_THAT(verify(end).found, ElementsAre("missing 26-30")) << "what the node has signed";
  Kept all;
  all.remove(1, 35);
  EXPECT_THAT(verify(all).found, ElementsAre("missing 1-30"));
  Kept closed;  // the others moved up, and hashed anew
  closed.remove(12, 12);
  for (std::uint64_t i = 12; i <= 34; ++i) closed.records[i - 1].number = i;
  closed.rehash(12);
  EXPECT_THAT(verify(closed).found, testing::Contains("head 11-20"));
  Kept twice;
  twice.records.insert(twice.records.begin() + 12, twice.number(12));
  EXPECT_THAT(verify(twice).found, ElementsAre("twice 12-12"));
}

TEST(Verify, BehindAGapTheNextHeadProves) {
  Kept kept;
  kept.remove(12, 14);
  kept.number(12).record[20] ^= 1;  // number 15, of which nothing is known
  EXPECT_THAT(verify(kept).found, ElementsAre("missing 12-14"));
  kept = Kept();
  kept.remove(11, 14);  // behind a signed one it is known
  kept.records[10].record[20] ^= 1;
  EXPECT_THAT(verify(kept).found, ElementsAre("missing 11-14"));
  kept = Kept();
  kept.remove(12, 14);
  kept.records[13].record[20] ^= 1;  // 17
  EXPECT_THAT(verify(kept).found, ElementsAre("missing 12-14", "altered 17-17"));
}

TEST(Verify, OnlyTheNodesSignaturesCount) {
  Kept forged;
  forged.number(12).record[20] ^= 1;
  forged.rehash(12);
  const auto stranger = crypto::PrivateKey::generate();
  for (auto& head : forged.heads)
    if (head.number > 10)
      head = sign_head({"c-1", head.number, *parse_hash(forged.number(head.number).hash)}, "n-1", head.time, stranger);
  EXPECT_THAT(verify(forged).found, ElementsAre("signature 20-20", "signature 30-30"));
  Kept twice;  // signed two histories
  twice.heads.push_back(sign_head({"c-1", 20, crypto::sha256(as_bytes("x"))}, "n-1", at(20), twice.key));
  EXPECT_THAT(verify(twice).found, ElementsAre("twice 20-20"));
  Kept moved;
  moved.heads.push_back(sign_head({"c-2", 20, crypto::sha256(as_bytes("x"))}, "n-1", at(20), moved.key));
  EXPECT_THAT(verify(moved).found, ElementsAre("signature 20-20"));
}

TEST(Verify, WhatShouldBeSignedByNow) {
  const Kept kept;
  EXPECT_THAT(verify(kept, {}, {}, at(31 + 119)).found, IsEmpty());
  EXPECT_THAT(verify(kept, {}, {}, at(31 + 121)).found, ElementsAre("unsigned 31-35"));
  Kept unsigned_chain;
  unsigned_chain.heads.clear();
  EXPECT_THAT(verify(unsigned_chain, {}, {}, at(500)).found, ElementsAre("unsigned 1-35"));
}

TEST(Verify, ARangeBeginsAndEndsWhereTheNodeHasSigned) {
  Kept kept;
  auto told = verify(kept, at(15), at(25));
  EXPECT_THAT(told.found, IsEmpty());
  EXPECT_EQ(told.records, 20U) << "11 to 30";
  EXPECT_EQ(told.signed_to, 30U);
  EXPECT_EQ(verify(kept, at(5), {}).records, 35U);
  EXPECT_EQ(verify(kept, {}, at(5)).records, 10U);
  EXPECT_EQ(verify(kept, {}, at(500)).records, 35U);
  EXPECT_EQ(verify(kept, at(500), {}).records, 5U);
  kept.number(5).record[20] ^= 1;
  kept.number(34).record[20] ^= 1;
  EXPECT_THAT(verify(kept, at(15), at(25)).found, IsEmpty()) << "outside";
  kept.number(11).record[20] ^= 1;
  kept.remove(30, 30);
  EXPECT_THAT(verify(kept, at(15), at(25)).found, ElementsAre("altered 11-11", "missing 30-30"));
}

TEST(Verify, AClockThatWasSetBackMakesTheRangeLarger) {
  Kept kept;
  kept.heads[1] = sign_head({"c-1", 20, *parse_hash(kept.number(20).hash)}, "n-1", at(500), kept.key);
  EXPECT_EQ(verify(kept, at(25), {}).records, 25U) << "behind 10, not behind 20";
  EXPECT_EQ(verify(kept, {}, at(25)).records, 30U) << "30 was signed at 30, behind one that was signed later";
}

// Whatever is done to one record, one hash or the order: it is found.
TEST(Verify, AnySingleChangeIsFound) {
  std::mt19937 random(7);
  const Kept whole(30);
  for (int round = 0; round < 500; ++round) {
    Kept kept = whole;
    const std::uint64_t which = 1 + random() % 30;
    switch (random() % 4) {
      case 0:
        kept.number(which).record[random() % kept.number(which).record.size()] ^= static_cast<char>(1 + random() % 127);
        break;
      case 1: kept.number(which).hash = hex(crypto::sha256(as_bytes(std::to_string(round)))); break;
      case 2: kept.remove(which, which); break;
      default:
        kept.records.insert(kept.records.begin() + static_cast<std::ptrdiff_t>(which), kept.number(which));
        break;
    }
    ASSERT_FALSE(verify(kept).found.empty()) << "round " << round;
  }
}

}  // namespace
}  // namespace portolan::audit

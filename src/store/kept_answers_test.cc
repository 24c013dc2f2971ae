#include "store/kept_answers.h"

#include "store/directory_store.h"
#include "store/test_folder.h"

namespace portolan::store {
namespace {

using namespace std::chrono_literals;

class KeptAnswersTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
  void open() {
    store_.reset();
    auto opened = DirectoryStore::open(path_, {.clock = clock_});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  // Together with a role, if there is a name.
  Result<DirectoryStore::SnapshotPtr> keep(const std::string& key, const std::string& account,
                                           const std::string& role = {}) {
    return store_->change("a-ann", [&](Change& change) -> Result<> {
      if (!role.empty()) {
        directory::Role made;
        made.id = "r-" + role;
        made.name = role;
        made.created = clock_.wall();
        PL_CHECK(change.put(made));
      }
      return change.keep_answer({key, account, "answer to " + key, clock_.wall()}, limits_);
    });
  }
  std::string kept(const std::string& key) {
    const auto found = store_->kept_answer(key);
    EXPECT_TRUE(found) << found.error().message;
    return found && *found ? (*found)->answer : "none";
  }

  FakeClock clock_;
  KeptLimits limits_{.life = 24h, .per_account = 3, .in_all = 5};
  std::unique_ptr<DirectoryStore> store_;
};

TEST_F(KeptAnswersTest, IsThereAfterARestart) {
  ASSERT_TRUE(keep("k1", "a-ann", "dba"));
  open();
  EXPECT_EQ(kept("k1"), "answer to k1");
  EXPECT_EQ(kept("k2"), "none");
  EXPECT_EQ(store_->snapshot()->roles.size(), 1U);
}

TEST_F(KeptAnswersTest, IsKeptWithTheChangeOrNotAtAll) {
  const auto failed = store_->change("a-ann", [&](Change& change) -> Result<> {
    PL_CHECK(change.keep_answer({"k1", "a-ann", "answer", clock_.wall()}, limits_));
    return fail(Code::kConflict, "no");
  });
  EXPECT_FALSE(failed);
  EXPECT_EQ(kept("k1"), "none");
}

TEST_F(KeptAnswersTest, RaisesNoRevision) {
  const auto before = store_->snapshot()->revision;
  ASSERT_TRUE(keep("k1", "a-ann"));
  EXPECT_EQ(store_->snapshot()->revision, before);
  EXPECT_EQ(kept("k1"), "answer to k1");
}

TEST_F(KeptAnswersTest, TheOldestGoBeyondTheLimits) {
  for (const char* key : {"a1", "a2", "a3", "a4"}) {
    ASSERT_TRUE(keep(key, "a-ann"));
    clock_.advance(1s);
  }
  EXPECT_EQ(kept("a1"), "none");
  EXPECT_EQ(kept("a2"), "answer to a2");
  for (const char* key : {"b1", "b2", "b3"}) {
    ASSERT_TRUE(keep(key, "a-bob"));
    clock_.advance(1s);
  }
  EXPECT_EQ(kept("a2"), "none");
  EXPECT_EQ(kept("a3"), "answer to a3");
  EXPECT_EQ(kept("b1"), "answer to b1");
}

TEST_F(KeptAnswersTest, IsSealedAnewWithTheRest) {
  ASSERT_TRUE(keep("k1", "a-ann"));
  ASSERT_TRUE(keep("k2", "a-bob"));
  ASSERT_TRUE(store_->change("system", [](Change& change) -> Result<> {
    const auto count = change.reseal("old", "new", [](const std::string& context, const std::string& sealed) {
      return Result<std::string>(context + ": " + sealed);
    });
    EXPECT_EQ(count.value(), 2U);
    return {};
  }));
  EXPECT_EQ(kept("k1"), "kept-answer/k1: answer to k1");
  EXPECT_EQ(kept("k2"), "kept-answer/k2: answer to k2");
}

TEST_F(KeptAnswersTest, EndsWithItsLife) {
  ASSERT_TRUE(keep("k1", "a-ann"));
  clock_.advance(24h);
  ASSERT_TRUE(keep("k2", "a-bob"));
  EXPECT_EQ(kept("k1"), "answer to k1");
  clock_.advance(1ms);
  ASSERT_TRUE(keep("k3", "a-bob"));
  EXPECT_EQ(kept("k1"), "none");
  ASSERT_TRUE(store_->drop_kept_answers(clock_.wall()));
  EXPECT_EQ(kept("k2"), "none");
  EXPECT_EQ(kept("k3"), "answer to k3");
}

}  // namespace
}  // namespace portolan::store

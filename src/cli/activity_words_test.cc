#include "cli/activity_words.h"

#include <gtest/gtest.h>

namespace portolan::cli {
namespace {

api::ActivityView activity(std::string verb, std::string before, std::string after) {
  api::ActivityView out;
  out.verb = std::move(verb);
  out.object = "rs-1";
  out.before = std::move(before);
  out.after = std::move(after);
  return out;
}

TEST(ActivityWords, SayWhatHasChanged) {
  const auto changed = activity(
      "resource.updated",
      R"x({"id":"rs-1","name":"billing","host":"a","port":1,"tags":{"env":"prod","tier":"1"},"sealed_password":"(set)"})x",
      R"x({"id":"rs-1","name":"ledger","host":"a","port":2,"tags":{"env":"dev","team":"x"},"sealed_password":"(changed)"})x");
  EXPECT_EQ(verb_in_words(changed.verb), "resource updated");
  EXPECT_EQ(change_in_words(changed),
            "name: billing → ledger, port: 1 → 2, tags.env: prod → dev, tags.tier: 1 → none, tags.team: none → x, "
            "password: (set) → (changed)");
}

TEST(ActivityWords, SayWhatSomethingWasMadeWith) {
  const auto made = activity(
      "account.created", "",
      R"({"id":"a-1","email":"ann@example.com","name":"Ann","admin":true,"suspended":false,"created":"2026-01-01T00:00:00Z"})");
  EXPECT_EQ(change_in_words(made), "admin: true");
  EXPECT_EQ(change_in_words(activity("account.deleted", made.after, "")), "");
}

TEST(ActivityWords, SayFromWhereAnAccountWasLocked) {
  const auto locked =
      activity("account.locked", R"({"email":"ann@example.com","address":"203.0.113.7","wrong_passwords":5})", "");
  EXPECT_EQ(verb_in_words(locked.verb), "account locked");
  EXPECT_EQ(change_in_words(locked), "address: 203.0.113.7, wrong passwords: 5");
}

TEST(ActivityWords, NameTheObject) {
  auto named = activity("role.created", "", R"({"name":"dba"})");
  EXPECT_EQ(object_in_words(named), "dba") << "on record before names were noted";
  named.object_name = "analysts";
  EXPECT_EQ(object_in_words(named), "analysts");
  EXPECT_EQ(object_in_words(activity("grant.created", "", R"({"role":"r-1"})")), "rs-1");
  EXPECT_EQ(object_in_words(activity("grant.created", "", "broken")), "rs-1");
}

}  // namespace
}  // namespace portolan::cli

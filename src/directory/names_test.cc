#include <gtest/gtest.h>

#include "directory/decision.h"

namespace portolan::directory {
namespace {

TEST(Names, Resources) {
  for (const std::string& name :
       std::vector<std::string>{"a", "0", "billing-db", "9-", std::string(63, 'x'), "rs-1", "rs-"})
    EXPECT_TRUE(check_resource_name(name)) << name;
  for (const std::string& name : std::vector<std::string>{"", "-a", "A", "a_b", "a.b", "a b", "ä", "a\n",
                                                          std::string(64, 'x'), "rs-0123456789abcdefghij"}) {
    const auto checked = check_resource_name(name);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().code, Code::kInvalid);
  }
  EXPECT_EQ(check_resource_name("a b").error().message,
            "resource name \"a b\": allowed are 1 to 63 of a-z, 0-9 and \"-\", beginning with a letter or digit");
}

TEST(Names, Roles) {
  for (const std::string& name : std::vector<std::string>{"dba", "DBA", "on-call", "team.a_b", "r-team"})
    EXPECT_TRUE(check_role_name(name)) << name;
  for (const std::string& name :
       std::vector<std::string>{"", ".a", "_", "a b", "a/b", "r-0123456789abcdefghij", std::string(64, 'x')})
    EXPECT_FALSE(check_role_name(name)) << name;
}

TEST(Names, Emails) {
  struct Case {
    std::string in, out;
  };
  const Case good[] = {{"ann@example.com", "ann@example.com"},
                       {"Ann.O'Neil+x@Example.COM", "ann.o'neil+x@example.com"},
                       {"admin@localhost", "admin@localhost"},
                       {"a@b-c.d", "a@b-c.d"}};
  for (const auto& c : good) {
    const auto email = normalize_email(c.in);
    ASSERT_TRUE(email) << c.in;
    EXPECT_EQ(*email, c.out);
  }
  for (const std::string& in : std::vector<std::string>{"",
                                                        "ann",
                                                        "@",
                                                        "ann@",
                                                        "@example.com",
                                                        " ann@example.com",
                                                        "ann@example.com ",
                                                        "a b@c.d",
                                                        "a@b@c",
                                                        "a@b..c",
                                                        "a@.b",
                                                        "a@-b.c",
                                                        "a@b-",
                                                        ".a@b",
                                                        "a.@b",
                                                        "a..b@c",
                                                        "\"a\"@b",
                                                        "a@b_c",
                                                        "änn@example.com",
                                                        "a@b\n",
                                                        "a@b."})
    EXPECT_FALSE(normalize_email(in)) << in;
  EXPECT_FALSE(normalize_email(std::string(65, 'a') + "@b"));
  EXPECT_FALSE(normalize_email("a@" + std::string(64, 'b')));
}

}  // namespace
}  // namespace portolan::directory

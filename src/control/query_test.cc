#include "control/query.h"

#include <gtest/gtest.h>

namespace portolan::control {
namespace {

struct Thing {
  std::string name;
  std::int32_t size = 0;
  bool big = false;
  WallTime created{};
  std::optional<WallTime> ends;
  TextList nodes;
  TextMap tags;
};
BOOST_DESCRIBE_STRUCT(Thing, (), (name, size, big, created, ends, nodes, tags))

Thing sample() {
  return {"Billing DB",
          12,
          true,
          *from_rfc3339("2026-02-01T00:00:00Z"),
          {},
          {"n-1", "n-2"},
          {{"env", "prod"}, {"a.b/c", "x y"}}};
}

bool fits(std::string_view filter) {
  const Thing thing = sample();
  const auto terms = parse_filter(filter, members_of<Thing>());
  EXPECT_TRUE(terms) << filter << ": " << terms.error().message;
  return terms && std::ranges::all_of(*terms, [&](const Term& term) {
           return term.member.empty() ? any_text_contains(thing, term.text)
                                      : holds(term, *field_of(thing, term.member));
         });
}

TEST(Query, WhatFits) {
  for (const char* filter : {"",
                             "  ",
                             "name=\"Billing DB\"",
                             "name~billing",
                             "name!~ledger",
                             "name!=x",
                             "size=12",
                             "size>11 size<13",
                             "size>=12 size<=12",
                             "size!=13",
                             "big=true",
                             "big!=false",
                             "created>2026-01-31T23:59:59Z",
                             "created<=2026-02-01",
                             "ends!=2026-01-01T00:00:00Z",
                             "nodes=n-2",
                             "nodes!=n-3",
                             "nodes~N-",
                             "tags.env=prod",
                             "tags.env!=dev",
                             "tags.none!=x",
                             "tags.env~RO",
                             "tags.a.b/c=\"x y\"",
                             "bill",
                             "\"billing db\"",
                             "prod",
                             "name~\"\""})
    EXPECT_TRUE(fits(filter)) << filter;
}

TEST(Query, WhatDoesNotFit) {
  for (const char* filter :
       {"name=\"billing db\"", "name=Billing", "size<12", "size>12", "size=-12", "big=false",
        "created<2026-02-01T00:00:00Z", "ends=2026-01-01T00:00:00Z", "ends<2030-01-01T00:00:00Z", "nodes=n-3",
        "nodes!=n-1", "nodes!~n", "tags.env=dev", "tags.none=x", "tags.none~x", "ledger", "bill ledger", "bill size=1"})
    EXPECT_FALSE(fits(filter)) << filter;
}

TEST(Query, WhatIsRefused) {
  std::string many;
  for (int i = 0; i < 17; ++i) many += "a ";
  for (const std::string& filter :
       {std::string("nmae=x"), std::string("size=x"), std::string("size=1x"), std::string("size~1"),
        std::string("name<x"), std::string("big=yes"), std::string("big<true"), std::string("created>yesterday"),
        std::string("tags=x"), std::string("name.x=1"), std::string("tags.=x"), std::string("name=\"x"),
        std::string("name=\"x\"y"), std::string("name=a\"b"), std::string("size=99999999999999999999"), many,
        std::string(1025, 'a'), std::string("\"\"")})
    EXPECT_FALSE(parse_filter(filter, members_of<Thing>())) << filter;
}

TEST(Query, EscapesInQuotes) {
  const auto terms = parse_filter(R"(name="a \"b\" \\ c")", members_of<Thing>());
  ASSERT_TRUE(terms);
  EXPECT_EQ(terms->at(0).text, R"(a "b" \ c)");
}

TEST(Query, Orders) {
  const auto members = members_of<Thing>();
  const auto by_size = parse_order("size desc", members);
  ASSERT_TRUE(by_size);
  EXPECT_EQ(by_size->member, "size");
  EXPECT_TRUE(by_size->descending);
  EXPECT_FALSE(parse_order("name", members)->descending);
  for (const char* bad : {"", "nothing", "name asc desc", "tags", "nodes", "name  desc"})
    EXPECT_FALSE(parse_order(bad, members)) << bad;
}

TEST(Query, KeysSortAsValuesDo) {
  const std::int64_t numbers[] = {std::numeric_limits<std::int64_t>::min(), -10, -9, 0, 1, 9, 10,
                                  std::numeric_limits<std::int64_t>::max()};
  for (std::size_t i = 0; i + 1 < std::size(numbers); ++i)
    EXPECT_LT(sort_key(Field(numbers[i])), sort_key(Field(numbers[i + 1]))) << numbers[i];
  EXPECT_LT(sort_key(Field()), sort_key(Field(std::int64_t{-5})));
  EXPECT_LT(sort_key(Field(false)), sort_key(Field(true)));
}

}  // namespace
}  // namespace portolan::control

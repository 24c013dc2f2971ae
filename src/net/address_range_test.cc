#include "net/address_range.h"

#include <gtest/gtest.h>

namespace portolan::net {
namespace {

TEST(AddressRange, ContainsWhatItSays) {
  struct Case {
    std::string_view range;
    std::string_view host;
    bool inside;
  };
  constexpr Case kCases[] = {
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.1", false},
      {"10.1.2.3", "10.1.2.3", true},
      {"10.1.2.3", "10.1.2.4", false},
      {"192.168.4.0/22", "192.168.7.9", true},
      {"192.168.4.0/22", "192.168.8.0", false},
      {"0.0.0.0/0", "203.0.113.5", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"10.0.0.0/8", "::ffff:10.1.1.1", true},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"::1", "::1", true},
      {"::/0", "10.1.1.1", true},
      {"10.0.0.0/8", "not-an-address", false},
      {"10.0.0.0/8", "", false},
  };
  for (const Case& each : kCases) {
    const auto range = AddressRange::parse(each.range);
    ASSERT_TRUE(range) << each.range;
    EXPECT_EQ(range->contains({std::string(each.host), 1}), each.inside) << each.range << " " << each.host;
  }
}

TEST(AddressRange, RefusesWhatMayBeMeantOtherwise) {
  for (const std::string_view text : {"", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08x",
                                      "localhost", "10.0.0", "::/129", "10.0.0.0 /8", "fe80::1%lo"})
    EXPECT_FALSE(AddressRange::parse(text)) << text;
}

TEST(AddressRange, ReadsLists) {
  const auto ranges = parse_address_ranges("10.0.0.0/8,127.0.0.1");
  ASSERT_TRUE(ranges);
  EXPECT_TRUE(any_contains(*ranges, {"10.2.3.4", 80}));
  EXPECT_TRUE(any_contains(*ranges, {"127.0.0.1", 80}));
  EXPECT_FALSE(any_contains(*ranges, {"127.0.0.2", 80}));
  EXPECT_TRUE(parse_address_ranges("")->empty());
  for (const std::string_view text : {",", "10.0.0.0/8,", "10.0.0.0/8,,10.1.1.1"})
    EXPECT_FALSE(parse_address_ranges(text)) << text;
}

}  // namespace
}  // namespace portolan::net

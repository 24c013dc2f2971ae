#include "protocols/hosts.h"

#include <gtest/gtest.h>

namespace portolan::protocols {
namespace {

using Hosts = std::vector<net::Endpoint>;

TEST(Hosts, OfAResource) {
  EXPECT_EQ(hosts_of("db1", 5432, {}), (Hosts{{"db1", 5432}}));
  EXPECT_EQ(hosts_of("db1", 5432, {{"hosts", ""}}), (Hosts{{"db1", 5432}}));
  EXPECT_EQ(hosts_of("db1", 5432, {{"hosts", "db2:5433, db3 ,[::1]:7"}}),
            (Hosts{{"db1", 5432}, {"db2", 5433}, {"db3", 5432}, {"::1", 7}}));
}

TEST(Hosts, WhatIsRefused) {
  for (const char* bad : {",", "db2:0", "db2:99999", "db2:x", " ", "db2,,db3", ":5432", "db1:5432", "db2,db2", "a b:1",
                          "postgres://db2", "a,b,c,d,e,f,g,h"}) {
    const auto hosts = hosts_of("db1", 5432, {{"hosts", bad}});
    ASSERT_FALSE(hosts) << bad;
    EXPECT_TRUE(hosts.error().message.starts_with("setting \"hosts\"")) << hosts.error().message;
  }
}

}  // namespace
}  // namespace portolan::protocols

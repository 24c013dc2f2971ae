#include "crypto/identity.h"

#include <gtest/gtest.h>

namespace portolan::crypto {
namespace {

TEST(Identity, ReadsWhatItWrites) {
  const UserIdentity user{"example.org", "a-0abc", "d-9xyz"};
  EXPECT_EQ(to_uri(user), "spiffe://example.org/user/a-0abc/device/d-9xyz");
  EXPECT_EQ(*parse_user_identity(to_uri(user)), user);
  const NodeIdentity node{"o", "n-1"};
  EXPECT_EQ(to_uri(node), "spiffe://o/node/n-1");
  EXPECT_EQ(*parse_node_identity(to_uri(node)), node);
  EXPECT_TRUE(parse_node_identity("spiffe://" + std::string(63, 'a') + "/node/n-" + std::string(40, '1')));
}

TEST(Identity, RefusesAnyOtherSpelling) {
  const std::string bad_users[] = {
      "",
      "spiffe://",
      "spiffe:///user/a-1/device/d-1",
      "spiffe://o/user/a-1",
      "spiffe://o/user/a-1/device",
      "spiffe://o/user/a-1/device/",
      "spiffe://o/user/a-/device/d-1",
      "spiffe://o/user//device/d-1",
      "spiffe://o/user/a-1/device/d-",
      "spiffe://o/user/a-1/device/d-1/",
      "spiffe://o/user/a-1/device/d-1/x",
      "spiffe://o//user/a-1/device/d-1",
      "/spiffe://o/user/a-1/device/d-1",
      " spiffe://o/user/a-1/device/d-1",
      "spiffe://o/user/a-1/device/d-1 ",
      "spiffe://o/user/a-1/device/d-1\n",
      "spiffe://o/user/a-1,a-2/device/d-1",
      "spiffe://o/user/a-1/device/d-1,spiffe://o/user/a-2/device/d-1",
      "spiffe://o,p/user/a-1/device/d-1",
      "spiffe://o/user/A-1/device/d-1",
      "spiffe://o/user/a-X/device/d-1",
      "spiffe://O/user/a-1/device/d-1",
      "SPIFFE://o/user/a-1/device/d-1",
      "spiffe://o/User/a-1/device/d-1",
      "spiffe://o/user/a-1/DEVICE/d-1",
      "spiffe://o/user/a-%31/device/d-1",
      "spiffe://o/user/a-1%2fdevice/d-1",
      "spiffe://o/user/a-1/device/d-1?x=1",
      "spiffe://o/user/a-1/device/d-1#x",
      "spiffe://o:443/user/a-1/device/d-1",
      "spiffe://u@o/user/a-1/device/d-1",
      "spiffe://o/user/../device/d-1",
      "spiffe://o/user/n-1/device/d-1",
      "spiffe://o/user/a-1/device/a-1",
      "spiffe://o/device/d-1/user/a-1",
      "spiffe://o/node/a-1/device/d-1",
      "spiffe://o/node/n-1",
      "https://o/user/a-1/device/d-1",
      std::string("spiffe://o/user/a-1/device/d-1\0", 31),
      std::string("spiffe://o/user/a-1\0/device/d-1", 31),
      "spiffe://\xc3\xb6/user/a-1/device/d-1",
      "spiffe://" + std::string(64, 'a') + "/user/a-1/device/d-1",
      "spiffe://o/user/a-" + std::string(41, '1') + "/device/d-1",
  };
  for (const std::string& uri : bad_users) {
    const auto read = parse_user_identity(uri);
    ASSERT_FALSE(read) << uri;
    EXPECT_EQ(read.error().code, Code::kInvalid) << uri;
  }
  const std::string bad_nodes[] = {
      "",
      "spiffe://o/node",
      "spiffe://o/node/",
      "spiffe://o/node/n-",
      "spiffe://o/node/n",
      "spiffe://o/node/a-1",
      "spiffe://o/node/n-1/",
      "spiffe://o/node/n-1/x",
      "spiffe://o/node/n-1,n-2",
      "spiffe://o/node/n-A",
      "spiffe://o/NODE/n-1",
      "spiffe://o/node/n-%31",
      "spiffe://o//node/n-1",
      "spiffe:///node/n-1",
      "spiffe://o/cluster/n-1",
      "spiffe://o/user/a-1/device/d-1",
      std::string("spiffe://o/node/n-1\0", 20),
  };
  for (const std::string& uri : bad_nodes) {
    const auto read = parse_node_identity(uri);
    ASSERT_FALSE(read) << uri;
    EXPECT_EQ(read.error().code, Code::kInvalid) << uri;
  }
}

TEST(Identity, ANodeMayBeOfOneCluster) {
  const ClusterIdentity cluster{"o", "c-1"};
  EXPECT_EQ(to_uri(cluster), "spiffe://o/cluster/c-1");
  EXPECT_EQ(*parse_cluster_identity(to_uri(cluster)), cluster);
  using Uris = std::vector<std::string>;
  const Uris alone = {"spiffe://o/node/n-1"};
  const Uris worker = {"spiffe://o/node/n-1", "spiffe://o/cluster/c-1"};
  EXPECT_EQ(parse_node_names(alone)->cluster, std::nullopt);
  EXPECT_EQ(parse_node_names(worker)->node.node, "n-1");
  EXPECT_EQ(parse_node_names(worker)->cluster, cluster);
  for (const Uris& bad :
       {Uris{}, Uris{"spiffe://o/cluster/c-1"}, Uris{"spiffe://o/cluster/c-1", "spiffe://o/node/n-1"},
        Uris{"spiffe://o/node/n-1", "spiffe://o/node/n-2"}, Uris{"spiffe://o/node/n-1", "spiffe://p/cluster/c-1"},
        Uris{"spiffe://o/node/n-1", "spiffe://o/cluster/c-1", "spiffe://o/cluster/c-2"},
        Uris{"spiffe://o/node/n-1", "spiffe://o/cluster/ca-1"}, Uris{"spiffe://o/node/n-1", "spiffe://o/cluster/c-1/"},
        Uris{"spiffe://o/user/a-1/device/d-1", "spiffe://o/cluster/c-1"}})
    EXPECT_FALSE(parse_node_names(bad)) << bad.size();
}

}  // namespace
}  // namespace portolan::crypto

#include "protocols/derived_keys.h"

#include <gtest/gtest.h>

namespace portolan::protocols {
namespace {

crypto::Sha256 key(std::string_view of) { return crypto::sha256(as_bytes(of)); }

TEST(DerivedKeys, KeepsAFewAndForgetsTheOldest) {
  DerivedKeys keys;
  EXPECT_FALSE(keys.find(as_bytes("a")));
  const std::string_view names[] = {"a", "b", "c", "d", "e"};
  for (std::string_view name : names) keys.keep(as_bytes(name), key(name));
  EXPECT_FALSE(keys.find(as_bytes("a"))) << "one too many";
  for (std::string_view name : {"b", "c", "d", "e"}) EXPECT_EQ(keys.find(as_bytes(name)), key(name));
  keys.keep(as_bytes("b"), key("another"));
  EXPECT_EQ(keys.find(as_bytes("b")), key("b"));
}

TEST(DerivedKeys, NothingAfterTheEnd) {
  DerivedKeys keys;
  keys.keep(as_bytes("a"), key("a"));
  keys.end();
  EXPECT_FALSE(keys.find(as_bytes("a")));
  keys.keep(as_bytes("a"), key("a"));
  EXPECT_FALSE(keys.find(as_bytes("a"))) << "a sign-in that was under way leaves nothing behind";
}

}  // namespace
}  // namespace portolan::protocols

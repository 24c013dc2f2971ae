#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/id.h"

namespace portolan {
namespace {

TEST(Bytes, ReaderReadsWhatWriterWrote) {
  ByteWriter out;
  out.u8(7);
  out.u16(0x1234);
  out.u32(0xdeadbeef);
  out.u64(0x0102030405060708);
  out.zero_terminated("name");
  out.text16("value");
  ByteReader in(out.view());
  EXPECT_EQ(in.u8(), 7);
  EXPECT_EQ(in.u16(), 0x1234);
  EXPECT_EQ(in.u32(), 0xdeadbeef);
  EXPECT_EQ(in.u64(), 0x0102030405060708U);
  EXPECT_EQ(in.zero_terminated(), "name");
  EXPECT_EQ(in.text16(), "value");
  EXPECT_TRUE(in.at_end());
}

TEST(Bytes, ReaderFailsForGoodPastTheEnd) {
  ByteReader in(as_bytes("ab"));
  EXPECT_EQ(in.u32(), 0x61620000U);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0);
  EXPECT_FALSE(ByteReader(as_bytes("abc")).zero_terminated().size());
}

TEST(Bytes, Base64HasOneSpelling) {
  EXPECT_EQ(base64(as_bytes("ab")), "YWI=");
  EXPECT_EQ(base64url(as_bytes("ab")), "YWI");
  EXPECT_EQ(as_text(*from_base64url("YWI")), "ab");
  EXPECT_FALSE(from_base64url("YWJ"));  // the same bytes with other left-over bits
  EXPECT_FALSE(from_base64url("YWI="));
  EXPECT_FALSE(from_base64url("Y"));
  EXPECT_EQ(as_text(*from_base64("YWI=")), "ab");
}

TEST(Bytes, Base64RoundTrips) {
  for (std::size_t n = 0; n < 70; ++n) {
    Bytes random(n);
    fill_random(random);
    EXPECT_EQ(*from_base64url(base64url(random)), random);
    EXPECT_EQ(*from_base64(base64(random)), random);
    EXPECT_EQ(*from_hex(hex(random)), random);
  }
}

TEST(Bytes, ConstantTimeComparison) {
  EXPECT_TRUE(equal_in_constant_time(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("abc"), as_bytes("abd")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("abc"), as_bytes("ab")));
}

TEST(Id, BearsItsKind) {
  const std::string id = make_id("rs");
  EXPECT_EQ(id.size(), 23U);
  EXPECT_TRUE(is_id(id, "rs"));
  EXPECT_FALSE(is_id(id, "r"));
  EXPECT_FALSE(is_id("rs-../x", "rs"));
  EXPECT_FALSE(is_id("rs-", "rs"));
  EXPECT_NE(make_id("rs"), id);
}

}  // namespace
}  // namespace portolan

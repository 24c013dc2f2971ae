#include "protocols/postgres/text.h"

#include <gtest/gtest.h>

namespace portolan::protocols::postgres {
namespace {

TEST(TextCollector, KeepsUpToItsLimitAndHashesTheRest) {
  const std::string text = "select 'a longer text than the limit'";
  for (std::size_t limit : {0uz, 1uz, text.size() - 1, text.size(), text.size() + 1}) {
    for (std::size_t piece : {1uz, 7uz, text.size()}) {
      TextCollector collector(limit);
      for (std::size_t i = 0; i < text.size(); i += piece)
        collector.add(as_bytes(std::string_view(text).substr(i, piece)));
      const Text got = collector.finish();
      EXPECT_EQ(got.kept, text.substr(0, limit));
      EXPECT_EQ(got.length, text.size());
      if (limit < text.size()) {
        EXPECT_EQ(got.sha256, hex(crypto::sha256(as_bytes(text))));
      } else {
        EXPECT_FALSE(got.sha256);
      }
      EXPECT_EQ(collector.finish().length, 0u) << "it is empty afterwards";
    }
  }
}

TEST(Text, ShortenedKeepsTheHashOfAllOfIt) {
  const Text whole{"0123456789", 10};
  const Text shorter = whole.shortened(4);
  EXPECT_EQ(shorter.kept, "0123");
  EXPECT_EQ(shorter.length, 10u);
  EXPECT_EQ(shorter.sha256, hex(crypto::sha256(as_bytes("0123456789"))));
  EXPECT_EQ(shorter.shortened(2).sha256, shorter.sha256);
  EXPECT_FALSE(whole.shortened(10).sha256);
}

TEST(Utf8, ReplacesWhatIsNotUtf8) {
  struct Case {
    std::string_view in, out;
    std::size_t limit = 100;
  };
  const Case cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80", "z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"z\xfcrich", "z\xef\xbf\xbdrich"},                                        // Latin-1
      {"\xc3", "\xef\xbf\xbd"},                                                  // cut
      {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},                                  // cut
      {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                  // overlong
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                  // a surrogate
      {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // beyond Unicode
      {"ab\xc3\xbc", "ab", 3},                                                   // never half a character
      {"abc", "ab", 2},
  };
  for (const Case& c : cases) EXPECT_EQ(to_utf8(c.in, c.limit), c.out) << hex(as_bytes(c.in));
}

}  // namespace
}  // namespace portolan::protocols::postgres

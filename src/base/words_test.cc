#include "base/words.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

TEST(PlainWords, Table) {
  struct Row {
    std::string_view in;
    std::size_t limit;
    std::string_view out;
  };
  for (const Row& row : {
           Row{"password wrong", 99, "password wrong"},
           Row{"  a\r\n\tb \x1b[31m red\x7f", 99, "a b [31m red"},
           Row{std::string_view("a\0b", 3), 99, "a b"},
           Row{"c1 \xc2\x9b"
               "2J end",
               99, "c1 2J end"},
           Row{"bidi \xe2\x80\xae"
               "evil\xe2\x81\xa6",
               99, "bidi evil"},
           Row{"größer", 99, "größer"},
           Row{"gr\xf6\xdf"
               "er",
               99, "gr??er"},
           Row{"cut \xe2\x82", 99, "cut ??"},
           Row{"\xc0\xaf\xed\xa0\x80\xf5", 99, "??????"},
           Row{"größer", 3, "gr…"},
           Row{"größer", 4, "grö…"},
           Row{"a b c", 3, "a b…"},
           Row{"", 3, ""},
       })
    EXPECT_EQ(plain_words(row.in, row.limit), row.out) << row.in;
}

}  // namespace
}  // namespace portolan

#include "cli/table.h"

#include <gtest/gtest.h>

namespace portolan::cli {
namespace {

Table sample() {
  Table table({{"NAME"}, {"ROWS", Align::kRight}, {"TEXT"}});
  table.add({"a", "7", "select 1"});
  table.add({"größer", "1234567", "select 'a long text that does not fit'"});
  return table;
}

TEST(Table, AlignsByCodePoints) {
  EXPECT_EQ(sample().print(0, Paint::kPlain),
            "NAME       ROWS  TEXT\n"
            "a             7  select 1\n"
            "größer  1234567  select 'a long text that does not fit'\n");
}

TEST(Table, CutsTheLastColumnToTheTerminal) {
  EXPECT_EQ(sample().print(40, Paint::kPlain),
            "NAME       ROWS  TEXT\n"
            "a             7  select 1\n"
            "größer  1234567  select 'a long text th…\n");
}

TEST(Table, WithoutHeaderAndWithColors) {
  EXPECT_EQ(sample().print_rows(0),
            "a             7  select 1\n"
            "größer  1234567  select 'a long text that does not fit'\n");
  EXPECT_TRUE(sample().print(0, Paint::kColors).starts_with("\x1b[2mNAME"));
}

TEST(Table, ForeignTextCannotDriveTheTerminal) {
  EXPECT_EQ(fit_for_terminal("a\x1b[31mb\nc\t\td\x7f"), "a [31mb c d");
  EXPECT_EQ(fit_for_terminal("\xc2\x9b"
                             "31m"),
            "??31m");  // CSI as one character
  EXPECT_EQ(fit_for_terminal("caf\xc3\xa9 \xff"), "caf\xc3\xa9 ?");
  EXPECT_EQ(fit_for_terminal("\xe2\x82"), "??");
}

TEST(Table, ShortRowsAreFilledUp) {
  Table table({{"A"}, {"B"}});
  EXPECT_TRUE(table.empty());
  table.add({"x"});
  EXPECT_EQ(table.print(0, Paint::kPlain), "A  B\nx\n");
}

TEST(Table, Cut) {
  EXPECT_EQ(cut("grün", 4), "grün");
  EXPECT_EQ(cut("grüner", 4), "grü…");
  EXPECT_EQ(cut("abc", 1), "…");
}

}  // namespace
}  // namespace portolan::cli

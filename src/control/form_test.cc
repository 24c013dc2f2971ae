#include "control/form.h"

#include <gtest/gtest.h>

namespace portolan::control {
namespace {

TEST(Form, IsRead) {
  const auto form = parse_form("email=ann%40example.com&password=a+b%2Bc&empty=");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->at("email"), "ann@example.com");
  EXPECT_EQ(form->at("password"), "a b+c");
  EXPECT_EQ(form->at("empty"), "");
  EXPECT_EQ(form->size(), 3U);
  EXPECT_TRUE(parse_form("")->empty());
}

TEST(Form, RefusesWhatNoBrowserSends) {
  for (const char* bad : {"a", "a=1&a=2", "a=%4", "a=%", "a=%zz", "a=%ff", "&", "a=1&&b=2"})
    EXPECT_FALSE(parse_form(bad)) << bad;
  std::string many;
  for (int i = 0; i < 17; ++i) many += (i ? "&f" : "f") + std::to_string(i) + "=";
  EXPECT_FALSE(parse_form(many));
}

TEST(Form, ForeignTextIsNoMarkup) {
  EXPECT_EQ(html("<b a=\"x\" b='y'>&\x07"), "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
}

}  // namespace
}  // namespace portolan::control

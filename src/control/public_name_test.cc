#include "control/public_name.h"

#include <gtest/gtest.h>

namespace portolan::control {
namespace {

std::string url_of(net::Endpoint listen, std::vector<std::string> names, std::string url = {}) {
  ServerOptions options;
  options.listen = std::move(listen);
  options.public_names = std::move(names);
  options.public_url = std::move(url);
  return public_url(options);
}

TEST(PublicUrl, IsWhatTheOperatorSays) {
  EXPECT_EQ(url_of({"", 443}, {}, "https://portolan.example/"), "https://portolan.example");
  EXPECT_EQ(url_of({"", 443}, {"a.example"}, "https://b.example:8443"), "https://b.example:8443");
}

TEST(PublicUrl, ElseIsMadeOfNameAndPort) {
  EXPECT_EQ(url_of({"", 443}, {"portolan.example", "other.example"}), "https://portolan.example");
  EXPECT_EQ(url_of({"0.0.0.0", 8443}, {"portolan.example"}), "https://portolan.example:8443");
  EXPECT_EQ(url_of({"0.0.0.0", 443}, {}), "https://localhost");
  EXPECT_EQ(url_of({"10.0.0.1", 8443}, {}), "https://10.0.0.1:8443");
  EXPECT_EQ(url_of({"10.0.0.1", 443}, {"portolan.example"}), "https://portolan.example");
  EXPECT_EQ(url_of({"fd00::1", 443}, {}), "https://[fd00::1]");
}

TEST(PublicUrl, IsChecked) {
  for (const char* good : {"https://portolan.example", "https://portolan.example/", "https://[fd00::1]:8443"})
    EXPECT_TRUE(check_public_url(good)) << good;
  for (const char* bad : {"http://portolan.example", "portolan.example", "https://", "https:///", "https://a.example/x",
                          "https://A.example", "https://a b", "https://u@a.example", "https://a.example?x"})
    EXPECT_FALSE(check_public_url(bad)) << bad;
}

}  // namespace
}  // namespace portolan::control

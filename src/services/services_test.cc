#include "services/services.h"

#include <gtest/gtest.h>

namespace portolan::services {
namespace {

std::string parsed(const std::vector<std::string>& texts) {
  const auto kinds = parse_services(texts);
  if (!kinds) return "error: " + kinds.error().message;
  std::string out;
  for (const Kind kind : *kinds) out += std::string(name_of(kind)) + " ";
  return out;
}

TEST(Services, AreParsedFromLists) {
  EXPECT_EQ(parsed({"app"}), "app ");
  EXPECT_EQ(parsed({"app,downloads"}), "app downloads ");
  EXPECT_EQ(parsed({"checkip", "login,downloads"}), "login downloads checkip ");
}

TEST(Services, AreRefusedByName) {
  EXPECT_EQ(parsed({}), "error: no service is given");
  EXPECT_EQ(parsed({"app", "app"}), "error: app is there twice");
  for (const std::string bad : {"", "app,", ",app", "App", "app downloads", "web"}) {
    const std::string said = parsed({bad});
    EXPECT_TRUE(said.starts_with("error: unknown service")) << bad << ": " << said;
    EXPECT_TRUE(said.ends_with("known are: app, login, downloads, checkip")) << said;
  }
}

std::string checked(std::vector<std::string> hosts, Beside beside) {
  Options options;
  options.kinds = {Kind::kDownloads};
  options.downloads_hosts = std::move(hosts);
  const auto done = check_hosts(options, beside);
  if (!done) return "error: " + done.error().message;
  std::string out;
  for (const auto& host : options.downloads_hosts) out += host + " ";
  return out;
}

TEST(Services, NeedHostsWhereThereAreSeveral) {
  EXPECT_EQ(checked({}, Beside::kNothing), "");
  EXPECT_EQ(checked({"Downloads.Example", "d.example"}, Beside::kNothing), "downloads.example d.example ");
  EXPECT_EQ(checked({"d.example"}, Beside::kApp), "d.example ");
  EXPECT_TRUE(checked({}, Beside::kApp).ends_with("give --downloads-host NAME")) << checked({}, Beside::kApp);
  EXPECT_TRUE(checked({"d.example", "D.example"}, Beside::kApp).find("cannot have one host name") != std::string::npos);
  EXPECT_TRUE(checked({"d example"}, Beside::kApp).starts_with("error: --downloads-host")) << "a bad name";
}

TEST(Sites, AreFoundByName) {
  const net::http::Router a, b;
  const std::vector<net::http::Site> named = {{{"a.example", "a"}, &a, {}}, {{"b.example"}, &b, {}}};
  EXPECT_EQ(net::http::find_site(named, "a"), &named[0]);
  EXPECT_EQ(net::http::find_site(named, "B.Example"), &named[1]);
  EXPECT_EQ(net::http::find_site(named, "b.example."), nullptr);
  EXPECT_EQ(net::http::find_site(named, ""), nullptr);
  EXPECT_EQ(net::http::find_site({}, "a"), nullptr);
  const std::vector<net::http::Site> other = {{{}, &a, {}}, {{"b.example"}, &b, {}}};
  EXPECT_EQ(net::http::find_site(other, "b.example"), &other[1]);
  EXPECT_EQ(net::http::find_site(other, "c.example"), &other[0]);
  EXPECT_EQ(net::http::find_site(other, ""), &other[0]);
}

}  // namespace
}  // namespace portolan::services

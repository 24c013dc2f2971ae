#include "client/web/pac.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/web/real_host.h"

namespace portolan::client::web {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

api::AgentResource web_resource(std::string name, std::vector<std::string> origins) {
  api::AgentResource resource{.id = "rs-" + name, .name = name, .type = "http", .port = 10080, .egress = {}};
  resource.web.emplace();
  for (std::string& origin : origins) resource.web->push_back({"", std::move(origin)});
  return resource;
}

const net::Endpoint kProxy{"127.0.0.1", 65230};

TEST(RealHost, ReadsOriginsAndNothingElse) {
  EXPECT_EQ(parse_real_host("https://wiki.corp.example"), (RealHost{"https", "wiki.corp.example", 443}));
  EXPECT_EQ(parse_real_host("http://Wiki.Corp.Example"), (RealHost{"http", "wiki.corp.example", 80}));
  EXPECT_EQ(parse_real_host("HTTPS://10.0.0.7:8443"), (RealHost{"https", "10.0.0.7", 8443}));
  EXPECT_EQ(parse_real_host("https://[fd00::7]"), (RealHost{"https", "fd00::7", 443}));
  EXPECT_EQ(parse_real_host("https://[fd00::7]:65535"), (RealHost{"https", "fd00::7", 65535}));
  for (const char* wrong : {"",
                            "https://",
                            "https:///",
                            "wiki.corp.example",
                            "ftp://wiki.corp.example",
                            "https://wiki.corp.example/",
                            "https://wiki.corp.example?a",
                            "https://user@wiki.corp.example",
                            "https://wiki..example",
                            "https://.example",
                            "https://wiki.example.",
                            "https://*.corp.example",
                            "https://wiki.corp.example:",
                            "https://wiki.corp.example:0",
                            "https://wiki.corp.example:65536",
                            "https://wiki.corp.example:443443",
                            "https://wiki.corp.example:+1",
                            "https://wiki corp",
                            "https://wiki\"corp",
                            "https://wiki\ncorp",
                            "https://b\xc3\xbc"
                            "cher.example",
                            "https://fd00::7",
                            "https://[]",
                            "https://[fd00::7",
                            "https://[fd00::7]x",
                            "https://[wiki.example]",
                            "https://[dead]",
                            "javascript:alert(1)"})
    EXPECT_FALSE(parse_real_host(wrong)) << wrong;
  EXPECT_FALSE(parse_real_host("https://" + std::string(254, 'a')));
  EXPECT_TRUE(parse_real_host("https://" + std::string(253, 'a')));
}

TEST(RealHost, WritesWhatItReads) {
  EXPECT_EQ(to_text({"https", "wiki.corp.example", 443}), "https://wiki.corp.example:443");
  EXPECT_EQ(to_text({"http", "fd00::7", 80}), "http://[fd00::7]:80");
}

TEST(RealHost, GivesEachOfTheWebResourcesOnce) {
  api::AgentResource database{.id = "rs-db", .name = "db", .type = "postgres", .port = 15432, .egress = {}};
  const std::vector<api::AgentResource> resources = {
      web_resource("wiki", {"https://wiki.corp.example", "https://static.corp.example:8443"}), database,
      web_resource("again", {"https://wiki.corp.example:443", "http://wiki.corp.example", "https://bad\"name"})};
  EXPECT_EQ(real_hosts(resources), (std::vector<RealHost>{{"http", "wiki.corp.example", 80},
                                                          {"https", "static.corp.example", 8443},
                                                          {"https", "wiki.corp.example", 443}}));
}

TEST(Pac, NamesTheHostsOfWebResources) {
  const std::string text =
      pac_file({web_resource("wiki", {"https://wiki.corp.example", "http://api.corp.example:8080"})}, kProxy);
  EXPECT_THAT(text, HasSubstr("var proxy = \"PROXY 127.0.0.1:65230\";\n"
                              "var origins = {\n"
                              "  \"http://api.corp.example:8080\": 1,\n"
                              "  \"https://wiki.corp.example:443\": 1\n"
                              "};\nfunction FindProxyForURL(url, host) {\n"));
  EXPECT_TRUE(text.ends_with("}\n"));
}

TEST(Pac, IsWholeWithoutAnyResource) {
  const std::string text = pac_file({}, kProxy);
  EXPECT_THAT(text, HasSubstr("var origins = {\n};\nfunction FindProxyForURL(url, host) {\n"));
  EXPECT_THAT(text, Not(HasSubstr("://127")));
}

TEST(Pac, LeavesOutWhatIsNoHost) {
  const std::string text = pac_file({web_resource("evil", {"https://a\": 1}; evil(); var x = {\"", "https://</script>",
                                                           "https://*", "https://good.example"})},
                                    kProxy);
  EXPECT_THAT(text, HasSubstr("var origins = {\n  \"https://good.example:443\": 1\n};"));
  EXPECT_THAT(text, Not(HasSubstr("evil")));
  EXPECT_THAT(text, Not(HasSubstr("script>")));
}

TEST(Pac, LeavesOutThisMachine) {
  const std::string text =
      pac_file({web_resource("here", {"http://127.0.0.1:8080", "http://localhost:8081", "http://[::1]:8082",
                                      "http://127.example", "http://10.0.0.7"})},
               kProxy);
  EXPECT_THAT(text, HasSubstr("var origins = {\n  \"http://10.0.0.7:80\": 1,\n  \"http://127.example:80\": 1\n};"));
}

TEST(Pac, SendsNothingElsewhereWhereTheProxyIsAway) {
  EXPECT_THAT(pac_file({web_resource("wiki", {"https://wiki.corp.example"})}, {"::1", 1}),
              HasSubstr("\"PROXY [::1]:1\";"));
}

TEST(JsString, KeepsTextWithinItsQuotes) {
  EXPECT_EQ(js_string(""), "\"\"");
  EXPECT_EQ(js_string("https://wiki.corp.example:443"), "\"https://wiki.corp.example:443\"");
  EXPECT_EQ(js_string("a\"b\\c'd"), "\"a\\u0022b\\u005cc\\u0027d\"");
  EXPECT_EQ(js_string("</script><!--&"), "\"\\u003c/script\\u003e\\u003c!--\\u0026\"");
  EXPECT_EQ(js_string(std::string_view("\n\r\0\x7f", 4)), "\"\\u000a\\u000d\\u0000\\u007f\"");
  EXPECT_EQ(js_string("\xe2\x80\xa8"), "\"\\u00e2\\u0080\\u00a8\"") << "a line end of JavaScript's own";
}

}  // namespace
}  // namespace portolan::client::web

#include "client/web/own_page.h"

#include <gtest/gtest.h>

namespace portolan::client::web {
namespace {

std::string answer(const std::string& method, const std::string& target, OnConnection then = OnConnection::kStays) {
  protocols::http::RequestHead head;
  head.method = method;
  head.target = target;
  OwnView view;
  view.status.email = "ann@example.com";
  view.proxy = {"127.0.0.1", 65230};
  return own_answer(head, view, then);
}

TEST(WebOwnPage, IsWholeAndKeptToItself) {
  const std::string page = answer("GET", "/?q=wiki");
  EXPECT_TRUE(page.starts_with("HTTP/1.1 200 ")) << page.substr(0, 200);
  for (const char* field :
       {"Content-Security-Policy: default-src 'none'", "Cache-Control: no-store", "X-Frame-Options: DENY",
        "Cross-Origin-Resource-Policy: same-origin", "X-Content-Type-Options: nosniff", "Content-Type: text/html"})
    EXPECT_TRUE(page.contains(field)) << field;
  EXPECT_FALSE(page.contains("Connection: close"));
  const auto end = page.find("\r\n\r\n") + 4;
  EXPECT_TRUE(page.contains("Content-Length: " + std::to_string(page.size() - end) + "\r\n"));
  EXPECT_EQ(answer("HEAD", "/?q=wiki"), page.substr(0, end));
  EXPECT_TRUE(answer("GET", "/", OnConnection::kCloses).contains("Connection: close\r\n"));
}

TEST(WebOwnPage, TheRest) {
  const std::string pac = answer("GET", "/proxy.pac");
  EXPECT_TRUE(pac.contains("Content-Type: application/x-ns-proxy-autoconfig\r\n"));
  EXPECT_TRUE(pac.contains("FindProxyForURL"));
  EXPECT_TRUE(answer("GET", "/nothing").starts_with("HTTP/1.1 404 "));
  for (const char* method : {"POST", "OPTIONS", "PUT"}) {
    EXPECT_TRUE(answer(method, "/").starts_with("HTTP/1.1 405 ")) << method;
    EXPECT_TRUE(answer(method, "/").contains("Allow: GET, HEAD\r\n")) << method;
  }
}

}  // namespace
}  // namespace portolan::client::web

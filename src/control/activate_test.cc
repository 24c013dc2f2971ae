// Signing in by a browser, without one: what the page says, and what it takes.
#include "control/activate.h"

#include <gtest/gtest.h>

#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::As;
using testing::Response;
using testing::TestPlane;

std::string reason(const auto& result) { return result ? "none" : std::string(result.error().stable_code()); }

api::DeviceCodeRequest laptop() { return {crypto::PrivateKey::generate().public_key().pem(), "<b>laptop</b>", {}}; }

net::Task<Result<api::DeviceCode>> ask(TestPlane& test) {
  co_return co_await test.get<api::DeviceCode>(
      {"POST /v1/device-codes", {}, json::encode(laptop()), {{"host", "portolan.example"}}}, As{});
}

net::Task<Result<api::SignedIn>> poll(TestPlane& test, const api::DeviceCode& code) {
  co_return co_await test.post<api::SignedIn>("/v1/device-codes/token", api::DeviceCodeQuestion{code.device_code},
                                              As{});
}

// The page as a browser keeps it.
struct Page {
  Response response;
  std::string cookie;
  std::string csrf;
};

net::Task<Page> open_page(TestPlane& test, std::string code) {
  Page page{co_await test.call({"GET /activate", {{"code", code}}}), {}, {}};
  const std::string_view cookie = page.response.header("set-cookie");
  page.cookie = cookie.substr(0, cookie.find(';'));
  const std::string mark = "name=\"csrf\" value=\"";
  if (const auto at = page.response.body.find(mark); at != std::string::npos) {
    const auto begin = at + mark.size();
    page.csrf = page.response.body.substr(begin, page.response.body.find('"', begin) - begin);
  }
  co_return page;
}

testing::Ask form(const Page& page, const std::string& code, const std::string& fields) {
  return {"POST /activate",
          {},
          "csrf=" + page.csrf + "&code=" + code + "&" + fields,
          {{"content-type", "application/x-www-form-urlencoded"},
           {"host", "portolan.example"},
           {"origin", "https://portolan.example"},
           {"sec-fetch-site", "same-origin"},
           {"cookie", "a=b; " + page.cookie}}};
}

const std::string kRight = "action=approve&email=Admin%40example.com&password=correct+horse+battery";

class Plane : public TestPlane {
 public:
  explicit Plane(const net::Executor& on) : TestPlane(on, fake) {}
  static inline FakeClock fake;
};

CO_TEST(Activate, ABrowserSignsADeviceIn) {
  Plane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto code = co_await ask(test);
  CO_ASSERT_OK(code);
  EXPECT_EQ(code->verification_uri, "https://portolan.example/activate");
  EXPECT_EQ(code->verification_uri_complete, code->verification_uri + "?code=" + code->user_code);
  EXPECT_EQ(code->expires_in, 600U);
  Plane::fake.advance(2s);
  const auto early = co_await poll(test, *code);
  EXPECT_EQ(reason(early), "authorization_pending");
  const auto page = co_await open_page(test, code->user_code);
  EXPECT_EQ(page.response.status, 200);
  EXPECT_NE(page.response.body.find(code->user_code), std::string::npos);
  EXPECT_NE(page.response.body.find("&lt;b&gt;laptop&lt;/b&gt;"), std::string::npos) << page.response.body;
  const auto approved = co_await test.call(form(page, code->user_code, kRight));
  EXPECT_EQ(approved.status, 200) << approved.body;
  Plane::fake.advance(2s);
  const auto signed_in = co_await poll(test, *code);
  CO_ASSERT_OK(signed_in);
  EXPECT_EQ(signed_in->email, "admin@example.com");
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"GET /v1/whoami"}, As{.token = signed_in->token.reveal()}));
  Plane::fake.advance(2s);
  const auto again = co_await poll(test, *code);
  EXPECT_EQ(reason(again), "expired_token");
}

CO_TEST(Activate, ThePageTakesNothingFromElsewhere) {
  Plane test(co_await net::this_executor());
  const auto code = co_await ask(test);
  CO_ASSERT_OK(code);
  const auto page = co_await open_page(test, code->user_code);
  const auto& headers = page.response.headers;
  const std::string policy(page.response.header("content-security-policy"));
  for (const char* part : {"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "style-src 'sha256-"})
    EXPECT_NE(policy.find(part), std::string::npos) << part;
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(headers.at("cache-control"), "no-store");
  EXPECT_EQ(headers.at("x-frame-options"), "DENY");
  EXPECT_EQ(page.response.body.find("<script"), std::string::npos);
  const std::string cookie(page.response.header("set-cookie"));
  for (const char* part : {"__Host-", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"})
    EXPECT_NE(cookie.find(part), std::string::npos) << part;
}

CO_TEST(Activate, AFormOfAnotherSiteDecidesNothing) {
  Plane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto code = co_await ask(test);
  CO_ASSERT_OK(code);
  const auto page = co_await open_page(test, code->user_code);
  std::vector<testing::Ask> forged(6, form(page, code->user_code, kRight));
  forged[0].headers["origin"] = "https://evil.example";
  forged[1].headers["sec-fetch-site"] = "cross-site";
  forged[2].headers.erase("cookie");
  forged[3].headers["cookie"] = "__Host-portolan-activate=AAAA";
  forged[4] = form({{}, page.cookie, "AAAA"}, code->user_code, kRight);
  forged[5].headers["origin"] = "null";
  for (auto& one : forged) {
    const auto refused = co_await test.call(std::move(one));
    EXPECT_EQ(refused.status, 403) << refused.body;
  }
  auto no_form = form(page, code->user_code, kRight);
  no_form.headers["content-type"] = "text/plain";
  const auto refused = co_await test.call(std::move(no_form));
  EXPECT_EQ(refused.status, 400);
  Plane::fake.advance(2s);
  const auto pending = co_await poll(test, *code);
  EXPECT_EQ(reason(pending), "authorization_pending");
}

CO_TEST(Activate, WrongPasswordsAreOneAnswerAndLock) {
  Plane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto code = co_await ask(test);
  CO_ASSERT_OK(code);
  const auto page = co_await open_page(test, code->user_code);
  std::vector<std::string> bodies;
  for (const std::string email : {"admin%40example.com", "nobody1%40example.co"}) {
    const auto wrong =
        co_await test.call(form(page, code->user_code, "action=approve&password=wrong+one&email=" + email));
    EXPECT_EQ(wrong.status, 403);
    EXPECT_EQ(wrong.body.find("wrong+one"), std::string::npos);
    bodies.push_back(wrong.body);
    const auto typed = bodies.back().find("value=\"", bodies.back().find("id=\"email\""));
    bodies.back().erase(typed, bodies.back().find('>', typed) - typed);
  }
  EXPECT_EQ(bodies[0], bodies[1]);
  EXPECT_NE(bodies[0].find("role=\"alert\">Wrong e-mail or password"), std::string::npos) << bodies[0];
  for (int i = 0; i < 4; ++i)
    co_await test.call(form(page, code->user_code, "action=approve&password=wrong&email=admin%40example.com"));
  const auto locked = co_await test.call(form(page, code->user_code, kRight));
  EXPECT_EQ(locked.status, 429);
}

CO_TEST(Activate, DeniedIsDenied) {
  Plane test(co_await net::this_executor());
  const auto code = co_await ask(test);
  CO_ASSERT_OK(code);
  const auto page = co_await open_page(test, code->user_code);
  const auto denied = co_await test.call(form(page, code->user_code, "action=deny&email=&password="));
  EXPECT_EQ(denied.status, 200);
  Plane::fake.advance(2s);
  const auto told = co_await poll(test, *code);
  EXPECT_EQ(reason(told), "access_denied");
}

CO_TEST(Activate, UnknownCodesAreAskedForAgain) {
  Plane test(co_await net::this_executor());
  const auto none = co_await test.call({"GET /activate"});
  EXPECT_EQ(none.status, 200);
  EXPECT_NE(none.body.find("name=\"code\""), std::string::npos);
  const auto wrong = co_await test.call({"GET /activate", {{"code", "<script>"}}});
  EXPECT_EQ(wrong.status, 404);
  EXPECT_EQ(wrong.body.find("<script>"), std::string::npos);
}

CO_TEST(Activate, AnAccountThatChangedMeanwhileIsNotSignedIn) {
  Plane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto code = co_await ask(test);
  CO_ASSERT_OK(code);
  const auto page = co_await open_page(test, code->user_code);
  const auto approved = co_await test.call(
      form(page, code->user_code, "action=approve&email=ann%40example.com&password=correct+horse+battery"));
  EXPECT_EQ(approved.status, 200);
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"PATCH /v1/accounts/ann@example.com", {}, R"({"suspended":true})"},
                                                   test.admin));
  Plane::fake.advance(2s);
  const auto taken = co_await poll(test, *code);
  EXPECT_FALSE(taken);
}

}  // namespace
}  // namespace portolan::control

#include "control/activate.h"

#include "base/id.h"
#include "control/activate_page.h"
#include "control/form.h"
#include "crypto/hash.h"

namespace portolan::control {
namespace {

constexpr std::string_view kCookie = "__Host-portolan-activate";
constexpr std::size_t kCookieLimit = 64;

Bytes random_key() {
  Bytes key(32);
  fill_random(key);
  return key;
}

// Empty if there is none that we could have set.
std::string cookie_of(const net::http::Request& request) {
  std::string_view rest = request.header("cookie");
  while (!rest.empty()) {
    const auto end = rest.find(';');
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (!pair.starts_with(kCookie) || pair.substr(kCookie.size()).substr(0, 1) != "=") continue;
    const std::string_view value = pair.substr(kCookie.size() + 1);
    return value.size() <= kCookieLimit ? std::string(value) : "";
  }
  return "";
}

void set_cookie(net::http::Response& response, const std::string& value) {
  response.headers["set-cookie"] = std::string(kCookie) + "=" + value + "; Path=/; Secure; HttpOnly; SameSite=Strict";
}

// What browsers say of the page that a form stood on. Programs say nothing.
bool from_our_page(const net::http::Request& request) {
  const auto site = request.header("sec-fetch-site");
  if (!site.empty() && site != "same-origin") return false;
  const auto origin = request.header("origin");
  return origin.empty() || origin == "https://" + std::string(request.header("host"));
}

std::string field(const Form& form, const std::string& name) {
  const auto found = form.find(name);
  return found == form.end() ? "" : found->second;
}

int page_status(const Error& error) {
  // 401 would have to challenge the browser, which would ask for a password by itself.
  return error.code == Code::kUnauthenticated ? 403 : net::http::status_of(error.code);
}

ActivateForm form_for(const DeviceCodes::Pending& pending, std::string csrf) {
  return {pending.user_code, pending.installation.name, pending.address, pending.asked, std::move(csrf)};
}

}  // namespace

Activation::Activation(Core& core, SignIns& sign_ins, DeviceCodeLimits limits)
    : sign_ins_(sign_ins), codes_(core.options.clock, limits), csrf_key_(random_key()) {}

void Activation::add_to(Routes& routes) {
  routes.add("POST /v1/device-codes", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("POST /v1/device-codes/token", [this](Exchange exchange) { return token(std::move(exchange)); });
  routes.add_at_once("GET /activate", [this](const Exchange& exchange) { return show(exchange); });
  routes.add("POST /activate", [this](Exchange exchange) { return decide(std::move(exchange)); });
}

std::string Activation::csrf_of(const std::string& cookie, const std::string& user_code) const {
  return base64url(crypto::hmac_sha256(csrf_key_, as_bytes(cookie + " " + user_code)));
}

net::Task<Answer> Activation::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::DeviceCodeRequest>());
  CO_TRY(auto installation,
         SignIns::check(request.public_key, std::move(request.device_name), std::move(request.device), request.renews));
  CO_TRY(auto made, codes_.make(std::move(installation), exchange.call.connection->peer));
  const std::string page = "https://" + std::string(exchange.call.request.header("host")) + "/activate";
  const auto seconds = [](std::chrono::milliseconds time) { return static_cast<std::uint64_t>(time.count() / 1000); };
  co_return created(api::DeviceCode{std::move(made.device_code), made.user_code, page, page + "?code=" + made.user_code,
                                    seconds(codes_.limits().life), seconds(codes_.limits().interval)});
}

net::Task<Answer> Activation::token(Exchange exchange) {
  CO_TRY(const auto question, exchange.body<api::DeviceCodeQuestion>());
  CO_TRY(auto approved, codes_.take(question.device_code));
  CO_TRY(const auto signed_in,
         co_await sign_ins_.sign_in(std::move(approved.account), std::move(approved.installation)));
  co_return created(signed_in);
}

Answer Activation::show(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  const auto code = request.parameter("code");
  if (!code || code->empty()) return ask_for_code(200, "");
  const auto pending = codes_.find(*code, exchange.call.connection->peer);
  if (!pending) return ask_for_code(page_status(pending.error()), pending.error().message);
  // One that is there is kept, so that a second page does not take the first one's right away.
  std::string cookie = cookie_of(request);
  if (cookie.empty()) cookie = make_token(24);
  auto response = ask_for_approval(200, form_for(*pending, csrf_of(cookie, pending->user_code)));
  set_cookie(response, cookie);
  return response;
}

net::Task<Answer> Activation::decide(Exchange exchange) {
  const auto& request = exchange.call.request;
  if (!request.header("content-type").starts_with("application/x-www-form-urlencoded"))
    co_return fail(Code::kInvalid, "only the form of GET /activate is taken here");
  CO_TRY(auto form, parse_form(request.body));
  const auto pending = codes_.find(field(form, "code"), exchange.call.connection->peer);
  if (!pending) co_return ask_for_code(page_status(pending.error()), pending.error().message);
  const std::string cookie = cookie_of(request);
  const std::string csrf = csrf_of(cookie, pending->user_code);
  if (cookie.empty() || !from_our_page(request) ||
      !equal_in_constant_time(as_bytes(csrf), as_bytes(field(form, "csrf"))))
    co_return ask_for_code(403, "the form did not come from this page, or your browser keeps no cookies; try again");

  if (field(form, "action") == "deny") {
    codes_.deny(pending->user_code);
    co_return activation_outcome(200, "Denied",
                                 "The device was not signed in. If it was not you who asked, tell your admin.");
  }
  const std::string email = field(form, "email");
  auto account =
      co_await sign_ins_.authenticate(email, Secret(std::move(form["password"])), exchange.call.connection->peer);
  if (!account) {
    auto again = form_for(*pending, csrf);
    again.email = email;
    again.problem = account.error().message;
    co_return ask_for_approval(page_status(account.error()), again);
  }
  if (auto approved = codes_.approve(pending->user_code, std::move(*account)); !approved)
    co_return ask_for_code(page_status(approved.error()), approved.error().message);
  co_return activation_outcome(200, "You are signed in",
                               pending->installation.name + " goes on by itself. You can close this page.");
}

}  // namespace portolan::control

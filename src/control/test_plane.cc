#include "control/test_plane.h"

#include <stdexcept>
#include <utility>

namespace portolan::control::testing {

using net::http::Call;
using net::http::Connection;

net::Task<Result<>> LineSink::begin(Response with) {
  head = std::move(with);
  co_return Result<>{};
}

net::Task<Result<>> LineSink::send(std::string_view piece) {
  while (held_) {
    CO_CHECK(co_await released_.wait(std::chrono::seconds(5)));
  }
  if (gone_) co_return fail(Code::kEof, "gone");
  body += piece;
  came_.set();
  co_return Result<>{};
}

net::Task<Result<>> LineSink::closed() {
  while (!gone_) {
    const auto waited = co_await left_.wait(std::chrono::hours(1));
    if (!waited) co_return waited;
  }
  co_return fail(Code::kEof, "gone");
}

void LineSink::leave() {
  gone_ = true;
  left_.set();
}

void LineSink::release() {
  held_ = false;
  released_.set();
}

net::Task<Result<std::string>> LineSink::next() {
  while (body.find('\n', read_) == std::string::npos) {
    CO_CHECK(co_await came_.wait(std::chrono::seconds(5)));
  }
  const auto end = body.find('\n', read_);
  std::string line = body.substr(read_, end - read_);
  read_ = end + 1;
  co_return line;
}

TestPlane::TestPlane(const net::Executor& on, const Clock& by)
    : executor(on), clock(by), sealing_key(crypto::SealingKey::generate().text()) {
  open();
}

ServerOptions TestPlane::options() const {
  return {.data = folder.path,
          .sealing = SealingText{sealing_key},
          .heartbeat = std::chrono::milliseconds(200),
          .clock = clock};
}

void TestPlane::open() {
  plane.reset();
  auto opened = ControlPlane::open(executor, options());
  if (!opened) throw std::runtime_error(opened.error().message);
  plane = std::move(*opened);
}

namespace {

Call call_of(Ask ask, const As& as, const Connection& connection) {
  const auto space = ask.route.find(' ');
  Call call{.request = {.method = ask.route.substr(0, space),
                        .path = ask.route.substr(space + 1),
                        .query = std::move(ask.query),
                        .headers = std::move(ask.headers),
                        .body = std::move(ask.body)},
            .path_arguments = {},
            .connection = &connection};
  call.request.target = net::http::to_target(call.request);
  if (!as.token.empty()) call.request.headers["authorization"] = "Bearer " + as.token;
  return call;
}

}  // namespace

net::Task<> TestPlane::watch(Ask ask, As as, LineSink& sink) {
  const Connection connection{.peer = "127.0.0.1", .certificate = as.certificate};
  Call call = call_of(std::move(ask), as, connection);
  const auto match = plane->router().match(call.request.method, call.request.path);
  if (!match.stream_handler) co_return;
  const auto done = co_await (*match.stream_handler)(std::move(call), sink);
  static_cast<void>(done);  // what it sent says it
}

net::Task<Response> TestPlane::call(Ask ask, As as) {
  const std::string route = ask.route;
  auto response = co_await answer(std::move(ask), std::move(as));
  documented_.check(route, response);
  co_return response;
}

net::Task<Response> TestPlane::answer(Ask ask, As as) {
  const Connection connection{.peer = "127.0.0.1", .certificate = as.certificate};
  Call call = call_of(std::move(ask), as, connection);
  auto match = plane->router().match(call.request.method, call.request.path);
  call.path_arguments = std::move(match.arguments);
  if (match.handler) co_return co_await (*match.handler)(std::move(call));
  if (!match.stream_handler) co_return Response{404, {}, {}};
  LineSink sink(executor);
  const auto done = co_await (*match.stream_handler)(std::move(call), sink);
  if (!done || !sink.head) co_return Response{500, {}, {}};
  auto response = std::move(*sink.head);
  response.body = std::move(sink.body);
  co_return response;
}

Result<> TestPlane::succeeded(const Response& response) {
  if (response.status >= 200 && response.status <= 299) return {};
  PL_TRY(const auto problem, json::parse(response.body));
  const auto& object = problem.as_object();
  const std::string code(object.at("code").as_string());
  return fail(code_from(code), std::string(object.at("detail").as_string()), code);
}

net::Task<Result<>> TestPlane::set_up() {
  CO_CHECK(co_await plane->ensure_admin("admin@example.com", Secret(kPassword)));
  CO_TRY(const auto token, co_await plane->make_api_token("admin@example.com", "tests"));
  admin = As{.token = token.reveal()};
  co_return Result<>{};
}

net::Task<Result<api::AccountView>> TestPlane::make_account(std::string email) {
  api::AccountCreate request{.email = std::move(email), .name = {}, .admin = {}, .password = Secret(kPassword)};
  co_return co_await post<api::AccountView>("/v1/accounts", std::move(request), admin);
}

net::Task<Result<Person>> TestPlane::sign_in(std::string email, std::string password) {
  const auto key = crypto::PrivateKey::generate();
  api::SignInRequest request{.email = std::move(email),
                             .password = Secret(std::move(password)),
                             .public_key = key.public_key().pem(),
                             .device_name = "laptop",
                             .device = {}};
  CO_TRY(auto signed_in, co_await post<api::SignedIn>("/v1/sign-ins", std::move(request), As{}));
  CO_TRY(auto certificate, crypto::Certificate::from_pem(signed_in.certificate));
  const As by_token{.token = signed_in.token.reveal()};
  co_return Person{std::move(signed_in), key, by_token, As{.certificate = std::move(certificate)}};
}

net::Task<Result<JoinedNode>> TestPlane::join(std::string kind, std::string name) {
  api::JoinTokenCreate wanted{.kind = kind, .name = {}, .life = {}};
  CO_TRY(const auto made, co_await post<api::JoinTokenMade>("/v1/join-tokens", std::move(wanted), admin));
  const auto key = crypto::PrivateKey::generate();
  api::JoinRequest request{.token = made.token,
                           .public_key = key.public_key().pem(),
                           .name = name,
                           .address = kind == "gateway" ? name + ".example.com:5000" : "",
                           .version = "1.0"};
  CO_TRY(auto joined, co_await post<api::Joined>("/v1/node/join", std::move(request), As{}));
  CO_TRY(auto certificate, crypto::Certificate::from_pem(joined.certificate));
  co_return JoinedNode{std::move(joined), As{.certificate = std::move(certificate)}, key};
}

net::Task<Result<api::MembershipView>> TestPlane::give(std::string email, std::string resource) {
  api::ResourceCreate what{.name = resource,
                           .type = "tcp",
                           .host = "db.example.com",
                           .port = 7000,
                           .local_port = {},
                           .settings = {},
                           .username = {},
                           .password = {},
                           .egress_nodes = {}};
  CO_CHECK(co_await post<api::ResourceView>("/v1/resources", std::move(what), admin));
  CO_CHECK(co_await post<api::RoleView>("/v1/roles", api::RoleCreate{resource}, admin));
  CO_CHECK(co_await post<api::GrantView>("/v1/grants", api::GrantCreate{resource, resource}, admin));
  co_return co_await post<api::MembershipView>("/v1/memberships", api::MembershipCreate{std::move(email), resource},
                                               admin);
}

net::Task<Result<std::string>> TestPlane::resource_id(std::string name) {
  CO_TRY(const auto resource, co_await get<api::ResourceView>({"GET /v1/resources/" + name}, admin));
  co_return resource.id;
}

std::string assertion_of(const Person& person, const std::string& resource, const std::string& node, WallTime now) {
  const Bytes binding(32, std::byte{7});
  const auto assertion =
      api::make_assertion(person.signed_in.account, person.signed_in.device, resource, node, binding, now);
  return api::sign_assertion(assertion, person.key);
}

}  // namespace portolan::control::testing

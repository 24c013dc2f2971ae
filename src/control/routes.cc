#include "control/routes.h"

#include <stdexcept>
#include <string>
#include <utility>

#include "control/permissions.h"

namespace portolan::control {
namespace {

using net::http::Call;
using net::http::Response;
using net::http::Sink;

struct Parts {
  std::string_view method;
  std::string_view path;
  const Permission* permission;
};

// Programming errors, found when the server starts: a route without a permission is never served.
Parts take_apart(std::string_view route) {
  const auto* permission = find_permission(route);
  const auto space = route.find(' ');
  if (!permission || space == std::string_view::npos)
    throw std::logic_error("no permission for the route " + std::string(route));
  return {route.substr(0, space), route.substr(space + 1), permission};
}

// The one check before every handler. Who proves nothing, or tries in vain, is counted by its address.
Result<Exchange> admit(Core& core, const Permission& permission, Call call, Quota& quota) {
  auto lookup = core.lookup();
  const WallTime now = core.now();
  Result<Caller> caller;
  if (permission.who != Who::kAnyone) caller = identify(call, *lookup, core.authorities, core.nonces, now);
  quota = core.rates.take(permission.route, caller.value_or(Caller()), call.connection->peer);
  if (quota.refused)
    return fail(Code::kLimit,
                "too many requests; come again in " + format_duration(std::chrono::milliseconds(quota.wait)),
                "rate_limited");
  if (!caller) return std::unexpected(std::move(caller).error());
  if (!caller->nonce.empty()) PL_CHECK(core.nonces.remember(caller->account, caller->token, caller->nonce));
  PL_CHECK(may_call(permission, *caller));
  return Exchange{std::move(call), std::move(*caller), std::move(lookup), now, &permission};
}

Response refusal(Error error) {
  const bool challenge = error.code == Code::kUnauthenticated;
  auto response = net::http::problem(std::move(error).at(Hop::kControlPlane));
  if (challenge) response.headers["www-authenticate"] = "Bearer";
  return response;
}

Response finish(Answer answer, const Quota& quota) {
  auto response = answer ? std::move(*answer) : refusal(std::move(answer).error());
  quota.tell(response.headers);
  response.headers.try_emplace("cache-control", "no-store");
  return response;
}

class InFlight {
 public:
  explicit InFlight(Core& core) : core_(core) { ++core_.requests; }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() { --core_.requests; }

 private:
  Core& core_;
};

net::Task<Response> serve(Core& core, const Permission& permission, const Handle& handle, Call call) {
  Quota quota;
  auto exchange = admit(core, permission, std::move(call), quota);
  if (!exchange) co_return finish(std::unexpected(std::move(exchange).error()), quota);
  const InFlight in_flight(core);
  auto answer = co_await handle(std::move(*exchange));
  co_return finish(std::move(answer), quota);
}

net::Task<Answer> answer_at_once(const HandleAtOnce& handle, Exchange exchange) { co_return handle(exchange); }

net::Task<Answer> create(Core& core, const Handle& handle, Exchange exchange) {
  CO_TRY(exchange.idempotency, idempotency_of(exchange.call.request, exchange.caller));
  if (exchange.idempotency) {
    CO_TRY(auto first, co_await first_answer(core, *exchange.idempotency));
    if (first) co_return std::move(*first);
  }
  co_return co_await handle(std::move(exchange));
}

net::Task<Result<>> send_whole(Sink& sink, Response response) {
  const std::string body = std::move(response.body);
  response.body.clear();
  CO_CHECK(co_await sink.begin(std::move(response)));
  if (!body.empty()) {
    CO_CHECK(co_await sink.send(body));
  }
  co_return Result<>{};
}

// Knows whether an error can still become a problem object, and tells the quota with what is begun.
class NotingSink : public Sink {
 public:
  NotingSink(Sink& inner, const Quota& quota) : inner_(inner), quota_(quota) {}
  net::Task<Result<>> begin(Response head) override {
    begun_ = true;
    quota_.tell(head.headers);
    return inner_.begin(std::move(head));
  }
  net::Task<Result<>> send(std::string_view piece) override { return inner_.send(piece); }
  net::Task<Result<>> closed() override { return inner_.closed(); }
  bool begun() const { return begun_; }

 private:
  Sink& inner_;
  const Quota quota_;
  bool begun_ = false;
};

net::Task<Result<>> run_watch(Core& core, Topic topic, const HandleWatch& handle, Exchange exchange, Sink& sink) {
  Watch watch(core.hub, topic);
  net::TaskGroup companions(core.executor);
  companions.spawn("watch closing", Watch::note_closing(sink, watch));
  auto result = co_await handle(std::move(exchange), watch, sink);
  companions.cancel();
  co_await companions.join();
  co_return result;
}

struct Either {
  const Permission* permission;
  Topic topic;
  Handle once;
  HandleWatch watch;
};

net::Task<Result<>> serve_either(Core& core, const Either& either, Call call, Sink& sink) {
  Quota quota;
  auto exchange = admit(core, *either.permission, std::move(call), quota);
  if (!exchange) co_return co_await send_whole(sink, finish(std::unexpected(std::move(exchange).error()), quota));
  const auto wanted = exchange->call.request.parameter("watch");
  if (!wanted || *wanted == "0") {
    auto answer = co_await either.once(std::move(*exchange));
    co_return co_await send_whole(sink, finish(std::move(answer), quota));
  }
  if (*wanted != "1")
    co_return co_await send_whole(sink, finish(fail(Code::kInvalid, "watch: must be 1 or absent"), quota));
  NotingSink noting(sink, quota);
  auto result = co_await run_watch(core, either.topic, either.watch, std::move(*exchange), noting);
  if (result) co_return result;
  if (!noting.begun()) co_return co_await send_whole(sink, finish(std::unexpected(std::move(result).error()), quota));
  // The end of the body tells the client all there is to tell: it comes again and is told then.
  if (result.error().code == Code::kEof) co_return Result<>{};
  co_return result;
}

}  // namespace

net::Task<Result<>> change_as(Core& core, const Exchange& exchange, Core::Edit edit) {
  auto work = [caller = exchange.caller, permission = exchange.permission, now = exchange.now,
               edit = std::move(edit)](store::Change& change) -> Result<> {
    PL_TRY(const auto still, identify_later(caller, change.now(), now));
    PL_CHECK(may_call(*permission, still));
    return edit(change);
  };
  co_return co_await core.change(exchange.caller.actor(), std::move(work));
}

Result<> readmit(Core& core, Exchange& exchange) {
  auto lookup = core.lookup();
  const WallTime now = core.now();
  auto caller = identify_again(exchange.call, exchange.caller, *lookup, core.authorities, core.nonces, now);
  if (!caller) return fail(Code::kEof, std::move(caller).error().message);
  if (auto allowed = may_call(*exchange.permission, *caller); !allowed)
    return fail(Code::kEof, std::move(allowed).error().message);
  exchange.caller = std::move(*caller);
  exchange.lookup = std::move(lookup);
  exchange.now = now;
  return {};
}

// The closures are kept by the router and outlive the coroutines that refer to them.
void Routes::add(std::string_view route, Handle handle) {
  const auto [method, path, permission] = take_apart(route);
  router_.add(method, path, [&core = core_, permission, handle = std::move(handle)](Call call) {
    return serve(core, *permission, handle, std::move(call));
  });
}

void Routes::add_create(std::string_view route, Handle handle) {
  add(route, [&core = core_, handle = std::move(handle)](Exchange exchange) {
    return create(core, handle, std::move(exchange));
  });
}

void Routes::add_at_once(std::string_view route, HandleAtOnce handle) {
  add(route, [handle = std::move(handle)](Exchange exchange) { return answer_at_once(handle, std::move(exchange)); });
}

void Routes::add_watch(std::string_view route, Topic topic, Handle once, HandleWatch watch) {
  const auto [method, path, permission] = take_apart(route);
  router_.add_stream(method, path,
                     [&core = core_, either = Either{permission, topic, std::move(once), std::move(watch)}](
                         Call call, Sink& sink) { return serve_either(core, either, std::move(call), sink); });
}

}  // namespace portolan::control

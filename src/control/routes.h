// Routes: adds handlers to the HTTP router behind the one check of how much (rate_limit.h) and what (permissions.h) a
// caller may, and turns their Results into answers. Used while the control plane is built; what it adds refers to the
// core, which outlives the router's use.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "control/caller.h"
#include "control/core.h"
#include "control/idempotency.h"
#include "control/permissions.h"
#include "net/http/server.h"

namespace portolan::control {

// One request by a caller who may make it.
struct Exchange {
  net::http::Call call;
  Caller caller;
  LookupPtr lookup;  // the directory by which it was decided
  WallTime now;      // when it was
  const Permission* permission;
  std::optional<Idempotency> idempotency = {};  // of a request that makes an object (Routes::add_create)

  const std::string& argument() const { return call.path_arguments.front(); }
  // The body as a described struct; unknown members are refused.
  template <class Body>
  Result<Body> body() const {
    return json::decode<Body>(call.request.body, json::Unknown::kRefuse);
  }
};

using Answer = Result<net::http::Response>;
using Handle = std::function<net::Task<Answer>(Exchange)>;
using HandleAtOnce = std::function<Answer(const Exchange&)>;
// Sends by a LineSender, if it does not fail before.
using HandleWatch = std::function<net::Task<Result<>>(Exchange, Watch&, net::http::Sink&)>;

// Changes the directory for a caller who may still do so when it comes to it: changes that waited before this one, on
// the store's thread, may have taken that away. `edit` owns what it touches.
net::Task<Result<>> change_as(Core& core, const Exchange& exchange, Core::Edit edit);

// For what goes on, such as a watch: the newest directory, and whether the caller may still have it. Code::kEof when
// not: the client is told why when it comes again.
Result<> readmit(Core& core, Exchange& exchange);

class Routes {
 public:
  Routes(Core& core, net::http::Router& router) : core_(core), router_(router) {}
  void add(std::string_view route, Handle handle);
  // For a POST that makes an object, by answer_once(): with an Idempotency-Key, it is made once (idempotency.h).
  void add_create(std::string_view route, Handle handle);
  // For what needs no wait: what is read from the snapshot.
  void add_at_once(std::string_view route, HandleAtOnce handle);
  // A GET that is a watch if the request has `watch=1`; the topic wakes it.
  void add_watch(std::string_view route, Topic topic, Handle once, HandleWatch watch);

 private:
  Core& core_;
  net::http::Router& router_;
};

// An object's answer bears its revision as ETag (objects.h).
template <class View>
net::http::Response with_etag(net::http::Response response, const View& view) {
  if constexpr (requires { view.revision; }) response.headers["etag"] = '"' + std::to_string(view.revision) + '"';
  return response;
}
template <class View>
net::http::Response ok(const View& view) {
  return with_etag(net::http::json_response(200, json::encode(view)), view);
}
template <class View>
net::http::Response created(const View& view) {
  return with_etag(net::http::json_response(201, json::encode(view)), view);
}
inline net::http::Response no_content() { return {204, {}, {}}; }

}  // namespace portolan::control

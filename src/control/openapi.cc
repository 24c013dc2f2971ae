#include "control/openapi.h"

#include <cctype>
#include <string>

#include "control/operations.h"
#include "control/permissions.h"
#include "net/http/problem.h"

namespace portolan::control {
namespace {

using boost::json::array;
using boost::json::object;

constexpr std::string_view kDescription =
    "Everything that an admin or a script can do. Errors are problem objects (RFC 9457): `code` is stable, `detail` is "
    "for people, `retry` says whether the same request can succeed later. Lists take `filter`, `order_by`, `limit` and "
    "`cursor`; with `watch=1` they answer a stream of JSON lines. An object's `revision` is its ETag; PATCH and DELETE "
    "take If-Match. A POST that makes an object takes an Idempotency-Key. Too many requests are answered with 429 and "
    "Retry-After.";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// "GET /v1/roles/{role}" as "get_roles_role".
std::string operation_id(std::string_view method, std::string_view path) {
  std::string out = lower(method);
  if (path.starts_with("/v1")) path.remove_prefix(3);
  for (const char c : path) {
    if (c == '{' || c == '}') continue;
    out += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  }
  while (out.ends_with('_')) out.pop_back();
  return out;
}

// The path's first word: what the operation belongs to.
std::string tag_of(std::string_view path) {
  if (path.starts_with("/.well-known/")) return "keys";
  if (!path.starts_with("/v1/")) return "page";
  path.remove_prefix(4);
  return std::string(path.substr(0, path.find('/')));
}

array path_parameters(std::string_view path) {
  array out;
  for (auto open = path.find('{'); open != std::string_view::npos; open = path.find('{', open + 1)) {
    const auto name = path.substr(open + 1, path.find('}', open) - open - 1);
    out.push_back(object{{"name", name}, {"in", "path"}, {"required", true}, {"schema", object{{"type", "string"}}}});
  }
  return out;
}

object header_parameter(std::string_view name, std::string_view description) {
  return {{"name", name}, {"in", "header"}, {"description", description}, {"schema", object{{"type", "string"}}}};
}

array parameters_of(std::string_view method, std::string_view path, const Operation& operation) {
  array out = path_parameters(path);
  for (const auto& parameter : operation.parameters)
    out.push_back(object{{"name", parameter.name},
                         {"in", "query"},
                         {"description", parameter.description},
                         {"schema", object{{"type", "string"}}}});
  if (operation.line)
    out.push_back(object{{"name", "watch"},
                         {"in", "query"},
                         {"description", "1: a stream of lines instead of one answer"},
                         {"schema", object{{"type", "string"}, {"enum", array{"0", "1"}}}}});
  const bool changes_object = (method == "PATCH" || method == "DELETE") && path.find('{') != std::string_view::npos;
  if (changes_object) out.push_back(header_parameter("If-Match", "only if the object still has this ETag"));
  if (operation.creates)
    out.push_back(header_parameter("Idempotency-Key",
                                   "1 to 255 bytes: the same request with the same key, within 24 hours, makes nothing "
                                   "more and gets the first answer again, with Idempotency-Replayed: true"));
  return out;
}

object content(std::string_view type, json::Value schema) { return {{type, object{{"schema", std::move(schema)}}}}; }

object reference(std::string_view name) { return {{"$ref", "#/components/headers/" + std::string(name)}}; }

// On every answer.
object headers_of_all() {
  object out;
  for (const std::string_view name : {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"})
    out[name] = reference(name);
  return out;
}

object headers() {
  const auto number = [](std::string_view description) {
    return object{{"description", description}, {"schema", object{{"type", "integer"}}}};
  };
  return {{"RateLimit-Limit", number("how many requests the caller may make at once")},
          {"RateLimit-Remaining", number("how many of them are left")},
          {"RateLimit-Reset", number("in how many seconds all are there again")},
          {"Retry-After", number("on 429: in how many seconds one more is")}};
}

object success(const Operation& operation, json::Schemas& schemas) {
  object out{{"description", operation.answer || operation.html ? "done" : "done; nothing more to say"},
             {"headers", headers_of_all()}};
  if (operation.html) out["content"] = content("text/html", object{{"type", "string"}});
  if (!operation.answer) return out;
  object types = content("application/json", operation.answer(schemas));
  if (operation.line) {
    types["application/x-ndjson"] =
        object{{"schema", operation.line(schemas)}, {"description", "with watch=1: one such object a line"}};
  }
  out["content"] = std::move(types);
  return out;
}

array security_of(Who who) {
  const object bearer{{"bearer", array()}};
  const object signature{{"signature", array()}};
  const object certificate{{"certificate", array()}};
  switch (who) {
    case Who::kAnyone: return {};
    case Who::kNode: return {certificate};
    case Who::kSignedIn: return {bearer, certificate};
    case Who::kAccount:
    case Who::kAdmin: return {bearer, signature, certificate};
  }
  return {};
}

std::string_view who_may(Who who) {
  switch (who) {
    case Who::kAnyone: return "anyone";
    case Who::kAccount: return "any account";
    case Who::kSignedIn: return "accounts that have signed in; no API token";
    case Who::kAdmin: return "admins";
    case Who::kNode: return "nodes";
  }
  return "";
}

object describe(const Operation& operation, const Permission& permission, json::Schemas& schemas) {
  const auto space = operation.route.find(' ');
  const auto method = operation.route.substr(0, space);
  const auto path = operation.route.substr(space + 1);
  std::string description = "For " + std::string(who_may(permission.who)) + ".";
  const bool by_token = permission.who == Who::kAccount || permission.who == Who::kAdmin;
  if (const auto needed = needed_permission(operation.route); by_token && !needed.empty())
    description += " An API token needs the permission `" + needed + "`.";
  object out{{"operationId", operation_id(method, path)},
             {"tags", array{tag_of(path)}},
             {"summary", operation.summary},
             {"description", description},
             {"security", security_of(permission.who)}};
  if (auto parameters = parameters_of(method, path, operation); !parameters.empty())
    out["parameters"] = std::move(parameters);
  if (operation.request)
    out["requestBody"] =
        object{{"required", true}, {"content", content("application/json", operation.request(schemas))}};
  if (operation.request_line)
    out["requestBody"] =
        object{{"required", true}, {"content", content("application/x-ndjson", operation.request_line(schemas))}};
  object wrong = content("application/problem+json", schemas.of<net::http::Problem>());
  if (operation.html) wrong["text/html"] = object{{"schema", object{{"type", "string"}}}};  // said on the page itself
  auto on_failure = headers_of_all();
  on_failure["Retry-After"] = reference("Retry-After");
  out["responses"] = object{
      {std::to_string(success_status(operation)), success(operation, schemas)},
      {"default",
       object{{"description", "what went wrong"}, {"headers", std::move(on_failure)}, {"content", std::move(wrong)}}},
  };
  return out;
}

object security_schemes() {
  return {{"bearer", object{{"type", "http"},
                            {"scheme", "bearer"},
                            {"description", "an API token (pat1.…) or a sign-in's token (pst1.…)"}}},
          {"signature", object{{"type", "apiKey"},
                               {"in", "header"},
                               {"name", "Signature-Input"},
                               {"description", "an HTTP message signature (RFC 9421) by a token's Ed25519 key"}}},
          {"certificate", object{{"type", "mutualTLS"},
                                 {"description", "the certificate of a device or node, on the internal server name"}}}};
}

}  // namespace

json::Value openapi_document() {
  json::Schemas schemas;
  object paths;
  for (const auto& operation : operations()) {
    const auto* permission = find_permission(operation.route);
    if (!permission) continue;  // a test sees to it that there is one
    const auto space = operation.route.find(' ');
    const auto path = operation.route.substr(space + 1);
    auto& item = paths[path];
    if (item.is_null()) item = object();
    item.get_object()[lower(operation.route.substr(0, space))] = describe(operation, *permission, schemas);
  }
  return object{
      {"openapi", "3.1.0"},
      {"info", object{{"title", "Portolan"},
                      {"version", PORTOLAN_VERSION},
                      {"description", kDescription},
                      {"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"servers", array{object{{"url", "/"}}}},
      {"paths", std::move(paths)},
      {"components",
       object{{"schemas", schemas.components()}, {"headers", headers()}, {"securitySchemes", security_schemes()}}}};
}

void add_openapi(Routes& routes) {
  auto text = std::make_shared<const std::string>(json::print(openapi_document()));
  routes.add_at_once("GET /v1/openapi.json",
                     [text](const Exchange&) -> Answer { return net::http::json_response(200, *text); });
}

}  // namespace portolan::control

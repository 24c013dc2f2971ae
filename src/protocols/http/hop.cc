#include "protocols/http/hop.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/bytes.h"

namespace portolan::protocols::http {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, 10> kOfConnection = {"connection",
                                                            "keep-alive",
                                                            "proxy-connection",
                                                            "proxy-authenticate",
                                                            "proxy-authorization",
                                                            "proxy-authentication-info",
                                                            "te",
                                                            "transfer-encoding",
                                                            "upgrade",
                                                            "http2-settings"};
constexpr std::array<std::string_view, 7> kNeverOfConnection = {
    "content-length", "host", "transfer-encoding", "content-type", "authorization", "cookie", "set-cookie"};
// Also what lets a server behind a proxy take another path for the one that was checked (gunicorn's SCRIPT_NAME), and
// "Proxy", which CGI makes the proxy of the application's own requests (CVE-2016-5385).
constexpr std::array<std::string_view, 20> kForwarded = {
    "forwarded",       "x-forwarded",      "x-real-ip",           "x-client-ip",      "client-ip",
    "true-client-ip",  "cf-connecting-ip", "x-cluster-client-ip", "x-originating-ip", "x-remote-ip",
    "x-remote-addr",   "x-original-url",   "x-rewrite-url",       "x-original-uri",   "x-original-method",
    "x-original-host", "script-name",      "x-script-name",       "path-info",        "proxy"};
constexpr std::array<std::string_view, 16> kNotInTrailers = {"content-length", "transfer-encoding",
                                                             "host",           "connection",
                                                             "upgrade",        "te",
                                                             "expect",         "authorization",
                                                             "cookie",         "set-cookie",
                                                             "content-type",   "content-encoding",
                                                             "content-range",  "range",
                                                             "location",       "cache-control"};

bool is_among(Names names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

std::unexpected<Error> refused(std::string what) { return fail(Code::kProtocol, std::move(what), "upgrade_refused"); }

}  // namespace

Result<> drop_hop_by_hop(Fields& fields) {
  const auto named = fields.tokens("connection");
  for (const std::string& name : named)
    if (is_among(kNeverOfConnection, name))
      return fail(Code::kProtocol, "the Connection header names " + quoted(name), "bad_message");
  fields.remove_if([&](const Field& field) {
    const std::string name = lower_case(field.name);
    return is_among(kOfConnection, name) || std::ranges::find(named, name) != named.end();
  });
  return {};
}

void drop_forwarded(Fields& fields) {
  fields.remove_if([](const Field& field) {
    const std::string name = loose_name(field.name);
    return is_among(kForwarded, name) || name.starts_with("x-forwarded-");
  });
}

void keep_harmless_trailers(Fields& trailers) {
  trailers.remove_if([](const Field& field) {
    const std::string name = loose_name(field.name);
    return is_among(kNotInTrailers, name) || is_among(kOfConnection, name) || is_among(kForwarded, name) ||
           name.starts_with("x-forwarded-") || name.starts_with("if-") || name.starts_with("access-control-");
  });
}

Result<bool> wants_websocket(const RequestHead& head, Framing framing) {
  if (!head.fields.has("upgrade")) return false;
  const auto protocols = head.fields.tokens("upgrade");
  if (protocols.size() != 1 || protocols[0] != "websocket")
    return refused("no upgrade but that to a WebSocket is served");
  if (!head.fields.has_token("connection", "upgrade")) return refused("an Upgrade that Connection does not name");
  if (head.method != "GET" || head.version != Version::k11 || framing.kind != Framing::Kind::kNone)
    return refused("a WebSocket begins with a GET without a body");
  if (head.fields.count("sec-websocket-version") != 1 || head.fields.first("sec-websocket-version") != "13")
    return refused("a WebSocket of another version than 13");
  const auto key = from_base64(head.fields.first("sec-websocket-key"));
  if (head.fields.count("sec-websocket-key") != 1 || !key || key->size() != 16)
    return refused("a WebSocket without a proper Sec-WebSocket-Key");
  return true;
}

Result<> check_switched(const ResponseHead& head) {
  const auto protocols = head.fields.tokens("upgrade");
  if (protocols.size() != 1 || protocols[0] != "websocket" || !head.fields.has_token("connection", "upgrade"))
    return fail(Code::kProtocol, "the application switches to another protocol than a WebSocket", "bad_message");
  if (head.fields.count("sec-websocket-accept") != 1)
    return fail(Code::kProtocol, "the application accepts a WebSocket without Sec-WebSocket-Accept", "bad_message");
  if (head.fields.has("content-length") || head.fields.has("transfer-encoding"))
    return fail(Code::kProtocol, "the application accepts a WebSocket with a body", "bad_message");
  return {};
}

Result<bool> expects_continue(const RequestHead& head) {
  if (!head.fields.has("expect")) return false;
  const auto expected = head.fields.tokens("expect");
  if (expected.size() != 1 || expected[0] != "100-continue")
    return fail(Code::kProtocol, "unknown expectation " + quoted(head.fields.first("expect")), "expectation_failed");
  // RFC 9110 §10.1.1: from HTTP/1.0 it is ignored.
  return head.version == Version::k11;
}

}  // namespace portolan::protocols::http

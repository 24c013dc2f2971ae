#include "control/first_contact.h"

#include "api/health.h"
#include "api/sign_in.h"
#include "control/trust.h"

namespace portolan::control {
namespace {

// No foreign text goes into it.
constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Portolan</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;color:#1a2733}code{background:#eef2f5;padding:.1em .3em}</style>
</head>
<body>
<h1>Portolan control plane</h1>
<p>This server decides who may use which database, server or application, and keeps the record. It has no admin page yet.</p>
<p>The API is at <code>/v1/</code>: begin with <a href="/v1/health"><code>/v1/health</code></a> and
<a href="/v1/trust"><code>/v1/trust</code></a>. On the command line: <code>portolan login</code>, <code>portolan admin</code>.</p>
</body>
</html>
)";

net::http::Response page() {
  return {200,
          {{"content-type", "text/html; charset=utf-8"},
           {"content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"},
           {"x-content-type-options", "nosniff"},
           {"referrer-policy", "no-referrer"}},
          std::string(kPage)};
}

}  // namespace

void add_first_contact(Routes& routes, Core& core) {
  routes.add_at_once("GET /", [](const Exchange&) -> Answer { return page(); });
  routes.add_at_once("GET /v1/health", [&core](const Exchange&) -> Answer {
    return ok(api::ServerHealth{
        .version = PORTOLAN_VERSION, .organization = core.authorities.organization, .time = core.now()});
  });
  routes.add_at_once("GET /.well-known/jwks.json", [&core](const Exchange&) -> Answer {
    auto response = net::http::json_response(200, core.authorities.identity.jwks());
    // A new key stands in it for much longer before it signs (rotation.cc).
    response.headers["cache-control"] = "public, max-age=300";
    return response;
  });
  routes.add_at_once("GET /v1/trust", [&core](const Exchange&) -> Answer {
    const auto& authorities = core.authorities;
    return ok(api::Trust{authorities.organization, server_bundle_for_strangers(authorities),
                         authorities.server.known_longest().authority.certificate().fingerprint(),
                         authorities.control_name, PORTOLAN_VERSION, true});
  });
}

}  // namespace portolan::control

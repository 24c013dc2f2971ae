// Header fields in which names stand, both ways (names.h), and cookies. Pure.
#pragma once
#include "protocols/http/names.h"

namespace portolan::protocols::http {

// Of a request: Origin, Referer, Destination (WebDAV) and cookies with a reserved prefix.
void to_real_names(Fields& fields, const View& view);
// Of an answer: Location, Content-Location, Refresh, Link, CORS, cookies, policies. What would make the browser leave
// the way through Portolan (Alt-Svc) or believe in TLS that it does not see goes.
void to_local_names(Fields& fields, const View& view);

// One Set-Cookie. Nothing if the browser must not get it: its Domain is not the application's.
std::optional<std::string> local_cookie(std::string_view value, const View& view);
// A Cookie header with the names that the application gave.
std::string real_cookies(std::string_view value);

}  // namespace portolan::protocols::http

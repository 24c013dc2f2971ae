// Whether a request to the web proxy comes from where it may: from a page of the same application, from the person's
// own hand, or from a program that is no browser. A browser tells by fields that pages cannot forge: Origin (RFC 6454)
// and Sec-Fetch-Site, -Mode and -Dest (W3C Fetch Metadata); a program sends none of them. Pure.
//
//   Origin           must be a host of the same application. "null" (sandboxed frames, some redirects) may read only,
//                    unless the browser says that it is the same origin all the same (pages without referrer).
//   Sec-Fetch-Site   same-origin, none: pass. same-site, cross-site: from another host of the same application
//                    (by Origin, or by Referer where a browser sends no Origin), or a person who follows a link: GET,
//                    a whole page, in a window of its own. To a browser other applications of ours may be the same
//                    site, or may not, so that same-site counts for nothing by itself.
//   WebSocket        never without an Origin where there is Sec-Fetch, since no preflight protects it.
//   without those    a browser tells Sec-Fetch-… only to addresses that it holds for safe: not to an application
//   without
//                    TLS under its own name. There a browser's reading request must come from a page of the
//                    application (Referer), or from nowhere and be for a whole page (Upgrade-Insecure-Requests).
#pragma once
#include "client/web/names.h"

namespace portolan::client::web {

// Errors are Code::kDenied: "foreign_origin", "cross_site"; or "bad_message".
Result<> check_sender(const http::RequestHead& head, const Asked& asked);

}  // namespace portolan::client::web

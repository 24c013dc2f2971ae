// The page of our own, at http://localhost:65230: the web applications that the person may open, how they are, and
// whether the person is signed in. Served by the web proxy, which has checked who asks. Pure: nothing here waits, and
// nothing in it is secret.
//
// The page is whole as it comes; with script it also searches, follows by /status.json what changes, and shows times
// as the person's own. What is a good or a bad state is decided here once (page_view.h), and only shown by the script.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "api/local.h"

namespace portolan::client::web {

struct HomeAsset {
  std::string_view type;  // Content-Type; static
  std::string body;
};

// What the page and its parts need, and nothing else: to be sent with each of them as Content-Security-Policy. None of
// them may be kept in a cache.
inline constexpr std::string_view kHomePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

// "/" and its parts: "/style.css", "/page.js", "/icon.svg", "/status.json". None for any other path; a query does not
// belong to it.
std::optional<HomeAsset> home_asset(std::string_view path, const api::AgentStatus& status);

}  // namespace portolan::client::web

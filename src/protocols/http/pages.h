// What Portolan itself says to a browser or program: why a request has no answer of the application. A small page of
// HTML, or a problem object (RFC 9457), as the client takes it. Pure.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "protocols/http/message.h"

namespace portolan::protocols::http {

// For a page to leave, and for the client to take it in.
inline constexpr std::chrono::milliseconds kGoodbyeTime = std::chrono::seconds(4);

int status_of(const Error& why);

struct Asker {
  std::string accept;
  bool head_only = false;  // HEAD
  std::string allow = {};  // for 405
};
// A whole answer. Always with Connection: close, since nobody may know any more where the next request begins.
std::string refusal(const Error& why, std::string_view trace, const Asker& asker);

std::string escape_html(std::string_view text);
std::string escape_json(std::string_view text);

}  // namespace portolan::protocols::http

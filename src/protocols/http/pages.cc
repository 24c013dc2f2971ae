#include "protocols/http/pages.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace portolan::protocols::http {
namespace {

struct ByReason {
  std::string_view reason;
  int status;
};
constexpr std::array<ByReason, 13> kReasons = {{{"bad_message", 400},
                                                {"headers_too_large", 431},
                                                {"unsupported_encoding", 501},
                                                {"unsupported_version", 505},
                                                {"method_refused", 405},
                                                {"upgrade_refused", 400},
                                                {"expectation_failed", 417},
                                                {"misdirected", 421},
                                                {"unknown_resource", 404},
                                                {"path_ambiguous", 400},
                                                {"path_refused", 403},
                                                {"read_only", 403},
                                                {"not_on_record", 503}}};

std::string_view title_of(int status) {
  switch (status) {
    case 403: return "Not allowed";
    case 404: return "There is no such application";
    case 408: return "The request did not come in time";
    case 421: return "This name is not served here";
    case 502: return "The application could not be used";
    case 503: return "Not available now";
    case 504: return "The application did not answer in time";
    default: return status < 500 ? "This request is not understood" : "Something is wrong";
  }
}

// Text in an answer: valid UTF-8 is not certain, so what is not ASCII is shown as "?".
std::string plain(std::string_view text) {
  std::string out(text.substr(0, 2000));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

std::string html(const Error& why, std::string_view trace, int status) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em}}"
      "dt{{color:#666}}dd{{margin:0 0 .5em;font-family:monospace}}</style></head>\n"
      "<body><h1>{0}</h1>\n<p>{1}</p>\n<p>{2}</p>\n"
      "<dl><dt>code</dt><dd>{3}</dd><dt>who says so</dt><dd>{4}</dd><dt>trace</dt><dd>{5}</dd></dl>\n"
      "<p>Portolan</p></body></html>\n",
      title_of(status), escape_html(plain(why.message)),
      why.retry_can_help() ? "Trying again can help." : "Trying again will not help until the cause is removed.",
      escape_html(plain(why.stable_code())), escape_html(name_of(why.hop)), escape_html(plain(trace)));
}

std::string problem(const Error& why, std::string_view trace, int status) {
  return fmt::format(
      R"({{"type":"about:blank","title":"{}","status":{},"detail":"{}","code":"{}","hop":"{}","retry":{},"trace":"{}"}})"
      "\n",
      title_of(status), status, escape_json(plain(why.message)), escape_json(plain(why.stable_code())),
      escape_json(name_of(why.hop)), why.retry_can_help(), escape_json(plain(trace)));
}

}  // namespace

int status_of(const Error& why) {
  const auto* found = std::ranges::find(kReasons, why.reason, &ByReason::reason);
  // Of the application's own faults the client is not to blame.
  if (found != kReasons.end() && why.hop != Hop::kResource) return found->status;
  switch (why.code) {
    case Code::kTimeout: return why.hop == Hop::kResource ? 504 : 408;
    case Code::kDenied:
    case Code::kUnauthenticated: return why.hop == Hop::kResource ? 502 : 403;
    case Code::kUnavailable:
    case Code::kLimit: return why.hop == Hop::kResource ? 502 : 503;
    case Code::kEof:
    case Code::kIo:
    case Code::kProtocol: return 502;
    default: return why.hop == Hop::kResource ? 502 : 500;
  }
}

std::string refusal(const Error& why, std::string_view trace, const Asker& asker) {
  const int status = status_of(why);
  const std::string accept = lower_case(asker.accept);
  const bool page = accept.contains("text/html") || accept.contains("application/xhtml");
  const std::string body = page ? html(why, trace, status) : problem(why, trace, status);
  ResponseHead head{.status = status, .reason = std::string(reason_phrase(status))};
  Fields& fields = head.fields;
  fields.add("Content-Type", page ? "text/html; charset=utf-8" : "application/problem+json");
  fields.add("Content-Length", std::to_string(body.size()));
  fields.add("Connection", "close");
  fields.add("Cache-Control", "no-store");
  fields.add("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
  fields.add("X-Content-Type-Options", "nosniff");
  if (status == 405 && !asker.allow.empty()) fields.add("Allow", asker.allow);
  if (!trace.empty()) fields.add("Portolan-Trace", plain(trace));
  return print(head) + (asker.head_only ? "" : body);
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string escape_json(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out;
}

}  // namespace portolan::protocols::http

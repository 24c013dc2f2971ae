#include "client/web/checks.h"

#include <fmt/format.h>

namespace portolan::client::web {
namespace {

constexpr std::size_t kShown = 128;

// What the person can open instead.
std::string advice(const Asked& asked) {
  return "nothing has been passed on; to use it yourself, open " + to_text(asked.origin) + " in a window of its own";
}

std::string what(const Asked& asked) {
  return asked.application ? "the application " + quoted(asked.application->name) : "this page";
}

std::unexpected<Error> refuse(std::string why, std::string reason) {
  return std::unexpected(Error{Code::kDenied, std::move(why), std::move(reason), Hop::kAgent});
}

std::unexpected<Error> foreign(std::string_view origin, const Asked& asked) {
  return refuse(fmt::format("a page of {} has asked {} for something in your name, which only its own pages may; {}",
                            quoted(origin, kShown), what(asked), advice(asked)),
                "foreign_origin");
}

std::unexpected<Error> cross_site(const http::Fields& fields, const Asked& asked) {
  const auto from = parse_origin(fields.first("referer"));
  return refuse(
      fmt::format("a page of {} has asked {} for something in the background, which only its own pages may; {}",
                  from ? quoted(to_text(*from), kShown) : "another site", what(asked), advice(asked)),
      "cross_site");
}

// A link that was followed, a bookmark of another page: the person sees whose page it is.
bool opens_a_page(const http::RequestHead& head) {
  return head.method == "GET" && !head.fields.has("upgrade") && head.fields.first("sec-fetch-mode") == "navigate" &&
         head.fields.first("sec-fetch-dest") == "document";
}

// Where browsers say nothing of where a request comes from: whether it may be from where it may. An Origin that has
// come so far is of the application, or "null".
bool may_be_kin(const http::Fields& fields, const Asked& asked) {
  const bool told_nothing = asked.kind == Asked::Kind::kReal && asked.origin.scheme == "http";
  if (!told_nothing || !fields.first("user-agent").contains("Mozilla/")) return true;
  if (fields.has("origin")) return fields.first("origin") != "null";
  if (fields.has("referer")) return is_kin(asked, fields.first("referer"));
  return fields.first("upgrade-insecure-requests") == "1";
}

}  // namespace

Result<> check_sender(const http::RequestHead& head, const Asked& asked) {
  const http::Fields& fields = head.fields;
  for (const std::string_view once : {"origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"})
    if (fields.count(once) > 1)
      return std::unexpected(
          Error{Code::kProtocol, "more than one " + std::string(once) + " header", "bad_message", Hop::kAgent});
  const std::string site = http::lower_case(fields.first("sec-fetch-site"));
  const std::string_view origin = fields.first("origin");
  const bool has_origin = fields.has("origin");
  const bool reads = (head.method == "GET" || head.method == "HEAD") && !fields.has("upgrade");
  const bool kin = has_origin && is_kin(asked, origin);
  if (has_origin && !kin && !(origin == "null" && (reads || site == "same-origin"))) return foreign(origin, asked);

  if (!fields.has("sec-fetch-site")) {
    if (may_be_kin(fields, asked)) return {};
    return cross_site(fields, asked);
  }
  if (fields.has("upgrade") && !has_origin) return cross_site(fields, asked);
  if (site == "same-origin" || site == "none") return {};
  const bool from_kin = has_origin ? kin : is_kin(asked, fields.first("referer"));
  // Hosts under one local name are one site to a browser. Real ones may be several, and what another site redirects
  // here is cross-site, too: under a local name, where it tells nothing else, that alone is enough to refuse.
  if (from_kin && asked.kind != Asked::Kind::kOwnPage && (site == "same-site" || asked.kind == Asked::Kind::kReal))
    return {};
  if (opens_a_page(head)) return {};
  return cross_site(fields, asked);
}

}  // namespace portolan::client::web

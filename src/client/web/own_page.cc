#include "client/web/own_page.h"

#include <fmt/format.h>

#include "client/web/pac.h"
#include "client/web/page.h"
#include "protocols/http/pages.h"

namespace portolan::client::web {
namespace {

namespace http = protocols::http;

constexpr std::string_view kPacPath = "/proxy.pac";

struct Content {
  int status = 200;
  std::string type;
  std::string body;
};

Content content_of(std::string_view path, const OwnView& view) {
  if (path == kPacPath) return {200, std::string(kPacType), pac_file(view.resources, view.proxy)};
  if (auto asset = home_asset(path, view.status)) return {200, std::string(asset->type), std::move(asset->body)};
  return {404, "text/plain; charset=utf-8", "There is no such page; see /\n"};
}

}  // namespace

std::string own_answer(const http::RequestHead& head, const OwnView& view, OnConnection then) {
  Content content = head.method == "GET" || head.method == "HEAD"
                        ? content_of(head.path(), view)
                        : Content{405, "text/plain; charset=utf-8", "This page is only read: GET or HEAD\n"};
  http::ResponseHead answer{.status = content.status, .reason = std::string(http::reason_phrase(content.status))};
  http::Fields& fields = answer.fields;
  fields.add("Content-Type", content.type);
  fields.add("Content-Length", std::to_string(content.body.size()));
  if (content.status == 405) fields.add("Allow", "GET, HEAD");
  fields.add("Cache-Control", "no-store");
  fields.add("Content-Security-Policy", kHomePolicy);
  fields.add("X-Frame-Options", "DENY");
  fields.add("X-Content-Type-Options", "nosniff");
  fields.add("Referrer-Policy", "no-referrer");
  fields.add("Cross-Origin-Resource-Policy", "same-origin");
  fields.add("Cross-Origin-Opener-Policy", "same-origin");
  if (then == OnConnection::kCloses) fields.add("Connection", "close");
  return http::print(answer) + (head.method == "HEAD" ? "" : content.body);
}

}  // namespace portolan::client::web

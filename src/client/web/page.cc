#include "client/web/page.h"

#include <fmt/format.h>

#include "base/json.h"
#include "client/web/page_assets.h"
#include "client/web/page_view.h"
#include "protocols/http/pages.h"

namespace portolan::client::web {
namespace {

// Also for attributes in quotes.
std::string escape(std::string_view text) { return protocols::http::escape_html(text); }

std::string code(const std::optional<std::string>& command) {
  return command ? fmt::format(" <code>{}</code>", escape(*command)) : "";
}

std::string notices(const HomeView& view) {
  std::string out;
  for (const HomeNotice& notice : view.notices)
    out += fmt::format("<p class=\"notice\">{}{}</p>", escape(notice.text), code(notice.command));
  return out;
}

std::string mark(std::string_view look, std::string_view words) {
  return fmt::format("<span class=\"mark {}\">{}</span>", escape(look), escape(words));
}

std::string card(const HomeResource& resource) {
  const std::string name = escape(resource.name);
  return fmt::format(
      "<li class=\"card {0}\"><span class=\"tile tint{1}\" aria-hidden=\"true\">{2}</span><span "
      "class=\"name\">{3}</span>"
      "<span class=\"place\">{4}</span><p class=\"state\">{5}{6}{7}</p></li>\n",
      escape(resource.mark), resource.tint, escape(resource.initial),
      resource.url ? fmt::format("<a href=\"{}\">{}</a>", escape(*resource.url), name) : name, escape(resource.place),
      mark(resource.mark, resource.state), resource.note ? fmt::format(" <span>{}</span>", escape(*resource.note)) : "",
      code(resource.command));
}

std::string cards(const HomeView& view) {
  std::string out;
  for (const HomeResource& resource : view.resources) out += card(resource);
  return out;
}

std::string fact(std::string_view label, std::string_view html) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", label, html);
}

// In UTC; a script makes it the person's own time.
std::string time(WallTime at) {
  const std::string text = to_rfc3339(at);
  return fmt::format("<time datetime=\"{}\">{} {} UTC</time>", text, text.substr(0, 10), text.substr(11, 5));
}

std::string facts(const HomeView& view) {
  std::string out;
  if (!view.who.empty()) out += fact(view.signed_in ? "Signed in as" : "Was signed in as", escape(view.who));
  if (!view.organization.empty()) out += fact("Organisation", escape(view.organization));
  if (view.sign_in_ends) out += fact("Until", time(*view.sign_in_ends));
  return out + fact("Control plane", mark(view.control_mark, view.control_state));
}

std::string html(const HomeView& view) {
  return fmt::format(
      R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Portolan: web applications</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/style.css">
<script src="/page.js" defer></script></head>
<body><a class="skip" href="#resources">To the applications</a>
<header class="top"><div class="inner"><span class="brand"><img src="/icon.svg" alt="" width="30" height="30">Portolan</span>
<dl class="facts" id="facts">{facts}</dl></div></header>
<main class="inner"><div class="head"><h1>Web applications</h1>
<div class="search" id="search" role="search" hidden><label class="hush" for="q">Search by name</label>
<input id="q" type="search" placeholder="Search" autocomplete="off" autocapitalize="off" spellcheck="false"
 aria-controls="resources" aria-keyshortcuts="/"><kbd aria-hidden="true">/</kbd></div></div>
<p class="hush" id="count" role="status"></p>
<div id="notices" role="status">{notices}</div>
<ul class="cards" id="resources" tabindex="-1">
{cards}</ul>
<p class="empty" id="empty"{empty}>There is no web application that you may open yet. Ask an admin for access.</p>
<p class="empty" id="none" hidden>Nothing is found by this name.</p></main>
<footer class="foot"><div class="inner"><span>Portolan {version}</span>
<span>For applications that must see their own name: <a href="/proxy.pac">proxy.pac</a></span></div></footer>
</body></html>
)html",
      fmt::arg("facts", facts(view)), fmt::arg("notices", notices(view)), fmt::arg("cards", cards(view)),
      fmt::arg("empty", view.signed_in && view.resources.empty() ? "" : " hidden"),
      fmt::arg("version", escape(view.version)));
}

}  // namespace

std::optional<HomeAsset> home_asset(std::string_view path, const api::AgentStatus& status) {
  if (path == "/") return HomeAsset{"text/html; charset=utf-8", html(home_view(status))};
  if (path == "/status.json") return HomeAsset{"application/json", json::encode(home_view(status))};
  if (path == "/style.css") return HomeAsset{"text/css; charset=utf-8", std::string(kHomeStyle)};
  if (path == "/page.js") return HomeAsset{"text/javascript; charset=utf-8", std::string(kHomeScript)};
  if (path == "/icon.svg") return HomeAsset{"image/svg+xml", std::string(kHomeIcon)};
  return std::nullopt;
}

}  // namespace portolan::client::web

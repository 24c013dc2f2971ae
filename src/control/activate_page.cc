#include "control/activate_page.h"

#include <string_view>

#include <fmt/format.h>

#include "base/bytes.h"
#include "control/form.h"
#include "crypto/hash.h"

namespace portolan::control {
namespace {

// The policy names it by its hash, so that no other style, and no script at all, is taken from the page.
constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--page:#eef2f5;--card:#fff;--text:#16222c;--soft:#566775;--line:#cfd9e0;--accent:#0b6272;--on-accent:#fff;--code:#eef6f7;--bad:#a11d1d;--bad-page:#fdf0ef;--note:#fff8e5;--note-line:#e3c46d}
@media (prefers-color-scheme:dark){:root{--page:#0f171d;--card:#18232b;--text:#e6edf1;--soft:#9db0bd;--line:#33434f;--accent:#5cc2d0;--on-accent:#06242a;--code:#10262b;--bad:#ffb1a8;--bad-page:#3a1a18;--note:#2c2714;--note-line:#6f5d20}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:flex-start;justify-content:center;padding:6vh 1rem 2rem;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{width:100%;max-width:27rem;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.75rem;box-shadow:0 8px 28px rgba(10,30,45,.10)}
.brand{margin:0 0 1.25rem;font-weight:700;letter-spacing:.02em;color:var(--accent)}
h1{font-size:1.35rem;line-height:1.25;margin:0 0 .5rem}
p{margin:.5rem 0}
.soft{color:var(--soft)}
.code{margin:1rem 0 .25rem;padding:.6rem;text-align:center;background:var(--code);border:1px solid var(--line);border-radius:8px;font:600 1.75rem/1.3 ui-monospace,"DejaVu Sans Mono",monospace;letter-spacing:.12em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.note{margin:1rem 0;padding:.6rem .8rem;background:var(--note);border:1px solid var(--note-line);border-radius:8px;font-size:.925rem}
.bad{margin:1rem 0;padding:.6rem .8rem;background:var(--bad-page);border:1px solid var(--bad);border-radius:8px;color:var(--bad)}
label{display:block;margin:.9rem 0 .25rem;font-weight:600}
input{width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--card);border:1px solid var(--soft);border-radius:8px}
.row{display:flex;gap:.75rem;margin-top:1.4rem}
button{flex:1;padding:.65rem 1rem;font:inherit;font-weight:600;border-radius:8px;border:1px solid var(--accent);cursor:pointer;background:var(--accent);color:var(--on-accent)}
button.other{flex:0 0 auto;background:transparent;color:var(--text);border-color:var(--soft)}
a:focus-visible,button:focus-visible,input:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
)";

const std::string& policy() {
  static const std::string text = fmt::format(
      "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      base64(crypto::sha256(as_bytes(kStyle))));
  return text;
}

net::http::Response page(int status, std::string_view title, std::string_view content) {
  net::http::Response response{status,
                               {{"content-type", "text/html; charset=utf-8"},
                                {"content-security-policy", policy()},
                                {"x-content-type-options", "nosniff"},
                                {"x-frame-options", "DENY"},
                                {"cross-origin-opener-policy", "same-origin"},
                                {"referrer-policy", "same-origin"},
                                {"cache-control", "no-store"}},
                               {}};
  response.body = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>{0} - Portolan</title><style>{1}</style></head>\n<body><main>\n<p class=\"brand\">Portolan</p>\n"
      "<h1>{0}</h1>\n{2}</main></body>\n</html>\n",
      html(title), kStyle, content);
  return response;
}

std::string alert(const std::string& problem) {
  return problem.empty() ? "" : fmt::format("<p class=\"bad\" role=\"alert\">{}</p>\n", html(problem));
}

std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text.empty() || text.ends_with('.') ? text : text + ".";
}

}  // namespace

net::http::Response ask_for_code(int status, const std::string& problem) {
  return page(
      status, "Sign in a device",
      alert(sentence(problem)) +
          "<form method=\"get\" action=\"/activate\">\n"
          "<label for=\"code\">The code that your terminal shows</label>\n"
          "<input id=\"code\" name=\"code\" required autofocus autocomplete=\"off\" autocapitalize=\"characters\" "
          "spellcheck=\"false\" maxlength=\"20\" placeholder=\"XXXX-XXXX\">\n"
          "<div class=\"row\"><button>Continue</button></div>\n</form>\n");
}

net::http::Response ask_for_approval(int status, const ActivateForm& form) {
  const std::string asked = to_rfc3339(form.asked).substr(11, 8) + " UTC";
  return page(
      status, "A device asks to sign in",
      fmt::format(
          "<p class=\"soft\">Your terminal shows the same code, if it is you who asked:</p>\n"
          "<p class=\"code\">{code}</p>\n"
          "<dl><dt>Device</dt><dd>{device}</dd><dt>Asked from</dt><dd>{address}</dd><dt>At</dt><dd>{asked}</dd></dl>\n"
          "<p class=\"note\">Approve only what you have just begun yourself, by <b>portolan login</b>. "
          "Whoever sends you this link or a code wants to sign in as you.</p>\n{problem}"
          "<form method=\"post\" action=\"/activate\">\n"
          "<input type=\"hidden\" name=\"csrf\" value=\"{csrf}\"><input type=\"hidden\" name=\"code\" "
          "value=\"{code}\">\n"
          "<label for=\"email\">E-mail</label>\n"
          "<input id=\"email\" name=\"email\" type=\"email\" required{email_focus} autocomplete=\"username\" "
          "spellcheck=\"false\" maxlength=\"254\" value=\"{email}\">\n"
          "<label for=\"password\">Password</label>\n"
          "<input id=\"password\" name=\"password\" type=\"password\" required{password_focus} "
          "autocomplete=\"current-password\" "
          "maxlength=\"1024\">\n"
          "<div class=\"row\"><button name=\"action\" value=\"approve\">Sign in and approve</button>"
          "<button class=\"other\" name=\"action\" value=\"deny\" formnovalidate>Deny</button></div>\n</form>\n",
          fmt::arg("code", html(form.user_code)), fmt::arg("device", html(form.device)),
          fmt::arg("address", html(form.address)), fmt::arg("asked", html(asked)),
          fmt::arg("problem", alert(sentence(form.problem))), fmt::arg("csrf", html(form.csrf)),
          fmt::arg("email", html(form.email)), fmt::arg("email_focus", form.email.empty() ? " autofocus" : ""),
          fmt::arg("password_focus", form.email.empty() ? "" : " autofocus")));
}

net::http::Response activation_outcome(int status, const std::string& title, const std::string& text) {
  return page(status, title, fmt::format("<p>{}</p>\n", html(text)));
}

}  // namespace portolan::control

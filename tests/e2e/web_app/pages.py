"""The application's pages."""
import html


def page(title, body, head=""):
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title><link rel="icon" href="data:,">{head}</head>
<body><h1>{html.escape(title)}</h1>{body}</body></html>"""


def login(token, where, failed):
    return page("Sign in", f"""{'<p role="alert">Wrong name or password</p>' if failed else ''}
<form method="post" action="/login"><input type="hidden" name="token" value="{html.escape(token)}"><input type="hidden" name="next" value="{html.escape(where)}">
<label>Name <input name="user"></label> <label>Password <input type="password" name="password"></label> <button>Sign in</button></form>""")


def order(app, number, user):
    return page(f"Order {number}", f"""<p id="user">{html.escape(user)}</p>
<a id="next" href="/orders/{number + 1}">next</a> <a id="moved" href="/moved/{number}">where it was</a> <a id="plain" href="/moved-plain/{number}">where it was before TLS</a>
<a id="refresh" href="/refresh/{number}">in a moment</a> <a id="absolute" href="{app.origin}/orders/{number}">permanent link</a>
<form method="post" action="/logout"><button id="out">Sign out</button></form>""")


def links(app):
    return page("Links", f"""<a id="order" href="{app.origin}/orders/7">an order</a> <a id="elsewhere" href="https://elsewhere.example/">elsewhere</a>
<img id="logo" src="{app.alias_origin}/logo.svg" alt=""> <p id="styled">This is green.</p>""", f'<link rel="stylesheet" href="{app.alias_origin}/style.css">')


FILES = page("Files", """<input type="file" id="file"><progress id="bar" max="1" value="0"></progress><p id="result"></p><a id="download" href="/download?size=1000000">download</a>
<script>
const seen = window.seen = [];
document.getElementById("file").onchange = (event) => {
  const file = event.target.files[0], request = new XMLHttpRequest();
  request.upload.onprogress = (moved) => { seen.push(moved.loaded); document.getElementById("bar").value = moved.loaded / moved.total; };
  request.onloadend = () => { document.getElementById("result").textContent = request.status + " " + request.responseText; };
  request.open("POST", "/upload?name=" + encodeURIComponent(file.name));
  request.send(file);
};
</script>""")

LIVE = page("Live", """<ol id="news"></ol><p id="state"></p>
<script>
const source = new EventSource("/events"), news = document.getElementById("news");
source.onopen = () => { document.getElementById("state").textContent = "open"; };
source.addEventListener("news", (event) => { news.appendChild(document.createElement("li")).textContent = event.lastEventId + " " + event.data; });
</script>""")


def headers(text):
    return page("What you sent", f'<pre id="headers">{html.escape(text)}</pre>')

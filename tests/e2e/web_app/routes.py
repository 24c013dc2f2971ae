"""What the application does with each request."""
import hashlib
import json
import secrets

from web_app import pages, sockets

MIB = 1 << 20


def answer(ask):
    """`ask` is the handler of one request."""
    path = ask.url.path
    if path.startswith("/attack/"):
        return attacked(ask)
    host = ask.headers.get("host")
    if host not in (ask.app.name, ask.app.alias):
        return ask.reply(400, f"I am {ask.app.name}, not {host}", "text/plain")
    if host == ask.app.alias:
        return static(ask)
    if ask.headers.get("upgrade", "").lower() == "websocket":
        return web_socket(ask)
    first = path.split("/")[1]
    route = ROUTES.get((ask.command, first)) or ROUTES.get(("GET", first) if ask.command == "HEAD" else None)
    return route(ask) if route else ask.reply(404, "Nothing here", "text/plain")


def own_origin(ask):
    """What changes something comes from a page of the application, as it knows itself."""
    if ask.headers.get("origin") in (ask.app.origin, ask.app.alias_origin):
        return True
    ask.reply(403, f"Origin {ask.headers.get('origin')} is not {ask.app.origin}", "text/plain")
    return False


def user_of(ask):
    return ask.app.sessions.get(ask.cookies().get("session"))


def front(ask):
    ask.redirect(302, ask.app.origin + ("/orders/1" if user_of(ask) else "/login?next=/orders/1"))


def login_form(ask, failed=False):
    token = secrets.token_hex(8)
    cookies = [("Set-Cookie", f"{ask.app.token}={token}; Path=/{ask.app.secure}; HttpOnly; SameSite=Strict")]
    ask.reply(403 if failed else 200, pages.login(token, ask.query.get("next", "/orders/1"), failed), headers=cookies)


def login(ask):
    form = ask.form()
    if not own_origin(ask):
        return
    if not form.get("token") or ask.cookies().get(ask.app.token) != form["token"]:
        return ask.reply(403, "This form is not from here", "text/plain")
    if (form.get("user"), form.get("password")) != (ask.app.user, ask.app.password):
        return login_form(ask, failed=True)
    session = secrets.token_hex(8)
    ask.app.sessions[session] = form["user"]
    cookies = [f"session={session}; Domain={ask.app.domain}; Path=/{ask.app.secure}; HttpOnly; SameSite=Lax",
               f"theme={ask.app.name}; Path=/" + (f"{ask.app.secure}; SameSite=None" if ask.app.secure else ""), "foreign=1; Domain=elsewhere.example; Path=/"]
    ask.redirect(303, ask.app.origin + form["next"], [("Set-Cookie", cookie) for cookie in cookies])


def logout(ask):
    if own_origin(ask):
        ask.app.sessions.pop(ask.cookies().get("session"), None)
        ask.redirect(303, ask.app.origin + "/", [("Set-Cookie", f"session=; Domain={ask.app.domain}; Path=/; Max-Age=0{ask.app.secure}")])


def orders(ask):
    user = user_of(ask)
    if not user:
        return ask.redirect(302, f"{ask.app.origin}/login?next={ask.url.path}")
    ask.reply(200, pages.order(ask.app, int(ask.url.path.rsplit("/", 1)[1]), user), headers=[("Strict-Transport-Security", "max-age=31536000")])


def moved(ask):
    """By its own name; and as an application says it that does not know of the TLS in front of it."""
    origin = f"http://{ask.app.name}" if ask.url.path.startswith("/moved-plain/") else ask.app.origin
    ask.redirect(301, f"{origin}/orders/{ask.url.path.rsplit('/', 1)[1]}")


def refresh(ask):
    ask.reply(200, "a moment", headers=[("Refresh", f"0; url={ask.app.origin}/orders/{ask.url.path.rsplit('/', 1)[1]}")])


def upload(ask):
    digest, size = hashlib.sha256(), 0
    while piece := ask.read_body():
        digest.update(piece)
        size += len(piece)
    ask.app.uploads[ask.query["name"]] = (size, digest.hexdigest())
    ask.reply_json({"size": size, "sha256": digest.hexdigest()})


def download_block(number):
    """The n-th MiB of what is to be downloaded."""
    return number.to_bytes(8, "big") + BLOCK[8:]


def download(ask):
    size = int(ask.query["size"])
    ask.head(200, size, "application/octet-stream", [("Content-Disposition", 'attachment; filename="data.bin"')])
    for number in range(-(-size // MIB)):
        ask.wfile.write(memoryview(download_block(number))[: size - number * MIB])


def download_sha256(size):
    digest = hashlib.sha256()
    for number in range(-(-size // MIB)):
        digest.update(memoryview(download_block(number))[: size - number * MIB])
    return digest.hexdigest()


def events(ask):
    """All news from the first that the page has not seen; each third one ends the answer, so that the browser must come again and say what it has."""
    number = int(ask.headers.get("last-event-id", 0))
    ask.head(200, None, "text/event-stream", [("Cache-Control", "no-store"), ("Connection", "close")])
    ask.wfile.write(b"retry: 10\n\n")
    ask.wfile.flush()
    while True:
        with ask.app.lock:
            if not ask.app.lock.wait_for(lambda: len(ask.app.news) > number, timeout=30):
                return
            text = ask.app.news[number]
        number += 1
        ask.wfile.write(f"event: news\nid: {number}\ndata: {text}\n\n".encode())
        ask.wfile.flush()
        if number % 3 == 0:
            return


def publish(ask):
    text = ask.body().decode()
    if own_origin(ask):
        ask.app.publish(text)
        ask.reply_json({})


def web_socket(ask):
    if not own_origin(ask):
        return
    socket = switch(ask)
    try:
        if ask.url.path == "/socket/count":
            for number in range(int(ask.query["to"])):
                socket.send(str(number))
            socket.close(4001, "counted")
        while True:
            message = socket.receive()
            socket.send(message)
    except sockets.Ended as ended:
        with ask.app.lock:
            ask.app.closed_sockets.append((ended.code, ended.reason))
            ask.app.lock.notify_all()
        if ended.code != 1006:
            socket.send_frame(sockets.CLOSE, ended.code.to_bytes(2, "big") if ended.code != 1005 else b"")


def switch(ask):
    asked = [each.strip() for each in ask.headers.get("sec-websocket-protocol", "").split(",")]
    chosen = [("Sec-WebSocket-Protocol", "portolan.echo")] if "portolan.echo" in asked else []
    ask.send_response(101)
    for name, value in [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", sockets.accept_key(ask.headers["sec-websocket-key"])), *chosen]:
        ask.send_header(name, value)
    ask.end_headers()
    ask.wfile.flush()
    ask.close_connection = True
    return sockets.WebSocket(ask.rfile, ask.wfile)


def static(ask):
    """The alias: what pages of the main name use, and for nobody else."""
    shared = [("Access-Control-Allow-Origin", ask.app.origin), ("Access-Control-Allow-Credentials", "true"), ("Access-Control-Allow-Headers", "x-asked"), ("Vary", "Origin")]
    if ask.command == "OPTIONS":
        return ask.reply(204, "", None, [*shared, ("Access-Control-Allow-Methods", "PUT")])
    if ask.url.path == "/style.css":
        return ask.reply(200, "#styled { color: rgb(0, 128, 0) }", "text/css")
    if ask.url.path == "/logo.svg":
        return ask.reply(200, '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="16"/>', "image/svg+xml")
    return ask.reply_json({"host": ask.headers["host"], "method": ask.command, "origin": ask.headers.get("origin"), "cookies": sorted(ask.cookies())}, headers=shared)


def attacked(ask):
    """Trusts everybody."""
    origin = ask.headers.get("origin")
    trusting = [("Access-Control-Allow-Origin", origin or "*"), ("Access-Control-Allow-Credentials", "true"), ("Access-Control-Allow-Methods", "PUT, DELETE"),
                ("Access-Control-Allow-Headers", "content-type, x-asked")]
    if ask.headers.get("upgrade", "").lower() == "websocket":
        return switch(ask).send("secret")
    ask.body()
    last = ask.url.path.rsplit("/", 1)[1]
    if last in ("page", "redirect"):
        return ask.reply(200, pages.page("Hello", "")) if last == "page" else ask.redirect(307, ask.query["to"], trusting)
    kinds = {".js": ("text/javascript", "window.secret = 'secret'; export default 'secret'" if "module" in last else "window.secret = 'secret'"),
             ".css": ("text/css", "body { --secret: secret }"), ".svg": ("image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="16"/>'),
             ".events": ("text/event-stream", "data: secret\n\n")}
    kind, text = kinds.get("." + last.rsplit(".", 1)[-1], ("text/html", "<title>secret</title><p id=secret>secret</p>"))
    return ask.reply(200, text, kind, trusting)


ROUTES = {
    ("GET", ""): front,
    ("GET", "login"): login_form,
    ("POST", "login"): login,
    ("POST", "logout"): logout,
    ("GET", "orders"): orders,
    ("GET", "moved"): moved,
    ("GET", "moved-plain"): moved,
    ("GET", "refresh"): refresh,
    ("GET", "files"): lambda ask: ask.reply(200, pages.FILES),
    ("POST", "upload"): upload,
    ("GET", "download"): download,
    ("GET", "live"): lambda ask: ask.reply(200, pages.LIVE),
    ("GET", "events"): events,
    ("POST", "publish"): publish,
    ("GET", "headers"): lambda ask: ask.reply(200, pages.headers(json.dumps(ask.headers.items()))),
    ("GET", "links"): lambda ask: ask.reply(200, pages.links(ask.app)),
    ("GET", "links.json"): lambda ask: ask.reply_json({"order": f"{ask.app.origin}/orders/7", "elsewhere": "https://elsewhere.example/"}),
}
BLOCK = hashlib.shake_128(b"what is downloaded").digest(MIB)

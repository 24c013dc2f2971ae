"""A small web application as a company has them: behind a name of its own, which it insists on; sign-in by a form, cookies for that name only, absolute redirects, live
updates, uploads and downloads of any size. Its handlers are threads of the test's process, so a test can see what has reached it.

What is below /attack/ answers everybody who asks, whatever page that comes from: between it and a hostile page there is nothing but Portolan.
"""
import contextlib
import http.server
import json
import socket
import ssl
import sys
import threading
import traceback
import urllib.parse
from dataclasses import dataclass

from web_app import routes


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # with the query
    headers: tuple  # of (name, value), in the order that they came in

    def header(self, name):
        """All values of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.errors = []

    def handle_error(self, request, client_address):
        """Who leaves in the middle is nobody's mistake; anything else fails the test, by the end of it."""
        if not isinstance(sys.exc_info()[1], OSError):
            self.errors.append(traceback.format_exc())


class WebApp:
    """`name` is what it is known as, with the port of its scheme; `alias` a second name for what is static. `tls` is (certificate, key) as files.
    Its cookies are Secure, as if there were TLS in front of it, unless `secure` says that there is not."""

    user, password = "ann", "correct horse"

    def __init__(self, name, tls=None, alias=None, secure=True):
        self.name, self.alias = name, alias or f"static.{name}"
        self.scheme = "https" if tls else "http"
        self.secure, self.token = ("; Secure", "__Host-token") if secure else ("", "token")
        self.origin, self.alias_origin = f"{self.scheme}://{self.name}", f"{self.scheme}://{self.alias}"
        self.lock = threading.Condition()
        self.requests, self.sessions, self.uploads, self.news, self.closed_sockets = [], {}, {}, [], []
        self.connections = set()
        self.server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"app": self}))
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # The handshake is the handler's, so that nobody holds up the others.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def domain(self):
        return self.name.split(":")[0]

    def resource(self, **settings):
        """As `portolan dev` takes it."""
        settings.setdefault("host_header", self.name)
        if self.scheme == "https":
            settings.setdefault("tls", "require")
        return f"http://127.0.0.1:{self.port}?" + urllib.parse.urlencode(settings, quote_via=urllib.parse.quote)

    def seen(self, prefix):
        """The requests whose path begins so."""
        with self.lock:
            return [request for request in self.requests if request.path.startswith(prefix)]

    def publish(self, text):
        with self.lock:
            self.news.append(text)
            self.lock.notify_all()

    def destroy(self):
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        assert not self.server.errors, "\n".join(self.server.errors)


class Handler(http.server.BaseHTTPRequestHandler):
    app = None  # whose it is
    protocol_version = "HTTP/1.1"
    timeout = 60
    rbufsize = 1 << 18
    wbufsize = 1 << 16

    def setup(self):
        super().setup()
        with self.app.lock:
            self.app.connections.add(self.connection)

    def finish(self):
        with self.app.lock:
            self.app.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            return super().handle_one_request()
        self.close_connection = True
        return None

    def answer_request(self):
        with self.app.lock:
            self.app.requests.append(Request(self.command, self.path, tuple(self.headers.items())))
        self.url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(self.url.query))
        self.body_left = int(self.headers.get("content-length", 0))
        routes.answer(self)
        while self.body_left and self.read_body():
            pass

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer_request

    def read_body(self, most=1 << 20):
        """The next piece; empty at the end. A body comes with its length, or in chunks."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunk()
        piece = self.rfile.read(min(most, self.body_left))
        self.body_left -= len(piece)
        if not piece and self.body_left:
            raise ConnectionError("the body ended early")
        return piece

    def _read_chunk(self):
        piece = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return piece

    def body(self):
        return b"".join(iter(self.read_body, b""))

    def form(self):
        return dict(urllib.parse.parse_qsl(self.body().decode()))

    def cookies(self):
        """Name to value; a name that comes twice is told as a list would be."""
        pairs = [pair.strip().split("=", 1) for line in self.headers.get_all("cookie", []) for pair in line.split(";") if "=" in pair]
        return {name: " and ".join(value for other, value in pairs if other == name) for name, _ in pairs}

    def head(self, status, length, kind, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if kind:
            self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def reply(self, status, text="", kind="text/html; charset=utf-8", headers=()):
        data = text.encode() if isinstance(text, str) else text
        self.head(status, len(data), kind, headers)
        if self.command != "HEAD":
            self.wfile.write(data)

    def reply_json(self, value, status=200, headers=()):
        self.reply(status, json.dumps(value), "application/json", headers)

    def redirect(self, status, where, headers=()):
        self.reply(status, "", None, [("Location", where), *headers])

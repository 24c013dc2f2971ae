"""Small applications in threads of the test's own process: `App` answers as a test's functions say, `Recorder` reads requests as strictly as
can be and notes them."""
import contextlib
import http.server
import json
import re
import socket
import threading
import urllib.parse

HEALTH = b"portolan-health"


def resource(port, user="", password="", **settings):
    """The definition of a web resource at this port of 127.0.0.1."""
    quote = lambda text: urllib.parse.quote(str(text), safe="")  # noqa: E731
    who = f"{quote(user)}{':' + quote(password) if password else ''}@" if user or password else ""
    query = "&".join(f"{name}={quote(value)}" for name, value in settings.items())
    return f"http://{who}127.0.0.1:{port}/{'?' if query else ''}{query}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        route = self.server.routes.get(self.path.partition("?")[0])
        if self.headers.get("User-Agent", "").encode() == HEALTH:
            return self.say(200, b"well")
        self.server.seen.append((self.command, self.path, self.headers.items()))
        if route:
            route(self)
        else:
            self.drain()
            self.say(404, b"nothing here\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def handle_expect_100(self):
        if self.path.startswith("/refuses"):
            self.server.seen.append((self.command, self.path, self.headers.items()))
            self.close_connection = True
            self.say(413, b"too much\n")
            return False
        return super().handle_expect_100()

    def say(self, status, body=b"", *fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin_chunks(self, *fields):
        self.send_response(200)
        for name, value in (*fields, ("Transfer-Encoding", "chunked")):
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def pieces(self):
        """The request's body, as it comes; `body_trailers` are what follows it."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.body_trailers = list(iter(lambda: self.rfile.readline().strip(), b""))
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read1(min(left, 1 << 20))):
            left -= len(piece)
            yield piece

    def drain(self):
        return b"".join(self.pieces())

    def cut(self):
        """Ends the connection in the middle of whatever it was."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


class App(http.server.ThreadingHTTPServer):
    """`routes` are {path: function of the Handler}. `seen` has method, path and header fields of each request, but for our checks of its health."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, routes):
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes, self.seen = {"/echo": echo, **routes}, []
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):  # clients that go are no news
        pass

    def destroy(self):
        self.shutdown()
        self.server_close()


def echo(request):
    """What has arrived, as JSON."""
    body = request.drain().decode("latin-1")
    told = {"method": request.command, "path": request.path, "fields": request.headers.items(), "body": body}
    request.say(200, json.dumps(told).encode(), ("Content-Type", "application/json"))


def fields_named(told, name):
    """The values of a field in what echo() has told, in whatever case and with whatever stands for "-"."""
    plain = lambda text: re.sub(r"[^a-z0-9]", "-", text.lower())  # noqa: E731
    return [value for field, value in told["fields"] if plain(field) == plain(name)]


class Ambiguous(Exception):
    """Two readers could take this for different requests."""


TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def split_request(data):
    """((request line, [(name, value)], body), length) of the first request in `data`, or None if more must come; as strict as RFC 9112 lets one be."""
    end = data.find(b"\r\n\r\n")
    head = data if end < 0 else data[:end]
    if re.search(rb"(?<!\r)\n|\r(?!\n|$)|\0", head):
        raise Ambiguous("a lone CR or LF, or a zero byte", data)
    if end < 0:
        return None
    line, *lines = head.split(b"\r\n")
    fields = []
    for each in lines:
        name, colon, value = each.partition(b":")
        if not colon or not TOKEN.fullmatch(name):
            raise Ambiguous("a malformed field", each)
        fields.append((name.lower(), value.strip(b" \t")))
    framing = [(name, value) for name, value in fields if name.replace(b"_", b"-") in (b"content-length", b"transfer-encoding")]
    if len(line.split(b" ")) != 3 or len(framing) > 1 or sum(name == b"host" for name, _ in fields) != 1:
        raise Ambiguous("two lengths, two hosts or a malformed request line", data)
    if not framing:
        return (line, fields, b""), end + 4
    rest = data[end + 4:]
    if framing[0][0] == b"content-length":
        if not framing[0][1].isdigit():
            raise Ambiguous("a malformed length", framing)
        length = int(framing[0][1])
        return ((line, fields, rest[:length]), end + 4 + length) if len(rest) >= length else None
    if framing[0] != (b"transfer-encoding", b"chunked"):
        raise Ambiguous("framing", framing)
    read = chunks(rest)
    return read and ((line, fields, read[0]), end + 4 + read[1])


def chunks(data):
    """(body, length) of a chunked body without extensions and trailers; None if more must come."""
    body, at = b"", 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", data[at:end]):
            raise Ambiguous("a malformed chunk", data)
        size = int(data[at:end], 16)
        at = end + 2 + size
        if len(data) < at + 2:
            return None
        if data[at:at + 2] != b"\r\n":
            raise Ambiguous("a chunk that does not end where it says, or trailers", data)
        body += data[end + 2:at]
        at += 2
        if size == 0:
            return body, at


class Recorder:
    """An application that notes each request, or what is wrong with it, and answers as `reply(request)` says: (bytes, whether the connection stays)."""

    def __init__(self, reply=lambda request: (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True)):
        self.reply = reply
        self.requests, self.wrong, self.unfinished = [], [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self._open = {}  # connection: what has come of a request that is not whole
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self._open[connection] = b""
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def reading(self):
        return list(self._open.values())

    def _serve(self, connection):
        data = b""
        with contextlib.suppress(OSError), connection:
            try:
                stays = True
                while stays and (piece := connection.recv(65536)):
                    data += piece
                    while stays and (found := split_request(data)):
                        data = data[found[1]:]
                        stays = self._answer(connection, found[0])
                    self._open[connection] = data
            except Ambiguous as what:
                self.wrong.append(what)
        if data:
            self.unfinished.append(data)
        del self._open[connection]

    def _answer(self, connection, request):
        if (b"user-agent", HEALTH) in request[1]:
            connection.sendall(b"HTTP/1.1 204 Well\r\n\r\n")
            return True
        self.requests.append(request)
        reply, stays = self.reply(request)
        connection.sendall(reply)
        return stays

    def destroy(self):
        self.listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

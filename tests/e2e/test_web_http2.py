"""An application that speaks HTTP/2 and means harm: whatever it sends ends soon, costs little, is told to the client, and harms nobody else."""
import contextlib
import socket
import ssl
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import harness
import pytest
from hyperframe.frame import (ContinuationFrame, DataFrame, GoAwayFrame, HeadersFrame, PingFrame, PriorityFrame, PushPromiseFrame, RstStreamFrame,
                              SettingsFrame, WindowUpdateFrame)
from webapps import App, resource
from webclients import Peak, Raw, curl
from webservers import Authority

TOTAL = 48 << 20  # what is sent of a flood unless it is stopped
MEMORY_KIB = 64 * 1024
SOON = 10  # seconds


def wire(*frames):
    return b"".join(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames)


class Link:
    """A connection that the node has made. `h2` is right about everything; frames may be sent past it."""

    def __init__(self, connection):
        self.socket = connection
        config = h2.config.H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def send(self, *frames):
        self.socket.sendall(wire(*frames))

    def head(self, stream, *pairs, flags=("END_HEADERS",)):
        return HeadersFrame(stream, data=self.h2.encoder.encode(list(pairs) or [(":status", "200")]), flags=flags)

    def answer(self, stream, body=b"", *pairs):
        self.h2.send_headers(stream, [(":status", "200"), *pairs], end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        self.flush()

    def listen(self):
        """The events of what comes until the connection ends."""
        with contextlib.suppress(OSError):
            while data := self.socket.recv(65536):
                events = []
                with contextlib.suppress(h2.exceptions.ProtocolError):  # about streams that frames past it have ended
                    events = self.h2.receive_data(data)
                self.flush()  # what it answers by itself goes first
                yield from events


class Server:
    """`serve(link, path, stream)` answers each request, but those of our checks of health. `stopped` has the paths of the floods that were."""

    def __init__(self, context=None, first=Link.flush):
        self.context, self.first = context, first
        self.links, self.stopped = 0, {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        with contextlib.suppress(OSError):
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.links += 1
            link = Link(connection)
            link.h2.initiate_connection()
            self.first(link)
            for event in link.listen():
                if isinstance(event, h2.events.RequestReceived):
                    fields = {(name if isinstance(name, str) else name.decode()): (value if isinstance(value, str) else value.decode()) for name, value in event.headers}
                    if fields.get("user-agent") == "portolan-health":
                        link.answer(event.stream_id)
                    else:
                        self.serve(link, fields[":path"], event.stream_id)
                else:
                    self.more(link, event)
        connection.close()

    def serve(self, link, path, stream):
        name = path.removeprefix("/").replace("%20", " ")
        case = CASES.get(name)
        if case:
            link.path, link.server = name, self
            case[0](link, stream)
        else:
            link.answer(stream, b"fine")

    def more(self, link, event):
        """What else comes."""

    def destroy(self):
        self.listener.close()


def flood(link, *frames):
    """Again and again, until the other side has enough."""
    block = wire(*frames)
    block *= max(1, 65536 // len(block))
    link.socket.settimeout(2 * SOON)
    try:
        for _ in range(TOTAL // len(block)):
            link.socket.sendall(block)
        link.server.stopped[link.path] = False
    except OSError:
        link.server.stopped[link.path] = True
        raise


def bomb(link, stream):
    """One long value that is in HPACK's table, named thousands of times: a byte each."""
    first = link.head(stream, (":status", "200"), ("x", "a" * 4000), flags=())
    named = bytes([0x80 | 62]) * 16_000
    link.send(first, ContinuationFrame(stream, data=named, flags=("END_HEADERS",)))


def oversized_data(link, stream):
    """More than our window has room for, whether it is taken or not."""
    link.send(link.head(stream))
    flood(link, DataFrame(stream, data=b"x" * 16_384))


def half_and(*frames):
    """Half an answer, and then these."""
    def behave(link, stream):
        link.send(link.head(stream), DataFrame(stream, data=b"half"), *(frame(link, stream) for frame in frames))
    return behave


def sends(*frames):
    return lambda link, stream: link.send(*(frame(link, stream) for frame in frames))


def floods(*frames, after_head=False):
    def behave(link, stream):
        if after_head:
            link.send(link.head(stream))
        flood(link, *(frame(link, stream) for frame in frames))
    return behave


def head(*pairs, **more):
    return lambda link, stream: link.head(stream, *pairs, **more)


def data(body, end=True):
    return lambda link, stream: DataFrame(stream, data=body, flags=("END_STREAM",) if end else ())


def raw_head(*pairs):
    """A head as it stands in the frame: nothing is put in order. Literals without indexing, RFC 7541 §6.2.2."""
    text = lambda value: bytes([len(value)]) + value.encode("latin-1")  # noqa: E731
    block = b"".join(b"\0" + text(name) + text(value) for name, value in pairs)
    return lambda link, stream: HeadersFrame(stream, data=block, flags=("END_HEADERS", "END_STREAM"))


def too_large(_, stream):
    return (70_000).to_bytes(3, "big") + b"\0\0" + stream.to_bytes(4, "big") + b"x" * 70_000


STATUS = (":status", "200")
# name: (what it does, what the client gets: 502, or "either" that or half an answer that is cut, as it happens)
CASES = {
    # ends
    "goodbye at once": (sends(lambda *_: GoAwayFrame(0, last_stream_id=0)), 502),
    "goodbye with an error": (sends(lambda *_: GoAwayFrame(0, last_stream_id=0, error_code=2)), 502),
    "reset": (sends(lambda _, stream: RstStreamFrame(stream, error_code=2)), 502),
    "refused": (sends(lambda _, stream: RstStreamFrame(stream, error_code=7)), 502),
    "HTTP/1.1 is wanted": (sends(lambda _, stream: RstStreamFrame(stream, error_code=13)), 502),
    "reset in the middle": (half_and(lambda _, stream: RstStreamFrame(stream, error_code=8)), "either"),
    "close at once": (lambda link, _: link.socket.shutdown(socket.SHUT_RDWR), 502),
    "close in the middle": (lambda link, stream: (half_and()(link, stream), link.socket.shutdown(socket.SHUT_RDWR)), "either"),
    # heads
    "headers without end": (lambda link, stream: (link.send(link.head(stream, flags=())), flood(link, ContinuationFrame(stream, data=b"\0\x01x\x01y" * 1000))), 502),
    "continuations of nothing": (lambda link, stream: (link.send(link.head(stream, flags=())), flood(link, ContinuationFrame(stream, data=b""))), 502),
    "a bomb of headers": (bomb, 502),
    "10,000 headers": (lambda link, stream: link.send(link.head(stream, STATUS, flags=()),
                                                      *(ContinuationFrame(stream, data=b"\0\x01x\x01y" * 1000, flags=("END_HEADERS",) if i == 9 else ()) for i in range(10))), 502),
    "no status": (sends(raw_head(("x", "y"))), 502),
    "two statuses": (sends(raw_head(STATUS, (":status", "204"))), 502),
    "a status behind a header": (sends(raw_head(("x", "y"), STATUS)), 502),
    "a status that is none": (sends(raw_head((":status", "2xx"))), 502),
    "a switch of protocols": (sends(raw_head((":status", "101"))), 502),
    "a pseudo-header of requests": (sends(raw_head(STATUS, (":path", "/"))), 502),
    "a name in capitals": (sends(raw_head(STATUS, ("X-Name", "y"))), 502),
    "a name with a colon": (sends(raw_head(STATUS, ("x:y", "z"))), 502),
    "a line break in a value": (sends(raw_head(STATUS, ("x", "y\r\nset-cookie: a=b"))), 502),
    "a zero byte in a value": (sends(raw_head(STATUS, ("x", "y\0"))), 502),
    "Connection": (sends(raw_head(STATUS, ("connection", "close"))), 502),
    "Transfer-Encoding": (sends(raw_head(STATUS, ("transfer-encoding", "chunked"))), 502),
    "two lengths": (sends(raw_head(STATUS, ("content-length", "0"), ("content-length", "5"))), 502),
    "HPACK that is none": (sends(lambda _, stream: HeadersFrame(stream, data=b"\xff\xff\xff\xff\xff\xff", flags=("END_HEADERS",))), 502),
    "interim answers without end": (floods(head((":status", "103"))), 502),
    "a second head": (half_and(head()), "either"),
    "trailers with a status": (half_and(head(STATUS, flags=("END_HEADERS", "END_STREAM"))), "either"),
    # bodies
    "more than its length": (sends(head(STATUS, ("content-length", "4")), data(b"more than that")), "either"),
    "less than its length": (sends(head(STATUS, ("content-length", "40")), data(b"less than that")), "either"),
    "data before the head": (sends(data(b"early")), 502),
    "data for a stream that is not": (sends(lambda link, stream: DataFrame(stream + 2, data=b"x")), 502),
    "a head for a stream that is not": (sends(lambda link, stream: link.head(stream + 2)), 502),
    "a frame that is too large": (sends(too_large), 502),
    "data beyond the window": (oversized_data, "either"),
    # floods
    "settings": (floods(lambda *_: SettingsFrame(0, settings={3: 100})), 502),
    "pings": (floods(lambda *_: PingFrame(0, opaque_data=b"12345678")), 502),
    "empty data": (floods(data(b"", end=False), after_head=True), "either"),
    "priorities": (floods(lambda _, stream: PriorityFrame(stream, depends_on=0, stream_weight=1, exclusive=False)), 502),
    "window updates": (floods(lambda *_: WindowUpdateFrame(0, window_increment=1)), 502),
    "frames of no known kind": (floods(lambda _, stream: b"\0\0\x64\xfa\0" + stream.to_bytes(4, "big") + b"x" * 100), 502),
    "resets of streams that are not": (floods(lambda _, stream: RstStreamFrame(stream + 2, error_code=0)), 502),
    # others
    "a push": (lambda link, stream: link.send(PushPromiseFrame(stream, promised_stream_id=2, data=link.h2.encoder.encode([(":method", "GET"), (":path", "/"), (":scheme", "http"),
                                                                                                                          (":authority", "x")]), flags=("END_HEADERS",))), 502),
    "a window beyond all": (sends(*[lambda *_: WindowUpdateFrame(0, window_increment=2**31 - 1)] * 2), 502),
    "a window update of nothing": (sends(lambda *_: b"\0\0\4\x08\0\0\0\0\0\0\0\0\0"), 502),
    "a frame size of nothing": (sends(lambda *_: SettingsFrame(0, settings={5: 1})), 502),
    "HTTP/1.1 all at once": (sends(lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 502),
}

FLOODS = {"headers without end", "continuations of nothing", "interim answers without end", "data beyond the window", "settings", "pings", "empty data", "priorities",
          "window updates", "frames of no known kind", "resets of streams that are not"}


@pytest.fixture(scope="module")
def server():
    with harness.running(Server()) as started:
        yield started


@pytest.fixture(scope="module")
def silent():
    with harness.running(Server(first=lambda link: None)) as started:
        started.serve = lambda *_: None
        yield started


@pytest.fixture(scope="module")
def app():
    with harness.running(App({})) as started:
        yield started


class Uploads(Server):
    """Gives room for uploads a byte at a time; none at all for /never."""

    def __init__(self):
        super().__init__(first=self.small)

    @staticmethod
    def small(link):
        link.h2.update_settings({4: 1})  # SETTINGS_INITIAL_WINDOW_SIZE
        link.path, link.taken = "", 0
        link.flush()

    def serve(self, link, path, stream):
        link.path = path
        if path == "/first":
            link.answer(stream, b"fine")

    def more(self, link, event):
        if isinstance(event, h2.events.DataReceived) and link.path != "/never":
            link.taken += len(event.data)
            link.h2.increment_flow_control_window(1)
            link.h2.increment_flow_control_window(1, event.stream_id)
            link.flush()
        if isinstance(event, h2.events.StreamEnded) and link.path == "/slowly":
            link.answer(event.stream_id, b"%d" % link.taken)


@pytest.fixture(scope="module")
def uploads():
    with harness.running(Uploads()) as started:
        yield started


@pytest.fixture(scope="module")
def dev(server, silent, app, uploads):
    two = {"http_version": "2", "answer_timeout": "2s"}
    resources = {"hostile": resource(server.port, **two), "silent": resource(silent.port, **two), "uploads": resource(uploads.port, **two), "good": resource(app.port)}
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


@pytest.fixture(scope="module", autouse=True)
def others(dev):
    """A session that is there all the while, and must be unharmed in the end."""
    with Raw(dev, "good", timeout=30) as client:
        client.get("/echo")
        assert client.answer()[0] == 200
        with Peak(dev) as peak:
            yield client
        client.get("/echo")
        assert client.answer()[0] == 200, "others are harmed"
        assert peak.most < MEMORY_KIB, peak.most
        print(f"memory: {peak.most} KiB more at most")


@pytest.mark.parametrize("name", CASES)
def test_whatever_it_sends(dev, server, name):
    expected = CASES[name][1]
    began = time.monotonic()
    got = curl(dev.url("hostile", f"/{name.replace(' ', '%20')}"), check=False)
    assert time.monotonic() - began < SOON
    was_cut = got.status == 200 and got.exit_code in (18, 56)
    was_told = got.exit_code == 0 and got.status == 502 and got.json()["hop"] == "resource"
    assert was_told or (was_cut and expected == "either"), got
    assert not got.all("set-cookie")
    if name in FLOODS:
        harness.wait_until(lambda: server.stopped.get(name), SOON, "the flood is stopped")
    assert curl(dev.url("good", "/echo")).status == 200


def test_goodbye_after_each_answer(dev, server):
    """Each request then needs a connection of its own, and the client notices nothing."""
    server.serve = lambda link, path, stream: (link.answer(stream, b"fine"), link.send(GoAwayFrame(0, last_stream_id=stream)))
    before = server.links
    try:
        with Raw(dev, "hostile") as client:
            for _ in range(20):
                client.get("/fine")
                assert client.answer()[::2] == (200, b"fine")
    finally:
        del server.serve
    assert server.links - before >= 20


def test_a_server_that_says_nothing(dev):
    began = time.monotonic()
    late = curl(dev.url("silent"))
    assert late.status == 504 and time.monotonic() - began < SOON


def test_an_upload_that_is_not_taken(dev, tmp_path):
    (tmp_path / "up").write_bytes(b"x" * (20 << 20))
    began = time.monotonic()
    late = curl(dev.url("uploads", "/never"), "-T", tmp_path / "up", "-H", "Expect:", check=False)
    assert late.status == 504 and time.monotonic() - began < SOON, late


def test_an_upload_that_is_taken_by_bytes(dev):
    """Thousands of frames that bring a byte of room each are no flood."""
    with Raw(dev, "uploads") as client:
        client.get("/first")  # behind its answer the settings are known
        assert client.answer()[0] == 200
        client.send("POST /slowly HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6000\r\n\r\n" + "x" * 6000)
        assert client.answer()[::2] == (200, b"6000")


def test_what_tls_agrees_on_is_spoken(tmp_path):
    certificate, key = Authority(tmp_path / "ca").issue("own", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2", "http/1.1"])

    def http1(link):
        link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with harness.running(Server(context)) as true, harness.running(Server(context, first=http1)) as false:
        with harness.running(harness.Dev({"true": resource(true.port, tls="require"), "false": resource(false.port, tls="require")})) as dev:
            assert curl(dev.url("true", "/")).body == b"fine"
            lied = curl(dev.url("false", "/"))
            assert lied.status == 502 and lied.json()["hop"] == "resource"

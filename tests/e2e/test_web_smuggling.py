"""Requests and answers that two readers could take for different ones, sent by clients and by applications. An application sees nothing of such a request,
or one that can be read in one way only; a client sees an error or a broken connection, and never the answer to a question that it has not asked."""
import re

import harness
import pytest
from webapps import Recorder, resource
from webclients import Raw

SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def request(line="POST /first", more="", body=""):
    return f"{line} HTTP/1.1\r\nHost: {{host}}\r\n{more}\r\n{body}"


CHUNKED = "Transfer-Encoding: chunked\r\n"
END = "0\r\n\r\n"
# What is refused: nothing of it reaches the application.
REFUSED = {
    "two lengths": request(more="Content-Length: 0\r\nContent-Length: 44\r\n"),
    "two equal lengths": request(more="Content-Length: 5\r\nContent-Length: 5\r\n", body="hello"),
    "a list of lengths": request(more="Content-Length: 5, 5\r\n", body="hello"),
    "length and chunked": request(more="Content-Length: 4\r\n" + CHUNKED, body=END),
    "chunked and length": request(more=CHUNKED + "Content-Length: 4\r\n", body=END),
    "two encodings": request(more=CHUNKED + "Transfer-Encoding: identity\r\n", body=END),
    "an encoding in a list": request(more="Transfer-Encoding: identity, chunked\r\n", body=END),
    "an encoding with a vertical tab": request(more="Transfer-Encoding: \x0bchunked\r\n", body=END),
    "an encoding in quotes": request(more='Transfer-Encoding: "chunked"\r\n', body=END),
    "an unknown encoding": request(more="Transfer-Encoding: xchunked\r\n", body=END),
    "a space before the colon": request(more="Transfer-Encoding : chunked\r\n", body=END),
    "a tab before the colon": request(more="Content-Length\t: 44\r\n"),
    "a name with a space": request(more="Content Length: 44\r\n"),
    "an underscore in the length": request(more="Content_Length: 44\r\n"),
    "an underscore in the encoding": request(more="Transfer_Encoding: chunked\r\n", body=END),
    "a dot in the encoding": request(more="Transfer.Encoding: chunked\r\n", body=END),
    "chunked in HTTP/1.0": "POST /first HTTP/1.0\r\nHost: {host}\r\n" + CHUNKED + "\r\n" + END,
    "a length with a sign": request(more="Content-Length: +5\r\n", body="hello"),
    "a negative length": request(more="Content-Length: -1\r\n"),
    "a length in hexadecimal": request(more="Content-Length: 0x5\r\n", body="hello"),
    "a length with letters": request(more="Content-Length: 5a\r\n", body="hello"),
    "an empty length": request(more="Content-Length:\r\n"),
    "a length beyond all numbers": request(more="Content-Length: 99999999999999999999999999\r\n"),
    "a length of 2^64": request(more="Content-Length: 18446744073709551616\r\n"),
    "Connection names the length": request(more="Connection: Content-Length\r\nContent-Length: 5\r\n", body="hello"),
    "Connection names Host": request(more="Connection: close, Host\r\n"),
    "folding": request(more="X: a\r\n Transfer-Encoding: chunked\r\n", body=END),
    "folding with a tab": request(more="X: a\r\n\tb\r\n"),
    "a folded first line": "POST /first HTTP/1.1\r\n X: a\r\nHost: {host}\r\n\r\n",
    "bare LF": "POST /first HTTP/1.1\nHost: {host}\nContent-Length: 44\n\n",
    "one bare LF": request(more="X: a\nContent-Length: 44\r\n"),
    "bare CR": request(more="X: a\rContent-Length: 44\r\n"),
    "a bare CR at the end": request(more="X: a\r\r\n"),
    "a zero byte in a value": request(more="X: a\0b\r\n"),
    "a zero byte in a name": request(more="Content-Length\0: 44\r\n"),
    "a control character": request(more="X: a\x01b\r\n"),
    "a line without a colon": request(more="hello\r\n"),
    "a line without a name": request(more=": hello\r\n"),
    "two hosts": request(more="Host: evil.example\r\n"),
    "two equal hosts": request(more="Host: {host}\r\n"),
    "no host": "POST /first HTTP/1.1\r\nX: a\r\n\r\n",
    "another host": "POST /first HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a host with a path": "POST /first HTTP/1.1\r\nHost: {host}/x\r\n\r\n",
    "a host with a user": "POST /first HTTP/1.1\r\nHost: evil@{host}\r\n\r\n",
    "absolute form of another host": request("GET http://evil.example/first"),
    "absolute form with a user": request("GET http://evil@{host}/first"),
    "absolute form of another scheme": request("GET gopher://{host}/first"),
    "authority form": request("GET {host}"),
    "an asterisk": request("GET *"),
    "a target with a space": request("GET /first /second"),
    "a target with a tab": request("GET /first\t/second"),
    "a target with a fragment": request("GET /first#x"),
    "a target beyond ASCII": request("GET /first\xe9"),
    "an empty target": "GET  HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a line break in the target": request("GET /first\rx"),
    "two spaces": request("GET  /first"),
    "a space ahead": request(" GET /first"),
    "a method that is none": request("G(T /first"),
    "CONNECT": "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "CONNECT to the path": request("CONNECT /first"),
    "TRACE": request("TRACE /first"),
    "TRACK": request("TRACK /first"),
    "HTTP/0.9": "GET /first\r\n",
    "HTTP/1.2": "GET /first HTTP/1.2\r\nHost: {host}\r\n\r\n",
    "HTTP/11": "GET /first HTTP/11\r\nHost: {host}\r\n\r\n",
    "a version in lower case": "GET /first http/1.1\r\nHost: {host}\r\n\r\n",
    "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n",
    "an upgrade to HTTP/2": request("GET /first", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"),
    "an upgrade to both": request("GET /first", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n" + KEY),
    "an upgrade to anything": request("GET /first", "Connection: Upgrade\r\nUpgrade: tunnel/1\r\n"),
    "a WebSocket that Connection does not name": request("GET /first", "Upgrade: websocket\r\n" + KEY),
    "a WebSocket with a body": request("GET /first", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 44\r\n" + KEY),
    "a WebSocket of another version": request("GET /first", "Connection: Upgrade\r\nUpgrade: websocket\r\n" + KEY.replace("13", "777")),
    "a WebSocket by POST": request(more="Connection: Upgrade\r\nUpgrade: websocket\r\n" + KEY),
    "an unknown expectation": request(more="Expect: 200-ok\r\nContent-Length: 5\r\n", body="hello"),
    "a head of 100 KiB": request(more="X: " + "a" * 100_000 + "\r\n"),
    "1,000 fields": request(more="X: a\r\n" * 1000),
}
# The head may have gone before the fault is seen: the application must not have got all of a request.
BAD_BODIES = {
    "a size that is none": "zz\r\n",
    "a negative size": "-5\r\nhello\r\n" + END,
    "a size with a sign": "+5\r\nhello\r\n" + END,
    "a size with 0x": "0x5\r\nhello\r\n" + END,
    "a size with a space": "5 \r\nhello\r\n" + END,
    "a space ahead of the size": " 5\r\nhello\r\n" + END,
    "an empty size": "\r\nhello\r\n" + END,
    "a size beyond all numbers": "fffffffffffffffff\r\nhello\r\n" + END,
    "a size of 2^63": "8000000000000000\r\nhello\r\n" + END,
    "a chunk longer than it says": "5\r\nhello!\r\n" + END,
    "a chunk that ends with LF": "5\r\nhello\n" + END,
    "a size that ends with LF": "5\nhello\r\n" + END,
    "a size that ends with CR": "5\rhello\r\n" + END,
    "an extension with CR": "5;a\rb\r\nhello\r\n" + END,
    "an extension with LF": "5;a\nb\r\nhello\r\n" + END,
    "an extension without end": "5;" + "a" * 20_000,
    "extensions without end": ("1;" + "a" * 1000 + "\r\nx\r\n") * 1000,
    "a folded trailer": "0\r\nX: a\r\n b\r\n\r\n",
    "a trailer with a space": "0\r\nX : a\r\n\r\n",
    "trailers without end": "0\r\n" + "X: a\r\n" * 20_000,
}
INNER = "GET /smuggled HTTP/1.1\r\nHost: app.corp.example\r\n\r\n"
# What may look odd and can be read in one way only; the body that the application must get.
ACCEPTED = {
    "chunk extensions": (request(more=CHUNKED, body='5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n'), b"hello"),
    "leading zeros": (request(more=CHUNKED, body="00005\r\nhello\r\n00\r\n\r\n"), b"hello"),
    "chunked in capitals": (request(more="TRANSFER-ENCODING: Chunked\r\n", body="A\r\n0123456789\r\n" + END), b"0123456789"),
    "a request in a body": (request(more=f"Content-Length: {len(INNER)}\r\n", body=INNER), INNER.encode()),
    "a body of GET": (request("GET /first", "Content-Length: 5\r\n", "hello"), b"hello"),
    "a request in a chunk": (request(more=CHUNKED, body=f"{len(INNER):x}\r\n{INNER}\r\n" + END), INNER.encode()),
    "the absolute form": (request("GET http://{host}/first"), b""),
    "Connection names fields": (request("GET /first", "Connection: X-Internal, keep-alive\r\nX-Internal: a\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\n"), b""),
}


@pytest.fixture(scope="module")
def app():
    with harness.running(Recorder()) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def hostile():
    with harness.running(Recorder(lambda request: ANSWERS[request[0].split(b" ")[1]])) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def dev(app, hostile):
    resources = {"app": resource(app.port, host_header="app.corp.example"), "hostile": resource(hostile.port, answer_timeout="5s")}
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


def nothing_new(app, before):
    return app.requests[before:] == [] and app.wrong == []


def answers(text):
    return len(re.findall(rb"^HTTP/1\.1 ", text, re.MULTILINE))


def only_refused(text):
    """One answer, which says that it is the last."""
    head = text.split(b"\r\n\r\n")[0]
    return text.startswith(b"HTTP/1.1 ") and head[9:12] >= b"400" and answers(text) == 1 and b"connection: close" in head.lower()


@pytest.mark.parametrize("name", REFUSED)
def test_requests_that_are_refused(dev, app, name):
    before = len(app.requests)
    with Raw(dev, "app") as client:
        client.send(REFUSED[name] + SMUGGLED)
        text = client.rest()
    assert only_refused(text) and text[9:12] < b"506", text[:300]
    assert nothing_new(app, before), (app.requests[before:], app.wrong)
    assert app.unfinished == []


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in pieces"])
def test_bodies_that_are_refused(dev, app, at_once):
    head = request(more=CHUNKED + "Connection: keep-alive\r\n", body="3\r\nabc\r\n")
    for name, body in BAD_BODIES.items():
        before, unfinished = len(app.requests), len(app.unfinished)
        with Raw(dev, "app") as client:
            if at_once:
                client.send(head + body + SMUGGLED)
            else:
                client.send(head)
                harness.wait_until(lambda: any(b"/first" in data for data in app.reading()), 5, "the application is asked")
                client.send(body + SMUGGLED)
            text = client.rest()
        assert only_refused(text) or text == b"", (name, text[:300])
        harness.wait_until(lambda: not any(b"/first" in data for data in app.reading()), 5, "the application's connection ends")
        assert nothing_new(app, before), (name, app.requests[before:], app.wrong)
        assert not [data for data in app.unfinished[unfinished:] if b"smuggled" in data or data.endswith(b"0\r\n\r\n")], name


@pytest.mark.parametrize("name", ACCEPTED)
def test_requests_that_pass_can_be_read_in_one_way_only(dev, app, name):
    data, body = ACCEPTED[name]
    before = len(app.requests)
    with Raw(dev, "app") as client:
        client.send(data + request("GET /second", "Connection: close\r\n"))
        assert client.answer()[::2] == (200, b"ok")
        assert client.answer()[::2] == (200, b"ok")
        assert client.rest() == b""
    assert app.wrong == []
    first, second = app.requests[before:]
    assert first[0].endswith(b" /first HTTP/1.1") and first[2] == body and second[0] == b"GET /second HTTP/1.1"
    names = [field for field, _ in first[1]]
    assert dict(first[1])[b"host"] == b"app.corp.example"
    assert not {b"x-internal", b"keep-alive", b"proxy-connection", b"connection"} & set(names), names


OK = "HTTP/1.1 200 OK\r\n"
SPLIT = OK + "Content-Length: 8\r\nX-Smuggled: yes\r\n\r\nsmuggled"
WRONG_HEADS = {
    "length and chunked": OK + "Content-Length: 4\r\n" + CHUNKED + "\r\n" + END,
    "two lengths": OK + "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "a list of lengths": OK + "Content-Length: 5, 5\r\n\r\nhello",
    "a length with a sign": OK + "Content-Length: +5\r\n\r\nhello",
    "a length beyond all numbers": OK + "Content-Length: 99999999999999999999999999\r\n\r\n",
    "an underscore in the length": OK + "Content_Length: 5\r\n\r\nhello",
    "a space before the colon": OK + "Content-Length : 5\r\n\r\nhello",
    "two encodings": OK + CHUNKED + CHUNKED + "\r\n" + END,
    "an unknown encoding": OK + "Transfer-Encoding: gzip, chunked\r\n\r\n" + END,
    "chunked in HTTP/1.0": "HTTP/1.0 200 OK\r\n" + CHUNKED + "\r\n" + END,
    "folding": OK + "X: a\r\n Content-Length: 5\r\n\r\nhello",
    "bare LF": "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "bare CR": OK + "X: a\rSet-Cookie: x=y\r\nContent-Length: 0\r\n\r\n",
    "a zero byte": OK + "X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a control character": OK + "X: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "a line without a colon": OK + "hello\r\n\r\n",
    "HTTP/0.9": "<html>hello</html>\r\n\r\n",
    "another protocol": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "another version": "HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "a status below 100": "HTTP/1.1 042 OK\r\nContent-Length: 0\r\n\r\n",
    "a status in words": "HTTP/1.1 OK 200\r\nContent-Length: 0\r\n\r\n",
    "a switch unasked": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
    "a switch to HTTP/2": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "interim answers without end": "HTTP/1.1 102 Processing\r\n\r\n" * 100,
    "Connection names cookies": OK + "Connection: Set-Cookie\r\nSet-Cookie: x=y\r\nContent-Length: 0\r\n\r\n",
    "a head of 100 KiB": OK + "X: " + "a" * 100_000 + "\r\n\r\n",
    "1,000 fields": OK + "X: a\r\n" * 1000 + "\r\n",
    "nothing": "",
}
WRONG_BODIES = {name: OK + CHUNKED + "\r\n5\r\nhello\r\n" + body for name, body in BAD_BODIES.items()} | {
    "shorter than its length": OK + "Content-Length: 100\r\nConnection: close\r\n\r\nhello",
    "a bad chunk at once": OK + CHUNKED + "\r\nzz\r\n",
    "chunks that end early": OK + CHUNKED + "\r\n5\r\nhello\r\n",
}
# More than the answer: the next request gets its own.
TOO_MUCH = {
    "behind a length": OK + "Content-Length: 2\r\n\r\nok" + SPLIT,
    "behind chunks": OK + CHUNKED + "\r\n2\r\nok\r\n0\r\n\r\n" + SPLIT,
    "behind no content": "HTTP/1.1 204 No Content\r\n\r\n" + SPLIT,
    "behind an empty body": OK + "Content-Length: 0\r\n\r\n" + SPLIT,
    "a body of 304": "HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n" + SPLIT,
}
# Those that would be waited for end with their connection.
CLOSES = ("nothing", "shorter than its length", "chunks that end early")
ANSWERS = {b"/fine": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", True)}
for kind, table in (("head", WRONG_HEADS), ("body", WRONG_BODIES), ("more", TOO_MUCH)):
    for number, (title, text) in enumerate(table.items()):
        ANSWERS[f"/{kind}/{number}".encode()] = (text.encode("latin-1"), title not in CLOSES)


@pytest.mark.parametrize("name", WRONG_HEADS)
def test_answers_that_are_none(dev, hostile, name):
    with Raw(dev, "hostile") as client:
        client.get(f"/head/{list(WRONG_HEADS).index(name)}")
        text = client.rest()
    while text.startswith(b"HTTP/1.1 102"):
        text = text.split(b"\r\n\r\n", 1)[1]
    assert text.startswith(b"HTTP/1.1 502 ") and only_refused(text), text[:300]
    assert b"x=y" not in text and not text.endswith(b"hello")
    assert hostile.wrong == []


@pytest.mark.parametrize("name", WRONG_BODIES)
def test_answers_that_break_are_not_made_whole(dev, hostile, name):
    with Raw(dev, "hostile") as client:
        client.get(f"/body/{list(WRONG_BODIES).index(name)}")
        text = client.rest()
    if text.startswith(b"HTTP/1.1 502 "):
        assert only_refused(text)
        return
    assert answers(text) == 1 and not text.endswith(b"0\r\n\r\n") and b"smuggled" not in text


@pytest.mark.parametrize("name", TOO_MUCH)
def test_nobody_gets_what_follows_an_answer(dev, hostile, name):
    for _ in range(3):
        with Raw(dev, "hostile") as client:
            client.get(f"/more/{list(TOO_MUCH).index(name)}")
            status, fields = client.head()
            length = 2 if name == "behind a length" else 0
            body = client.exactly(length) if "transfer-encoding" not in fields else client.until(END.encode())
            assert b"smuggled" not in body
            client.get("/fine", "Connection: close")
            text = client.rest()
        assert text.startswith(b"HTTP/1.1 200") and text.endswith(b"\r\n\r\nfine") and answers(text) == 1 and b"muggled" not in text, text


def test_all_of_it_is_on_record(dev):
    lost = [record for record in dev.queries(resource="hostile", limit="1000") if record["http"]["path"].startswith("/head/")]
    assert len(lost) >= 1 and all(record["error"] and record["http"]["status"] == 502 for record in lost), lost
    assert not [record for record in dev.queries(resource="app", limit="1000") if "smuggled" in record["http"]["path"]]

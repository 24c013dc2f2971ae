"""What a web resource allows, under which names it is known, and what is on record of each request."""
import base64
import json

import harness
import pytest
from webapps import App, fields_named, resource
from webclients import Raw, curl

REAL = "wiki.corp.example"
LINKS = {"html": f'<a href="http://{REAL}/a">a</a> <a href=//static.corp.example/b>b</a> <a href="https://{REAL}.evil.example/">c</a> http://{REAL}:81/',
         "json": json.dumps({"next": f"http://{REAL}/a?x=1", "ws": f"ws://{REAL}/s"}).replace("/", "\\/"),
         "text": f"http://{REAL}/a"}
TYPES = {"html": "text/html; charset=utf-8", "json": "application/problem+json", "text": "text/plain"}


@pytest.fixture(scope="module")
def app():
    def moved(request):
        request.say(302, b"", ("Location", f"http://{REAL}/next?x=1"), ("Content-Location", "/relative"), ("Link", f"<http://{REAL}/style>; rel=preload"),
                    ("Set-Cookie", "sid=1; Domain=.corp.example; Path=/; Secure; HttpOnly; SameSite=None"), ("Set-Cookie", "__Host-id=2; Path=/; Secure"),
                    ("Set-Cookie", "stray=3; Domain=other.example"), ("Set-Cookie", "lax=4; SameSite=Lax"), ("Access-Control-Allow-Origin", f"http://{REAL}"),
                    ("Strict-Transport-Security", "max-age=1"), ("Alt-Svc", 'h3=":443"'), ("Content-Security-Policy", f"default-src http://{REAL}; upgrade-insecure-requests"))

    def away(request):
        request.say(302, b"", ("Location", "https://elsewhere.example/x"))

    def links(request):
        kind = request.path.partition("?")[2]
        request.begin_chunks(("Content-Type", TYPES[kind]), ("ETag", '"v1"'))
        text = LINKS[kind].encode()
        for at in range(0, len(text), 7):  # names are cut anywhere
            request.chunk(text[at:at + 7])
        request.wfile.write(b"0\r\n\r\n")

    with harness.running(App({"/moved": moved, "/away": away, "/links": links})) as server:
        yield server


@pytest.fixture(scope="module")
def other():
    """Another machine of the same application."""
    with harness.running(App({"/who": lambda request: request.say(200, b"the other")})) as server:
        yield server


@pytest.fixture(scope="module")
def dev(app, other):
    resources = {
        "wiki": resource(app.port, host_header=REAL, aliases=f"static=static.corp.example, api=127.0.0.1:{other.port}", hosts=f"127.0.0.1:{other.port}"),
        "linked": resource(app.port, host_header=REAL, rewrite_links="html, json", aliases="static=static.corp.example"),
        "reading": resource(app.port, read_only="on"),
        "posting": resource(app.port, methods="GET, POST"),
        "public": resource(app.port, paths="/public/*, /echo"),
        "kept": resource(app.port, host_header=REAL, mask_query="token, Key", record_bodies=100),
        "masked": resource(app.port, mask_query="*"),
    }
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


def origin(dev, name, label=""):
    return dev.url(name, "").replace("http://", f"http://{label}") if label else dev.url(name, "")


def test_names_are_the_applications_own_towards_it(dev, app):
    wiki = origin(dev, "wiki")
    told = curl(f"{wiki}/echo?at=http://kept", "-H", f"Origin: {wiki}", "-H", f"Referer: {wiki}/from?a=b", "-H", "Cookie: a=1; pl__Host-id=2").json()
    assert told["path"] == "/echo?at=http://kept"
    assert fields_named(told, "host") == [REAL] and fields_named(told, "origin") == [f"http://{REAL}"] and fields_named(told, "referer") == [f"http://{REAL}/from?a=b"]
    assert fields_named(told, "cookie") == ["a=1; __Host-id=2"]


def test_names_are_local_towards_the_browser(dev):
    wiki = origin(dev, "wiki")
    moved = curl(f"{wiki}/moved")
    assert moved.first("location") == f"{wiki}/next?x=1" and moved.first("content-location") == "/relative" and moved.first("link") == f"<{wiki}/style>; rel=preload"
    assert moved.first("access-control-allow-origin") == wiki
    assert not moved.all("strict-transport-security") and not moved.all("alt-svc") and moved.first("content-security-policy") == f"default-src {wiki}"
    cookies = {cookie.split("=")[0]: cookie for cookie in moved.all("set-cookie")}
    assert set(cookies) == {"sid", "pl__Host-id", "lax"}, "that of another site is not set"
    # Two of the hosts are in corp.example: it is the name that holds all of them.
    assert sorted(cookies["sid"].split("; ")) == sorted(["sid=1", "Domain=wiki.localhost", "Path=/", "HttpOnly"])
    assert "ecure" not in cookies["pl__Host-id"] and "SameSite=Lax" in cookies["lax"]
    assert curl(f"{wiki}/away").first("location") == "https://elsewhere.example/x"


def test_aliases(dev, app, other):
    assert fields_named(curl(f"{origin(dev, 'wiki', 'static.')}/echo").json(), "host") == ["static.corp.example"]
    there = curl(f"{origin(dev, 'wiki', 'api.')}/who")
    assert there.body == b"the other" and fields_named({"fields": other.seen[-1][2]}, "host") == [f"127.0.0.1:{other.port}"]
    before = len(app.seen)
    for name in ("nothing.wiki.localhost", "wiki.corp.example.evil.example", "evil.example", "127.0.0.1", "localhost"):
        answer = curl(dev.url("wiki", "/echo"), "-H", f"Host: {name}:{dev.port('wiki')}")
        assert answer.status >= 400 or b"Portolan" in answer.body, (name, answer)
    assert len(app.seen) == before


def test_links_are_rewritten_where_the_resource_asks(dev):
    local, static = origin(dev, "linked"), origin(dev, "linked", "static.").removeprefix("http:")
    html = curl(dev.url("linked", "/links?html"), "-H", "Accept-Encoding: gzip")
    assert html.body.decode() == f'<a href="{local}/a">a</a> <a href={static}/b>b</a> <a href="https://{REAL}.evil.example/">c</a> http://{REAL}:81/'
    assert html.first("etag") == 'W/"v1"'
    linked = curl(dev.url("linked", "/links?json")).json()
    assert linked == {"next": f"{local}/a?x=1", "ws": f"{local.replace('http', 'ws', 1)}/s"}
    assert curl(dev.url("linked", "/links?text")).body.decode() == LINKS["text"]
    for kind, text in LINKS.items():
        untouched = curl(dev.url("wiki", f"/links?{kind}"))
        assert untouched.body.decode() == text and untouched.first("etag") == '"v1"'


def refused(answer, status, code):
    return answer.status == status and answer.json()["code"] == code and answer.json()["status"] == status


def test_read_only(dev, app):
    before = len(app.seen)
    for method in ("POST", "PUT", "DELETE", "PATCH", "PROPFIND", "get"):
        assert refused(curl(dev.url("reading", "/echo"), "-X", method), 403, "read_only"), method
    upgrade = ("-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    assert refused(curl(dev.url("reading", "/echo"), *upgrade), 403, "read_only")
    assert len(app.seen) == before
    assert curl(dev.url("reading", "/echo")).status == 200 and curl(dev.url("reading", "/echo"), "-X", "OPTIONS").status == 200
    told = curl(dev.url("reading", "/echo"), "-H", "X-HTTP-Method-Override: DELETE", "-H", "X_Http_Method: DELETE").json()
    assert not fields_named(told, "x-http-method-override") and not fields_named(told, "x-http-method")


def test_methods(dev):
    assert curl(dev.url("posting", "/echo"), "-d", "a=b").json()["body"] == "a=b"
    no = curl(dev.url("posting", "/echo"), "-X", "DELETE")
    assert refused(no, 405, "method_refused") and no.first("allow") == "GET, POST"


def test_paths(dev, app):
    assert curl(dev.url("public", "/echo?any=query")).status == 200
    assert curl(dev.url("public", "/public/a/b")).status == 404, "of the application"
    before = len(app.seen)
    assert refused(curl(dev.url("public", "/private")), 403, "path_refused")
    for path in ("/public/../private", "/public/%2e%2e/private", "/public/..%2fprivate", "/public//private", "/public/a;/../../private", "/public/%5c..%5cprivate", "/public/%zz",
                 "/public/%00"):
        assert refused(curl(dev.url("public", path), "--path-as-is"), 400, "path_ambiguous"), path
    assert len(app.seen) == before
    page = curl(dev.url("public", "/private"), "-H", "Accept: text/html").body.decode()
    assert "<h1>Not allowed</h1>" in page and "/private" in page
    # A path in a page is text.
    with Raw(dev, "public") as client:
        client.get("/<script>", "Accept: text/html")
        assert b"<script>" not in client.rest()


def records(dev, name, count):
    found = harness.wait_until(lambda: len(all_of := dev.queries(resource=name)) >= count and all_of, 15, "the records")
    assert len(found) == count, found
    return sorted(found, key=lambda record: (record["time"], record["sequence"]))


def test_each_request_is_on_record(dev, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfeabc")
    answers = [curl(dev.url("kept", "/echo?token=s3cret&a=b&KEY=s3cret"), "-A", "tests"), curl(dev.url("kept", "/echo"), "-d", "x" * 1000),
               curl(dev.url("kept", "/none"), "-X", "DELETE"), curl(dev.url("kept", "/echo"), "--data-binary", f"@{tmp_path}/binary")]
    found = records(dev, "kept", len(answers))
    assert [record["kind"] for record in found] == ["query"] * len(answers)
    got, posted, deleted, binary = (record["http"] for record in found)
    assert (got["method"], got["host"], got["path"], got["query"], got["status"]) == ("GET", REAL, "/echo", "token=***&a=b&KEY=***", 200)
    # But for the answer, which tells all that it was asked.
    assert found[0]["text"] == f"GET http://{REAL}/echo?token=***&a=b&KEY=***" and "s3cret" not in json.dumps([{**found[0], "http": {**got, "response_body": ""}}, *found[1:]])
    assert (got.get("bytes_in", 0), got["bytes_out"]) == (0, len(answers[0].body)) and "request_body" not in got
    assert got["response_body"]["text"] == answers[0].body[:100].decode() and got["response_body"]["length"] == len(answers[0].body)
    assert (posted["method"], posted["bytes_in"], posted["bytes_out"]) == ("POST", 1000, len(answers[1].body)) and "query" not in posted
    assert posted["request_body"] == {"text": "x" * 100, "length": 1000}
    assert (deleted["method"], deleted["path"], deleted["status"]) == ("DELETE", "/none", 404)
    assert base64.b64decode(binary["request_body"]["base64"]) == b"\xff\xfeabc"
    for record in found:
        assert record["duration_us"] > 0 and record["email"] == dev.ready["email"] and record["resource_name"] == "kept" and record["type"] == "http"
    sessions = lambda: [session for session in dev.json_lines("audit", "sessions", "--resource", "kept") if session.get("client") == "tests"]  # noqa: E731
    [session] = harness.wait_until(sessions, 15, "the session's record")
    assert session["type"] == "http" and session["session"] == found[0]["session"]


def test_bodies_are_not_kept_unless_asked_for_and_refusals_are_on_record(dev):
    assert curl(dev.url("masked", "/echo?a=s3cret&s3cret"), "-d", "private").status == 200
    [record] = records(dev, "masked", 1)
    assert record["http"]["query"] == "a=***&***" and "request_body" not in record["http"] and "response_body" not in record["http"]
    assert "private" not in json.dumps(record)
    curl(dev.url("posting", "/echo?refused"), "-X", "DELETE")
    said = harness.wait_until(lambda: [each for each in dev.queries(resource="posting") if each["http"].get("query") == "refused"], 15, "the refusal")
    assert said[0]["http"]["status"] == 405 and said[0]["error_code"] == "method_refused"

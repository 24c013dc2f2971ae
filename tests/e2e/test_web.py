"""Web resources with nginx as the application, by curl and wget: methods, bodies of all kinds and sizes, connections, and what breaks."""
import hashlib
import json
import os
import subprocess
import threading
import time

import harness
import pytest
from webapps import App, resource
from webclients import Peak, Raw, curl
from webservers import Nginx

LARGE = 200 << 20
MEMORY_KIB = 96 * 1024  # what the whole deployment may grow by, whatever passes through it


def servers(nginx):
    return f"""server {{
    listen 127.0.0.1:{nginx.port};
    location / {{ root {nginx.files}; dav_methods PUT DELETE; client_body_in_file_only off; }}
    location /moved {{ return 302 /small.txt; }}
  }}"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 200 MiB, and its digest; no two blocks of it are alike."""
    path = tmp_path_factory.mktemp("web") / "large"
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for number in range(LARGE >> 20):
            block = hashlib.sha256(b"%d" % number).digest() * (1 << 15)
            digest.update(block)
            out.write(block)
    return path, digest.hexdigest()


@pytest.fixture(scope="module")
def nginx(large):
    with harness.running(Nginx(servers)) as server:
        (server.files / "small.txt").write_text("0123456789\n")
        (server.files / "large").symlink_to(large[0])
        yield server


class Steps:
    """Lets a test tell an application when to go on."""

    def __init__(self):
        self.go, self.sent = threading.Semaphore(0), 0


@pytest.fixture(scope="module")
def steps():
    return Steps()


@pytest.fixture(scope="module")
def app(steps):
    def digest(request):
        total, hashed = 0, hashlib.sha256()
        for piece in request.pieces():
            hashed.update(piece)
            total += len(piece)
        trailers = [line.decode() for line in getattr(request, "body_trailers", [])]
        request.say(200, json.dumps({"length": total, "sha256": hashed.hexdigest(), "trailers": trailers}).encode(), ("Content-Type", "application/json"))

    def events(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.end_headers()
        request.close_connection = True
        for number in range(5):
            steps.sent += 1
            request.wfile.write(b"data: %d\n\n" % number)
            assert steps.go.acquire(timeout=20)

    def trailers(request):
        request.begin_chunks(("Trailer", "X-Checksum"))
        request.chunk(b"hello")
        request.wfile.write(b"0\r\nX-Checksum: 42\r\nContent-Length: 7\r\n\r\n")

    def cut_length(request):
        request.send_response(200)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        request.wfile.write(b"x" * 50000)
        request.cut()

    def cut_chunks(request):
        request.begin_chunks()
        request.chunk(b"y" * 1000)
        request.cut()

    def early(request):
        request.close_connection = True
        request.say(403, b"no")

    def slow(request):
        steps.go.acquire(timeout=20)
        request.say(200, b"late")

    routes = {"/digest": digest, "/events": events, "/trailers": trailers, "/cut-length": cut_length, "/cut-chunks": cut_chunks, "/slow": slow,
              "/early": early}
    with harness.running(App(routes)) as server:
        yield server


@pytest.fixture(scope="module")
def dev(nginx, app):
    resources = {"files": resource(nginx.port), "app": resource(app.port), "hasty": resource(app.port, answer_timeout="1s"), "down": resource(harness.free_port())}
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


def test_get_and_head_and_what_is_not_there(dev, nginx):
    url = dev.url("files", "/small.txt")
    got = curl(url)
    assert got.status == 200 and got.body == b"0123456789\n" and got.first("content-length") == "11"
    direct = curl(f"http://127.0.0.1:{nginx.port}/small.txt")
    hop = ("date", "connection", "keep-alive")
    assert {field for field in got.fields if field[0] not in hop} == {field for field in direct.fields if field[0] not in hop}
    with Raw(dev, "files") as client:
        client.get("/small.txt", method="HEAD")
        status, fields = client.head()
        assert status == 200 and fields["content-length"] == "11"
        client.get("/small.txt")
        assert client.answer()[::2] == (200, b"0123456789\n")
    assert curl(dev.url("files", "/none")).status == 404
    logged = [entry for entry in nginx.requests("/small.txt") if entry["request_method"] == "HEAD"]
    assert logged and logged[0]["http_host"] == f"127.0.0.1:{nginx.port}"


def test_wget_by_address_and_host(dev, tmp_path):
    """Whoever does not resolve NAME.localhost says it in the Host header."""
    host = dev.url("files").removeprefix("http://").rstrip("/")
    command = ["wget", "-q", "--no-proxy", "-O", tmp_path / "got", f"--header=Host: {host}", f"http://127.0.0.1:{dev.port('files')}/small.txt"]
    subprocess.run(command, check=True, timeout=30)
    assert (tmp_path / "got").read_text() == "0123456789\n"


def test_put_and_delete(dev, nginx, tmp_path):
    body = os.urandom(100_000)
    (tmp_path / "up").write_bytes(body)
    url = dev.url("files", "/put.bin")
    assert curl(url, "-T", tmp_path / "up").status == 201
    assert (nginx.files / "put.bin").read_bytes() == body
    assert curl(url, "-T", tmp_path / "up").status == 204
    assert curl(url, "-X", "DELETE").status == 204
    assert not (nginx.files / "put.bin").exists()


def test_ranges_and_conditions(dev):
    url = dev.url("files", "/small.txt")
    part = curl(url, "-r", "2-4")
    assert part.status == 206 and part.body == b"234" and part.first("content-range") == "bytes 2-4/11"
    several = curl(url, "-r", "0-0,9-9")
    assert several.status == 206 and several.first("content-type").startswith("multipart/byteranges") and b"\r\n0\r\n" in several.body and b"\r\n9\r\n" in several.body
    assert curl(url, "-r", "50-").status == 416
    tag = curl(url).first("etag")
    same = curl(url, "-H", f"If-None-Match: {tag}")
    assert same.status == 304 and same.body == b"" and same.first("etag") == tag


def test_100_continue(dev, app, tmp_path):
    (tmp_path / "up").write_bytes(b"z" * 3_000_000)
    asked = curl(dev.url("app", "/digest"), "-T", tmp_path / "up", "-H", "Expect: 100-continue", "--expect100-timeout", "30", "-w", "%{time_total}")
    assert asked.statuses == [100, 200] and asked.json()["length"] == 3_000_000
    assert float(asked.written) < 15, "curl did not wait for its own time-out"
    refused = curl(dev.url("app", "/refuses"), "-T", tmp_path / "up", "-H", "Expect: 100-continue", "--expect100-timeout", "30", "-w", "%{size_upload}")
    assert refused.status == 413 and refused.written == "0", refused
    assert 100 not in refused.statuses


def test_an_answer_before_the_end_of_the_request(dev):
    with Raw(dev, "app") as client:
        client.send("POST /early HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n" + "x" * 1000)
        status, fields, body = client.answer()
        assert (status, body) == (403, b"no") and fields["connection"] == "close"
        assert client.rest() == b""


def test_chunks_and_trailers_both_ways(dev):
    with Raw(dev, "app") as client:
        client.send("POST /digest HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        for piece in ("a" * 10, "b" * 70_000):
            client.send(f"{len(piece):x}\r\n{piece}\r\n")
        client.send("0\r\nX-Sum: 7\r\nContent-Length: 3\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        status, _, body = client.answer()
        told = json.loads(body)
        assert status == 200 and told["length"] == 70_010
        assert told["trailers"] == ["X-Sum: 7"], "those that could change what was acted on do not pass"
        client.get("/trailers", "TE: trailers", "Connection: TE")
        status, fields, body = client.answer()
        assert (status, body) == (200, b"hello") and fields["trailer x-checksum"] == "42" and "trailer content-length" not in fields


def test_one_connection_carries_many_requests(dev, nginx):
    before = len(nginx.requests("/small.txt?kept"))
    urls = [dev.url("files", "/small.txt?kept")] * 20
    command = ["curl", "-sS", "--noproxy", "*", "-w", "%{num_connects}\\n", *(word for url in urls for word in ("-o", os.devnull, url))]
    connects = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert connects == ["1"] + ["0"] * 19
    entries = harness.wait_until(lambda: len(found := nginx.requests("/small.txt?kept")[before:]) == 20 and found, 5, "nginx's log")
    assert len({entry["connection"] for entry in entries}) == 1, "the application sees one connection, too"


def test_requests_ahead_of_answers(dev):
    with Raw(dev, "files") as client:
        client.send("GET /small.txt HTTP/1.1\r\nHost: {host}\r\n\r\n" * 5)
        for _ in range(5):
            assert client.answer()[::2] == (200, b"0123456789\n")


def test_a_large_download_takes_no_memory(dev, large):
    with Peak(dev) as peak:
        command = f"curl -sS --noproxy '*' --max-time 60 {dev.url('files', '/large')} | sha256sum"
        digest = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True).stdout.split()[0]
    assert digest == large[1]
    assert peak.most < MEMORY_KIB, peak.most
    print(f"200 MiB down: {peak.most} KiB more at most")


@pytest.mark.parametrize("way", ["length", "chunked"])
def test_a_large_upload_takes_no_memory(dev, large, way):
    words = ["-T", large[0]] if way == "length" else ["-T", large[0], "-H", "Transfer-Encoding: chunked"]
    with Peak(dev) as peak:
        told = curl(dev.url("app", "/digest"), *words).json()
    assert (told["length"], told["sha256"]) == (LARGE, large[1])
    assert peak.most < MEMORY_KIB, peak.most
    print(f"200 MiB up: {peak.most} KiB more at most")


def test_a_client_that_does_not_read_stops_the_application(dev, nginx):
    with Peak(dev) as peak, Raw(dev, "files") as client:
        client.get("/large")
        assert client.head()[0] == 200
        others = [curl(dev.url("files", "/small.txt")).status for _ in range(20)]
    assert others == [200] * 20
    assert peak.most < MEMORY_KIB, peak.most


def test_events_arrive_as_they_are_sent(dev, steps):
    """The application sends the next one only when the last one has been read here."""
    steps.sent = 0
    with Raw(dev, "app") as client:
        client.get("/events", "Accept: text/event-stream")
        status, fields = client.head()
        assert status == 200 and fields["content-type"] == "text/event-stream"
        for number in range(5):
            assert b"data: %d\n" % number in client.until(b"\n\n")
            assert steps.sent == number + 1
            steps.go.release()


def told_by_page(answer, code):
    """It is a page of ours for whoever takes one."""
    page = answer.body.decode()
    assert answer.first("content-type").startswith("text/html") and "<h1>" in page and "Portolan" in page
    assert code in page and "trace" in page, page


def test_an_application_that_does_not_answer_in_time(dev, steps):
    began = time.monotonic()
    late = curl(dev.url("hasty", "/slow"), "-H", "Accept: text/html")
    steps.go.release()
    assert late.status == 504 and time.monotonic() - began < 5
    told_by_page(late, "answer_timeout")


def test_an_application_that_is_down(dev):
    page = curl(dev.url("down"), "-H", "Accept: text/html,*/*")
    assert page.status == 502
    told_by_page(page, "resource")
    problem = curl(dev.url("down"))
    assert problem.status == 502 and problem.first("content-type") == "application/problem+json"
    assert problem.json()["status"] == 502 and problem.json()["hop"] == "resource" and problem.json()["trace"] == problem.first("portolan-trace")


@pytest.mark.parametrize("path", ["/cut-length", "/cut-chunks"])
def test_an_answer_that_is_cut_is_no_whole_file(dev, path):
    cut = curl(dev.url("app", path), check=False)
    assert cut.status == 200 and cut.exit_code in (18, 56), cut  # partial file, or a reset
    assert len(cut.body) <= 50_000
    assert curl(dev.url("app", "/echo")).status == 200
    [record] = harness.wait_until(lambda: [each for each in dev.queries(resource="app") if each["http"]["path"] == path], 15, "the record")
    assert record["http"]["status"] == 200 and record["error"], record


def test_http_1_0(dev):
    with Raw(dev, "app") as client:
        client.send("GET /trailers HTTP/1.0\r\nHost: {host}\r\n\r\n")
        head, body = client.rest().split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200") and b"chunked" not in head.lower() and body == b"hello"

"""The API over HTTP/2 and HTTP/1.1 on one port, by clients that are not ours: curl, nghttp2's h2load, openssl."""
import json
import pathlib
import re
import subprocess

import harness
import pytest
from harness import wait_until

LARGE = 100 * 1024 * 1024
VERSIONS = {"--http1.1": "1.1", "--http2": "2"}


class Answer:
    def __init__(self, text):
        self.body, _, rest = text.rpartition("\n")
        self.version, status = rest.split()
        self.status = int(status)

    def json(self):
        return json.loads(self.body)


def url(dev, path):
    return dev.ready["admin_url"].rstrip("/") + path


def curl_command(dev, version, path, *options, token=True):
    bearer = ["-H", f"Authorization: Bearer {dev.ready['token']}"] if token else []
    return ["curl", "-sS", version, "--cacert", dev.ready["ca_file"], *bearer, *options, url(dev, path)]


def curl(dev, version, path, *options, token=True):
    command = curl_command(dev, version, path, "-w", "\n%{http_version} %{http_code}", *options, token=token)
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    answer = Answer(result.stdout)
    assert answer.version == VERSIONS[version]
    return answer


def memory(pid):
    """Private memory in KiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status)[1])


@pytest.fixture(params=list(VERSIONS))
def version(request):
    return request.param


@pytest.fixture
def large(tmp_path):
    file = tmp_path / "large"
    with file.open("wb") as out:
        out.truncate(LARGE)
    return file


def test_what_is_negotiated(dev):
    """The server prefers HTTP/2 whatever the client's order, and serves those who speak only one of the two, or say nothing."""
    address = dev.ready["admin_url"].removeprefix("https://").strip("/")
    for offered, chosen in {"http/1.1,h2": "h2", "h2": "h2", "http/1.1": "http/1.1", None: None}.items():
        command = ["openssl", "s_client", "-connect", address, *(["-alpn", offered] if offered else [])]
        told = subprocess.run(command, input="", capture_output=True, text=True, errors="replace", timeout=30).stdout
        assert (f"ALPN protocol: {chosen}" if chosen else "No ALPN negotiated") in told, told
    refused = subprocess.run(["openssl", "s_client", "-connect", address, "-alpn", "h3"], input="", capture_output=True, text=True, errors="replace", timeout=30)
    assert refused.returncode != 0


def test_requests_and_errors(dev, version):
    assert curl(dev, version, "/v1/health", token=False).json()["status"] == "ok"
    assert curl(dev, version, "/v1/whoami").json()["email"] == dev.ready["email"]
    made = curl(dev, version, "/v1/roles", "--json", json.dumps({"name": f"over-http-{VERSIONS[version]}"}))
    assert made.status == 201
    again = curl(dev, version, "/v1/roles", "--json", json.dumps({"name": f"over-http-{VERSIONS[version]}"}))
    assert (again.status, again.json()["code"]) == (409, "conflict")
    removed = curl(dev, version, f"/v1/roles/{made.json()['id']}", "-X", "DELETE")
    assert (removed.status, removed.body) == (204, "")
    assert curl(dev, version, "/v1/whoami", token=False).status == 401
    assert curl(dev, version, "/v1/nothing").json()["code"] == "not_found"
    assert curl(dev, version, "/v1/health", "-X", "PUT").status == 405
    assert curl(dev, version, "/v1/roles", "--json", "{").status == 400
    head = curl(dev, version, "/v1/health", "--head", token=False)
    assert head.status == 200 and re.search(r"content-length: [1-9]", head.body, re.I) and "organization" not in head.body


def test_other_hosts_are_misdirected(dev, version):
    """The name in the request is the one of the handshake, or somebody has been led astray."""
    port = dev.ready["admin_url"].rsplit(":", 1)[1].strip("/")
    options = ["--resolve", f"localhost:{port}:127.0.0.1", "-H", "Host: elsewhere.example", "-w", "\n%{http_version} %{http_code}"]
    command = ["curl", "-sS", version, "--cacert", dev.ready["ca_file"], *options, f"https://localhost:{port}/v1/health"]
    answer = Answer(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout)
    assert (answer.status, answer.json()["code"]) == (421, "misdirected")


def test_a_watch(dev, version):
    """Lines come as they happen, while other requests are answered."""
    command = curl_command(dev, version, "/v1/audit/activities?watch=1", "-N")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        made = curl(dev, version, "/v1/roles", "--json", json.dumps({"name": "watched"})).json()
        try:
            seen = wait_until(lambda: made["id"] in watching.stdout.readline(), 20, "the activity")
            assert seen
        finally:
            curl(dev, version, f"/v1/roles/{made['id']}", "-X", "DELETE")
            watching.terminate()


def test_a_hundred_requests_at_once(dev, version, tmp_path):
    config = tmp_path / "config"
    lines = [f"url = {url(dev, '/v1/roles')}\noutput = {tmp_path}/answer-{i}\n" for i in range(100)]
    config.write_text("".join(lines))
    command = ["curl", "-sS", version, "--cacert", dev.ready["ca_file"], "-H", f"Authorization: Bearer {dev.ready['token']}",
               "--parallel", "--parallel-max", "100", "--config", config, "-w", "%{http_version} %{http_code} %{num_connects}\n"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    answers = [line.split() for line in result.stdout.splitlines()]
    assert [answer[:2] for answer in answers] == [[VERSIONS[version], "200"]] * 100
    if version == "--http2":
        assert sum(int(answer[2]) for answer in answers) < 10, "they share a connection"
    for i in range(100):
        assert "items" in json.loads((tmp_path / f"answer-{i}").read_text())


@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
@pytest.mark.parametrize("token", [True, False])
def test_a_large_body_is_refused(dev, version, large, expect, token):
    before = memory(dev.process.pid)
    for path in ("/v1/roles", "/v1/apply", "/v1/nothing"):
        for options in ([], ["-H", "Transfer-Encoding: chunked"] if version == "--http1.1" else []):
            answer = curl(dev, version, path, "-X", "POST", "-T", large, "-H", expect, *options, token=token)
            assert (answer.status, answer.json()["code"]) == (413, "body_too_large"), path
    assert memory(dev.process.pid) - before < 48 * 1024
    assert curl(dev, version, "/v1/health", token=False).status == 200


def test_an_admin_may_apply_much(dev, version, tmp_path):
    """Two megabytes are too many for everybody and everything else."""
    body = tmp_path / "body"
    body.write_bytes(b" " * 2 * 1024 * 1024)
    upload = ["-X", "POST", "-T", body]
    assert curl(dev, version, "/v1/apply", *upload).status != 413
    assert curl(dev, version, "/v1/apply", *upload, token=False).status == 413
    assert curl(dev, version, "/v1/apply", *upload, "-H", "Authorization: Bearer pat1.unknown", token=False).status == 413
    assert curl(dev, version, "/v1/roles", *upload).status == 413


@pytest.mark.parametrize("version", ["--h1", "--npn-list=h2"])
def test_thousands_of_requests(dev, version, tmp_path):
    # A caller of its own, since most of them are told that they ask too often; each is answered.
    account = f"load-{version.strip('-').replace('=', '-')}@example.com"
    dev.run("admin", "accounts", "create", account, "--service")
    dev.run("admin", "tokens", "create", "load", "--account", account, "--ends", "1h", "--out", tmp_path / "token")
    token = (tmp_path / "token").read_text().strip()
    command = ["h2load", "-n", "4000", "-c", "10", "-m", "1" if version == "--h1" else "20", version, "-H", f"authorization: Bearer {token}", url(dev, "/v1/whoami")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "4000 done" in told and "0 errored, 0 timeout" in told, told
    good, limited = (int(number) for number in re.search(r"status codes: (\d+) 2xx, 0 3xx, (\d+) 4xx, 0 5xx", told).groups())
    assert good >= 1000 and good + limited == 4000, told


def test_a_stop_ends_watches_in_good_order(postgres):
    """The answer comes to its end, and the connection is not cut."""
    with harness.running(harness.Dev({"billing-db": postgres.url()})) as own:
        command = curl_command(own, "--http2", "/v1/audit/activities?watch=1", "-N")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
            assert watching.stdout.readline()
            own.stop()
            _, error = watching.communicate(timeout=20)
            assert (watching.returncode, error) == (0, "")

"""The person's own certificate authority: made, shown and removed on the command line; what the web proxy does with it, seen by curl and by Python's TLS."""
import contextlib
import http.server
import json
import os
import pathlib
import socket
import ssl
import subprocess
import threading
import urllib.parse

import harness
import pytest
from middleboxes import issue, make_authority

HOST = "wiki.corp.example"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"{self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    make_authority(folder, "Company CA")
    issue(folder, "Company CA", "wiki", f"DNS:{HOST}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "wiki.pem", folder / "wiki.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        with harness.running(harness.Dev({"wiki": f"{at}?host_header={HOST}&tls=require"})) as deployment:
            yield deployment
        server.shutdown()


def web_port(dev):
    return urllib.parse.urlsplit(dev.ready["resources"][0]["address"]).port


@pytest.fixture
def authority(dev):
    """What `portolan web-ca create` says; gone afterwards."""
    made = json.loads(dev.run("web-ca", "create", "--json").stdout)
    yield made
    dev.run("web-ca", "remove", check=False)


def curl(dev, *options):
    """Status of the CONNECT, of the answer, its version and body."""
    command = ["curl", "-s", "--max-time", "20", "--proxy", f"http://127.0.0.1:{web_port(dev)}", "-w", "\n%{http_connect} %{http_code} %{http_version}", *options, f"https://{HOST}/a?b"]
    body, told = subprocess.run(command, capture_output=True, text=True, timeout=40).stdout.rsplit("\n", 1)
    return [*told.split(), body]


def test_a_sign_in_is_asked_for(tmp_path):
    answer = subprocess.run([harness.PORTOLAN, "web-ca", "create"], capture_output=True, text=True, timeout=30, env={**os.environ, "PORTOLAN_HOME": str(tmp_path)})
    assert answer.returncode == 3 and "portolan login" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_made_shown_and_removed(dev):
    home = pathlib.Path(dev.ready["home"])
    nothing = dev.run("web-ca", "show", check=False)
    assert nothing.returncode == 1 and "portolan web-ca create" in nothing.stderr
    wrong = dev.run("web-ca", "create", "--host", "bank.example", check=False)
    assert wrong.returncode == 2 and HOST in wrong.stderr and not (home / "web-ca.key").exists()

    made = json.loads(dev.run("web-ca", "create", "--host", HOST, "--json").stdout)
    assert made["hosts"] == [HOST] and made["missing"] == [] and made["state"] == "valid" and made["certificate"] == str(home / "web-ca.pem")
    assert (home / "web-ca.key").stat().st_mode & 0o777 == 0o600
    text = subprocess.run(["openssl", "x509", "-in", home / "web-ca.pem", "-noout", "-text", "-fingerprint", "-sha256"], capture_output=True, text=True, check=True).stdout
    assert made["sha256"] == text.rsplit("=", 1)[1].strip().replace(":", "").lower()
    assert "Name Constraints: critical" in text and f"DNS:{HOST}" in text and "IP:0.0.0.0/0.0.0.0" in text

    again = dev.run("web-ca", "create", check=False)
    assert again.returncode == 1 and "already" in again.stderr
    assert json.loads(dev.run("web-ca", "show", "--json").stdout) == made
    people = dev.run("web-ca", "show")
    assert f"--proxy http://127.0.0.1:{web_port(dev)} " in people.stderr and f"http://localhost:{web_port(dev)}/proxy.pac" in people.stderr
    assert made["sha256"] in people.stdout and "certutil" in people.stderr and "PRIVATE" not in people.stdout + people.stderr

    removed = json.loads(dev.run("web-ca", "remove", "--json").stdout)
    assert removed == {"certificate": made["certificate"], "sha256": made["sha256"]}
    assert not (home / "web-ca.key").exists() and not (home / "web-ca.pem").exists()
    assert dev.run("web-ca", "remove", check=False).returncode == 1


@pytest.mark.parametrize("options", [[], ["--tls-max", "1.2"], ["--tlsv1.3"], ["--no-alpn"]], ids=["default", "tls-1.2", "tls-1.3", "no-alpn"])
def test_an_application_by_its_real_name(dev, authority, options):
    assert curl(dev, "--cacert", authority["certificate"], *options) == ["200", "200", "1.1", f"{HOST} /a?b"]


def test_nothing_without_it(dev):
    """Neither before it is made nor after it has gone, without a restart of the agent."""
    for _ in range(2):
        connect, status, _, body = curl(dev, "--insecure")
        assert connect[0] in "45" and status == "000" and HOST + " /a" not in body
        made = json.loads(dev.run("web-ca", "create", "--json").stdout)
        assert curl(dev, "--cacert", made["certificate"])[1] == "200"
        assert curl(dev)[1] == "000"  # the system trusts nothing of it
        dev.run("web-ca", "remove")


@contextlib.contextmanager
def tunnel(dev):
    with socket.create_connection(("127.0.0.1", web_port(dev)), timeout=20) as stream:
        stream.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.recv(1)
            assert byte, head
            head += byte
        assert head.startswith(b"HTTP/1.1 200 ")
        yield stream


def test_another_name_within_the_tunnel_is_refused(dev, authority):
    trusting = ssl.create_default_context(cafile=authority["certificate"])
    with tunnel(dev) as stream, trusting.wrap_socket(stream, server_hostname=HOST) as tls:
        assert tls.getpeercert()["subjectAltName"] == (("DNS", HOST),)
    for other in ("bank.example", f"a.{HOST}", None):
        careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        with tunnel(dev) as stream, pytest.raises((ssl.SSLError, ConnectionError)):
            careless.wrap_socket(stream, server_hostname=other)


def test_http2_is_not_spoken_within(dev, authority):
    trusting = ssl.create_default_context(cafile=authority["certificate"])
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    with tunnel(dev) as stream, trusting.wrap_socket(stream, server_hostname=HOST) as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"

"""Web resources over TLS: nginx with certificates of a test authority, HTTP/2, and certificates that the resource shows."""
import harness
import pytest
from webapps import resource
from webclients import Raw, curl
from webservers import Authority, Nginx

NAME = "wiki.corp.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "Strangers CA")


class Ports:
    """Where nginx does what."""

    def __init__(self):
        self.plain_http2, self.misnamed, self.old, self.members = (harness.free_port() for _ in range(4))


@pytest.fixture(scope="module")
def ports():
    return Ports()


@pytest.fixture(scope="module")
def nginx(authority, ports):
    own, misnamed = authority.issue("own", f"DNS:{NAME}"), authority.issue("misnamed", "DNS:other.corp.example")

    def servers(server):
        show = lambda pair: f"ssl_certificate '{pair[0]}'; ssl_certificate_key '{pair[1]}';"  # noqa: E731
        answer = 'return 200 "$server_protocol $http_host $ssl_server_name $ssl_client_s_dn\\n";'
        return f"""  server {{ listen 127.0.0.1:{server.port} ssl http2; {show(own)}
    location / {{ {answer} }}
    location /files {{ alias {server.files}; dav_methods PUT; }}
  }}
  server {{ listen 127.0.0.1:{ports.plain_http2} http2; {answer} }}
  server {{ listen 127.0.0.1:{ports.misnamed} ssl; {show(misnamed)} {answer} }}
  server {{ listen 127.0.0.1:{ports.old} ssl; ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0; {show(own)} {answer} }}
  server {{ listen 127.0.0.1:{ports.members} ssl http2; {show(own)} ssl_client_certificate '{authority.file}'; ssl_verify_client on; {answer} }}"""

    with harness.running(Nginx(servers)) as server:
        (server.files / "big").write_bytes(b"0123456789abcdef" * (1 << 18))
        yield server


@pytest.fixture(scope="module")
def dev(nginx, authority, strangers, ports):
    full = {"tls": "verify-full", "tls_ca_file": authority.file, "host_header": NAME}
    shows = lambda pair: {"tls_certificate_file": pair[0], "tls_key_file": pair[1]}  # noqa: E731
    resources = {
        "full": resource(nginx.port, **full),
        "full-1": resource(nginx.port, http_version="1.1", **full),
        "full-2": resource(nginx.port, http_version="2", **full),
        "named": resource(nginx.port, tls="verify-full", tls_ca_file=authority.file, tls_server_name=NAME),
        "unnamed": resource(nginx.port, tls="verify-full", tls_ca_file=authority.file),
        "misnamed": resource(ports.misnamed, **full),
        "misnamed-ca": resource(ports.misnamed, **{**full, "tls": "verify-ca"}),
        "stranger": resource(nginx.port, **{**full, "tls_ca_file": strangers.file}),
        "stranger-ca": resource(nginx.port, **{**full, "tls": "verify-ca", "tls_ca_file": strangers.file}),
        "store": resource(nginx.port, tls="verify-full", host_header=NAME),
        "any": resource(nginx.port, tls="require"),
        "old": resource(ports.old, tls="require"),
        "plain": resource(nginx.port),
        "tls-less": resource(ports.plain_http2, tls="require"),
        "prior": resource(ports.plain_http2, http_version="2", host_header=NAME),
        "members": resource(ports.members, **full, **shows(authority.issue_to_person("portolan"))),
        "outsiders": resource(ports.members, **full, **shows(strangers.issue_to_person("outsider"))),
        "nobody": resource(ports.members, **full),
    }
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


@pytest.mark.parametrize("name,protocol,host,server_name", [
    ("full", "HTTP/2.0", NAME, NAME), ("full-1", "HTTP/1.1", NAME, NAME), ("full-2", "HTTP/2.0", NAME, NAME), ("named", "HTTP/2.0", None, NAME),
    ("misnamed-ca", "HTTP/1.1", NAME, NAME), ("any", "HTTP/2.0", None, ""), ("prior", "HTTP/2.0", NAME, "")])
def test_what_the_application_sees(dev, nginx, name, protocol, host, server_name):
    told = curl(dev.url(name))
    assert told.status == 200, told
    assert told.body.decode().rstrip("\n").split(" ") == [protocol, host or f"127.0.0.1:{nginx.port}", server_name, ""]


@pytest.mark.parametrize("name,words", [
    ("misnamed", ["certificate", "hostname mismatch"]), ("unnamed", ["certificate"]), ("stranger", ["certificate"]), ("stranger-ca", ["certificate"]),
    ("store", ["certificate"]), ("old", ["protocol version"]), ("tls-less", ["does not speak tls"])])
def test_who_is_not_proven_is_refused_and_told_why(dev, nginx, name, words):
    before = len(nginx.requests())
    page = curl(dev.url(name, "/private"), "-H", "Accept: text/html", "-H", "Authorization: Basic c2VjcmV0")
    assert page.status == 502 and page.first("content-type").startswith("text/html")
    assert [word for word in words if word not in page.body.decode()] == [], page.body.decode()
    assert nginx.requests()[before:] == [], "nothing is said to it"
    problem = curl(dev.url(name)).json()
    assert problem["hop"] == "resource" and problem["status"] == 502
    check = dev.run("admin", "resources", "check", name, check=False)
    assert check.returncode != 0 and words[0] in check.stdout + check.stderr, check


def test_plain_http_to_a_port_of_tls(dev):
    """nginx says so itself."""
    answer = curl(dev.url("plain"))
    assert answer.status == 400 and b"plain HTTP request was sent to HTTPS port" in answer.body


@pytest.mark.parametrize("name", ["full", "full-1"])
def test_bodies_both_ways(dev, nginx, name, tmp_path):
    down = curl(dev.url(name, "/files/big"))
    assert down.body == b"0123456789abcdef" * (1 << 18)
    (tmp_path / "up").write_bytes(down.body[5:])
    assert curl(dev.url(name, f"/files/{name}"), "-T", tmp_path / "up").status == 201
    assert (nginx.files / name).read_bytes() == down.body[5:]
    part = curl(dev.url(name, "/files/big"), "-r", "4194300-")
    assert part.status == 206 and part.body == b"cdef"


def test_one_connection_of_http_2_carries_many_requests(dev, nginx):
    with Raw(dev, "full") as client:
        for _ in range(10):
            client.get("/?kept")
            assert client.answer()[0] == 200
    entries = harness.wait_until(lambda: len(found := nginx.requests("/?kept")) == 10 and found, 5, "nginx's log")
    assert len({entry["connection"] for entry in entries}) == 1


def test_the_resource_shows_its_certificate(dev):
    told = curl(dev.url("members"))
    assert told.status == 200 and told.body.decode().split(" ")[-1] == "CN=portolan\n"
    assert "healthy" in dev.run("admin", "resources", "check", "members").stdout


@pytest.mark.parametrize("name", ["outsiders", "nobody"])
def test_a_certificate_that_the_application_does_not_take(dev, name):
    answer = curl(dev.url(name))
    assert answer.status in (400, 502) and b"CN=" not in answer.body
    assert b"ertificate" in answer.body, answer

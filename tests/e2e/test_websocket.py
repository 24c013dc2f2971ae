"""Links over WebSocket (docs/wire.md, "Links over WebSocket"): networks that inspect TLS, close the gateway's port, or let only HTTP pass, through a proxy."""
import http.client
import json
import os
import pathlib
import random
import select
import shutil
import signal
import ssl
import subprocess
import tempfile

import harness
import pytest
from harness import client_environment, free_port, wait_until
from middleboxes import ConnectProxy, Inspector, issue, make_authority

HOST = "127.0.0.1"
FEW = 15  # seconds, for what takes a few


class Deployment:
    """Processes as an operator starts them: control plane, gateway, relay, agent. People and relay reach the gateway's port through the inspector `plain`, and its web
    address through `web`; the resource through the relay."""

    web_name, subject = HOST, "IP:127.0.0.1"
    relay_options = ("--web-links",)

    def __init__(self, postgres):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-web-"))
        self.processes = {}
        self.boxes = []
        self.postgres = postgres
        try:
            self.set_up()
        except BaseException:
            for log in sorted(self.folder.glob("*.log")):
                print(f"== {log.name}\n{log.read_text()[-3000:]}")
            self.destroy()
            raise

    def environment(self, home, **more):
        outside = {key: value for key, value in os.environ.items() if key.lower() not in ("https_proxy", "no_proxy")}
        return {**outside, "PORTOLAN_HOME": str(self.folder / home), "PORTOLAN_DRAIN_LIMIT": "0s", "PORTOLAN_WEB_PROXY": "none", "NO_COLOR": "1", **more}

    def start(self, name, *words, **more):
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen([harness.PORTOLAN, *map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment("home", **more))

    def stop(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def run(self, *words):
        result = subprocess.run([harness.PORTOLAN, *map(str, words)], env=self.environment("home"), capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result.stdout

    def box(self, box):
        self.boxes.append(box)
        return box

    def set_up(self):
        for authority in ("Public CA", "Inspection CA"):
            make_authority(self.folder, authority)
        issue(self.folder, "Public CA", "gateway", self.subject)
        issue(self.folder, "Inspection CA", "inspected", self.subject)
        (self.folder / "trusted.pem").write_text((self.folder / "Public CA.pem").read_text() + (self.folder / "Inspection CA.pem").read_text())
        self.gateway_port, self.web_port = free_port(), free_port()
        shown = (self.folder / "inspected.pem", self.folder / "inspected.key")
        self.plain = self.box(Inspector(self.gateway_port, *shown))
        self.web = self.box(Inspector(self.web_port, *shown, trusted=self.folder / "Public CA.pem"))
        self.control = f"{HOST}:{free_port()}"
        password = self.folder / "password"
        self.start("server", "server", "--data", self.folder / "server", "--listen", self.control, "--sealing-key-file", self.folder / "seal.key",
                   "--admin-email", "ann@example.com", "--admin-password-out", password)
        wait_until(lambda: password.exists() and password.read_text(), 20, "the control plane is there")
        fingerprint = wait_until(lambda: next((word for word in self.log("server").replace(":", " ").split() if len(word) == 64 and set(word) <= set("0123456789abcdef")),
                                              None), 20, "its fingerprint is printed")
        self.run("login", self.control, "--email", "ann@example.com", "--ca-sha256", fingerprint, "--password-file", password, "--no-agent")
        for kind in ("gateway", "relay"):
            self.run("admin", "nodes", "token", "create", "--kind", kind, "--out", self.folder / f"{kind}.token")
        self.start("gateway", *self.node("gateway"), "--listen", f"{HOST}:{self.gateway_port}", "--advertise", f"{HOST}:{self.plain.port}",
                   "--web-listen", f"{HOST}:{self.web_port}", "--web-certificate", self.folder / "gateway.pem", "--web-key", self.folder / "gateway.key",
                   "--web-advertise", self.web_address())
        wait_until(lambda: "gateway" in self.run("admin", "nodes", "list"), 20, "the gateway has joined")
        self.start_relay()
        wait_until(lambda: "relay" in self.run("admin", "nodes", "list"), 20, "the relay has joined")
        secret = self.folder / "secret"
        secret.write_text(self.postgres.password)
        secret.chmod(0o600)
        self.local_port = random.randrange(20_000, 32_000)  # of those that resources may have
        self.run("admin", "resources", "create", "db", "--url", f"postgres://{self.postgres.user}@{HOST}:{self.postgres.port}/postgres", "--password-file", secret,
                 "--local-port", self.local_port, "--egress", "relay")
        self.run("admin", "roles", "create", "all")
        self.run("admin", "grants", "create", "all", "db")
        self.run("admin", "memberships", "create", "ann@example.com", "all")
        self.start_agent()

    def web_address(self):
        return f"{self.web_name}:{self.web.port}"

    def node(self, kind):
        return ["node", "--data", self.folder / kind, "--control", self.control, "--join-token-file", self.folder / f"{kind}.token", "--name", kind, "--health", "none",
                "--metrics", "none", "--web-ca-file", self.folder / "trusted.pem", "--plain-retry", "1s"]

    def start_relay(self, **more):
        self.start("relay", *self.node("relay"), *self.relay_options, **more)

    def start_agent(self, *options, **more):
        self.start("agent", "agent", "--connect-all", "--no-status-port", "--web-ca-file", self.folder / "trusted.pem", *(options or ("--plain-retry", "1s")), **more)
        wait_until(self.agent_runs, FEW, "the agent runs")

    def psql_command(self, *words):
        return ["psql", "-X", "-At", "-h", HOST, "-p", str(self.local_port), "-U", "anybody", "-d", "postgres", *words]

    def answers(self):
        result = subprocess.run(self.psql_command("-c", "select 6 * 7"), env=client_environment(), capture_output=True, text=True, timeout=60)
        return result.stdout.strip() == "42"

    def agent_runs(self):
        return subprocess.run([harness.PORTOLAN, "status"], env=self.environment("home"), capture_output=True, timeout=60).returncode == 0

    def gateway(self):
        return json.loads(self.run("status", "--json"))["gateways"][0]

    def way(self):
        """None while there is no link."""
        gateway = self.gateway()
        return gateway.get("way", "plain") if gateway["state"] == "linked" else None

    def path(self):
        return json.loads(self.run("status", "--json"))["paths"][0]

    def destroy(self):
        for name in list(reversed(self.processes)):
            self.stop(name)
        for box in self.boxes:
            box.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def deployment(postgres):
    with harness.running(Deployment(postgres)) as made:
        wait_until(made.answers, 30, "the database is reached")
        yield made
        if os.environ.get("PORTOLAN_SHOW_LOGS"):
            print(made.log("agent")[-5000:], made.log("relay")[-5000:])


@pytest.fixture
def plain(deployment):
    """As it is where nothing stands in the way."""
    deployment.plain.set("pass")
    deployment.web.set("pass")
    wait_until(lambda: deployment.way() == "plain", 30, "the plain way is used")
    wait_until(deployment.answers, FEW, "the database is reached")
    return deployment


def test_the_plain_way_where_it_serves(plain):
    assert plain.way() == "plain" and plain.path()["kind"] == "spliced", plain.path()


def test_where_tls_is_inspected_a_session_goes_on_by_websocket_and_back(plain):
    with subprocess.Popen(plain.psql_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=client_environment(), bufsize=1) as psql:
        def ask(number):
            psql.stdin.write(f"select {number} * 2, pg_backend_pid();\n")
            psql.stdin.flush()
            assert select.select([psql.stdout], [], [], 60)[0], "no answer"
            return psql.stdout.readline().strip().split("|")
        doubled, backend = ask(1)
        plain.plain.set("inspect")
        assert ask(2) == ["4", backend], "the same session"
        gateway = plain.gateway()
        assert gateway["way"] == "websocket" and gateway["way_address"] == plain.web_address(), gateway
        assert "TLS is intercepted" in gateway["way_reason"] and "Inspection CA" in gateway["way_reason"], gateway
        assert f"by WebSocket on {plain.web_address()}: TLS is intercepted" in plain.run("status")
        path = plain.path()
        assert path["kind"] == "nested" and "WebSocket" in path["fallback"], path
        assert wait_until(plain.answers, FEW, "new sessions go the same way")
        plain.plain.set("pass")
        wait_until(lambda: plain.way() == "plain", FEW, "the plain way is taken back")
        assert ask(3) == ["6", backend]
        wait_until(lambda: "is reached by WebSocket" not in plain.path().get("fallback", ""), FEW, "its path goes the plain way, too")
        psql.stdin.close()
        psql.wait(timeout=20)


@pytest.mark.parametrize("mode", ["close", "swallow"])
def test_where_the_port_is_closed(plain, mode):
    plain.plain.set(mode)
    wait_until(plain.answers, 30, "the database is reached")
    assert plain.way() == "websocket", plain.gateway()


def test_where_everything_is_inspected_the_inspector_sees_ciphertext(plain):
    """The company's own authority is trusted for the outer TLS, as on its machines; inside is ours."""
    plain.plain.set("inspect")
    plain.web.set("inspect")
    wait_until(plain.answers, 30, "the database is reached")
    assert plain.way() == "websocket", plain.gateway()
    seen = plain.web.inspected
    assert b"GET /portolan/link" in seen and b"101 Switching Protocols" in seen
    assert b"select" not in seen and b"portolan-assertion" not in seen


def test_the_next_start_does_not_wait(plain):
    plain.plain.set("swallow")
    wait_until(lambda: plain.way() == "websocket", 30, "the web address is used")
    for part in ("agent", "relay"):
        plain.stop(part)
    plain.plain.connections = 0
    plain.start_agent("--plain-retry", "10m")
    wait_until(lambda: plain.way() == "websocket", FEW, "a link is there")
    assert plain.plain.connections == 0, "the plain way was not tried first"
    plain.stop("agent")
    plain.start_relay()
    plain.start_agent()
    wait_until(plain.answers, 30, "the database is reached")


def test_a_relay_dials_no_web_port_that_it_is_not_allowed(plain):
    plain.stop("relay")
    before = len(plain.log("relay"))
    plain.plain.set("close")
    try:
        plain.relay_options = ()
        plain.start_relay()
        wait_until(lambda: "which --web-links allows" in plain.log("relay")[before:], FEW, "it says what would help")
        assert not plain.answers()
        assert "is reached by WebSocket" not in plain.log("relay")[before:]
        plain.stop("relay")
    finally:
        del plain.relay_options
    plain.start_relay()
    wait_until(plain.answers, 30, "the database is reached")


def test_everything_else_is_not_found(plain):
    context = ssl.create_default_context(cafile=plain.folder / "Public CA.pem")
    for method, path in (("GET", "/"), ("GET", "/portolan/link"), ("POST", "/portolan/link"), ("GET", "/v1/nodes")):
        connection = http.client.HTTPSConnection(HOST, plain.web_port, context=context, timeout=20)
        connection.request(method, path)
        assert connection.getresponse().status == 404, (method, path)
        connection.close()


def test_an_outer_certificate_of_nobody_is_not_taken(plain):
    plain.stop("agent")
    plain.plain.set("inspect")
    plain.start("agent", "agent", "--connect-all", "--no-status-port")
    wait_until(plain.agent_runs, FEW, "the agent runs")
    reason = wait_until(lambda: plain.gateway().get("reason") if "by WebSocket on" in plain.gateway().get("reason", "") else None, FEW, "both ways have failed")
    assert reason.count("not accepted") == 2, reason
    plain.stop("agent")
    plain.plain.set("pass")
    plain.start_agent()
    wait_until(plain.answers, 30, "the database is reached")


class BehindAProxy(Deployment):
    """The web address is a name that only the proxy knows."""

    web_name, subject = "gw.invalid", "DNS:gw.invalid"
    user, password = "ann", "s3cret/word"

    def set_up(self):
        super().set_up()
        self.proxy = self.box(ConnectProxy({self.web_address(): self.web.port}, self.user, self.password))

    def variable(self, password):
        return f"http://{self.user}:{password.replace('/', '%2F')}@{HOST}:{self.proxy.port}"


def test_through_an_http_proxy(postgres):
    with harness.running(BehindAProxy(postgres)) as made:
        wait_until(made.answers, 30, "the database is reached")
        for part in ("agent", "relay"):
            made.stop(part)
        made.plain.set("close")
        made.start_agent(HTTPS_PROXY=made.variable("0ther-word"))
        made.start_relay(https_proxy=made.variable(made.password))
        reason = wait_until(lambda: made.gateway().get("reason") if "407" in made.gateway().get("reason", "") else None, FEW, "the proxy wants another password")
        assert "HTTPS_PROXY" in reason
        made.stop("agent")
        made.start_agent(HTTPS_PROXY=made.variable(made.password), NO_PROXY=".example.com")
        wait_until(made.answers, 30, "the database is reached")
        assert made.way() == "websocket", made.gateway()
        assert ("CONNECT", made.web_address()) in made.proxy.asked
        for part in ("agent", "relay"):
            assert "s3cret" not in made.log(part) and "0ther" not in made.log(part), "credentials are not logged"
        assert "s3cret" not in made.run("status", "--json")

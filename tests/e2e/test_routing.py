"""Gateways that lead to gateways (docs/guide/nodes.md), in network namespaces: the agent reaches the first one only, the relay the others only."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import harness
import pytest
from harness import wait_until
from test_network_change import CLIENT, ECHO, SERVER, Network

pytestmark = pytest.mark.skipif(os.getuid() != 0 or not shutil.which("nft"), reason="makes network namespaces")

GATEWAYS = {"g1": 5001, "g2": 5002, "g3": 5003}
RELAY_SIDE, RELAY = "10.219.8.1", "10.219.8.2"
# A pause of a session when a gateway on the way is killed; and when it falls silent, which is noticed after a second.
PAUSE, PAUSE_SILENT = 1.0, 3.0
BUSY = 3  # times that where other work may be running on the machine

SESSION = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", 17777), timeout=60)
for line in sys.stdin:
    connection.sendall(line.encode())
    print(connection.recv(64).decode().strip(), flush=True)
"""


class Routed(Network):
    """Control plane and gateways in one namespace, the agent in another, the relay with its resource in a third."""

    def __init__(self):
        super().__init__()
        self.relay = f"pl-relay-{os.getpid()}"
        self.nodes = {}
        try:
            self.set_up()
        except BaseException:
            print((self.folder / "log").read_text()[-6000:])
            self.destroy()
            raise

    def destroy(self):
        super().destroy()
        subprocess.run(["ip", "netns", "delete", self.relay], capture_output=True)

    def admin(self, *words):
        return self.within(self.far, harness.PORTOLAN, "admin", *words, env={**os.environ, "PORTOLAN_HOME": str(self.folder / "admin")})

    def cable(self):
        self.ip("netns", "add", self.relay)
        self.within(self.relay, "ip", "link", "set", "lo", "up")
        self.ip("link", "add", "plfar2", "netns", self.far, "type", "veth", "peer", "name", "plrelay", "netns", self.relay)
        self.within(self.far, "ip", "addr", "add", f"{RELAY_SIDE}/24", "dev", "plfar2")
        self.within(self.relay, "ip", "addr", "add", f"{RELAY}/24", "dev", "plrelay")
        self.within(self.far, "ip", "link", "set", "plfar2", "up")
        self.within(self.relay, "ip", "link", "set", "plrelay", "up")
        self.within(self.relay, "ip", "route", "add", f"{SERVER}/32", "via", RELAY_SIDE)
        self.within(self.far, "nft", "add", "table", "inet", "f")
        self.within(self.far, "nft", "add", "chain", "inet", "f", "in", "{ type filter hook input priority 0; }")
        for source, ports in ((CLIENT, "5002-5003"), (RELAY, "5001")):
            self.within(self.far, "nft", "add", "rule", "inet", "f", "in", "ip", "saddr", source, "tcp", "dport", ports, "reject", "with", "tcp", "reset")

    def token(self, kind, name):
        path = self.folder / f"{name}.token"
        self.admin("nodes", "token", "create", "--kind", kind, "--out", path)
        return path

    def start_gateway(self, name):
        address = f"{SERVER}:{GATEWAYS[name]}"
        data = self.folder / name
        token = [] if data.exists() else ["--join-token-file", self.token("gateway", name)]
        self.nodes[name] = self.start(self.far, harness.PORTOLAN, "node", "--data", data, "--control", self.control, *token, "--name", name,
                                      "--listen", address, "--advertise", address, "--health", "none", "--metrics", "none", home=self.folder / "admin")

    def set_up(self):
        self.cable()
        admin, self.home = self.folder / "admin", self.folder / "home"
        self.control, password = f"{SERVER}:4430", self.folder / "password"
        self.start(self.relay, sys.executable, "-c", ECHO, home=admin)
        self.start(self.far, harness.PORTOLAN, "server", "--data", self.folder / "server", "--listen", self.control, "--sealing-key-file", self.folder / "seal.key",
                   "--admin-email", "ann@example.com", "--admin-password-out", password, home=admin)
        wait_until(lambda: password.exists() and password.read_text(), 20, "the control plane is there")
        fingerprint = wait_until(lambda: next((word for word in (self.folder / "log").read_text().replace(":", " ").split()
                                               if len(word) == 64 and set(word) <= set("0123456789abcdef")), None), 20, "its fingerprint is printed")
        login = ["login", self.control, "--email", "ann@example.com", "--ca-sha256", fingerprint, "--password-file", password, "--no-agent"]
        self.within(self.far, harness.PORTOLAN, *login, env={**os.environ, "PORTOLAN_HOME": str(admin)})
        for name in GATEWAYS:
            self.start_gateway(name)
        self.start(self.relay, harness.PORTOLAN, "node", "--data", self.folder / "relay", "--control", self.control, "--join-token-file", self.token("relay", "relay"),
                   "--name", "relay", "--health", "none", "--metrics", "none", home=admin)
        wait_until(lambda: "relay" in self.admin("nodes", "list"), 20, "the relay has joined")
        self.admin("resources", "create", "echo", "--url", "tcp://127.0.0.1:7777", "--local-port", "17777", "--egress", "relay")
        self.admin("roles", "create", "all")
        self.admin("grants", "create", "all", "echo")
        self.admin("memberships", "create", "ann@example.com", "all")
        self.within(self.near, harness.PORTOLAN, *login, env={**os.environ, "PORTOLAN_HOME": str(self.home)})
        self.start(self.near, harness.PORTOLAN, "agent", "--connect-all", "--no-status-port", home=self.home)

    def path(self):
        status = json.loads(self.within(self.near, harness.PORTOLAN, "status", "--json", env={**os.environ, "PORTOLAN_HOME": str(self.home)}))
        return next(iter(status["paths"]), None)

    def hops(self):
        path = self.path()
        return path["hops"] if path and path["state"] == "linked" else None


class Session:
    def __init__(self, network):
        self.process = subprocess.Popen(["ip", "netns", "exec", network.near, sys.executable, "-c", SESSION], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, text):
        """Seconds until it is echoed."""
        began = time.monotonic()
        self.process.stdin.write(text + "\n")
        assert self.process.stdout.readline().strip() == text
        return time.monotonic() - began

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0


@pytest.fixture(scope="module")
def routed():
    with harness.running(Routed()) as made:
        yield made


def first_answer(network):
    def attempt():
        session = Session(network)
        try:
            session.ask("hello")
        except AssertionError:
            session.process.kill()
            session.process.wait()
            return None
        return session
    return wait_until(attempt, 60, "the echo is reached through two gateways")


def test_a_session_goes_by_two_gateways_and_on_when_the_second_one_goes(routed):
    session = first_answer(routed)
    path = routed.path()
    assert path["gateway"] == "g1" and path["kind"] == "spliced" and "fallback" not in path, path
    first, second = path["hops"]
    assert first == "g1" and second in ("g2", "g3")
    other = {"g2": "g3", "g3": "g2"}[second]
    assert f"g1, {second}" in routed.within(routed.near, harness.PORTOLAN, "status", env={**os.environ, "PORTOLAN_HOME": str(routed.home)})

    os.kill(routed.nodes[second].pid, signal.SIGKILL)
    taken = session.ask("still here")
    print(f"a gateway on the way was killed: answered after {taken:.2f} s")
    assert taken < PAUSE * BUSY
    assert wait_until(routed.hops, 10, "the path is linked") == ["g1", other]
    assert routed.path()["handshakes"] == 1, "the session's link was resumed"

    routed.start_gateway(second)
    wait_until(lambda: {node["state"] for node in map(json.loads, routed.admin("nodes", "list", "--json").splitlines())} == {"up"}, 30, "it is back")
    os.kill(routed.nodes[other].pid, signal.SIGSTOP)
    try:
        taken = session.ask("and still")
        print(f"a gateway on the way fell silent: answered after {taken:.2f} s")
        assert taken < PAUSE_SILENT * BUSY
    finally:
        os.kill(routed.nodes[other].pid, signal.SIGCONT)
    session.end()


def test_without_a_gateway_that_leads_there_it_says_so(routed):
    for name in ("g2", "g3"):
        os.kill(routed.nodes[name].pid, signal.SIGKILL)
    try:
        session = Session(routed)
        session.process.stdin.write("x\n")
        reason = lambda: (routed.path() or {}).get("reason", "")  # noqa: E731
        said = wait_until(reason, 20, "status says why")
        assert "gateway g1" in said, said
        session.process.kill()
        session.process.wait()
    finally:
        for name in ("g2", "g3"):
            routed.start_gateway(name)

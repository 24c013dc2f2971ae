"""An agent whose network goes and comes, in network namespaces of its own: sessions open again at once, without a wait for
TCP to find out that the old connections are dead."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import harness
import pytest
from harness import wait_until

PROMISE = 2.0       # seconds, in the product's promise
LIMIT = 3 * PROMISE  # what a test on a busy machine allows; dead links are else found after 25

pytestmark = pytest.mark.skipif(os.getuid() != 0 or not shutil.which("ip"), reason="makes network namespaces")

SERVER, CLIENT, MOVED = "10.219.7.1", "10.219.7.2", "10.219.7.3"
ECHO = """
import socket, threading
server = socket.create_server(("127.0.0.1", 7777))
def serve(connection):
    while data := connection.recv(4096):
        connection.sendall(data)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
KNOCK = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
connection.settimeout(20)
connection.sendall(b"hello")
print(connection.recv(16).decode())
"""


class Network:
    """Two namespaces, one cable."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-net-"))
        self.far, self.near = f"pl-far-{os.getpid()}", f"pl-near-{os.getpid()}"
        self.processes = []
        for name in (self.far, self.near):
            self.ip("netns", "add", name)
            self.within(name, "ip", "link", "set", "lo", "up")
        self.ip("link", "add", "plfar", "netns", self.far, "type", "veth", "peer", "name", "plnear", "netns", self.near)
        self.within(self.far, "ip", "addr", "add", f"{SERVER}/24", "dev", "plfar")
        self.within(self.near, "ip", "addr", "add", f"{CLIENT}/24", "dev", "plnear")
        self.within(self.far, "ip", "link", "set", "plfar", "up")
        self.within(self.near, "ip", "link", "set", "plnear", "up")

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def within(self, name, *words, **more):
        result = subprocess.run(["ip", "netns", "exec", name, *map(str, words)], capture_output=True, text=True, timeout=60, **more)
        assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result.stdout

    def start(self, name, *words, home):
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(["ip", "netns", "exec", name, *map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**os.environ, "PORTOLAN_HOME": str(home), "PORTOLAN_DRAIN_LIMIT": "1s"})
        self.processes.append(process)
        return process

    def destroy(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(timeout=20)
        for name in (self.far, self.near):
            self.ip("netns", "delete", name)
        shutil.rmtree(self.folder, ignore_errors=True)


class Deployment(Network):
    def __init__(self):
        super().__init__()
        try:
            self.set_up()
        except BaseException:
            print((self.folder / "log").read_text()[-4000:])
            self.destroy()
            raise

    def command(self, name, home, *words):
        return self.within(name, harness.PORTOLAN, *words, env={**os.environ, "PORTOLAN_HOME": str(home)})

    def set_up(self):
        admin, self.home = self.folder / "admin", self.folder / "home"
        control, password, data = f"{SERVER}:4430", self.folder / "password", self.folder / "server"
        self.start(self.far, sys.executable, "-c", ECHO, home=admin)
        self.start(self.far, harness.PORTOLAN, "server", "--data", data, "--listen", control, "--sealing-key-file", self.folder / "seal.key",
                   "--admin-email", "ann@example.com", "--admin-password-out", password, home=admin)
        wait_until(lambda: password.exists() and password.read_text(), 20, "the control plane is there")
        fingerprint = wait_until(lambda: next((word for word in (self.folder / "log").read_text().replace(":", " ").split()
                                               if len(word) == 64 and set(word) <= set("0123456789abcdef")), None), 20, "its fingerprint is printed")
        login = ["login", control, "--email", "ann@example.com", "--ca-sha256", fingerprint, "--password-file", password, "--no-agent"]
        wait_until(lambda: subprocess.run(["ip", "netns", "exec", self.far, "true"]).returncode == 0, 5, "namespaces work")
        self.command(self.far, admin, *login)
        token = self.folder / "gateway.token"
        self.command(self.far, admin, "admin", "nodes", "token", "create", "--kind", "gateway", "--out", token)
        self.start(self.far, harness.PORTOLAN, "node", "--data", self.folder / "gateway", "--control", control, "--join-token-file", token,
                   "--listen", f"{SERVER}:5000", "--advertise", f"{SERVER}:5000", "--health", "none", "--metrics", "none", home=admin)
        self.command(self.far, admin, "admin", "resources", "create", "echo", "--url", "tcp://127.0.0.1:7777", "--local-port", "17777")
        self.command(self.far, admin, "admin", "roles", "create", "all")
        self.command(self.far, admin, "admin", "grants", "create", "all", "echo")
        self.command(self.far, admin, "admin", "memberships", "create", "ann@example.com", "all")
        self.command(self.near, self.home, *login)
        self.start(self.near, harness.PORTOLAN, "agent", "--connect-all", "--no-status-port", home=self.home)
        wait_until(lambda: self.knock(check=False) == "hello", 20, "the echo is reached")

    def knock(self, check=True):
        result = subprocess.run(["ip", "netns", "exec", self.near, sys.executable, "-c", KNOCK, "17777"], capture_output=True, text=True, timeout=30)
        assert not check or result.returncode == 0, result.stderr
        return result.stdout.strip()

    def status(self):
        return json.loads(self.command(self.near, self.home, "status", "--json"))

    def seconds_until_it_answers(self):
        began = time.monotonic()
        assert self.knock() == "hello"
        return time.monotonic() - began


@pytest.fixture(scope="module")
def deployment():
    with harness.running(Deployment()) as made:
        yield made


def test_another_address(deployment):
    """A laptop that comes to another network: its old connections lead nowhere, and nobody says so."""
    deployment.within(deployment.near, "ip", "addr", "del", f"{CLIENT}/24", "dev", "plnear")
    deployment.within(deployment.near, "ip", "addr", "add", f"{MOVED}/24", "dev", "plnear")
    taken = deployment.seconds_until_it_answers()
    print(f"answered {taken:.2f} s after the address changed")
    assert taken < LIMIT
    wait_until(lambda: deployment.status()["control_state"] == "up", LIMIT, "the control plane's watch is up again")


def test_the_link_goes_down_and_comes_back(deployment):
    """Long enough for retransmissions and back-off to have grown."""
    deployment.within(deployment.near, "ip", "link", "set", "plnear", "down")
    wait_until(lambda: deployment.status()["gateways"][0]["state"] == "down", LIMIT, "the agent has seen that the gateway is away")
    wait_until(lambda: deployment.status()["control_state"] == "down", LIMIT, "the agent has seen that the control plane is away")
    deployment.within(deployment.near, "ip", "link", "set", "plnear", "up")
    taken = deployment.seconds_until_it_answers()
    print(f"answered {taken:.2f} s after the link was up")
    assert taken < LIMIT
    wait_until(lambda: deployment.status()["control_state"] == "up", LIMIT, "the control plane's watch is up again")


def test_a_change_that_harms_nothing_breaks_nothing(deployment):
    """An address more: links that answer are kept, and the sessions on them."""
    handshakes = deployment.status()["paths"][0]["handshakes"]
    deployment.within(deployment.near, "ip", "addr", "add", "10.219.8.1/24", "dev", "plnear")
    time.sleep(2)
    assert deployment.status()["paths"][0]["handshakes"] == handshakes
    assert deployment.knock() == "hello"

"""Proxy clusters (docs/guide/clusters.md): workers behind a real haproxy, behind bridge workers, and one alone."""
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import harness
import pgwire
import pytest
from harness import free_port, wait_until
from test_session_ends import last_words

SOON = 10.0  # seconds


class Haproxy:
    """Passes TCP, says whose it is (PROXY protocol, version 2), takes its servers in turn, and looks at each every fifth of a second."""

    def __init__(self, ports):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-haproxy-"))
        self.port = free_port()
        servers = "".join(f"  server w{port} 127.0.0.1:{port} send-proxy-v2 check inter 200ms fall 1 rise 1\n" for port in ports)
        self.config = self.folder / "haproxy.cfg"
        self.config.write_text(f"""global
  maxconn 2000
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  option redispatch
listen cluster
  bind 127.0.0.1:{self.port}
  balance roundrobin
{servers}""")
        self.start()

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-q", "-f", self.config], stdin=subprocess.DEVNULL)
        wait_until(lambda: accepts(self.port), SOON, "haproxy listens")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def destroy(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Worker:
    def __init__(self, dev, key, name, *options, folder=None):
        self.dev, self.key, self.name, self.options = dev, key, name, options
        self.folder = folder or pathlib.Path(tempfile.mkdtemp(prefix=f"portolan-{name}-"))
        self.log = self.folder / "log"
        self.health = free_port()
        self.start()

    def start(self):
        control = self.dev.ready["admin_url"].removeprefix("https://").rstrip("/")
        command = [self.dev.program, "node", "--data", self.folder / "data", "--control", control, "--cluster-key-file", self.key, "--name", self.name,
                   "--health", f"127.0.0.1:{self.health}", "--metrics", "none", "--drain-limit", "20s", *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def is_ready(self):
        assert self.process.poll() is None, self.log_text()[-3000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/readiness", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def log_text(self):
        return self.log.read_text(errors="replace")

    def sessions_begun(self):
        return self.log_text().count("session started")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def destroy(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Cluster:
    """A cluster with a key in a file; `workers` are started later."""

    def __init__(self, dev, name, address, *options):
        self.dev, self.name, self.workers = dev, name, []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"portolan-{name}-"))
        dev.run("admin", "clusters", "create", name, "--address", address, *options)
        self.key = self.new_key("first")

    def new_key(self, name, *options):
        file = self.folder / name
        self.dev.run("admin", "clusters", "keys", "create", self.name, "--name", name, "--out", file, *options)
        return file

    def keys(self):
        return {key["name"]: key for key in self.dev.json_lines("admin", "clusters", "keys", "list", self.name)}

    def add(self, name, *options, key=None):
        worker = Worker(self.dev, key or self.key, name, *options)
        self.workers.append(worker)
        return worker

    def serve(self, resource):
        """Binds the resource to this cluster, and waits until its workers serve it."""
        for worker in self.workers:
            wait_until(worker.is_ready, 20, f"{worker.name} is ready")
        self.dev.run("admin", "resources", "update", resource, "--egress", self.name)
        wait_until(lambda: works(self.dev, resource), 20, "it is served")

    def serving(self):
        return {worker.name: worker.sessions_begun() for worker in self.workers}

    def destroy(self):
        for worker in self.workers:
            worker.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)


def works(dev, resource="billing-db"):
    return dev.psql(resource, "-c", "select 1", check=False).returncode == 0


def path(dev):
    paths = [each for each in dev.json_lines("status")[0]["paths"] if each["egress_name"] in ("eu", "far-inner", "alone")]
    return paths[-1]


@pytest.fixture(scope="module")
def dev(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()})) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def eu(dev):
    """Two workers behind haproxy, and room for a third."""
    ports = [free_port() for _ in range(3)]
    with harness.running(Haproxy(ports)) as balancer, harness.running(Cluster(dev, "eu", f"127.0.0.1:{balancer.port}")) as cluster:
        cluster.balancer, cluster.ports = balancer, ports
        for number in range(2):
            cluster.add(f"w{number + 1}", *listening(ports[number]))
        cluster.serve("billing-db")
        yield cluster


def listening(port):
    return ("--listen", f"127.0.0.1:{port}", "--proxy-protocol-from", "127.0.0.0/8")


def new_session_at(eu):
    """A session, and the worker that has it."""
    before = eu.serving()
    session = pgwire.Connection(eu.dev.port("billing-db"), database="postgres")
    [at] = [worker for worker in eu.workers if worker.sessions_begun() > before[worker.name]]
    return session, at


def test_psql_goes_to_whichever_worker_answers(dev, eu):
    assert dev.psql("billing-db", "-c", "select 6 * 7").stdout.strip() == "42"
    assert path(dev)["kind"] == "direct" and path(dev)["gateway"] == "eu", path(dev)
    nodes = {node["name"]: node for node in dev.json_lines("admin", "nodes", "list", "--cluster", "eu")}
    assert set(nodes) == {"w1", "w2"} and all(node["kind"] == "worker" and node["cluster_name"] == "eu" for node in nodes.values()), nodes
    [shown] = [cluster for cluster in dev.json_lines("admin", "clusters", "list") if cluster["name"] == "eu"]
    assert (shown["workers"], shown["keys"]) == (2, 1)
    # The client's address, by the balancer's word.
    links = re.findall(r"end-to-end link .*from=\"tls 127\.0\.0\.1:\d+ by 127\.0\.0\.1:\d+\"", "".join(worker.log_text() for worker in eu.workers))
    assert links, [worker.log_text()[-2000:] for worker in eu.workers]


def test_a_get_says_that_something_is_there(eu):
    context = ssl._create_unverified_context()
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"https://127.0.0.1:{eu.balancer.port}/anything", context=context, timeout=SOON)
    assert answer.value.code == 404 and b"Portolan" in answer.value.read()
    curl = subprocess.run(["curl", "-ks", "-o", os.devnull, "-w", "%{http_code}", f"https://127.0.0.1:{eu.balancer.port}/"], capture_output=True, text=True, timeout=20)
    assert curl.stdout == "404", curl
    # Whoever may speak for others must: here every connection is from the balancer's address.
    with socket.create_connection(("127.0.0.1", eu.ports[0]), timeout=SOON) as plain:
        plain.sendall(b"\x16\x03\x01\x00\x05")
        assert plain.recv(1) == b""


def test_the_same_worker_is_found_again_behind_the_balancer(dev, eu):
    session, _ = new_session_at(eu)
    for _ in range(3):
        eu.balancer.kill()
        eu.balancer.start()
        session.ask(pgwire.query("select 'still there'"))
        assert session.outcomes[-1] == "SELECT 1"
    session.end()


def test_a_killed_worker_ends_its_sessions_and_others_begin_elsewhere(dev, eu):
    session, at = new_session_at(eu)
    [other] = [worker for worker in eu.workers if worker is not at]
    at.kill()
    began = time.monotonic()
    told = last_words(session, 30)
    print(f"the session was told after {time.monotonic() - began:.2f} s: {told['M']}")
    assert told["C"] == "57P01" and "worker of cluster eu" in told["M"] and "code: worker_lost" in told["D"], told
    before = other.sessions_begun()
    assert works(dev) and other.sessions_begun() > before
    at.start()
    wait_until(at.is_ready, 20, "it is back")


def test_a_worker_that_leaves_keeps_its_sessions_and_gets_no_more(dev, eu):
    session, at = new_session_at(eu)
    [other] = [worker for worker in eu.workers if worker is not at]
    at.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not at.is_ready(), SOON, "it is not ready any more")
    before = other.sessions_begun()
    assert works(dev) and other.sessions_begun() == before + 1
    session.ask(pgwire.query("select 'until the end'"))
    session.end()
    assert at.process.wait(timeout=SOON) == 0
    at.start()
    wait_until(at.is_ready, 20, "it is back")


def test_keys_are_rotated_and_revoked(dev, eu):
    second = eu.new_key("second", "--from", "127.0.0.0/8", "--for", "1d")
    keys = eu.keys()
    assert keys["first"]["uses"] == 2 and keys["first"]["last_used"] and "last_used" not in keys["second"], keys
    assert "first" in dev.run("admin", "clusters", "keys", "list", "eu").stdout
    third = eu.add("w3", *listening(eu.ports[2]), key=second)
    wait_until(third.is_ready, 20, "w3 is ready")
    assert eu.keys()["second"]["uses"] == 1
    dev.run("admin", "clusters", "keys", "revoke", keys["first"]["id"])
    with harness.running(Worker(dev, eu.key, "w4", "--listen", "127.0.0.1:0")) as late:
        assert late.process.wait(timeout=20) != 0 and "was revoked" in late.log_text(), late.log_text()
    assert works(dev), "those that came by it stay"
    told = dev.json_lines("admin", "clusters", "keys", "revoke", keys["first"]["id"], "--with-nodes")
    assert len(told[0]["nodes"]) == 2
    before = third.sessions_begun()
    wait_until(lambda: works(dev) and third.sessions_begun() > before, 20, "the third one serves alone")
    states = {node["name"]: node["state"] for node in dev.json_lines("admin", "nodes", "list", "--cluster", "eu")}
    assert states == {"w1": "revoked", "w2": "revoked", "w3": "up"}, states
    activities = [each["verb"] for each in dev.json_lines("audit", "activities", "--limit", "200")]
    assert activities.count("cluster.created") == 1 and activities.count("join_token.created") >= 2, activities


def listeners_of(pid):
    lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[3] for line in lines if re.search(rf"\bpid={pid},", line)]


def test_inner_workers_are_reached_by_the_bridges(dev):
    ports = [free_port() for _ in range(2)]
    # The balancer without PROXY headers: inner workers come from the same address here.
    with harness.running(Haproxy(ports)) as balancer, harness.running(Cluster(dev, "far", f"127.0.0.1:{balancer.port}", "--bridged")) as far:
        balancer.kill()
        balancer.config.write_text(balancer.config.read_text().replace(" send-proxy-v2", ""))
        balancer.start()
        for number, port in enumerate(ports):
            far.add(f"far-bridge-{number}", "--listen", f"127.0.0.1:{port}")
        inner = far.add("far-inner")
        far.serve("billing-db")
        kinds = {node["name"]: node["kind"] for node in dev.json_lines("admin", "nodes", "list", "--cluster", "far")}
        assert kinds == {"far-bridge-0": "bridge-worker", "far-bridge-1": "bridge-worker", "far-inner": "bridged-worker"}, kinds
        assert listeners_of(inner.process.pid) == [f"127.0.0.1:{inner.health}"], "it listens on nothing else"
        assert path(dev)["kind"] == "nested" and path(dev)["egress_name"] == "far-inner", path(dev)
        session = pgwire.Connection(dev.port("billing-db"), database="postgres")
        for bridge in far.workers[:2]:  # one after the other: the session goes on by the one that is there
            bridge.kill()
            session.ask(pgwire.query("select 'over the other bridge'"))
            assert session.outcomes[-1] == "SELECT 1"
            bridge.start()
            wait_until(bridge.is_ready, 20, "it is back")
            wait_until(lambda: "linked to gateway" in inner.log_text().rsplit("ended", 1)[-1], 20, "and linked again")
        session.end()
        dev.run("admin", "resources", "update", "billing-db", "--egress", "any")


def test_one_worker_alone(dev):
    port = free_port()
    with harness.running(Cluster(dev, "alone", f"127.0.0.1:{port}")) as alone:
        worker = alone.add("alone-1", "--listen", f"127.0.0.1:{port}")
        alone.serve("billing-db")
        assert path(dev)["kind"] == "direct" and path(dev)["gateway"] == "alone", path(dev)
        session = pgwire.Connection(dev.port("billing-db"), database="postgres")
        os.kill(worker.process.pid, signal.SIGSTOP)
        os.kill(worker.process.pid, signal.SIGCONT)
        session.ask(pgwire.query("select 1"))
        session.end()
        refused = dev.run("admin", "clusters", "delete", "alone", check=False)
        assert refused.returncode != 0 and "is an egress of" in refused.stderr, refused
        dev.run("admin", "resources", "update", "billing-db", "--egress", "any")


def test_a_token_makes_two_relays(dev, tmp_path):
    token = tmp_path / "token"
    dev.run("admin", "nodes", "token", "create", "--kind", "relay", "--uses", "2", "--out", token)
    control = dev.ready["admin_url"].removeprefix("https://").rstrip("/")

    def relay(number):
        command = [dev.program, "node", "--data", tmp_path / f"r{number}", "--control", control, "--join-token-file", token, "--name", "replica",
                   "--health", "none", "--metrics", "none"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    relays = [relay(number) for number in range(2)]
    try:
        names = lambda: [node["name"] for node in dev.json_lines("admin", "nodes", "list") if node["name"].startswith("replica")]  # noqa: E731
        wait_until(lambda: len(names()) == 2, 20, "both have joined")
        third = relay(3)
        assert third.wait(timeout=20) != 0 and "as many as it may" in third.stderr.read()
    finally:
        for each in relays:
            each.kill()
            each.wait()

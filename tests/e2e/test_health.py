"""Health as people see it: a real PostgreSQL that stops, has another password, another name in its certificate, no such database; a relay
that is killed. Shown by ls, admin resources, admin health and its watch, and in nobody's audit.
"""
import json
import os
import signal
import subprocess
import threading
import time

import harness
import pytest
from harness import wait_until


class Follow:
    """`portolan admin health -f --json`, line by line."""

    def __init__(self, dev):
        environment = {**os.environ, "PORTOLAN_HOME": dev.ready["home"], "NO_COLOR": "1"}
        self.process = subprocess.Popen([dev.program, "admin", "health", "-f", "--json"], env=environment, stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def health(self, name):
        return [line["health"] for line in self.lines if line["kind"] == "health" and line["health"]["resource_name"] == name]

    def nodes(self, name):
        return [line["node"] for line in self.lines if line["kind"] == "node" and line["node"]["name"] == name]

    def destroy(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)
        self.reader.join(timeout=10)


@pytest.fixture(scope="module")
def server():
    with harness.running(harness.PostgresServer()) as started:
        yield started


@pytest.fixture(scope="module")
def dev(server):
    with harness.running(harness.Dev({"billing-db": server.url(), "spare": server.url()}, "--separate")) as deployment:
        yield deployment


def check(dev, name="billing-db"):
    """On demand; the answer of the one relay."""
    result = dev.run("admin", "resources", "check", name, "--json", check=False)
    [health] = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.returncode == 0) == (health["state"] == "healthy"), result
    return health


def local(dev, name="billing-db"):
    return next(resource for resource in dev.json_lines("ls") if resource["name"] == name)


def shown_in_tables(dev, words):
    tables = dev.run("ls").stdout, dev.run("admin", "resources", "list").stdout, dev.run("admin", "health").stdout
    return all(any(word in line for line in table.splitlines()) for table in tables for word in words)


def test_what_is_wrong_is_said_in_words(dev, server):
    wait_until(lambda: local(dev).get("health") == "ok", 30, "the resource is healthy on the schedule alone")
    with harness.running(Follow(dev)) as follow:
        wait_until(lambda: follow.health("billing-db"), 10, "the watch lists it")
        server.stop()
        began = time.monotonic()
        health = check(dev)
        assert health["code"] == "connection_refused"
        assert f"127.0.0.1:{server.port}" in health["reason"] and "nothing listens there" in health["remedy"]
        wait_until(lambda: follow.health("billing-db")[-1]["state"] == "unhealthy", 5, "the watch says that it is down")
        print(f"the watch said so {time.monotonic() - began:.2f} s after the server had stopped")
        # Agents are told when it has been found twice, a few seconds apart.
        wait_until(lambda: local(dev).get("health") == "unreachable", 30, "ls says that it is down")
        assert "connection refused" in local(dev)["health_reason"]
        assert shown_in_tables(dev, ["connection refused"])
        status = dev.run("status").stdout
        assert "unreachable" in status and "connection refused" in status

        server.start()
        wait_until(lambda: check(dev)["state"] == "healthy", 30, "it is up again")
        wait_until(lambda: local(dev).get("health") == "ok", 30, "ls says that it is up")
        assert follow.health("billing-db")[-1]["state"] == "healthy"


@pytest.mark.parametrize("break_it, mend_it, code, words, remedy", [
    (lambda dev, secret: dev.run("admin", "resources", "update", "spare", "--password-file", "-", input="wrong\n"),
     lambda dev, secret: dev.run("admin", "resources", "update", "spare", "--password-file", "-", input=secret + "\n"),
     "bad_credential", 'password authentication failed for user "admin"', "--ask-password"),
    (lambda dev, secret: dev.run("admin", "resources", "update", "spare", "--setting", "tls=verify-full", "--setting", "tls_server_name=elsewhere.example",
                                 "--setting-file", f"tls_ca={dev.server_certificate}"),
     lambda dev, secret: dev.run("admin", "resources", "update", "spare", "--setting", "tls=", "--setting", "tls_server_name=", "--setting", "tls_ca="),
     "tls_name", "hostname mismatch", "tls_server_name"),
    (lambda dev, secret: dev.run("admin", "resources", "update", "spare", "--setting", "database=nowhere"),
     lambda dev, secret: dev.run("admin", "resources", "update", "spare", "--setting", "database=postgres"),
     "no_database", 'database "nowhere" does not exist', "database=DATABASE"),
], ids=["password", "tls name", "database"])
def test_a_wrong_setting_is_named(dev, server, break_it, mend_it, code, words, remedy):
    dev.server_certificate = server.folder / "server.crt"
    break_it(dev, server.password)
    health = check(dev, "spare")
    assert health["code"] == code, health
    assert words in health["reason"] and f"127.0.0.1:{server.port}" in health["reason"], health
    assert remedy in health["remedy"], health
    wait_until(lambda: shown_in_tables(dev, [words]), 30, "the tables say so")
    assert server.password not in json.dumps(dev.json_lines("admin", "health"))
    mend_it(dev, server.password)
    assert check(dev, "spare")["state"] == "healthy"
    wait_until(lambda: local(dev, "spare").get("health") == "ok", 30, "ls says that it is well")


def test_sessions_tell_at_once_how_a_resource_is(dev, server):
    wait_until(lambda: local(dev).get("health") == "ok", 70, "the resource is healthy")
    server.stop()
    assert dev.psql("billing-db", "-c", "select 1", check=False).returncode != 0
    failed = time.monotonic()
    told = wait_until(lambda: local(dev) if local(dev).get("health") == "unreachable" else None, 8, "ls says that it is unreachable")
    print(f"unreachable {time.monotonic() - failed:.2f} s after a session was kept out")
    assert "refused" in told["health_reason"]
    checks = lambda: next(row["health"]["checks"] for row in dev.json_lines("admin", "health") if row.get("health", {}).get("resource_name") == "billing-db")
    before = checks()
    wait_until(lambda: checks() >= before + 3, 90, "the checks have backed off: each one that fails makes the next wait longer")
    server.start()
    dev.psql("billing-db", "-c", "select 1")
    began = time.monotonic()
    wait_until(lambda: local(dev).get("health") == "ok", 5, "ls says that it is well again")
    print(f"ok {time.monotonic() - began:.2f} s after a session was let in")


def test_a_resource_that_is_back_is_found_so_without_a_session(dev, server):
    server.stop()
    check(dev), check(dev)
    wait_until(lambda: local(dev).get("health") == "unreachable", 10, "ls says that it is unreachable")
    server.start()
    began = time.monotonic()
    wait_until(lambda: local(dev).get("health") == "ok", 40, "ls says that it is well again")
    print(f"ok {time.monotonic() - began:.2f} s after it had come back")


def test_a_revoked_node_is_not_ready(server):
    with harness.running(harness.Dev({"billing-db": server.url()}, "--separate", "--relays", "2")) as own:
        base = int(own.ready["admin_url"].rsplit(":", 1)[1].strip("/"))

        def readiness():
            import urllib.error
            import urllib.request
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{base + 92}/readiness", timeout=5).status
            except urllib.error.HTTPError as error:
                return error.code
        assert readiness() == 200
        own.run("admin", "nodes", "delete", "relay-2")
        wait_until(lambda: readiness() == 503, 10, "a revoked node says that it is not ready")


def test_a_killed_relay_is_down_with_the_reason(dev):
    [relay] = dev.processes("relay")
    with harness.running(Follow(dev)) as follow:
        wait_until(lambda: [n for n in follow.nodes(relay["name"]) if n["state"] == "up"], 10, "the watch lists it")
        os.kill(relay["pid"], signal.SIGKILL)
        killed = time.monotonic()
        down = wait_until(lambda: [n for n in follow.nodes(relay["name"]) if n["state"] == "down"], 15, "the watch says that it is down")
        print(f"down {time.monotonic() - killed:.2f} s after it was killed")
        assert "no connection to the control plane" in down[0]["reason"]
        wait_until(lambda: follow.nodes(relay["name"])[-1]["state"] == "up", 20, "it has come back")
    wait_until(lambda: dev.json_lines("admin", "nodes", "show", relay["name"])[0].get("facts", {}).get("links"), 20, "its facts")
    shown = dev.run("admin", "nodes", "show", relay["name"]).stdout
    assert "Load:" in shown and "ago" in shown and "LINK WITH" in shown
    wait_until(lambda: dev.json_lines("admin", "nodes", "show", relay["name"])[0]["facts"]["links"][0].get("round_trip_us"), 20, "a round trip")


def test_a_frozen_relay_is_down_though_its_connection_stands(dev):
    [relay] = dev.processes("relay")
    state = lambda: dev.json_lines("admin", "nodes", "show", relay["name"])[0]  # noqa: E731
    wait_until(lambda: state()["state"] == "up", 20, "it is up")
    os.kill(relay["pid"], signal.SIGSTOP)
    try:
        down = wait_until(lambda: state() if state()["state"] == "down" else None, 50, "it is down")
        assert "reported nothing" in down["reason"]
        assert dev.json_lines("admin", "health", "--node", relay["name"])[0]["health"]["code"] == "node_down"
    finally:
        os.kill(relay["pid"], signal.SIGCONT)
    wait_until(lambda: state()["state"] == "up", 20, "it is up again")


def test_checks_are_nobodys_sessions(dev, server):
    before = len(dev.json_lines("audit", "sessions"))
    for _ in range(3):
        assert check(dev)["state"] == "healthy"
    dev.psql("billing-db", "-c", "select 'mine'")
    wait_until(lambda: [q for q in dev.queries() if "'mine'" in q["text"]], 20, "the record of a person's query")
    assert len(dev.json_lines("audit", "sessions")) == before + 1

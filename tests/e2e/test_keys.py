"""Certificates renew themselves, and each authority is replaced, while a session and a stream of new ones go on."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import harness
import pytest
from harness import client_environment, wait_until

LIFE = 24  # seconds, of every certificate; renewed at 16


@pytest.fixture
def short(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate", "--certificate-life", f"{LIFE}s")) as deployment:
        yield deployment


class Session:
    """One psql that is asked again and again, on one connection."""

    def __init__(self, dev):
        self.process = subprocess.Popen(dev.psql_command("billing-db"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, bufsize=1, env=client_environment())
        self.backend = self.ask("select pg_backend_pid();")

    def ask(self, statement):
        self.process.stdin.write(statement + "\n")
        return self.process.stdout.readline().strip()

    def still_the_same(self):
        return self.ask("select pg_backend_pid();") == self.backend

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


class Loop(threading.Thread):
    """New connections, one after another, each with a query; what failed is kept."""

    def __init__(self, dev):
        super().__init__(daemon=True)
        self.dev, self.done, self.failures, self.stop = dev, 0, [], threading.Event()
        self.start()

    def run(self):
        while not self.stop.is_set():
            result = self.dev.psql("billing-db", "-c", "select 1", check=False)
            self.done += 1
            if result.returncode != 0:
                self.failures.append((time.monotonic(), result.stderr))
            time.sleep(0.1)

    def end(self):
        self.stop.set()
        self.join()
        return self.failures


def pgbench(dev, seconds):
    command = ["pgbench", "-n", "-c", "4", "-T", str(seconds), "-f", "-", "-h", "127.0.0.1", "-p", str(dev.port("billing-db")), "-U", "anybody", "postgres"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=client_environment())
    process.stdin.write("select 1;\n\\sleep 20 ms\n")
    process.stdin.close()
    return process


def certificate_of(dev, name):
    return json.loads((dev.data / name / "node.json").read_text())["certificate"]


def person_certificate(dev):
    return (pathlib.Path(dev.ready["home"]) / "certificate.pem").read_text()


def server_serial(dev):
    address = dev.processes("control-plane")[0]["address"]
    shown = subprocess.run(["openssl", "s_client", "-connect", address, "-alpn", "http/1.1"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=shown, capture_output=True, text=True, check=True).stdout


def all_certificates(dev):
    return {"gateway-1": certificate_of(dev, "gateway-1"), "relay-1": certificate_of(dev, "relay-1"), "person": person_certificate(dev), "server": server_serial(dev)}


def links_of_agent(dev):
    """TCP connections from the agent to the gateway: its link and its spliced path, and more for what has retired and is still used."""
    [agent], [gateway] = dev.processes("agent"), dev.processes("gateway")
    port = int(gateway["address"].rpartition(":")[2])
    ours = set()
    for descriptor in pathlib.Path(f"/proc/{agent['pid']}/fd").iterdir():
        with contextlib.suppress(OSError):
            ours.add(os.readlink(descriptor))
    table = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" and f"socket:[{row[9]}]" in ours for row in table)


def keys(dev, purpose):
    return dev.json_lines("admin", "keys", "list", "--purpose", purpose)


def states(dev, purpose):
    return [key["state"] for key in keys(dev, purpose)]


def test_nothing_breaks_while_certificates_renew(short):
    session, loop, load = Session(short), Loop(short), pgbench(short, 3 * LIFE)
    for turn in range(3):
        before = all_certificates(short)
        for name in before:
            wait_until(lambda n=name: all_certificates(short)[n] != before[n], LIFE + 10, f"the certificate of {name} is renewed, turn {turn}")
        assert session.still_the_same()
    time.sleep(2)  # beyond the life of what was there in the beginning, whatever the turns took
    assert session.still_the_same()
    output = load.stdout.read()
    assert load.wait(timeout=60) == 0 and "number of failed transactions: 0 (0.000%)" in output, output
    assert loop.end() == []
    print(f"{loop.done} connects and one session over three renewals of everything")
    # The link of the session has retired long ago. Why it ends is told all the same, and the link then goes.
    for membership in short.json_lines("admin", "memberships", "list"):
        short.run("admin", "memberships", "delete", membership["id"])
    told = wait_until(lambda: json.loads(short.run("status", "--json").stdout).get("endings"), 10, "the ending is told")
    assert told[0]["resource"] == "billing-db" and told[0]["reason"], told
    assert told[0]["reason"].split(";")[0] in session.process.communicate("select 1;\n", timeout=10)[0]
    wait_until(lambda: links_of_agent(short) == 2, 15, "links with no session left end")


@pytest.mark.parametrize("purpose", ["user", "node", "server"])
def test_an_authority_is_replaced_while_sessions_go_on(short, purpose):
    session, loop = Session(short), Loop(short)
    [old] = keys(short, purpose)
    short.run("admin", "keys", "rotate", purpose, "--overlap", "10m")
    wait_until(lambda: states(short, purpose) == ["signing", "retiring"], 40, "the new authority signs by itself")
    assert session.still_the_same()
    # Everybody has a certificate of the new one; the old one goes by an admin's word.
    wait_until(lambda: short.run("admin", "keys", "finish", purpose, check=False).returncode == 0, LIFE, "nobody needs the old one")
    assert states(short, purpose) == ["signing"]
    [new] = keys(short, purpose)
    assert new["sha256"] != old["sha256"]
    time.sleep(35)  # until links by certificates of the old one would have been ended
    assert session.still_the_same()
    assert loop.end() == []
    # And everything can be started anew with it: nodes, agent, a new login.
    for part in ("gateway", "relay", "agent"):
        [process] = short.processes(part)
        os.kill(process["pid"], signal.SIGKILL)
    wait_until(lambda: short.psql("billing-db", "-c", "select 1", check=False).returncode == 0, 20, "a connect after all parts were killed")
    verbs = [activity["verb"] for activity in short.json_lines("audit", "activities")]
    assert verbs.count("authority.created") >= 4 and "authority.deleted" in verbs
    session.close()

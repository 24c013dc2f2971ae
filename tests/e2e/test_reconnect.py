"""What runs goes on when the gateway that it goes by dies: a pause and no error (docs/wire-pipe.md)."""
import os
import re
import signal
import subprocess
import time

import harness
import pytest
from harness import client_environment, wait_until

# The longest that a transaction may wait is 1.5 s; three times that where other work may be running on the machine.
LONGEST = 1.5 * 3


@pytest.fixture(scope="module")
def two_gateways(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate", "--gateways", "2")) as dev:
        dev.psql("billing-db", "-c", "select 1")
        wait_until(lambda: linked(dev) == 2, 20, "the agent is linked to both gateways")
        yield dev


def status(dev):
    return dev.json_lines("status")[0]


def linked(dev):
    return sum(gateway["state"] == "linked" for gateway in status(dev)["gateways"])


def path(dev):
    [only] = status(dev)["paths"]
    return only


def gateway_in_use(dev):
    """The process of the gateway that the end-to-end link goes by."""
    by_name = {gateway["name"]: gateway["address"] for gateway in status(dev)["gateways"]}
    address = by_name[path(dev)["gateway"]]
    return next(process for process in dev.processes("gateway") if process["address"] == address)


class Pgbench:
    """pgbench -S -c 8, and how long each of its transactions took."""

    def __init__(self, dev, folder, seconds):
        self.logs = folder
        command = ["pgbench", "-n", "-S", "-c", "8", "-j", "2", "-T", str(seconds), "-l", f"--log-prefix={folder}/t",
                   "-h", "127.0.0.1", "-p", str(dev.port("billing-db")), "-U", "anybody", "postgres"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=client_environment())
        wait_until(lambda: any(log.stat().st_size for log in self.logs.glob("t.*")) or self.process.poll() is not None, 20, "pgbench runs")

    def finish(self):
        """Number of transactions, and the longest of them in seconds."""
        out, err = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, out + err
        assert re.search(r"number of failed transactions: 0 ", out), out
        times = [int(line.split()[2]) for log in self.logs.glob("t.*") for line in log.read_text().splitlines()]
        return len(times), max(times) / 1e6


@pytest.fixture(scope="module")
def tables(postgres):
    command = ["pgbench", "-q", "-i", "-s", "1", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", postgres.user, "postgres"]
    subprocess.run(command, env={**os.environ, "PGPASSWORD": postgres.password}, check=True, capture_output=True)


def test_a_killed_gateway_fails_no_transaction(two_gateways, tables, tmp_path):
    dev, kills = two_gateways, 4
    pgbench = Pgbench(dev, tmp_path, 6 * kills)
    for _ in range(kills):
        victim = gateway_in_use(dev)
        os.kill(victim["pid"], signal.SIGKILL)
        wait_until(lambda: path(dev)["gateway"] and gateway_in_use(dev)["pid"] != victim["pid"], 10, "another gateway is in use")
        wait_until(lambda: linked(dev) == 2, 20, "the killed gateway is back")
    count, longest = pgbench.finish()
    print(f"{kills} kills: {count} transactions, 0 failed, the longest took {longest:.3f} s")
    assert path(dev)["handshakes"] == 1, "the end-to-end link was made anew rather than resumed"
    assert longest <= LONGEST


def test_a_frozen_gateway_fails_no_transaction(two_gateways, tables, tmp_path):
    dev = two_gateways
    pgbench = Pgbench(dev, tmp_path, 8)
    victim = gateway_in_use(dev)
    os.kill(victim["pid"], signal.SIGSTOP)
    try:
        count, longest = pgbench.finish()
    finally:
        os.kill(victim["pid"], signal.SIGCONT)
    print(f"a frozen gateway: {count} transactions, 0 failed, the longest took {longest:.3f} s")
    assert 0.9 < longest <= LONGEST, "silence is noticed after a second"
    wait_until(lambda: linked(dev) == 2, 30, "the gateway is in use again")


class Psql:
    """A psql that stays open."""

    def __init__(self, dev):
        self.process = subprocess.Popen(dev.psql_command("billing-db"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1, env=client_environment())

    def send(self, text):
        self.process.stdin.write(text + "\n")

    def ask(self, text):
        self.send(text)
        return self.process.stdout.readline().strip()

    def rest(self):
        return self.process.communicate(timeout=30)[0]


def test_an_idle_session_survives_and_a_transaction_goes_on(two_gateways):
    dev = two_gateways
    idle = Psql(dev)
    assert idle.ask("begin; create temporary table kept (n int); insert into kept values (7);") == "BEGIN"
    for _ in range(2):
        idle.process.stdout.readline()
    before = gateway_in_use(dev)
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: gateway_in_use(dev)["pid"] != before["pid"], 10, "another gateway is in use")
    assert idle.ask("select n from kept;") == "7"
    idle.send("\\q")
    idle.rest()
    wait_until(lambda: linked(dev) == 2, 20, "the killed gateway is back")


def test_a_big_answer_is_whole(two_gateways):
    dev = two_gateways
    query = "select repeat(md5(n::text), 40) from generate_series(1, 60000) n"
    plain = dev.psql("billing-db", "-c", query).stdout
    reading = subprocess.Popen(dev.psql_command("billing-db", "-c", query), stdout=subprocess.PIPE, env=client_environment())
    first = reading.stdout.read(1_000_000)
    os.kill(gateway_in_use(dev)["pid"], signal.SIGKILL)
    rest = reading.stdout.read()
    assert reading.wait(timeout=60) == 0
    assert (first + rest).decode() == plain
    wait_until(lambda: linked(dev) == 2, 20, "the killed gateway is back")


def test_status_says_that_it_reconnects_and_for_how_long(two_gateways):
    dev = two_gateways
    idle = Psql(dev)
    assert idle.ask("select 'before';") == "before"
    gateways = dev.processes("gateway")
    for gateway in gateways:
        os.kill(gateway["pid"], signal.SIGKILL)
    seen = wait_until(lambda: path(dev) if path(dev)["state"] == "reconnecting" else None, 10, "the path is shown as reconnecting")
    assert 0 < seen["time_left_ms"] <= 60_000
    assert idle.ask("select 'after';") == "after"
    assert path(dev)["state"] == "linked"
    idle.send("\\q")
    idle.rest()
    wait_until(lambda: linked(dev) == 2, 20, "the killed gateways are back")


def test_who_has_lost_the_session_says_why(two_gateways):
    dev = two_gateways
    idle = Psql(dev)
    assert idle.ask("select 'before';") == "before"
    [relay] = dev.processes("relay")
    os.kill(relay["pid"], signal.SIGKILL)
    said = wait_until(lambda: [e for e in status(dev)["endings"] if e["code"] == "egress_restarted"], 20, "the ending is told")
    assert "restarted" in said[0]["reason"]
    idle.send("select 'after';")
    assert "after" not in idle.rest().replace("select 'after'", "")
    wait_until(lambda: dev.psql("billing-db", "-c", "select 1", check=False).returncode == 0, 20, "a new session works")


def test_new_sessions_pass_by_a_frozen_relay(postgres):
    """Another relay serves them, within seconds; and the frozen one is in use again when it goes on."""
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate", "--relays", "2")) as dev:
        dev.psql("billing-db", "-c", "select 1")
        used = path(dev)["egress_name"]
        victim = next(process for process in dev.processes("relay") if process["name"] == used)
        os.kill(victim["pid"], signal.SIGSTOP)
        try:
            for _ in range(3):
                began = time.monotonic()
                assert dev.psql("billing-db", "-c", "select 'served'").stdout.strip() == "served"
                took = time.monotonic() - began
                print(f"a session beside a frozen relay began and ended in {took:.2f} s")
                assert took < 3 * 2
            states = {entry["egress_name"]: entry["state"] for entry in status(dev)["paths"]}
            assert states.pop(used) in ("silent", "reconnecting") and list(states.values()) == ["linked"]
        finally:
            os.kill(victim["pid"], signal.SIGCONT)
        wait_until(lambda: all(entry["state"] == "linked" for entry in status(dev)["paths"]), 20, "the relay is linked again")

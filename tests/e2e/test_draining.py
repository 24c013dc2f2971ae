"""A node that is told to stop (SIGTERM) leaves in good order: it is not ready any more, takes nothing new, lets what runs move or end, and goes."""
import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

import harness
import pgwire
import pytest
from harness import wait_until
from test_reconnect import Pgbench, linked, status, tables  # noqa: F401  (a fixture)
from test_session_ends import last_words

LIMIT = 25.0  # seconds: the drain limit of these nodes
SOON = 5.0    # what needs no drain limit, on a machine that does other things too
# A path that moves costs its sessions a few round trips; the rest is for what else runs on the machine.
LONGEST = 0.5


@pytest.fixture(scope="module")
def two_of_each(postgres):
    options = ("--separate", "--gateways", "2", "--relays", "2", "--drain-limit", f"{LIMIT:.0f}s")
    with harness.running(harness.Dev({"billing-db": postgres.url()}, *options)) as dev:
        dev.psql("billing-db", "-c", "select 1")
        yield dev


@pytest.fixture(scope="module")
def one_of_each(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate", "--drain-limit", "3s")) as dev:
        yield dev


@pytest.fixture
def healed(two_of_each):
    wait_until(lambda: linked(two_of_each) == 2, 20, "the agent is linked to both gateways")
    wait_until(lambda: {node["state"] for node in two_of_each.json_lines("admin", "nodes", "list")} == {"up"}, 20, "all nodes are up")
    yield two_of_each


def path_in_use(dev):
    [only] = [path for path in status(dev)["paths"] if path["sessions"]]
    return only


def process(dev, name):
    [only] = [each for each in dev.processes() if each["name"] == name]
    return only


def gone(dev, leaving, limit):
    """Seconds until the process had ended and its successor had been started."""
    began = time.monotonic()
    wait_until(lambda: process(dev, leaving["name"])["pid"] not in (0, leaving["pid"]), limit, f"{leaving['name']} has gone")
    return time.monotonic() - began


def answers(dev, name, what):
    """The status of /liveness or /readiness; none while nobody answers."""
    names = [each["name"] for each in dev.processes() if each["part"] in ("gateway", "relay")]
    base = int(dev.ready["admin_url"].rsplit(":", 1)[1].strip("/"))
    with contextlib.suppress(OSError):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{base + 90 + names.index(name)}{what}", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
    return None


def session(dev):
    return pgwire.Connection(dev.port("billing-db"), database="postgres")


def lost(dev):
    """How often an end-to-end link was lost, with its pipe."""
    return dev.log_text().count("end-to-end link ended")


def test_gateways_are_restarted_one_after_the_other_under_load(healed, tables, tmp_path):  # noqa: F811
    dev, restarts = healed, 4
    before = lost(dev)
    pgbench = Pgbench(dev, tmp_path, 7 * restarts)
    took = []
    for _ in range(restarts):
        used = path_in_use(dev)["gateway"]
        leaving = process(dev, used)
        os.kill(leaving["pid"], signal.SIGTERM)
        wait_until(lambda: path_in_use(dev)["gateway"] != used, SOON, "the path has moved")
        took.append(gone(dev, leaving, SOON))
        wait_until(lambda: linked(dev) == 2, 20, "the gateway is back")
    count, longest = pgbench.finish()
    print(f"{restarts} gateways left: {count} transactions, 0 failed, the longest took {longest:.3f} s; the last paths had moved after {max(took):.2f} s")
    assert lost(dev) == before, "a link was made anew rather than moved"
    assert longest <= LONGEST


def test_a_relay_lets_its_sessions_end_while_others_begin_elsewhere(healed):
    dev = healed
    running = session(dev)
    relay = path_in_use(dev)["egress_name"]
    leaving = process(dev, relay)
    running.send(pgwire.query("select pg_sleep(2)"))
    os.kill(leaving["pid"], signal.SIGTERM)
    wait_until(lambda: answers(dev, relay, "/readiness") == 503, SOON, "it is not ready any more")
    assert answers(dev, relay, "/liveness") == 200
    began = time.monotonic()
    others = [session(dev) for _ in range(3)]
    print(f"three sessions began elsewhere in {time.monotonic() - began:.3f} s")
    assert time.monotonic() - began < SOON
    wait_until(lambda: sum(path["sessions"] for path in status(dev)["paths"] if path["egress_name"] != relay) == 3, SOON, "they are at the other relay")
    told = lambda: [node for node in dev.json_lines("admin", "nodes", "list") if node["name"] == relay and "told to stop" in (node.get("reason") or "")]  # noqa: E731
    wait_until(told, SOON, "admins see that it leaves")
    running.until("Z")
    running.ask(pgwire.query("select 'still there'"))
    assert running.outcomes[-2:] == ["SELECT 1", "SELECT 1"]
    assert process(dev, relay)["pid"] == leaving["pid"], "it waits for its session"
    running.end()
    print(f"it had gone {gone(dev, leaving, SOON):.2f} s after its last session")
    for other in others:
        other.ask(pgwire.query("select 1"))
        other.end()
    wait_until(lambda: [query for query in dev.queries() if "still there" in query["text"]], 20, "its record")


def test_what_does_not_end_is_ended_when_the_time_is_over(one_of_each):
    dev = one_of_each
    idle = session(dev)
    leaving = process(dev, "relay-1")
    began = time.monotonic()
    os.kill(leaving["pid"], signal.SIGTERM)
    wait_until(lambda: answers(dev, "relay-1", "/readiness") == 503, SOON, "it is not ready any more")
    # Nobody else could serve it: who comes now waits a little.
    waits = subprocess.Popen(dev.psql_command("billing-db", "-c", "select 'served by its successor'"), stdout=subprocess.PIPE, text=True, env=harness.client_environment())
    told = last_words(idle, SOON + 3)
    assert 2.5 < time.monotonic() - began < SOON + 3
    assert told["C"] == "57P01" and "relay relay-1 is stopping" in told["M"] and "code: node_stopping" in told["D"], told
    gone(dev, leaving, SOON)
    assert waits.communicate(timeout=20)[0].strip() == "served by its successor"


def test_a_second_signal_ends_it_at_once(one_of_each):
    dev = one_of_each
    idle = session(dev)
    leaving = process(dev, "relay-1")
    os.kill(leaving["pid"], signal.SIGTERM)
    wait_until(lambda: answers(dev, "relay-1", "/readiness") == 503, SOON, "it is not ready any more")
    os.kill(leaving["pid"], signal.SIGTERM)
    assert gone(dev, leaving, 2.0) < 2.0
    idle.break_off()
    wait_until(lambda: dev.psql("billing-db", "-c", "select 1", check=False).returncode == 0, 20, "it is back")


def test_the_only_gateway_goes_at_once_and_what_ran_goes_on_when_it_is_back(one_of_each):
    dev = one_of_each
    idle = session(dev)
    leaving = process(dev, "gateway-1")
    os.kill(leaving["pid"], signal.SIGTERM)
    assert gone(dev, leaving, 2.5) < 2.5, "there is nothing to wait for"
    idle.ask(pgwire.query("select 1"))
    idle.end()


@pytest.fixture(scope="module")
def plain(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()})) as dev:
        yield dev


class Relay:
    """One that the resource is bound to, started as its service manager would."""

    def __init__(self, dev, folder, *options):
        self.log = folder / "log"
        self.health = f"127.0.0.1:{harness.free_port()}"
        name, token = f"relay-{self.health.rsplit(':', 1)[1]}", folder / "token"
        dev.run("admin", "nodes", "token", "create", "--kind", "relay", "--out", token)
        control = dev.ready["admin_url"].removeprefix("https://").rstrip("/")
        command = [dev.program, "node", "--data", folder / "data", "--control", control, "--join-token-file", token, "--name", name,
                   "--health", self.health, "--metrics", "none", *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.is_ready, 20, "the relay is ready")
        dev.run("admin", "resources", "update", "billing-db", "--egress", name)
        wait_until(lambda: dev.psql("billing-db", "-c", "select 1", check=False).returncode == 0, 20, "it serves")

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.health}/readiness", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def asked_to_restart(self):
        """What it says of that."""
        self.process.send_signal(signal.SIGHUP)
        said = lambda: [line for line in self.log.read_text().splitlines() if "a restart was asked for" in line]  # noqa: E731
        [line] = wait_until(said, SOON, "it has been told")
        return line

    def destroy(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def test_a_restart_that_was_asked_for_waits_until_nothing_runs(plain, tmp_path):
    with harness.running(Relay(plain, tmp_path, "--require-idle")) as relay:
        running = session(plain)
        relay.asked_to_restart()
        assert relay.is_ready() and plain.psql("billing-db", "-c", "select 1").stdout.strip() == "1", "until then it serves"
        running.ask(pgwire.query("select 1"))
        running.end()
        assert relay.process.wait(timeout=SOON) == 75, "whoever supervises it is told to start it again"
        assert "stopped for the restart that was asked for" in relay.log.read_text()


def test_a_restart_that_was_asked_for_waits_for_its_window(plain, tmp_path):
    month = (time.gmtime().tm_mon + 5) % 12 + 1
    with harness.running(Relay(plain, tmp_path, "--maintenance", f"0 0 1 {month} *")) as relay:
        assert f"-{month:02}-01T00:00:00" in relay.asked_to_restart()
        assert relay.is_ready() and plain.psql("billing-db", "-c", "select 1").stdout.strip() == "1", "until then it serves"
        relay.process.terminate()
        assert relay.process.wait(timeout=SOON) == 0


@pytest.mark.parametrize("cron, words", [("61 * * * *", "minute"), ("* * * *", "five fields"), ("0 0 30 2 *", "no such day")])
def test_a_window_that_is_none_is_refused(tmp_path, cron, words):
    command = [harness.PORTOLAN, "node", "--data", tmp_path / "data", "--control", "127.0.0.1:1", "--maintenance", cron]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert refused.returncode == 2 and "--maintenance" in refused.stderr and words in refused.stderr, refused.stderr

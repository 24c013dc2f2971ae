"""A relay whose disk is full: it refuses and ends what it cannot put on record as the resource demands, says why, and goes on when there is
room again. The disk is a tmpfs of a size that changes; who may not mount skips this."""
import json
import pathlib
import shutil
import subprocess
import tempfile

import harness
import psycopg2
import pytest
from harness import wait_until

MODES = ("strict", "durable", "best-effort")


def mounted(*options):
    return subprocess.run(["mount", *options], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def small_disk(postgres):
    """A deployment whose relay keeps its records on a tmpfs, and how to set the size of that."""
    data = pathlib.Path(tempfile.mkdtemp(prefix="portolan-dev-"))
    deployment = harness.Dev({f"{mode}-db": postgres.url(audit=mode) for mode in MODES}, data=data)
    spool = None
    try:
        relay = next(path.parent for path in data.rglob("node.json") if json.loads(path.read_text())["kind"] == "relay")
        deployment.stop()
        if not mounted("-t", "tmpfs", "-o", "size=600m,mode=0700", "tmpfs", str(relay / "audit")):
            pytest.skip("mounting is not allowed here")
        spool = relay / "audit"
        deployment.start()
        yield deployment, lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(spool)], check=True)
    finally:
        deployment.stop()
        if spool:
            subprocess.run(["umount", str(spool)], check=True)
        shutil.rmtree(data, ignore_errors=True)


def connect(dev, mode):
    connection = psycopg2.connect(host="127.0.0.1", port=dev.port(f"{mode}-db"), user="anybody", dbname="postgres", connect_timeout=10)
    connection.autocommit = True
    return connection


def refusal_of(work):
    try:
        work()
    except psycopg2.Error as error:
        return str(error)
    return None


class LivePsql:
    """A psql that has signed in: it prints all that the server says, also before the connection ends (psycopg2 keeps the last only)."""

    def __init__(self, dev, mode):
        self.process = subprocess.Popen(dev.psql_command(f"{mode}-db"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=harness.client_environment())

    def ask(self):
        """The answer, or all that was said when the session ended."""
        try:
            self.process.stdin.write("select 'answered';\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return self.process.stdout.read()
        line = self.process.stdout.readline()
        return line if line == "answered\n" else line + self.process.communicate(timeout=10)[0]

    def refusal(self):
        said = self.ask()
        return None if said == "answered\n" else said

    def end(self):
        if self.process.poll() is None:
            self.process.communicate(timeout=10)


def ask(connection):
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        return cursor.fetchone()[0]


def test_a_full_disk(small_disk):
    dev, resize = small_disk
    live = {mode: LivePsql(dev, mode) for mode in MODES}
    for client in live.values():
        assert client.refusal() is None
    resize("100m")
    for mode in ("strict", "durable"):
        said = wait_until(live[mode].refusal, 5, f"a query of {mode} is refused")
        assert "cannot be put on record" in said and "MiB free" in said and "free some" in said, said
        said = refusal_of(lambda: connect(dev, mode))
        assert said and "put the session on record" in said and "free some" in said, said
    assert live["best-effort"].refusal() is None
    assert ask(connect(dev, "best-effort")) == 1
    resize("600m")
    for mode in MODES:
        wait_until(lambda: refusal_of(lambda: ask(connect(dev, mode))) is None, 5, f"{mode} goes on")
    for client in live.values():
        client.end()
    lost = next(line for line in dev.log_text().splitlines() if "a record is lost" in line)
    assert "best-effort" in lost
    wait_until(lambda: dev.run("audit", "verify", check=False).returncode == 0, 10, "the chain has no hole")

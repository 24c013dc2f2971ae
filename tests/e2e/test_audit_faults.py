"""A relay whose disk is full, or has become read-only: it refuses and ends what it cannot put on record as the resource demands, says why, and
goes on when it can write again. The disk is a tmpfs of a size that changes, or a file system in a file; who may not mount skips this."""
import contextlib
import json
import os
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


@contextlib.contextmanager
def with_spool_on(postgres, *mount):
    """A deployment whose relay keeps its records on what `mount` says, and where that is."""
    data = pathlib.Path(tempfile.mkdtemp(prefix="portolan-dev-"))
    deployment = harness.Dev({f"{mode}-db": postgres.url(audit=mode) for mode in MODES}, data=data)
    spool = None
    try:
        relay = next(path.parent for path in data.rglob("node.json") if json.loads(path.read_text())["kind"] == "relay")
        deployment.stop()
        if not mounted(*mount, str(relay / "audit")):
            pytest.skip("mounting is not allowed here")
        spool = relay / "audit"
        deployment.start()
        yield deployment, spool
    finally:
        deployment.stop()
        if spool:
            subprocess.run(["umount", str(spool)], check=True)
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="module")
def small_disk(postgres):
    """And how to set the size of the disk."""
    with with_spool_on(postgres, "-t", "tmpfs", "-o", "size=600m,mode=0700", "tmpfs") as (deployment, spool):
        yield deployment, lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(spool)], check=True)


@pytest.fixture
def disk_image(tmp_path):
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(700 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-E", f"root_owner={os.getuid()}:{os.getgid()}", str(image)], check=True)
    return image


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


def test_a_disk_that_becomes_read_only(postgres, disk_image):
    """As a kernel makes it when the disk below fails: at once, whatever is open."""
    fresh = ("-o", "loop", str(disk_image))
    with with_spool_on(postgres, *fresh) as (dev, spool):
        live = {mode: LivePsql(dev, mode) for mode in MODES}
        for client in live.values():
            assert client.refusal() is None
        wait_until(lambda: dev.run("audit", "verify", check=False).returncode == 0, 10, "what is on record is signed")
        subprocess.run(["mount", "-o", "remount,abort", str(spool)], check=True)
        for mode in ("strict", "durable"):
            said = wait_until(live[mode].refusal, 5, f"a query of {mode} is refused")
            assert "cannot be put on record" in said and "Read-only file system" in said, said
            said = wait_until(lambda: refusal_of(lambda: connect(dev, mode)), 5, f"a session of {mode} is refused")
            assert "put the session on record" in said and "Read-only file system" in said, said
        assert live["best-effort"].refusal() is None
        assert ask(connect(dev, "best-effort")) == 1
        # Such a disk has to be mounted anew, and that takes a node that has stopped. What was on it is there, and the chain goes on.
        for client in live.values():
            client.end()
        dev.stop()
        subprocess.run(["umount", str(spool)], check=True)
        subprocess.run(["mount", *fresh, str(spool)], check=True)
        dev.start()
        for mode in MODES:
            wait_until(lambda: refusal_of(lambda: ask(connect(dev, mode))) is None, 10, f"{mode} goes on")
        wait_until(lambda: dev.run("audit", "verify", check=False).returncode == 0, 10, "the chain has no hole")


def test_a_disk_that_is_read_only_from_the_start(postgres, disk_image):
    """The relay says why it does not begin; whoever keeps it running tries again."""
    with with_spool_on(postgres, "-o", "loop", str(disk_image)) as (dev, spool):
        dev.stop()
        subprocess.run(["mount", "-o", "remount,ro", str(spool)], check=True)
        with pytest.raises(AssertionError, match="start relay-1: audit spool: .*Read-only file system"):
            dev.start()
        subprocess.run(["mount", "-o", "remount,rw", str(spool)], check=True)
        dev.start()
        assert ask(connect(dev, "strict")) == 1

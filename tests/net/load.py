"""What runs through Portolan while the network fails: pgbench, a stream of known bytes, COPY, an open psql."""
import contextlib
import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
import time

import harness
from deployment import DATABASES, ECHO_PORT, STREAM
from harness import wait_until


LONGEST_LOAD = 170  # seconds: no load runs longer, whatever becomes of its test


class Pgbench:
    """Changes rows and writes each change down (pgbench -N), or does what `options` say, until finish()."""

    def __init__(self, world, folder, resource="db-r1", clients=8, options=("-N",)):
        self.world, self.folder, self.resource = world, folder, resource
        self.writes = "-N" in options
        if self.writes:
            world.database.sql("truncate pgbench_history")
        command = ["pgbench", "-n", *options, "-c", clients, "-j", "2", "-T", LONGEST_LOAD, "-l", f"--log-prefix={folder}/{resource}",
                   "-h", "127.0.0.1", "-p", DATABASES[resource][0], "-U", "anybody", "postgres"]
        self.process = subprocess.Popen(world.topology.command("client", *command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=harness.client_environment())
        wait_until(lambda: any(log.stat().st_size for log in self._logs()) or self.process.poll() is not None, 30, "pgbench runs")

    def _logs(self):
        return list(self.folder.glob(f"{self.resource}.*"))

    def finish(self):
        """Number of transactions, and the longest of them in seconds; none has failed, none was done twice, and none was only said to be done."""
        assert self.process.poll() is None, f"pgbench has ended: {self.process.communicate()}"
        self.process.send_signal(signal.SIGALRM)  # which it takes for the end of its time
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, out + err
        assert re.search(r"number of failed transactions: 0 ", out), out
        lines = [line.split() for log in self._logs() for line in log.read_text().splitlines()]
        times = [int(words[2]) - int(words[6] if len(words) > 6 else 0) for words in lines]  # -R adds how late it began: the machine's affair
        if self.writes:
            written = int(self.world.database.sql("select count(*) from pgbench_history"))
            assert written == len(times), f"{len(times)} transactions were answered, {written} are in the database"
        return len(times), max(times) / 1e6

    def destroy(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Stream:
    """Known bytes to the echo and back."""

    def __init__(self, world, rate=2_000_000):
        command = world.topology.command("client", sys.executable, STREAM, "check", ECHO_PORT, rate)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "first\n", self.process.communicate(timeout=20)[1]

    def finish(self):
        """How many bytes came back, each as it was sent; and the longest pause in seconds."""
        out, err = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, err
        told = json.loads(out)
        return told["bytes"], told["longest"]

    def destroy(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Copy:
    """COPY out of the database, or into it, at a bounded rate until finish(); compared with what is there."""

    def __init__(self, world, rate, rows=150_000, into=False, resource="db-r1"):  # rows of 650 bytes
        self.world, self.rate, self.into, self.most = world, rate, into, rows
        self.rows = 0 if into else rows
        if into:
            world.database.sql("drop table if exists copied; create table copied (n int, line text)")
        command = world.psql_command(resource, "-c", "\\copy copied from stdin" if into else f"\\copy ({self._rows()}) to stdout")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=harness.client_environment())
        self.bytes, self.digest, self.finishing = 0, hashlib.sha256(), threading.Event()
        self.thread = threading.Thread(target=self._write if into else self._read, daemon=True)
        self.thread.start()
        wait_until(lambda: self.bytes or self.process.poll() is not None, 30, "the copy has begun")

    def _rows(self):
        return f"select n, repeat(md5(n::text), 20) from generate_series(1, {self.rows}) n"

    def _pace(self, began, size):
        self.bytes += size
        return self.finishing.wait(max(0.0, began + self.bytes / self.rate - time.monotonic()))

    def _read(self):
        began = time.monotonic()
        while data := self.process.stdout.read(65536):
            self.digest.update(data)
            self._pace(began, len(data))

    def _write(self):
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # psql says why
            for first in range(1, self.most, 100):
                lines = b"".join(b"%d\t%s\n" % (n, hashlib.md5(b"%d" % n).hexdigest().encode() * 20) for n in range(first, first + 100))
                self.process.stdin.write(lines)
                self.rows += 100
                if self._pace(began, len(lines)):
                    break
            self.process.stdin.close()

    def finish(self):
        """How many bytes passed; each of them is right."""
        assert self.process.poll() is None, self.process.stderr.read().decode() or "the copy was over too early"
        self.finishing.set()
        self.thread.join(timeout=60)
        assert not self.thread.is_alive(), "the copy does not end"
        assert self.process.wait(timeout=60) == 0, self.process.stderr.read().decode()
        if self.into:
            same = f"select count(*) from (({self._rows()}) except all select n, line from copied) missing"
            assert self.world.database.sql(same) == "0" and self.world.database.sql("select count(*) from copied") == str(self.rows)
        else:
            options, environment = self.world.database.connection()
            command = ["psql", "-X", *options, "-d", "postgres", "-c", f"\\copy ({self._rows()}) to stdout"]
            plain = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
            assert self.digest.digest() == hashlib.sha256(plain).digest()
        return self.bytes

    def destroy(self):
        self.finishing.set()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join(timeout=20)


class Psql:
    """One that stays open."""

    def __init__(self, world, resource="db"):
        self.process = subprocess.Popen(world.psql_command(resource), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, bufsize=1, env=harness.client_environment())
        assert self.ask("up") == "up"

    def ask(self, word):
        self.send(word)
        return self.process.stdout.readline().strip()

    def send(self, word):
        self.process.stdin.write(f"select '{word}';\n")

    def rest(self):
        """What it still says, to its end."""
        return self.process.communicate(timeout=60)[0]

    def destroy(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

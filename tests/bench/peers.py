"""What the paths of a comparison have in common: a near and a far end, the servers behind the far one, and processes between them. Here are
the two simplest; tunnels.py has those that people would use instead, ours.py Portolan's own, lineup.py all of them.

Each path takes connections at ports of its own, on 127.0.0.1 of the near end, and brings them to a PostgreSQL server and to the server of
portolan_load. All are real servers as Debian has them, started and ended here. Both ends are this machine, unless a benchmark puts a
network between them (distance).

Between the processes of a path everything is encrypted with AES-256-GCM, both sides with a P-256 certificate or key; its first and its last
stretch, to the client and to the server, are plain TCP, for every path alike.
"""
import contextlib
import dataclasses
import getpass
import os
import pwd
import resource
import signal
import socket
import subprocess
import sys

from places import harness

DATABASE = "bench"
# Statements are not logged by the server: Portolan does that here. The last line of a setting is the one that holds.
SETTINGS = ("log_statement = none", "shared_buffers = 512MB", "autovacuum = off", "max_connections = 1200")


def server():
    """A PostgreSQL server with pgbench's tables, scale 10."""
    out = harness.PostgresServer(SETTINGS)
    try:
        out.sql(f"create database {DATABASE}")
        command = ["pgbench", "-i", "-q", "-s", "10", "-h", "127.0.0.1", "-p", str(out.port), "-U", out.user, DATABASE]
        subprocess.run(command, env=harness.client_environment(PGPASSWORD=out.password), check=True, capture_output=True)
    except BaseException:
        out.destroy()
        raise
    return out


@dataclasses.dataclass(frozen=True)
class Services:
    """What listens at the far end, on 127.0.0.1 there: portolan_load's server (which listens on all addresses if the ends are apart), and a PostgreSQL."""

    load: int
    postgres: object = None  # a harness.PostgresServer

    def ports(self):
        return {**({"pg": self.postgres.port} if self.postgres else {}), "load": self.load}


class Here:
    """Both ends are this machine. What a path starts at the far end listens on `address`, and so does the server of portolan_load."""

    address = "127.0.0.1"

    @staticmethod
    def near(command):
        return command

    far = near

    @staticmethod
    def is_listening(at_far, host, port):
        del at_far
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return True
        return False


def unprivileged(command):
    """As a user who may open as many descriptors as we: what starts it would set that back."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return harness.as_postgres(["prlimit", f"--nofile={most}", *map(str, command)])


def unprivileged_user():
    return "postgres" if os.getuid() == 0 else getpass.getuser()


class Path:
    """`pg` and `load` are what clients at the near end name for the two servers: a port, or ADDRESS:PORT; None if it does not carry that.
    `roots` are its processes. `needs` are the programs without which it is left out."""

    name = ""
    hops = 0
    pg = load = None
    user, password = "anybody", None
    prepares = True  # carries statements that a client has prepared
    principal = False  # loads that take long are put on these only
    most_idle = 10_000  # sessions at once: some need two descriptors, or a thread, for each
    needs = ()

    def __init__(self, folder, ends=Here):
        self.folder = folder
        self.ends = ends
        folder.mkdir()
        folder.chmod(0o755)
        self._started = []

    def start(self, services):
        raise NotImplementedError

    @property
    def roots(self):
        return [process.pid for process in self._started]

    @property
    def idle_ports(self):
        """What clients name for the server of portolan_load when there are many of them: each carries its share."""
        return [self.load]

    def parts(self):
        """name: pid of each process that keeps something for every session."""
        return {}

    def stop(self):
        for process in reversed(self._started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._started:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _sign_in_of(self, services):
        if services.postgres:
            self.user, self.password = services.postgres.user, services.postgres.password

    def _run(self, command, *ports, far=False, environment=None):
        """Starts it at one end and waits until it accepts at all ports; gives its process."""
        log = self.folder / f"log-{len(self._started)}"
        host = self.ends.address if far else "127.0.0.1"
        command = list(map(str, (self.ends.far if far else self.ends.near)(command)))
        with log.open("ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True, env=environment)
        self._started.append(process)
        listens = lambda: all(self.ends.is_listening(far, host, port) for port in ports)  # noqa: E731
        try:
            harness.wait_until(lambda: process.poll() is not None or listens(), 20, f"{command[0]} listens")
        except AssertionError as late:
            sys.exit(f"bench: {late}:\n{log.read_text()[-2000:]}")
        if process.poll() is not None:
            sys.exit(f"bench: {' '.join(command)} ended:\n{log.read_text()[-2000:]}")
        return process

    def _write(self, name, text, secret=False):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600 if secret else 0o644)
        return path

    def _give_to_unprivileged(self, *paths):
        if os.getuid() == 0:
            owner = pwd.getpwnam(unprivileged_user())
            for path in paths:
                os.chown(path, owner.pw_uid, owner.pw_gid)


class Direct(Path):
    name = "direct"
    principal = True

    def start(self, services):
        self._sign_in_of(services)
        for what, port in services.ports().items():
            setattr(self, what, port if self.ends.address == "127.0.0.1" else f"{self.ends.address}:{port}")


class PgBouncer(Path):
    """One process without encryption, which keeps its connections to the server: transaction mode. Its clients need no password."""

    name = "pgbouncer"
    prepares = False  # that of Debian 12 does not know prepared statements in this mode
    needs = ("/usr/sbin/pgbouncer",)

    def start(self, services):
        server = services.postgres
        self.pg, self.user = harness.free_port(), server.user
        users = self._write("users", f'"{server.user}" "{server.password}"\n', secret=True)
        config = self._write("pgbouncer.ini", f"""[databases]
{DATABASE} = host=127.0.0.1 port={server.port} dbname={DATABASE}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.pg}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
max_client_conn = 2000
default_pool_size = 20
""")
        self._give_to_unprivileged(users)
        self._run(unprivileged(["/usr/sbin/pgbouncer", config]), self.pg)

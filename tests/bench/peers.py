"""The paths that tests/bench/paths compares: each takes connections at ports of its own and brings them to a PostgreSQL server and to the
server of portolan_load. All are real servers as Debian has them, on 127.0.0.1, started and ended here.

Between the processes of a path everything is encrypted with AES-256-GCM, both sides with a P-256 certificate or key; its first and its last
stretch, to the client and to the server, are plain TCP, for every path alike.
"""
import contextlib
import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys

from places import PORTOLAN, harness

TLS13 = "TLS_AES_256_GCM_SHA384"
SSH_CIPHER = "aes256-gcm@openssh.com"
DATABASE = "bench"


# Statements are not logged by the server: Portolan does that here. The last line of a setting is the one that holds.
SETTINGS = ("log_statement = none", "shared_buffers = 512MB", "autovacuum = off", "max_connections = 600")


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


def listening(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def unprivileged_user():
    return "postgres" if os.getuid() == 0 else getpass.getuser()


class Path:
    """`pg` and `load` are the ports for the two servers; None if it does not carry that. `roots` are its processes."""

    name = ""
    hops = 0
    pg = load = None
    user, password = "anybody", None
    prepares = True  # carries statements that a client has prepared
    notes = ""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o755)
        self._started = []

    def start(self, server, load_port):
        raise NotImplementedError

    @property
    def roots(self):
        return [process.pid for process in self._started]

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

    def _run(self, command, *ports):
        """Starts it and waits until it accepts at all ports."""
        log = self.folder / f"log-{len(self._started)}"
        with log.open("ab") as out:
            process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True)
        self._started.append(process)
        try:
            harness.wait_until(lambda: process.poll() is not None or all(map(listening, ports)), 20, f"{command[0]} listens")
        except AssertionError as late:
            sys.exit(f"bench: {late}:\n{log.read_text()[-2000:]}")
        if process.poll() is not None:
            sys.exit(f"bench: {' '.join(map(str, command))} ended:\n{log.read_text()[-2000:]}")

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

    def start(self, server, load_port):
        self.pg, self.load = server.port, load_port
        self.user, self.password = server.user, server.password


class Ssh(Path):
    """`ssh -L`: with two hops by `-J`, so that one connection is inside of the other, as Portolan's is. The servers run unprivileged."""

    def __init__(self, folder, hops):
        super().__init__(folder)
        self.hops = hops
        self.name = "ssh -L" if hops == 1 else "ssh -J -L"

    def start(self, server, load_port):
        self.user, self.password = server.user, server.password
        host, key = self.folder / "host", self.folder / "key"
        for path in (host, key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f", path], check=True)
        authorized = self._write("authorized", key.with_suffix(".pub").read_text())
        known = self._write("known", "bench " + host.with_suffix(".pub").read_text())
        self._give_to_unprivileged(host)
        ports = [harness.free_port() for _ in range(self.hops)]
        for number, port in enumerate(ports):
            config = self._write(f"sshd-{number}", f"""Port {port}
ListenAddress 127.0.0.1
HostKey {host}
AuthorizedKeysFile {authorized}
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
Ciphers {SSH_CIPHER}
""")
            self._run(harness.as_postgres(["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]), port)
        hosts = "".join(f"Host hop{number}\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias bench\n" for number, port in enumerate(ports))
        config = self._write("ssh", f"""{hosts}Host *
  User {unprivileged_user()}
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known}
  BatchMode yes
  ExitOnForwardFailure yes
  Ciphers {SSH_CIPHER}
""")
        self.pg, self.load = harness.free_port(), harness.free_port()
        through = [] if self.hops == 1 else ["-J", "hop0"]
        self._run(["ssh", "-F", config, "-N", *through, "-L", f"127.0.0.1:{self.pg}:127.0.0.1:{server.port}", "-L",
                   f"127.0.0.1:{self.load}:127.0.0.1:{load_port}", f"hop{self.hops - 1}"], self.pg, self.load)


class Haproxy(Path):
    """A process before each hop and one behind the last, mutual TLS 1.3 between them; one TLS connection for each of a client."""

    def __init__(self, folder, hops):
        super().__init__(folder)
        self.hops = hops
        self.name = f"haproxy TLS, {hops} hop{'s' if hops > 1 else ''}"

    def _certificate(self):
        name = self.folder / "authority"
        authority = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=bench authority",
                     "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        leaf = ["openssl", "req", "-x509", "-CA", f"{name}.pem", "-CAkey", f"{name}.key", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout",
                self.folder / "leaf.key", "-out", self.folder / "leaf.crt"]
        for command in (authority, leaf):
            subprocess.run(command, check=True, capture_output=True)
        both = self._write("both.pem", (self.folder / "leaf.crt").read_text() + (self.folder / "leaf.key").read_text(), secret=True)
        return f"ssl crt {both} ca-file {name}.pem verify required"

    def start(self, server, load_port):
        self.user, self.password = server.user, server.password
        tls = self._certificate()
        stages = [{"pg": harness.free_port(), "load": harness.free_port()} for _ in range(self.hops + 1)] + [{"pg": server.port, "load": load_port}]
        for number in reversed(range(self.hops + 1)):
            bind = f" {tls}" if number > 0 else ""
            onward = f" {tls} verifyhost localhost sni str(localhost)" if number < self.hops else ""
            listens = "".join(f"""listen {what}
  bind 127.0.0.1:{stages[number][what]}{bind}
  server next 127.0.0.1:{stages[number + 1][what]}{onward}
""" for what in ("pg", "load"))
            config = self._write(f"haproxy-{number}.cfg", f"""global
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites {TLS13}
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-server-ciphersuites {TLS13}
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
{listens}""")
            self._run(["/usr/sbin/haproxy", "-db", "-f", config], *stages[number].values())
        self.pg, self.load = stages[0]["pg"], stages[0]["load"]


class PgBouncer(Path):
    """One process without encryption, which keeps its connections to the server: transaction mode. Its clients need no password."""

    name = "pgbouncer"
    prepares = False  # that of Debian 12 does not know prepared statements in this mode
    notes = "no encryption, no record; keeps connections to the server for others"

    def start(self, server, load_port):
        del load_port
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
        self._run(harness.as_postgres(["/usr/sbin/pgbouncer", str(config)]), self.pg)


class Portolan(Path):
    """agent → gateway → relay, each a process of its own, with a control plane beside them; every query is recorded. Spliced, or nested."""

    hops = 2

    def __init__(self, folder, kind="spliced"):
        super().__init__(folder)
        self.name = "Portolan" if kind == "spliced" else f"Portolan, {kind}"
        self.options = ["--nested-paths"] if kind == "nested" else []

    def start(self, server, load_port):
        resources = {"bench-db": server.url(DATABASE, tls="disable"), "bench-load": f"tcp://127.0.0.1:{load_port}"}
        self.dev = harness.Dev(resources, "--separate", *self.options, program=PORTOLAN)
        self.pg, self.load = self.dev.port("bench-db"), self.dev.port("bench-load")

    @property
    def roots(self):
        return [self.dev.process.pid]

    def parts(self):
        return {part: self.dev.processes(part)[0]["pid"] for part in ("agent", "gateway", "relay", "control-plane")}

    def stop(self):
        if hasattr(self, "dev"):
            self.dev.destroy()


@contextlib.contextmanager
def all_started(folder, server, load_port, pinning, only):
    """Every path, the direct one first; all are ended in the end, whatever happens."""
    kinds = [("direct", lambda f: Direct(f)), ("portolan", lambda f: Portolan(f)), ("nested", lambda f: Portolan(f, "nested")), ("haproxy-2", lambda f: Haproxy(f, 2)), ("ssh-2", lambda f: Ssh(f, 2)),
             ("haproxy-1", lambda f: Haproxy(f, 1)), ("ssh-1", lambda f: Ssh(f, 1)), ("pgbouncer", lambda f: PgBouncer(f))]
    paths = [make(folder / key) for key, make in kinds if key in ("direct", "portolan", "nested") or not only or key in only]
    try:
        for path in paths:
            with pinning.path():
                path.start(server, load_port)
        yield paths
    finally:
        for path in paths:
            path.stop()
        for path in paths:
            shutil.rmtree(path.folder, ignore_errors=True)

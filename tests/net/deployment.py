"""All of Portolan in the hosts of a Topology: client, control plane, gateways g1 to g3, relays r1 and r2, and a database.

They are set up as README, "Where the parts belong", says. Each process is started in the network of its host and knows nothing of the others but addresses.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import harness
from harness import wait_until
from topology import Topology

GATEWAYS = ("g1", "g2", "g3")
RELAYS = ("r1", "r2")
NODES = GATEWAYS + RELAYS
EMAIL = "admin@example.com"
# name: local port, egress node (none: any). What is bound to one relay shows what its restart ends and what that of the other does not.
DATABASES = {"db": (15432, None), "db-r1": (15433, "r1"), "db-r2": (15434, "r2")}
ECHO_PORT = 15435  # of the resource "echo", a plain TCP one at r1
DRAIN = 5  # seconds
# The longest that a transaction may wait when a gateway is lost is 1.5 s; three times that where other work may be running on the machine.
LONGEST = 1.5 * 3
BACK = 20  # seconds until all is as it was
STREAM = pathlib.Path(__file__).with_name("stream.py")


class Database(harness.PostgresServer):
    """PostgreSQL in the network of a host; the tests themselves ask it by its Unix socket."""

    def __init__(self, topology, host):
        self.topology, self.host = topology, host
        super().__init__(settings=["listen_addresses = '*'"], hba=["host all all 0.0.0.0/0 scram-sha-256"])

    def start(self):
        server = harness.as_postgres(["setpriv", "--pdeathsig", "KILL", "--", str(self.bin / "postgres"), "-D", str(self.data)])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.topology.command(self.host, *server), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")
        ready = [str(harness.POSTGRES_BIN / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready).returncode == 0, 30, "PostgreSQL is ready")

    def connection(self):
        """For a client beside the server: command line and environment."""
        return ["-h", str(self.folder), "-p", str(self.port), "-U", self.user], {**os.environ, "PGPASSWORD": self.password}

    def sql(self, statement, database="postgres"):
        options, environment = self.connection()
        command = ["psql", "-X", "-At", *options, "-d", database, "-c", statement]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def make_tables(self):
        options, environment = self.connection()
        subprocess.run(["pgbench", "-q", "-i", "-s", "1", *options, "postgres"], env=environment, check=True, capture_output=True)


class Part:
    """A process on its host; it can be killed, stopped, and started again on the same folder."""

    def __init__(self, deployment, name, host, *words, program=harness.PORTOLAN):
        self.deployment, self.name, self.host = deployment, name, host
        self.words = [program, *words]
        self.log = deployment.folder / f"{name}.log"
        self.process = None
        self.more = {}  # environment

    def start(self):
        with self.log.open("ab") as log:
            environment = {**self.deployment.environment, **self.more}
            self.process = subprocess.Popen(self.deployment.topology.command(self.host, *self.words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    @contextlib.contextmanager
    def frozen(self):
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def stop(self, limit=20):
        """In good order; gives the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop in {limit} s:\n{self.text()[-3000:]}") from None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def descriptors(self):
        return len(list(pathlib.Path("/proc", str(self.pid), "fd").iterdir()))


class Deployment:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-pnet-"))
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("PORTOLAN_")}
        self.environment |= {"NO_COLOR": "1"}
        self.parts = {}
        self.database = self.topology = None
        self.refused = None  # what works() was told
        try:
            self._set_up()
        except BaseException as error:
            logs = self.logs()
            self.destroy()
            raise AssertionError(f"{error}\n{logs}") from error

    def _set_up(self):
        self.topology = Topology(["client", "control", *NODES, "resource"])
        self.address = f"{self.topology.addresses['control']}:443"
        self.password = self._secret("password", harness.PASSWORD)
        self._start("control", "control", "server", "--data", self.folder / "control", "--listen", self.address, "--sealing-key-file", self.folder / "seal.key",
                    "--admin-email", EMAIL, "--admin-password-file", self.password, "--ca-out", self.folder / "ca.pem")
        self._start("echo", "resource", STREAM, "echo", 7777, program=sys.executable)
        self.database = Database(self.topology, "resource")
        self.database.make_tables()
        wait_until(lambda: (self.folder / "ca.pem").exists() or self.parts["control"].process.poll() is not None, 30, "the control plane is ready")
        for home in ("admin", "client"):
            self.run(home, "login", self.address, "--email", EMAIL, "--ca-file", self.folder / "ca.pem", "--password-file", self.password, "--no-agent")
        for node in NODES:
            self._start_node(node)
        wait_until(lambda: self.nodes_up() == set(NODES), 30, "all nodes are up")
        self._make_resources()
        self._start("agent", "client", "agent", "--no-status-port", "--connect-all", home="client")
        wait_until(lambda: self.run("client", "status", check=False).returncode == 0, BACK, "the agent is there")
        self.healthy(40)

    def _secret(self, name, text):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def _start(self, name, host, *words, program=harness.PORTOLAN, home="admin"):
        part = self.parts[name] = Part(self, name, host, *words, program=program)
        part.more["PORTOLAN_HOME"] = str(self.folder / f"home-{home}")
        part.start()

    def _start_node(self, name):
        kind = "gateway" if name in GATEWAYS else "relay"
        token = self.folder / f"{name}.token"
        self.admin("nodes", "token", "create", "--kind", kind, "--out", token)
        listen = ["--listen", ":5000", "--advertise", f"{self.topology.addresses[name]}:5000"] if kind == "gateway" else []
        self._start(name, name, "node", "--data", self.folder / name, "--control", self.address, "--join-token-file", token, "--name", name,
                    "--drain-limit", f"{DRAIN}s", *listen)

    def _make_resources(self):
        host = self.topology.addresses["resource"]
        password = self._secret("database-password", self.database.password)
        self.admin("roles", "create", "all")
        for name, (port, egress) in DATABASES.items():
            self.admin("resources", "create", name, "--url", f"postgres://{self.database.user}@{host}:{self.database.port}/postgres",
                       "--password-file", password, "--local-port", port, *(["--egress", egress] if egress else []))
        self.admin("resources", "create", "echo", "--url", f"tcp://{host}:7777", "--local-port", ECHO_PORT, "--egress", "r1")
        for name in (*DATABASES, "echo"):
            self.admin("grants", "create", "all", name)
        self.admin("memberships", "create", EMAIL, "all")

    def run(self, home, *words, check=True):
        """The command line: of the person at the client, or of an admin beside the control plane."""
        environment = {**self.environment, "PORTOLAN_HOME": str(self.folder / f"home-{home}")}
        return self.topology.within("client" if home == "client" else "control", harness.PORTOLAN, *words, env=environment, check=check)

    def admin(self, *words):
        return self.run("admin", "admin", *words).stdout

    def nodes(self):
        return [json.loads(line) for line in self.admin("nodes", "list", "--json").splitlines()]

    def nodes_up(self):
        return {node["name"] for node in self.nodes() if node["state"] == "up"}

    def status(self):
        return json.loads(self.run("client", "status", "--json").stdout)

    def linked(self):
        return {gateway["name"] for gateway in self.status()["gateways"] if gateway["state"] == "linked"}

    def path(self, egress=None):
        """The path with sessions on it, or that to this egress node."""
        return next(path for path in self.status()["paths"] if (path["egress_name"] == egress if egress else path["sessions"]))

    def lost(self):
        """How often an end-to-end link was lost, with its pipe, where it should have been resumed by another way."""
        return self.parts["agent"].text().count("end-to-end link ended")

    def gateway(self, egress=None):
        """The one that this path goes by."""
        return self.parts[self.path(egress)["gateway"]]

    def ready(self, node):
        answer = self.topology.within(node, "curl", "-so", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:9090/readiness", check=False)
        return answer.stdout == "200"

    def psql_command(self, resource, *arguments):
        port = DATABASES[resource][0]
        return self.topology.command("client", "psql", "-X", "-At", "-h", "127.0.0.1", "-p", port, "-U", "anybody", "-d", "postgres", *arguments)

    def new_session(self, resource):
        """One that asks once and ends; fails with what it was told."""
        command = self.psql_command(resource, "-c", "select 1")
        done = subprocess.run(command, capture_output=True, text=True, env=harness.client_environment(), timeout=60)
        assert done.returncode == 0, f"a new session with {resource}: {done.stderr}"

    def works(self, resource):
        try:
            self.new_session(resource)
        except AssertionError as error:
            self.refused = str(error)
            return False
        return True

    def soon_works(self, resource, limit=BACK):
        """Seconds until a new session begins."""
        began, self.refused = time.monotonic(), "never tried"
        try:
            wait_until(lambda: self.works(resource), limit, f"a new session with {resource}")
        except AssertionError as error:
            raise AssertionError(f"{error}; at last: {self.refused}") from None
        if self.refused != "never tried":
            print(f"at first: {self.refused.strip()}")
        return time.monotonic() - began

    def healthy(self, limit=BACK):
        """All is as at the beginning: nodes up, the agent linked to each gateway, each database reached."""
        for part in self.parts.values():
            assert part.process.poll() is None, f"{part.name} has ended:\n{part.text()[-3000:]}"
        wait_until(lambda: self.linked() == set(GATEWAYS), limit, "the agent is linked to all gateways")
        for name in DATABASES:
            self.soon_works(name, limit)
        wait_until(lambda: all(path["state"] == "linked" for path in self.status()["paths"]), limit, "all paths are linked")

    def restart(self, name):
        """In good order, as its supervisor would; and until it serves again."""
        part = self.parts[name]
        assert part.stop() == 0
        part.start()
        wait_until(lambda: self.ready(name), BACK, f"{name} is ready again")

    def log_marks(self):
        return {part.name: len(part.text()) for part in self.parts.values()}

    def logs(self, since=None):
        """The end of each part's log, or what has come `since` marks."""
        since = since or {}
        return "\n".join(f"== {part.name}\n{part.text()[since.get(part.name, 0):][-4000:]}" for part in self.parts.values())

    def destroy(self):
        try:
            for part in reversed(self.parts.values()):
                if part.process and part.process.poll() is None:
                    part.signal(signal.SIGCONT)
                    part.stop() if part.name != "echo" else part.kill()
            if self.database:
                self.database.destroy()
        finally:
            for part in self.parts.values():
                if part.process and part.process.poll() is None:
                    part.kill()
            if self.topology:
                self.topology.destroy()
            shutil.rmtree(self.folder, ignore_errors=True)

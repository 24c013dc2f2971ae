"""Control plane, gateway, relay and agent as processes of their own, each of them this build or the previous release.

They are set up as README, "Where the parts belong", says. The command line that sets them up and asks is always the agent's
build: both are installed together on a person's machine.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile

import harness
from harness import wait_until

PARTS = ("control", "gateway", "relay", "agent")
EMAIL = "admin@example.com"
RESOURCE = "billing"
ROLE = "engineers"


def free_resource_port():
    """In the range that resources may have, which is not the one that free_port() gives from."""
    for port in random.sample(range(10000, 32768), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port between 10000 and 32767 is free")


class Program:
    """One build of portolan."""

    def __init__(self, name, path):
        self.name = name
        self.path = pathlib.Path(path)

    def __repr__(self):
        return self.name


class Part:
    """A process with its log; it can be stopped and started again as another build on the same folder."""

    def __init__(self, name, folder, program, arguments, environment=None):
        self.name = name
        self.log = folder / f"{name}.log"
        self.program = program
        self.arguments = arguments
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("PORTOLAN_")}
        self.environment["PORTOLAN_DRAIN_LIMIT"] = "1s"
        self.environment.update(environment or {})
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            log.write(f"--- {self.program} ---\n".encode())
            log.flush()
            self.process = subprocess.Popen([self.program.path, *self.arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment, start_new_session=True)

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} ({self.program}) did not stop in 20 s:\n{self.text()[-2000:]}") from None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Deployment:
    """`programs`: which build each part is; every part can be changed by become()."""

    def __init__(self, postgres, **programs):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-skew-"))
        self.postgres = postgres
        self.programs = programs
        self.address = f"127.0.0.1:{harness.free_port()}"
        self.gateway_address = f"127.0.0.1:{harness.free_port()}"
        self.local_port = free_resource_port()
        self.environment = {**os.environ, "PORTOLAN_HOME": str(self.folder / "home"), "NO_COLOR": "1"}
        (self.folder / "password").write_text(harness.PASSWORD)
        (self.folder / "database-password").write_text(postgres.password)
        for name in ("password", "database-password"):
            (self.folder / name).chmod(0o600)
        self.parts = {name: self._part(name) for name in PARTS}
        try:
            self._set_up()
        except BaseException as error:
            logs = self.logs()
            self.destroy()
            raise AssertionError(f"{error}\n{logs}") from error

    def _part(self, name):
        data = self.folder / name
        without_ports = ["--health", "none", "--metrics", "none"]
        arguments = {
            "control": ["server", "--data", data, "--listen", self.address, "--sealing-key-file", self.folder / "seal.key",
                        "--admin-email", EMAIL, "--admin-password-file", self.folder / "password", "--ca-out", self.folder / "ca.pem"],
            "gateway": ["node", "--data", data, "--control", self.address, "--join-token-file", self.folder / "gateway.token", "--name", "a-gateway",
                        "--listen", self.gateway_address, *without_ports],
            "relay": ["node", "--data", data, "--control", self.address, "--join-token-file", self.folder / "relay.token", "--name", "a-relay",
                      *without_ports],
            "agent": ["agent", "--no-status-port", "--connect-all"],
        }[name]
        environment = {"PORTOLAN_HOME": str(self.folder / "home")} if name == "agent" else None
        return Part(name, self.folder, self.programs[name], arguments, environment)

    def _set_up(self):
        self.parts["control"].start()
        wait_until(lambda: (self.folder / "ca.pem").exists() or self.parts["control"].process.poll() is not None, 30, "the control plane is ready")
        self.run("login", self.address, "--email", EMAIL, "--ca-file", self.folder / "ca.pem", "--password-file", self.folder / "password", "--no-agent")
        for kind in ("gateway", "relay"):
            self.run("admin", "nodes", "token", "create", "--kind", kind, "--out", self.folder / f"{kind}.token")
            self.parts[kind].start()
        # By the relay only, so that every part is on the way.
        wait_until(lambda: {node["name"] for node in self.nodes() if node["state"] == "up"} == {"a-gateway", "a-relay"}, 20, "both nodes are up")
        self.run("admin", "resources", "create", RESOURCE, "--url", f"postgres://{self.postgres.user}@127.0.0.1:{self.postgres.port}/postgres",
                 "--password-file", self.folder / "database-password", "--local-port", str(self.local_port), "--egress", "a-relay")
        self.run("admin", "roles", "create", ROLE)
        self.run("admin", "grants", "create", ROLE, RESOURCE)
        self.run("admin", "memberships", "create", EMAIL, ROLE)
        self.parts["agent"].start()
        wait_until(lambda: self.state() == "connected", 20, "the agent has connected the resource")

    def run(self, *arguments, check=True, program=None):
        """The command line of the agent's build."""
        program = program or self.programs["agent"]
        answer = subprocess.run([program.path, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        if check:
            assert answer.returncode == 0, f"portolan ({program}) {' '.join(map(str, arguments))}: {answer.returncode}\n{answer.stdout}\n{answer.stderr}"
        return answer

    def json_lines(self, *arguments, **more):
        return [json.loads(line) for line in self.run(*arguments, "--json", **more).stdout.splitlines()]

    def nodes(self):
        return self.json_lines("admin", "nodes", "list")

    def state(self):
        answer = self.run("ls", RESOURCE, "--json", check=False)
        return json.loads(answer.stdout.splitlines()[0])["state"] if answer.returncode == 0 and answer.stdout else None

    def psql_command(self, *arguments):
        return ["psql", "-X", "-At", "-h", "127.0.0.1", "-p", str(self.local_port), "-U", "anybody", "-d", "postgres", *arguments]

    def psql(self, statement):
        return subprocess.run(self.psql_command("-c", statement), capture_output=True, text=True, env=harness.client_environment(), timeout=60)

    def works(self, marker, limit=20):
        """A query through the whole chain, and its record."""
        last = []

        def answered():
            last[:] = [self.psql(f"select '{marker}'")]
            return last[0].returncode == 0 and last[0].stdout.strip() == marker

        try:
            wait_until(answered, limit, f"a query ({marker}) is answered")
        except AssertionError as error:
            raise AssertionError(f"{error}: {last[0].stderr}") from None
        recorded = lambda: any(marker in query["text"] for query in self.json_lines("audit", "queries", "--limit", "1000"))  # noqa: E731
        wait_until(recorded, limit, f"the query ({marker}) is on record")

    def hold(self, application="held"):
        """A session that has answered once and stays open."""
        held = subprocess.Popen(self.psql_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=harness.client_environment(PGAPPNAME=application))
        self.ask(held, "up")
        return held

    @staticmethod
    def ask(held, word):
        held.stdin.write(f"select '{word}';\n")
        held.stdin.flush()
        answer = held.stdout.readline().strip()
        assert answer == word, f"the session answered {answer!r}: {held.stderr.read() if held.poll() is not None else ''}"

    def backends(self, application="held"):
        return int(self.postgres.sql(f"select count(*) from pg_stat_activity where application_name = '{application}'"))

    def take_access_away(self):
        [membership] = self.json_lines("admin", "memberships", "list")
        self.run("admin", "memberships", "delete", membership["id"])

    def become(self, name, program):
        """The part is stopped and started as another build, in place."""
        self.parts[name].stop()
        self.programs[name] = program
        self.parts[name].program = program
        self.start(name)

    def start(self, name):
        self.parts[name].start()
        if name == "control":
            wait_until(lambda: self.run("admin", "accounts", "list", check=False).returncode == 0, 20, "the control plane is back")

    def logs(self):
        return "\n".join(f"== {part.name}\n{part.text()[-3000:]}" for part in self.parts.values())

    def destroy(self):
        try:
            for part in reversed(self.parts.values()):
                part.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

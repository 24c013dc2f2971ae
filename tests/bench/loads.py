"""The loads that tests/bench/paths puts on each path, and what is idle on it: pgbench, psycopg2 and portolan_load."""
import contextlib
import dataclasses
import json
import re
import subprocess
import typing
from concurrent.futures import ThreadPoolExecutor

import machine
import peers
import psycopg2
from places import LOAD, harness


class Failed(Exception):
    pass


def environment_of(path):
    return harness.client_environment(PGSSLMODE="disable", **({"PGPASSWORD": path.password} if path.password else {}))


def run(command, **more):
    answer = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, **more)
    if answer.returncode != 0:
        raise Failed(f"{command[0]}: {(answer.stderr.strip().splitlines() or ['?'])[-1]}")
    return answer.stdout


@dataclasses.dataclass(frozen=True)
class Load:
    key: str
    title: str
    unit: str
    per: str  # what CPU time is told for, and how many of it are one of the unit
    service: str  # "pg" or "load"
    measure: typing.Callable  # (path, quick) → value
    per_second: typing.Callable = lambda value: value  # how many of `per` a second a value is
    prepares: bool = False

    def fits(self, path):
        return getattr(path, self.service) is not None and (path.prepares or not self.prepares)


def pgbench(*words, find, seconds):
    def measure(path, quick):
        command = ["pgbench", "-n", "-S", "-h", "127.0.0.1", "-p", path.pg, "-U", path.user, "-T", 1 if quick else seconds, *words, peers.DATABASE]
        told = run(command, env=environment_of(path))
        return float(re.search(find, told, re.MULTILINE).group(1))
    return measure


def portolan_load(what, connections, warm_up, window, field):
    def measure(path, quick):
        share = 3 if quick else 1
        told = json.loads(run([LOAD, what, path.load, connections, warm_up // share, window // share]))
        if told["failures"] or not told[field]:
            raise Failed(f"portolan_load {what}: {told}")
        return told[field]
    return measure


TPS = r"^tps = ([0-9.]+) "
LATENCY = r"^latency average = ([0-9.]+) ms"
LOADS = [
    Load("select", "pgbench -S, 8 clients, simple protocol", "queries/s", "query", "pg", pgbench("-c", 8, "-j", 2, find=TPS, seconds=2)),
    Load("prepared", "pgbench -S -M prepared, 8 clients", "queries/s", "query", "pg", pgbench("-c", 8, "-j", 2, "-M", "prepared", find=TPS, seconds=1), prepares=True),
    Load("latency", "pgbench -S, 1 client: latency of a query", "ms", "query", "pg", pgbench("-c", 1, find=LATENCY, seconds=1), lambda ms: 1000 / ms),
    Load("connect", "pgbench -S -C, 8 clients, one connect at a time (-j 1)", "connects/s", "connect", "pg", pgbench("-C", "-c", 8, "-j", 1, find=TPS, seconds=2)),
    Load("up", "TCP upload, 1 connection", "MiB/s", "GiB", "load", portolan_load("up", 1, 500, 1000, "mib_per_second"), lambda mib: mib / 1024),
    Load("down", "TCP download, 1 connection", "MiB/s", "GiB", "load", portolan_load("down", 1, 500, 1000, "mib_per_second"), lambda mib: mib / 1024),
    Load("up_8", "TCP upload, 8 connections", "MiB/s", "GiB", "load", portolan_load("up", 8, 500, 700, "mib_per_second"), lambda mib: mib / 1024),
    Load("ping", "TCP, 1 byte to and fro, 1 connection: p50", "µs", "round", "load", portolan_load("ping", 1, 200, 600, "p50_us"), lambda us: 1e6 / us),
    Load("ping_32", "TCP, 1 byte to and fro, 32 connections", "rounds/s", "round", "load", portolan_load("ping", 32, 200, 600, "per_second")),
    Load("connects", "TCP connect, 1 byte to and fro, close; 8 at a time", "connects/s", "connect", "load", portolan_load("connects", 8, 200, 800, "per_second")),
]


@contextlib.contextmanager
def server(pinning):
    """The port of portolan_load's server."""
    with pinning.load(), subprocess.Popen([LOAD, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())["port"]
        process.stdin.close()


@contextlib.contextmanager
def idle_tcp(path, count):
    command = [LOAD, "idle", path.load, count]
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told = json.loads(process.stdout.readline())
        try:
            if told["failures"]:
                raise Failed(f"portolan_load idle: {told}")
            yield
        finally:
            process.stdin.close()


@contextlib.contextmanager
def idle_postgres(path, count):
    def connect(_):
        connection = psycopg2.connect(host="127.0.0.1", port=path.pg, user=path.user, password=path.password, dbname=peers.DATABASE, sslmode="disable")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        return connection

    connections = []
    try:
        with ThreadPoolExecutor(4) as threads:
            connections += threads.map(connect, range(count))
        yield
    except psycopg2.Error as error:
        raise Failed(f"idle connections to PostgreSQL: {str(error).strip()}") from None
    finally:
        for connection in connections:
            connection.close()


def idle_memory(path, connects):
    """KiB of anonymous memory that one idle session costs, by process (Portolan's by name), when there are `connects` = {"pg": n, "load": n}.
    On a path that has only just started, one kind after the other, so that nothing was freed there before that could be used again; a few
    that are open before keep out of it what only the first ones cost."""
    roots = {name: [pid] for name, pid in path.parts().items()} or {"all": path.roots}
    open_idle = {"pg": idle_postgres, "load": idle_tcp}
    kinds = [service for service in connects if getattr(path, service) is not None]

    def memory():
        machine.wait_until_idle(*path.roots)
        return {name: machine.anonymous_kib_of_all(*pids) for name, pids in roots.items()}

    out = {}
    with contextlib.ExitStack() as stack:
        for service in kinds:
            stack.enter_context(open_idle[service](path, 8))
        for service in kinds:
            before = memory()
            stack.enter_context(open_idle[service](path, connects[service]))
            out[service] = {name: round((after - before[name]) / connects[service], 2) for name, after in memory().items()}
    return out

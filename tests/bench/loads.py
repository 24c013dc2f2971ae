"""The loads that the benchmarks put on each path, and what is idle on it: pgbench, psycopg2 and portolan_load."""
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


def run(command, path, limit=120, far=False, **more):
    """What this program prints, a client at the near end of a path if not at the far one."""
    command = list(map(str, (path.ends.far if far else path.ends.near)(command)))
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=limit, **more)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]}: not done in {limit} s") from None
    if answer.returncode != 0:
        raise Failed(f"{command[0]}: {(answer.stderr.strip().splitlines() or ['?'])[-1]}")
    return answer.stdout


@dataclasses.dataclass(frozen=True)
class Load:
    key: str
    title: str
    unit: str
    per: str  # what CPU time is told for, and how many of it are one of the unit; empty: it is not told
    service: str  # "pg" or "load"
    measure: typing.Callable  # (path, quick) → {"value": …} and what else there is to tell of it
    per_second: typing.Callable = lambda value: value  # how many of `per` a second a value is
    prepares: bool = False
    takes_long: bool = False

    def fits(self, path):
        return getattr(path, self.service) is not None and (path.prepares or not self.prepares) and (path.principal or not self.takes_long)


def pgbench(*words, find, seconds):
    def measure(path, quick):
        command = ["pgbench", "-n", "-S", "-h", "127.0.0.1", "-p", path.pg, "-U", path.user, "-T", 1 if quick and seconds <= 2 else seconds, *words, peers.DATABASE]
        told = run(command, path, env=environment_of(path))
        found = re.search(find, told, re.MULTILINE)
        if not found:
            raise Failed(f"pgbench: no transaction was done in time: {told.strip().splitlines()[-1]}")
        return {"value": float(found.group(1))}
    return measure


# Of so many connections nothing can be said in a third of the time.
MANY = 100


def portolan_load(what, connections, warm_up, window, field, stopped=0):
    """The figure is this field; all others are told, too."""
    def measure(path, quick):
        share = 3 if quick and connections < MANY else 1
        command = [LOAD, what, path.load, connections, warm_up // share, window // share, *([stopped] if stopped else [])]
        told = json.loads(run(command, path))
        if told["failures"] or not told[field]:
            raise Failed(f"portolan_load {what}: {told}")
        return {"value": told[field], **told}
    return measure


def beside_a_stopped_one(what, connections):
    """How fast the others are while one of the connections is not read from, in per cent of what they are while all are."""
    all_read, one_not = (portolan_load(what, connections, 1500, 1000, "mib_per_second", stopped) for stopped in (0, 1))

    def measure(path, quick):
        order = (all_read, one_not, one_not, all_read)  # a machine that gets slower favours neither
        del quick  # each connection has megabytes on its way, and it takes that long until the stopped one's are full
        taken = [one(path, False)["value"] for one in order]
        share = (connections - 1) / connections
        return {"value": 100 * (taken[1] + taken[2]) / ((taken[0] + taken[3]) * share)}
    return measure


TPS = r"^tps = ([0-9.]+) "
LATENCY = r"^latency average = ([0-9.]+) ms"
GIB = {"unit": "MiB/s", "per": "GiB", "service": "load", "per_second": lambda mib: mib / 1024}
STOPPED = {"unit": "% of their speed", "per": "", "service": "load", "takes_long": True}


def of(connections):
    """The same five on any number of connections, up to 1,000: for growth."""
    titled = f"{connections:,} session{'' if connections == 1 else 's'}"
    # Many take long to open, and each gets little of what is measured.
    warm_up, window, jobs = 500 + 3 * connections, 1000 + 2 * connections, min(connections, 2)
    at_once = min(connections, 400)  # the agent takes 1,000 for a resource, those counted that are about to end
    made = portolan_load
    return [
        Load(f"up@{connections}", f"TCP upload, {titled}", measure=made("up", connections, warm_up, window, "mib_per_second"), **GIB),
        Load(f"down@{connections}", f"TCP download, {titled}", measure=made("down", connections, warm_up, window, "mib_per_second"), **GIB),
        Load(f"ping@{connections}", f"1 byte to and fro, {titled}", "rounds/s", "round", "load", made("ping", connections, warm_up, window, "per_second")),
        Load(f"connects@{connections}", f"TCP connect, 1 byte to and fro, close; {at_once:,} at a time", "connects/s", "connect", "load",
             made("connects", at_once, warm_up, window, "per_second")),
        Load(f"select@{connections}", f"pgbench -S, {titled}", "queries/s", "query", "pg", pgbench("-c", connections, "-j", jobs, find=TPS, seconds=2 + connections // 40)),
    ]


LOADS = [
    Load("select", "pgbench -S, 8 clients, simple protocol", "queries/s", "query", "pg", pgbench("-c", 8, "-j", 2, find=TPS, seconds=2)),
    Load("prepared", "pgbench -S -M prepared, 8 clients", "queries/s", "query", "pg", pgbench("-c", 8, "-j", 2, "-M", "prepared", find=TPS, seconds=1), prepares=True),
    Load("latency", "pgbench -S, 1 client: latency of a query", "ms", "query", "pg", pgbench("-c", 1, find=LATENCY, seconds=1), lambda ms: 1000 / ms),
    Load("connect", "pgbench -S -C, 8 clients, one connect at a time (-j 1)", "connects/s", "connect", "pg", pgbench("-C", "-c", 8, "-j", 1, find=TPS, seconds=2)),
    Load("up", "TCP upload, 1 connection", measure=portolan_load("up", 1, 500, 1500, "mib_per_second"), **GIB),
    Load("down", "TCP download, 1 connection", measure=portolan_load("down", 1, 500, 1500, "mib_per_second"), **GIB),
    Load("up_8", "TCP upload, 8 connections", measure=portolan_load("up", 8, 500, 1500, "mib_per_second"), **GIB),
    Load("down_8", "TCP download, 8 connections", measure=portolan_load("down", 8, 500, 1500, "mib_per_second"), **GIB),
    Load("ping", "TCP, 1 byte to and fro, 1 connection: p50", "µs", "round", "load", portolan_load("ping", 1, 200, 1500, "p50_us"), lambda us: 1e6 / us),
    Load("ping_32", "TCP, 1 byte to and fro, 32 connections", "rounds/s", "round", "load", portolan_load("ping", 32, 200, 600, "per_second")),
    Load("connects", "TCP connect, 1 byte to and fro, close; 8 at a time", "connects/s", "connect", "load", portolan_load("connects", 8, 200, 1000, "per_second")),
    Load("stopped", "100 downloads, one of which the client does not read: the others", measure=beside_a_stopped_one("down", 100), **STOPPED),
    Load("stopped_up", "100 uploads, one of which the server does not read: the others", measure=beside_a_stopped_one("up", 100), **STOPPED),
]


@contextlib.contextmanager
def server(pinning, at="0", enter=lambda command: command):
    """The port of portolan_load's server, which listens at this address."""
    with pinning.load(), subprocess.Popen(list(map(str, enter([LOAD, "serve", at]))), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())["port"]
        process.stdin.close()


@contextlib.contextmanager
def idle_tcp(path, count):
    ports = path.idle_ports
    shares = [count // len(ports) + (number < count % len(ports)) for number in range(len(ports))]
    started = []
    try:
        for port, share in zip(ports, shares):
            if share:
                command = path.ends.near([LOAD, "idle", port, share])
                started.append(subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        told = [json.loads(process.stdout.readline()) for process in started]
        if failures := sum(one["failures"] for one in told):
            raise Failed(f"{failures} of {count} idle connections did not open")
        yield
    finally:
        for process in started:
            process.communicate()


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


def idle_memory(path, steps):
    """KiB of anonymous memory that one idle session costs, by process (Portolan's by name): {(service, how many): {process: KiB}}, or
    {(service, how many): {"failed": why}} of the step that could not be done, which is the last one.

    `steps` are [(service, how many)]. On a path that has only just started, one after the other, those of the steps before kept, so that
    nothing was freed there before that could be used again; a few that are open before keep out of it what only the first ones cost.
    Of several steps of one kind each tells what a session costs on average, up to there."""
    roots = {name: [pid] for name, pid in path.parts().items()} or {"all": path.roots}
    open_idle = {"pg": idle_postgres, "load": idle_tcp}
    steps = [(service, count) for service, count in steps if getattr(path, service) is not None and (service != "load" or count <= 1000 or path.most_idle > 1000)]
    first = 8

    def memory():
        machine.wait_until_idle(*path.roots)
        return {name: machine.anonymous_kib_of_all(*pids) for name, pids in roots.items()}

    out, opened, before = {}, {}, {}
    with contextlib.ExitStack() as stack:
        for service in dict(steps):
            stack.enter_context(open_idle[service](path, first))
        for service, count in steps:
            count = min(count, path.most_idle) if service == "load" else count
            if service not in before:
                before[service] = memory()
            try:
                stack.enter_context(open_idle[service](path, count - opened.get(service, 0)))
            except Failed as error:
                out[service, count] = {"failed": str(error)}
                break
            opened[service] = count
            out[service, count] = {name: round((after - before[service][name]) / count, 2) for name, after in memory().items()}
    return out

"""What `web` puts on its paths: many small requests, one large answer, the time until an answer's first byte, and idle WebSockets."""
import contextlib
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

import machine
from loads import Failed, Load, run
from webpaths import BIG, SMALL

CONNECTIONS = 32
FIRST = 8  # WebSockets that are open before memory is looked at: what only the first ones cost


def requests(path, quick):
    """wrk's figure."""
    command = ["wrk", "-t", 2, "-c", CONNECTIONS, "-d", "2s" if quick else "4s", "--latency", "-H", f"Host: {path.host_of('web')}", f"http://127.0.0.1:{path.web}/small"]
    told = run(command, path)
    if wrong := re.findall(r"^\s*(?:Socket errors|Non-2xx).*$", told, re.MULTILINE):
        raise Failed(f"wrk: {'; '.join(word.strip() for word in wrong)}")
    p99 = re.search(r"^\s*99%\s+([0-9.]+)(us|ms|s)$", told, re.MULTILINE)
    return {"value": float(re.search(r"^Requests/sec:\s+([0-9.]+)", told, re.MULTILINE)[1]), "p99_us": float(p99[1]) * {"us": 1, "ms": 1e3, "s": 1e6}[p99[2]]}


def download(path, quick):
    size = BIG // (4 if quick else 1)
    command = ["curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-r", f"0-{size - 1}", "-H", f"Host: {path.host_of('web')}", "-w", "%{http_code} %{size_download} %{time_total}",
               f"http://127.0.0.1:{path.web}/big"]
    status, received, took = run(command, path).split()
    if status != "206" or int(received) != size:
        raise Failed(f"curl: status {status}, {received} bytes")
    return {"value": size / float(took) / (1 << 20)}


def ask(connection, request):
    """Sends it, and gives how long the answer's first byte took; reads all of the answer."""
    began = time.perf_counter()
    connection.sendall(request)
    answer = connection.recv(65536)
    took = time.perf_counter() - began
    while (end := answer.find(b"\r\n\r\n")) < 0 or len(answer) < end + 4 + SMALL:
        piece = connection.recv(65536)
        if not piece:
            break
        answer += piece
    if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"x" * SMALL):
        raise Failed(f"answer: {answer[:80]!r}")
    return took


def connect(path):
    connection = socket.create_connection(("127.0.0.1", path.web), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def first_byte(path, quick):
    """Of requests one after another on a connection that is kept."""
    request = f"GET /small HTTP/1.1\r\nHost: {path.host_of('web')}\r\n\r\n".encode()
    with connect(path) as connection:
        for _ in range(50):
            ask(connection, request)
        taken = [ask(connection, request) for _ in range(500 if quick else 2000)]
    return {"value": statistics.median(taken) * 1e6, "p99_us": statistics.quantiles(taken, n=100)[98] * 1e6}


def new_connection(path, quick):
    """A connection for each request: from before it is opened."""
    request = f"GET /small HTTP/1.1\r\nHost: {path.host_of('web')}\r\nConnection: close\r\n\r\n".encode()
    taken = []
    for _ in range(100 if quick else 400):
        began = time.perf_counter()
        with connect(path) as connection:
            ask(connection, request)
            taken.append(time.perf_counter() - began)
    return {"value": statistics.median(taken) * 1e6, "p99_us": statistics.quantiles(taken, n=100)[98] * 1e6}


LOADS = [
    Load("requests", f"small requests (wrk), {CONNECTIONS} connections", "requests/s", "request", "web", requests),
    Load("download", "download of 1 GiB", "MiB/s", "GiB", "web", download, lambda mib: mib / 1024),
    Load("first", "first byte of an answer, connection kept: p50", "µs", "", "web", first_byte),
    Load("connect", "a request on a connection of its own: p50", "µs", "", "web", new_connection),
]


@contextlib.contextmanager
def idle_sockets(path, count):
    ways = path.idle_ways
    shares = [count // len(ways) + (number < count % len(ways)) for number in range(len(ways))]
    started = []
    try:
        for (port, host), share in zip(ways, shares):
            command = [sys.executable, pathlib.Path(__file__).with_name("websockets.py"), "open", port, host, share]
            started.append(subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        told = [json.loads(process.stdout.readline() or '{"failures": 1, "why": "ended"}') for process in started]
        if failures := sum(one["failures"] for one in told):
            raise Failed(f"{failures} of {count} WebSockets did not open: {next(one['why'] for one in told if one['why'])}")
        yield
    finally:
        for process in started:
            process.communicate()


def idle_memory(path, count):
    """KiB of anonymous memory that one of so many idle WebSockets costs, by process (Portolan's by name)."""
    roots = {name: [pid] for name, pid in path.parts().items()} or {"all": path.roots}

    def memory():
        machine.wait_until_idle(*path.roots)
        return {name: machine.anonymous_kib_of_all(*pids) for name, pids in roots.items()}

    with idle_sockets(path, FIRST):
        before = memory()
        with idle_sockets(path, count):
            return {name: round((after - before[name]) / count, 2) for name, after in memory().items()}

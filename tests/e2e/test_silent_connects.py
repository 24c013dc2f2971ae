"""Ten thousand connections that never speak, to each listening port, harm nobody and leave nothing behind."""
import pathlib
import resource
import socket
import subprocess
import threading
import time

import harness
import pytest
from harness import client_environment, wait_until

CONNECTIONS = 10_000


@pytest.fixture
def own(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as deployment:
        yield deployment


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def memory(pid):
    """Private memory in KiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


def ports_of(dev):
    base = int(dev.ready["admin_url"].rsplit(":", 1)[1].strip("/"))
    [gateway] = dev.processes("gateway")
    ports = {"control-plane": base, "gateway": int(gateway["address"].rsplit(":", 1)[1]), "agent": dev.port("billing-db"), "status": base + 2}
    for number, name in enumerate(("gateway", "relay")):
        ports |= {f"{name} health": base + 90 + number, f"{name} metrics": base + 110 + number}
    return ports


class PsqlLoop(threading.Thread):
    """A person who goes on working."""

    def __init__(self, dev):
        super().__init__(daemon=True)
        self.command = dev.psql_command("billing-db", "-c", "select 1")
        self.ended = threading.Event()
        self.errors, self.count = [], 0

    def run(self):
        while not self.ended.is_set():
            answer = subprocess.run(self.command, capture_output=True, text=True, env=client_environment(), timeout=60)
            self.count += 1
            if answer.returncode != 0:
                self.errors.append(answer.stderr)


def connect_silently(port):
    """CONNECTIONS connections, at most 2,000 of them held by us at a time, so that this process's own limit holds."""
    held, made = [], 0
    for _ in range(CONNECTIONS):
        try:
            held.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            made += 1
        except ConnectionError:
            pass  # turned away is as good
        if len(held) >= 2000:
            for connection in held[:1000]:
                connection.close()
            held = held[1000:]
    assert made > CONNECTIONS * 0.9, f"only {made} connects to port {port} were made"
    return held


def flood(ports):
    held = []
    for name, port in ports.items():
        made = connect_silently(port)
        # The main ports are held at the same time; health and metrics are small servers, one after the other.
        if " " in name:
            for connection in made:
                connection.close()
        else:
            held += made
    for connection in held:
        connection.close()


def test_silent_connects(own):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    own.psql("billing-db", "-c", "select 1")
    pids = {process["part"]: process["pid"] for process in own.processes()}
    worker = PsqlLoop(own)
    worker.start()
    ports = ports_of(own)
    # The same once before measuring, so that pools and caches have their working size.
    flood(ports)
    wait_until(lambda: all(descriptors(pid) < 200 for pid in pids.values()), 30, "descriptors are back after the first round")
    time.sleep(12)  # memory is given back to the system every ten seconds
    before = {part: (descriptors(pid), memory(pid)) for part, pid in pids.items()}
    flood(ports)

    def back():
        # The psql loop's own connections come and go: a few descriptors are theirs.
        return all(descriptors(pid) <= before[part][0] * 1.05 + 8 and memory(pid) <= before[part][1] * 1.05 + 512 for part, pid in pids.items())

    try:
        wait_until(back, 30, "descriptors and memory are back")
    finally:
        after = {part: (descriptors(pid), memory(pid)) for part, pid in pids.items()}
        print(f"descriptors and KiB before {before}, after {after}; psql loop {worker.count} times")
        worker.ended.set()
        worker.join(timeout=60)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert worker.count > 5 and not worker.errors, worker.errors[:3]

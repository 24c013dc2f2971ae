"""Servers and clients that misbehave after sign-in: bounded memory, a clear error, and others unharmed."""
import json
import pathlib
import socket
import struct
import threading
import time

import harness
import pytest
from fake_server import READY, FakeServer
from harness import wait_until
from pgwire import Connection, message, query, startup

NOTICES = 10_000_000
MEMORY_KIB = 96 * 1024  # what the whole deployment may grow by


@pytest.fixture
def behind(postgres):
    """Gives a deployment with a resource of the given misbehaviour beside a good one."""
    opened = []

    def make(behave, signs_in=True):
        server = FakeServer(behave, signs_in)
        opened.append(server)
        deployment = harness.Dev({"bad": server.url(), "good": postgres.url()})
        opened.append(deployment)
        return deployment

    yield make
    for thing in reversed(opened):
        thing.destroy()


def memory(dev):
    """Private memory of the deployment's process in KiB."""
    for line in pathlib.Path(f"/proc/{dev.process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


def others_are_served(dev):
    return dev.psql("good", "-c", "select 1").stdout.strip() == "1"


def rest_of(connection):
    """All messages up to the end of the connection."""
    seen = []
    try:
        while True:
            seen.append(connection.next())
    except (EOFError, ConnectionError):
        return seen


LIES = {
    "length 0": b"D" + struct.pack("!I", 0),
    "length 3": b"D" + struct.pack("!I", 3) + b"abc",
    "length of 2 GiB": b"D" + struct.pack("!I", 0x80000000),
    "length of 2 GiB less one": b"N" + struct.pack("!I", 0x7FFFFFFF) + b"SNOTICE",
    "a row too short to be one": message("D", b"\0"),
    "CommandComplete of a kilobyte": message("C", b"x" * 1000 + b"\0"),
    "CommandComplete with two tags": message("C", b"SELECT 1\0DELETE 9\0"),
    "an unknown type": message("?", b"what"),
    "an answer to nothing": message("1"),
    "another authentication": message("R", struct.pack("!I", 3)),
    "ReadyForQuery before the answer": READY,
}


def test_a_server_that_lies(behind):
    told = []

    def behave(connection):
        if FakeServer.request(connection)[0] != "Q":
            return  # a check of the node's, which only signs in
        connection.sendall(told[-1])
        connection.recv(1)

    dev = behind(behave)
    for name, lie in LIES.items():
        told.append(lie)
        client = Connection(dev.port("bad"))
        client.send(query("select 1"))
        seen = rest_of(client)
        assert [kind for kind, _ in seen] == ["E"], name
        assert b"C08P01" in seen[0][1] and b"Portolan" in seen[0][1], name
    assert others_are_served(dev)
    lost = wait_until(lambda: len(found := dev.queries(resource="bad")) == len(LIES) and found, 15, "the records")
    assert {record["error"] for record in lost} == {"connection lost"}


def test_a_server_that_promises_more_than_it_sends(behind):
    def behave(connection):
        FakeServer.request(connection)
        connection.sendall(b"D" + struct.pack("!I", 500_000_000) + b"x" * 100_000)

    dev = behind(behave)
    before = memory(dev)
    client = Connection(dev.port("bad"))
    client.send(query("select 1"))
    with pytest.raises((EOFError, ConnectionError)):
        client.next()
    assert memory(dev) < before + MEMORY_KIB
    client.break_off()
    [record] = wait_until(lambda: dev.queries(resource="bad"), 15, "the record")
    assert record["error"] == "connection lost"


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_server_that_dies(behind, busy):
    """Who is connected is told at once, and the end of the session is on record while they still are."""
    dev = behind(lambda connection: busy and FakeServer.request(connection))
    client = Connection(dev.port("bad"))
    if busy:
        client.send(query("select 'unanswered'"))
    kind, body = client.next()
    assert kind == "E" and b"C08006" in body and b"the server has closed the connection" in body and b"hop: resource" in body
    with pytest.raises(EOFError):
        client.next()
    ended = lambda: [session for session in dev.json_lines("audit", "sessions", "--resource", "bad") if session.get("ended")]  # noqa: E731
    [session] = wait_until(ended, 15, "the session's end is on record")
    assert "the server has closed the connection" in json.dumps(session), session
    assert [record["error"] for record in dev.queries(resource="bad")] == ["connection lost"] * busy
    client.break_off()


def test_a_server_that_never_answers(behind):
    """Who asks may wait as long as they like; when they go, the server is told, and the record says so."""
    asked, gone = threading.Event(), threading.Event()

    def behave(connection):
        FakeServer.request(connection)
        asked.set()
        if connection.recv(1) == b"":
            gone.set()

    dev = behind(behave)
    client = Connection(dev.port("bad"))
    client.send(query("select 'unanswered'"))
    assert asked.wait(15)
    assert others_are_served(dev)
    client.break_off()
    assert gone.wait(15)
    [record] = wait_until(lambda: dev.queries(resource="bad"), 15, "the record")
    assert record["text"] == "select 'unanswered'" and record["error"] == "connection lost"


def test_a_server_that_never_signs_in(behind):
    dev = behind(lambda connection: connection.recv(1 << 20) and connection.recv(1), signs_in=False)
    begin = time.monotonic()
    answer = dev.psql("bad", "-c", "select 1", check=False)
    assert answer.returncode != 0 and "Portolan" in answer.stderr and "timed out" in answer.stderr
    assert time.monotonic() - begin < 25
    assert others_are_served(dev)


def test_ten_million_notices(behind):
    notice = message("N", b"SNOTICE\0Mtoo many\0\0")
    block = notice * 10_000

    def behave(connection):
        FakeServer.request(connection)
        for _ in range(NOTICES // 10_000):
            connection.sendall(block)
        connection.sendall(message("C", b"SELECT 0\0") + READY)
        connection.recv(1)

    dev = behind(behave)
    client = Connection(dev.port("bad"), timeout=120)
    before, most = memory(dev), 0
    begin = time.monotonic()
    client.send(query("select 1"))
    received, last = 0, b""
    expected = NOTICES * len(notice) + 14 + 6
    while received < expected:
        piece = client.socket.recv(1 << 20)
        assert piece, f"ended after {received} of {expected} bytes"
        received, last = received + len(piece), (last + piece)[-20:]
        most = max(most, memory(dev))
    elapsed = time.monotonic() - begin
    assert last == message("C", b"SELECT 0\0") + READY
    assert most < before + MEMORY_KIB, f"{before} KiB before, {most} at most"
    assert elapsed < 90
    print(f"{NOTICES} notices, {received >> 20} MiB, in {elapsed:.1f} s; memory {before} KiB before, {most} KiB at most")
    assert others_are_served(dev)


def test_a_client_that_never_reads(behind):
    sent, stalled = [0], threading.Event()
    rows = message("D", struct.pack("!HI", 1, 1000) + b"x" * 1000) * 100

    def behave(connection):
        FakeServer.request(connection)
        connection.settimeout(3)
        try:
            while sent[0] < 2 << 30:
                sent[0] += connection.send(rows)
        except TimeoutError:
            stalled.set()
            connection.settimeout(None)
            connection.recv(1)

    dev = behind(behave)
    before = memory(dev)
    client = Connection(dev.port("bad"))
    client.send(query("select everything"))
    assert stalled.wait(60), f"{sent[0] >> 20} MiB were taken for a client that does not read"
    assert memory(dev) < before + MEMORY_KIB
    assert sent[0] < 64 << 20
    assert others_are_served(dev)
    client.break_off()
    [record] = wait_until(lambda: dev.queries(resource="bad"), 15, "the record")
    assert record["error"] == "connection lost" and record["rows"] > 1000


def test_a_client_that_never_reads_while_it_asks(behind):
    """A hundred megabytes of requests to a server that takes them and answers nothing."""
    def behave(connection):
        while connection.recv(1 << 20):
            pass

    dev = behind(behave)
    before = memory(dev)
    client = Connection(dev.port("bad"), timeout=30)
    requests = query("select '" + "x" * 1000 + "'") * 100
    with pytest.raises((ConnectionError, EOFError)):
        for _ in range(2000):
            client.send(requests)
        while True:  # what it is told, up to the end
            client.next()
    assert memory(dev) < before + 3 * MEMORY_KIB
    assert others_are_served(dev)


SIZES = sorted({*range(0, 70), *range(70, 16_385, 151), *range(9_990, 10_012), 16_383, 16_384})


def start_up_of(size):
    """A start-up packet that says so of itself and has as much; without a user, so that it is a packet of no use."""
    body = struct.pack("!I", 0x00030000) + b"options\0" + b"x" * 20_000
    body = body[: max(size - 4 - 2, 0)] + b"\0\0"
    return struct.pack("!I", size) + body[: max(size - 4, 0)]


def test_start_up_packets_of_every_size(postgres, dev):
    for size in SIZES:
        with socket.create_connection(("127.0.0.1", dev.port("billing-db")), timeout=15) as raw:
            raw.sendall(start_up_of(size))
            raw.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while piece := raw.recv(65536):
                    answer += piece
            except ConnectionResetError:
                pass
        assert answer[:1] in (b"E", b""), size
        if answer:
            assert b"C08P01" in answer and b"start-up packet" in answer, (size, answer)
        assert len(answer) < 2000
    assert dev.psql("billing-db", "-c", "select 1").stdout.strip() == "1"


def test_requests_before_the_sign_in_is_done(postgres, dev):
    """Start-up and queries in one piece: they wait until the server is there."""
    with socket.create_connection(("127.0.0.1", dev.port("billing-db")), timeout=15) as raw:
        raw.sendall(startup(user="x", database="postgres") + query("select 'early'") + message("X"))
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    assert b"early" in answer

"""End to end: what passes the gateway is TLS between agent and relay. Seen from outside, with every outer key in hand.

Runs a test build, which writes its TLS secrets to SSLKEYLOGFILE; a release never does.
"""
import pathlib
import re
import signal
import subprocess

import harness
import pytest
from harness import wait_until

MARKER = "marker_5f1c8e_secret"


@pytest.fixture(scope="module", params=["nested", "spliced"])
def watched(request, postgres, tmp_path_factory):
    """A deployment under capture, after one query with the marker: (dev, capture file, key log), and which kind of path it took."""
    folder = tmp_path_factory.mktemp("capture")
    keys = folder / "keys"
    capture = folder / "capture.pcap"
    assert harness.KEYLOG_PORTOLAN.exists(), "build the test build first: make build-asan"
    tcpdump = subprocess.Popen(["tcpdump", "-i", "lo", "-U", "-s", "0", "-B", "65536", "-Z", "root", "-w", capture, "tcp"], stderr=subprocess.PIPE, text=True)
    try:
        assert "listening on" in tcpdump.stderr.readline()
        environment = {"SSLKEYLOGFILE": str(keys), "ASAN_OPTIONS": "detect_leaks=0"}
        kind = ["--nested-paths"] if request.param == "nested" else []
        with harness.running(harness.Dev({"billing-db": postgres.url(tls="disable")}, "--separate", *kind, program=harness.KEYLOG_PORTOLAN, environment=environment)) as dev:
            answer = dev.psql("billing-db", "-c", f"select '{MARKER}'")
            assert answer.stdout.strip() == MARKER
            wait_until(lambda: [q for q in dev.queries() if MARKER in q["text"]], 20, "the record")
            dev.psql("billing-db", "-c", f"select '{MARKER}', pg_sleep(0.1)")
            wait_until(lambda: b"pg_sleep(0.1)" in payloads(capture, postgres.port), 30, "the capture of the last query")
            tcpdump.send_signal(signal.SIGINT)
            tcpdump.wait(timeout=10)
            yield dev, capture, keys, request.param
    finally:
        if tcpdump.poll() is None:
            tcpdump.kill()


def gateway_port(dev):
    [gateway] = dev.processes("gateway")
    return int(gateway["address"].rsplit(":", 1)[1])


def payloads(capture, port):
    """TCP payload of all packets of a port, both ways."""
    command = ["tshark", "-r", capture, "-Y", f"tcp.port == {port} && tcp.len > 0", "-T", "fields", "-e", "tcp.payload"]
    # A capture that is still being written may end within a packet, which tshark's exit code tells of.
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return b"".join(bytes.fromhex(line.replace(":", "").replace(",", "")) for line in lines)


def decrypted_streams(capture, keys, port, without=()):
    """For each TCP connection of the port: the two decrypted directions of its TLS, but for those of these numbers."""
    command = ["tshark", "-r", capture, "-Y", f"tcp.port == {port}", "-T", "fields", "-e", "tcp.stream"]
    numbers = sorted({int(n) for n in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()})
    for number in sorted(set(numbers) - set(without)):
        follow = ["tshark", "-r", capture, "-q", "-d", f"tcp.port=={port},tls", "-o", f"tls.keylog_file:{keys}", "-z", f"follow,tls,raw,{number}"]
        lines = subprocess.run(follow, capture_output=True, text=True, check=True).stdout.splitlines()
        sides = [b"", b""]
        for line in lines:
            if re.fullmatch(r"\t?[0-9a-f]+", line):
                sides[line.startswith("\t")] += bytes.fromhex(line.strip())
        if any(sides):
            yield sides


def frames(side):
    """(type, stream, payload) of the HTTP/2 frames behind the hello."""
    assert side[:4] == b"PTLN", side[:16]
    position = 6 + int.from_bytes(side[4:6], "big")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    if side[position:position + len(preface)] == preface:
        position += len(preface)
    while position + 9 <= len(side):
        length = int.from_bytes(side[position:position + 3], "big")
        kind = side[position + 3]
        flags = side[position + 4]
        stream = int.from_bytes(side[position + 5:position + 9], "big") & 0x7FFFFFFF
        payload = side[position + 9:position + 9 + length]
        if kind == 0 and flags & 0x8:
            payload = payload[1:len(payload) - payload[0]]
        yield kind, stream, payload
        position += 9 + length


def assert_only_tls_records(data):
    """A sequence of TLS records from the first byte on; the last may be cut off by the capture's end."""
    position = 0
    while position + 5 <= len(data):
        kind, major, minor = data[position], data[position + 1], data[position + 2]
        length = int.from_bytes(data[position + 3:position + 5], "big")
        assert kind in (20, 21, 22, 23) and major == 3 and minor in (1, 3) and length <= 16384 + 256, data[position:position + 16]
        position += 5 + length


def plain_connections(capture, port):
    """Payload of each TCP connection of the port, by number: what its dialler has sent, and what has come back."""
    command = ["tshark", "-r", capture, "-Y", f"tcp.port == {port} && tcp.len > 0", "-T", "fields", "-e", "tcp.stream", "-e", "tcp.dstport", "-e", "tcp.payload"]
    connections = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        number, to, payload = line.split("\t")
        sides = connections.setdefault(int(number), [b"", b""])
        sides[int(to) != port] += bytes.fromhex(payload.replace(":", "").replace(",", ""))
    return connections


def spliced_connections(capture, port):
    """Those that begin with the preface of a ticket, by number."""
    begin = bytes.fromhex("d050544c4e01") + bytes(10)
    return {number: sides for number, sides in plain_connections(capture, port).items() if sides[0].startswith(begin)}


def test_a_spliced_path_holds_a_ticket_and_tls_records(watched):
    dev, capture, _, kind = watched
    spliced = list(spliced_connections(capture, gateway_port(dev)).values())
    assert len(spliced) == (2 if kind == "spliced" else 0), "the agent's and the relay's connection"
    for sent, came in spliced:
        assert_only_tls_records(sent[48:])
        assert_only_tls_records(came)
        assert len(sent) > 1000 and len(came) > 1000, "it carries nothing"
    assert len({sent[16:48] for sent, _ in spliced}) == len(spliced), "each has a ticket of its own"


def test_outer_streams_hold_only_tls_records(watched):
    dev, capture, keys, kind = watched
    data_frames = 0
    # The keys of the TLS on a spliced path are in the log too, but only its two ends have them.
    for sides in decrypted_streams(capture, keys, gateway_port(dev), without=spliced_connections(capture, gateway_port(dev))):
        for side in sides:
            assert MARKER.encode() not in side
            if not side:
                continue
            streams = {}
            for kind, stream, payload in frames(side):
                if kind == 0:
                    streams[stream] = streams.get(stream, b"") + payload
                    data_frames += 1
            for data in streams.values():
                assert_only_tls_records(data)
    assert data_frames > (10 if kind == "nested" else 0), "nothing was decrypted: the check would prove nothing"


def test_the_marker_passes_the_gateway_unseen_and_reaches_the_server(watched, postgres):
    dev, capture, *_ = watched
    assert MARKER.encode() not in payloads(capture, gateway_port(dev))
    # The positive control: on the relay's leg to the server it is in the clear, since this resource asks for no TLS.
    assert MARKER.encode() in payloads(capture, postgres.port)


def memory_of(pid):
    """All readable private memory of a process."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            region, permissions, *_, = line.split()
            path = line.split()[5] if len(line.split()) > 5 else ""
            start, end = (int(part, 16) for part in region.split("-"))
            # The sanitizer's shadow is terabytes of nothing.
            if "r" not in permissions or "w" not in permissions or path in ("[vvar]", "[vsyscall]") or end - start > 1 << 30:
                continue
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, OverflowError, ValueError):
                continue


@pytest.fixture
def release_dev(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as deployment:
        yield deployment


def test_the_marker_is_not_in_the_gateways_memory(release_dev):
    dev = release_dev
    for _ in range(20):
        dev.psql("billing-db", "-c", f"select '{MARKER}'")
    command = dev.psql_command("billing-db")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=harness.client_environment()) as client:
        client.stdin.write(f"select '{MARKER}', 'live';\n")
        assert "live" in client.stdout.readline()
        [gateway] = dev.processes("gateway")
        [relay] = dev.processes("relay")
        assert not any(MARKER.encode() in region for region in memory_of(gateway["pid"]))
        # The positive control: the egress has had it in hand.
        assert any(MARKER.encode() in region for region in memory_of(relay["pid"]))
        client.stdin.write("\\q\n")


def test_a_release_writes_no_keys(postgres, tmp_path):
    keys = tmp_path / "keys"
    with harness.running(harness.Dev({"billing-db": postgres.url()}, environment={"SSLKEYLOGFILE": str(keys)})) as dev:
        dev.psql("billing-db", "-c", "select 1")
    assert not keys.exists()

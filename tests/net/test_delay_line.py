"""portolan_delay does what is asked of it: what is measured over it would mean nothing otherwise."""
import json
import os
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import delay_line  # noqa: E402

pytestmark = [pytest.mark.skipif(os.getuid() != 0, reason="network namespaces need root"),
              pytest.mark.skipif(not delay_line.DELAY.exists(), reason="portolan_delay has not been built")]
SO_TIMESTAMPNS = 35  # which Python 3.11 does not know
NEAR, FAR = "10.219.0.1", "10.219.0.2"
# What a loaded machine may add to a delay.
SLACK_MS = 15


@pytest.fixture
def ends():
    with delay_line.Namespace("near") as near, delay_line.Namespace("far") as far:
        yield near, far


class Pair:
    """Two UDP sockets, and what goes from one to the other: numbered datagrams with the time they were sent."""

    def __init__(self, ends):
        self.near, self.far = (end.socket(socket.SOCK_DGRAM) for end in ends)
        self.near.bind((NEAR, 0))
        self.far.bind((FAR, 0))
        for one, other in ((self.near, self.far), (self.far, self.near)):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            one.connect(other.getsockname())

    def send(self, count, size=64, back=False, gap=0):
        for number in range(count):
            (self.far if back else self.near).send(f"{number} {time.time()} ".encode().ljust(size, b"x"))
            time.sleep(gap)

    def received(self, wait, back=False):
        """[(number, milliseconds)] of all that comes until nothing has come for so many seconds; the kernel says when it came."""
        end = self.near if back else self.far
        end.settimeout(wait)
        out = []
        try:
            while True:
                datagram, [(_, _, stamp)], *_ = end.recvmsg(65535, 64)
                number, sent, _ = datagram.split(b" ", 2)
                seconds, nanoseconds = struct.unpack("qq", stamp)
                out.append((int(number), (seconds + nanoseconds / 1e9 - float(sent)) * 1000))
        except TimeoutError:
            return out


def pair_over(ends, **settings):
    return delay_line.DelayLine(ends[0], f"{NEAR}/30", ends[1], f"{FAR}/30", **settings), Pair(ends)


@pytest.mark.parametrize("delay_ms", [0, 10, 50])
def test_each_way_takes_its_time(ends, delay_ms):
    line, pair = pair_over(ends, delay_ms=delay_ms)
    with line:
        for back in (False, True):
            pair.send(50, back=back, gap=0.005)
            got = pair.received(0.5, back)
            assert [number for number, _ in got] == list(range(50))
            assert min(ms for _, ms in got) >= delay_ms
            assert statistics.median(ms for _, ms in got) <= delay_ms + SLACK_MS
        # The kernel sends multicast of its own when a device comes up.
        assert 50 <= line.end()["out"]["passed"] < 60


def test_the_share_that_is_asked_for_is_lost(ends):
    line, pair = pair_over(ends, delay_ms=1, loss=0.1)
    with line:
        for _ in range(10):
            pair.send(200)
            time.sleep(0.02)
        got = pair.received(0.5)
        # 2,000 of them: the standard deviation of what is lost is 13.4.
        assert 2000 - 280 <= len(got) <= 2000 - 120
        lost = line.end()["out"]["lost"]
        assert 0 <= lost - (2000 - len(got)) < 10
        assert line.counts["out"]["dropped"] == 0


def test_jitter_keeps_the_order_and_reordering_does_not(ends):
    line, pair = pair_over(ends, delay_ms=20, jitter_ms=30)
    with line:
        pair.send(200, gap=0.002)
        got = pair.received(0.5)
        assert [number for number, _ in got] == list(range(200))
        spread = [ms for _, ms in got]
        assert min(spread) >= 20 and max(spread) <= 50 + SLACK_MS and max(spread) - min(spread) > 10
        line.change(jitter_ms=0, reorder=0.2)
        pair.send(200, gap=0.002)
        got = pair.received(0.5)
        early = [number for number, ms in got if ms < 10]
        assert len(got) == 200 and [number for number, _ in got] != list(range(200))
        assert 15 <= len(early) <= 70


def test_a_black_hole_swallows_long_packets_only(ends):
    line, pair = pair_over(ends, black_hole=1000)
    with line:
        pair.send(5, size=900)
        pair.send(5, size=1200)
        assert len(pair.received(0.3)) == 5
        assert line.end()["out"]["cut"] == 5


def test_it_can_be_cut_one_way_and_mended(ends):
    line, pair = pair_over(ends)
    with line:
        line.change(cut="out")
        pair.send(3)
        pair.send(3, back=True)
        assert len(pair.received(0.3)) == 0 and len(pair.received(0.3, back=True)) == 3
        line.change(cut="both")
        pair.send(3, back=True)
        assert len(pair.received(0.3, back=True)) == 0
        line.change(cut="none")
        pair.send(3)
        assert len(pair.received(0.3)) == 3


def test_a_rate_is_kept_and_its_queue_is_bounded(ends):
    line, pair = pair_over(ends, rate_mbit=8, queue_kib=100)
    with line:
        # 300 × 1,028 bytes, one of which leaves every 1.03 ms: 100 of them wait, and the rest is dropped.
        began = time.monotonic()
        pair.send(300, size=1000)
        meanwhile = (time.monotonic() - began) * 1000
        got = pair.received(0.5)
        assert 95 <= len(got) <= 105 + meanwhile
        assert 85 <= max(ms for _, ms in got) <= 110 + SLACK_MS
        assert line.end()["out"]["dropped"] == 300 - len(got)


def test_what_it_does_not_know_is_refused(ends):
    line, pair = pair_over(ends, delay_ms=0)
    with line:
        with pytest.raises(OSError, match="--loss cannot be 2"):
            line.change(delay_ms=1000, loss=2)
        pair.send(3)
        assert len(pair.received(0.3)) == 3, "all of a line of changes, or none"
    told = subprocess.run([delay_line.DELAY, "--near", "a", "--far", "b", "--wait", "1"], capture_output=True, text=True)
    assert told.returncode == 2 and "no option --wait" in told.stderr


def transfer(ends, megabytes):
    """MiB/s of one TCP connection, and that the bytes are those that were sent."""
    listener, sender = (end.socket() for end in (ends[1], ends[0]))
    listener.bind((FAR, 0))
    listener.listen(1)
    block = os.urandom(1 << 20)
    arrived = []

    def take():
        receiver, _ = listener.accept()
        with receiver:
            while True:
                part = bytearray()
                while len(part) < len(block) and (more := receiver.recv(len(block) - len(part))):
                    part += more
                if not part:
                    return
                arrived.append(part == block)

    taking = threading.Thread(target=take)
    taking.start()
    began = time.monotonic()
    sender.settimeout(60)
    sender.connect(listener.getsockname())
    for _ in range(megabytes):
        sender.sendall(block)
    sender.close()
    taking.join()
    listener.close()
    assert len(arrived) == megabytes and all(arrived)
    return megabytes / (time.monotonic() - began)


def test_tcp_comes_through_whole_and_fast(ends):
    for end in ends:
        end.run(["sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 134217728", "net.ipv4.tcp_wmem=4096 131072 134217728"])
    line, _ = pair_over(ends)
    with line:
        fast = transfer(ends, 1000)
        line.change(delay_ms=5, loss=0.01, jitter_ms=1, reorder=0.01)
        spoiled = transfer(ends, 20)
        print(json.dumps({"MiB/s": round(fast), "with 1 % loss": round(spoiled)}))
        # It is no limit for what is measured over it: half of a Gbit/s even where the machine is busy.
        assert fast > 64
        assert line.end()["out"]["lost"] > 0

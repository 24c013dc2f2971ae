"""Lines that lose, delay, reorder or swallow packets. All of it is TCP's work, as long as nobody takes what is late for what is lost."""
import contextlib
import time

import pytest
from delay_line import DELAY
from deployment import LONGEST
from harness import wait_until


def test_one_packet_in_a_hundred_is_lost(world, loads):
    lost = world.lost()
    pgbench, stream, copy = loads.pgbench(), loads.stream(), loads.copy(800_000, rows=30_000)
    with world.topology.loss(10):
        time.sleep(6)
        size, pause = stream.finish()
        copied = copy.finish()
    count, longest = pgbench.finish()
    print(f"1 % loss: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s; {copied} bytes copied")
    assert max(longest, pause) <= LONGEST
    assert world.lost() == lost


def test_long_packets_vanish_on_the_way_to_the_gateway_in_use(world, loads):
    """Another gateway takes over; and short packets, which still get an answer, do not lure anybody back."""
    pgbench, stream = loads.pgbench(), loads.stream()
    gateway = world.gateway("r1")
    with world.topology.black_hole(gateway.name, 600):
        wait_until(lambda: world.gateway("r1") is not gateway, LONGEST, "another gateway is in use")
        world.new_session("db-r1")
        world.new_session("db-r2")
        time.sleep(4)
        assert world.gateway("r1") is not gateway
        size, pause = stream.finish()
        count, longest = pgbench.finish()
    print(f"a black hole: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert max(longest, pause) <= LONGEST


@pytest.mark.parametrize("into", [False, True], ids=["from the database", "into it"])
def test_long_packets_vanish_on_the_clients_own_cable(world, loads, into):
    """All gateways are behind it: shorter packets are sent, and long ones are not tried again there."""
    copy, pgbench = loads.copy(2_000_000, into=into), loads.pgbench(clients=2)
    try:
        with world.topology.black_hole("client", 1300):
            before = copy.bytes
            wait_until(lambda: copy.bytes > before + 4_000_000, 2 * LONGEST, "the copy goes on")
            world.new_session("db-r1")
            world.new_session("db-r2")
            began, before = time.monotonic(), copy.bytes
            wait_until(lambda: copy.bytes > before + 8_000_000, 2 * LONGEST, "and on")
            assert time.monotonic() - began < 4 + LONGEST, "it falls silent again and again"
        copied = copy.finish()
        count, longest = pgbench.finish()
    finally:
        # Another network, of which nothing is remembered.
        world.topology.unplug("client")
        world.topology.plug("client")
    print(f"a black hole at the client: {copied} bytes copied; {count} transactions, 0 failed, the longest took {longest:.3f} s")
    assert "shorter packets are sent" in world.parts["agent"].text()


@pytest.fixture(scope="module")
def long_line(deployment):
    """The client's cable is a delay line."""
    assert DELAY.exists(), "portolan_delay has not been built: tools/build release portolan_delay"
    topology = deployment.topology
    topology.unplug("client")
    topology.plug("client", line={"delay_ms": 0})
    deployment.healthy()
    yield topology.lines["client"]
    topology.unplug("client")
    topology.plug("client")
    deployment.healthy()


@contextlib.contextmanager
def line_with(line, **settings):
    line.change(**settings)
    try:
        yield
    finally:
        line.change(**{name: 0 for name in settings})


@pytest.mark.parametrize("settings", [
    pytest.param({"jitter_ms": 200}, id="jitter of 200 ms"),
    pytest.param({"delay_ms": 50, "reorder": 0.05}, id="reordering"),
    pytest.param({"delay_ms": 20, "jitter_ms": 100, "reorder": 0.02, "loss": 0.01}, id="all of it"),
])
def test_what_is_late_is_not_lost(long_line, world, loads, settings):
    lost, gateway = world.lost(), world.gateway("r1")
    pgbench, stream = loads.pgbench(), loads.stream(rate=200_000)
    with line_with(long_line, **settings):
        time.sleep(5)
        world.new_session("db-r1")
        size, pause = stream.finish()
        count, longest = pgbench.finish()
    print(f"{settings}: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert max(longest, pause) <= LONGEST
    assert world.lost() == lost and world.gateway("r1") is gateway, "a way that works was left"

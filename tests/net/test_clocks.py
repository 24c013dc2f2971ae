"""The wall clock of one process jumps: what runs goes on, since all durations run on clocks that do not.

The clock is that of libfaketime, which leaves the monotonic one alone. A step of an hour is more than the certificate of a person lasts: new links may be refused then, and are not
asked for.
"""
import pathlib
import time

import pytest
from deployment import BACK, LONGEST
from harness import wait_until

FAKETIME = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


STEPPED = 1.5  # seconds until the process sees it, and some more


class Clock:
    def __init__(self, world, part):
        self.file = world.folder / f"{part.name}.clock"
        self.step("+0")
        self.preload = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                        "FAKETIME_DONT_RESET": "1"}

    def step(self, offset):
        self.file.write_text(offset + "\n")


@pytest.fixture(params=["agent", "gateway", "r1", "control"])
def clocked(request, world):
    """A part with a clock of its own."""
    assert FAKETIME.exists(), "libfaketime is not installed"
    part = world.gateway("r1") if request.param == "gateway" else world.parts[request.param]
    clock = Clock(world, part)
    usual = dict(part.more)

    def restart(more):
        part.stop()
        part.more = more
        part.start()
        wait_until(lambda: world.run("client", "status", check=False).returncode == 0, BACK, "the agent is there")
        world.healthy(2 * BACK)

    restart({**usual, **clock.preload})
    yield part, clock
    clock.step("+0")
    restart(usual)


@pytest.mark.parametrize("clocked", ["control"], indirect=True)
def test_a_control_plane_whose_clock_is_wrong_is_no_end_of_the_sign_in(world, clocked):
    _, clock = clocked
    try:
        clock.step("-3600")
        time.sleep(STEPPED)
        for cable in (world.topology.unplug, world.topology.plug):  # so the agent asks anew
            cable("client")
        told = wait_until(lambda: (now := world.status())["control_state"] == "down" and "clock" in now.get("control_reason", "") and now["control_reason"],
                          BACK, "the clock is named")
        assert "the clock of the control plane is wrong" in told and "login" not in told, told
    finally:
        clock.step("+0")
    wait_until(lambda: world.status()["control_state"] == "up", BACK, "all is well when it is right")


def test_a_clock_is_set(world, clocked, loads):
    part, clock = clocked
    lost = world.lost()
    for offset in ("+120", "-120"):  # hinders nobody
        clock.step(offset)
        time.sleep(STEPPED)
        world.new_session("db-r1")
        world.new_session("db-r2")
    clock.step("+0")
    pgbench, stream = loads.pgbench(clients=4), loads.stream()
    for offset in ("+3600", "-3600", "+0"):
        clock.step(offset)
        time.sleep(STEPPED)
    # Who was refused meanwhile by a part whose clock is wrong asks again when it is right.
    took = world.soon_works("db-r1")
    size, pause = stream.finish()
    count, longest = pgbench.finish()
    print(f"{part.name}: a new session {took:.1f} s after it was right; {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert max(longest, pause) <= LONGEST
    # An agent whose certificate seems to end makes another link beside the one that carries the sessions.
    assert part.name == "agent" or world.lost() == lost

"""A gateway or another part dies, freezes or runs out of descriptors under load: a pause, and no error."""
import resource
import subprocess
import sys
import time

import pytest
from deployment import BACK, LONGEST
from harness import wait_until

FROZEN = 3  # seconds


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.long)])
def test_the_gateway_in_use_is_killed(world, loads, kills):
    lost = world.lost()
    pgbench, stream = loads.pgbench(), loads.stream()
    for _ in range(kills):
        victim = world.gateway("r1")
        victim.kill()
        wait_until(lambda: world.gateway("r1") is not victim, LONGEST, "another gateway is in use")
        victim.start()
        wait_until(lambda: victim.name in world.linked(), BACK, "the killed gateway is back")
    count, longest = pgbench.finish()
    size, pause = stream.finish()
    print(f"{kills} kills: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert max(longest, pause) <= LONGEST
    assert world.lost() == lost, "the end-to-end link was made anew rather than resumed"


def test_the_gateway_in_use_freezes(world, loads):
    pgbench, stream = loads.pgbench(), loads.stream()
    victim = world.gateway("r1")
    with victim.frozen():
        wait_until(lambda: world.gateway("r1") is not victim, LONGEST, "another gateway is in use")
        time.sleep(1)
        count, longest = pgbench.finish()
        size, pause = stream.finish()
    print(f"a frozen gateway: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert 0.9 < longest <= LONGEST and pause <= LONGEST, "silence is noticed after a second"


@pytest.mark.parametrize("part", ["r1", "control", "agent"])
def test_another_part_freezes_for_some_seconds(world, loads, part):
    """Nobody can do its work meanwhile; and nobody gives up what is only late."""
    pgbench, stream = loads.pgbench(clients=4), loads.stream()
    with world.parts[part].frozen():
        time.sleep(FROZEN)
    time.sleep(1)
    count, longest = pgbench.finish()
    size, pause = stream.finish()
    print(f"{part} was frozen for {FROZEN} s: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    if part == "control":
        assert max(longest, pause) <= LONGEST / 3, "no session needs the control plane"
    else:
        assert FROZEN - 0.5 < max(longest, pause) <= FROZEN + LONGEST


TAKE = """
import socket, sys, time
held = [socket.create_connection((sys.argv[1], 5000), timeout=10) for _ in range(int(sys.argv[2]))]
print("held", flush=True)
sys.stdin.read()
"""


def test_a_gateway_without_descriptors_pauses_and_says_so_once(world, loads):
    """Connections that say nothing take the last of them. What runs by it goes on, and others serve who comes."""
    gateway = world.gateway("r1")
    pgbench, stream = loads.pgbench(clients=4), loads.stream()
    before = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    told = gateway.text()
    limit = gateway.descriptors() + 20
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        command = world.topology.command("r2", sys.executable, "-c", TAKE, world.topology.addresses[gateway.name], 200)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout.readline() == "held\n", "the kernel still takes them"
            wait_until(lambda: "cannot accept connections for now" in gateway.text(), 10, "the gateway says so")
            assert gateway.descriptors() >= limit - 1
            world.new_session("db-r1")
            world.new_session("db-r2")
            count, longest = pgbench.finish()
            size, pause = stream.finish()
            holder.stdin.close()
    finally:
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, before)
    said = gateway.text()[len(told):].splitlines()
    print(f"without descriptors: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s; {len(said)} lines")
    assert max(longest, pause) <= LONGEST
    assert sum("cannot accept" in line for line in said) == 1 and len(said) < 50, said[:50]
    wait_until(lambda: gateway.descriptors() < limit - 10, 20, "what said nothing has been put out")

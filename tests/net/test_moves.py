"""Addresses change under what runs: a laptop comes to another network, a relay's router forgets it."""
import contextlib
import time

import pytest
from deployment import BACK, LONGEST
from harness import wait_until


@pytest.mark.parametrize("into", [False, True], ids=["from the database", "into it"])
def test_the_client_changes_networks_while_it_copies(world, loads, into):
    lost = world.lost()
    copy, stream = loads.copy(5_000_000, into=into), loads.stream()
    topology, addresses = world.topology, set()
    for without in (0, 1):
        topology.unplug("client")
        time.sleep(without)
        topology.plug("client")
        addresses.add(topology.addresses["client"])
        before = copy.bytes
        wait_until(lambda: copy.bytes > before + 5_000_000, LONGEST, "the copy goes on")
    size, pause = stream.finish()
    copied = copy.finish()
    print(f"two other networks: {copied} bytes copied, {size} of a stream, whose longest pause was {pause:.3f} s")
    assert len(addresses) == 2 and pause <= LONGEST + 1
    assert world.lost() == lost, "the end-to-end link was made anew rather than resumed"


# Until silence on a link between relay and gateway is noticed: docs/wire.md, "Timers".
KEEP_ALIVE = 5 + 3


@pytest.mark.parametrize("silent", [False, True], ids=["and says so", "and nobody is told"])
def test_the_mapping_of_a_relay_behind_nat_changes(world, loads, silent):
    """All links of the relay are dead at once, and so is the path that runs."""
    lost = world.lost()
    with world.topology.nat("r1", but="resource") as nat:
        world.healthy(2 * BACK)
        limit = LONGEST + (KEEP_ALIVE if silent else 0)
        pgbench, stream = loads.pgbench(clients=4), loads.stream()
        with nat.silent() if silent else contextlib.nullcontext():
            nat.remap()
            wait_until(lambda: not silent or world.path("r1")["state"] != "linked", LONGEST, "it is noticed")
            wait_until(lambda: world.path("r1")["state"] == "linked", limit, "the path is there again")
            time.sleep(2)
        size, pause = stream.finish()
        count, longest = pgbench.finish()
    print(f"a new mapping: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert (1 if silent else 0.01) < max(longest, pause) <= limit
    world.healthy(2 * BACK)
    assert world.lost() == lost, "the end-to-end link was made anew rather than resumed"

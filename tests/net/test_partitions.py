"""Packets vanish between two parts, or around one: for a moment, or for longer than anybody waits."""
import time

import pytest
from deployment import BACK, GATEWAYS, LONGEST
from harness import wait_until

WAYS = {"both ways": (True, True), "there": (True, False), "back": (False, True)}
SECONDS = 3
GRACE = 60  # of a pipe without a link
UNUSED = 15 + 10  # until the silence of a path that nobody uses is noticed, and it is given up: docs/wire-pipe.md, "Timers"
DEAD_WAY = 2  # a gateway that answers, but whose link with the relay is dead, is waited for so long


@pytest.mark.parametrize("host", ["client", "r1"])
def test_the_gateway_in_use_is_not_reached(world, loads, host):
    lost = world.lost()
    pgbench, stream = loads.pgbench(), loads.stream()
    for there, back in WAYS.values():
        gateway = world.gateway("r1")
        with world.topology.cut(host, gateway.name, there, back):
            wait_until(lambda: world.gateway("r1") is not gateway, LONGEST, "another gateway is in use")
            time.sleep(1)
            assert world.gateway("r1") is not gateway
    size, pause = stream.finish()
    count, longest = pgbench.finish()
    print(f"{host} and its gateway: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert max(longest, pause) <= LONGEST
    assert world.lost() == lost, "the end-to-end link was made anew rather than resumed"


@pytest.mark.parametrize("way", ["both ways", pytest.param("there", marks=pytest.mark.long), "back"])
@pytest.mark.parametrize("host", ["client", "r1"])
def test_nobody_is_reached_for_some_seconds(world, loads, host, way):
    there, back = WAYS[way]
    pgbench, stream = loads.pgbench(clients=4), loads.stream()
    with world.topology.cut_off(host, there, back):
        time.sleep(SECONDS)
    wait_until(lambda: world.path("r1")["state"] == "linked", LONGEST, "the path is there again")
    time.sleep(1)
    size, pause = stream.finish()
    count, longest = pgbench.finish()
    print(f"{host} alone, {way}: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert SECONDS - 0.5 < max(longest, pause) <= SECONDS + LONGEST


def test_the_control_plane_is_not_reached_for_some_seconds(world, loads):
    pgbench, stream = loads.pgbench(clients=4), loads.stream()
    with world.topology.cut_off("control"):
        # By the lease that is there.
        world.new_session("db-r1")
        time.sleep(SECONDS)
    count, longest = pgbench.finish()
    size, pause = stream.finish()
    print(f"the control plane alone: {count} transactions, 0 failed, the longest took {longest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert max(longest, pause) <= LONGEST / 3


@pytest.mark.parametrize("only", ["g1", pytest.param("g2", marks=pytest.mark.long), pytest.param("g3", marks=pytest.mark.long)])
def test_the_one_way_that_is_left_is_found(world, loads, only):
    """Of the other two gateways one is not reached by the client, one not by the relay."""
    one, other = (name for name in GATEWAYS if name != only)
    pgbench = loads.pgbench(clients=4)
    with world.topology.cut("client", one), world.topology.cut("r1", other):
        wait_until(lambda: world.gateway("r1").name == only, LONGEST + DEAD_WAY, "it is in use")
        time.sleep(2)
        count, longest = pgbench.finish()
    print(f"only {only} is left: {count} transactions, 0 failed, the longest took {longest:.3f} s")
    assert longest <= LONGEST + DEAD_WAY


@pytest.mark.long
@pytest.mark.parametrize("host", ["client", "r1"])
def test_longer_than_the_grace_time(world, loads, host):
    """Sessions end and say why, on both sides; new ones begin when the network is there again."""
    idle, before = loads.psql("db-r1"), world.status()["endings"]
    began = time.monotonic()
    with world.topology.cut_off(host):
        wait_until(lambda: world.path("r1")["state"] == "reconnecting", UNUSED + LONGEST, "it is shown that there is no way")
        [ending] = wait_until(lambda: [each for each in world.status()["endings"] if each not in before], GRACE + LONGEST, "the session has ended")
        took = time.monotonic() - began
        assert ending["code"] == "reconnect_timeout" and ending["reason"], ending
        idle.send("afterwards")
        told = idle.rest()
        wait_until(lambda: world.database.sql("select count(*) from pg_stat_activity where query like '%up%' and pid <> pg_backend_pid()") == "0",
                   GRACE, "the database has lost the session, too")
    print(f"{host} alone: the session ended after {took:.1f} s: {told.strip()}")
    assert GRACE <= took < UNUSED + GRACE + LONGEST and "reconnect_timeout" in told and "\nafterwards" not in told
    world.healthy(2 * BACK)

"""All nodes are restarted, one after the other, as docs/guide/nodes.md says, while people work."""
from deployment import GATEWAYS, LONGEST, RELAYS
from harness import wait_until


def test_all_nodes_are_restarted_under_load(world, loads):
    """Nothing fails but sessions that last longer than their relay's drain limit, which are told so."""
    short = loads.pgbench(resource="db", clients=2, options=("-S", "-C", "-R", "20"))
    staying = loads.pgbench(resource="db-r2", clients=4, options=("-N", "-R", "100"))
    stream = loads.stream()
    for name in GATEWAYS:
        world.restart(name)
        wait_until(lambda: name in world.linked(), 20, "the agent is linked to it")
    size, pause = stream.finish()  # it is at r1
    idle = {relay: loads.psql(f"db-{relay}") for relay in RELAYS}
    world.restart("r1")
    idle["r1"].send("afterwards")
    told = idle["r1"].rest()
    assert "relay r1 is stopping" in told and "node_stopping" in told, told
    assert idle["r2"].ask("still here") == "still here"
    moved, longest = staying.finish()
    world.restart("r2")
    idle["r2"].send("afterwards")
    assert "relay r2 is stopping" in idle["r2"].rest()
    begun, slowest = short.finish()
    print(f"gateways, then relays: {moved} transactions of sessions that stay, 0 failed, the longest took {longest:.3f} s; {begun} sessions that begin and end, "
          f"0 failed, the slowest took {slowest:.3f} s; {size} bytes of a stream, the longest pause {pause:.3f} s")
    assert max(longest, slowest, pause) <= LONGEST

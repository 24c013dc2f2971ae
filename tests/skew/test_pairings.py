"""This build against the previous release (tests/skew/previous): control plane, gateway, relay and agent in every pairing."""
import itertools

import pytest

from deployment import PARTS
from harness import wait_until

LIMIT = 6  # seconds for a revocation to end a session, on a machine that does other things too
PAIRINGS = list(itertools.product(("previous", "this"), repeat=len(PARTS)))


@pytest.mark.parametrize("builds", PAIRINGS, ids=lambda builds: "-".join(f"{part}:{build}" for part, build in zip(PARTS, builds)))
def test_pairing(deploy, programs, builds):
    made = deploy(**{part: programs[build] for part, build in zip(PARTS, builds)})
    made.works("a_marker")
    held = made.hold()
    try:
        made.take_access_away()
        wait_until(lambda: made.backends() == 0, LIMIT, "the session has ended at the server")
        _, said = held.communicate("select 1;\n", timeout=10)
        assert "Portolan" in said, said
    finally:
        held.kill()
        held.wait()
    refused = made.psql("select 1")
    assert refused.returncode != 0
    assert made.json_lines("audit", "sessions"), "the session is on record"

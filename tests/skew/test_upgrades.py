"""Parts of the previous release that are stopped and started as this build on the same folder, and back where that is promised."""
import contextlib
import sqlite3
import subprocess

from deployment import PARTS
from harness import wait_until

LIMIT = 6  # seconds for a revocation to end a session, on a machine that does other things too


def migrations(folder):
    """How many steps each database of a control plane's folder has taken."""
    counts = {}
    for file in sorted(folder.glob("*.db")):
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            counts[file.name] = database.execute("SELECT count(*) FROM migrations").fetchone()[0]
    assert counts, f"no databases in {folder}"
    return counts


def test_each_part_is_upgraded_in_place(deploy, programs):
    made = deploy(**dict.fromkeys(PARTS, programs["previous"]))
    made.works("before_all")
    held = made.hold()
    try:
        for part in PARTS:
            made.become(part, programs["this"])
            if part == "control":
                made.ask(held, "goes_on")  # no byte of a session passes the control plane
            made.works(f"after_{part}")
    finally:
        held.kill()
        held.wait()
    kept = {query["text"] for query in made.json_lines("audit", "queries", "--limit", "1000")}
    assert {f"select '{marker}'" for marker in ("before_all", *(f"after_{part}" for part in PARTS))} <= kept
    wait_until(lambda: {node["state"] for node in made.nodes()} == {"up"}, 10, "all nodes are up")


def test_access_from_before_the_upgrade_is_taken_away_after_it(deploy, programs):
    made = deploy(**dict.fromkeys(PARTS, programs["previous"]))
    held = made.hold()
    try:
        made.become("control", programs["this"])
        wait_until(lambda: {node["state"] for node in made.nodes()} == {"up"}, 20, "the nodes' watches are back")
        made.ask(held, "goes_on")
        made.take_access_away()
        wait_until(lambda: made.backends() == 0, LIMIT, "the session has ended at the server")
    finally:
        held.kill()
        held.wait()


def test_what_the_previous_release_had_not_delivered_is_delivered(deploy, programs):
    """The spool of a node is read by the build that comes after it."""
    made = deploy(**dict.fromkeys(PARTS, programs["previous"]))
    made.works("a_lease")
    made.parts["control"].stop()
    answer = made.psql("select 'nobody_listens'")
    assert answer.returncode == 0, f"a cached lease is good while the control plane is away: {answer.stderr}"
    made.become("relay", programs["this"])
    made.become("control", programs["this"])
    recorded = lambda: any("nobody_listens" in query["text"] for query in made.json_lines("audit", "queries"))  # noqa: E731
    wait_until(recorded, 20, "the record from before has come")


def test_what_was_not_delivered_waits_while_the_previous_release_is_back(deploy, programs):
    """It does not know sealed files, and leaves them alone."""
    made = deploy(**dict.fromkeys(PARTS, programs["this"]))
    made.works("a_lease")
    made.parts["control"].stop()
    answer = made.psql("select 'sealed_and_waiting'")
    assert answer.returncode == 0, f"a cached lease is good while the control plane is away: {answer.stderr}"
    made.become("relay", programs["previous"])
    made.become("control", programs["this"])
    made.works("in_between")
    made.become("relay", programs["this"])
    recorded = lambda: any("sealed_and_waiting" in query["text"] for query in made.json_lines("audit", "queries"))  # noqa: E731
    wait_until(recorded, 20, "the record from before has come")
    assert not list((made.folder / "relay" / "audit").glob("*.bad"))


def test_nodes_and_agents_can_go_back(deploy, programs):
    """What this build writes into the folders of nodes and agents, the previous release can read."""
    made = deploy(**dict.fromkeys(PARTS, programs["this"]))
    made.works("before_all")
    for part in ("agent", "relay", "gateway"):
        made.become(part, programs["previous"])
        made.works(f"after_{part}")


def test_the_previous_release_refuses_a_database_that_is_newer(deploy, programs, tmp_path):
    """Or opens it, where no form has changed since: never half."""
    made = deploy(**dict.fromkeys(PARTS, programs["previous"]))
    before = migrations(made.folder / "control")
    made.become("control", programs["this"])
    made.works("upgraded")
    after = migrations(made.folder / "control")
    made.parts["control"].stop()
    if before == after:
        made.become("control", programs["previous"])
        made.works("went_back")
        return
    control = made.parts["control"]
    answer = subprocess.run([programs["previous"].path, *control.arguments], env=control.environment, capture_output=True, text=True, timeout=30)
    assert answer.returncode == 1, f"{answer.returncode}\n{answer.stdout}\n{answer.stderr}"
    for words in ("newer version", "update Portolan or restore a backup"):
        assert words in answer.stderr, answer.stderr
    assert migrations(made.folder / "control") == after
    made.start("control")
    made.works("still_good")

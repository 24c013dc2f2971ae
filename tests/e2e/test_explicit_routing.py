"""Peering groups and egress filters from the command line, and what `admin nodes route` says of them; psql goes where it says."""
import pytest
from harness import wait_until

DB, RELAY = "billing-db", "relay-1"


def route(dev):
    [view] = dev.json_lines("admin", "nodes", "route", DB)
    return view


def codes(dev):
    return {each["name"]: each["code"] for each in route(dev)["candidates"]}


def answers(dev):
    return dev.psql(DB, "-c", "select 1", check=False).returncode == 0


@pytest.fixture
def plain(dev):
    """As it was, also after a test that fails."""
    wait_until(lambda: [each["code"] for each in route(dev)["gateways"]] == ["ok"], 20, "the relay's link is known")
    yield dev
    dev.run("admin", "peering-groups", "delete", "berlin", check=False)
    dev.run("admin", "resources", "update", DB, "--egress-filter", "")
    dev.run("admin", "nodes", "update", RELAY, "--untag", "env", check=False)
    wait_until(lambda: answers(dev), 20, "the database is reached")


def test_a_peering_group_says_who_reaches_a_resource(plain):
    dev = plain
    assert "relay-1" in dev.run("admin", "nodes", "route", DB).stdout.splitlines()[0]
    dev.run("admin", "peering-groups", "create", "berlin", "--resource", DB)
    assert codes(dev)[RELAY] == "peering_group" and "egress" not in route(dev)
    told = dev.psql(DB, "-c", "select 1", check=False)
    assert told.returncode != 0 and "berlin" in told.stderr, told.stderr
    dev.run("admin", "peering-groups", "update", "berlin", "--node", RELAY)
    assert codes(dev)[RELAY] == "ok"
    wait_until(lambda: answers(dev), 20, "the database is reached")


def test_an_egress_filter_admits_by_tags(plain):
    dev = plain
    warned = dev.run("admin", "resources", "update", DB, "--egress-filter", "env=prod")
    assert "admits none of the nodes" in warned.stderr, warned.stderr
    assert codes(dev)[RELAY] == "egress_filter"
    wait_until(lambda: not answers(dev), 20, "nobody may reach the database")
    dev.run("admin", "nodes", "update", RELAY, "--tag", "env=prod")
    assert codes(dev)[RELAY] == "ok"
    wait_until(lambda: answers(dev), 20, "the database is reached")


def test_mistakes_are_named(plain):
    for words, complaint in (
        (("admin", "resources", "update", DB, "--egress-filter", "env prod,,"), 'the term "env prod" must be KEY=VALUE'),
        (("admin", "nodes", "route", "nothing"), 'there is no resource "nothing"'),
        (("admin", "nodes", "route", DB, "--account", "nobody@example.com"), 'there is no account "nobody@example.com"'),
        (("admin", "peering-groups", "create", "berlin", "--node", "nowhere"), '"nowhere"'),
    ):
        told = plain.run(*words, check=False)
        assert told.returncode != 0 and complaint in told.stderr, told.stderr

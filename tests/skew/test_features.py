"""Settings that the previous release does not know: its nodes do not serve without them, they are not given the lease."""
from deployment import PARTS, RESOURCE
from harness import wait_until


def test_a_node_that_does_not_know_a_setting_is_given_no_lease(deploy, programs):
    made = deploy(**{**dict.fromkeys(PARTS, programs["this"]), "relay": programs["previous"]})
    made.works("before")
    held = made.hold()
    try:
        made.run("admin", "resources", "update", RESOURCE, "--setting", "replication=refuse")
        wait_until(lambda: made.backends() == 0, 6, "the session has ended at the server")
    finally:
        held.kill()
        held.wait()
    refused = made.psql("select 1")
    assert refused.returncode != 0
    for words in ('node "a-relay" is of an older release', "postgres.replication", "upgrade the node", "lease_not_understood"):
        assert words in refused.stderr, refused.stderr
    made.become("relay", programs["this"])
    made.works("after")


def test_another_node_serves_what_one_does_not_understand(deploy, programs):
    made = deploy(**{**dict.fromkeys(PARTS, programs["this"]), "relay": programs["previous"]})
    made.run("admin", "resources", "update", RESOURCE, "--setting", "replication=refuse", "--egress", "a-relay", "--egress", "a-gateway")
    made.works("by_the_other")


def test_a_control_plane_that_knows_no_features(deploy, programs):
    """It asks for nothing, and is sent nothing that it reads strictly."""
    made = deploy(**{**dict.fromkeys(PARTS, programs["this"]), "control": programs["previous"]})
    made.works("with_an_older_control_plane")

"""Taking a membership away ends what lives on it, at the client and at the server, and refuses what comes next."""
import os
import signal
import subprocess
import time

import harness
import pytest
from harness import client_environment, wait_until

PROMISE = 1.0            # seconds, in the product's promise
LIMIT = 3 * PROMISE      # what a test on a busy machine allows


@pytest.fixture
def own(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url(), "spare": postgres.url()})) as deployment:
        yield deployment


def start(dev, *arguments, **more):
    return subprocess.Popen(dev.psql_command("billing-db", *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, bufsize=1, env=client_environment(PGAPPNAME="revoked-one"), **more)


def backends(postgres):
    return int(postgres.sql("select count(*) from pg_stat_activity where application_name = 'revoked-one'"))


def take_membership_away(dev):
    account = dev.json_lines("admin", "accounts", "list")[0]
    for membership in dev.json_lines("admin", "memberships", "list"):
        if membership["account"] == account["id"]:
            dev.run("admin", "memberships", "delete", membership["id"])


def test_revocation_ends_an_idle_session_and_one_in_mid_copy(own, postgres):
    idle = start(own)
    idle.stdin.write("select 'up';\n")
    assert idle.stdout.readline().strip() == "up"
    copying = start(own)
    copying.stdin.write("create temporary table t (line text);\ncopy t from stdin;\n")
    assert copying.stdout.readline().strip() == "CREATE TABLE"
    copying.stdin.write("one\ntwo\n")
    wait_until(lambda: backends(postgres) == 2, 10, "both sessions are on the server")

    take_membership_away(own)
    began = time.monotonic()
    wait_until(lambda: backends(postgres) == 0, LIMIT, "both sessions have ended on the server")
    print(f"ended on the server {time.monotonic() - began:.2f} s after the membership was taken away")
    # psql notices when it speaks next; a client that waits in a read is told at once (see the psycopg2 test below).
    for client in (idle, copying):
        client.stdin.write("\\.\nselect 1;\n")
        _, errors = client.communicate(timeout=LIMIT + 5)
        assert "Portolan" in errors, errors

    again = own.psql("billing-db", "-c", "select 1", check=False)
    assert again.returncode != 0
    assert "Portolan" in again.stderr and "ask an admin" in again.stderr


def test_the_client_is_told_at_once(own, postgres):
    import select

    import psycopg2
    connection = psycopg2.connect(host="127.0.0.1", port=own.port("billing-db"), user="x", dbname="postgres", application_name="revoked-one")
    connection.autocommit = True
    connection.cursor().execute("listen nothing")
    take_membership_away(own)
    began = time.monotonic()
    assert select.select([connection], [], [], LIMIT)[0], "the client was not told"
    print(f"told the client {time.monotonic() - began:.2f} s after the membership was taken away")
    def lost():
        try:
            connection.poll()
        except psycopg2.OperationalError as error:
            return str(error) + "".join(connection.notices)
        return None
    assert "Portolan" in wait_until(lost, LIMIT, "the connection has ended")


def test_signing_out_ends_sessions(own, postgres):
    idle = start(own)
    idle.stdin.write("select 'up';\n")
    assert idle.stdout.readline().strip() == "up"
    own.run("logout")
    wait_until(lambda: backends(postgres) == 0, LIMIT, "the session has ended on the server")
    idle.communicate(timeout=10)
    assert own.run("ls", check=False).returncode == 3


@pytest.fixture
def parts(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as deployment:
        yield deployment


def hold_open(dev, count):
    return [subprocess.Popen(dev.psql_command("billing-db", "-c", "select pg_sleep(60)"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             text=True, env=client_environment(PGAPPNAME="revoked-one")) for _ in range(count)]


def test_sessions_that_begin_while_access_goes_end_too(parts, postgres):
    """The lease and its revocation may come to the node in either order."""
    for attempt in range(8):
        held = hold_open(parts, 6)
        time.sleep(0.015 * attempt)
        take_membership_away(parts)
        wait_until(lambda: all(one.poll() is not None for one in held), LIMIT + 10, "every one of them has ended or was refused")
        wait_until(lambda: backends(postgres) == 0, LIMIT, "none is left on the server")
        account = parts.json_lines("admin", "accounts", "list")[0]
        parts.run("admin", "memberships", "create", account["email"], "everyone")
        wait_until(lambda: parts.psql("billing-db", "-c", "select 1", check=False).returncode == 0, 20, "access is back")


def test_what_was_taken_away_while_nobody_could_tell_the_node_ends_when_it_is_back(parts, postgres):
    held = hold_open(parts, 1)
    wait_until(lambda: backends(postgres) == 1, 20, "the session runs")
    [relay], [control] = parts.processes("relay"), parts.processes("control-plane")
    os.kill(relay["pid"], signal.SIGSTOP)
    try:
        take_membership_away(parts)
        os.kill(control["pid"], signal.SIGKILL)
    finally:
        os.kill(relay["pid"], signal.SIGCONT)
    wait_until(lambda: held[0].poll() is not None, 20, "the session has ended once the control plane was back")
    assert "Portolan" in held[0].stderr.read()


def test_a_lease_from_before_the_control_planes_restart_is_revoked_too(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as dev:
        dev.psql("billing-db", "-c", "select 1")
        [control] = dev.processes("control-plane")
        os.kill(control["pid"], signal.SIGKILL)
        wait_until(lambda: dev.run("admin", "accounts", "list", check=False).returncode == 0, 10, "the control plane is back")
        wait_until(lambda: all(node["state"] == "up" for node in dev.json_lines("admin", "nodes", "list")), 10, "the nodes' watches are back")
        idle = start(dev)
        idle.stdin.write("select 'up';\n")
        assert idle.stdout.readline().strip() == "up"
        take_membership_away(dev)
        wait_until(lambda: backends(postgres) == 0, LIMIT, "the session has ended on the server")
        idle.communicate(timeout=10)


def test_a_suspended_person_is_told_why(own, postgres, tmp_path):
    idle = start(own)
    idle.stdin.write("select 'up';\n")
    assert idle.stdout.readline().strip() == "up"
    secret = tmp_path / "password"
    secret.write_text("a second admin's password")
    secret.chmod(0o600)
    own.run("admin", "accounts", "create", "second@example.com", "--admin", "--password-file", secret)
    account = own.ready["email"]
    token = {**os.environ, "PORTOLAN_HOME": own.ready["home"]}
    answer = subprocess.run([own.program, "admin", "accounts", "update", account, "--suspend"], env=token, capture_output=True, text=True, timeout=30)
    assert answer.returncode == 0, answer.stderr
    wait_until(lambda: backends(postgres) == 0, LIMIT, "the session has ended on the server")
    time.sleep(3)  # longer than the links outlive the sessions
    idle.stdin.write("select 1;\n")
    _, errors = idle.communicate(timeout=10)
    assert "Portolan" in errors and "suspended" in errors, errors


def test_a_resource_made_anew_takes_the_port_of_the_one_before(own, postgres, tmp_path):
    port = own.port("spare")
    secret = tmp_path / "password"
    secret.write_text(postgres.password)
    secret.chmod(0o600)
    for _ in range(2):
        own.run("admin", "resources", "delete", "spare")
        own.run("admin", "resources", "create", "spare", "--url", f"postgres://{postgres.user}@127.0.0.1:{postgres.port}/postgres",
                "--password-file", secret, "--local-port", str(port))
        role = next(role for role in own.json_lines("admin", "roles", "list"))
        own.run("admin", "grants", "create", role["name"], "spare")
        wait_until(lambda: [r["state"] for r in own.json_lines("ls", "spare")] == ["connected"], 10, "it is connected")
        assert own.psql("spare", "-c", "select 1").stdout.strip() == "1"

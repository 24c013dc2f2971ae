"""Whatever ends a session, the client at the port reads why, where and whether trying again helps, in PostgreSQL's own protocol."""
import os
import signal
import subprocess
import time

import harness
import pgwire
import pytest
from harness import client_environment, wait_until

PROMPT = 3.0   # seconds: as long as a person waits before wondering
RESTART = 15.0   # until a killed relay has been started again and says that it knows nothing of the session


@pytest.fixture(scope="module")
def parts(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as deployment:
        yield deployment


def works(dev):
    return dev.psql("billing-db", "-c", "select 1", check=False).returncode == 0


@pytest.fixture
def healed(parts):
    yield parts
    wait_until(lambda: works(parts), 20, "everything is back")


def last_words(session, limit=PROMPT):
    """The fields of the ErrorResponse with which the session ends; nothing must follow it."""
    session.socket.settimeout(limit)
    kind, body = session.next()
    assert kind == "E", kind
    with pytest.raises(EOFError):
        session.next()
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def waiting(dev):
    """A session that waits between two queries, as a person's does."""
    return pgwire.Connection(dev.port("billing-db"), database="postgres")


def the_one(dev, part):
    [process] = dev.processes(part)
    return process


@pytest.mark.parametrize("part, sent, sqlstate, hop, code, words", [
    ("relay", signal.SIGTERM, "57P01", "egress", "node_stopping", "relay relay-1 is stopping"),
    ("relay", signal.SIGKILL, "08006", "agent", "egress_restarted", "it was restarted"),
    ("agent", signal.SIGTERM, "57P01", "agent", "agent_stopping", "the agent on this machine is stopping"),
])
def test_a_part_that_goes_is_named(healed, part, sent, sqlstate, hop, code, words):
    session = waiting(healed)
    process = the_one(healed, part)
    began = time.monotonic()
    os.kill(process["pid"], sent)
    told = last_words(session, RESTART if code == "egress_restarted" else PROMPT)
    print(f"told {time.monotonic() - began:.2f} s after signal {sent} to the {part}: {told}")
    assert told["S"] == "FATAL" and told["C"] == sqlstate
    assert words in told["M"], told
    assert f"hop: {hop}" in told["D"] and f"code: {code}" in told["D"] and "trace: t-" in told["D"], told
    assert told["H"] == "Trying again can help."


def test_psql_reads_it(healed):
    with subprocess.Popen(healed.psql_command("billing-db"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                          env=client_environment()) as psql:
        psql.stdin.write("select 'up';\n")
        assert psql.stdout.readline().strip() == "up"
        os.kill(the_one(healed, "relay")["pid"], signal.SIGTERM)
        wait_until(lambda: not healed.json_lines("status")[0]["paths"], 10, "the agent has noticed")
        _, errors = psql.communicate("select 1;\n", timeout=20)
    assert "relay relay-1 is stopping" in errors and "Trying again can help" in errors, errors


def test_a_client_that_waits_for_an_answer_is_told(healed):
    session = waiting(healed)
    session.send(pgwire.query("select pg_sleep(30)"))
    server = lambda: [row for row in healed.json_lines("status")[0]["resources"] if row["sessions"]]
    wait_until(server, 10, "the session runs")
    os.kill(the_one(healed, "relay")["pid"], signal.SIGKILL)
    told = last_words(session, RESTART)
    assert "it was restarted" in told["M"] and "code: egress_restarted" in told["D"], told


def test_nothing_is_put_into_the_middle_of_a_message(healed):
    """A row of 8 MiB of which the client has read a part: what follows its bytes is the end of the connection, and no word."""
    session = waiting(healed)
    session.send(pgwire.query("select repeat('x', 8388608)"))
    assert session.next()[0] == "T"
    while len(session.buffer) < 5:
        session._more()
    assert session.buffer[:1] == b"D"
    os.kill(the_one(healed, "relay")["pid"], signal.SIGKILL)
    session.socket.settimeout(RESTART)
    with pytest.raises((EOFError, ConnectionResetError)):
        while True:
            session._more()
    assert len(session.buffer) < 8388608 and not session.buffer[11:].strip(b"x"), "something stands in the row"


def test_disconnecting_says_so(healed):
    session = waiting(healed)
    healed.run("disconnect", "billing-db")
    told = last_words(session)
    assert "was disconnected on this machine; run: portolan connect billing-db" in told["M"] and "hop: agent" in told["D"]
    healed.run("connect", "billing-db")


@pytest.mark.parametrize("options", [(), ("--separate",)], ids=["threads", "processes"])
def test_the_end_of_everything_is_told(postgres, options):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, *options)) as dev:
        sessions = [waiting(dev) for _ in range(3)]
        began = time.monotonic()
        dev.process.send_signal(signal.SIGINT)
        for session in sessions:
            told = last_words(session, 5)
            assert told["C"] == "57P01" and "is stopping" in told["M"], told
        dev.process.wait(timeout=20)
        print(f"everything had ended after {time.monotonic() - began:.2f} s")

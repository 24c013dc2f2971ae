"""Real, unmodified PostgreSQL clients through agent, gateway and relay, without a password, and what is on record of it."""
import os
import select
import signal
import subprocess
import time

import harness
import psycopg2
import pytest
from harness import client_environment, wait_until


@pytest.fixture(scope="module", params=[15, 18])
def postgres(request):
    """Every test of this file with both major versions."""
    with harness.running(harness.PostgresServer(version=request.param)) as server:
        yield server


@pytest.fixture(scope="module")
def dev(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url(), "any-db": postgres.url(database="")})) as deployment:
        yield deployment


def recorded(dev, marker):
    """The records of queries whose text has the marker, once they have been shipped."""
    return wait_until(lambda: [query for query in dev.queries() if marker in query.get("text", "")], 10, f"a record of {marker}")


def connect(dev):
    return psycopg2.connect(host="127.0.0.1", port=dev.port("billing-db"), user="whoever", dbname="postgres", connect_timeout=30)


def test_psql_needs_no_password_and_is_on_record(dev, postgres):
    answer = dev.psql("billing-db", "-c", "select current_user, 'marker-psql'")
    assert answer.stdout.strip() == f"{postgres.user}|marker-psql"
    [record] = recorded(dev, "marker-psql")
    assert record["text"] == "select current_user, 'marker-psql'"
    assert record["rows"] == 1 and record["tag"] == "SELECT 1"
    assert record["email"] == dev.ready["email"] and record["resource_name"] == "billing-db"
    assert record["duration_us"] > 0 and "error_code" not in record


def test_an_error_of_the_server_is_told_and_recorded(dev):
    answer = dev.psql("billing-db", "-c", "select 1/0 as marker_error", check=False)
    assert answer.returncode != 0 and "division by zero" in answer.stderr
    [record] = recorded(dev, "marker_error")
    assert record["error_code"] == "22012"


def test_pgbench(dev, postgres):
    postgres.sql("create database bench")
    pgbench = [str(harness.POSTGRES_BIN / "pgbench"), "-h", "127.0.0.1", "-p", str(dev.port("any-db")), "-U", "x"]
    subprocess.run([*pgbench, "-i", "-s", "1", "-q", "bench"], check=True, capture_output=True, env=client_environment(), timeout=60)
    for mode in ("simple", "extended", "prepared"):
        run = subprocess.run([*pgbench, "-c", "4", "-t", "50", "-M", mode, "bench"], capture_output=True, text=True, env=client_environment(), timeout=60)
        assert run.returncode == 0, run.stderr
        assert "number of failed transactions: 0" in run.stdout
    # Each run empties the history first.
    assert postgres.sql("select count(*) from pgbench_history", "bench") == "200"
    assert len(wait_until(lambda: [q for q in dev.queries(limit="1000", resource="any-db") if q.get("tag") == "COMMIT"], 10, "the records")) > 0


def test_copy_in_and_out(dev, tmp_path):
    rows = "".join(f"{n}\tline {n}\n" for n in range(50_000))
    source = tmp_path / "rows"
    source.write_text(rows)
    target = tmp_path / "back"
    dev.psql("billing-db", "-c", "create table marker_copy (n int, line text)", "-c", f"\\copy marker_copy from {source}",
             "-c", f"\\copy (select * from marker_copy order by n) to {target}", "-c", "drop table marker_copy")
    assert target.read_text() == rows
    wait_until(lambda: any("drop table" in record["text"] for record in recorded(dev, "marker_copy")), 10, "the last record")
    copies = [record for record in recorded(dev, "marker_copy") if record.get("tag", "").startswith("COPY")]
    assert [record["rows"] for record in copies] == [50_000, 50_000]


def test_listen_and_notify(dev):
    listener, sender = connect(dev), connect(dev)
    for connection in (listener, sender):
        connection.autocommit = True
    listener.cursor().execute("listen marker_channel")
    sender.cursor().execute("notify marker_channel, 'hello'")
    assert select.select([listener], [], [], 10)[0]
    listener.poll()
    assert [note.payload for note in listener.notifies] == ["hello"]


def test_control_c_cancels_on_the_server(dev, postgres):
    command = dev.psql_command("billing-db", "-c", "select pg_sleep(60) as marker_cancel")
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=client_environment()) as client:
        running = "select count(*) from pg_stat_activity where query like '%marker_cancel%' and state = 'active' and pid <> pg_backend_pid()"
        wait_until(lambda: postgres.sql(running) == "1", 10, "the query runs on the server")
        client.send_signal(signal.SIGINT)
        _, errors = client.communicate(timeout=15)
    assert "canceling statement due to user request" in errors
    assert postgres.sql(running) == "0"
    [record] = recorded(dev, "marker_cancel")
    assert record["error_code"] == "57014"


def test_a_stranger_cannot_cancel(dev, postgres):
    """A cancel key that was not given out does nothing."""
    import socket
    import struct
    with socket.create_connection(("127.0.0.1", dev.port("billing-db")), timeout=10) as raw:
        raw.sendall(struct.pack("!IIII", 16, 80877102, 12345, 67890))
        assert raw.recv(100) == b""
    assert dev.psql("billing-db", "-c", "select 'still here'").stdout.strip() == "still here"


def test_psycopg2(dev):
    with connect(dev) as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table t (id serial, name text)")
        cursor.execute("insert into t (name) select 'n' || i from generate_series(1, 1000) i")
        assert cursor.rowcount == 1000
        cursor.execute("select name from t where id = %s", (7,))
        assert cursor.fetchone() == ("n7",)
        with pytest.raises(psycopg2.errors.UndefinedTable):
            cursor.execute("select * from no_such_table_marker")
        connection.rollback()
    with connect(dev) as connection, connection.cursor("named") as cursor:
        cursor.itersize = 100
        cursor.execute("select generate_series(1, 1000)")
        assert sum(row[0] for row in cursor) == 500_500


def test_large_result_and_large_statement(dev):
    with connect(dev) as connection, connection.cursor() as cursor:
        cursor.execute("select repeat('x', 20000000)")
        assert len(cursor.fetchone()[0]) == 20_000_000
        text = "y" * 3_000_000
        cursor.execute("select length(%s) as marker_long", (text,))
        assert cursor.fetchone() == (3_000_000,)
    [record] = recorded(dev, "select length(")
    assert record["text_length"] > 3_000_000 and len(record["text"]) < 3_000_000 and len(record["text_sha256"]) == 64


def test_sessions_are_on_record(dev):
    dev.psql("billing-db", "-c", "select 'marker_session'")
    [query] = recorded(dev, "marker_session")
    session = wait_until(lambda: [s for s in dev.json_lines("audit", "sessions") if s["session"] == query["session"] and s.get("ended")], 10, "the session's end")[0]
    assert session["resource_name"] == "billing-db" and session["queries"] >= 1 and session["bytes_out"] > 0


def test_a_hundred_connects_cost_one_handshake(dev):
    before = dev.json_lines("status")[0]["paths"]
    for _ in range(10):
        clients = [subprocess.Popen(dev.psql_command("billing-db", "-c", "select 1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=client_environment()) for _ in range(10)]
        for client in clients:
            out, errors = client.communicate(timeout=60)
            assert out.strip() == b"1", errors
    after = dev.json_lines("status")[0]["paths"]
    # One, and up to four where bulk has moved just before (docs/wire-pipe.md, "Several pipes").
    assert all(path["handshakes"] <= 4 for path in before + after)


def test_following_the_audit(dev):
    environment = {**os.environ, "PORTOLAN_HOME": dev.ready["home"]}
    with subprocess.Popen([dev.program, "audit", "queries", "--json", "-f"], stdout=subprocess.PIPE, text=True, env=environment) as follower:
        try:
            dev.psql("billing-db", "-c", "select 'marker_follow'")
            end = time.monotonic() + 15
            while time.monotonic() < end:
                ready = select.select([follower.stdout], [], [], 1)[0]
                if ready and "marker_follow" in follower.stdout.readline():
                    break
            else:
                raise AssertionError("the followed audit does not show the query")
        finally:
            follower.terminate()

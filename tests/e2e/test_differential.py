"""What is on record is what the server has done: PostgreSQL's own log against Portolan's record, statement by statement."""
import concurrent.futures
import io
import os
import pathlib
import shutil
import subprocess

import harness
import psycopg2
import pytest
import server_log
from harness import client_environment
from mix import Mix
from pgwire import Connection, bind, execute, parse, query, SYNC

SESSIONS = 50
OPERATIONS = 10_000
PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"


@pytest.fixture(scope="module")
def server():
    with harness.running(harness.PostgresServer(server_log.SETTINGS)) as postgres:
        yield postgres


@pytest.fixture(scope="module")
def deployment(server):
    resources = {"plain": server.url(), "with-values": server.url(record_parameters="on")}
    with harness.running(harness.Dev(resources)) as running:
        yield running


def environment(name):
    return client_environment(PGAPPNAME=name)


def outcome(record):
    """As pgwire tells it."""
    if record.get("error_code"):
        return "!" + record["error_code"]
    if "error" in record:
        return "(lost)"
    if record["text"].startswith("(call of function"):
        return "(result)"
    return record.get("tag") or ("(suspended)" if "rows" in record else "(empty)")


def test_a_generated_mix(server, deployment):
    def run(number):
        return Mix(deployment.port("plain"), f"mix-{number}", seed=number).run(OPERATIONS // SESSIONS)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        mixes = list(pool.map(run, range(SESSIONS)))
    total = server_log.compare(deployment, server, "plain", {mix.name for mix in mixes}, SESSIONS)
    assert total > OPERATIONS
    sessions = {session["client"]: session for session in server_log.ended_sessions(deployment, "plain", {mix.name for mix in mixes}, SESSIONS)}
    for mix in mixes:
        answered = [outcome(record) for record in server_log.records_of(deployment, sessions[mix.name])]
        # Of what the client did not wait for, the record may have the answer.
        told = len(mix.client.outcomes) - (mix.client.outcomes[-1] == "(lost)")
        assert answered[:told] == mix.client.outcomes[:told] and len(answered) == len(mix.client.outcomes), mix.name


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench(server, deployment, mode):
    port = str(deployment.port("plain"))
    base = [PGBENCH, "-h", "127.0.0.1", "-p", port, "-U", "x", "postgres"]
    subprocess.run([*base, "-i", "-q"], check=True, capture_output=True, timeout=60, env=environment(f"pgbench-init-{mode}"))
    server_log.compare(deployment, server, "plain", {f"pgbench-init-{mode}"}, 1)
    answer = subprocess.run([*base, "-c", "4", "-t", "50", "-M", mode], capture_output=True, text=True, timeout=60, env=environment(f"pgbench-{mode}"))
    assert answer.returncode == 0 and "number of failed transactions: 0" in answer.stdout, answer.stderr
    # Four clients and the connection that asks first how large the tables are.
    assert server_log.compare(deployment, server, "plain", {f"pgbench-{mode}"}, 5) >= 4 * 50 * 7


def test_pgbench_pipelines(server, deployment, tmp_path):
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\nselect 1;\nselect generate_series(1, 10);\nselect 'three';\n\\endpipeline\n")
    port = str(deployment.port("plain"))
    command = [PGBENCH, "-h", "127.0.0.1", "-p", port, "-U", "x", "-n", "-c", "2", "-t", "50", "-M", "extended", "-f", script, "postgres"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment("pgbench-pipeline"))
    assert answer.returncode == 0, answer.stderr
    assert server_log.compare(deployment, server, "plain", {"pgbench-pipeline"}, 2) >= 2 * 50 * 3


def test_dump_and_restore(server, deployment, tmp_path):
    for statement in ("create table a (n int primary key, x text)", "insert into a select i, 'row ' || i from generate_series(1, 5000) i",
                      "create index on a (x)", "create view v as select * from a where n < 10",
                      "create function f(int) returns int language sql as 'select $1 + 1; select $1 + 2'", "create sequence s"):
        server.sql(statement)
    port = str(deployment.port("plain"))
    place = ["-h", "127.0.0.1", "-p", port, "-U", "x"]
    for name, command in {
        "pg-dump": ["pg_dump", *place, "-d", "postgres", "-Fc", "-f", tmp_path / "dump"],
        "pg-restore": ["pg_restore", *place, "-d", "postgres", "--clean", "--if-exists", tmp_path / "dump"],
    }.items():
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment(name))
        assert answer.returncode == 0, answer.stderr
        assert server_log.compare(deployment, server, "plain", {name}, 1) > 10


def test_psycopg2(server, deployment):
    connection = psycopg2.connect(host="127.0.0.1", port=deployment.port("plain"), user="x", dbname="postgres", application_name="psycopg")
    with connection, connection.cursor() as cursor:
        cursor.execute("create temporary table p (n int, x text)")
        cursor.executemany("insert into p values (%s, %s)", [(n, f"it's {n}") for n in range(50)])
        cursor.execute("select * from p; select count(*) from p")
        cursor.copy_expert("copy p from stdin", io.StringIO("".join(f"{n}\tline\n" for n in range(1000))))
        with open(os.devnull, "w") as nowhere:
            cursor.copy_expert("copy p to stdout with csv", nowhere)
        cursor.callproc("abs", (-3,))
    with connection, connection.cursor("named", withhold=False) as cursor:
        cursor.itersize = 7
        cursor.execute("select generate_series(1, 40)")
        assert len(cursor.fetchall()) == 40
    for wrong in ("select 1/0", "no sql", "select * from nowhere"):
        with pytest.raises(psycopg2.Error), connection, connection.cursor() as cursor:
            cursor.execute(wrong)
    connection.autocommit = True
    connection.cursor().execute("listen somewhere; notify somewhere")
    connection.close()
    assert server_log.compare(deployment, server, "plain", {"psycopg"}, 1) > 60


@pytest.fixture(scope="module")
def node_modules():
    """The Node.js clients of node_clients/package-lock.json, installed below build/."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    source = pathlib.Path(__file__).parent / "node_clients"
    folder = harness.ROOT / "build" / "node_clients"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder / name)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, capture_output=True, timeout=300)
    return folder / "node_modules"


def test_node_postgres(server, deployment, node_modules):
    script = pathlib.Path(__file__).parent / "node_clients" / "behaviour.cjs"
    for resource in ("plain", "with-values"):
        name = f"node-{resource}"
        answer = subprocess.run(["node", script, str(deployment.port(resource)), name], capture_output=True, text=True, timeout=120,
                                env={**client_environment(), "NODE_PATH": str(node_modules)})
        assert answer.returncode == 0, answer.stdout + answer.stderr
        # A client, and a pool of three.
        assert server_log.compare(deployment, server, resource, {name}, 4, with_parameters=resource == "with-values") > 100


def test_values_are_on_record_where_the_resource_wants_them(server, deployment):
    for resource in ("plain", "with-values"):
        with_values = resource == "with-values"
        client = Connection(deployment.port(resource), application_name=f"values-{resource}")
        client.ask(parse("s", "select $1::int, $2::text, $3::bytea"), SYNC)
        client.ask(bind("", "s", [1, "it's", None]), execute(""), bind("", "s", [2, "x" * 5000, "\\x00"]), execute(""), SYNC)
        client.ask(bind("", "s", ["no number", None, None]), SYNC)
        client.end()
        server_log.compare(deployment, server, resource, {f"values-{resource}"}, 1)
        [session] = server_log.ended_sessions(deployment, resource, {f"values-{resource}"}, 1)
        values = [record.get("parameters") for record in server_log.records_of(deployment, session)]
        if not with_values:
            assert values == [None] * 3
            continue
        assert values[0] == [{"text": "1"}, {"text": "it's"}, {}]
        assert values[1] == [{"text": "2"}, {"text": "x" * 1024, "length": 5000}, {"text": "\\x00"}]
        assert values[2] == [{"text": "no number"}, {}, {}]
        table = deployment.run("audit", "queries", "--session", session["session"]).stdout
        assert "$1 = '1'" in table and "$3 = NULL" in table


def test_a_statement_of_twenty_mebibytes(server, deployment):
    text = "select length('" + "ä" * (10 * 1024 * 1024) + "')"
    client = Connection(deployment.port("plain"), application_name="long")
    client.ask(query(text))
    client.ask(parse("", text), bind("", ""), execute(""), SYNC)
    assert client.outcomes == ["SELECT 1", "SELECT 1"]
    client.end()
    assert server_log.compare(deployment, server, "plain", {"long"}, 1) == 2
    [session] = server_log.ended_sessions(deployment, "plain", {"long"}, 1)
    for record in server_log.records_of(deployment, session):
        assert record["text_length"] == len(text.encode())
        assert text.startswith(record["text"]) and len(record["text"].encode()) > 250 * 1024

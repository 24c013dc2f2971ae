"""The connection side of PostgreSQL resources, with real clients and servers of two major versions: channel binding, TLS from the client,
replication, databases that are mapped, who the person is, and several hosts."""
import contextlib
import signal
import socket
import ssl
import struct
import subprocess
import threading

import harness
import pytest
from harness import client_environment, wait_until
from pgwire import Connection, query

CLIENTS = harness.POSTGRES_BIN
PERSON = "who_the_person_is"


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    rules = ["host all md5user 127.0.0.1/32 md5"]
    settings = ["wal_level = logical", "max_wal_senders = 8", "wal_sender_timeout = 5s"]
    with harness.running(harness.PostgresServer(settings, rules, version=request.param)) as started:
        started.sql("create role md5user login; set password_encryption = md5; alter role md5user password 'pencil'")
        started.sql("create database app_prod")
        started.sql("create database reports_prod")
        yield started


@pytest.fixture(scope="module")
def dev(server):
    """One resource for each way to connect."""
    md5user = server.url().replace(server.url().split("@")[0], "postgres://md5user:pencil")
    resources = {
        "plain-db": server.url(),
        "bound-db": server.url(tls="require", channel_binding="require"),
        "md5-db": md5user,
        "md5-bound-db": md5user + "?tls=require&channel_binding=require",
        "tls-db": server.url(client_tls="offer"),
        "replication-db": server.url(replication="allow"),
        "mapped-db": server.url(database="", databases="app=app_prod,reports=reports_prod"),
        "named-db": server.url(application_name="append", identity_variable=f"portolan.{PERSON}"),
    }
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


def connection_string(dev, name, **more):
    words = {"host": "127.0.0.1", "port": dev.port(name), "user": "anybody", "dbname": "postgres", "connect_timeout": 20, **more}
    return " ".join(f"{key}='{value}'" for key, value in words.items())


def psql(dev, name, sql, check=True, **more):
    done = subprocess.run(["psql", "-X", "-At", "-d", connection_string(dev, name, **more), "-c", sql], capture_output=True, text=True,
                          env=client_environment(), timeout=60)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def python_with_libpq_18(code):
    """psycopg2 over the libpq of PostgreSQL 18, which knows what Debian's does not."""
    environment = client_environment(LD_LIBRARY_PATH=str(harness.postgres_18().parent / "lib"))
    return subprocess.run(["/usr/bin/python3", "-c", "import psycopg2\n" + code], env=environment, capture_output=True, text=True, timeout=60)


# ---- channel binding ----


def test_channel_binding_is_required_and_given(dev):
    assert dev.psql("bound-db", "-c", "select 'bound'").stdout.strip() == "bound"


def test_without_it_a_sign_in_that_requires_it_is_refused(dev):
    assert dev.psql("md5-db", "-c", "select current_user").stdout.strip() == "md5user"
    refused = dev.psql("md5-bound-db", "-c", "select 1", check=False)
    assert "without channel binding, which the resource's settings require" in refused.stderr
    assert "code: channel_binding_missing" in refused.stderr


class Between:
    """Somebody between Portolan and the server who speaks TLS with both, each with a certificate that the other does not look at."""

    def __init__(self, server):
        self.server = server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.signed_in = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        with contextlib.suppress(OSError):
            assert client.recv(8) == struct.pack("!II", 8, 80877103)
            client.sendall(b"S")
            ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ours.load_cert_chain(self.certificate)
            near = ours.wrap_socket(client, server_side=True)
            far = socket.create_connection(("127.0.0.1", self.server.port))
            far.sendall(struct.pack("!II", 8, 80877103))
            assert far.recv(1) == b"S"
            theirs = ssl.create_default_context()
            theirs.check_hostname, theirs.verify_mode = False, ssl.CERT_NONE
            far = theirs.wrap_socket(far)
            threading.Thread(target=self.copy, args=(near, far), daemon=True).start()
            self.copy(far, near)

    @staticmethod
    def copy(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.close()

    def destroy(self):
        self.listener.close()


def test_somebody_in_between_is_found_out(server, tmp_path):
    between = Between(server)
    between.certificate = tmp_path / "pair.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"], check=True, capture_output=True)
    between.certificate.write_text((tmp_path / "key.pem").read_text() + (tmp_path / "certificate.pem").read_text())
    through = server.url(tls="require").replace(f":{server.port}/", f":{between.port}/")
    with harness.running(between), harness.running(harness.Dev({"prefer": through, "disable": through + "&channel_binding=disable"})) as dev:
        refused = dev.psql("prefer", "-c", "select 1", check=False)
        assert refused.returncode != 0 and "SCRAM channel binding" in refused.stderr, refused.stderr
        # Who gives it up is carried on: the one in between does what it should.
        assert dev.psql("disable", "-c", "select 'carried'").stdout.strip() == "carried"


# ---- TLS from the client ----


def test_a_client_that_demands_tls(dev):
    for mode in ("require", "prefer"):
        assert psql(dev, "tls-db", "select 'encrypted'", sslmode=mode).stdout.strip() == "encrypted"
    refused = psql(dev, "plain-db", "select 1", check=False, sslmode="require")
    assert "server does not support SSL" in refused.stderr
    # Nobody vouches for the certificate.
    refused = psql(dev, "tls-db", "select 1", check=False, sslmode="verify-full", sslrootcert="/etc/ssl/certs/ca-certificates.crt")
    assert "certificate verify failed" in refused.stderr


def test_direct_tls_of_a_newer_libpq(dev):
    done = python_with_libpq_18(f"""
for name, port in (("offered", {dev.port("tls-db")}), ("not offered", {dev.port("plain-db")})):
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="anybody", dbname="postgres", sslmode="require", sslnegotiation="direct")
    cursor = connection.cursor()
    cursor.execute("select 7")
    print(name, cursor.fetchone(), connection.info.ssl_in_use, connection.info.ssl_attribute("protocol"))
""")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "offered (7,) True TLSv1.3\nnot offered (7,) True TLSv1.3\n"


def startup_packet(**parameters):
    body = struct.pack("!I", 196608) + b"".join(word.encode() + b"\0" for pair in parameters.items() for word in pair) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def tls_context(alpn, version=None):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    if version:
        context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_direct_tls_by_hand(dev, version):
    with socket.create_connection(("127.0.0.1", dev.port("plain-db")), timeout=20) as raw:
        with tls_context("postgresql", version).wrap_socket(raw, server_hostname="localhost") as stream:
            assert stream.selected_alpn_protocol() == "postgresql"
            stream.sendall(startup_packet(user="anybody", database="postgres"))
            assert stream.recv(1) == b"R"


@pytest.mark.parametrize("alpn", [None, "http/1.1"])
def test_direct_tls_without_its_protocols_name(dev, alpn):
    with socket.create_connection(("127.0.0.1", dev.port("tls-db")), timeout=20) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            tls_context(alpn).wrap_socket(raw, server_hostname="localhost")


@pytest.mark.parametrize("options, works", [(["-starttls", "postgres"], True), (["-alpn", "postgresql"], True), (["-alpn", "postgresql", "-tls1_2"], True),
                                            (["-alpn", "h2"], False), ([], False), (["-tls1_1"], False)])
def test_openssl_s_client(dev, options, works):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{dev.port('tls-db')}", "-servername", "tls-db", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert ("CN = localhost" in done.stdout + done.stderr) == works, done.stdout + done.stderr


def test_bytes_in_clear_text_before_tls(dev):
    """CVE-2021-23214: they would be taken for what the client says under TLS."""
    with socket.create_connection(("127.0.0.1", dev.port("tls-db")), timeout=20) as raw:
        raw.sendall(struct.pack("!II", 8, 80877103) + startup_packet(user="mallory"))
        said = b""
        while piece := raw.recv(1000):
            said += piece
    assert b"08P01" in said and b"before the TLS handshake" in said


# ---- replication ----


def test_replication_is_refused_unless_the_resource_allows_it(dev):
    refused = psql(dev, "plain-db", "IDENTIFY_SYSTEM", check=False, replication="database")
    assert "allows no replication connections" in refused.stderr
    assert psql(dev, "replication-db", "IDENTIFY_SYSTEM", replication="database").stdout.count("|") == 3
    assert psql(dev, "replication-db", "IDENTIFY_SYSTEM", replication="true").stdout.count("|") == 3
    wait_until(lambda: len([query for query in dev.queries(resource="replication-db") if query["text"] == "IDENTIFY_SYSTEM"]) == 2, 10, "the records")


def test_physical_replication(dev, server, tmp_path):
    command = [CLIENTS / "pg_receivewal", "-h", "127.0.0.1", "-p", str(dev.port("replication-db")), "-U", "anybody", "-D", tmp_path, "--no-loop", "-v"]
    if server.version != 15:  # Debian's takes no newer servers, and says so after it has asked one through Portolan
        refused = subprocess.run(command, capture_output=True, text=True, env=client_environment(), timeout=30)
        assert "incompatible server version" in refused.stderr
        return
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=client_environment()) as receiver:
        try:
            wait_until(lambda: server.sql("select state from pg_stat_replication where application_name = 'pg_receivewal'") == "streaming", 15, "it streams")
            server.sql("create table if not exists wal_filler as select generate_series(1, 200000)")
            wait_until(lambda: server.sql("select pg_switch_wal() is not null and count(*) > 0 from pg_stat_replication") == "t", 10, "a new segment")
            wait_until(lambda: [path for path in tmp_path.iterdir() if not path.name.endswith(".partial")], 20, "a whole segment has come")
        finally:
            receiver.send_signal(signal.SIGINT)
            errors = receiver.communicate(timeout=20)[1]
    assert "fatal" not in errors.lower(), errors


def test_logical_replication(dev, server, tmp_path):
    command = [CLIENTS / "pg_recvlogical", "-h", "127.0.0.1", "-p", str(dev.port("replication-db")), "-U", "anybody", "-d", "postgres", "--slot", "portolan_slot"]
    server.sql("create table if not exists followed (n int)")
    subprocess.run([*command, "--create-slot", "-P", "test_decoding"], check=True, env=client_environment(), capture_output=True, timeout=30)
    out = tmp_path / "changes"
    with subprocess.Popen([*command, "--start", "--no-loop", "-F", "0", "-f", out], stderr=subprocess.PIPE, text=True, env=client_environment()) as receiver:
        try:
            wait_until(lambda: server.sql("select active from pg_replication_slots where slot_name = 'portolan_slot'") == "t", 15, "it streams")
            server.sql("insert into followed select generate_series(1, 5000)")
            wait_until(lambda: out.exists() and out.read_text().count("table public.followed: INSERT") == 5000, 20, "all rows have come")
        finally:
            receiver.send_signal(signal.SIGINT)
            receiver.communicate(timeout=20)
    assert receiver.returncode == 0
    wait_until(lambda: server.sql("select active from pg_replication_slots where slot_name = 'portolan_slot'") == "f", 10, "the slot is free")
    subprocess.run([*command, "--drop-slot"], check=True, env=client_environment(), capture_output=True, timeout=30)
    starts = wait_until(lambda: [query for query in dev.queries(resource="replication-db") if query["text"].startswith("START_REPLICATION SLOT")], 10, "the record")
    assert len(starts) == 1


# ---- databases ----


def test_databases_are_mapped(dev):
    for asked, opened in (("app", "app_prod"), ("reports", "reports_prod"), ("anybody", "app_prod"), ("mapped-db", "app_prod")):
        assert psql(dev, "mapped-db", "select current_database()", dbname=asked).stdout.strip() == opened
    for asked in ("app_prod", "postgres", "template1"):
        refused = psql(dev, "mapped-db", "select 1", check=False, dbname=asked)
        assert f'opens only the databases "app", "reports", not "{asked}"' in refused.stderr


# ---- who the person is ----


def test_the_server_is_told_who_the_person_is(dev):
    email = dev.ready["email"]
    told = psql(dev, "named-db", f"select current_setting('portolan.{PERSON}'), current_setting('application_name')", application_name="report").stdout.strip()
    assert told == f"{email}|report ({email})"
    assert psql(dev, "named-db", "show application_name", fallback_application_name="psql").stdout.strip() == f"psql ({email})"


@pytest.mark.parametrize("options", [f"-c portolan.{PERSON}=eve", f"--portolan.{PERSON.replace('_', '-')}=eve", f"-c PORTOLAN.{PERSON.upper()}=eve"])
def test_a_client_cannot_say_that_it_is_somebody_else(dev, options):
    refused = psql(dev, "named-db", f"show portolan.{PERSON}", check=False, options=options)
    assert "must not set" in refused.stderr


def test_a_start_up_parameter_cannot_say_it_either(dev):
    """No client library sends it; a hostile client can."""
    with socket.create_connection(("127.0.0.1", dev.port("named-db")), timeout=20) as raw:
        raw.sendall(startup_packet(**{"user": "anybody", "database": "postgres", f"portolan.{PERSON}": "eve", f"Portolan.{PERSON}": "eve"}))
        stream = raw.makefile("rwb")

        def message():
            kind, length = struct.unpack("!cI", stream.read(5))
            return kind, stream.read(length - 4)

        while message()[0] != b"Z":
            pass
        query = f"show portolan.{PERSON}\0".encode()
        stream.write(b"Q" + struct.pack("!I", len(query) + 4) + query)
        stream.flush()
        rows = []
        while (got := message())[0] != b"Z":
            if got[0] == b"D":
                rows.append(got[1])
    assert len(rows) == 1 and rows[0].endswith(dev.ready["email"].encode())


def test_what_sql_can_still_do_is_as_the_documentation_says(dev):
    """SET is the session's own; only the start is ours."""
    assert psql(dev, "named-db", f"set portolan.{PERSON} = 'eve'; show portolan.{PERSON}").stdout.strip().endswith("eve")


# ---- several hosts ----


@pytest.fixture(scope="module")
def pair():
    with harness.running(harness.PostgresServer()) as primary, harness.running(harness.PostgresServer(standby_of=primary)) as standby:
        yield primary, standby


@pytest.fixture(scope="module")
def hosts_dev(pair):
    primary, standby = pair
    first = {"hosts": f"127.0.0.1:{primary.port}"}
    resources = {attrs.replace("-", ""): standby.url(target_session_attrs=attrs, **first)
                 for attrs in ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")}
    down = harness.free_port()
    resources["down"] = standby.url(target_session_attrs="primary", hosts=f"127.0.0.1:{down},127.0.0.1:{primary.port}")
    resources["none"] = standby.url(target_session_attrs="primary", hosts=f"127.0.0.1:{down}")
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


@pytest.mark.parametrize("name, standby", [("any", True), ("readwrite", False), ("readonly", True), ("primary", False), ("standby", True), ("preferstandby", True),
                                           ("down", False)])
def test_the_host_that_is_wanted(hosts_dev, pair, name, standby):
    wanted = pair[1 if standby else 0]
    answer = hosts_dev.psql(name, "-c", "select pg_is_in_recovery(), current_setting('port')").stdout.strip()
    assert answer == f"{'t' if standby else 'f'}|{wanted.port}"


def test_no_host_will_do(hosts_dev):
    refused = hosts_dev.psql("none", "-c", "select 1", check=False)
    assert "none of the 2 hosts" in refused.stderr and "target_session_attrs" in refused.stderr and "hop: resource" in refused.stderr


def test_a_cancel_goes_to_the_host_that_was_chosen(hosts_dev, pair):
    primary = pair[0]
    command = hosts_dev.psql_command("readwrite", "-c", "select pg_sleep(60) as marker_chosen")
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=client_environment()) as client:
        running = "select count(*) from pg_stat_activity where query like '%marker_chosen%' and state = 'active' and pid <> pg_backend_pid()"
        wait_until(lambda: primary.sql(running) == "1", 10, "the query runs on the primary")
        client.send_signal(signal.SIGINT)
        _, errors = client.communicate(timeout=15)
    assert "canceling statement due to user request" in errors
    assert primary.sql(running) == "0"


def test_after_a_failover_the_new_primary_is_found(hosts_dev, pair):
    """Last of this file's: it leaves two primaries."""
    primary, standby = pair
    primary.stop()
    standby.sql("select pg_promote()")
    assert hosts_dev.psql("readwrite", "-c", "select pg_is_in_recovery(), current_setting('port')").stdout.strip() == f"f|{standby.port}"


def test_what_a_server_says_of_its_end_stands_for_itself(dev, server):
    for name in ("plain-db", "tls-db"):
        client = Connection(dev.port(name))
        client.ask(query("select pg_backend_pid()"))
        pid = server.sql("select pid from pg_stat_activity where query = 'select pg_backend_pid()' and state = 'idle'")
        assert server.sql(f"select pg_terminate_backend({pid})") == "t"
        kind, body = client.next()
        assert kind == "E" and b"C57P01" in body and b"Portolan" not in body, body
        with pytest.raises((EOFError, ConnectionError)):
            client.next()
        client.break_off()

"""Spliced paths (docs/wire.md, "Tickets and spliced paths"): the agent's connection and the relay's are joined by the gateway's kernel."""
import json
import os
import shutil
import socket
import subprocess

import harness
import pytest
from harness import client_environment, wait_until
from test_network_change import SERVER, Deployment


@pytest.fixture(scope="module")
def dev(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as deployment:
        yield deployment


def path(dev):
    [only] = dev.json_lines("status")[0]["paths"]
    return only


def gateway_address(dev):
    [gateway] = dev.processes("gateway")
    host, port = gateway["address"].rsplit(":", 1)
    return host, int(port)


def test_a_path_is_spliced(dev):
    assert dev.psql("billing-db", "-c", "select 6 * 7").stdout.strip() == "42"
    assert path(dev)["kind"] == "spliced" and "fallback" not in path(dev), path(dev)
    assert "spliced" in dev.run("status").stdout


def test_much_goes_both_ways(dev):
    assert dev.psql("billing-db", "-c", "select length(repeat('x', 50000000))", "-c", "select md5(repeat('y', 8000000))").stdout.split()[0] == "50000000"
    with subprocess.Popen(dev.psql_command("billing-db", "-c", "create temp table t (a text)", "-c", "\\copy t from stdin", "-c", "\\copy t to stdout"),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=client_environment()) as psql:
        lines = "".join(f"{number} {'z' * 1000}\n" for number in range(20000))
        out, _ = psql.communicate(lines, timeout=120)
    assert out.endswith(lines)


def closed(connection):
    connection.settimeout(20)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("preface", [
    b"\xd0PTLN\x01" + bytes(10) + bytes(32),           # a ticket that nobody gave out
    b"\xd0PTLN\x02" + bytes(10) + bytes(32),           # of a later version
    b"\xd0PTLN\x01" + bytes(9) + b"\x01" + bytes(32),
    b"\xd0" * 48,
    b"\xd0PTLN\x01" + bytes(42) + b"\x16\x03\x01" * 1000,
])
def test_a_preface_without_a_ticket_is_closed_without_a_word(dev, preface):
    with socket.create_connection(gateway_address(dev)) as connection:
        connection.sendall(preface)
        assert closed(connection)
    assert dev.psql("billing-db", "-c", "select 1").stdout.strip() == "1", "others go on"


def test_a_preface_that_does_not_come_whole_is_not_waited_for_for_long(dev):
    with socket.create_connection(gateway_address(dev)) as connection:
        connection.sendall(b"\xd0PTLN")
        connection.settimeout(30)
        assert connection.recv(1) == b""


def test_without_splicing_if_the_agent_is_told_so(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--nested-paths")) as deployment:
        assert deployment.psql("billing-db", "-c", "select 1").stdout.strip() == "1"
        assert path(deployment)["kind"] == "nested" and "fallback" not in path(deployment)


class OnlyTls(Deployment):
    """A network that lets pass what begins like TLS, and nothing else, to the gateway's port; the egress is a relay."""

    def set_up(self):
        super().set_up()
        admin = self.folder / "admin"
        token = self.folder / "relay.token"
        self.command(self.far, admin, "admin", "nodes", "token", "create", "--kind", "relay", "--out", token)
        self.start(self.far, harness.PORTOLAN, "node", "--data", self.folder / "relay", "--control", f"{SERVER}:4430", "--join-token-file", token, "--name", "relay",
                   "--health", "none", "--metrics", "none", home=admin)
        self.within(self.far, "nft", "add", "table", "inet", "f")
        self.within(self.far, "nft", "add", "chain", "inet", "f", "in", "{ type filter hook input priority 0; }")


@pytest.fixture
def only_tls():
    if os.getuid() != 0 or not shutil.which("nft"):
        pytest.fail("this test needs root and nft")
    with harness.running(OnlyTls()) as made:
        yield made


@pytest.mark.parametrize("verdict", [("reject", "with", "tcp", "reset"), ("drop",)])
def test_where_only_tls_passes_the_path_is_nested(only_tls, verdict):
    # The first byte behind TCP's head, which has 12 bytes of options.
    only_tls.within(only_tls.far, "nft", "add", "rule", "inet", "f", "in", "tcp", "dport", "5000", "@th,256,8", "0xd0", *verdict)
    admin = only_tls.folder / "admin"
    relay = wait_until(lambda: next((node["name"] for node in map(json.loads, only_tls.command(only_tls.far, admin, "admin", "nodes", "list", "--json").splitlines())
                                     if node["kind"] == "relay" and node["state"] == "up"), None), 30, "the relay is up")
    only_tls.command(only_tls.far, admin, "admin", "resources", "update", "echo", "--egress", relay)
    assert wait_until(lambda: only_tls.knock(check=False), 40, "the echo is reached through the relay") == "hello"
    [kept] = [each for each in only_tls.status()["paths"] if each["kind"] != "direct"]
    assert kept["kind"] == "nested" and kept["fallback"], kept

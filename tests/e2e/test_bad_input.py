"""What goes wrong is told where a person reads it, and others go on."""
import json
import os
import pathlib
import random
import socket
import struct
import subprocess

import harness
import pytest
from harness import client_environment, wait_until


@pytest.fixture(scope="module")
def faulty(postgres):
    """Resources with every kind of fault, beside a good one."""
    resources = {
        "good": postgres.url(),
        "down": f"postgres://admin:x@127.0.0.1:{harness.free_port()}/postgres",
        "wrong-password": f"postgres://admin:wrong@127.0.0.1:{postgres.port}/postgres",
        "wrong-name": postgres.url(tls="verify-full", tls_server_name="other.example"),
        "echo": f"tcp://127.0.0.1:{harness.free_port()}",
    }
    with harness.running(harness.Dev(resources, "--separate")) as deployment:
        yield deployment


def psql_error(dev, name):
    answer = dev.psql(name, "-c", "select 1", check=False)
    assert answer.returncode != 0
    return answer.stderr


def still_good(dev):
    return dev.psql("good", "-c", "select 1").stdout.strip() == "1"


def test_resource_down(faulty):
    error = psql_error(faulty, "down")
    assert "Portolan" in error and "down" in error and "refused" in error
    assert still_good(faulty)


def test_wrong_password_at_the_resource(faulty):
    error = psql_error(faulty, "wrong-password")
    assert "Portolan" in error and "password authentication failed" in error and "wrong" not in error.replace("wrong-password", "")
    assert still_good(faulty)


def test_wrong_tls_name(faulty):
    error = psql_error(faulty, "wrong-name")
    assert "Portolan" in error and ("other.example" in error or "certificate" in error)
    assert still_good(faulty)


def test_wrong_password_at_login(faulty, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("not it")
    secret.chmod(0o600)
    answer = login(faulty, tmp_path / "home", secret)
    assert answer.returncode == 3 and "wrong e-mail or password" in answer.stderr


def login(dev, home, password_file, *more):
    address = dev.ready["admin_url"].removeprefix("https://").strip("/")
    environment = {**os.environ, "PORTOLAN_HOME": str(home), "NO_COLOR": "1"}
    command = [dev.program, "login", address, "--email", dev.ready["email"], "--password-file", password_file, "--ca-file", dev.ready["ca_file"], "--no-agent", *more]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)


def test_login_with_another_authority(faulty, tmp_path):
    """A control plane that does not prove itself by the pinned authority gets no password."""
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-keyout", tmp_path / "key", "-out", other, "-subj", "/CN=other"], check=True, capture_output=True)
    secret = tmp_path / "password"
    secret.write_text(faulty.ready["password"])
    secret.chmod(0o600)
    address = faulty.ready["admin_url"].removeprefix("https://").strip("/")
    environment = {**os.environ, "PORTOLAN_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    command = [faulty.program, "login", address, "--email", faulty.ready["email"], "--password-file", secret, "--ca-file", other, "--no-agent"]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)
    assert answer.returncode != 0 and "certificate" in answer.stderr
    assert not (tmp_path / "home" / "token").exists()


def test_unknown_resource(faulty):
    answer = faulty.run("connect", "no-such-thing", check=False)
    assert answer.returncode == 1 and "no-such-thing" in answer.stderr and "portolan ls" in answer.stderr


def test_no_grant(faulty):
    """A second person without any role sees nothing and may open nothing."""
    answer = faulty.run("admin", "access", "explain", faulty.ready["email"], "good", "--json")
    assert json.loads(answer.stdout)["allowed"] is True
    faulty.run("admin", "accounts", "create", "bob@example.com")
    answer = faulty.run("admin", "access", "explain", "bob@example.com", "good", "--json", check=False)
    assert json.loads(answer.stdout)["allowed"] is False


def test_join_token_used_twice(faulty, tmp_path):
    token = tmp_path / "token"
    faulty.run("admin", "nodes", "token", "create", "--kind", "relay", "--out", token)
    control = faulty.ready["admin_url"].removeprefix("https://").strip("/")

    def join(folder):
        command = [faulty.program, "node", "--data", tmp_path / folder, "--control", control, "--join-token-file", token, "--name", folder,
                   "--health", f"127.0.0.1:{harness.free_port()}", "--metrics", f"127.0.0.1:{harness.free_port()}"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = join("first")
    try:
        wait_until(lambda: [n for n in faulty.json_lines("admin", "nodes", "list") if n["name"] == "first"], 10, "the first node has joined")
        second = join("second")
        _, errors = second.communicate(timeout=20)
        assert second.returncode != 0 and "used" in errors
    finally:
        first.terminate()
        first.wait(timeout=20)
        faulty.run("admin", "nodes", "delete", "first")


def test_a_port_in_use(postgres, tmp_path):
    """The agent says which process holds the port, goes on with the others, and takes the port when it becomes free."""
    base = 20000 + random.randrange(0, 8000, 200)
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", base + 10))
        holder.listen()
        process = harness.Dev({"first": postgres.url(), "second": postgres.url()}, "--port-base", str(base))
        with harness.running(process) as dev:
            states = {resource["name"]: resource for resource in dev.json_lines("ls")}
            failed = [resource for resource in states.values() if resource["state"] == "failed"]
            assert len(failed) == 1 and str(os.getpid()) in failed[0]["reason"]
            [other] = [name for name in states if name != failed[0]["name"]]
            assert dev.psql(other, "-c", "select 1").stdout.strip() == "1"
            holder.close()
            wait_until(lambda: all(r["state"] == "connected" for r in dev.json_lines("ls")), 10, "the port is taken when it is free")


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user of the machine")
def test_another_user_of_this_machine(faulty):
    answer = subprocess.run(["runuser", "-u", "nobody", "--", *faulty.psql_command("good", "-c", "select 1")], capture_output=True, text=True,
                            env={**client_environment(), "HOME": "/"}, timeout=30, cwd="/")
    assert answer.returncode != 0
    assert "Portolan" in answer.stderr and "another" in answer.stderr or "nobody" in answer.stderr
    assert still_good(faulty)


MALFORMED = [
    b"\x00",
    b"\x00\x00\x00\x00",
    b"\x00\x00\x00\x03abc",
    b"\xff\xff\xff\xff" + b"x" * 64,
    b"\x7f\xff\xff\xff" + b"x" * 64,
    struct.pack("!II", 8, 0x00030000),
    struct.pack("!II", 9, 0x00030000) + b"\x01",
    struct.pack("!II", 12, 0x00020000) + b"user",
    struct.pack("!II", 8, 80877103) * 20,
    struct.pack("!II", 20_000, 0x00030000) + b"user\0" * 3998,
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    os.urandom(4096),
]


@pytest.mark.parametrize("bytes_sent", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_start_up(faulty, bytes_sent):
    with socket.create_connection(("127.0.0.1", faulty.port("good")), timeout=15) as raw:
        raw.sendall(bytes_sent)
        raw.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while piece := raw.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
    assert len(received) < 2000
    assert still_good(faulty)


def test_status_api_wants_its_token_and_no_web_page(faulty):
    status = json.loads(faulty.run("status", "--json").stdout)
    assert status["signed_in"]
    base = int(faulty.ready["admin_url"].rsplit(":", 1)[1].strip("/"))
    url = f"http://127.0.0.1:{base + 2}/v1/status"

    def ask(*options):
        answer = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options, url], capture_output=True, text=True, timeout=20)
        return answer.stdout

    token = (pathlib.Path(faulty.ready["home"]) / "agent.token").read_text()
    assert ask() == "401"
    assert ask("-H", f"Authorization: Bearer {token}") == "200"
    assert ask("-H", f"Authorization: Bearer {token}", "-H", "Host: evil.example") == "421"
    assert ask("-H", f"Authorization: Bearer {token}", "-H", "Origin: http://evil.example") == "403"

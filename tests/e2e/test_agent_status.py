"""What the agent tells of itself: who holds its ports, why sessions ended, and all of it as it happens."""
import contextlib
import http.client
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

import harness
import pytest
from harness import client_environment, wait_until


@pytest.fixture
def own(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url(), "spare": postgres.url()})) as deployment:
        yield deployment


class StatusWatch:
    """`portolan status --watch --json`, line by line."""

    def __init__(self, dev):
        environment = {**dev.environment, "PORTOLAN_HOME": dev.ready["home"]}
        self.process = subprocess.Popen([dev.program, "status", "--watch", "--json"], stdout=subprocess.PIPE, text=True, env=environment)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.first = json.loads(self.lines.get(timeout=10))

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def change(self, limit, **wanted):
        """The first change that has these members."""
        while True:
            event = json.loads(self.lines.get(timeout=limit))
            for change in event.get("changes", []):
                if all(change.get(key) == value for key, value in wanted.items()):
                    return change, event

    def destroy(self):
        self.process.terminate()
        self.process.wait(timeout=10)


@contextlib.contextmanager
def held_by(user, port):
    """Somebody who listens on the port."""
    script = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen(["runuser", "-u", user, "--", "/usr/bin/python3", "-c", script] if user else [sys.executable, "-c", script],
                               stdout=subprocess.PIPE, text=True, cwd="/")
    try:
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.terminate()
        process.wait(timeout=10)


def resource(status, name):
    return next(each for each in status["resources"] if each["name"] == name)


def status_of(dev):
    return json.loads(dev.run("status", "--json").stdout)


def test_a_taken_port_is_explained_and_taken_when_it_is_free(own):
    own.run("disconnect", "spare")
    port = own.port("spare")
    with harness.running(StatusWatch(own)) as watch:
        assert watch.first["kind"] == "status" and resource(watch.first["status"], "spare")["state"] == "disconnected"
        with held_by(None, port) as holder:
            refused = own.run("connect", "spare", check=False)
            assert refused.returncode == 1, refused
            assert f"port {port} is held by " in refused.stderr and f"(pid {holder.pid}, user " in refused.stderr
            assert "takes the port by itself" in refused.stderr
            assert f"(pid {holder.pid}, user " in own.run("ls", "spare").stdout
            listed = resource(status_of(own), "spare")
            assert listed["held_by"]["pid"] == holder.pid and not listed["held_by"]["foreign"]
            assert "WARNING" not in own.run("status").stdout
            watch.change(5, subject="resource", name="spare", now="failed")
        change, event = watch.change(5, subject="resource", name="spare", now="connected")
        assert change["was"] == "failed"
        assert "held_by" not in resource(event["status"], "spare")
    assert own.psql("spare", "-c", "select 1").stdout == "1\n"


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_another_users_program_on_our_port_is_shouted_about(own):
    own.run("disconnect", "spare")
    with held_by("nobody", own.port("spare")):
        own.run("connect", "spare", check=False)
        shown = own.run("status").stdout
        assert shown.startswith("WARNING: user nobody of this machine listens on 127.0.0.1:") and "not to spare" in shown, shown
        assert "user nobody" in own.run("ls").stderr
        assert resource(status_of(own), "spare")["held_by"]["foreign"] is True


def session(dev, name="billing-db"):
    client = subprocess.Popen(dev.psql_command(name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                              env=client_environment())
    client.stdin.write("select 'up';\n")
    assert client.stdout.readline() == "up\n"
    return client


def test_what_was_taken_away_is_told_with_its_reason(own):
    client = session(own)
    with harness.running(StatusWatch(own)) as watch:
        assert resource(watch.first["status"], "billing-db")["sessions"] == 1
        for membership in own.json_lines("admin", "memberships", "list"):
            own.run("admin", "memberships", "delete", membership["id"])
        change, event = watch.change(5, subject="ending", name="billing-db")
    client.stdin.write("select 1;\n")
    said = client.communicate(timeout=10)[1]
    assert change["reason"] and change["reason"].split(";")[0] in said, (change, said)
    newest = event["status"]["endings"][0]
    assert newest["resource"] == "billing-db" and newest["code"] and newest["trace"]
    assert newest["reason"] in own.run("status").stdout
    # Who has nothing left is told so by the exit status, too.
    refused = own.run("connect", "billing-db", check=False)
    assert refused.returncode == 4 and "ask an admin" in refused.stderr, refused
    assert own.run("connect", "no-such-thing", check=False).returncode == 1


def test_a_node_that_stops_is_told_of(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as own:
        client = session(own)
        relay = own.processes("relay")[0]
        os.kill(relay["pid"], signal.SIGTERM)
        told = wait_until(lambda: status_of(own).get("endings"), 10, "the ending is told")
        assert told[0]["resource"] == "billing-db" and told[0]["reason"], told
        client.kill()
        client.communicate()


def test_an_ended_sign_in_is_exit_status_3(own):
    # From another installation of the same person: it ends with the account's suspension.
    home = own.data / "other-home"
    password = own.data / "password"
    password.write_text(own.ready["password"])
    password.chmod(0o600)
    environment = {**own.environment, "PORTOLAN_HOME": str(home)}
    account = json.loads(own.run("admin", "accounts", "create", "bob@example.com", "--password-file", password, "--json").stdout)
    control = own.ready["admin_url"].removeprefix("https://").rstrip("/")
    login = ["login", control, "--email", "bob@example.com", "--ca-file", own.ready["ca_file"], "--password-file", password, "--no-agent"]
    subprocess.run([own.program, *login], env=environment, check=True, capture_output=True, timeout=30)
    agent = subprocess.Popen([own.program, "agent", "--no-status-port"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        listed = lambda: subprocess.run([own.program, "ls"], env=environment, capture_output=True, text=True, timeout=30)
        wait_until(lambda: listed().returncode == 0, 10, "the agent runs")
        own.run("admin", "accounts", "delete", account["id"])
        wait_until(lambda: listed().returncode == 3, 10, "the sign-in has ended")
        assert "portolan login" in listed().stderr
    finally:
        agent.terminate()
        agent.wait(timeout=10)


def test_a_suspended_account_is_said_to_be_so(own):
    home = own.data / "suspended-home"
    password = own.data / "password"
    password.write_text(own.ready["password"])
    password.chmod(0o600)
    environment = {**own.environment, "PORTOLAN_HOME": str(home), "NO_COLOR": "1"}
    account = json.loads(own.run("admin", "accounts", "create", "eve@example.com", "--password-file", password, "--json").stdout)
    control = own.ready["admin_url"].removeprefix("https://").rstrip("/")
    login = ["login", control, "--email", "eve@example.com", "--ca-file", own.ready["ca_file"], "--password-file", password, "--no-agent"]
    subprocess.run([own.program, *login], env=environment, check=True, capture_output=True, timeout=30)
    run = lambda *words: subprocess.run([own.program, *words], env=environment, capture_output=True, text=True, timeout=30)
    agent = subprocess.Popen([own.program, "agent", "--no-status-port"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: run("ls").returncode == 0, 10, "the agent runs")
        own.run("admin", "accounts", "suspend", account["id"])
        denied = wait_until(lambda: run("ls") if run("ls").returncode == 4 else None, 10, "ls says that the account is suspended")
        assert "suspended; ask an admin" in denied.stderr
        for _ in range(2):  # also when the watch has been tried again
            text = run("status").stdout
            assert 'account "eve@example.com" is suspended; ask an admin' in text and "down" not in text and "portolan login" not in text, text
            status = json.loads(run("status", "--json").stdout)
            assert status["control_state"] == "signed-out" and not status["signed_in"]
            time.sleep(1)
        own.run("admin", "accounts", "reinstate", account["id"])
        wait_until(lambda: json.loads(run("status", "--json").stdout)["control_state"] == "up", 15, "it goes on when the account is back")
    finally:
        agent.terminate()
        agent.wait(timeout=10)


def test_resources_are_there_right_after_login(own):
    home = own.data / "fresh-home"
    password = own.data / "password"
    password.write_text(own.ready["password"])
    password.chmod(0o600)
    environment = {**own.environment, "PORTOLAN_HOME": str(home)}
    control = own.ready["admin_url"].removeprefix("https://").rstrip("/")
    run = lambda *words: subprocess.run([own.program, *words], env=environment, check=True, capture_output=True, text=True, timeout=30).stdout
    run("login", control, "--email", own.ready["email"], "--ca-file", own.ready["ca_file"], "--password-file", password)
    try:
        assert "billing-db" in run("ls")
    finally:
        run("logout")


def test_egress_nodes_have_names(own):
    own.psql("billing-db", "-c", "select 1")
    path = status_of(own)["paths"][0]
    assert path["egress"].startswith("n-") and not path["egress_name"].startswith("n-")
    assert path["egress"] not in own.run("status").stdout and path["egress_name"] in own.run("status").stdout


def status_connection(dev):
    address = status_of(dev)["status_port"]["address"]
    return http.client.HTTPConnection(*address.rsplit(":", 1), timeout=10)


def test_the_watch_on_its_port_wants_the_token_and_is_bounded(own):
    token = (pathlib.Path(own.ready["home"]) / "agent.token").read_text()
    bearer = {"Authorization": f"Bearer {token}"}
    with contextlib.closing(status_connection(own)) as stranger:
        stranger.request("GET", "/v1/status?watch=1")
        assert stranger.getresponse().status == 401
    with contextlib.closing(status_connection(own)) as page:
        page.request("GET", "/v1/status?watch=1", headers={**bearer, "Origin": "https://evil.example"})
        assert page.getresponse().status == 403
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            connection = stack.enter_context(contextlib.closing(status_connection(own)))
            connection.request("GET", "/v1/status?watch=1", headers=bearer)
            answer = connection.getresponse()
            assert answer.status == 200 and json.loads(answer.readline())["kind"] == "status"
        # Changes may come before it: the agent under test has just begun.
        wait_until(lambda: json.loads(answer.readline())["kind"] == "heartbeat", 30, "a heartbeat on an open watch")
        refused = own.run("status", "--watch", "--json", check=False)
        assert refused.returncode == 1 and "too many" in refused.stderr, refused
    # Their places are free when they have gone.
    wait_until(lambda: watch_begins(own), 10, "a watch begins again")


def watch_begins(dev):
    try:
        with harness.running(StatusWatch(dev)):
            return True
    except queue.Empty:
        return False


def test_a_taken_status_port_is_told_and_taken_later(own):
    home = own.data / "second-home"
    environment = {**own.environment, "PORTOLAN_HOME": str(home)}
    port = harness.free_port()
    with held_by(None, port) as holder:
        agent = subprocess.Popen([own.program, "agent", "--status", f"127.0.0.1:{port}"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = lambda: subprocess.run([own.program, "status", "--json"], env=environment, capture_output=True, text=True, timeout=30)
        told = json.loads(wait_until(lambda: (home / "agent.sock").exists() and status().stdout, 10, "the agent answers"))["status_port"]
        assert told["state"] == "failed" and f"pid {holder.pid}" in told["reason"]
    try:
        wait_until(lambda: json.loads(status().stdout)["status_port"]["state"] == "listening", 10, "the port is taken")
    finally:
        agent.terminate()
        agent.wait(timeout=10)


def test_the_watch_ends_with_the_agent(own):
    home = own.data / "third-home"
    environment = {**own.environment, "PORTOLAN_HOME": str(home)}
    agent = subprocess.Popen([own.program, "agent", "--no-status-port"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: (home / "agent.sock").exists(), 10, "the agent listens")
    watch = subprocess.Popen([own.program, "status", "--watch"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "Not signed in" in watch.stdout.readline()
    agent.terminate()
    agent.wait(timeout=10)
    errors = watch.communicate(timeout=20)[1]
    assert watch.returncode == 5 and "agent has ended" in errors, errors

"""Cockpit (Debian's cockpit-ws, cockpit-system) as a web resource: it signs people in by a user of the machine, whose password only Portolan knows, and has a terminal by
WebSocket."""
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import urllib.request

import browsing
import harness
import pytest
from browsing import address
from harness import free_port, wait_until

COCKPIT = pathlib.Path("/usr/lib/cockpit/cockpit-ws")


class User:
    """A user of this machine, for as long as the test runs."""

    def __init__(self):
        self.name, self.password = f"portolan-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", self.name], check=True, capture_output=True)
        subprocess.run(["chpasswd"], input=f"{self.name}:{self.password}\n", text=True, check=True, capture_output=True)

    def destroy(self):
        # Whatever of its session is there still.
        wait_until(lambda: not self._kill_processes(), 10, "the user's processes are gone")
        subprocess.run(["userdel", "--remove", self.name], check=True, capture_output=True)


    def _kill_processes(self):
        pids = subprocess.run(["pgrep", "-u", self.name], capture_output=True, text=True).stdout.split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return pids


class Cockpit:
    """cockpit-ws by itself, without TLS, in a configuration of its own."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-cockpit-"))
        (self.folder / "cockpit").mkdir()
        (self.folder / "cockpit" / "cockpit.conf").write_text("[WebService]\nAllowUnencrypted = true\n")
        self.port = free_port()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([COCKPIT, "--no-tls", "--address=127.0.0.1", f"--port={self.port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "XDG_CONFIG_DIRS": str(self.folder), "PATH": harness.CLEAN_PATH}, start_new_session=True)
        try:
            wait_until(self._answers, 20, "cockpit-ws answers")
        except AssertionError:
            print((self.folder / "log").read_text()[-2000:])
            self.destroy()
            raise

    def _answers(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5) as answer:
            return answer.status == 200

    def resource(self, user, password, **settings):
        query = urllib.parse.urlencode({"auth": "basic", "host_header": "admin.corp.example", "health_path": "/ping", **settings})
        return f"http://{user}:{urllib.parse.quote(password, safe='')}@127.0.0.1:{self.port}?{query}"

    def destroy(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def user():
    if os.getuid() != 0 or not COCKPIT.exists():
        pytest.skip("cockpit-ws signs in users of this machine, which only root can make")
    with harness.running(User()) as made:
        yield made


@pytest.fixture(scope="module")
def dev(user):
    with harness.running(Cockpit()) as cockpit, harness.running(harness.Dev({"admin": cockpit.resource(user.name, user.password),
                                                                             "locked": cockpit.resource(user.name, "not the password")})) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def browser():
    with harness.running(browsing.Browser()) as started:
        yield started


def test_a_terminal_in_the_browser(dev, user, browser):
    """No password is asked for; the shell is the user's, and what is typed and shown passes as it happens, in order."""
    at = address(dev, "admin")
    found = browser.play("cockpitTerminal", at=at, lines=[
        ["echo user=$(whoami)", f"user={user.name}"], ["echo $((6*7))-answered", "42-answered"], ["seq 1 20000; echo $((3*3))-counted", "9-counted"]])
    assert found["url"] == f"{at}/system/terminal"
    assert {socket.split("?")[0] for socket in found["sockets"]} == {f"{at.replace('http', 'ws', 1)}/cockpit/socket"}
    requests = wait_until(lambda: [query["http"] for query in dev.queries(resource="admin", limit="1000") if query.get("http", {}).get("path") == "/cockpit/socket"], 10,
                          "the WebSocket's record")
    assert requests[0]["status"] == 101 and requests[0]["messages_in"] > 20 and requests[0]["messages_out"] > 20
    assert requests[0]["host"].startswith("admin.corp.example")


def test_with_another_password_it_is_not_open(dev, browser):
    """It is what Portolan adds that signs in, not something of the browser or of this machine."""
    shown = browser.play("look", at=address(dev, "locked") + "/system/terminal", selector="#login-button")
    assert "Log in" in shown["text"]

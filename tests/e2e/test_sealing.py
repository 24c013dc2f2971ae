"""The sealing key by file, passphrase and environment, and changed from each to the next, from the command line."""
import base64
import json
import os
import signal
import subprocess

import harness
import pytest
from harness import PORTOLAN, wait_until


class Server:
    """`portolan server` with the sealing key from somewhere."""

    def __init__(self, folder):
        self.data, self.log = folder / "data", folder / "server.log"
        self.password = folder / "password"
        self.process = None

    def environment(self, more):
        return {**{key: value for key, value in os.environ.items() if not key.startswith("PORTOLAN_")}, **more}

    def run(self, *options, environment=None):
        """To its end: for what does not serve."""
        command = [PORTOLAN, "server", "--data", self.data, "--listen", f"127.0.0.1:{harness.free_port()}", "--json", *options]
        return subprocess.run(command, env=self.environment(environment or {}), capture_output=True, text=True, timeout=30)

    def serves(self, *options, environment=None):
        """Starts, and stops again when it serves."""
        command = [PORTOLAN, "server", "--data", self.data, "--listen", f"127.0.0.1:{harness.free_port()}", "--json", "--admin-email", "admin@example.com",
                   "--admin-password-out", self.password, *options]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, env=self.environment(environment or {}), stdout=subprocess.PIPE, stderr=log, text=True)
        started = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0, self.log.read_text()
        return started["ca_sha256"]


def secret_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


def new_key():
    return base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


def test_every_source_and_every_change(tmp_path):
    server = Server(tmp_path)
    phrase = secret_file(tmp_path / "phrase", "correct horse battery staple\n")
    key = new_key()
    by_file = ("--sealing-key-file", tmp_path / "sealing.key")
    by_phrase = ("--sealing-passphrase-file", phrase)
    by_environment = {"PORTOLAN_SEALING_KEY": key}
    authority = server.serves(*by_file)

    done = server.run(*by_file, "--reseal-with-passphrase-file", phrase)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["values"] == 4
    assert server.serves(*by_phrase) == authority
    refused = server.run(*by_file)
    assert refused.returncode != 0 and "wrong sealing key" in refused.stderr

    done = server.run(*by_phrase, "--reseal-with-environment", environment={"PORTOLAN_NEW_SEALING_KEY": key})
    assert done.returncode == 0, done.stderr
    assert server.serves(environment=by_environment) == authority
    refused = server.run(*by_phrase)
    assert refused.returncode != 0 and "wrong sealing key" in refused.stderr

    done = server.run("--reseal-with-key-file", tmp_path / "second.key", environment=by_environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "second.key").stat().st_mode & 0o777 == 0o600
    assert server.serves("--sealing-key-file", tmp_path / "second.key") == authority


@pytest.mark.parametrize("options, words", [
    (["--sealing-key-file", "{}/key", "--reseal-with-key-file", "{}/key"], "the one that is in use"),
    (["--sealing-key-file", "{}/key", "--reseal-with-key-file", "{}/data/new"], "lies in the data folder"),
    (["--sealing-key-file", "{}/key", "--reseal-with-environment"], "PORTOLAN_NEW_SEALING_KEY is not set"),
    (["--sealing-key-file", "{}/key", "--reseal-with-environment", "--reseal-with-key-file", "{}/new"], "give one of"),
])
def test_what_does_not_work_says_why(tmp_path, options, words):
    server = Server(tmp_path)
    server.serves("--sealing-key-file", tmp_path / "key")
    refused = server.run(*[option.format(tmp_path) for option in options])
    assert refused.returncode != 0 and words in refused.stderr
    assert server.serves("--sealing-key-file", tmp_path / "key")


def test_not_while_the_server_runs(tmp_path):
    server = Server(tmp_path)
    options = ("--sealing-key-file", tmp_path / "key")
    command = [PORTOLAN, "server", "--data", server.data, "--listen", f"127.0.0.1:{harness.free_port()}", "--json", *options]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        wait_until(running.stdout.readline, 20, "the server has started")
        refused = server.run(*options, "--reseal-with-key-file", tmp_path / "new")
        assert refused.returncode != 0 and "another process" in refused.stderr
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(timeout=20)
    assert server.serves(*options)

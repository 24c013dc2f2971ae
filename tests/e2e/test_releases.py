"""Releases from their keys to a replaced program: made, signed, published, given out, taken, refused, left again.

A "new version" is a copy of the program in which the text behind its version mark is another one.
"""
import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading

import harness
import pytest
from harness import wait_until

MARK = b"portolan-version="


def run(program, *arguments, home, check=True, **more):
    environment = {**os.environ, "PORTOLAN_HOME": str(home), "NO_COLOR": "1"}
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120, env=environment, **more)
    if check:
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@functools.cache
def own_version():
    return subprocess.run([harness.PORTOLAN, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def version(step):
    """The one `step` after the program's own, of the same length."""
    head, _, last = own_version().rpartition(".")
    assert len(last) == 1 and int(last) + step < 10
    return f"{head}.{int(last) + step}"


def write_version(path, step):
    content = pathlib.Path(harness.PORTOLAN).read_bytes()
    old = MARK + own_version().encode() + b"\0"
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, MARK + version(step).encode() + b"\0"))
    path.chmod(0o755)
    return path


class Maker:
    """Keys, a tree, and the commands that fill it."""

    def __init__(self, folder):
        self.folder = folder
        self.tree = folder / "tree"
        self.tree.mkdir()
        self.documents = 0
        (folder / "passphrase").write_text("correct horse\n")
        (folder / "passphrase").chmod(0o600)
        self.release("keygen", folder / "root.key", "--passphrase-file", folder / "passphrase")
        self.release("keygen", folder / "release.key")
        root = folder / "root.json"
        self.release("root", root, "--tree", self.tree, "--root-key", folder / "root.key.pub", "--release-key", folder / "release.key.pub")
        self.release("sign", root, "--key-file", folder / "root.key", "--passphrase-file", folder / "passphrase")
        self.release("publish", root, "--tree", self.tree)

    def release(self, *arguments, check=True):
        return run(harness.PORTOLAN, "release", *arguments, home=self.folder / "home", check=check)

    def create(self, number, program, *options):
        self.documents += 1
        manifest = self.folder / f"manifest-{self.documents}.json"
        self.release("create", manifest, "--tree", self.tree, "--version", number, "--file", f"{platform()}={program}", *options)
        return manifest

    def sign_and_publish(self, manifest):
        self.release("sign", manifest, "--key-file", self.folder / "release.key")
        self.release("publish", manifest, "--tree", self.tree)

    def publish(self, number, program, *options):
        self.sign_and_publish(self.create(number, program, *options))

    @property
    def root_key(self):
        return self.folder / "root.key.pub"


def platform():
    return f"linux-{os.uname().machine}"


class Installation:
    """A copy of the program, where `update` may replace it."""

    def __init__(self, folder, source):
        folder.mkdir()
        self.program = folder / "portolan"
        shutil.copy2(harness.PORTOLAN, self.program)
        self.home = folder / "home"
        self.source = source

    def update(self, *options, check=True):
        return run(self.program, "update", *self.source, *options, home=self.home, check=check)

    def told(self, *options):
        return json.loads(self.update("--json", *options).stdout)

    def refused(self, *options):
        done = self.update(*options, check=False)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done
        return done.stderr

    def version(self):
        return subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def make_certificate(folder, *names):
    subject = ",".join(f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=downloads",
                    "-keyout", folder / "tls.key", "-out", folder / "tls.crt", "-addext", f"subjectAltName={subject}"], check=True, capture_output=True)
    (folder / "tls.key").chmod(0o600)


@contextlib.contextmanager
def server(log, *arguments):
    """`portolan server` in a process of its own, at a free port; its port."""
    port = harness.free_port()
    with log.open("ab") as output:
        process = subprocess.Popen([harness.PORTOLAN, "server", "--listen", f"127.0.0.1:{port}", "--json", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or '"listen"' in log.read_text(), 30, "portolan server listens")
        assert process.poll() is None, log.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def maker(tmp_path):
    return Maker(tmp_path)


@pytest.fixture
def downloads(maker, tmp_path):
    make_certificate(tmp_path, "127.0.0.1")
    with server(tmp_path / "downloads.log", "--serve", "downloads", "--downloads-dir", maker.tree, "--cert", tmp_path / "tls.crt", "--key", tmp_path / "tls.key") as port:
        yield f"https://127.0.0.1:{port}"


@pytest.fixture
def installation(maker, downloads, tmp_path):
    return Installation(tmp_path / "installed", ["--from", downloads, "--ca-file", tmp_path / "tls.crt", "--root-key", maker.root_key])


def test_updates_and_goes_back(maker, installation, tmp_path):
    assert "no channel" in installation.refused()
    maker.publish(own_version(), harness.PORTOLAN)
    assert installation.told()["verdict"] == "current"
    maker.publish(version(1), write_version(tmp_path / "one", 1), "--notes", "https://example/new")

    seen = installation.told("--check")
    assert (seen["verdict"], seen["installed"], seen["available"], seen["notes"]) == ("available", own_version(), version(1), "https://example/new")
    assert installation.version() == own_version()
    done = installation.told()
    assert (done["verdict"], done["before"], done["installed"], done["program"]) == ("updated", own_version(), version(1), str(installation.program))
    assert installation.version() == version(1)
    assert installation.told()["verdict"] == "current"
    assert {path.name for path in installation.program.parent.iterdir()} == {"portolan", ".portolan.previous", "home"}

    back = json.loads(run(installation.program, "update", "--rollback", "--json", home=installation.home).stdout)
    assert (back["verdict"], back["installed"]) == ("rolled_back", own_version())
    assert installation.version() == own_version()
    assert installation.told()["verdict"] == "failed_before", "it does not come back by itself"
    assert installation.version() == own_version()
    assert installation.told("--retry")["verdict"] == "updated"


def test_never_an_older_one(maker, installation, tmp_path):
    maker.publish(version(1), write_version(tmp_path / "one", 1))
    channel = maker.tree / "channels" / "stable.json"
    old = channel.read_bytes()
    maker.publish(version(2), write_version(tmp_path / "two", 2))
    assert installation.told()["installed"] == version(2)
    channel.write_bytes(old)  # by whoever has the server
    assert "old releases are not taken" in installation.refused()
    shutil.rmtree(installation.home)  # even one that remembers nothing does not go back
    assert installation.told()["verdict"] == "current"
    assert installation.told("--to", version(1))["verdict"] == "pinned_away"
    assert installation.version() == version(2)


def test_what_is_not_the_makers_is_refused(maker, installation, tmp_path):
    maker.publish(version(1), write_version(tmp_path / "one", 1))
    stranger = tmp_path / "stranger"
    maker.release("keygen", stranger)
    theirs = Installation(tmp_path / "theirs", [*installation.source[:-1], f"{stranger}.pub"])
    assert "signed by 0 of the root keys" in theirs.refused()

    channel = maker.tree / "channels" / "stable.json"
    good = channel.read_text()
    channel.write_text(good.replace(r"\"rollout\":100", r"\"rollout\":99"))
    assert channel.read_text() != good
    assert "was altered" in installation.refused()
    channel.write_text(good[: len(good) // 2])
    installation.refused()
    channel.write_text(good)

    file = maker.tree / "files" / version(1) / f"portolan-{platform()}"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "not the one that was signed" in installation.refused()
    file.write_bytes(content[:-1])
    installation.refused()
    assert installation.version() == own_version()
    assert {path.name for path in installation.program.parent.iterdir()} <= {"portolan", "home", f".portolan.part-{version(1)}"}


def test_one_that_does_not_start_is_left(maker, installation, tmp_path):
    broken = tmp_path / "broken"
    broken.write_bytes(b"#!/bin/sh\necho of no use >&2\nexit 1\n" + MARK + version(1).encode() + b"\0")
    maker.publish(version(1), broken)
    assert "does not start" in installation.refused()
    assert installation.version() == own_version()
    assert installation.told()["verdict"] == "failed_before"
    maker.publish(version(2), write_version(tmp_path / "two", 2))
    assert installation.told()["installed"] == version(2)


def test_a_rollout_and_a_minimum(maker, installation, tmp_path):
    manifest = maker.create(version(1), write_version(tmp_path / "one", 1), "--rollout", "0")
    maker.sign_and_publish(manifest)
    assert installation.told()["verdict"] == "waits"
    wider = maker.folder / "wider.json"
    maker.release("create", wider, "--tree", maker.tree, "--version", version(1), "--rollout", "0", "--minimum-version", version(1))
    maker.sign_and_publish(wider)
    done = installation.told()
    assert (done["verdict"], done["required"]) == ("updated", True)


def test_goes_on_with_a_download_from_any_web_server(maker, tmp_path):
    """Python's web server knows no ranges; what an earlier download has left is then fetched again."""
    new = write_version(tmp_path / "one", 1)
    maker.publish(version(1), new)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(maker.tree)))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    try:
        installation = Installation(tmp_path / "installed", ["--from", f"http://127.0.0.1:{web.server_port}", "--root-key", maker.root_key])
        part = installation.program.parent / f".portolan.part-{version(1)}"
        part.write_bytes(new.read_bytes()[:1_000_000])
        part.chmod(0o600)
        assert installation.told()["verdict"] == "updated"
        assert installation.version() == version(1)
    finally:
        web.shutdown()
        web.server_close()


def test_keys_and_documents_are_guarded(maker, tmp_path):
    manifest = maker.create(version(1), write_version(tmp_path / "one", 1))
    assert maker.release("publish", manifest, "--tree", maker.tree, check=False).returncode == 1, "not signed"
    wrong = tmp_path / "wrong"
    wrong.write_text("another horse\n")
    wrong.chmod(0o600)
    refused = maker.release("sign", manifest, "--key-file", maker.folder / "root.key", "--passphrase-file", wrong, check=False)
    assert refused.returncode == 1 and "another passphrase" in refused.stderr
    assert maker.release("keygen", maker.folder / "release.key", check=False).returncode == 1, "a key is never written over"
    (maker.folder / "release.key").chmod(0o644)
    assert "chmod 600" in maker.release("sign", manifest, "--key-file", maker.folder / "release.key", check=False).stderr
    (maker.folder / "release.key").chmod(0o600)
    other = maker.release("create", tmp_path / "x.json", "--tree", maker.tree, "--version", version(2), "--file", f"{platform()}={harness.PORTOLAN}", check=False)
    assert other.returncode == 1 and f"is version {own_version()}" in other.stderr
    maker.sign_and_publish(manifest)
    shown = json.loads(maker.release("show", maker.tree / "channels" / "stable.json", "--tree", maker.tree, "--json").stdout)
    assert shown["accepted"] is True and shown["document"]["releases"][0]["version"] == version(1)


def ask(name, port, trust, path, host=None, **headers):
    """By curl, over TLS to 127.0.0.1 by a name, as a client whose name service says so: status and body."""
    command = ["curl", "-sS", "--max-time", "20", "--path-as-is", "--cacert", str(trust), "--resolve", f"{name}:{port}:127.0.0.1", "-w", "\n%{http_code}"]
    if host:
        headers["Host"] = host
    for field, value in headers.items():
        command += ["-H", f"{field}: {value}"]
    body, _, status = subprocess.run([*command, f"https://{name}:{port}{path}"], capture_output=True, text=True, check=True).stdout.rpartition("\n")
    return int(status), body


def test_beside_the_control_plane_by_host_name(maker, tmp_path):
    trust = tmp_path / "ca.pem"
    arguments = ["--data", tmp_path / "data", "--sealing-key-file", tmp_path / "sealing.key", "--ca-out", trust, "--serve", "app,downloads",
                 "--downloads-dir", maker.tree, "--downloads-host", "Downloads.us.test", "--public-name", "app.us.test"]
    with server(tmp_path / "server.log", *arguments) as port:
        status, body = ask("downloads.us.test", port, trust, "/root.json")
        assert status == 200 and json.loads(body)["signatures"]
        status, body = ask("downloads.us.test", port, trust, "/root.json", Range="bytes=0-9")
        assert (status, len(body)) == (206, 10)
        assert ask("app.us.test", port, trust, "/root.json")[0] == 404
        assert ask("downloads.us.test", port, trust, "/v1/health")[0] == 404, "the API is at its own name only"
        assert ask("downloads.us.test", port, trust, "/root.json", host="app.us.test")[0] == 421
        assert ask("downloads.us.test", port, trust, "/../data/server.db")[0] in (400, 404)


def test_services_are_checked(tmp_path):
    def refused(*arguments):
        done = run(harness.PORTOLAN, "server", *arguments, home=tmp_path, check=False)
        assert done.returncode == 2, done
        return done.stderr

    assert "known are: app, login, downloads, checkip" in refused("--serve", "app,nothing")
    assert "--downloads-dir" in refused("--serve", "downloads")
    assert "--downloads-host" in refused("--serve", "app,downloads", "--downloads-dir", tmp_path)
    assert "--cert" in refused("--serve", "downloads", "--downloads-dir", tmp_path)

"""portolan admin apply: a file becomes the directory, whole or not at all."""
import contextlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import threading
import time

import harness
import pytest

TEAM = """\
accounts:
  - email: zoe@example.com
    name: Zoe
    roles: [apply-engineers]
roles:
  - name: apply-engineers
    grants:
      - resource: apply-billing
        until: 2100-12-31T00:00:00Z
      - apply-ledger
resources:
  - name: apply-billing
    url: postgres://app@db.internal:5432/billing
    password_file: db.password
    tags: {env: prod, tier: 1}
  - name: apply-ledger
    type: tcp
    host: ledger.internal
    port: 9000
"""
LISTS = ("accounts", "roles", "memberships", "grants", "resources")


@pytest.fixture(scope="module")
def own(postgres):
    """A deployment of this file's own, since pruning is tried out on it."""
    with harness.running(harness.Dev({"billing-db": postgres.url()})) as deployment:
        yield deployment


@pytest.fixture
def team(tmp_path):
    (tmp_path / "db.password").write_text("hunter2 hunter2\n")
    (tmp_path / "db.password").chmod(0o600)
    file = tmp_path / "team.yaml"
    file.write_text(TEAM)
    return file


def directory(dev):
    return {name: dev.json_lines("admin", name, "list") for name in LISTS}


def apply(dev, *arguments, check=True, **more):
    return dev.run("admin", "apply", *map(str, arguments), check=check, **more)


def test_apply_twice(own, team):
    dry = apply(own, team, "--dry-run")
    assert "+ grant apply-engineers → apply-billing" in dry.stdout
    assert "dry run: nothing was changed" in dry.stderr
    assert "apply-billing" not in json.dumps(directory(own))

    done = apply(own, team)
    assert done.stdout == dry.stdout
    assert "7 created, 0 updated, 0 removed, 0 unchanged." in done.stderr
    resource = json.loads(own.run("admin", "resources", "show", "apply-billing", "--json").stdout)
    assert resource["has_password"] and resource["tags"] == {"env": "prod", "tier": "1"}
    assert resource["settings"] == {"database": "billing"} and resource["username"] == "app"

    before = directory(own)
    again = apply(own, team)
    assert again.stdout == "" and "7 unchanged" in again.stderr
    assert directory(own) == before
    answer = json.loads(apply(own, team, "--json").stdout)
    assert answer["changes"] == [] and answer["totals"]["unchanged"] == 7


def test_a_change_is_shown(own, team):
    apply(own, team)
    team.write_text(TEAM.replace("2100-12-31", "2101-12-31").replace("tier: 1", "team: a"))
    (team.parent / "db.password").write_text("another password\n")
    changed = apply(own, team)
    assert "~ grant apply-engineers → apply-billing  ends: 2100-12-31T00:00:00.000Z → 2101-12-31T00:00:00.000Z" in changed.stdout
    assert "password: (set) → (changed)" in changed.stdout and "tags.tier: 1 → none" in changed.stdout
    assert "another" not in changed.stdout + changed.stderr


def test_a_broken_file_changes_nothing(own, team):
    apply(own, team)
    before = directory(own)
    broken = {
        "a wrong entry in the middle": (TEAM.replace("host: ledger.internal", "host: 'ledger internal'"), r"team\.yaml:18: .*host"),
        "an unknown member": (TEAM.replace("    port: 9000", "    prot: 9000"), r"team\.yaml:19: resources\[1\]: unknown member .prot"),
        "a name that is there twice": (TEAM + "  - name: apply-ledger\n", r"team\.yaml:20: .*twice"),
        "a role that is nowhere": (TEAM.replace("[apply-engineers]", "[nobodies]"), r"team\.yaml:4: .*no such role"),
        "no YAML": (TEAM + "  - name: 'open\n", r"team\.yaml: line \d+"),
        "an alias": (TEAM.replace("Zoe", "&a Zoe"), r"team\.yaml: line 3: anchors"),
    }
    for what, (text, says) in broken.items():
        team.write_text(text.replace("name: Zoe", "name: Zoe Changed"))
        refused = apply(own, team, check=False)
        assert refused.returncode == 1, what
        assert re.search(says, refused.stderr), (what, refused.stderr)
        assert "hunter2" not in refused.stderr
        assert directory(own) == before, what


def test_a_file_reads_only_what_lies_beside_it(own, team, monkeypatch):
    folder = team.parent / "team"
    folder.mkdir()
    file = folder / "team.yaml"
    for name, text in (("db.password", "hunter2 hunter2\n"), ("ca.pem", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    (folder / "link").symlink_to(team.parent / "db.password")
    before = directory(own)
    monkeypatch.setitem(own.environment, "PORTOLAN_OTHER", "hunter2")
    refused = {
        "outside": ("password_file: db.password", "password_file: ../db.password", r"team\.yaml:14: .*outside of the folder .*--trust"),
        "a link": ("password_file: db.password", "password_file: link", r"team\.yaml:14: .*outside of the folder .*--trust"),
        "a variable": ("password_file: db.password", "password_env: PORTOLAN_OTHER", r"team\.yaml:14: .*PORTOLAN_PASSWORD_.*--trust"),
        "a private key": ("password_file: db.password", "setting_files: {tls_ca: ca.pem}", r"team\.yaml:14: .*certificates.*--trust"),
        "a link in the URL": ("db.internal:5432/billing", "db.internal:5432/billing?tls=verify-ca&tls_ca_file=link", r"team\.yaml:13: .*outside of the folder .*--trust"),
    }
    for what, (old, new, says) in refused.items():
        file.write_text(TEAM.replace(old, new))
        answer = apply(own, file, check=False)
        assert answer.returncode == 1 and re.search(says, answer.stderr), (what, answer.stderr)
        assert "hunter2" not in answer.stdout + answer.stderr, what
    assert directory(own) == before
    file.write_text(TEAM.replace("password_file: db.password", "password_env: PORTOLAN_OTHER"))
    assert "dry run" in apply(own, file, "--dry-run", "--trust").stderr


def test_every_file_that_cannot_be_read_is_named(own, team):
    team.write_text("resources:\n" + "".join(
        f"  - name: apply-{i}\n    url: postgres://app@db.internal/x\n    password_file: missing-{i}\n" for i in range(3)) +
        "    setting_files: {tls_ca: missing-ca.pem}\nroles:\n  - name: apply-broken\n    grants: [{resource: apply-0, until: someday}]\n")
    refused = apply(own, team, "--dry-run", check=False)
    assert refused.returncode == 1
    lines = refused.stderr.splitlines()
    for line, word in ((4, "missing-0"), (7, "missing-1"), (10, "missing-2"), (11, "missing-ca.pem"), (14, "someday")):
        assert any(f"team.yaml:{line}:" in each and word in each for each in lines), (line, refused.stderr)
    assert lines[-1].endswith("5 errors in it; nothing was changed"), refused.stderr


def test_a_kept_password_goes_to_no_other_host(own, team):
    apply(own, team)
    before = directory(own)
    moved = TEAM.replace("db.internal", "elsewhere.internal").replace("    password_file: db.password\n", "")
    team.write_text(moved)
    refused = apply(own, team, check=False)
    assert refused.returncode == 1 and "db.internal:5432" in refused.stderr and "keep_password" in refused.stderr, refused.stderr
    assert directory(own) == before
    team.write_text(moved.replace("    tags:", "    keep_password: true\n    tags:"))
    assert "host: db.internal → elsewhere.internal" in apply(own, team).stdout
    assert "7 unchanged" in apply(own, team).stderr
    refused = own.run("admin", "resources", "update", "apply-billing", "--host", "third.internal", check=False)
    assert refused.returncode == 1 and "--keep-password" in refused.stderr, refused.stderr
    own.run("admin", "resources", "update", "apply-billing", "--host", "db.internal", "--keep-password")


class Cut:
    """Between a client and the control plane, until the client has sent `after` bytes: then no answer comes back."""
    def __init__(self, host, port, after):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.target, self.after = (host, port), after
        self.sent, self.silent, self.ends = 0, threading.Event(), []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            upstream = socket.create_connection(self.target)
            self.ends += [client, upstream]
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(client, upstream), daemon=True).start()

    def _up(self, client, upstream):
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                self.sent += len(piece)
                if self.sent >= self.after:
                    self.silent.set()
                upstream.sendall(piece)

    def _down(self, client, upstream):
        with contextlib.suppress(OSError):
            while piece := upstream.recv(65536):
                if self.silent.is_set():
                    return
                client.sendall(piece)

    def close(self):
        self.server.close()
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_the_answer_is_lost(own, tmp_path):
    """The connection breaks when all has been done and before anybody is told: what is said is true, and the same again changes nothing."""
    home = tmp_path / "home"
    shutil.copytree(own.ready["home"], home, ignore=lambda folder, names: [n for n in names if stat.S_ISSOCK(os.lstat(os.path.join(folder, n)).st_mode)])
    state_file = next(file for file in home.rglob("*.json") if '"control"' in file.read_text())
    state = json.loads(state_file.read_text())
    host, port = state["control"].rsplit(":", 1)
    cut = Cut(host, int(port), after=20_000)
    state["control"] = f"127.0.0.1:{cut.port}"
    state_file.write_text(json.dumps(state))
    file = tmp_path / "roles.yaml"
    file.write_text("roles:\n" + "".join(f"  - name: lost-{i}-{'x' * 40}\n" for i in range(500)))
    try:
        command = [harness.PORTOLAN, "admin", "apply", str(file)]
        with subprocess.Popen(command, env={**os.environ, "PORTOLAN_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            made = lambda: len(own.json_lines("admin", "roles", "list", "--filter", "name~lost-")) == 500  # noqa: E731
            harness.wait_until(made, 20, "the commit")
            cut.close()
            _, errors = client.communicate(timeout=30)
        assert client.returncode != 0 and "apply it again" in errors, errors
    finally:
        cut.close()
    before = directory(own)
    again = apply(own, file)
    assert again.stdout == "" and "0 created, 0 updated, 0 removed, 500 unchanged." in again.stderr
    assert directory(own) == before


def test_many_errors_are_named_at_once(own, team):
    before = directory(own)
    team.write_text("roles:\n" + "".join(f"  - name: 'wrong {i}'\n" for i in range(100)))
    refused = apply(own, team, check=False)
    lines = refused.stderr.splitlines()
    assert refused.returncode == 1 and len(lines) == 21, refused.stderr
    assert "team.yaml:2: roles[0]" in lines[0] and "team.yaml:21: roles[19]" in lines[19]
    assert "first 20 errors" in lines[20] and "nothing was changed" in lines[20]
    assert directory(own) == before


def test_prune_asks(own, team):
    apply(own, team)
    before = directory(own)
    team.write_text("resources:\n  - name: billing-db\n  - name: apply-ledger\n")
    refused = apply(own, team, "--prune", check=False, stdin=subprocess.DEVNULL, start_new_session=True)
    assert refused.returncode == 2 and "--yes" in refused.stderr
    assert directory(own) == before
    dry = apply(own, team, "--prune", "--dry-run")
    assert dry.stdout.splitlines() == ["- grant apply-engineers → apply-billing", "- resource apply-billing"]
    apply(own, team, "--prune", "--yes")
    assert [resource["name"] for resource in own.json_lines("admin", "resources", "list")] == ["apply-ledger", "billing-db"]
    # Kinds that the file does not name are left alone.
    assert own.json_lines("admin", "accounts", "list") == before["accounts"]


def test_another_admin_meanwhile(own, team):
    """What was shown is what is done, or nothing."""
    ready = own.ready
    command = ["curl", "-sS", "--cacert", ready["ca_file"], "-H", f"Authorization: Bearer {ready['token']}", f"{ready['admin_url'].rstrip('/')}/v1/apply", "-d"]
    body = {"roles": [{"name": "apply-readers"}]}
    call = lambda **more: json.loads(subprocess.run([*command, json.dumps({**body, **more})], capture_output=True, check=True, text=True).stdout)  # noqa: E731
    plan = call(dry_run=True)["plan"]
    own.run("admin", "roles", "create", "apply-readers")
    stale = call(plan=plan)
    assert stale["status"] == 412 and stale["code"] == "stale"
    assert call()["totals"] == {"created": 0, "updated": 0, "deleted": 0, "unchanged": 1}


def test_standard_input_and_json(own):
    answer = apply(own, "-", "--json", input='{"roles": [{"name": "apply-json"}]}')
    assert json.loads(answer.stdout)["totals"]["created"] == 1


def test_the_rest_of_the_command_line(own, tmp_path):
    """Bounds, tags, revisions, tokens: made, changed, refused."""
    run = own.run
    show = lambda *words: json.loads(run("admin", *words, "--json").stdout)  # noqa: E731
    run("admin", "roles", "create", "cli-role")
    run("admin", "roles", "update", "cli-role", "--name", "cli-renamed")
    grant = show("grants", "create", "cli-renamed", "billing-db", "--for", "2h")
    assert grant["state"] == "active" and "ends" in grant
    assert "ends" not in show("grants", "update", "cli-renamed", "billing-db", "--no-end")
    listed = run("admin", "grants", "list", "--role", "cli-renamed").stdout
    assert "cli-renamed" in listed and "billing-db" in listed and "active" in listed
    stale = run("admin", "grants", "delete", "cli-renamed", "billing-db", "--if-revision", str(grant["revision"]), check=False)
    assert stale.returncode == 1 and str(grant["revision"]) in stale.stderr and "meanwhile" in stale.stderr
    run("admin", "grants", "delete", "cli-renamed", "billing-db")

    run("admin", "resources", "update", "billing-db", "--tag", "env=prod", "--tag", "team=a")
    assert show("resources", "update", "billing-db", "--untag", "team")["tags"] == {"env": "prod"}
    assert [r["name"] for r in own.json_lines("admin", "resources", "list", "--filter", "tags.env=prod")] == ["billing-db"]
    run("admin", "resources", "update", "billing-db", "--untag", "env")

    run("admin", "accounts", "create", "ci@example.com", "--service")
    assert show("accounts", "suspend", "ci@example.com")["suspended"]
    assert not show("accounts", "reinstate", "ci@example.com")["suspended"]
    run("admin", "tokens", "create", "nightly", "--account", "ci@example.com", "--permission", "roles:read", "--ends", "90d", "--out", tmp_path / "token")
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    token = own.json_lines("admin", "tokens", "list", "--account", "ci@example.com")[0]
    assert token["permissions"] == ["roles:read"] and "ends" in token
    run("admin", "tokens", "delete", token["id"])
    (tmp_path / "password").write_text("a new password\n")
    (tmp_path / "password").chmod(0o600)
    person = show("accounts", "create", "dan@example.com")
    assert show("accounts", "reset-password", "dan@example.com", "--password-file", tmp_path / "password")["has_password"]
    assert not person["has_password"]
    assert run("admin", "devices", "list").stdout and run("admin", "sessions", "list", "--json").returncode == 0
    assert len(own.json_lines("admin", "accounts", "list", "--limit", "1", "--order-by", "email desc")) == 1
    for kind, bounds in (("accounts", "1 or more"), ("sessions", "1 to 1000")):
        none = run("admin", kind, "list", "--limit", "0", check=False)
        assert none.returncode == 2 and none.stderr == f"portolan: --limit: must be {bounds}; see: portolan admin {kind} list --help\n"


def test_lists_are_watched(own):
    environment = {**os.environ, "PORTOLAN_HOME": own.ready["home"]}
    with subprocess.Popen([harness.PORTOLAN, "admin", "roles", "list", "--watch", "--json"], env=environment, stdout=subprocess.PIPE, text=True) as watch:
        try:
            events = (json.loads(line) for line in watch.stdout)
            next(event for event in events if event["kind"] == "synced")
            own.run("admin", "roles", "create", "watched")
            made = next(event for event in events if event["kind"] == "put")
            assert made["item"]["name"] == "watched"
            own.run("admin", "roles", "delete", "watched")
            assert next(event for event in events if event["kind"] == "delete")["id"] == made["item"]["id"]
        finally:
            watch.terminate()


def test_ten_thousand_in_one_apply(tmp_path, postgres):
    """A bound against quadratic growth; the figure of a release build is smaller by far."""
    generator = harness.ROOT / "tests/bench/make-directory"
    file = tmp_path / "large.yaml"
    file.write_text(subprocess.run([generator], capture_output=True, check=True, text=True).stdout)
    with harness.running(harness.Dev({"billing-db": postgres.url()})) as dev:
        took = []
        for created in (True, False):
            begin = time.monotonic()
            environment = {**os.environ, "PORTOLAN_HOME": dev.ready["home"]}
            answer = subprocess.run([harness.PORTOLAN, "admin", "apply", file, "--json"], env=environment, capture_output=True, text=True, timeout=300)
            took.append(round(time.monotonic() - begin, 1))
            assert answer.returncode == 0, answer.stderr
            totals = json.loads(answer.stdout)["totals"]
            assert (totals["created"] > 28_000) == created and (totals["unchanged"] > 28_000) != created, totals
        print(f"apply of 10,000 resources, 1,000 accounts, 200 roles: {took[0]} s, again {took[1]} s")
        assert took[0] < 120 and took[1] < 60

"""What an admin reads on the command line: locks, details, activities, filters, watches."""
import json
import os
import re
import subprocess

import harness
import pytest


@pytest.fixture(scope="module")
def own(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()})) as deployment:
        yield deployment


def login(dev, home, email, password):
    ready = dev.ready
    return subprocess.run([harness.PORTOLAN, "login", ready["admin_url"].removeprefix("https://").rstrip("/"), "--ca-file", ready["ca_file"], "--email", email, "--password-file", "-", "--no-agent"],
                          env={**os.environ, "PORTOLAN_HOME": str(home)}, input=password + "\n", capture_output=True, text=True, timeout=60)


def test_a_lock_is_shown_and_lifted(own, tmp_path):
    run = own.run
    run("admin", "accounts", "create", "locked@example.com", "--password-file", "-", input="right password\n")
    wrong = lambda: login(own, tmp_path / "home", "locked@example.com", "wrong password")  # noqa: E731
    shown = lambda: run("admin", "accounts", "show", "locked@example.com").stdout  # noqa: E731
    assert "active" in shown()
    for _ in range(5):
        assert "wrong e-mail or password" in wrong().stderr
    assert "locked" in login(own, tmp_path / "home", "locked@example.com", "right password").stderr
    assert re.search(r"State +locked until 20.*accounts unlock locked@example.com", shown()), shown()
    assert re.search(r"locked@example.com .*locked until 20", run("admin", "accounts", "list").stdout)
    assert "locked_until" in json.loads(run("admin", "accounts", "show", "locked@example.com", "--json").stdout)
    assert "active" in run("admin", "accounts", "unlock", "locked@example.com").stdout
    assert login(own, tmp_path / "home", "locked@example.com", "right password").returncode == 0
    for _ in range(5):
        wrong()
    run("admin", "accounts", "reset-password", "locked@example.com", "--password-file", "-", input="another password\n")
    assert "active" in shown()
    assert login(own, tmp_path / "home", "locked@example.com", "another password").returncode == 0
    table = run("audit", "activities", "--account", "locked@example.com", "--limit", "1000").stdout
    assert len(re.findall(f"{re.escape(own.ready['email'])} +account unlocked +locked@example.com", table)) == 2, table
    assert len(re.findall(r"system +account locked +locked@example.com +address: \S+, wrong passwords: 5", table)) == 2, table


def test_activities_are_readable_also_of_what_is_gone(own):
    run = own.run
    run("admin", "accounts", "create", "gone@example.com", "--name", "Before")
    run("admin", "accounts", "update", "gone@example.com", "--name", "After", "--admin")
    run("admin", "roles", "create", "gone-role")
    run("admin", "memberships", "create", "gone@example.com", "gone-role")
    run("admin", "accounts", "delete", "gone@example.com")
    table = run("audit", "activities", "--account", "gone@example.com").stdout
    who = re.escape(own.ready["email"])
    for line in (r"account updated +gone@example.com +name: Before → After, admin: false → true", r"membership created +gone@example.com → gone-role",
                 r"membership deleted +gone@example.com → gone-role", r"account deleted +gone@example.com"):
        assert re.search(f"{who} +{line}", table), (line, table)
    run("admin", "roles", "delete", "gone-role")
    unknown = run("audit", "activities", "--account", "nobody@example.com", check=False)
    assert unknown.returncode == 1 and "nobody@example.com" in unknown.stderr


def test_show_tells_all(own):
    run = own.run
    run("admin", "roles", "create", "readers")
    run("admin", "accounts", "create", "reader@example.com")
    run("admin", "memberships", "create", "reader@example.com", "readers")
    run("admin", "grants", "create", "readers", "billing-db", "--for", "2h")
    run("admin", "resources", "update", "billing-db", "--tag", "env=prod", "--setting", "application_name=append")
    resource = run("admin", "resources", "show", "billing-db").stdout
    for line in (r"Setting application_name +append", r"Tag env +prod", r"Password +kept", r"readers +active .*reader@example.com", r"FROM NODE", r"By nodes +any relay"):
        assert re.search(line, resource), (line, resource)
    role = run("admin", "roles", "show", "readers").stdout
    assert re.search(r"MEMBER.*\nreader@example.com", role) and re.search(r"MAY USE.*\nbilling-db +active", role), role
    account = run("admin", "accounts", "show", "reader@example.com").stdout
    assert re.search(r"ROLE.*\nreaders", account) and re.search(r"billing-db +readers +active", account), account
    assert json.loads(run("admin", "roles", "show", "readers", "--json").stdout)["name"] == "readers"


def test_explain_says_when(own):
    run = own.run
    run("admin", "roles", "create", "timed")
    run("admin", "accounts", "create", "timed@example.com")
    run("admin", "memberships", "create", "timed@example.com", "timed")
    explain = lambda: run("admin", "access", "explain", "timed@example.com", "billing-db").stdout  # noqa: E731
    run("admin", "grants", "create", "timed", "billing-db", "--from", "2100-01-01")
    assert "may not use billing-db yet" in explain(), explain()
    assert re.search(r"only from (2099-12-31|2100-01-01)T.* has not started yet", explain()), explain()
    run("admin", "grants", "update", "timed", "billing-db", "--no-start", "--until", "2100-01-01")
    assert re.search(r"may use billing-db, until 2100-01-01", explain()), explain()


@pytest.mark.parametrize("arguments,says", [
    (["admin", "accounts", "list", "--kind", "persn"], "must be person or service"),
    (["admin", "nodes", "list", "--state", "upp"], "must be up, down, new or revoked"),
    (["admin", "resources", "list", "--type", "postgress"], "must be"),
    (["admin", "health", "--state", "ill"], "must be healthy, unhealthy or unknown"),
    (["admin", "grants", "list", "--resource", "bilnig"], "there is no resource \"bilnig\""),
    (["admin", "devices", "list", "--account", "no@example.com"], "there is no account \"no@example.com\""),
    (["audit", "sessions", "--resource", "bilnig"], "there is no resource \"bilnig\""),
    (["audit", "queries", "-f", "--account", "no@example.com"], "there is no account \"no@example.com\""),
    (["admin", "resources", "list", "--name", "bilnig"], "There is no such resource."),
])
def test_what_there_is_not_is_no_empty_list(own, arguments, says):
    answer = own.run(*arguments, check=False)
    assert says in answer.stderr and "yet" not in answer.stderr, answer
    assert answer.returncode == (0 if "such" in says else 2 if "must" in says else 1)


def test_a_private_key_is_not_sent(own, tmp_path):
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    before = own.json_lines("audit", "activities", "--limit", "1000")
    refused = own.run("admin", "tokens", "create", "wrong-half", "--public-key-file", str(key), check=False)
    assert refused.returncode == 1 and "private key" in refused.stderr and "nothing was sent" in refused.stderr, refused.stderr
    secret = key.read_text().splitlines()[1]
    assert secret not in refused.stderr and secret not in own.log_text()
    # Refused without the control plane: also by one that nobody is signed in to.
    alone = subprocess.run([harness.PORTOLAN, "admin", "tokens", "create", "x", "--public-key-file", key],
                           env={**os.environ, "PORTOLAN_HOME": str(tmp_path / "nobody")}, capture_output=True, text=True, timeout=30)
    assert "nothing was sent" in alone.stderr, alone.stderr
    assert own.json_lines("audit", "activities", "--limit", "1000") == before


def test_watches_have_a_header(own):
    environment = {**os.environ, "PORTOLAN_HOME": own.ready["home"]}
    with subprocess.Popen([harness.PORTOLAN, "admin", "roles", "list", "--watch"], env=environment, stdout=subprocess.PIPE, text=True) as watch:
        try:
            header = watch.stdout.readline()
            assert header.split()[:3] == ["TIME", "CHANGE", "NAME"], header
            own.run("admin", "roles", "create", "watched-by-people")
            line = next(line for line in watch.stdout if "watched-by-people" in line)
            assert " new " in line
            assert line.index("watched-by-people") >= header.index("NAME")
            own.run("admin", "roles", "delete", "watched-by-people")
            assert " gone " in next(line for line in watch.stdout if "watched-by-people" in line)
        finally:
            watch.terminate()
    with subprocess.Popen([harness.PORTOLAN, "audit", "activities", "-f"], env=environment, stdout=subprocess.PIPE, text=True) as watch:
        try:
            assert watch.stdout.readline().split() == ["TIME", "WHO", "WHAT", "ON", "CHANGE"]
        finally:
            watch.terminate()


def test_the_guide_has_every_setting(own):
    refused = own.run("admin", "resources", "update", "billing-db", "--setting", "no_such=1", check=False).stderr
    known = set(re.search(r"known are ([a-z_, ]+)", refused).group(1).strip().split(", "))
    guide = (harness.ROOT / "docs/guide/postgres.md").read_text()
    described = dict(re.findall(r"^\| `([a-z_]+)` \|.*`--setting(?:-file)? ([^`]+)` \|$", guide, re.M))
    assert set(described) == known
    for name, example in described.items():
        if name in ("tls_ca", "tls_certificate", "databases"):
            assert example.startswith(name + "=")
            continue
        own.run("admin", "resources", "update", "billing-db", "--setting", example, *(["--keep-password"] if name == "hosts" else []))
        own.run("admin", "resources", "update", "billing-db", "--setting", f"{name}=")
    own.run("admin", "resources", "update", "billing-db", "--setting", "databases=app=app_prod,reports")
    own.run("admin", "resources", "update", "billing-db", "--setting", "databases=")


def test_a_new_resource_may_name_any_egress_node(own):
    """As --help says, and as an update may."""
    made = json.loads(own.run("admin", "resources", "create", "anywhere", "--url", "tcp://127.0.0.1:9", "--egress", "any", "--json").stdout)
    assert not made.get("egress_nodes"), made
    own.run("admin", "resources", "delete", "anywhere")

"""A resource that is signed in to with a certificate: its key goes in, is sealed, and comes out only to the server."""
import json
import os
import pwd
import signal
import sqlite3
import subprocess

import harness
import pytest


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class People:
    """An authority and the certificates that it issues."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={folder.name}",
                "-keyout", folder / "ca.key", "-out", folder / "ca.pem")

    def issue(self, name, kind="rsa:2048", days=200):
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        openssl("req", "-new", "-newkey", *kind.split(), "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.folder / "ca.pem", "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-days", days,
                "-out", certificate)
        key.chmod(0o600)
        return f"tls_certificate_file={certificate}&tls_key_file={key}"


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return People(tmp_path_factory.mktemp("certificates") / "people")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    return People(tmp_path_factory.mktemp("certificates") / "strangers")


@pytest.fixture(scope="module", params=[15, 18])
def server(request, people):
    rules = ["hostssl all app 127.0.0.1/32 cert", "hostssl all both 127.0.0.1/32 scram-sha-256 clientcert=verify-full",
             "hostssl all reader 127.0.0.1/32 scram-sha-256 clientcert=verify-ca"]
    with harness.running(harness.PostgresServer(hba=rules, version=request.param)) as started:
        authority = started.folder / "people.pem"
        authority.write_text((people.folder / "ca.pem").read_text())
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(authority, owner.pw_uid, owner.pw_gid)
        started.sql(f"alter system set ssl_ca_file = '{authority}'")
        started.sql("select pg_reload_conf()")
        for role in ("app", "both", "reader"):
            started.sql(f"create role {role} login password '{harness.PASSWORD}'")
        yield started


@pytest.fixture(scope="module")
def dev(server, people, strangers):
    at = f"127.0.0.1:{server.port}/postgres?tls=require"
    secret = harness.PASSWORD.replace(" ", "%20").replace("/", "%2F")
    app = people.issue("app")
    resources = {
        "by-certificate": f"postgres://app@{at}&{app}",
        "by-both": f"postgres://both:{secret}@{at}&{people.issue('both', 'ed25519')}",
        "by-any": f"postgres://reader:{secret}@{at}&{people.issue('anybody', 'ec -pkeyopt ec_paramgen_curve:P-384')}",
        "without": f"postgres://app@{at}",
        "without-too": f"postgres://both:{secret}@{at}",
        "of-another": f"postgres://both:{secret}@{at}&{app}",
        "of-strangers": f"postgres://app@{at}&{strangers.issue('app')}",
    }
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


@pytest.mark.parametrize("resource,user,name", [("by-certificate", "app", "app"), ("by-both", "both", "both"), ("by-any", "reader", "anybody")])
def test_a_certificate_signs_in(dev, resource, user, name):
    answer = dev.psql(resource, "-c", "select current_user, client_dn from pg_stat_ssl where pid = pg_backend_pid()")
    assert answer.stdout.strip() == f"{user}|/CN={name}"


@pytest.mark.parametrize("resource,words", [
    ("without", "requires a valid client certificate"), ("without-too", "requires a valid client certificate"),
    ("of-another", 'authentication failed for user "both"'),
    ("of-strangers", "the server refuses the certificate that the resource has for it (tls_certificate)")])
def test_what_the_server_says_is_passed_on(dev, resource, words):
    refused = dev.psql(resource, "-c", "select 1", check=False)
    assert refused.returncode != 0 and words in refused.stderr, refused.stderr
    if resource == "of-strangers":
        assert "unknown CA" in refused.stderr
        check = dev.run("admin", "resources", "check", resource, check=False)
        assert "ssl_ca_file" in check.stdout + check.stderr, check


def test_a_cancel_shows_it_too(dev, server):
    command = dev.psql_command("by-certificate", "-c", "select pg_sleep(60) as marker_certificate")
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=harness.client_environment()) as client:
        running = "select count(*) from pg_stat_activity where query like '%marker_certificate%' and state = 'active' and pid <> pg_backend_pid()"
        harness.wait_until(lambda: server.sql(running) == "1", 10, "the query runs on the server")
        client.send_signal(signal.SIGINT)
        assert "canceling statement due to user request" in client.communicate(timeout=15)[1]


def marks(key):
    body = "".join(key.read_text().splitlines()[1:-1])
    return [body[at:at + 40] for at in range(0, len(body) - 40, 40)]


def test_the_key_is_sealed_and_never_shown(dev, people, tmp_path):
    [shown] = dev.json_lines("admin", "resources", "show", "by-certificate")
    assert shown["has_tls_key"] and "tls_key" not in shown
    key = people.folder / "app.key"
    people.issue("later")
    file = tmp_path / "team.yaml"
    for name in ("app", "later"):
        for end in ("pem", "key"):
            (tmp_path / f"{name}.{end}").write_bytes((people.folder / f"{name}.{end}").read_bytes())
            (tmp_path / f"{name}.{end}").chmod(0o600)
    entry = "resources:\n  - name: by-certificate\n    settings: {{tls: require}}\n    setting_files: {{tls_certificate: ./{name}.pem}}\n" \
            "    tls_key_file: ./{name}.key\n"
    said = []
    for name in ("app", "later"):
        file.write_text(entry.format(name=name))
        answer = dev.run("admin", "apply", file, "--dry-run")
        said.append(answer.stdout + answer.stderr)
    assert "tls_key" not in said[0], "the same key again is no change"
    assert "tls_key" in said[1] and "(changed)" in said[1], said[1]
    everything = json.dumps(shown) + dev.run("audit", "activities", "--json").stdout + dev.log_text() + "".join(said)
    for path in dev.data.rglob("*"):
        if path.is_file() and path.stat().st_size < 50_000_000:
            everything += path.read_bytes().decode("latin-1")
    everything = everything.replace("\\n", "").replace("\n", "")
    assert not [mark for mark in marks(key) + marks(people.folder / "later.key") if mark in everything]
    with sqlite3.connect(f"file:{next(dev.data.rglob('directory.db'))}?mode=ro", uri=True) as store:
        sealed = store.execute("select sealed_tls_key from resources where name = 'by-certificate'").fetchone()[0]
    assert sealed.startswith("v1.")


def test_health_checks_show_it(dev):
    check = dev.run("admin", "resources", "check", "by-certificate")
    assert "healthy" in check.stdout and "unhealthy" not in check.stdout


def test_what_cannot_work_is_refused_when_it_is_defined(dev, people, tmp_path):
    people.issue("wrong")
    locked = tmp_path / "locked.key"
    openssl("pkey", "-in", people.folder / "app.key", "-aes256", "-passout", "pass:secret", "-out", locked)
    locked.chmod(0o600)
    certificate = ("--setting-file", f"tls_certificate={people.folder}/app.pem")
    for words, options in (("is not the key of the certificate", (*certificate, "--tls-key-file", people.folder / "wrong.key")),
                           ("openssl pkey -in KEY", (*certificate, "--tls-key-file", locked)),
                           ("its private key is missing", certificate),
                           ("it is the key of no certificate", ("--tls-key-file", people.folder / "app.key"))):
        refused = dev.run("admin", "resources", "create", "wrong", "--type", "postgres", "--host", "h", "--username", "app", *options, check=False)
        assert refused.returncode != 0 and words in refused.stderr, refused.stderr


def test_a_certificate_that_ends_soon_is_warned_of(dev, people):
    people.issue("soon", days=3)
    made = dev.run("admin", "resources", "create", "soon", "--type", "postgres", "--host", "h", "--username", "app", "--setting-file",
                   f"tls_certificate={people.folder}/soon.pem", "--tls-key-file", people.folder / "soon.key")
    assert "warning: soon: the certificate in the setting tls_certificate ends on" in made.stderr

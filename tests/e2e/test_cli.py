"""The command line's habits: help, JSON, exit codes, errors on one line."""
import json
import os
import re
import subprocess

import harness
import pytest


def portolan(*arguments, home, environment=None, **more):
    environment = {**os.environ, "PORTOLAN_HOME": str(home), "NO_COLOR": "1", **(environment or {})}
    return subprocess.run([harness.PORTOLAN, *arguments], capture_output=True, text=True, timeout=30, env=environment, **more)


def commands_in(text):
    """Names in the list of subcommands of a help text."""
    section = re.split(r"\n(?:SUBCOMMANDS|Subcommands|COMMANDS|Commands):\n", text)
    return re.findall(r"^  ([a-z][a-z-]*)\b", section[1], re.M) if len(section) > 1 else []


def every_command(home):
    todo, seen = [()], []
    while todo:
        path = todo.pop()
        help_text = portolan(*path, "--help", home=home).stdout
        seen.append((path, help_text))
        todo += [(*path, name) for name in commands_in(help_text) if name != "help"]
    return seen


def test_every_command_has_help_with_an_example(tmp_path):
    commands = every_command(tmp_path)
    assert len(commands) > 20
    for path, text in commands:
        assert "portolan " + " ".join(path) in text or not path, path
        if not commands_in(text):
            assert "xample" in text, path
            assert "--json" in text and "--quiet" in text, path


def test_wrong_usage(tmp_path):
    for arguments in (["no-such-command"], ["connect"], ["admin", "roles", "create"], ["ls", "--no-such-option"]):
        answer = portolan(*arguments, home=tmp_path)
        assert answer.returncode == 2, (arguments, answer)
        assert answer.stderr.strip()


def test_not_signed_in(tmp_path):
    for arguments in (["audit", "queries"], ["admin", "roles", "list"], ["logout"]):
        answer = portolan(*arguments, home=tmp_path)
        assert answer.returncode == 3, (arguments, answer)
        assert "portolan login" in answer.stderr and answer.stderr.count("\n") == 1


def test_unreachable(tmp_path):
    port = harness.free_port()
    answer = portolan("login", f"127.0.0.1:{port}", "--email", "a@example.com", "--ca-sha256", "0" * 64, home=tmp_path, environment={"PORTOLAN_PASSWORD": "x"})
    assert answer.returncode == 5
    assert f"127.0.0.1:{port}" in answer.stderr


def test_agent_not_running(tmp_path):
    answer = portolan("status", home=tmp_path)
    assert answer.returncode == 5 and "portolan agent" in answer.stderr


def test_json_is_one_object_a_line(dev):
    dev.psql("billing-db", "-c", "select 1")
    harness.wait_until(lambda: dev.json_lines("audit", "sessions"), 10, "a session's record")
    for arguments in (["ls"], ["admin", "accounts", "list"], ["admin", "resources", "list"], ["admin", "nodes", "list"], ["audit", "sessions"]):
        lines = dev.run(*arguments, "--json").stdout.splitlines()
        assert lines and all(isinstance(json.loads(line), dict) for line in lines), arguments
    assert len(dev.run("status", "--json").stdout.splitlines()) == 1


def test_life_of_objects(dev):
    """Create, show, update, delete, with what each refuses."""
    run = dev.run
    role = json.loads(run("admin", "roles", "create", "auditors", "--json").stdout)
    assert role["id"].startswith("r-")
    again = run("admin", "roles", "create", "auditors", check=False)
    assert again.returncode == 1 and "auditors" in again.stderr
    account = json.loads(run("admin", "accounts", "create", "carol@example.com", "--json").stdout)
    run("admin", "memberships", "create", "carol@example.com", "auditors")
    run("admin", "grants", "create", "auditors", "billing-db")
    explained = json.loads(run("admin", "access", "explain", "carol@example.com", "billing-db", "--json").stdout)
    assert explained["allowed"] and any("auditors" in reason for reason in explained["reasons"])
    run("admin", "accounts", "update", "carol@example.com", "--suspend")
    explained = json.loads(run("admin", "access", "explain", "carol@example.com", "billing-db", "--json").stdout)
    assert not explained["allowed"] and explained["code"] == "account_suspended"
    run("admin", "accounts", "delete", "carol@example.com")
    run("admin", "roles", "delete", "auditors")
    assert run("admin", "accounts", "show", account["id"], check=False).returncode == 1
    activities = dev.json_lines("audit", "activities", "--limit", "1000")
    verbs = [activity["verb"] for activity in activities if account["id"] in (activity["object"], activity["before"], activity["after"]) or activity["object"] == account["id"]]
    assert "account.created" in verbs and "account.deleted" in verbs


def test_secrets_are_shown_nowhere(dev, postgres):
    """The resource's password is in no listing, no log and no argument."""
    for arguments in (["admin", "resources", "list", "--json"], ["audit", "activities", "--json", "--limit", "1000"], ["status", "--json"]):
        assert postgres.password not in dev.run(*arguments).stdout
    assert postgres.password not in dev.log_text()
    for process in dev.processes() or [{"pid": dev.process.pid}]:
        with open(f"/proc/{process['pid']}/cmdline", "rb") as arguments:
            assert postgres.password.encode() not in arguments.read()


@pytest.mark.parametrize("name", ["billing-db"])
def test_disconnect_and_connect(dev, name):
    dev.run("disconnect", name)
    try:
        assert dev.json_lines("ls", name)[0]["state"] == "disconnected"
        assert "refused" in dev.psql(name, "-c", "select 1", check=False).stderr
    finally:
        dev.run("connect", name)
    assert dev.json_lines("ls", name)[0]["state"] == "connected"
    assert dev.psql(name, "-c", "select 1").stdout.strip() == "1"

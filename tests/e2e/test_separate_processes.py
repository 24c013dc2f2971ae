"""Every part as a process of its own: what the relay listens on, and that each part may be killed and comes back by itself."""
import os
import re
import signal
import subprocess
import time

import pytest
from harness import client_environment, wait_until


def listeners_of(pid):
    """Addresses on which this process listens, as `ss` sees them."""
    lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[3] for line in lines if re.search(rf"\bpid={pid},", line)]


def works(dev):
    return dev.psql("billing-db", "-c", "select 1", check=False).returncode == 0


def test_the_relay_listens_on_nothing_but_health_and_metrics(separate):
    [relay] = separate.processes("relay")
    addresses = listeners_of(relay["pid"])
    base = int(separate.ready["admin_url"].rsplit(":", 1)[1].strip("/"))
    expected_ranges = (range(base + 90, base + 130),)
    assert len(addresses) <= 2
    for address in addresses:
        host, port = address.rsplit(":", 1)
        assert host in ("127.0.0.1", "[::1]") and any(int(port) in ports for ports in expected_ranges), addresses
    # The positive control: the gateway's port is seen by the same means.
    [gateway] = separate.processes("gateway")
    assert gateway["address"].rsplit(":", 1)[1] in [address.rsplit(":", 1)[1] for address in listeners_of(gateway["pid"])]


@pytest.mark.parametrize("part", ["control-plane", "gateway", "relay", "agent"])
def test_a_killed_part_comes_back(separate, part):
    assert works(separate)
    [process] = separate.processes(part)
    os.kill(process["pid"], signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: works(separate), 10, f"a new connect works after the {part} was killed")
    print(f"a new connect worked {time.monotonic() - killed:.1f} s after the {part} was killed")
    # And not only because the dead one was not needed: the new process is there and the whole chain is used again.
    wait_until(lambda: separate.processes(part)[0]["pid"] != process["pid"], 10, f"the {part} has been started again")
    wait_until(lambda: separate.run("audit", "queries", check=False).returncode == 0, 10, "the control plane answers")
    marker = f"marker_after_{part.replace('-', '_')}"
    wait_until(lambda: separate.psql("billing-db", "-c", f"select '{marker}'", check=False).returncode == 0, 10, "a query after it")
    wait_until(lambda: [q for q in separate.queries() if marker in q["text"]], 20, "its record")


def test_a_session_goes_on_while_the_control_plane_is_away(separate):
    command = separate.psql_command("billing-db")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1, env=client_environment()) as client:
        client.stdin.write("select 'before';\n")
        assert client.stdout.readline().strip() == "before"
        [control] = separate.processes("control-plane")
        os.kill(control["pid"], signal.SIGKILL)
        client.stdin.write("select 'during';\n")
        assert client.stdout.readline().strip() == "during"
        client.stdin.write("\\q\n")
    wait_until(lambda: [q for q in separate.json_lines("audit", "queries") if "'during'" in q["text"]] if separate.run("audit", "queries", check=False).returncode == 0 else None,
               20, "what was asked meanwhile is on record")


def test_following_the_audit_goes_on_over_a_restart_of_the_control_plane(separate, tmp_path):
    """Everything once, in spite of it; and nothing of what was on record before the last that was asked for."""
    older = 30
    separate.psql("billing-db", *(word for number in range(older) for word in ("-c", f"select 'long ago {number}'")))
    wait_until(lambda: len([q for q in separate.json_lines("audit", "queries") if "long ago" in q["text"]]) == older, 20, "the older queries are on record")
    output, notes = tmp_path / "out", tmp_path / "notes"
    environment = {**separate.environment, "PORTOLAN_HOME": separate.ready["home"]}
    with output.open("wb") as out, notes.open("wb") as err:
        follower = subprocess.Popen([separate.program, "audit", "queries", "-f", "--limit", "1", "--json"], env=environment, stdout=out, stderr=err)
    try:
        wait_until(lambda: output.read_text().count("\n"), 20, "the newest on record")
        separate.psql("billing-db", "-c", "select 'before the restart'")
        wait_until(lambda: "before the restart" in output.read_text(), 20, "the first query")
        [control] = separate.processes("control-plane")
        os.kill(control["pid"], signal.SIGKILL)
        wait_until(lambda: "the control plane is away" in notes.read_text(), 20, "that it is away is said")
        separate.psql("billing-db", "-c", "select 'during the restart'")
        wait_until(lambda: "during the restart" in output.read_text(), 30, "the query of the time between")
        separate.psql("billing-db", "-c", "select 'after the restart'")
        wait_until(lambda: "after the restart" in output.read_text(), 20, "the query after it")
        assert follower.poll() is None and "is back" in notes.read_text()
    finally:
        follower.send_signal(signal.SIGINT)
        follower.wait(timeout=10)
    lines = output.read_text().splitlines()
    assert len(lines) == len(set(lines)), "a record came twice"
    assert sum("long ago" in line for line in lines) <= 1, "what was on record before the follow came with the restart"
    assert [sum(f"{when} the restart" in line for line in lines) for when in ("before", "during", "after")] == [1, 1, 1]

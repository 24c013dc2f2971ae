"""`portolan dev`: its ready file, its second start on the same data, several side by side, and the demo."""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import stat
import subprocess
import time

import harness
import psycopg2
from harness import ROOT, wait_until


def test_ready_file(dev):
    ready = dev.ready
    assert set(ready) >= {"admin_url", "email", "password", "token", "ca_file", "home", "resources"}
    assert stat.S_IMODE(dev.ready_file.stat().st_mode) == 0o600
    assert {"name": "billing-db", "type": "postgres", "address": f"127.0.0.1:{dev.port('billing-db')}"} in ready["resources"]
    page = subprocess.run(["curl", "-s", "--cacert", ready["ca_file"], ready["admin_url"]], capture_output=True, text=True, check=True)
    assert "Portolan" in page.stdout and "/v1" in page.stdout
    answer = subprocess.run(["curl", "-s", "--cacert", ready["ca_file"], "-H", f"Authorization: Bearer {ready['token']}", ready["admin_url"].rstrip("/") + "/v1/whoami"],
                            capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["email"] == ready["email"]


def test_a_second_start_on_the_same_data(postgres, tmp_path):
    first = harness.Dev({"billing-db": postgres.url()}, data=tmp_path / "data")
    try:
        first.psql("billing-db", "-c", "select 'first life'")
        wait_until(lambda: first.queries(), 10, "the record")
        before = first.ready
        first.stop()
        first.start()
        assert first.ready["password"] == before["password"]
        assert first.psql("billing-db", "-c", "select 2").stdout.strip() == "2"
        assert any("first life" in query["text"] for query in first.queries())
        assert len(first.json_lines("admin", "nodes", "list")) == 2
    finally:
        first.destroy()


def test_tcp_and_several_gateways_and_relays(postgres):
    """A second protocol (bytes as they are), a second deployment beside the first, more nodes."""
    resources = {"raw": f"tcp://127.0.0.1:{postgres.port}", "billing-db": postgres.url()}
    with harness.running(harness.Dev(resources, "--gateways", "2", "--relays", "2")) as dev:
        assert len(dev.json_lines("admin", "nodes", "list")) == 4
        # Over tcp the client signs in itself, TLS and all.
        raw = psycopg2.connect(host="127.0.0.1", port=dev.port("raw"), user=postgres.user, password=postgres.password, dbname="postgres", sslmode="require")
        with contextlib.closing(raw), raw.cursor() as cursor:
            cursor.execute("select 1")
        assert dev.psql("billing-db", "-c", "select 1").stdout.strip() == "1"
        sessions = wait_until(lambda: [s for s in dev.json_lines("audit", "sessions") if s["type"] == "tcp" and s.get("ended")], 10, "the tcp session's record")
        assert sessions[0]["bytes_out"] > 0


def test_without_relays_the_gateway_is_the_egress(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--relays", "0")) as dev:
        assert dev.psql("billing-db", "-c", "select 1").stdout.strip() == "1"
        assert dev.json_lines("status")[0]["paths"][0]["kind"] == "direct"


def test_unknown_scheme_names_the_known_ones(tmp_path):
    command = [harness.PORTOLAN, "dev", "--data", tmp_path / "d", "--resource", "x=oracle://h:1/"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert answer.returncode == 2 and "postgres" in answer.stderr and "tcp" in answer.stderr


def test_the_demo_leaves_nothing_behind(tmp_path):
    """As a person runs it: on a terminal, ended by Ctrl-C."""
    before = set(pathlib.Path("/tmp").iterdir())
    main, child = pty.openpty()
    demo = subprocess.Popen([ROOT / "tools" / "demo"], stdin=child, stdout=child, stderr=child, start_new_session=True, cwd=ROOT)
    os.close(child)
    output = b""
    try:
        end = time.monotonic() + 90
        while not re.search(rb"psql[^\n]*-p[^\n]*\d{4,5}|psql [^\n]*:\d{4,5}|psql[^\n]*port=\d+", output) or b"Ctrl-C" not in output:
            assert time.monotonic() < end and demo.poll() is None, output.decode(errors="replace")
            if select.select([main], [], [], 0.2)[0]:
                output += os.read(main, 65536)
        # The query and its record are shown.
        assert b"select" in output.lower()
        os.killpg(demo.pid, signal.SIGINT)
        while demo.poll() is None:
            assert time.monotonic() < end, output.decode(errors="replace")
            if select.select([main], [], [], 0.1)[0]:
                try:
                    output += os.read(main, 65536)
                except OSError:
                    break
        assert demo.wait(timeout=30) == 0, output.decode(errors="replace")
    finally:
        os.close(main)
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
    left = {path for path in set(pathlib.Path("/tmp").iterdir()) - before if "portolan" in path.name}
    assert not left
    group = subprocess.run(["pgrep", "-g", str(demo.pid)], capture_output=True, text=True).stdout
    assert not group, "processes are left"

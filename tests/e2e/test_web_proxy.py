"""The web proxy of the agent: one port for all web resources, by their local names and, as a forward proxy, by their own; what it refuses, and whose port it is."""
import json
import os
import subprocess
import urllib.parse

import harness
import pytest
from harness import wait_until
from webapps import App, resource
from webclients import Raw, curl


@pytest.fixture(scope="module")
def apps():
    with harness.running(App({})) as one, harness.running(App({})) as two:
        yield one, two


@pytest.fixture(scope="module")
def dev(apps):
    one, two = apps
    resources = {"one": resource(one.port, host_header="one.corp.example"), "two": resource(two.port, host_header="two.corp.example"), "raw": f"tcp://127.0.0.1:{one.port}"}
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


def proxy(dev):
    return f"http://127.0.0.1:{dev.port('one')}"


def test_all_are_on_one_port(dev):
    addresses = {each["name"]: each["address"] for each in dev.ready["resources"]}
    port = urllib.parse.urlsplit(addresses["one"]).port
    assert addresses["one"] == f"http://one.localhost:{port}" and addresses["two"] == f"http://two.localhost:{port}"
    assert addresses["raw"].startswith("127.0.0.1:")
    listed = {each["name"]: each for each in dev.json_lines("ls")}
    assert listed["one"]["url"] == addresses["one"] and listed["one"]["address"] == f"127.0.0.1:{port}" and not listed["raw"].get("url")
    assert addresses["two"] in dev.run("ls").stdout
    own = json.loads(dev.run("status", "--json").stdout)["web_proxy"]
    assert (own["address"], own["state"]) == (f"127.0.0.1:{port}", "listening")


def test_real_names_one_after_another_on_one_connection(dev, apps):
    """curl keeps its connection to a proxy, whatever host it asks for next."""
    before = [len(app.seen) for app in apps]
    urls = [f"http://{name}.corp.example/echo" for name in ("one", "two", "two", "one")]
    command = ["curl", "-sS", "--max-time", "30", "-x", proxy(dev), "-w", "%{http_code} %{num_connects}\\n", *(word for url in urls for word in ("-o", os.devnull, url))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "no_proxy": "", "NO_PROXY": ""})
    assert done.stdout.splitlines() == ["200 1", "200 0", "200 0", "200 0"], done
    assert [len(app.seen) - count for app, count in zip(apps, before)] == [2, 2]


def test_what_is_nobody_s_is_not_fetched(dev):
    for url in ("http://elsewhere.corp.example/", "http://one.corp.example:81/", f"http://127.0.0.1:{harness.free_port()}/"):
        refused = curl(url, "--noproxy", "", "-x", proxy(dev))
        assert refused.status == 421 and refused.json()["code"] == "misdirected" and refused.json()["hop"] == "agent", refused
    for host in ("one.corp.example:80", "127.0.0.1:22", "one.localhost:80"):
        with Raw(dev, "one") as client:
            client.send(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n")
            status = client.head()[0]
        # The first is an application, which has no TLS.
        assert status == (200 if host == "one.corp.example:80" else 421), host


def test_every_request_of_a_connection_is_judged(dev, apps):
    before = len(apps[0].seen)
    with Raw(dev, "one") as client:
        client.get("/echo")
        assert client.answer()[0] == 200
        client.get("/echo", "Origin: http://two.localhost:1", "Accept: text/html")
        status, fields, body = client.answer()
        assert status == 403 and fields["connection"] == "close" and b"foreign_origin" in body and b"http://two.localhost:1" in body
        assert client.rest() == b""
    assert len(apps[0].seen) == before + 1


def test_what_is_not_connected_says_what_to_do(dev):
    dev.run("disconnect", "two")
    try:
        page = curl(dev.url("two"), "-H", "Accept: text/html")
        assert page.status == 503 and b"portolan connect two" in page.body
    finally:
        told = json.loads(dev.run("open", "two", "--json", "--print").stdout)
    assert told == {"name": "two", "url": dev.url("two").rstrip("/"), "opened": False}
    assert curl(told["url"] + "/echo").status == 200
    assert dev.run("open", "two", "api", "--print").stdout.strip() == told["url"].replace("two.", "api.two.")


def test_a_port_that_somebody_else_has(dev, tmp_path):
    """Another agent of the same person: it says whose the port is, and `none` asks for no port."""
    port = dev.port("one")

    def status_of(*words):
        environment = {**dev.environment, "PORTOLAN_HOME": str(tmp_path / words[-1])}
        agent = subprocess.Popen([dev.program, "agent", "--no-status-port", *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            run = lambda: subprocess.run([dev.program, "status", "--json"], env=environment, capture_output=True, text=True, timeout=30)
            return json.loads(wait_until(lambda: done.stdout if (done := run()).returncode == 0 else None, 10, "the agent runs"))
        finally:
            agent.terminate()
            agent.wait(timeout=10)

    held = status_of("--web-proxy", f"127.0.0.1:{port}")["web_proxy"]
    assert held["state"] == "failed" and f"port {port} is held by" in held["reason"] and held["held_by"]["foreign"] is False, held
    assert not status_of("--web-proxy", "none").get("web_proxy")
    wrong = subprocess.run([dev.program, "agent", "--web-proxy", "0.0.0.0:65230"], capture_output=True, text=True, timeout=30, env=dev.environment)
    assert wrong.returncode == 2 and "loopback" in wrong.stderr

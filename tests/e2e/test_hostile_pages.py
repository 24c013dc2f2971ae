"""Pages that want something of an application that is not theirs: from other origins, from a name that resolves to this machine after all (DNS rebinding), and from
another of the person's own applications. The application answers everybody below /attack/, so between it and them there is only Portolan. Nothing may reach it, and
nothing may be read: not of the applications, not of the agent's own page, not of its status port.

That each technique does reach an application without Portolan, in this very browser, is tried first.
"""
import contextlib
import json
import socket
import threading
import urllib.parse

import browsing
import harness
import pytest
from browsing import address
from harness import wait_until
from web_app.app import WebApp

PATIENCE = 3000  # ms, for a technique that tells nothing; most tell at once
LOOPBACK_2 = "127.0.0.2"
REFUSALS = {400, 401, 403, 404, 405, 421}


class Rebound:
    """A server at `port` of another address of this machine, whose first answer to each page is the attacker's; whatever comes next on the same name goes to the same
    port of 127.0.0.1. To the browser it is all one origin, as after its name has been made to resolve to this machine."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server((LOOPBACK_2, port))
        self.lock, self.open = threading.Lock(), set()
        self.passed_on = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            self._know(connection)
            first = connection.recv(65536)
            if first.startswith(b"GET /rebound "):
                body = b"<!doctype html><title>hello</title><body>hello"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                return
            self.passed_on += 1
            with socket.create_connection(self.target, timeout=30) as onward:
                self._know(onward)
                onward.sendall(first)
                back = threading.Thread(target=self._copy, args=(onward, connection), daemon=True)
                back.start()
                self._copy(connection, onward)
                back.join()

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _know(self, connection):
        with self.lock:
            self.open.add(connection)

    def destroy(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def shop():
    with harness.running(WebApp("shop.corp.example")) as app:
        yield app


@pytest.fixture(scope="module")
def wiki():
    with harness.running(WebApp("wiki.corp.example")) as app:
        yield app


@pytest.fixture(scope="module")
def evil():
    """The attacker's own server."""
    with harness.running(WebApp("evil.example")) as app:
        yield app


@pytest.fixture(scope="module")
def dev(shop, wiki):
    with harness.running(harness.Dev({"shop": shop.resource(), "wiki": wiki.resource()})) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def browser():
    rules = f"MAP evil.example 127.0.0.1, MAP rebound.example {LOOPBACK_2}"
    with harness.running(browsing.Browser(f"--host-resolver-rules={rules}")) as started:
        yield started


@pytest.fixture
def places(dev, evil):
    """Where hostile pages are: name to address."""
    return {"address": f"http://127.0.0.1:{evil.port}", "name": f"http://evil.example:{evil.port}", "same-name": f"http://shop.localhost:{evil.port}",
            "below": f"http://static.shop.localhost:{evil.port}", "localhost": f"http://localhost:{evil.port}", "application": address(dev, "wiki")}


def own_page(dev):
    return f"http://localhost:{urllib.parse.urlsplit(address(dev, 'shop')).port}"


def status_port(dev):
    return json.loads(dev.run("status", "--json").stdout)["status_port"]["address"]


def techniques_seen(app, mark):
    return {request.path.split("?")[0].rsplit("/", 1)[1] for request in app.seen(f"/attack/{mark}/")}


def assert_nothing_learnt(dev, found):
    """Neither the applications' secret nor what Portolan itself tells only its own user."""
    for technique, learnt in found["learnt"].items():
        for secret in ("secret", dev.ready["email"], "resources", "read an image"):
            assert secret not in learnt, (technique, learnt)
    assert found["statuses"] and set(found["statuses"].values()) <= REFUSALS, found["statuses"]


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_without_portolan_every_technique_works(browser, evil, shop, host):
    """What the tests below rest upon."""
    here = f"http://{host}:{evil.port}"
    found = browser.play("attack", **{"from": f"{here}/attack/page"}, target=f"http://shop.localhost:{shop.port}", mark=f"bare-{host}", redirector=here, patience=PATIENCE)
    wait_until(lambda: techniques_seen(shop, f"bare-{host}") == set(found["learnt"]), 10, f"all of {set(found['learnt'])}")
    assert {name for name, learnt in found["learnt"].items() if "secret" in learnt} >= {"fetch", "post-json", "put", "script.js", "sandboxed", "events.events", "socket"}


@pytest.mark.parametrize("place", ["address", "name", "same-name", "below", "localhost", "application"])
def test_a_foreign_page_gets_nowhere(dev, browser, shop, evil, places, place):
    here = places[place]
    found = browser.play("attack", **{"from": f"{here}/attack/page"}, target=address(dev, "shop"), mark=place, redirector=here, patience=PATIENCE)
    assert techniques_seen(shop, place) == set()
    assert_nothing_learnt(dev, found)


def test_an_application_s_own_page_does(dev, browser, shop):
    """The same techniques from where they are meant to come."""
    at = address(dev, "shop")
    found = browser.play("attack", **{"from": f"{at}/attack/page"}, target=at, mark="own", redirector=at, patience=PATIENCE)
    # A frame without an origin is nobody's.
    wait_until(lambda: techniques_seen(shop, "own") == set(found["learnt"]) - {"sandboxed"}, 10, f"all of {set(found['learnt'])} but one")
    assert "secret" in found["learnt"]["fetch"] and "secret" in found["learnt"]["socket"]


@pytest.mark.parametrize("place", ["name", "localhost", "application"])
def test_a_foreign_page_learns_nothing_of_the_agent_s_own_page(dev, browser, places, place):
    here = places[place]
    found = browser.play("attack", **{"from": f"{here}/attack/page"}, target=own_page(dev), mark=place, redirector=here, patience=PATIENCE)
    assert_nothing_learnt(dev, found)


@pytest.mark.parametrize("place", ["name", "localhost", "application"])
def test_a_foreign_page_learns_nothing_of_the_status_port(dev, browser, places, place):
    here = places[place]
    target = f"http://localhost:{status_port(dev).rsplit(':', 1)[1]}"
    found = browser.play("attack", **{"from": f"{here}/attack/page"}, target=target, mark=place, redirector=here, patience=PATIENCE)
    assert_nothing_learnt(dev, found)


@pytest.mark.parametrize("paths", [{"/status.json", "/", "/proxy.pac"}, {"/v1/status", "/v1/resources"}])
def test_what_is_really_there_is_not_read_either(dev, browser, places, paths):
    target = own_page(dev) if "/" in paths else f"http://{status_port(dev)}"
    for place in ("name", "localhost", "application"):
        for path, answer in browser.play("readPaths", **{"from": f"{places[place]}/attack/page"}, target=target, paths=sorted(paths)).items():
            assert answer in ("blocked", "nothing to see"), (place, path, answer)


@pytest.mark.parametrize("port", ["web", "status"])
def test_rebinding_gets_nowhere(dev, browser, shop, evil, port):
    number = urllib.parse.urlsplit(own_page(dev)).port if port == "web" else int(status_port(dev).rsplit(":", 1)[1])
    here = f"http://rebound.example:{number}"
    with harness.running(Rebound(number)) as rebound:
        found = browser.play("attack", **{"from": f"{here}/rebound"}, target=here, mark="rebound", redirector=f"http://evil.example:{evil.port}", patience=PATIENCE)
        # It is all one origin to the browser: what is refused can be read, and says nothing.
        assert rebound.passed_on > 0 and "read 4" in found["learnt"]["fetch"], found
        assert_nothing_learnt(dev, found)
        for path, answer in browser.play("readPaths", **{"from": f"{here}/rebound"}, target=here, paths=["/", "/status.json", "/proxy.pac", "/v1/status"]).items():
            assert answer.startswith("read 4") and dev.ready["email"] not in answer and "shop" not in answer, (path, answer)
    assert techniques_seen(shop, "rebound") == set()


def test_there_is_no_other_way_in(dev):
    """A port of its own, where nobody looks at who asks, a web resource does not have."""
    base = urllib.parse.urlsplit(own_page(dev)).port - 3
    open_ports = []
    for port in range(base + 10, base + 90):
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
            open_ports.append(port)
    assert open_ports == []


@pytest.mark.parametrize("place", ["address", "name", "localhost", "application"])
def test_a_link_from_elsewhere_opens_the_application(dev, browser, places, place):
    shown = browser.play("followLink", **{"from": f"{places[place]}/attack/page"}, to=f"{address(dev, 'shop')}/orders/2")
    assert shown["url"] == f"{address(dev, 'shop')}/login?next=/orders/2" and shown["title"] == "Sign in"


@pytest.mark.parametrize("place", ["address", "name", "same-name", "application"])
def test_a_form_from_elsewhere_is_refused_in_words(dev, browser, shop, places, place):
    shown = browser.play("sendForm", **{"from": f"{places[place]}/attack/page"}, to=f"{address(dev, 'shop')}/attack/form-{place}")
    assert shown["status"] == 403 and "shop" in shown["text"] and "foreign_origin" in shown["text"], shown
    # Who asked, and what the person can do.
    assert places[place] in shown["text"] and f"open {address(dev, 'shop')}" in shown["text"] and "<script" not in shown["html"]
    assert shop.seen(f"/attack/form-{place}") == []


def test_a_foreign_name_is_refused_in_words(dev, browser):
    port = urllib.parse.urlsplit(own_page(dev)).port
    for name in ("evil.example", "no-such-thing.localhost", "deep.below.shop.localhost"):
        shown = browser.play("look", at=f"http://{name}:{port}/")
        assert shown["status"] in (404, 421) and "Portolan" in shown["text"] and dev.ready["email"] not in shown["text"], shown

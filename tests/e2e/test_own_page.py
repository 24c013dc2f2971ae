"""The page at http://localhost:PORT of the web proxy: what a person finds there, in a real browser."""
import json
import pathlib
import subprocess
import urllib.parse

import browsing
import harness
import pytest
from browsing import address
from web_app.app import WebApp


@pytest.fixture(scope="module")
def apps():
    with harness.running(WebApp("shop.corp.example")) as shop, harness.running(WebApp("wiki.corp.example")) as wiki:
        yield {"shop": shop, "wiki": wiki}


@pytest.fixture(scope="module")
def dev(apps):
    resources = {**{name: app.resource() for name, app in apps.items()}, "raw": f"tcp://127.0.0.1:{apps['shop'].port}"}
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def browser():
    with harness.running(browsing.Browser()) as started:
        yield started


def own_page(dev, host="localhost"):
    return f"http://{host}:{urllib.parse.urlsplit(address(dev, 'shop')).port}"


def test_it_lists_finds_and_opens(dev, browser):
    found = browser.play("ownPage", at=own_page(dev), search="WI", open="wiki", landed="/login")
    assert found["all"] == ["shop", "wiki"]  # what is no web application has no place here
    assert set(found["states"]) <= {"Ready", "Not checked"}
    assert [link.rstrip("/") for link in found["links"]] == [address(dev, "shop"), address(dev, "wiki")]
    assert found["found"] == ["wiki"] and found["nothing"]["names"] == [] and "Nothing is found" in found["nothing"]["text"]
    assert found["opened"] == f"{address(dev, 'wiki')}/login?next=/orders/1"
    assert dev.ready["email"] in found["text"]
    assert found["complaints"] == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_it_holds_nothing_secret(dev, browser, host):
    shown = browser.play("look", at=own_page(dev, host) + "/")
    assert shown["status"] == 200 and "shop" in shown["text"]
    secrets = [dev.ready["password"], dev.ready["token"], (pathlib.Path(dev.ready["home"]) / "agent.token").read_text().strip()]
    assert not any(secret in shown["html"] for secret in secrets)


def test_it_follows_what_changes(dev, browser):
    """Without being loaded again: a resource is disconnected and connected while the page is open."""
    refused = []

    def go_on(state):
        if state == "Disconnected":
            refused.append(subprocess.run(["curl", "-s", "-H", "Accept: text/html", f"{address(dev, 'wiki')}/login"], capture_output=True, text=True, timeout=30).stdout)
        following = {0: "disconnect", 1: "connect"}
        if command := following.get(len(seen)):
            dev.run(command, "wiki")
        seen.append(state)

    seen = []
    try:
        cards = browser.play("ownPageStates", at=own_page(dev), name="wiki", states=["Ready", "Disconnected", "Ready"], on_event=go_on)
    finally:
        dev.run("connect", "wiki")
    assert "portolan connect wiki" in cards[1] and "portolan connect" not in cards[2]
    # The application's own address says the same.
    assert "portolan connect wiki" in refused[0] and "Sign in" not in refused[0]


def test_open_prints_where(dev):
    told = json.loads(dev.run("open", "wiki", "--print", "--json").stdout)
    assert told["url"].rstrip("/") == address(dev, "wiki") and told["opened"] is False
    wrong = dev.run("open", "raw", "--print", check=False)
    assert wrong.returncode == 1 and "tcp" in wrong.stderr

"""Applications by their real names: the browser takes http://localhost:PORT/proxy.pac, and for https the person has made a local certificate authority and trusts it."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.parse

import browsing
import harness
import pytest
from browsing import address
from middleboxes import issue, make_authority
from web_app.app import WebApp

ME = {"user": WebApp.user, "password": WebApp.password}


@pytest.fixture(scope="module")
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="portolan-forward-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def apps(folder):
    make_authority(folder, "Company CA")
    issue(folder, "Company CA", "shop", "DNS:shop.corp.example,DNS:static.shop.corp.example")
    tls = (folder / "shop.pem", folder / "shop.key")
    with harness.running(WebApp("shop.corp.example", tls=tls)) as shop, harness.running(WebApp("wiki.corp.example", secure=False)) as wiki:
        with harness.running(WebApp("evil.example")) as evil:
            yield {"shop": shop, "wiki": wiki, "evil": evil}


@pytest.fixture(scope="module")
def dev(apps, folder):
    resources = {"shop": apps["shop"].resource(tls="verify-full", tls_ca_file=folder / "Company CA.pem", aliases=f"static={apps['shop'].alias}"),
                 "wiki": apps["wiki"].resource()}
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


def start_browser(dev, folder, *trusted):
    """With the proxy file of this deployment, and a home of its own in which these authorities are trusted."""
    home = pathlib.Path(tempfile.mkdtemp(dir=folder))
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for words in (["-N", "--empty-password"], *(["-A", "-n", path.stem, "-t", "C,,", "-i", path] for path in trusted)):
        subprocess.run(["certutil", "-d", f"sql:{store}", *words], check=True, capture_output=True)
    port = urllib.parse.urlsplit(address(dev, "wiki")).port
    return browsing.Browser(f"--proxy-pac-url=http://localhost:{port}/proxy.pac", "--host-resolver-rules=MAP evil.example 127.0.0.1", proxy=True,
                            env={**os.environ, "HOME": str(home)})


@pytest.fixture(scope="module")
def browser(dev, folder):
    """After `portolan web-ca create`."""
    if not shutil.which("certutil"):
        pytest.skip("certutil (libnss3-tools) is not installed")
    with harness.running(start_browser(dev, folder)) as stranger:
        with pytest.raises(AssertionError, match="net::ERR_TUNNEL_CONNECTION_FAILED"):
            stranger.play("look", at="https://shop.corp.example/login")
        dev.run("web-ca", "create")
        with pytest.raises(AssertionError, match="net::ERR_CERT_AUTHORITY_INVALID"):
            stranger.play("look", at="https://shop.corp.example/login")
    with harness.running(start_browser(dev, folder, pathlib.Path(dev.ready["home"]) / "web-ca.pem")) as started:
        yield started


@pytest.mark.parametrize("name", ["shop", "wiki"])
def test_by_its_real_name(dev, browser, apps, name):
    """Everything as the application says it: redirects, cookies, the WebSocket."""
    app = apps[name]
    found = browser.play("realName", at=app.origin, **ME)
    assert [found[step] for step in ("signedIn", "next", "moved")] == [f"{app.origin}/orders/{n}" for n in (1, 2, 2)]
    assert found["script"] == {"origin": app.origin, "secure": name == "shop"} and found["echo"] == "hello"
    cookies = {cookie["name"]: cookie for cookie in found["cookies"]}
    assert set(cookies) == {"session", "theme", app.token}
    assert cookies["session"]["domain"] == f".{app.name}" and all(cookie["secure"] == (name == "shop") for cookie in cookies.values())


def test_the_authority_s_key_is_the_person_s_alone(dev, browser):
    home = pathlib.Path(dev.ready["home"])
    assert (home / "web-ca.key").stat().st_mode & 0o077 == 0 and "PRIVATE KEY" not in (home / "web-ca.pem").read_text()


def test_other_addresses_are_not_its_business(dev, browser, apps):
    """What is no application goes where it would go without the proxy file; and a name that was not there when the authority was made is not shown as real."""
    evil = apps["evil"]
    assert browser.play("look", at=f"http://evil.example:{evil.port}/attack/page")["title"] == "Hello"
    with pytest.raises(AssertionError, match="net::ERR_NAME_NOT_RESOLVED"):
        browser.play("look", at="https://unknown.corp.example/")


@pytest.mark.parametrize("name", ["shop", "wiki"])
def test_foreign_pages_get_nowhere_by_the_real_name_either(dev, browser, apps, name):
    here, app = f"http://evil.example:{apps['evil'].port}", apps[name]
    found = browser.play("attack", **{"from": f"{here}/attack/page"}, target=app.origin, mark=f"real-{name}", redirector=here, patience=3000)
    reached = {request.path.rsplit("/", 1)[1] for request in app.seen(f"/attack/real-{name}/")}
    # Without TLS, and asked not to say where it comes from, a browser asks for a frame as it does for an address that was typed: nobody can tell them apart.
    assert reached <= ({"quiet-frame"} if name == "wiki" else set())
    assert not [technique for technique, learnt in found["learnt"].items() if "secret" in learnt]
    refused = {what: status for what, status in found["statuses"].items() if what.split(" ")[1] not in reached}
    assert refused and set(refused.values()) <= {403, 421}, refused

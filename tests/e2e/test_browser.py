"""A web application in a real browser, by http://NAME.localhost: what people do with it, the browser's own view of it, and what is on record of it afterwards."""
import collections
import hashlib
import os
import pathlib
import shutil
import tempfile

import browsing
import harness
import pytest
from browsing import address
from harness import wait_until
from middleboxes import issue, make_authority
from web_app import routes
from web_app.app import WebApp

MIB = 1 << 20
LARGE = 200 * MIB
ME = {"user": WebApp.user, "password": WebApp.password}


@pytest.fixture(scope="module")
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="portolan-browser-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def shop(folder):
    """Behind TLS, with a second name for what is static."""
    make_authority(folder, "Company CA")
    issue(folder, "Company CA", "shop", "DNS:shop.corp.example,DNS:static.shop.corp.example")
    with harness.running(WebApp("shop.corp.example", tls=(folder / "shop.pem", folder / "shop.key"))) as app:
        yield app


@pytest.fixture(scope="module")
def wiki():
    with harness.running(WebApp("wiki.corp.example")) as app:
        yield app


@pytest.fixture(scope="module")
def dev(shop, wiki, folder):
    resources = {"shop": shop.resource(tls="verify-full", tls_ca_file=folder / "Company CA.pem", aliases=f"static={shop.alias}", rewrite_links="html, json",
                                       headers="X-Remote-User: {email}"),
                 "wiki": wiki.resource()}
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def browser():
    with harness.running(browsing.Browser()) as started:
        yield started


def records(dev, name, path=None):
    """The requests that are on record for a resource, newest first."""
    requests = [query["http"] for query in dev.queries(resource=name, limit="1000") if "http" in query]
    return [request for request in requests if path in (None, request["path"])]


def record_of(dev, name, path):
    return wait_until(lambda: records(dev, name, path), 10, f"the record of {path}")[0]


def cookies_by_name(cookies):
    return {cookie["name"]: cookie for cookie in cookies}


@pytest.fixture(scope="module", params=["shop", "wiki"])
def walked(request, dev, browser):
    """The name, and what a walk through it has found."""
    return request.param, browser.play("walk", at=address(dev, request.param), **ME)


def test_sign_in_navigation_and_redirects_stay_on_the_local_name(dev, walked):
    name, found = walked
    at = address(dev, name)
    assert found["alert"] == "Wrong name or password" and found["who"] == WebApp.user
    paths = {"login": "/login?next=/orders/1", "signedIn": "/orders/1", "next": "/orders/2", "moved": "/orders/2", "plain": "/orders/2", "refresh": "/orders/2",
             "reload": "/orders/3", "out": "/login?next=/orders/1", "after": "/login?next=/orders/3"}
    assert found["urls"] == {step: at + path for step, path in paths.items()}
    # Signed out: the session's cookie is gone from the browser as well.
    assert found["after"] == "Sign in"
    script = found["script"]
    assert script["secure"] and script["subtle"] and script["origin"] == at


def test_cookies_become_the_local_name_s(walked):
    name, found = walked
    cookies = cookies_by_name(found["cookies"])
    # The application's __Host-token, which a browser would not take without TLS; and none for a name that is not the application's.
    assert set(cookies) == {"session", "theme", "pl__Host-token"}
    assert cookies["session"]["domain"] == f".{name}.localhost" and cookies["session"]["httpOnly"] and cookies["session"]["sameSite"] == "Lax"
    assert cookies["theme"]["domain"] == f"{name}.localhost" and not cookies["theme"]["httpOnly"]
    assert cookies["pl__Host-token"]["httpOnly"] and cookies["pl__Host-token"]["sameSite"] == "Strict"
    assert not any(cookie["secure"] for cookie in cookies.values())


def test_cookies_of_two_applications_are_kept_apart(dev, browser, shop, wiki):
    """Both call theirs the same; neither page sees the other's, and neither application is sent them."""
    before = {app: len(app.seen("/")) for app in (shop, wiki)}
    found = browser.play("twoApplications", places=[address(dev, "shop"), address(dev, "wiki")], **ME)
    for app, other, seen in ((shop, wiki, found[0]), (wiki, shop, found[1])):
        assert seen["who"] == WebApp.user
        assert seen["script"] == f"theme={app.name}"
        assert set(cookies_by_name(seen["kept"])) == {"session", "theme", "pl__Host-token"}
        sent = " ".join(value for request in app.seen("/")[before[app]:] for value in request.header("cookie"))
        assert f"theme={app.name}" in sent and "session=" in sent
        assert other.name not in sent and "planted" not in sent and sent.count("pl__") == 0


@pytest.mark.parametrize("name", ["shop", "wiki"])
def test_web_sockets(dev, browser, shop, wiki, name):
    app = {"shop": shop, "wiki": wiki}[name]
    found = browser.play("webSockets", at=address(dev, name))
    assert found["protocol"] == "portolan.echo" and found["texts"] == [True, True, True] and found["binary"]
    assert found["closed"]["code"] == 4002 and found["closed"]["clean"]
    assert found["counted"] == {"code": 4001, "reason": "counted", "clean": True} and found["inOrder"]
    # The page's reason has reached the application, too.
    wait_until(lambda: (4002, "enough") in app.closed_sockets, 10, "the application hears the page's goodbye")
    record = record_of(dev, name, "/socket/echo")
    assert record["status"] == 101 and record["messages_out"] == 4


@pytest.mark.parametrize("name", ["shop", "wiki"])
def test_server_sent_events_come_at_once(dev, browser, name):
    """Each is published when the page shows the one before; the application ends the answer after each third, and the browser comes again and says what it has."""
    items = [f"news {n}" for n in range(8)]
    seen = browser.play("news", at=address(dev, name), items=items)
    numbers = [int(line.split(" ", 1)[0]) for line in seen]
    assert [line.split(" ", 1)[1] for line in seen] == items and numbers == list(range(numbers[0], numbers[0] + 8))


@pytest.mark.parametrize("name", ["shop", "wiki"])
def test_a_large_upload(dev, browser, shop, wiki, folder, name):
    app = {"shop": shop, "wiki": wiki}[name]
    file, digest = folder / f"{name}.bin", hashlib.sha256()
    with file.open("wb") as out:
        for _ in range(LARGE // MIB):
            piece = os.urandom(MIB)
            digest.update(piece)
            out.write(piece)
    found = browser.play("upload", at=address(dev, name), file=str(file))
    file.unlink()
    assert found["said"].startswith("200 "), found["said"]
    assert app.uploads[f"{name}.bin"] == (LARGE, digest.hexdigest())
    # Its progress is shown on the way: what is not read is not taken, either.
    assert found["seen"][-1] == LARGE and len(found["seen"]) > 3 and found["seen"] == sorted(found["seen"])
    record = record_of(dev, name, "/upload")
    assert record["bytes_in"] == LARGE and record["status"] == 200


@pytest.mark.parametrize("name", ["shop", "wiki"])
def test_a_large_download(dev, browser, folder, name):
    file = folder / "downloaded"
    found = browser.play("download", at=address(dev, name), size=LARGE + 17, file=str(file))
    assert found == {"name": "data.bin", "url": f"{address(dev, name)}/download?size={LARGE + 17}"}
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while piece := data.read(MIB):
            digest.update(piece)
    file.unlink()
    assert digest.hexdigest() == routes.download_sha256(LARGE + 17)
    record = record_of(dev, name, "/download")
    assert record["bytes_out"] == LARGE + 17 and record["query"] == f"size={LARGE + 17}"


def test_a_second_host_of_an_application(dev, browser, shop):
    """static.shop.localhost: its pages' own to ask, with the cookie that is for both, and by its own name at the application."""
    at, other = address(dev, "shop"), address(dev, "shop").replace("http://", "http://static.")
    found = browser.play("alias", at=at, other=other, **ME)
    for kind, method in (("plain", "GET"), ("checked", "PUT")):
        # In the answer's JSON the origin has been made local again.
        assert found[kind] == {"host": shop.alias, "method": method, "origin": at, "cookies": ["session"]}
    assert {request.header("origin")[0] for request in shop.seen("/stock")} == {shop.origin}
    assert found["colour"] == "rgb(0, 128, 0)" and found["logo"] == 32


def test_links_are_rewritten_where_the_resource_asks(dev, browser, shop):
    at = address(dev, "shop")
    found = browser.play("readLinks", at=at, follow=True)
    assert found["order"] == f"{at}/orders/7" and found["followed"] == f"{at}/login?next=/orders/7"
    assert found["elsewhere"] == found["json"]["elsewhere"] == "https://elsewhere.example/"
    assert found["json"]["order"] == f"{at}/orders/7"


def test_links_stay_where_it_does_not(dev, browser, wiki):
    found = browser.play("readLinks", at=address(dev, "wiki"), follow=False)
    assert found["order"] == found["json"]["order"] == f"{wiki.origin}/orders/7"
    assert found["logo"] == 0 and found["colour"] != "rgb(0, 128, 0)"


def test_what_the_application_is_told(dev, browser, shop):
    forged = {"X-Remote-User": "root@corp.example", "X-Forwarded-For": "10.0.0.1", "X_Remote_User": "root@corp.example"}
    told = browser.play("headers", at=address(dev, "shop"), context={"extraHTTPHeaders": forged})
    fields = collections.defaultdict(list)
    for field, value in told:
        fields[field.lower()].append(value)
    assert fields["host"] == [shop.name] and fields["x-remote-user"] == [dev.ready["email"]]
    assert not {"x_remote_user", "x-forwarded-for", "forwarded", "via", "proxy-connection"} & set(fields)
    assert "Chrome" in fields["user-agent"][0]


def test_every_request_is_on_record(dev, browser, shop, wiki):
    """What the applications have seen so far, and what the control plane says of it, are the same."""
    for name, app in (("shop", shop), ("wiki", wiki)):
        browser.play("headers", at=address(dev, name))
        seen = collections.Counter((request.method, request.path.split("?")[0]) for request in app.seen("/") if request.header("user-agent") != ["portolan-health"])

        def recorded(name=name):
            return collections.Counter((request["method"], request["path"]) for request in records(dev, name))

        wait_until(lambda seen=seen, recorded=recorded: recorded() == seen, 15, f"the records of {name}: {seen}")

"""Who the application is told it is, by which credential, and that nobody else can say so: Apache with basic authentication, Radicale, which believes
X-Remote-User, and an application that tells what it has been sent."""
import base64
import json
import subprocess
import time

import harness
import pytest
from webapps import App, fields_named, resource
from webclients import Raw, curl
from webservers import Apache, Radicale

PASSWORD = "mein pässwort: 100%"
FORGERIES = ("X-Remote-User", "x-remote-user", "X_Remote_User", "X_REMOTE-USER", "X.Remote.User")
WHO = '<?xml version="1.0"?><propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>'


@pytest.fixture(scope="module")
def apache():
    with harness.running(Apache("app", PASSWORD)) as server:
        yield server


@pytest.fixture(scope="module")
def radicale():
    with harness.running(Radicale()) as server:
        yield server


@pytest.fixture(scope="module")
def app():
    def challenge(request):
        request.say(401, b"who are you?\n", ("WWW-Authenticate", 'Bearer realm="x"'), ("WWW-Authenticate", "Negotiate"))

    with harness.running(App({"/challenge": challenge})) as server:
        yield server


@pytest.fixture(scope="module")
def dev(apache, radicale, app):
    resources = {
        "members": resource(apache.port, "app", PASSWORD, auth="basic"),
        "locked-out": resource(apache.port, "app", "wrong", auth="basic"),
        "by-hand": resource(apache.port),
        "calendars": resource(radicale.port, headers="X-Remote-User: {email}"),
        "token": resource(app.port, password="the-token", auth="bearer"),
        "secret-headers": resource(app.port, password="X-Api-Key: k3y\nX-Api-Secret: s3cret", auth="headers", headers="X-Who: {email}\nX-Of: {name}\nX-Fixed: as it is"),
        "none": resource(app.port),
        "identity": resource(app.port, jwt_header="X-Identity"),
    }
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


def test_basic_authentication(dev, apache):
    assert curl(f"http://127.0.0.1:{apache.port}/").status == 401
    got = curl(dev.url("members"))
    assert got.status == 200 and b"members only" in got.body
    other = base64.b64encode(b"app:wrong").decode()
    assert curl(dev.url("members"), "-H", f"Authorization: Basic {other}").status == 200, "what the client says under the name goes first"
    assert "healthy" in dev.run("admin", "resources", "check", "members").stdout


def test_a_wrong_credential_is_the_resources_to_mend(dev):
    """Nobody at a browser is asked for a password that is not theirs; who administers it is told."""
    refused = curl(dev.url("locked-out"))
    assert refused.status == 401 and refused.all("www-authenticate") == []
    assert b"Unauthorized" in refused.body or b"credential" in refused.body
    check = dev.run("admin", "resources", "check", "locked-out", check=False)
    assert check.returncode != 0 and "refuses the credential with status 401" in check.stdout + check.stderr, check
    [health] = [json.loads(line) for line in dev.run("admin", "resources", "check", "locked-out", "--json", check=False).stdout.splitlines()]
    assert health["state"] == "unhealthy" and "bad_credential" in json.dumps(health), health


def test_without_a_credential_of_the_resource_people_sign_in_themselves(dev):
    asked = curl(dev.url("by-hand"))
    assert asked.status == 401 and asked.all("www-authenticate") == ['Basic realm="members"']
    # curl would send it in Latin-1 or UTF-8 as the terminal has it.
    own = base64.b64encode(f"app:{PASSWORD}".encode()).decode()
    assert curl(dev.url("by-hand"), "-H", f"Authorization: Basic {own}").status == 200


def principal(url, *words):
    answer = curl(url, "-X", "PROPFIND", "-H", "Depth: 0", "-H", "Content-Type: application/xml", "-d", WHO, *words)
    return answer.status, answer.body.decode()


def test_radicale_believes_only_us(dev, radicale):
    mine = dev.ready["email"]
    # Without us whoever says so is mallory.
    direct = f"http://127.0.0.1:{radicale.port}"
    status, told = principal(f"{direct}/", "-H", "X-Remote-User: mallory")
    assert status == 207 and "/mallory/" in told
    assert principal(f"{direct}/mallory/", "-H", "X-Remote-User: mallory")[0] == 207
    assert "/mallory/" in principal(f"{direct}/", "-H", "X_Remote_User: mallory")[1], "Python's WSGI takes _ for -, so that this matters"
    for forgery in ((), *(("-H", f"{name}: mallory") for name in FORGERIES)):
        status, told = principal(dev.url("calendars"), *forgery)
        assert status == 207 and f"/{mine}/" in told.replace("%40", "@") and "mallory" not in told, (forgery, told)
        assert principal(dev.url("calendars", "/mallory/"), *forgery)[0] in (403, 404), forgery
    with Raw(dev, "calendars") as client:
        body = WHO.encode()
        trailers = "".join(f"{name}: mallory\r\n" for name in FORGERIES)
        client.send(b"PROPFIND / HTTP/1.1\r\nHost: {host}\r\nDepth: 0\r\nX-Remote-User: a\r\nX-Remote-User: mallory\r\nConnection: X-Remote-User\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body))
        status, _, told = client.answer()
        assert status == 207 and b"mallory" not in told
        client.send(f"PROPFIND / HTTP/1.1\r\nHost: {{host}}\r\nDepth: 0\r\nContent-Length: 0\r\nTrailer: X-Remote-User\r\n\r\n{trailers}\r\n")
        client.rest()
    assert curl(dev.url("calendars", f"/{mine}/cal/"), "-X", "MKCALENDAR").status == 201
    assert curl(dev.url("calendars", f"/{mine}/cal/")).status == 200


def test_no_trailer_says_who_it_is(dev, app):
    with Raw(dev, "secret-headers") as client:
        client.send("POST /echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\nX-Who: mallory\r\nX_Api_Key: mine\r\n\r\n")
        status, _, body = client.answer()
    assert status == 200 and "mallory" not in body.decode() and "mine" not in body.decode()


def test_bearer(dev):
    told = curl(dev.url("token", "/echo"), "-H", "Authorization: Bearer mine", "-H", "X-Authorization: stays").json()
    assert fields_named(told, "authorization") == ["Bearer the-token"] and fields_named(told, "x-authorization") == ["stays"]
    challenged = curl(dev.url("token", "/challenge"))
    assert challenged.status == 401 and challenged.all("www-authenticate") == []
    assert len(curl(dev.url("none", "/challenge")).all("www-authenticate")) == 2


def test_headers_secret_and_plain(dev):
    mine = dev.ready["email"]
    told = curl(dev.url("secret-headers", "/echo"), "-H", "x-api-key: mine", "-H", "X_API_SECRET: mine", "-H", "X-Who: mallory", "-H", "Authorization: Basic bWluZQ==").json()
    assert fields_named(told, "x-api-key") == ["k3y"] and fields_named(told, "x-api-secret") == ["s3cret"]
    assert (fields_named(told, "x-who"), fields_named(told, "x-of"), fields_named(told, "x-fixed")) == ([mine], ["secret-headers"], ["as it is"])
    assert fields_named(told, "authorization") == ["Basic bWluZQ=="], "it is the person's own here"
    everywhere = json.dumps(dev.queries(resource="secret-headers")) + dev.log_text() + dev.run("admin", "resources", "show", "secret-headers", "--json").stdout
    assert "k3y" not in everywhere and "s3cret" not in everywhere


def test_what_others_say_of_the_client_does_not_pass(dev):
    names = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X_Forwarded_For", "X-Real-IP", "X-Client-IP", "X-Original-URL")
    told = curl(dev.url("none", "/echo"), *(word for name in names for word in ("-H", f"{name}: 10.9.8.7"))).json()
    assert not [value for name in names for value in fields_named(told, name)] and "10.9.8.7" not in json.dumps(told)


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(token, keys, folder):
    """The claims of a token signed with ES256, verified by openssl with the key that it names (RFC 7515 appendix A.3, RFC 7518 §3.4)."""
    head, claims, signature = token.split(".")
    header = json.loads(decoded(head))
    assert header["alg"] == "ES256", header
    [key] = [key for key in keys["keys"] if key["kid"] == header["kid"]]
    assert (key["kty"], key["crv"]) == ("EC", "P-256") and "d" not in key
    integer = lambda raw: b"\x02" + bytes([len(raw)]) + raw  # noqa: E731
    positive = lambda raw: (b"\0" if raw.lstrip(b"\0")[:1] >= b"\x80" else b"") + raw.lstrip(b"\0")  # noqa: E731
    raw = decoded(signature)
    assert len(raw) == 64
    pair = integer(positive(raw[:32])) + integer(positive(raw[32:]))
    public = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + b"\x04" + decoded(key["x"]) + decoded(key["y"])
    for name, data in (("signature", b"\x30" + bytes([len(pair)]) + pair), ("key", public), ("signed", f"{head}.{claims}".encode())):
        (folder / name).write_bytes(data)
    subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-in", folder / "key", "-out", folder / "key.pem"], check=True, capture_output=True)
    check = subprocess.run(["openssl", "dgst", "-sha256", "-verify", folder / "key.pem", "-signature", folder / "signature", folder / "signed"], capture_output=True, text=True)
    assert check.stdout.strip() == "Verified OK", check
    return json.loads(decoded(claims))


def test_a_signed_identity(dev, tmp_path):
    jwks = curl(dev.ready["admin_url"].rstrip("/") + "/.well-known/jwks.json", "--cacert", dev.ready["ca_file"])
    assert jwks.status == 200
    told = curl(dev.url("identity", "/echo"), "-H", "X-Identity: forged", "-H", "X_Identity: forged").json()
    [token] = fields_named(told, "x-identity")
    claims = verified(token, jwks.json(), tmp_path)
    now = time.time()
    assert claims["email"] == dev.ready["email"] and claims["resource"] == "identity", claims
    assert claims["iat"] <= now + 5 and now < claims["exp"] < now + 86_400, claims
    [definition] = dev.json_lines("admin", "resources", "show", "identity")
    assert definition["id"] in ([claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"])
    assert claims["sub"] and claims["iss"] and claims["jti"]
    with pytest.raises(AssertionError):
        head, _, signature = token.split(".")
        forged = base64.urlsafe_b64encode(json.dumps({**claims, "email": "mallory@example.com"}).encode()).decode().rstrip("=")
        verified(f"{head}.{forged}.{signature}", jwks.json(), tmp_path)
    assert token not in json.dumps(dev.queries(resource="identity")) + dev.log_text()

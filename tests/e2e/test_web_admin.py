"""Web resources as admins have them: identity tokens that a library of somebody else's verifies, the record of requests, checks, the command line."""
import json
import time

import harness
import jwt
import pytest
from api import Api
from cryptography.hazmat.primitives.asymmetric import ec
from webapps import App, Handler, fields_named, resource
from webclients import curl
from webservers import Authority, Nginx

HEADER = "X-Identity"


class GuardedHandler(Handler):
    """Wants a credential of everybody, also of those who look whether it is well."""

    def answer(self):
        if self.headers.get("Authorization") != self.server.wanted:
            return self.say(401, b"who are you?\n")
        return super().answer()

    do_GET = answer


@pytest.fixture(scope="module")
def application():
    with harness.running(App({"/missing": lambda request: request.say(404, b"nothing here\n")})) as server:
        yield server


@pytest.fixture(scope="module")
def guarded():
    with harness.running(App({})) as server:
        server.wanted = "Basic c3ZjOmh1bnRlcjI="  # svc:hunter2
        server.RequestHandlerClass = GuardedHandler
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def secure(authority):
    certificate, key = authority.issue("own", "DNS:localhost")

    def servers(server):
        return f"""server {{ listen 127.0.0.1:{server.port} ssl; ssl_certificate '{certificate}'; ssl_certificate_key '{key}'; location / {{ return 200 "well\\n"; }} }}"""

    with harness.running(Nginx(servers)) as server:
        yield server


@pytest.fixture(scope="module")
def web(application, secure, guarded, authority):
    resources = {
        "wiki": resource(application.port, jwt_header=HEADER),
        "plain": resource(application.port, mask_query="token"),
        "secure": f"https://localhost:{secure.port}?tls_ca_file={authority.file}".replace(" ", "%20"),
        "guarded": resource(guarded.port, "svc", "hunter2"),
    }
    with harness.running(harness.Dev(resources)) as deployment:
        yield deployment


def keys(dev):
    answer = Api(dev).call("GET", "/.well-known/jwks.json", token=None)
    assert answer.status == 200 and answer.type == "application/json", answer.body
    return jwt.PyJWKSet.from_dict(answer.json())


def resource_id(dev, name):
    return json.loads(dev.run("admin", "resources", "show", name, "--json").stdout)["id"]


def verify(dev, token, checks=None, **more):
    """As docs/guide/web-admin.md tells applications to."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = next((key.key for key in keys(dev).keys if key.key_id == kid), None)
    if key is None:
        raise jwt.InvalidKeyError(kid)
    options = {"audience": resource_id(dev, "wiki"), "issuer": dev.ready["admin_url"].rstrip("/"), **more}
    return jwt.decode(token, key, algorithms=["ES256"], options={"require": ["exp", "iat", "nbf", "sub", "aud", "iss", "jti"], **(checks or {})}, **options)


def token_of(dev):
    [token] = fields_named(curl(dev.url("wiki", "/echo")).json(), HEADER)
    return token


def test_an_application_learns_who_its_user_is(web):
    claims = verify(web, token_of(web))
    assert claims["email"] == web.ready["email"]
    assert claims["resource"] == "wiki"
    assert claims["sub"].startswith("a-")
    assert claims["groups"] == ["everyone"]
    assert claims["exp"] - claims["iat"] <= 11 * 60
    assert abs(claims["iat"] - time.time()) < 360


def test_what_a_client_sends_under_the_name_goes_first(web):
    for name in (HEADER, HEADER.lower(), HEADER.replace("-", "_")):
        told = curl(web.url("wiki", "/echo"), "-H", f"{name}: eyJ.forged.x").json()
        assert "forged" not in json.dumps(told)
        [token] = fields_named(told, HEADER)
        verify(web, token)


def test_a_resource_that_does_not_ask_gets_none(web):
    told = curl(web.url("plain", "/echo")).json()
    assert fields_named(told, HEADER) == [] and "eyJ" not in json.dumps(told)


def test_what_is_altered_forged_over_or_for_another_is_refused(web):
    token = token_of(web)
    head, claims, signature = token.split(".")
    # The last letter of the signature stands for fewer bits than the others.
    altered = [f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}", f"{head}.{claims[:-2]}AA.{signature}", f"{head}.{claims}."]
    said = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    forged = jwt.encode({**said, "sub": "a-somebody"}, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": kid})
    unsigned = jwt.encode(said, None, algorithm="none", headers={"kid": kid})
    unknown = jwt.encode(said, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "another"})
    for bad in [*altered, forged, unsigned, unknown]:
        with pytest.raises(jwt.PyJWTError):
            verify(web, bad)
    with pytest.raises(jwt.InvalidAudienceError):
        verify(web, token, audience=resource_id(web, "plain"))
    with pytest.raises(jwt.InvalidIssuerError):
        verify(web, token, issuer="https://other.example")
    with pytest.raises(jwt.ExpiredSignatureError):
        verify(web, token, leeway=-12 * 60, checks={"verify_iat": False, "verify_nbf": False})  # twelve minutes later


def test_tokens_are_nowhere_on_record_or_in_the_log(web):
    token = token_of(web)
    assert web.queries(resource="wiki", limit="5")
    everything = web.log_text() + "".join(json.dumps(each) for each in web.queries(resource="wiki", limit="1000"))
    assert token[:40] not in everything and token[-40:] not in everything


def test_requests_are_on_record_and_shown(web):
    assert curl(web.url("plain", "/echo?x=1&token=secret"), "-d", "12345").status == 200
    assert curl(web.url("plain", "/missing")).status == 404
    found = harness.wait_until(lambda: len(records := web.queries(resource="plain", text="/echo?x=1")) == 1 and records, 20, "the request is on record")
    http = found[0]["http"]
    assert (http["method"], http["path"], http["query"], http["status"]) == ("POST", "/echo", "x=1&token=***", 200)
    assert http["bytes_in"] == 5 and http["bytes_out"] > 0 and found[0]["duration_us"] > 0
    assert found[0]["email"] == web.ready["email"]
    missing = harness.wait_until(lambda: web.queries(resource="plain", text="/MISSING"), 20, "the other one is")
    assert missing[0]["http"]["status"] == 404
    table = web.run("audit", "queries", "--resource", "plain", "--limit", "1000").stdout
    assert "200 POST http://127.0.0.1" in table and "/echo?x=1&token=***" in table and "5 bytes in" in table
    assert "404 GET" in table and "secret" not in table
    sessions = web.json_lines("audit", "sessions", "--resource", "plain")
    assert sum(session["queries"] for session in sessions) >= 2 and all(session["type"] == "http" for session in sessions)


def check(dev, name):
    return json.loads(dev.run("admin", "resources", "check", name, "--json", check=False).stdout.splitlines()[0])


def test_checks_are_the_nodes_own(web, guarded):
    for name in ("wiki", "plain", "secure", "guarded"):
        assert check(web, name)["state"] == "healthy", name
    guarded.wanted = "Basic other"
    try:
        assert check(web, "guarded")["code"] == "bad_credential"
    finally:
        guarded.wanted = "Basic c3ZjOmh1bnRlcjI="


def test_a_certificate_that_is_not_to_be_trusted_is_told(web, secure, authority):
    # Without the application's own authority, and under a name that its certificate has not.
    web.run("admin", "resources", "create", "distrusted", "--url", f"https://localhost:{secure.port}")
    web.run("admin", "resources", "create", "misnamed", "--url", f"https://127.0.0.1:{secure.port}", "--setting-file", f"tls_ca={authority.file}")
    assert check(web, "distrusted")["code"] == "tls_untrusted"
    assert check(web, "misnamed")["code"] == "tls_name"


def test_the_command_line_makes_them(web, secure, tmp_path):
    password = tmp_path / "password"
    password.write_text("hunter3")
    password.chmod(0o600)
    headers = tmp_path / "headers"
    headers.write_text("X-Remote-User: {email}\nX-Remote-Account: {account}\n")
    web.run("admin", "resources", "create", "made", "--url", f"https://svc@localhost:{secure.port}?headers_file={headers}", "--password-file", password)
    shown = web.run("admin", "resources", "show", "made").stdout
    assert "verify-full" in shown and "basic" in shown and "hunter3" not in shown
    settings = json.loads(web.run("admin", "resources", "show", "made", "--json").stdout)["settings"]
    assert settings == {"auth": "basic", "headers": headers.read_text(), "tls": "verify-full"}
    web.run("admin", "resources", "create", "by-options", "--type", "http", "--host", "wiki.example", "--setting", "read_only=on", "--setting", "methods=GET, HEAD")
    assert json.loads(web.run("admin", "resources", "show", "by-options", "--json").stdout)["port"] == 80
    for words, arguments in {
        "has no path": ["a", "--url", "https://wiki.example/wiki"],
        "NAME.localhost": ["wiki-", "--url", "https://wiki.example"],
        "auth=bearer": ["a", "--url", f"https://wiki.example?password_file={password}"],
        "does not belong on a command line": ["a", "--url", "https://svc:hunter3@wiki.example"],
        "unknown setting": ["a", "--url", "https://wiki.example?colour=red"],
    }.items():
        refused = web.run("admin", "resources", "create", *arguments, check=False)
        assert refused.returncode != 0 and words in refused.stderr and "hunter3" not in refused.stderr, refused.stderr


def test_a_file_makes_them(web, tmp_path):
    (tmp_path / "password").write_text("token-of-the-wiki")
    (tmp_path / "password").chmod(0o600)
    file = tmp_path / "team.yaml"
    file.write_text("""resources:
  - name: applied
    url: https://wiki.example?auth=bearer&jwt_header=X-Identity
    password_file: ./password
  - name: applied-too
    type: http
    host: forum.example
    port: 443
    settings: {tls: verify-full, headers: "X-Remote-User: {email}", aliases: "static=static.example"}
""")
    assert "2 created" in web.run("admin", "apply", file).stderr
    assert "0 created, 0 updated" in web.run("admin", "apply", file).stderr
    shown = json.loads(web.run("admin", "resources", "show", "applied", "--json").stdout)
    assert shown["port"] == 443 and shown["settings"] == {"auth": "bearer", "jwt_header": "X-Identity", "tls": "verify-full"}


def test_the_key_outlives_a_restart_and_is_replaced(application):
    with harness.running(harness.Dev({"wiki": resource(application.port, jwt_header=HEADER)})) as dev:
        first = token_of(dev)
        old = jwt.get_unverified_header(first)["kid"]
        dev.stop()
        dev.start()
        assert [key.key_id for key in keys(dev).keys] == [old]
        verify(dev, first)
        verify(dev, token_of(dev))

        announced = dev.json_lines("admin", "keys", "rotate", "identity")
        assert [key["state"] for key in announced] == ["signing", "announced"] and announced[0]["kid"] == old
        assert {key.key_id for key in keys(dev).keys} == {key["kid"] for key in announced}
        dev.run("admin", "keys", "activate", "identity")
        refused = dev.run("admin", "keys", "finish", "identity", check=False)
        assert refused.returncode != 0 and "tokens that are good until" in refused.stderr
        # The agent's session is new, its lease may not be: whichever key has signed, the token is good.
        verify(dev, first)
        verify(dev, token_of(dev))
        dev.stop()
        dev.start()
        assert jwt.get_unverified_header(token_of(dev))["kid"] == announced[1]["kid"]
        dev.run("admin", "keys", "finish", "identity", "--force")
        verify(dev, token_of(dev))
        with pytest.raises(jwt.PyJWTError):
            verify(dev, first)

"""Signed requests by nothing but bash, curl and openssl: the recipe of docs/reference/signatures.md, as it stands there, against a real server."""
import json
import re
import subprocess

import pytest
from harness import ROOT

DOCUMENT = ROOT / "docs" / "reference" / "signatures.md"


def block(language, containing):
    [found] = [text for text in re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S) if containing in text]
    return found


def curl(dev, method, path, body=None, token=None, headers=()):
    """Status, headers and decoded body."""
    command = ["curl", "-s", "-i", "-X", method, "--cacert", dev.ready["ca_file"], dev.ready["admin_url"].rstrip("/") + path]
    for header in (*headers, *([f"Authorization: Bearer {token}"] if token else [])):
        command += ["-H", header]
    if body is not None:
        command += ["--data-binary", body if isinstance(body, str) else json.dumps(body)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    head, _, text = answer.partition("\n\n")
    lines = head.split("\n")
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), json.loads(text) if text else None


class Script:
    """Somebody's script with a key of its own; `sent` is what the recipe gave to curl."""

    def __init__(self, dev, folder):
        self.dev = dev
        self.folder = folder
        subprocess.run(["bash", "-euc", block("sh", "genpkey")], cwd=folder, check=True, capture_output=True)
        device = subprocess.run("openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout", shell=True, check=True, capture_output=True, text=True).stdout
        status, _, signed_in = curl(dev, "POST", "/v1/sign-ins", {"email": dev.ready["email"], "password": dev.ready["password"], "public_key": device, "device_name": "test"})
        assert status == 201, signed_in
        self.sign_in = signed_in["token"]
        status, _, made = curl(dev, "POST", "/v1/tokens", {"name": "nightly", "public_key": (folder / "script.pub").read_text()}, token=self.sign_in)
        assert status == 201 and "token" not in made, made
        self.id = made["id"]
        # Beside curl, what it was asked to send.
        (folder / "curl").write_text('#!/bin/bash\nprintf "%s\\0" "$@" > "$CURL_LOG"\nexec /usr/bin/curl $CURL_OPTIONS "$@"\n')
        (folder / "curl").chmod(0o755)

    def call(self, *arguments, options=""):
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin", "CURL_LOG": str(self.folder / "log"), "CURL_OPTIONS": options, "PORTOLAN_URL": self.dev.ready["admin_url"].rstrip("/"),
                       "PORTOLAN_KEY": str(self.folder / "script.key"), "PORTOLAN_KEY_ID": self.id, "PORTOLAN_CA": self.dev.ready["ca_file"]}
        command = ["bash", "-euc", block("bash", "portolan_call() {") + '\nportolan_call "$@"', "script", *arguments]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def again(self, body=None, header=None, other=None):
        """The last request once more, perhaps with another body, or with the header `other` in the place of `header` (None: without one)."""
        words = (self.folder / "log").read_text().split("\0")[:-1]
        if body is not None:
            words[words.index("--data-binary") + 1] = body
        if header is not None:
            at = words.index(header)
            del words[at - 1:at + 1]
        if other is not None:
            words += ["--header", other]
        return json.loads(subprocess.run(["/usr/bin/curl", *words], capture_output=True, text=True, check=True, timeout=30).stdout)


@pytest.fixture
def script(dev, tmp_path):
    return Script(dev, tmp_path)


def test_the_recipe_signs(script, dev):
    names = {resource["name"] for resource in script.call("GET", "/v1/resources?limit=10")["items"]}
    assert "billing-db" in names
    made = script.call("POST", "/v1/roles", '{"name": "by-signature"}')
    assert made["name"] == "by-signature"
    activities = script.call("GET", "/v1/audit/activities?limit=1000")["items"]
    assert any(entry["object"] == made["id"] for entry in activities)
    for version in ("--http1.1", "--http2"):
        assert script.call("GET", "/v1/roles?filter=name%7Eby-sig&limit=1", options=version)["items"][0]["id"] == made["id"]
    status, _, _ = curl(dev, "DELETE", "/v1/roles/by-signature", token=dev.ready["token"])
    assert status == 204


def test_a_signed_request_is_good_once(script):
    assert "items" in script.call("GET", "/v1/roles")
    assert script.again()["code"] == "signature_replayed"


def test_another_body_is_refused(script, dev):
    first = script.call("POST", "/v1/roles", '{"name": "no such thing!"}')
    assert first["code"] == "invalid"  # taken, and refused for what it says
    refused = script.again(body='{"name": "smuggled"}')
    assert refused["code"] == "bad_signature" and "Content-Digest" in refused["detail"]
    status, _, _ = curl(dev, "GET", "/v1/roles/smuggled", token=dev.ready["token"])
    assert status == 404


@pytest.mark.parametrize("name", ["If-Match", "Idempotency-Key"])
def test_nobody_on_the_way_changes_a_header(script, dev, name):
    first, other = f'{name}: "0"', f'{name}: "1"'
    path = "/v1/roles/no-such-role" if name == "If-Match" else "/v1/roles"
    method = "PATCH" if name == "If-Match" else "POST"
    assert script.call(method, path, '{"name": "no such thing!"}')["code"] in ("invalid", "not_found")  # taken, and refused for what it says
    added = script.again(other=other)
    assert added["code"] == "bad_signature" and f"{name.lower()} is not signed" in added["detail"], added
    assert script.call(method, path, '{"name": "no such thing!"}', first)["code"] in ("invalid", "not_found")
    changed = script.again(header=first, other=other)
    assert changed["status"] == 401 and changed["code"] == "bad_signature", changed
    removed = script.again(header=first)
    assert removed["code"] == "bad_signature" and f"{name.lower()} is signed" in removed["detail"], removed


def test_signed_headers_count(script, dev):
    key = "Idempotency-Key: 5f0c6f5e-signed"
    made = script.call("POST", "/v1/roles", '{"name": "signed-once"}', key)
    assert made["name"] == "signed-once", made
    assert script.call("POST", "/v1/roles", '{"name": "signed-once"}', key) == made
    if_match = f'If-Match: "{made["revision"]}"'
    changed = script.call("PATCH", "/v1/roles/signed-once", '{"name": "signed-twice"}', if_match)
    assert changed["name"] == "signed-twice" and changed["revision"] > made["revision"]
    stale = script.call("PATCH", "/v1/roles/signed-twice", '{"name": "signed-thrice"}', if_match)
    assert (stale["status"], stale["code"]) == (412, "stale")
    both = script.call("PATCH", "/v1/roles/signed-twice", '{"name": "signed-thrice"}', f'If-Match: "{changed["revision"]}"', key)
    assert both["name"] == "signed-thrice", both
    assert curl(dev, "DELETE", "/v1/roles/signed-thrice", token=dev.ready["token"])[0] == 204


def test_a_removed_key_signs_nothing(script, dev):
    status, _, _ = curl(dev, "DELETE", f"/v1/tokens/{script.id}", token=script.sign_in)
    assert status == 204
    assert script.call("GET", "/v1/roles")["code"] == "bad_signature"


def test_one_key_makes_one_object(dev):
    key = ["Idempotency-Key: 5f0c6f5e-nightly"]
    first = curl(dev, "POST", "/v1/roles", {"name": "made-once"}, token=dev.ready["token"], headers=key)
    second = curl(dev, "POST", "/v1/roles", {"name": "made-once"}, token=dev.ready["token"], headers=key)
    assert (first[0], second[0]) == (201, 201) and first[2] == second[2]
    assert "idempotency-replayed" not in first[1] and second[1]["idempotency-replayed"] == "true"
    assert int(second[1]["ratelimit-remaining"]) < int(second[1]["ratelimit-limit"])
    other = curl(dev, "POST", "/v1/roles", {"name": "another"}, token=dev.ready["token"], headers=key)
    assert other[0] == 422 and other[2]["code"] == "idempotency_mismatch"
    assert curl(dev, "DELETE", "/v1/roles/made-once", token=dev.ready["token"])[0] == 204

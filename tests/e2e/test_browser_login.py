"""`portolan login` by a page in a browser; here the browser is a few lines that keep a cookie and send the form."""
import http.client
import json
import os
import re
import ssl
import subprocess
import urllib.parse

import harness
from harness import wait_until


class Page:
    """The form at one address, with what a browser sends along."""

    def __init__(self, dev, address):
        self.url = urllib.parse.urlsplit(address)
        self.context = ssl.create_default_context(cafile=dev.ready["ca_file"])
        self.cookie = ""
        status, headers, self.body = self.request("GET", f"{self.url.path}?{self.url.query}")
        assert status == 200 and "<script" not in self.body and "'none'" in headers["content-security-policy"]
        self.cookie = headers["set-cookie"].split(";")[0]
        self.hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.body))

    def request(self, method, target, fields=None):
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.context, timeout=10)
        headers = {"Origin": f"https://{self.url.netloc}", "Sec-Fetch-Site": "same-origin"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, target, body=None if fields is None else urllib.parse.urlencode(fields), headers=headers)
        answer = connection.getresponse()
        result = answer.status, answer.headers, answer.read().decode()
        connection.close()
        return result

    def send(self, action, email="", password=""):
        status, _, body = self.request("POST", "/activate", {**self.hidden, "action": action, "email": email, "password": password})
        return status, body


class Login:
    def __init__(self, dev, home, *options):
        control = dev.ready["admin_url"].removeprefix("https://").rstrip("/")
        environment = {**dev.environment, "PORTOLAN_HOME": str(home)}
        self.process = subprocess.Popen([dev.program, "login", control, "--no-browser", "--ca-file", dev.ready["ca_file"], "--no-agent", "--json", *options],
                                        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = ""
        while "activate?code=" not in said:
            line = self.process.stderr.readline()
            assert line, f"login ended: {said}"
            said += line
        self.address = said.split()[-1]
        self.code = self.address.rsplit("=", 1)[1]
        assert re.fullmatch(r"[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}", self.code) and f"code {self.code}:" in said

    def end(self):
        out, errors = self.process.communicate(timeout=20)
        return self.process.returncode, out, errors


def test_approved_in_the_browser(dev, tmp_path):
    login = Login(dev, tmp_path / "home")
    page = Page(dev, login.address)
    assert login.code in page.body and os.uname().nodename in page.body and "127.0.0.1" in page.body
    status, body = page.send("approve", dev.ready["email"], "not the password")
    assert status == 403 and 'role="alert"' in body and dev.ready["email"] in body
    status, body = page.send("approve", dev.ready["email"], dev.ready["password"])
    assert status == 200 and "You are signed in" in body
    returncode, out, errors = login.end()
    assert returncode == 0, errors
    assert json.loads(out)["email"] == dev.ready["email"]
    environment = {**dev.environment, "PORTOLAN_HOME": str(tmp_path / "home")}
    listed = subprocess.run([dev.program, "admin", "accounts", "list", "--json"], env=environment, capture_output=True, text=True, timeout=30)
    assert listed.returncode == 0, listed.stderr
    # The code has done its work.
    assert page.send("approve", dev.ready["email"], dev.ready["password"])[0] == 404


def test_denied_in_the_browser(dev, tmp_path):
    login = Login(dev, tmp_path / "home")
    status, body = Page(dev, login.address).send("deny")
    assert status == 200 and "Denied" in body
    returncode, out, errors = login.end()
    assert returncode == 4 and "denied in the browser" in errors and out == ""


def test_a_form_without_its_cookie_decides_nothing(dev, tmp_path):
    login = Login(dev, tmp_path / "home")
    page = Page(dev, login.address)
    page.cookie = ""
    assert page.send("approve", dev.ready["email"], dev.ready["password"])[0] == 403
    assert login.process.poll() is None
    login.process.terminate()
    login.end()


def test_passwd(dev, tmp_path):
    names = {name: tmp_path / name for name in ("first", "second")}
    names["first"].write_text("the first password")
    names["second"].write_text("the second password")
    for path in names.values():
        path.chmod(0o600)
    account = json.loads(dev.run("admin", "accounts", "create", "pat@example.com", "--password-file", names["first"], "--json").stdout)
    control = dev.ready["admin_url"].removeprefix("https://").rstrip("/")

    def run(home, *words):
        environment = {**dev.environment, "PORTOLAN_HOME": str(tmp_path / home)}
        return subprocess.run([dev.program, *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)

    def login(home, password):
        return run(home, "login", control, "--email", "pat@example.com", "--ca-file", dev.ready["ca_file"], "--password-file", names[password], "--no-agent").returncode

    try:
        assert login("laptop", "first") == 0 and login("phone", "first") == 0
        assert run("nobody", "passwd").returncode == 3
        wrong = run("laptop", "passwd", "--old-password-file", names["second"], "--new-password-file", names["second"])
        assert wrong.returncode == 4 and "old password is wrong" in wrong.stderr, wrong
        done = run("laptop", "passwd", "--old-password-file", names["first"], "--new-password-file", names["second"], "--sign-out-others")
        assert done.returncode == 0, done.stderr
        assert login("tablet", "first") == 3 and login("tablet", "second") == 0
        assert run("phone", "admin", "accounts", "list").returncode == 3
        assert run("laptop", "admin", "accounts", "list").returncode == 4  # signed in still, and no admin
    finally:
        dev.run("admin", "accounts", "delete", account["id"])

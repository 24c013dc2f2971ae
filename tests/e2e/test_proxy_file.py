"""The proxy file (http://localhost:PORT/proxy.pac), run by node as a browser runs it: exactly the applications go to the web proxy."""
import http.client
import http.server
import json
import shutil
import subprocess
import threading
import urllib.parse

import harness
import pytest

# As browsers do: the file is a script of its own, and is asked with a URL and its host.
ASK = """
const context = require("vm").createContext({});
const { file, urls } = JSON.parse(require("fs").readFileSync(0, "utf8"));
require("vm").runInContext(file, context);
console.log(JSON.stringify(urls.map((url) => context.FindProxyForURL(url, url.split("/")[2]))));
"""


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def dev():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        resources = {"wiki": f"{at}?host_header=wiki.corp.example", "board": f"{at}?host_header=board.corp.example%3A8080", "raw": f"tcp://127.0.0.1:{server.server_port}"}
        with harness.running(harness.Dev(resources)) as deployment:
            yield deployment
        server.shutdown()


def web_port(dev):
    address = next(resource["address"] for resource in dev.ready["resources"] if resource["name"] == "wiki")
    return urllib.parse.urlsplit(address).port


def proxy_file(dev):
    connection = http.client.HTTPConnection("127.0.0.1", web_port(dev), timeout=10)
    connection.request("GET", "/proxy.pac", headers={"Host": f"localhost:{web_port(dev)}"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("Content-Type").startswith("application/x-ns-proxy-autoconfig")
    return answer.read().decode()


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_it_names_exactly_the_applications(dev):
    ours = ["http://wiki.corp.example/", "http://WIKI.corp.example:80/a?b#c", "ws://wiki.corp.example/socket", "http://ann@wiki.corp.example/", "http://board.corp.example:8080/"]
    others = ["https://wiki.corp.example/", "http://wiki.corp.example:8080/", "http://board.corp.example/", "http://a.wiki.corp.example/", "http://corp.example/",
              "http://wiki.corp.example.evil.example/", "http://evil.example/http://wiki.corp.example/", "http://wiki.corp.example@evil.example/", "http://evil.example/?@wiki.corp.example",
              "http://evil.example/#@wiki.corp.example", "ftp://wiki.corp.example/", "http://localhost/", "http://127.0.0.1/"]
    asked = subprocess.run(["node", "-e", ASK], input=json.dumps({"file": proxy_file(dev), "urls": ours + others}), capture_output=True, text=True, timeout=30, check=True)
    expected = [f"PROXY 127.0.0.1:{web_port(dev)}"] * len(ours) + ["DIRECT"] * len(others)
    assert dict(zip(ours + others, json.loads(asked.stdout))) == dict(zip(ours + others, expected))

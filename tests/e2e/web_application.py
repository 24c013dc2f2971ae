"""A small web application that says what it was asked, with and without TLS, and a client that knows its names."""
import http.client
import http.server
import json
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        headers = [[name, value] for name, value in self.headers.items()]
        self.server.requests.append({"method": self.command, "path": self.path, "headers": headers})
        if self.server.password and self.headers.get("authorization") != self.server.password:
            status = 401
        else:
            status = int(self.headers.get("x-status", "200"))
        text = json.dumps({"path": self.path, "headers": headers, "length": len(body)}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Application:
    """`password`: the whole Authorization header that it wants."""

    def __init__(self, tls=False, password=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-web-"))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.requests = []
        self.server.password = password
        self.server.daemon_threads = True
        self.ca = self.folder / "ca.pem"
        self.scheme = "https" if tls else "http"
        if tls:
            self._take_certificate()
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def _take_certificate(self):
        key = self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", self.ca,
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    @property
    def port(self):
        return self.server.server_address[1]

    def url(self, user="", host="127.0.0.1", **settings):
        query = "&".join(f"{name}={value}" for name, value in settings.items())
        return f"{self.scheme}://{user}{host}:{self.port}" + (f"?{query}" if query else "")

    @property
    def requests(self):
        """Those of people, without checks."""
        return [request for request in self.server.requests if ["User-Agent", "portolan-health"] not in request["headers"]]

    def destroy(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    def seen(self, name):
        """What the application has been sent under this name."""
        return [value for key, value in json.loads(self.body)["headers"] if key.lower() == name.lower()]


def ask(dev, name, path="/", method="GET", body=None, headers=None):
    """As a browser that has opened http://NAME.localhost."""
    port = dev.port(name)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=body, headers={"Host": f"{name}.localhost:{port}", **(headers or {})})
        return Answer(connection.getresponse())
    finally:
        connection.close()

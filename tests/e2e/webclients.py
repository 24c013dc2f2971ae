"""Clients of web resources: curl, and `Raw`, which sends bytes as they are. `Peak` watches the memory of a deployment meanwhile."""
import contextlib
import dataclasses
import json
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import urllib.parse


@dataclasses.dataclass
class Answer:
    """What curl got: the statuses of all heads (interim ones first), the last one's fields, the body, curl's exit code, and what it wrote (-w)."""

    statuses: list
    fields: list
    body: bytes
    exit_code: int
    written: str

    @property
    def status(self):
        return self.statuses[-1] if self.statuses else None

    def all(self, name):
        return [value for field, value in self.fields if field == name.lower()]

    def first(self, name):
        return next(iter(self.all(name)), None)

    def json(self):
        return json.loads(self.body)


def curl(url, *words, check=True):
    with tempfile.TemporaryDirectory(prefix="portolan-curl-") as folder:
        body, heads = pathlib.Path(folder, "body"), pathlib.Path(folder, "heads")
        command = ["curl", "-sS", "--noproxy", "*", "--max-time", "60", "-D", heads, "-o", body, *map(str, words), url]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90)
        assert done.returncode == 0 or not check, f"{command}: {done.returncode} {done.stderr}"
        blocks = [block for block in heads.read_bytes().decode("latin-1").split("\r\n\r\n") if block.startswith("HTTP/")] if heads.exists() else []
        lines = blocks[-1].split("\r\n")[1:] if blocks else []
        fields = [(name.strip().lower(), value.strip()) for name, value in (line.split(":", 1) for line in lines)]
        return Answer([int(block.split(" ")[1]) for block in blocks], fields, body.read_bytes() if body.exists() else b"", done.returncode, done.stdout)


class Raw:
    """A client of a web resource that sends bytes as they are."""

    def __init__(self, dev, name, timeout=15):
        self.host = urllib.parse.urlsplit(dev.url(name)).netloc
        self.socket = socket.create_connection(("127.0.0.1", dev.port(name)), timeout=timeout)
        self._read = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what was answered meanwhile can be read all the same
            self.socket.sendall(data.replace(b"{host}", self.host.encode()))

    def get(self, path, *lines, method="GET"):
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: {host}", *lines, "", ""]))

    def _more(self):
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            piece = b""
        self._read += piece
        return bool(piece)

    def until(self, end):
        """What comes, up to and with this; what there is if the connection ends first."""
        while end not in self._read and self._more():
            pass
        at = self._read.find(end)
        return self.take(at + len(end) if at >= 0 else len(self._read))

    def exactly(self, size):
        while len(self._read) < size and self._more():
            pass
        return self.take(size)

    def take(self, size):
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def rest(self):
        """All up to the end of the connection."""
        while self._more():
            pass
        return self.take(len(self._read))

    def head(self):
        """(status, {name: value}) of the next answer."""
        line, *lines = self.until(b"\r\n\r\n").decode("latin-1").strip().split("\r\n")
        assert line.startswith("HTTP/1.1 "), line
        return int(line.split(" ")[1]), {name.strip().lower(): value.strip() for name, value in (each.split(":", 1) for each in lines)}

    def answer(self):
        """(status, fields, body) of the next answer, which has a length or comes in chunks."""
        status, fields = self.head()
        if "content-length" in fields:
            return status, fields, self.exactly(int(fields["content-length"]))
        assert fields.get("transfer-encoding") == "chunked", fields
        body = b""
        while size := int(self.until(b"\r\n"), 16):
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        # Trailers.
        while line := self.until(b"\r\n").strip():
            name, value = line.decode("latin-1").split(":", 1)
            fields[f"trailer {name.lower()}"] = value.strip()
        return status, fields, body


class Peak:
    """The most anonymous memory, in KiB, that these processes together have had in excess of what they had at first, looked at all the while."""

    def __init__(self, dev):
        self.pids = [process["pid"] for process in dev.processes()] or [dev.process.pid]
        self._stop = threading.Event()
        self.most = 0

    def _now(self):
        total = 0
        for pid in self.pids:
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"RssAnon:\s+(\d+)", text)[1])
        return total

    def _watch(self):
        while not self._stop.wait(0.02):
            self.most = max(self.most, self._now() - self.first)

    def __enter__(self):
        self.first = self._now()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

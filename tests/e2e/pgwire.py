"""PostgreSQL's protocol 3.0 by hand: messages over a socket, for what no client library would send.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""
import socket
import struct

SSL_REQUEST = struct.pack("!II", 8, 80877103)


def z(text):
    return (text if isinstance(text, bytes) else text.encode()) + b"\0"


def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def startup(**parameters):
    body = struct.pack("!I", 0x00030000) + b"".join(z(name) + z(value) for name, value in parameters.items()) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def query(sql):
    return message("Q", z(sql))


def parse(name, sql, types=()):
    return message("P", z(name) + z(sql) + struct.pack("!H", len(types)) + b"".join(struct.pack("!I", oid) for oid in types))


def values(arguments, binary=False):
    """Formats and values. None is NULL; bytes go as they are."""
    out = struct.pack("!HH", 1, 1) if binary else struct.pack("!H", 0)
    out += struct.pack("!H", len(arguments))
    for value in arguments:
        if value is None:
            out += struct.pack("!i", -1)
        else:
            raw = value if isinstance(value, bytes) else str(value).encode()
            out += struct.pack("!i", len(raw)) + raw
    return out


def bind(portal, statement, arguments=(), binary=False):
    return message("B", z(portal) + z(statement) + values(arguments, binary) + struct.pack("!H", 0))


def describe(kind, name):
    return message("D", kind.encode() + z(name))


def execute(portal, limit=0):
    return message("E", z(portal) + struct.pack("!I", limit))


def close(kind, name):
    return message("C", kind.encode() + z(name))


def call(oid, arguments):
    return message("F", struct.pack("!I", oid) + values(arguments) + struct.pack("!H", 0))


def copy_data(raw):
    return message("d", raw)


SYNC, FLUSH, COPY_DONE, TERMINATE = message("S"), message("H"), message("c"), message("X")


def copy_fail(why):
    return message("f", z(why))


class Connection:
    """Signed in; `outcomes` is what the server said of each statement, in order: a tag, "(empty)", "(suspended)", "(result)" of a
    function, or "!" and the SQLSTATE."""

    def __init__(self, port, database="postgres", timeout=60, **parameters):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.outcomes = []
        self.key = None
        self.socket.sendall(startup(user="anybody", database=database, **parameters))
        self.until("Z")

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))

    def _more(self):
        piece = self.socket.recv(262144)
        if not piece:
            raise EOFError("the connection has ended")
        self.buffer += piece

    def next(self):
        """(type, body) of the next message."""
        while len(self.buffer) < 5:
            self._more()
        size = struct.unpack_from("!I", self.buffer, 1)[0]
        while len(self.buffer) < size + 1:
            self._more()
        kind, body = chr(self.buffer[0]), bytes(self.buffer[5 : size + 1])
        del self.buffer[: size + 1]
        if kind == "C":
            self.outcomes.append(body[:-1].decode())
        elif kind == "E":
            self.outcomes.append("!" + next(field[1:] for field in body.decode(errors="replace").split("\0") if field.startswith("C")))
        elif kind in "IsV":
            self.outcomes.append({"I": "(empty)", "s": "(suspended)", "V": "(result)"}[kind])
        elif kind == "K":
            self.key = body
        return kind, body

    def until(self, kind, times=1):
        """Everything up to so many messages of that type, as their types; the last one's body is in `last`."""
        seen = ""
        while times:
            got, body = self.next()
            seen += got
            if got == kind:
                times -= 1
                self.last = body
        return seen

    def ask(self, *messages, ready=1):
        self.send(*messages)
        return self.until("Z", ready)

    def cancel(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as other:
            other.sendall(struct.pack("!II", 16, 80877102) + self.key)
            while other.recv(100):
                pass

    def end(self):
        try:
            self.send(TERMINATE)
        finally:
            self.socket.close()

    def break_off(self):
        self.socket.close()

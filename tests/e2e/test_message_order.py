"""Every message of a client in every state: through Portolan the server's answers are those that it gives directly.

Where the server itself ends the connection, so does Portolan, before or after it has passed the message on.
"""
import struct

import harness
import pytest
from pgwire import COPY_DONE, FLUSH, SYNC, TERMINATE, bind, call, close, copy_data, copy_fail, describe, execute, message, parse, query, startup
import socket

STATES = {
    "idle": (),
    "in a transaction": (query("begin"),),
    "in a failed transaction": (query("begin; select 1/0"),),
    "prepared": (parse("s", "select generate_series(1, 5)"), bind("p", "s")),
    "portal suspended": (parse("s", "select generate_series(1, 5)"), bind("p", "s"), execute("p", 2)),
    "skipping to Sync": (parse("", "selekt"), FLUSH),
    "copy in, simple": (query("copy t from stdin"),),
    "copy in, extended": (parse("", "copy t from stdin"), bind("", ""), execute(""), FLUSH),
    "copy in, data sent": (query("copy t from stdin"), copy_data(b"1\n")),
    "copy in that failed": (query("copy t from stdin"), copy_data(b"no number\n")),
    "copy out, simple": (query("copy t to stdout"),),
    "after a function call": (call(1397, ["-1"]),),
}
MESSAGES = {
    "Query": query("select 'x'"),
    "Query of nothing": query(""),
    "Query that fails": query("selekt"),
    "Parse": parse("q", "select 1"),
    "Parse of a known name": parse("s", "select 1"),
    "Bind": bind("", "s"),
    "Bind to nothing known": bind("", "unknown"),
    "Describe statement": describe("S", "s"),
    "Describe portal": describe("P", "p"),
    "Execute": execute("p"),
    "Close statement": close("S", "s"),
    "Close portal": close("P", "p"),
    "Sync": SYNC,
    "Flush": FLUSH,
    "FunctionCall": call(1397, ["-1"]),
    "FunctionCall that fails": call(1, []),
    "CopyData": copy_data(b"2\n"),
    "CopyDone": COPY_DONE,
    "CopyFail": copy_fail("why"),
    "Terminate": TERMINATE,
}
REFUSED = {
    "a password": message("p", b"secret\0"),
    "an unknown type": message("z", b"x"),
    "another one": message("\x01", b""),
    "a message without a type of its own": message("\0", b""),
    "length 0": b"Q" + struct.pack("!I", 0),
    "length 3": b"Q" + struct.pack("!I", 3) + b"abc",
    "length of 2 GiB": b"Q" + struct.pack("!I", 0x80000000) + b"select 1\0",
    "length of 2 GiB less one": b"Q" + struct.pack("!I", 0x7FFFFFFF) + b"select 1\0",
    "a query without an end": message("Q", b"select 1"),
    "a query with two ends": message("Q", b"select 1\0select 2\0"),
    "a Bind that lies of its values": message("B", b"\0s\0" + struct.pack("!HHi", 0, 1, 100) + b"x"),
    "a Sync with a body": message("S", b"x"),
    "a Describe of neither": message("D", b"Xs\0"),
}
# What follows, so that all that the server has to say is said: whatever it was doing, it ends this.
ENDS = (COPY_DONE, SYNC, query("rollback"), query("select 'end'"))


class Conversation:
    """Signed in; messages are sent one by one, and what comes is noted."""

    def __init__(self, place, password=None):
        self.socket = socket.create_connection(place, timeout=20)
        self.heard = b""
        self.ended = False

    def hear(self, until=None):
        """Reads until the end of a message for which `until` holds, or the end of the connection."""
        while not self.ended and not (until and until(self.messages())):
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                piece = b""
            self.ended = not piece
            self.heard += piece

    def messages(self):
        """(type, what matters of its body) of each whole message so far."""
        out, rest = [], self.heard
        while len(rest) >= 5:
            size = struct.unpack_from("!I", rest, 1)[0]
            if len(rest) < size + 1:
                break
            kind, body = chr(rest[0]), rest[5 : size + 1]
            rest = rest[size + 1 :]
            if kind == "E":
                body = next((field[1:] for field in body.split(b"\0") if field.startswith(b"C")), b"")
            if kind not in "NS":
                out.append((kind, body))
        return out


def through(place, state, sent):
    """All that is answered, and whether the connection outlived it."""
    talk = Conversation(place)
    talk.socket.sendall(startup(user="admin", database="postgres"))
    talk.hear(lambda messages: messages and messages[-1][0] == "Z")
    talk.heard = b""
    try:
        talk.socket.sendall(query("create temporary table t (n int)") + b"".join(state) + sent)
        talk.socket.sendall(b"".join(ENDS))
    except ConnectionError:
        pass
    talk.hear(lambda messages: len(messages) > 2 and messages[-1][0] == "Z" and messages[-2] == ("C", b"SELECT 1\0")
              and messages[-3] == ("D", b"\0\1\0\0\0\3end"))
    talk.socket.close()
    return talk.messages(), not talk.ended


@pytest.fixture(scope="module")
def trusting():
    """A server that asks for no password, so that it can be spoken to by hand."""
    with harness.running(harness.PostgresServer()) as server:
        rules = server.data / "pg_hba.conf"
        rules.write_text("host all all 127.0.0.1/32 trust\n")
        server.sql("select pg_reload_conf()")
        with harness.running(harness.Dev({"trusting": server.url()})) as deployment:
            yield server, deployment


@pytest.mark.parametrize("state", STATES)
def test_answers_are_the_servers(trusting, state):
    server, dev = trusting
    for name, sent in MESSAGES.items():
        directly, alive = through(("127.0.0.1", server.port), STATES[state], sent)
        by_portolan, still_alive = through(("127.0.0.1", dev.port("trusting")), STATES[state], sent)
        if alive:
            assert by_portolan == directly and still_alive, f"{name} in state {state!r}"
        else:
            # The server breaks off with what is unread in the way, so that its last words may be lost.
            shorter = min(len(by_portolan), len(directly))
            assert by_portolan[:shorter] == directly[:shorter] and not still_alive, f"{name} in state {state!r}"


@pytest.mark.parametrize("state", STATES)
def test_what_is_malformed_ends_the_session_and_is_not_run(trusting, state):
    server, dev = trusting
    for name, sent in REFUSED.items():
        answers, alive = through(("127.0.0.1", dev.port("trusting")), STATES[state], sent)
        assert not alive, f"{name} in state {state!r}: {answers}"
        assert answers[-1] == ("E", b"08P01"), f"{name} in state {state!r}: {answers}"
    assert dev.psql("trusting", "-c", "select 'others'").stdout.strip() == "others"

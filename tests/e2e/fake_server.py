"""A PostgreSQL server that signs everybody in and then misbehaves as the test says."""
import contextlib
import socket
import struct
import threading

from pgwire import message

AUTHENTICATED = message("R", struct.pack("!I", 0)) + message("S", b"server_version\x0015.0\0") + message("K", struct.pack("!II", 7, 8))
READY = message("Z", b"I")


class FakeServer:
    """`behave(socket)` runs for each connection after sign-in; before it where `signs_in` is false."""

    def __init__(self, behave, signs_in=True):
        self.behave, self.signs_in = behave, signs_in
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, EOFError), connection:
            if self.signs_in:
                self._packet(connection)
                connection.sendall(AUTHENTICATED + READY)
            self.behave(connection)

    @staticmethod
    def exactly(connection, size):
        out = b""
        while len(out) < size:
            piece = connection.recv(size - len(out))
            if not piece:
                raise EOFError
            out += piece
        return out

    def _packet(self, connection):
        size = struct.unpack("!I", self.exactly(connection, 4))[0]
        return self.exactly(connection, size - 4)

    @classmethod
    def request(cls, connection):
        """(type, body) of the client's next message."""
        head = cls.exactly(connection, 5)
        return chr(head[0]), cls.exactly(connection, struct.unpack_from("!I", head, 1)[0] - 4)

    def url(self):
        return f"postgres://admin:x@127.0.0.1:{self.port}/postgres?tls=disable"

    def destroy(self):
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

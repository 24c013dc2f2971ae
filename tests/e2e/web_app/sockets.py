"""WebSocket at the server's end (RFC 6455), as far as the application needs it: whole messages, fragments, pings, the Close frame."""
import base64
import hashlib
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
LONGEST = 16 << 20


class Ended(Exception):
    """The other end has closed; `code` and `reason` are what it said."""

    def __init__(self, code=1005, reason=""):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


def accept_key(key):
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


class WebSocket:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def _exactly(self, count):
        data = self.reader.read(count)
        if len(data) != count:
            raise Ended(1006)
        return data

    def _frame(self):
        first, second = self._exactly(2)
        length = second & 127
        if length == 126:
            [length] = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            [length] = struct.unpack("!Q", self._exactly(8))
        if not second & 128 or first & 0x70 or length > LONGEST:
            raise Ended(1002)
        mask = (self._exactly(4) * (length // 4 + 1))[:length]
        return first & 128, first & 15, (int.from_bytes(self._exactly(length), "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")

    def receive(self):
        """The next message, as text or bytes; answers pings on the way."""
        kind, whole = None, b""
        while True:
            last, opcode, payload = self._frame()
            if opcode == CLOSE:
                raise Ended(struct.unpack("!H", payload[:2])[0] if len(payload) > 1 else 1005, payload[2:].decode())
            if opcode == PING:
                self.send_frame(PONG, payload)
            elif opcode != PONG:
                kind, whole = kind or opcode, whole + payload
                if last:
                    return whole.decode() if kind == TEXT else whole

    def send(self, message):
        self.send_frame(TEXT if isinstance(message, str) else BINARY, message.encode() if isinstance(message, str) else message)

    def send_frame(self, opcode, payload):
        length = len(payload)
        size = struct.pack("!B", length) if length < 126 else struct.pack("!BH", 126, length) if length < 65536 else struct.pack("!BQ", 127, length)
        self.writer.write(bytes([128 | opcode]) + size + payload)
        self.writer.flush()

    def close(self, code, reason=""):
        """Says goodbye and waits for the other end's."""
        self.send_frame(CLOSE, struct.pack("!H", code) + reason.encode())
        try:
            while True:
                self.receive()
        except Ended as ended:
            return ended

"""A stream of known bytes: `stream.py echo PORT` sends back what comes; `stream.py check PORT RATE` sends through it and looks at what comes back.

`check` sends RATE bytes a second until its standard input ends, then half-closes, reads the rest, and prints JSON: how many bytes came back, and the
longest time in which none did. It fails at the first byte that is another than the one that was sent.
"""
import json
import random
import socket
import sys
import threading
import time

BLOCK = 16384


def blocks(seed):
    """The same for writer and reader; no block is like another."""
    chance = random.Random(seed)
    while True:
        yield chance.randbytes(BLOCK)


def echo(port):
    def serve(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass  # the other side's affair, and seen there

    with socket.create_server(("", port)) as server:
        while True:
            threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


def check(port, rate):
    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
    stop, sent = threading.Event(), 0
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

    def write():
        nonlocal sent
        began = time.monotonic()
        for block in blocks(port):
            if stop.wait(max(0.0, began + sent / rate - time.monotonic())):
                break
            connection.sendall(block)
            sent += BLOCK
        connection.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    received, longest, last = 0, 0.0, time.monotonic()
    source, expected = blocks(port), b""
    while data := connection.recv(65536):
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        while len(expected) < len(data):
            expected += next(source)
        if not expected.startswith(data):
            sys.exit(f"another byte than the one that was sent, after {received}")
        expected = expected[len(data):]
        received += len(data)
        if received == len(data):
            print("first", flush=True)
    if not stop.is_set():
        sys.exit(f"the other side has ended it, after {received}")
    writer.join()
    if received != sent:
        sys.exit(f"{received} of {sent} bytes came back")
    print(json.dumps({"bytes": received, "longest": longest}))


if __name__ == "__main__":
    echo(int(sys.argv[2])) if sys.argv[1] == "echo" else check(int(sys.argv[2]), int(sys.argv[3]))

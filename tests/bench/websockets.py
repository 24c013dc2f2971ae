#!/usr/bin/python3
"""Idle WebSockets for `web`: a server that accepts them, and a client that opens many. Both end when their standard input does.

  websockets.py serve                 prints {"port": …}
  websockets.py open PORT HOST COUNT  opens so many at 127.0.0.1:PORT, says HOST in each, and prints {"failures": …} when all have been tried
"""
import asyncio
import base64
import hashlib
import json
import resource
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
AT_ONCE = 2  # so that what is idle is measured, not what opening many in one moment takes
LIMIT = 30  # seconds for one


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


async def head_of(reader):
    """The first line, and the fields by their names in lower case."""
    line, *lines = (await reader.readuntil(b"\r\n\r\n")).strip().split(b"\r\n")
    return line, {name.lower(): value.strip() for name, _, value in (each.partition(b":") for each in lines)}


async def serve_one(reader, writer):
    try:
        _, fields = await head_of(reader)
        if b"sec-websocket-key" not in fields:  # a check of health
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        else:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                         + accept_of(fields[b"sec-websocket-key"]) + b"\r\n\r\n")
            await reader.read()
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def open_one(port, host, room):
    async with room:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(b"sixteen bytes it")
        writer.write(b"GET /socket HTTP/1.1\r\nHost: " + host.encode() + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                     + key + b"\r\n\r\n")
        line, fields = await asyncio.wait_for(head_of(reader), LIMIT)
        if b" 101 " not in line or fields.get(b"sec-websocket-accept") != accept_of(key):
            raise OSError(line)
        return reader, writer


async def until_input_ends():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def main(what, *words):
    if what == "serve":
        server = await asyncio.start_server(serve_one, "127.0.0.1", 0, limit=16384, backlog=1024)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await until_input_ends()
        return
    port, host, count = words
    room = asyncio.Semaphore(AT_ONCE)
    opened = await asyncio.gather(*(open_one(int(port), host, room) for _ in range(int(count))), return_exceptions=True)
    failed = [one for one in opened if isinstance(one, BaseException)]
    print(json.dumps({"failures": len(failed), "why": repr(failed[0]) if failed else ""}), flush=True)
    await until_input_ends()


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(*sys.argv[1:]))

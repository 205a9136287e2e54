#!/usr/bin/env python3
"""A WebSocket client on plain sockets that asks the proxy in absolute form, so that odyn itself sees the Upgrade.

    upgrade_client.py WS_BASE PLAIN_BASE REFUSED_HOST      each may be "" to skip its cases

WS_BASE is a ws_echo.py server as `http://host:PORT`, PLAIN_BASE an origin.py: its /hello does not know the upgrade,
answers 200 as usual, and the connection must go on as HTTP. The proxy is the environment's http_proxy, nothing else.
Standard library only (RFC 6455 for the frames, RFC 9110 section 7.8 for the Upgrade).
"""
import base64
import hashlib
import json
import os
import re
import socket
import struct
import sys
import urllib.parse
import urllib.request

from report import Report, body, check, check_refusal

TIMEOUT = 30
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def main():
    if len(sys.argv) != 4:
        sys.exit('usage: upgrade_client.py WS_BASE PLAIN_BASE REFUSED_HOST (each may be "")')
    ws_base, plain_base, refused = sys.argv[1:]
    report = Report("upgrade")
    if ws_base:
        report.case("echo", "http", echo, ws_base)
    if plain_base:
        report.case("declined", "http", declined, plain_base)
    if refused:
        report.case("refused", "http", refuse, refused)
    report.finish()


def echo(base):
    with Connection() as connection:
        connection.upgrade(base)
        payloads = [(TEXT, b"hello"), (BINARY, b""), (BINARY, body(125)), (BINARY, body(126)),
                    (BINARY, body(65_535)), (BINARY, body(65_536)), (BINARY, body(1 << 20))]
        for opcode, payload in payloads:
            connection.send_frame(opcode, payload)
            check(connection.message() == (opcode, payload), f"echo of {len(payload)} differs")
        connection.send_frame(PING, b"are you there")
        check(connection.frame() == (True, PONG, b"are you there"), "no pong")
        # One message in three frames, the length of a frame split over two writes.
        connection.send_frame(TEXT, b"one ", final=False)
        connection.send_frame(0, b"two ", final=False)
        connection.send_frame(0, b"three" * 100, split=3)
        check(connection.message() == (TEXT, b"one two " + b"three" * 100), "fragmented echo differs")
        connection.send_frame(CLOSE, struct.pack("!H", 1000) + b"done")
        final, opcode, payload = connection.frame()
        check((final, opcode, payload[:2]) == (True, CLOSE, struct.pack("!H", 1000)), f"close {opcode} {payload!r}")
        check(connection.file.read(1) == b"", "bytes after the close")
    return {"messages": len(payloads) + 1}


def declined(base):
    """A server that ignores the upgrade answers as usual, and the next request on the connection is served."""
    with Connection() as connection:
        for _ in range(2):
            connection.request(f"{base}/hello", *upgrade_headers("dGhlIHNhbXBsZSBub25jZQ=="))
            status, headers = connection.head()
            check(status == 200, f"status {status}")
            answer = connection.file.read(int(headers["content-length"]))
            check(answer == b"hello from the origin\n", f"body {answer!r}")
    return {"requests": 2}


def refuse(host):
    with Connection() as connection:
        connection.request(f"http://{host}/", *upgrade_headers("dGhlIHNhbXBsZSBub25jZQ=="))
        status, headers = connection.head()
        answer = connection.file.read(int(headers["content-length"]))
        return check_refusal(status, json.loads(answer), host)


def upgrade_headers(key):
    return ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]


class Connection:
    """One connection to the proxy."""

    def __init__(self):
        proxy = urllib.parse.urlsplit(urllib.request.getproxies()["http"])
        self.socket = socket.create_connection((proxy.hostname, proxy.port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def request(self, url, *headers):
        host = urllib.parse.urlsplit(url).netloc
        lines = [f"GET {url} HTTP/1.1", f"Host: {host}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())

    def head(self):
        status_line = self.file.readline(8192)
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", status_line)
        check(match, f"status line {status_line!r}")
        headers = {}
        while (line := self.file.readline(8192)) != b"\r\n":
            check(line.endswith(b"\r\n"), f"header {line!r}")
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return int(match[1]), headers

    def upgrade(self, base):
        key = base64.b64encode(os.urandom(16)).decode()
        self.request(f"{base}/", *upgrade_headers(key))
        status, headers = self.head()
        check(status == 101, f"status {status}")
        check(headers.get("upgrade", "").lower() == "websocket", f"Upgrade: {headers.get('upgrade')}")
        check("upgrade" in headers.get("connection", "").lower(), f"Connection: {headers.get('connection')}")
        accept = base64.b64encode(hashlib.sha1(key.encode() + ACCEPT_SALT).digest()).decode()
        check(headers.get("sec-websocket-accept") == accept, "wrong Sec-WebSocket-Accept")

    def send_frame(self, opcode, payload, final=True, split=None):
        """One masked frame; `split` sends its first bytes on their own."""
        head = bytes([(0x80 if final else 0) | opcode])
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        elif len(payload) < 65_536:
            head += struct.pack("!BH", 0x80 | 126, len(payload))
        else:
            head += struct.pack("!BQ", 0x80 | 127, len(payload))
        mask = os.urandom(4)
        stream = (mask * (len(payload) // 4 + 1))[: len(payload)]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(payload), "big")
        frame = head + mask + masked
        if split:
            self.socket.sendall(frame[:split])
            frame = frame[split:]
        self.socket.sendall(frame)

    def exactly(self, size):
        data = self.file.read(size)
        check(len(data) == size, f"the connection ended {size - len(data)} bytes early")
        return data

    def frame(self):
        """One frame from the server: (final, opcode, payload). A server never masks."""
        first, second = self.exactly(2)
        check(second & 0x80 == 0, "a masked frame from the server")
        size = second
        if size == 126:
            (size,) = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.exactly(8))
        return bool(first & 0x80), first & 0x0F, self.exactly(size)

    def message(self):
        """One message, of one frame or more: (opcode, payload)."""
        final, opcode, payload = self.frame()
        while not final:
            final, _, more = self.frame()
            payload += more
        return opcode, payload


if __name__ == "__main__":
    main()

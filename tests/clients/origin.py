#!/usr/bin/env python3
"""The origin server that the client programs of this folder talk to. Standard library only.

    origin.py [--port N] [--tls CERT KEY]

Listens on 127.0.0.1 (port 0, so the kernel chooses, unless told), prints `listening PORT` when ready and ends when
its standard input closes. HTTP/1.1 with keep-alive, one thread a connection.

    GET|HEAD /hello        `hello from the origin`, fixed length
    POST /echo-sha256      reads a body of either framing; JSON {"sha256", "bytes", "framing": "length"|"chunked"}
    GET /chunked?bytes=N   N bytes in chunks of uneven sizes, their SHA-256 in the header X-Body-Sha256
    GET /status/204        204 without a body; any other 2xx-5xx number likewise, with an empty body
    POST /expect           like /echo-sha256 and says in "continued" whether 100 Continue was sent for it
    POST /expect/refuse    417 without reading the body; the connection closes
    GET /slow?ms=N         answers after N milliseconds (500 unless told, 60000 at most)
    GET|POST /headers      JSON: the method, target and header lines as they arrived here

Every answer carries X-Connection and X-Request: which connection of this server it came on, and its place on it.
A request whose framing this server cannot read ends in a 400 and a close.
"""
import argparse
import hashlib
import http.server
import itertools
import json
import os
import socket
import ssl
import sys
import threading
import time
import urllib.parse

MAX_BODY = 2 << 30
MAX_CHUNK_LINE = 1024
BLOCK = hashlib.shake_256(b"odyn test origin").digest(65521)  # a prime, so that no chunk size divides it
CONNECTIONS = itertools.count(1)


class BadBody(Exception):
    """The request's body framing is not readable."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "odyn-test-origin"
    disable_nagle_algorithm = True
    timeout = 60

    def setup(self):
        # The TLS handshake happens here, on the connection's own thread.
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(20)
            self.request.do_handshake()
        super().setup()
        self.connection_number = next(CONNECTIONS)
        self.request_number = 0
        self.continued = False

    def log_message(self, format, *args):
        """Silent: the test reads standard output."""

    def handle_expect_100(self):
        if self.path.startswith("/expect/refuse"):
            return True  # route() answers with a final status instead of the interim one
        self.continued = True
        return super().handle_expect_100()

    def route(self):
        self.request_number += 1
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        try:
            if url.path == "/expect/refuse":
                self.close_connection = True
                return self.answer(417, b"no\n")
            received = self.read_body()
            self.dispatch(url.path, query, received)
        except (BadBody, ValueError) as error:
            self.close_connection = True
            self.answer(400, f"{error}\n".encode())
        finally:
            self.continued = False

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = route

    def dispatch(self, path, query, received):
        if path == "/hello":
            self.answer(200, b"hello from the origin\n")
        elif path in ("/echo-sha256", "/expect"):
            self.answer_json({**received, "continued": self.continued})
        elif path == "/chunked":
            self.answer_chunked(int(query.get("bytes", ["0"])[0]))
        elif path.startswith("/status/"):
            status = int(path.removeprefix("/status/"))
            if not 200 <= status <= 599:
                raise ValueError("status out of range")
            self.answer(status, b"")
        elif path == "/slow":
            time.sleep(min(int(query.get("ms", ["500"])[0]), 60_000) / 1000)
            self.answer(200, b"slow\n")
        elif path == "/headers":
            lines = [[name, value] for name, value in self.headers.items()]
            self.answer_json({"method": self.command, "target": self.path, "headers": lines})
        else:
            self.answer(404, b"no such path\n")

    def read_body(self):
        digest, size, framing = hashlib.sha256(), 0, "length"
        encodings = self.headers.get_all("Transfer-Encoding", [])
        lengths = self.headers.get_all("Content-Length", [])
        if encodings:
            if lengths or [e.strip().lower() for e in encodings] != ["chunked"]:
                raise BadBody("ambiguous body framing")
            framing = "chunked"
            pieces = self.chunks()
        else:
            if len(lengths) > 1 or not all(length.isascii() and length.isdigit() for length in lengths):
                raise BadBody("bad Content-Length")
            pieces = self.exactly(int(lengths[0]) if lengths else 0)
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            if size > MAX_BODY:
                raise BadBody("body too large")
        return {"sha256": digest.hexdigest(), "bytes": size, "framing": framing}

    def exactly(self, length):
        while length > 0:
            piece = self.rfile.read(min(length, 65536))
            if not piece:
                raise BadBody("body cut short")
            length -= len(piece)
            yield piece

    def chunks(self):
        while True:
            line = self.rfile.readline(MAX_CHUNK_LINE)
            if not line.endswith(b"\r\n"):
                raise BadBody("bad chunk line")
            size = line.partition(b";")[0].strip()
            if not size or any(byte not in b"0123456789abcdefABCDEF" for byte in size):
                raise BadBody("bad chunk size")
            length = int(size, 16)
            if length == 0:
                break
            yield from self.exactly(length)
            if self.rfile.read(2) != b"\r\n":
                raise BadBody("chunk without its end")
        while (line := self.rfile.readline(MAX_CHUNK_LINE)) != b"\r\n":
            if not line.endswith(b"\r\n"):
                raise BadBody("bad trailer")

    def begin(self, status):
        self.send_response(status)
        self.send_header("X-Connection", str(self.connection_number))
        self.send_header("X-Request", str(self.request_number))
        if self.close_connection:
            self.send_header("Connection", "close")

    def answer(self, status, body, content_type="text/plain"):
        self.begin(status)
        if status not in (204, 304):
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and body:
            self.wfile.write(body)

    def answer_json(self, value):
        self.answer(200, json.dumps(value).encode() + b"\n", "application/json")

    def answer_chunked(self, size):
        if not 0 <= size <= MAX_BODY:
            raise ValueError("bytes out of range")
        digest = hashlib.sha256()
        for piece in pattern(size):
            digest.update(piece)
        self.begin(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("X-Body-Sha256", digest.hexdigest())
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in pattern(size):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


def pattern(size):
    """`size` bytes in pieces of 1 byte up to a block, never the same size twice in a row."""
    for step in itertools.count():
        if size <= 0:
            return
        piece = BLOCK[: min(size, 1 + (step * 7919) % len(BLOCK))]
        size -= len(piece)
        yield piece


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address, tls):
        super().__init__(address, Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def server_bind(self):
        # HTTPServer's own looks up this machine's name, which may ask a DNS server.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        """Clients that go away in the middle are part of the tests; anything else is worth a line."""
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if not isinstance(error, (OSError, ssl.SSLError)):
            print(f"origin: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    options = parser.parse_args()
    server = Server(("127.0.0.1", options.port), options.tls)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    print(f"listening {server.server_port}", flush=True)
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A WebSocket echo server for the tests, on the package `websockets` (so an implementation that is not ours).

    ws_echo.py [--port N]

Listens on 127.0.0.1, prints `listening PORT` when ready, sends every message back as it came (text as text, binary
as binary, up to 16 MiB) and ends when its standard input closes.
"""
import argparse
import logging
import os
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


def echo(connection):
    try:
        for message in connection:
            connection.send(message)
    except ConnectionClosed:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    # Handshakes that fail are part of the tests: not worth a traceback.
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    server = serve(echo, "127.0.0.1", options.port, max_size=16 << 20, compression=None)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening {server.socket.getsockname()[1]}", flush=True)
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The Python package `websockets` through the proxy that its environment names, and nothing else.

    websocket_client.py WS_URL REFUSED_HOST      each may be "" to skip its cases

WS_URL is a ws_echo.py server, `ws://host:PORT/`. For ws:// the package looks at the environment's socks, then https,
then http proxy, and always opens a CONNECT tunnel: the Upgrade itself is invisible to odyn here. upgrade_client.py
is the one that shows it to odyn.
"""
import sys

from websockets.exceptions import InvalidProxyStatus
from websockets.sync.client import connect

from report import Report, body, check

TIMEOUT = 30


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: websocket_client.py WS_URL REFUSED_HOST (each may be "")')
    url, refused = sys.argv[1:]
    report = Report("websockets")
    if url:
        report.case("echo", "ws", echo, url)
    if refused:
        report.case("refused", "ws", refuse, f"ws://{refused}/")
    report.finish()


def echo(url):
    messages = ["hello", "", "\u00e9\u4e16" * 1000, b"", body(125), body(126), body(65_536), body(1 << 20)]
    with connect(url, open_timeout=TIMEOUT, max_size=16 << 20, compression=None) as connection:
        for message in messages:
            connection.send(message)
            check(connection.recv(timeout=TIMEOUT) == message, f"echo of {len(message)} differs")
        check(connection.ping().wait(TIMEOUT), "no pong")
        for message in messages:
            connection.send(message)
        for message in messages:
            check(connection.recv(timeout=TIMEOUT) == message, f"pipelined echo of {len(message)} differs")
    check(connection.close_code == 1000, f"close code {connection.close_code}")
    return {"messages": 2 * len(messages)}


def refuse(url):
    try:
        with connect(url, open_timeout=TIMEOUT):
            pass
    except InvalidProxyStatus as error:
        check(error.response.status_code == 403, f"status {error.response.status_code}")
        return {"status": 403}
    raise AssertionError("connected")


if __name__ == "__main__":
    main()

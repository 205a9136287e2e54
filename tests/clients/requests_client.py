#!/usr/bin/env python3
"""Python `requests` through the proxy that its environment names, and nothing else.

    requests_client.py BASE HTTPS_BASE CA_FILE REFUSED_HOST      each may be "" to skip its cases

requests sends http:// in absolute form and https:// through CONNECT. It cannot wait for 100 Continue, but it sends
the header and must cope with the interim answer: that is the case `expect_eager`.
"""
from unittest import mock

import requests
import urllib3

from report import (CHUNKED, KEEP_ALIVE_REQUESTS, UPLOAD, Report, arguments, body, check, check_download, check_echo,
                    check_refusal, pieces)

TIMEOUT = 60


def main():
    base, https_base, ca_file, refused = arguments("requests_client.py")
    report = Report("requests")
    for scheme, url in (("http", base), ("https", https_base)):
        if url:
            # Set on every request: a CA bundle in the environment would win over a session's own.
            options = {"timeout": TIMEOUT, "verify": ca_file or True}
            for name, run in CASES:
                report.case(name, scheme, run, url, options)
    if refused:
        report.case("refused", "http", refused_http, refused)
        report.case("refused", "https", refused_https, refused)
    report.finish()


def get(url, options):
    answer = requests.get(f"{url}/hello", **options)
    check((answer.status_code, answer.text) == (200, "hello from the origin\n"), answer.text)
    return {"status": answer.status_code}


def keep_alive(url, options):
    # Sockets, not urllib3's connection objects: those open a new socket unseen when the old one was closed.
    connect = urllib3.util.connection.create_connection
    with (mock.patch.object(urllib3.util.connection, "create_connection", side_effect=connect) as connected,
          requests.Session() as session):
        for _ in range(KEEP_ALIVE_REQUESTS):
            answer = session.get(f"{url}/hello", **options)
            check((answer.status_code, answer.text) == (200, "hello from the origin\n"), answer.text)
        connections = connected.call_count
    check(connections == 1, f"{connections} connections to the proxy for {KEEP_ALIVE_REQUESTS} requests")
    return {"requests": KEEP_ALIVE_REQUESTS, "connections": connections}


def post(url, options):
    data = body(UPLOAD)
    return check_echo(requests.post(f"{url}/echo-sha256", data=data, **options).json(), data, "length")


def upload_chunked(url, options):
    data = body(CHUNKED)
    return check_echo(requests.post(f"{url}/echo-sha256", data=pieces(data), **options).json(), data, "chunked")


def download_chunked(url, options):
    answer = requests.get(f"{url}/chunked?bytes={CHUNKED}", **options)
    return check_download(answer.content, answer.headers)


def head(url, options):
    with requests.Session() as session:
        answer = session.head(f"{url}/hello", **options)
        check((answer.status_code, answer.content) == (200, b""), f"{answer.status_code} {answer.content!r}")
        check(answer.headers["Content-Length"] == "22", f"length {answer.headers.get('Content-Length')}")
        check(session.get(f"{url}/hello", **options).ok, "the connection is out of step after a HEAD")
    return {"status": answer.status_code}


def no_content(url, options):
    with requests.Session() as session:
        answer = session.get(f"{url}/status/204", **options)
        check((answer.status_code, answer.content) == (204, b""), f"{answer.status_code} {answer.content!r}")
        check(session.get(f"{url}/hello", **options).ok, "the connection is out of step after a 204")
    return {"status": 204}


def expect_eager(url, options):
    data = body(UPLOAD)
    with requests.Session() as session:
        answer = session.post(f"{url}/expect", data=data, headers={"Expect": "100-continue"}, **options)
        detail = check_echo(answer.json(), data, "length")
        check(session.get(f"{url}/hello", **options).ok, "the connection is out of step after Expect")
    return detail


def refused_http(host):
    answer = requests.get(f"http://{host}/", timeout=TIMEOUT)
    return check_refusal(answer.status_code, answer.json(), host)


def refused_https(host):
    try:
        answer = requests.get(f"https://{host}/", timeout=TIMEOUT)
    except requests.exceptions.ProxyError as error:
        check("403" in str(error), f"not a 403: {error}")
        return {"error": "ProxyError"}
    raise AssertionError(f"answered {answer.status_code}")


CASES = [("get", get), ("keep_alive", keep_alive), ("post_1m", post), ("upload_chunked_3m", upload_chunked),
         ("download_chunked_3m", download_chunked), ("head", head), ("no_content", no_content),
         ("expect_eager", expect_eager)]

if __name__ == "__main__":
    main()

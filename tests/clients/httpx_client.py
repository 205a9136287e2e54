#!/usr/bin/env python3
"""Python `httpx` through the proxy that its environment names, and nothing else.

    httpx_client.py BASE HTTPS_BASE CA_FILE REFUSED_HOST      each may be "" to skip its cases

httpx sends http:// in absolute form and https:// through CONNECT. It cannot wait for 100 Continue, but it sends the
header and must cope with the interim answer: that is the case `expect_eager`.
"""
import ssl

import httpx

from report import (CHUNKED, KEEP_ALIVE_REQUESTS, UPLOAD, Report, arguments, body, check, check_download, check_echo,
                    check_refusal, pieces)

TIMEOUT = 60


def main():
    base, https_base, ca_file, refused = arguments("httpx_client.py")
    report = Report("httpx")
    for scheme, url in (("http", base), ("https", https_base)):
        if url:
            verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
            for name, run in CASES:
                report.case(name, scheme, in_client, run, url, verify)
    if refused:
        report.case("refused", "http", refused_http, refused)
        report.case("refused", "https", refused_https, refused)
    report.finish()


def in_client(run, url, verify):
    with httpx.Client(timeout=TIMEOUT, verify=verify) as client:
        return run(client, url)


def get(client, url):
    answer = client.get(f"{url}/hello")
    check((answer.status_code, answer.text) == (200, "hello from the origin\n"), answer.text)
    return {"status": answer.status_code}


def keep_alive(client, url):
    connections = 0

    def trace(event, _info):
        nonlocal connections
        connections += event == "connection.connect_tcp.complete"

    for _ in range(KEEP_ALIVE_REQUESTS):
        answer = client.get(f"{url}/hello", extensions={"trace": trace})
        check((answer.status_code, answer.text) == (200, "hello from the origin\n"), answer.text)
    check(connections == 1, f"{connections} connections to the proxy for {KEEP_ALIVE_REQUESTS} requests")
    return {"requests": KEEP_ALIVE_REQUESTS, "connections": connections}


def post(client, url):
    data = body(UPLOAD)
    return check_echo(client.post(f"{url}/echo-sha256", content=data).json(), data, "length")


def upload_chunked(client, url):
    data = body(CHUNKED)
    return check_echo(client.post(f"{url}/echo-sha256", content=pieces(data)).json(), data, "chunked")


def download_chunked(client, url):
    answer = client.get(f"{url}/chunked?bytes={CHUNKED}")
    return check_download(answer.content, answer.headers)


def head(client, url):
    answer = client.head(f"{url}/hello")
    check((answer.status_code, answer.content) == (200, b""), f"{answer.status_code} {answer.content!r}")
    check(answer.headers["Content-Length"] == "22", f"length {answer.headers.get('Content-Length')}")
    check(client.get(f"{url}/hello").is_success, "the connection is out of step after a HEAD")
    return {"status": answer.status_code}


def no_content(client, url):
    answer = client.get(f"{url}/status/204")
    check((answer.status_code, answer.content) == (204, b""), f"{answer.status_code} {answer.content!r}")
    check(client.get(f"{url}/hello").is_success, "the connection is out of step after a 204")
    return {"status": 204}


def expect_eager(client, url):
    data = body(UPLOAD)
    answer = client.post(f"{url}/expect", content=data, headers={"Expect": "100-continue"})
    detail = check_echo(answer.json(), data, "length")
    check(client.get(f"{url}/hello").is_success, "the connection is out of step after Expect")
    return detail


def refused_http(host):
    answer = httpx.get(f"http://{host}/", timeout=TIMEOUT)
    return check_refusal(answer.status_code, answer.json(), host)


def refused_https(host):
    try:
        answer = httpx.get(f"https://{host}/", timeout=TIMEOUT)
    except httpx.ProxyError as error:
        check("403" in str(error), f"not a 403: {error}")
        return {"error": "ProxyError"}
    raise AssertionError(f"answered {answer.status_code}")


CASES = [("get", get), ("keep_alive", keep_alive), ("post_1m", post), ("upload_chunked_3m", upload_chunked),
         ("download_chunked_3m", download_chunked), ("head", head), ("no_content", no_content),
         ("expect_eager", expect_eager)]

if __name__ == "__main__":
    main()

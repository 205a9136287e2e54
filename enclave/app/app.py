#!/usr/bin/env python3
"""The sample application: a small web page that shows what odyn gave it. Python 3, standard library only.

It listens on 127.0.0.1:8080 ($PORT) and knows nothing of vsock or enclaves: odyn brings requests in from the host and
sets the proxy variables, which urllib reads by itself.

    /                the page
    /fetch/allowed   fetches $FETCH_ALLOWED, which the policy of ../enclaver.yaml lets through
    /fetch/refused   fetches $FETCH_REFUSED, which it does not
    /log             the last lines this program printed, as text
    /healthz         ok

The two fetches answer JSON; a browser (one that asks for text/html) is sent back to the page, which shows the outcome.
"""
import collections
import datetime
import html
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# By default the allowed fetch needs no internet: it leaves through egress to the host's loopback (`host`), where
# `odyn-host local` publishes this page, and comes back in through ingress.
FETCHES = {
    "allowed": os.environ.get("FETCH_ALLOWED", "http://host:18080/healthz"),
    "refused": os.environ.get("FETCH_REFUSED", "http://169.254.169.254/latest/meta-data/"),
}
FETCH_SECONDS = 10
FIRST_BYTES = 512
LOG_LINES = 50
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
FROM_ODYN = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
             "AWS_KMS_ENDPOINT", "AWS_ENDPOINT_URL_KMS", "ODYN_API_URL")

STARTED = time.monotonic()
LOG = collections.deque(maxlen=LOG_LINES)
OUTCOMES = {}


def main():
    port = os.environ.get("PORT", "8080")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        sys.exit(f"PORT={port!r} is not a port number")
    # Blocked before any thread exists, so that they all inherit it and the signal waits for sigwait() below.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    server = Server(("127.0.0.1", int(port)), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log(f"listening on 127.0.0.1:{server.server_port}, process {os.getpid()}, uid {os.getuid()}")
    log(f"{signal.Signals(signal.sigwait(STOP_SIGNALS)).name}: stopping")
    # Every line is flushed and nothing needs saving: connections that are still open end here.
    os._exit(0)


def log(line):
    """Prints a line (odyn streams it to the host) and keeps it for the page."""
    # A request's path is the caller's: no control character of it reaches a terminal.
    line = "".join(c if c.isprintable() else "?" for c in line)
    LOG.append(f"{datetime.datetime.now(datetime.timezone.utc):%H:%M:%S} {line}")
    print(line, flush=True)


def fetch(kind):
    """One request outwards, through whatever proxy the environment names; the outcome, as /fetch/... returns it."""
    outcome = {"url": FETCHES[kind], "ok": False, "status": None, "first_bytes": None, "proxy_error": None, "error": None}
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(FETCHES[kind], timeout=FETCH_SECONDS) as answer:
            outcome |= {"ok": True, "status": answer.status, "first_bytes": first_bytes(answer)}
    except urllib.error.HTTPError as answer:
        with answer:
            text = first_bytes(answer)
        outcome |= {"status": answer.code, "first_bytes": text, "proxy_error": json_object(text)}
    except (OSError, ValueError) as error:  # URLError is an OSError; a URL that cannot be read is a ValueError
        outcome["error"] = str(error)
    except Exception as error:  # http.client's own, for answers that are not HTTP
        outcome["error"] = f"{type(error).__name__}: {error}"
    outcome["milliseconds"] = round((time.monotonic() - begun) * 1000)
    result = outcome["error"] or f"status {outcome['status']}"
    log(f"fetch {kind}: {outcome['url']}: {result} in {outcome['milliseconds']} ms")
    OUTCOMES[kind] = outcome
    return outcome


def first_bytes(answer):
    return answer.read(FIRST_BYTES).decode(errors="replace")


def json_object(text):
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


class Server(ThreadingHTTPServer):
    daemon_threads = True  # an idle client must not keep the process alive
    request_queue_size = 128

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            log(f"request failed: {type(error).__name__}: {error}")


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def version_string(self):
        return "odyn-sample"

    def log_message(self, format, *arguments):
        log(format % arguments)

    def log_request(self, code="-", size="-"):
        log(f"{self.requestline.removesuffix(' HTTP/1.1')}: {int(code) if code != '-' else code}")

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/":
            self.answer(200, "text/html; charset=utf-8", page())
        elif path == "/healthz":
            self.answer(200, "text/plain", "ok\n")
        elif path == "/log":
            self.answer(200, "text/plain; charset=utf-8", "".join(f"{line}\n" for line in list(LOG)))
        elif path.startswith("/fetch/") and path.removeprefix("/fetch/") in FETCHES:
            outcome = fetch(path.removeprefix("/fetch/"))
            if "text/html" in self.headers.get("Accept", ""):
                self.answer(303, "text/plain", "", Location="/", Vary="Accept")
            else:
                self.answer(200, "application/json", json.dumps(outcome, indent=2) + "\n", Vary="Accept")
        else:
            self.answer(404, "text/plain", "There is nothing here.\n")

    do_HEAD = do_GET

    def answer(self, status, content_type, text, **headers):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def page():
    given = [(name, os.environ[name]) for name in FROM_ODYN if name in os.environ]
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in given)
    if rows:
        environment = f"<table>{rows}</table>"
    else:
        environment = '<p class="quiet">Nothing: this process was not started by odyn, or the manifest has no egress.</p>'
    return PAGE.format(
        style=STYLE,
        pid=os.getpid(),
        parent=os.getppid(),
        uid=os.getuid(),
        uptime=f"{time.monotonic() - STARTED:.0f}",
        allowed=card("allowed", "The policy allows it"),
        refused=card("refused", "The policy refuses it"),
        environment=environment,
        lines=len(LOG),
        log=html.escape("\n".join(list(LOG))),
    )


def card(kind, title):
    outcome = OUTCOMES.get(kind)
    if outcome is None:
        result = '<p class="quiet">Not tried yet.</p>'
    else:
        # What should happen is green, whether that is an answer or a refusal.
        expected = outcome["ok"] if kind == "allowed" else outcome["status"] == 403
        status = outcome["status"] or "no answer"
        text = outcome["error"] or outcome["first_bytes"] or "(empty)"
        if outcome["proxy_error"]:
            text = json.dumps(outcome["proxy_error"], indent=2)
        result = (f'<p><span class="badge {"good" if expected else "bad"}">{html.escape(str(status))}</span> '
                  f'<span class="quiet">after {outcome["milliseconds"]} ms</span></p>'
                  f"<pre>{html.escape(text.strip())}</pre>")
    return (f'<div class="card"><h3>{title}</h3><p><code>{html.escape(FETCHES[kind])}</code></p>'
            f'<p><a class="button" href="/fetch/{kind}">Fetch it</a></p>{result}</div>')


STYLE = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --text: #1c2330; --quiet: #5d6778; --line: #dde1e8;
  --accent: #2455c3; --on-accent: #fff; --good: #14683a; --good-back: #dff3e6; --bad: #9b1c1c; --bad-back: #fbe3e3; }
@media (prefers-color-scheme: dark) { :root { --page: #12161d; --card: #1b212b; --text: #e6eaf1; --quiet: #9aa5b6;
  --line: #2d3644; --accent: #8fb0ff; --on-accent: #10192e; --good: #8fe0ae; --good-back: #16382a; --bad: #ffaeae;
  --bad-back: #472022; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 3rem; }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2rem 0 .75rem; font-size: 1.15rem; }
h3 { margin: 0; font-size: 1rem; }
p { margin: .5rem 0; }
.quiet { color: var(--quiet); }
.path { display: flex; flex-wrap: wrap; gap: .4rem; margin: 1.25rem 0 0; padding: 0; list-style: none; }
.path li { padding: .2rem .7rem; border: 1px solid var(--line); border-radius: 1rem; background: var(--card);
  font-size: .9rem; }
.path li + li::before { content: "\\2192"; margin: 0 .6rem 0 -.1rem; color: var(--quiet); }
.path .here { border-color: var(--accent); color: var(--accent); font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
.card { min-width: 0; padding: 1rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }
.button { display: inline-block; padding: .4rem 1rem; border-radius: .4rem; background: var(--accent);
  color: var(--on-accent); font-weight: 600; text-decoration: none; }
.button:hover, .button:focus-visible { text-decoration: underline; }
.badge { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; font-weight: 600; }
.good { background: var(--good-back); color: var(--good); }
.bad { background: var(--bad-back); color: var(--bad); }
code, pre, td, th { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .85rem; }
code { overflow-wrap: anywhere; }
pre { margin: 0; padding: .75rem; border-radius: .4rem; background: var(--page); white-space: pre-wrap;
  overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .35rem 1rem .35rem 0; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
tr:first-child > * { border-top: 0; }
th { width: 1%; font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>odyn sample application</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>Served through odyn</h1>
<p class="quiet">Process {pid}, child of {parent}, uid {uid}, up {uptime} s. It listens on 127.0.0.1 only:
this page came in through odyn&rsquo;s ingress.</p>
<ol class="path"><li>your browser</li><li>odyn-host</li><li>vsock</li><li>odyn</li><li class="here">this page</li></ol>
<h2>Reaching out</h2>
<div class="cards">{allowed}{refused}</div>
<h2>What odyn gave it</h2>
<div class="card">{environment}</div>
<h2>Its own log <span class="quiet">(last {lines} lines; the host reads the same)</span></h2>
<div class="card"><pre>{log}</pre></div>
</main>
</body>
</html>
"""

if __name__ == "__main__":
    main()

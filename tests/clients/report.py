"""What the Python clients of this folder share: running named cases and printing one JSON line for each.

A line is {"client", "case", "scheme", "ok", "detail"} or, when it failed, "error" in place of "detail". The last
line is {"client", "case": "done", "ok", "passed", "failed"}. The exit status is 0 only when every case passed and
there was at least one.
"""
import hashlib
import json
import sys

KEEP_ALIVE_REQUESTS = 20
UPLOAD = 1 << 20
CHUNKED = 3 << 20


class Report:
    def __init__(self, client):
        self.client, self.passed, self.failed = client, 0, 0

    def case(self, name, scheme, run, *arguments):
        """Runs one case: it passes when `run` returns (its result is the detail) and fails when it raises."""
        line = {"client": self.client, "case": name, "scheme": scheme}
        try:
            detail = run(*arguments)
            line |= {"ok": True, "detail": detail}
            self.passed += 1
        except Exception as error:  # a failed case must not hide the ones after it
            line |= {"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}
            self.failed += 1
        print(json.dumps(line), flush=True)

    def finish(self):
        ok = self.failed == 0 and self.passed > 0
        line = {"client": self.client, "case": "done", "ok": ok, "passed": self.passed, "failed": self.failed}
        print(json.dumps(line), flush=True)
        sys.exit(0 if ok else 1)


def arguments(usage):
    """BASE HTTPS_BASE CA_FILE REFUSED, each possibly empty."""
    if len(sys.argv) != 5:
        sys.exit(f"usage: {usage} BASE HTTPS_BASE CA_FILE REFUSED_HOST (each may be \"\")")
    return sys.argv[1:]


def check(condition, what):
    """An assertion that `python -O` keeps."""
    if not condition:
        raise AssertionError(what)


def body(size):
    """`size` bytes that do not repeat within a proxy's buffer."""
    return hashlib.shake_256(b"odyn test client").digest(size)


def pieces(data):
    """`data` in pieces of uneven sizes, for a chunked upload."""
    offset, size = 0, 1
    while offset < len(data):
        yield data[offset : offset + size]
        offset += size
        size = 1 + (size * 5 + 3) % 70_001


def check_echo(answer, data, framing):
    """The origin received exactly `data`, in the framing the client used."""
    check(answer["bytes"] == len(data), f"origin got {answer['bytes']} bytes of {len(data)}")
    check(answer["sha256"] == hashlib.sha256(data).hexdigest(), "origin got other bytes")
    check(answer["framing"] == framing, f"origin saw framing {answer['framing']}")
    return {"bytes": answer["bytes"], "framing": framing}


def check_download(content, headers):
    check(len(content) == CHUNKED, f"{len(content)} bytes")
    check(hashlib.sha256(content).hexdigest() == headers["X-Body-Sha256"], "other bytes than the origin sent")
    return {"bytes": len(content)}


def check_refusal(status, answer, host):
    """odyn's 403: its JSON names the error and the host as asked for."""
    check(status == 403, f"status {status}")
    check(answer.get("error") == "egress denied", f"body {answer}")
    check(answer.get("host") == host.rpartition(":")[0] or answer.get("host") == host, f"body {answer}")
    check(isinstance(answer.get("port"), int) and "rule" in answer, f"body {answer}")
    return answer

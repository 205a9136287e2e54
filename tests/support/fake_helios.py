"""Stands in for odyn-helios: says on standard error what it may and may not do, then answers connections with its number."""

import ctypes
import errno
import fcntl
import os
import resource
import socket
import sys
import time


def tried(name, attempt):
    try:
        attempt()
        report(name, "ok")
    except OSError as e:
        report(name, errno.errorcode[e.errno])


def report(name, value):
    os.write(2, f"{name}={value};\n".encode())


def status(field):
    with open("/proc/self/status") as lines:
        return next(line.split()[1] for line in lines if line.startswith(field + ":"))


report("args", " ".join(sys.argv[1:]))
report("environment", sorted(name for name in os.environ if name not in ("LC_CTYPE", "PWD")))
report("user", (os.getuid(), os.getgid(), os.getgroups()))
report("no_new_privs", status("NoNewPrivs"))
report("seccomp", status("Seccomp"))
for limit in ("DATA", "NOFILE", "FSIZE", "CORE"):
    report(limit, resource.getrlimit(getattr(resource, f"RLIMIT_{limit}")))
# odyn writes it once this process is there.
deadline = time.monotonic() + 60
while (score := open("/proc/self/oom_score_adj").read().strip()) != "1000" and time.monotonic() < deadline:
    time.sleep(0.005)
report("oom_score_adj", score)
report("capabilities", [status(name).strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")])
report("bounding", status("CapBnd").strip("0"))
report("descriptors", sorted(os.listdir("/proc/self/fd"))[:3])
for family in ("AF_INET", "AF_INET6", "AF_VSOCK", "AF_NETLINK", "AF_PACKET", "AF_UNIX"):
    kind = socket.SOCK_RAW if family in ("AF_NETLINK", "AF_PACKET") else socket.SOCK_STREAM
    tried(family, lambda: socket.socket(getattr(socket, family), kind).close())
tried("nsm", lambda: fcntl.ioctl(2, 0xC0200A00, bytes(32)))
libc = ctypes.CDLL(None, use_errno=True)
tried("fork", os.fork)
for name, number in (("io_uring_setup", 425), ("pidfd_getfd", 438), ("clone3", 435)):
    libc.syscall(ctypes.c_long(number), 0, 0, 0, 0)
    report(name, errno.errorcode.get(ctypes.get_errno(), "ok"))
egress = sys.argv[sys.argv.index("--egress") + 1]
way = socket.socket(socket.AF_UNIX)
way.connect("\0" + egress)
way.sendall(b"CONNECT forbidden.test:443 HTTP/1.1\r\nHost: forbidden.test:443\r\n\r\n")
report("egress", way.recv(4096).split(b"\r\n")[0].decode())
listener = socket.socket(fileno=0)
report("listener", listener.family.name)
os.write(2, b"2026-01-01T00:00:00Z odyn-helios ERROR an error of its own\n")
os.write(2, b"2026-01-01T00:00:00Z odyn INFO not a line of odyn\n")
listener.setblocking(True)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"%d\n" % os.getpid())
    connection.close()

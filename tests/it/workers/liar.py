"""liar.py HOW: a command floor, in Python alone, that is not to be trusted: it
does all that a floor should, and besides what HOW says. See test_floors_lies.py.
"""

import array
import os
import signal
import socket
import sys
import time

HOW = sys.argv[1]
svd = socket.socket(fileno=int(os.environ["SVD_FLOOR_FD"]))


def send(sock, verb, fds=(), **fields):
    packet = "".join(f"{part}\0" for part in (
        verb, *(f"{k}={v}" for k, v in fields.items()),
        *(f"fd={name}" for name, _ in fds))).encode()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                  array.array("i", [fd for _, fd in fds]))] if fds else []
    sock.sendmsg([packet], ancillary)


def worker(line):
    os.setsid()
    if HOW == "stillborn":
        os._exit(5)
    if HOW == "deaf":
        time.sleep(1000)
    data = line.recv(4096)
    if not data:
        os._exit(0)
    if HOW == "startfail":
        send(line, "STARTFAIL", stage=9999, detail=77, errno=13)
        os._exit(126)
    if HOW == "flood-line":
        while True:
            send(line, "NONSENSE", x="y" * 1000)
    if HOW == "exception":
        send(line, "EXCEPTION", what="x" * 9000, traceback="\x1b[2J\n" * 6000)
    if HOW == "raw-line":
        line.send(b"STARTED")  # not ended
        line.send(b"\0\0\0")
        line.send(b"=\0==\0")
    for _ in range(2 if HOW == "twice" else 1):
        send(line, "STARTED")
    if HOW == "exception-lives":
        send(line, "EXCEPTION", what="but it lives")
    if HOW == "close-line":
        line.close()
    time.sleep(1000)


def fork(token):
    """By a double fork: the intermediate tells."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        theirs.close()
        svd.close()
        worker(ours)
    fds = [("line", theirs.fileno())]
    if HOW == "other-pidfd":
        fds.append(("pidfd", os.pidfd_open(os.getppid())))
    says = {"init": 1, "keeper": os.getppid(), "victim": sys.argv[-1],
            "nobody": 2 ** 30, "negative": -5, "text": "x"}.get(HOW, pid)
    if HOW == "no-line":
        fds = []
    if HOW == "keeper":
        with open(f"/proc/{os.getppid()}/stat") as stat:
            says = int(stat.read().rpartition(")")[2].split()[1])
    send(svd, "FORKED", fds, token=token, pid=says, way="double")
    if HOW == "again":
        send(svd, "FORKED", fds, token=token, pid=says, way="double")
    os._exit(0)


def unasked():
    if HOW == "flood":
        for _ in range(200):
            send(svd, "FORKED", token=1, pid=os.getpid())
            send(svd, "LOADED", ms="x", threads=-1, modules="\xff")
    if HOW == "raw":
        svd.send(b"no end")
        svd.send(b"\0")
        svd.send(b"x" * 100000 + b"\0")
        svd.send(b"FORKED\0fd=line\0fd=pidfd\0pid=1\0")
        null = os.open("/dev/null", os.O_RDONLY)
        send(svd, "LOADED", [(str(n), null) for n in range(200)])
    if HOW == "load":
        pipe = os.pipe()[0]  # that nobody writes to
        send(svd, "LOADED", [("late", pipe)], version=-1, ms="9" * 30,
             threads="\x1b[31m", way="\x1b[2Jrocket", modules="-1",
             module="\n\x1b")
    if HOW == "late":
        noise = os.memfd_create("late")
        os.write(noise, b"\xff" * 8 + b"1 a\x1b[2J\n2 a\x1b[2J\n\0\0\n-1 b\n"
                 b"1\n" + b"3 caf\xff\n" + bytes(5000) + b"4 end")
        send(svd, "LOADED", [("late", noise)], ms=1, threads=1, modules=3)
    if HOW == "many":
        for n in range(100):
            fork(n)


unasked()
if HOW == "loadfail-lives":
    send(svd, "LOADFAIL", what="not today", traceback="line 1")
    time.sleep(1000)
send(svd, "LOADED", version=1, ms=1, threads=1, way="double", modules=0)
if HOW == "close":
    svd.close()
    time.sleep(1000)
if HOW == "leave":
    svd.close()
    time.sleep(0.1)
    sys.exit(3)
while True:
    data = svd.recv(4096).decode()
    if not data or data.startswith("RETIRE"):
        sys.exit(0)
    if data.startswith("FORK"):
        if HOW == "forkfail":
            send(svd, "FORKFAIL", token=data.split("\0")[1].partition("=")[2], what="fork: not today\n\x1b[1m")
        elif HOW != "silent":
            fork(data.split("\0")[1].partition("=")[2])

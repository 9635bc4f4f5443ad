"""When a worker counts as ready: each form of `ready`, asked of good and of
hostile peers, over deaths of svd; and what comes of one that is not in time."""

import contextlib
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

from svdtest import (SLOW, act, alive, floor, marked, on_floor, stays,
                     wait_for)

WAITS = {"state": "STARTING", "ready": False, "pid": bool}
READY = {"state": "RUNNING", "ready": True}
# SIGUSR1 makes it write a line to its SVD_READY_FD.
BY_FD = ("on", 10, "/proc/self/fd/4", "pause")
QUICK = "backoff_delay = 10ms\nbackoff_factor = 1\n"


def worker(ready, command=None, *keys, name="w"):
    lines = "".join(f"{key}\n" for key in keys)
    return (f"[worker:{name}]\ncommand = {command or act('pause')}\n"
            f"ready = {ready}\n{lines}")


def write_line(pid):
    """Has one that is BY_FD do so, once it would not die of the signal."""
    def catches():
        with open(f"/proc/{pid}/status") as status:
            caught, = (line for line in status if line.startswith("SigCgt:"))
        return int(caught.split()[1], 16) >> signal.SIGUSR1 - 1 & 1

    wait_for(catches)
    os.kill(pid, signal.SIGUSR1)


def waiting(f, text, name="w"):
    """Until why says that it waits for text; its pid."""
    wait_for(lambda: text in (f.why(name)["waiting_for"] or ""),
             what=lambda: f.why(name))
    return f.wait(name, **WAITS)["pid"]


class Peer:
    """Somebody who listens, and answers each connection by a function."""

    def __init__(self, sock, answer=None):
        self.sock, self.answer, self.asked = sock, answer, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.sock.accept()
                with connection:
                    connection.settimeout(10 * SLOW)
                    self.serve_one(connection)

    def serve_one(self, connection):
        if self.answer is None:
            return
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096)
        self.asked.append(request.decode())
        with contextlib.suppress(OSError):  # it hangs up when it knows enough
            self.answer(connection)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(10 * SLOW)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def peer(family, address, kind=socket.SOCK_STREAM, answer=None):
    sock = socket.socket(family, kind)
    with contextlib.closing(sock):
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        if kind == socket.SOCK_DGRAM:
            yield None
            return
        sock.listen()
        it = Peer(sock, answer)
        try:
            yield it
        finally:
            it.close()


def wrote(f, name="w"):
    return f.ctl("logs", name).out


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


# --- addresses ---------------------------------------------------------------

@pytest.mark.parametrize("host, shown", [
    ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("127.0.0.1", "localhost"),
    ("::1", "localhost")])
def test_ready_when_somebody_listens_at_its_port(fleet, host, shown):
    port = free_port(host)
    target = f"tcp:{shown}:{port}"
    f = fleet(worker(target))
    pid = waiting(f, f"{target}: Connection refused")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with peer(family, (host, port)):
        assert f.wait("w", **READY)["pid"] == pid
    # Once ready it is not asked again.
    stays(lambda: f.worker("w")["ready"], 0.3)


@pytest.mark.parametrize("kind", [
    socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM],
    ids=lambda kind: kind.name)
def test_ready_when_somebody_listens_on_its_socket(fleet, tmp_path, kind):
    path = tmp_path / "sock"
    f = fleet(worker(f"unix:{path}"))
    waiting(f, "No such file or directory")
    with peer(socket.AF_UNIX, str(path), kind):
        f.wait("w", **READY)


@pytest.mark.parametrize("form", ["tcp:127.0.0.1:{}", "http://127.0.0.1:{}/"])
def test_ready_when_a_real_server_serves(fleet, form):
    port = free_port()
    f = fleet(worker(
        form.format(port), f"/usr/bin/python3 -m http.server {port}",
        "directory = /var/empty" if os.path.isdir("/var/empty") else ""))
    f.wait("w", **READY)
    assert "Connection refused" not in f.log()


def test_a_try_never_reaches_itself(fleet):
    """A connection within a machine may be given the port that it looks for."""
    first, last = map(int, pathlib.Path(
        "/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    f = fleet("".join(worker(f"tcp:127.0.0.1:{port}", name=f"w{port}")
                      for port in range(first, min(first + 40, last), 2)))
    wait_for(lambda: all("refused" in (f.why(name)["waiting_for"] or "")
                         for name in f.workers()))
    assert {w["state"] for w in f.workers().values()} == {"STARTING"}


def says(*parts):
    """A peer that says these, one after the other."""
    def answer(connection):
        for part in parts:
            connection.sendall(part if isinstance(part, bytes)
                               else part.encode())
    return answer


def dribble(connection):
    for c in b"HTTP/1.0 204 x\r\n\r\n":
        connection.sendall(bytes([c]))
        time.sleep(0.002)


def never_ends(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Header: " + b"x" * 1000 + b"\r\n")


def interim_for_ever(connection):
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\nX: y\r\n")


OK = "HTTP/1.1 200 OK\r\n\r\nhello"
GOOD = {
    "ok": says(OK),
    "no-content": says("HTTP/1.1 204 No Content\r\n\r\n"),
    "redirected": says("HTTP/1.1 302 Found\r\nLocation: https://x/\r\n\r\n"),
    "old": says("HTTP/1.0 200 OK\r\n\r\n" + "x" * 100000),
    "bare-newline": says("HTTP/1.1 399\n\n"),
    "interim": says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n"
                    "Link: x\r\n\r\n", OK),
    "byte-by-byte": dribble,
    "endless-headers": never_ends,
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
def test_ready_when_its_page_is_there(fleet, answer):
    port = free_port()
    with peer(socket.AF_INET, ("127.0.0.1", port), answer=answer) as it:
        f = fleet(worker(f"http://127.0.0.1:{port}/health?all=yes"))
        f.wait("w", **READY)
        assert len(it.asked) == 1
    request, *headers = it.asked[0].split("\r\n")
    assert request == "GET /health?all=yes HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in headers
    assert "Connection: close" in headers


BAD = {
    "not-found": (says("HTTP/1.1 404 Not Found\r\n\r\n"), "answered 404"),
    "not-yet": (says("HTTP/1.1 503 x\r\n\r\n"), "answered 503"),
    "not-even-bad": (says("HTTP/1.1 600 x\r\n\r\n"), "does not speak HTTP"),
    "switched": (says("HTTP/1.1 101 x\r\n\r\n"), "answered 101"),
    "garbage": (says(b"\0\xff" * 4000), "does not speak HTTP"),
    "ssh": (says("SSH-2.0-OpenSSH_9.2p1\r\n"), "does not speak HTTP"),
    "no-status": (says("HTTP/1.1  200 OK\r\n"), "does not speak HTTP"),
    "long-status": (says("HTTP/1.1 2000 OK\r\n"), "does not speak HTTP"),
    "silent-end": (says(), "closed without an answer"),
    "cut": (says("HTTP/1.1 20"), "closed without an answer"),
    "interim-for-ever": (interim_for_ever, "its answer has no end"),
}


@pytest.mark.parametrize("answer, text", BAD.values(), ids=BAD)
def test_not_ready_by_another_answer(fleet, answer, text):
    port = free_port()
    with peer(socket.AF_INET, ("127.0.0.1", port), answer=answer) as it:
        f = fleet(worker(f"http:http://localhost:{port}"))
        waiting(f, f"http://localhost:{port}: {text}" if text != "does not "
                   "speak HTTP" else f"{port}: what answers {text}")
        it.answer = says(OK)
        f.wait("w", **READY)


def test_a_peer_that_says_nothing_holds_up_nobody(fleet):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as sock:
        f = fleet(worker(f"http://127.0.0.1:{port}", None,
                         "start_timeout = 500ms", "restart = no") +
                  worker("exec", name="other"))
        assert f.running("other")
        f.ctl("restart", "other")
        f.wait("w", state="FAILED",
               error=f"killed by TERM: not ready within 500ms, waiting for "
                     f"http://127.0.0.1:{port}")
        sock.close()


# --- its own word ------------------------------------------------------------

def test_ready_by_a_newline(fleet):
    f = fleet(worker("fd", "/bin/sh -c 'echo $$SVD_READY_FD >&2; "
                     "echo not yet | tr -d \"\\n\" >&4; read x; echo >&4; "
                     "echo more >&4; exec sleep 1000'", "stdin = pipe"))
    pid = waiting(f, "a newline from its process")
    assert os.readlink(f"/proc/{pid}/fd/4").startswith("pipe:")
    wait_for(lambda: wrote(f) == "4\n")
    with open(f"/proc/{pid}/fd/0", "w", encoding="utf-8") as pipe:
        pipe.write("\n")
    assert f.wait("w", **READY)["pid"] == pid
    # What it writes then goes nowhere, and does it no harm.
    wait_for(lambda: b"sleep" in
             pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
    assert f.worker("w")["pid"] == pid


@pytest.mark.parametrize("does, text", [
    ("exec 4>&-", ": closed without one"),
    ("printf x >&4; exec 4>&-", ": closed without one"),
    ("head -c 70000 /dev/zero >&4", ": none in 64 KiB")])
def test_never_ready_without_a_newline(fleet, does, text):
    f = fleet(worker("fd", f"/bin/sh -c '{does}; exec sleep 1000'"))
    waiting(f, f"on SVD_READY_FD{text}")
    stays(lambda: f.worker("w")["state"] == "STARTING", 0.2)


def test_who_ends_before_it_is_ready_is_judged_by_its_end(fleet):
    f = fleet(worker("fd", act("exit", 3), "restart = no", name="fails") +
              worker("fd", act("write", 4, "", "exit", 0),
                     "restart = on-failure", name="hurries"))
    assert f.wait("fails", state="FAILED")["error"] == "exit status 3"
    f.wait("hurries", state="EXITED")


# --- a command ---------------------------------------------------------------

def test_ready_by_a_command(fleet):
    """It runs as the worker does, until it succeeds."""
    f = fleet("", launch=False)
    ok = f.path("ok")
    f.ini.write_text("[fleet]\nname = t\n" + worker(
        f"command:/bin/sh -c 'echo asks $$SVD_MAINPID $$SVD_WORKER $$(id -u) "
        f"$$(pwd) $$X $${{SVD_READY_FD:-none}}; test -e {ok}'", None,
        "environment = X=%N", "directory = /tmp", "umask = 027"))
    f.start()
    pid = waiting(f, "command /bin/sh: exit status 1")
    assert f"asks {pid} w {os.geteuid()} /tmp w none\n" in wrote(f)
    ok.touch()
    assert f.wait("w", **READY)["pid"] == pid
    assert f.worker("w")["generation"] == 1
    asked = wrote(f).count("asks")
    assert 2 <= asked <= 20


def test_why_says_what_is_wrong_with_a_command(fleet):
    f = fleet(worker("command:/none"))
    waiting(f, "command /none: command '/none' not found")


def test_a_command_that_hangs_ends_with_the_wait(fleet):
    f = fleet(worker("command:/bin/sh -c 'sleep 1000 & sleep 1001'", None,
                     "start_timeout = 400ms", "restart = no"))
    f.wait("w", state="FAILED",
           error="killed by TERM: not ready within 400ms, waiting for "
                 "command /bin/sh")
    wait_for(lambda: not [
        pid for pid in marked(f.id) if b"sleep" in
        pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()])


# --- not in time -------------------------------------------------------------

def test_who_is_not_ready_in_time_has_failed(fleet):
    """It is told to stop, and waits ever longer, also where its failing takes
    longer than backoff_reset."""
    f = fleet("", launch=False)
    note = f.path("terms")
    f.ini.write_text("[fleet]\nname = t\n" + worker(
        "fd", act("on", 15, note, "on-exit", 15, 0, "pause"),
        "start_timeout = 200ms", "backoff_delay = 100ms",
        "backoff_reset = 100ms"))
    f.start()
    w = f.wait("w", timeout=15, restarts=lambda n: n >= 3)
    assert w["last_exit"]["code"] == 0
    assert "not ready within 200ms, waiting for a newline" in \
        w["last_exit"]["reason"]
    waits = [line.rsplit(" ", 1)[1] for line in f.log().splitlines()
             if "next start in" in line]
    assert waits[:3] == ["100ms", "200ms", "400ms"]
    assert all(d["uptime"] >= 0.2 for d in f.deaths("w"))


def test_a_start_that_is_not_ready_in_time_fails(fleet):
    f = fleet(worker("fd", act("ignore", 15, "pause"), "autostart = no",
                     "start_timeout = 200ms", "stop_timeout = 200ms",
                     "backoff_delay = 1h", "backoff_limit = 1h"))
    began = time.monotonic()
    result = f.svctl("start", "w")
    assert result.rc == 1 and "not ready within 200ms" in result.err
    assert time.monotonic() - began >= 0.4
    assert f.worker("w")["last_exit"]["signal"] == signal.SIGKILL


def test_no_start_timeout_is_for_ever(fleet):
    f = fleet(worker("fd", act(*BY_FD), "start_timeout = 0"))
    pid = waiting(f, "a newline")
    assert f.why("w")["until"] is None
    write_line(pid)
    f.wait("w", **READY)


def test_a_reload_gives_more_time(fleet):
    f = fleet(worker("fd", act(*BY_FD), "start_timeout = 2s",
                     "backoff_delay = 1h", "backoff_limit = 1h"))
    pid = waiting(f, "a newline")
    f.ini.write_text(f.ini.read_text().replace("= 2s", "= 1h"))
    assert f.ctl("reload")
    time.sleep(max(0, 2.2 - f.worker("w")["uptime"]))
    write_line(pid)
    assert f.wait("w", **READY)["pid"] == pid


def test_a_reload_asks_otherwise_by_a_new_process(fleet):
    f = fleet(worker("fd", act(*BY_FD)))
    pid = waiting(f, "a newline")
    f.ini.write_text(f.ini.read_text().replace("ready = fd", "ready = exec"))
    f.ctl("reload")
    assert f.wait("w", **READY)["pid"] != pid


def test_stopped_while_it_waits(fleet):
    f = fleet(worker("command:/bin/sleep 1000"))
    pid = waiting(f, "command /bin/sleep")
    f.ctl("stop", "w")
    assert not alive(pid)
    wait_for(lambda: not [
        p for p in marked(f.id) if b"sleep" in
        pathlib.Path(f"/proc/{p}/cmdline").read_bytes()])
    assert f.worker("w")["last_exit"]["signal"] == signal.SIGTERM


# --- who waits for it --------------------------------------------------------

def test_commands_wait_until_it_is_ready(fleet):
    f = fleet(worker("fd", act("sleep", 300, "write", 4, "", "pause")))
    assert f.svctl("health").rc == 3
    assert f.svctl("status").rc == 3
    f.wait("w", **READY)
    assert f.svctl("health").rc == 0
    began = time.monotonic()
    f.ctl("restart", "w")
    assert time.monotonic() - began >= 0.3
    assert f.worker("w")["ready"]
    f.ctl("--no-wait", "restart", "w")
    f.wait("w", **WAITS)
    assert "waits for a newline" in f.svctl("health").out


# --- over deaths of svd ------------------------------------------------------

FORMS = {
    "fd": ("fd", lambda f, pid: write_line(pid)),
    "unix": ("unix:{sock}", None),
    "command": ("command:/usr/bin/test -e {sock}", None),
}


@contextlib.contextmanager
def becomes_ready(f, form, pid):
    if FORMS[form][1] is not None:
        FORMS[form][1](f, pid)
        yield
        return
    with peer(socket.AF_UNIX, str(f.path("sock"))):
        yield


def waits_by(fleet, form, *keys):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = t\n" + worker(
        FORMS[form][0].format(sock=f.path("sock")), act(*BY_FD), *keys))
    f.start()
    return f, f.wait("w", **WAITS)["pid"]


@pytest.mark.parametrize("form", FORMS)
def test_a_successor_waits_on(fleet, form):
    f, pid = waits_by(fleet, form)
    for _ in range(3):
        f.kill_supervisor()
    assert f.wait("w", **WAITS)["pid"] == pid
    with becomes_ready(f, form, pid):
        w = f.wait("w", **READY)
    assert (w["pid"], w["generation"]) == (pid, 1)


def test_what_it_has_said_to_nobody_is_heard(fleet):
    f, pid = waits_by(fleet, "fd")
    old = f.supervisor()
    os.kill(old, signal.SIGSTOP)
    write_line(pid)
    os.kill(old, signal.SIGKILL)
    assert f.wait("w", **READY)["pid"] == pid


def test_a_successor_gives_no_more_time(fleet):
    f, pid = waits_by(fleet, "fd", "start_timeout = 1500ms",
                      "restart = no")
    f.kill_supervisor()
    w = f.wait("w", state="FAILED")
    assert "not ready within 1.5s" in w["error"]
    assert 1.5 <= f.deaths("w")[0]["uptime"] <= 1.5 + 2 * SLOW
    assert not alive(pid)


def test_who_is_ready_while_svd_sleeps_is_not_late(fleet, tmp_path):
    f, pid = waits_by(fleet, "unix", "start_timeout = 1s")
    supervisor = f.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    with peer(socket.AF_UNIX, str(f.path("sock"))):
        time.sleep(1.2)
        os.kill(supervisor, signal.SIGCONT)
        assert f.wait("w", **READY)["pid"] == pid


@pytest.mark.parametrize("form", FORMS)
def test_one_that_is_adopted_is_not_ended(fleet, form):
    """What asks goes on asking; what was said to an earlier svd is lost, and
    start_timeout makes it ready."""
    f, pid = waits_by(fleet, form, "start_timeout = 3s" if form == "fd" else
                      "start_timeout = 1h")
    f.crash()
    if form == "fd":
        write_line(pid)  # nobody reads it: it lives on
    f.recover()
    assert f.wait("w", pid=pid)["state"] == "STARTING"
    if form == "fd":
        f.wait("w", **READY)
        assert f.worker("w")["uptime"] >= 3
    else:
        with becomes_ready(f, form, pid):
            f.wait("w", **READY)
    assert (f.worker("w")["pid"], f.worker("w")["generation"]) == (pid, 1)


def test_one_that_nobody_can_hear_any_more_is_ready(fleet):
    f, pid = waits_by(fleet, "fd", "start_timeout = 0")
    f.crash()
    f.recover()
    assert f.wait("w", **READY)["pid"] == pid


def test_an_upgrade_waits_on(fleet):
    f, pid = waits_by(fleet, "fd")
    f.ctl("upgrade")
    assert f.wait("w", **WAITS)["pid"] == pid
    write_line(pid)
    assert f.wait("w", **READY)["pid"] == pid


# --- from a floor ------------------------------------------------------------

def stands(ready, *words, keys=""):
    return floor(spares=1) + \
        f"[worker:w]\n{on_floor(*words)}\nready = {ready}\n{keys}"


def test_a_worker_from_a_floor_is_ready_later(fleet):
    f = fleet(stands("fd", *BY_FD))
    pid = waiting(f, "a newline")
    # Its floor goes on forking.
    wait_for(lambda: f.ctl("-j", "floors").json["floors"][0]["spares"] == 1)
    f.kill_supervisor()
    assert f.wait("w", **WAITS)["pid"] == pid
    write_line(pid)
    assert f.wait("w", **READY)["pid"] == pid


def test_a_worker_from_a_floor_is_not_ready_in_time(fleet):
    f = fleet(stands("fd", "pause", keys="start_timeout = 200ms\n" + QUICK))
    w = f.wait("w", restarts=lambda n: n >= 2)
    assert "not ready within 200ms" in w["last_exit"]["reason"]


def test_an_exception_before_it_is_ready_is_told(fleet):
    f = fleet("", launch=False)
    f.path("app.py").write_text(
        "import os, time\n"
        "def entry():\n    raise ValueError('too early')\n"
        "def ready():\n"
        "    os.write(int(os.environ['SVD_READY_FD']), b'\\n')\n"
        "    time.sleep(1000)\n")
    f.ini.write_text(
        f"[fleet]\nname = t\n[floor:f]\nruntime = python\npreload = app\n"
        f"path = {f.dir}\n[worker:w]\nfloor = f\nentry = app:entry\n"
        "ready = fd\nrestart = no\n[worker:good]\nfloor = f\n"
        "entry = app:ready\nready = fd\n")
    f.start()
    w = f.wait("w", state="FAILED")
    assert "ValueError: too early" in w["error"]
    assert "raise ValueError" in f.why("w")["traceback"]
    f.wait("good", **READY)

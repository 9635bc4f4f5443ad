"""Descriptors that come with what workers say by sd_notify(3), and that may
take as long to be let go as their sender likes."""

import contextlib
import os
import signal
import socket
import struct
import time

import pytest

from svdtest import SLOW, act, wait_for
from test_said import ONE, root_only, said, say

LINGER_S = 60


def linger(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, LINGER_S))


@pytest.fixture
def stuck():
    """A connection with data that nobody ever reads."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = socket.create_connection(server.getsockname())
        other = server.accept()[0]
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sock.send(bytes(65536))
        yield sock
        sock.close()
        other.close()


def test_the_keeper_does_not_wait_for_a_worker_that_leaves(fleet, stuck):
    f = fleet(ONE + f"[worker:n]\ncommand = {act('pause')}\n")
    f.running()
    supervisor = f.status()["supervisor_pid"]
    linger(stuck)
    os.kill(supervisor, signal.SIGSTOP)
    for _ in range(3):
        say(f, "STATUS=x", stuck.fileno())
    stuck.close()
    f.ini.write_text(f.ini.read_text().replace(ONE, ""))
    os.kill(supervisor, signal.SIGCONT)
    f.ctl("reload")
    pid = f.worker("n")["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: f.worker("n")["pid"] not in (0, pid))


def test_who_floods_with_descriptors_holds_up_nobody(fleet):
    f = fleet(ONE)
    f.running()
    fds = [os.open("/dev/null", os.O_RDWR) for _ in range(200)]
    until = time.monotonic() + 1
    longest = 0
    pid = os.fork()
    if pid == 0:
        try:
            while time.monotonic() < until + 60:
                say(f, "FDSTORE=1", *fds)
        finally:
            os._exit(0)
    try:
        while time.monotonic() < until:
            start = time.monotonic()
            f.status()
            longest = max(longest, time.monotonic() - start)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for fd in fds:
            os.close(fd)
    assert longest < 0.5 * SLOW
    assert f.log().count("FDSTORE: only sockets") == 1


@root_only
def test_after_the_keepers_death_a_workers_socket_is_its_users(fleet):
    f = fleet(ONE + "user = nobody\n")
    f.running()
    f.crash()
    f.recover()
    assert os.stat(f.run / "notify" / "w:0").st_uid == 65534
    said(f, "STATUS=still here")

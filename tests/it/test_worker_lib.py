"""libsvdworker: what it says to whom, and that it harms nobody whom svd did not
start."""

import ctypes
import errno
import os
import socket

import pytest

from notify import env, notify  # noqa: F401 (fixtures)
from svdtest import BUILD

lib = ctypes.CDLL(str(BUILD / "libsvdworker.so"), use_errno=True)
for text in (lib.svd_name, lib.svd_fleet):
    text.restype = ctypes.c_char_p
lib.svd_generation.restype = ctypes.c_ulong
lib.svd_heartbeat_ms.restype = ctypes.c_uint
lib.svd_data.restype = ctypes.c_void_p
lib.svd_data.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)]



def fails(rc, error):
    assert rc == -1
    assert ctypes.get_errno() == error


def test_nobody_wants_to_know():
    assert lib.svd_ready() == 0
    assert lib.svd_status(b"idle") == 0
    assert lib.svd_heartbeat() == 0
    assert lib.svd_heartbeat_ms() == 0
    assert lib.svd_name() is None
    assert lib.svd_fleet() is None
    assert lib.svd_instance() == -1
    assert lib.svd_generation() == 0


def test_an_empty_name_is_nobody(env):
    env(NOTIFY_SOCKET="")
    assert lib.svd_ready() == 0


def test_messages(notify):
    assert lib.svd_ready() == 1
    assert notify.recv(100) == b"READY=1"
    assert lib.svd_heartbeat() == 1
    assert notify.recv(100) == b"WATCHDOG=1"
    assert lib.svd_status(b"serving 3\nREADY=0") == 1
    assert notify.recv(100) == b"STATUS=serving 3 READY=0"
    assert lib.svd_status(b"x" * 5000) == 1
    assert notify.recv(9000) == b"STATUS=" + b"x" * 1016


def test_who_is_not_read_does_not_wait(notify):
    for _ in range(10000):
        if lib.svd_heartbeat() == -1:
            break
    fails(lib.svd_status(b"x"), errno.EAGAIN)


@pytest.mark.parametrize("path,error", [
    ("/nonexistent/notify", errno.ENOENT), ("notify", errno.EAFNOSUPPORT),
    ("vsock:2:1", errno.EAFNOSUPPORT), ("/" * 108, errno.ENAMETOOLONG),
    ("@" * 108, errno.ENAMETOOLONG), ("@svd-nobody", errno.ECONNREFUSED)])
def test_a_socket_that_is_none(env, path, error):
    env(NOTIFY_SOCKET=path)
    fails(lib.svd_ready(), error)
    fails(lib.svd_heartbeat(), error)


def in_child(function):
    """Runs it in a fork, for what the library remembers. Its status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if function() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("make", [os.pipe, lambda: [
    s.detach() for s in socket.socketpair()]], ids=["pipe", "socket"])
def test_a_newline_is_ready_once(env, make):
    reader, writer = make()
    env(SVD_READY_FD=writer)

    def ready_twice():
        first = lib.svd_ready()
        # The number may be another file's by now.
        reused = os.open("/dev/null", os.O_WRONLY)
        return first == 1 and reused == writer and lib.svd_ready() == 0

    assert in_child(ready_twice) == 0
    os.close(writer)
    assert os.read(reader, 10) == b"\n"
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_a_reader_that_is_gone_does_not_kill(env):
    reader, writer = os.pipe()
    os.close(reader)
    env(SVD_READY_FD=writer)

    def ready():
        import signal
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        return lib.svd_ready() == -1 and \
            ctypes.get_errno() == errno.EPIPE and \
            not signal.sigpending()

    assert in_child(ready) == 0
    os.close(writer)


@pytest.mark.parametrize("fd", ["9999", "99999999999999999999", "4294967296"])
def test_a_ready_descriptor_that_is_none(env, fd):
    env(SVD_READY_FD=fd)
    rc = lib.svd_ready()
    assert rc in (-1, 0) and (rc == 0 or ctypes.get_errno() == errno.EBADF)


def test_a_file_is_no_ready_descriptor(env, tmp_path):
    with open(tmp_path / "file", "w") as file:
        env(SVD_READY_FD=file.fileno())
        fails(lib.svd_ready(), errno.EBADF)
    assert (tmp_path / "file").read_text() == ""


def test_both_are_told(notify, env):
    reader, writer = os.pipe()
    env(SVD_READY_FD=writer)
    assert in_child(lambda: lib.svd_ready() == 1) == 0
    assert os.read(reader, 2) == b"\n"
    assert notify.recv(100) == b"READY=1"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("usec,pid,ms", [
    (30000000, None, 15000), (30000000, "own", 15000), (30000000, 1, 0),
    (0, None, 0), ("x", None, 0), ("-5", None, 0), (1000, None, 1),
    (10**19, None, 0), (10**18, None, 2**32 - 1)])
def test_heartbeat_ms(env, usec, pid, ms):
    env(WATCHDOG_USEC=usec)
    if pid:
        env(WATCHDOG_PID=os.getpid() if pid == "own" else pid)
    assert lib.svd_heartbeat_ms() == ms


def test_who_am_i(env):
    env(SVD_WORKER="web:2", SVD_FLEET="shop", SVD_INSTANCE=2,
        SVD_GENERATION=7)
    assert lib.svd_name() == b"web:2"
    assert lib.svd_fleet() == b"shop"
    assert lib.svd_instance() == 2
    assert lib.svd_generation() == 7
    env(SVD_INSTANCE="99999999999", SVD_GENERATION="x")
    assert lib.svd_instance() == -1
    assert lib.svd_generation() == 0


def test_data_is_mapped(tmp_path):
    size = ctypes.c_size_t()
    (tmp_path / "data").write_bytes(b"a\0b")
    (tmp_path / "empty").write_bytes(b"")
    at = lib.svd_data(bytes(tmp_path / "data"), ctypes.byref(size))
    assert ctypes.string_at(at, size.value) == b"a\0b"
    assert lib.svd_data(bytes(tmp_path / "empty"), ctypes.byref(size))
    assert size.value == 0
    assert lib.svd_data(bytes(tmp_path / "none"), ctypes.byref(size)) is None
    assert ctypes.get_errno() == errno.ENOENT
    assert lib.svd_data(bytes(tmp_path), ctypes.byref(size)) is None
    assert ctypes.get_errno() == errno.EINVAL

"""The module svd: the twin of libsvdworker, in workers of every kind."""

import importlib.util
import inspect
import os
import shlex
import socket
import sys

import pytest

from notify import env, notify  # noqa: F401 (fixtures)
from svdtest import BUILD, ROOT, wait_for

PACKAGES = BUILD / "libexec" / "python"


@pytest.fixture
def svd(monkeypatch):
    """As it is in a new process."""
    spec = importlib.util.spec_from_file_location(
        "svd", PACKAGES / "svd/__init__.py")
    module = importlib.util.module_from_spec(spec)
    # Its parts are loaded when they are used.
    for name in ("svd.client", "svd.serving"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "svd", module)
    spec.loader.exec_module(module)
    return module


def test_nobody_wants_to_know(svd):
    assert svd.ready() is False
    assert svd.status("idle") is False
    assert svd.heartbeat() is False
    assert svd.heartbeat_interval() is None
    assert svd.name() is None
    assert svd.fleet() is None
    assert svd.instance() is None
    assert svd.generation() == 0


def test_messages(svd, notify):
    assert svd.ready() is True
    assert notify.recv(100) == b"READY=1"
    assert svd.heartbeat() is True
    assert notify.recv(100) == b"WATCHDOG=1"
    assert svd.status("serving 3\nREADY=0") is True
    assert notify.recv(100) == b"STATUS=serving 3 READY=0"
    assert svd.status("x" + 1000 * "\u2603") is True
    assert notify.recv(9000) == b"STATUS=x" + 338 * "\u2603".encode()
    assert svd.status("\ud800") is True
    assert notify.recv(100) == b"STATUS=?"


def test_who_is_not_read_does_not_wait(svd, notify):
    for _ in range(10000):
        if not svd.heartbeat():
            break
    else:
        pytest.fail("it is read")
    assert svd.status("x") is False


@pytest.mark.parametrize("path,error", [
    ("/nonexistent/notify", FileNotFoundError), ("notify", OSError),
    ("/" + "x" * 200, OSError)])
def test_a_socket_that_is_not_there(svd, env, path, error):
    env(NOTIFY_SOCKET=path)
    with pytest.raises(error):
        svd.ready()
    # That svd is away ends nobody who works on; that it cannot be told does.
    if error is FileNotFoundError:
        assert svd.heartbeat() is svd.status("x") is False
    else:
        with pytest.raises(error):
            svd.heartbeat()


def test_an_svd_that_was_killed(svd, env, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
    env(NOTIFY_SOCKET=tmp_path / "notify")
    assert svd.heartbeat() is svd.status("x") is False
    with pytest.raises(ConnectionRefusedError):
        svd.ready()


def test_ready_fd(svd, env):
    r, w = os.pipe()
    env(SVD_READY_FD=w)
    assert svd.ready() is True
    assert os.read(r, 10) == b"\n"
    assert os.read(r, 10) == b""  # it is closed
    # The number may be another's by now.
    assert svd.ready() is False
    os.close(r)


@pytest.mark.parametrize("fd", ["99", "1" * 30])
def test_a_ready_fd_that_is_none(svd, env, fd, notify):
    env(SVD_READY_FD=fd)
    with pytest.raises(OSError):
        svd.ready()
    # Who listens elsewhere is told all the same.
    assert notify.recv(100) == b"READY=1"


def test_a_ready_fd_that_is_a_file(svd, env, tmp_path):
    with open(tmp_path / "file", "w") as file:
        env(SVD_READY_FD=file.fileno())
        with pytest.raises(OSError):
            svd.ready()
    assert (tmp_path / "file").read_text() == ""


def test_a_ready_fd_that_nobody_reads(svd, env):
    r, w = os.pipe()
    os.close(r)
    env(SVD_READY_FD=w)
    with pytest.raises(BrokenPipeError):
        svd.ready()


def test_heartbeat_interval(svd, env):
    env(WATCHDOG_USEC=3000000)
    assert svd.heartbeat_interval() == 1.5
    env(WATCHDOG_PID=os.getpid())
    assert svd.heartbeat_interval() == 1.5
    env(WATCHDOG_PID=os.getpid() + 1)
    assert svd.heartbeat_interval() is None
    env(WATCHDOG_PID=os.getpid())
    for odd in ("0", "", "x", "-3", "3x"):
        env(WATCHDOG_USEC=odd)
        assert svd.heartbeat_interval() is None


def test_who_it_is(svd, env):
    env(SVD_WORKER="web:2", SVD_FLEET="shop", SVD_INSTANCE=2,
        SVD_GENERATION=7)
    assert (svd.name(), svd.fleet(), svd.instance(), svd.generation()) == \
        ("web:2", "shop", 2, 7)


def test_it_is_documented_and_typed(svd):
    assert (PACKAGES / "svd/py.typed").is_file()
    page = (ROOT / "man/svd.worker.3").read_text()
    for name in svd.__all__:
        thing = getattr(svd, name)
        assert thing.__doc__
        assert name in page
        functions = [thing] if inspect.isfunction(thing) else [
            value for key, value in vars(thing).items()
            if inspect.isfunction(value) and not key.startswith("_")]
        for function in functions:
            assert function.__doc__, function
            assert "return" in function.__annotations__, function


SAY = "import svd; print(svd.name(), svd.fleet(), svd.instance(), " \
    "svd.generation(), flush=True)"


def test_in_workers_of_both_kinds(fleet, tmp_path):
    (tmp_path / "app.py").write_text(
        f"import signal\ndef entry():\n    {SAY}\n    signal.pause()\n")
    f = fleet(
        "[fleet]\nname = shop\n"
        "[floor:app]\nruntime = python\npython = /usr/bin/python3\n"
        f"path = {tmp_path}\npreload = app\n"
        "[worker:forked]\nnumprocs = 2\nfloor = app\nentry = app:entry\n"
        "[worker:executed]\nrestart = no\n"
        f"environment = PYTHONPATH={PACKAGES}\n"
        f"command = /usr/bin/python3 -c {shlex.quote(SAY)}\n")
    for line in ("executed shop 0 1", "forked:0 shop 0 1", "forked:1 shop 1 1"):
        wait_for(lambda: line in f.log(), what=line)
    # What is born later says so.
    f.ctl("restart", "forked:1")
    wait_for(lambda: "forked:1 shop 1 2" in f.log())

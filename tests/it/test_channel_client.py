"""svd.Worker: asking a worker from Python."""

import os
import signal
import sys
import threading
import time

import pytest

from svdtest import BUILD, SANITIZED, wait_for
from test_channel import ASKED, in_loop

sys.path.insert(0, str(BUILD / "libexec/python"))
import svd  # noqa: E402


@pytest.fixture
def w(fleet):
    f = fleet(ASKED)
    in_loop(f, "w")
    with svd.Worker("w", socket=str(f.run / "control.sock"), timeout=30) as one:
        one.fleet = f
        yield one


def test_values_go_there_and_come_back(w):
    w.run("x = 5")
    assert w.load("x + 1") == 6
    assert w.call("add", a=1, b=2) == 3
    assert w.call("add", 2) == 3
    assert w.call("echo", [1], {"a": None}, 2**70, "\u20ac\n") == [
        [1], {"a": None}, 2**70, "\u20ac\n"]
    assert w.run("x") is None
    assert w.ping() is None
    for value in ("x" * 65534, "x" * 65535, "y" * (5 << 20), ["z\n" * 100000],
                  "\u20ac" * 100000, '"' * 100000):
        w.store("value", value)
        assert w.load("value") == value
        assert w.load("len(value)") == len(value)
    w.run("y = 1 #" + "-" * 100000)
    assert w.load("y " + " " * 100000) == 1


@pytest.mark.parametrize("code,kind,text", [
    ("{}['k']", KeyError, "'k'"), ("1 / 0", ZeroDivisionError, "division"),
    ("open('/no/such')", FileNotFoundError, "No such file"),
    ("int('x')", ValueError, "invalid literal"), ("(", SyntaxError, "never"),
    ("[].x", AttributeError, "no attribute"),
    ("next(iter(()))", StopIteration, "")])
def test_builtin_exceptions_are_raised_as_they_are(w, code, kind, text):
    with pytest.raises(kind, match=text) as raised:
        w.load(code)
    assert type(raised.value) is kind
    assert code in str(raised.value.__cause__) or kind is SyntaxError
    assert kind.__name__ in str(raised.value.__cause__)


@pytest.mark.parametrize("method,kind,message", [
    ("local", "__main__.local.<locals>.Local", "of a function"),
    ("odd", "__main__.Odd", "<no text>"), ("chain", "__main__.Named", "outer")])
def test_others_are_remote_errors(w, method, kind, message):
    with pytest.raises(svd.RemoteError, match=message) as raised:
        w.call(method)
    assert raised.value.type == kind
    assert message in raised.value.message
    assert raised.value.traceback.startswith("Traceback")
    if method == "local":
        assert raised.value.args_ == ["of a function", "{'a': 1}", str(2**70),
                                      "b'bytes'", 1.5, None]
    # One that cannot be made of its arguments is still of its type; nothing is
    # exited here.
    with pytest.raises(UnicodeDecodeError) as decoding:
        w.load("b'\\xff'.decode()")
    assert "codec can't decode" in str(decoding.value.__cause__)
    with pytest.raises(svd.RemoteError, match="GeneratorExit"):
        w.run("raise GeneratorExit")


def test_deaths_times_and_refusals(w):
    with pytest.raises(TimeoutError) as raised:
        w.call("sleep", 0.5, timeout=0.1)
    assert raised.value.__cause__ is None
    assert w.call("echo", 1) == [1], "and the late answer is nobody's"
    with pytest.raises(svd.WorkerDied) as died:
        w.call("crash", 7)
    assert died.value.exit["code"] == 7
    with pytest.raises(svd.Refused) as refused:
        w.ping()
    assert refused.value.name == "NotRunning"
    with pytest.raises(TypeError):
        w.call("add", 1, b=2)
    with pytest.raises(ValueError):
        w.store("x", float("nan"))
    with pytest.raises(svd.Refused, match="NoSuchWorker: nobody"):
        svd.Worker("nobody", socket=w._connection.path).ping()
    with pytest.raises(FileNotFoundError):
        svd.Worker("w", socket="/no/such/socket").ping()


def test_it_goes_on_when_the_supervisor_is_killed(w):
    w.run("n = 0")
    threading.Timer(0.1, lambda: os.kill(w.fleet.supervisor(), 9)).start()
    w.run("import time; time.sleep(0.4); n += 1")
    assert w.load("n") == 1
    done = []

    def kill():
        while not done:
            w.fleet.kill_supervisor()
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for i in range(2, 60):
            w.run("n += 1")
            assert w.load("n") == i
    finally:
        done.append(1)
        killer.join()


def test_threads_share_one(w):
    errors = []

    def ask(n):
        for i in range(50):
            if w.call("echo", n, i) != [n, i]:
                errors.append((n, i))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


def test_the_socket_is_found_as_svctl_finds_it(w, monkeypatch, tmp_path):
    monkeypatch.setenv("SVD_SOCKET", w._connection.path)
    assert svd.Worker("w").load("1") == 1
    assert w.load("__import__('os').environ['SVD_SOCKET']") == \
        w._connection.path, "workers are told of it"
    monkeypatch.delenv("SVD_SOCKET")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="0 fleets"):
        svd.Worker("w")
    (tmp_path / "svd").mkdir()
    (tmp_path / "svd" / "test").symlink_to(w.fleet.run)
    assert svd.Worker("w").load("1") == 1


def test_one_that_hangs_ends_with_the_daemon_too(w):
    """A supervisor that is stopped answers nobody: the client's own time."""
    pid = w.fleet.supervisor()
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            w.ping(timeout=0.1)
        assert time.monotonic() - begun < 5 or SANITIZED
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: w.ping(timeout=5) is None)

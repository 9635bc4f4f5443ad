"""client: asks a worker by its channel, through svd's control socket.

    web = svd.Worker("web")
    web.run("count = 0")
    web.store("limits", [1, 2, 3])
    web.call("resize", 4)
    web.load("count + len(limits)")

For any program; in a worker of the same fleet too, but not for itself.
"""

import array
import builtins
import json
import math
import os
import random
import socket
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import serving

INTERFACE = "org.svd.Fleet."
RETRY_SECONDS = 0.02
GONE_SECONDS = 10    # without a daemon, after it was there
SLACK_SECONDS = 2    # for the daemon's own answer that it took too long


class Refused(Exception):
    """svd's own reason why not, in place of the worker's answer.

    name is that of the error, such as "NoSuchWorker".
    """

    def __init__(self, name: str, reason: Optional[str]) -> None:
        super().__init__(f"{name}: {reason}" if reason else name)
        self.name = name


class WorkerDied(Exception):
    """The worker ended before its answer. exit: as svctl -j status has it."""

    def __init__(self, name: str, exit: Dict[str, Any]) -> None:
        super().__init__(f"{name}: {exit['reason']}")
        self.exit = exit


class RemoteError(Exception):
    """An exception of the worker's that has no twin here.

    type, message and args_ are the exception's own, traceback its text.
    """

    def __init__(self, type: str, message: str, args: List[Any],
                 traceback: Optional[str]) -> None:
        super().__init__(f"{type}: {message}")
        self.type, self.message = type, message
        self.args_, self.traceback = args, traceback


class RemoteTraceback(Exception):
    """The cause of what is raised here: where it came from there."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def rebuild(told: Dict[str, Any]) -> Exception:
    """The exception itself where its type is built in and can be made so."""
    kind: Any = getattr(builtins, told["type"], None)
    error: Optional[Exception] = None
    if isinstance(kind, type) and issubclass(kind, Exception):
        makers: List[Callable[[], Any]] = [
            lambda: kind(*told["args"]), lambda: kind.__new__(kind)]
        for make in makers:
            try:
                made = make()
                made.args = tuple(told["args"])
            except Exception:
                continue
            error = made
            break
    if error is None:
        error = RemoteError(told["type"], told["message"], told["args"],
                            told["traceback"])
    error.__cause__ = RemoteTraceback(told["traceback"] or told["message"])
    return error


def find_socket() -> str:
    """As svctl does: SVD_SOCKET, or the one fleet that runs here."""
    path = os.environ.get("SVD_SOCKET")
    if path:
        return path
    base = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR")
    if not base:
        raise FileNotFoundError(
            "neither SVD_SOCKET nor XDG_RUNTIME_DIR is set")
    found = []
    parent = os.path.join(base, "svd")
    for name in os.listdir(parent) if os.path.isdir(parent) else []:
        path = os.path.join(parent, name, "control.sock")
        if not name.startswith(".") and os.path.exists(path):
            found.append(path)
    if len(found) != 1:
        raise FileNotFoundError(f"{len(found)} fleets run here, looked for "
                                f"{parent}/*/control.sock")
    return found[0]


class Connection:
    """One call after another; a call that is lost is made again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.sock: Optional[socket.socket] = None
        self.lock = threading.Lock()

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)

    def call(self, make_text: Callable[[bool], bytes], given: Optional[int],
             until: Optional[float]) -> Tuple[bytes, Optional[int]]:
        """The reply's text and its descriptor or None. make_text(again) makes
        the call's; given: a descriptor or None; until: a time or None."""
        with self.lock:
            again = False
            gone: Optional[float] = None
            while True:
                try:
                    if self.sock is None:
                        self.connect()
                    again, text, gone = True, make_text(again), None
                    return self.exchange(text, given, until)
                except socket.timeout:
                    self.close()
                    raise TimeoutError("svd does not answer") from None
                except (ConnectionError, FileNotFoundError):
                    self.close()
                    gone = gone or time.monotonic() + GONE_SECONDS
                    if not again or time.monotonic() > gone:
                        raise
                    time.sleep(RETRY_SECONDS)
                except BaseException:
                    self.close()  # the rest of the reply is nobody's
                    raise

    def exchange(self, text: bytes, given: Optional[int],
                 until: Optional[float]) -> Tuple[bytes, Optional[int]]:
        assert self.sock is not None
        self.patience(until)
        rights = [] if given is None else [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [given]))]
        sent = self.sock.sendmsg([text], rights)
        # Not of nothing: where svd has just died that would fail, and its
        # reply, which may be there, would be lost.
        if sent < len(text):
            self.sock.sendall(memoryview(text)[sent:])
        data, fds = bytearray(), array.array("i")
        while data[-1:] != b"\0":
            self.patience(until)
            part, extra, _, _ = self.sock.recvmsg(
                1 << 18, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
            for _, _, passed in extra:
                fds.frombytes(passed)
            if not part:
                raise ConnectionResetError("svd has closed the connection")
            data += part
        return data[:-1], fds[0] if fds else None

    def patience(self, until: Optional[float]) -> None:
        assert self.sock is not None
        if until is None:
            self.sock.settimeout(None)
            return
        left = until - time.monotonic()
        if left <= 0:
            raise socket.timeout
        self.sock.settimeout(left)


class Worker:
    """One worker of a fleet, "web" or "web:2", with `channel = rpc`.

    socket: the fleet's control socket, by default as svctl finds it. timeout:
    seconds for each request, None for ever; each method may be given another.

    What the worker raises is raised here, with its traceback as the cause:
    itself where its type is a built-in one, else a RemoteError. A worker that
    ends is WorkerDied; TimeoutError without a cause, the time is over, though
    what was asked may still be done; Refused, why svd did not ask. Each
    request is done at most once, also when svd's supervisor is killed
    meanwhile. May be used by several threads, which then wait for each other.
    """

    def __init__(self, name: str, socket: Optional[str] = None,
                 timeout: Optional[float] = None) -> None:
        self.name = name
        self.timeout = timeout
        self._connection = Connection(socket or find_socket())

    def run(self, code: str, *, timeout: Any = ...) -> None:
        """Has it run code, in a namespace that stays."""
        self._ask("Run", {}, code.encode("utf-8"), "code", timeout)

    def call(self, method: str, *args: Any, timeout: Any = ...,
             **named: Any) -> Any:
        """The value of one of its methods. All is JSON: either args or named
        ones."""
        if args and named:
            raise TypeError("arguments have names, or none has")
        value = _dump(named or list(args)) if args or named else b""
        return self._ask("Call", {"method": method}, value, "value", timeout)

    def store(self, key: str, value: Any, *, timeout: Any = ...) -> None:
        """Gives it a value, by that name in run's namespace."""
        self._ask("Store", {"key": key}, _dump(value), "value", timeout)

    def load(self, expression: str, *, timeout: Any = ...) -> Any:
        """The value of an expression."""
        return self._ask("Load", {}, expression.encode("utf-8"), "expression",
                         timeout)

    def ping(self, *, timeout: Any = ...) -> None:
        """Returns once it takes requests, and has done those before."""
        self._ask("Ping", {}, b"", "", timeout)

    def close(self) -> None:
        """Ends the connection; another request makes one again."""
        self._connection.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _ask(self, method: str, parameters: Dict[str, Any], value: bytes,
             key: str, timeout: Any) -> Any:
        timeout = self.timeout if timeout is ... else timeout
        parameters["name"] = self.name
        parameters["id"] = random.SystemRandom().getrandbits(63)
        parameters["called"] = math.floor(time.monotonic() * 1000)
        if method in ("Call", "Load"):
            parameters["large"] = True
        given = None
        if len(value) > serving.INLINE_MAX:
            given = serving.make_value(value)
            value = b""
        try:
            return self._exchange(method, parameters, value, key, given,
                                  timeout)
        finally:
            if given is not None:
                os.close(given)

    def _exchange(self, method: str, parameters: Dict[str, Any], value: bytes,
                  key: str, given: Optional[int],
                  timeout: Optional[float]) -> Any:
        until = None if timeout is None else time.monotonic() + timeout

        def make_text(again: bool) -> bytes:
            now = dict(parameters)
            if until is not None:
                now["timeout"] = max(until - time.monotonic(), 0.001)
            if again:
                now["again"] = True
            if value and key != "value":
                now[key] = value.decode("utf-8")
            text = json.dumps(now)
            if value and key == "value":  # as it is, to the last digit
                text = f'{text[:-1]},"value":{value.decode("utf-8")}}}'
            return (f'{{"method":"{INTERFACE}{method}",'
                    f'"parameters":{text}}}\0').encode()

        text, fd = self._connection.call(
            make_text, given, None if until is None else until + SLACK_SECONDS)
        try:
            return self._use(json.loads(text), fd)
        finally:
            if fd is not None:
                os.close(fd)

    def _use(self, reply: Dict[str, Any], fd: Optional[int]) -> Any:
        told = reply.get("parameters", {})
        if "error" in reply:
            raise self._error(reply["error"].rpartition(".")[2], told)
        if "bytes" in told and fd is not None:
            return serving.read_value(fd, told["bytes"])
        return told.get("value")

    def _error(self, name: str, told: Dict[str, Any]) -> Exception:
        if name == "WorkerException":
            return rebuild(told)
        if name == "WorkerDied":
            return WorkerDied(told["name"], told["exit"])
        if name == "TimedOut":
            return TimeoutError(f"{self.name} did not answer in time")
        return Refused(name, told.get("reason") or told.get("name")
                       or told.get("parameter"))


def _dump(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False,
                      separators=(",", ":")).encode("utf-8")

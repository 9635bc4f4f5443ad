"""serving: what svd asks this worker by its channel, svd-channel(7).

One request after another, in the thread that serves. What is asked is JSON or
text, what is answered is JSON: nothing is unpickled.
"""

import array
import contextlib
import fcntl
import json
import linecache
import mmap
import os
import select
import socket
import struct
import sys
import time
import traceback
from typing import Any, Callable, Dict, Optional, Tuple, Union

from . import heartbeat, heartbeat_interval

Bytes = Union[bytes, bytearray, mmap.mmap]
Asked = Tuple[int, int, int, str, Bytes]

MAGIC = 0x01435653
HEAD = struct.Struct("<IBBHQQIQ")
RUN, CALL, STORE, LOAD, PING = 1, 2, 3, 4, 5
IMPORTED, LOOP, RESULT, EXCEPTION, ANSWERED = 16, 17, 18, 19, 20
IN_MEMFD = 1
INLINE_MAX = 65536           # bytes of a value in a frame
PACKET_MAX = HEAD.size + 1024 + INLINE_MAX
SEEN_MAX = 1024              # requests that are known again
MESSAGE_MAX = 8192           # bytes of an exception's message
ARGS_MAX = 4096              # and of its arguments, as JSON
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

_QUOTE = ord('"')
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
# Control characters within strings do no harm.
_decoder = json.JSONDecoder(strict=False)


class Ended(Exception):
    """The channel has: svd has closed it, or is gone."""


def frame(kind: int, request: int = 0, value: bytes = b"", flags: int = 0,
          length: Optional[int] = None) -> bytes:
    if length is None:
        length = len(value)
    return HEAD.pack(MAGIC, kind, flags, 0, request, 0, 0, length) + value


def make_value(data: bytes) -> int:
    """A sealed memfd."""
    fd = os.memfd_create("svd-value", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_value(fd: int, size: int) -> Any:
    """The other way round: the value of JSON in a sealed memfd."""
    with mmap.mmap(fd, size, prot=mmap.PROT_READ) as data:
        return parse(data)


def parse(data: Bytes) -> Any:
    """The value of some JSON, bytes or a map of them."""
    size = len(data)
    if size > INLINE_MAX and data[0] == data[size - 1] == _QUOTE:
        # Much data is one string; this takes a tenth of the time.
        text = _text(data, 1, size - 1)
        if '"' not in text and "\\" not in text:
            return text
    text = _text(data).strip(" \t\r\n")
    value, end = _decoder.raw_decode(text)
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value


def _text(data: Bytes, start: int = 0, end: Optional[int] = None) -> str:
    with memoryview(data) as view, view[start:end] as part:
        return str(part, "utf-8")


class Channel:
    """This process's end of it."""

    def __init__(self, fd: int) -> None:
        self.sock = socket.socket(fileno=fd)
        self.sock.setblocking(True)
        self.sock.set_inheritable(False)
        self.buffer = bytearray(PACKET_MAX)
        self.view = memoryview(self.buffer)
        self.seen: Dict[int, None] = {}  # in the order they came in

    def receive(self, wait: bool) -> Optional[Asked]:
        """The next request: its type, number, deadline, name and value. None:
        there is none now."""
        try:
            size, ancillary, _, _ = self.sock.recvmsg_into(
                [self.buffer], socket.CMSG_SPACE(4),
                socket.MSG_CMSG_CLOEXEC | (0 if wait else socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None
        except ConnectionError:
            raise Ended from None
        if size == 0:
            raise Ended
        magic, kind, flags, _, request, deadline, name, length = \
            HEAD.unpack_from(self.buffer)
        if magic != MAGIC:
            raise Ended  # another version: svd does not speak to us
        start = HEAD.size + name
        name = str(self.view[HEAD.size:start], "utf-8")
        if not flags & IN_MEMFD:
            return kind, request, deadline, name, bytes(
                self.view[start:start + length])
        return kind, request, deadline, name, self.map(ancillary, length)

    def send(self, kind: int, request: int = 0, value: bytes = b"") -> None:
        try:
            if len(value) <= INLINE_MAX:
                self.sock.sendall(frame(kind, request, value))
                return
            fd = make_value(value)
            try:
                self.sock.sendmsg(
                    [frame(kind, request, b"", IN_MEMFD, len(value))],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                      array.array("i", [fd]))])
            finally:
                os.close(fd)
        except ConnectionError:
            raise Ended from None

    def is_new(self, request: int) -> bool:
        """A supervisor that was killed may have asked it before."""
        if request in self.seen:
            return False
        self.seen[request] = None
        if len(self.seen) > SEEN_MAX:
            del self.seen[next(iter(self.seen))]
        return True


    @staticmethod
    def map(ancillary: Any, length: int) -> mmap.mmap:
        """svd has looked whether it is sealed, and so long."""
        fds = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data)
        try:
            return mmap.mmap(fds[0], length, prot=mmap.PROT_READ)
        finally:
            for fd in fds:
                os.close(fd)


class Server:
    """What the requests are done with."""

    def __init__(self, methods: Any, namespace: Dict[str, Any]) -> None:
        self.methods = methods
        self.namespace = namespace
        self.runs = 0
        self.failed = ""  # the name of the code that did last
        self.does: Dict[int, Callable[[str, Bytes], Any]] = {
            RUN: self.run, CALL: self.call, STORE: self.store,
            LOAD: self.load, PING: lambda name, value: None}

    def run(self, _name: str, value: Bytes) -> None:
        self.runs += 1
        self.evaluate(_text(value), f"<run {self.runs}>", "exec")

    def load(self, _name: str, value: Bytes) -> Any:
        return self.evaluate(_text(value).strip(), "<load>", "eval")

    def evaluate(self, text: str, name: str, mode: str) -> Any:
        # For tracebacks: their lines are in no file.
        linecache.cache[name] = (
            len(text), None, text.splitlines(True), name)
        try:
            return eval(compile(text, name, mode), self.namespace)
        finally:
            # Until an exception has been described.
            if sys.exc_info()[0] is None:
                linecache.cache.pop(name, None)
            else:
                self.failed = name

    def store(self, name: str, value: Bytes) -> None:
        self.namespace[name] = parse(value)

    def call(self, name: str, value: Bytes) -> Any:
        method = self.find(name)
        if not value:
            return method()
        value = parse(value)
        if isinstance(value, list):
            return method(*value)
        if isinstance(value, dict):
            return method(**value)
        return method(value)

    def find(self, name: str) -> Callable[..., Any]:
        if hasattr(self.methods, "keys"):
            method: Any = self.methods.get(name)
        else:
            method = None if name.startswith("_") else \
                getattr(self.methods, name, None)
        if not callable(method):
            raise LookupError(f"there is no method '{name}'")
        found: Callable[..., Any] = method
        return found

    def answer(self, kind: int, deadline: int, name: str,
               value: Bytes) -> Tuple[int, bytes]:
        """The type of the answer, and its value."""
        if deadline and time.monotonic() * 1000 > deadline:
            return EXCEPTION, describe(
                TimeoutError("it was not begun before its deadline"))
        try:
            if kind not in self.does:
                raise NotImplementedError(f"a request of type {kind}")
            return RESULT, _encode(self.does[kind](name, value)).encode()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            described = describe(error)
            linecache.cache.pop(self.failed, None)
            _forget(error)
            return EXCEPTION, described


def _forget(error: BaseException) -> None:
    """Its frames would keep what the request has made."""
    try:
        traceback.clear_frames(error.__traceback__)
    except BaseException:
        pass


# --- exceptions --------------------------------------------------------------

def _attempt(make: Callable[[], Any], otherwise: Any) -> Any:
    """What code of the worker's makes; it may raise again, or make no text."""
    try:
        return make()
    except (SystemExit, KeyboardInterrupt):
        return otherwise
    except BaseException:
        return otherwise


def _cut(text: str, size: int) -> str:
    """At most so many bytes of UTF-8, without the middle."""
    data = text.encode("utf-8", "replace")
    if len(data) <= size:
        return data.decode()
    half = size // 2 - 8
    return (data[:half].decode("utf-8", "ignore") + "\n[...]\n"
            + data[-half:].decode("utf-8", "ignore"))


def _plain(value: Any, depth: int = 0) -> Any:
    """Itself where JSON has it and any reader takes it, else as text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int) and -2**63 <= value < 2**63:
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    if type(value) in (list, tuple) and depth < 4:
        return [_plain(one, depth + 1) for one in value]
    return _attempt(lambda: repr(value), f"<{type(value).__name__}>")


def _arguments(error: BaseException) -> Any:
    found = _attempt(lambda: [_plain(value) for value in error.args], [])
    if _attempt(lambda: len(_encode(found)), ARGS_MAX + 1) > ARGS_MAX:
        return []
    return found


def _traceback(error: BaseException) -> str:
    """From the worker's own code on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _name(error: BaseException) -> str:
    kind = type(error)
    name = str(kind.__qualname__)
    module = kind.__module__
    return name if module == "builtins" else f"{module}.{name}"


def describe(error: BaseException) -> bytes:
    """As JSON that a frame has room for."""
    trace = _attempt(lambda: _traceback(error), "")
    message = _cut(_attempt(lambda: str(error), "<no text>"), MESSAGE_MAX)
    told = {"type": _cut(_attempt(lambda: _name(error), "Exception"), 256),
            "message": message,
            "args": _arguments(error), "traceback": _cut(trace, INLINE_MAX)}
    size = INLINE_MAX
    while True:
        data = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
        if len(data) <= INLINE_MAX:
            return data
        size //= 2
        told["traceback"] = _cut(trace, size)
        if size < MESSAGE_MAX:
            told["message"] = _cut(message, size)


# --- the loop ----------------------------------------------------------------

_channel: Optional[Channel] = None
_server: Optional[Server] = None


def open_channel(number: Optional[int]) -> Optional[Channel]:
    """This process's channel, if it has one. number: of SVD_CHANNEL_FD."""
    global _channel
    if _channel is None and number is not None:
        _channel = Channel(number)
        # What it runs is no worker of svd's.
        os.environ.pop("SVD_CHANNEL_FD", None)
        _say(IMPORTED)
    return _channel


def _say(kind: int) -> None:
    assert _channel is not None
    try:
        _channel.send(kind)
    except Ended:
        pass


def begin(number: Optional[int], methods: Any,
          namespace: Optional[Dict[str, Any]]) -> bool:
    """False: there is no channel."""
    global _server
    if open_channel(number) is None:
        return False
    if _server is None:
        if namespace is None:
            namespace = {"__name__": "__svd__"}
        _server = Server({}, namespace)
        _say(LOOP)
    if methods is not None:
        _server.methods = methods
    if namespace is not None:
        _server.namespace = namespace
    return True


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        _attempt(lambda: stream.flush(), None)


def dispatch(wait: bool) -> bool:
    """One request. False: there was none. Raises Ended."""
    assert _channel is not None and _server is not None
    asked = _channel.receive(wait)
    if asked is None:
        return False
    kind, request, deadline, name, value = asked
    if not _channel.is_new(request):
        _channel.send(ANSWERED, request)
        return True
    answer = _server.answer(kind, deadline, name, value)
    del asked, value
    _flush()
    _channel.send(answer[0], request, answer[1])
    return True


class Heart:
    """Beats as the loop turns, where that is expected of this process: what
    is asked has nine tenths of the watchdog at least."""

    def __init__(self) -> None:
        self.last = float("-inf")

    def wait(self, fd: Optional[int]) -> bool:
        """For the descriptor, or for ever. False: no heartbeat is expected,
        and it has not waited."""
        interval = heartbeat_interval()
        if interval is None:
            return False
        now = time.monotonic()
        if now - self.last >= interval / 5:
            self.last = now
            with contextlib.suppress(OSError):
                heartbeat()
        poll = select.poll()
        if fd is not None:
            poll.register(fd, select.POLLIN)
        poll.poll(max(self.last + interval - now, 0) * 1000)
        return True


def serve() -> None:
    """Does not return: a worker goes on where svd does not."""
    assert _channel is not None
    heart = Heart()
    with contextlib.suppress(Ended):
        while True:
            dispatch(not heart.wait(_channel.sock.fileno()))
    while True:
        if not heart.wait(None):
            select.select([], [], [])

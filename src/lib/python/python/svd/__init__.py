"""svd: what a worker of svd may call, the twin of <svd/worker.h>.

    import svd

    svd.ready()
    while True:
        work()
        svd.status("42 orders done")
        svd.heartbeat()

Works for workers of any kind, and does nothing in a process that svd did not
start, or where nobody wants to know. On a Python floor it is there; a worker
that is executed finds it by PYTHONPATH. Described in svd.worker(3).

The functions that tell svd something return True if it was told, False if
nobody wants to know, and raise OSError where it fails. What is told again and
again, status() and heartbeat(), is no reason to end a worker: where svd is
away, or has not read what it was told before, they return False. They may be
called by any thread.

With `channel = rpc` a worker can be asked, svd.serve(), and any program may
ask it, svd.Worker("web").run("print(1)"): svd-channel(7).
"""

import faulthandler
import os
import signal
import socket
import stat
import sys
from typing import Any, Dict, Optional

__all__ = ["ready", "status", "heartbeat", "heartbeat_interval", "name",
           "fleet", "instance", "generation", "serve", "dispatch",
           "channel_fd", "Worker", "RemoteError", "WorkerDied", "Refused"]

_STATUS_MAX = 1016  # bytes
_IMPORTED = b"SVC\1\x10" + bytes(31)  # a frame, svd-channel(7)
_told_ready_fd = False


def ready() -> bool:
    """This worker is ready, and what requires it may start.

    Says READY=1 to NOTIFY_SOCKET, as sd_notify(3) does, and writes a newline
    to SVD_READY_FD, which is closed then; whichever there is. May wait until
    svd has room for it.
    """
    failed = None
    told = False
    try:
        told = _tell_ready_fd()
    except OSError as error:
        failed = error
    told = _notify(b"READY=1", 0) or told
    if failed is not None:
        raise failed
    return told


def status(text: str) -> bool:
    """One line on what it is doing, for people (STATUS=). Never waits.

    Newlines become blanks; what is behind 1016 bytes is cut off.
    """
    data = text.encode("utf-8", "replace").replace(b"\n", b" ")
    if len(data) > _STATUS_MAX:  # not in the middle of a character
        data = data[:_STATUS_MAX].decode("utf-8", "ignore").encode()
    return _mention(b"STATUS=" + data)


def heartbeat() -> bool:
    """It is alive (WATCHDOG=1). Never waits.

    To be called at least every heartbeat_interval() seconds.
    """
    return _mention(b"WATCHDOG=1")


def heartbeat_interval() -> Optional[float]:
    """Half of the time within which a heartbeat is expected, in seconds.

    None where none is, or where it is expected of another process
    (WATCHDOG_USEC, WATCHDOG_PID).
    """
    usec = _number("WATCHDOG_USEC")
    pid = _number("WATCHDOG_PID")
    if not usec or pid not in (None, os.getpid()):
        return None
    return usec / 2000000


def name() -> Optional[str]:
    """Its name, such as "web:2" (SVD_WORKER); None: svd did not start it."""
    return os.environ.get("SVD_WORKER")


def fleet() -> Optional[str]:
    """The name of its fleet (SVD_FLEET); None: svd did not start it."""
    return os.environ.get("SVD_FLEET")


def instance() -> Optional[int]:
    """Its instance number, from 0 (SVD_INSTANCE); None: there is none."""
    return _number("SVD_INSTANCE")


def generation() -> int:
    """How often it has been started, from 1 (SVD_GENERATION); 0: never."""
    return _number("SVD_GENERATION") or 0


def serve(methods: Any = None,
          namespace: Optional[Dict[str, Any]] = None) -> bool:
    """Does what svctl run, call, store and load ask, with `channel = rpc`.

    methods: of call; functions by their names, or an object whose public
    methods they are. namespace: of run, store and load; a dictionary, by
    default a new one. What is asked is done in this thread, one after another.
    SystemExit and KeyboardInterrupt end serve() as they end a program.

    Returns False at once where svd gives this process no channel; otherwise
    not at all: once the channel has ended it only waits.
    """
    from . import serving
    if not serving.begin(_number("SVD_CHANNEL_FD"), methods, namespace):
        return False
    serving.serve()
    return True


def dispatch(methods: Any = None,
             namespace: Optional[Dict[str, Any]] = None) -> bool:
    """Does what serve() does, for a program with a loop of its own.

    One request, if there is one; never waits for it. To be called whenever
    channel_fd() can be read. True: there was one. Raises EOFError once the
    channel has ended, or where there is none.
    """
    from . import serving
    if not serving.begin(_number("SVD_CHANNEL_FD"), methods, namespace):
        raise EOFError("svd gives this process no channel")
    try:
        return serving.dispatch(False)
    except serving.Ended:
        raise EOFError("the channel has ended") from None


def channel_fd() -> Optional[int]:
    """The descriptor to watch for dispatch(); None: there is no channel."""
    from . import serving
    channel = serving.open_channel(_number("SVD_CHANNEL_FD"))
    return None if channel is None else channel.sock.fileno()


def __getattr__(key: str) -> Any:
    """The client's part is loaded where it is used."""
    if key not in ("Worker", "RemoteError", "WorkerDied", "Refused"):
        raise AttributeError(f"module 'svd' has no attribute '{key}'")
    from . import client
    return getattr(client, key)


def _say_imported() -> None:
    """So that svd can tell a program that is broken from what was asked of
    it. In a child of a worker the number may be any file's."""
    fd = _number("SVD_CHANNEL_FD")
    if fd is None:
        return
    try:
        channel = socket.socket(fileno=fd)
    except OSError:
        return
    try:
        if channel.type == socket.SOCK_SEQPACKET:
            channel.send(_IMPORTED, socket.MSG_DONTWAIT)
    except OSError:
        pass
    finally:
        channel.detach()


def _offer_stacks() -> None:
    """For `svctl dump`, as svd-floors(7) has it: at a signal the stacks of all
    threads are written to a memfd whose name says which. On a Python floor
    this is done already."""
    sig = signal.SIGRTMAX - 4
    if name() is None or "svdfloor.stacks" in sys.modules or \
            signal.getsignal(sig) is not signal.SIG_DFL:
        return
    try:
        fd = os.memfd_create("svd-dump:%d" % sig)
        faulthandler.register(sig, file=fd, all_threads=True)
    except (OSError, AttributeError, RuntimeError):
        pass


def _number(key: str) -> Optional[int]:
    text = os.environ.get(key, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _notify(message: bytes, flags: int) -> bool:
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return False
    if path[0] not in "/@":
        raise OSError(97, "NOTIFY_SOCKET is neither a path nor abstract", path)
    address = os.fsencode(path)
    if path[0] == "@":
        address = b"\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(message, flags | socket.MSG_NOSIGNAL, address)
    return True


def _mention(message: bytes) -> bool:
    """What is no loss if svd is not there to hear it."""
    try:
        return _notify(message, socket.MSG_DONTWAIT)
    except (BlockingIOError, ConnectionRefusedError, FileNotFoundError):
        return False


def _tell_ready_fd() -> bool:
    """Once: the number may be another file's afterwards. In a child of a
    worker it may be so at once, so that it is looked at."""
    global _told_ready_fd
    fd = _number("SVD_READY_FD")
    if fd is None or _told_ready_fd:
        return False
    try:
        mode = os.fstat(fd).st_mode
    except OverflowError:
        mode = 0
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        raise OSError(9, "SVD_READY_FD is neither a pipe nor a socket")
    _told_ready_fd = True
    try:
        os.write(fd, b"\n")
    finally:
        os.close(fd)
    return True


_say_imported()
_offer_stacks()

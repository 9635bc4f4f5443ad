"""floorkit: plays svd for a floor, with nothing of svd.

    with FakeSvd([SVD, "-P", "floor", "--", LIBRARY]) as svd:
        svd.loaded()
        worker = svd.fork()
        worker.start("libapp.so:status", "3")
        assert worker.wait() == 3

As in svd, who plays it is a child subreaper, so what the floor forks is its
own child; and what a worker does not say over its line it says by its status.
"""

import array
import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import tempfile
import time

from svdtest import SANITIZED, SLOW, alive, children, wait_for

PR_SET_CHILD_SUBREAPER = 36
PACKET_MAX = 64 * 1024
_libc = ctypes.CDLL(None, use_errno=True)


def set_subreaper(on):
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


class Packet:
    """A verb, its fields in order, and descriptors by their names."""

    def __init__(self, data, fds):
        assert data.endswith(b"\0"), data
        self.verb, *words = data[:-1].decode(errors="replace").split("\0")
        self.fields = [tuple(word.split("=", 1)) for word in words]
        names = self.all("fd")
        assert len(names) == len(fds), (self.fields, fds)
        self.fds = dict(zip(names, fds))

    def all(self, key):
        return [value for name, value in self.fields if name == key]

    def get(self, key, default=None):
        return next(iter(self.all(key)), default)

    def __repr__(self):
        return f"{self.verb} {self.fields}"


def encode(words):
    return b"".join(
        (w if isinstance(w, bytes) else str(w).encode()) + b"\0"
        for w in words)


class Line:
    """One end of a SEQPACKET pair."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, verb, *fields, fds=(), flags=0):
        """fields: (key, value) each; fds: (name, descriptor) each."""
        words = [verb, *(f"{k}={v}" for k, v in fields),
                 *(f"fd={name}" for name, _ in fds)]
        self.send_raw(encode(words), [fd for _, fd in fds], flags)

    def send_raw(self, data, fds=(), flags=0):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                   array.array("i", fds))] if fds else []
        self.sock.sendmsg([data], rights, flags)

    def recv(self, timeout=10):
        """The next packet, or None at the end."""
        ready = select.select([self.sock], [], [], timeout * SLOW)[0]
        assert ready, f"no packet within {timeout * SLOW} s"
        try:
            data, control, flags, _ = self.sock.recvmsg(
                PACKET_MAX, socket.CMSG_SPACE(64 * 4))
        except ConnectionResetError:
            return None
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        fds = array.array("i")
        for _, _, rights in control:
            fds.frombytes(rights)
        for fd in fds:
            os.set_inheritable(fd, False)
        return Packet(data, fds) if data else None

    def expect(self, verb, timeout=10):
        packet = self.recv(timeout)
        assert packet is not None and packet.verb == verb, packet
        return packet

    def close(self):
        self.sock.close()


def fields_fd(words):
    """A memfd with these fields, as START carries it."""
    fd = os.memfd_create("fields")
    os.write(fd, encode(words))
    return fd


class Worker(Line):
    """What came of a FORK: a spare, and after start() a worker."""

    def __init__(self, packet):
        super().__init__(socket.socket(fileno=packet.fds["line"]))
        self.pid = int(packet.get("pid"))
        self.token = int(packet.get("token"))
        self.way = packet.get("way")
        self.pidfd = packet.fds.get("pidfd", -1)
        self.status = None

    def start_only(self, entry, *args, env=None, name="web:0", instance=0,
                   stdin=None, stdout=None, stderr=None, directory="/",
                   umask="022", more=()):
        """START; more: further (key, value) fields, as uid, gid, group."""
        words = [f"entry={entry}", *(f"arg={a}" for a in args),
                 *(f"env={k}={v}" for k, v in (env or {}).items()),
                 f"name={name}", f"instance={instance}", f"umask={umask}",
                 f"directory={directory}", *(f"{k}={v}" for k, v in more)]
        fields = fields_fd(words)
        fds = [("fields", fields)]
        fds += [(str(i), f if isinstance(f, int) else f.fileno())
                for i, f in enumerate((stdin, stdout, stderr))
                if f is not None]
        try:
            self.send("START", fds=fds)
        finally:
            os.close(fields)

    def start(self, entry, *args, **options):
        """START and STARTED. The worker itself."""
        self.start_only(entry, *args, **options)
        self.expect("STARTED")
        return self

    def ended(self):
        """Whether it has ended; .status is then as subprocess has it."""
        if self.status is None:
            # It becomes our child when whoever announced it has ended, which
            # is next.
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, timeout=10):
        wait_for(self.ended, timeout, f"the end of worker {self.pid}")
        return self.status

    def run(self, entry, *args, **options):
        """Starts it with a file for its output. (exit status, text)"""
        with tempfile.TemporaryFile() as out:
            self.start(entry, *args, stdout=out, stderr=out, **options)
            status = self.wait()
            out.seek(0)
            return status, out.read().decode(errors="replace")

    def close(self):
        super().close()
        if self.pidfd != -1:
            os.close(self.pidfd)
            self.pidfd = -1


class FakeSvd(Line):
    """A floor's process and svd's end of its socket.

    env: added to our own. fd: the number of SVD_FLOOR_FD in the floor. Further
    options are subprocess.Popen's. What it and its workers write without a
    stream of their own is self.output().
    """

    def __init__(self, argv, env=None, fd=3, **options):
        self.argv, self.floor_fd, self.options = list(map(str, argv)), fd, \
            options
        self.env = {**os.environ, "SVD_FLEET": "test", "SVD_FLOOR": "F",
                    "SVD_FLOOR_GENERATION": "1", "SVD_FLOOR_FD": str(fd),
                    **(env or {})}
        self.workers, self.tokens = [], 0
        self.out = tempfile.TemporaryFile()
        self.others = set()
        self.proc = None

    def __enter__(self):
        set_subreaper(True)
        self.others = set(children(os.getpid()))
        ours, theirs = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        super().__init__(ours)
        first = self.options.pop("preexec_fn", None)

        def place():
            for fd in map(int, os.listdir("/proc/self/fd")):
                if fd > 2:
                    with contextlib.suppress(OSError):
                        os.set_inheritable(fd, False)
            # It is inheritable where it is not there already.
            if theirs.fileno() == self.floor_fd:
                os.set_inheritable(self.floor_fd, True)
            else:
                os.dup2(theirs.fileno(), self.floor_fd)
            if first:
                first()

        with theirs:
            self.proc = subprocess.Popen(
                self.argv, env=self.env, stdin=subprocess.DEVNULL,
                stdout=self.out, stderr=self.out, preexec_fn=place,
                close_fds=False, start_new_session=True, **self.options)
        return self

    def __exit__(self, kind, *_):
        """Ends all, and proves that nothing is left that was not told of."""
        try:
            self.close()
            for worker in self.workers:
                worker.close()
            # While it looks for leaks at its end, it has a child for that.
            if SANITIZED and kind is None:
                self.proc.wait(10 * SLOW)
            if self.proc.poll() is None:
                self.proc.kill()
            self.proc.wait()
            for worker in self.workers:
                if not worker.ended():
                    os.kill(worker.pid, signal.SIGKILL)
                    worker.wait()
            if kind is None:
                wait_for(lambda: not self.left(), 5, "the end of orphans")
        finally:
            for pid in self.left():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            set_subreaper(False)
            if kind is not None:
                print(f"--- output of the floor:\n{self.output()}")
            self.out.close()

    def left(self):
        """What lives and was not told of; those that ended silently, as one
        who was never announced does, are reaped."""
        left = []
        known = {self.proc.pid, *(w.pid for w in self.workers)}
        for pid in set(children(os.getpid())) - self.others - known:
            if alive(pid):
                left.append(pid)
                continue
            _, status = os.waitpid(pid, 0)
            assert status == 0, f"orphan {pid} ended with {status}"
        return left

    def output(self):
        self.out.seek(0)
        return self.out.read().decode(errors="replace")

    def loaded(self, timeout=10):
        return self.expect("LOADED", timeout)

    def ask(self):
        """FORK. Its token."""
        self.tokens += 1
        self.send("FORK", ("token", self.tokens))
        return self.tokens

    def forked(self, timeout=10):
        """FORKED. The worker."""
        worker = Worker(self.expect("FORKED", timeout))
        self.workers.append(worker)
        return worker

    def fork(self, timeout=10):
        token = self.ask()
        worker = self.forked(timeout)
        assert worker.token == token
        return worker

    def run(self, entry, *args, **options):
        """(exit status, output) of a new worker."""
        return self.fork().run(entry, *args, **options)

    def wait(self, timeout=10):
        """The exit status of the floor."""
        return self.proc.wait(timeout * SLOW)


def measure(call, times):
    """Milliseconds of each of so many calls, sorted."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        took.append((time.perf_counter() - begin) * 1000)
    return sorted(took)

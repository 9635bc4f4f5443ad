"""attach: svctl attach on a terminal of one's own, or on pipes."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from svdtest import SLOW

DETACH = b"\x1d"  # ctrl-]


class Terminal:
    """A program on a terminal, and all it has shown so far."""

    def __init__(self, words, env, rows=24, columns=80):
        self.seen = b""
        master, slave = pty.openpty()
        self.fd = master
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.proc = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text if isinstance(text, bytes) else text.encode())

    def read(self, wait):
        if select.select([self.fd], [], [], wait)[0]:
            with contextlib.suppress(OSError):
                self.seen += os.read(self.fd, 1 << 16)

    def expect(self, text, timeout=10):
        """Waits for text behind what was expected before; what was shown up
        to there."""
        text = text if isinstance(text, bytes) else text.encode()
        deadline = time.monotonic() + timeout * SLOW
        while text not in self.seen:
            assert time.monotonic() < deadline, (text, self.seen)
            self.read(0.05)
        before, _, self.seen = self.seen.partition(text)
        return before

    def modes(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return not self.modes()[3] & termios.ICANON

    def end(self, timeout=10):
        """Waits for its end; the exit status."""
        deadline = time.monotonic() + timeout * SLOW
        while self.proc.poll() is None:
            assert time.monotonic() < deadline, self.seen
            self.read(0.02)
        self.read(0)
        return self.proc.returncode

    def detach(self):
        self.type(DETACH)
        return self.end()

    def close(self):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGKILL)
            self.proc.wait()
        os.close(self.slave)
        os.close(self.fd)


def attach_words(fleet, name, *options):
    return [*fleet.svctl_words(), *options, "attach", name]


@contextlib.contextmanager
def terminal(fleet, name, *options, **kwargs):
    """svctl attach on a terminal."""
    t = Terminal(attach_words(fleet, name, *options), fleet.env, **kwargs)
    try:
        yield t
    finally:
        t.close()


@contextlib.contextmanager
def pipes(fleet, name, *options, **kwargs):
    """svctl attach on pipes."""
    kwargs = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
              "stderr": subprocess.PIPE, **kwargs}
    proc = subprocess.Popen(attach_words(fleet, name, *options),
                            env=fleet.env, **kwargs)
    try:
        yield proc
    finally:
        if proc.poll() is None:
            proc.kill()
        for stream in (proc.stdin, proc.stdout, proc.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        proc.wait()

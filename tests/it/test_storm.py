"""Never starved: workers that ignore TERM, hold their locks, fill their pipes,
close their channel and sleep, and flood SIGCHLD. Meanwhile svctl is answered,
a kill kills, and ^C on svd's terminal starts the stop; a second one ends
everything, whoever else hangs."""

import contextlib
import ctypes
import fcntl
import itertools
import os
import platform
import pty
import shlex
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from svdtest import (BUILD, SANITIZED, SLOW, SVCTL, act, alive, children,
                     command_line, marked, wait_for)

HOSTILE = str(BUILD / "tests" / "hostile")
CRASHERS = 20
SYS_PIDFD_GETFD = 438
SYS_SCHED_SETATTR, SYS_SCHED_GETATTR = (
    (314, 315) if platform.machine() == "x86_64" else (274, 275))
PINGS = 100000  # more than any socket holds


def text(directory):
    """Each of them would have an hour to stop, and does not."""
    def hostile(way, *words):
        return shlex.join([HOSTILE, way, *map(str, words)])

    return f"""
[fleet]
name = test
[worker:calm]
command = {act('on-exit', 15, 0, 'note', 'calm', 'pause')}
directory = {directory}
numprocs = 4
[worker:lock]
command = {hostile('lock', directory / 'lock.%n')}
channel = rpc
numprocs = 2
stop_timeout = 1h
[worker:flood]
command = {hostile('flood')}
numprocs = 2
stdout = file:{directory}/flood.%n
log_size = 1M
log_keep = 1
stop_timeout = 1h
[worker:breed]
command = {hostile('breed')}
stop_timeout = 1h
[worker:crash]
command = {act('exit', 1)}
numprocs = {CRASHERS}
backoff_delay = 0
backoff_limit = 1ms
stop_timeout = 1h
"""


class OnTerminal:
    """A fleet whose svd is in the foreground of a terminal of its own."""

    def __init__(self, make):
        self.svctl = None  # that has asked for an upgrade
        self.master, self.slave = pty.openpty()
        self.f = make(
            "", launch=False, stdin=self.slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.f.ini.write_text(text(self.f.dir))
        self.f.start()
        os.close(self.slave)
        self.f.running("calm:0", "calm:1", "lock:0", "lock:1", "flood:0",
                       "flood:1", "breed")

    def interrupt(self):
        """^C, as the terminal sends it."""
        os.write(self.master, b"\x03")

    def role(self, name):
        """The pid of svd's process of this role, without asking svd. The kernel
        leaves out some children while others end, and a role may have just been
        replaced."""
        def look():
            return next((pid for pid in children(self.f.keeper)
                         if any(word.startswith(b"%s=" % name.encode())
                                for word in command_line(pid))), 0)

        return wait_for(look, what=f"a process svd: {name}", every=0.001)


@pytest.fixture
def storm(fleet):
    one = OnTerminal(fleet)
    yield one
    if one.f.proc.poll() is None:  # nobody there ends by TERM
        one.f.signal(signal.SIGQUIT)
        one.f.end()
    os.close(one.master)


def gone(pid, timeout):
    wait_for(lambda: not alive(pid), timeout, f"{pid} is gone")


def test_status_is_answered_and_a_kill_kills(storm):
    f = storm.f
    killed = {name: f.worker(name)["pid"]
              for name in ("calm:2", "lock:1", "flood:1", "breed")}
    for name, pid in killed.items():
        assert pid
        f.ctl("kill", name)
        assert not alive(pid), name
    for name, pid in killed.items():
        f.wait(name, state="RUNNING", pid=lambda new, old=pid: new != old)
    took = []
    for _ in range(10):
        begun = time.monotonic()
        assert len(f.status()["workers"]) == 9 + CRASHERS
        took.append(time.monotonic() - begun)
    assert sorted(took)[5] < 0.5 * SLOW, took


# --- turns at a processor --------------------------------------------------------

def turn(pid, own=None):
    """Its length in ns, as sched_getattr(2) tells; after setting our own."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(48)
    if own is not None:
        struct.pack_into("=II", attributes, 0, 48, os.SCHED_OTHER)
        struct.pack_into("=Q", attributes, 24, own)
        assert libc.syscall(SYS_SCHED_SETATTR, 0, attributes, 0) == 0
    if libc.syscall(SYS_SCHED_GETATTR, pid, attributes, 48, 0) == -1:
        raise OSError(ctypes.get_errno(), f"sched_getattr of {pid}")
    return struct.unpack_from("=Q", attributes, 24)[0]


def test_only_the_supervisor_has_short_turns(fleet):
    """On a kernel that has them; elsewhere all are the same."""
    usual, shortest = turn(0), turn(0, 1)
    turn(0, 0)
    f = fleet("[worker:w]\ncommand = /bin/sleep 1000\n"
              "[worker:log]\ncommand = /bin/sleep 1000\nstdout = log\n"
              f"[worker:asks]\ncommand = {act('pause')}\n"
              f"ready = command:{act('pause')}\nstart_timeout = 1h\n")
    f.running("w", "log")
    asks = wait_for(lambda: f.worker("asks")["pid"])
    supervisor = f.supervisor()
    assert turn(supervisor) == shortest
    for thread in map(int, os.listdir(f"/proc/{f.keeper}/task")):
        assert turn(thread) == usual  # else it would interrupt the supervisor
    others = [pid for pid in children(f.keeper) if pid != supervisor]
    assert asks in others and len(others) >= 5, others
    for pid in others:  # a child of the supervisor has short ones up to its exec
        wait_for(lambda pid=pid: not alive(pid) or turn(pid) == usual,
                 what=command_line(pid))


# --- what else is wrong when ^C comes --------------------------------------------

def nothing(storm):
    pass


def stop_supervisor(storm):
    os.kill(storm.role("supervisor"), signal.SIGSTOP)


def stop_logger(storm):
    os.kill(storm.role("logger"), signal.SIGSTOP)


def stop_both(storm):
    stop_supervisor(storm)
    stop_logger(storm)


def reload(storm):
    """Everything is restarted by it, and most of that does not end."""
    f = storm.f
    f.ini.write_text(f.ini.read_text().replace(
        "stop_timeout = 1h", "environment = A=1\nstop_timeout = 1h"))
    f.ctl("--no-wait", "reload")


def upgrade(storm):
    f = storm.f
    asked = "asks for Upgrade"
    storm.svctl = subprocess.Popen(
        [SVCTL, "-r", str(f.run), "upgrade"], env=f.env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: asked in f.log(), what="an upgrade", every=0.001)


def upgrade_later(storm):
    """When the supervisor is the next one already, on trial."""
    before = storm.role("supervisor")
    upgrade(storm)
    wait_for(lambda: storm.role("supervisor") not in (0, before),
             what="another supervisor", every=0.001)


def peers():
    """Inode of a Unix socket to that of its other end, by sock_diag(7)."""
    request = struct.pack("=IHHIIBBHIIIII", 40, 20, 0x301, 0, 0, socket.AF_UNIX,
                          0, 0, 0xffffffff, 0, 4, 0, 0)
    found = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as s:
        s.send(request)
        while True:
            data, done = s.recv(1 << 20), False
            while data:
                size, kind = struct.unpack_from("=IH", data)
                done = done or kind == 3
                if kind == 20 and size >= 40:
                    inode, = struct.unpack_from("=I", data, 20)
                    found[inode], = struct.unpack_from("=I", data, 36)
                data = data[(size + 3) & ~3:]
            if done:
                return found


def inodes(pid):
    """Descriptor to inode, of sockets."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
            if link.startswith("socket:"):
                found[int(fd)] = int(link[8:-1])
    return found


def fill_socket(storm):
    """The keeper has no room to say anything to its supervisor."""
    supervisor, keeper = storm.role("supervisor"), storm.f.keeper
    word = next(word for word in command_line(supervisor)
                if word.startswith(b"supervisor="))
    end = inodes(supervisor)[int(word.split(b"=")[1].split(b",")[0])]
    number = {inode: fd for fd, inode in inodes(keeper).items()}[peers()[end]]
    stop_supervisor(storm)
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(keeper)
    copy = libc.syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
    os.close(pidfd)
    assert copy != -1, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=copy) as s:
        with pytest.raises(BlockingIOError):
            for _ in range(PINGS):
                s.send(b"\0", socket.MSG_DONTWAIT)


@pytest.mark.parametrize("trouble", [
    nothing, stop_supervisor, stop_logger, stop_both, reload, upgrade,
    upgrade_later, fill_socket])
def test_ctrl_c_starts_the_stop_and_a_second_one_ends_all(storm, trouble):
    f = storm.f
    calm = [w["pid"] for n, w in f.workers().items() if n.startswith("calm")]
    trouble(storm)
    storm.interrupt()
    wait_for(lambda: "stopping on signal 2" in f.log(), 5, every=0.001)
    # Whoever is asked nicely ends by it, also without a supervisor.
    if trouble is not reload:
        for pid in calm:
            gone(pid, 5)
    begun = time.monotonic()
    storm.interrupt()
    assert f.end() == 128 + signal.SIGINT
    # At once; the machine is shared with other tests.
    assert time.monotonic() - begun < 3 * SLOW
    if storm.svctl:
        storm.svctl.wait(20 * SLOW)
    assert marked(f.id, f.run) == []


def test_signals_never_fill_what_they_wake(storm):
    """A hundred thousand of them, some of which queue up, in front of ^C."""
    f, over = storm.f, threading.Event()
    sigs = (signal.SIGCHLD, signal.SIGWINCH, signal.SIGPIPE, signal.SIGUSR1,
            signal.SIGRTMIN + 1, signal.SIGRTMIN + 2, signal.SIGCONT)

    def pester():
        """Up to its end, when LeakSanitizer stops it to look at its memory; a
        SIGCONT would take that stop away, for which its tracer then waits."""
        for sig in itertools.cycle(sigs[:-1]):
            if over.is_set():
                return
            with contextlib.suppress(ProcessLookupError, BlockingIOError):
                os.kill(f.keeper, sig)

    stop_supervisor(storm)  # who is told of them, and does not listen
    pid = f.keeper
    for i in range(100000 // SLOW):
        with contextlib.suppress(BlockingIOError):
            os.kill(pid, sigs[i % len(sigs)])
    os.kill(storm.role("supervisor"), signal.SIGCONT)
    assert f.svctl("ping").rc == 0
    thread = threading.Thread(target=pester)
    thread.start()
    try:
        storm.interrupt()
        wait_for(lambda: "stopping on signal 2" in f.log(), 5, every=0.001)
        storm.interrupt()
        assert f.end() == 128 + signal.SIGINT
    finally:
        over.set()
        thread.join()
    assert marked(f.id, f.run) == []

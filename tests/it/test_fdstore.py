"""What is left with systemd in its store of descriptors, and comes back.

Here a store of the test's own; that of a real systemd is in test_systemd.py.
"""

import os
import signal
import socket
import sys

import pytest

from svdtest import SLOW, act, alive, wait_for

# Executes svd as systemd does: with these descriptors from 3 on.
PASS_ON = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 500)
       for fd in sys.argv[1].split(",")]
for to, fd in enumerate(fds, 3):
    os.dup2(fd, to)
os.environ["LISTEN_PID"] = os.environ.get("PID_IS", str(os.getpid()))
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
"""


class Store:
    """A NOTIFY_SOCKET that keeps what it is given: name -> descriptor."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.name = f"svdtest-store-{os.getpid()}-{id(self)}"
        self.sock.bind(f"\0{self.name}")
        self.sock.settimeout(10 * SLOW)
        self.fds = {}

    def take(self):
        text, fds, _, _ = socket.recv_fds(self.sock, 4096, 4)
        lines = dict(line.split("=", 1) for line in
                     text.decode().splitlines())
        name = lines.get("FDNAME")
        if "FDSTORE" in lines:
            assert lines["FDPOLL"] == "0" and len(fds) == 1
            assert name not in self.fds, f"{name} is stored twice"
            self.fds[name] = fds[0]
        elif "FDSTOREREMOVE" in lines:
            os.close(self.fds.pop(name))
        else:
            assert not fds and name is None

    def take_all(self):
        """What has been sent by now."""
        self.sock.setblocking(False)
        try:
            while True:
                self.take()
        except BlockingIOError:
            self.sock.settimeout(10 * SLOW)

    def until(self, look):
        while not look(self.fds):
            self.take()

    def close(self):
        self.sock.close()
        for fd in self.fds.values():
            os.close(fd)


@pytest.fixture
def store():
    s = Store()
    yield s
    s.close()


def start(fleet, store, text, **env):
    f = fleet(text, env={"NOTIFY_SOCKET": f"@{store.name}", "FDSTORE": "99",
                         **env})
    return f


def start_again(f, names, fds, **env):
    """Another svd in the place of f's, which is dead, with these."""
    f.before = [sys.executable, "-c", PASS_ON,
                ",".join(map(str, fds)), ":".join(names)]
    f.popen["pass_fds"] = list(fds)
    f.env.update(env)
    return f.start()


def kill_all(f):
    """SIGKILL to the keeper, and the end of what goes with it."""
    status = f.status()
    roles = [status["supervisor_pid"], status["logger_pid"]]
    os.kill(f.keeper, signal.SIGKILL)
    f.proc.wait()
    wait_for(lambda: not any(pid and alive(pid) for pid in roles))


def field(pid, name):
    """Of /proc/PID/status."""
    with open(f"/proc/{pid}/status") as status:
        return dict(line.split(":\t", 1) for line in status)[name]


def file_worker(f_or_dir, *words, name="w", **keys):
    lines = "".join(f"{k} = {v}\n" for k, v in keys.items())
    return (f"[worker:{name}]\ncommand = {act(*words)}\nrestart = no\n"
            f"stdout = file:{f_or_dir}/{name}.log\n{lines}")


def said(path):
    log = path / "w.log"
    return log.read_text() if log.exists() else ""


def leave_unread(fleet, store, tmp_path, words=("write", 1, "last words")):
    """A fleet that was killed before it could read what its worker wrote."""
    f = start(fleet, store,
              file_worker(tmp_path, *words, autostart="no"))
    store.until(lambda fds: "out%3Aw%3A0" in fds)
    os.kill(wait_for(lambda: f.status()["logger_pid"]), signal.SIGSTOP)
    f.ctl("start", "w")
    f.wait("w", state="EXITED")
    kill_all(f)
    store.take_all()
    return f


def test_what_was_not_read_when_all_of_svd_was_killed_is_not_lost(
        fleet, store, tmp_path):
    f = leave_unread(fleet, store, tmp_path)
    assert said(tmp_path) == ""
    start_again(f, store.fds.keys(), store.fds.values())
    wait_for(lambda: said(tmp_path) == "last words\n")


def test_that_a_worker_is_ready_is_heard_after_all_of_svd_was_killed(
        fleet, store, tmp_path):
    f = start(fleet, store, file_worker(
        tmp_path, "on", 10, "/proc/self/fd/4", "pause", ready="fd",
        start_timeout="1h"))
    pid = f.wait("w", state="STARTING", pid=bool)["pid"]
    store.until(lambda fds: "ready%3Aw%3A0" in fds)
    kill_all(f)
    store.take_all()
    wait_for(lambda: (int(field(pid, "SigCgt"), 16) >> 9) & 1)
    os.kill(pid, signal.SIGUSR1)
    start_again(f, store.fds.keys(), store.fds.values())
    assert f.wait("w", state="RUNNING")["pid"] == pid


def test_what_comes_from_elsewhere_is_closed(fleet, store, tmp_path):
    f = leave_unread(fleet, store, tmp_path)
    reading, writing = os.pipe()
    with open(tmp_path / "file", "w") as file:
        start_again(f, ["svd.socket", "out%3Aw%3A0", "cursors", "%zz",
                        "out%3Aodd%3A0", ""],
                    [writing, file.fileno(), writing, writing, writing,
                     writing])
    os.close(writing)
    # Nobody has it open any more.
    os.set_blocking(reading, False)
    assert os.read(reading, 1) == b""
    os.close(reading)
    f.ctl("start", "w")


def test_what_was_meant_for_another_process_is_closed(fleet, store, tmp_path):
    f = leave_unread(fleet, store, tmp_path)
    start_again(f, store.fds.keys(), store.fds.values(), PID_IS="1")
    f.ctl("start", "w")
    wait_for(lambda: said(tmp_path) == "last words\n")


def test_of_two_of_one_name_the_newer_is_taken(fleet, store, tmp_path):
    f = leave_unread(fleet, store, tmp_path)
    reading, writing = os.pipe()
    os.write(writing, b"older words\n")
    os.close(writing)
    start_again(f, [*store.fds, "out%3Aw%3A0"],
                [*store.fds.values(), reading])
    os.close(reading)
    wait_for(lambda: said(tmp_path) == "last words\n")


def test_what_is_dropped_is_removed(fleet, store, tmp_path):
    f = start(fleet, store, file_worker(tmp_path, "pause") +
              file_worker(tmp_path, "pause", name="other"))
    store.until(lambda fds: "out%3Aother%3A0" in fds)
    f.ini.write_text(f.ini.read_text().split("[worker:other]")[0])
    f.ctl("reload")
    store.until(lambda fds: "out%3Aother%3A0" not in fds)
    assert "out%3Aw%3A0" in store.fds


def test_nothing_is_stored_where_no_store_was_promised(
        fleet, store, tmp_path):
    f = start(fleet, store, file_worker(tmp_path, "pause"), FDSTORE="0")
    f.running()
    f.ctl("restart", "w")
    f.stop()
    store.take_all()
    assert not store.fds

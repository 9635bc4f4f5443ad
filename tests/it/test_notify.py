"""What svd tells who has started it with NOTIFY_SOCKET, as systemd does.

A real systemd is in test_systemd.py; here is what can be shown without one.
"""

import os
import signal
import socket

import pytest

from svdtest import SLOW, act, floor, on_floor, wait_for


class Notified:
    """The socket, and what came: a dict of assignments for each datagram."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"svdtest-{os.getpid()}-{id(self)}"
        self.sock.bind(f"\0{name}")
        self.sock.settimeout(10 * SLOW)
        self.address = f"@{name}"
        self.got = []

    def hear(self):
        text = self.sock.recv(4096).decode()
        assert text.endswith("\n")
        self.got.append(dict(line.split("=", 1)
                             for line in text.splitlines()))
        return self.got[-1]

    def until(self, look):
        """Hears until look(datagram) is true; that datagram."""
        while True:
            said = self.hear()
            if look(said):
                return said

    def until_status(self, part):
        return self.until(lambda said: part in said.get("STATUS", ""))

    def silent(self, seconds):
        self.sock.settimeout(seconds)
        with pytest.raises(TimeoutError):
            self.hear()
        self.sock.settimeout(10 * SLOW)


@pytest.fixture
def notified():
    n = Notified()
    yield n
    n.sock.close()


def worker(name, *words, **keys):
    lines = "".join(f"{k} = {v}\n" for k, v in keys.items())
    return f"[worker:{name}]\ncommand = {act(*words)}\n{lines}"


def test_ready_is_said_once_each_worker_was_started_or_has_failed(
        fleet, notified):
    f = fleet(floor() +
              "[worker:w]\nnumprocs = 2\n" + on_floor("pause") + "\n" +
              worker("down", "pause", autostart="no") +
              "[worker:odd]\ncommand = /nonexistent\n",
              env={"NOTIFY_SOCKET": notified.address})
    said = notified.until(lambda s: "READY" in s)
    assert said["READY"] == "1"
    assert said["STATUS"] == (
        "running: 3 of 4 workers as wanted; odd BACKOFF")
    assert all(s.get("STATUS", "starting").startswith("starting")
               for s in notified.got[:-1])
    assert {w["state"] for w in f.workers().values()} == {
        "RUNNING", "STOPPED", "BACKOFF"}


def test_a_change_is_told_within_a_second_and_many_are_told_as_one(
        fleet, notified):
    f = fleet(worker("w", "pause", numprocs=20),
              env={"NOTIFY_SOCKET": notified.address})
    notified.until(lambda s: "READY" in s)
    f.ctl("kill", "w:3", "--no-wait")
    notified.until_status("19 of 20 workers as wanted; w:3 BACKOFF")
    before = len(notified.got)
    for _ in range(5):
        f.ctl("restart", "w")
    notified.until_status("running: 20 of 20 workers as wanted")
    f.ctl("shutdown")
    said = notified.until(lambda s: "STOPPING" in s)
    assert int(said["EXTEND_TIMEOUT_USEC"]) > 15_000_000
    # A hundred restarts, and twenty stops.
    assert len(notified.got) - before < 10
    assert f.end() == 0


@pytest.mark.parametrize("wrong", [False, True])
def test_a_reload_is_announced_and_ends_as_ready_also_if_it_fails(
        fleet, notified, wrong):
    f = fleet(worker("w", "pause"), env={"NOTIFY_SOCKET": notified.address})
    notified.until(lambda s: "READY" in s)
    text = f.ini.read_text()
    f.ini.write_text(text + ("[worker:w]\nodd = 1\n" if wrong
                             else worker("new", "pause")))
    f.signal(signal.SIGHUP)
    said = notified.until(lambda s: "RELOADING" in s)
    assert int(said["MONOTONIC_USEC"]) > 0 and "READY" not in said
    said = notified.until(lambda s: "READY" in s)
    assert said["STATUS"].startswith("running: ")
    f.ctl("reload", rc=1 if wrong else 0)
    notified.until(lambda s: "RELOADING" in s)
    notified.until(lambda s: "READY" in s)
    assert set(f.workers()) == ({"w"} if wrong else {"w", "new"})


@pytest.mark.slow
def test_a_hung_supervisor_is_mended_before_its_time_is_up(fleet, notified):
    f = fleet(worker("w", "pause"), env={
        "NOTIFY_SOCKET": notified.address,
        "WATCHDOG_USEC": str(4_000_000 * SLOW)})
    pids = f.running()
    notified.until(lambda s: "WATCHDOG" in s)
    hung = f.supervisor()
    os.kill(hung, signal.SIGSTOP)
    # Not for the one that hangs.
    notified.sock.settimeout(4 * SLOW)
    notified.until(lambda s: "WATCHDOG" in s)
    assert f.supervisor() not in (0, hung)
    assert f.running() == pids


def test_without_a_watchdog_nobody_wakes_up(fleet, notified):
    f = fleet(worker("w", "pause"), env={"NOTIFY_SOCKET": notified.address})
    notified.until(lambda s: "READY" in s)
    pids = [f.keeper, f.supervisor()]

    def switches():
        return [sum(int(line.split()[1])
                    for line in open(f"/proc/{pid}/status")
                    if "ctxt_switches" in line) for pid in pids]

    seen = []

    def still():
        seen.append(switches())
        return len(seen) > 50 and seen[-50:] == seen[-1:] * 50

    wait_for(still, timeout=5)
    notified.silent(0.1)


def test_a_successor_says_again_how_things_are(fleet, notified):
    f = fleet(worker("w", "pause"), env={"NOTIFY_SOCKET": notified.address})
    notified.until(lambda s: "READY" in s)
    f.kill_supervisor()
    said = notified.until(lambda s: "READY" in s)
    assert said["STATUS"] == "running: 1 of 1 workers as wanted"


def test_one_command_speaks_for_itself(fleet, notified, tmp_path):
    f = fleet(args=["--", "/bin/sh", "-c",
                    f'echo "$NOTIFY_SOCKET $WATCHDOG_USEC" >{tmp_path}/e'],
              wait=False, env={"NOTIFY_SOCKET": notified.address,
                               "WATCHDOG_USEC": "100000"})
    assert f.end() == 0
    assert (tmp_path / "e").read_text() == f"{notified.address} 100000\n"
    notified.silent(0.05)

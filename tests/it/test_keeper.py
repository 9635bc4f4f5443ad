"""The supervisor dies, hangs, crashes in a loop; the fleet goes on."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time

import pytest

from svdtest import (IS_ROOT, SANITIZED, SLOW, act, alive, stays,
                     wait_for, zombies)

KEEP = ("name", "state", "want", "pid", "generation", "restarts", "ready")


def kept(f):
    """What no death of the supervisor may change."""
    return {n: {k: w[k] for k in KEEP} for n, w in f.workers().items()}


MIXED = f"""
[worker:up]
command = {act('pause')}
numprocs = 3
[worker:down]
command = {act('pause')}
[worker:failed]
command = {act('exit', 4)}
restart_limit = 2
backoff_delay = 10ms
[worker:once]
command = {act('exit', 0)}
type = oneshot
[worker:waits]
command = {act('exit', 5)}
backoff_delay = 1h
backoff_limit = 2h
[worker:missing]
command = /no/such/program
backoff_delay = 1h
backoff_limit = 1h
"""


def settle(f):
    f.running("up:0", "up:1", "up:2", "down")
    f.ctl("stop", "down")
    f.ctl("restart", "up:1")
    f.wait("failed", state="FAILED")
    f.wait("once", state="EXITED")
    f.wait("waits", state="BACKOFF")
    f.wait("missing", state="BACKOFF")


@pytest.mark.valgrind
def test_a_killed_supervisor_changes_nothing(fleet):
    f = fleet(MIXED)
    settle(f)
    before, deaths = kept(f), f.ctl("-j", "why", "all").json
    next_start = f.worker("waits")["next_start"]
    for _ in range(3):
        f.kill_supervisor()
        assert kept(f) == before
    after = f.ctl("-j", "why", "all").json
    for old, new in zip(deaths["workers"], after["workers"]):
        assert old["deaths"] == new["deaths"]
        assert old["error"] == new["error"]
    assert next_start - 30 * SLOW < f.worker("waits")["next_start"] < next_start
    assert f.worker("missing")["error"]
    # Wanted down stays down, and all still obey.
    f.ctl("start", "down")
    f.ctl("stop", "up")
    assert f.stop() == 0


def test_the_position_in_the_backoff_is_kept(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('exit', 1)}\nbackoff_delay = 100ms\n"
              "backoff_factor = 4\nbackoff_limit = 1h\n")
    # 0.1, 0.4, 1.6, 6.4: the third death waits 1.6 s.
    f.wait("w", restarts=2, state="BACKOFF")
    f.kill_supervisor()
    assert f.worker("w")["next_start"] is not None
    f.wait("w", restarts=3, state="BACKOFF")
    assert 4 / SLOW < f.worker("w")["next_start"] <= 6.4


def test_exits_while_there_is_no_supervisor_are_not_lost(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\ncommand = "
                     f"{act('note', f.path('n'), 'on-exit', 15, 33, 'pause')}\n"
                     "numprocs = 10\nbackoff_delay = 10ms\n")
    f.start()
    f.wait_lines("n", 10)
    pids = f.running()
    old = f.supervisor()
    os.kill(old, signal.SIGSTOP)
    for pid in pids.values():
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: len(zombies(f.keeper)) == 10)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: f.new_supervisor(old))
    for name in pids:
        seen = f.wait(name, state="RUNNING", generation=2)
        assert seen["last_exit"]["code"] == 33 and seen["restarts"] == 1
    assert len(f.wait_lines("n", 20)) == 20


def test_a_kill_is_answered_by_the_next_supervisor(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n")
    f.running("w")
    os.kill(f.supervisor(), signal.SIGKILL)
    f.ctl("restart", "w")
    f.wait("w", state="RUNNING", generation=2)


@pytest.mark.slow
def test_a_supervisor_that_crashes_in_a_loop_slows_down_and_term_ends_all(
        fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\nnumprocs = 3\n")
    pids = f.running()
    kills = 0
    began = time.monotonic()
    while kills < 100 and time.monotonic() - began < 4:
        pid = f.supervisor()
        if pid:
            os.kill(pid, signal.SIGSEGV)
            wait_for(lambda: not alive(pid))
            kills += 1
        time.sleep(0.005)
    # At once, then 0.1, 0.2, 0.4, 0.8, 1.6 s apart.
    assert 3 <= kills < 10, kills
    assert all(map(alive, pids.values()))
    f.signal(signal.SIGTERM)
    while f.proc.poll() is None and time.monotonic() - began < 15 * SLOW:
        pid = f.supervisor()
        if pid:
            os.kill(pid, signal.SIGSEGV)
        time.sleep(0.005)
    assert f.end(1) == 0
    assert not any(map(alive, pids.values()))


@pytest.mark.slow
def test_a_hung_supervisor_is_replaced(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\ncommand = {act('pause')}\n"
                     f"[worker:dies]\ncommand = {act('pause')}\n"
                     "backoff_delay = 10ms\n")
    f.start()
    pids = f.running()
    old = f.supervisor()
    os.kill(old, signal.SIGSTOP)
    os.kill(pids["dies"], signal.SIGKILL)
    began = time.monotonic()
    wait_for(lambda: not alive(old), 20)
    assert 9 < time.monotonic() - began < 14 + SLOW
    wait_for(lambda: f.new_supervisor(old))
    assert f.worker("w")["pid"] == pids["w"]
    seen = f.wait("dies", state="RUNNING", generation=2)
    assert seen["last_exit"]["signal"] == 9


@pytest.mark.slow
def test_term_ends_a_fleet_whose_supervisor_hangs(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\ncommand = {act('on', 15, f.path('t'), 'note', f.path('n'), 'pause')}\n"
                     "stop_timeout = 500ms\n")
    f.start()
    f.wait_lines("n")
    pid = f.running("w")["w"]
    os.kill(f.supervisor(), signal.SIGSTOP)
    assert f.stop(timeout=10) == 0
    assert f.lines("t") and not alive(pid)


def test_a_second_term_needs_no_supervisor(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\ncommand = {act('ignore', 15, 'fork', '{', 'setsid', 'ignore', 15, 'note', f.path('n'), 'pause', '}', 'note', f.path('n'), 'pause')}\n"
                     "stop_timeout = 1h\n")
    f.start()
    pids = [int(line.split()[2]) for line in f.wait_lines("n", 2)]
    f.running("w")
    os.kill(f.supervisor(), signal.SIGSTOP)
    f.signal(signal.SIGTERM)
    stays(lambda: f.proc.poll() is None, 0.2)
    f.signal(signal.SIGTERM)
    assert f.end(5) in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert not any(map(alive, pids))


def test_a_keepers_death_takes_the_supervisor_but_no_worker(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n")
    pid = f.running("w")["w"]
    supervisor = f.supervisor()
    f.proc.kill()
    f.proc.wait()
    wait_for(lambda: not alive(supervisor))
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


# Under a sanitizer the keeper has one thread.
if not SANITIZED:
    def test_orphans_are_listed_apart_from_workers(fleet):
        """A sweep after a death reads the list of orphans, not of all workers."""
        f = fleet("", launch=False)
        f.ini.write_text(
            f"[worker:w]\ncommand = {act('fork', '{', 'setsid', 'fork', '{', 'note', f.path('orphan'), 'pause', '}', '}', 'pause')}\n")
        f.start()
        worker = f.running("w")["w"]
        orphan = int(f.wait_lines("orphan")[0].split()[2])

        def listed(thread):
            path = f"/proc/{f.keeper}/task/{thread}/children"
            with open(path) as file:
                return set(map(int, file.read().split()))

        first, second = sorted(map(int, os.listdir(f"/proc/{f.keeper}/task")))
        assert first == f.keeper
        wait_for(lambda: orphan in listed(first), what="the orphan is adopted")
        assert worker not in listed(first)
        assert {worker, f.supervisor()} <= listed(second)


def test_kills_leak_no_descriptor(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\nnumprocs = 5\n")
    f.running()
    f.kill_supervisor()
    before = f.descriptors()
    for _ in range(5):
        f.kill_supervisor()
    assert f.descriptors() == before


def test_a_runtime_directory_removed_underneath_costs_no_worker(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\ncommand = {act('pause')}\n"
                     f"[worker:crash]\nbackoff_delay = 20ms\n"
                     f"command = {act('note', f.path('n'), 'exit', 1)}\n"
                     "backoff_factor = 1\n")
    f.start()
    pid = f.running("w")["w"]
    shutil.rmtree(f.run)
    os.kill(f.supervisor(), signal.SIGKILL)
    more = len(f.lines("n")) + 10
    f.wait_lines("n", more)
    births = [int(line.split()[1]) for line in f.lines("n")]
    assert births == list(range(1, len(births) + 1))
    assert alive(pid)
    assert f.stop() == 0
    assert not alive(pid)


@pytest.mark.skipif(not IS_ROOT, reason="needs root to mount")
def test_a_full_runtime_directory_costs_no_worker(fleet):
    f = fleet("", launch=False)
    f.run.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none",
                    str(f.run)], check=True)
    try:
        f.ini.write_text(f"[worker:w]\ncommand = {act('pause')}\n"
                         f"[worker:crash]\nbackoff_delay = 20ms\n"
                         f"command = {act('note', f.path('n'), 'exit', 1)}\n"
                         "backoff_factor = 1\n")
        f.start()
        pid = f.running("w")["w"]
        with open(f.run / "filler", "wb", buffering=0) as filler:
            with contextlib.suppress(OSError):
                while True:
                    filler.write(b"x" * 4096)
        f.wait_lines("n", len(f.lines("n")) + 10)
        f.kill_supervisor()
        f.wait_lines("n", len(f.lines("n")) + 10)
        f.ctl("stop", "crash")
        births = [int(line.split()[1]) for line in f.lines("n")]
        assert births == list(range(1, len(births) + 1))
        assert f.worker("w")["pid"] == pid
        assert f.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(f.run)], check=True)


def test_without_descriptors_a_worker_backs_off_and_svd_answers(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\nbackoff_delay = 50ms\n"
              "backoff_limit = 50ms\n[worker:other]\n"
              f"command = {act('pause')}\n")
    pid = f.running()["w"]
    supervisor = f.supervisor()
    f.descriptors()
    # Notify sockets have high numbers, which a limit leaves alone.
    numbers = [fd for fd in map(int, os.listdir(f"/proc/{supervisor}/fd"))
               if fd < 256]
    limit = max(numbers) + 1
    old = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (limit, old[1]))
    # Clients that say nothing take what numbers are free below that.
    holders = [f.varlink() for _ in range(limit - len(numbers))]
    os.kill(pid, signal.SIGKILL)
    f.wait("w", state="BACKOFF",
           error=lambda e: e and "Too many open files" in e)
    assert f.worker("other")["state"] == "RUNNING"
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, old)
    f.wait("w", state="RUNNING")
    for one in holders:
        one.close()

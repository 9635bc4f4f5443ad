"""A supervisor that stands still while workers write, end and are killed: it
misses nothing, or another takes its place, where one is looked after so."""

import os
import signal
import time

import pytest

from output import difference, expected, numbered, rotated, wait_bytes, wrote
from svdtest import SLOW, act, alive, stays, wait_for, zombies


def begin(fleet, more=""):
    f = fleet("", launch=False)
    note = ("note", f.path("births"))
    f.ini.write_text(
        f"[fleet]\nname = t\n{more}\n"
        f"[worker:steady]\ncommand = {act(*note, 'pause')}\n"
        f"[worker:exits]\nrestart = no\n"
        f"command = {act(*note, 'on-exit', 10, 5, 'pause')}\n"
        f"[worker:dies]\nbackoff_delay = 10ms\n"
        f"command = {act(*note, 'pause')}\n"
        f"[worker:writes]\nstdout = file:{f.path('out')}\n"
        f"command = {numbered('writes', f.dir)}\n")
    f.start()
    pids = f.running()
    f.wait_lines("births", 3)
    return f, pids


def happen(f, pids):
    os.kill(pids["exits"], signal.SIGUSR1)
    os.kill(pids["dies"], signal.SIGKILL)
    wait_for(lambda: not alive(pids["exits"]) and not alive(pids["dies"]))
    # Who writes is not held up.
    wait_bytes(f, "writes", wrote(f.dir, "writes")[0] + 100000)


def nothing_is_missing(f, pids):
    f.wait("dies", state="RUNNING", generation=2, restarts=1)
    f.wait("exits", state="FAILED", generation=1, restarts=0)
    assert [d["signal"] for d in f.deaths("dies")] == [signal.SIGKILL]
    assert [d["code"] for d in f.deaths("exits")] == [5]
    assert f.running("steady", "writes") == {
        name: pids[name] for name in ("steady", "writes")}
    lines = f.wait_lines("births", 4)
    assert sorted(line.split()[:2] for line in lines) == [
        ["dies", "1"], ["dies", "2"], ["exits", "1"], ["steady", "1"]]
    wait_for(lambda: not zombies(f.keeper))
    f.ctl("stop", "writes")
    want = expected("writes", wrote(f.dir, "writes")[1])
    wait_for(lambda: len(rotated(f.path("out"))) >= len(want))
    assert not difference(rotated(f.path("out")), want)


def test_one_that_stands_still_for_a_while_misses_nothing(fleet):
    f, pids = begin(fleet)
    supervisor = f.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        happen(f, pids)
        stays(lambda: len(zombies(f.keeper)) == 2, 1)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    nothing_is_missing(f, pids)
    assert f.supervisor() == supervisor


@pytest.mark.parametrize("busy", [True, False])
def test_one_that_is_looked_after_is_replaced(fleet, busy):
    """Also where it owes no answer but that it lives."""
    f, pids = begin(fleet, "supervisor_watchdog = 300ms")
    supervisor = f.supervisor()
    began = time.monotonic()
    os.kill(supervisor, signal.SIGSTOP)
    if busy:
        happen(f, pids)
    wait_for(lambda: not alive(supervisor))
    assert time.monotonic() - began < 8, "10 s: without supervisor_watchdog"
    wait_for(f.answers)
    if not busy:
        happen(f, pids)
    nothing_is_missing(f, pids)
    assert "having hung" in f.log()


def test_one_that_lives_is_left_alone_by_the_watchdog(fleet):
    f, pids = begin(fleet, "supervisor_watchdog = 100ms")
    supervisor = f.supervisor()
    stays(lambda: alive(supervisor), 1)
    happen(f, pids)
    nothing_is_missing(f, pids)
    assert f.supervisor() == supervisor

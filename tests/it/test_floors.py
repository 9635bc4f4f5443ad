"""Floors as supervised objects: load, fork, fail, die and give way, with native
floors, whatever the runtime. What a process finds itself to be in a worker is
in test_floor_lib.py and test_floor_python.py."""

import os
import re
import signal

import pytest

from svdtest import (ACT, IS_ROOT, SANITIZED, SLOW, act, alive, children,
                     floor, on_floor, stat_fields, wait_for)

ODD = f"{os.path.dirname(ACT)}/odd.so"
QUICK = "backoff_delay = 0\nbackoff_limit = 100ms\n"


def odd(what, **keys):
    """A floor that does as odd.so says."""
    return floor(preload=ODD, init="odd_init",
                 environment=f'"ODD={what}"', **keys)


def log_count(f, pattern):
    return len(re.findall(pattern, f.log()))


@pytest.mark.parametrize("of", ["root", "nobody"] if IS_ROOT else [None])
def test_a_worker_of_a_floor_is_set_up_as_one_that_is_executed(fleet, of):
    keys = ("directory = /tmp\numask = 027\nlimit_core = 0:0\nnice = 3\n"
            'environment = A=b "C=d e"\noom_score_adj = 300\n'
            "limit_nofile = 64:128\n" + ("user = nobody\n" if IS_ROOT else ""))
    f = fleet("", launch=False)
    reports = {name: f.path(f"report-{name}") for name in ("e", "f")}
    for path in reports.values():
        path.touch()
        path.chmod(0o666)
    f.ini.write_text(
        f"[fleet]\nname = t\n{floor(user=of) if IS_ROOT else floor()}"
        f"[worker:e]\n{keys}command = "
        f"{act('report', reports['e'], 'pause')}\n"
        f"[worker:f]\n{keys}{on_floor('report', reports['f'], 'pause')}\n")
    f.start()
    f.running()
    executed, forked = (f.report(p.name) for p in reports.values())
    assert forked.pop("worker") == "f" and executed.pop("worker") == "e"
    for report in (executed, forked):
        # Who it is; and what a floor's worker has more: its line.
        for key in ("pid", "pgrp", "sid", "fds", "notify"):
            report.pop(key, None)
    assert forked == executed


def test_statuses_and_signals_are_the_workers_own(fleet):
    f = fleet(floor() + "".join(
        f"[worker:{name}]\nrestart = no\n{on_floor(*words)}\n"
        for name, words in {"zero": ["exit", 0], "three": ["exit", 3],
                            "segv": ["die", signal.SIGSEGV]}.items()))
    exits = {name: f.wait(name, last_exit=bool)["last_exit"]
             for name in ("zero", "three", "segv")}
    assert exits["zero"]["code"] == 0
    assert exits["three"]["code"] == 3
    assert exits["segv"]["signal"] == signal.SIGSEGV


def test_workers_are_restarted_stopped_and_scaled(fleet):
    f = fleet(floor(spares=1) +
              f"[worker:w]\n{QUICK}{on_floor('pause')}\nnumprocs = 3\n")
    before = f.running("w:0", "w:1", "w:2")
    os.kill(before["w:1"], signal.SIGKILL)
    after = f.wait("w:1", state="RUNNING", generation=2)
    assert after["restarts"] == 1 and after["pid"] != before["w:1"]
    f.ctl("stop", "w:2")
    assert f.worker("w:2")["pid"] == 0
    f.ctl("restart", "w:0")
    assert f.worker("w:0")["generation"] == 2
    f.ctl("scale", "w", "5")
    f.running("w:0", "w:1", "w:3", "w:4")
    f.ctl("scale", "w", "1")
    wait_for(lambda: len(f.workers()) == 1)
    # keeper's children: supervisor, logger, floor, w:0, one spare
    wait_for(lambda: len(children(f.keeper)) == 5)


def test_death_of_a_floor_costs_no_worker(fleet):
    f = fleet(floor() +
              f"[worker:w]\n{QUICK}{on_floor('pause')}\nnumprocs = 3\n")
    before = f.running("w:0", "w:1", "w:2")
    floor_pid, = f.floors().values()
    os.kill(floor_pid, signal.SIGKILL)
    wait_for(lambda: log_count(f, r"floor:f: loaded .* generation 2"))
    assert f.running() == before
    os.kill(before["w:0"], signal.SIGKILL)
    f.wait("w:0", state="RUNNING", generation=2)
    assert f.worker("w:1")["pid"] == before["w:1"]


def test_a_spare_serves_while_the_floor_is_dead(fleet):
    f = fleet(odd("sleep 0", spares=2) +
              f"[worker:w]\n{QUICK}{on_floor('pause')}\n")
    pid = f.running()["w"]
    wait_for(lambda: len(children(f.keeper)) == 6, what="two spares")
    # It cannot be loaded again in time.
    f.ini.write_text(f.ini.read_text().replace("ODD=sleep 0", "ODD=sleep 60000"))
    floor_pid, = f.floors().values()
    os.kill(floor_pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    f.wait("w", state="RUNNING", generation=2)


def test_a_killed_spare_is_replaced(fleet):
    f = fleet(floor(spares=1) + f"[worker:w]\n{on_floor('pause')}\n")
    pid = f.running()["w"]
    spare = f.spare()
    os.kill(spare, signal.SIGKILL)
    wait_for(lambda: not alive(spare) and len(children(f.keeper)) == 5)
    assert f.worker("w")["pid"] == pid


@pytest.mark.parametrize("when", ["loading", "waiting", "running"])
def test_supervisor_killed(fleet, when):
    f = fleet(odd(f"sleep {0 if when == 'running' else 700 * SLOW}",
                  spares=1) +
              f"[worker:w]\n{QUICK}{on_floor('pause')}\nnumprocs = 2\n")
    if when == "running":
        before = f.running("w:0", "w:1")
        wait_for(lambda: len(children(f.keeper)) == 6)
        everybody = set(children(f.keeper))
    if when == "waiting":
        f.wait("w:0", state="STARTING", pid=0)
    floor_pid, = wait_for(f.floors).values()
    old = f.status()["supervisor_pid"]
    f.kill_supervisor()
    after = f.running("w:0", "w:1")
    assert list(f.floors().values()) == [floor_pid]
    assert [w["generation"] for w in f.workers().values()] == [1, 1]
    if when == "running":
        assert after == before
        # The spare, too.
        assert everybody - set(children(f.keeper)) == {old}
    os.kill(after["w:0"], signal.SIGKILL)
    f.wait("w:0", state="RUNNING", generation=2, restarts=1)


@pytest.mark.parametrize("how", ["fail", "exit 3", "exit 0", "die 9",
                                 "subreaper"])
def test_a_floor_that_cannot_be_loaded(fleet, how):
    f = fleet(odd(how) +
              f"[worker:w]\n{on_floor('pause')}\nnumprocs = 30\n"
              f"[worker:other]\ncommand = {act('pause')}\n", wait=True)
    f.running("other")
    wait_for(lambda: "BACKOFF" in f.log())
    # Said once, not once a worker, and every worker that waits tells.
    lines = [line for line in f.log().splitlines() if "-> BACKOFF" in line]
    assert len(lines) == 1 and "floor:f" in lines[0], lines
    result = f.svctl("-t", "5", "start", "w:7")
    assert result.rc == 1 and "floor" in result.err, result
    # Mended, it loads, and all begin.
    f.ini.write_text(f.ini.read_text().replace(f"ODD={how}", "ODD="))
    f.ctl("reload")
    f.wait("w:29", state="RUNNING")


def test_a_preload_that_is_not_there_is_named(fleet):
    f = fleet(floor(preload="/nonexistent/lib.so") +
              f"[worker:w]\n{on_floor('pause')}\n")
    wait_for(lambda: "/nonexistent/lib.so" in f.log())
    why = f.ctl("why", "w").out
    assert "/nonexistent/lib.so" in why, why


def test_a_preload_that_hangs_is_ended(fleet):
    f = fleet(odd("sleep 60000", preload_timeout="300ms") +
              f"[worker:w]\n{on_floor('pause')}\n")
    wait_for(lambda: "not loaded within 300ms" in f.log())
    wait_for(lambda: "BACKOFF" in f.log())


@pytest.mark.parametrize("where", ["prepare", "child"])
def test_a_lock_held_across_the_fork(fleet, where):
    f = fleet("", launch=False)
    lock = f.path("lock")
    lock.touch()
    f.ini.write_text("[fleet]\nname = t\n" +
                     odd(f"{where} {lock}", fork_timeout="300ms") +
                     f"[worker:w]\n{QUICK}{on_floor('pause')}\n")
    f.start()
    wait_for(lambda: "is a lock held across it?" in f.log())
    lock.unlink()
    f.wait("w", 20, state="RUNNING")
    if where == "child" and not SANITIZED:
        # The floor itself is none the worse for it. (A sanitizer needs two
        # forks, and the first one's child is the intermediate.)
        assert log_count(f, "floor:f: loaded") == 1


def test_half_a_line_is_written_once(fleet):
    f = fleet(odd("half a-half-line", spares=2) +
              f"[worker:w]\n{on_floor('write', 1, 'whole')}\nnumprocs = 3\n"
              "restart = no\n")
    for n in range(3):
        f.wait(f"w:{n}", last_exit=bool)
    f.stop()
    assert log_count(f, "a-half-line") == 1
    assert log_count(f, r"w:\d \| whole|w:\d: whole|whole") == 3


def test_a_thread_is_warned_of(fleet):
    f = fleet(odd("thread") + f"[worker:w]\n{on_floor('pause')}\n")
    f.running()
    assert log_count(f, "2 threads") == 1


def pids(f):
    return {name: w["pid"] for name, w in f.workers().items()}


def test_another_stanza_rolls(fleet):
    f = fleet(odd("sleep 0") +
              f"[worker:w]\n{on_floor('pause')}\nnumprocs = 4\n"
              f"[worker:x]\ncommand = {act('pause')}\n")
    before = f.running()
    old, = f.floors().values()
    f.ini.write_text(f.ini.read_text().replace("ODD=sleep 0", "ODD=sleep 1"))
    f.ctl("reload")
    wait_for(lambda: "generation 2 has taken over" in f.log())
    after = f.running()
    assert after.pop("x") == before.pop("x")
    assert not set(after.values()) & set(before.values())
    new, = f.floors().values()
    assert new != old and not alive(old)
    # One by one: while one is replaced all others run.
    steps = re.findall(r"w:(\d): RUNNING -> STOPPING|w:(\d): STARTING -> RUN",
                       f.log())[4:]
    assert steps == [s for n in "0123" for s in ((n, ""), ("", n))], steps


def test_a_generation_that_fails_leaves_the_old_one_serving(fleet):
    f = fleet(odd("sleep 0") +
              f"[worker:w]\n{QUICK}{on_floor('pause')}\nnumprocs = 2\n")
    before = f.running()
    old = f.floors()
    f.ini.write_text(f.ini.read_text().replace("ODD=sleep 0", "ODD=fail"))
    assert "7" in f.ctl("reload", rc=1).err
    wait_for(lambda: "cannot be loaded, 1 goes on" in f.log())
    assert f.running() == before
    wait_for(lambda: f.floors() == old)
    os.kill(before["w:0"], signal.SIGKILL)
    f.wait("w:0", state="RUNNING", generation=2)
    # And a successor does not lose it.
    f.kill_supervisor()
    assert f.wait("w:1", state="RUNNING")["pid"] == before["w:1"]


@pytest.mark.parametrize("by", ["stop", "reload", "crash", "shutdown"])
def test_a_roll_is_interrupted(fleet, by):
    f = fleet(odd("sleep 0") +
              "[worker:w]\nstop_timeout = 60s\n" +
              on_floor("on-exit", 15, 0, "sleep", 1, "pause") +
              "\nnumprocs = 6\n")
    before = f.running()
    # w:2 takes its time to end: there the roll stands.
    slow = before["w:2"]
    os.kill(slow, signal.SIGSTOP)
    os.kill(slow, signal.SIGSTOP)
    f.ini.write_text(f.ini.read_text().replace("ODD=sleep 0", "ODD=sleep 1"))
    f.ctl("reload")
    if by == "stop":
        f.ctl("stop", "w:3")
    elif by == "crash":
        f.kill_supervisor()
    elif by == "reload":
        f.ini.write_text(
            f.ini.read_text().replace("ODD=sleep 1", "ODD=sleep 2"))
        f.ctl("reload")
    else:
        assert f.stop() == 0
        return
    taken_over = 3 if by == "reload" else 2
    wait_for(lambda: f"generation {taken_over} has taken over" in f.log())
    if by == "stop":
        assert f.worker("w:3")["state"] == "STOPPED"
    after = f.running(*(n for n in before if n != "w:3" or by != "stop"))
    assert not set(after.values()) & set(before.values())


def test_a_worker_that_does_not_run_on_it_halts_the_roll(fleet):
    f = fleet("", launch=False)
    broken = f.path("broken")
    f.ini.write_text(
        "[fleet]\nname = t\n" + odd("sleep 0") +
        "[worker:w]\nbackoff_delay = 60s\nbackoff_limit = 60s\n" +
        on_floor("sleep", 1, "pause") + "\nnumprocs = 3\n")
    f.start()
    before = f.running()
    # What the new generation brings makes them fail: there is no such entry.
    f.ini.write_text(f.ini.read_text().replace("ODD=sleep 0", f"ODD=child {broken}")
                     + "\n")
    broken.touch()
    f.ini.write_text(f.ini.read_text().replace(
        "runtime = native", "runtime = native\nfork_timeout = 200ms"))
    assert "is a lock held across it" in f.ctl("reload", rc=1).err
    now = f.workers()
    assert now["w:1"]["pid"] == before["w:1"]
    assert now["w:2"]["pid"] == before["w:2"]
    broken.unlink()


def test_shutdown_while_it_loads(fleet):
    f = fleet(odd("sleep 60000") + f"[worker:w]\n{on_floor('pause')}\n")
    f.wait("w", state="STARTING")
    wait_for(f.floors)
    assert f.stop(5) == 0


def test_a_worker_that_waits_for_its_floor_can_be_stopped(fleet):
    f = fleet(odd("sleep 60000") + f"[worker:w]\n{on_floor('pause')}\n")
    f.wait("w", state="STARTING")
    f.ctl("stop", "w")
    assert f.worker("w")["state"] == "STOPPED"


def test_a_floor_leaves_the_fleet_with_its_workers(fleet):
    f = fleet(floor(spares=2) + f"[worker:w]\n{on_floor('pause')}\n"
              f"[worker:x]\ncommand = {act('pause')}\n")
    f.running()
    f.ini.write_text(f"[fleet]\nname = test\n[worker:x]\n"
                     f"command = {act('pause')}\n")
    f.ctl("reload")
    wait_for(lambda: list(f.workers()) == ["x"])
    # supervisor, logger, x
    wait_for(lambda: len(children(f.keeper)) == 3)


def test_two_floors_beside_each_other(fleet):
    f = fleet(floor("a", spares=1) + floor("b") +
              f"[worker:u]\n{on_floor('pause', name='a')}\n"
              f"[worker:v]\n{on_floor('pause', name='b')}\nnumprocs = 2\n")
    before = f.running()
    pid, = f.floors("a").values()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: log_count(f, "floor:a: loaded") == 2)
    assert f.running() == before and log_count(f, "floor:b: loaded") == 1


def test_every_worker_is_the_keepers_child_in_a_session_of_its_own(fleet):
    f = fleet(floor(spares=3) +
              f"[worker:w]\n{on_floor('pause')}\nnumprocs = 5\n")
    for pid in f.running().values():
        fields = stat_fields(pid)
        assert int(fields[1]) == f.keeper  # ppid
        assert [int(x) for x in fields[2:4]] == [pid, pid]  # pgrp, session


@pytest.mark.parametrize("how", ["vfork", "pid1"])
def test_other_ways_to_make_a_process(fleet, how):
    options = ({"env": {"SVD_SPAWN": "vfork"}} if how == "vfork"
               else {"pid1": []})
    f = fleet(floor(spares=1) +
              f"[worker:w]\n{QUICK}{on_floor('pause')}\nnumprocs = 2\n",
              **options)
    before = f.running()
    f.ctl("kill", "w:0")
    f.wait("w:0", state="RUNNING", generation=2)
    if how == "vfork":  # else its pid is another one to us
        f.kill_supervisor()
    assert f.running()["w:1"] == before["w:1"]
    assert f.stop() == 0


def test_nothing_of_a_dead_worker_is_left(fleet):
    f = fleet("", launch=False)
    lone = f.path("lone")
    # A grandchild in a session of its own, that has executed nothing.
    f.ini.write_text(
        "[fleet]\nname = t\n" + floor() + f"[worker:w]\n{QUICK}" +
        on_floor("fork", "{", "setsid", "fork", "{", "note", lone, "pause",
                 "}", "}", "pause") +
        f"\n[worker:x]\n{on_floor('pause')}\n")
    f.start()
    before = f.running()
    pid = int(f.wait_lines("lone")[0].split()[2])
    assert stat_fields(pid)[3] != str(before["w"])
    os.kill(before["w"], signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    f.wait("w", state="RUNNING", generation=2)
    assert f.worker("x")["pid"] == before["x"]

"""svd as real PID 1, in a PID namespace of its own."""

import os
import signal
import subprocess

import pytest

from svdtest import (ACT, IS_ROOT, PIDNS, SANITIZED, SLOW, SVD, act, alive,
                     children, wait_for, zombies)

ONE = f"[worker:w]\ncommand = {act('pause')}\nnumprocs = 2\n"


def test_it_is_pid_1_and_serves(fleet):
    f = fleet(ONE, pid1=[])
    assert f.status()["keeper_pid"] == 1
    f.running()
    f.ctl("restart", "w:0")
    f.wait("w:0", state="RUNNING", generation=2)
    assert f.stop() == 0


def test_orphans_of_every_depth_are_reaped(fleet):
    """Each generation leaves children and grandchildren that end by
    themselves, before and after it; none of them counts as its death."""
    f = fleet("", launch=False, pid1=[])
    orphan = ["fork", "{", "setsid", "fork", "{", "setsid", "fork", "{",
              "setsid", "sleep", 30, "exit", 9, "}", "exit", 8, "}", "exit", 7,
              "}"]
    f.ini.write_text(
        f"[worker:w]\ncommand = {act(*orphan, 'note', f.path('n'), 'sleep', 5, *orphan, 'exit', 3)}\n"
        f"kill_mode = process\nbackoff_delay = 10ms\nbackoff_factor = 1\n"
        f"[worker:steady]\ncommand = {act('pause')}\n")
    f.start()
    f.wait("w", restarts=lambda n: n >= 30)
    assert all(d["code"] == 3 for d in f.deaths("w"))
    f.ctl("stop", "w")
    # Supervisor, logger and the steady worker are all that is left.
    wait_for(lambda: len(children(f.keeper)) == 3)
    assert f.worker("steady")["restarts"] == 0
    births = [int(line.split()[1]) for line in f.lines("n")]
    assert births == list(range(1, len(births) + 1))


def test_thousands_of_exits_come_as_one_signal(fleet):
    f = fleet("", launch=False, pid1=[])
    f.path("storm").write_text(
        "#!/bin/bash\nfor i in {1..40}; do (for j in {1..50}; do (exit 1) & "
        "done) & done\nexec sleep 1000\n")
    f.path("storm").chmod(0o755)
    f.ini.write_text(f"[worker:storm]\ncommand = {f.path('storm')}\n{ONE}")
    f.start()
    f.running("storm", "w:0", "w:1")
    wait_for(lambda: len(children(f.keeper)) == 5, 20)
    assert not zombies(f.keeper)
    assert all(w["restarts"] == 0 for w in f.workers().values())
    f.ctl("ping")


def test_a_killed_supervisor_of_pid_1_is_replaced(fleet):
    f = fleet(ONE, pid1=[])
    f.running()
    before = {n: w["pid"] for n, w in f.workers().items()}
    os.kill(f.supervisor(), signal.SIGKILL)
    f.ctl("ping")
    assert {n: w["pid"] for n, w in f.workers().items()} == before


def test_a_second_term_kills_everything_at_once(fleet):
    f = fleet("", launch=False, pid1=[])
    f.ini.write_text(
        f"[worker:w]\nstop_timeout = 1h\ncommand = {act('on', 15, f.path('t'), 'fork', '{', 'setsid', 'ignore', 15, 'pause', '}', 'pause')}\n")
    f.start()
    f.running()
    f.signal(signal.SIGTERM)
    f.wait_lines("t")
    f.signal(signal.SIGTERM)
    assert f.end(5) in (128 + 15, -15)


def test_signals_from_inside_do_not_end_pid_1(fleet):
    f = fleet("[worker:w]\ncommand = /bin/sh -c 'kill -9 1; kill -SEGV 1; "
              "kill -USR2 1; kill -PIPE 1; kill -ALRM 1; sleep 1000'\n",
              pid1=[])
    f.running()
    f.ctl("ping")
    assert f.stop() == 0


WORLDS = {"no /proc": ["-p"], "read-only root": ["-r"], "no /dev": ["-d"],
          "closed 0 1 2": ["-c"], "all of it": ["-p", "-r", "-d", "-c"]}
if SANITIZED:
    # AddressSanitizer reads its options, and looks for leaks, through /proc.
    WORLDS = {name: o for name, o in WORLDS.items() if "-p" not in o}


@pytest.mark.skipif(not IS_ROOT, reason="needs root to mount")
@pytest.mark.parametrize("options", WORLDS.values(), ids=WORLDS)
def test_a_fleet_in_a_poor_world(fleet, options):
    f = fleet("", launch=False, pid1=[])
    # The runtime directory stays writable: it is a mount of its own.
    f.run.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(f.run)], check=True)
    try:
        f.before[1:1] = options
        f.ini.write_text(f"""
[worker:w]
command = {act('report', f.run / 'seen', 'pause')}
[worker:crash]
command = {act('exit', 3)}
backoff_delay = 20ms
""")
        f.start()
        pid = f.running("w")["w"]
        wait_for(lambda: f.lines("run/seen"))
        assert f.report("run/seen")["fds"] == "0 1 2"
        f.wait("crash", restarts=lambda n: n >= 3)
        old = f.status()["supervisor_pid"]
        os.kill(f.supervisor(), signal.SIGKILL)
        wait_for(lambda: f.new_supervisor(old))
        assert f.worker("w")["pid"] == pid
        f.ctl("restart", "w")
        f.ctl("stop", "w")
        assert f.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(f.run)], check=True)


@pytest.mark.parametrize("options", WORLDS.values(), ids=WORLDS)
def test_a_command_in_a_poor_world(options):
    done = subprocess.run([PIDNS, *options, SVD, "--", ACT, "exit", "42"],
                          timeout=20 * SLOW)
    assert done.returncode == 42


def test_the_command_of_pid_1_ends_it_and_everything(fleet):
    f = fleet("", launch=False, pid1=[])
    f.args = ["--", ACT, "fork", "{", "setsid", "ignore", "15", "pause", "}",
              "sleep", "100", "exit", "5"]
    f.launch()
    pids = wait_for(lambda: children(f.keeper))
    assert f.end() == 5
    wait_for(lambda: not any(map(alive, pids)))

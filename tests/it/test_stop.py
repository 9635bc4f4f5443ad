"""Stopping: one worker, its tree, the fleet."""

import os
import pathlib
import platform
import signal
import sys
import time

import pytest

from svdtest import ACT, SLOW, act, alive, stat_fields, stays, wait_for

STUBBORN = act("ignore", 15, "pause")


# --- one worker ------------------------------------------------------------------

@pytest.mark.valgrind
def test_stop_waits_for_the_end(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n")
    pid = f.running("w")["w"]
    f.ctl("stop", "w")
    assert not alive(pid)
    seen = f.worker("w")
    assert (seen["state"], seen["want"], seen["pid"]) == ("STOPPED", "down", 0)
    assert seen["last_exit"]["signal"] == signal.SIGTERM
    assert f.svctl("status").rc == 0, "down as wanted"


def test_term_ignored_is_killed_after_the_grace_and_termed_once(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\nstop_timeout = 400ms\n"
                     f"command = {act('on', 15, f.path('terms'), 'note', f.path('up'), 'pause')}\n")
    f.start()
    f.wait_lines("up")
    began = time.monotonic()
    f.ctl("stop", "w")
    assert 0.4 <= time.monotonic() - began < 10
    assert f.lines("terms") == ["15"]
    assert f.worker("w")["last_exit"]["signal"] == 9


def test_a_stopped_process_gets_cont_after_term(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\nstop_timeout = 1h\n"
                     f"command = {act('on-exit', 15, 5, 'note', f.path('up'), 'pause')}\n")
    f.start()
    f.wait_lines("up")
    os.kill(f.worker("w")["pid"], signal.SIGSTOP)
    f.ctl("stop", "w")
    assert f.worker("w")["last_exit"]["code"] == 5


def test_what_a_stopped_process_has_made_is_found_and_ended(fleet):
    """Its child has a session of its own, and is stopped too."""
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
stop_timeout = 1h
command = {act('fork', '{', 'setsid', 'ignore', 15, 'note', f.path('n'),
               'stop', 'pause', '}', 'on-exit', 15, 0, 'note', f.path('n'),
               'stop', 'pause')}
""")
    f.start()
    pids = [int(line.split()[2]) for line in f.wait_lines("n", 2)]
    for pid in pids:
        wait_for(lambda: stat_fields(pid)[0] == "T", what=f"{pid} is stopped")
    f.ctl("stop", "w")
    for pid in pids:
        wait_for(lambda: not alive(pid), what=f"{pid} is gone")


def test_another_stop_signal(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\nstop_signal = USR1\nstop_timeout = 1h\n"
                     f"command = {act('ignore', 15, 'on-exit', 10, 6, 'note', f.path('up'), 'pause')}\n")
    f.start()
    f.wait_lines("up")
    f.ctl("stop", "w")
    assert f.worker("w")["last_exit"]["code"] == 6


def test_a_stop_command_is_run_and_told_the_worker(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
command = {act('on-exit', 10, 8, 'note', f.path('up'), 'pause')}
stop_command = /bin/sh -c 'echo "$SVD_WORKER" >{f.path('stop')}; kill -USR1 $(cut -d" " -f3 {f.path('up')})'
stop_timeout = 1h
""")
    f.start()
    f.wait_lines("up")
    f.ctl("stop", "w")
    assert f.worker("w")["last_exit"]["code"] == 8
    assert f.lines("stop") == ["w"]


@pytest.mark.parametrize("how", [["setsid"], []], ids=["setsid", "plain"])
def test_children_are_gone_before_a_successor_starts(fleet, how):
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
command = {act('fork', '{', *how, 'ignore', 15, 'fork', '{', *how, 'ignore',
               15, 'note', f.path('n'), 'pause', '}', 'note', f.path('n'),
               'pause', '}', 'note', f.path('n'), 'pause')}
stop_timeout = 1h
""")
    f.start()
    old = [int(line.split()[2]) for line in f.wait_lines("n", 3)]
    f.ctl("restart", "w")
    assert not any(map(alive, old))
    new = [int(line.split()[2]) for line in f.wait_lines("n", 6)[3:]]
    f.ctl("stop", "w")
    assert not any(map(alive, new))


SIBLING = """
import ctypes, os, signal
CLONE_PARENT, SYS_clone = 0x8000, %d
pid = ctypes.CDLL(None).syscall(SYS_clone, CLONE_PARENT | signal.SIGCHLD,
                                0, 0, 0, 0)
if pid == 0:
    os.setpgid(0, 0)
    with open(%r, "a") as f:
        print(os.getpid(), os.getppid(), file=f, flush=True)
while True:
    signal.pause()
"""


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="the number of clone(2) here is not known")
def test_what_a_worker_made_its_sibling_ends_with_it(fleet):
    """A child of the keeper as it is itself, in its session, not its group."""
    f = fleet("", launch=False)
    f.path("s.py").write_text(SIBLING % (56, str(f.path("n"))))
    f.ini.write_text(f"[worker:w]\ncommand = {sys.executable} "
                     f"{f.path('s.py')}\n")
    f.start()
    pid, parent = map(int, f.wait_lines("n")[0].split())
    assert parent == f.keeper
    f.ctl("restart", "w")
    wait_for(lambda: not alive(pid))
    pid = int(f.wait_lines("n", 2)[1].split()[0])
    f.ctl("stop", "w")
    wait_for(lambda: not alive(pid))


def test_children_of_a_dead_worker_are_ended_too(fleet):
    """The main process is gone; what it left still runs, even stopped."""
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
command = {act('fork', '{', 'ignore', 15, 'note', f.path('n'), 'stop', '}',
               'note', f.path('n'), 'sleep', 300, 'exit', 3)}
backoff_delay = 50ms
""")
    f.start()
    f.wait("w", generation=lambda g: g >= 3)
    f.ctl("stop", "w")
    for line in f.lines("n"):
        assert not alive(int(line.split()[2])), f.lines("n")


def test_a_death_is_seen_though_a_child_holds_the_output(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('fork', '{', 'sleep', 100000, '}', 'exit', 3)}\n"
              f"restart = no\n")
    assert f.wait("w", 3, state="FAILED")["last_exit"]["code"] == 3


def test_kill_mode_group_signals_the_whole_group(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
command = {act('on', 15, f.path('t'), 'fork', '{', 'note', f.path('n'),
               'pause', '}', 'note', f.path('n'), 'pause')}
kill_mode = group
stop_timeout = 500ms
""")
    f.start()
    f.wait_lines("n", 2)
    f.ctl("stop", "w")
    assert f.lines("t") == ["15", "15"]


def test_kill_mode_process_leaves_the_children_alone(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
command = {act('fork', '{', 'append', f.path('n'), 'child', 'note', f.path('n'), 'pause', '}',
               'pause')}
kill_mode = process
""")
    f.start()
    child = int(f.wait_lines("n", 2)[1].split()[2])
    f.ctl("stop", "w")
    stays(lambda: alive(child), 0.3)
    # Nor does one who finds the worker dead.
    f.kill_supervisor()
    f.crash()
    f.recover()
    f.ctl("start", "w")
    assert alive(child)
    f.wait_lines("n", 4)
    f.ctl("stop", "w")
    for line in f.lines("n"):
        if line != "child":
            os.kill(int(line.split()[2]), signal.SIGKILL)


def test_kill_ends_the_whole_tree(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
command = {act('fork', '{', 'setsid', 'fork', '{', 'setsid', 'note',
               f.path('n'), 'pause', '}', 'note', f.path('n'), 'pause', '}',
               'note', f.path('n'), 'pause')}
backoff_delay = 1h
backoff_limit = 1h
""")
    f.start()
    pids = [int(line.split()[2]) for line in f.wait_lines("n", 3)]
    f.ctl("kill", "w")
    wait_for(lambda: not any(map(alive, pids)))
    seen = f.wait("w", state="BACKOFF", want="up")
    assert seen["last_exit"]["signal"] == 9


def test_a_signal_is_sent_as_asked(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
command = {act('on', 10, f.path('s'), 'on', 1, f.path('s'), 'note', f.path('n'), 'pause')}
numprocs = 2
""")
    f.start()
    f.wait_lines("n", 2)
    f.ctl("signal", "USR1", "w:1")
    assert f.wait_lines("s", 1) == ["10"]
    f.ctl("signal", "HUP", "w")
    wait_for(lambda: sorted(f.lines("s")) == ["1", "1", "10"])


def test_a_stubborn_worker_does_not_hold_up_the_others(fleet):
    f = fleet(f"[worker:s]\ncommand = {STUBBORN}\nstop_timeout = 1500ms\n"
              f"[worker:w]\ncommand = {act('pause')}\nnumprocs = 5\n")
    f.running()
    f.ctl("--no-wait", "stop", "all")
    wait_for(lambda: all(w["state"] == "STOPPED" or n == "s"
                         for n, w in f.workers().items()), 1.2)
    assert f.worker("s")["state"] == "STOPPING"
    f.wait("s", state="STOPPED")


def test_the_deadline_of_svctl_ends_with_6(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\nstop_timeout = 1s\n"
                     f"command = {act('ignore', 15, 'note', f.path('up'), 'pause')}\n")
    f.start()
    f.wait_lines("up")
    f.ctl("-t", "0.2", "stop", "w", rc=6)
    f.wait("w", state="STOPPED")


def test_the_stop_timer_outlives_the_supervisor(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\nstop_timeout = 1500ms\n"
                     f"command = {act('on', 15, f.path('terms'), 'note', f.path('up'), 'pause')}\n")
    f.start()
    f.wait_lines("up")
    began = time.monotonic()
    f.ctl("--no-wait", "stop", "w")
    f.wait_lines("terms")
    f.kill_supervisor()
    seen = f.wait("w", state="STOPPED", want="down")
    assert 1.4 <= time.monotonic() - began < 10
    assert seen["last_exit"]["signal"] == 9
    assert f.lines("terms")[0] == "15"


# --- the fleet ---------------------------------------------------------------------

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGPWR,
                                 signal.SIGRTMIN + 3])
def test_a_graceful_end_is_0(fleet, sig):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\ncommand = "
                     f"{act('on-exit', 15, 0, 'note', f.path('up'), 'pause')}\n")
    f.start()
    f.wait_lines("up")
    f.signal(sig)
    assert f.end() == 0


def test_quit_leaves_no_grace(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\nstop_timeout = 1h\n"
                     f"command = {act('on', 15, f.path('terms'), 'note', f.path('up'), 'pause')}\n")
    f.start()
    f.wait_lines("up")
    f.signal(signal.SIGQUIT)
    f.end(5)


@pytest.mark.parametrize("first,second", [
    (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT),
    (signal.SIGTERM, signal.SIGINT)])
def test_a_second_signal_kills_everything_at_once(fleet, first, second):
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:w]
command = {act('on', 15, f.path('t'), 'fork', '{', 'ignore', 15, 'setsid',
               'note', f.path('n'), 'pause', '}', 'note', f.path('n'), 'pause')}
stop_timeout = 1h
numprocs = 3
""")
    f.start()
    pids = [int(line.split()[2]) for line in f.wait_lines("n", 6)]
    f.signal(first)
    f.wait_lines("t", 3)
    assert f.proc.poll() is None
    f.signal(second)
    assert f.end(5) in (128 + second, -second)
    assert not any(map(alive, pids))


def is_taken(f, sig):
    """Sends it, and waits until it is pending no more."""
    def pending():
        for line in pathlib.Path(f"/proc/{f.keeper}/status").open():
            if line.startswith("ShdPnd:"):
                return int(line.split()[1], 16) & 1 << sig - 1

    f.signal(sig)
    wait_for(lambda: not pending())


@pytest.mark.parametrize("by", ["shutdown", "essential"])
def test_of_a_stop_for_another_reason_one_signal_is_the_first(fleet, by):
    f = fleet(f"[worker:main]\ncommand = {act('pause')}\nrestart = no\n"
              f"essential = yes\n"
              f"[worker:w]\ncommand = {act('ignore', 15, 'note', 'up', 'pause')}\n"
              "directory = @\nstop_timeout = 1h\n", launch=False)
    f.ini.write_text(f.ini.read_text().replace("@", str(f.dir)))
    f.start()
    f.wait_lines("up")
    pids = f.running()
    if by == "essential":
        os.kill(pids["main"], signal.SIGUSR1)
    else:
        f.ctl("--no-wait", "shutdown")
    f.wait("w", state="STOPPING")
    is_taken(f, signal.SIGTERM)
    f.ctl("ping")
    assert alive(pids["w"])
    f.signal(signal.SIGINT)
    assert f.end(5) == 128 + signal.SIGINT


def test_shutdown_by_svctl(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n")
    pid = f.running("w")["w"]
    f.ctl("shutdown")
    assert f.end() == 0 and not alive(pid)
    f.ctl("status", rc=4)
    f.ctl("ping", rc=4)


def test_shutdown_while_workers_back_off_and_start(fleet):
    f = fleet(f"[worker:a]\ncommand = {act('exit', 1)}\nbackoff_delay = 1h\n"
              f"backoff_limit = 1h\n[worker:b]\ncommand = {act('exit', 1)}\n"
              f"backoff_delay = 0\nnumprocs = 20\n[worker:c]\n"
              f"command = /no/such/file\n[worker:d]\ncommand = {act('pause')}\n")
    f.wait("a", state="BACKOFF")
    began = time.monotonic()
    assert f.stop() == 0
    assert time.monotonic() - began < 10 * SLOW


def test_shutdown_right_after_the_start(fleet):
    for _ in range(5):
        f = fleet(f"[worker:w]\ncommand = {act('pause')}\nnumprocs = 20\n",
                  wait=False)
        wait_for(lambda: f.supervisor() or f.proc.poll() is not None)
        assert f.stop() == 0


@pytest.mark.parametrize("words,status", [
    (("exit", 7), 7), (("die", 6), 128 + 6), (("exit", 0), 0)])
def test_an_essential_worker_ends_the_fleet_with_its_status(fleet, words,
                                                           status):
    f = fleet("", launch=False)
    f.ini.write_text(f"""
[worker:other]
command = {act('note', f.path('n'), 'pause')}
[worker:main]
command = {act('sleep', 200, *words)}
restart = no
essential = yes
""")
    f.launch()
    assert f.end() == status
    assert not alive(int(f.lines("n")[0].split()[2]))


def test_an_essential_worker_without_a_status_is_10(fleet):
    f = fleet("[worker:main]\ncommand = /no/such/program\nrestart = no\n"
              "essential = yes\n", wait=False)
    assert f.end() == 10


def test_an_essential_worker_that_is_restarted_ends_nothing(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('exit', 7)}\nessential = yes\n"
              "backoff_delay = 20ms\nrestart_limit = 5\n", wait=False)
    assert f.end() == 7


def test_on_empty_exit(fleet):
    f = fleet(f"[fleet]\nname = test\non_empty = exit\n"
              f"[worker:w]\ncommand = {act('sleep', 100)}\nrestart = no\n"
              f"[worker:v]\ncommand = {act('exit', 3)}\nrestart = no\n",
              wait=False)
    assert f.end() == 0


def test_on_empty_wait_is_the_default(fleet):
    f = fleet(f"[worker:w]\ncommand = {ACT}\nrestart = no\n")
    f.wait("w", state="EXITED")
    stays(lambda: f.proc.poll() is None, 0.5)
    f.ctl("ping")

"""MAINPID= of sd_notify(3): another process is the main one."""

import os
import shlex
import signal

import pytest

from svdtest import ROOT, act, alive, children, wait_for
from test_said import hears, say

SUCCESSOR = str(ROOT / "tests" / "it" / "workers" / "successor.py")


def daemon(*words):
    command = shlex.join(["/usr/bin/python3", SUCCESSOR, *words])
    return f"[worker:w]\nready = notify\ncommand = {command}\n"


@pytest.mark.parametrize("words", [(), ("session",)],
                         ids=["child", "daemon"])
def test_a_successor_is_the_main_process(fleet, words):
    f = fleet(daemon("leave", *words) + "backoff_delay = 0\n")
    f.wait("w", state="RUNNING")
    first = f.wait("w", pid=lambda pid: pid not in (0, None))["pid"]
    assert "its main process is pid" in f.log()
    # The first one's end is nobody's.
    wait_for(lambda: first in children(f.keeper))
    assert f.worker("w")["pid"] == first and not f.deaths("w")
    f.ctl("signal", "USR1", "w")
    f.wait("w", generation=2, state="RUNNING")
    death = f.deaths("w")[0]
    assert (death["signal"], death["generation"]) == (signal.SIGUSR1, 1)
    pid = f.worker("w")["pid"]
    f.ctl("stop", "w")
    wait_for(lambda: not alive(pid))
    assert len(f.deaths("w")) == 2


def test_one_whose_parent_stays(fleet):
    f = fleet(daemon() + "backoff_delay = 0\nrestart_limit = 3\n")
    pid = f.wait("w", state="RUNNING", pid=bool)["pid"]
    parent = int(open(f"/proc/{pid}/stat").read().split()[3])
    assert parent in children(f.keeper)
    os.kill(pid, signal.SIGKILL)
    f.wait("w", generation=2, state="RUNNING")
    # What is left of its tree goes before the next is born.
    assert not alive(parent)
    assert len(f.deaths("w")) == 1


def test_the_next_supervisor_and_svd_know_it(fleet):
    f = fleet(daemon("leave"))
    pid = f.wait("w", state="RUNNING", pid=bool)["pid"]
    wait_for(lambda: pid in children(f.keeper))
    f.kill_supervisor()
    assert f.worker("w")["pid"] == pid and not f.deaths("w")
    f.crash()
    f.recover()
    assert f.worker("w")["pid"] == pid
    f.ctl("kill", "w")
    wait_for(lambda: not alive(pid))
    f.wait("w", generation=2, state="RUNNING")


@pytest.mark.parametrize("sig", [signal.SIGCONT, signal.SIGKILL],
                         ids=["late", "next"])
def test_it_is_heard_with_the_first_one_s_end(fleet, sig):
    """Both are there for a supervisor that comes late, and for the next."""
    command = shlex.join(["/usr/bin/python3", SUCCESSOR, "asked", "leave"])
    f = fleet(f"[worker:w]\ncommand = {command}\n")
    wait_for(lambda: "w: waits" in f.log())
    first = f.worker("w")["pid"]
    before = set(children(f.keeper))
    supervisor = f.status()["supervisor_pid"]
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(first, signal.SIGUSR1)
    second, = wait_for(lambda: set(children(f.keeper)) - before)
    wait_for(lambda: not alive(first))
    os.kill(supervisor, sig)
    f.wait("w", pid=second, state="RUNNING", generation=1)
    wait_for(lambda: first not in children(f.keeper))
    assert not f.deaths("w")


def test_an_alien_is_refused(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n"
              f"[worker:v]\ncommand = {act('pause')}\n")
    pids = f.running()
    for pid in (1, os.getpid(), pids["v"], f.keeper, f.supervisor(),
                2 ** 31 - 1):
        say(f, f"MAINPID={pid}")
    say(f, "STATUS=after")
    hears(f, "after")
    assert f.running() == pids
    assert f.log().count("is left out: MAINPID=") == 1
    say(f, f"MAINPID={pids['w']}\nSTATUS=itself")
    hears(f, "itself")
    assert f.running() == pids

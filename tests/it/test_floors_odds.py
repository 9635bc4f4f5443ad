"""Floors where two things happen at once: reloads while somebody waits, spares
that are born dead, a supervisor that stands still or dies at the wrong instant.
"""

import contextlib
import os
import re
import resource
import signal
import time

import pytest

from svdtest import (SANITIZED, SLOW, act, alive, all_of, children,
                     cpu_seconds, floor, on_floor, stays, wait_for)
from test_floors import QUICK, log_count, odd
from test_floors_crash import attach
from test_floors_lies import fleet_of


def test_no_process_is_doubted_because_its_intermediate_ends(fleet):
    f = fleet(floor() + "[worker:w]\nbackoff_delay = 0\nbackoff_limit = 1ms\n"
              f"{on_floor('sleep', 5)}\nnumprocs = 8\n")
    wait_for(lambda: sum(w["generation"] for w in f.workers().values()) > 1500,
             20)
    assert "none of its own" not in f.log()


def rewrite(f, *pairs):
    text = f.ini.read_text()
    for was, becomes in pairs:
        assert was in text
        text = text.replace(was, becomes)
    f.ini.write_text(text)


@pytest.mark.parametrize("to", ["floor", "command"])
def test_who_waits_for_a_floor_is_moved_away_from_it(fleet, to):
    f = fleet(odd("fail") + floor("g") +
              f"[worker:stays]\n{on_floor('pause')}\n"
              f"[worker:w]\n{on_floor('pause')}\n")
    f.wait("w", state="STARTING", pid=0)
    wait_for(lambda: "BACKOFF" in f.log())
    head, name, _ = f.ini.read_text().partition("[worker:w]\n")
    f.ini.write_text(
        head + name + (on_floor("pause", name="g") if to == "floor" else
                       f"command = {act('pause')}") + "\n")
    f.svctl("-t", "5", "reload")
    f.wait("w", state="RUNNING")
    assert f.worker("stays")["state"] == "STARTING"


def test_a_stanza_that_failed_is_mended(fleet):
    f = fleet(odd("sleep 0") + f"[worker:w]\n{on_floor('pause')}\n")
    before = f.running()
    rewrite(f, ("ODD=sleep 0", "ODD=fail"))
    f.ctl("reload", rc=1)
    # Nobody tries the same again.
    f.kill_supervisor()
    assert f.running() == before
    stays(lambda: log_count(f, "cannot be loaded") == 1, 0.3)
    rewrite(f, ("ODD=fail", "ODD=sleep 1"))
    f.ctl("reload")
    assert f.running() != before
    assert f.ctl("-j", "floors").json["floors"][0]["generation"] == 3


def test_a_stanza_that_failed_is_taken_back(fleet):
    f = fleet(odd("sleep 0") + f"[worker:w]\n{on_floor('pause')}\n")
    before = f.running()
    rewrite(f, ("ODD=sleep 0", "ODD=fail"))
    f.ctl("reload", rc=1)
    rewrite(f, ("ODD=fail", "ODD=sleep 0"))
    f.ctl("reload")
    stays(lambda: f.running() == before, 0.3)
    assert log_count(f, "floor:f: loaded") == 1
    assert f.ctl("-j", "floors").json["floors"][0]["error"] is None


def has_been_told(f, word):
    for pid in children(f.keeper):
        with contextlib.suppress(OSError):
            if word in all_of(f"/proc/{pid}/environ").split(b"\0"):
                return True
    return False


def test_a_stanza_is_taken_back_while_it_loads(fleet):
    f = fleet(odd("sleep 0") + f"[worker:w]\n{on_floor('pause')}\n")
    f.running()
    rewrite(f, ("ODD=sleep 0", "ODD=sleep 60000"))
    f.ctl("--no-wait", "reload")
    # Before it is born, it is not taken back, but never was.
    wait_for(lambda: has_been_told(f, b"ODD=sleep 60000"))
    rewrite(f, ("ODD=sleep 60000", "ODD=sleep 0"))
    f.ctl("reload")
    row, = f.ctl("-j", "floors").json["floors"]
    assert (row["state"], row["generation"]) == ("READY", 3)


def test_a_refloor_tells_the_generation_that_comes_of_it(fleet):
    f = fleet(odd("sleep 300") + f"[worker:w]\n{on_floor('pause')}\n")
    f.running()
    with f.varlink() as first:
        first.send("org.svd.Fleet.Refloor", {"floor": "f"})
        wait_for(lambda: log_count(f, r"floor:f: STARTING|-> STARTING") > 1)
        told = [f.ctl("-j", "--no-wait", "refloor", "f").json["generation"],
                f.ctl("-j", "refloor", "f").json["generation"]]
        assert told == [3, 4]
        # That one is newer than what the first had asked for, too.
        reply = first.receive()["parameters"]
    assert reply["generation"] == 2 and reply["results"][0]["done"]
    row, = f.ctl("-j", "floors").json["floors"]
    assert (row["state"], row["generation"]) == ("READY", 4)
    assert "generation 4 has taken over" in f.log()


@pytest.mark.parametrize("spares", [0, 2])
def test_spares_that_are_born_dead(fleet, spares):
    f = fleet_of(fleet, "stillborn", spares=spares)
    supervisor = f.status()["supervisor_pid"]
    # It may have become the worker before its end was seen.
    why = re.compile("has ended|exit status 5")
    wait_for(lambda: why.search(f.worker("w")["error"] or ""))
    cpu, lines = cpu_seconds(supervisor), len(f.log().splitlines())
    result = f.svctl("-t", "5", "start", "w")
    assert result.rc == 1 and why.search(result.err), result
    stays(lambda: f.worker("victim")["state"] == "RUNNING", 2)
    assert cpu_seconds(supervisor) - cpu < 0.5
    assert len(f.log().splitlines()) - lines < 25 * SLOW, f.log()


def test_a_killed_spare_is_told_of(fleet):
    f = fleet(floor(spares=1) + f"[worker:w]\n{on_floor('pause')}\n")
    f.running()
    os.kill(f.spare(), signal.SIGKILL)
    wait_for(lambda: "floor:f: what was forked for a worker has ended before "
             "it was one: killed by KILL" in f.log())


def test_no_descriptors_are_left(fleet):
    f = fleet(floor() + f"[worker:w]\n{QUICK}{on_floor('pause')}\n")
    pid = f.running()["w"]
    supervisor = f.status()["supervisor_pid"]
    before = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
    # Notify sockets have high numbers, which a limit leaves alone.
    used = len([fd for fd in os.listdir(f"/proc/{supervisor}/fd")
                if int(fd) < 256])
    # A connection, the answer to a fork; no more.
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (used, before[1]))
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "no descriptors left" in f.log() or
             "Too many open files" in f.log())
    lines = len(f.log().splitlines())
    stays(lambda: cpu_seconds(supervisor) < 5, 2)
    assert len(f.log().splitlines()) - lines < 100 * SLOW
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, before)
    f.wait("w", state="RUNNING")
    assert f.status()["supervisor_pid"] == supervisor


@pytest.mark.slow
@pytest.mark.parametrize("call, error", [
    ("memfd_create", "ENOMEM"), ("openat", "EMFILE"), ("sendmsg", "ENOBUFS")])
def test_a_supervisor_that_is_refused_something(fleet, call, error):
    f = fleet(floor(spares=1) + f"[worker:w]\n{QUICK}{on_floor('pause')}\n")
    pid = f.running()["w"]
    supervisor = f.status()["supervisor_pid"]
    lines = len(f.log().splitlines())
    tracer = attach(supervisor, call, "2+", f"error={error}")
    try:
        os.kill(pid, signal.SIGKILL)
        stays(lambda: alive(supervisor), 1)
    finally:
        tracer.terminate()
        tracer.communicate()
    # It tries again and again, but not at once.
    assert len(f.log().splitlines()) - lines < 40 * SLOW, f.log()
    f.wait("w", state="RUNNING", pid=lambda p: p not in (0, pid))
    # supervisor, logger, floor, w, a spare
    wait_for(lambda: len(children(f.keeper)) == 5)


def test_a_floor_that_closes_its_socket_and_ends(fleet):
    f = fleet_of(fleet, "leave")
    wait_for(lambda: "floor:f: RUNNING -> BACKOFF (exit status 3)" in f.log())


@pytest.mark.parametrize("where", ["prepare"] if SANITIZED
                         else ["prepare", "child"])
def test_a_supervisor_that_stood_still_blames_nobody(fleet, where):
    f = fleet("", launch=False)
    lock = f.path("lock")
    timeout = 500 * SLOW
    f.ini.write_text("[fleet]\nname = t\n" +
                     odd(f"{where} {lock}", fork_timeout=f"{timeout}ms") +
                     f"[worker:w]\n{QUICK}{on_floor('pause')}\n")
    f.start()
    before = f.running()
    floors = f.floors()
    supervisor = f.status()["supervisor_pid"]
    for _ in range(3):
        lock.touch()
        os.kill(before["w"], signal.SIGKILL)
        # prepare: its FORK is not answered; child: it is not STARTED.
        f.wait("w", state="STARTING",
               pid=(lambda pid: pid not in (0, before["w"]))
               if where == "child" else 0)
        os.kill(supervisor, signal.SIGSTOP)
        stood = time.monotonic()
        lock.unlink()
        wait_for(lambda: time.monotonic() - stood > 1.5 * timeout / 1000)
        os.kill(supervisor, signal.SIGCONT)
        before = f.running()
    assert f.floors() == floors
    assert "is a lock held" not in f.log()


def test_a_floor_that_has_failed_is_ended_by_a_successor(fleet):
    f = fleet_of(fleet, "loadfail-lives")
    pid, = wait_for(f.floors).values()
    wait_for(lambda: "today" in "".join(f.lines("run/state")))
    f.kill_supervisor()
    wait_for(lambda: not alive(pid), 5)
    wait_for(lambda: "STARTING -> BACKOFF (not today)" in f.log())


def test_a_set_up_that_has_failed_is_ended_by_a_successor(fleet):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = t\n" + floor(spares=1) +
                     f"[worker:w]\nautostart = no\nstdin = file:"
                     f"{f.path('missing')}\n{on_floor('pause')}\n"
                     f"[worker:x]\n{on_floor('pause')}\n")
    f.start()
    f.running("x")
    wait_for(lambda: f.ctl("-j", "floors").json["floors"][0]["spares"] == 1)
    supervisor = f.status()["supervisor_pid"]
    tracer = attach(supervisor, "kill", 1)
    f.svctl("--no-wait", "start", "w")
    wait_for(lambda: not alive(supervisor), what="it has come to its kill(2)")
    tracer.communicate()
    wait_for(f.answers)
    f.wait("w", state="BACKOFF", error=lambda e: e and "cannot open" in e)


def test_what_a_floor_ended_of_leaves_with_it(fleet):
    f = fleet_of(fleet, "loadfail-lives")
    wait_for(lambda: "line 1" in f.log())
    f.ini.write_text(f"[fleet]\nname = test\n[worker:x]\n"
                     f"command = {act('pause')}\n")
    f.ctl("reload")
    wait_for(lambda: list(f.workers()) == ["x"])
    f.descriptors()
    held = [os.readlink(f"/proc/{f.keeper}/fd/{fd}")
            for fd in os.listdir(f"/proc/{f.keeper}/fd")]
    assert not [name for name in held if "svd-trace" in name], held


@pytest.mark.slow
def test_a_roll_gives_way_to_the_next_generation(fleet):
    f = fleet(odd(f"sleep {1500 * SLOW}") +
              f"[worker:w]\n{on_floor('pause')}\nnumprocs = 3\n")
    f.running()
    f.ctl("--no-wait", "refloor", "f")
    f.wait("w:0", state="RUNNING", generation=2)
    f.ctl("refloor", "f")
    # Else the others would have been replaced while that was loading, too.
    assert [w["generation"] for w in f.workers().values()] == [3, 2, 2]


def test_a_oneshot_is_not_begun_again(fleet):
    f = fleet(floor() + f"[worker:d]\n{on_floor('pause')}\n"
              f"[worker:w]\ntype = oneshot\n{on_floor('pause')}\n")
    before = f.running()
    f.ctl("refloor", "f")
    after = f.running()
    assert after["w"] == before["w"] and after["d"] != before["d"]
    rows = f.ctl("-j", "floors").json["floors"]
    assert [(r["state"], r["workers"]) for r in rows] == [("READY", 1),
                                                          ("RETIRED", 1)]


# A sanitizer needs two forks, and the first one's child, which would then hang,
# is the intermediate.
if not SANITIZED:
    def test_why_a_roll_halted_is_forgotten_with_its_generation(fleet):
        f = fleet("", launch=False)
        lock = f.path("lock")
        f.ini.write_text("[fleet]\nname = t\n" +
                         odd(f"child {lock}", fork_timeout="200ms") +
                         "[worker:w]\nbackoff_delay = 1min\nbackoff_limit = 1min\n"
                         f"{on_floor('pause')}\nnumprocs = 2\n")
        f.start()
        f.running()
        lock.touch()
        f.ctl("refloor", "f", rc=1)
        lock.unlink()
        assert f.ctl("-j", "floors").json["floors"][0]["error"]
        os.kill(*f.floors().values(), signal.SIGKILL)
        wait_for(lambda: log_count(f, "floor:f: loaded .*generation 3"))
        row = f.ctl("-j", "floors").json["floors"][0]
        assert (row["state"], row["error"]) == ("READY", None)

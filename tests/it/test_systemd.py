"""svd under a systemd, by the units that are installed with it."""

import json
import re

import pytest

from machine import CAN_BOOT, Machine, Unit
from svdtest import SANITIZED, wait_for

# A sanitizer's reports would be lost in the machine.
__test__ = not SANITIZED
pytestmark = pytest.mark.skipif(
    not CAN_BOOT, reason="needs root and systemd-nspawn")

ACT = "/usr/local/bin/act"
ONCE = "[Service]\nRestart=no\n"


@pytest.fixture(scope="module")
def machine():
    m = Machine()
    yield m
    m.down()


def worker(name="w", *words, **keys):
    lines = "".join(f"{k} = {v}\n" for k, v in keys.items())
    return (f"[worker:{name}]\n"
            f"command = {ACT} {' '.join(map(str, words)) or 'pause'}\n{lines}")


def started(machine, name, text, dropin=""):
    u = Unit(machine, name, text, dropin)
    u.ctl("start")
    return u


def test_the_units_are_as_systemd_wants_them(machine):
    for unit in ("svd.service", "svd@other.service"):
        done = machine.run("systemd-analyze", "verify", unit)
        assert (done.out, done.err) == ("", "")


def test_a_fleet_is_started_and_shown(machine):
    u = started(machine, "shown", worker(numprocs=3))
    assert u.show("StatusText") == "running: 3 of 3 workers as wanted"
    main = u.main()
    assert json.loads(u.svctl("-j", "status").out)["keeper_pid"] == main
    assert set(u.pids().values()) < set(u.processes())
    theirs = "".join(u.environ(u.pids()["w:0"]))
    assert "SVD_WORKER=w:0" in theirs
    for name in ("NOTIFY_SOCKET", "WATCHDOG", "LISTEN", "FDSTORE"):
        assert name not in theirs
    assert "NOTIFY_SOCKET" in "".join(u.environ(main))
    machine.run("kill", "-STOP", u.pids()["w:1"])
    u.svctl("kill", "w:1", "--no-wait")
    wait_for(lambda: "; w:1 BACKOFF" in u.show("StatusText"))
    wait_for(lambda: u.show("StatusText") ==
             "running: 3 of 3 workers as wanted")


def test_a_fleet_whose_file_is_wrong_does_not_start(machine):
    u = Unit(machine, "wrong", "[worker:w]\nodd = 1\n", ONCE)
    u.ctl("start", rc=1)
    assert u.show("ExecMainStatus") == "1"
    assert u.show("Result") == "exit-code"
    log = machine.run("journalctl", "-u", u.name, "-o", "cat").out
    assert re.search(r"wrong\.ini:4: .*odd", log)


def test_a_fleet_with_workers_that_fail_is_up_and_says_so(machine):
    u = started(machine, "failing", worker() +
                "[worker:odd]\ncommand = /nonexistent\n")
    assert u.show("StatusText") in (
        "running: 1 of 2 workers as wanted; odd BACKOFF",
        "running: 1 of 2 workers as wanted; odd STARTING")


def test_a_reload_waits_for_what_it_does_and_fails_if_that_does(machine):
    u = started(machine, "reloaded", worker())
    before = u.pids()
    u.edit(worker("new"))
    u.ctl("reload")
    after = u.pids()
    assert set(after) == {"w", "new"} and after["w"] == before["w"]
    assert after["new"] > 0
    u.edit("odd = 1\n")
    u.ctl("reload", rc=1)
    assert u.show("ActiveState") == "active"
    assert u.pids() == after
    machine.run("kill", "-HUP", u.main())
    wait_for(lambda: "not reloaded" in machine.run(
        "journalctl", "-u", u.name, "-o", "cat").out)
    assert u.show("ActiveState") == "active"


def test_a_stop_may_take_as_long_as_workers_may(machine):
    u = started(
        machine, "slow",
        "[worker:w]\nstop_timeout = 10s\ncommand = /bin/sh -c 'trap "
        '"sleep 1.5; echo whole >/run/ended; exit" TERM; echo >/run/slow; '
        "while :; do sleep 0.02; done'\n",
        "[Service]\nTimeoutStopSec=1s\n")
    wait_for(machine.path("/run/slow").exists)
    u.ctl("stop")
    assert machine.read("/run/ended") == "whole\n"
    assert u.show("Result") == "success"
    assert u.show("ExecMainStatus") == "0"


def test_a_restart_ends_all_and_leaves_nothing_behind(machine):
    u = started(machine, "anew", worker(
        "w", "ignore 1 fork { setsid ignore 15 pause } pause", numprocs=2))
    before, all_before = u.main(), u.processes()
    assert len(all_before) >= 6
    u.ctl("restart")
    assert u.main() != before
    assert not set(u.processes()) & set(all_before)
    u.ctl("stop")
    assert u.processes() == []
    assert not machine.path("/run/svd/anew").exists()


@pytest.mark.parametrize("words, status", [("exit 42", 42), ("die 11", 139)])
def test_the_status_of_an_essential_worker_is_the_units(
        machine, words, status):
    u = started(machine, f"vital{status}",
                worker() +
                worker("vital", f"sleep 300 {words}", essential="yes",
                       restart="no"), ONCE)
    wait_for(lambda: u.show("ActiveState") == "failed")
    assert u.show("ExecMainStatus") == str(status)
    assert u.show("Result") == "exit-code"
    assert u.processes() == []


def test_shutdown_ends_the_unit_and_it_is_not_started_again(machine):
    u = started(machine, "ended", worker())
    u.svctl("shutdown")
    wait_for(lambda: u.show("ActiveState") == "inactive")
    assert (u.show("Result"), u.show("NRestarts")) == ("success", "0")


def test_a_killed_keeper_is_replaced_and_its_workers_with_it(machine):
    u = started(machine, "killed", worker(numprocs=2),
                "[Service]\nRestartSec=50ms\n")
    all_before = u.processes()
    machine.run("kill", "-KILL", u.main())
    wait_for(lambda: u.show("NRestarts") == "1" and
             u.show("ActiveState") == "active")
    assert not set(u.processes()) & set(all_before)
    assert u.show("StatusText") == "running: 2 of 2 workers as wanted"


def test_who_hangs_is_replaced_the_keeper_by_systemd(machine):
    u = started(machine, "hung", worker(),
                "[Service]\nWatchdogSec=3s\nRestartSec=50ms\n")
    before, main = u.pids(), u.main()
    hung = u.supervisor()
    machine.run("kill", "-STOP", hung)
    wait_for(lambda: u.supervisor() not in (0, hung))
    machine.run("kill", "-STOP", main)
    wait_for(lambda: u.show("NRestarts") == "1" and
             u.show("ActiveState") == "active")
    log = machine.run("journalctl", "-u", u.name, "-o", "cat").out
    assert log.count("Watchdog timeout") == 1
    assert f"supervisor {hung} does not answer, ending it" in log
    # The supervisor's hang was nothing to the worker.
    assert u.main() != main and u.pids() != before
    assert log.count("w: STARTING -> RUNNING") == 2


def test_another_svd_of_the_fleet_is_refused(machine):
    u = started(machine, "twice", worker())
    done = machine.run("svd", "-r", "/run/svd/twice", u.ini, rc=3)
    assert f"another svd (pid {u.main()})" in done.err
    assert u.show("StatusText") == "running: 1 of 1 workers as wanted"

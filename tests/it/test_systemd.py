"""svd under a systemd, by the units that are installed with it."""

import json
import re
import time

import pytest

from machine import CAN_BOOT, Machine, Unit
from svdtest import SANITIZED, stays, wait_for

# A sanitizer's reports would be lost in the machine.
__test__ = not SANITIZED
pytestmark = pytest.mark.skipif(
    not CAN_BOOT, reason="needs root and systemd-nspawn")

ACT = "/usr/local/bin/act"
SURVIVE = "/usr/local/share/doc/svd/systemd/survive.conf"
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
    machine.write("/etc/systemd/system/svd@kept.service.d/survive.conf",
                  machine.read(SURVIVE))
    for unit in ("svd.service", "svd@other.service", "svd@kept.service"):
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
    assert "NOTIFY_SOCKET=/run/svd/shown/notify/w:0" in theirs
    for name in ("/run/systemd", "WATCHDOG", "LISTEN", "FDSTORE"):
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


# Writes numbered lines until TERM, and then to a file how many.
FLOOD = """
import os, signal, sys, time
n, go = 0, True
def stop(*_):
    global go
    go = False
signal.signal(signal.SIGTERM, stop)
while go:
    os.write(1, b"".join(b"%d\\n" % i for i in range(n, n + 100)))
    n += 100
    time.sleep(0.001)
open(sys.argv[1], "w").write(str(n))
"""


def survivors(machine, name, text):
    machine.write("/usr/local/bin/flood.py", FLOOD)
    u = Unit(machine, name, text, "[Service]\nRestartSec=50ms\n")
    u.dropin("survive", machine.read(SURVIVE))
    u.ctl("start")
    return u


def flooder(u, name="flood", **keys):
    lines = "".join(f"{k} = {v}\n" for k, v in keys.items())
    return (f"[worker:{name}]\nstdout = file:/run/{u}-{name}.log\n"
            "command = /usr/bin/python3 /usr/local/bin/flood.py "
            f"/run/{u}-{name}.sum\n{lines}")


def sum_up(u, name="flood"):
    """Ends the flood; how many lines there were, each of them once."""
    m = u.machine
    if u.pids()[name]:
        u.svctl("stop", name)
    total = int(wait_for(lambda: m.read(f"/run/{u.fleet}-{name}.sum")))
    wanted = "".join(f"{i}\n" for i in range(total))
    assert wait_for(lambda: len(m.read(
        f"/run/{u.fleet}-{name}.log")) >= len(wanted))
    assert m.read(f"/run/{u.fleet}-{name}.log") == wanted
    return total


def killed_and_back(u):
    """Ends all of svd at once, and waits for systemd's next."""
    restarts = int(u.show("NRestarts"))
    u.machine.run("kill", "-KILL", u.main())
    wait_for(lambda: u.show("ActiveState") == "active" and
             int(u.show("NRestarts")) == restarts + 1)


def hold_back(u, name="flood"):
    """What is written is on its way through the logger, and in no file."""
    log = u.machine.path(f"/run/{u.fleet}-{name}.log")
    size = log.stat().st_size if log.exists() else 0
    wait_for(lambda: log.exists() and log.stat().st_size > size)
    u.machine.run("kill", "-STOP", *u.writers())
    # Beyond what the FIFO takes.
    time.sleep(0.2)


def test_workers_survive_a_restart_with_all_that_they_write(machine):
    u = survivors(machine, "kept", flooder("kept") + worker(numprocs=2))
    before, main = u.pids(), u.main()
    assert "FDSTORE" in "".join(u.environ(main))
    assert "FDSTORE" not in "".join(u.environ(before["w:0"]))
    for _ in range(3):
        u.ctl("restart")
    assert u.main() != main and u.show("NRestarts") == "0"
    assert u.pids() == before
    assert u.show("StatusText") == "running: 3 of 3 workers as wanted"
    assert sum_up(u) > 100
    # Later ones are no less.
    u.svctl("restart", "w")
    after = u.pids()
    assert after["w:0"] != before["w:0"]
    u.ctl("restart")
    assert u.pids() == after
    # One FIFO each is kept, however often it has come and gone.
    u.svctl("upgrade")
    stays(lambda: u.show("NFileDescriptorStore") == "3", 0.3)
    u.svctl("shutdown")
    wait_for(lambda: u.show("ActiveState") == "inactive")
    assert u.processes() == []


def test_workers_survive_the_death_of_svd_with_all_that_they_write(machine):
    u = survivors(machine, "bereft", flooder("bereft") + worker(numprocs=2))
    before = u.pids()
    for _ in range(4):
        hold_back(u)
        killed_and_back(u)
    assert u.pids() == before
    assert sum_up(u) > 100
    u.svctl("shutdown")


def test_what_nobody_has_read_of_the_dead_is_with_systemd(machine):
    u = survivors(
        machine, "last", worker() +
        "[worker:dying]\nrestart = no\nstdout = file:/run/dying.log\n"
        """command = /bin/sh -c 'trap "seq 1000; exit 3" TERM; echo >/run/up; """
        "while :; do sleep 0.02; done'\n")
    machine.write("/run/hold", "")
    u.dropin("held", "[Service]\nExecStartPre=/bin/sh -c "
             "'while test -e /run/hold; do sleep 0.02; done'\n")
    wait_for(machine.path("/run/up").exists)
    pid = u.pids()["dying"]
    ours = set(u.processes()) - set(u.pids().values())
    machine.run("kill", "-KILL", u.main())
    wait_for(lambda: not any(map(machine.lives, ours)), what="svd is gone")
    machine.run("kill", "-TERM", pid)
    wait_for(lambda: not machine.lives(pid))
    wait_for(lambda: u.show("ActiveState") == "activating")
    assert machine.read("/run/dying.log") == ""
    machine.path("/run/hold").unlink()
    wait_for(lambda: machine.read("/run/dying.log").endswith("1000\n"))
    assert machine.read("/run/dying.log").split() == [
        str(n) for n in range(1, 1001)]
    wait_for(lambda: u.pids()["dying"] == 0)
    u.svctl("shutdown")


def test_more_descriptors_survive_than_a_process_has_by_default(machine):
    u = survivors(machine, "many", worker(numprocs=1100))
    before = u.pids()
    wait_for(lambda: u.show("NFileDescriptorStore") == "1100")
    u.ctl("restart")
    assert u.pids() == before
    u.svctl("shutdown")


def test_who_reads_a_terminal_or_a_pipe_does_not_see_its_end(machine):
    # Which would be the end of cat.
    u = survivors(machine, "talk", "[worker:tty]\ncommand = /bin/cat\ntty = yes"
                  "\n[worker:pipe]\ncommand = /bin/cat\nstdin = pipe\n")
    before = u.pids()
    u.ctl("restart")
    assert u.pids() == before
    killed_and_back(u)
    assert u.pids() == before
    u.svctl("shutdown")


def test_a_stop_leaves_the_workers_too(machine):
    u = survivors(machine, "left", worker(numprocs=2))
    before = u.pids()
    u.ctl("stop")
    assert u.show("ActiveState") == "inactive"
    u.ctl("start")
    assert u.pids() == before
    u.svctl("shutdown")


def test_an_upgrade_keeps_the_unit_as_it_is(machine):
    u = started(machine, "newer", worker(numprocs=2),
                "[Service]\nWatchdogSec=2s\n")
    before, main = u.pids(), u.main()
    for _ in range(2):
        u.svctl("upgrade")
    assert u.pids() == before and u.main() == main
    assert u.show("ActiveState") == "active"
    u.svctl("stop", "w:1")
    u.edit(worker("new"))
    u.ctl("reload")
    since = u.show("WatchdogTimestampMonotonic")
    wait_for(lambda: u.show("WatchdogTimestampMonotonic") != since)
    wait_for(lambda: u.show("StatusText") ==
             "running: 3 of 3 workers as wanted")
    assert u.show("NRestarts") == "0"

"""Heartbeats: who is heard lives, who is not is looked at and ended; and who
only seems silent is spared."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from svdtest import BUILD, ROOT, SLOW, alive, stays, stat_fields, wait_for

PERIOD = round(0.6 * SLOW, 1)  # s, as it is written
BEATS = ROOT / "tests/it/workers/beats.py"
PYTHONPATH = f"environment = PYTHONPATH={BUILD}/libexec/python\n"


def beats(path, name="w", words="", **keys):
    """One worker that obeys the files in path."""
    keys = {"watchdog": f"{PERIOD}s", "ready": "notify",
            "backoff_delay": "100ms", **keys}
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return (f"[worker:{name}]\ncommand = {sys.executable} {BEATS} {words}\n"
            f"directory = {path}\n{PYTHONPATH}{lines}")


def miss(period=PERIOD):
    """What is said of a silent one."""
    return "no heartbeat within " + (
        f"{period * 1000:.0f}ms" if period < 1 else f"{period:g}s")


def log_lines(f, part):
    return [line for line in f.log().splitlines() if part in line]


# --- who hangs -----------------------------------------------------------------------

def test_who_is_silent_is_looked_at_and_aborted(fleet, tmp_path):
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    f = fleet(beats(tmp_path / "good", "good") + beats(tmp_path / "bad", "bad"))
    pids = f.running("good", "bad")
    for name, pid in pids.items():  # each was told that it is meant
        wait_for(lambda: f"{name}: expected of {pid} {pid}" in f.log())
    assert re.fullmatch(rf"a heartbeat \d+m?s ago, {miss()[13:]}".replace(
        "within", "expected within"), f.why("good")["watchdog"])
    (tmp_path / "bad/hush").touch()
    f.wait("bad", state="BACKOFF")
    (tmp_path / "bad/hush").unlink()
    death = f.deaths("bad")[-1]
    assert (death["signal"], death["code"]) == (signal.SIGABRT, None)
    assert death["reason"].replace(" (core dumped)", "") == \
        f"killed by ABRT: {miss()}"
    log = f.log()
    order = [f"bad: {miss()} (", f"bad: {miss()}, ending it",
             "bad: RUNNING -> STOPPING", "bad: dump: ",
             "bad: STOPPING -> BACKOFF"]
    assert sorted(order, key=log.index) == [order[i] for i in (0, 2, 1, 3, 4)]
    again = f.wait("bad", state="RUNNING", generation=2)
    assert again["restarts"] == 1
    assert f.worker("good")["pid"] == pids["good"]


def test_who_takes_no_notice_is_killed_after_its_grace(fleet, tmp_path):
    f = fleet(beats(tmp_path, words="stubborn", stop_timeout="200ms",
                    restart="on-failure"))
    f.running()
    (tmp_path / "hush").touch()
    f.wait("w", generation=2)
    (tmp_path / "hush").unlink()
    assert f.deaths("w")[0]["reason"] == f"killed by KILL: {miss()}"
    # It is looked at once, before the signal.
    assert len(log_lines(f, ": threads")) == 1


def test_who_asks_for_its_end_has_it(fleet, tmp_path):
    f = fleet(beats(tmp_path, watchdog="1h", watchdog_signal="QUIT"))
    f.running()
    (tmp_path / "trigger").touch()
    f.wait("w", generation=2)
    assert f.deaths("w")[-1]["reason"].replace(" (core dumped)", "") == \
        "killed by QUIT: it asked to be ended"


def test_an_essential_one_that_hangs_ends_the_fleet(fleet, tmp_path):
    f = fleet(beats(tmp_path, essential="yes", restart="no"))
    f.running()
    (tmp_path / "hush").touch()
    assert f.end() == 128 + signal.SIGABRT


def test_a_warning_is_all_until_the_fleet_file_says_more(fleet, tmp_path):
    text = beats(tmp_path, watchdog_mode="warn")
    f = fleet(text)
    pid = f.running()["w"]
    (tmp_path / "hush").touch()
    f.wait("w", error=miss())
    wait_for(lambda: log_lines(f, f"w: dump: process {pid}"))
    assert f.why("w")["error"] == miss()
    assert f.why("w")["state"] == "RUNNING"
    (tmp_path / "hush").unlink()
    f.wait("w", error=None)
    assert len(log_lines(f, f"w: {miss()} (")) == 1
    assert len(log_lines(f, "w: a heartbeat again, after ")) == 1
    (tmp_path / "hush").touch()
    f.wait("w", error=miss())
    assert f.worker("w")["pid"] == pid
    # Now it is ended, and no restart was needed to say so.
    f.ini.write_text(f"[fleet]\nname = test\n{text}".replace(
        "mode = warn", "mode = kill"))
    f.ctl("reload")
    assert f.worker("w")["pid"] == pid
    f.wait("w", generation=2)
    assert miss() in f.deaths("w")[0]["reason"]


def test_a_change_of_the_time_is_told_to_a_new_process(fleet, tmp_path):
    text = beats(tmp_path)
    f = fleet(text)
    f.running()
    f.ini.write_text(f"[fleet]\nname = test\n{text}".replace(
        f"watchdog = {PERIOD}s", "watchdog = 1h"))
    assert f.ctl("reload")
    f.wait("w", generation=2, state="RUNNING")
    assert "expected within 1h" in f.why("w")["watchdog"]


# --- svd itself ------------------------------------------------------------------------

def test_the_time_in_which_svd_is_stopped_is_nobodys_fault(fleet, tmp_path):
    f = fleet(beats(tmp_path))
    pid = f.running()["w"]
    for _ in range(2):
        supervisor = f.supervisor()
        os.kill(supervisor, signal.SIGSTOP)
        try:
            # Also when more was said than a socket holds.
            stays(lambda: alive(pid), 2 * PERIOD)
        finally:
            os.kill(supervisor, signal.SIGCONT)
        assert f.supervisor() == supervisor
        stays(lambda: f.worker("w")["pid"] == pid, PERIOD / 2)
    assert not log_lines(f, "no heartbeat")


def test_both_stopped_for_long_and_neither_to_blame(fleet, tmp_path):
    f = fleet(beats(tmp_path))
    pid = f.running()["w"]
    all_of_it = [f.supervisor(), pid]
    for one in all_of_it:
        os.kill(one, signal.SIGSTOP)
    stays(lambda: alive(pid), 2 * PERIOD)
    for one in all_of_it:
        os.kill(one, signal.SIGCONT)
    stays(lambda: f.worker("w")["pid"] == pid, PERIOD / 2)
    assert not log_lines(f, "no heartbeat")


def test_a_successor_finds_a_silence_and_counts_one_death(fleet, tmp_path):
    f = fleet(beats(tmp_path) + beats(tmp_path / "..", "other"))
    pids = f.running()
    (tmp_path / "hush").touch()
    for _ in range(2):
        f.kill_supervisor()
    f.wait("w", generation=2)
    (tmp_path / "hush").unlink()
    f.running("w")
    assert [miss() in death["reason"] for death in f.deaths("w")] == [True]
    assert f.worker("other")["pid"] == pids["other"]


@pytest.mark.parametrize("when", ["it is looked at", "it was told"])
def test_a_successor_ends_what_was_to_be_ended(fleet, tmp_path, when):
    """Killed while the worker is looked at, and while its grace lasts."""
    f = fleet(beats(tmp_path, words="stubborn", stop_timeout=f"{PERIOD}s"))
    f.running()
    (tmp_path / "hush").touch()
    if when == "it is looked at":
        wait_for(lambda: log_lines(f, "w: RUNNING -> STOPPING"), every=0.001)
    else:
        f.wait("w", state="STOPPING")
        wait_for(lambda: log_lines(f, "w: dump: "))
    f.kill_supervisor()
    f.wait("w", generation=2)
    assert [d["reason"] for d in f.deaths("w")] == [f"killed by KILL: {miss()}"]


def test_an_upgrade_silences_nobody(fleet, tmp_path):
    f = fleet(beats(tmp_path))
    pid = f.running()["w"]
    for _ in range(3):
        f.ctl("upgrade")
    assert "a heartbeat" in wait_for(
        lambda: "a heartbeat" in f.why("w")["watchdog"] and
        f.why("w")["watchdog"])
    assert f.worker("w")["pid"] == pid
    (tmp_path / "hush").touch()
    f.wait("w", generation=2)


def test_one_of_a_dead_svd_is_watched_once_it_is_heard(fleet, tmp_path):
    f = fleet(beats(tmp_path))
    pid = f.running()["w"]
    (tmp_path / "hush").touch()
    f.crash()
    f.recover()
    # Whether it could be heard at all is not known yet.
    stays(lambda: f.worker("w")["pid"] == pid, 1.5 * PERIOD)
    (tmp_path / "hush").unlink()
    wait_for(lambda: "a heartbeat" in f.why("w")["watchdog"])
    (tmp_path / "hush").touch()
    f.wait("w", generation=2)
    assert miss() in f.deaths("w")[0]["reason"]


# --- who starves -----------------------------------------------------------------------

def put_behind(pid, policy, nice):
    """Where sessions are scheduled as groups, also its session."""
    os.sched_setscheduler(pid, policy, os.sched_param(0))
    with contextlib.suppress(OSError):
        pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextlib.contextmanager
def starved(pid):
    """Behind another process on a processor, whoever else is there."""
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, [cpu])
    put_behind(pid, os.SCHED_IDLE, 19)
    hog = subprocess.Popen(
        [sys.executable, "-c",
         f"import os\nos.sched_setaffinity(0, [{cpu}])\nwhile True: pass"])
    try:
        yield
    finally:
        hog.kill()
        hog.wait()
        with contextlib.suppress(ProcessLookupError):  # its test failed
            put_behind(pid, os.SCHED_OTHER, 0)
            os.sched_setaffinity(pid, os.sched_getaffinity(0))


def test_who_had_no_processor_is_told_apart_and_lives(fleet, tmp_path):
    f = fleet(beats(tmp_path))
    pid = f.running()["w"]
    (tmp_path / "work").touch()
    with starved(pid):
        wait_for(lambda: log_lines(f, "starved of CPU"))
        assert f.worker("w")["error"].startswith(f"{miss()}: starved of CPU")
    (tmp_path / "work").unlink()
    f.wait("w", error=None, pid=pid, state="RUNNING")
    assert re.search(r"\(ran \S+ and waited \S+ for a processor in the last "
                     r".*CPU pressure \d+%", f.log())
    assert not log_lines(f, "ending it")


# --- of all kinds ----------------------------------------------------------------------

HOLDER = """
import ctypes, os, svd

def entry():
    assert os.environ["WATCHDOG_PID"] == str(os.getpid())
    svd.heartbeat()
    hangs_in_c()

def hangs_in_c():
    while True:
        ctypes.PyDLL(None).pause()  # whose calls keep the GIL
"""


def test_of_python_on_a_floor_the_stack_is_in_the_log(fleet, tmp_path):
    (tmp_path / "holder.py").write_text(HOLDER)
    f = fleet(f"[floor:py]\nruntime = python\npython = {sys.executable}\n"
              f"path = {tmp_path}\npreload = holder\n"
              "[worker:w]\nfloor = py\nentry = holder:entry\n"
              f"watchdog = {PERIOD}s\nbackoff_delay = 1h\nbackoff_limit = 1h\n")
    f.wait("w", state="BACKOFF", timeout=20)
    log = f.log()
    assert miss() in f.deaths("w")[0]["reason"]
    assert re.search(r"w: dump: .*holder.py.* in hangs_in_c\n", log)
    assert log.index("in hangs_in_c") < log.index("STOPPING -> BACKOFF")


SERVING = {
    "python": (f"command = /usr/bin/python3 {ROOT}/tests/it/channel/asked.py\n"
               + PYTHONPATH),
    "c": f"command = {BUILD}/tests/served\n"}


@pytest.mark.parametrize("kind", sorted(SERVING))
def test_who_serves_is_heard_and_a_stuck_method_found(fleet, kind):
    f = fleet(f"[worker:w]\n{SERVING[kind]}channel = rpc\n"
              f"watchdog = {2 * PERIOD}s\nbackoff_delay = 100ms\n")
    f.running()
    wait_for(lambda: f.why("w")["channel"] == "in its loop")
    generation = f.worker("w")["generation"]
    stays(lambda: f.worker("w")["generation"] == generation, 3 * PERIOD)
    result = f.svctl("call", "w", "sleep", "1000")
    assert result.rc == 1 and miss(2 * PERIOD) in result.err, result
    f.wait("w", generation=generation + 1, state="RUNNING")

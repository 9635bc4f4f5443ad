"""What a floor or its worker says need not be true: it harms nobody else."""

import pathlib
import signal
import sys
import os

import pytest

from svdtest import act, alive, children, wait_for

LIAR = pathlib.Path(__file__).parent / "workers" / "liar.py"


def fleet_of(fleet, how, *words, **keys):
    keys = {"fork_timeout": "500ms", **keys}
    lines = "".join(f"{k} = {v}\n" for k, v in keys.items())
    return fleet(
        f"[floor:f]\nruntime = command\n"
        f"command = {sys.executable} {LIAR} {how} {' '.join(map(str, words))}\n"
        f"{lines}[worker:w]\nfloor = f\nentry = x\nbackoff_delay = 100ms\n"
        f"[worker:victim]\ncommand = {act('pause')}\n")


def unharmed(f, victim):
    """All who have nothing to do with it are as they were."""
    assert f.worker("victim")["pid"] == victim and alive(victim)
    assert f.svctl("ping").rc == 0 and alive(f.keeper)
    assert "keeper: supervisor" not in f.log(), "the supervisor died"


@pytest.mark.parametrize("how", ["well", "twice", "flood", "raw", "raw-line",
                                 "again", "exception-lives", "close-line",
                                 "many"])
def test_a_worker_runs_all_the_same(fleet, how):
    f = fleet_of(fleet, how)
    victim = f.running("victim")["victim"]
    f.running("w")
    unharmed(f, victim)
    if how == "many":
        # Those that nobody had asked for end.
        wait_for(lambda: len(children(f.keeper)) < 25)
    f.ctl("stop", "w")
    unharmed(f, victim)


@pytest.mark.parametrize("how", ["init", "keeper", "victim", "nobody",
                                 "negative", "text", "no-line", "other-pidfd",
                                 "silent", "close", "deaf", "startfail",
                                 "flood-line", "forkfail"])
def test_a_worker_does_not_run_and_nobody_else_is_harmed(fleet, how):
    f = fleet_of(fleet, "well")
    victim = f.running("victim")["victim"]
    f.ini.write_text(f.ini.read_text().replace(
        f"{LIAR} well", f"{LIAR} {how} {victim}"))
    f.svctl("-t", "0.5", "reload")
    f.svctl("-t", "0.3", "restart", "w")
    wait_for(lambda: f.worker("w")["error"] or "KILL" in f.log() or
             "none of its own" in f.log() or "hang" in f.log() or
             "BACKOFF" in f.log())
    unharmed(f, victim)
    assert f.stop() == 0


def test_an_exception_of_any_size(fleet):
    f = fleet_of(fleet, "exception")
    pid = f.running("w")["w"]
    os.kill(pid, signal.SIGKILL)
    f.wait("w", last_exit=bool)
    assert f.worker("w")["last_exit"]["signal"] == signal.SIGKILL
    assert "\x1b" not in f.ctl("why", "w").out
    assert "\x1b" not in f.log()

"""When what happens cannot be written down: no memory for the journal, no disk
for its copy. Shown, mended by itself, and nothing is lost meanwhile."""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

from svdtest import IS_ROOT, act, alive, stays, wait_for, zombies
from test_floors_crash import attach

FULL = "No space left on device"


def a_fleet(f):
    f.ini.write_text(
        "[fleet]\nname = t\n"
        f"[worker:w]\ncommand = {act('note', f.path('n'), 'pause')}\n"
        "backoff_delay = 20ms\nbackoff_factor = 1\n"
        f"[worker:steady]\ncommand = {act('pause')}\n")
    f.start()
    return f.running()


@contextlib.contextmanager
def refused(f, call):
    """The supervisor's every such call fails meanwhile."""
    tracer = attach(f.supervisor(), call, "1+", "error=ENOSPC")
    try:
        yield
    finally:
        tracer.terminate()
        tracer.communicate()


def die_unrecorded(f, pids):
    """w dies, and that cannot be recorded."""
    os.kill(pids["w"], signal.SIGKILL)
    why = f"cannot record what happens: {FULL}"
    seen = f.wait("w", state="STARTING", error=why)
    assert seen["restarts"] == 0 and seen["last_exit"]["signal"] == 9
    assert f.status()["degraded"] == why
    assert f.varlink().call("Health")["degraded"] == why
    assert f"svctl: degraded: {why}\n" in f.svctl("status").err
    assert f"svctl: degraded: {why}\n" in f.svctl("health").err
    # Whoever comes next must be able to see it again.
    assert zombies(f.keeper) == [pids["w"]]


def as_it_was(f, pids):
    """One death, one birth more, and nobody else was touched."""
    wait_for(lambda: not zombies(f.keeper))
    seen = f.wait("w", state="RUNNING", generation=2, restarts=1)
    lines = f.wait_lines("n", 2)
    assert [line.split()[1] for line in lines] == ["1", "2"]
    assert int(lines[1].split()[2]) == seen["pid"]
    assert f.running("steady")["steady"] == pids["steady"]
    assert [d["signal"] for d in f.deaths("w")] == [signal.SIGKILL]
    assert "degraded" not in f.status()
    assert "degraded" not in f.svctl("status").err


def test_a_death_that_cannot_be_recorded_waits_for_that(fleet):
    f = fleet("", launch=False)
    pids = a_fleet(f)
    supervisor = f.supervisor()
    with refused(f, "write"):
        die_unrecorded(f, pids)
        stays(lambda: zombies(f.keeper) == [pids["w"]], 0.3)
    as_it_was(f, pids)
    assert f.supervisor() == supervisor
    assert "what happens is recorded again" in f.log()


def test_a_death_that_was_not_recorded_is_the_successors(fleet):
    f = fleet("", launch=False)
    pids = a_fleet(f)
    with refused(f, "write"):
        die_unrecorded(f, pids)
        supervisor = f.supervisor()
        os.kill(supervisor, signal.SIGKILL)
        wait_for(lambda: not alive(supervisor))
    as_it_was(f, pids)


def test_a_fleet_that_cannot_record_can_be_ended(fleet):
    f = fleet("", launch=False)
    pids = a_fleet(f)
    with refused(f, "write"):
        die_unrecorded(f, pids)
        assert f.stop() == 0
    assert not alive(pids["steady"])


def test_without_room_ahead_nothing_is_lost(fleet):
    """The kernel grants no memory in advance: what is left is used up, then
    nobody is born."""
    f = fleet("", launch=False)
    f.ini.write_text(
        "[fleet]\nname = t\n[worker:w]\nbackoff_delay = 1ms\n"
        "backoff_factor = 1\n"
        f"command = {act('note', f.path('n'), 'exit', 1)}\n")
    f.start()
    with refused(f, "fallocate"):
        why = f"no room to record what happens: {FULL}"
        wait_for(lambda: f.status().get("degraded") == why)
        f.wait("w", 20, state="STARTING", error=why)
        more = len(f.lines("n")) + 5
    f.wait_lines("n", more)
    wait_for(lambda: "degraded" not in f.status())
    births = [int(line.split()[1]) for line in f.lines("n")]
    assert births == list(range(1, len(births) + 1))


@pytest.mark.skipif(not IS_ROOT, reason="needs root to mount")
def test_a_copy_that_cannot_be_written_is_told_and_mended(fleet):
    f = fleet("", launch=False)
    f.run.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none",
                    str(f.run)], check=True)
    try:
        pids = a_fleet(f)
        filler = f.run / "filler"
        with open(filler, "wb", buffering=0) as out:
            with contextlib.suppress(OSError):
                while True:
                    out.write(b"x" * 4096)
        wait_for(lambda: f.svctl("restart", "w").rc == 0 and
                 "degraded" in f.status())
        assert f.status()["degraded"] == \
            f"cannot write '{f.run}/state': {FULL}"
        filler.unlink()
        wait_for(lambda: "degraded" not in f.status())
        assert "state is written again" in f.log()
        # Whole again: what it says of w is what is.
        pid = f.worker("w")["pid"]
        assert f" pid={pid} " in pathlib.Path(f.run / "state").read_text()
        assert f.running("steady")["steady"] == pids["steady"]
        assert f.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(f.run)], check=True)

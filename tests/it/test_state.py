"""The journal: when what happens cannot be written down (no memory for it, no
disk for its copy), which is shown, mended by itself, and loses nothing; and what
svctl reads in the copy."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import zlib

import pytest

from svdtest import IS_ROOT, SVCTL, act, alive, stays, wait_for, zombies
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


# --- svctl status --state -----------------------------------------------------

def line(body):
    """One line of a journal, as svd-state(5) says."""
    return f"{zlib.crc32(body.encode()):08x} {body}\n"


def header(**changed):
    keys = {"schema": 1, "epoch": 2 ** 64 - 1,
            "boot": pathlib.Path("/proc/sys/kernel/random/boot_id")
            .read_text().strip(),
            "pidns": os.stat("/proc/self/ns/pid").st_ino, "name": "shop"}
    keys.update(changed)
    return line("fleet " + " ".join(f"{k}={v}" for k, v in keys.items()))


def recorded(where, text, *args, rc=0):
    """What svctl makes of such a journal, with nobody there."""
    (where / "state").write_text(text)
    done = subprocess.run([SVCTL, "-r", where, "status", "--state", *args],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == rc, done
    return done


def as_json(where, text, *args):
    return json.loads(recorded(where, text, "-j", *args).stdout)


def test_what_is_recorded_can_be_read_with_and_without_a_daemon(fleet):
    f = fleet("", launch=False)
    pids = a_fleet(f)
    os.kill(pids["w"], signal.SIGKILL)
    w = f.wait("w", state="RUNNING", generation=2)

    def read():
        all_of_it = f.ctl("-j", "status", "--state").json
        assert all_of_it["fleet"] == "t" and all_of_it["void"] is None
        return {one["name"]: one for one in all_of_it["workers"]
                if one["name"][0] != "@"}

    one = read()["w"]
    assert (one["state"], one["want"], one["pid"], one["generation"],
            one["restarts"], one["deaths"], one["since"], one["process"]) == (
        "RUNNING", "up", w["pid"], 2, 1, 1, w["since"], "alive")
    assert one["last_exit"] == {key: w["last_exit"][key]
                                for key in ("reason", "at")}
    os.kill(f.keeper, signal.SIGKILL)
    f.end()
    try:
        assert {n: one["process"] for n, one in read().items()} == {
            "w": "alive", "steady": "alive"}
        os.kill(pids["steady"], signal.SIGKILL)
        wait_for(lambda: read()["steady"]["process"] == "gone")
        table = f.ctl("status", "--state", "w").out.splitlines()
        assert len(table) == 2 and " alive " in table[1], table
        f.ctl("status", "--state", "nobody", rc=5)
    finally:
        os.kill(w["pid"], signal.SIGKILL)


def test_a_record_proves_whose_a_process_is(tmp_path):
    """Its pid alone does not: here it is ours, and started at another time."""
    me = f"worker name=%s state=RUNNING pid={os.getpid()} generation=1%s"
    seen = as_json(tmp_path, header() +
                   line(me % ("a:0", " start_time=1 pidfd_ino=1")) +
                   line(me % ("b:0", "")) +
                   line("worker name=c:0 state=STOPPED"))
    assert {one["name"]: one["process"] for one in seen["workers"]} == {
        "a": "another", "b": "unknown", "c": None}
    assert seen["epoch"] == str(2 ** 64 - 1)


@pytest.mark.parametrize("changed, why", [
    ({"boot": "5d1d9ff2-0000-0000-0000-000000000000"}, "another boot"),
    ({"pidns": 1}, "another pid namespace")])
def test_a_journal_from_elsewhere_says_so(tmp_path, changed, why):
    text = header(**changed) + line("worker name=w:0 state=RUNNING pid=1")
    seen = as_json(tmp_path, text)
    assert seen["void"] == f"the journal is from {why}"
    assert seen["workers"][0]["process"] == "unknown"
    assert why in recorded(tmp_path, text).stderr


def test_lines_that_are_none_are_counted(tmp_path):
    good = line("worker name=w:0 state=RUNNING generation=7")
    seen = as_json(tmp_path, header() + "torn\n" + good +
                   good.replace("=7", "=8") + line("supper name=w") +
                   "\0\0\0\n" + good[:20])
    assert seen["torn"] == 5
    assert [one["generation"] for one in seen["workers"]] == [7]


@pytest.mark.parametrize("text, why", [
    ("", "has no valid first line"), ("\0" * 100, "has no valid first line"),
    (line("worker name=w:0 state=RUNNING"), "has no valid first line"),
    (header(schema=99), "is of schema 99, this svctl reads schema"),
    (header(schema=-1), "is of schema -1")])
def test_what_is_no_journal_is_refused(tmp_path, text, why):
    assert why in recorded(tmp_path, text, rc=1).stderr


def test_an_odd_file_in_its_place_is_refused(tmp_path):
    state = tmp_path / "state"
    show = [SVCTL, "-r", tmp_path, "status", "--state"]

    def refused_with(why):
        done = subprocess.run(show, capture_output=True, text=True, timeout=10)
        assert done.returncode == 1 and why in done.stderr, done
        state.unlink()

    (tmp_path / "other").write_text(header())
    state.symlink_to(tmp_path / "other")
    refused_with("Too many levels of symbolic links")
    os.mkfifo(state)
    refused_with("is not a file of the fleet's owner")
    with open(state, "wb") as file:
        file.truncate(1 << 40)
    refused_with("File too large")

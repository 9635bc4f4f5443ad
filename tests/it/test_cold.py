"""All of svd is killed at once, the keeper too, while its workers run on; then
another svd adopts them, or says why not.
"""

import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
import time
import zlib

import pytest

from output import difference, expected, numbered, rotated, wrote
from svdtest import (ACT, ROUNDS, SLOW, SVD, act, alive, floor, on_floor,
                     run_svd, stat_fields, wait_for)

SAME = ("pid", "generation", "restarts", "want", "state", "ready", "last_exit")


def edit_state(f, change):
    """Rewrites the journal that was left: change(words) returns a line's new
    words behind its checksum, or None to leave it out."""
    lines = []
    for line in f.path("run/state").read_bytes().splitlines():
        words = change(line.decode().split(" ")[1:])
        if words is not None:
            text = " ".join(words).encode()
            lines.append(b"%08x %s\n" % (zlib.crc32(text), text))
    f.path("run/state").write_bytes(b"".join(lines))


def with_key(words, key, value):
    kept = [w for w in words if not w.startswith(f"{key}=")]
    return [*kept, f"{key}={value}"]


def all_pids():
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]


def same(before, after):
    for name, was in before.items():
        for key in SAME:
            assert after[name][key] == was[key], (name, key)


def test_every_worker_goes_on_as_it_was(fleet):
    f = fleet(f"""
[worker:web]
command = {act("note", "births", "pause")}
directory = /tmp
numprocs = 3
[worker:down]
command = {act("pause")}
autostart = no
[worker:stopped]
command = {act("pause")}
[worker:waits]
command = {act("exit", 3)}
backoff_delay = 40s
backoff_limit = 1h
[worker:failed]
command = {act("exit", 4)}
restart = no
[worker:once]
command = {act("exit", 0)}
type = oneshot
[worker:again]
command = {act("sleep", 30, "exit", 7)}
backoff_delay = 10ms
restart_limit = 2
""", launch=False)
    f.ini.write_text(f.ini.read_text().replace(
        "births", str(f.path("births"))))
    f.start()
    f.ctl("stop", "stopped")
    f.wait("waits", state="BACKOFF")
    f.wait("failed", state="FAILED")
    f.wait("once", state="EXITED")
    f.wait("again", state="FAILED", restarts=2)
    f.ctl("restart", "web:1")
    f.wait_lines("births", 4)
    before, deaths = f.workers(), f.deaths("again")
    f.crash()
    f.recover()
    after = f.workers()
    same(before, after)
    for name in ("web:0", "web:1", "web:2"):
        assert after[name]["since"] == before[name]["since"]
        assert after[name]["uptime"] >= before[name]["uptime"]
    assert 30 < after["waits"]["next_start"] < before["waits"]["next_start"]
    assert f.deaths("again") == deaths
    # Backoff goes on where it was: the second wait is twice the first.
    f.ctl("start", "--no-wait", "waits")
    assert f.wait("web:0", state="RUNNING")
    assert len(f.lines("births")) == 4


def test_an_adopted_workers_end_is_known_and_it_is_started_again(fleet):
    f = fleet(f"""
[worker:web]
command = {act("note", "/dev/null", "pause")}
numprocs = 3
backoff_delay = 10ms
""")
    pids = f.running()
    f.crash()
    f.recover()
    for name, pid in pids.items():
        os.kill(pid, signal.SIGUSR1)
        w = f.wait(name, state="RUNNING", generation=2)
        assert w["pid"] != pid and w["restarts"] == 1
        assert w["last_exit"]["signal"] == signal.SIGUSR1
        assert w["last_exit"]["known"] is True


def test_an_adopted_workers_exit_status_is_known(fleet):
    f = fleet(f"""
[worker:web]
command = {act("on-exit", 15, 42, "pause")}
restart = no
""")
    pid = f.running()["web"]
    f.crash()
    f.recover()
    os.kill(pid, signal.SIGTERM)
    w = f.wait("web", state="FAILED")
    assert w["last_exit"]["code"] == 42 and w["last_exit"]["known"]
    assert not alive(pid)


def test_who_died_meanwhile_is_gone_with_unknown_status(fleet):
    f = fleet(f"""
[worker:web]
command = {act("pause")}
numprocs = 2
backoff_delay = 10ms
""")
    pids = f.running()
    f.crash()
    os.kill(pids["web:0"], signal.SIGKILL)
    wait_for(lambda: stat_fields(pids["web:0"]) is None)
    f.recover()
    w = f.wait("web:0", state="RUNNING", generation=2)
    assert w["restarts"] == 1
    assert w["last_exit"]["known"] is False
    assert w["last_exit"]["code"] is None and w["last_exit"]["signal"] is None
    assert w["last_exit"]["reason"] == "status unknown"
    assert f.worker("web:1")["pid"] == pids["web:1"]
    assert f"pid {pids['web:0']} is no more" in f.log()


def test_an_essential_worker_found_gone_does_not_end_the_fleet(fleet):
    """As when all of a container was killed, and is started again."""
    f = fleet(f"""
[worker:web]
command = {act("pause")}
essential = yes
restart = no
backoff_delay = 10ms
""")
    pid = f.running()["web"]
    f.crash()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: stat_fields(pid) is None)
    f.recover()
    f.wait("web", state="RUNNING", generation=2)
    os.kill(f.worker("web")["pid"], signal.SIGKILL)
    assert f.end() == 128 + signal.SIGKILL


def test_stops_and_kills_reach_the_whole_tree_of_an_adopted_worker(fleet):
    f = fleet(f"""
[worker:deaf]
command = {act("ignore", 15, "fork", "{", "setsid", "pause", "}",
               "fork", "{", "pause", "}", "pause")}
stop_timeout = 200ms
[worker:killed]
command = {act("fork", "{", "setsid", "pause", "}", "pause")}
backoff_delay = 1h
backoff_limit = 1h
[worker:orphans]
command = {act("fork", "{", "setsid", "pause", "}",
               "fork", "{", "pause", "}", "pause")}
backoff_delay = 10ms
""")
    pids = f.running()

    def tree(name):
        return [p for p in all_pids() if is_of(p, f, name)]

    wait_for(lambda: len(tree("deaf")) == 3 and len(tree("killed")) == 2
             and len(tree("orphans")) == 3)
    orphans = tree("orphans")
    f.crash()
    f.recover()
    f.ctl("stop", "deaf")
    assert f.worker("deaf")["last_exit"]["signal"] == signal.SIGKILL
    assert tree("deaf") == []
    f.ctl("kill", "killed")
    wait_for(lambda: tree("killed") == [])
    os.kill(pids["orphans"], signal.SIGKILL)
    f.wait("orphans", state="RUNNING", generation=2)
    assert not any(map(alive, orphans)), "they were there at the next birth"
    wait_for(lambda: len(tree("orphans")) == 3)


def test_what_the_dead_left_just_before_a_crash_is_ended(fleet):
    """Its svd has recorded the death, and not come to the rest of it."""
    f = fleet(f"""
[worker:web]
command = {act("exit", 3)}
backoff_delay = 1h
backoff_limit = 1h
""")
    f.wait("web", state="BACKOFF")
    f.crash()
    orphan = subprocess.Popen(
        [ACT, "pause"], start_new_session=True,
        env={**f.env, "SVD_FLEET": "test", "SVD_WORKER": "web",
             "SVD_SOCKET": f"{f.run}/control.sock"})
    other = subprocess.Popen(
        [ACT, "pause"], start_new_session=True,
        env={**f.env, "SVD_FLEET": "test", "SVD_WORKER": "web",
             "SVD_SOCKET": f"{f.run}/another.sock"})
    try:
        f.recover()
        assert orphan.wait(10 * SLOW) == -signal.SIGKILL
        assert f.worker("web")["state"] == "BACKOFF"
        assert other.poll() is None
    finally:
        for process in orphan, other:
            process.kill()
            process.wait()


def is_of(pid, f, worker):
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            words = environ.read().split(b"\0")
    except OSError:
        return False
    return (f"SVD_SOCKET={f.run}/control.sock".encode() in words and
            alive(pid) and
            f"SVD_WORKER={worker}".encode() in words)


def test_supervisors_to_come_go_on_with_an_adopted_worker(fleet):
    f = fleet(f"""
[worker:web]
command = {act("on-exit", 15, 9, "pause")}
numprocs = 2
restart = no
""")
    pids = f.running()
    f.crash()
    f.recover()
    f.kill_supervisor()
    assert f.running() == pids
    # Dead while there is no supervisor: told by the kernel all the same.
    old = f.status()["supervisor_pid"]
    os.kill(old, signal.SIGSTOP)
    os.kill(pids["web:0"], signal.SIGTERM)
    wait_for(lambda: not alive(pids["web:0"]))
    os.kill(old, signal.SIGKILL)
    w = f.wait("web:0", state="FAILED")
    assert w["last_exit"]["code"] == 9
    assert f.worker("web:1")["pid"] == pids["web:1"]
    # And a second crash.
    f.crash()
    f.recover()
    assert f.worker("web:1")["pid"] == pids["web:1"]
    assert f.worker("web:0")["last_exit"]["code"] == 9


def test_the_last_word_reaches_adopted_workers(fleet):
    f = fleet(f"""
[worker:deaf]
command = {act("ignore", 15, "pause")}
stop_timeout = 1h
""")
    pid = f.running()["deaf"]
    f.crash()
    f.recover()
    os.kill(f.status()["supervisor_pid"], signal.SIGSTOP)
    f.signal(signal.SIGTERM)
    wait_for(lambda: "stopping on signal" in f.log())
    f.signal(signal.SIGTERM)
    assert f.end() == 128 + signal.SIGTERM
    assert not alive(pid)


def test_the_fleets_end_waits_for_adopted_workers(fleet):
    f = fleet(f"""
[worker:slow]
command = {act("on", 15, "term", "pause")}
stop_timeout = 300ms
""", launch=False)
    f.ini.write_text(f.ini.read_text().replace("term", str(f.path("term"))))
    f.start()
    pid = f.running()["slow"]
    f.crash()
    f.recover()
    assert f.stop() == 0
    assert f.lines("term") == ["15"]
    assert not alive(pid)
    assert sorted(os.listdir(f.run)) == ["lock"]


def test_a_recycled_pid_is_left_alone(fleet):
    f = fleet(f"""
[worker:web]
command = {act("pause")}
numprocs = 2
backoff_delay = 1h
backoff_limit = 1h
""")
    pids = f.running()
    f.crash()
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        edit_state(f, lambda words: with_key(words, "pid", other.pid)
                   if "name=web:0" in words else words)
        f.recover()
        w = f.wait("web:0", state="BACKOFF")
        assert w["last_exit"]["known"] is False
        assert f"pid {other.pid} is another process now" in f.log()
        assert f.worker("web:1")["pid"] == pids["web:1"]
        f.ctl("stop", "web:0")
        assert f.stop() == 0
        assert other.poll() is None
        other.kill()
    # By its environment it was web:0's, who must not run twice.
    wait_for(lambda: not alive(pids["web:0"]))


@contextlib.contextmanager
def somebodys_daemon():
    """A process that is nobody's child, and alone in a session and group whose
    leader has ended: (that number, its pid)."""
    with subprocess.Popen([ACT, "fork", "{", "pause", "}", "sleep", "20"],
                          start_new_session=True) as leader:
        pass
    member, = (p for p in all_pids()
               if (stat_fields(p) or [0] * 4)[3] == str(leader.pid))
    try:
        yield leader.pid, member
    finally:
        if alive(member):
            os.kill(member, signal.SIGKILL)


@pytest.mark.parametrize("state, runs, key", [
    ("RUNNING", act("pause"), "pid"),
    ("BACKOFF", act("exit", 3), "last_pid"),
])
def test_a_session_by_a_dead_workers_number_is_left_alone(
        fleet, state, runs, key):
    f = fleet(f"""
[worker:web]
command = {runs}
backoff_delay = 1h
backoff_limit = 1h
""")
    pid = f.wait("web", state=state)["pid"]
    f.crash()
    if pid:
        end([pid])
    with somebodys_daemon() as (number, member):
        edit_state(f, lambda words: with_key(words, key, number)
                   if "name=web:0" in words else words)
        f.recover()
        f.ctl("start", "--no-wait", "web")
        f.wait("web", generation=2)
        assert alive(member)
        assert f.stop() == 0
        assert alive(member)


@pytest.mark.parametrize("how", [
    lambda f, pid: os.kill(pid, signal.SIGKILL),
    lambda f, pid: f.ctl("kill", "shell"),
], ids=["dies", "killed"])
def test_an_svd_that_a_worker_started_is_not_what_that_worker_left(fleet, how):
    """As from the shell that was attached to when all of svd was killed."""
    f = fleet(launch=False)
    go, pidfile = f.path("go"), f.path("keeper")
    f.path("shell").write_text(f"""
until test -e {go}; do sleep 0.02; done
{SVD} -r {f.run} {f.ini} </dev/null >>{f.log_path} 2>&1 &
echo $! >{pidfile}
exec sleep 1000
""")
    f.ini.write_text(f"""[fleet]
name = test
[worker:shell]
command = sh {f.path("shell")}
restart = no
""")
    f.start()
    pid = f.running()["shell"]
    f.crash()
    go.touch()
    keeper = int(f.wait_lines("keeper")[0])
    try:
        wait_for(lambda: f.svctl("ping").rc == 0)
        wait_for(lambda: f.status()["logger_pid"])
        roles = {k: v for k, v in f.status().items() if k.endswith("_pid")}
        assert f.running() == {"shell": pid}
        how(f, pid)
        f.wait("shell", state="FAILED")
        pidfile.unlink()
        go.unlink()
        f.ctl("start", "shell")
        f.wait("shell", state="RUNNING", generation=2)
        assert roles.items() <= f.status().items()
    finally:
        os.kill(keeper, signal.SIGTERM)
        wait_for(lambda: not alive(keeper))


# --- births that are not on record ---------------------------------------------

TOKEN = 1 << 32 | 77


def crash_in_a_birth(f, name):
    """As if its birth had not been recorded; what a note of it would be."""
    pid = f.wait(name, state="RUNNING")["pid"]
    f.crash()

    def change(words):
        if f"name={name}:0" not in words:
            return words
        words = [w for w in words if not w.startswith(
            ("pid=", "pidfd_ino=", "start_time=", "state=", "token="))]
        return [*words, "state=STARTING", f"token={TOKEN}"]

    edit_state(f, change)
    return pid, struct.pack("<QiiHHi", TOKEN, pid, 0, 0, 0, 0)


@pytest.mark.parametrize("before", [0, 24, 16, 7])
def test_a_birth_that_was_noted_is_found_behind_a_torn_note(fleet, before):
    f = fleet(f"[worker:web]\ncommand = {act('pause')}\n")
    pid, note = crash_in_a_birth(f, "web")
    other = struct.pack("<QiiHHi", TOKEN - 1, 1, 0, 0, 0, 0)
    f.path("run/births").write_bytes(other[:before] + note)
    f.recover()
    w = f.wait("web", state="RUNNING")
    assert (w["pid"], w["generation"]) == (pid, 1)


def test_who_was_not_noted_either_is_ended_before_the_next_birth(fleet):
    f = fleet(f"[worker:web]\ncommand = {act('pause')}\n")
    pid, _ = crash_in_a_birth(f, "web")
    f.path("run/births").write_bytes(b"")
    f.recover()
    assert f.wait("web", state="RUNNING")["pid"] != pid
    assert not alive(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_nobody_is_doubled_by_a_journal_that_had_no_room(fleet):
    """What its copy does not know of is ended, then all is as it says."""
    f = fleet(launch=False)
    f.run.mkdir()
    f.ini.write_text(f"""[fleet]
name = test
[worker:web]
command = {act("pause")}
numprocs = 3
[worker:late]
command = {act("pause")}
autostart = no
""")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", f.run],
                   check=True)
    try:
        f.start()
        f.running("web:0", "web:1", "web:2")
        with contextlib.suppress(OSError), \
                open(f.run / "fill", "wb", buffering=0) as fill:
            while True:
                fill.write(bytes(512))
        # Some lines still fit into the journal's last page.
        for _ in range(10):
            f.ctl("restart", "web")
        f.ctl("start", "late")
        assert "degraded" in f.ctl("health").err
        f.crash()
        (f.run / "fill").unlink()
        f.recover()
        f.running("web:0", "web:1", "web:2")
        f.ctl("start", "late")
        for name in "web:0", "web:1", "web:2", "late":
            assert sum(is_of(p, f, name) for p in all_pids()) == 1, name
        assert f.stop() == 0
    finally:
        subprocess.run(["umount", "-l", f.run], check=True)


def test_notes_of_births_have_their_room_before(fleet):
    f = fleet(f"[worker:web]\ncommand = {act('exit', 1)}\n"
              "backoff_delay = 1ms\nbackoff_limit = 1ms\n")
    f.wait("web", generation=lambda n: n > 200)
    births = f.path("run/births").stat()
    assert births.st_size <= 129 * 24
    assert births.st_blocks * 512 >= 8192


# --- the journal ---------------------------------------------------------------

TWO = f"""
[worker:web]
command = {act("pause")}
numprocs = 2
"""


def next_svd(f):
    """Starts another one, which is to refuse: (exit status, what it says)."""
    done = run_svd("-r", f.run, f.ini)
    return done.returncode, done.stderr


def end(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, pids)))


def header(change):
    """A change of the header only."""
    return lambda words: change(words) if words[0] == "fleet" else words


def test_a_torn_line_costs_only_what_it_says(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    state = f.path("run/state")
    text = state.read_bytes().replace(b" state=STARTING", b" state=STURTING")
    state.write_bytes(text + text.splitlines()[-1][:40])
    f.recover()
    assert f.running() == pids
    assert "torn line" in f.log()


@pytest.mark.parametrize("what", ["boot", "pidns"])
def test_another_boots_journal_is_void(fleet, what):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    edit_state(f, header(lambda words: with_key(words, what, "7")))
    f.recover()
    new = f.running()
    assert not set(new.values()) & set(pids.values())
    assert "is of another boot or pid namespace" in f.log()
    assert all(map(alive, pids.values()))
    end(pids.values())


@pytest.mark.parametrize("text, why", [
    (b"", "is empty"),
    (b"no journal at all\n", "is no journal"),
    (b"\0" * 5000, "is no journal"),
])
def test_what_is_no_journal_adopts_nobody_and_is_said(fleet, text, why):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    f.path("run/state").write_bytes(text)
    f.recover()
    assert why in f.log()
    assert f.workers()["web:0"]["generation"] == 1
    end(pids.values())


def test_a_newer_journals_workers_are_named_and_left_alone(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    edit_state(f, header(lambda words: with_key(words, "schema", "999")))
    before = f.path("run/state").read_bytes()
    status, text = next_svd(f)
    assert status == 3 and "schema 999" in text
    for name, pid in pids.items():
        assert f"{name} (pid {pid})" in text
    assert all(map(alive, pids.values()))
    assert f.path("run/state").read_bytes() == before
    end(pids.values())
    f.recover()
    f.running()
    assert "none of its workers runs" in f.log()


def test_workers_that_are_left_alone_are_counted_once_each(fleet):
    """Whatever their names have in common, and however many there are."""
    f = fleet(f"""
[worker:web-server]
command = {act("pause")}
[worker:web]
command = {act("pause")}
[worker:a-name-that-is-rather-a-long-one]
command = {act("pause")}
numprocs = 8
""")
    pids = f.running()
    f.crash()
    edit_state(f, header(lambda words: with_key(words, "schema", "999")))
    _, text = next_svd(f)
    assert text.startswith("svd: 10 workers of an earlier svd still run")
    assert f"web:0 (pid {pids['web']})" in text
    assert ", ...; end them first" in text
    end(pids.values())


def test_another_fleets_workers_are_named_and_left_alone(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    text = f.ini.read_text()
    f.ini.write_text(text.replace("name = test", "name = other"))
    status, said = next_svd(f)
    assert status == 3 and "they are of fleet 'test'" in said
    assert f"web:0 (pid {pids['web:0']})" in said
    f.ini.write_text(text)
    f.recover()
    assert f.running() == pids


def test_a_command_takes_over_nobodys_workers(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    done = run_svd("-r", f.run, "--", "true")
    assert done.returncode == 3 and "a command takes over nobody" in done.stderr
    f.recover()
    assert f.running() == pids


def test_a_symbolic_link_in_place_of_the_journal_is_refused(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    state, kept = f.path("run/state"), f.path("kept")
    state.rename(kept)
    state.symlink_to(kept)
    status, text = next_svd(f)
    assert status == 1 and "is a symbolic link" in text
    state.unlink()
    kept.rename(state)
    f.recover()
    assert f.running() == pids


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_somebody_elses_journal_is_refused(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    os.chown(f.path("run/state"), 65534, 65534)
    status, text = next_svd(f)
    assert status == 1 and "belongs to somebody else" in text
    os.chown(f.path("run/state"), 0, 0)
    f.recover()
    assert f.running() == pids


def test_who_is_in_the_fleet_file_no_more_is_stopped_as_by_a_reload(fleet):
    f = fleet(f"""
[worker:web]
command = {act("pause")}
numprocs = 3
[worker:old]
command = {act("fork", "{", "setsid", "pause", "}", "pause")}
[worker:changed]
command = {act("pause")}
""")
    pids = f.running()
    f.crash()
    f.ini.write_text(f.ini.read_text().replace("numprocs = 3", "numprocs = 2")
                     .replace("[worker:old]", "[worker:new]")
                     .replace("[worker:changed]",
                              "[worker:changed]\nenvironment = A=1"))
    f.recover()
    wait_for(lambda: set(f.workers()) == {"web:0", "web:1", "new", "changed"})
    now = f.running()
    assert now["web:0"] == pids["web:0"] and now["web:1"] == pids["web:1"]
    assert f.wait("changed", generation=2)["pid"] != pids["changed"]
    for name in ("web:2", "old", "changed"):
        wait_for(lambda name=name: not alive(pids[name]))
    assert "the fleet file no longer names it" in f.log()


# --- what is said of it ----------------------------------------------------------

def test_reattach_tells_what_became_of_each(fleet):
    f = fleet(f"""
[worker:web]
command = {act("pause")}
numprocs = 2
backoff_delay = 1h
backoff_limit = 1h
[worker:down]
command = {act("pause")}
autostart = no
[worker:up]
command = {act("exit", 0)}
type = oneshot
""")
    f.wait("up", state="EXITED")
    pids = f.running("web:0", "web:1")
    assert f.ctl("reattach").out == "nothing was left by an earlier svd\n"
    f.crash()
    os.kill(pids["web:1"], signal.SIGKILL)
    wait_for(lambda: stat_fields(pids["web:1"]) is None)
    f.recover()
    told = f.ctl("-j", "reattach").json["workers"]
    by_name = {w["name"]: w for w in told}
    assert by_name["web:0"] == {
        "name": "web:0", "outcome": "adopted", "pid": pids["web:0"],
        "reason": f"pid {pids['web:0']}, RUNNING"}
    assert by_name["web:1"]["outcome"] == "gone"
    assert "exit status unknown" in by_name["web:1"]["reason"]
    assert by_name["up"]["outcome"] == "kept"
    f.kill_supervisor()
    assert f.ctl("-j", "reattach").json["workers"] == told
    text = f.ctl("reattach").out
    assert f"web:0: adopted (pid {pids['web:0']}, RUNNING)\n" in text


# --- leaving them on purpose -----------------------------------------------------

def test_a_detached_fleet_runs_on_for_a_later_svd(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.ctl("shutdown", "--detach")
    assert f.end() == 0
    assert sorted(os.listdir(f.run)) == ["births", "lock", "notify", "out",
                                        "state"]
    assert all(map(alive, pids.values()))
    assert f.svctl("ping").rc == 4
    f.recover()
    assert f.running() == pids
    assert f.stop() == 0
    assert not any(map(alive, pids.values()))


def test_nothing_is_left_whose_journal_cannot_be_written(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.run.rename(f.path("away"))
    result = subprocess.run(
        [f.svctl_words()[0], "-s", f.path("away/control.sock"), "shutdown",
         "--detach"], capture_output=True, text=True, timeout=20 * SLOW,
        check=False)
    f.path("away").rename(f.run)
    assert result.returncode == 1 and "cannot write" in result.stderr
    assert f.running() == pids
    assert f.stop() == 0


def test_process_1_does_not_detach(fleet):
    f = fleet(TWO, pid1=[])
    f.running()
    result = f.ctl("shutdown", "--detach", rc=7)
    assert "process 1" in result.err


# --- floors ----------------------------------------------------------------------

def test_floor_workers_run_on_and_floors_load_as_the_next_generation(fleet):
    f = fleet(f"""
{floor(spares=2)}
[worker:web]
{on_floor("fork", "{", "pause", "}", "pause")}
numprocs = 2
backoff_delay = 10ms
""")
    pids = f.running()
    wait_for(lambda: f.ctl("-j", "floors").json["floors"][0]["spares"] == 2)
    old = f.ctl("-j", "floors").json["floors"][0]
    f.crash()
    wait_for(lambda: not alive(old["pid"]))
    f.recover()
    assert f.running() == pids
    new = wait_for(lambda: [
        g for g in f.ctl("-j", "floors").json["floors"]
        if g["generation"] == 2 and g["state"] == "READY"
        and g["spares"] == 2])[0]
    assert new["pid"] != old["pid"]
    os.kill(pids["web:0"], signal.SIGUSR1)
    w = f.wait("web:0", state="RUNNING", generation=2)
    assert w["last_exit"]["signal"] == signal.SIGUSR1
    assert f.worker("web:1")["pid"] == pids["web:1"]
    f.ctl("stop", "web:1")
    assert f.stop() == 0


# --- at random instants ------------------------------------------------------------

SEED = int(os.environ["SVD_TEST_SEED"])
CRASHES = max(3, ROUNDS // 50)
LIVES = {"short": (4, 3), "longer": (4, 70)}


def lives_text(f, runs):
    text = ""
    for name, (numprocs, life) in LIVES.items():
        text += (f"[worker:{name}]\n"
                 f"{runs('note', f.path('births'), 'sleep', life)}\n"
                 f"numprocs = {numprocs}\n"
                 "backoff_delay = 5ms\nbackoff_limit = 5ms\n")
    keys = runs("note", f.path("births"), "pause")
    return (f"{text}[worker:steady]\n{keys}\nnumprocs = 3\n"
            f"[worker:stopped]\n{keys}\nautostart = no\n"
            f"[worker:stops]\n{keys}\n")


def crash_at_random(f, rng):
    """Again and again all of svd, also while it adopts."""
    f.crash()
    for _ in range(CRASHES):
        f.launch()
        until = time.monotonic() + rng.expovariate(1 / 0.05)
        wait_for(lambda u=until: time.monotonic() > u, every=0.001)
        assert f.proc.poll() is None, f.log()[-2000:]
        f.crash()


def noted(f):
    """What workers have noted themselves: name -> [(generation, pid)]."""
    lives = {}
    for line in f.lines("births"):
        name, generation, pid = line.split()
        lives.setdefault(name, []).append((int(generation), int(pid)))
    return lives


@pytest.mark.slow
@pytest.mark.parametrize("way", ["exec", "floor"])
def test_nobody_is_doubled_or_forgotten_over_crashes(fleet, way):
    runs = on_floor if way == "floor" else \
        lambda *words: f"command = {act(*words)}"
    f = fleet(launch=False)
    f.ini.write_text("[fleet]\nname = test\n" +
                     (floor(spares=2) if way == "floor" else "") +
                     lives_text(f, runs))
    rng = random.Random(SEED)
    f.start()
    steady = f.running("steady:0", "steady:1", "steady:2")
    f.ctl("stop", "stops")
    crash_at_random(f, rng)
    f.recover()
    for name, pid in steady.items():
        w = f.worker(name)
        assert (w["pid"], w["generation"], w["restarts"]) == (pid, 1, 0)
    assert f.worker("stopped")["generation"] == 0
    assert f.worker("stops")["state"] == "STOPPED"
    lives = noted(f)
    for name in [f"{n}:{i}" for n, (k, _) in LIVES.items() for i in range(k)]:
        generations = [g for g, _ in lives[name]]
        assert generations == sorted(set(generations)), f"{name} was doubled"
        # One on a floor may end before it has begun, with its generation.
        if way == "exec":
            assert generations == list(range(1, len(generations) + 1)), name
        for death in f.deaths(name):
            assert death["signal"] is None and death["code"] in (0, None), name
        f.wait(name, generation=lambda g, n=len(lives[name]): g > n)
    # Each of them is there at most once.
    f.ctl("stop", "all")
    for name in lives:
        assert not any(is_of(p, f, name) for p in all_pids()), name


# --- output ------------------------------------------------------------------------

def flood(f, run, kinds, often=0, pace=300):
    """A fleet with a worker that writes numbered lines for each kind of
    output: name -> keys."""
    f.run, f.args = run, ["-r", run, f.ini]
    text = "[fleet]\nname = test\n"
    for name, keys in kinds.items():
        text += (f"[worker:{name}]\n"
                 f"command = {numbered(name, f.dir, pace, often)}\n{keys}\n")
    f.ini.write_text(text)
    return f


def ended(f, name):
    """Whether it has ended, having written all."""
    return wrote(f.dir, name)[1]


@pytest.mark.slow
def test_no_byte_of_a_worker_that_lives_is_lost_or_doubled(shm, fleet):
    f = fleet(launch=False)
    flood(f, shm / "run", {
        "plain": f"stdout = file:{f.path('plain.out')}",
        "turns": f"stdout = file:{f.path('turns.out')}\n"
                 "log_size = 200000\nlog_keep = 1000",
        "longs": f"stdout = file:{f.path('longs.out')}"})
    rng = random.Random(SEED)
    f.start()
    pids = f.running()
    crash_at_random(f, rng)
    f.recover()
    assert f.running() == pids
    f.ctl("stop", "all")
    for name in pids:
        lines = wait_for(lambda name=name: ended(f, name), 20)
        want = expected(name, lines)
        out = f.path(f"{name}.out")
        with contextlib.suppress(AssertionError):
            wait_for(lambda out=out, want=want:
                     len(rotated(out)) == len(want), 5)
        assert difference(rotated(out), want) is None, name
    assert f.stop() == 0
    assert sorted(os.listdir(f.run)) == ["lock"]


def test_output_goes_on_where_the_fifos_have_lost_their_names(fleet):
    f = fleet(f"""
[worker:web]
command = {act("on", 10, "/dev/stdout", "write", 1, "early", "pause")}
stderr = log
""")
    pid = f.running()["web"]
    wait_for(lambda: "early" in f.ctl("logs", "web").out)
    f.crash()
    shutil.rmtree(f.run / "out")
    os.kill(pid, signal.SIGUSR1)
    f.recover()
    wait_for(lambda: "10" in f.ctl("logs", "web").out.split())
    os.kill(pid, signal.SIGKILL)
    f.wait("web", state="RUNNING", generation=2)
    wait_for(lambda: "early" in f.ctl("logs", "web").out)


def test_a_detached_fleets_output_is_delivered_first(fleet):
    f = fleet(launch=False)
    flood(f, f.run, {"plain": f"stdout = file:{f.path('plain.out')}"})
    f.start()
    pids = f.running()
    for _ in range(3):
        f.ctl("shutdown", "--detach")
        assert f.end() == 0
        f.recover()
        assert f.running() == pids
    f.ctl("stop", "plain")
    want = expected("plain", wait_for(lambda: ended(f, "plain"), 20))
    with contextlib.suppress(AssertionError):
        wait_for(lambda: f.path("plain.out").stat().st_size == len(want), 5)
    assert difference(f.path("plain.out").read_bytes(), want) is None


# --- stops, upgrades, proofs -----------------------------------------------------------

@pytest.mark.slow
def test_a_stop_goes_on_with_its_grace(fleet):
    f = fleet(launch=False)
    term, told = f.path("term"), f.path("told")
    f.ini.write_text(f"""[fleet]
name = test
[worker:deaf]
command = {act("on", 15, term, "pause")}
stop_timeout = 3s
[worker:asked]
command = {act("pause")}
stop_command = {act("append", told, "x", "sleep", 60000)}
stop_timeout = 3s
""")
    f.start()
    pids = f.running()
    f.ctl("--no-wait", "stop", "all")
    f.wait_lines("term")
    f.wait_lines("told")
    asked = time.monotonic()
    f.crash()
    f.recover()
    for name, pid in pids.items():
        w = f.worker(name)
        assert (w["state"], w["pid"], w["want"]) == ("STOPPING", pid, "down")
    for name in pids:
        w = f.wait(name, state="STOPPED")
        assert w["last_exit"]["signal"] == signal.SIGKILL
    assert 2 < time.monotonic() - asked < 8 * SLOW
    assert f.lines("term") == ["15"] and f.lines("told") == ["x"]
    wait_for(lambda: not any(is_of(p, f, "asked") for p in all_pids()))


@pytest.mark.slow
def test_a_fleet_that_was_going_down_comes_back_whole(fleet):
    """As when a stop took too long for whoever then sent SIGKILL."""
    f = fleet(launch=False)
    term = f.path("term")
    f.ini.write_text(f"""[fleet]
name = test
[worker:deaf]
command = {act("on", 15, term, "pause")}
stop_timeout = 2s
[worker:quick]
command = {act("pause")}
numprocs = 2
[worker:down]
command = {act("pause")}
autostart = no
""")
    f.start()
    pids = f.running("deaf", "quick:0", "quick:1")
    f.signal(signal.SIGTERM)
    f.wait_lines("term")
    wait_for(lambda: not alive(pids["quick:0"]) and
             not alive(pids["quick:1"]))
    f.crash()
    f.recover()
    now = f.running("quick:0", "quick:1")
    assert not set(now.values()) & set(pids.values())
    w = f.worker("deaf")
    assert (w["state"], w["pid"], w["want"]) == ("STOPPING", pids["deaf"], "up")
    assert f.wait("deaf", state="RUNNING")["pid"] != pids["deaf"]
    assert f.lines("term") == ["15"]
    assert f.worker("down")["state"] == "STOPPED"


def test_a_groups_signals_reach_the_group_of_an_adopted_worker(fleet):
    f = fleet(launch=False)
    f.ini.write_text(f"""[fleet]
name = test
[worker:web]
command = {act("fork", "{", "on", 15, f.path("child"),
               "note", f.path("up"), "pause", "}",
               "on", 15, f.path("main"),
               "note", f.path("up"), "pause")}
kill_mode = group
stop_timeout = 1s
""")
    f.start()
    f.running()
    f.wait_lines("up", 2)
    f.crash()
    f.recover()
    f.ctl("stop", "web")
    assert f.lines("child") == f.lines("main") == ["15"]
    wait_for(lambda: not any(is_of(p, f, "web") for p in all_pids()))


@pytest.mark.slow
def test_an_upgrade_keeps_adopted_workers(fleet):
    f = fleet(f"""
[worker:web]
command = {act("on-exit", 15, 5, "pause")}
numprocs = 2
restart = no
""")
    pids = f.running()
    f.crash()
    f.recover()
    f.ctl("upgrade")
    assert f.running() == pids
    os.kill(pids["web:0"], signal.SIGTERM)
    assert f.wait("web:0", state="FAILED")["last_exit"]["code"] == 5
    f.crash()
    f.recover()
    assert f.worker("web:1")["pid"] == pids["web:1"]


def without_identity(words):
    return [w for w in words
            if not w.startswith(("pidfd_ino=", "start_time="))]


def test_without_a_recorded_identity_its_environment_proves_a_process(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    edit_state(f, without_identity)
    f.recover()
    assert f.running() == pids
    assert f.ctl("reattach").out.count("adopted") == 2


def test_who_cannot_be_proven_is_refused_and_left_alone(fleet):
    f = fleet(TWO)
    pids = f.running()
    f.crash()
    edit_state(f, lambda words: without_identity(
        with_key(words, "generation", 7))
        if "name=web:0" in words else words)
    f.recover()
    result = f.ctl("reattach", rc=1)
    assert f"web:0: refused (nothing proves that pid {pids['web:0']} is " \
        "still its process)" in result.out
    w = f.worker("web:0")
    assert w["pid"] == pids["web:0"]
    assert "could not be adopted" in w["error"]
    assert f.worker("web:1")["error"] is None
    # Given up, it is what a dead worker left, as its environment says.
    f.ctl("--no-wait", "stop", "web:0")
    assert alive(pids["web:0"])
    f.ctl("kill", "web:0")
    f.wait("web:0", state="STOPPED", pid=0)
    wait_for(lambda: not alive(pids["web:0"]))


def test_workers_with_terminals_are_named_as_they_are_lost(fleet):
    f = fleet(f"""
[worker:shell]
command = {act("pause")}
tty = yes
[worker:web]
command = {act("pause")}
""")
    pids = f.running()
    result = f.ctl("shutdown", "--detach")
    assert "shell: its terminal ends" in result.err
    f.end()
    wait_for(lambda: not alive(pids["shell"]))
    f.recover()
    f.wait("shell", state="RUNNING", generation=2)
    assert f.worker("web")["pid"] == pids["web"]

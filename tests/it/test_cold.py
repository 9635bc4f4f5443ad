"""All of svd is killed at once, the keeper too, while its workers run on; then
another svd adopts them, or says why not.
"""

import os
import signal
import subprocess
import zlib

import pytest

from svdtest import (SANITIZED, SLOW, act, alive, on_floor, floor, run_svd,
                     stat_fields, stays, wait_for)

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
        return [p for p in map(int, filter(str.isdigit, os.listdir("/proc")))
                if is_of(p, f, name)]

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
    # The journal did not name it: it is nobody's, as far as svd can tell.
    os.kill(pids["web:0"], signal.SIGKILL)

"""The supervisor is killed at each of its system calls, one after the other,
while workers are born from a floor: strace counts them. What no random instant
may hit is hit here."""

import os
import pathlib
import signal
import subprocess

import pytest

from svdtest import alive, floor, on_floor, wait_for

# Those that a birth makes; strace counts each by itself.
CALLS = ("epoll_wait", "recvmsg", "recvfrom", "sendmsg", "sendto", "write",
         "memfd_create", "pidfd_open", "openat", "close", "timerfd_settime",
         "fstat", "newfstatat", "fchown", "prlimit64", "kill", "getsid",
         "setpriority", "readlink", "epoll_ctl", "fstatfs", "read")


def attach(pid, call, n, what="signal=SIGKILL"):
    """strace that does this to pid, kills it, at its n-th such call from now."""
    tracer = subprocess.Popen(
        ["strace", "-qq", "-p", str(pid), "-e", f"trace={call}",
         "-o", "/dev/null", "-e", f"inject={call}:{what}:when={n}"],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # The first call may be the one that it is in.
    wait_for(lambda: not alive(pid) or
             f"TracerPid:\t{tracer.pid}" in status_of(pid),
             what="strace has come")
    return tracer


def status_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def at_rest(pid, seen):
    """Whether it has slept for a while, or is dead."""
    seen.append([line for line in status_of(pid).splitlines()
                 if line.startswith("voluntary")])
    return not alive(pid) or len(seen) > 5 and seen[-6:] == seen[-1:] * 6


def replace_once(f, call, n):
    """Kills the worker, and the supervisor at its n-th such call thereafter.
    Returns whether it made so many."""
    before = f.wait("w", state="RUNNING")
    supervisor = f.status()["supervisor_pid"]
    tracer = attach(supervisor, call, n)
    try:
        os.kill(before["pid"], signal.SIGKILL)
        wait_for(lambda: not alive(supervisor) or
                 len(f.lines("births")) > before["generation"])
        seen = []
        wait_for(lambda: at_rest(supervisor, seen))
    finally:
        tracer.terminate()
        tracer.communicate()
    wait_for(f.answers)
    after = f.wait("w", state="RUNNING", generation=before["generation"] + 1)
    assert after["restarts"] == before["restarts"] + 1, (call, n)
    assert after["last_exit"]["signal"] == signal.SIGKILL, (call, n)
    wait_for(lambda: len(f.lines("births")) == after["generation"])
    return f.status()["supervisor_pid"] != supervisor


@pytest.mark.slow
@pytest.mark.parametrize("spares", [0, 1])
@pytest.mark.parametrize("part", range(2))
def test_supervisor_killed_at_each_call_of_a_birth(fleet, spares, part):
    f = fleet("", launch=False)
    f.ini.write_text(
        "[fleet]\nname = t\n" + floor(spares=spares) +
        "[worker:w]\nbackoff_delay = 0\nbackoff_limit = 1ms\n" +
        on_floor("note", f.path("births"), "pause") +
        f"\n[worker:steady]\n{on_floor('pause')}\n")
    f.start()
    steady = f.running("steady")["steady"]
    kills = 0
    for call in CALLS[part::2]:
        n = 1
        while replace_once(f, call, n):
            n += 1
        kills += n - 1
    # Each generation was born once, and by whom svd thinks it was.
    wrote = [line.split() for line in f.lines("births")]
    assert [int(g) for _, g, _ in wrote] == list(range(1, len(wrote) + 1))
    assert int(wrote[-1][2]) == f.worker("w")["pid"]
    assert f.running("steady")["steady"] == steady
    assert kills > 20, "a birth has that many calls"
    assert len(f.floors()) == 1
    wait_for(lambda: f.ctl("-j", "floors").json["floors"][0]["spares"] ==
             spares)
    print(f"{kills} kills")

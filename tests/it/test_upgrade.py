"""svctl upgrade: another svd takes the running one's place, which no worker
notices; or it cannot, and nobody notices that either."""

import contextlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest

from output import difference, expected, numbered, wrote
from svdtest import (ACT, BUILD, ROUNDS, SANITIZED, SLOW, SVCTL, SVD, act,
                     alive, children, floor, is_role, on_floor, run_svd,
                     stat_fields, wait_for, zombies)
from test_init import BASH, terminal  # noqa: F401 (a fixture)
from test_logs import Following
from test_warm import every_state, lasting, same_time  # noqa: F401 (a fixture)

NEXT = str(BUILD / "tests" / "svd-next")
STANDIN = str(BUILD / "tests" / "standin")
ONE = f"[worker:w]\ncommand = {act('pause')}\nnumprocs = 2\n"
STEP = 10  # seconds that each step may take
# Of /proc/PID/status: what an execution could change and must not.
KEPT = ["Name", "Pid", "PPid", "Uid", "Gid", "SigIgn", "SigBlk", "NoNewPrivs",
        "Seccomp", "CapEff"]
if not SANITIZED:  # A sanitizer has handlers, until svd's start takes them.
    KEPT += ["SigCgt"]


def install(f, binary, *does):
    """As a package does: the running file keeps its inode. does: of standin,
    the real one and what it does not do."""
    new = f.dir / "svd.new"
    shutil.copy(binary, new)
    if does:
        f.path("svd.does").write_text("".join(f"{d}\n" for d in does))
    new.rename(f.program)


@pytest.fixture
def own(fleet):
    """As fleet, whose svd is a file of its own."""
    def make(text=ONE, start=True, **options):
        f = fleet(text, launch=False, **options)
        f.program = f.dir / "svd"
        install(f, SVD)
        return f.start() if start else f

    return make


def version(f):
    return f.ctl("-j", "version").json["version"]


def old_version():
    return run_svd("-V").stdout.split()[1]


def header(f):
    """The first line of the journal's copy."""
    words = f.lines("run/state")[0].split()
    return dict(word.partition("=")[::2] for word in words[2:])


def roles(f):
    """The keeper's, the supervisor's and the logger's pid."""
    status = f.status()
    return [f.keeper, *(child for child in children(f.keeper)
                        if is_role(child))] if f.pid1 else \
        [status[f"{role}_pid"] for role in ("keeper", "supervisor", "logger")]


def inode(pid):
    return os.stat(f"/proc/{pid}/exe").st_ino


def keeper_of(f):
    """What of the keeper's process is to be the same ever after."""
    proc = pathlib.Path(f"/proc/{f.keeper}")
    status = dict(line.split(":", 1)
                  for line in (proc / "status").read_text().splitlines())
    stat = stat_fields(f.keeper)
    return ({key: status[key] for key in KEPT if key in status},
            (proc / "limits").read_text(), os.readlink(proc / "cwd"),
            stat[1:6], stat[19],
            re.sub(rb"keeper=\d+", b"keeper=", (proc / "cmdline").read_bytes()))


def births(f):
    """Every process of the fleet but svd's own: pid and start time. Of these
    some may not be called so yet."""
    seen = []

    def settled():
        seen.append({pid: stat_fields(pid)[19] for pid in children(f.keeper)
                     if alive(pid) and not is_role(pid)})
        return len(seen) > 5 and seen[-6:] == seen[-1:] * 6

    wait_for(settled, every=0.02)
    return seen[-1]


# --- it succeeds --------------------------------------------------------------

@pytest.mark.slow
def test_no_worker_notices_twenty_upgrades(every_state):  # noqa: F811
    f = every_state
    before, ends = lasting(f)
    born, keeper = births(f), keeper_of(f)
    seen, counts = set(), set()
    for _ in range(20):
        assert f.ctl("upgrade").out.startswith("upgraded from ")
        seen.add(f.status()["supervisor_pid"])
        after, later = lasting(f)
        assert after == before
        assert same_time(ends["waiting"], later["waiting"])
        counts.add(tuple(f.descriptors()))
    assert len(seen) == 20
    assert f.ctl("-j", "version").json["upgrades"] == 20
    assert births(f) == born
    assert keeper_of(f) == keeper
    assert len(counts) == 1, counts
    assert not zombies(f.keeper)
    assert f.log().count("upgraded from svd ") == 20
    assert "error" not in f.log() and "warning" not in f.log()


def test_the_new_one_looks_after_the_workers(own):
    """Deaths, what they leave behind, reloads, stops, its supervisor's own
    death."""
    orphan = ["fork", "{", "setsid", "fork", "{", "setsid", "pause", "}",
              "exit", 0, "}"]
    quick = "backoff_delay = 10ms\nbackoff_factor = 1\n"
    f = own(f"{ONE}{quick}[worker:left]\n"
            f"command = {act(*orphan, 'pause')}\n{quick}")
    for _ in range(3):
        f.ctl("upgrade")
        # Two roles, three workers and what one of them has left behind.
        wait_for(lambda: len(children(f.keeper)) == 6)
        for name, pid in f.running().items():
            os.kill(pid, signal.SIGKILL)
            f.wait(name, state="RUNNING", pid=lambda p, old=pid: p != old)
    assert {w["restarts"] for w in f.workers().values()} == {3}
    f.ini.write_text(f.ini.read_text().replace("numprocs = 2", "numprocs = 1"))
    f.ctl("reload")
    assert set(f.workers()) == {"w", "left"}
    f.ctl("stop", "w")
    f.ctl("start", "w")
    f.kill_supervisor()
    assert run_svd("-r", f.run, f.ini).returncode == 3
    assert f.stop() == 0


def test_the_kernel_ends_the_roles_with_their_keeper_as_before(own):
    f = own(ONE + floor())
    f.ctl("upgrade")
    f.ctl("upgrade")
    workers = f.running().values()
    own_ones = [pid for pid in children(f.keeper) if pid not in workers]
    assert len(own_ones) == 3
    f.proc.kill()
    f.proc.wait()
    wait_for(lambda: not any(map(alive, own_ones)))
    assert all(map(alive, workers))
    for pid in workers:
        os.kill(pid, signal.SIGKILL)


def test_workers_of_a_keeper_that_was_killed_are_kept_too(own):
    f = own(ONE)
    before = f.running()
    f.proc.kill()
    f.proc.wait()
    f.start()
    for _ in range(2):
        f.ctl("upgrade")
    assert f.running() == before
    os.kill(before["w:0"], signal.SIGKILL)
    f.wait("w:0", state="RUNNING", pid=lambda pid: pid != before["w:0"])
    f.ctl("restart", "w:1")
    assert f.worker("w:1")["pid"] != before["w:1"]
    assert f.worker("w:0")["restarts"] == 1


def test_the_next_version_takes_over_all(own):
    f = own()
    before = f.running()
    assert header(f)["schema"] == "1"
    install(f, NEXT)
    assert f.ctl("-j", "upgrade").json == {"from": old_version(),
                                           "to": "next"}
    assert f.running() == before
    assert version(f) == "next"
    assert header(f)["schema"] == "2"
    f.kill_supervisor()
    assert version(f) == "next"
    assert f.running() == before
    assert {inode(pid) for pid in roles(f)} == {os.stat(f.program).st_ino}
    f.ctl("restart", "all")
    assert f.stop() == 0


def test_a_link_is_followed_anew(fleet):
    f = fleet(ONE, launch=False)
    f.program = f.dir / "current" / "svd"
    for name, binary in (("one", SVD), ("two", NEXT)):
        f.path(name).mkdir()
        shutil.copy(binary, f.path(name) / "svd")
    f.path("current").symlink_to("one")
    f.start()
    f.path("link").symlink_to("two")
    f.path("link").rename(f.path("current"))
    f.ctl("upgrade")
    assert version(f) == "next"


def test_no_byte_of_output_is_lost_or_doubled(own):
    f = own("", start=False)
    f.ini.write_text(f"[worker:w]\ncommand = {numbered('w', f.dir, 300)}\n"
                     f"stdout = file:{f.path('out')}\n")
    f.start()
    for _ in range(10):
        f.ctl("upgrade")
    f.ctl("stop", "w")
    want = expected("w", wrote(f.dir, "w")[1])
    wait_for(lambda: f.path("out").stat().st_size >= len(want))
    assert not difference(f.path("out").read_bytes(), want)


def test_who_follows_logs_misses_nothing(own):
    f = own(f"[worker:w]\ncommand = {act('write', 1, 'x', 'pause')}\n")
    with Following(f, "logs", "-f", "w") as logs:
        logs.wait("x")
        for n in range(2, 6):
            f.ctl("upgrade")
            f.ctl("restart", "w")
            logs.wait(*["x"] * n)


def test_svds_own_log_goes_on_where_it_went(own):
    f = own("", start=False)
    f.ini.write_text(f"[fleet]\nname = test\nlog = file:{f.path('own')}\n"
                     f"log_format = json\n{ONE}")
    f.start()
    f.running()
    for _ in range(3):
        f.ctl("upgrade")
    f.ctl("restart", "w:0")
    assert f.stop() == 0
    said = [json.loads(line) for line in f.lines("own")]
    assert sum("upgraded from svd " in line["message"] for line in said) == 3
    assert "STOPPED" in said[-1]["message"]
    assert f.log() == ""


def test_who_is_attached_stays_so(own):
    f = own("[worker:w]\ncommand = /bin/cat\nstdin = pipe\n")
    f.running()
    with subprocess.Popen([*f.svctl_words(), "attach", "w"], env=f.env,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, bufsize=1) as attached:
        for n in range(5):
            attached.stdin.write(f"line {n}\n")
            attached.stdin.flush()
            assert attached.stdout.readline() == f"line {n}\n"
            f.ctl("upgrade")
        attached.kill()


def test_who_follows_events_is_told_of_the_gap(own):
    f = own()
    f.running()
    with Following(f, "-j", "events") as events:
        wait_for(lambda: events.lines)
        f.ctl("upgrade")
        wait_for(lambda: len(events.lines) == 2)
        f.ctl("restart", "w:0")
        wait_for(lambda: '"RUNNING"' in events.lines[-1])
    assert '"snapshot":true' in events.lines[1].replace(" ", "")


def test_as_pid_1(own):
    f = own(ONE + floor() + f"[worker:f]\n{on_floor('pause')}\n", pid1=[])
    before, born, keeper = f.running(), births(f), keeper_of(f)
    for _ in range(3):
        f.ctl("upgrade")
        assert f.status()["keeper_pid"] == 1
    assert f.running() == before
    assert births(f) == born
    assert keeper_of(f) == keeper
    f.ctl("restart", "all")
    assert f.stop() == 0


@pytest.mark.parametrize("pid1", [None, []], ids=["subreaper", "pid1"])
def test_of_one_command_that_hears_and_ends_as_ever(own, pid1):
    f = own("", start=False, pid1=pid1)
    f.args = ["-r", f.run, "--", ACT, "on", signal.SIGUSR1, f.path("heard"),
              "on-exit", signal.SIGTERM, 42, "pause"]
    f.start()
    before = f.running()
    for n in range(3):
        f.ctl("upgrade")
        f.signal(signal.SIGUSR1)
        f.wait_lines("heard", n + 1)
    assert f.running() == before
    f.signal(signal.SIGTERM)
    assert f.end() == 42


def test_a_commands_terminal_goes_to_and_fro_as_ever(
        terminal, tmp_path):  # noqa: F811
    t = terminal(*BASH)
    t.expect(r"\$ ")
    words = act("write", 1, "ready", "on-exit", 10, 9, "pause")
    t.type(f"{SVD} -q -r {tmp_path}/r -- {words}\n")
    t.expect("ready\r")
    command = t.foreground()
    for _ in range(2):
        subprocess.run([SVCTL, "-r", f"{tmp_path}/r", "upgrade"], check=True,
                       stdout=subprocess.DEVNULL)
        assert t.foreground() == command
        t.type("\x1a")
        t.expect("Stopped")
        wait_for(lambda: t.foreground() == t.pid)
        t.type("fg\n")
        wait_for(lambda: t.foreground() == command)
    os.kill(command, signal.SIGUSR1)
    t.expect(r"\$ ")
    wait_for(lambda: t.foreground() == t.pid)
    t.type("echo status=$?\n")
    t.expect("status=9")
    t.type("exit\n")
    t.wait()


def test_several_who_ask_at_once_get_one(own):
    f = own()
    f.running()
    asking = [subprocess.Popen([*f.svctl_words(), "upgrade"],
                               stdout=subprocess.DEVNULL) for _ in range(5)]
    assert [p.wait(20 * SLOW) for p in asking] == [0] * 5
    assert 1 <= f.ctl("-j", "version").json["upgrades"] <= 5


def test_no_wait_does_not_wait(own):
    f = own()
    install(f, STANDIN, SVD, "supervisor slow 300")
    said = f.ctl("-j", "--no-wait", "upgrade").json
    assert said["from"] == old_version()
    # Asked of the successor, where the answer was lost with the supervisor.
    assert said["to"] in (None, old_version())
    wait_for(lambda: "upgraded from" in f.log())


# --- it does not ---------------------------------------------------------------

def goes_on(f, before, name=None):
    """The old svd, as if nothing had been tried."""
    assert f.running() == before
    assert all(w["restarts"] == 0 for w in f.workers().values())
    assert version(f) == (name or old_version())
    wait_for(lambda: f.status()["logger_pid"])
    assert len({inode(pid) for pid in roles(f)}) == 1
    assert not zombies(f.keeper)


def is_refused(f, reason):
    """An upgrade fails, and nothing is different."""
    before, fds = f.running(), f.descriptors()
    failures = f.log().count("upgrade failed: ")
    result = f.ctl("upgrade", rc=1)
    assert reason in result.err, result
    goes_on(f, before)
    assert f.descriptors() == fds
    lines = [line for line in f.log().splitlines()
             if "upgrade failed: " in line]
    assert len(lines) == failures + 1
    assert reason in lines[-1]


def test_no_file_there_can_be_run(own):
    """Missing, a directory, not executable, empty, no program, cut short at
    any place; after all that a good one still can."""
    f = own()
    whole = f.program.read_bytes()
    f.program.unlink()
    is_refused(f, "No such file or directory")
    f.program.mkdir()
    is_refused(f, "is not a regular file")
    f.program.rmdir()
    for data, mode, reason in (
            (whole, 0o644, "cannot execute"),
            (b"", 0o755, "it cannot be executed: Exec format error"),
            (b"#!/bin/sh\nexit 0\n", 0o755, "it cannot be executed"),
            (whole[:50], 0o755, "it cannot be executed"),
            (whole[:70], 0o755, "is cut short"),
            (whole[:len(whole) // 2], 0o755, "is cut short"),
            (whole[:-1], 0o755, "is cut short")):
        f.program.write_bytes(data)
        f.program.chmod(mode)
        is_refused(f, reason)
        f.program.unlink()
    install(f, NEXT)
    f.ctl("upgrade")
    assert version(f) == "next"


def test_other_programs_are_no_svd(own):
    f = own()
    for program in ("/bin/true", "/bin/false"):
        install(f, program)
        is_refused(f, "its rehearsal exited with status")


@pytest.mark.parametrize("does,reason", [
    ("rehearsal crash", "its rehearsal was killed by signal 11"),
    ("rehearsal exit 0", "its rehearsal exited with status 0"),
    ("supervisor crash", "its supervisor was killed by signal 11"),
    ("supervisor exit 3", "its supervisor exited with status 3"),
    ("logger crash", "its logger was killed by signal 11"),
    ("logger spoil", "the keeper cannot execute it: Permission denied"),
])
def test_one_that_fails_on_the_way_is_taken_back(own, does, reason):
    f = own(ONE + floor() + f"[worker:f]\n{on_floor('pause')}\n")
    for real in (SVD, NEXT):
        install(f, STANDIN, real, does)
        is_refused(f, reason)
        assert header(f)["schema"] == "1"
    f.kill_supervisor()
    install(f, NEXT)
    f.ctl("upgrade")
    assert version(f) == "next"


@pytest.mark.slow
def test_a_supervisor_that_is_never_ready_is_waited_for_10_seconds(own):
    f = own()
    install(f, STANDIN, NEXT, "supervisor hang")
    start = time.monotonic()
    is_refused(f, f"its supervisor was not ready within {STEP} s")
    assert STEP <= time.monotonic() - start < STEP + 8 * SLOW


def test_the_version_before_is_refused_by_name(own):
    f = own()
    before = f.running()
    install(f, NEXT)
    f.ctl("upgrade")
    install(f, SVD)
    result = f.ctl("upgrade", rc=1)
    assert "of version 2.0, which is too new for this svd's 1." in result.err
    goes_on(f, before, "next")
    f.kill_supervisor()
    goes_on(f, before, "next")
    assert header(f)["schema"] == "2"


def test_it_is_refused_while_the_fleet_stops(own):
    f = own(f"[worker:w]\ncommand = {act('ignore', 15, 'pause')}\n"
            "stop_timeout = 60s\n")
    pid = f.running()["w"]
    f.signal(signal.SIGTERM)
    f.wait("w", state="STOPPING")
    assert "shutting down" in f.ctl("upgrade", rc=7).err
    os.kill(pid, signal.SIGKILL)
    assert f.end() == 0


def test_a_keeper_without_a_descriptor_left_says_so(own):
    f = own()
    before = f.running()
    limits = resource.prlimit(f.keeper, resource.RLIMIT_NOFILE)
    fds = {int(fd) for fd in os.listdir(f"/proc/{f.keeper}/fd")}
    free = min(set(range(len(fds) + 1)) - fds)
    resource.prlimit(f.keeper, resource.RLIMIT_NOFILE, (free, limits[1]))
    reason = "the keeper has no room for its descriptor"
    assert reason in f.ctl("upgrade", rc=1).err
    assert f"upgrade failed: {reason}" in f.log()
    resource.prlimit(f.keeper, resource.RLIMIT_NOFILE, limits)
    f.ctl("upgrade")
    assert f.running() == before


# --- what happens meanwhile ------------------------------------------------------

def begin(f, *does, real=SVD):
    """An upgrade that stays in one of its steps for a while."""
    before = f.supervisor()
    install(f, STANDIN, real, *does)
    svctl = subprocess.Popen([SVCTL, "-r", str(f.run), "upgrade"],
                             env=f.env, stderr=subprocess.PIPE, text=True)
    if not does[0].startswith("rehearsal"):
        wait_for(lambda: f.supervisor() not in (0, before))
    else:
        wait_for(lambda: "upgrading to" in f.log())
    return svctl


@pytest.mark.parametrize("does", ["rehearsal hang", "supervisor hang",
                                  "logger hang"])
def test_a_stop_ends_it_and_the_fleet_in_order(own, does):
    f = own(f"[worker:w]\n"
            f"command = {act('on', 15, 'termed', 'pause')}\n"
            f"directory = {{}}\n", start=False)
    f.ini.write_text(f.ini.read_text().format(f.dir))
    f.start()
    pid = f.running()["w"]
    svctl = begin(f, does)
    start = time.monotonic()
    f.signal(signal.SIGTERM)
    f.wait_lines("termed")
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    assert f.end() == 0
    assert time.monotonic() - start < 9 * SLOW
    assert "did not confirm" not in f.log()
    assert svctl.wait(20 * SLOW) in (1, 4)
    svctl.stderr.close()


def test_a_second_signal_is_the_last_word(own):
    f = own(f"[worker:w]\ncommand = {act('ignore', 15, 'pause')}\n")
    f.running()
    svctl = begin(f, "supervisor hang")
    f.signal(signal.SIGINT)
    wait_for(lambda: "stopping on signal 2" in f.log())
    f.signal(signal.SIGINT)
    assert f.end() == 128 + 2
    svctl.communicate()


def test_deaths_are_counted_once_and_births_are_not_lost(own):
    f = own(ONE + floor(spares=2) + f"[worker:f]\n{on_floor('pause')}\n"
            "numprocs = 4\n")
    before = f.running()
    svctl = begin(f, "supervisor slow 300", "logger slow 100")
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    assert svctl.wait(20 * SLOW) == 0
    svctl.stderr.close()
    for name, pid in before.items():
        f.wait(name, state="RUNNING", pid=lambda p, old=pid: p != old)
        assert [d["signal"] for d in f.deaths(name)] == [9]
    assert {w["restarts"] for w in f.workers().values()} == {1}
    assert {w["generation"] for w in f.workers().values()} == {2}
    f.ctl("upgrade")


def test_who_connects_meanwhile_waits(own):
    f = own()
    svctl = begin(f, "supervisor slow 400")
    start = time.monotonic()
    f.ctl("ping")
    assert 0.1 < time.monotonic() - start
    assert svctl.wait(20 * SLOW) == 0
    svctl.stderr.close()


def test_a_hang_up_is_obeyed_when_it_is_over(own):
    f = own()
    f.running()
    svctl = begin(f, "supervisor slow 300")
    f.ini.write_text(f.ini.read_text().replace("numprocs = 2", "numprocs = 3"))
    f.signal(signal.SIGHUP)
    assert svctl.wait(20 * SLOW) == 0
    svctl.stderr.close()
    f.wait("w:2", state="RUNNING")


def test_a_role_that_somebody_kills_gets_another_try(own):
    f = own()
    before = f.running()
    install(f, STANDIN, NEXT, f"supervisor killed {f.path('a')}",
            f"logger killed {f.path('b')}")
    f.ctl("upgrade")
    assert f.path("a").exists() and f.path("b").exists()
    assert f.running() == before
    assert version(f) == "next"


def kill_at_random(f, svctl, rng):
    """A few times while svctl waits, each time any supervisor there is."""
    for _ in range(rng.randrange(4)):
        time.sleep(rng.random() * 0.02 * SLOW)
        pid = f.supervisor()
        if pid and svctl.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_the_supervisor_is_killed_at_any_instant(own):
    f = own(ONE + floor() + f"[worker:f]\n{on_floor('pause')}\n")
    rng = random.Random(int(os.environ["SVD_TEST_SEED"]))
    before, born = f.running(), births(f)
    for _ in range(min(40, ROUNDS)):
        with subprocess.Popen([*f.svctl_words(), "upgrade"], env=f.env,
                              stdout=subprocess.DEVNULL) as svctl:
            kill_at_random(f, svctl, rng)
        assert svctl.returncode == 0
    assert f.running() == before
    assert births(f) == born
    assert {w["restarts"] for w in f.workers().values()} == {0}


def test_the_keeper_is_killed_at_any_instant(own):
    """The one that is installed by then takes over."""
    f = own()
    rng = random.Random(int(os.environ["SVD_TEST_SEED"]))
    before = f.running()
    install(f, NEXT)
    for _ in range(min(10, ROUNDS)):
        with subprocess.Popen([*f.svctl_words(), "upgrade"], env=f.env,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL):
            time.sleep(rng.random() * 0.05 * SLOW)
            f.crash()
        f.recover()
        assert f.running() == before
    # Nobody has more to say of that than that the keeper is gone.
    assert "cannot hear" not in f.log()
    assert version(f) == "next"
    f.ctl("upgrade")
    assert {w["restarts"] for w in f.workers().values()} == {0}


def stands_in(f, pid):
    with contextlib.suppress(OSError):  # It has just ended.
        return inode(pid) == os.stat(f.program).st_ino


@pytest.mark.parametrize("does", ["rehearsal hang", "supervisor hang",
                                  "logger hang"])
def test_what_hangs_ends_with_the_keeper(own, does):
    """Or the next svd would not get the lock."""
    f = own()
    before = f.running()
    svctl = begin(f, does)
    hangs = wait_for(lambda: [pid for pid in children(f.keeper)
                              if stands_in(f, pid)])
    f.crash()
    wait_for(lambda: not any(map(alive, hangs)))
    svctl.communicate()
    install(f, SVD)
    f.recover()
    assert f.running() == before

"""Captured output: each byte that a worker has written is where it belongs,
once, in order, whoever is killed meanwhile, however slow, full or odd the place
is."""

import fcntl
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import pytest

from output import (comm, difference, error_of, expected, kill, kill_logger,
                    logger, mounted, numbered, rotated, wait_bytes, writers,
                    wrote)
from svdtest import ROUNDS, SLOW, SVCTL, act, alive, stays, wait_for

SEED = int(os.environ["SVD_TEST_SEED"])


def worker(name, command, **keys):
    lines = [f"[worker:{name}]", f"command = {command}",
             *(f"{k} = {v}" for k, v in keys.items())]
    return "\n".join(lines) + "\n"


def stop_all(f, *names):
    f.ctl("-t", "30", "stop", *names)


def check_file(f, name, path, often=0):
    """Waits until the file is what the worker, which has ended, wrote."""
    _bytes, lines = wrote(f.dir, name)
    want = expected(name, lines, often)
    assert lines > 0
    try:
        wait_for(lambda: len(rotated(path)) >= len(want), 20)
    finally:
        assert not difference(rotated(path), want), \
            difference(rotated(path), want)


# --- killed at any instant ----------------------------------------------------

def victims(f, rng):
    """Whom a round kills."""
    who = rng.choice(["logger", "logger", "writer", "supervisor", "all"])
    found = []
    if who in ("logger", "all"):
        found.append(logger(f))
    if who == "writer":
        found += writers(f)
    if who in ("supervisor", "all"):
        found.append(f.supervisor())
    return [pid for pid in found if pid]


def kill_rounds(f, rounds, rng):
    n = 0
    while n < rounds:
        for pid in victims(f, rng):
            n += kill(pid)
        time.sleep(rng.random() * (0.005 if rng.random() < 0.2 else 0.06)
                   * SLOW)
    return n


@pytest.mark.slow
@pytest.mark.parametrize("where", ["disk", "tmpfs"])
def test_killed_at_any_instant_no_byte_is_lost_or_doubled(shm, fleet, where):
    """Alone, rotated, shared by two, and a line longer than all buffers."""
    print(f"SVD_TEST_SEED={SEED}")
    rng = random.Random(SEED)
    f = fleet("", launch=False)
    base = shm if where == "tmpfs" else f.dir
    keys = {"stop_timeout": "30s"}
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + worker("alone", numbered("alone", f.dir), stdout=f"file:{base}/alone",
                 **keys)
        + worker("turned", numbered("turned", f.dir, 1000),
                 stdout=f"file:{base}/turned", log_size="1M", log_keep=1000,
                 **keys)
        + worker("one", numbered("one", f.dir, 1000), stdout=f"file:{base}/both",
                 **keys)
        + worker("two", numbered("two", f.dir, 1000), stdout=f"file:{base}/both",
                 **keys)
        + worker("long", numbered("long", f.dir, 1000, 50),
                 stdout=f"file:{base}/long", **keys))
    f.start()
    for name in ("alone", "turned", "one", "two", "long"):
        wait_bytes(f, name, 1)
    n = kill_rounds(f, max(10, ROUNDS // 2), rng)
    wait_for(f.answers, 20)
    stop_all(f, "all")
    for name in ("alone", "turned"):
        check_file(f, name, base / name)
    check_file(f, "long", base / "long", 50)
    check_shared(f, base / "both", "one", "two")
    total = sum(wrote(f.dir, name)[0]
                for name in ("alone", "turned", "one", "two", "long"))
    print(f"{n} kills, {total} bytes")


def check_shared(f, path, *names):
    """Whole lines of each, in its order."""
    want = {name: expected(name, wrote(f.dir, name)[1]) for name in names}
    size = sum(map(len, want.values()))
    wait_for(lambda: path.stat().st_size >= size, 20)
    for name in names:
        got = b"".join(re.findall(rb"(?m)^%s .*\n" % name.encode(),
                                  path.read_bytes()))
        assert not difference(got, want[name])
    assert path.stat().st_size == size


@pytest.mark.slow
@pytest.mark.parametrize("log", ["file", "stderr"])
def test_no_line_of_svds_own_log_is_lost(fleet, log):
    """Workers' lines with a name in front; twice at most around a kill, and
    not even that in a file."""
    rng = random.Random(SEED + 1)
    f = fleet("", launch=False)
    to = f.log_path if log == "stderr" else f.dir / "own.log"
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + (f"log = file:{to}\n" if log == "file" else "")
        + worker("web", numbered("web", f.dir, 2000), stdout="log", numprocs=1)
        + worker("db", numbered("db", f.dir, 2000), stdout="log"))
    f.start()
    wait_bytes(f, "web", 1)
    wait_bytes(f, "db", 1)
    kills = kill_rounds(f, max(10, ROUNDS // 4), rng)
    wait_for(f.answers, 20)
    stop_all(f, "all")
    f.stop()
    text = to.read_text(errors="replace")
    for name in ("web", "db"):
        lines = wrote(f.dir, name)[1]
        # Who is killed in a write to a file may leave the head of a line, which
        # the whole one then follows: but not in svd's own file.
        seen = list(map(int, re.findall(rf"Z {name}: {name} (\d+) [a-z]*$",
                                        text, re.M)))
        assert text.count(f"Z {name}: {name} ") == len(seen) or log == "stderr"
        assert sorted(set(seen)) == list(range(lines))
        doubled = len(seen) - lines
        assert seen == sorted(seen) or log == "stderr"
        assert doubled == 0 or log == "stderr" and doubled < kills * 200
        want = {expected(name, i + 1)[-120:].decode().splitlines()[-1]
                for i in (0, lines // 2, lines - 1) if i < 1000}
        for line in want:
            assert f"Z {name}: {line}\n" in text


# --- disks that are full, or stall --------------------------------------------

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts")


@needs_root
def test_a_full_disk_holds_up_its_own_output_only(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + worker("full", numbered("full", f.dir, 500),
                 stdout=f"file:{f.dir}/disk/full")
        + worker("other", numbered("other", f.dir, 500),
                 stdout=f"file:{f.dir}/other"))
    inside = mounted(f, "mount -t tmpfs -o size=64k none")
    wait_for(lambda: "No space left" in error_of(f, "full"),
             what="status tells of the full disk")
    assert error_of(f, "other") == ""
    # It is held up, the other one goes on.
    wait_for(lambda: wrote(f.dir, "full")[0] > 64 << 10)
    held = wait_for(lambda: settled(f, "full"), 20)
    count = wrote(f.dir, "other")[0]
    wait_bytes(f, "other", count + 500_000)
    assert wrote(f.dir, "full")[0] == held
    # Killed or not, it goes on where it was once there is room.
    kill_logger(f)
    os.system(f"nsenter -t {f.keeper} -m -r mount -o remount,size=64m "
              f"{f.dir}/disk")
    wait_bytes(f, "full", held + 100_000)
    wait_for(lambda: error_of(f, "full") == "", what="the error is gone")
    stop_all(f, "all")
    check_file(f, "full", inside / "full")
    check_file(f, "other", f.dir / "other")


def stops_growing(look):
    """What look says, if that does not change any more."""
    before = look()
    time.sleep(0.5)
    return before if look() == before else 0


def settled(f, name):
    """How much it has written, if that does not change any more."""
    return stops_growing(lambda: wrote(f.dir, name)[0])


@needs_root
@pytest.mark.slow
def test_a_stalled_disk_holds_up_nobody_else(fleet):
    """Not even the kill of the worker that writes to it; loggers killed while
    it stalls lose and double nothing."""
    f = fleet("", launch=False)
    image = f.dir / "image"
    if os.system(f"truncate -s 256M {image} && mkfs.ext4 -q {image} && "
                 f"losetup -f >/dev/null 2>&1") != 0:
        pytest.skip("no loop devices here")
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + worker("slow", numbered("slow", f.dir, 500),
                 stdout=f"file:{f.dir}/disk/slow", stop_timeout="3s")
        + worker("other", numbered("other", f.dir, 500),
                 stdout=f"file:{f.dir}/other"))
    inside = mounted(f, f"mount -o loop {image}")
    wait_bytes(f, "slow", 100_000)
    frozen = f"nsenter -t {f.keeper} -m -r fsfreeze"
    assert os.system(f"{frozen} -f {f.dir}/disk") == 0
    try:
        wait_for(lambda: "stalls" in error_of(f, "slow"), 20,
                 "status tells of the stall")
        for _ in range(3):
            kill_logger(f)
            count = wrote(f.dir, "other")[0]
            wait_bytes(f, "other", count + 300_000)
        # The one that is held up can be ended, and its successor lives.
        pid = f.running("slow")["slow"]
        f.ctl("kill", "slow")
        wait_for(lambda: not alive(pid), 5)
        f.running("slow")
    finally:
        assert os.system(f"{frozen} -u {f.dir}/disk") == 0
    count = wrote(f.dir, "slow")[0]
    wait_bytes(f, "slow", count + 300_000)
    wait_for(lambda: "stalls" not in error_of(f, "slow"))
    stop_all(f, "all")
    check_file(f, "other", f.dir / "other")
    check_killed(f, "slow", inside / "slow")


def check_killed(f, name, path):
    """A worker that was killed has not said how far it was: of what it wrote,
    a piece may be counted or not. What its successor wrote begins anew."""
    count, lines = wrote(f.dir, name)
    wait_for(lambda: path.stat().st_size >= count, 20)
    got = path.read_bytes()
    again = got.rindex(b"%s 0 \n" % name.encode())
    whole = expected(name, lines)
    assert not difference(got[again:], whole)
    assert again > 0 and expected(name, got[:again].count(b"\n") + 1)[
        :again] == got[:again]
    assert 0 <= len(got) - count <= 9000


# --- files that others touch --------------------------------------------------

def test_a_log_that_was_moved_away_is_opened_anew_on_usr1(fleet):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", numbered("web", f.dir), stdout=f"file:{f.dir}/web.log"))
    f.start()
    path, moved = f.dir / "web.log", f.dir / "web.moved"
    wait_bytes(f, "web", 10_000)
    wait_for(lambda: path.exists() and path.stat().st_size > 10_000)
    path.rename(moved)
    f.signal(signal.SIGUSR1)
    wait_for(path.exists, what="a new file")
    wait_for(lambda: path.stat().st_size > 10_000)
    kill_logger(f)
    stop_all(f, "web")
    want = expected("web", wrote(f.dir, "web")[1])
    wait_for(lambda: path.stat().st_size + moved.stat().st_size >= len(want))
    assert not difference(moved.read_bytes() + path.read_bytes(), want)


def test_a_log_that_somebody_cuts_goes_on_at_its_new_end(fleet):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", numbered("web", f.dir), stdout=f"file:{f.dir}/web.log"))
    f.start()
    path = f.dir / "web.log"
    wait_bytes(f, "web", 10_000)
    for _ in range(3):
        wait_for(lambda: path.exists() and path.stat().st_size > 10_000)
        os.truncate(path, 0)
        kill_logger(f)
    stop_all(f, "web")
    want = expected("web", wrote(f.dir, "web")[1])
    wait_for(lambda: want.endswith(path.read_bytes()[-1000:] or b"?"))
    got = path.read_bytes()
    assert b"\0" not in got
    # What was cut away is gone; the rest is there, and in order.
    assert want.endswith(got[-1000:])
    numbers = [int(x.split()[1]) for x in got.splitlines()[1:]]
    assert numbers == sorted(set(numbers))


def test_rotated_at_line_ends_and_only_so_many_are_kept(fleet):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", numbered("web", f.dir, 100), stdout=f"file:{f.dir}/web.log",
        log_size="20K", log_keep=3))
    f.start()
    path = f.dir / "web.log"
    wait_bytes(f, "web", 300_000)
    stop_all(f, "web")
    want = expected("web", wrote(f.dir, "web")[1])
    wait_for(lambda: want.endswith(rotated(path)[-500:]))
    files = sorted(x.name for x in f.dir.glob("web.log*"))
    assert files == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    assert want.endswith(rotated(path))
    for name in files[1:]:
        data = (f.dir / name).read_bytes()
        assert 20 << 10 <= len(data) < (20 << 10) + 400, name
        assert data.endswith(b"\n")


def test_a_log_directory_that_is_missing_is_told_and_waited_for(fleet):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", numbered("web", f.dir), stdout=f"file:{f.dir}/no/web.log"))
    f.start()
    wait_for(lambda: f"cannot open '{f.dir}/no/web.log'" in error_of(f, "web"))
    assert f.worker("web")["state"] == "RUNNING"
    (f.dir / "no").mkdir()
    wait_for(lambda: (f.dir / "no/web.log").exists())
    wait_for(lambda: error_of(f, "web") == "")
    stop_all(f, "web")
    check_file(f, "web", f.dir / "no/web.log")


# --- hostile workers ----------------------------------------------------------

def test_any_bytes_are_kept_as_they_are(fleet):
    """NUL, no UTF-8, no newline at the end."""
    f = fleet("", launch=False)
    data = bytes(range(256)) * 700 + b"\xff\xfe no end"
    (f.dir / "data").write_bytes(data)
    f.ini.write_text("[fleet]\nname = test\n" + "".join(
        worker(name, f"/bin/cat {f.dir}/data", restart="no", stdout=out)
        for name, out in (("web", f"file:{f.dir}/out"), ("shown", "log"))))
    f.start()
    wait_for(lambda: (f.dir / "out").exists()
             and (f.dir / "out").read_bytes() == data)
    # Its last line has no end, and is shown all the same.
    wait_for(lambda: "?? no end\n" in f.log(), what="the unended line")
    assert not set(f.log()) & set(map(chr, [*range(10), *range(11, 32), 127]))


def write_of(f, text):
    """A command that writes that, and dies of SIGSEGV."""
    (f.dir / "text").write_text(text)
    return (f"/usr/bin/python3 -S -c 'import os; "
            f'os.write(1, open("{f.dir}/text", "rb").read()); '
            "os.kill(os.getpid(), 11)'")


@pytest.mark.parametrize("log", ["file", "stderr"])
def test_a_line_longer_than_svds_log_takes_becomes_several(fleet, log):
    f = fleet("", launch=False)
    to = f.log_path if log == "stderr" else f.dir / "own.log"
    text = "".join(f"{i:x}" for i in range(40_000))
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + (f"log = file:{to}\n" if log == "file" else "")
        + worker("web", write_of(f, f"{text}\nnext"), stdout="log",
                 log_tail="1M", restart="no"))
    f.start()
    wait_for(lambda: to.exists() and "Z web: next\n" in to.read_text())
    pieces = [line.split("Z web: ")[1] for line in to.read_text().splitlines()
              if "Z web: " in line]
    assert "".join(pieces) == f"{text}next" and len(pieces) > 5
    shown = f.ctl("logs", "-n", 1000, "web").out
    assert shown.replace("\n", "") == f"{text}next" and shown.endswith("\nnext\n")


def test_a_line_longer_than_log_size_is_rotated_where_it_has_to_be(fleet):
    """In its midst: but not before what comes may be its end."""
    f = fleet("", launch=False)
    text = "short\n" * 1000 + "x" * 500_000 + "\nlast\n"
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", write_of(f, text), stdout=f"file:{f.dir}/web.log",
        restart="no", log_size="10K", log_keep=100))
    f.start()
    wait_for(lambda: len(rotated(f.dir / "web.log")) == len(text))
    assert rotated(f.dir / "web.log").decode() == text
    sizes = [x.stat().st_size for x in f.dir.glob("web.log*")]
    assert max(sizes) <= (10 << 10) + 2 * 65536 and len(sizes) >= 5


@pytest.mark.parametrize("keys", [{"stdout": "log", "log_tail": "8K"},
                                  {"stdout": "file", "log_size": "8K",
                                   "log_keep": 1}], ids=["log", "file"])
def test_of_a_flood_before_a_crash_the_last_lines_are_kept(fleet, keys):
    f = fleet("", launch=False)
    if keys["stdout"] == "file":
        keys = {**keys, "stdout": f"file:{f.dir}/web.log"}
    lines = [f"line {i}" for i in range(100_000)]
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", write_of(f, "\n".join([*lines, "Segmentation fault"])),
        restart="no", **keys))
    f.start()
    f.wait("web", state="FAILED")
    shown = wait_for(lambda: (out := f.ctl("logs", "-n", 200, "web").out)
                     .endswith("fault\n") and out).splitlines()
    assert shown == [*lines[-199:], "Segmentation fault"]
    assert "Segmentation fault" in f.ctl("why", "web").out


def test_a_flood_holds_up_nobody_and_costs_no_memory(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + worker("flood", "/usr/bin/yes", stdout="file:/dev/null", numprocs=2)
        + worker("loud", "/usr/bin/yes", stdout="log", log_tail="64K")
        + worker("quiet", act("write", 1, "here", "sleep", 20),
                 stdout=f"file:{f.dir}/quiet", restart="no", autostart="no"))
    f.start()
    pids = [f.supervisor(), wait_for(lambda: logger(f))]

    def rss(pid):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(text.split("Rss:")[1].split()[0])

    wait_for(lambda: f.log_path.stat().st_size > 1 << 20, 20)
    before = [rss(pid) for pid in pids]
    start = time.monotonic()
    f.ctl("start", "quiet")
    wait_for(lambda: (f.dir / "quiet").exists()
             and (f.dir / "quiet").read_text() == "here\n", 5)
    assert time.monotonic() - start < 2 * SLOW
    wait_for(lambda: f.log_path.stat().st_size > 20 << 20, 30)
    assert [logger(f)] == pids[1:]
    after = [rss(pid) for pid in pids]
    assert all(a < b + 1000 for a, b in zip(after, before)), (before, after)
    f.stop()


def test_who_fills_a_fifo_of_its_own_gets_a_wider_one(fleet):
    """Also after a successor; and not one that shares its file."""
    shared = {"stdout": "file:/dev/null", "log_size": 0}
    f = fleet(worker("flood", "/usr/bin/yes", stdout="log", log_tail="64K")
              + worker("calm", act("write", 1, "here", "pause"), stdout="log")
              + worker("both", "/usr/bin/yes", numprocs=2, **shared))
    pids = f.running()

    def holds(name):
        with open(f"/proc/{pids[name]}/fd/1", "wb") as fifo:
            return fcntl.fcntl(fifo, fcntl.F_GETPIPE_SZ)

    wait_for(lambda: holds("flood") == 4 * 65536)
    kill_logger(f)
    wait_for(lambda: logger(f))
    assert holds("flood") == 4 * 65536
    assert holds("calm") == 65536
    assert holds("both:0") == holds("both:1") == 65536


def test_a_stopped_logger_loses_nothing(fleet):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", numbered("web", f.dir), stdout=f"file:{f.dir}/web.log"))
    f.start()
    wait_bytes(f, "web", 1)
    pid = wait_for(lambda: logger(f))
    kill(pid, signal.SIGSTOP)
    held = wait_for(lambda: settled(f, "web"))
    kill(pid, signal.SIGCONT)
    wait_bytes(f, "web", held + 100_000)
    stop_all(f, "web")
    check_file(f, "web", f.dir / "web.log")


@pytest.mark.parametrize("kills", [False, True])
def test_workers_that_leave_and_come_back_lose_nothing(fleet, kills):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", numbered("web%n", f.dir), numprocs=3,
        stdout=f"file:{f.dir}/web%n"))
    f.start()
    pid = wait_for(lambda: logger(f))
    fds = f.descriptors()
    for i in range(15):
        f.ctl("scale", "web", 1)
        if kills:
            kill_logger(f)
        f.ctl("scale", "web", 3)
        wait_bytes(f, "web2", wrote(f.dir, "web2")[0] + 1)
    if not kills:
        assert logger(f) == pid
    assert f.descriptors() == fds
    stop_all(f, "all")
    for i in range(3):
        check_file(f, f"web{i}", f.dir / f"web{i}")


def test_long_writes_of_two_to_one_file_come_through_line_by_line(fleet):
    """More at once than there is room for in a FIFO, which then holds a piece
    of a line, and is written to by who is asleep."""
    f = fleet("", launch=False)
    names = ("one", "two")
    lines = {name: [f"{name} {i} {'x' * (i * 7919 % 20000 + 30000)}\n"
                    for i in range(40)] for name in names}
    for name in names:
        (f.dir / f"{name}.in").write_text("".join(lines[name]))
    f.ini.write_text("[fleet]\nname = test\n" + "".join(
        worker(name, f"/bin/cat {f.dir}/{name}.in", type="oneshot",
               stdout=f"file:{f.dir}/both") for name in names))
    f.start()
    for name in names:
        f.wait(name, state="EXITED")
    size = sum(len("".join(lines[name])) for name in names)
    wait_for(lambda: (f.dir / "both").stat().st_size == size)
    got = (f.dir / "both").read_text().splitlines(keepends=True)
    for name in names:
        assert [x for x in got if x.startswith(name)] == lines[name]


def two_ways(fleet, stderr):
    """One worker to a standard error, and one to a file."""
    f = fleet("", launch=False, stderr=stderr)
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + worker("log", numbered("log", f.dir, 0), stdout="log",
                 stop_timeout="500ms")
        + worker("file", numbered("file", f.dir, 500),
                 stdout=f"file:{f.dir}/file"))
    f.launch()
    return f


@pytest.mark.slow
def test_a_standard_error_that_nobody_reads_holds_up_its_own_only(fleet):
    reading, writing = os.pipe()
    f = two_ways(fleet, writing)
    os.close(writing)
    wait_for(f.answers)
    wait_for(lambda: "stalls" in error_of(f, "log"))
    held = wait_for(lambda: settled(f, "log"))
    wait_bytes(f, "file", wrote(f.dir, "file")[0] + 300_000)
    # What was held up comes, once somebody reads.
    got = b""
    while held > 0:
        data = os.read(reading, 65536)
        held -= len(data)
        got += data
    numbers = [int(x.split()[3]) for x in got.splitlines()[:-1]
               if b"Z log: log " in x]
    assert numbers == list(range(len(numbers)))
    # And the fleet ends, whether somebody reads or not.
    assert f.stop() == 0
    check_file(f, "file", f.dir / "file")
    os.close(reading)


def test_a_standard_error_that_is_gone_holds_up_nobody(fleet):
    reading, writing = os.pipe()
    f = two_ways(fleet, writing)
    os.close(writing)
    wait_for(f.answers)
    os.close(reading)
    wait_bytes(f, "log", 10_000_000)
    wait_bytes(f, "file", 100_000)
    # The last line may have come as far as "lo"; and no more are shown, however
    # many are written meanwhile.
    for _ in range(20):
        shown = f.ctl("logs", "-n", 2, "log").out.splitlines()
        assert shown[0].startswith("log ") and len(shown) == 2, shown
    assert f.stop() == 0


# --- the end, and rest --------------------------------------------------------

def test_the_fleets_end_writes_all_there_is(fleet):
    """Also what the last moment brought, and svd's own log in a file."""
    f = fleet("", launch=False)
    f.ini.write_text(
        f"[fleet]\nname = test\nlog = file:{f.dir}/own.log\n"
        + worker("web", numbered("web", f.dir, 0),
                 stdout=f"file:{f.dir}/web.log")
        + worker("db", numbered("db", f.dir, 100), stdout="log"))
    f.start()
    wait_bytes(f, "web", 1_000_000)
    wait_bytes(f, "db", 10_000)
    assert f.stop() == 0
    assert not difference((f.dir / "web.log").read_bytes(),
                          expected("web", wrote(f.dir, "web")[1]))
    own = (f.dir / "own.log").read_text()
    assert own.count("Z db: db ") == wrote(f.dir, "db")[1]


def test_the_fleets_end_writes_more_than_there_is_room_for(fleet):
    """What lies in the FIFOs of many, all of whom write to one file; also the
    last line of each, which has no end and is waited for till then."""
    count, size = 16, 59999
    f = fleet("", launch=False)
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + worker("web", f"/bin/sh -c 'yes web%n | head -c {size}'",
                 numprocs=count, type="oneshot", autostart="no",
                 stdout=f"file:{f.dir}/web.log"))
    f.start()
    pid = wait_for(lambda: logger(f))
    wait_for(lambda: (f.dir / "web.log").exists())
    kill(pid, signal.SIGSTOP)
    f.ctl("start", "web")
    wait_for(lambda: all(f.worker(f"web:{i}")["state"] == "EXITED"
                         for i in range(count)))
    f.signal(signal.SIGTERM)
    wait_for(lambda: not f.supervisor())
    lines = f.dir / "web.log"
    assert lines.stat().st_size == 0
    kill(pid, signal.SIGCONT)
    assert f.end(20) == 0
    text = lines.read_bytes()
    assert len(text) == count * size
    for i in range(count):
        # Behind its last line comes another's, and that one is not its own.
        line = b"web%d\n" % i
        assert text.count(line) in (size // len(line), size // len(line) + 1), i


def switches(pid):
    text = open(f"/proc/{pid}/status", encoding="utf-8").read()
    return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])


@pytest.mark.slow
def test_it_sleeps_where_nothing_is_written(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + worker("a", act("write", 1, "here", "pause"),
                 stdout=f"file:{f.dir}/a")
        + worker("b", act("write", 1, "here", "pause"), stdout="log"))
    f.start()
    wait_for(lambda: "Z b: here\n" in f.log())
    wait_for((f.dir / "a").exists)
    wait_for(lambda: (f.dir / "a").read_text() == "here\n")
    pids = [logger(f), *writers(f)]
    assert len(pids) >= 2 and all(comm(p) for p in pids)
    seen = []

    def rests():
        seen.append([switches(p) for p in pids])
        return len(seen) > 20 and seen[-20:] == seen[-1:] * 20

    wait_for(rests, 10, "no wake-ups for a second", every=0.05)
    stays(lambda: [switches(p) for p in pids] == seen[-1], 2)


# --- svctl logs ----------------------------------------------------------------

def test_the_last_lines_before_a_crash_are_shown(fleet):
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + worker(
        "web", act("write", 1, "one", "write", 1, "the end", "die", 11),
        restart="no", stdout="log"))
    f.start()
    f.wait("web", state="FAILED")
    assert f.ctl("logs", "web").out == "one\nthe end\n"
    kill_logger(f)
    wait_for(lambda: f.svctl("logs", "web").out == "one\nthe end\n")


def test_who_follows_misses_nothing_and_hears_nothing_twice(fleet):
    """Over kills of the logger, which svctl outlives by its cursors."""
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + "".join(
        worker(name, numbered(name, f.dir, 20_000), stdout=out, log_tail="16M",
               log_size="30K", log_keep=1000)
        for name, out in (("web", "log"), ("db", f"file:{f.dir}/db.log"))))
    f.start()
    for name in ("web", "db"):
        wait_bytes(f, name, 1000)
    out = open(f.dir / "followed", "wb")
    svctl = subprocess.Popen(
        [SVCTL, "-r", str(f.run), "-j", "logs", "-f", "-n", "100000",
         "web", "db"], stdout=out, env=f.env)
    def told():
        """name -> the numbers of the lines told so far."""
        found = {"web": [], "db": []}
        for text in (f.dir / "followed").read_text().split("\n")[:-1]:
            said = json.loads(text)
            if "line" in said:
                found[said["name"]].append(int(said["line"].split()[1]))
                assert not said.get("gap"), said
        return found

    for _ in range(5):
        count = {name: len(told()[name]) for name in ("web", "db")}
        kill_logger(f)
        wait_for(lambda: all(len(told()[n]) > count[n] + 20 for n in count),
                 20, "both are followed further")
    svctl.terminate()
    svctl.wait()
    for name, numbers in told().items():
        assert numbers == list(range(len(numbers))), name

"""Captured output: each byte that a worker has written is where it belongs,
once, in order, whoever is killed meanwhile, however slow, full or odd the place
is."""

import os
import random
import signal
import time

import pytest

from output import (comm, difference, expected, kill, logger, numbered, rotated,
                    wait_bytes, writers, wrote)
from svdtest import ROUNDS, SLOW, act, alive, stays, wait_for

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
def test_killed_at_any_instant_no_byte_is_lost_or_doubled(fleet, where,
                                                         tmp_path_factory):
    """Alone, rotated, shared by two, and a line longer than all buffers."""
    print(f"SVD_TEST_SEED={SEED}")
    rng = random.Random(SEED)
    f = fleet("", launch=False)
    base = f.dir
    if where == "tmpfs":
        base = tmp_path_factory.mktemp("out", numbered=True)
        shm = f"/dev/shm/svdtest-{os.getpid()}-{rng.random()}"
        os.mkdir(shm)
        base = type(f.dir)(shm)
    keys = {"stop_timeout": "30s"}
    f.ini.write_text(
        "[fleet]\nname = test\n"
        + worker("alone", numbered("alone", f.dir), stdout=f"file:{base}/alone",
                 **keys)
        + worker("turned", numbered("turned", f.dir, 300),
                 stdout=f"file:{base}/turned", log_size="1M", log_keep=1000,
                 **keys)
        + worker("one", numbered("one", f.dir), stdout=f"file:{base}/both",
                 **keys)
        + worker("two", numbered("two", f.dir), stdout=f"file:{base}/both",
                 **keys)
        + worker("long", numbered("long", f.dir, 300, 50),
                 stdout=f"file:{base}/long", **keys))
    try:
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
    finally:
        if where == "tmpfs":
            f.stop()
            import shutil
            shutil.rmtree(base)


def check_shared(f, path, *names):
    """Whole lines of each, in its order."""
    want = {name: wrote(f.dir, name)[1] for name in names}
    size = sum(len(expected(name, lines)) for name, lines in want.items())
    wait_for(lambda: path.stat().st_size >= size, 20)
    lines = path.read_bytes().splitlines(keepends=True)
    for name in names:
        mine = [x for x in lines if x.startswith(name.encode() + b" ")]
        got = b"".join(mine)
        assert not difference(got, expected(name, want[name]))
    assert path.stat().st_size == size

"""big_floor: what it takes to fork a floor of a gigabyte; a part of floors.py.

Who asks for the forks here plays svd (tests/it/floorkit.py), so that nothing
but the floor, its intermediate and its worker is in the time; then svd does.
"""

import contextlib
import os
import signal
import sys
import time

import fleets
from fleets import MS
from floors import HERE, PYTHON, SETTLE_S, Samples, Svd, progress, rollup, say

sys.path.insert(0, str(fleets.ROOT / "tests" / "it"))
from floorkit import FakeSvd  # noqa: E402

FORKS = 30
KILLS = 20
HOWS = {
    "pages-none": "an empty one, for comparison",
    "pages-small": "one mapping, 4 KiB pages",
    "pages": "one mapping",
    "objects-small": "Python objects, 4 KiB pages",
    "objects": "Python objects",
}


def environment(how, mb):
    return {"BIG_HOW": how, "BIG_MB": "1" if how == "pages-none" else str(mb)}


def fork_some(how, mb, samples):
    """FORK -> FORKED, FORK -> STARTED, and SIGKILL -> zombie."""
    argv = [PYTHON, fleets.BUILD / "libexec" / "floor.py", "--path", HERE,
            "--", "floor_app", "big_app"]
    begin = time.monotonic_ns()
    with FakeSvd(argv, env=environment(how, mb)) as svd:
        svd.loaded(timeout=120)
        samples.add(how, "load", time.monotonic_ns() - begin)
        samples.add(how, "huge", rollup(svd.proc.pid)["AnonHugePages"] * MS
                    / 1024)
        for _ in range(FORKS):
            begin = time.monotonic_ns()
            worker = svd.fork()
            samples.add(how, "forked", time.monotonic_ns() - begin)
            worker.start("floor_app:work", os.devnull,
                         env={"SVD_INSTANCE": "0"})
            samples.add(how, "started", time.monotonic_ns() - begin)
            time.sleep(0.05)
            begin = time.monotonic_ns()
            os.kill(worker.pid, signal.SIGKILL)
            os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
            samples.add(how, "end", time.monotonic_ns() - begin)
            assert worker.wait() == -signal.SIGKILL
            worker.close()


def fleet_of(how, mb, ahead):
    class Big(Svd):
        name = f"{how}, spares = {ahead}"
        spares = ahead

        def floor(self):
            return f"preload = floor_app big_app\npath = {HERE}\n"

        def environment(self):
            return {**super().environment(), **environment(how, mb)}

    return Big(2)


def kill_some(how, mb, samples):
    with contextlib.ExitStack() as stack:
        running = []
        for ahead in (0, 1):
            fleet = stack.enter_context(fleet_of(how, mb, ahead))
            fleet.start()
            running.append((f"spares {ahead}", fleet))
        time.sleep(SETTLE_S)
        for number in range(KILLS):
            for what, fleet in running:
                samples.add(how, what, fleet.kill(number % 2))
                time.sleep(0.2)
        for _, fleet in running:
            fleet.stop()


def measure(mb):
    samples = Samples()
    for how, text in HOWS.items():
        progress(f"a floor of {mb} MB: {text}")
        fork_some(how, mb, samples)
        kill_some(how, mb, samples)
    columns = {"load": "loaded", "huge": "huge MB", "forked": "FORKED",
               "started": "STARTED", "end": "killed",
               "spares 0": "-> successor", "spares 1": "with a spare"}
    say(f"\na floor of {mb} MB: ms from its start, from FORK, and from "
        f"SIGKILL; medians of {FORKS} forks, {KILLS} kills\n")
    say(f"{'':28}" + "".join(f"{text:>13}" for text in columns.values()))
    for how, text in HOWS.items():
        say(f"{text:28}" + "".join(
            f"{samples.median(how, what) / MS:13.2f}" for what in columns))

"""The supervisor is killed at random instants, again and again, while workers
are born and die; afterwards the fleet is compared with what its workers wrote
down themselves.

SVD_TEST_ROUNDS kills in all, over 2 * FLEETS tests that run side by side;
SVD_TEST_SEED repeats the instants of a run.
"""

import contextlib
import os
import random
import signal
import time

import pytest

from svdtest import (ROUNDS, SLOW, Varlink, act, alive, children, floor,
                     on_floor, wait_for)

FLEETS = 5
SEED = int(os.environ["SVD_TEST_SEED"])
WORKERS = {
    # Name: numprocs, life in ms, what it leaves behind when it dies.
    "short": (6, 3, []),
    "orphans": (3, 15, ["fork", "{", "setsid", "fork", "{", "sleep", "20",
                        "exit", "77", "}", "sleep", "10", "exit", "78", "}"]),
    "longer": (4, 60, []),
}


def text(f, runs):
    """runs: makes a worker's keys of what it is to do."""
    out = ""
    for name, (numprocs, life, leaves) in WORKERS.items():
        keys = runs("note", f.path("births"), *leaves, "sleep", life,
                    "exit-generation")
        out += (f"[worker:{name}]\n{keys}\nnumprocs = {numprocs}\n"
                "backoff_delay = 5ms\nbackoff_limit = 5ms\n")
    # Two whom nothing may touch, and one that obeys commands.
    keys = runs("note", f.path("births"), "pause")
    return (f"{out}[worker:steady]\n{keys}\nnumprocs = 2\n"
            f"[worker:stopped]\n{keys}\nautostart = no\n")


def executed(*words):
    return f"command = {act(*words)}"


class Watch:
    """Who the supervisor is, without asking it: after a kill, the child of
    the keeper that is neither the old one nor in the middle of an exec."""

    def __init__(self, fleet):
        self.fleet, self.killed = fleet, []

    def kill(self):
        """Kills it within a few ms of its start, or later."""
        pid = wait_for(self.fleet.supervisor, every=0.0005,
                       what="a supervisor")
        os.kill(pid, signal.SIGKILL)
        self.killed.append(pid)
        wait_for(lambda: not alive(pid), every=0.0005)


def poll_deaths(fleet, seen):
    """Adds what `why` says now to seen: (worker, generation) -> status. No
    two answers may contradict each other."""
    try:
        with Varlink(fleet.run / "control.sock", timeout=1) as v:
            workers = v.call("Why", {})["workers"]
    except (OSError, ConnectionError):
        return
    for worker in workers:
        for death in worker["deaths"]:
            key = worker["name"], death["generation"]
            status = death["code"], death["signal"]
            assert seen.setdefault(key, status) == status, key


def births(fleet):
    """worker -> its generations, in the order in which they wrote."""
    found = {}
    for line in fleet.lines("births"):
        name, generation, _pid = line.split()
        found.setdefault(name, []).append(int(generation))
    return found


@pytest.mark.slow
@pytest.mark.valgrind
@pytest.mark.parametrize("number", range(FLEETS))
def test_a_supervisor_killed_at_random_instants(fleet, number):
    print(f"SVD_TEST_SEED={SEED}")
    rng = random.Random(SEED + number)
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = chaos\n" + text(f, executed))
    run(f, rng, lambda: None, 0)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(FLEETS, 2 * FLEETS))
def test_supervisor_and_floor_killed_at_random_instants(fleet, number):
    print(f"SVD_TEST_SEED={SEED}")
    rng = random.Random(SEED + number)
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = chaos\n" +
                     floor(spares=number % 3) + text(f, on_floor))

    def kill_floor():
        if rng.random() < 0.1:
            for pid in f.floors().values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    run(f, rng, kill_floor, 1 + number % 3)


def run(f, rng, more, more_children):
    f.start()
    steady = f.running("steady:0", "steady:1")
    watch, deaths = Watch(f), {}
    for _ in range(max(1, ROUNDS // (2 * FLEETS))):
        more()
        watch.kill()
        # Some kills come while it starts; the keeper then waits longer each
        # time, as it could not know who kills. The rest come when it works.
        early = rng.random() < 0.15
        time.sleep(rng.random() * (0.003 if early else 0.1) * SLOW)
        if rng.random() < 0.5:
            poll_deaths(f, deaths)
        if rng.random() < 0.05:
            f.svctl("--no-wait", "restart", "stopped")
    check(f, watch, deaths, steady, more_children)


def check(f, watch, deaths, steady, more_children):
    wait_for(f.answers, 20)
    assert f.running("steady:0", "steady:1") == steady
    f.svctl("-t", "20", "stop", *WORKERS, "stopped")
    workers = f.workers()
    for name, worker in workers.items():
        if not name.startswith("steady"):
            assert (worker["state"], worker["pid"]) == ("STOPPED", 0), worker
    poll_deaths(f, deaths)
    # Only supervisor, logger and the steady ones are left, a floor, spares.
    wait_for(lambda: len(children(f.keeper)) == 4 + more_children, 60,
             what="nobody else is left")
    wrote = births(f)
    check_births(f, watch, deaths, workers, wrote)
    check_statuses(deaths)
    print(f"{len(watch.killed)} kills, {sum(map(len, wrote.values()))} lives, "
          f"{len(deaths)} statuses")


def check_births(f, watch, deaths, workers, wrote):
    """Each generation wrote once. Those that did not write were ended before
    they could: by the last stop, or by a kill of ours that met a birth."""
    silent = []
    for name, worker in workers.items():
        mine = wrote.get(name, [])
        assert len(mine) == len(set(mine)), f"{name}: one was started twice"
        assert max(mine, default=0) <= worker["generation"], name
        for generation in range(1, worker["generation"] + 1):
            _code, sig = deaths.get((name, generation), (None, None))
            if generation not in mine and sig != signal.SIGTERM:
                silent.append((name, generation, sig))
        if not name.startswith("stopped"):
            assert worker["restarts"] == worker["generation"] - 1, worker
    log = f.log()
    strays = [pid for pid in watch.killed if f"supervisor {pid} " not in log]
    assert len(silent) <= len(strays), (silent, strays)


def check_statuses(deaths):
    assert len(deaths) > 10, "deaths were seen"
    for (name, generation), (code, sig) in deaths.items():
        if sig is None:
            assert code == generation % 200, (name, generation, code)
        else:
            assert sig in (signal.SIGKILL, signal.SIGTERM), (name, generation)

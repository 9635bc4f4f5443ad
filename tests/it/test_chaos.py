"""The supervisor is killed at random instants, again and again, while workers
are born and die; afterwards the fleet is compared with what its workers wrote
down themselves.

SVD_TEST_ROUNDS kills in all, over FLEETS tests that run side by side;
SVD_TEST_SEED repeats the instants of a run.
"""

import os
import random
import signal
import time

import pytest

from svdtest import ROUNDS, SLOW, Varlink, act, alive, children, wait_for

FLEETS = 5
SEED = int(os.environ.get("SVD_TEST_SEED", random.SystemRandom().getrandbits(32)))
WORKERS = {
    # Name: numprocs, life in ms, what it leaves behind when it dies.
    "short": (6, 3, []),
    "orphans": (3, 15, ["fork", "{", "setsid", "fork", "{", "sleep", "20",
                        "exit", "77", "}", "sleep", "10", "exit", "78", "}"]),
    "longer": (4, 60, []),
}


def text(f):
    out = ""
    for name, (numprocs, life, leaves) in WORKERS.items():
        words = act("note", f.path("births"), *leaves, "sleep", life,
                    "exit-generation")
        out += (f"[worker:{name}]\ncommand = {words}\nnumprocs = {numprocs}\n"
                "backoff_delay = 5ms\nbackoff_limit = 5ms\n")
    # Two whom nothing may touch, and one that obeys commands.
    out += (f"[worker:steady]\ncommand = {act('note', f.path('births'), 'pause')}\n"
            "numprocs = 2\n"
            f"[worker:stopped]\ncommand = {act('note', f.path('births'), 'pause')}\n"
            "autostart = no\n")
    return out


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
    f.ini.write_text("[fleet]\nname = chaos\n" + text(f))
    f.start()
    steady = f.running("steady:0", "steady:1")
    watch, deaths = Watch(f), {}
    for _ in range(max(1, ROUNDS // FLEETS)):
        watch.kill()
        # Some kills come while it starts; the keeper then waits longer each
        # time, as it could not know who kills. The rest come when it works.
        early = rng.random() < 0.15
        time.sleep(rng.random() * (0.003 if early else 0.1) * SLOW)
        if rng.random() < 0.3:
            poll_deaths(f, deaths)
        if rng.random() < 0.05:
            f.svctl("--no-wait", "restart", "stopped")
    check(f, watch, deaths, steady)


def check(f, watch, deaths, steady):
    wait_for(f.answers, 20)
    # The obituaries say how many of the kills met a supervisor; one that met
    # a birth instead took a generation that could not write.
    before_exec = len([pid for pid in watch.killed
                       if f"supervisor {pid} was killed" not in f.log()])
    assert f.running("steady:0", "steady:1") == steady
    f.svctl("-t", "20", "stop", *WORKERS, "stopped")
    for name, worker in f.workers().items():
        if not name.startswith("steady"):
            assert (worker["state"], worker["pid"]) == ("STOPPED", 0), worker
    poll_deaths(f, deaths)
    # Only the supervisor and the steady ones are left.
    wait_for(lambda: len(children(f.keeper)) == 3,
             what="nobody else is left")

    wrote, missing = births(f), 0
    for name, worker in f.workers().items():
        mine = wrote.get(name, [])
        assert len(mine) == len(set(mine)), f"{name}: started twice"
        assert max(mine, default=0) <= worker["generation"]
        gaps = set(range(1, worker["generation"] + 1)) - set(mine)
        for generation in gaps:
            # Stopped, or killed, before it could write.
            _code, sig = deaths.get((name, generation), (None, None))
            assert sig in (9, 15, None), (name, generation, sorted(gaps))
            missing += sig != 15
        if not name.startswith("stopped"):
            assert worker["restarts"] == worker["generation"] - 1, worker
    assert missing <= before_exec

    told = 0
    for (name, generation), (code, sig) in deaths.items():
        if sig is None:
            assert code == generation % 200, (name, generation, code)
            told += 1
        else:
            assert sig in (9, 15), (name, generation, sig)
    assert told > 10, "the deaths were seen"
    total = sum(map(len, wrote.values()))
    print(f"{len(watch.killed)} kills, {total} lives, {told} statuses")
    assert total > len(watch.killed)

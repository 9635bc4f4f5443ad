"""Streams of state changes: `Events` and `svctl events`."""

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from svdtest import (
    SLOW, SVCTL, VarlinkError, act, rss_kb, stays, wait_for)

ONE = (f"[worker:w]\ncommand = {act('pause')}\nnumprocs = 2\n"
       "backoff_delay = 10ms\nbackoff_factor = 1\n")


class Listener:
    """Follows a stream and holds each message to what came before it."""

    def __init__(self, fleet, names=None):
        self.fleet, self.names = fleet, names
        self.epoch = self.seq = None
        self.states, self.steps, self.gaps, self.snapshots = {}, [], 0, 0
        self.connect()

    def connect(self):
        self.v = self.fleet.varlink()
        ask = {"names": self.names} if self.names else {}
        if self.epoch is not None:
            ask |= {"epoch": self.epoch, "seq": self.seq}
        self.v.send("Events", ask, more=True)

    def next(self):
        """One message, or None at the end of the connection."""
        reply = self.v.receive()
        if reply is None:
            return None
        assert reply.get("continues") is True, reply
        m = reply["parameters"]
        self.snapshot(m) if m["snapshot"] else self.step(m)
        self.epoch, self.seq = m["epoch"], m["seq"]
        return m

    def snapshot(self, m):
        states = {w["name"]: w["state"] for w in m["workers"]}
        if self.epoch is not None and not m["gap"]:
            assert m["epoch"] == self.epoch
            # The same again after a reconnect, or the fleet has changed.
            assert self.names or m["seq"] - self.seq in (0, 1)
            for name in set(states) & set(self.states):
                assert states[name] == self.states[name], "nothing was missed"
            if m["seq"] == self.seq:
                assert states == self.states
        self.gaps += m["gap"]
        self.snapshots += 1
        self.states = states

    def step(self, m):
        assert self.epoch == m["epoch"]
        assert self.names or m["seq"] == self.seq + 1, (m, self.seq)
        assert not m["gap"]
        name, state = m["worker"]["name"], m["worker"]["state"]
        assert m["from"] == self.states[name], m
        assert m["from"] != state
        self.states[name] = state
        self.steps.append((name, m["from"], state))

    def until(self, look):
        while not look(self.next()):
            pass

    def survive(self):
        """One message, over the end of a supervisor."""
        while True:
            try:
                if m := self.next():
                    return m
            except ConnectionError:
                pass
            self.v.close()
            self.connect()


@pytest.fixture
def one(fleet):
    f = fleet(ONE)
    f.running()
    wait_for(lambda: f.status()["logger_pid"])
    return f


def test_without_more_there_is_the_snapshot_only(one):
    with one.varlink() as v:
        m = v.call("Events")
        assert m["snapshot"] and not m["gap"] and m["epoch"]
        status = one.status()
        assert {w["name"] for w in m["workers"]} == {"w:0", "w:1"}
        assert {k: m[k] for k in status if k != "workers"} == {
            k: status[k] for k in status if k != "workers"}
        v.call("Ping")


def test_each_change_comes_once_and_in_order(one):
    listener = Listener(one)
    assert listener.next()["snapshot"]
    one.ctl("restart", "w:0")
    listener.until(lambda m: m["worker"]["state"] == "RUNNING")
    one.ctl("stop", "w:1")
    listener.until(lambda m: m["worker"]["state"] == "STOPPED")
    assert listener.steps == [
        ("w:0", "RUNNING", "STOPPING"), ("w:0", "STOPPING", "STARTING"),
        ("w:0", "STARTING", "RUNNING"), ("w:1", "RUNNING", "STOPPING"),
        ("w:1", "STOPPING", "STOPPED")]


def test_names_choose_whose_changes_come(one):
    listener = Listener(one, ["w:1"])
    assert [w["name"] for w in listener.next()["workers"]] == ["w:1"]
    one.ctl("restart", "w:0")
    one.ctl("restart", "w:1")
    listener.until(lambda m: m["worker"]["state"] == "RUNNING")
    assert {name for name, *_ in listener.steps} == {"w:1"}


@pytest.mark.parametrize("ask,error", [
    ({"names": ["nobody"]}, "org.svd.Fleet.NoSuchWorker"),
    ({"names": "w"}, "org.varlink.service.InvalidParameter"),
    ({"epoch": "x"}, "org.varlink.service.InvalidParameter"),
    ({"seq": 3}, "org.varlink.service.InvalidParameter"),
    ({"epoch": 1, "seq": 3}, "org.varlink.service.InvalidParameter"),
    ({"epoch": "x", "seq": 3.5}, "org.varlink.service.InvalidParameter"),
])
def test_a_bad_call_is_a_typed_error(one, ask, error):
    with one.varlink() as v:
        v.send("Events", ask, more=True)
        assert v.receive()["error"] == error
        v.call("Ping")


def test_whoever_comes_back_is_told_whether_it_missed_something(one):
    listener = Listener(one)
    listener.next()
    listener.v.close()
    listener.connect()
    assert listener.next()["gap"] is False
    listener.v.close()
    one.ctl("restart", "w:0")
    listener.connect()
    m = listener.next()
    assert m["snapshot"] and m["gap"] is True
    listener.epoch = None
    listener.connect()
    assert listener.next()["gap"] is False, "a new listener missed nothing"


def test_a_snapshot_and_its_stream_over_200_rapid_restarts(one):
    """Listeners come at any time; each hears all from its snapshot on."""
    done = threading.Event()
    failures = []

    def listen():
        while not done.is_set():
            try:
                listener = Listener(one)
                for _ in range(random.randrange(2, 30)):
                    listener.next()
                assert listener.gaps == 0 and listener.snapshots == 1
                listener.v.close()
            except AssertionError as failure:
                failures.append(failure)

    whole = Listener(one)
    whole.next()
    threads = [threading.Thread(target=listen) for _ in range(3)]
    for t in threads:
        t.start()
    restarts = 0
    with one.varlink(timeout=60) as v:
        # In the end whoever still waits for a change is given some.
        while restarts < 200 or any(t.is_alive() for t in threads):
            v.call("Restart", {"names": ["all"]})
            restarts += 1
            if restarts == 200:
                done.set()
            while len(whole.steps) < restarts * 2 * 3:
                whole.next()
    for t in threads:
        t.join()
    assert not failures, failures[0]
    assert whole.gaps == 0 and set(whole.states.values()) == {"RUNNING"}
    assert one.worker("w:0")["generation"] == restarts + 1


def test_supervisors_are_killed_and_each_gap_is_marked(one):
    epochs = set()
    listener = Listener(one)
    epochs.add(listener.next()["epoch"])
    for life in range(10):
        # It may be dead already, and its exit not read by this supervisor.
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.running("w:0")["w:0"], signal.SIGKILL)
        one.kill_supervisor()
        m = listener.survive()
        while not m["snapshot"]:
            m = listener.survive()
        assert m["gap"] is True and m["epoch"] not in epochs
        epochs.add(m["epoch"])
    one.running()
    one.ctl("restart", "w:1")
    listener.until(lambda m: not m["snapshot"] and
                   m["worker"]["name"] == "w:1" and
                   m["worker"]["state"] == "RUNNING")
    assert listener.gaps == 10


@pytest.mark.slow
def test_a_listener_that_does_not_read_costs_no_memory(one):
    """It is told of the gap once it reads again; others miss nothing."""
    supervisor = one.status()["supervisor_pid"]
    sleepers = [Listener(one) for _ in range(12)]
    good = Listener(one)
    good.next()
    before = rss_kb(supervisor)
    with one.varlink(timeout=60) as v:
        for i in range(500):
            v.call("Restart", {"names": ["all"]})
            while len(good.steps) < 6 * (i + 1):
                good.next()
    if SLOW == 1:
        assert rss_kb(supervisor) - before < 2048
    for listener in sleepers:
        listener.until(lambda m: m["snapshot"] and m["gap"])
        assert listener.states == good.states
    assert good.gaps == 0 and len(good.steps) == 3000
    one.ctl("stop", "w:1")
    for listener in sleepers:
        listener.until(lambda m: not m["snapshot"] and
                       m["worker"]["state"] == "STOPPED")


def test_a_reload_or_scale_is_a_snapshot_in_its_place(one):
    text = one.ini.read_text()
    listener = Listener(one)
    listener.next()
    one.ctl("scale", "w", 4)
    listener.until(lambda m: list(listener.states.values()).count("RUNNING")
                   == 4)
    one.ini.write_text(text.replace("numprocs = 2", "numprocs = 1") +
                       f"[worker:v]\ncommand = {act('pause')}\n")
    one.ctl("reload")
    listener.until(lambda m: listener.states == {"w": "RUNNING",
                                                 "v": "RUNNING"})
    one.ini.write_text(text.replace("pause", "sleep 10000"))
    one.ctl("reload")
    wanted = {"w:0": "RUNNING", "w:1": "RUNNING"}
    listener.until(lambda m: listener.states == wanted)
    assert listener.gaps == 0 and listener.snapshots >= 4
    assert {n: w["state"] for n, w in one.workers().items()} == wanted


def test_a_listener_that_leaves_is_forgotten(one):
    before = one.descriptors()
    for _ in range(50):
        Listener(one).v.close()
        with one.varlink() as v:
            v.send("Events", more=True, oneway=True)
    assert one.descriptors() == before


# --- svctl events --------------------------------------------------------------

@pytest.fixture
def svctl_events(request):
    """Starts `svctl events` for a fleet, and ends it."""
    started = []

    def start(f, *args, **kwargs):
        p = subprocess.Popen([SVCTL, "-r", str(f.run), *args[:-1], "events",
                              *args[-1:]] if args else
                             [SVCTL, "-r", str(f.run), "events"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, bufsize=1, **kwargs)
        started.append(p)
        return p

    yield start
    for p in started:
        if p.poll() is None:
            p.kill()
        p.wait()
        p.stdout.close()
        p.stderr.close()


def test_svctl_prints_a_line_a_change_at_once(one, svctl_events):
    p = svctl_events(one)
    # It listens once one of many restarts is heard of.
    seen = []
    reader = threading.Thread(
        target=lambda: seen.extend(p.stdout.readline() for _ in range(3)))
    reader.start()
    wait_for(lambda: one.ctl("restart", "w:0") and not reader.is_alive())
    first = seen[0].split()
    assert first[0].startswith("20") and first[1] == "w:0", seen
    assert first[3] == "->" and first[2] != first[4], seen


def test_svctl_events_as_json_go_on_over_a_new_supervisor(one, svctl_events):
    p = svctl_events(one, "-j", "w:1")
    first = json.loads(p.stdout.readline())
    assert first["snapshot"] and not first["gap"]
    assert [w["name"] for w in first["workers"]] == ["w:1"]
    one.kill_supervisor()
    second = json.loads(p.stdout.readline())
    assert second["snapshot"] and second["gap"]
    assert second["epoch"] != first["epoch"]
    one.ctl("stop", "w:1")
    assert json.loads(p.stdout.readline())["from"] == "RUNNING"
    assert json.loads(p.stdout.readline())["worker"]["state"] == "STOPPED"


def test_svctl_events_ends_with_the_daemon(one, svctl_events):
    p = svctl_events(one, "-j", "w")
    p.stdout.readline()
    one.stop()
    assert p.wait(10 * SLOW) == 4
    assert p.stderr.read()


def test_svctl_events_ends_when_nobody_reads_it(one, svctl_events):
    """Without another line to write."""
    p = svctl_events(one, "-j", "w")
    p.stdout.readline()
    p.stdout.close()
    assert p.wait(10 * SLOW) == 0
    assert not p.stderr.read()
    p.stdout = open(os.devnull)


def test_svctl_events_has_a_deadline(one):
    began = time.monotonic()
    result = one.svctl("-t", "300ms", "events")
    assert result.rc == 6 and 0.25 < time.monotonic() - began < 5 * SLOW
    assert one.svctl("events", "nobody").rc == 5


def test_without_changes_nobody_wakes(one, svctl_events):
    p = svctl_events(one, "-j", "w")
    p.stdout.readline()

    def switches():
        with open(f"/proc/{one.supervisor()}/status") as status:
            return [line for line in status if "ctxt_switches" in line]

    one.descriptors()  # once it has gone to sleep behind its last answer
    before = switches()
    stays(lambda: True, 0.5)
    assert switches() == before

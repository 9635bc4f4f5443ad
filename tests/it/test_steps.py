"""The supervisor, and the logger, are killed before each step that they make,
one after the other, in every kind of change; then the fleet is compared with
what it was: the one that changed has changed once, and nobody else at all.

`make check-steps` takes all steps; else there are some of each, by chance, as
SVD_TEST_SEED says.
"""

import contextlib
import os
import pathlib
import random
import signal

import pytest

from output import difference, rotated
from steps import call, ended, floor_of, look, stanza, start, steps_of
from test_said import say
from svdtest import (ROUNDS, act, alive, children, floor, on_floor, wait_for)

SEED = int(os.environ["SVD_TEST_SEED"])
ALL = os.environ.get("SVD_TEST_STEPS") == "all"
SOME = max(1, ROUNDS // 250)
QUICK = ("backoff_delay = 0", "backoff_limit = 1ms")


def wait_noted(f, name="w"):
    """Until its process, if there is one, has written its line: killed before,
    it never does."""
    pid = f.workers().get(name, {"pid": 0})["pid"]
    wait_for(lambda: pid == 0 or any(line.endswith(f" {pid}")
                                     for line in f.lines("births")))


class Change:
    """What is done to the worker w, and what comes of it.

    words: what w does; keys: of its stanza; before(f): brings it to where it
    begins; act(f, was): does it, again if it came to nothing; after: values of
    w's status, a number in `plus` added to what it was; death: the last one's
    (code, signal), None: none is new."""

    words = ("pause",)
    keys = QUICK
    on_floor = False
    cold = False  # all of svd is killed: floors are others, statuses unknown
    after = {"state": "RUNNING"}
    plus = {}
    death = None
    dies = 0  # which generation does, from what it was
    others = ()  # who else changes
    costly = False  # it takes seconds

    def stanza(self, f):
        words = ("note", f.path("births"), *self.words)
        run = on_floor(*words) if self.on_floor else f"command = {act(*words)}"
        return stanza("w", run, "autostart = no", *self.keys)

    def before(self, f):
        f.ctl("start", "w")

    def act(self, f, was):
        raise NotImplementedError

    def happened(self, f, was):
        """Without asking the supervisor: has all that takes time begun?"""
        return self.death is None or self.dies or not alive(was["w"]["pid"])

    def settled(self, f, was):
        want = dict(self.after)
        for key, n in self.plus.items():
            want[key] = was["w"][key] + n
        return f.wait("w", **want)

    def compare(self, f, was, now):
        for name in sorted(set(was) | set(now)):
            if self.cold and name.startswith("floor:"):
                continue
            if name not in ("w", "births", *self.others):
                assert now.get(name) == was.get(name), name
        self.compare_births(f, was, now)
        new = now["w"]["deaths"][len(was["w"]["deaths"]):] \
            if len(now["w"]["deaths"]) < 10 else now["w"]["deaths"][-1:]
        if self.death is None:
            assert now["w"]["deaths"] == was["w"]["deaths"]
        else:
            assert (new[-1]["code"], new[-1]["signal"]) in (
                self.death, (None, None) if self.cold else self.death)
            assert new[-1]["generation"] == was["w"]["generation"] + self.dies
        told = [d["generation"] for d in now["w"]["deaths"]]
        assert len(told) == len(set(told)), "a death is told twice"

    def compare_births(self, f, was, now):
        """Each generation was born once, by whom svd thinks it was."""
        mine = [line.split()[1:] for line in f.lines("births")
                if line.startswith("w ")]
        numbers = [int(generation) for generation, _ in mine]
        assert numbers == list(range(1, now["w"]["generation"] + 1))
        if now["w"]["pid"] != 0:
            assert int(mine[-1][1]) == now["w"]["pid"]


class Command(Change):
    """One that is asked for over the control socket, again if that was lost."""

    method = None
    parameters = {"names": ["w"]}

    def act(self, f, was):
        return call(f, self.method, **self.parameters)

    def settled(self, f, was):
        if not self.is_done(f, was):
            self.act_again(f, was)
        return super().settled(f, was)

    def act_again(self, f, was):
        self.act(f, was)

    def is_done(self, f, was):
        """After a crash: has it been heard, and must not be said again?"""
        return False


class Death(Change):
    """It is killed, and born again at once."""
    plus = {"generation": 1, "restarts": 1}
    death = (None, signal.SIGKILL)

    def act(self, f, was):
        os.kill(was["w"]["pid"], signal.SIGKILL)


class DeathOnFloor(Death):
    on_floor = True


class Backoff(Death):
    """The same, after a while in BACKOFF."""
    keys = ("backoff_delay = 20ms", "backoff_factor = 1")


class Failure(Change):
    words = ("on-exit", 10, 5, "pause")
    keys = ("restart = no",)
    after = {"state": "FAILED", "pid": 0}
    plus = {"generation": 0, "restarts": 0}
    death = (5, None)

    def act(self, f, was):
        os.kill(was["w"]["pid"], signal.SIGUSR1)


class Oneshot(Failure):
    words = ("on-exit", 10, 0, "pause")
    keys = ("type = oneshot",)
    after = {"state": "EXITED", "pid": 0, "ready": True}
    death = (0, None)

    def before(self, f):
        f.ctl("--no-wait", "start", "w")
        f.wait("w", state="RUNNING")


class Stop(Command):
    words = ("on-exit", 15, 7, "pause")
    method = "Stop"
    after = {"state": "STOPPED", "pid": 0, "want": "down"}
    plus = {"generation": 0, "restarts": 0}
    death = (7, None)


class StopOnFloor(Stop):
    on_floor = True


class StopByKill(Stop):
    words = ("ignore", 15, "pause")
    keys = ("stop_timeout = 20ms",)
    death = (None, signal.SIGKILL)


class StopByCommand(Stop):
    words = ("ignore", 15, "on-exit", 10, 8, "pause")
    keys = ("stop_command = /bin/sh -c 'kill -USR1 $$SVD_MAINPID'",)
    death = (8, None)


class StopInBackoff(Stop):
    words = ("exit", 3)
    keys = ("backoff_delay = 1h", "backoff_limit = 1h")
    death = None

    def before(self, f):
        f.ctl("--no-wait", "start", "w")
        f.wait("w", state="BACKOFF")


class Start(Command):
    method = "Start"
    plus = {"generation": 1, "restarts": 0}

    def before(self, f):
        f.ctl("stop", "w")


class StartOnFloor(Start):
    on_floor = True


class StartOutOfBackoff(Start):
    keys = ("backoff_delay = 1h", "backoff_limit = 1h")

    def before(self, f):
        f.ctl("start", "w")
        wait_noted(f)
        os.kill(f.worker("w")["pid"], signal.SIGKILL)
        f.wait("w", state="BACKOFF")


class Restart(Command):
    words = ("on-exit", 15, 7, "pause")
    method = "Restart"
    plus = {"generation": 1, "restarts": 0}
    death = (7, None)

    def is_done(self, f, was):
        seen = f.worker("w")
        return (seen["state"], seen["pid"]) != ("RUNNING", was["w"]["pid"])


class Kill(Restart):
    method = "Kill"
    plus = {"generation": 1, "restarts": 1}
    death = (None, signal.SIGKILL)

    def is_done(self, f, was):
        return not alive(was["w"]["pid"]) or super().is_done(f, was)


class Reload(Command):
    """w's stanza changes, in what a process must be made anew for."""
    words = ("on-exit", 15, 7, "pause")
    method = "Reload"
    parameters = {}
    plus = {"generation": 1, "restarts": 0}
    death = (7, None)

    def before(self, f):
        super().before(f)
        text = f.ini.read_text()
        was = "umask = 077\n" in text
        f.ini.write_text(text.replace("umask = 077\n", "") if was else
                         text.replace("[worker:w]\n",
                                      "[worker:w]\numask = 077\n"))


class ScaleUp(Command):
    method = "Scale"
    parameters = {"name": "w", "numprocs": 2}
    others = ("w:0", "w:1")

    def before(self, f):
        f.ctl("scale", "w", 1)
        f.ctl("start", "w")

    def settled(self, f, was):
        call(f, self.method, **self.parameters)
        assert f.wait("w:0", state="RUNNING")["pid"] == was["w"]["pid"]
        f.wait("w:1", state=lambda s: s in ("RUNNING", "STOPPED"))

    def compare(self, f, was, now):
        now["w"] = {**now["w:0"], "name": "w"}
        super().compare(f, was, now)
        assert now["w"] == was["w"]


class ScaleDown(ScaleUp):
    parameters = {"name": "w", "numprocs": 1}

    def before(self, f):
        f.ctl("scale", "w", 2)
        f.ctl("start", "w")
        f.running("w:0", "w:1")

    def settled(self, f, was):
        call(f, self.method, **self.parameters)
        wait_for(lambda: "w:1" not in f.workers())

    def compare(self, f, was, now):
        was["w"] = {**was["w:0"], "name": "w"}
        Change.compare(self, f, was, now)
        assert now["w"] == was["w"]

    def compare_births(self, f, was, now):
        mine = [line for line in f.lines("births") if line.startswith("w:1 ")]
        assert len(mine) == len(set(mine))


class Spare(Change):
    """A floor's spare is killed, and replaced."""
    others = ("floor:f",)

    def act(self, f, was):
        known = {one["pid"] for one in was.values() if "pid" in one}

        def spares():
            """A successor counts one that has died until it is told so."""
            found = [pid for pid in children(f.keeper)
                     if pid not in known and act_so_is_in(pid)]
            return len(found) == 1 and found

        spare, = wait_for(spares, what="a spare that lives")
        os.kill(spare, signal.SIGKILL)

    def settled(self, f, was):
        wait_for(lambda: floor_of(f)["spares"] == 1)

    def compare(self, f, was, now):
        super().compare(f, was, now)
        assert now["w"] == was["w"]
        assert now["floor:f"] == was["floor:f"]


def act_so_is_in(pid):
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            return "act.so" in maps.read()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Floor(Change):
    """A floor dies, and those who stand on it do not notice."""
    costly = True
    on_floor = True
    others = ("floor:f",)

    def before(self, f):
        """One whose deaths are not counted yet: it would wait longer."""
        super().before(f)
        f.ctl("refloor", "f")
        wait_for(lambda: floor_of(f)["spares"] == 1)

    def happened(self, f, was):
        return set(f.floors().values()) - {was["floor:f"]["pid"]}

    def act(self, f, was):
        os.kill(was["floor:f"]["pid"], signal.SIGKILL)

    def settled(self, f, was):
        wait_for(lambda: floor_of(f)["state"] == "READY" and
                 floor_of(f)["spares"] == 1 and
                 floor_of(f)["pid"] not in (0, was["floor:f"]["pid"]))

    def compare(self, f, was, now):
        super().compare(f, was, now)
        assert now["w"] == was["w"]


class Refloor(Command):
    """A new generation of the floor, to which its workers are moved."""
    costly = True
    on_floor = True
    words = ("on-exit", 15, 7, "pause")
    method = "Refloor"
    parameters = {"floor": "f"}
    plus = {"generation": 1, "restarts": 0}
    death = (7, None)
    others = ("floor:f", "standing")

    def act_again(self, f, was):
        """As svctl does."""
        call(f, self.method, **self.parameters,
             generation=was["floor:f"]["generation"])

    def settled(self, f, was):
        super().settled(f, was)
        n = was["standing"]["generation"] + 1
        f.wait("standing", state="RUNNING", generation=n,
               restarts=was["standing"]["restarts"])
        wait_for(lambda: floor_of(f)["spares"] == 1)


class Ready(Change):
    """It says that it is ready."""
    words = ("on", 10, "/proc/self/fd/4", "pause")
    keys = ("ready = fd",)
    after = {"state": "RUNNING", "ready": True}
    plus = {"generation": 0, "restarts": 0}

    def before(self, f):
        f.ctl("stop", "w")
        f.ctl("--no-wait", "start", "w")
        f.wait("w", state="STARTING", pid=bool)
        wait_noted(f)
        pid = f.worker("w")["pid"]
        wait_for(lambda: catches(pid, signal.SIGUSR1))

    def act(self, f, was):
        os.kill(was["w"]["pid"], signal.SIGUSR1)


def catches(pid, sig):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return int(line.split()[1], 16) >> (sig - 1) & 1
    return 0


class StartByCommand(Start):
    """A command is asked whether it is ready."""
    keys = ("ready = command:/bin/true",)


class UserSignal(Change):
    """svd is to open its files anew."""

    def act(self, f, was):
        f.signal(signal.SIGUSR1)


class Succession(UserSignal):
    """Another supervisor takes over, and is killed while it does."""

    def act(self, f, was):
        os.kill(f.supervisor(), signal.SIGKILL)


class Says(Change):
    """It says that it is ready, and how."""
    keys = (*QUICK, "ready = notify")
    after = {"state": "RUNNING", "ready": True}
    plus = {"generation": 0, "restarts": 0}

    def before(self, f):
        f.ctl("stop", "w")
        f.ctl("--no-wait", "start", "w")
        f.wait("w", state="STARTING", pid=bool)

    def act(self, f, was):
        say(f, "READY=1\nSTATUS=now\nEXTEND_TIMEOUT_USEC=1")

    def settled(self, f, was):
        super().settled(f, was)
        wait_for(lambda: f.why("w")["status"] == "now")


class SaysMain(Change):
    """It says that a child of its is the main process."""
    words = ("fork", "{", "pause", "}", "pause")
    plus = {"generation": 0, "restarts": 0}

    def before(self, f):
        f.ctl("restart", "w")
        first = f.worker("w")["pid"]
        self.child, = wait_for(lambda: children(first))

    def act(self, f, was):
        say(f, f"MAINPID={self.child}")

    def settled(self, f, was):
        super().settled(f, was)
        f.wait("w", pid=self.child)

    def compare_births(self, f, was, now):
        mine = [line for line in f.lines("births") if line.startswith("w ")]
        assert len(mine) == now["w"]["generation"]


CHANGES = [Says, SaysMain, Death, DeathOnFloor, Backoff, Failure, Oneshot, Stop, StopOnFloor,
           StopByKill, StopByCommand, StopInBackoff, Start, StartOnFloor,
           StartOutOfBackoff, Restart, Kill, Reload, ScaleUp, ScaleDown, Spare,
           Floor, Refloor, Ready, StartByCommand, UserSignal, Succession]


class Output(Command):
    """w writes some lines and ends: each of its bytes is kept once."""
    method = "Start"
    keys = ("type = oneshot", "backoff_delay = 0")
    after = {"state": "EXITED"}
    plus = {"generation": 1}
    death, dies = (0, None), 1
    lines = "".join(f"{'x' * (i * 7919 % 60)} {i}\n" for i in range(30))

    def stanza(self, f):
        f.path("lines").write_text(self.lines)
        return stanza("w", f"command = /bin/cat {f.path('lines')}",
                      "autostart = no", f"stdout = {self.to(f)}", *self.keys)

    def before(self, f):
        pass

    def is_done(self, f, was):
        return f.worker("w")["generation"] > was["w"]["generation"]

    def happened(self, f, was):
        return self.kept(f, was) >= len(self.lines) * (was["w"]["generation"] +
                                                       1)

    def compare_births(self, f, was, now):
        whole = self.lines * now["w"]["generation"]
        # Read while it is being rotated, it seems to be another.
        with contextlib.suppress(AssertionError):
            wait_for(lambda: self.text(f) == whole)
        assert not difference(self.text(f).encode(), whole.encode())


class ToFile(Output):
    def to(self, f):
        return f"file:{f.path('out')}"

    def text(self, f):
        with contextlib.suppress(FileNotFoundError):  # it is being renamed
            return rotated(f.path("out")).decode()
        return ""

    def kept(self, f, was):
        return len(self.text(f))


class ToRotated(ToFile):
    keys = (*Output.keys, "log_size = 1K", "log_keep = 9")

    def __init__(self):
        self.older = ""

    def before(self, f):
        """What was rotated is taken away: each time it moves them all."""
        older = [f.path(f"out.{n}") for n in range(9, 0, -1)]
        for path in filter(pathlib.Path.exists, older):
            self.older += path.read_text()
            path.unlink()

    def text(self, f):
        return self.older + super().text(f)


class ToLog(Output):
    """What is kept is the ring; nothing shows from outside when it is full."""
    keys = (*Output.keys, "log_tail = 1M")

    def to(self, f):
        return "log"

    def text(self, f):
        return f.ctl("logs", "-n", 1000000, "w").out

    def kept(self, f, was):
        return f.log().count(" 29\n") * len(self.lines)


class ToShared(ToFile):
    """w and v write to one file: the lines of each are whole."""
    names = ("w", "v")
    others = ("v",)

    def text_of(self, name):
        """They end in the midst of a FIFO, and of the ring."""
        return "".join(f"{name} {i} {'x' * (i * 7919 % 20000 + 30000)}\n"
                       for i in range(6))

    def stanza(self, f):
        for name in self.names:
            f.path(name).write_text(self.text_of(name))
        return "".join(stanza(name, f"command = /bin/cat {f.path(name)}",
                              "autostart = no", f"stdout = {self.to(f)}",
                              *self.keys) for name in self.names)

    def act(self, f, was):
        """Those that have not heard it yet."""
        names = [name for name in self.names if not self.has_run(f, was, name)]
        return not names or call(f, self.method, names=names)

    def has_run(self, f, was, name):
        return f.worker(name)["generation"] > was[name]["generation"]

    def is_done(self, f, was):
        return all(self.has_run(f, was, name) for name in self.names)

    def happened(self, f, was):
        return self.kept(f, was) >= self.size(was["w"]["generation"] + 1)

    def settled(self, f, was):
        super().settled(f, was)
        f.wait("v", state="EXITED", generation=was["v"]["generation"] + 1)

    def size(self, times):
        return times * sum(len(self.text_of(name)) for name in self.names)

    def compare_births(self, f, was, now):
        times = now["w"]["generation"]
        with contextlib.suppress(AssertionError):
            wait_for(lambda: self.kept(f, was) >= self.size(times))
        lines = self.text(f).splitlines(keepends=True)
        for name in self.names:
            mine = "".join(x for x in lines if x.startswith(f"{name} "))
            assert not difference(mine.encode(),
                                  (self.text_of(name) * times).encode())
        assert self.kept(f, was) == self.size(times)


OUTPUTS = [ToFile, ToRotated, ToShared, ToLog]


def wait_spare(f, change):
    """A spare is made in its own time, also where the supervisor is at rest."""
    if change.on_floor and not change.cold:
        wait_for(lambda: floor_of(f)["spares"] == 1)


def one_round(f, steps, change, role, n, then=0):
    """The change, with the role killed before its n-th step, and its successor
    before its own step of the number `then`. How many it made, if it was not."""
    change.before(f)
    if not isinstance(change, Output):
        for name in ("w", "w:0", "w:1", "standing"):
            wait_noted(f, name)
    wait_spare(f, change)
    steps.quiet(role)
    was = look(f)
    steps.quiet(role)
    made = steps.made(role)
    steps.arm(role, n, then)
    change.act(f, was)
    # Nobody dies: so it must make some steps, however late it begins.
    died = steps.quiet(role, lambda: change.happened(f, was) and
                       (n > 0 or steps.made(role) > made))
    steps.arm(role, 0)
    made = steps.made(role) - made
    where = f"killed before step {n}{f' and {then}' if then else ''}, " \
        f"{steps.at(role)}" if died else "not killed"
    if died and change.cold:
        f.end()
        f.launch()
    wait_for(f.answers, what="svd answers")
    try:
        change.settled(f, was)
        wait_spare(f, change)
        steps.quiet(role)
        change.compare(f, was, look(f))
    except AssertionError as e:
        raise AssertionError(f"{where}: {e}") from e
    return None if died else made


def rounds(f, steps, change, role):
    """Each step in turn, or some by chance. How many deaths."""
    # The first time around it is made to work, and counted.
    total = one_round(f, steps, change, role, 0)
    assert total > 0
    if not ALL:
        rng = random.Random(SEED)
        chosen = rng.sample(range(1, total + 1),
                            min(1 if change.costly else SOME, total))
        deaths = sum(one_round(f, steps, change, role, n) is None
                     for n in sorted(chosen))
        # It need not make as many each time; a first one it makes.
        return deaths or one_round(f, steps, change, role, 1) is None
    n = 1
    while one_round(f, steps, change, role, n) is None:
        n += 1
    return n - 1


@contextlib.contextmanager
def standing(fleet, change):
    """A fleet that is made for the change, and its Steps."""
    print(f"SVD_TEST_SEED={SEED}")
    f = fleet("", launch=False)
    with ended(f):
        yield f, start(f, change.stanza(f))


def all_deaths(fleet, change, role, of_all=False):
    with standing(fleet, change) as (f, steps):
        if of_all:
            steps.take_all()
        deaths = rounds(f, steps, change, role)
        print(f"{deaths} deaths")
        assert deaths > 0


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES + OUTPUTS, ids=lambda c: c.__name__)
def test_supervisor_killed_at_each_step(fleet, change):
    all_deaths(fleet, change(), "supervisor")


@pytest.mark.slow
@pytest.mark.parametrize("change", OUTPUTS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("role", ["logger", "writer"])
def test_logger_killed_at_each_step(fleet, role, change):
    all_deaths(fleet, change(), role)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["logger", "writer"])
def test_logger_killed_and_its_successor_too(fleet, role):
    """One after the other, each at any of its steps."""
    change = ToShared()
    rng = random.Random(SEED)
    with standing(fleet, change) as (f, steps):
        total = one_round(f, steps, change, role, 0)
        for _ in range(20 * SOME if ALL else SOME):
            n, then = rng.randint(1, total), rng.randint(1, 2 * total)
            one_round(f, steps, change, role, n, then)


class End:
    """The fleet is to end. status: what svd then exits with."""

    def __init__(self, name, ask, status):
        self.name, self.ask, self.status = name, ask, status


ENDS = [End("TERM", lambda f, last: f.signal(signal.SIGTERM), 0),
        End("shutdown", lambda f, last: call(f, "Shutdown"), 0),
        End("essential", lambda f, last: os.kill(last, signal.SIGUSR1), 5)]


def end_once(fleet, one, n):
    """A fleet that ends while its supervisor is killed before its n-th step,
    with who does not stop, whose floor loads, who waits. Steps it made, if it
    was not killed."""
    f = fleet("", launch=False)
    note = ("note", f.path("births"))
    f.ini.write_text(
        "[fleet]\nname = t\n" + floor(spares=1) +
        stanza("last", "essential = yes", "restart = no",
               f"command = {act(*note, 'on-exit', 10, 5, 'pause')}") +
        stanza("stubborn", "stop_timeout = 50ms",
               f"command = {act(*note, 'ignore', 15, 'pause')}") +
        stanza("asked", f"command = {act(*note, 'on-exit', 10, 8, 'pause')}",
               "stop_command = /bin/sh -c 'kill -USR1 $$SVD_MAINPID'") +
        stanza("standing", on_floor(*note, "pause")) +
        stanza("backoff", f"command = {act(*note, 'exit', 3)}",
               "backoff_delay = 1h", "backoff_limit = 1h"))
    steps = steps_of(f)
    f.start()
    f.wait_lines("births", 5)
    f.wait("backoff", state="BACKOFF")
    wait_for(lambda: floor_of(f)["spares"] == 1)
    pids = [int(line.split()[2]) for line in f.lines("births")]
    pids += f.floors().values()
    last = f.worker("last")["pid"]
    steps.quiet("supervisor")
    made = steps.made("supervisor")
    steps.arm("supervisor", n)
    one.ask(f, last)
    died = steps.quiet("supervisor",
                       lambda: f.proc.poll() is not None)
    if died and one.name == "shutdown":
        wait_for(lambda: f.proc.poll() is not None or call(f, "Shutdown"))
    where = f"killed before step {n}, {steps.at('supervisor')}"
    assert f.end(10) == one.status, where
    assert not any(map(alive, pids)), where
    return None if died else steps.made("supervisor") - made


@pytest.mark.slow
@pytest.mark.parametrize("one", ENDS, ids=lambda one: one.name)
def test_the_end_of_a_fleet_killed_at_each_step(fleet, one):
    print(f"SVD_TEST_SEED={SEED}")
    total = end_once(fleet, one, 0)
    steps = range(1, total + 1)
    if not ALL:
        steps = random.Random(SEED).sample(steps, min(SOME, total))
    deaths = sum(end_once(fleet, one, n) is None for n in steps)
    print(f"{deaths} deaths of {total}")
    # It need not make as many each time; a first one it makes.
    assert deaths or end_once(fleet, one, 1) is None


# What ends by itself may end with a status that nobody knows any more.
COLD = [Death, Backoff, Failure, Stop, StopByKill, StopByCommand, StopInBackoff,
        Start, StartOutOfBackoff, Restart, Kill, Reload, ScaleUp, ScaleDown]
KEEPERS = [Death, Failure, Stop, Start, Kill]
if not ALL:
    COLD, KEEPERS = COLD[::4], KEEPERS[:2]


def cold(change):
    one = change()
    one.cold = True
    return one


@pytest.mark.slow
@pytest.mark.parametrize("change", COLD, ids=lambda c: c.__name__)
def test_all_of_svd_killed_at_each_step_of_the_supervisor(fleet, change):
    all_deaths(fleet, cold(change), "supervisor", of_all=True)


@pytest.mark.slow
@pytest.mark.parametrize("change", KEEPERS, ids=lambda c: c.__name__)
def test_keeper_killed_at_each_step(fleet, change):
    all_deaths(fleet, cold(change), "keeper")

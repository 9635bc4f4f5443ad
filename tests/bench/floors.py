#!/usr/bin/python3
"""floors: 30 Python workers on a floor of svd, beside those of a bare prefork
loop, multiprocessing's forkserver, `gunicorn --preload`, and one interpreter a
worker under supervisord. All import the same (floor_app.py).

README in this folder says what each row is. Fails only where something cannot
be measured.

    SVD_FLOORS_WORKERS 30    SVD_FLOORS_ROUNDS 5    SVD_FLOORS_KILLS 100
    SVD_FLOORS_BIG_MB  1024
    SVD_FLOORS_ONLY    words of: tree kill big
"""

import contextlib
import json
import os
import pathlib
import random
import select
import signal
import statistics
import subprocess
import sys
import time

import floor_app
import fleets
from fleets import BUILD, MS, CannotMeasure, Fleet

WORKERS = int(os.environ.get("SVD_FLOORS_WORKERS", "30"))
ROUNDS = int(os.environ.get("SVD_FLOORS_ROUNDS", "5"))
KILLS = int(os.environ.get("SVD_FLOORS_KILLS", "100"))
BIG_MB = int(os.environ.get("SVD_FLOORS_BIG_MB", "1024"))
ONLY = os.environ.get("SVD_FLOORS_ONLY", "tree kill big").split()
COLD_ROUNDS = 1  # a quarter of a minute each
COLD_KILLS = 5   # supervisord looks about once a second
SETTLE_S = 1.0   # longer than what is woken up by a start takes to rest
GAP_S = 0.15     # between kills: the new one is old enough for no backoff
HERE = pathlib.Path(__file__).resolve().parent
PYTHON = sys.executable

verdicts = []


def say(text=""):
    print(text, flush=True)


def progress(text):
    print(f"bench-floors: {text}", file=sys.stderr, flush=True)


def verdict(met):
    verdicts.append(met)
    return "met" if met else "MISSED"


# --- memory -------------------------------------------------------------------

def tree(pid):
    found = [pid]
    for child in fleets.children(pid):
        found += tree(child)
    return found


def rollup(pid):
    """The numbers of smaps_rollup, in KB."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {line.split(":")[0]: int(line.split()[1])
            for line in text.splitlines()[1:]}


def private_kb(pid):
    numbers = rollup(pid)
    return numbers["Private_Clean"] + numbers["Private_Dirty"]


# --- fleets of Python workers -------------------------------------------------

class StampsByFifo(fleets.Stamps):
    """Who waits for them sleeps: to look again and again would take from the
    time of those who are waited for."""

    def __init__(self, path):
        os.mkfifo(path, 0o600)
        super().__init__(path)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLIN)

    def read(self):
        while self.poll.poll(0):
            data = os.read(self.fd, 1 << 16)  # records come whole
            for ns, instance, pid in fleets.RECORD.iter_unpack(data):
                self.latest[instance] = (ns, pid)
                self.records += 1

    def wait(self, since, instances, timeout):
        missing = set(instances)
        deadline = time.monotonic() + timeout
        while True:
            self.read()
            missing = {i for i in missing
                       if self.latest.get(i, (0, 0))[0] <= since}
            if not missing:
                return max(self.latest[i][0] for i in instances)
            if not self.poll.poll((deadline - time.monotonic()) * 1000):
                raise CannotMeasure(f"no stamps of {len(missing)} workers "
                                    f"within {timeout} s")

    def close(self):
        os.close(self.fd)


class PythonFleet(Fleet):
    """Told of as fleets.Fleet; a worker's program is no longer the stamp's."""

    timeout = 120

    def __init__(self, count):
        super().__init__(count)
        (self.dir / "stamps").unlink()
        self.stamps = StampsByFifo(self.dir / "stamps")

    def environment(self):
        """A plain one: each word of it is a few objects in every worker."""
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1",
                "BENCH_STAMPS": str(self.stamps.path)}

    def __exit__(self, *_):
        # From the root down, so that nobody starts them anew.
        left = tree(self.proc.pid) if self.proc.poll() is None else []
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.proc:
            self.proc.wait()
        self.stamps.close()
        fleets.shutil.rmtree(self.dir, ignore_errors=True)

    def kill_and_see_end(self, instance):
        """SIGKILL to one, until it is gone; ns. Returns when its successor
        runs."""
        pid = self.pid(instance)
        pidfd = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        since = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        poll.poll(self.timeout * 1000)
        took = time.monotonic_ns() - since
        os.close(pidfd)
        self.stamps.wait(since, [instance], self.timeout)
        return took

    def load_ns(self):
        """From the first program's exec until all is imported; None where
        nobody says so."""
        loaded = self.stamps.latest.get(floor_app.LOADED)
        return loaded and loaded[0] - self.stamps.latest[-1][0]


class Prefork(PythonFleet):
    name = "bare prefork loop"
    spares = 0

    def command(self):
        return [PYTHON, HERE / "prefork.py", self.stamps.path, self.count,
                self.spares]

    def launch(self):
        super().launch(stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def kill(self, instance):
        self.proc.stdin.write(f"kill {instance}\n")
        self.proc.stdin.flush()
        since = int(self.proc.stdout.readline())
        return self.stamps.wait(since, [instance], self.timeout) - since

    def stop(self):
        self.proc.stdin.close()
        fleets.wait_for_end(self.proc, self.timeout)


class PreforkSpares(Prefork):
    name = "bare loop, spares"
    spares = 1


class ForkServer(PythonFleet):
    name = "forkserver"

    def command(self):
        return [PYTHON, "-c", "import forkserver as f; "
                f"f.main({str(self.stamps.path)!r}, {self.count})"]


class Gunicorn(PythonFleet):
    name = "gunicorn --preload"

    def environment(self):
        return {**super().environment(), "BENCH_LOAD": "1"}

    def command(self):
        return ["/usr/bin/gunicorn", "--preload", "--workers", self.count,
                "--bind", f"unix:{self.dir}/sock", "--worker-tmp-dir",
                self.dir, "--config", "python:floor_app",
                "floor_app:application"]


class Cold(PythonFleet):
    name = "supervisord, cold"

    def command(self):
        conf = self.dir / "supervisord.conf"
        conf.write_text(
            f"[supervisord]\nnodaemon = true\nlogfile = {self.dir}/d.log\n"
            f"pidfile = {self.dir}/pid\n"
            f"[program:w]\ncommand = {PYTHON} -c \"import floor_app as f; "
            f"f.load(); f.work('{self.stamps.path}')\"\n"
            f"numprocs = {self.count}\nprocess_name = %%(process_num)d\n"
            "environment = SVD_INSTANCE=\"%%(process_num)d\"\n"
            "startsecs = 0\nautorestart = true\n".replace("%%", "%"))
        return ["/usr/bin/supervisord", "-c", conf]


class Svd(PythonFleet):
    name = "svd"
    spares = 0
    more = ""  # sections
    run_dir = fleets.Svd.run_dir

    def floor(self):
        return (f"preload = {' '.join(floor_app.IMPORTS)} floor_app\n"
                f"path = {HERE}\n")

    def command(self):
        ini = self.dir / "fleet.ini"
        ini.write_text(
            "[fleet]\nname = bench\n"
            f"[floor:py]\nruntime = python\npython = {PYTHON}\n"
            f"spares = {self.spares}\n{self.floor()}"
            "[worker:w]\nfloor = py\nentry = floor_app:work\n"
            f"args = {self.stamps.path}\nnumprocs = {self.count}\n"
            f"backoff_delay = 0\nbackoff_reset = 100ms\n{self.more}")
        return [fleets.SVD, "-r", self.run_dir, ini]


class SvdSpares(Svd):
    name = "svd, spares = 1"
    spares = 1


class SvdIdle(Svd):
    """Beside the others, some whose entry writes to nothing."""

    name = "svd, idle"
    idle = 4
    more = ("[worker:idle]\nfloor = py\nentry = signal:pause\n"
            f"numprocs = {idle}\n")

    def idle_pids(self):
        done = subprocess.run(
            [fleets.SVCTL, "-r", self.run_dir, "-j", "status", "idle"],
            capture_output=True, check=True)
        return [w["pid"] for w in json.loads(done.stdout)["workers"]]


# Of these it is also measured how long the end of the dead takes.
ENDS = (SvdSpares, ForkServer)


# --- all of one: start and size -----------------------------------------------

class Samples(dict):
    """Measurements by whose and which, and their medians."""

    def add(self, kind, what, value):
        if value is not None:
            self.setdefault((kind, what), []).append(value)

    def median(self, kind, what):
        return statistics.median(self[kind, what])


def measure_tree():
    samples = Samples()
    kinds = [Prefork, ForkServer, Gunicorn, Cold, Svd, SvdSpares]
    for number in range(ROUNDS):
        random.shuffle(kinds)  # memory is as the one before has left it
        for kind in kinds:
            if kind is Cold and number >= COLD_ROUNDS:
                continue
            progress(f"start, round {number + 1} of {ROUNDS}: {kind.name}")
            with kind(WORKERS) as fleet:
                samples.add(kind, "start", fleet.start())
                samples.add(kind, "load", fleet.load_ns())
                time.sleep(SETTLE_S)
                samples.add(kind, "pss", fleets.pss_kb(tree(fleet.proc.pid)))
                samples.add(kind, "private", statistics.median(
                    private_kb(fleet.pid(i)) for i in range(WORKERS)))
                fleet.stop()
    with SvdIdle(WORKERS) as fleet:
        fleet.start()
        time.sleep(SETTLE_S)
        for pid in fleet.idle_pids():
            samples.add(SvdIdle, "private", private_kb(pid))
        fleet.stop()
    return samples


def print_tree(samples):
    say(f"{WORKERS} workers, median of {ROUNDS} rounds "
        f"({Cold.name}: {COLD_ROUNDS})\n")
    say(f"{'':22} {'start':>9} {'PSS of all':>12} {'private, each':>14}")
    for kind in (Svd, SvdSpares, Prefork, Gunicorn, ForkServer, Cold):
        say(f"{kind.name:22} {samples.median(kind, 'start') / MS:6.0f} ms "
            f"{samples.median(kind, 'pss') / 1024:9.1f} MB "
            f"{samples.median(kind, 'private') / 1024:11.2f} MB")
    imports = samples.median(Prefork, "load") / MS
    forks = samples.median(Prefork, "start") / MS - imports
    most = imports + 1.3 * forks
    say()
    target_row("start of all", samples.median(Svd, "start") / MS, most, "ms",
               f"imports {imports:.0f} + 1.3 x {WORKERS} bare forks "
               f"{forks:.0f}")
    target_row("PSS of all", samples.median(Svd, "pss") / 1024, 110, "MB")
    target_row("private memory of an idle worker",
               samples.median(SvdIdle, "private") / 1024, 1, "MB",
               "entry = signal:pause")


def target_row(what, value, most, unit, beside=""):
    say(f"{what:34} {value:8.2f} {unit}  <= {most:7.2f}  "
        f"{verdict(value <= most):6}  {beside}")


# --- one after another killed -------------------------------------------------

def measure_kills(kinds, kills):
    """All fleets at once, at rest but for the one whose turn it is."""
    samples = Samples()
    with contextlib.ExitStack() as stack:
        running = []
        for kind in kinds:
            progress(f"kill: {kind.name} starts")
            fleet = stack.enter_context(kind(WORKERS))
            fleet.start()
            running.append(fleet)
        time.sleep(SETTLE_S)
        for number in range(kills):
            if number % 20 == 0:
                progress(f"kill: {number} of {kills}")
            random.shuffle(running)
            for fleet in running:
                if type(fleet) is Cold and number >= COLD_KILLS:
                    continue
                took = fleet.kill(number * 7 % WORKERS)
                samples.add(type(fleet), "kill", took)
                time.sleep(GAP_S)
                if type(fleet) in ENDS and number % 2:
                    took = fleet.kill_and_see_end(number * 11 % WORKERS)
                    samples.add(type(fleet), "end", took)
                    time.sleep(GAP_S)
        for fleet in running:
            fleet.stop()
    return samples


def print_kills(samples, kinds):
    say(f"\nSIGKILL -> successor at work, {KILLS} kills each, in turns "
        f"({Cold.name}: {COLD_KILLS})\n")
    say(f"{'':22} {'median':>10} {'90 %':>10}")
    for kind in kinds:
        times = sorted(samples[kind, "kill"])
        say(f"{kind.name:22} {statistics.median(times) / MS:7.2f} ms "
            f"{times[len(times) * 9 // 10] / MS:7.2f} ms")
    say()
    spare, none = (samples.median(k, "kill") for k in (SvdSpares, Svd))
    server = samples.median(ForkServer, "kill")
    bare = samples.median(PreforkSpares, "kill")
    for what, value, beside, most in (
            ("with a spare / forkserver", spare, server, 0.25),
            ("with a spare / bare loop's spare", spare, bare, 1.5),
            ("without a spare / forkserver", none, server, 0.5)):
        target_row(what, value / beside, most, "x ",
                   f"{value / MS:.2f} / {beside / MS:.2f} ms")
    ends = [samples.median(kind, "end") for kind in ENDS]
    for kind, end in zip(ENDS, ends):
        say(f"{'  of it, until the dead one is gone':34} {end / server:8.2f} x "
            f"{'':20}  {end / MS:.2f} / {server / MS:.2f} ms: {kind.name}")


def main():
    say(f"svd's Python floors; load before: {os.getloadavg()[0]:.2f}, "
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}\n")
    if "tree" in ONLY:
        print_tree(measure_tree())
    if "kill" in ONLY:
        kinds = (SvdSpares, Svd, PreforkSpares, Prefork, Gunicorn, ForkServer,
                 Cold)
        print_kills(measure_kills(kinds, KILLS), kinds)
    if "big" in ONLY:
        import big_floor
        big_floor.measure(BIG_MB)
    say(f"\n{verdicts.count(True)} targets met, {verdicts.count(False)} missed")


if __name__ == "__main__":
    try:
        main()
    except CannotMeasure as e:
        sys.exit(f"bench-floors: {e}")

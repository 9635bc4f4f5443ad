#!/usr/bin/python3
"""bench: what svd costs, beside a bare vfork+exec loop in the same run.

Every figure is a median over rounds in which both take turns, so that what
else happens to the machine happens to both. README in this folder says what
each row is. Fails only where something cannot be measured.

    SVD_BENCH_WORKERS  1000    SVD_BENCH_ROUNDS  3
    SVD_BENCH_SCALE    "100 300 1000 3000 5000"     SVD_BENCH_REST  10 (s)
    SVD_BENCH_ONLY     words of: fleet journal scale logger output
"""

import os
import statistics
import subprocess
import sys
import time

import fleets
import journal
from fleets import MS, Bare, CannotMeasure, Svd

WORKERS = int(os.environ.get("SVD_BENCH_WORKERS", "1000"))
ROUNDS = int(os.environ.get("SVD_BENCH_ROUNDS", "3"))
KILLS = 240  # single ones, in all rounds together
REST_S = float(os.environ.get("SVD_BENCH_REST", "10"))
SCALE = list(map(int, os.environ.get(
    "SVD_BENCH_SCALE", "100 300 1000 3000 5000").split()))
ONLY = os.environ.get("SVD_BENCH_ONLY", "fleet journal scale logger output").split()
SETTLE_S = 0.3
LINE_BYTES = 60
LOGGER_RESTS_S = 1.5  # so long does it look whether disks are behind
# Half a second each, so that what comes before the first byte is little of it.
FLOOD_BYTES = {100: 200 << 20, 4096: 1000 << 20}
FLOODS = max(ROUNDS, 15)  # no two are alike
FLOOD = str(fleets.BUILD / "tests" / "flood")

verdicts = []


class Samples:
    """Measurements by fleet and kind, and their medians."""

    def __init__(self):
        self.of = {}

    def add(self, fleet, kind, *values):
        self.of.setdefault((fleet, kind), []).extend(values)

    def median(self, fleet, kind):
        return statistics.median(self.of[fleet, kind])


def say(text):
    print(text, flush=True)


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def verdict(met):
    verdicts.append(met)
    return "met" if met else "MISSED"


def ratio_row(what, svd, bare, target, unit="ms"):
    ratio = svd / bare
    say(f"{what:38} {svd / MS:9.2f} {bare / MS:9.2f} {unit:3} "
        f"{ratio:6.2f} x  {f'<= {target} x' if target else '':11} "
        f"{verdict(ratio <= target) if target else ''}")


def plain_row(what, value, target, unit, beside=""):
    say(f"{what:38} {value:9.2f} {beside:>9} {unit:3} {'':8}  "
        f"{f'<= {target:g} {unit}':11} {verdict(value <= target)}")


# --- one fleet of WORKERS -----------------------------------------------------

def kill_some(fleet, samples, round_number):
    each = KILLS // ROUNDS
    for i in range(each):
        instance = (round_number * each + i) * 7 % fleet.count
        samples.add(fleet.name, "kill", fleet.kill(instance))
        time.sleep(0.004)  # until it is at rest again


def look_at_rest(svd, samples):
    """Memory, status and wake-ups, which only svd has."""
    samples.add("svd", "pss", fleets.pss_kb(svd.daemons()))
    samples.add("svd", "status",
                *fleets.time_command(svd.status_command(), 20))
    samples.add("bare loop", "status",
                *fleets.time_command([fleets.STAMP], 20))


def wake_ups_at_rest(svd):
    time.sleep(1)
    before = fleets.wake_ups(svd.daemons())
    time.sleep(REST_S)
    return fleets.wake_ups(svd.daemons()) - before


def one_round(kind, samples, number):
    with kind(WORKERS) as fleet:
        samples.add(fleet.name, "start", fleet.start())
        time.sleep(SETTLE_S)
        if kind is Svd:
            look_at_rest(fleet, samples)
        kill_some(fleet, samples, number)
        time.sleep(SETTLE_S)
        samples.add(fleet.name, "all", fleet.kill_all())
        time.sleep(SETTLE_S)
        if kind is Svd:
            samples.add("svd", "pss after", fleets.pss_kb(fleet.daemons()))
            samples.add("svd", "status after",
                        *fleets.time_command(fleet.status_command(), 20))
            if number == 0:
                samples.add("svd", "rest", wake_ups_at_rest(fleet))
        samples.add(fleet.name, "stop", fleet.stop())


def measure_fleet():
    samples = Samples()
    for number in range(ROUNDS):
        for kind in (Bare, Svd):
            progress(f"round {number + 1} of {ROUNDS}, {kind.name}, "
                     f"{WORKERS} workers")
            one_round(kind, samples, number)
    return samples


def print_fleet(samples):
    def both(kind):
        return samples.median("svd", kind), samples.median("bare loop", kind)

    say(f"\n{WORKERS} workers, median of {ROUNDS} rounds "
        f"({KILLS // ROUNDS * ROUNDS} single kills)\n")
    say(f"{'':38} {'svd':>9} {'bare':>9}       ratio  target")
    ratio_row("start of all", *both("start"), 1.3)
    ratio_row("SIGKILL -> successor runs", *both("kill"), 1.5)
    ratio_row("all killed at once -> all back", *both("all"), 2)
    ratio_row("stop of all", *both("stop"), None)
    stop, status = both("stop")[0] / MS, both("status")
    plain_row("  the same, in itself", stop, 100, "ms")
    plain_row("svctl status (bare: exec of nothing)", status[0] / MS, 8, "ms",
              f"{status[1] / MS:.2f}")
    plain_row("  the same, after all had died once",
              samples.median("svd", "status after") / MS, 8, "ms")
    plain_row("PSS keeper + supervisor", samples.median("svd", "pss") / 1024, 5,
              "MB")
    plain_row("  the same, after all had died once",
              samples.median("svd", "pss after") / 1024, 5, "MB")
    plain_row(f"wake-ups in {REST_S:g} s at rest",
              samples.median("svd", "rest"), 0, "")


# --- by size ------------------------------------------------------------------

def measure_scale():
    samples = Samples()
    for count in SCALE:
        for _ in range(ROUNDS if count <= 1000 else max(1, ROUNDS - 1)):
            for kind in (Bare, Svd):
                progress(f"{kind.name}, {count} workers")
                with kind(count) as fleet:
                    samples.add(kind.name, f"start {count}", fleet.start())
                    time.sleep(SETTLE_S)
                    if kind is Svd:
                        samples.add("svd", f"pss {count}",
                                    fleets.pss_kb(fleet.daemons()))
                    samples.add(kind.name, f"all {count}", fleet.kill_all())
                    time.sleep(SETTLE_S)
                    samples.add(kind.name, f"stop {count}", fleet.stop())
    return samples


def print_scale(samples):
    say("\ncost per worker by size of the fleet: us of svd / of the bare loop\n")
    say(f"{'workers':>8} {'start':>15} {'killed -> back':>17} "
        f"{'stop':>15} {'KB each':>8} {'KB in all':>10}")
    base = samples.median("svd", f"pss {SCALE[0]}")
    for count in SCALE:
        cells = [f"{count:8}"]
        for kind in ("start", "all", "stop"):
            s, b = (samples.median(f, f"{kind} {count}") / count / 1000
                    for f in ("svd", "bare loop"))
            cells.append(f"{s:5.0f} / {b:5.0f}")
        pss = samples.median("svd", f"pss {count}")
        more = count - SCALE[0]
        each = f"{(pss - base) / more:8.2f}" if more else f"{'':8}"
        say(f"{cells[0]} {cells[1]:>15} {cells[2]:>17} {cells[3]:>15} {each} "
            f"{pss:10.0f}")
    first, last = (samples.median("svd", f"start {n}") / n / 1000
                   for n in (SCALE[0], SCALE[-1]))
    say(f"\nstart of one: {first:.0f} us of {SCALE[0]}, {last:.0f} us of "
        f"{SCALE[-1]}, <= 1.1 x: {verdict(last <= 1.1 * first)}")


# --- the logger's memory ------------------------------------------------------

class Captured(Svd):
    """Workers that have each written a line, which goes through the logger."""

    def __init__(self, to):
        super().__init__(WORKERS)
        self.to = to

    def fleet_file(self):
        return (f"[fleet]\nname = bench\n[worker:w]\n"
                f"command = {fleets.STAMP} {self.stamps.path} "
                f"{FLOOD} {LINE_BYTES} 1 stay\n"
                f"numprocs = {self.count}\nstdout = {self.destination()}\n")

    def destination(self):
        return "log" if self.to == "log" else f"file:{self.dir}/out.%n"

    def written(self):
        if self.to == "log":
            return self.log.read_bytes().count(b"x" * (LINE_BYTES - 1))
        return sum(out.stat().st_size >= LINE_BYTES
                   for out in self.dir.glob("out.*"))

    def measure(self):
        """PSS of keeper + supervisor, and of the logger with its writers."""
        self.start()
        fleets.wait_for(lambda: self.written() >= self.count, self.timeout,
                        "a line of each worker")
        time.sleep(LOGGER_RESTS_S)
        loggers = self.daemons("logger")
        others = set(self.daemons()) - set(loggers)
        pss = fleets.pss_kb(others), fleets.pss_kb(loggers)
        self.stop()
        return pss


def measure_logger():
    say(f"\nmemory with {WORKERS} workers that have each written a line\n")
    say(f"{'':38} {'svd':>9} {'':>9}       {'':5}    target")
    for to in ("log", "file:"):
        samples = Samples()
        for _ in range(ROUNDS):
            progress(f"memory with stdout = {to}")
            with Captured(to) as fleet:
                others, logger = fleet.measure()
            samples.add("svd", "others", others)
            samples.add("svd", "logger", logger)
        plain_row(f"PSS logger, stdout = {to}",
                  samples.median("svd", "logger") / 1024, 1.5, "MB")
        plain_row("  keeper + supervisor beside it",
                  samples.median("svd", "others") / 1024, 5, "MB")


# --- captured output ----------------------------------------------------------

class Flood(Svd):
    """One worker that writes all it can into a file of svd's."""

    def __init__(self, size, times):
        super().__init__(1)
        self.size, self.times = size, times
        self.out = self.dir / "out"

    def fleet_file(self):
        return (f"[fleet]\nname = bench\n[worker:w]\ntype = oneshot\n"
                f"command = {fleets.STAMP} {self.stamps.path} "
                f"{FLOOD} {self.size} {self.times}\n"
                f"stdout = file:{self.out}\n")

    def run(self):
        """ns from the worker's first instruction until the file has it all."""
        self.launch()
        want = self.size * self.times
        fleets.wait_for(
            lambda: self.out.exists() and self.out.stat().st_size >= want,
            self.timeout, f"{want} bytes in the file")
        until = time.monotonic_ns()
        self.stamps.read()
        took = until - self.stamps.latest[0][0]
        captured = len(self.daemons()) > 2
        self.stop()
        return took, captured


def run_cat(size, times):
    where = fleets.scratch()
    try:
        with open(where / "out", "wb") as out:
            since = time.monotonic_ns()
            flood = subprocess.Popen([FLOOD, str(size), str(times)],
                                     stdout=subprocess.PIPE)
            cat = subprocess.Popen(["/bin/cat"], stdin=flood.stdout, stdout=out)
            flood.stdout.close()
            if flood.wait() or cat.wait():
                raise CannotMeasure("flood | cat failed")
            return time.monotonic_ns() - since
    finally:
        fleets.shutil.rmtree(where)


def measure_output():
    say("\ncaptured output through stdout = file:, beside `cat` into such a "
        "file\n")
    say(f"{'':38} {'svd':>9} {'cat':>9}       speed  target")
    # A hundredth of timing is lost where cat is faster by as much.
    for size, target in ((100, 0.5), (4096, 0.99)):
        times, svd, cat, captured = FLOOD_BYTES[size] // size, [], [], False
        for _ in range(FLOODS):
            progress(f"output in pieces of {size} bytes")
            cat.append(run_cat(size, times))
            with Flood(size, times) as fleet:
                took, captured = fleet.run()
                svd.append(took)
        speeds = [FLOOD_BYTES[size] / statistics.median(t) * 1e9 / (1 << 20)
                  for t in (svd, cat)]
        ratio = speeds[0] / speeds[1]
        what = f"{FLOOD_BYTES[size] >> 20} MB in pieces of {size} bytes"
        say(f"{what:38} {speeds[0]:9.0f} "
            f"{speeds[1]:9.0f} MB/s {ratio:5.2f} x  >= {target:<5g} x  "
            f"{verdict(ratio >= target)}"
            f"{'' if captured else ' (no logger: the worker writes the file)'}")


def main():
    say(f"svd against a bare vfork+exec loop; load before: "
        f"{os.getloadavg()[0]:.2f}, {os.cpu_count()} processors")
    if "fleet" in ONLY:
        print_fleet(measure_fleet())
    if "journal" in ONLY:
        journal.show(say, plain_row)
    if "scale" in ONLY:
        print_scale(measure_scale())
    if "logger" in ONLY:
        measure_logger()
    if "output" in ONLY:
        measure_output()
    say(f"\n{verdicts.count(True)} targets met, {verdicts.count(False)} missed")


try:
    main()
except CannotMeasure as e:
    sys.exit(f"bench: {e}")

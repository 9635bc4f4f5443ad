"""What the journal buys, and what it costs: how soon a killed supervisor's
successor answers, whether the workers are run because of it, and which part of
a restart is spent on records."""

import json
import mmap
import os
import signal
import socket
import statistics
import struct
import time

import fleets
from fleets import MS, Svd

WORKERS = int(os.environ.get("SVD_BENCH_WORKERS", "1000"))
DEATHS = 20
KILLS = 400
SETTLE_S = 0.3
TIMED = str(fleets.BUILD / "tests" / "svd-timed")
SWITCHES = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")


def ask(path, method):
    """Connects, which works also where nobody accepts, and waits for the
    answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(30)
        s.connect(str(path))
        s.sendall(json.dumps({"method": f"org.svd.Fleet.{method}"}).encode() +
                  b"\0")
        answer = b""
        while not answer.endswith(b"\0"):
            data = s.recv(1 << 20)
            if not data:
                raise fleets.CannotMeasure("closed without an answer")
            answer += data
    return json.loads(answer[:-1])["parameters"]


def switches(pids):
    """How often each was run."""
    found = {}
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            found[pid] = sum(int(line.split()[1]) for line in status
                             if line.startswith(SWITCHES))
    return found


class Captured(Svd):
    """Whose workers have a FIFO each, held like all else."""
    worker = "stdout = log\n"


def one_death(fleet, method):
    """From the SIGKILL until its successor has answered; ns."""
    supervisor = fleet.daemons("supervisor")[0]
    path = fleet.run_dir / "control.sock"
    since = time.monotonic_ns()
    os.kill(supervisor, signal.SIGKILL)
    ask(path, method)
    return time.monotonic_ns() - since


def measure_deaths(kind):
    """Times by method, and how many workers were run in all."""
    times = {"Ping": [], "Status": []}
    with kind(WORKERS) as fleet:
        fleet.start()
        time.sleep(SETTLE_S)
        path = fleet.run_dir / "control.sock"
        pids = [w["pid"] for w in ask(path, "Status")["workers"]]
        before = switches(pids)
        for number in range(DEATHS):
            method = "Status" if number % 2 else "Ping"
            times[method].append(one_death(fleet, method))
            time.sleep(SETTLE_S)
        after = switches(pids)
        fleet.stop()
    return times, sum(after[pid] != before[pid] for pid in pids)


class Timed(Svd):
    """Of one worker, in an svd that measures what the journal costs it."""
    binary = TIMED

    def environment(self):
        return {**super().environment(), "SVD_TIMED": str(self.dir / "timed")}

    def start(self):
        path = self.dir / "timed"
        path.write_bytes(bytes(16))
        with open(path, "r+b") as file:
            self.sums = mmap.mmap(file.fileno(), 16)
        return super().start()

    def spent(self):
        return struct.unpack("=QQ", self.sums[:])


def measure_share(count):
    """Median ns of a restart; ns and calls of the journal for one."""
    times = []
    with Timed(count) as fleet:
        fleet.start()
        time.sleep(SETTLE_S)
        before = fleet.spent()
        for number in range(KILLS):
            times.append(fleet.kill(number * 7 % count))
            time.sleep(0.004)
        after = fleet.spent()
        fleet.stop()
    ns, calls = ((b - a) / KILLS for a, b in zip(before, after))
    return statistics.median(times), ns, calls


def show(say, plain_row):
    """The rows of bench.py."""
    restart, ns, calls = measure_share(WORKERS)
    say(f"\nof a restart of {restart / 1000:.0f} us, {calls:.1f} calls of the "
        f"journal\n")
    plain_row("  time in them", 100 * ns / restart, 5, "%",
              f"{ns / 1000:.1f} us")
    say(f"\nsupervisor killed {DEATHS} times, {WORKERS} workers\n")
    for kind, what in ((Svd, ""), (Captured, ", output captured")):
        times, run = measure_deaths(kind)
        for method, name in (("Ping", "svctl ping"), ("Status", "svctl status")):
            plain_row(f"until {name} is answered{what}",
                      statistics.median(times[method]) / MS, 300, "ms")
            plain_row("  the slowest", max(times[method]) / MS, 300, "ms")
        plain_row("  workers run because of it", run, 0, "")

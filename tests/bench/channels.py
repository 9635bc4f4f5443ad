#!/usr/bin/python3
"""channels: what a request to a worker costs, beside what the kernel alone
takes for the like, and what workers with idle channels cost.

README in this folder says what each row is. Fails only where something cannot
be measured.

    SVD_CHANNELS_ROUNDS 20000    SVD_CHANNELS_STORES 11
    SVD_CHANNELS_IDLE 1000
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from fleets import BUILD, SVD, SVCTL, CannotMeasure, wait_for, wake_ups

ROUNDS = int(os.environ.get("SVD_CHANNELS_ROUNDS", "20000"))
STORES = int(os.environ.get("SVD_CHANNELS_STORES", "11"))
IDLE = int(os.environ.get("SVD_CHANNELS_IDLE", "1000"))
BYTES = 64 << 20
REST_S = 3
ASKED = pathlib.Path(__file__).resolve().parents[1] / "it/channel/asked.py"
PROGRAM = str(BUILD / "tests" / "channel")
SERVED = str(BUILD / "tests" / "served")

CONFIGURATION = f"""
[fleet]
name = bench
[worker:c]
command = {SERVED}
channel = rpc
[worker:python]
command = {sys.executable} {ASKED}
environment = PYTHONPATH={BUILD}/libexec/python
channel = rpc
[worker:stuck]
command = {SERVED}
channel = rpc
"""
REST = f"""
[fleet]
name = rest
[worker:idle]
command = {SERVED}
channel = rpc
numprocs = {IDLE}
stdout = null
"""


class Fleet:
    def __init__(self, text):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="svdbench-"))
        ini = self.dir / "fleet.ini"
        ini.write_text(text)
        self.proc = subprocess.Popen(
            [SVD, "-q", "-r", self.dir / "run", ini],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.socket = str(self.dir / "run" / "control.sock")

    def svctl(self, *words):
        done = subprocess.run([SVCTL, "-s", self.socket, "-j", *words],
                              capture_output=True, text=True)
        return json.loads(done.stdout) if done.stdout else {}

    def in_loop(self, count):
        wait_for(lambda: sum(
            w["channel"] == "in its loop"
            for w in self.svctl("why", "all").get("workers", [])) == count,
            60, "all workers are in their loops")

    def end(self):
        self.proc.terminate()
        self.proc.wait(60)
        shutil.rmtree(self.dir, ignore_errors=True)


def measure(*words):
    """Nanoseconds a round, of each run."""
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True,
                          text=True, timeout=300)
    if done.returncode != 0:
        raise CannotMeasure(f"{words}: {done.stderr}")
    return list(map(int, done.stdout.split()))


def row(name, times, unit, base=None, target=None):
    """The median; where there is a target, as times of the base's."""
    middle = statistics.median(times)
    text = f"  {name:34} {middle / unit:9.1f}   {min(times) / unit:9.1f}"
    if base is not None:
        ratio = middle / base
        text += f"   {ratio:5.2f}"
        if target is not None:
            text += f"  of {target:.0f}: {'met' if ratio <= target else 'MISSED'}"
    print(text, flush=True)
    return middle


def alternately(*commands):
    """Each in turn, several times: what else the machine does meets all."""
    times = [[] for _ in commands]
    for _ in range(3):
        for found, command in zip(times, commands):
            found += measure(*command)
    return times


def requests(f):
    relay, c, python = alternately(
        ("relay", ROUNDS), ("call", f.socket, "c", ROUNDS),
        ("call", f.socket, "python", ROUNDS))
    print(f"a small call, us{'':21} median     fastest   times")
    base = row("bare relay, three processes", relay, 1e3)
    row("call, worker in C", c, 1e3, base, 3)
    row("call, worker in Python", python, 1e3, base, 3)
    stuck = f.svctl("status", "stuck")["workers"][0]["pid"]
    os.kill(stuck, 19)
    waiting = [subprocess.Popen(
        [SVCTL, "-s", f.socket, "-t", "30", "call", "stuck", "echo"],
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(50)]
    time.sleep(0.5)
    row("the same, 50 wait for another", measure(
        "call", f.socket, "c", ROUNDS), 1e3, base)
    os.kill(stuck, 18)
    for one in waiting:
        one.wait(30)


def stores(f):
    count = max(STORES // 3, 1)
    pipe, c, python = alternately(
        ("pipe", BYTES, count), ("store", f.socket, "c", BYTES, count),
        ("store", f.socket, "python", BYTES, count))
    print(f"{BYTES >> 20} MB stored, ms{'':20} median     fastest   times")
    base = row("bare pipe, into memory", pipe, 1e6)
    row("store, worker in C", c, 1e6, base, 2)
    row("store, worker in Python", python, 1e6, base, 2)


def rest():
    f = Fleet(REST)
    try:
        f.in_loop(IDLE)
        status = f.svctl("status")
        pids = [status["keeper_pid"], status["supervisor_pid"],
                *(w["pid"] for w in status["workers"])]
        time.sleep(1)
        before = wake_ups(pids)
        time.sleep(REST_S)
        woken = wake_ups(pids) - before
        print(f"{IDLE} idle channels, {REST_S} s: {woken} wake-ups of svd and "
              f"all workers, of 0: {'met' if woken == 0 else 'MISSED'}")
    finally:
        f.end()


def main():
    f = Fleet(CONFIGURATION)
    try:
        f.in_loop(3)
        requests(f)
        stores(f)
    finally:
        f.end()
    rest()


if __name__ == "__main__":
    try:
        main()
    except CannotMeasure as error:
        sys.exit(f"bench-channel: {error}")

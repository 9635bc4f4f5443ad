#!/usr/bin/python3
"""storm: how long a kill takes while everything else happens at once.

README in this folder says what each row is. Fails only where something cannot
be measured.

    SVD_STORM_CRASHERS 1000    SVD_STORM_FLOODS 4     SVD_STORM_CLIENTS 100
    SVD_STORM_KILLS 300        SVD_STORM_STOPS 5      SVD_STORM_VICTIMS 50
"""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import fleets
from fleets import BUILD, STAMP, SVCTL, CannotMeasure, Svd


def number(name, default):
    return int(os.environ.get(f"SVD_STORM_{name}", default))


CRASHERS = number("CRASHERS", 1000)
FLOODS = number("FLOODS", 4)
CLIENTS = number("CLIENTS", 100)
KILLS = number("KILLS", 300)
STOPS = number("STOPS", 5)
VICTIMS = number("VICTIMS", 50)
TARGET_MS = 20
LINE_BYTES = 100
STOP_TARGET_MS = 1000
SETTLE_S = 2
HURRY = 10  # a real-time priority, for who only looks at the clock
STORM = str(BUILD / "tests" / "storm")
CALL = '{"method":"org.svd.Fleet.Kill","parameters":{"names":["victim:%"]}}'


def say(text):
    print(text, flush=True)


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Fleet(Svd):
    """Victims that sleep, and, if there is to be a storm, those that crash and
    flood. What the workers say of themselves is not in svd's own log, but
    what svd says of them is."""

    def __init__(self, storm):
        super().__init__(VICTIMS)
        self.storm, self.asked, self.master = storm, None, None

    def fleet_file(self):
        text = (f"[fleet]\nname = bench\n[worker:victim]\n"
                f"command = {STAMP} {self.stamps.path}\n"
                f"numprocs = {VICTIMS}\nbackoff_delay = 0\n"
                f"backoff_limit = 1ms\n")
        if self.storm:
            text += (f"[worker:crash]\ncommand = {STORM} crash\n"
                     f"numprocs = {CRASHERS}\nbackoff_delay = 0\n"
                     f"backoff_limit = 1ms\n"
                     f"[worker:flood]\ncommand = {STORM} flood {LINE_BYTES}\n"
                     f"numprocs = {FLOODS}\nstdout = file:{self.dir}/out.%n\n"
                     f"log_size = 16M\nlog_keep = 1\n")
        return text

    def launch(self, **popen):
        # A session of its own, as everything that is started as a service, and
        # a terminal of its own.
        self.master, slave = pty.openpty()
        super().launch(
            session=True, stdin=slave,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **popen)
        os.close(slave)

    @property
    def socket(self):
        return str(self.run_dir / "control.sock")

    def begin(self):
        self.start()
        if self.storm:
            self.asked = subprocess.Popen(
                [STORM, "ask", self.socket, str(CLIENTS)], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                start_new_session=True)
            self.since = time.monotonic(), self.restarts()
        time.sleep(SETTLE_S)

    def restarts(self):
        done = subprocess.run([SVCTL, "-j", "-s", self.socket, "status",
                               "crash"], capture_output=True, text=True)
        return sum(w["restarts"]
                   for w in json.loads(done.stdout)["workers"])

    def kills(self, *caller):
        done = subprocess.run(
            [STORM, "kill", str(self.stamps.path), str(VICTIMS), str(KILLS),
             self.socket, *caller], capture_output=True, text=True,
            timeout=KILLS + 60)
        if done.returncode != 0:
            raise CannotMeasure(done.stderr)
        return [int(line) / fleets.MS for line in done.stdout.split()]

    def by_command(self):
        return self.kills("svctl", SVCTL, "-s", self.socket, "kill",
                          "victim:%")

    def by_call(self):
        return self.kills(CALL)

    def interrupt(self, pid):
        """^C, until this process is dead; ms."""
        pidfd = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        begun = time.monotonic_ns()
        os.write(self.master, b"\x03")
        if not poll.poll(1000 * self.timeout):
            raise CannotMeasure("^C ends nobody")
        os.close(pidfd)
        return (time.monotonic_ns() - begun) / fleets.MS

    def stops(self):
        """How long the first ^C takes until a worker has ended by it, and a
        second one, while others may still be there, until svd has."""
        self.stamps.read()
        begins = self.interrupt(self.pid(0))
        ends = self.interrupt(self.proc.pid)
        self.proc.wait(self.timeout)
        self.dismiss()
        return begins, ends

    def dismiss(self):
        """The askers end with svd, who has closed their connections."""
        if self.asked and self.asked.poll() is None:
            self.asked.kill()
            self.asked.communicate()

    def __exit__(self, *args):
        # Where it was given up: svd ends its own, who else would.
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGQUIT)
            fleets.wait_for_end(self.proc, self.timeout)
        self.dismiss()
        super().__exit__(*args)
        if self.master is not None:
            os.close(self.master)

    def end(self):
        if self.asked:
            took = time.monotonic() - self.since[0]
            born = self.restarts() - self.since[1]
            answers, _ = self.asked.communicate("", 30)
            if self.asked.returncode:
                raise CannotMeasure("a client was not answered to the end")
            say(f"  the storm: {born / took:.0f} births/s, "
                f"{int(answers) / took:.0f} status/s of "
                f"{CRASHERS + FLOODS + VICTIMS} workers")
        self.stop()


def quantile(values, q):
    """The smallest that so large a part of them does not exceed."""
    values = sorted(values)
    return values[max(0, -int(-q * len(values) // 1) - 1)]


missed = []


def row(name, times, target=None):
    p99 = quantile(times, 0.99)
    text = (f"  {name:38} {quantile(times, 0.5):8.2f} {p99:8.2f} "
            f"{max(times):8.2f}")
    if target is not None:
        met = p99 <= target
        text += f"   p99 <= {target} ms: {'met' if met else 'MISSED'}"
    say(text)


def kills():
    say(f"kill -> dead, ms ({KILLS} each) {'':11} p50      p99      max")
    for storm in (False, True):
        progress("in the storm" if storm else "at rest")
        with Fleet(storm) as fleet:
            fleet.begin()
            when = "in the storm" if storm else "at rest"
            target = TARGET_MS if storm else None
            row(f"svctl kill, {when}", fleet.by_command(), target)
            row(f"a connected client, {when}", fleet.by_call(), target)
            fleet.end()


def hurry():
    """Where it may: whom it starts is not in such a hurry."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK,
                              os.sched_param(HURRY))
    except PermissionError:
        pass


def stops():
    say(f"^C on svd's terminal, ms ({STOPS} each)")
    for storm in (False, True):
        when = "in the storm" if storm else "at rest"
        progress(f"^C {when}")
        times = []
        for _ in range(STOPS):
            with Fleet(storm) as fleet:
                fleet.begin()
                hurry()
                times.append(fleet.stops())
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        row(f"until the first worker ended, {when}", [t[0] for t in times])
        row(f"a second one, until all have, {when}", [t[1] for t in times],
            STOP_TARGET_MS)


if __name__ == "__main__":
    try:
        kills()
        stops()
    except CannotMeasure as error:
        sys.exit(f"bench-storm: {error}")

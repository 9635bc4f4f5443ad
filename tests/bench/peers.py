#!/usr/bin/python3
"""peers: runit, s6 and supervisor at the work that bench.py gives to svd.

The same static worker, the same stamps, one supervisor after another, each
with the shortest delay that it accepts:

    runit       starts what ended at once, if that had run for a second; there
                is no setting.
    s6          starts what ended a second later; there is no setting.
    supervisor  startsecs = 0, so that no start is a failed one; it looks at
                its children about once a second.

So what is killed has run for more than a second, for all. README in this
folder says what the rows are.

    SVD_PEERS_WORKERS  1000 (all)      SVD_PEERS_KILLS  30
    SVD_PEERS_ONLY     words of: bare svd runit s6 supervisor
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

import fleets
from fleets import MS, STAMP, Bare, CannotMeasure, Fleet, Svd

WORKERS = int(os.environ.get("SVD_PEERS_WORKERS", "1000"))
KILLS = int(os.environ.get("SVD_PEERS_KILLS", "30"))
ONLY = os.environ.get(
    "SVD_PEERS_ONLY", "bare svd runit s6 supervisor").split()
OLD_S = 1.3  # a worker's age at which no peer makes its successor wait
REST_S = 10


def descendants(pid):
    found = []
    for child in fleets.children(pid):
        found.append(child)
        found += descendants(child)
    return found


class Peer(Fleet):
    timeout = 180

    def daemons(self):
        """The whole tree but the workers."""
        workers = {self.pid(i) for i in range(self.count)}
        return [self.proc.pid] + [p for p in descendants(self.proc.pid)
                                  if p not in workers]

    def stop(self):
        since = time.monotonic_ns()
        self.ask_stop()
        self.proc.wait(self.timeout)
        return time.monotonic_ns() - since

    def ask_stop(self):
        self.proc.send_signal(signal.SIGTERM)

    def __exit__(self, *args):
        if self.proc and self.proc.poll() is None:
            for pid in self.daemons():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        super().__exit__(*args)


class Directories(Peer):
    """One directory a service, with a program `run`."""

    def services(self):
        where = self.dir / "service"
        where.mkdir()
        for i in range(self.count):
            (where / str(i)).mkdir()
            run = where / str(i) / "run"
            run.write_text(f"#!/bin/sh\nexport SVD_INSTANCE={i}\n"
                           f"exec {STAMP} {self.stamps.path}\n")
            run.chmod(0o755)
        return where


class Runit(Directories):
    name = "runit"

    def command(self):
        return ["runsvdir", self.services()]

    def ask_stop(self):
        self.proc.send_signal(signal.SIGHUP)  # TERM to each runsv

    def stop(self):
        """runsvdir leaves at once, its runsv when their service has ended."""
        pids = [p for p in self.daemons() if p != self.proc.pid]
        since = time.monotonic_ns()
        self.ask_stop()
        fleets.wait_for(
            lambda: not any(os.path.exists(f"/proc/{p}") for p in pids),
            self.timeout, "the end of every runsv")
        return time.monotonic_ns() - since

    def status_command(self):
        return ["/bin/sh", "-c", f"exec sv status {self.dir}/service/*"]


class S6(Directories):
    name = "s6"

    def command(self):
        return ["s6-svscan", "-c", str(self.count + 10), self.services()]

    def status_command(self):
        return ["/bin/sh", "-c", f"for d in {self.dir}/service/*; do "
                "s6-svstat $d; done"]


class Supervisor(Peer):
    name = "supervisor"

    def command(self):
        self.conf = self.dir / "supervisord.conf"
        self.conf.write_text(
            f"[supervisord]\nnodaemon = true\nlogfile = {self.dir}/d.log\n"
            f"pidfile = {self.dir}/pid\nminfds = 4096\n"
            f"[unix_http_server]\nfile = {self.dir}/sock\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = "
            "supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl = unix://{self.dir}/sock\n"
            f"[program:w]\ncommand = {STAMP} {self.stamps.path}\n"
            f"numprocs = {self.count}\nprocess_name = %(process_num)d\n"
            "environment = SVD_INSTANCE=\"%(process_num)d\"\n"
            "startsecs = 0\nautorestart = true\nstdout_logfile = NONE\n"
            "stderr_logfile = NONE\n")
        return ["supervisord", "-c", self.conf]

    def status_command(self):
        return ["/usr/bin/supervisorctl", "-c", str(self.conf), "status"]


def run_status(fleet):
    """Median ms of three; a status of 3 is not a failure of ours."""
    took = []
    for _ in range(3):
        since = time.monotonic_ns()
        done = subprocess.run(list(map(str, fleet.status_command())),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=fleet.timeout)
        took.append(time.monotonic_ns() - since)
        if done.stdout.count(b"\n") < fleet.count:
            raise CannotMeasure(f"{fleet.name}: status: {done.stderr[-300:]}")
    return statistics.median(took) / MS


def measure(kind, row):
    with kind(WORKERS) as fleet:
        row["start"] = fleet.start() / MS
        time.sleep(OLD_S)
        if kind is not Bare:
            row["pss"] = fleets.pss_kb(fleet.daemons()) / 1024
            row["status"] = run_status(fleet)
        row["kill"] = statistics.median(
            fleet.kill(i * 7 % fleet.count) for i in range(KILLS)) / MS
        time.sleep(OLD_S)
        row["all"] = fleet.kill_all() / MS
        time.sleep(OLD_S)
        if kind is not Bare:
            pids = fleet.daemons()
            before = fleets.wake_ups(pids)
            time.sleep(REST_S)
            row["rest"] = fleets.wake_ups(pids) - before
        row["stop"] = fleet.stop() / MS


def version(package):
    done = subprocess.run(["dpkg-query", "-Wf", "${Version}", package],
                          capture_output=True, text=True)
    return done.stdout or "not from a package"


def main():
    kinds = {"bare": Bare, "svd": Svd, "runit": Runit, "s6": S6,
             "supervisor": Supervisor}
    columns = [("start", "start"), ("kill", "one back"), ("all", "all back"),
               ("stop", "stop"), ("status", "status"), ("pss", "PSS MB"),
               ("rest", f"wakes {REST_S} s")]
    for name in ("runit", "s6", "supervisor"):
        print(f"{name} {version(name)}")
    print(f"\n{WORKERS} workers; ms but for the last two\n")
    print(f"{'':11}" + "".join(f"{title:>11}" for _, title in columns),
          flush=True)
    for name in ONLY:
        print(f"peers: {name}", file=sys.stderr, flush=True)
        row, why = {}, ""
        try:
            measure(kinds[name], row)
        except (CannotMeasure, subprocess.TimeoutExpired) as e:
            why = f"  stopped here: {str(e)[:100]}"
        print(f"{kinds[name].name:11}" + "".join(
            f"{row[key]:11.1f}" if key in row else f"{'-':>11}"
            for key, _ in columns) + why, flush=True)
        if why and name in ("bare", "svd"):
            sys.exit(1)


main()

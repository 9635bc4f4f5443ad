"""fleets: COUNT processes of one static worker, under one supervisor or
another, and what is asked of each: start, kill one, kill all, stop.

Each worker appends a record to a file at its first instruction (stamp.c), and
all times are differences of CLOCK_MONOTONIC between such records and the
moment before the cause; who waits for them does not count. Every fleet is
told of through the same methods, so that bench.py and peers.py measure the
same thing of all.
"""

import os
import pathlib
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SVD_BUILD", ROOT / "build"))
STAMP = str(BUILD / "tests" / "stamp")
BARE = str(BUILD / "tests" / "bare")
SVD = os.environ.get("SVD_BIN", str(BUILD / "svd"))
SVCTL = os.environ.get("SVCTL_BIN", str(BUILD / "svctl"))

RECORD = struct.Struct("=Qii")
POLL = 0.0005
MS = 1e6  # ns


class CannotMeasure(Exception):
    """What was to be measured did not happen."""


def wait_for_end(proc, timeout):
    """Popen.wait() with a timeout looks ever more rarely: 64 ms, 114 ms."""
    pidfd = os.pidfd_open(proc.pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll(timeout * 1000)
    finally:
        os.close(pidfd)
    proc.wait(1)


def scratch():
    """A new directory, in memory where there is one: a runtime directory is
    on a tmpfs too, and a disk is not what is measured."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = pathlib.Path(tempfile.mkdtemp(prefix="svdbench-", dir=base))
    path.chmod(0o755)
    return path


def wait_for(look, timeout, what):
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise CannotMeasure(f"not within {timeout} s: {what}")
        time.sleep(POLL)


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def pss_kb(pids):
    total = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(text.split("\nPss:")[1].split()[0])
    return total


def wake_ups(pids):
    """Times that these gave the processor up to wait, so far."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            text = (task / "status").read_text()
            total += int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return total


def time_command(command, times):
    """Times in ns of so many runs of a command."""
    done = subprocess.run([BARE, "-t", str(times), *map(str, command)],
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise CannotMeasure(f"{command}: {done.stderr}")
    return list(map(int, done.stdout.split()))


class Stamps:
    """The file that the workers append to."""

    def __init__(self, path):
        self.path, self.offset = path, 0
        self.path.touch()
        self.path.chmod(0o666)
        self.latest = {}  # instance: (ns, pid)
        self.records = 0

    def read(self):
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = len(data) - len(data) % RECORD.size
        for ns, instance, pid in RECORD.iter_unpack(data[:whole]):
            self.latest[instance] = (ns, pid)
            self.records += 1
        self.offset += whole

    def wait(self, since, instances, timeout):
        """Waits for a stamp later than since of each instance; the last."""
        missing = set(instances)

        def look():
            self.read()
            missing.difference_update(
                [i for i in missing if self.latest.get(i, (0, 0))[0] > since])
            return not missing

        wait_for(look, timeout, f"stamps of {len(missing)} workers")
        return max(self.latest[i][0] for i in instances)


class Fleet:
    """What all have in common. A class says how to make the command, who the
    supervising processes are, and, if it is not by TERM, how it is stopped."""

    name = "?"
    timeout = 60

    def __init__(self, count):
        self.count = count
        self.dir = scratch()
        self.stamps = Stamps(self.dir / "stamps")
        self.log = self.dir / "log"
        self.proc = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.end_left_over()
        shutil.rmtree(self.dir, ignore_errors=True)

    def end_left_over(self):
        """Our own workers, by pid, where the measurement was given up."""
        self.stamps.read()
        for instance, (_, pid) in self.stamps.latest.items():
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if instance >= 0 and exe == STAMP:
                os.kill(pid, signal.SIGKILL)

    def command(self):
        raise NotImplementedError

    def daemons(self):
        """The supervising processes."""
        raise NotImplementedError

    def environment(self):
        return {k: v for k, v in os.environ.items()
                if not k.startswith("SVD_")}

    def launch(self, **popen):
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen(
                [STAMP, str(self.stamps.path), *map(str, self.command())],
                stdin=popen.get("stdin", subprocess.DEVNULL),
                stdout=popen.get("stdout", log), stderr=log, text=True,
                env=self.environment(), cwd=self.dir,
                start_new_session=popen.get("session", False),
                preexec_fn=popen.get("preexec_fn"))

    def start(self):
        """From before the first program until every worker runs; ns."""
        self.launch()
        try:
            last = self.stamps.wait(0, range(self.count), self.timeout)
        except CannotMeasure as e:
            raise CannotMeasure(f"{self.name}: {e}; its log ends in:\n"
                                f"{self.log.read_text()[-2000:]}") from None
        return last - self.stamps.latest[-1][0]

    def pid(self, instance):
        return self.stamps.latest[instance][1]

    def kill(self, instance):
        """SIGKILL to one, until its successor runs; ns."""
        since = time.monotonic_ns()
        os.kill(self.pid(instance), signal.SIGKILL)
        return self.stamps.wait(since, [instance], self.timeout) - since

    def kill_all(self):
        pids = [self.pid(i) for i in range(self.count)]
        since = time.monotonic_ns()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return self.stamps.wait(since, range(self.count), self.timeout) - since

    def stop(self):
        """From the request until nothing is left; ns."""
        since = time.monotonic_ns()
        self.proc.send_signal(signal.SIGTERM)
        wait_for_end(self.proc, self.timeout)
        return time.monotonic_ns() - since


class Bare(Fleet):
    """No supervisor: vfork, exec, wait, and nothing else (bare.c)."""

    name = "bare loop"

    def command(self):
        return [BARE, self.stamps.path, self.count, STAMP]

    def daemons(self):
        return [self.proc.pid]

    def launch(self):
        super().launch(stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()
        answer = self.proc.stdout.readline().split()
        if len(answer) != 2:
            raise CannotMeasure(self.log.read_text())
        return list(map(int, answer))

    def kill(self, instance):
        since = self.ask(f"kill {instance}")[0]
        return self.stamps.wait(since, [instance], self.timeout) - since

    def kill_all(self):
        since = self.ask("all")[0]
        return self.stamps.wait(since, range(self.count), self.timeout) - since

    def stop(self):
        since, until = self.ask("stop")
        self.proc.wait(self.timeout)
        return until - since


class Svd(Fleet):
    """svd as it is used: its log, at its usual level, goes to a file."""

    name = "svd"
    binary = SVD
    worker = "stdout = null\n"

    def fleet_file(self):
        return (f"[fleet]\nname = bench\n[worker:w]\n"
                f"command = {STAMP} {self.stamps.path}\n"
                f"numprocs = {self.count}\nbackoff_delay = 0\n"
                f"backoff_reset = 100ms\n{self.worker}")

    def command(self):
        (self.dir / "fleet.ini").write_text(self.fleet_file())
        return [self.binary, "-r", self.run_dir, self.dir / "fleet.ini"]

    @property
    def run_dir(self):
        return self.dir / "run"

    def daemons(self, *roles):
        """keeper, supervisor, and the logger if there is one; or only these
        roles, with what they have forked."""
        found = [] if roles else [self.proc.pid]
        for pid in children(self.proc.pid):
            try:
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue  # a worker that has just ended
            if not title.startswith(b"svd: "):
                continue
            if not roles:
                found.append(pid)
            elif title.split(b"\0")[0][5:].decode() in roles:
                found += [pid, *children(pid)]
        return found

    def status_command(self):
        return [SVCTL, "-r", self.run_dir, "status"]

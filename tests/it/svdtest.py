"""svdtest: what the integration tests share.

A test asks the `fleet` fixture (conftest.py) for a running fleet and looks at
it from outside: by svctl, by Varlink, by /proc, by what its workers append to
files. Whatever waits has a deadline; nothing sleeps for a fixed time and hopes.
"""

import contextlib
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SVD_BUILD", ROOT / "build"))
SVD = os.environ.get("SVD_BIN", str(BUILD / "svd"))
SVCTL = os.environ.get("SVCTL_BIN", str(BUILD / "svctl"))
ACT = str(BUILD / "tests" / "act")
PIDNS = str(BUILD / "tests" / "pidns")
VALGRIND = os.environ.get("SVD_VALGRIND")
SANITIZED = "ASAN_OPTIONS" in os.environ
# Every deadline is multiplied by this.
SLOW = 10 if VALGRIND else 3 if SANITIZED else 1
ROUNDS = int(os.environ.get("SVD_TEST_ROUNDS", "500"))
IS_ROOT = os.geteuid() == 0


def wait_for(look, timeout=10, what=None, every=0.01):
    """Calls look until it returns something true, which is returned."""
    deadline = time.monotonic() + timeout * SLOW
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout * SLOW} s: {what or 'the condition'}; "
                f"last seen: {found!r}")
        time.sleep(every)


def stays(look, seconds, what=None):
    """Asserts that look stays true for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), f"did not stay so for {seconds} s: {what}"
        time.sleep(0.02)


def act(*words):
    """A command line that runs the worker program with these words."""
    return shlex.join([ACT, *map(str, words)])


def floor(name="f", preload="", **keys):
    """A native floor for on_floor()."""
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return (f"[floor:{name}]\nruntime = native\n"
            f"preload = {ACT}.so {preload}\n{lines}")


def on_floor(*words, name="f"):
    """The keys of a worker that does the same as act(), on a floor."""
    return (f"floor = {name}\nentry = {ACT}.so:act_main\n"
            f"args = {shlex.join(map(str, words))}")


# --- processes ---------------------------------------------------------------

def stat_fields(pid):
    """/proc/PID/stat from the third field (state) on; None if it is gone. A
    process may have any bytes for a name."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as stat:
            text = stat.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2:].split()


def alive(pid):
    """Runs, is stopped or sleeps: is neither gone nor a zombie."""
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


def children(pid):
    """The children of every thread of pid, oldest first."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def zombies(pid):
    return [c for c in children(pid) if (stat_fields(c) or "?")[0] == "Z"]


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_role(pid):
    """Is it svd itself?"""
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as comm:
            return comm.read().startswith("svd: ") and alive(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_acting(pid):
    """Is it on its way to where it waits? A worker runs from its execution
    on."""
    try:
        return os.readlink(f"/proc/{pid}/exe") == ACT and \
            stat_fields(pid)[0] == "R"
    except (OSError, TypeError):
        return False


def blocks(pid, sig):
    """Does it block the signal, as who takes it by a descriptor?"""
    with open(f"/proc/{pid}/status", errors="replace") as status:
        mask, = (line for line in status if line.startswith("SigBlk:"))
    return int(mask.split()[1], 16) >> sig - 1 & 1


def cpu_seconds(pid):
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def marked(test_id, run=None):
    """Every live process whose environment carries the mark of a test, or
    says that it is a worker of the svd that runs there."""
    marks = [f"SVD_TEST_ID={test_id}".encode(),
             f"SVD_SOCKET={run}/control.sock".encode()]
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            environ = all_of(f"/proc/{entry}/environ")
            if any(mark in environ for mark in marks) and \
                    set(marks) & set(environ.split(b"\0")) and \
                    alive(int(entry)):
                found.append(int(entry))
    return found


def all_of(path):
    """As read_bytes() of pathlib, at a fifth of its price: each fleet that ends
    asks so for all that run."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(fd, 1 << 20), b""))
    finally:
        os.close(fd)


def rss_kb(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


# --- Varlink -----------------------------------------------------------------

class VarlinkError(Exception):
    def __init__(self, reply):
        super().__init__(reply.get("error"))
        self.name = reply.get("error")
        self.parameters = reply.get("parameters", {})


class NoAnswer(ConnectionError):
    """The connection was closed instead."""


class Varlink:
    """A client of the control socket, in nothing but the standard library."""

    def __init__(self, path, timeout=10):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout * SLOW)
        self.sock.connect(str(path))
        self.buffer = b""

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, method, parameters=None, **flags):
        if "." not in method:
            method = f"org.svd.Fleet.{method}"
        call = {"method": method, "parameters": parameters or {}, **flags}
        self.send_raw(json.dumps(call).encode() + b"\0")

    def receive(self):
        """One reply, or None at the end of the stream."""
        while b"\0" not in self.buffer:
            data = self.sock.recv(1 << 16)
            if not data:
                return None
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, parameters=None):
        """The parameters of the reply."""
        self.send(method, parameters)
        reply = self.receive()
        if reply is None:
            raise NoAnswer("closed without a reply")
        if "error" in reply:
            raise VarlinkError(reply)
        return reply.get("parameters", {})

    def closed(self):
        """Whether the other side closes the connection, at last."""
        with contextlib.suppress(ConnectionError):
            while self.sock.recv(1 << 16):
                pass
        return True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- svd and svctl ------------------------------------------------------------

class Result:
    """What svctl said: rc, out, err, and json where out is JSON."""

    def __init__(self, done):
        self.rc, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"rc={self.rc}\nout={self.out}\nerr={self.err}"


def under_valgrind(program):
    if not VALGRIND:
        return [program]
    return ["valgrind", "-q", "--trace-children=yes", "--error-exitcode=99",
            f"--trace-children-skip={BUILD}/tests/*,/bin/*,/usr/bin/*",
            f"--log-file={VALGRIND}/it.%p", program]


def run_svd(*args, timeout=20, env=None, **kwargs):
    """Runs svd to its end."""
    return subprocess.run(
        [*under_valgrind(SVD), *map(str, args)], capture_output=True,
        text=True, timeout=timeout * SLOW, env={**os.environ, **(env or {})},
        **kwargs)


class Fleet:
    """One svd with its runtime directory; made by the `fleet` fixture."""

    def __init__(self, text="", before=(), args=(), env=None, pid1=None,
                 run=None, **popen):
        """before: words in front of svd's own; args: in place of the fleet's;
        pid1: options of pidns, under which svd then runs as PID 1; run: a
        runtime directory elsewhere, as on the tmpfs that an ext4 with thousands
        of deleted files is slower than by far."""
        self.id = str(uuid.uuid4())
        # Short: an address of a socket has 107 bytes.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="svdtest-"))
        self.dir.chmod(0o755)
        self.run = run or self.dir / "run"
        self.log_path = self.dir / "log"
        self.ini = self.dir / "fleet.ini"
        if "[fleet]" not in text:
            text = f"[fleet]\nname = test\n{text}"
        self.ini.write_text(text)
        self.env = {**os.environ, "SVD_TEST_ID": self.id, **(env or {})}
        self.before, self.popen = list(map(str, before)), popen
        self.program = SVD
        self.pid1 = pid1 is not None
        if self.pid1:
            self.before += [PIDNS, *pid1, "-f", str(self.dir / "pid1")]
        self.args = list(map(str, args)) or ["-r", self.run, self.ini]
        self.proc = None
        self.keeper = None

    def launch(self):
        """Starts svd without waiting for anything."""
        popen = {"stdin": subprocess.DEVNULL, **self.popen}
        with open(self.log_path, "ab") as log:
            popen.setdefault("stdout", log)
            popen.setdefault("stderr", log)
            self.proc = subprocess.Popen(
                [*self.before, *under_valgrind(str(self.program)),
                 *map(str, self.args)],
                env=self.env, cwd=self.dir, **popen)
        self.keeper = self.proc.pid
        if self.pid1:
            self.keeper = int(self.wait_lines("pid1")[0])
        return self

    def start(self):
        """Starts svd and waits until it answers."""
        self.launch()
        wait_for(self.answers, what="svd answers")
        return self

    def answers(self):
        assert self.proc.poll() is None, f"svd ended: {self.proc.returncode}"
        try:
            return self.ask("Ping") == {}
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text(errors="replace")

    # svctl

    def svctl_words(self):
        return [SVCTL, "-r", str(self.run)]

    def svctl(self, *args, timeout=20):
        done = subprocess.run(
            [*self.svctl_words(), *map(str, args)], timeout=timeout * SLOW,
            capture_output=True, text=True, env=self.env)
        return Result(done)

    def ctl(self, *args, rc=0):
        """svctl that is to exit with rc."""
        result = self.svctl(*args)
        assert result.rc == rc, f"svctl {args}: {result!r}"
        return result

    def varlink(self, **kwargs):
        return Varlink(self.run / "control.sock", **kwargs)

    def ask(self, method, timeout=20):
        """What svctl would be told, without a process for it: asks again
        where the supervisor dies over it, as svctl does."""
        deadline = time.monotonic() + timeout * SLOW
        while True:
            try:
                with self.varlink(timeout=timeout) as v:
                    return v.call(method)
            except (ConnectionResetError, BrokenPipeError, NoAnswer,
                    BlockingIOError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def status(self):
        return self.ask("Status")

    def workers(self):
        return {w["name"]: w for w in self.status()["workers"]}

    def worker(self, name):
        return self.workers()[name]

    def why(self, name):
        """What svctl why says of one instance."""
        return self.ctl("-j", "why", name).json["workers"][0]

    def deaths(self, name):
        """The last deaths of one instance, the newest last."""
        return self.why(name)["deaths"]

    def wait(self, name, timeout=10, **wanted):
        """Waits until the worker is there, and its status has these values;
        callables are asked."""
        seen = {}

        def look():
            seen.clear()
            seen.update(self.workers().get(name, {}))
            return seen and all(
                w(seen[k]) if callable(w) else seen[k] == w
                for k, w in wanted.items()) and dict(seen)

        try:
            return wait_for(look, timeout, every=0.02)
        except AssertionError:
            raise AssertionError(
                f"{name} is not {wanted} within {timeout * SLOW} s, but "
                f"{seen}") from None

    def running(self, *names):
        """Waits until these, or all, run; their pids. Those that act() have
        then done what they do at once, as to catch signals."""
        names = names or tuple(self.workers())
        pids = {n: self.wait(n, state="RUNNING", pid=bool)["pid"]
                for n in names}
        # As PID 1 it tells pids of its namespace, and /proc here has others.
        wait_for(lambda: not any(map(
            is_acting, children(self.keeper) if self.pid1 else pids.values())))
        return pids

    # the processes

    def supervisor(self):
        """The supervisor's pid as /proc shows it, without asking it: the
        keeper's oldest child that calls itself so. 0: there is none now."""
        for pid in children(self.keeper):
            if alive(pid) and any(word.startswith(b"supervisor=")
                                  for word in command_line(pid)):
                return pid
        return 0

    def kill_supervisor(self, sig=signal.SIGKILL):
        """Ends the supervisor and waits for the next one; its pid."""
        old = self.status()["supervisor_pid"]
        os.kill(old, sig)
        return wait_for(lambda: self.new_supervisor(old),
                        what="another supervisor")

    def floors(self, name="f"):
        """The processes of a floor, without asking the supervisor: as the
        copy of its journal has them. Slot -> pid."""
        found = {}
        for line in self.lines("run/state"):
            words = line.split()
            if words[1:2] != ["worker"] or \
                    not words[2].startswith(f"name=@{name}:"):
                continue
            fields = dict(word.partition("=")[::2] for word in words[2:])
            found[int(words[2][-1])] = int(fields.get("pid", 0))
        return {slot: pid for slot, pid in found.items() if pid}

    def spare(self):
        """Of a fleet with one floor and one spare, that one's pid, once all the
        others are known."""
        def look():
            status, floors = self.status(), self.floors()
            known = {status["supervisor_pid"], status["logger_pid"],
                     *floors.values(), *(w["pid"] for w in status["workers"])}
            left = set(children(self.keeper)) - known
            return floors and 0 not in known and len(left) == 1 and left.pop()

        return wait_for(look, what="a spare")

    def new_supervisor(self, old):
        try:
            pid = self.status()["supervisor_pid"]
        except OSError:
            return 0
        return pid if pid != old else 0

    def descriptors(self):
        """How many keeper and supervisor hold, once that does not change any
        more: the connection of the last svctl may still be closing."""
        seen = []

        def settled():
            seen.append([len(os.listdir(f"/proc/{pid}/fd"))
                         for pid in (self.keeper, self.supervisor())])
            return len(seen) > 5 and seen[-6:] == seen[-1:] * 6

        wait_for(settled, every=0.02)
        return seen[-1]

    def signal(self, sig):
        os.kill(self.keeper, sig)

    def crash(self, wait=True):
        """SIGKILL to the keeper, and with it to all of svd but its workers;
        waits until none of those is there to answer any more."""
        roles = list(filter(is_role, children(self.keeper)))
        os.kill(self.keeper, signal.SIGKILL)
        self.proc.wait(20 * SLOW)
        if wait:
            wait_for(lambda: not any(map(is_role, roles)), what="svd is gone")

    def recover(self):
        """Another svd after a crash; waits until it answers."""
        return self.start()

    def end(self, timeout=20):
        """Waits for svd's end; its exit status, negative for a signal."""
        return self.proc.wait(timeout * SLOW)

    def stop(self, timeout=20):
        if self.proc.poll() is None:
            self.signal(signal.SIGTERM)
        return self.end(timeout)

    # what workers wrote

    def path(self, name):
        return self.dir / name

    def lines(self, name):
        path = self.dir / name
        return path.read_text().splitlines() if path.exists() else []

    def wait_lines(self, name, count=1, timeout=10):
        """Waits for so many lines in a file."""
        wait_for(lambda: len(self.lines(name)) >= count, timeout,
                 f"{count} lines in {name}")
        return self.lines(name)

    def report(self, name):
        """What `act report` wrote, once it is whole."""
        wait_for(lambda: "end" in self.lines(name), what=f"report {name}")
        return dict(line.partition(" ")[::2] for line in self.lines(name))

"""svd -- COMMAND: as a container's init, and at a terminal."""

import concurrent.futures
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from svdtest import (ACT, PIDNS, SLOW, SVD, act, children, marked, run_svd,
                     wait_for)

# --- the exit status -----------------------------------------------------------------


def statuses(before, cases):
    """Runs svd -- act WORD ARG for each case; their statuses."""
    def one(case):
        return subprocess.run([*before, SVD, "-q", "--", ACT, *case],
                              timeout=60 * SLOW).returncode

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, cases))


@pytest.mark.slow
@pytest.mark.parametrize("before", [[], [PIDNS]], ids=["subreaper", "pid1"])
def test_all_256_exit_codes_come_through(before):
    codes = range(256) if SLOW == 1 else range(0, 256, 15)
    got = statuses(before, [["exit", str(code)] for code in codes])
    assert got == list(codes)


# Those whose default is to end the process.
DEADLY = [s for s in range(1, 65) if s not in (17, 18, 19, 20, 21, 22, 23, 28,
                                               32, 33)]


@pytest.mark.parametrize("before", [[], [PIDNS]], ids=["subreaper", "pid1"])
def test_every_killing_signal_comes_through(before):
    signals = DEADLY if SLOW == 1 else DEADLY[::8]
    got = statuses(before, [["die", str(sig)] for sig in signals])
    assert got == [128 + sig for sig in signals]


def test_not_found_is_127_and_not_executable_126(tmp_path):
    (tmp_path / "plain").write_text("x")
    for command, rc in (("/no/such/program", 127), ("no-such-program", 127),
                        (str(tmp_path / "plain"), 126), (str(tmp_path), 126)):
        done = run_svd("--", command, env={"PATH": "/usr/bin:/bin"})
        assert done.returncode == rc, done
        assert command in done.stderr


# --- what is passed through --------------------------------------------------------------

def test_streams_directory_umask_and_environment_go_through(tmp_path):
    done = subprocess.run(
        [SVD, "-q", "--", "/bin/sh", "-c",
         "cat; pwd; umask; echo $FOO; echo err >&2"],
        input="in\n", capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "FOO": "bar"}, umask=0o027, timeout=20 * SLOW)
    assert done.stdout.splitlines() == ["in", str(tmp_path), "0027", "bar"]
    assert done.stderr == "err\n"


def test_descriptors_go_through_and_none_is_added(tmp_path):
    read, write = os.pipe()
    out = tmp_path / "out"
    done = subprocess.run([SVD, "--", ACT, "report", str(out)],
                          pass_fds=[write], timeout=20 * SLOW)
    assert done.returncode == 0
    line = [s for s in out.read_text().splitlines() if s.startswith("fds")][0]
    assert line == f"fds 0 1 2 {write}"
    os.close(read)
    os.close(write)


def test_inherited_signals_are_reset(tmp_path):
    out = tmp_path / "out"
    subprocess.run(["/usr/bin/env", "--ignore-signal=INT,PIPE,CHLD,TTOU",
                    "--block-signal=TERM,USR1,CHLD", SVD, "--", ACT, "report",
                    str(out)], check=True, timeout=20 * SLOW)
    text = out.read_text()
    assert "\nignored\n" in text and "\nblocked\n" in text, text


def test_no_runtime_directory_is_made(tmp_path):
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path),
           "RUNTIME_DIRECTORY": str(tmp_path / "r")}
    subprocess.run([SVD, "--", "/bin/true"], env=env, check=True,
                   timeout=20 * SLOW)
    assert not list(tmp_path.iterdir())


def test_with_a_runtime_directory_svctl_can_be_used(fleet):
    f = fleet("", launch=False)
    f.args = ["-r", f.run, "--", ACT, "on-exit", "15", "21", "pause"]
    f.start()
    name = list(f.running())[0]
    assert f.worker(name)["state"] == "RUNNING"
    f.signal(signal.SIGTERM)
    assert f.end() == 21


# --- signals --------------------------------------------------------------------------------

FORWARDED = [1, 2, 3, 10, 12, 14, 15, 18, 21, 22, 28, 23, 34, 40, 64, 6, 16, 24]


@pytest.mark.parametrize("before", [[], [PIDNS]], ids=["subreaper", "pid1"])
def test_every_catchable_signal_is_forwarded_as_it_is(fleet, before):
    f = fleet("", launch=False, pid1=[] if before else None)
    words = []
    for sig in FORWARDED:
        words += ["on", sig, f.path("got")]
    f.args = ["--", ACT, *words, "append", f.path("up"), "up", "on-exit", 13,
              77, "pause"]
    f.launch()
    f.wait_lines("up")
    for i, sig in enumerate(FORWARDED, 1):
        f.signal(sig)
        assert f.wait_lines("got", i)[-1] == str(sig)
    # A second TERM to a command is its own matter.
    assert f.proc.poll() is None
    os.kill([p for p in children(f.keeper) if p != f.supervisor()][0],
            signal.SIGPIPE)
    assert f.end() == 77


@pytest.mark.parametrize("sig", [signal.SIGRTMIN + 3, signal.SIGPWR])
def test_a_container_managers_stop_is_term(fleet, sig):
    f = fleet("", launch=False)
    f.args = ["--", ACT, "on-exit", "15", "33", "append", f.path("up"), "up",
              "pause"]
    f.launch()
    f.wait_lines("up")
    f.signal(sig)
    assert f.end() == 33


def test_orphans_of_the_command_are_reaped_and_do_not_end_it(fleet):
    f = fleet("", launch=False)
    f.args = ["--", "/bin/sh", "-c",
              f"for i in 1 2 3 4 5; do ({ACT} fork {{ setsid sleep 50 }} exit 4"
              f" &) ; done; echo up >{f.path('up')}; exec {ACT} sleep 600 exit 9"]
    f.launch()
    f.wait_lines("up")
    wait_for(lambda: len(children(f.keeper)) == 2)
    assert f.end() == 9


def test_the_command_survives_its_supervisor(fleet):
    f = fleet("", launch=False)
    f.args = ["--", ACT, "append", f.path("up"), "up", "on-exit", 10, 55,
              "pause"]
    f.launch()
    f.wait_lines("up")
    for _ in range(5):
        old = wait_for(f.supervisor)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: f.supervisor() not in (0, old))
    assert f.lines("up") == ["up"]
    f.signal(signal.SIGUSR1)
    assert f.end() == 55


# --- at a terminal ---------------------------------------------------------------------------

class Terminal:
    """A command in a session of its own on a new terminal."""

    def __init__(self, *command, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(env or {}, PS1="$ ", TERM="dumb",
                              HISTFILE="/dev/null")
            os.execv(command[0], command)
        self.text = ""
        self.status = None

    def type(self, text):
        os.write(self.fd, text.encode())

    def read(self):
        ready, _, _ = select.select([self.fd], [], [], 0.05)
        if ready:
            with contextlib.suppress(OSError):
                self.text += os.read(self.fd, 65536).decode(errors="replace")

    def expect(self, pattern, timeout=10):
        """Waits for the pattern in what has not been expected yet."""
        def look():
            self.read()
            return re.search(pattern, self.text)
        try:
            found = wait_for(look, timeout, every=0)
        except AssertionError:
            raise AssertionError(
                f"no {pattern!r} in {self.text!r}") from None
        self.text = self.text[found.end():]
        return found

    def foreground(self):
        return os.tcgetpgrp(self.fd)

    def wait(self, timeout=10):
        def look():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            return pid
        wait_for(look, timeout)
        return self.status

    def close(self):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal():
    made = []
    mark = {"SVD_TEST_ID": str(os.getpid()) + "-" + str(time.monotonic_ns())}

    def make(*command):
        made.append(Terminal(*command, env=mark))
        return made[-1]

    yield make
    for one in made:
        one.close()
    left = []
    try:
        wait_for(lambda: not marked(mark["SVD_TEST_ID"]), 3)
    except AssertionError:
        for pid in marked(mark["SVD_TEST_ID"]):
            left.append((pid, open(f"/proc/{pid}/cmdline").read()))
            os.kill(pid, signal.SIGKILL)
    assert not left


def test_the_terminal_is_the_commands(terminal):
    t = terminal(SVD, "-q", "--", "/bin/sh", "-c",
                 "echo pgrp=$(ps -o pgid= -p $$ 2>/dev/null || "
                 "cut -d' ' -f5 /proc/$$/stat); read x; echo got $x; exit 3")
    pgrp = int(t.expect(r"pgrp= *(\d+)\r")[1])
    assert pgrp != t.pid
    assert t.foreground() == pgrp
    t.type("hello\n")
    t.expect("got hello")
    assert t.wait() == 3


def test_ctrl_c_reaches_the_command_only(terminal, tmp_path):
    t = terminal(SVD, "-q", "--", ACT, "on", "2", str(tmp_path / "got"),
                 "on-exit", "10", "8", "write", "1", "ready", "pause")
    t.expect("ready")
    t.type("\x03")
    wait_for(lambda: (tmp_path / "got").exists() and
             (tmp_path / "got").read_text())
    assert (tmp_path / "got").read_text() == "2\n", "exactly once"
    t.type("\x03")
    wait_for(lambda: (tmp_path / "got").read_text() == "2\n2\n")
    os.kill(t.pid, signal.SIGUSR1)
    assert t.wait() == 8


def test_ctrl_c_of_a_command_without_a_handler(terminal):
    t = terminal(SVD, "-q", "--", ACT, "write", "1", "ready", "pause")
    t.expect("ready")
    t.type("\x03")
    assert t.wait() == 128 + 2


BASH = ["/bin/bash", "--norc", "--noprofile", "-i"]


def test_an_interactive_shell_under_svd_has_job_control(terminal):
    t = terminal(SVD, "-q", "--", *BASH)
    t.expect(r"\$ ")
    assert "no job control" not in t.text
    t.type("sleep 1000\n")
    wait_for(lambda: t.foreground() != t.pid and
             b"sleep" in open(f"/proc/{t.foreground()}/cmdline", "rb").read())
    t.type("\x1a")
    t.expect("Stopped")
    t.type("jobs\n")
    t.expect("sleep 1000")
    t.type("fg\n")
    t.expect("sleep 1000")
    wait_for(lambda: b"sleep" in open(f"/proc/{t.foreground()}/cmdline",
                                      "rb").read())
    t.type("\x03")
    t.expect(r"\$ ")
    t.type("echo status=$?\n")
    t.expect("status=130")
    t.type("exit 6\n")
    assert t.wait() == 6


def state_of(pid):
    """As in proc_pid_stat(5); names in front of it may have blanks in them."""
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(") ")[2][0]


def test_ctrl_z_and_fg_of_svd_under_a_shell(terminal):
    t = terminal(*BASH)
    t.expect(r"\$ ")
    t.type(f"{SVD} -q -- {act('write', 1, 'ready', 'on-exit', 10, 9, 'pause')}\n")
    t.expect("ready\r")
    command = t.foreground()
    for _ in range(3):
        t.type("\x1a")
        t.expect("Stopped")
        wait_for(lambda: t.foreground() == t.pid)
        assert state_of(command) == "T", "as the shell said"
        t.type("fg\n")
        # svd's own group has the terminal first.
        wait_for(lambda: t.foreground() == command)
        wait_for(lambda: state_of(command) == "S")
    os.kill(command, signal.SIGUSR1)
    t.expect(r"\$ ")
    wait_for(lambda: t.foreground() == t.pid)
    t.type("echo status=$?\n")
    t.expect("status=9")
    t.type("exit\n")
    t.wait()


def test_the_terminal_comes_back_at_the_end(terminal):
    """Also where the command left it in another state of mind."""
    t = terminal(*BASH)
    t.expect(r"\$ ")
    t.type(f"{SVD} -q -- {act('die', 9)}; echo status=$?\n")
    t.expect("status=137")
    wait_for(lambda: t.foreground() == t.pid)
    t.type(f"{SVD} -q -- true; echo again=$?\n")
    t.expect("again=0")
    t.type("exit\n")
    t.wait()


def test_a_terminal_that_hangs_up_ends_the_command(terminal):
    t = terminal(SVD, "-q", "--", ACT, "write", "1", "ready", "pause")
    t.expect("ready")
    os.kill(t.pid, signal.SIGHUP)
    assert t.wait() == 128 + 1

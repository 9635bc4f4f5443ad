"""Captured output, where things come at odd moments: outputs that leave and
come back, files that are none, calls that fail, loggers killed in between."""

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from output import error_of, kill, kill_logger, logger, mounted, writers
from svdtest import IS_ROOT, SLOW, SVD, act, cpu_seconds, stays, wait_for

needs_root = pytest.mark.skipif(not IS_ROOT, reason="mounts, strace")


def worker(name, command, **keys):
    lines = [f"[worker:{name}]", f"command = {command}",
             *(f"{k} = {v}" for k, v in keys.items())]
    return "\n".join(lines) + "\n"


def shell(script):
    return f"/bin/sh -c '{script}'"


def write(f, *workers, fleet=""):
    f.ini.write_text(f"[fleet]\nname = test\n{fleet}" + "".join(workers))


def deaths(f):
    """Lives of the logger that did not end well."""
    return [line for line in f.log().splitlines() if ": error: logger" in line]


def more_room(f, size="1m"):
    subprocess.run(["nsenter", "-t", str(f.keeper), "-m", "-r", "mount", "-o",
                    f"remount,size={size}", f.dir / "disk"], check=True)


def blocked(f, name):
    """Does its process wait for room in its pipe?"""
    pid = f.worker(name)["pid"]
    return "pipe_w" in pathlib.Path(f"/proc/{pid}/wchan").read_text()


class Reader(threading.Thread):
    """Reads a FIFO until nobody writes to it any more."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self.fd, True)
        self.data = b""
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                more = os.read(self.fd, 65536)
                self.data += more
                if not more:
                    return


def test_a_fifo_gets_nothing_twice_after_a_kill(fleet):
    """What is no regular file has no position: what was delivered to it before
    the logger died is not sent again."""
    f = fleet("", launch=False)
    path = f.dir / "pipe"
    os.mkfifo(path)
    hold = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    reader = Reader(path)
    write(f, worker("web", shell("i=0; while :; do i=$((i + 1)); echo line $i; "
                                 "sleep 0.01; done"), stdout=f"file:{path}"))
    f.start()
    wait_for(lambda: b"line 20\n" in reader.data)
    for _ in range(3):
        kill_logger(f)
        count = reader.data.count(b"\n")
        wait_for(lambda: reader.data.count(b"\n") > count + 20)
    lines = reader.data.split(b"\n")[:-1]
    again = len(lines) - len(set(lines))
    os.close(hold)
    assert again <= 3 and b"\0" not in reader.data, lines


def test_an_output_that_comes_back_while_it_leaves(fleet):
    f = fleet("", launch=False)
    text = worker("web", shell("while :; do echo x; sleep 0.002; done"),
                  numprocs=4, kill_mode="process")
    write(f, text)
    f.start()
    f.running("web:3")
    pid = wait_for(lambda: logger(f))
    for _ in range(15):
        f.ctl("scale", "web", "1")
        f.ctl("scale", "web", "4")
    f.running("web:3")
    # The list of children may miss some while others end.
    assert wait_for(lambda: logger(f)) == pid, deaths(f)
    before = f.log().count(" web:3: x")
    wait_for(lambda: f.log().count(" web:3: x") > before + 20)
    assert logger(f) == pid, deaths(f)


def test_what_a_leaving_worker_leaves_behind_may_write(fleet):
    """The FIFO of a worker that is gone is nobody's: what others write to it
    is not looked at."""
    f = fleet("", launch=False)
    loop = "while :; do echo y; sleep 0.001; done"
    web = worker("web", shell(f"setsid sh -c \"{loop}\" & exec sleep 1000"),
                 kill_mode="process", stop_timeout="1s")
    other = worker("other", shell("while :; do echo o; sleep 0.05; done"))
    write(f, web, other)
    f.start()
    wait_for(lambda: " web: y" in f.log())
    pid = wait_for(lambda: logger(f))
    write(f, other)
    f.ctl("reload")
    count = f.log().count(" other: o")
    wait_for(lambda: f.log().count(" other: o") > count + 20)
    used = cpu_seconds(pid)
    stays(lambda: logger(f) == pid, 1, deaths(f))
    assert cpu_seconds(pid) - used < 0.5


@needs_root
def test_a_logger_killed_while_an_output_leaves_for_a_full_disk(fleet):
    f = fleet("", launch=False)
    web = worker("web", shell("yes 0123456789 | head -c 150000; "
                              f"echo >{f.path('done')}; exec sleep 1000"),
                 stdout=f"file:{f.dir}/disk/web")
    other = worker("other", shell("echo o; exec sleep 1000"),
                   stdout=f"file:{f.dir}/other")
    write(f, web, other)
    inside = mounted(f, "mount -t tmpfs -o size=64k none")
    wait_for(lambda: "No space left" in error_of(f, "web"))
    wait_for(f.path("done").exists)
    write(f, other)
    f.ctl("reload")
    pid = kill_logger(f)
    stays(lambda: logger(f) == pid, 1, deaths(f))
    more_room(f)
    wait_for(lambda: (inside / "web").stat().st_size == 150000)


@needs_root
@pytest.mark.slow
def test_a_full_disk_is_told_again_after_a_kill(fleet):
    f = fleet("", launch=False)
    write(f, worker("web", shell("exec yes"), stdout=f"file:{f.dir}/disk/web"))
    mounted(f, "mount -t tmpfs -o size=64k none")
    wait_for(lambda: "No space left" in error_of(f, "web"))
    # All is full by now: nothing that comes tells main to look.
    wait_for(lambda: blocked(f, "web"))
    old = f.status()["logger_pid"]
    kill_logger(f)
    wait_for(lambda: f.status()["logger_pid"] not in (0, old))
    wait_for(lambda: "No space left" in error_of(f, "web"), 5)


@needs_root
@pytest.mark.slow
def test_that_a_disk_has_room_again_is_told_of_all(fleet):
    """Also where the supervisor does not listen for a while."""
    f = fleet("", launch=False)
    write(f, worker("web", shell("yes | head -c 2000; exec sleep 1000"),
                    numprocs=400, stdout=f"file:{f.dir}/disk/web"))
    mounted(f, "mount -t tmpfs -o size=64k none")

    def troubled():
        return [n for n, w in f.workers().items() if w["error"]]

    wait_for(lambda: len(troubled()) == 400, 20)
    sup = f.supervisor()
    os.kill(sup, signal.SIGSTOP)
    try:
        more_room(f, "4m")
        wait_for(lambda: "can be written again" in f.log())
        stays(lambda: True, 0.5)
    finally:
        os.kill(sup, signal.SIGCONT)
    wait_for(lambda: not troubled(), 10)


@needs_root
@pytest.mark.parametrize("who", ["writer", "logger"])
def test_usr1_just_before_a_kill(fleet, who):
    """A wish to open files again is not lost with who should have."""
    f = fleet("", launch=False)
    write(f, worker("web", shell("while :; do echo w; sleep 0.01; done"),
                    stdout=f"file:{f.dir}/web"))
    f.start()
    path = f.dir / "web"
    wait_for(lambda: path.exists() and path.stat().st_size > 10)
    path.rename(f.dir / "moved")
    stopped, main = writers(f), logger(f)
    for pid in stopped:
        kill(pid, signal.SIGSTOP)
    f.signal(signal.SIGUSR1)
    # It is with the logger soon.
    stays(lambda: not path.exists(), 0.3)
    for pid in stopped if who == "writer" else [main]:
        kill(pid)
    wait_for(path.exists, 5, "a new file")


def test_a_follower_of_a_worker_that_leaves_ends(fleet):
    f = fleet("", launch=False)
    path = f.dir / "pipe"
    os.mkfifo(path)
    hold = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    web = worker("web", shell("echo one; yes | head -c 100000; echo last; "
                              "exec sleep 1000"), stdout=f"file:{path}")
    write(f, web, worker("other", act("pause")))
    f.start()
    wait_for(lambda: "last" in f.svctl("logs", "-n", "100000", "web").out)
    with f.varlink() as c:
        c.send("Logs", {"names": ["web"], "lines": 1, "follow": True},
               more=True)
        assert c.receive()["continues"]
        write(f, worker("other", act("pause")))
        f.ctl("reload")
        stays(lambda: True, 0.5)
        reader = Reader(path)
        wait_for(lambda: reader.data.endswith(b"last\n"))
        while c.receive().get("continues"):
            pass
    os.close(hold)


def strace(pid, *args):
    return subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(pid), *args],
        stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def failing(pid, call, error, when):
    p = strace(pid, "-e", f"inject={call}:error={error}:when={when}")
    wait_for(lambda: "TracerPid:\t0\n" not in pathlib.Path(
        f"/proc/{pid}/status").read_text())
    try:
        yield
    finally:
        p.terminate()
        p.wait()


@needs_root
def test_memory_is_short_while_output_is_taken(fleet):
    """What could not be taken is taken later, and costs no time until then."""
    f = fleet("", launch=False)
    write(f, worker("web", shell(
        f"until test -e {f.dir}/go; do sleep 0.01; done; echo hello; "
        "exec sleep 1000")))
    f.start()
    wait_for(lambda: logger(f))
    f.running("web")
    pid = wait_for(lambda: logger(f))
    with failing(pid, "splice", "ENOMEM", "1+"):
        (f.dir / "go").write_text("")
        wait_for(lambda: "cannot capture" in f.log())
        used = cpu_seconds(pid)
        stays(lambda: True, 1)
        assert cpu_seconds(pid) - used < 0.2
    wait_for(lambda: " web: hello" in f.log(), 5)


@needs_root
def test_memory_is_short_while_the_table_of_outputs_is_read(fleet):
    """It is read again."""
    f = fleet("", launch=False)
    write(f, worker("web", shell("echo hello; exec sleep 1000")))
    f.start()
    wait_for(lambda: " web: hello" in f.log())
    with failing(logger(f), "pread64", "ENOMEM", "1+"):
        f.ctl("scale", "web", 2)
        wait_for(lambda: "cannot read the table of outputs: Cannot allocate"
                 in f.log())
    wait_for(lambda: " web:1: hello" in f.log())


@needs_root
def test_memory_is_short_while_lines_are_kept(fleet):
    f = fleet("", launch=False)
    write(f, worker("web", shell(
        f"echo up; until test -e {f.dir}/go; do sleep 0.01; done; echo hello; "
        "exec sleep 1000")))
    f.start()
    wait_for(lambda: " web: up" in f.log())
    pid = wait_for(lambda: logger(f))
    with failing(pid, "pread64", "ENOMEM", "1+"):
        (f.dir / "go").write_text("")
        stays(lambda: True, 0.3)
        used = cpu_seconds(pid)
        stays(lambda: True, 1)
        assert cpu_seconds(pid) - used < 0.2
        assert len(f.log()) < 5000
    wait_for(lambda: " web: hello" in f.log(), 5)


def test_who_writes_on_at_the_fleets_end_is_not_listened_to_for_ever(fleet):
    f = fleet("", launch=False)
    write(f, worker("web", shell("for i in 1 2 3 4 5 6 7 8; do setsid yes & "
                                 "done; exec sleep 1000"),
                    kill_mode="process", stdout=f"file:{f.dir}/log.web",
                    log_size="1M", log_keep="1"))
    f.start()
    wait_for(lambda: (f.dir / "log.web").exists())
    began = time.monotonic()
    f.signal(signal.SIGTERM)
    wait_for(lambda: f.proc.poll() is not None, 15, "the end")
    assert "has not finished" not in f.log()
    assert time.monotonic() - began < 10 * SLOW


@pytest.mark.parametrize("limit, rc", [("60000:unlimited", 0), ("60000:60000", 1)])
def test_a_limit_on_the_size_of_files_is_refused(fleet, limit, rc):
    """Positions in rings only ever grow; the soft limit svd raises itself."""
    f = fleet("", launch=False)
    write(f, worker("web", act("pause")))
    done = subprocess.run(["prlimit", f"--fsize={limit}", SVD, "-n", f.ini],
                          capture_output=True, text=True, check=False)
    assert done.returncode == rc
    assert ("must be unlimited" in done.stderr) == bool(rc)


def test_cursors_of_thousands_of_outputs(fleet):
    """Who follows that many asks so after a death of the logger."""
    f = fleet("", launch=False)
    write(f, worker("web", act("write", 1, "here", "pause")))
    f.start()
    wait_for(lambda: "here" in f.svctl("logs", "web").out)
    since = [f"other:{i}/stdout@123456.0123456789abcdef" for i in range(2500)]
    with f.varlink() as c:
        c.send("Logs", {"names": ["web"], "since": since}, more=True)
        assert c.receive()["parameters"]["line"] == "here"
        assert not c.receive().get("continues")


# --- pipes that are small -----------------------------------------------------

HOLD = """
import fcntl, os, time
pipes = []
while not pipes or fcntl.fcntl(pipes[-1][1], fcntl.F_GETPIPE_SZ) > 8192:
    pipes.append(os.pipe())
    try:
        fcntl.fcntl(pipes[-1][1], fcntl.F_SETPIPE_SZ, 1 << 20)
    except PermissionError:
        pass
print("small from now on", flush=True)
input()
"""
PIECES = """
import os, time
for i in range(60):
    line = b"%s %d %s\\n" % (os.environb[b"SVD_WORKER"], i, b"x" * (i * 797 % 9000))
    for at in range(0, len(line), 5000):
        os.write(1, line[at:at + 5000])
        time.sleep(0.002)
"""


@needs_root
def test_lines_are_whole_where_a_user_has_so_many_pipes_that_new_ones_are_small(
        fleet):
    """Of two pages: a line is more than one holds, or than can be seen of it."""
    uid = 60000 + os.getpid() % 5000
    user = {"user": uid, "group": uid, "extra_groups": []}
    f = fleet("", launch=False, **user)
    os.chown(f.dir, uid, uid)
    os.chown(f.ini, uid, uid)
    (f.dir / "pieces").write_text(PIECES)
    names = ("one", "two")
    write(f, *(worker(name, f"/usr/bin/python3 -S {f.dir}/pieces",
                      type="oneshot", autostart="no",
                      stdout=f"file:{f.dir}/both") for name in names))
    with subprocess.Popen(["/usr/bin/python3", "-S", "-c", HOLD], **user,
                          stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as hold:
        assert hold.stdout.readline() == b"small from now on\n"
        f.start()
        f.ctl("start", *names)
        hold.stdin.close()
    want = {name: [f"{name} {i} {'x' * (i * 797 % 9000)}\n" for i in range(60)]
            for name in names}
    size = sum(len("".join(lines)) for lines in want.values())
    wait_for(lambda: (f.dir / "both").stat().st_size >= size)
    lines = (f.dir / "both").read_text().splitlines(keepends=True)
    for name in names:
        assert [x for x in lines if x.startswith(name)] == want[name]

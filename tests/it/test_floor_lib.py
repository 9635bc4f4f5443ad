"""Native floors and the floor runtime, libsvdfloor: what a floor says to svd,
and what comes of a fork. svd is played by the test."""

import contextlib
import errno
import os
import pathlib
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import time

import pytest

from floorkit import FakeSvd, Worker, encode, fields_fd, set_subreaper
from svdtest import (BUILD, IS_ROOT, SANITIZED, SLOW, SVD, alive,
                     children, stat_fields, stays, wait_for)

APP = str(BUILD / "tests" / "libapp.so")
EXAMPLE = str(BUILD / "tests" / "libexample.so")
CLIENT = str(BUILD / "tests" / "floor-client")
WAYS = ("vfork", "double")
NOBODY = 54321  # a user that no system knows
# enum birth_stage
BORN, SESSION, LIMITS, NICE, OOM, STREAMS, USER, DIRECTORY = range(8)

both_ways = pytest.mark.parametrize("way", WAYS)
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root changes users")


def floor(argv, load=None, way=None, env=None, **options):
    env = dict(env or {})
    if load:
        env["APP_LOAD"] = load
    if way == "double":
        env["SVD_FLOOR_WAY"] = "double"
    return FakeSvd(argv, env=env, **options)


def native(*preload, init=None, **options):
    """A floor of svd's own; load: what libapp.so does while it is loaded."""
    return floor([SVD, "-P", "floor", *(["--init", init] if init else []),
                  "--", *(preload or [APP])], **options)


def client(*args, **options):
    """A floor in C, not svd's own, by libsvdfloor.so."""
    return floor([CLIENT, APP, *map(str, args)], **options)


def lines(text, key):
    return re.findall(rf"^{key}=(.*)$", text, re.M)


# --- loading -----------------------------------------------------------------

@both_ways
def test_a_floor_loads_once_and_forks(way):
    with native(way=way, init="good_init") as svd:
        loaded = svd.loaded()
        assert loaded.get("version") == "1"
        assert loaded.get("way") == way
        assert loaded.get("threads") == "1"
        assert loaded.get("modules") == "1"
        assert loaded.all("module") == [APP]
        for status in (0, 3, 255):
            worker = svd.fork()
            assert worker.way == way
            assert worker.run("libapp.so:status", status) == (status, "")
        assert svd.output() == "init was called\n"
        svd.send("RETIRE")
        assert svd.wait() == 0
        assert svd.output() == "init was called\nthe floor's atexit handler\n"


def test_a_floor_of_nothing():
    with native("libc.so.6") as svd:
        assert svd.loaded().all("module") == ["libc.so.6"]
        assert svd.run("libc.so.6:getpid")[0] is not None


FAILURES = [
    ("none.so", "cannot load: none.so: cannot open shared object file: No such"
                " file or directory"),
    ("/nonexistent/x.so", "cannot open '/nonexistent/x.so': No such file or "
                          "directory"),
    ("/", "'/' is not a file"),
    ("/dev/null", "'/dev/null' is not a file"),
    ("DIR/broken.so", "file too short|invalid ELF header"),
    ("DIR/fifo", "'DIR/fifo' is not a file"),
    (SVD, "cannot dynamically load"),
]


@pytest.mark.parametrize("name,what", FAILURES,
                         ids=[name[-9:] for name, _ in FAILURES])
def test_what_cannot_be_loaded_is_named(name, what, tmp_path):
    (tmp_path / "broken.so").write_bytes(b"\177ELFnonsense")
    os.mkfifo(tmp_path / "fifo")
    name = name.replace("DIR", str(tmp_path))
    with native(APP, name) as svd:
        failed = svd.expect("LOADFAIL")
        assert re.search(what.replace("DIR", str(tmp_path)),
                         failed.get("what")), failed
        assert failed.get("module") == name
        assert svd.recv() is None
        assert svd.wait() == 1
        # It is svd who writes it to the log.
        assert svd.output() == "the floor's atexit handler\n"


@pytest.mark.parametrize("init,what", [
    ("bad_init", "init 'bad_init' returned 3"),
    ("no_init", "init 'no_init': nothing that is preloaded has it")])
def test_a_failing_init_is_a_failure(init, what):
    with native(init=init) as svd:
        assert svd.expect("LOADFAIL").get("what") == what
        assert svd.wait() == 1


def test_memory_that_is_only_reserved_is_not_looked_through():
    with native(load="reserve") as svd:
        svd.loaded()


def test_a_preload_that_becomes_a_subreaper_is_refused():
    with native(load="subreaper") as svd:
        assert "subreaper" in svd.expect("LOADFAIL").get("what")
        assert svd.recv() is None
        assert svd.wait() == 1


def test_what_a_preload_forks_is_no_floor():
    """It comes back and goes on loading, which svd must not hear of."""
    for floor, entry in (native(init="good_init", load="fork"),
                         f"{APP}:status"), (client(load="fork"), "status"):
        with floor as svd:
            svd.loaded()
            for _ in range(5):
                assert svd.run(entry, 4) == (4, "")
            svd.send("RETIRE")
            assert svd.wait() == 0
            assert svd.recv() is None
            assert (floor.argv[0] == CLIENT or
                    svd.output().count("forked a child that came back") == 1)
    with native(init="no_init", load="fork") as svd:
        svd.expect("LOADFAIL")
        assert svd.wait() == 1
        assert svd.recv() is None


def test_a_preload_that_closes_all_descriptors_is_told_of():
    with native(load="close-all") as svd:
        assert svd.recv() is None
        assert svd.wait() == 1
        assert "svd cannot be reached: " in svd.output()


@pytest.mark.parametrize("load,status", [("exit", 7),
                                         ("die", -signal.SIGTERM)])
def test_a_preload_that_ends_the_process_is_seen_by_its_end(load, status):
    with native(load=load) as svd:
        assert svd.recv() is None
        assert svd.wait() == status


def test_a_preload_that_hangs_can_be_killed():
    with native(load="hang") as svd:
        wait_for(lambda: (stat_fields(svd.proc.pid) or "?")[0] == "S")
        svd.proc.terminate()
        assert svd.recv() is None
        assert svd.wait() == -signal.SIGTERM


def test_half_a_line_is_printed_once():
    with native(load="half") as svd:
        svd.loaded()
        for _ in range(3):
            assert svd.run("libapp.so:status") == (0, "")
        assert svd.output() == "half a line"


@pytest.mark.parametrize("fd", [None, "", "x", "3x", "1", "-1", "77", "99999"
                                "999999999"])
def test_who_is_not_started_by_svd_is_told(fd):
    env = {k: v for k, v in os.environ.items() if k != "SVD_FLOOR_FD"}
    if fd is not None:
        env["SVD_FLOOR_FD"] = fd
    done = subprocess.run([SVD, "-P", "floor", "--", APP], env=env,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith("svd: a floor is started by svd: ")


def test_a_stream_socket_is_none_of_svds():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            [SVD, "-P", "floor"], pass_fds=[theirs.fileno()],
            env={**os.environ, "SVD_FLOOR_FD": str(theirs.fileno())},
            capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "Protocol wrong type" in done.stderr


def test_an_unknown_option_is_an_error():
    assert subprocess.run([SVD, "-P", "floor", "--fast", "--", APP],
                          capture_output=True).returncode == 2


# --- the fork ----------------------------------------------------------------

@both_ways
def test_many_forks_are_all_ours(way):
    with native(way=way) as svd:
        svd.loaded()
        spares = [svd.fork() for _ in range(300)]
        pids = {w.pid for w in spares}
        assert len(pids) == 300
        wait_for(lambda: pids <= set(children(os.getpid())))
        # It has neither children nor what became of them.
        wait_for(lambda: not children(svd.proc.pid))
        assert all(w.pidfd != -1 for w in spares)
        signal.pidfd_send_signal(spares[0].pidfd, signal.SIGKILL)
        assert spares[0].wait() == -signal.SIGKILL
        for w in spares[1:]:
            w.close()
        for w in spares[1:]:
            assert w.wait() == 0
        assert svd.output() == ""


def test_tokens_come_back_in_order():
    with native() as svd:
        svd.loaded()
        asked = [svd.ask() for _ in range(30)]
        assert [svd.forked().token for _ in asked] == asked


@both_ways
@pytest.mark.parametrize("kind", ["native", "client"])
def test_cpu_thread_and_lists_are_the_workers_own(kind, way):
    """sched_getcpu() reads what the kernel writes to the registered rseq."""
    with (native(way=way) if kind == "native" else client(way=way)) as svd:
        svd.loaded()
        for _ in range(3):
            status, text = svd.run(
                "libapp.so:cpus" if kind == "native" else "cpus")
            assert status == 0
            found = re.findall(r"cpu=(\d+) libc=(\d+) kernel=(\d+)", text)
            assert len(found) == len(os.sched_getaffinity(0))
            assert all(cpu == libc == kernel for cpu, libc, kernel in found)
            assert "robust=set\n" in text
            assert "tid=own\n" in text


@both_ways
def test_fork_handlers_run_once_each(way):
    with native(way=way) as svd:
        svd.loaded()
        counts = []
        for _ in range(3):
            text = svd.run("libapp.so:forks")[1]
            counts.append(tuple(map(int, re.findall(r"=(\d+)", text))))
        # One fork each; the second of a double is made by a copy. Sanitized,
        # the floor's vfork is a fork.
        extra = way == "double" or SANITIZED
        assert counts == [(n + extra, n - 1, 1 + extra)
                          for n in (1, 2, 3)]


@both_ways
def test_hooks_run_once_each(way):
    with client(way=way) as svd:
        svd.loaded()
        for n in (1, 2, 3):
            assert svd.run("counts") == (
                0, f"before={n} parent={n - 1} child=1\n")


def test_a_thread_makes_the_fork_a_double_one():
    with native(load="thread") as svd:
        loaded = svd.loaded()
        assert (loaded.get("threads"), loaded.get("way")) == ("2", "double")
        for status in (1, 2):
            worker = svd.fork()
            assert worker.way == "double"
            assert worker.run("libapp.so:use_libc", status)[0] == status


def test_a_thread_begun_by_a_fork_handler_makes_it_double_for_good():
    with native(load="atfork-thread") as svd:
        assert svd.loaded().get("way") == "vfork"
        for status in (1, 2):
            worker = svd.fork()
            assert worker.way == "double"
            assert worker.run("libapp.so:status", status)[0] == status
        # The one that was made first and not announced has ended.
        wait_for(lambda: not svd.left())


@both_ways
def test_sigchld_ignored_costs_nothing(way):
    with native(way=way, load="ignore") as svd:
        svd.loaded()
        for status in (1, 2):
            assert svd.run("libapp.so:status", status)[0] == status


@both_ways
def test_closed_streams_are_nobodys_line(way):
    with native(way=way, load="close") as svd:
        svd.loaded()
        worker = svd.fork()
        status, text = worker.run("libapp.so:report")
        assert status == 0
        assert [fd.split()[0] for fd in lines(text, "open")][:3] == \
            ["0", "1", "2"]
        assert lines(text, "open")[0] == "0 /dev/null"


def fails_to_fork(svd, what):
    svd.ask()
    failed = svd.expect("FORKFAIL")
    assert failed.get("token") == str(svd.tokens)
    assert failed.get("what") == what


@as_root
@both_ways
def test_a_full_process_table_is_told_and_survived(way):
    """With room for none the intermediate is missing, for one the worker."""
    uid = NOBODY + random.randrange(10000)

    def become():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        resource.setrlimit(resource.RLIMIT_NPROC, (3, 3))
        os.setresuid(uid, uid, uid)

    others = [subprocess.Popen(["sleep", "1000"], preexec_fn=become)
              for _ in range(2)]
    try:
        with native(way=way, preexec_fn=become) as svd:
            svd.loaded()
            for other in others:
                for _ in range(3):
                    fails_to_fork(svd, "cannot fork: "
                                  "Resource temporarily unavailable")
                other.kill()
                other.wait()
            assert svd.run("libapp.so:status", 4)[0] == 4
            wait_for(lambda: not children(svd.proc.pid))
    finally:
        for other in others:
            other.kill()
            other.wait()


@contextlib.contextmanager
def injected(svd, what):
    """Makes a system call of whatever the floor forks fail."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={what}",
         "-p", str(svd.proc.pid)], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: tracer.poll() is not None or "TracerPid:\t0" not in
                 pathlib.Path(f"/proc/{svd.proc.pid}/status").read_text())
        assert tracer.poll() is None, tracer.stderr.read()
        yield
    finally:
        # To detach it would stop the floor, which a vfork may hold.
        tracer.kill()
        tracer.communicate()


def test_what_may_not_fork_at_all_is_told():
    with native() as svd:
        svd.loaded()
        with injected(svd, "vfork,clone:error=EPERM"):
            fails_to_fork(svd, "cannot fork: Operation not permitted")
        works(svd, "double")


def works(svd, way):
    worker = svd.fork()
    assert worker.way == way
    assert worker.run("libapp.so:status", 5)[0] == 5


@both_ways
def test_who_announces_may_be_killed_before(way):
    with native(way=way) as svd:
        svd.loaded()
        with injected(svd, "pidfd_open:signal=KILL"):
            fails_to_fork(svd, "what forks was killed by signal 9")
        # Whom nobody knows of ends without a word.
        wait_for(lambda: not svd.left())
        works(svd, way)


@both_ways
def test_without_a_pidfd_it_is_announced_all_the_same(way):
    with native(way=way) as svd:
        svd.loaded()
        with injected(svd, "pidfd_open:error=EMFILE"):
            worker = svd.fork()
            assert worker.pidfd == -1
            assert worker.run("libapp.so:status", 5)[0] == 5
        works(svd, way)


# Sanitized, the floor's vfork is a fork.
if not SANITIZED:
    @pytest.mark.parametrize("what", [
        "rseq:error=EINVAL", "vfork:error=EPERM", "vfork:error=ENOSYS"])
    def test_where_vfork_will_not_do_it_forks_twice(what):
        with native() as svd:
            svd.loaded()
            with injected(svd, what):
                works(svd, "double")
            works(svd, "double")
            assert "libc=1 kernel=1" in svd.run("libapp.so:cpus")[1] or \
                len(os.sched_getaffinity(0)) == 1


def test_a_full_descriptor_table_is_told_and_survived():
    with native() as svd:
        svd.loaded()
        was = resource.prlimit(svd.proc.pid, resource.RLIMIT_NOFILE, (4, 64))
        fails_to_fork(svd, "cannot fork: Too many open files")
        # One more for each: the pair, then a pidfd.
        resource.prlimit(svd.proc.pid, resource.RLIMIT_NOFILE, (6, 64))
        worker = svd.fork()
        assert worker.pidfd == -1
        resource.prlimit(svd.proc.pid, resource.RLIMIT_NOFILE,
                         (64, min(64, was[1])))
        assert svd.fork().pidfd != -1


def test_nonsense_from_svd_is_skipped():
    with native() as svd:
        svd.loaded()
        svd.send("BLESS", ("token", 1))
        svd.send("FORK")
        svd.send_raw(b"FORK")
        svd.send_raw(b"\0")
        svd.send_raw(b"FORK\0" + b"x" * 5000 + b"\0")
        with open(os.devnull) as null:
            svd.send("FORK", ("token", 4711), fds=[("y", null.fileno())])
        assert svd.forked().token == 4711
        held = f"/proc/{svd.proc.pid}/fd"
        wait_for(lambda: set(os.listdir(held)) == {"0", "1", "2", "3"})


# --- signals at any instant --------------------------------------------------

@both_ways
def test_a_storm_of_handled_signals_harms_no_fork(way):
    with native(way=way, load="signals") as svd:
        svd.loaded()
        storm = subprocess.Popen(
            ["/bin/sh", "-c", f"while kill -USR2 {svd.proc.pid}; do :; done"],
            stderr=subprocess.DEVNULL)
        try:
            for n in range(100):
                assert svd.run("libapp.so:status", n)[0] == n
        finally:
            storm.kill()
            storm.wait()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
@both_ways
def test_a_floor_killed_at_any_instant_leaves_nothing_half_made(way, sig):
    """Whoever was announced can be started; whoever was not is gone."""
    announced = 0
    for _ in range(25):
        with native(way=way) as svd:
            svd.loaded()
            tokens = [svd.ask() for _ in range(5)]
            time.sleep(random.uniform(0, 0.003))
            svd.proc.send_signal(sig)
            made = []
            while (packet := svd.recv()) is not None:
                assert packet.verb == "FORKED", packet
                made.append(Worker(packet))
                svd.workers.append(made[-1])
            assert svd.wait() == -sig
            assert [w.token for w in made] == tokens[:len(made)]
            for w in made:
                assert w.run("libapp.so:status", 9)[0] == 9
            announced += len(made)
            # Leaving looks for orphans: none may be left.
    assert 0 < announced


@both_ways
def test_a_floors_death_costs_no_worker(way):
    with native(way=way) as svd:
        svd.loaded()
        spare = svd.fork()
        worker = svd.fork().start("libapp.so:nap")
        svd.proc.kill()
        assert svd.recv() is None
        assert stays(lambda: alive(worker.pid), 0.2) is None
        assert spare.run("libapp.so:status", 6)[0] == 6


def test_the_end_of_svd_is_the_end_of_floor_and_spares():
    with native() as svd:
        svd.loaded()
        spare, worker = svd.fork(), svd.fork().start("libapp.so:nap")
        svd.close()
        spare.sock.close()
        assert svd.wait() == 0
        assert spare.wait() == 0
        assert alive(worker.pid)
        assert svd.output() == "the floor's atexit handler\n"


# --- the worker --------------------------------------------------------------

@both_ways
def test_a_worker_is_set_up_as_one_that_was_executed(way, tmp_path):
    os.mkdir(tmp_path / "there", 0o755)
    os.chmod(tmp_path, 0o755)
    (tmp_path / "in").write_text("")
    with native(way=way, load="signals", env={"SECRET": "1"}) as svd:
        svd.loaded()
        worker = svd.fork()
        with open(tmp_path / "in") as stdin:
            status, text = worker.run(
                "libapp.so:report", "a b", "", name="web-with-a-long-name:7",
                env={"A": "b=c", "EMPTY": ""}, instance=7, umask="027",
                stdin=stdin, directory=tmp_path / "there")
    assert status == 0
    assert lines(text, "argv") == ["libapp.so:report", "a b", ""]
    assert lines(text, "env") == ["A=b=c", "EMPTY="]
    assert lines(text, "comm") == ["web-with-a-long"]
    assert lines(text, "cwd") == [str(tmp_path / "there")]
    assert lines(text, "umask") == ["027"]
    for key in ("pid", "sid", "pgid"):
        assert lines(text, key) == [str(worker.pid)]
    assert lines(text, "ppid") == [str(os.getpid())]
    assert lines(text, "uid") == [str(os.getuid())]
    assert lines(text, "blocked") == []
    # A sanitizer's own were there when the floor was opened.
    assert lines(text, "undefault") == (["7", "8", "11"] if SANITIZED else [])
    fds = dict(one.split(" ", 1) for one in lines(text, "open"))
    assert fds.pop("0") == str(tmp_path / "in")
    assert fds.pop("1") == fds.pop("2")
    # Its line, and nothing else that is svd's.
    (line,) = fds.values()
    assert line.startswith("socket:")


def test_a_spare_has_nothing_of_its_siblings():
    with native() as svd:
        svd.loaded()
        spares = [svd.fork() for _ in range(5)]
        for spare in spares:
            held = f"/proc/{spare.pid}/fd"
            wait_for(lambda: len(os.listdir(held)) == 4)
            assert os.getsid(spare.pid) == spare.pid
        last = spares.pop()
        # Had one the line of another, this would not end it.
        for spare in spares:
            spare.close()
            assert spare.wait() == 0
        assert last.run("libapp.so:status", 8)[0] == 8


def test_streams_that_are_not_given_are_the_floors():
    with native() as svd:
        svd.loaded()
        worker = svd.fork().start("libapp.so:leave", 1)
        assert worker.wait() == 1
        assert "the worker's atexit handler" in svd.output()


@both_ways
def test_what_the_floor_registered_for_its_exit_does_not_run(way):
    with native(way=way) as svd:
        svd.loaded()
        assert svd.run("libapp.so:leave", 5) == (
            5, "no newline yet; the worker's atexit handler\n")
        assert svd.output() == ""


@as_root
@both_ways
def test_a_worker_of_a_root_floor_becomes_its_user(way):
    with native(way=way) as svd:
        svd.loaded()
        status, text = svd.run("libapp.so:report", more=[
            ("uid", NOBODY), ("gid", NOBODY + 1), ("group", NOBODY + 2),
            ("group", NOBODY + 3)])
        assert status == 0
        assert lines(text, "uid") == [str(NOBODY)]
        assert lines(text, "gid") == [str(NOBODY + 1)]
        assert lines(text, "group") == [str(NOBODY + 2), str(NOBODY + 3)]
        assert lines(text, "dumpable") == ["1"]
        assert lines(svd.run("libapp.so:report")[1], "uid") == ["0"]


def refused(worker, stage, error):
    failed = worker.expect("STARTFAIL")
    assert (int(failed.get("stage")), int(failed.get("errno"))) == (
        stage, error), failed
    assert worker.wait() == 126
    assert worker.recv() is None


def test_a_directory_that_is_not_there_is_told():
    with native() as svd:
        svd.loaded()
        worker = svd.fork()
        worker.start_only("libapp.so:status", directory="/nonexistent/x")
        refused(worker, DIRECTORY, errno.ENOENT)
        assert svd.run("libapp.so:status", 2)[0] == 2


@as_root
def test_who_may_not_change_users_says_so():
    def become():
        os.setresuid(NOBODY, NOBODY, NOBODY)

    with native(preexec_fn=become) as svd:
        svd.loaded()
        worker = svd.fork()
        worker.start_only("libapp.so:status", more=[("uid", 0), ("gid", 0)])
        refused(worker, USER, errno.EPERM)


@pytest.mark.parametrize("more", [
    [("uid", "root"), ("gid", 0)], [("uid", 1)], [("uid", ""), ("gid", 1)],
    [("uid", 2**32 - 1), ("gid", 1)], [("uid", 2**64), ("gid", 1)],
    [("uid", 1), ("gid", "1x")], [("uid", 1), ("gid", 1), ("group", "-1")],
    [("uid", 1), ("gid", 1), *[("group", 1)] * 1025]],
    ids=lambda more: "-".join(str(v) for _, v in more[:3]))
def test_a_user_that_is_none_is_never_root(more):
    with native() as svd:
        svd.loaded()
        worker = svd.fork()
        worker.start_only("libapp.so:status", more=more)
        refused(worker, USER, errno.EBADMSG)


@pytest.mark.parametrize("fields", [
    None, b"", b"entry=x", b"entry=x\0", b"name=x\0", b"\0" * 100,
    b"entry=x\0name=y\0torn"], ids=repr)
def test_a_start_that_cannot_be_understood_is_refused(fields):
    with native() as svd:
        svd.loaded()
        worker = svd.fork()
        if fields is None:
            worker.send("START")
        else:
            fd = os.memfd_create("fields")
            os.write(fd, fields)
            worker.send("START", fds=[("fields", fd)])
            os.close(fd)
        refused(worker, BORN, errno.EBADMSG)


def test_what_is_no_file_is_no_start():
    with native() as svd:
        svd.loaded()
        worker = svd.fork()
        worker.send("START", fds=[("fields", worker.sock.fileno())])
        refused(worker, BORN, errno.EBADMSG)


def test_a_spare_skips_what_it_does_not_know():
    with native() as svd:
        svd.loaded()
        worker = svd.fork()
        worker.send("HELLO", ("x", 1))
        worker.send_raw(b"START")
        worker.send_raw(encode(["START", "x" * 3000]))
        fd = fields_fd(["entry=libapp.so:status"])
        worker.send("BEGIN", fds=[("fields", fd)])
        os.close(fd)
        assert worker.run("libapp.so:status", 3)[0] == 3


def test_many_arguments_and_variables_arrive():
    with native() as svd:
        svd.loaded()
        env = {f"K{n}": "v" * 100 for n in range(5000)}
        status, text = svd.run("libapp.so:report", *["word"] * 5000, env=env)
        assert status == 0
        assert lines(text, "argv")[1:] == ["word"] * 5000
        assert lines(text, "env") == [f"{k}={v}" for k, v in env.items()]


@pytest.mark.parametrize("entry,what", [
    ("libapp.so:nothing", "undefined symbol: nothing"),
    ("none.so:run", "cannot load: none.so: cannot open shared object file"),
    ("status", "it is not LIBRARY:SYMBOL"),
    (":status", "it is not LIBRARY:SYMBOL"),
    ("libapp.so:", "it is not LIBRARY:SYMBOL")])
def test_an_entry_that_is_not_there_is_told(entry, what):
    with native() as svd:
        svd.loaded()
        worker = svd.fork()
        status, text = worker.run(entry)
        assert status == 127
        told = worker.expect("EXCEPTION")
        assert told.get("what").startswith(f"entry '{entry}': ")
        assert what in told.get("what")
        assert told.get("what") in text


@both_ways
def test_an_exception_is_cut_in_the_middle(way):
    with native(way=way) as svd:
        svd.loaded()
        worker = svd.fork()
        assert worker.run("libapp.so:complain")[0] == 1
        told = worker.expect("EXCEPTION")
        assert told.get("what") == "told\tso"
        text = told.get("traceback")
        assert text.startswith("first") and text.endswith("last!")
        assert 30000 < len(text) <= 32 * 1024
        assert "\n[...]\n" in text


def test_an_exception_that_nobody_reads_does_not_block():
    with native() as svd:
        svd.loaded()
        assert svd.run("libapp.so:flood")[0] == 1


# --- the example ---

def test_the_example_works(tmp_path):
    """contrib/examples/worker.c: ready, a status each turn, ends by TERM."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, \
            native(EXAMPLE, init="build_table") as svd, \
            open(tmp_path / "out", "w+") as out:
        notify.bind(path)
        notify.settimeout(10 * SLOW)
        svd.loaded()
        worker = svd.fork().start(
            "libexample.so:answer", 1, stdout=out, env={
                "NOTIFY_SOCKET": path, "SVD_WORKER": "answer:2",
                "WATCHDOG_USEC": "20000"})
        assert notify.recv(100) == b"READY=1"
        assert notify.recv(100) == b"STATUS=1103527590 is not prime" \
            .replace(b"1103527590", b"%d" % (1103527590 % (4 << 20)))
        assert notify.recv(100) == b"WATCHDOG=1"
        assert notify.recv(100).startswith(b"STATUS=")
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait() == 0
        out.seek(0)
        text = out.read().splitlines()
        assert re.fullmatch(r"answer:2: \d+ is (not )?prime", text[0])
        assert text[-1] == "asked to end"


# --- what workers load, data -------------------------------------------------

def late_lines(fd):
    data = os.pread(fd, 64 * 1024, 0)
    (used,) = struct.unpack("<Q", data[:8])
    return data[8:8 + used].decode().splitlines(), used


def test_what_a_worker_loads_by_itself_is_noted(tmp_path):
    with native("libc.so.6", env={"LD_LIBRARY_PATH": str(BUILD / "tests")}) \
            as svd:
        late = svd.loaded().fds["late"]
        assert late_lines(late) == ([], 0)
        made = []
        for _ in range(2):
            made.append(svd.fork())
            assert made[-1].run("libapp.so:status", 3)[0] == 3
        assert late_lines(late)[0] == [
            f"{w.pid} libapp.so:status" for w in made]
        for size in (0, 1 << 20):
            with pytest.raises(PermissionError):
                os.ftruncate(late, size)
        os.close(late)


def test_the_list_of_late_modules_may_be_full():
    with client() as svd:
        late = svd.loaded().fds["late"]
        svd.run("counts")
        (first,), used = late_lines(late)
        assert first.endswith(" client.late")
        os.pwrite(late, struct.pack("<Q", 64 * 1024 - 8 - 3), 0)
        assert svd.run("counts")[0] == 0
        os.pwrite(late, struct.pack("<Q", 2**64 - 5), 0)
        assert svd.run("counts")[0] == 0
        assert os.pread(late, used, 8).decode() == f"{first}\n"
        os.close(late)


def test_more_modules_than_fit_are_counted():
    with client(20000) as svd:
        loaded = svd.loaded()
        assert loaded.get("modules") == "20000"
        names = loaded.all("module")
        assert 1000 < len(names) < 20000
        assert names[:2] == ["module.number.0", "module.number.1"]
        assert svd.run("status", 3)[0] == 3


def test_a_failure_of_a_floor_of_ones_own_has_a_traceback():
    with floor([CLIENT, "/nonexistent"]) as svd:
        failed = svd.expect("LOADFAIL")
        assert "/nonexistent" in failed.get("what")
        assert failed.get("module") == "/nonexistent"
        assert failed.get("traceback") == "line 1\nline 2"


@both_ways
def test_preloaded_data_is_there(way, tmp_path):
    data, empty = tmp_path / "data", tmp_path / "empty"
    data.write_text("x" * 100000)
    empty.write_text("")
    with native(APP, data, empty, way=way) as svd:
        assert svd.loaded().all("module") == [APP, str(data), str(empty)]
        data.unlink()
        assert svd.run("libapp.so:read_data", data) == (
            0, "100000:" + "x" * 100000)
        assert svd.run("libapp.so:read_data", empty) == (0, "0:")
        # Others are mapped by the worker.
        other = tmp_path / "other"
        other.write_text("other")
        assert svd.run("libapp.so:read_data", other) == (0, "5:other")
        for name in (data.parent, tmp_path / "none"):
            assert svd.run("libapp.so:read_data", name)[0] == 1
        maps = pathlib.Path(f"/proc/{svd.proc.pid}/maps").read_text()
        assert f"{data} (deleted)" in maps

"""Where the output of workers goes: each kind of stream, each place of svd's
own log. That nothing is lost or doubled is for test_output.py."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from svdtest import (IS_ROOT, SLOW, VarlinkError, act, alive, command_line,
                     children, wait_for)

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def logger_of(f):
    """The logger's pid, without asking anybody."""
    for pid in children(f.keeper):
        if alive(pid) and any(word.startswith(b"logger=")
                              for word in command_line(pid)):
            return pid
    return 0


def log_lines(f, name):
    """What svd's log has of one worker, without time and name."""
    found = re.findall(rf"^{STAMP} ({name}(?: stderr)?): (.*)$", f.log(),
                       re.MULTILINE)
    return [text if who == name else f"! {text}" for who, text in found]


def wait_log(f, name, *wanted):
    wait_for(lambda: log_lines(f, name) == list(wanted),
             what=f"{wanted} of {name} in:\n{f.log()}")


# --- kinds of streams ---------------------------------------------------------

def test_by_default_lines_go_to_the_log_with_a_name(fleet):
    f = fleet(f"""
[worker:web]
numprocs = 2
command = {act('write', 1, 'out %n', 'write', 2, 'err %n', 'pause')}
[worker:one]
command = {act('write', 1, 'alone', 'pause')}
""")
    for n in 0, 1:
        wait_log(f, f"web:{n}", f"out {n}", f"err {n}")
    wait_log(f, "one", "alone")


def test_a_standard_error_apart_says_so(fleet):
    f = fleet(f"[worker:w]\nstderr = log\n"
              f"command = {act('write', 1, 'o', 'write', 2, 'e', 'pause')}\n")
    wait_for(lambda: sorted(log_lines(f, "w")) == ["! e", "o"])


def test_inherit_and_null(fleet):
    f = fleet(f"""
[worker:i]
command = {act('write', 1, 'out of i', 'write', 2, 'err of i', 'pause')}
stdout = inherit
[worker:n]
command = {act('write', 1, 'out of n', 'write', 2, 'err of n', 'pause')}
stdout = null
stderr = inherit
""")
    wait_for(lambda: {"out of i", "err of i", "err of n"} <=
             set(f.log().splitlines()))
    assert "out of n" not in f.log()
    # Nothing is captured: there is no logger.
    assert f.status()["logger_pid"] == 0 and not logger_of(f)
    assert not (f.run / "out").exists()


def test_a_file_has_every_byte_and_nothing_else(fleet):
    f = fleet("", launch=False)
    f.path("file").write_text("before\n")
    f.ini.write_text(
        f"[worker:w]\nstdout = file:{f.path('file')}\ncommand = "
        f"{act('write', 1, 'a%%', 'write', 2, 'b', 'pause')}\n")
    f.start()
    wait_for(lambda: f.lines("file") == ["before", "a%", "b"])
    f.ctl("restart", "w")
    wait_for(lambda: f.lines("file") == ["before", *2 * ["a%", "b"]])


def test_two_workers_may_share_a_file(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(
        f"[worker:w]\nnumprocs = 3\nstdout = file:{f.path('file')}\n"
        f"command = {act('write', 1, 'of %n', 'pause')}\n")
    f.start()
    wait_for(lambda: sorted(f.lines("file")) == ["of 0", "of 1", "of 2"])


def test_a_stop_command_writes_where_its_worker_does(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('write', 1, 'up', 'pause')}\n"
              f"stop_command = {act('write', 1, 'down')}\nstop_timeout = 1\n")
    wait_log(f, "w", "up")
    f.ctl("stop", "w")
    wait_log(f, "w", "up", "down")


def test_what_a_worker_says_as_it_dies_is_kept(fleet):
    f = fleet(f"[worker:w]\nrestart = no\ncommand = "
              f"{act('write', 2, 'last words', 'die', 9)}\n")
    f.wait("w", state="FAILED")
    wait_log(f, "w", "last words")


@needs_root
def test_another_user_can_open_its_streams_by_name(fleet):
    f = fleet(f"""
[worker:w]
user = nobody
stderr = log
command = {act('append', '/dev/stdout', 'out', 'append', '/dev/stderr', 'err',
               'append', '/proc/self/fd/1', 'again', 'pause')}
""")
    wait_for(lambda: sorted(log_lines(f, "w")) == ["! err", "again", "out"])
    for name in "w:0", "w:0.err":
        st = (f.run / "out" / name).stat()
        assert stat.S_ISFIFO(st.st_mode)
        assert stat.S_IMODE(st.st_mode) == 0o600
        assert st.st_uid == 65534
    assert stat.S_IMODE((f.run / "out").stat().st_mode) == 0o700


def test_a_worker_blocks_nobody_by_its_flags(fleet):
    """What it does to its description is not the logger's."""
    f = fleet("", launch=False)
    script = f.path("script")
    script.write_text("#!/usr/bin/python3\nimport os\nos.set_blocking(1, True)\n"
                      "os.set_blocking(2, False)\nprint('said', flush=True)\n"
                      "import time; time.sleep(100)\n")
    script.chmod(0o755)
    f.ini.write_text(f"[worker:w]\ncommand = {script}\n"
                     f"[worker:v]\ncommand = {act('write', 1, 'x', 'pause')}\n")
    f.start()
    wait_log(f, "w", "said")
    wait_log(f, "v", "x")


def test_fifos_go_with_the_fleet(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n")
    assert (f.run / "out" / "w:0").is_fifo()
    f.stop()
    assert not (f.run / "out").exists()


def test_what_a_killed_svd_left_is_replaced(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('write', 1, 'said', 'pause')}\n",
              launch=False)
    (f.run / "out").mkdir(parents=True)
    (f.run / "out" / "w:0").write_text("no fifo\n")
    os.mkfifo(f.run / "out" / "old:0")
    f.start()
    wait_log(f, "w", "said")
    assert not (f.run / "out" / "old:0").exists()


def test_a_fifo_that_cannot_be_made_is_a_reason(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n", launch=False)
    (f.run / "out" / "w:0").mkdir(parents=True)
    f.start()
    f.wait("w", state="BACKOFF",
           error=lambda e: e and e.startswith("streams: cannot make "))
    assert "Is a directory" in f.worker("w")["error"]
    (f.run / "out" / "w:0").rmdir()
    f.wait("w", state="RUNNING")


def test_the_runtime_directory_may_vanish(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('write', 1, 'said', 'pause')}\n"
              "backoff_delay = 10ms\n")
    f.wait("w", state="RUNNING")
    away = f.dir / "away"
    f.run.rename(away)
    try:
        pid = f_worker_pid(f, away)
        for lives in 1, 2:
            wait_log(f, "w", *lives * ["said"])
            os.kill(pid, signal.SIGKILL)
            pid = wait_for(lambda: f_worker_pid(f, away) not in (0, pid) and
                           f_worker_pid(f, away))
        wait_log(f, "w", *3 * ["said"])
    finally:
        away.rename(f.run)


def test_the_runtime_directory_may_be_removed(fleet):
    """FIFOs then have no names, and the logger goes on all the same."""
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\nbackoff_delay = 10ms\ncommand = "
                     f"{act('note', f.path('n'), 'write', 1, 'said', 'pause')}"
                     "\n")
    f.start()
    wait_log(f, "w", "said")
    shutil.rmtree(f.run)
    for births in 2, 3, 4:
        os.kill(int(f.lines("n")[-1].split()[2]), signal.SIGKILL)
        f.wait_lines("n", births)
        wait_log(f, "w", *births * ["said"])
    assert "error" not in f.log(), f.log()


def f_worker_pid(f, run):
    """Of the only worker that runs; 0: it does not."""
    done = subprocess.run(
        [os.environ.get("SVCTL_BIN", str(pathlib.Path(
            os.environ.get("SVD_BUILD", "build")) / "svctl")),
         "-s", str(run / "control.sock"), "-j", "status"],
        capture_output=True, text=True, timeout=20 * SLOW)
    worker = json.loads(done.stdout)["workers"][0]
    return worker["pid"] if worker["state"] == "RUNNING" else 0


def test_descriptors_of_the_logger_do_not_reach_workers(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\nstderr = log\ncommand = "
                     f"{act('report', f.path('r'), 'pause')}\n")
    f.start()
    assert f.report("r")["fds"] == "0 1 2"


# --- the supervisor's and the logger's deaths ----------------------------------

def test_a_successor_goes_on_with_the_same_fifo(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('write', 1, 'said', 'pause')}\n")
    wait_log(f, "w", "said")
    inode = (f.run / "out" / "w:0").stat().st_ino
    f.kill_supervisor()
    f.ctl("restart", "w")
    wait_log(f, "w", "said", "said")
    assert (f.run / "out" / "w:0").stat().st_ino == inode


def test_the_loggers_pid_is_shown(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n")
    old = wait_for(lambda: f.status()["logger_pid"])
    assert old == logger_of(f)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: f.status()["logger_pid"] not in (0, old))
    assert f.status()["logger_pid"] == logger_of(f)
    new = f.status()["logger_pid"]
    f.kill_supervisor()
    wait_for(lambda: f.status()["logger_pid"] == new)


def test_usr1_opens_files_anew(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(
        f"[worker:w]\nstdout = file:{f.path('file')}\n"
        f"command = {act('write', 1, 'said', 'pause')}\n")
    f.start()
    wait_for(lambda: f.lines("file") == ["said"])
    f.path("file").rename(f.path("file.old"))
    f.ctl("restart", "w")
    wait_for(lambda: f.lines("file.old") == ["said", "said"])
    f.signal(signal.SIGUSR1)
    wait_for(lambda: f.path("file").exists())
    f.ctl("restart", "w")
    wait_for(lambda: f.lines("file") == ["said"])
    assert f.lines("file.old") == ["said", "said"]


def test_a_file_that_cannot_be_opened_is_an_error_that_goes(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(
        f"[worker:w]\nstdout = file:{f.path('none')}/file\n"
        f"command = {act('write', 1, 'said', 'pause')}\n"
        f"[worker:v]\ncommand = {act('pause')}\n")
    f.start()
    w = f.wait("w", error=lambda e: e and "No such file" in e)
    assert w["state"] == "RUNNING" and str(f.path("none")) in w["error"]
    assert "No such file" in f.why("w")["error"]
    # Another supervisor is told again.
    f.kill_supervisor()
    f.wait("w", error=lambda e: e and "No such file" in e)
    assert f.worker("v")["error"] is None
    f.path("none").mkdir()
    f.wait("w", error=None)
    assert f.lines("none/file") == ["said"]
    warnings = [line for line in f.log().splitlines()
                if re.search(r"supervisor: warning: w: stdout: ", line)]
    assert len(warnings) == 2  # one a supervisor


# --- svd's own log --------------------------------------------------------------

def own_log(fleet, form):
    f = fleet("", launch=False)
    f.ini.write_text(
        f"[fleet]\nname = test\nlog = file:{f.path('own')}\n"
        f"log_format = {form}\n[worker:w]\nstderr = log\ncommand = "
        f"{act('write', 1, 'quo' + chr(34) + 'te', 'write', 2, 'err', 'pause')}"
        "\n")
    f.start()
    for n in 1, 2:
        wait_for(lambda: f.path("own").exists() and
                 len(re.findall("quo.*te", f.path("own").read_text())) == n)
        wait_for(lambda: len(re.findall(
            r"\berr\b", f.path("own").read_text())) >= n)
        if n == 1:
            f.kill_supervisor()
            f.ctl("restart", "w")
    assert f.stop() == 0
    assert f.log() == "", f.log()
    return f.lines("own")


def test_a_log_file_has_all_of_it(fleet):
    lines = own_log(fleet, "text")
    shape = re.compile(rf"{STAMP} (svd\[\d+\] (keeper|supervisor|logger)|w|"
                       r"w stderr): .*")
    for line in lines:
        assert shape.fullmatch(line), line
    text = "\n".join(lines)
    assert text.count('w: quo"te') == 2 and text.count("w stderr: err") == 2
    assert "keeper: error: supervisor" in text
    assert "keeper: stopping on signal 15" in text


def test_a_log_file_in_json_parses_line_by_line(fleet):
    seen = [json.loads(line) for line in own_log(fleet, "json")]
    own = [one for one in seen if "role" in one]
    theirs = [one for one in seen if "worker" in one]
    assert len(own) + len(theirs) == len(seen)
    for one in own:
        assert list(one) == ["time", "level", "role", "pid", "message"]
    for one in theirs:
        assert list(one) == ["time", "worker", "stream", "message"]
    assert sorted((o["worker"], o["stream"], o["message"])
                  for o in theirs) == sorted(
        2 * [("w", "stdout", 'quo"te'), ("w", "stderr", "err")])
    assert {"keeper", "supervisor"} <= {one["role"] for one in own}


def test_a_log_file_in_logfmt(fleet):
    shape = re.compile(
        rf'time={STAMP} (level=\w+ role=\w+ pid=\d+|worker=w stream=\w+) '
        r'message="(\\.|[^"\\])*"')
    lines = own_log(fleet, "logfmt")
    for line in lines:
        assert shape.fullmatch(line), line
    assert sum('worker=w stream=stdout message="quo\\"te"' in line
               for line in lines) == 2


def test_a_log_file_alone_needs_a_logger_too(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[fleet]\nname = test\nlog = file:{f.path('own')}\n"
                     f"[worker:w]\nstdout = null\ncommand = {act('pause')}\n")
    f.start()
    wait_for(lambda: any("STARTING -> RUNNING" in line
                         for line in f.lines("own")))
    f.path("own").rename(f.path("own.old"))
    f.signal(signal.SIGUSR1)
    wait_for(lambda: f.path("own").exists())
    f.ctl("restart", "w")
    wait_for(lambda: any("STARTING -> RUNNING" in line
                         for line in f.lines("own")))


# --- syslog and the journal ------------------------------------------------------

@contextlib.contextmanager
def listening(f, place):
    """A datagram socket, and the words that run svd in a mount namespace where
    it is at this place, in /dev or in /run."""
    root = f.dir / "root"
    root.mkdir()
    script = ["set -e", f"mount -t tmpfs none {root}", f"cd {root}"]
    if place.startswith("/dev/"):
        script += ["for n in null zero full random urandom tty; do",
                   "touch $n; mount --bind /dev/$n $n; done",
                   "ln -s /proc/self/fd fd; ln -s fd/1 stdout",
                   "ln -s fd/2 stderr"]
        top = "/dev"
    else:
        top = "/run"
    inner = root / pathlib.PurePath(place).relative_to(top)
    path = f.dir / "socket"
    script += [f"mkdir -p {inner.parent}", f"touch {inner}",
               f"mount --bind {path} {inner}", f"cd /",
               f"mount --rbind {root} {top}", 'exec "$@"']
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(10 * SLOW)
        f.before = ["unshare", "-m", "sh", "-c", "\n".join(script), "sh"]
        yield sock


TALKS = f"command = {act('write', 1, 'one  two', 'write', 2, 'err', 'pause')}\n"


@needs_root
def test_syslog(fleet):
    f = fleet(f"[worker:w]\nnumprocs = 2\nstdout = syslog\nstderr = syslog\n"
              + TALKS, launch=False)
    with listening(f, "/dev/log") as sock:
        f.start()
        seen = {sock.recv(4096).rstrip(b"\0\n").decode() for _ in range(4)}
    bodies = set()
    for message in seen:
        found = re.fullmatch(
            r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
            r"(w\[\d\]): (.*)", message)
        assert found, message
        # Facility daemon; info, of a standard error apart warning.
        assert int(found[1]) == 3 << 3 | (4 if found[3] == "err" else 6)
        bodies.add((found[2], found[3]))
    assert bodies == {(f"w[{n}]", text) for n in (0, 1)
                      for text in ("one  two", "err")}


def journal_fields(data):
    """systemd's native protocol: KEY=VALUE, or KEY, a length and a value."""
    fields = {}
    while data:
        key, _, data = data.partition(b"\n")
        if b"=" in key:
            key, _, value = key.partition(b"=")
        else:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8:8 + size], data[9 + size:]
        fields[key.decode()] = value.decode()
    return fields


@needs_root
def test_the_journal(fleet):
    f = fleet(f"[worker:w]\nstdout = journal\n" + TALKS, launch=False)
    with listening(f, "/run/systemd/journal/socket") as sock:
        f.start()
        seen = [journal_fields(sock.recv(4096)) for _ in range(2)]
    assert [one["MESSAGE"] for one in seen] == ["one  two", "err"]
    for one in seen:
        assert one["SVD_WORKER"] == "w" and one["SYSLOG_IDENTIFIER"] == "w"
        assert one["SVD_FLEET"] == "test" and one["SVD_STREAM"] == "stdout"
        assert one["PRIORITY"] == "6" and one["SYSLOG_FACILITY"] == "3"


# --- Logs, as far as the supervisor answers it -----------------------------------

def logs(client, **parameters):
    client.send("Logs", parameters, more=True)
    return client.receive()


def test_logs_are_refused_where_there_are_none(fleet):
    f = fleet(f"""
[worker:i]
command = {act('pause')}
stdout = inherit
[worker:n]
command = {act('pause')}
stdout = null
[worker:l]
command = {act('pause')}
""")
    with f.varlink() as client:
        for parameters, error, text in [
                ({"names": ["x"]}, "NoSuchWorker", "x"),
                ({"names": ["l", "i"]}, "Failed", "stdout is inherit"),
                ({"names": ["n"]}, "Failed", "stdout is null")]:
            reply = logs(client, **parameters)
            assert reply["error"] == f"org.svd.Fleet.{error}", reply
            assert text in json.dumps(reply)
        for bad in ({"names": []}, {"names": ["l"], "lines": -1},
                    {"names": ["l"], "lines": "x"},
                    {"names": ["l"], "since": ["x"]},
                    {"names": ["l"], "since": ["l:0/stdout@x y"]},
                    {"names": "l"}, {"names": ["l"], "what": 1}):
            reply = logs(client, **bad)
            assert reply["error"] == \
                "org.varlink.service.InvalidParameter", (bad, reply)
        with pytest.raises(VarlinkError) as error:
            client.call("Logs", {"names": ["l"]})
        assert error.value.name == "org.varlink.service.ExpectedMore"
        # A name for each byte that a message to the logger has.
        reply = logs(client, names=["l"] * 40000)
        assert reply["error"] == "org.svd.Fleet.Failed"
        assert "too many" in reply["parameters"]["reason"]
        assert client.call("Ping") == {}
    assert f.svctl("logs", "x").rc == 5
    assert f.svctl("logs", "i").rc == 1
    assert f.svctl("logs").rc == 2


# --- a fleet file that changes ---------------------------------------------------

def test_streams_follow_the_fleet_file(fleet):
    """From the log to a file, to nowhere and back; each line goes where the
    file said when its process was born."""
    f = fleet("", launch=False)

    def write(keys):
        f.ini.write_text(f"[fleet]\nname = test\n[worker:w]\n"
                         f"command = {act('write', 1, 'said', 'pause')}\n"
                         f"{keys}")

    write("")
    f.start()
    wait_log(f, "w", "said")
    write(f"stdout = file:{f.path('file')}\n")
    f.ctl("reload")
    wait_for(lambda: f.lines("file") == ["said"])
    write("stdout = null\n")
    f.ctl("reload")
    f.wait("w", state="RUNNING")
    wait_for(lambda: not (f.run / "out" / "w:0").exists())
    assert f.svctl("logs", "w").rc == 1
    write("")
    f.ctl("reload")
    wait_log(f, "w", "said", "said")
    assert f.ctl("logs", "-n", "1", "w").out == "said\n"
    assert f.lines("file") == ["said"]


def test_a_worker_that_comes_back_at_once_is_heard(fleet):
    """Taken out of the file and put in again, faster than its FIFO can go."""
    f = fleet("", launch=False)
    other = f"[fleet]\nname = test\n[worker:v]\ncommand = {act('pause')}\n"
    both = other + f"[worker:w]\ncommand = {act('write', 1, 'said', 'pause')}\n"
    f.ini.write_text(both)
    f.start()
    for times in range(1, 6):
        wait_log(f, "w", *times * ["said"])
        f.ini.write_text(other)
        f.ctl("reload")
        f.ini.write_text(both)
        f.ctl("reload")
    wait_log(f, "w", *6 * ["said"])
    f.kill_supervisor()
    os.kill(logger_of(f), signal.SIGKILL)
    f.ctl("restart", "w")
    wait_log(f, "w", *7 * ["said"])

"""svctl attach, `stdin = pipe` and `tty = yes`."""

import contextlib
import os
import pathlib
import random
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest

from attach import attach_words, pipes, terminal
from svdtest import IS_ROOT, SLOW, alive, children, stat_fields, wait_for

CAT = "[worker:cat]\ncommand = /bin/cat\nstdin = pipe\n"
SHELL = ("[worker:sh]\ncommand = /bin/bash --norc --noprofile --noediting -i\ntty = yes\n"
         "stop_signal = HUP\nenvironment = 'PS1=$$ '\n")
# Byte for byte, both ways; says so first.
RAW = ("[worker:raw]\ncommand = /bin/sh -c "
       "\"stty raw -echo; echo ready; exec cat\"\ntty = yes\n"
       "stop_signal = KILL\n")
FLOOR_CODE = """
import os, sys
def cat():
    print('tty', os.isatty(0), os.getpgrp() == os.tcgetpgrp(0)
          if os.isatty(0) else '-', flush=True)
    for line in sys.stdin:
        print('got', line, end='', flush=True)
"""


def big(fleet, name):
    """One of these, which says when it is ready. Whoever is attached sees what
    is kept: all of it, in a file."""
    f = fleet("", launch=False)
    f.ini.write_text("[fleet]\nname = test\n" + {"cat": CAT, "raw": RAW}[name] +
                     f"stdout = file:{f.path('out')}\n")
    f.start()
    f.running(name)
    if name == "raw":
        wait_for(lambda: f.lines("out") == ["ready"])
    return f


def logger_pid(fleet):
    return fleet.status()["logger_pid"]


def read_until(proc, end):
    """What an attached svctl prints, up to end."""
    text = b""
    while not text.endswith(end):
        byte = proc.stdout.read(1)
        assert byte, text
        text += byte
    return text


def comm(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def said(fleet, line):
    """How often a worker w has."""
    out = fleet.ctl("logs", "-n", "1000", "w").out
    return [text for text in out.split("\n") if text.endswith(line)]


def first_line(proc):
    return read_until(proc, b"\n")


def pump(proc, data, done):
    """Sends data, and reads as much, in a thread of its own each; the reading
    one calls done(bytes so far). What was read."""
    got = bytearray()

    def send():
        proc.stdin.write(data)
        proc.stdin.close()

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    while len(got) < len(data):
        piece = os.read(proc.stdout.fileno(), 1 << 16)
        assert piece, f"ended after {len(got)} bytes: {proc.stderr.read()}"
        got += piece
        done(len(got))
    sender.join()
    return bytes(got)


def kill_on_the_way(victim, data, times):
    """For pump(): kills the victim so many times on the way, and goes on once
    there is another."""
    step, killed = len(data) // (times + 1), []

    def done(count):
        if count // step <= len(killed) or len(killed) == times:
            return
        killed.append(wait_for(victim))
        os.kill(killed[-1], signal.SIGKILL)
        wait_for(lambda: victim() not in (0, killed[-1]))

    return done, killed


def window(fleet, name):
    """Rows and columns of a worker's terminal."""
    fd = os.open(f"/proc/{fleet.worker(name)['pid']}/fd/0",
                 os.O_RDONLY | os.O_NOCTTY)
    try:
        return tuple(os.get_terminal_size(fd))[::-1]
    finally:
        os.close(fd)


def test_a_shell_on_a_terminal(fleet):
    f = fleet(SHELL)
    with terminal(f, "sh", rows=31, columns=97) as t:
        t.expect("ctrl-] detaches")
        # A prompt has no end of a line.
        t.expect("$ ")
        assert t.is_raw()
        t.type("stty size; tty; echo $TERM-$((6 * 7))\n")
        t.expect("31 97")
        t.expect("/dev/pts/")
        t.expect("-42")
        # No message about job control: the terminal is its session's.
        assert "job control" not in f.log()
        t.resize(50, 100)
        wait_for(lambda: window(f, "sh") == (50, 100))
        t.type("stty size\n")
        t.expect("50 100")
        t.expect("$ ")
        # Keys are the foreground group's.
        shell = f.worker("sh")["pid"]
        t.type("cat\n")
        t.expect("cat\r\n")
        t.type("heard\n")
        t.expect("heard")
        t.expect("heard")
        t.type(b"\x1a")
        t.expect("Stopped")
        t.expect("$ ")
        t.type("fg\n")
        t.expect("fg\r\ncat")
        # It says so before it has given cat the terminal.
        t.type("again\n")
        t.expect("again")
        t.expect("again")
        t.type(b"\x03")
        t.expect("^C")
        wait_for(lambda: not children(shell))
        assert f.worker("sh")["pid"] == shell
        assert t.detach() == 0
        assert t.modes() == t.before
    # It has gone on, and so has its terminal; its lines were captured.
    with terminal(f, "sh") as t:
        t.expect("$ ")
        t.type("read -s -p pass''word: x; echo got-$x\n")
        t.expect("password:")
        t.type("hush\n")
        assert b"hush" not in t.expect("got-hush")
        assert t.detach() == 0
    assert f.worker("sh")["pid"] == shell
    lines = f.ctl("logs", "-n", "100", "sh").out.split("\n")
    assert "31 97" in lines and "password:got-hush" in lines
    assert "sh: 31 97\n" in f.log()


def test_a_program_that_takes_the_whole_screen(fleet):
    f = fleet("[worker:less]\ncommand = /bin/sh -c \"seq 100 | exec less\"\n"
              "tty = yes\nenvironment = TERM=vt100\n")
    # It is at its prompt: what it does of a change of size before is less's.
    pid = f.running()["less"]
    wait_for(lambda: "less: 23\n" in f.log() and stat_fields(pid)[0] == "S")
    with terminal(f, "less", rows=10, columns=40) as t:
        t.expect("9\r\n")
        t.type(" ")
        t.expect("15\r\n")
        assert t.detach() == 0


def test_input_by_a_pipe(fleet):
    f = fleet(CAT)
    with pipes(f, "cat") as first, pipes(f, "cat") as second:
        for proc, other in (first, second), (second, first):
            proc.stdin.write(b"to all\n")
            proc.stdin.flush()
            # Whoever was not yet attached is by now.
            assert first_line(proc) == b"to all\n"
            if proc is second:
                read_until(other, b"to all\n")
        # The end of somebody's input is not that of the worker's.
        second.stdin.close()
        first.stdin.write(b"without an end of line")
        first.stdin.flush()
        for proc in first, second:
            read_until(proc, b"without an end of line")
    done = subprocess.run(attach_words(f, "cat", "--no-wait"), env=f.env,
                          input=b"!\nlast\n", capture_output=True,
                          timeout=10 * SLOW)
    assert (done.returncode, done.stderr) == (0, b"")
    wait_for(lambda: f.ctl("logs", "cat").out ==
             "to all\nto all\nwithout an end of line!\nlast\n")
    assert f.worker("cat")["restarts"] == 0


def test_output_only(fleet):
    f = fleet("[worker:w]\ncommand = /bin/sh -c "
              "\"while sleep 0.05; do echo out; echo err >&2; done\"\n"
              "stderr = log\n")
    with pipes(f, "w") as proc:
        assert proc.stderr.readline() == (
            b"svctl: w takes no input (see stdin and tty in svd.ini(5)): "
            b"output only\n")
        assert first_line(proc) == b"out\n"
        assert proc.stderr.readline() == b"err\n"
        proc.stdin.write(b"nobody hears it")
        proc.stdin.close()
        assert first_line(proc) == b"out\n"
    # On a terminal too, and left in the same way.
    with terminal(f, "w") as t:
        t.expect("out\r\n")
        assert t.detach() == 0
        assert t.modes() == t.before


@pytest.mark.parametrize("name", ["cat", "raw"])
def test_nothing_is_lost_as_supervisors_die(fleet, name):
    f = big(fleet, name)
    pid = f.worker(name)["pid"]
    data = random.Random(1).randbytes(3 << 20)
    with pipes(f, name) as proc:
        done, killed = kill_on_the_way(f.supervisor, data, 20)
        assert pump(proc, data, done) == data
    assert len(killed) == 20
    assert f.worker(name)["pid"] == pid


@pytest.mark.parametrize("name", ["cat", "raw"])
def test_no_output_is_lost_as_loggers_die(fleet, name):
    """What one was writing to the worker as it was killed may be sent again:
    each line came once at least, and was shown as often as it was written."""
    f = big(fleet, name)
    pid, lines = f.worker(name)["pid"], 20000
    data = b"".join(b"%07d\n" % n for n in range(lines))
    got = bytearray()
    start = len(b"ready\n") if name == "raw" else 0
    with pipes(f, name) as proc:
        shown = proc.stdout.fileno()

        def all_is_shown():
            # Also what came again after the last line.
            while select.select([shown], [], [], 0)[0]:
                got.extend(os.read(shown, 4096))
            return f.path("out").read_bytes()[start:] == got

        done, killed = kill_on_the_way(lambda: logger_pid(f), data, 5)
        threading.Thread(target=lambda: (proc.stdin.write(data),
                                         proc.stdin.flush()),
                         daemon=True).start()
        while data[-8:] not in got:
            piece = os.read(shown, 4096)
            assert piece, got[-200:]
            got.extend(piece)
            done(len(got))
        wait_for(all_is_shown)
    assert len(set(killed)) == 5
    assert set(bytes(got).split(b"\n")) >= set(data.split(b"\n"))
    assert len(got) - len(data) <= 5 * 16384
    assert f.worker(name)["pid"] == pid


def test_who_does_not_read_delays_nobody(fleet):
    f = fleet("[worker:cat]\ncommand = /bin/cat\nstdin = pipe\n"
              "log_tail = 4M\n[worker:deaf]\ncommand = /bin/sleep 1000\n"
              "stdin = pipe\n")
    data = random.Random(2).randbytes(1 << 20)
    with pipes(f, "cat") as slow, pipes(f, "cat") as quick, \
            pipes(f, "deaf") as deaf:
        for proc, mark in (slow, b"slow\n"), (quick, b"quick\n"):
            proc.stdin.write(mark)
            proc.stdin.flush()
            read_until(proc, mark)
        # A worker that does not read: its client waits, alone.
        deaf.stdin.write(bytes(1 << 15))
        deaf.stdin.flush()
        assert pump(quick, data, lambda n: None) == data
        f.ctl("ping")
        assert deaf.poll() is None


def test_the_next_life(fleet):
    f = fleet("[worker:w]\ncommand = /bin/sh -c \"echo born; read x; "
              "echo last words of $$x\"\ntty = yes\nbackoff_delay = 200ms\n")
    with terminal(f, "w") as t:
        t.expect("detaches")
        for name in "one", "two":
            t.type(f"{name}\n")
            t.expect(f"last words of {name}")
            t.expect("w has ended")
            t.expect("exit status 0")
            t.expect("born")
        f.svctl("stop", "w")
        t.expect("w has ended")
        t.expect("'w' is STOPPED")
        # As it is wanted.
        assert t.end() == 0
        assert t.modes() == t.before
    assert f.ctl("attach", "w", rc=3).err == (
        "svctl: not running: 'w' is STOPPED\n")


@pytest.mark.parametrize("keys", ["tty = yes", "stdin = pipe",
                                  "stdin = pipe\nstderr = log"])
def test_a_life_is_seen_to_end_before_the_next_one_speaks(fleet, keys):
    """However late its end is noticed, by whoever shows it."""
    f = fleet("[worker:w]\ncommand = /bin/sh -c \"trap 'echo last words; "
              "exit 0' TERM; echo born; echo loud >&2; read x\"\n"
              f"{keys}\nbackoff_delay = 100ms\nbackoff_limit = 100ms\n")
    f.running("w")
    with terminal(f, "w") as t:
        t.expect("detaches")
        shows = wait_for(lambda: [pid for pid in children(logger_pid(f))
                                  if comm(pid) == "svd: attach"])[0]
        for _ in range(3):
            lines = len(said(f, "born"))
            generation = f.worker("w")["generation"]
            os.kill(shows, signal.SIGSTOP)
            os.kill(f.worker("w")["pid"], signal.SIGTERM)
            f.wait("w", state="RUNNING", generation=lambda g: g > generation)
            wait_for(lambda: len(said(f, "born")) > lines)
            os.kill(shows, signal.SIGCONT)
            assert b"born" not in t.expect("last words")
            assert b"born" not in t.expect("w has ended")
            assert b"born" not in t.expect("now pid")
            t.expect("born")
            shows = wait_for(lambda: [pid for pid in children(logger_pid(f))
                                      if comm(pid) == "svd: attach"])[0]
        assert t.detach() == 0


def test_it_waits_for_a_worker_that_is_to_come(fleet):
    f = fleet("[worker:w]\ncommand = /bin/sh -c \"test -e go || exit 1; "
              "read x; echo got $$x; exec cat\"\nstdin = pipe\ndirectory = %s\n"
              "backoff_delay = 100ms\nbackoff_limit = 100ms\n", launch=False)
    f.ini.write_text(f.ini.read_text().replace("%s", str(f.dir)))
    f.start()
    f.wait("w", state="BACKOFF")
    with terminal(f, "w") as t:
        f.path("go").touch()
        t.expect("detaches")
        t.type("this\r")
        t.expect("got this")
        assert t.detach() == 0
    # The key detaches from waiting, too.
    f.path("go").unlink()
    f.svctl("kill", "w")
    f.wait("w", state="BACKOFF")
    with terminal(f, "w") as t:
        wait_for(lambda: t.modes()[6][termios.VEOL] == b"\x1d")
        assert t.detach() == 0


@pytest.mark.parametrize("success", [0, 7])
def test_the_end_of_a_oneshot(fleet, success):
    f = fleet("[worker:w]\ncommand = /bin/sh -c \"cat; exit %d\"\n" % 7 +
              "type = oneshot\ntty = yes\nsuccess_exit_status = %d\n" % success)
    f.running("w")
    with terminal(f, "w") as t:
        t.expect("detaches")
        t.type("text\n\x04")
        t.expect("text\r\ntext\r\n")
        t.expect("w has ended")
        assert t.end() == (0 if success else 3)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT,
                                 signal.SIGSEGV])
def test_the_terminal_is_as_it_was(fleet, sig):
    f = fleet(SHELL)
    with terminal(f, "sh") as t:
        t.expect("$ ")
        assert t.is_raw()
        t.proc.send_signal(sig)
        assert t.end() == -sig
        assert t.modes() == t.before


def test_a_client_that_is_stopped_and_goes_on(fleet):
    f = fleet(SHELL)
    with terminal(f, "sh") as t:
        t.expect("$ ")
        t.proc.send_signal(signal.SIGTSTP)
        wait_for(lambda: t.modes() == t.before)
        t.proc.send_signal(signal.SIGCONT)
        wait_for(t.is_raw)
        t.type("echo $((40 + 2))\n")
        t.expect("42")


def test_over_an_upgrade(fleet):
    f = fleet(SHELL + CAT)
    pids = f.running()
    with terminal(f, "sh") as t, pipes(f, "cat") as proc:
        t.expect("$ ")
        proc.stdin.write(b"before\n")
        proc.stdin.flush()
        read_until(proc, b"before\n")
        f.ctl("upgrade")
        t.type("echo $((40 + 2))\n")
        t.expect("42")
        proc.stdin.write(b"behind\n")
        proc.stdin.flush()
        assert read_until(proc, b"\n") == b"behind\n"
    assert f.running() == pids


def test_the_end_of_the_fleet(fleet):
    f = fleet(SHELL)
    with terminal(f, "sh") as t:
        t.expect("$ ")
        f.stop()
        t.expect("sh has ended")
        # As it is asked, the daemon may still answer, or not.
        assert t.end() in (0, 3, 4)
        assert t.modes() == t.before


def test_what_cannot_be_attached_to(fleet):
    f = fleet(CAT + "numprocs = 2\n")
    assert f.ctl("attach", "no", rc=5).err == "svctl: no such worker: no\n"
    assert f.ctl("attach", "cat", rc=7).err == (
        "svctl: refused: 'cat' is 2 workers, name one of them: cat:0\n")
    assert "one worker" in f.ctl("attach", "cat:0", "cat:1", rc=2).err
    assert f.ctl("-t", "200ms", "attach", "cat:1", rc=6).err == (
        "svctl: timed out\n")
    with f.varlink() as v:
        v.send("Attach", {"name": "cat:0"})
        assert v.receive()["parameters"] == {"parameter": "upgrade"}
        v.send("Ping", {}, upgrade=True)
        assert v.receive()["parameters"] == {"parameter": "upgrade"}
        v.send("Attach", {"name": "cat:0", "since": ["x"]}, upgrade=True)
        assert v.receive()["parameters"] == {"parameter": "since"}


def test_frames_of_any_client(fleet):
    f = fleet(CAT)
    f.running()
    with f.varlink() as v:
        v.send("Attach", {"name": "cat"}, upgrade=True)
        reply = v.receive()["parameters"]
        assert (reply["input"], reply["generation"]) == ("pipe", 1)
        # In pieces, and a window that it has no use for.
        for byte in b"w\0\x04\0\x10\0\x20\0" + b"i\0\x03\0abc":
            v.send_raw(bytes([byte]))
        frames, want = [], {ord("a"): b"\x03\0", ord("o"): b"abc"}
        while want:
            while len(v.buffer) < 4 or \
                    len(v.buffer) < 4 + v.buffer[2] + 256 * v.buffer[3]:
                v.buffer += v.sock.recv(1000)
            length = struct.unpack("<H", v.buffer[2:4])[0]
            frames.append((v.buffer[0], v.buffer[4:4 + length]))
            v.buffer = v.buffer[4 + length:]
            kind, data = frames[-1]
            if kind == ord("o"):
                data = data.split(b"\0", 1)[1]
            if data and want.get(kind) == data:
                del want[kind]
        # Nonsense costs that client only.
        v.send_raw(b"nonsense")
        assert v.closed()
    f.ctl("ping")


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_whom_the_streams_belong_to(fleet):
    f = fleet("[worker:tty]\ncommand = /bin/sh -c \"stat -Lc %%u /dev/stdin; "
              "echo open >/dev/tty; exec sleep 1000\"\ntty = yes\n"
              "user = nobody\nstop_signal = HUP\n"
              "[worker:pipe]\ncommand = /bin/sh -c \"stat -Lc %%u /dev/stdin; "
              "exec cat /dev/stdin\"\nstdin = pipe\nuser = nobody\n")
    uid = int(subprocess.check_output(["id", "-u", "nobody"]))
    wait_for(lambda: f.ctl("logs", "tty").out == f"{uid}\nopen\n")
    with pipes(f, "pipe") as proc:
        proc.stdin.write(b"read again\n")
        proc.stdin.flush()
        assert first_line(proc) == b"read again\n"
    assert f.ctl("logs", "pipe").out == f"{uid}\nread again\n"


def test_workers_of_a_floor(fleet):
    f = fleet("[floor:py]\nruntime = python\npath = %s\npreload = app\n"
              "[worker:tty]\nfloor = py\nentry = app:cat\ntty = yes\n"
              "stop_signal = KILL\n"
              "[worker:pipe]\nfloor = py\nentry = app:cat\nstdin = pipe\n",
              launch=False)
    f.ini.write_text(f.ini.read_text().replace("%s", str(f.dir)))
    f.path("app.py").write_text(FLOOR_CODE)
    f.start()
    pids = f.running("tty", "pipe")
    wait_for(lambda: f.ctl("logs", "tty").out == "tty True True\n")
    wait_for(lambda: f.ctl("logs", "pipe").out == "tty False -\n")
    f.kill_supervisor()
    for name in "tty", "pipe":
        with pipes(f, name) as proc:
            proc.stdin.write(b"x\n")
            proc.stdin.flush()
            read_until(proc, b"got x\r\n" if name == "tty" else b"got x\n")
    assert f.running("tty", "pipe") == pids


def test_each_life_has_its_own(fleet):
    """Old terminals and pipes go with their lives, and their last words are
    not lost."""
    f = fleet("[worker:w]\ncommand = /bin/sh -c \"read x; echo got $$x; "
              "printf unended\"\ntty = yes\nbackoff_delay = 0\n"
              "backoff_limit = 10ms\n" + CAT)
    f.running("w", "cat")
    before = f.descriptors()
    for n in range(10):
        generation = f.worker("w")["generation"]
        with pipes(f, "w", "--no-wait") as proc:
            proc.stdin.write(b"%d\n" % n)
            proc.stdin.close()
            assert proc.wait(10 * SLOW) == 0
        f.wait("w", state="RUNNING", generation=lambda g: g > generation)
        f.svctl("restart", "cat")
    # Its echo and its words, each once and in order.
    want = "".join(f"{n}\ngot {n}\nunended" for n in range(10)) + ""
    wait_for(lambda: f.ctl("logs", "-n", "100", "w").out.replace(
        "\n\n", "\n").startswith(want[:-7]))
    wait_for(lambda: f.descriptors() == before)


def test_births_and_deaths_of_supervisors(fleet):
    f = fleet(CAT + "[worker:tty]\ncommand = /bin/cat\ntty = yes\n")
    f.running()
    before = f.descriptors()
    rng = random.Random(3)
    for _ in range(15):
        old = f.supervisor()
        f.svctl("--no-wait", "restart", "all")
        time.sleep(rng.uniform(0, 0.004))
        if alive(old):
            os.kill(old, signal.SIGKILL)
        wait_for(lambda: f.supervisor() not in (0, old))
    f.ctl("restart", "all")
    f.running()
    for name, want in ("cat", b"heard\n"), ("tty", b"heard\r\nheard\r\n"):
        with pipes(f, name) as proc:
            proc.stdin.write(b"heard\n")
            proc.stdin.flush()
            assert read_until(proc, want) == want
    wait_for(lambda: f.descriptors() == before)


def test_a_change_of_the_keys(fleet):
    f = fleet("[worker:w]\ncommand = /bin/sh -c "
              "\"test -t 0 && echo tty || echo none; exec cat\"\n"
              "stop_signal = KILL\nrestart = no\n")
    for keys, input_, says in (("tty = yes", "tty", "tty"),
                               ("stdin = pipe", "pipe", "none"),
                               ("tty = yes", "tty", "tty")):
        text = f.ini.read_text().split("# keys")[0]
        f.ini.write_text(f"{text}# keys\n{keys}\n")
        f.ctl("reload")
        f.wait("w", state="RUNNING")
        with f.varlink() as v:
            v.send("Attach", {"name": "w"}, upgrade=True)
            assert v.receive()["parameters"]["input"] == input_
        wait_for(lambda: f.ctl("logs", "-n", "1", "w").out == f"{says}\n")

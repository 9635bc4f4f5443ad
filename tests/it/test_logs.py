"""svctl logs on a fleet that runs, and on one in which something dies."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import threading

import pytest

from svdtest import (SLOW, SVCTL, act, alive, children, command_line,
                     wait_for)
from test_streams import logger_of

COUNT = """#!/bin/bash
# Counts to $1 at once, then on with each line that comes to the file $2.
i=0
while [ $i -lt $1 ]; do echo line $((i++)); done
[ $# -eq 1 ] && exec sleep 1000
exec 3<>"$2"
while read -r word <&3; do echo "$word"; done
"""


def counting(fleet, count, keys="", said=False):
    """A fleet with one worker w, which has written so many lines, and says
    what is written to the FIFO `say`."""
    f = fleet("", launch=False)
    f.path("count").write_text(COUNT)
    f.path("count").chmod(0o755)
    os.mkfifo(f.path("say"))
    f.ini.write_text(f"[worker:w]\ncommand = {f.path('count')} {count} "
                     f"{f.path('say')}\n{keys}")
    f.start()
    if count:
        wait_for(lambda: f.svctl("logs", "-n", "1", "w").out ==
                 f"line {count - 1}\n")
    return f


def say(f, *words):
    with open(f.path("say"), "a") as to:
        for word in words:
            print(word, file=to, flush=True)


class Following:
    """svctl logs -f and what it has printed so far."""

    def __init__(self, f, *args):
        self.lines = []
        self.proc = subprocess.Popen(
            [SVCTL, "-r", str(f.run), *args], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=f.env)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.proc.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait(self, *lines):
        wait_for(lambda: self.lines == list(lines),
                 what=f"{lines}, not {self.lines}")

    def end(self):
        status = self.proc.wait(20 * SLOW)
        self.thread.join(5)
        self.proc.stdout.close()
        self.error = self.proc.stderr.read()
        self.proc.stderr.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
            self.end()


def readers(f):
    """The processes that answer logs, of the present logger."""
    def is_one(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/comm") as comm:
                return alive(pid) and comm.read() == "svd: logs\n"
        return False

    return list(filter(is_one, children(logger_of(f))))


def numbered(*numbers):
    return "".join(f"line {n}\n" for n in numbers)


@pytest.mark.parametrize("keys", ["", "stdout = file:{}\n",
                                  "stdout = null\nstderr = log\n"])
def test_the_last_lines(fleet, keys):
    f = fleet("", launch=False)
    apart = "stderr" in keys
    f.path("count").write_text(COUNT.replace(
        "\n", "\nexec >&2\n", 1) if apart else COUNT)
    f.path("count").chmod(0o755)
    f.ini.write_text(f"[worker:w]\ncommand = {f.path('count')} 100\n" +
                     keys.format(f.path("file")))
    f.start()
    wait_for(lambda: f.svctl("logs", "w").out == numbered(*range(90, 100)))
    assert f.ctl("logs", "-n", "3", "w").out == numbered(97, 98, 99)
    assert f.ctl("logs", "-n", "0", "w").out == ""
    assert f.ctl("logs", "-n", "1000", "w").out == numbered(*range(100))
    assert f.ctl("logs", "-n", "1", "w:0").out == \
        f"w{'!' if apart else ''} | line 99\n"


def test_the_last_lines_of_several(fleet):
    f = fleet(f"""
[worker:w]
numprocs = 2
command = {act('write', 1, 'out %n', 'write', 2, 'err %n', 'pause')}
[worker:a]
command = {act('write', 1, 'out', 'write', 2, 'err', 'pause')}
stderr = log
""")
    lines = ["w:0 | out 0", "w:0 | err 0", "w:1 | out 1", "w:1 | err 1"]
    wait_for(lambda: len(f.ctl("logs", "w").out.splitlines()) == 4)
    # By name only: which of them was first is not known.
    assert sorted(f.ctl("logs", "w").out.splitlines(),
                  key=lambda line: line[:3]) == lines
    wait_for(lambda: sorted(f.ctl("logs", "a", "w:1").out.splitlines()) ==
             sorted(["a | out", "a! | err", *lines[2:]]))
    assert len(f.ctl("logs", "all").out.splitlines()) == 6


def test_the_last_words_of_the_dead_are_kept(fleet):
    f = fleet(f"[worker:w]\nrestart = no\ncommand = "
              f"{act('write', 2, 'Traceback', 'write', 2, 'Error', 'die', 11)}\n")
    f.wait("w", state="FAILED")
    # At once: whoever asks is told all that it has written.
    assert f.ctl("logs", "w").out == "Traceback\nError\n"
    why = f.ctl("why", "w").out
    assert "last output:\n        Traceback\n        Error\n" in why
    output = f.why("w")["output"]
    assert [line["line"] for line in output] == ["Traceback", "Error"]


def test_only_log_tail_is_kept(fleet):
    f = counting(fleet, 20000, "log_tail = 8K\n")
    lines = f.ctl("logs", "-n", "100000", "w").out.splitlines()
    assert lines == [f"line {n}" for n in range(20000 - len(lines), 20000)]
    # A page may be kept too much, a line too little.
    assert 8192 - 16 <= sum(len(line) + 1 for line in lines) <= 3 * 8192


def test_a_rotated_file_begins_again(fleet):
    f = fleet("", launch=False)
    f.path("count").write_text(COUNT)
    f.path("count").chmod(0o755)
    f.ini.write_text(f"[worker:w]\ncommand = {f.path('count')} 1000\n"
                     f"stdout = file:{f.path('file')}\nlog_size = 4K\n"
                     "log_keep = 50\n")
    f.start()

    def text():
        """Of all the files, the oldest first; one may be renamed just now."""
        with contextlib.suppress(FileNotFoundError):
            return "".join(path.read_text() for path in sorted(
                f.dir.glob("file*"), key=lambda p: -int(p.suffix[1:] or 0)))

    wait_for(lambda: text() == numbered(*range(1000)))
    lines = f.ctl("logs", "-n", "1000", "w").out
    assert numbered(*range(1000)).endswith(lines)
    assert lines.count("\n") >= f.path("file").read_text().count("\n")


def test_follow_shows_what_comes(fleet):
    f = counting(fleet, 3)
    with Following(f, "logs", "-f", "w") as logs:
        logs.wait("line 0", "line 1", "line 2")
        say(f, "more")
        logs.wait("line 0", "line 1", "line 2", "more")
    with Following(f, "-j", "logs", "-f", "-n", "1", "w") as logs:
        wait_for(lambda: [json.loads(s)["line"] for s in logs.lines] ==
                 ["more"])
        say(f, "json")
        wait_for(lambda: [json.loads(s)["line"] for s in logs.lines] ==
                 ["more", "json"])


def test_a_follower_costs_no_wakeups(fleet):
    f = counting(fleet, 3)
    with Following(f, "logs", "-f", "w") as logs:
        logs.wait("line 0", "line 1", "line 2")

        def switches():
            pids = [f.keeper, f.supervisor(), logger_of(f), *readers(f)]
            return [re.findall(r"ctxt_switches:\s*(\d+)", open(
                f"/proc/{pid}/status").read()) for pid in pids]

        seen = []

        def quiet():
            seen.append(switches())
            return len(seen) > 20 and seen[-20:] == seen[-1:] * 20

        wait_for(quiet, every=0.05)


@pytest.mark.parametrize("who", ["logger", "supervisor", "both"])
def test_a_follower_survives_deaths_and_misses_nothing(fleet, who):
    f = counting(fleet, 1)
    want = ["line 0"]
    with Following(f, "logs", "-f", "-n", "100", "w") as logs:
        logs.wait(*want)
        for i in range(5):
            say(f, f"{i} before")
            for pid in ([logger_of(f)] if who != "supervisor" else []) + \
                    ([f.supervisor()] if who != "logger" else []):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            say(f, f"{i} after")
            want += [f"{i} before", f"{i} after"]
            logs.wait(*want)
            wait_for(lambda: f.supervisor() and logger_of(f))
            wait_for(lambda: f.svctl("ping").rc == 0)


def test_since_goes_on_behind_a_line(fleet):
    f = counting(fleet, 50)
    seen = [json.loads(s) for s in
            f.ctl("-j", "logs", "-n", "20", "w").out.splitlines()]
    assert [one["line"] for one in seen] == \
        [f"line {n}" for n in range(30, 50)]
    cursor = seen[4]["cursor"]
    assert f.ctl("logs", "--since", cursor, "w").out == \
        numbered(*range(35, 50))
    assert f.ctl("logs", "--since", seen[-1]["cursor"], "w").out == ""
    # The logger's death changes nothing about it.
    os.kill(logger_of(f), signal.SIGKILL)
    say(f, "then")
    wait_for(lambda: f.ctl("logs", "--since", seen[-1]["cursor"],
                           "w").out == "then\n")


def test_since_what_is_not_kept_any_more(fleet):
    f = counting(fleet, 50, "log_tail = 4K\n")
    cursor = json.loads(f.ctl("-j", "logs", "-n", "1", "w").out)["cursor"]
    say(f, *(f"word {n:0100}" for n in range(5000)))
    wait_for(lambda: f.ctl("logs", "-n", "1", "w").out == f"word {4999:0100}\n")
    done = f.ctl("logs", "--since", cursor, "w")
    assert "not kept" in done.err
    assert done.out.startswith("word ")
    assert done.out.endswith(f"word {4999:0100}\n")
    # One of another life of the output.
    place, epoch = cursor.rsplit(".", 1)
    other = f"{place}.{int(epoch, 16) ^ 1:x}"
    assert "not kept" in f.ctl("logs", "--since", other, "w").err


def test_the_connection_comes_back(fleet):
    f = counting(fleet, 3)
    call = json.dumps({"method": "org.svd.Fleet.Logs", "more": True,
                       "parameters": {"names": ["w"]}}).encode() + b"\0"
    ping = b'{"method":"org.svd.Fleet.Ping"}\0'
    with f.varlink() as client:
        for _ in range(3):
            # All in one go: what is read behind the call is not lost.
            client.send_raw(call + ping + call + ping)
            for _ in range(2):
                replies = [client.receive() for _ in range(4)]
                assert [r["parameters"].get("line") for r in replies] == \
                    ["line 0", "line 1", "line 2", None]
                assert [r.get("continues", False) for r in replies] == \
                    [True, True, True, False]
                assert client.receive() == {"parameters": {}}
    wait_for(lambda: not readers(f))


def test_who_hangs_up_leaves_nothing(fleet):
    f = counting(fleet, 3)
    clients = []
    for _ in range(5):
        client = f.varlink()
        client.send("Logs", {"names": ["w"], "follow": True}, more=True)
        assert client.receive()["parameters"]["line"] == "line 0"
        clients.append(client)
    assert len(readers(f)) == 5
    for client in clients:
        client.close()
    wait_for(lambda: not readers(f))
    assert f.ctl("logs", "-n", "1", "w").out == "line 2\n"


def test_who_does_not_read_disturbs_nobody(fleet):
    f = counting(fleet, 30000, "log_tail = 1M\n")
    stuck = []
    for _ in range(3):
        client = f.varlink()
        client.send("Logs", {"names": ["w"], "lines": 100000,
                             "follow": True}, more=True)
        stuck.append(client)
    wait_for(lambda: len(readers(f)) == 3)
    say(f, "still")
    wait_for(lambda: f.ctl("logs", "-n", "1", "w").out == "still\n")
    f.ctl("ping")
    for client in stuck:
        client.close()
    wait_for(lambda: not readers(f))


def test_there_is_a_bound(fleet):
    f = counting(fleet, 1)
    clients, replies = [], []
    try:
        for _ in range(80):
            client = f.varlink()
            client.send("Logs", {"names": ["w"], "follow": True}, more=True)
            clients.append(client)
            with contextlib.suppress(ConnectionError):
                replies.append(client.receive())
        assert len(readers(f)) <= 64
        assert sum("error" not in (r or {"error": 1}) for r in replies) >= 32
        # The others were told so, or hung up on.
        assert f.ctl("ping")
    finally:
        for client in clients:
            client.close()
    wait_for(lambda: not readers(f))
    assert f.ctl("logs", "w").out == "line 0\n"


def test_the_end_of_the_fleet_is_the_end_of_the_stream(fleet):
    f = counting(fleet, 1)
    with Following(f, "logs", "-f", "w") as logs:
        logs.wait("line 0")
        assert f.stop() == 0
        assert logs.end() in (0, 4), logs.error
        assert logs.lines == ["line 0"]


def test_nobody_reads_any_more(fleet):
    f = counting(fleet, 1)
    proc = subprocess.Popen([SVCTL, "-r", str(f.run), "logs", "-f", "w"],
                            stdout=subprocess.PIPE, env=f.env)
    assert proc.stdout.readline() == b"line 0\n"
    proc.stdout.close()
    say(f, "one", "two")
    assert proc.wait(20 * SLOW) == 0
    wait_for(lambda: not readers(f))


def test_a_worker_may_write_anything(fleet):
    f = fleet("", launch=False)
    script = f.path("script")
    script.write_bytes(
        b"#!/usr/bin/python3\nimport os, time\n"
        b"os.write(1, b'\\x1b[31m\\n\\xff\\xfe\\n\\0nul\\n\\n\\xc3\\xa9\\n' "
        b"+ b'x' * 40000 + b'\\nno end')\ntime.sleep(100)\n")
    script.chmod(0o755)
    f.ini.write_text(f"[worker:w]\ncommand = {script}\n")
    f.start()

    def shown():
        done = subprocess.run(
            [SVCTL, "-r", str(f.run), "logs", "-n", "100", "w"],
            stdout=subprocess.PIPE, timeout=20 * SLOW, env=f.env)
        assert done.returncode == 0
        return done.stdout

    wait_for(lambda: shown().endswith(b"no end\n"))
    lines = shown().split(b"\n")
    assert lines[:5] == [b"\x1b[31m", b"\xff\xfe", b"\0nul", b"",
                         "é".encode()]
    # A long line is cut in pieces; nothing of it is missing.
    assert b"".join(lines[5:-2]) == b"x" * 40000
    assert lines[-2:] == [b"no end", b""]
    # And none of it forges a line of svd's own log.
    assert "\x1b" not in f.log() and "\0" not in f.log()


@pytest.mark.parametrize("how", ["logs", "follow", "attach"])
def test_a_worker_that_has_just_come(fleet, how):
    """What the logger is to do with its output comes by the keeper: whoever
    asks before that waits for it."""
    f = fleet("[worker:old]\ncommand = /bin/sleep 1000\n")
    keeper = f.status()["keeper_pid"]
    f.ini.write_text(f.ini.read_text() + "[worker:new]\ncommand = /bin/sh -c "
                     "\"echo here; printf half; exec sleep 1000\"\n")
    words, want = {"logs": (["logs", "new"], b"here\n"),
                   "follow": (["logs", "-f", "new"], b"here\n"),
                   "attach": (["attach", "new"], b"half")}[how]
    os.kill(keeper, signal.SIGSTOP)
    try:
        f.ctl("reload")
        f.wait("new", state="RUNNING")
        with subprocess.Popen([*f.svctl_words(), *words], env=f.env,
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE) as proc:
            # Answered with nothing, it would have ended, or be closed.
            assert not select.select([proc.stdout], [], [], 0.3)[0]
            os.kill(keeper, signal.SIGCONT)
            got = b""
            while len(got) < len(want):
                assert select.select([proc.stdout], [], [], 10 * SLOW)[0]
                piece = os.read(proc.stdout.fileno(), 100)
                assert piece, got
                got += piece
            assert got.startswith(want)
            proc.kill()
    finally:
        os.kill(keeper, signal.SIGCONT)

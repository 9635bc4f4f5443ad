"""svctl logs, and the lines of svctl why, before a daemon that says what the
test wants it to: each connection is one list of what it hears and says."""

import base64
import contextlib
import json
import os
import pty
import socket
import subprocess
import tempfile
import threading

import pytest

from svdtest import SLOW, SVCTL

LOST = object()  # the connection ends here


class Daemon:
    """Answers with one script a connection; keeps the calls."""

    def __init__(self, path, *scripts):
        self.calls = []
        self.scripts = list(scripts)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(path)
        self.sock.listen()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for script in self.scripts:
            client, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=(client, list(script)),
                             daemon=True).start()
        self.sock.close()

    def serve(self, client, script):
        with client, contextlib.suppress(OSError):
            self.talk(client, script)

    def talk(self, client, script):
        buffer = b""
        while script:
            while b"\0" not in buffer:
                data = client.recv(1 << 16)
                if not data:
                    return
                buffer += data
            call, buffer = buffer.split(b"\0", 1)
            self.calls.append(json.loads(call))
            while script:
                reply = script.pop(0)
                if reply is LOST:
                    return
                client.sendall(json.dumps(reply).encode() + b"\0")
                if not reply.get("continues"):
                    break
        # Until it is enough for the client.
        while client.recv(1 << 16):
            pass


def line(text, name="web:0", stream="stdout", at=0, **more):
    parameters = {"name": name, "stream": stream, "line": text,
                  "cursor": f"{name}/{stream}@{at}.ab12", **more}
    return {"parameters": parameters, "continues": True}


END = {"parameters": {}}


@pytest.fixture
def svctl():
    with tempfile.TemporaryDirectory(prefix="svdtest-") as folder:
        path = f"{folder}/s"

        def run(*args, scripts, **kwargs):
            daemon = Daemon(path, *scripts)
            try:
                done = subprocess.run(
                    [SVCTL, "-s", path, *args], timeout=20 * SLOW,
                    **{"capture_output": True, **kwargs})
            finally:
                daemon.thread.join(1)
                os.unlink(path)
            done.calls = daemon.calls
            return done

        yield run


def test_lines_of_one_worker_are_as_they_were(svctl):
    done = svctl("logs", "web", scripts=[
        [line("a", "web"), line("", "web"), line("b\tc", "web"), END]])
    assert (done.returncode, done.stdout) == (0, b"a\n\nb\tc\n"), done
    assert done.calls == [{
        "method": "org.svd.Fleet.Logs", "more": True,
        "parameters": {"names": ["web"], "follow": False}}]


def test_lines_of_several_have_their_names(svctl):
    done = svctl("logs", "web", "db", scripts=[
        [line("a"), line("b", "web:1", "stderr"), line("c", "db"), END]])
    assert done.stdout == b"web:0 | a\nweb:1! | b\ndb | c\n"
    done = svctl("logs", "web", scripts=[[line("a"), END]])
    assert done.stdout == b"web:0 | a\n"


def test_any_bytes_come_through(svctl):
    for data in b"\xff\0\x1b[1m", b"x", b"xy", b"\xc3", b"":
        reply = line("", data=base64.b64encode(data).decode())
        del reply["parameters"]["line"]
        done = svctl("logs", "web:0", scripts=[[reply, END]])
        assert (done.returncode, done.stdout) == (0, data + b"\n")


@pytest.mark.parametrize("data", ["A", "AAA", "=AAA", "A=AA", "AA=A", "A\x01AA",
                                  "AAAA=", "AA==AAAA"])
def test_what_is_no_base64_is_left_out(svctl, data):
    reply = line("", data=data)
    del reply["parameters"]["line"]
    done = svctl("logs", "web:0", scripts=[[reply, line("after"), END]])
    assert (done.returncode, done.stdout) == (0, b"after\n")


def test_a_terminal_is_not_talked_to(svctl):
    reply = line("", data=base64.b64encode(b"\x9b\xffA").decode())
    del reply["parameters"]["line"]
    parent, child = pty.openpty()
    try:
        done = svctl("logs", "all", capture_output=False, stdout=child,
                     scripts=[[line("\x1b[31mred\tx\x7f é \x9b2J"), reply,
                               line("x", "a\x1bb"), END]])
        os.close(child)
        assert done.returncode == 0
        shown = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(parent, 4096):
                shown += chunk
        assert shown.replace(b"\r", b"").decode() == \
            "web:0 | ?[31mred\tx? é ??2J\nweb:0 | ??A\na?b | x\n"
    finally:
        os.close(parent)


def test_options_are_passed_on(svctl):
    done = svctl("logs", "-f", "-n", "7", "--since", "web:0/stdout@12.ab,"
                 "web:1/stderr@0.cd", "web", scripts=[[line("a"), END]])
    assert done.calls[0]["parameters"] == {
        "names": ["web"], "follow": True, "lines": 7,
        "since": ["web:0/stdout@12.ab", "web:1/stderr@0.cd"]}


@pytest.mark.parametrize("args", [["-n", "-1"], ["-n", "x"],
                                  ["-n", "99999999999"],
                                  ["--since", "nonsense"],
                                  ["--since", "a@1,b"], []])
def test_bad_options_are_refused(svctl, args):
    args = args + ["web"] if args else args
    done = svctl("logs", *args, scripts=[])
    assert done.returncode == 2 and done.stderr, done
    assert not done.calls


def test_its_options_are_no_other_commands(svctl):
    for option in ["-f"], ["-n", "3"], ["--since", "a@1.b"]:
        done = svctl("status", *option, scripts=[])
        assert done.returncode == 2 and b"no option" in done.stderr


def test_a_lost_connection_goes_on_behind_the_last_line(svctl):
    done = svctl("logs", "web", scripts=[
        [line("a", at=2), line("b", "web:1", at=7), line("c", at=4), LOST],
        [LOST],
        [line("d", at=6), END]])
    assert done.returncode == 0
    assert done.stdout == \
        b"web:0 | a\nweb:1 | b\nweb:0 | c\nweb:0 | d\n"
    assert [c["parameters"].get("since") for c in done.calls] == [
        None, *2 * [["web:0/stdout@4.ab12", "web:1/stdout@7.ab12"]]]


def test_what_is_not_kept_is_told(svctl):
    done = svctl("logs", "web:0", scripts=[[line("late", gap=True), END]])
    assert done.stdout == b"late\n"
    assert b"web:0: some output is not kept" in done.stderr


def test_json_is_what_came(svctl):
    replies = [line("a\x1b"), line("b", gap=True)]
    done = svctl("-j", "logs", "web", scripts=[[*replies, END]])
    assert [json.loads(s) for s in done.stdout.splitlines()] == \
        [r["parameters"] for r in replies]


def test_an_error_is_said(svctl):
    for name, status in ("NoSuchWorker", 5), ("Failed", 1), \
            ("PermissionDenied", 7):
        done = svctl("logs", "web", scripts=[[
            {"error": f"org.svd.Fleet.{name}",
             "parameters": {"name": "web", "reason": "because"}}]])
        assert done.returncode == status and done.stderr, done


# --- why ----------------------------------------------------------------------

def reason(name, state):
    return {"name": name, "state": state, "want": "up", "pid": 0,
            "since": "2026-01-01T00:00:00Z", "waiting_for": None,
            "until": None, "next_start": None, "deaths": [], "error": None}


WHY = {"parameters": {"workers": [reason("web:0", "FAILED"),
                                  reason("web:1", "RUNNING"),
                                  reason("db", "BACKOFF")]}}
FAILED = {"error": "org.svd.Fleet.Failed", "parameters": {"reason": "x"}}


def test_why_shows_the_last_lines_of_who_does_not_run(svctl):
    # One connection for Why, one for the logs, another after an error.
    done = svctl("why", "all", scripts=[
        [WHY], [line("Traceback"), line("oh", stream="stderr"), END, FAILED]])
    assert done.returncode == 0
    assert b"last output:\n        Traceback\n        oh\nweb:1" in done.stdout
    assert [c["parameters"] for c in done.calls[1:]] == [
        {"names": ["web:0"], "lines": 10}, {"names": ["db"], "lines": 10}]


def test_why_says_it_in_json_too(svctl):
    done = svctl("-j", "why", "all", scripts=[
        [WHY], [line("last"), END, END]])
    workers = {w["name"]: w
               for w in json.loads(done.stdout)["workers"]}
    assert workers["web:0"]["output"] == [
        {"stream": "stdout", "line": "last"}]
    assert workers["db"]["output"] == []
    assert "output" not in workers["web:1"]


def test_why_does_not_wait_for_a_logger_that_hangs(svctl):
    done = svctl("why", "all", scripts=[[WHY], [line("part")]])
    assert done.returncode == 0 and b"web:0: FAILED" in done.stdout
    assert b"part" not in done.stdout

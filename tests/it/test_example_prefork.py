"""contrib/examples/prefork: the ported script does what the script did."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from svdtest import ROOT, SLOW, alive, children, wait_for

PREFORK = ROOT / "contrib" / "examples" / "prefork"


@pytest.fixture
def port():
    """What the ports begin with; two of ten follow, 20000 to 29999."""
    return 2000 + os.getpid() % 1000


def fetch(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/",
                                    timeout=5 * SLOW) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def said_of_pi(f, name, n):
    def look():
        said = re.findall(r"pi is (\S+)", f.ctl("logs", name).out)
        return len(said) > n and said[n]

    return wait_for(look, 30)


@pytest.mark.slow
def test_the_ported_script(fleet, port):
    text = (PREFORK / "fleet.ini").read_text()
    f = fleet(text, env={"PREFORK": str(PREFORK), "PREFORK_PORT": str(port),
                         "PYTHONDONTWRITEBYTECODE": "1"})
    pids = f.running("server:0", "server:1", "crunch:0", "crunch:1")
    for i in range(2):
        said = wait_for(lambda: fetch(f"{port}{i}"))
        assert said == f"server:{i}, pid {pids[f'server:{i}']}\n"
    # Workers of one floor draw other numbers, of which once in a while the
    # first ones come to the same.
    assert any(said_of_pi(f, "crunch:0", n) != said_of_pi(f, "crunch:1", n)
               for n in range(3))
    os.kill(pids["server:0"], signal.SIGKILL)
    f.wait("server:0", state="RUNNING",
           pid=lambda pid: pid not in (0, pids["server:0"]))
    # TERM is heard by the loop, which ends well.
    f.ctl("stop", "server:1")
    assert f.worker("server:1")["last_exit"]["code"] == 0


def test_what_it_raises_is_told(fleet):
    f = fleet("", launch=False)
    f.path("unlucky.py").write_text("import random\nrandom.random = lambda: 0\n")
    f.ini.write_text(
        "[fleet]\nname = t\n[floor:app]\nruntime = python\n"
        f"preload = unlucky app.feed\npath = {f.dir} {PREFORK}\n"
        "environment = PYTHONDONTWRITEBYTECODE=1\n"
        "[worker:feed]\nfloor = app\nentry = app.feed:main\nrestart = no\n")
    f.start()
    said = f.wait("feed", state="FAILED")
    assert said["last_exit"]["code"] == 1
    assert "ConnectionError: the feed answers 503" in f.ctl("why", "feed").out


def test_the_script_before_it_was_ported(port):
    proc = subprocess.Popen(
        [sys.executable, PREFORK / "before.py"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "PREFORK_PORT": str(port),
             "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        said = wait_for(lambda: fetch(f"{port}1"), 20)
        assert said.startswith("server:1")
        workers = wait_for(
            lambda: len(children(proc.pid)) >= 4 and children(proc.pid), 20)
        proc.terminate()
        assert proc.wait(20 * SLOW) == 0
        assert not [pid for pid in workers if alive(pid)]
    finally:
        if proc.poll() is None:
            os.killpg(proc.pid, signal.SIGKILL)
            proc.wait()

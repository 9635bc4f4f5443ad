"""Floors in sight, and renewed by hand: svctl floors and refloor, and what why,
start, logs and status say of who stands on a floor."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from svdtest import ACT, IS_ROOT, SLOW, act, alive, floor, on_floor, wait_for
from test_floors import QUICK, odd
from test_floors_lies import fleet_of, unharmed

MEMBERS = {"name", "state", "generation", "pid", "load_ms", "pss_kb",
           "workers", "spares", "modules", "error"}


def floors(f, *args):
    return f.ctl("-j", "floors", *args).json["floors"]


def the_floor(f, *args):
    """Of the one floor, once there is one generation of it only."""
    def look():
        found = floors(f, *args)
        return len(found) == 1 and found

    return wait_for(look, what="one generation")[0]


def worker(*words, name="w", numprocs=1, keys="", on="f"):
    return (f"[worker:{name}]\nnumprocs = {numprocs}\n{keys}"
            f"{on_floor(*words, name=on)}\n")


def python_floor(directory, preload, name="py", keys=""):
    return (f"[floor:{name}]\nruntime = python\npython = {sys.executable}\n"
            f"path = {directory}\npreload = {preload}\n{keys}")


@pytest.fixture
def module(tmp_path):
    """A module that floors and workers load, and may be changed."""
    class Module:
        path = tmp_path / "modules"
        file = path / "app.py"

        def write(self, text):
            self.file.write_text(text)
            # Another second and size is not needed for what is not cached.
            cache = self.path / "__pycache__"
            for made in cache.glob("app.*") if cache.exists() else ():
                made.unlink()

    Module.path.mkdir()
    made = Module()
    made.write("import time\ndef wait():\n    time.sleep(1000)\n")
    if IS_ROOT:
        Module.path.chmod(0o755)
    return made


def test_a_floor_is_shown(fleet):
    f = fleet(floor(spares=2) + worker("pause", numprocs=3) +
              floor("idle") + f"[worker:x]\ncommand = {act('pause')}\n")
    f.running()
    wait_for(lambda: floors(f)[0]["spares"] == 2)
    one, idle = floors(f)
    assert MEMBERS <= set(one)
    assert one["name"] == "f" and one["state"] == "READY"
    assert one["generation"] == 1 and one["workers"] == 3
    assert [one["pid"]] == list(f.floors().values())
    assert one["load_ms"] < 60000 and one["modules"] == 1
    assert 50 < one["pss_kb"] < 50000 and one["error"] is None
    assert one["threads"] == 1 and one["way"] == "vfork"
    assert "instances" not in one and "rss_kb" not in one
    assert (idle["name"], idle["workers"], idle["spares"]) == ("idle", 0, 0)
    title, first, second = f.ctl("floors").out.splitlines()
    assert title.split() == ["FLOOR", "STATE", "GEN", "PID", "LOAD", "PSS",
                             "WORKERS", "SPARES", "MODULES", "REMARK"]
    assert first.split()[:4] == ["f", "READY", "1", str(one["pid"])]
    assert first.split()[6:] == ["3", "2", "1", "-"]
    status = f.workers()
    assert status["w:0"]["floor"] == "f" and status["x"]["floor"] is None


def test_a_fleet_without_floors(fleet):
    f = fleet(f"[worker:x]\ncommand = {act('pause')}\n")
    assert floors(f) == [] and floors(f, "-l") == []
    assert f.ctl("floors").out.startswith("FLOOR")
    assert "f" in f.ctl("refloor", "f", rc=5).err


def test_at_length(fleet):
    f = fleet(floor(max_private="1K") + worker("pause", numprocs=2) +
              floor("other") + worker("pause", name="o", on="other"))
    pids = f.running()
    assert "max_private" not in f.log(), "only when asked for"
    one, other = floors(f, "-l")
    assert {w["name"]: w["pid"] for w in one["instances"]} == {
        n: p for n, p in pids.items() if n != "o"}
    for w in one["instances"]:
        assert w["over"] and 0 < w["private_kb"] <= w["rss_kb"]
        assert w["pss_kb"] >= w["private_kb"] and w["shared_kb"] > 0
    assert one["max_private_kb"] == 1 and one["private_kb"] > 0
    assert one["rss_kb"] == one["private_kb"] + one["shared_kb"]
    assert one["late"] == [] and one["late_cut"] is False
    assert other["max_private_kb"] is None and not other["instances"][0]["over"]
    text = f.ctl("floors", "-l").out
    assert "RSS" in text and text.count("more than max_private") == 2
    # Once for each process, however often it is looked at.
    f.ctl("status", "-l")
    assert f.log().count("more than max_private") == 2
    f.ctl("restart", "w:0")
    f.ctl("status", "-l")
    assert f.log().count("more than max_private") == 3


def test_what_was_loaded_late_natively(fleet):
    f = fleet(f"[floor:f]\nruntime = native\n"
              f"[worker:w]\nnumprocs = 3\n{on_floor('pause')}\n")
    f.running()
    wait_for(lambda: the_floor(f, "-l")["late"])
    late, = wait_for(lambda: [x for x in the_floor(f, "-l")["late"]
                              if x["processes"] == 3])
    assert f"{ACT}.so" in late["name"]
    assert re.search(r"act\.so\S*\s+3$", f.ctl("floors", "-l").out, re.M)


def test_what_python_has_loaded_late(fleet, module):
    module.write("import time\n\n"
                 "def wait(load):\n"
                 "    if load:\n"
                 "        __import__(load)\n"
                 "    time.sleep(1000)\n")
    f = fleet(python_floor(module.path, "app json") +
              "[worker:w]\nfloor = py\nentry = app:wait\nnumprocs = 2\n"
              "args = xml.dom.minidom\n"
              "[worker:v]\nfloor = py\nentry = app:wait\nargs = json\n")
    f.running()
    late = wait_for(lambda: {x["name"]: x["processes"]
                             for x in the_floor(f, "-l")["late"]})
    wait_for(lambda: {"name": "xml.dom.minidom", "processes": 2} in
             the_floor(f, "-l")["late"])
    late = {x["name"] for x in the_floor(f, "-l")["late"]}
    assert "json" not in late and "app" not in late
    assert the_floor(f)["modules"] >= 2


def test_how_it_forks_is_said(fleet):
    f = fleet(odd("thread") + worker("pause"))
    f.running()
    one = the_floor(f)
    assert one["threads"] == 2 and one["way"] == "double"
    assert f.ctl("floors").out.rstrip().endswith("2 threads: double fork")


def test_refloor(fleet):
    f = fleet(floor(spares=1) + worker("pause", numprocs=3))
    before, old = f.running(), the_floor(f)
    assert f.ctl("refloor", "f").out == ""
    # Nothing is left to be waited for.
    one = the_floor(f)
    assert one["generation"] == 2 and one["state"] == "READY"
    assert one["workers"] == 3 and one["pid"] != old["pid"]
    assert not alive(old["pid"])
    after = f.running()
    assert not set(before.values()) & set(after.values())
    assert [w["restarts"] for w in f.workers().values()] == [0, 0, 0]
    answer = f.ctl("-j", "refloor", "floor:f").json
    assert answer["generation"] == 3
    assert answer["results"][0]["done"] and answer["results"][0]["pid"]
    assert f.ctl("--no-wait", "refloor", "f").rc == 0
    wait_for(lambda: [(x["generation"], x["workers"]) for x in floors(f)] ==
             [(4, 3)])
    f.ctl("refloor", rc=2)
    f.ctl("refloor", "f", "f", rc=2)


def test_refloor_of_a_floor_without_workers(fleet):
    f = fleet(floor() + worker("pause", keys="autostart = no\n"))
    wait_for(lambda: the_floor(f)["state"] == "READY")
    f.ctl("refloor", "f")
    assert the_floor(f)["generation"] == 2 and f.worker("w")["pid"] == 0


def test_refloor_waits_no_longer_than_it_may(fleet):
    f = fleet(floor() + worker("ignore", 15, "pause", numprocs=2,
                               keys=f"stop_timeout = {4 * SLOW}s\n"))
    before = f.running()
    assert f.svctl("-t", "1", "refloor", "f").rc == 6
    # It goes on all the same; where workers come from is shown until then.
    shown = floors(f)
    assert [(x["generation"], x["state"], x["workers"]) for x in shown] == [
        (2, "READY", 0), (1, "RETIRED", 2)], shown
    assert f.worker("w:1")["pid"] == before["w:1"]
    f.ctl("kill", "w:0")
    f.wait("w:0", state="RUNNING", generation=2)
    wait_for(lambda: f.worker("w:1")["state"] == "STOPPING")
    f.ctl("kill", "w:1")
    f.wait("w:1", state="RUNNING", generation=2)
    assert [x["workers"] for x in floors(f)] == [2]
    f.ctl("kill", "w")


def test_what_is_left_of_a_dead_floor_is_shown(fleet):
    f = fleet(floor() + worker("pause", numprocs=2, keys=QUICK))
    before = f.running()
    os.kill(the_floor(f)["pid"], signal.SIGKILL)
    wait_for(lambda: f.log().count("loaded in") == 2)
    first, second = floors(f)
    assert (first["generation"], first["workers"]) == (2, 0)
    assert (second["generation"], second["workers"]) == (1, 2)
    assert second["state"] == "RETIRED" and second["pid"] == 0
    os.kill(before["w:0"], signal.SIGKILL)
    f.wait("w:0", state="RUNNING", generation=2)
    first, second = floors(f, "-l")
    assert [w["name"] for w in first["instances"]] == ["w:0"]
    assert [w["name"] for w in second["instances"]] == ["w:1"]


def test_a_refloor_that_cannot_be_loaded(fleet, module):
    f = fleet(python_floor(module.path, "json app") +
              "[worker:w]\nfloor = py\nentry = app:wait\nnumprocs = 2\n")
    before, old = f.running(), the_floor(f)
    module.write("import json\n\n\nraise RuntimeError('not \\x1b[1m today')\n")
    err = f.ctl("refloor", "py", rc=1).err
    assert "floor:py" in err and "app" in err and "not" in err and \
        "today" in err and "\x1b" not in err, err
    assert f.running() == before
    one = wait_for(lambda: len(floors(f)) == 1 and the_floor(f, "-l"))
    assert one["state"] == "READY" and one["pid"] == old["pid"]
    assert one["error"].startswith("generation 2 cannot be loaded: ")
    assert "app.py\", line 4" in one["traceback"]
    text = f.ctl("floors", "-l").out
    assert "line 4" in text and "\x1b" not in text
    assert "RuntimeError" in f.ctl("why", "floor:py").out
    # Mended, all is well, and nothing is left of it.
    module.write("import time\ndef wait():\n    time.sleep(1000)\n")
    f.ctl("refloor", "py")
    one = the_floor(f, "-l")
    assert one["error"] is None and one["traceback"] is None
    assert one["generation"] == 3 and one["workers"] == 2
    assert not set(before.values()) & set(f.running().values())


def test_a_worker_that_does_not_run_on_the_new_one(fleet, module):
    f = fleet(python_floor(module.path, "app") +
              "[worker:w]\nfloor = py\nentry = app:wait\nnumprocs = 3\n"
              "backoff_delay = 60s\nbackoff_limit = 60s\n")
    before = f.running()
    module.write("def wait():\n    raise ValueError('new and bad')\n")
    err = f.ctl("refloor", "py", rc=1).err
    assert "w:0 does not run on it" in err and "new and bad" in err, err
    after = f.workers()
    assert after["w:0"]["state"] == "BACKOFF"
    assert {n: w["pid"] for n, w in after.items() if n != "w:0"} == {
        n: pid for n, pid in before.items() if n != "w:0"}
    first, second = floors(f)
    assert "w:0 does not run on it" in first["error"]
    assert (first["generation"], first["workers"]) == (2, 0)
    assert (second["generation"], second["workers"]) == (1, 2)
    why = f.why("w:0")
    assert "line 2, in wait" in why["traceback"]
    assert why["deaths"][-1]["code"] == 1


@pytest.mark.parametrize("by", ["supervisor", "shutdown", "refloor", "removal"])
def test_a_refloor_is_interrupted(fleet, by):
    f = fleet("", launch=False)
    slow = "[worker:x]\ncommand = " + act("pause") + "\n"
    f.ini.write_text("[fleet]\nname = t\n" + slow + odd(f"sleep {700 * SLOW}") +
                     worker("pause", numprocs=2))
    f.start()
    f.running()
    call = subprocess.Popen([*f.svctl_words(), "refloor", "f"],
                            stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any(x["state"] == "LOADING" for x in floors(f)))
    if by == "supervisor":
        f.kill_supervisor()
    elif by == "shutdown":
        f.signal(signal.SIGTERM)
    elif by == "refloor":
        f.ctl("refloor", "f")
    else:
        f.ini.write_text("[fleet]\nname = t\n" + slow)
        f.ctl("reload")
    _, err = call.communicate(timeout=30 * SLOW)
    if by in ("supervisor", "refloor"):
        assert call.returncode == 0, err
        assert the_floor(f)["workers"] == 2
        assert the_floor(f)["generation"] > 1
    else:
        assert call.returncode in (1, 4), err
        assert err, "with a reason"
    if by == "removal":
        assert floors(f) == []


def test_who_waits_for_a_floor_that_fails(fleet, module):
    module.write("x = 1\nimport no_such_module\n")
    f = fleet(python_floor(module.path, "json app") +
              "[worker:w]\nfloor = py\nentry = app:wait\nnumprocs = 30\n",
              wait=False)
    wait_for(lambda: "BACKOFF" in f.log())
    began = time.monotonic()
    result = f.svctl("start", "w:7")
    assert result.rc == 1 and "no_such_module" in result.err, result
    assert time.monotonic() - began < 10 * SLOW
    w = wait_for(lambda: f.worker("w:29")["error"] and f.worker("w:29"))
    assert w["state"] == "STARTING" and w["floor"] == "py"
    assert w["error"].startswith("floor 'py': ")
    assert "no_such_module" in w["error"]
    why = f.ctl("why", "all").out
    assert why.count("app.py\", line 2") == 1, "once, not once a worker"
    assert why.count("w:") >= 30 and why.count("waits for floor 'py'") == 30
    assert "no_such_module" in f.ctl("why", "w:3").out
    one = the_floor(f, "-l")
    assert one["workers"] == 0 and "no_such_module" in one["error"]
    assert "line 2" in one["traceback"]
    assert f.svctl("health").rc == 3
    assert "no_such_module" in f.svctl("health").out
    # Each attempt is told of in the log, and no worker is.
    log = f.log()
    assert log.count("app.py\", line 2") == \
        log.count("floor:py: ModuleNotFoundError"), log
    assert not re.search(r"w:\d+: .*no_such_module", log)
    module.write("import time\ndef wait():\n    time.sleep(1000)\n")
    f.ctl("refloor", "py")
    f.wait("w:29", 20, state="RUNNING", error=None)
    assert f.ctl("why", "w:29").out.count("no_such_module") == 0


def test_names_of_floors(fleet):
    f = fleet(odd("half a-line-of-the-floor") + worker("pause"))
    f.running()
    f.ctl("refloor", "f")
    wait_for(lambda: "a-line-of-the-floor" in f.ctl("logs", "floor:f").out)
    the_floor(f)
    why = f.ctl("-j", "why", "floor:f", "w").json
    assert [w["name"] for w in why["workers"]] == ["w"]
    assert [(w["name"], w["state"]) for w in why["floors"]] == [
        ("floor:f", "READY")]
    for args in (["why", "floor:g"], ["logs", "floor:g"], ["stop", "floor:f"],
                 ["restart", "floor:f"], ["status", "floor:f"]):
        assert f.svctl(*args).rc == 5, args


@pytest.mark.parametrize("how", ["load", "late"])
def test_what_a_floor_says_of_itself_need_not_be_true(fleet, how):
    f = fleet_of(fleet, how)
    victim = f.running("victim")["victim"]
    f.running("w")
    one = the_floor(f, "-l")
    if how == "load":
        assert one["load_ms"] is None and one["threads"] is None
        assert one["way"] is None and one["late"] == []
    else:
        late = {x["name"]: x["processes"] for x in one["late"]}
        assert late == {"a\x1b[2J": 2, "caf?": 1} and one["late_cut"]
    for args in (["floors"], ["floors", "-l"]):
        assert "\x1b" not in f.ctl(*args).out
    assert "\x1b" not in f.log()
    unharmed(f, victim)

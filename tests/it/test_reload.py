"""The fleet file changes under a running fleet: reload, diff, scale, config."""

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

from svdtest import (ROUNDS, SANITIZED, SLOW, act, alive, children,
                     command_line, floor, on_floor, rss_kb, stays, wait_for)

SEED = int(os.environ.get("SVD_TEST_SEED", "1"))

THREE = f"""
[worker:web]
command = {act('pause')}
numprocs = 3
[worker:job]
command = {act('pause')}
description = one
[worker:old]
command = {act('pause')}
"""


def pids(f):
    return {n: w["pid"] for n, w in f.workers().items()}


def rewrite(f, text):
    if "[fleet]" not in text:
        text = f"[fleet]\nname = test\n{text}"
    f.ini.write_text(text)


def edit(f, *pairs):
    text = f.ini.read_text()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    f.ini.write_text(text)


def reload(f, *args):
    """The lists of names that are not empty."""
    reply = f.ctl("-j", *args, "reload").json
    return {k: v for k, v in reply.items() if v and k != "results"}


def environ(pid):
    """The environment that a process was started with."""
    path = pathlib.Path(f"/proc/{pid}/environ")
    text = wait_for(path.read_bytes, what="its exec is through")
    return dict(line.split("=", 1)
                for line in text.decode().split("\0") if "=" in line)


# --- reload ---------------------------------------------------------------------

@pytest.mark.valgrind
def test_without_a_change_nothing_happens(fleet):
    f = fleet(THREE)
    before = f.running()
    assert reload(f) == {}
    assert f.ctl("reload").out == "no worker has changed\n"
    assert f.ctl("diff").out == ""
    # Nor by what changes only the text.
    edit(f, ("numprocs = 3", "# so many\nnumprocs=3\nautostart = yes\n"
             "umask = 022\nstop_timeout = 0.25min"))
    assert reload(f) == {}
    assert pids(f) == before
    assert all(w["generation"] == 1 for w in f.workers().values())


@pytest.mark.valgrind
def test_only_what_has_changed_is_touched(fleet):
    f = fleet(THREE)
    before = f.running()
    rewrite(f, f"""
[worker:new]
command = {act('pause')}
[worker:job]
command = {act('sleep', 5, 'pause')}
description = one
[worker:idle]
command = {act('pause')}
autostart = no
[worker:web]
command = {act('pause')}
numprocs = 3
stop_timeout = 3s
""")
    assert reload(f) == {
        "added": ["new", "idle"], "restarted": ["job"], "removed": ["old"],
        "changed": ["web:0", "web:1", "web:2"]}
    workers = f.workers()
    # In the order of the file.
    assert list(workers) == ["new", "job", "idle", "web:0", "web:1", "web:2"]
    assert {n: workers[n]["pid"] for n in before if n.startswith("web")} == {
        n: p for n, p in before.items() if n.startswith("web")}
    assert workers["job"]["generation"] == 2
    assert workers["job"]["restarts"] == 0
    assert workers["idle"]["state"] == "STOPPED"
    assert workers["new"]["state"] == "RUNNING"
    assert not alive(before["old"])
    assert f.svctl("status", "old").rc == 5
    assert reload(f) == {}


def test_the_reply_waits_and_tells_of_what_fails(fleet):
    f = fleet(THREE)
    f.running()
    rewrite(f, f"""
[worker:web]
command = /no/such/program
numprocs = 1
[worker:job]
command = {act('pause')}
""")
    result = f.ctl("-j", "reload", rc=1)
    assert result.json["failed"] == ["web"]
    assert result.json["restarted"] == ["web"]
    assert "not found" in result.err
    done = {r["name"]: r["done"] for r in result.json["results"]}
    assert done == {"web": False, "old": True, "web:1": True, "web:2": True}
    # The user mends it: out of BACKOFF at once.
    edit(f, ("/no/such/program", act("pause")))
    assert reload(f) == {"restarted": ["web"]}
    assert f.worker("web")["state"] == "RUNNING"


def test_no_wait_returns_at_once(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('ignore', 15, 'pause')}\n"
              "stop_timeout = 1h\n")
    before = f.running()
    edit(f, ("ignore 15 pause", "pause"))
    assert reload(f, "--no-wait") == {"restarted": ["w"]}
    assert f.worker("w")["state"] == "STOPPING"
    f.ctl("kill", "w")
    assert f.running() != before


@pytest.mark.valgrind
@pytest.mark.parametrize("bad,line,text", [
    ("[worker:web]\ncommand = x\nbogus = 1\n", 5, "unknown key 'bogus'"),
    ("[worker:web]\n", 3, "has neither 'command' nor 'floor'"),
    ("[worker:a]\ncommand = x\nnumprocs = 0\n[worker:b]\nnice = 99\n"
     "command = x\n", 5, "numprocs"),
    ("[fleet\n", 3, ""),
])
def test_an_error_changes_nothing(fleet, bad, line, text):
    f = fleet(THREE)
    before = f.running()
    good = f.ini.read_text()
    rewrite(f, bad)
    result = f.ctl("reload", rc=1)
    assert f"{f.ini}:{line}: " in result.err and text in result.err
    assert "nothing was changed" in result.err
    diff = f.ctl("diff", rc=1)
    assert f"{f.ini}:{line}: " in diff.err
    with f.varlink() as v:
        v.send("org.svd.Fleet.Reload", {})
        reply = v.receive()
    assert reply["error"] == "org.svd.Fleet.BadConfiguration"
    errors = reply["parameters"]["errors"]
    assert errors and errors[0].startswith(f"{f.ini}:{line}: ")
    assert pids(f) == before
    # By a signal it is the log that says so.
    f.signal(signal.SIGHUP)
    wait_for(lambda: f.log().count("the fleet stays as it was"))
    assert errors[0] in f.log()
    assert pids(f) == before
    # Nor does a successor see anything of it.
    f.kill_supervisor()
    assert pids(f) == before
    f.ini.write_text(good)
    assert reload(f) == {}


def test_a_missing_file_changes_nothing(fleet):
    f = fleet(THREE)
    before = f.running()
    f.ini.unlink()
    assert "No such file" in f.ctl("reload", rc=1).err
    assert pids(f) == before


@pytest.mark.parametrize("old,new,text", [
    ("name = test", "name = other", "cannot become 'other'"),
    ("name = test", "name = test\nruntime_dir = /tmp/other", "runtime_dir"),
])
def test_what_a_fleet_is_called_cannot_change(fleet, old, new, text):
    f = fleet(THREE)
    before = f.running()
    edit(f, (old, new))
    assert text in f.ctl("reload", rc=1).err
    assert pids(f) == before


def test_what_waits_for_the_next_start_is_noted(fleet):
    f = fleet(THREE)
    f.running()
    edit(f, ("name = test", "name = test\nlog_format = json\non_empty = exit"))
    diff = f.ctl("diff", rc=3).out
    assert "log_format: text -> json" in diff
    assert "on_empty: wait -> exit" in diff
    out = f.ctl("reload").out
    assert "log_format: takes effect when svd is started anew" in out
    assert "on_empty" not in out
    f.ctl("--no-wait", "stop", "all")
    assert f.end() == 0, "on_empty is in force"


def test_what_waits_for_the_next_start_waits_over_supervisors(fleet):
    f = fleet(launch=False)
    rewrite(f, f"[fleet]\nname = test\nlog = file:{f.dir}/first\n"
            f"[worker:w]\ncommand = {act('pause')}\n")
    f.start()
    f.running()
    edit(f, ("/first", "/second\nlog_format = json"))
    assert "log: takes effect when" in f.ctl("reload").out
    for round_ in range(2):
        f.kill_supervisor()
        f.ctl("restart", "w")
        wait_for(lambda: sum("w: STARTING -> RUNNING" in line
                             for line in f.lines("first")) == round_ + 2)
        assert not f.path("second").exists()
        assert "/first -> file:" in f.ctl("diff", rc=3).out
        assert "log: takes effect when" in f.ctl("reload").out
    edit(f, ("/second\nlog_format = json", "/first"))
    assert f.ctl("diff").out == ""
    assert f.ctl("reload").out == "no worker has changed\n"


def test_hup_reloads(fleet):
    f = fleet(THREE)
    before = f.running()
    edit(f, ("[worker:old]", "[worker:newer]"))
    f.signal(signal.SIGHUP)
    wait_for(lambda: "old: has left the fleet" in f.log())
    after = f.running()
    assert set(after) == {"web:0", "web:1", "web:2", "job", "newer"}
    assert all(after[n] == before[n] for n in after if n != "newer")


def test_on_empty_counts_when_nothing_is_left(fleet):
    f = fleet(f"[fleet]\nname = test\n[worker:w]\ncommand = {act('pause')}\n")
    f.running()
    f.ctl("stop", "w")
    stays(lambda: f.proc.poll() is None, 0.2)
    edit(f, ("name = test", "name = test\non_empty = exit"))
    f.signal(signal.SIGHUP)
    assert f.end() == 0


def test_a_listener_hears_of_another_fleet(fleet):
    f = fleet(THREE)
    f.running()
    with f.varlink() as v:
        v.send("org.svd.Fleet.Events", {}, more=True)
        first = v.receive()["parameters"]
        assert [w["name"] for w in first["workers"]][-1] == "old"
        edit(f, ("[worker:old]", "[worker:new]"))
        f.ctl("reload")

        def names():
            workers = v.receive()["parameters"].get("workers")
            return [w["name"] for w in workers or ()]

        wait_for(lambda: names() == ["web:0", "web:1", "web:2", "job", "new"])


def test_includes_and_env_files_are_read_again(fleet):
    f = fleet(launch=False)
    (f.dir / "d").mkdir()
    (f.dir / "env").write_text("A=1\n")
    rewrite(f, f"""[fleet]
name = test
include = d/*.ini
environment = FLEET=1
[worker:main]
command = {act('pause')}
env_file = {f.dir}/env
""")
    one = f.dir / "d" / "one.ini"
    one.write_text(f"[worker:one]\ncommand = {act('pause')}\n")
    f.start()
    before = f.running()
    (f.dir / "d" / "two.ini").write_text(
        f"[worker:two]\ncommand = {act('pause')}\n")
    assert reload(f) == {"added": ["two"]}
    (f.dir / "env").write_text("A=2\n")
    assert "environment: A=1 FLEET=1 -> A=2 FLEET=1" in f.ctl("diff", rc=3).out
    assert reload(f) == {"restarted": ["main"]}
    after = f.running()
    assert after["one"] == before["one"]
    assert environ(after["main"])["A"] == "2"
    edit(f, ("FLEET=1", "FLEET=2"))
    assert reload(f) == {"restarted": ["main", "one", "two"]}
    assert environ(f.running()["one"])["FLEET"] == "2"
    one.unlink()
    assert reload(f) == {"removed": ["one"]}
    one.write_text("[worker:one]\nbogus = 1\n")
    assert f"{one}:2: " in f.ctl("reload", rc=1).err


def test_those_that_are_down_stay_down(fleet):
    f = fleet(THREE)
    f.running()
    f.ctl("stop", "job")
    edit(f, ("description = one", "description = two\ndirectory = /tmp"))
    assert reload(f) == {"changed": ["job"]}
    assert f.worker("job")["state"] == "STOPPED"
    f.ctl("start", "job")
    cwd = os.readlink(f"/proc/{f.worker('job')['pid']}/cwd")
    assert cwd == "/tmp"


def test_a_failed_one_is_tried_again(fleet):
    f = fleet(f"""
[worker:w]
command = {act('exit', 3)}
restart_limit = 1
backoff_delay = 0
[worker:once]
command = {act('exit', 3)}
type = oneshot
""")
    f.wait("w", state="FAILED")
    f.wait("once", state=lambda s: s in ("EXITED", "FAILED"))
    assert reload(f) == {}
    assert f.worker("w")["state"] == "FAILED"
    f.ini.write_text(f.ini.read_text().replace(act("exit", 3),
                                               act("pause"), 1))
    assert reload(f) == {"restarted": ["w"]}
    assert f.worker("w")["state"] == "RUNNING"
    assert f.worker("once")["generation"] == 1


def test_while_it_stops(fleet):
    """A second file comes while the first one's changes are under way."""
    f = fleet(f"""
[worker:slow]
command = {act('ignore', 15, 'pause')}
stop_timeout = 1s
[worker:other]
command = {act('pause')}
""")
    before = f.running()
    edit(f, (act('ignore', 15, 'pause'),
             act('ignore', 15, 'sleep', 111111)))
    assert reload(f, "--no-wait") == {"restarted": ["slow"]}
    edit(f, ("111111", "222222"))
    result = f.ctl("-j", "reload").json
    assert result["restarted"] == ["slow"]
    worker = f.worker("slow")
    assert worker["state"] == "RUNNING" and worker["generation"] == 2
    # Its exec is under way when svd goes on.
    words = wait_for(lambda: any(command_line(worker["pid"])) and
                     command_line(worker["pid"]))
    assert b"222222" in words
    assert f.worker("other")["pid"] == before["other"]


@pytest.mark.valgrind
def test_removed_and_added_again_while_it_stops(fleet):
    slow = f"""[worker:slow]
command = {act('ignore', 15, 'pause')}
stop_timeout = 1s
"""
    other = f"[worker:other]\ncommand = {act('pause')}\n"
    f = fleet(slow + other)
    before = f.running()
    rewrite(f, other)
    assert reload(f, "--no-wait") == {"removed": ["slow"]}
    assert f.worker("slow")["state"] == "STOPPING"
    assert "on its way out" in f.ctl("start", "slow", rc=1).err
    rewrite(f, slow + other)
    assert reload(f) == {"added": ["slow"]}
    worker = f.worker("slow")
    assert worker["state"] == "RUNNING" and worker["pid"] != before["slow"]
    assert not alive(before["slow"])
    assert list(f.workers()) == ["slow", "other"]


def test_what_leaves_is_stopped_as_its_own_stanza_says(fleet):
    """Also by a successor, which has never seen that file on disk."""
    f = fleet(launch=False)
    rewrite(f, f"""
[worker:odd]
command = {act('ignore', 15, 'on-exit', 10, 0, 'pause')}
stop_signal = USR1
stop_timeout = 1h
[worker:slow]
command = {act('ignore', 15, 'pause')}
stop_timeout = 2s
[worker:other]
command = {act('pause')}
""")
    f.start()
    before = f.running()
    rewrite(f, f"[worker:other]\ncommand = {act('pause')}\n")
    assert sorted(reload(f, "--no-wait")["removed"]) == ["odd", "slow"]
    f.kill_supervisor()
    assert "slow" in f.workers()
    wait_for(lambda: list(f.workers()) == ["other"], 10,
             "those that leave are gone")
    assert pids(f)["other"] == before["other"]
    assert not alive(before["odd"]) and not alive(before["slow"])
    log = f.log()
    assert "slow: did not stop within its grace" in log
    assert "odd: did not stop within its grace" not in log


def test_one_that_comes_back_starts_afresh(fleet):
    both = f"""[worker:w]
command = {act('pause')}
[worker:other]
command = {act('pause')}
"""
    f = fleet(both)
    f.running()
    f.ctl("restart", "w")
    f.ctl("restart", "w")
    assert f.worker("w")["generation"] == 3
    rewrite(f, f"[worker:other]\ncommand = {act('pause')}\n")
    assert reload(f) == {"removed": ["w"]}
    f.kill_supervisor()
    assert list(f.workers()) == ["other"]
    rewrite(f, both)
    assert reload(f) == {"added": ["w"]}
    worker = f.worker("w")
    assert worker["generation"] == 1 and worker["last_exit"] is None
    f.kill_supervisor()
    assert f.worker("w")["generation"] == 1
    assert f.worker("w")["pid"] == worker["pid"]


def test_the_supervisor_dies_under_a_reload_that_waits(fleet):
    """svctl asks the next one, and still waits for the end."""
    f = fleet(f"""
[worker:slow]
command = {act('ignore', 15, 'pause')}
stop_timeout = 2s
[worker:old]
command = {act('ignore', 15, 'pause')}
stop_timeout = 2s
""")
    before = f.running()
    rewrite(f, f"[worker:slow]\ncommand = {act('pause')}\n"
            "stop_timeout = 2s\n")
    ask = subprocess.Popen([*f.svctl_words(), "reload"], env=f.env)
    f.wait("old", state="STOPPING")
    f.kill_supervisor()
    assert ask.wait(20 * SLOW) == 0
    workers = f.workers()
    assert list(workers) == ["slow"]
    assert workers["slow"]["state"] == "RUNNING"
    assert workers["slow"]["pid"] != before["slow"]


def test_refused_while_the_fleet_stops(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('ignore', 15, 'pause')}\n"
              "stop_timeout = 3s\n")
    f.running()
    f.signal(signal.SIGTERM)
    f.wait("w", state="STOPPING")
    edit(f, ("pause", "sleep 5"))
    for command in ("reload", "diff"):
        assert "shutting down" in f.ctl(command, rc=7).err
    assert "shutting down" in f.ctl("scale", "w", 2, rc=7).err


def test_live_keys_take_effect(fleet):
    f = fleet(f"""
[worker:w]
command = {act('ignore', 15, 'pause')}
stop_timeout = 1h
[worker:aged]
command = {act('pause')}
""")
    before = f.running()
    edit(f, ("stop_timeout = 1h", "stop_timeout = 100ms"))
    f.ini.write_text(f.ini.read_text() + "max_age = 1s\n")
    assert reload(f) == {"changed": ["w", "aged"]}
    assert pids(f) == before
    f.wait("aged", generation=2)
    f.ctl("-t", "5", "stop", "w")
    assert f.worker("w")["last_exit"]["signal"] == signal.SIGKILL


def test_environment_is_svds_own(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n", env={"WHAT": "here"})
    f.running()
    f.ini.write_text(f.ini.read_text() + "environment = V=${WHAT}\n")
    assert reload(f) == {"restarted": ["w"]}
    assert environ(f.worker("w")["pid"])["V"] == "here"


# --- scale ----------------------------------------------------------------------

@pytest.mark.valgrind
def test_scale_up_and_down(fleet):
    f = fleet(THREE)
    before = f.running()
    assert f.ctl("scale", "web", 5).out == "added: web:3 web:4\n"
    assert list(f.workers())[:5] == [f"web:{i}" for i in range(5)]
    five = f.running()
    assert all(five[n] == before[n] for n in before)
    assert f.ctl("scale", "web", 2).out == "removed: web:2 web:3 web:4\n"
    two = pids(f)
    assert two == {n: before[n] for n in two}
    assert set(two) == {"web:0", "web:1", "job", "old"}
    assert f.ctl("scale", "web", 2).out == "no worker has changed\n"


@pytest.mark.valgrind
def test_one_and_two(fleet):
    """An only instance is renamed, and its process is not touched."""
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n")
    before = f.running()["w"]
    f.ctl("scale", "w", 2)
    assert f.running()["w:0"] == before
    f.kill_supervisor()
    assert f.running()["w:0"] == before
    f.ctl("scale", "w", 1)
    assert pids(f) == {"w": before}
    assert pids(f) == {"w": f.worker("w")["pid"]}
    # The id goes for it always.
    assert f.ctl("-j", "status", "w:0").json["workers"][0]["pid"] == before
    f.ctl("restart", "w:0")
    assert f.worker("w")["generation"] == 2


def test_new_instances_have_env_files_of_their_own(fleet):
    f = fleet(launch=False)
    for i in range(2):
        (f.dir / f"env.{i}").write_text(f"WHICH={i}\n")
    rewrite(f, f"""
[worker:web]
command = {act('pause')}
env_file = {f.dir}/env.%n
[worker:maybe]
command = {act('pause')}
env_file = -{f.dir}/none.%n
""")
    f.start()
    before = f.running()
    (f.dir / "env.0").write_text("WHICH=not read again\n")
    f.ctl("scale", "web", 2)
    f.ctl("scale", "maybe", 2)
    after = f.running()
    assert environ(after["web:1"])["WHICH"] == "1"
    assert (after["web:0"], after["maybe:0"]) == (
        before["web"], before["maybe"])
    assert "env.2" in f.ctl("scale", "web", 3, rc=1).err
    # And a successor has no need of the disk.
    (f.dir / "env.1").unlink()
    f.kill_supervisor()
    assert pids(f) == after


def test_a_scale_survives_the_supervisor_and_not_a_reload(fleet):
    f = fleet(THREE)
    f.running()
    f.ctl("scale", "web", 4)
    config = f.ctl("config", "web:3").out
    assert "numprocs               = 4  (svctl scale)" in config
    # No disk is read: the file may be anything by now.
    good = f.ini.read_text()
    f.ini.write_text("rubbish\n")
    f.kill_supervisor()
    assert "web:3" in f.running()
    f.ctl("scale", "job", 2)
    assert {"job:0", "job:1", "web:3"} <= set(f.running())
    f.ini.write_text(good)
    diff = f.ctl("diff", rc=3).out.splitlines()
    assert sorted(diff) == ["job:1: removed", "web:3: removed"]
    assert sorted(reload(f)["removed"]) == ["job:1", "web:3"]
    assert f.ctl("diff").out == ""


@pytest.mark.parametrize("args,rc", [
    (("web", "0"), 2), (("web", "10001"), 2),
    (("web", "x"), 2), (("web",), 2), (("web", "1", "2"), 2),
    (("nobody", "2"), 5), (("web:0", "2"), 5), (("all", "2"), 5),
    (("web", "9999"), 1)])
def test_scale_is_checked(fleet, args, rc):
    f = fleet(THREE)
    before = f.running()
    result = f.svctl("scale", *args)
    assert result.rc == rc, result
    assert result.err.startswith("svctl: ") or "at most" in result.err, result
    assert pids(f) == before


def test_scale_checks_what_it_is_asked(fleet):
    f = fleet(THREE)
    with f.varlink() as v:
        for n in (0, -5, 10001, 2**40):
            v.send("org.svd.Fleet.Scale", {"name": "web", "numprocs": n})
            assert v.receive()["error"].endswith("InvalidParameter")


# --- config and diff ---------------------------------------------------------------

def test_config_says_where_values_come_from(fleet):
    f = fleet(f"""[fleet]
name = test
environment = SECRET=1
user = {os.geteuid()}
[worker:w]
command = {act('pause')} "a b" $$x 100%%
numprocs = 2
environment = B=%n
max_age = 3600
""")
    f.running()
    reply = f.ctl("-j", "config").json
    keys = {v["key"]: (v["value"], v["origin"]) for v in reply["fleet"]}
    assert keys["name"] == ("test", f"{f.ini}:2")
    assert keys["on_empty"] == ("wait", "default")
    assert keys["runtime_dir"] == (None, "default")
    assert [w["name"] for w in reply["workers"]] == ["w:0", "w:1"]
    keys = {v["key"]: (v["value"], v["origin"])
            for v in reply["workers"][1]["values"]}
    assert keys["command"] == (
        act("pause") + ' "a b" $$x 100%%', f"{f.ini}:6")
    assert keys["environment"] == (
        "B=1 SECRET=1", f"{f.ini}:3, {f.ini}:8")
    assert keys["user"] == (str(os.geteuid()), f"{f.ini}:4")
    assert keys["max_age"] == ("1h", f"{f.ini}:9")
    assert keys["restart"] == ("always", "default")
    assert keys["limit_nofile"] == (None, "default")
    text = f.ctl("config", "w:1").out
    assert text.startswith("[w:1]\ncommand ") and "w:0" not in text
    assert f.svctl("config", "nobody").rc == 5


def test_config_is_a_file_again(fleet):
    """What is printed, written to a file, is the same configuration."""
    f = fleet(THREE + 'environment = "A=b c" D=e\nnice = 3\n'
              "limit_nofile = 100:200\nsuccess_exit_status = 0 3-5 TERM\n")
    f.running()
    before = pids(f)
    lines = ["[fleet]", "name = test"]
    for w in f.ctl("-j", "config").json["workers"]:
        if w["name"] in ("web:1", "web:2"):
            continue
        lines.append(f"[worker:{w['name'].partition(':')[0]}]")
        lines += [f"{v['key']} = {v['value']}" for v in w["values"]
                  if v["value"] is not None]
    f.ini.write_text("\n".join(lines) + "\n")
    assert f.ctl("diff").out == ""
    assert reload(f) == {}
    assert pids(f) == before


def test_config_of_a_large_fleet_is_whole(shm, fleet):
    """It is made in pieces, between which the loop serves others."""
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\nautostart = no\n"
              "numprocs = 1500\ndescription =\n[worker:x]\n"
              f"command = {act('pause')}\nautostart = no\n", run=shm / "run")
    with f.varlink() as slow, f.varlink() as quick:
        slow.send("Config")
        slow.sock.setblocking(False)
        while b"\0" not in slow.buffer[-1:]:
            quick.call("Ping")
            with contextlib.suppress(BlockingIOError):
                slow.buffer += slow.sock.recv(1 << 20)
        reply = slow.receive()["parameters"]
        names = [w["name"] for w in reply["workers"]]
        assert names == [f"w:{i}" for i in range(1500)] + ["x"]
        some = quick.call("Config", {"names": ["w:0", "w:1499", "x"]})
    assert some["fleet"] == reply["fleet"]
    assert some["workers"] == [reply["workers"][i] for i in (0, 1499, 1500)]
    assert {len(w["values"]) for w in reply["workers"]} == {
        len(some["workers"][0]["values"])}


# A sanitizer has a malloc of its own.
if not SANITIZED:
    def test_memory_of_a_large_answer_is_given_back(shm, fleet):
        f = fleet(f"[worker:w]\ncommand = {act('pause')}\nautostart = no\n"
                  "numprocs = 2000\nstdout = null\n", run=shm / "run")
        supervisor = f.status()["supervisor_pid"]
        before = rss_kb(supervisor)
        assert len(f.ctl("-j", "config").json["workers"]) == 2000
        wait_for(lambda: rss_kb(supervisor) < before + 4096)


def test_diff_tells_and_does_nothing(fleet):
    f = fleet(THREE)
    before = f.running()
    f.ctl("stop", "job")
    edit(f, ("description = one", "nice = 5"), ("[worker:old]", "[worker:new]"),
         ("numprocs = 3", "numprocs = 3\nrestart_limit = 7\numask = 077"))
    reply = f.ctl("-j", "diff", rc=3).json
    found = {w["name"]: w for w in reply["workers"]}
    assert list(found) == ["web:0", "web:1", "web:2", "job", "new", "old"]
    assert found["web:1"] == {
        "name": "web:1", "kind": "changed", "restart": True,
        "workers": None, "changes": [
            {"key": "umask", "was": "022", "is": "077"},
            {"key": "restart_limit", "was": "0", "is": "7"}]}
    assert not found["job"]["restart"], "it is down"
    assert {"key": "description", "was": "one", "is": None} in \
        found["job"]["changes"]
    assert found["new"]["kind"] == "added"
    assert found["old"]["kind"] == "removed"
    text = f.ctl("diff", rc=3).out
    assert "web:1: changed, would be restarted\n    umask: 022 -> 077\n" in text
    assert "job: changed\n" in text
    after = pids(f)
    assert after.pop("job") == 0 and before.pop("job")
    assert after == before


FLOORS = (floor("f", environment="A=1") + floor("g") +
          f"[worker:a]\nnumprocs = 2\n{on_floor('pause')}\n"
          f"[worker:b]\n{on_floor('pause', name='g')}\n"
          f"[worker:c]\ncommand = {act('pause')}\n")


def test_diff_of_floors_tells_whom_it_moves(fleet):
    f = fleet(FLOORS)
    before = f.running()
    edit(f, ("environment = A=1", "environment = A=2\nspares = 1"),
         ("[floor:g]", "[floor:g]\nmax_private = 1G\ndescription = x"))
    rewrite(f, f.ini.read_text() + "[floor:h]\nruntime = native\n")
    reply = f.ctl("-j", "diff", rc=3).json
    # Each once, though a floor is two slots.
    assert [(w["name"], w["kind"], w["restart"], w["workers"],
             [c["key"] for c in w["changes"]]) for w in reply["workers"]] == [
        ("floor:f", "changed", True, ["a:0", "a:1"], ["environment", "spares"]),
        ("floor:g", "changed", False, [], ["max_private", "description"]),
        ("floor:h", "added", False, [], [])]
    text = f.ctl("diff", rc=3).out
    assert ("floor:f: changed, would be loaded anew, then restarted: a:0 a:1\n"
            "    environment: A=1 -> A=2\n    spares: 0 -> 1\n"
            "floor:g: changed\n") in text, text
    assert pids(f) == before
    reply = reload(f)
    assert reply == {"added": ["floor:h"], "restarted": ["floor:f"],
                     "changed": ["floor:g"]}
    assert not f.ctl("diff").out
    after = f.running()
    same = {name for name in after if after[name] == before[name]}
    assert same == {"b", "c"}


def test_spares_change_without_a_new_generation(fleet):
    f = fleet(floor(spares=3) + f"[worker:w]\n{on_floor('pause')}\n")
    before = f.running()
    # Supervisor, logger, floor and worker.
    for new, old in (3, 3), (1, 3), (0, 1), (2, 0):
        edit(f, (f"spares = {old}", f"spares = {new}"))
        f.ctl("reload")
        wait_for(lambda: len(children(f.keeper)) == 4 + new)
    assert f.running() == before
    assert "generation 2" not in f.log()


def test_config_tells_of_a_floor_once(fleet):
    f = fleet(f"[fleet]\nname = t\nenvironment = F=1\n{FLOORS}")
    reply = f.ctl("-j", "config").json
    assert [w["name"] for w in reply["workers"]] == [
        "floor:f", "floor:g", "a:0", "a:1", "b", "c"]
    some = f.ctl("-j", "config", "floor:f", "b").json["workers"]
    assert some == [reply["workers"][0], reply["workers"][4]]
    values = {v["key"]: (v["value"], v["origin"]) for v in some[0]["values"]}
    assert values["runtime"] == ("native", f"{f.ini}:5")
    assert values["environment"] == ("A=1 F=1", f"{f.ini}:3, {f.ini}:7")
    assert values["preload_timeout"] == ("1min", "default")
    assert values["python"] == (None, "default")
    assert "stop_signal" not in values
    values = {v["key"]: v["value"] for v in some[1]["values"]}
    assert values["floor"] == "g" and values["command"] is None
    assert "[floor:f]\nruntime " in f.ctl("config", "floor:f").out
    # That it is two slots is nobody's business.
    for name in ("floor:h", "f", "@f", "@f:0"):
        assert f.svctl("config", name).rc == 5, name
    for name in ("floor:f", "@f"):
        assert f.svctl("scale", name, "3").rc == 5, name


def test_a_command_has_no_fleet_file(tmp_path, fleet):
    f = fleet(args=["-r", tmp_path / "run", "--", *act("pause").split()],
              launch=False)
    f.run = tmp_path / "run"
    f.start()
    assert "no fleet file" in f.ctl("reload", rc=7).err
    assert "no fleet file" in f.ctl("config", rc=7).err


# --- crashes ----------------------------------------------------------------------

def variant(rng):
    """A fleet file of some of these, each as one of a few stanzas."""
    lines = ["[fleet]", "name = test"]
    for name in "abcd":
        if rng.random() < 0.35:
            continue
        ignore = ("ignore", 15) if rng.random() < 0.3 else ()
        lines += [f"[worker:{name}]",
                  f"command = {act('note', 'births', *ignore, 'pause')}",
                  f"numprocs = {rng.choice((1, 1, 2, 3))}",
                  f"nice = {rng.choice((0, 1))}",
                  "directory = @",
                  f"stop_timeout = {rng.choice(('50ms', '200ms'))}",
                  f"description = {rng.randrange(3)}"]
    return "\n".join(lines) + f"\n[worker:steady]\ncommand = {act('pause')}\n"


def nice_of(pid):
    return str(os.getpriority(os.PRIO_PROCESS, pid))


def settled(f):
    """Each worker that the file names runs as that says, and no other."""
    result = f.svctl("-j", "status")
    if result.rc != 0:
        return False
    workers = {w["name"]: w for w in result.json["workers"]}
    config = f.svctl("-j", "config")
    if config.rc != 0:
        return False
    wanted = {w["name"]: {v["key"]: v["value"] for v in w["values"]}["nice"]
              for w in config.json["workers"]}
    if set(workers) != set(wanted):
        return False
    with contextlib.suppress(ProcessLookupError):
        return all(w["state"] == "RUNNING" and
                   nice_of(w["pid"]) == (wanted[n] or nice_of(0))
                   for n, w in workers.items())
    return False


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_killed_at_random_instants_of_reloads(fleet, number):
    print(f"SVD_TEST_SEED={SEED}")
    rng = random.Random(SEED * 10 + number)
    f = fleet(launch=False)
    f.ini.write_text(variant(rng).replace("@", str(f.dir)))
    f.start()
    steady = f.running("steady")["steady"]
    for _ in range(max(3, ROUNDS // 40)):
        f.ini.write_text(variant(rng).replace("@", str(f.dir)))
        old = f.supervisor()
        how = rng.random()
        args = ["reload"]
        if how < 0.2:
            names = [n.partition(":")[0] for n in f.workers()]
            args = ["scale", rng.choice(names), str(rng.randint(1, 3))]
        ask = subprocess.Popen(
            [*f.svctl_words(), "-t", "20", *args], env=f.env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.random() ** 2 * 0.02 * SLOW)
        if rng.random() < 0.8 and old:
            with contextlib.suppress(ProcessLookupError):
                os.kill(old, signal.SIGKILL)
        if rng.random() < 0.7:
            ask.wait(30 * SLOW)
        else:
            ask.kill()
            ask.wait()
        wait_for(f.answers, 20)
        if rng.random() < 0.3:
            wait_for(lambda: settled(f), 20, "an end", every=0.05)
    # Undisturbed, the file's word is all that counts.
    wait_for(lambda: f.svctl("-t", "20", "reload").rc in (0, 1), 30)
    assert f.ctl("diff").out == ""
    wait_for(lambda: settled(f), 20, "an end", every=0.05)
    assert f.worker("steady")["pid"] == steady
    lines = f.lines("births")
    assert len(lines) == len(set(lines)), "one was started twice"
    # Nobody else is left of whom the file does not know.
    up = {w["pid"] for w in f.workers().values()}

    def strays():
        return [line for line in lines if int(line.split()[2]) not in up and
                alive(int(line.split()[2]))]

    wait_for(lambda: not strays() or print(strays()), what="no strays")


@pytest.mark.slow
def test_a_thousand(shm, fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\nnumprocs = 1000\n",
              run=shm / "run")
    wait_for(lambda: f.svctl("status").rc == 0, 30, every=0.2)
    before = pids(f)
    assert f.ctl("reload").out == "no worker has changed\n"
    assert pids(f) == before
    assert len(reload(f)) == 0
    f.ctl("scale", "w", 999)
    after = pids(f)
    assert after == {n: p for n, p in before.items() if n != "w:999"}

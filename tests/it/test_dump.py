"""svctl dump: what a worker that hangs is about; and the same before its KILL."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from svdtest import BUILD, IS_ROOT, SLOW, act, alive, children, wait_for

HUNG = BUILD / "tests/hung"
NOBODY = 65534
try:
    YAMA = open("/proc/sys/kernel/yama/ptrace_scope").read().strip() != "0"
except OSError:
    YAMA = False


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return "X"


def worker(*words, **keys):
    keys = {"stop_timeout": 0, **keys}
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f"[worker:w]\ncommand = {HUNG} {' '.join(words)}\n{lines}"


def part(text, what, pid=None):
    """The lines of one part, of one process."""
    found = re.search(rf"^process {pid or '[0-9]+'} \(.*\): {what}\n((?:    .*\n?)*)",
                      text, re.M)
    assert found, (what, text)
    return found.group(1)


def hung(fleet, how, in_state="S", call=None, **keys):
    f = fleet(worker(how, **keys))
    pid = f.running("w")["w"]
    wait_for(lambda: state_of(pid) == in_state)
    return f, pid


def wait_in(pid, call):
    """Until its first thread is in a call of this name in the kernel."""
    def look():
        with open(f"/proc/{pid}/wchan") as file:
            return call in file.read()
    wait_for(look)


def hang(f):
    """Starts svd and waits until all its workers hang; their pids."""
    f.start()
    pids = f.running()
    for pid in pids.values():
        wait_in(pid, "pause")
    return pids


def test_a_mutex_and_who_has_locked_it(fleet):
    f, pid = hung(fleet, "mutex")
    wait_in(pid, "futex")
    text = f.ctl("dump", "w").out
    assert text.startswith("w: RUNNING since ")
    threads = part(text, "threads", pid)
    assert re.search(rf"    {pid} \(hung\): S \(sleeping\), in futex\w*, "
                     r"futex\(0x[0-9a-f]+, 128, 2, .*: a mutex, if it is one, "
                     r"that thread [0-9]+ \(holder\) has locked\n", threads)
    assert re.search(r"    [0-9]+ \(holder\): S \(sleeping\).*, pause\(\)", threads)
    stacks = part(text, "stacks, by (?:eu-stack|gdb)", pid)
    assert "in_mutex" in stacks and "hold" in stacks
    whole = part(text, "as a whole", pid)
    assert "threads: 2\n" in whole and "ignored: TERM" in whole
    assert "waited for a processor" in whole
    assert state_of(pid) == "S"


@pytest.mark.skipif(not IS_ROOT, reason="kernel stacks are root's to see")
def test_stacks_in_the_kernel(fleet):
    f, pid = hung(fleet, "sleep")
    wait_in(pid, "pause")
    assert "pause" in part(f.ctl("dump", "w").out, "threads").partition("\n")[2]


def test_a_full_pipe_and_its_descriptor(fleet):
    f, pid = hung(fleet, "pipe")
    wait_in(pid, "pipe")
    text = f.ctl("dump", "w").out
    assert re.search(r"write\(([0-9]+) <pipe:\[[0-9]+\]>, 0x[0-9a-f]+, 65536\)", text)
    assert re.search(r"    [0-9]+: pipe:\[[0-9]+\], write\n",
                     part(text, "descriptors"))


def test_one_in_state_d_and_its_child(fleet):
    f, pid = hung(fleet, "vfork", "D")
    text = f.ctl("dump", "w").out
    child, = children(pid)
    assert f"{pid} (hung): D (disk sleep)" in part(text, "threads", pid)
    assert "pause()" in part(text, "threads", child)
    assert f"a child of {pid}\n" in part(text, "as a whole", child)
    assert "a debugger would wait for it" in part(text, "stacks", pid)
    assert "in_vfork" in part(text, "stacks, by (?:eu-stack|gdb)", child)


def test_one_that_is_stopped_stays_so(fleet):
    f, pid = hung(fleet, "sleep")
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T")
    text = f.ctl("dump", "w").out
    assert "T (stopped)" in part(text, "threads", pid)
    assert "pause" in part(text, "stacks, by .*", pid)
    # For a moment, whoever has looked into it may still be leaving it.
    wait_for(lambda: state_of(pid) == "T")


def test_names_that_would_forge_lines(fleet):
    f, pid = hung(fleet, "names")
    reply = f.svctl("-j", "dump", "w").json
    text = reply["dumps"][0]["text"]
    assert "\033" not in text and "\nforged" not in text and "\nb" not in text
    assert rf"({pid} " not in text
    assert r"(a\x0ab\x1b[1m?\x5cx)" in text
    assert r"memfd:c\x0aforged: d\x1b[1m? (deleted)" in text
    assert alive(pid), "no signal was sent that it does not catch"
    shown = f.ctl("dump", "w").out
    assert "\033" not in shown and "\nforged" not in shown


def test_stacks_by_itself_are_bounded_in_time_and_size(fleet):
    f, pid = hung(fleet, "handler")
    wait_in(pid, "pause")
    began = time.monotonic()
    text = f.ctl("dump", "w").out
    assert time.monotonic() - began < 3 * (1 + SLOW)
    said = part(text, "stacks, by itself", pid)
    assert "it has not come to an end of writing them" in said
    assert r"\x1b\x1b" in said and len(said) < 5 * 65536
    assert f.worker("w")["pid"] == pid


def test_json_names_and_errors(fleet):
    f = fleet(f"[worker:w]\nnumprocs = 2\nstop_timeout = 0\n"
              f"command = {HUNG} sleep\n"
              f"[worker:off]\nautostart = no\ncommand = {HUNG} sleep\n")
    pids = f.running("w:0", "w:1")
    done = f.svctl("-j", "dump", "w", "off")
    assert done.rc == 1
    assert "off: 'off' has no process" in done.err
    dumps = done.json["dumps"]
    assert [d["name"] for d in dumps] == ["w:0", "w:1", "off"]
    assert [d["pid"] for d in dumps] == [pids["w:0"], pids["w:1"], 0]
    assert dumps[2]["text"] is None
    assert all(d["error"] is None and d["cut_off"] is None for d in dumps[:2])
    assert f.svctl("dump", "nobody").rc == 5
    assert f.svctl("--no-wait", "dump", "w").rc == 2


def slow_tool(f, name="eu-stack", then="exec sleep 1000"):
    """A PATH in which there is only this."""
    tools = f.path("tools")
    tools.mkdir()
    tool = tools / name
    tool.write_text(f"#!/bin/sh\necho '#0 main'; echo $$ >{f.path('tool')}; {then}\n")
    tool.chmod(0o755)
    return {**f.env, "PATH": str(tools)}


def test_what_is_known_when_time_is_over_is_shown(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f)
    f.ini.write_text(worker("sleep"))
    hang(f)
    began = time.monotonic()
    done = f.svctl("-t", "0.5", "dump", "w")
    assert 0.5 <= time.monotonic() - began < 8 * SLOW
    assert done.rc == 6, done
    assert "pause()" in done.out and "#0 main" in done.out
    assert done.out.endswith("cut off after 500ms\n")
    tool, = f.lines("tool")
    wait_for(lambda: not alive(int(tool)))


def test_a_debugger_that_is_cut_off_leaves_nobody_stopped(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f, then="kill -STOP $5; exec sleep 1000")
    f.ini.write_text(worker("sleep"))
    pid = hang(f)["w"]
    f.svctl("-t", "0.5", "dump", "w")
    wait_for(lambda: state_of(pid) == "S")


def test_neither_debugger_is_there(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f, "another")
    f.ini.write_text(worker("sleep"))
    hang(f)
    text = f.ctl("dump", "w").out
    assert "neither eu-stack nor gdb is installed" in text


def test_gdb_where_there_is_no_eu_stack(fleet):
    f = fleet("", launch=False)
    f.path("tools").mkdir()
    f.path("tools/gdb").symlink_to(shutil.which("gdb"))
    f.env = {**f.env, "PATH": str(f.path("tools"))}
    f.ini.write_text(worker("sleep"))
    hang(f)
    assert "in_sleep" in part(f.ctl("dump", "w").out, "stacks, by gdb")


def test_one_that_dies_meanwhile(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f, then="kill -KILL $5; exec sleep 0.2")
    f.ini.write_text(worker("sleep", restart="no"))
    pid = hang(f)["w"]
    text = f.ctl("dump", "w").out
    assert "#0 main" in text and "pause()" in text
    f.wait("w", state="FAILED")
    assert not alive(pid)


def test_a_supervisor_that_is_killed_meanwhile(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f, then="exec sleep 0.7")
    f.ini.write_text(worker("sleep"))
    hang(f)
    client = subprocess.Popen([*f.svctl_words(), "dump", "w"], text=True,
                              stdout=subprocess.PIPE)
    f.wait_lines("tool")
    first = int(f.lines("tool")[0])
    f.kill_supervisor()
    out, _ = client.communicate(timeout=20)
    assert client.returncode == 0
    assert out.count("w: RUNNING since") == 1 and "#0 main" in out
    assert not alive(first), "the one that looked went with its supervisor"


# --- Python ----------------------------------------------------------------------

HOLDER = """
import ctypes, threading

def waits_in_a_thread():
    threading.Event().wait()

def holds_the_lock():
    threading.Thread(target=waits_in_a_thread, daemon=True).start()
    library = ctypes.PyDLL(None)  # whose calls keep the GIL
    while True:
        library.pause()
"""


def python_floor(fleet, workers, spares=0, user=None):
    f = fleet("", launch=False)
    f.path("holder.py").write_text(HOLDER)
    f.ini.write_text(f"[fleet]\nname = test\n[floor:py]\nruntime = python\n"
                     f"python = {sys.executable}\npath = {f.path('.')}\n"
                     f"preload = holder\nspares = {spares}\n" +
                     (f"user = {user}\n" if user else "") + workers)
    f.start()
    return f


def stacks(text):
    return part(text, "stacks, by itself")


@pytest.mark.parametrize("spares", [0, 2])
def test_python_that_holds_its_lock_in_c(fleet, spares):
    f = python_floor(fleet, "[worker:w]\nfloor = py\nnumprocs = 2\n"
                            "entry = holder:holds_the_lock\n", spares)
    for pid in f.running("w:0", "w:1").values():
        wait_in(pid, "pause")
    for _ in range(2):  # nothing is left of the first
        for dump in f.svctl("-j", "dump", "w").json["dumps"]:
            told = stacks(dump["text"])
            assert told.count("in waits_in_a_thread") == 1, told
            assert told.count("in holds_the_lock") == 1, told
            assert told.count("Current thread") == 1, told
    assert "in serve" in stacks(f.ctl("dump", "floor:py").out)


@pytest.mark.skipif(not IS_ROOT, reason="needs root to have other users")
def test_workers_of_another_user(fleet):
    f = python_floor(fleet, f"[worker:w]\nfloor = py\nuser = {NOBODY}\n"
                            "entry = holder:holds_the_lock\n"
                            f"[worker:x]\ncommand = {HUNG} names\n"
                            f"user = {NOBODY}\nstop_timeout = 0\n", user="root")
    for pid in f.running("w", "x").values():
        wait_in(pid, "pause")
    told = f.ctl("dump", "w", "x").out
    assert "in holds_the_lock" in stacks(told)
    assert "in_names" in told and "may not be seen" not in told


@pytest.mark.skipif(not IS_ROOT or YAMA, reason="needs root, and no Yama")
def test_the_debugger_is_the_worker_s_user_and_has_nothing_of_svd(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f, then='echo "#1 $(id -u) $(id -G)"; '
                              'echo "#2 $(ls /proc/self/fd | wc -l)"; '
                              'echo "#3 ${SVD_TEST_ID-none}"')
    f.ini.write_text(worker("sleep", user=NOBODY))
    f.start()
    f.running()
    text = f.ctl("dump", "w").out
    assert f"#1 {NOBODY} {NOBODY}\n" in text
    # Three, and that of the directory.
    assert "#2 4\n" in text and "#3 none\n" in text


def test_the_floor_s_signal_may_be_another_s(fleet):
    f = fleet("", launch=False)
    f.path("own.py").write_text(
        "import faulthandler, os, signal, time\n"
        "def unregistered():\n"
        "    faulthandler.unregister(signal.SIGRTMAX - 4)\n"
        "    time.sleep(1000)\n"
        "def closed():\n"
        "    os.closerange(3, 100)\n"
        "    time.sleep(1000)\n")
    f.ini.write_text(f"[floor:py]\nruntime = python\npython = {sys.executable}\n"
                     f"path = {f.path('.')}\npreload = own\n"
                     "[worker:a]\nfloor = py\nentry = own:unregistered\n"
                     "[worker:b]\nfloor = py\nentry = own:closed\n")
    f.start()
    pids = f.running("a", "b")
    for pid in pids.values():
        wait_in(pid, "nanosleep")
    assert "it does not catch RTMIN+26 any more" in f.ctl("dump", "a").out
    assert "stacks, by itself" not in f.ctl("dump", "b").out
    assert f.running("a", "b") == pids


def test_executed_python_that_imports_svd(fleet):
    f = fleet("", launch=False)
    f.path("w.py").write_text("import svd, time\ndef waits():\n"
                              "    time.sleep(1000)\nwaits()\n")
    f.ini.write_text(f"[worker:w]\ncommand = {sys.executable} {f.path('w.py')}\n"
                     f"environment = PYTHONPATH={BUILD}/libexec/python\n")
    f.start()
    wait_in(f.running()["w"], "nanosleep")
    told = stacks(f.ctl("dump", "w").out)
    assert "in waits" in told


# --- before a KILL ------------------------------------------------------------------

def test_the_log_has_it_before_the_kill(fleet):
    f, pid = hung(fleet, "mutex", stop_timeout="100ms")
    wait_in(pid, "futex")
    f.ctl("stop", "w")
    log = f.log()
    assert f"w: dump: process {pid} (hung): threads\n" in log
    assert re.search(r"w: dump:     .*that thread [0-9]+ \(holder\) has locked", log)
    assert log.index("did not stop within its grace") < log.index("w: dump: ") \
        < log.index("STOPPING -> STOPPED")


def test_the_log_says_where_a_preload_hangs(fleet):
    f = fleet("", launch=False)
    f.path("endless.py").write_text("def wait():\n    import time\n"
                                    "    time.sleep(1000)\nwait()\n")
    f.ini.write_text(f"[floor:py]\nruntime = python\npython = {sys.executable}\n"
                     f"path = {f.path('.')}\npreload = endless\n"
                     "preload_timeout = 300ms\n"
                     "[worker:w]\nfloor = py\nentry = endless:wait\n")
    f.start()
    wait_for(lambda: "floor:py: dump: process " in f.log())
    wait_for(lambda: f.ctl("floors").out.count("FAILED"))
    assert re.search(r'floor:py: dump:       File ".*/endless.py", line 3 in wait',
                     f.log())


def test_the_kill_does_not_wait_for_a_dump_that_hangs(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f)
    f.ini.write_text(worker("sleep", stop_timeout="100ms"))
    hang(f)
    began = time.monotonic()
    f.ctl("stop", "w")
    assert 2 <= time.monotonic() - began < 8 * SLOW
    assert "w: dump: cut off after 2s\n" in f.log()
    assert "#0 main" in f.log()


def test_of_many_each_has_a_turn(fleet):
    """Who is at work makes room for those that wait."""
    f = fleet("", launch=False)
    f.env = slow_tool(f)
    f.ini.write_text(worker("sleep", stop_timeout="100ms", numprocs=24))
    pids = hang(f)
    began = time.monotonic()
    f.ctl("stop", *pids)
    assert time.monotonic() - began < 8 * SLOW
    log = f.log()
    for name in pids:  # at least what svd itself knows
        assert f"{name}: dump: {name}: STOPPING since " in log
    looked = [name for name, pid in pids.items()
              if f"{name}: dump: process {pid} (" in log]
    assert len(looked) > 8, "more than at once"
    assert "dump: cut off after 200ms, as others are to be looked at\n" in log


def test_a_long_one_is_logged_whole_up_to_a_limit(fleet):
    f = fleet("", launch=False)
    # A real one for each of so many may take longer than there is time.
    f.env = slow_tool(f, then="echo '" + "#1 other\n" * 60 + "'")
    log = f.path("svd.log")
    f.ini.write_text(f"[fleet]\nname = test\nlog = file:{log}\n" +
                     worker("children", stop_timeout="100ms"))
    f.start()
    pid = f.running()["w"]
    wait_for(lambda: len(children(pid)) == 70)
    f.ctl("stop", "w")
    wait_for(lambda: "w: dump: the rest is too long for a log\n" in log.read_text())
    text = log.read_text()
    assert "lines dropped" not in text
    assert "w: dump: 7 processes more, which are left out\n" in text
    lines = [line.split("w: dump: ")[1] for line in text.splitlines()
             if "w: dump: " in line]
    assert 60000 < sum(map(len, lines)) < 65536


def test_a_supervisor_that_dies_while_a_kill_waits(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f)
    f.ini.write_text(worker("sleep", stop_timeout="100ms"))
    pid = hang(f)["w"]
    f.ctl("--no-wait", "stop", "w")
    f.wait_lines("tool")
    f.kill_supervisor()
    wait_for(lambda: not alive(pid))
    assert len(f.lines("tool")) == 1, "its successor kills at once"
    f.wait("w", state="STOPPED")


@pytest.mark.parametrize("how", ["kill", "at once"])
def test_no_dump_where_a_kill_is_wanted(fleet, how):
    f, pid = hung(fleet, "sleep", stop_timeout=0 if how == "at once" else 60)
    wait_in(pid, "pause")
    f.ctl("kill" if how == "kill" else "stop", "w")
    assert not alive(pid)
    assert "dump" not in f.log()


def test_the_end_of_a_fleet_that_hangs_is_not_held_up(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f)
    f.ini.write_text(worker("sleep", stop_timeout="100ms", numprocs=20))
    hang(f)
    began = time.monotonic()
    assert f.stop() == 0
    assert time.monotonic() - began < 8 * SLOW
    log = f.log()
    assert log.count(" did not stop within its grace") == 20
    assert log.count(": threads\n") > 8, "more than at once"


def test_a_second_term_ends_what_is_dumped(fleet):
    f = fleet("", launch=False)
    f.env = slow_tool(f)
    f.ini.write_text(worker("sleep", stop_timeout="100ms"))
    hang(f)
    f.signal(signal.SIGTERM)
    f.wait_lines("tool")
    f.signal(signal.SIGTERM)
    f.end()
    assert "cut off after" not in f.log()


TRACES = """import ctypes, sys, time
libc = ctypes.CDLL(None)
libc.ptrace(16, int(sys.argv[1]), 0, 0)
print("#1 traced", flush=True)
time.sleep(1000)"""


@pytest.mark.parametrize("kill", [["kill"], ["signal", "KILL"]], ids=" ".join)
def test_a_kill_waits_for_no_debugger(fleet, kill):
    """Of the end of who is traced its tracer hears first."""
    f = fleet("", launch=False)
    f.path("traces.py").write_text(TRACES)
    f.env = slow_tool(f, then=f"exec {sys.executable} -S {f.path('traces.py')} $5")
    f.ini.write_text(worker("sleep"))
    pid = hang(f)["w"]
    with subprocess.Popen([*f.svctl_words(), "dump", "w"], env=f.env, text=True,
                          stdout=subprocess.PIPE) as dump:
        f.wait_lines("tool")
        wait_for(lambda: state_of(pid) == "t")
        began = time.monotonic()
        f.ctl(*kill, "w")
        wait_for(lambda: state_of(pid) == "X")
        assert time.monotonic() - began < 5 * SLOW, "a dump takes 10 s"
        out = dump.communicate(timeout=20)[0]
    assert "#1 traced" in out or "#0 main" in out
    assert out.endswith("cut off: it was killed\n")

"""Workers with `channel = rpc`, asked by svctl and by other clients."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from steps import steps_of
from svdtest import (ACT, BUILD, ROOT, VarlinkError, alive, stays,
                     wait_for)

HERE = ROOT / "tests/it/channel"
PYTHON = f"""
command = /usr/bin/python3 {HERE}/asked.py
environment = PYTHONPATH={BUILD}/libexec/python
channel = rpc
"""
ASKED = f"[worker:w]{PYTHON}"
RAW = f"""
[worker:raw]
command = /usr/bin/python3 {HERE}/raw.py
channel = rpc
stop_timeout = 0
backoff_delay = 100ms
"""
SERVED = f"""
[worker:c]
command = {BUILD}/tests/served
channel = rpc
[worker:own]
command = {BUILD}/tests/served own
channel = rpc
"""


def in_loop(f, name):
    wait_for(lambda: f.why(name)["channel"] == "in its loop",
             what=f"{name} is in its loop")
    return f.worker(name)["pid"]


@pytest.fixture
def asked(fleet):
    f = fleet(ASKED)
    in_loop(f, "w")
    return f


@pytest.fixture
def raw(fleet):
    f = fleet(RAW)
    in_loop(f, "raw")
    return f


def value(f, *words, name="w"):
    return f.ctl("load", name, *words).json


def killing(f, command):
    """svctl, with the supervisor killed while it waits; its result."""
    with subprocess.Popen([*f.svctl_words(), *command], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=f.env) as svctl:
        time.sleep(0.1)
        f.kill_supervisor()
        out, err = svctl.communicate(timeout=20)
    return svctl.returncode, out, err


# --- what is asked, and answered ------------------------------------------------

def test_a_worker_runs_stores_loads_and_is_called(asked):
    f = asked
    assert f.ctl("run", "w", "x = 6\nimport os").out == ""
    f.ctl("store", "w", "y", "7")
    assert f.ctl("load", "w", "x * y").out == "42\n"
    assert f.ctl("-j", "load", "w", "[x, y, None]").json == {
        "value": [6, 7, None]}
    assert f.ctl("-j", "run", "w", "pass").json == {}
    assert f.ctl("call", "w:0", "add", "[1, 2]").out == "3\n"
    assert f.ctl("call", "w", "add", '{"a": 1, "b": 5}').out == "6\n"
    assert f.ctl("call", "w", "add", "1").out == "2\n"
    assert f.ctl("call", "w", "echo").out == "[]\n"
    assert f.ctl("call", "w", "echo", '[null, "\u20ac", {"a": []}]').json == [
        None, "\u20ac", {"a": []}]
    with f.varlink() as v:
        assert v.call("Ping", {"name": "w"}) == {}
    f.ctl("call", "w", "say", '"said"')
    wait_for(lambda: "said" in f.ctl("logs", "w").out)
    assert f.worker("w")["generation"] == 1


def test_no_digit_is_lost_and_nothing_is_too_long(asked):
    f = asked
    digits = "[12345678901234567890123, 0.1, 1e400]"
    f.ctl("store", "w", "n", digits)
    assert f.ctl("load", "w", "n[0]").out == "12345678901234567890123\n"
    assert f.ctl("call", "w", "echo", digits[:-8] + "]").out == \
        "[12345678901234567890123,0.1]\n"
    for size in (65534, 65535, 1 << 20, 3000000):
        text = json.dumps(["x" * size, "\n"])
        done = subprocess.run([*f.svctl_words(), "store", "w", "big", "-"],
                              input=text, text=True, env=f.env)
        assert done.returncode == 0
        assert f.ctl("load", "w", "len(big[0])").json == size
        assert f.ctl("load", "w", "big").json == json.loads(text)
    assert f.ctl("load", "w", "big[0]").json == "x" * 3000000
    done = subprocess.run([*f.svctl_words(), "run", "w", "-"], env=f.env,
                          input="z = 1 #" + "-" * 200000, text=True)
    assert done.returncode == 0 and value(f, "z") == 1


def test_a_client_without_descriptors_has_what_a_message_holds(asked):
    with asked.varlink() as v:
        call = {"name": "w", "method": "echo"}
        long = ["x" * 500000, 1.5]
        assert v.call("Call", {**call, "value": long}) == {"value": long}
        assert v.call("Call", {"value": {}, "name": "w", "method": "pid"}) == {
            "value": asked.worker("w")["pid"]}
        assert v.call("Run", {"name": "w", "code": "a = '\"value\": 3'"}) == {}
        assert v.call("Load", {"name": "w", "expression": "a"}) == {
            "value": '"value": 3'}
        with pytest.raises(VarlinkError) as error:
            v.call("Load", {"name": "w", "expression": "2000000 * 'x'"})
        assert "2000002 bytes" in error.value.parameters["reason"]
        v.send_raw(b'{ "method" :"org.svd.Fleet.Call", "parameters": {"value" '
                   b': [ 1e0 , {"value": 123456789012345678901} ] , "name":"w",'
                   b'"method":"echo"}}\0')
        assert v.receive()["parameters"]["value"] == [
            1.0, {"value": 123456789012345678901}]


def test_exceptions_are_told_with_their_tracebacks(asked):
    def told(*words):
        result = asked.ctl(*words, rc=1)
        assert len(result.err) < 300000
        return result.err

    err = told("run", "w", "def f():\n    return 1 / 0\nf()")
    assert 'File "<run 1>", line 2, in f\n    return 1 / 0' in err
    assert err.endswith("exception: ZeroDivisionError: division by zero\n")
    assert "serving.py" not in err
    assert "SyntaxError" in told("load", "w", "1 +")
    assert "<no text>" in told("call", "w", "odd")
    assert "__main__.local.<locals>.Local" in told("call", "w", "local")
    assert "FileNotFoundError" in told("call", "w", "chain")
    err = told("call", "w", "long_traceback")
    assert "ValueError: xxx" in err and "[...]" in err
    assert "there is no method" in told("call", "w", "nothing")
    assert "there is no method" in told("call", "w", "recurse")
    assert "not JSON serializable" in told("call", "w", "not_json")
    assert "Out of range" in told("call", "w", "nan")
    assert "TypeError" in told("call", "w", "add", "[1, 2, 3]")
    assert "RecursionError" in told("run", "w", "def f(): f()\nf()")
    assert asked.worker("w")["generation"] == 1


def test_what_cannot_be_asked_is_refused_with_the_reason(fleet):
    f = fleet(ASKED + "numprocs = 2\n" + f"""
[worker:none]
command = {ACT} pause
[worker:down]{PYTHON}autostart = no
""")
    assert "no such worker: nobody" in f.ctl("run", "nobody", "1", rc=5).err
    assert "not several" in f.ctl("run", "w", "1", rc=7).err
    assert "channel = rpc" in f.ctl("call", "none", "x", rc=7).err
    assert "not running: STOPPED" in f.ctl("load", "down", "x", rc=3).err
    in_loop(f, "w:1")
    for words in (("store", "w:1", "x", "nonsense"), ("store", "w:1", "x", ""),
                  ("call", "w:1", "echo", "[1] 2"), ("call", "w:1"),
                  ("run", "w:1"), ("run", "w:1", "a", "b"),
                  ("--no-wait", "run", "w:1", "a")):
        f.ctl(*words, rc=2)
    with f.varlink() as v:
        for parameters in ({"name": "w:1", "key": "k" * 2000, "value": 1},
                           {"name": "w:1", "key": "k"},
                           {"name": "w:1", "value": 1},
                           {"name": "w:1", "key": "k", "value": 1, "id": "x"}):
            with pytest.raises(VarlinkError):
                v.call("Store", parameters)


# --- each request has one end -----------------------------------------------------

def test_a_death_is_told_with_its_exit_status(raw):
    f = raw
    for n, (how, why) in enumerate([
            ("die", "it died before its answer: exit status 9"),
            ("half and die", "failed: ended: a torn frame")], 1):
        assert f.ctl("call", "raw", how, rc=1).err == f"svctl: {why}\n"
        f.wait("raw", state="RUNNING", generation=n + 1)
        in_loop(f, "raw")
    with f.varlink() as v:
        with pytest.raises(VarlinkError) as error:
            v.call("Call", {"name": "raw", "method": "die"})
        assert error.value.name.endswith(".WorkerDied")
        assert error.value.parameters["exit"]["code"] == 9
    f.wait("raw", state="RUNNING", generation=4)
    assert f.ctl("call", "raw", "answer and die").out == "1\n", \
        "what was answered before counts"


def test_system_exit_and_signals_end_a_worker(asked):
    assert "exit status 3" in asked.ctl("call", "w", "exit", "3", rc=1).err
    asked.wait("w", state="RUNNING", generation=2)
    in_loop(asked, "w")
    svctl = subprocess.Popen([*asked.svctl_words(), "call", "w", "sleep", "9"],
                             stderr=subprocess.PIPE, text=True)
    time.sleep(0.1)
    asked.ctl("kill", "w")
    assert "killed by KILL" in svctl.communicate(timeout=10)[1]
    assert svctl.returncode == 1


def test_a_late_answer_is_nobodys(raw):
    for how in ("late", "never"):
        result = raw.ctl("-t", "0.1", "call", "raw", how, rc=6)
        assert "timed out" in result.err
    time.sleep(0.5)
    for how, answer in (("unasked", "1"), ("twice", "1"), ("twice", "1"),
                        ("hello again", "1"), ("in a file", "1")):
        assert raw.ctl("call", "raw", how).out == answer + "\n"
    assert "form that is not known" in \
        raw.ctl("call", "raw", "no exception", rc=1).err
    assert len(raw.ctl("call", "raw", "large").json) == 3000000
    assert "not JSON" in raw.ctl("call", "raw", "large noise", rc=1).err
    assert raw.why("raw")["channel"] == "in its loop"


def test_what_is_late_before_it_is_begun_is_not_done(asked):
    slow = subprocess.Popen(
        [*asked.svctl_words(), "call", "w", "sleep", "0.6"],
        stdout=subprocess.DEVNULL)
    time.sleep(0.1)
    asked.ctl("run", "w", "done = 0")
    slow.wait(10)
    slow = subprocess.Popen(
        [*asked.svctl_words(), "call", "w", "sleep", "0.6"],
        stdout=subprocess.DEVNULL)
    time.sleep(0.1)
    asked.ctl("-t", "0.2", "run", "w", "done = 1", rc=6)
    slow.wait(10)
    assert value(asked, "done") == 0


BROKEN = ["torn head", "torn value", "more behind", "nothing", "noise", "http",
          "version 2", "not zero", "flags", "2^63", "2^64-1", "long name",
          "oversize", "type 0", "type 255", "a request", "not JSON",
          "no value", "not UTF-8", "exception", "unsealed", "half sealed",
          "other length", "a file for an exception", "a pipe",
          "a file too many", "a file too few", "closed"]


@pytest.mark.slow
def test_broken_frames_end_the_channel_only(fleet):
    f = fleet(RAW + f"numprocs = {len(BROKEN)}\n")
    pids = f.running()
    before = f.descriptors()
    for i, how in enumerate(BROKEN):
        name = f"raw:{i}"
        result = f.ctl("call", name, how, rc=1)
        assert "failed: ended: " in result.err, how
        why = f.why(name)
        assert why["channel"].startswith("ended: "), how
        assert "ended: " in f.ctl("call", name, "twice", rc=1).err
    assert f.running() == pids, "no worker has noticed more than that"
    # Ours, and the keeper's copy.
    assert [old - new for old, new in zip(before, f.descriptors())] == [
        len(BROKEN)] * 2
    f.ctl("restart", "raw:0")
    in_loop(f, "raw:0")
    assert f.ctl("call", "raw:0", "twice").out == "1\n"
    assert f.log().count("its channel has ended") == len(BROKEN)


# --- nobody waits for another ----------------------------------------------------

def test_a_stuck_worker_delays_nobody_else(fleet):
    f = fleet(ASKED + f"[worker:stuck]{PYTHON}")
    in_loop(f, "w")
    pid = in_loop(f, "stuck")
    os.kill(pid, signal.SIGSTOP)
    connections = [f.varlink() for _ in range(40)]
    for i, v in enumerate(connections):
        # More than its socket holds.
        v.send("Store", {"name": "stuck", "key": f"k{i}",
                         "value": "x" * 60000, "timeout": 60})
    begun = time.monotonic()
    for i in range(50):
        assert value(f, str(i)) == i
    assert time.monotonic() - begun < 30, "and not their time"
    os.kill(pid, signal.SIGCONT)
    assert [v.receive() for v in connections] == [{"parameters": {}}] * 40
    assert value(f, "sum(len(v) for k, v in globals().items() if k[0] == 'k')",
                 name="stuck") == 40 * 60000
    os.kill(pid, signal.SIGSTOP)
    for v in connections:
        v.send("Store", {"name": "stuck", "key": "k", "value": "y" * 60000,
                         "timeout": 0.2})
    for v in connections:
        assert v.receive()["error"].endswith(".TimedOut")
        v.close()
    os.kill(pid, signal.SIGCONT)
    assert value(f, "1", name="stuck") == 1
    assert f.worker("stuck")["pid"] == pid


def test_a_client_that_asks_and_does_not_read_is_alone(asked):
    with asked.varlink() as v:
        v.sock.settimeout(0.5)
        call = json.dumps({"method": "org.svd.Fleet.Load", "parameters": {
            "name": "w", "expression": "'x' * 60000"}}).encode() + b"\0"
        with pytest.raises(TimeoutError):
            for _ in range(10000):
                v.send_raw(call)
        assert value(asked, "1 + 1") == 2
    assert value(asked, "1 + 1") == 2


def test_calls_come_together_or_in_pieces(asked):
    call = json.dumps({"method": "org.svd.Fleet.Call", "parameters": {
        "name": "w", "method": "echo", "value": ["\u20ac", 1]}}).encode()
    with asked.varlink() as v:
        v.send_raw((call + b"\0") * 3)
        for byte in call:
            v.send_raw(bytes([byte]))
        v.send_raw(b"\0" + call)
        v.send_raw(b"\0")
        for _ in range(5):
            assert v.receive()["parameters"]["value"] == ["\u20ac", 1]


def test_a_terminal_is_told_nothing_by_a_worker(asked):
    """What would control it is written as an escape of JSON's."""
    asked.ctl("store", "w", "x", '"a\x7f\x9b2Jb"')
    assert asked.ctl("load", "w", "x").json == "a\x7f\x9b2Jb"
    f = asked
    f.ctl("run", "w", "y = [x]")
    leader, follower = os.openpty()
    done = subprocess.run([*f.svctl_words(), "call", "w", "echo",
                           '["a\x7f\x9b2J"]'], stdout=follower)
    os.close(follower)
    text = os.read(leader, 1000)
    os.close(leader)
    assert done.returncode == 0
    assert text.strip() == b'["a\\u007f\\u009b2J"]'
    err = f.ctl("run", "w", "raise ValueError('\x1b]0;x\x07')", rc=1).err
    assert "\x1b" not in err and "\x07" not in err


def test_one_that_cannot_be_born_is_not_said_to_close_it(fleet):
    f = fleet("""
[worker:w]
command = /no/such/program
channel = rpc
backoff_delay = 1h
backoff_limit = 1h
""")
    f.wait("w", state="BACKOFF")
    before = f.descriptors()
    time.sleep(1.2)
    assert "channel" not in f.log()
    assert f.descriptors() == before
    f.ctl("run", "w", "1", rc=3)


def test_clients_that_go_away_cost_nothing(asked):
    before = asked.descriptors()
    for _ in range(30):
        v = asked.varlink()
        v.send("Call", {"name": "w", "method": "sleep", "value": [0.01]})
        v.close()
    v = asked.varlink()
    v.send_raw(b'{"method":"org.svd.Fleet.Call","parameters":{"name":"w"')
    assert value(asked, "1") == 1
    v.close()
    assert asked.descriptors() == before


def test_a_worker_asks_for_its_own_restart(asked):
    f = asked
    f.ctl("run", "w", "import subprocess, threading\n"
          "threading.Timer(0.2, lambda: subprocess.run("
          f"{f.svctl_words()!r} + ['restart', 'w'])).start()")
    f.wait("w", state="RUNNING", generation=2)
    in_loop(f, "w")
    assert value(f, "1") == 1


def wake_ups(pid):
    with open(f"/proc/{pid}/status") as status:
        return sum(int(line.split()[1]) for line in status
                   if "ctxt_switches" in line)


def test_channels_at_rest_wake_nobody(fleet):
    f = fleet(SERVED.replace("channel = rpc\n[", "channel = rpc\nnumprocs = 9\n["))
    for i in range(9):
        in_loop(f, f"c:{i}")
    pids = [f.supervisor(), f.keeper, *f.running().values()]
    wait_for(lambda: wake_ups(f.supervisor()))

    def counts():
        return [wake_ups(pid) for pid in pids]

    wait_for(lambda: (seen := counts()) and not time.sleep(0.3)
             and seen == counts())
    seen = counts()
    time.sleep(1)
    assert counts() == seen


# --- the supervisor may die at any time -------------------------------------------

def test_a_supervisor_that_is_killed_loses_no_answer(asked):
    f = asked
    rc, out, err = killing(f, ["call", "w", "sleep", "0.5"])
    assert (rc, out, err) == (0, "null\n", "")
    f.ctl("run", "w", "n = 0")
    rc, out, err = killing(f, ["run", "w", "import time; time.sleep(0.4); n += 1"])
    assert (rc, out, err) == (0, "", "")
    assert value(f, "n") == 1, "and it is not done twice"
    assert f.why("w")["channel"] == "in its loop"


def test_each_of_many_is_done_once_whoever_is_killed(asked):
    f = asked
    f.ctl("run", "w", "done = []")
    results = []

    def ask(n):
        for i in range(n, n + 20):
            results.append((i, f.svctl("run", "w", f"done.append({i})").rc))

    threads = [threading.Thread(target=ask, args=(n,)) for n in (0, 100, 200)]
    for t in threads:
        t.start()
    for _ in range(6):
        f.kill_supervisor()
    for t in threads:
        t.join()
    assert [rc for _, rc in results] == [0] * 60
    assert sorted(value(f, "done")) == sorted(i for i, _ in results)


def test_a_worker_that_dies_with_the_supervisor_is_not_asked_again(asked):
    f = asked
    pid = f.worker("w")["pid"]
    path = f.path("times")
    code = f"open({str(path)!r}, 'a').write('x'); import time; time.sleep(9)"
    svctl = subprocess.Popen([*f.svctl_words(), "run", "w", code],
                             stderr=subprocess.PIPE, text=True)
    wait_for(path.exists)
    supervisor = f.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    assert "killed by KILL" in svctl.communicate(timeout=10)[1]
    assert svctl.returncode == 1
    f.wait("w", state="RUNNING", generation=2)
    in_loop(f, "w")
    assert path.read_text() == "x"


def test_an_answer_that_waits_for_a_supervisor_is_kept(asked):
    """Given while nobody is there to take it, and asked for again later."""
    f = asked
    f.ctl("run", "w", "import time\nn = 0")
    with f.varlink() as v:
        question = {"name": "w", "code": "time.sleep(0.2); n += 1", "id": 4711,
                    "called": int(time.monotonic() * 1000)}
        v.send("Run", question)
        time.sleep(0.1)
        f.kill_supervisor()
    wait_for(lambda: value(f, "n") == 1)
    with f.varlink() as v:
        assert v.call("Run", {**question, "again": True}) == {}
        # It stays, as another supervisor may be killed while it gives it.
        f.kill_supervisor()
    with f.varlink() as v:
        assert v.call("Run", {**question, "again": True}) == {}
    assert value(f, "n") == 1


def test_an_answer_that_was_kept_is_looked_at_too(raw):
    question = {"name": "raw", "method": "late noise in a file", "id": 4713,
                "called": int(time.monotonic() * 1000)}
    with raw.varlink() as v:
        v.send("Call", question)
        time.sleep(0.1)
        raw.kill_supervisor()
    time.sleep(0.4)
    with raw.varlink() as v:
        with pytest.raises(VarlinkError) as error:
            v.call("Call", {**question, "again": True})
        assert "not JSON" in error.value.parameters["reason"]
        assert v.call("Ping") == {}, "and nothing stands behind it"


def test_an_answer_that_was_given_away_is_lost_and_said_so(asked):
    """Rather than that it is done twice."""
    question = {"name": "w", "code": "n = globals().get('n', 0) + 1",
                "id": 4712, "called": int(time.monotonic() * 1000)}
    with asked.varlink() as v:
        assert v.call("Run", question) == {}
        with pytest.raises(VarlinkError) as error:
            v.call("Run", {**question, "again": True})
        assert "was lost" in error.value.parameters["reason"]
    assert value(asked, "n") == 1


def test_a_channel_outlives_an_upgrade(asked):
    pid = asked.worker("w")["pid"]
    asked.ctl("run", "w", "x = 5")
    asked.ctl("upgrade")
    assert value(asked, "x") == 5
    assert asked.worker("w")["pid"] == pid


# --- two stages --------------------------------------------------------------------

def test_how_far_a_worker_had_come_is_told(fleet):
    python = f"environment = PYTHONPATH={BUILD}/libexec/python\n"
    f = fleet(f"""
[worker:early]
command = /bin/sh -c 'exit 4'
channel = rpc
restart = no
[worker:imported]
command = /usr/bin/python3 -c 'import svd, sys; sys.exit(5)'
{python}channel = rpc
restart = no
[worker:signal]
command = /usr/bin/python3 -c 'import svd, os; os.kill(os.getpid(), 9)'
{python}channel = rpc
restart = no
[worker:stays]
command = /usr/bin/python3 {HERE}/raw.py stay
channel = rpc
stop_timeout = 0
[worker:late]{PYTHON}restart = no
""")
    for name, reason in (
            ("early", "exit status 4: before its code was imported"),
            ("imported", "exit status 5: imported, not yet in its loop"),
            ("signal", "killed by KILL: imported, not yet in its loop")):
        f.wait(name, pid=0, last_exit=bool)
        assert f.deaths(name)[-1]["reason"] == reason
    wait_for(lambda: f.why("stays")["channel"] ==
             "imported, not yet in its loop")
    f.kill_supervisor()
    assert f.why("stays")["channel"] == "imported, not yet in its loop"
    assert "channel: imported, not yet" in f.ctl("why", "stays").out
    in_loop(f, "late")
    f.svctl("call", "late", "crash", "6")
    f.wait("late", pid=0, last_exit=bool)
    assert f.deaths("late")[-1]["reason"] == "exit status 6"


# --- in C, and from floors ----------------------------------------------------------

@pytest.mark.parametrize("name", ["c", "own"])
def test_a_worker_in_c(fleet, name):
    f = fleet(SERVED)
    pid = in_loop(f, name)
    assert f.ctl("call", name, "echo", "[1.50]").out == "[1.50]\n"
    assert f.ctl("call", name, "echo").out == "null\n"
    assert f.ctl("call", name, "twice").out == "1\n"
    f.ctl("store", name, "kept", '{"a": 1}')
    assert f.ctl("load", name, "kept").json == {"a": 1}
    err = f.ctl("call", name, "fail", rc=1).err
    assert err == 'svctl: exception: ValueError: not "this"?way \\\n'
    assert "NameError: other" in f.ctl("load", name, "other", rc=1).err
    assert "KeyError" in f.ctl("store", name, "other", "1", rc=1).err
    assert "LookupError" in f.ctl("run", name, "x", rc=1).err
    assert "no such method" in f.ctl("call", name, "none", rc=1).err
    # The NUL behind it, also where it fills its pages.
    for size in (1, 65536, 65537, 1 << 20, (1 << 20) + 1):
        done = subprocess.run(
            [*f.svctl_words(), "call", name, "length", "-"], env=f.env,
            input='"' + "x" * (size - 2) + '"' if size > 1 else "7",
            text=True, capture_output=True)
        assert done.stdout == f"{size}\n", done.stderr
    done = subprocess.run([*f.svctl_words(), "call", name, "echo", "-"],
                          input='"' + "x" * 200000 + '"', env=f.env,
                          text=True, capture_output=True)
    assert len(done.stdout) == 200003
    f.kill_supervisor()
    assert f.ctl("load", name, "kept").json == {"a": 1}
    assert f.worker(name)["pid"] == pid
    assert "exit status 8" in f.ctl("call", name, "die", "8", rc=1).err


def test_a_program_that_svd_did_not_start_has_no_channel():
    for extra in ({}, {"SVD_CHANNEL_FD": "0"}, {"SVD_CHANNEL_FD": "77"},
                  {"SVD_CHANNEL_FD": "x"}):
        env = {k: v for k, v in os.environ.items() if k != "SVD_CHANNEL_FD"}
        env |= extra
        done = subprocess.run([str(BUILD / "tests/served")], env=env,
                              stdin=subprocess.DEVNULL, timeout=10)
        assert done.returncode == 3, extra
        done = subprocess.run(
            ["/usr/bin/python3", f"{HERE}/asked.py"], timeout=10,
            env={**env, "PYTHONPATH": f"{BUILD}/libexec/python"},
            stdin=subprocess.DEVNULL)
        assert done.returncode == (0 if not extra or extra.get(
            "SVD_CHANNEL_FD") == "x" else 1), extra


def python_floor():
    return f"""
[floor:f]
runtime = python
path = {HERE}
preload = asked
[worker:w]
floor = f
entry = asked:main
channel = rpc
"""


@pytest.mark.parametrize("way", ["library", "python"])
def test_a_worker_on_a_python_floor(fleet, way):
    f = fleet(python_floor(), env={"SVD_FLOOR_WAY": way})
    in_loop(f, "w")
    assert value(f, "6 * 7") == 42
    assert f.ctl("call", "w", "environ", '"SVD_CHANNEL_FD"').out == "null\n"
    assert 3 in f.ctl("call", "w", "fds").json
    pid = f.worker("w")["pid"]
    f.kill_supervisor()
    assert value(f, "6 * 7") == 42
    assert f.worker("w")["pid"] == pid
    for _ in range(5):
        old = f.status()["supervisor_pid"]
        f.ctl("--no-wait", "restart", "w")
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: f.new_supervisor(old))
        f.running("w")
        in_loop(f, "w")
        assert value(f, "6 * 7") == 42
    assert f.ctl("-j", "why", "w").json["workers"][0]["error"] is None


@pytest.mark.parametrize("way", ["library", "python"])
def test_a_floor_leaves_no_stray_descriptors(fleet, way):
    """In workers with a channel and in those without one."""
    f = fleet(python_floor(), env={"SVD_FLOOR_WAY": way})
    without = "entry = asked:tell_fds\nargs = {path}\n"
    f.ini.write_text(f.ini.read_text() + "[worker:without]\nfloor = f\n"
                     + without.format(path=f.path("fds")))
    f.ctl("reload")
    in_loop(f, "w")
    has = set(json.loads(f.wait_lines("fds")[0]))
    assert 3 not in has
    assert set(f.ctl("call", "w", "fds").json) == has | {3}
    assert "told" in f.ctl("logs", "without").out, "and its output is kept"


def test_a_worker_on_a_native_floor(fleet):
    f = fleet(f"""
[floor:f]
runtime = native
preload = {BUILD}/tests/libserved.so
spares = 1
[worker:c]
floor = f
entry = {BUILD}/tests/libserved.so:served
channel = rpc
""")
    for _ in range(3):
        in_loop(f, "c")
        f.ctl("store", "c", "kept", "[1]")
        f.kill_supervisor()
        assert f.ctl("load", "c", "kept").out == "[1]\n"
        f.ctl("restart", "c")


RUBY = """
require "socket"

module Asked
  HEAD = "a4CCvQ<Q<VQ<"

  def self.say(socket, type, number = 0, value = "")
    socket.send(["SVC\\x01", type, 0, 0, number, 0, 0, value.bytesize]
                  .pack(HEAD) + value, 0)
  end

  def self.run
    socket = Socket.for_fd(ENV["SVD_CHANNEL_FD"].to_i)
    say(socket, 16)
    say(socket, 17)
    loop do
      data, = socket.recvmsg
      sleep if data.nil? || data.empty?
      _, type, _, _, number, _, name, = data.unpack(HEAD)
      say(socket, 18, number, data[36 + name..])
    end
  end
end
"""


def test_a_worker_on_a_floor_in_another_language(fleet):
    f = fleet("[fleet]\nname = t\n", launch=False)
    f.path("asked.rb").write_text(RUBY)
    f.ini.write_text(f"""
[fleet]
name = t
[floor:r]
runtime = command
command = ruby {ROOT}/contrib/floors/floor.rb -I {f.dir} asked
[worker:w]
floor = r
entry = Asked.run
channel = rpc
""")
    f.start()
    in_loop(f, "w")
    assert f.ctl("call", "w", "echo", "[1.50]").out == "[1.50]\n"


def test_a_channel_comes_and_goes_with_the_fleet_file(asked):
    f = asked
    text = f.ini.read_text()
    f.ini.write_text(text.replace("channel = rpc", ""))
    assert "channel: rpc -> none" in f.ctl("diff", rc=3).out
    f.ctl("reload")
    assert f.worker("w")["generation"] == 2
    assert f.why("w")["channel"] is None
    f.ctl("run", "w", "1", rc=7)
    f.ini.write_text(text)
    f.ctl("reload")
    in_loop(f, "w")
    assert value(f, "1") == 1


def test_what_svd_is_killed_whole_leaves_has_no_channel(fleet):
    """The worker goes on, and is adopted; its next process has one again."""
    f = fleet(ASKED)
    pid = in_loop(f, "w")
    f.ctl("run", "w", "import threading")
    os.kill(f.keeper, signal.SIGKILL)
    f.proc.wait()
    f.start()
    assert f.worker("w")["pid"] == pid
    assert f.why("w")["channel"] == "ended"
    assert "has ended" in f.ctl("run", "w", "1", rc=1).err
    stays(lambda: alive(pid), 0.2)
    f.ctl("restart", "w")
    in_loop(f, "w")
    assert value(f, "1") == 1


def test_it_is_killed_before_each_step_of_a_request(fleet):
    """The supervisor; each is answered, and done once."""
    f = fleet(ASKED, launch=False)
    steps = steps_of(f)
    f.start()
    in_loop(f, "w")
    f.ctl("run", "w", "done = []")
    for n in range(1, 100):
        steps.arm("supervisor", n)
        f.ctl("run", "w", f"done.append({n})")
        if steps.left("supervisor") > 0:
            break
    steps.arm("supervisor", 0)
    # Six; a busy machine makes fewer of several at once.
    assert n > 3, "it makes some steps"
    assert value(f, "done") == list(range(1, n + 1))
    assert f.worker("w")["generation"] == 1


def test_the_example(fleet):
    examples = ROOT / "contrib/examples"
    text = (examples / "counter.ini").read_text()
    text = text.replace("/usr/local/libexec/svd", f"{BUILD}/libexec")
    text = text.replace("${COUNTER}/counter.py", f"{examples}/counter.py")
    built = text.index("#[worker:counter]")
    text = text[:built] + text[built:].replace("#", "")
    f = fleet(text, env={"COUNTER": str(BUILD / "tests")})
    for name in ("counter", "counter-py"):
        in_loop(f, name)
        assert f.ctl("call", name, "add", "3").out == "3\n"
        assert f.ctl("call", name, "add", "--", "-1").out == "2\n"
        assert f.ctl("load", name, "total").out == "2\n"
        assert "TypeError" in f.ctl("call", name, "add", '"x"', rc=1).err
        assert "NameError" in f.ctl("load", name, "other", rc=1).err
    f.ctl("run", "counter-py", "total *= 2")
    assert f.ctl("load", "counter-py", "total").out == "4\n"

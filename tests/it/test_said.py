"""What workers say by sd_notify(3), each on a socket of its own. Whoever may
write there speaks for the worker, so most tests do that themselves."""

import array
import contextlib
import errno
import os
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

import pytest

from svdtest import (ACT, BUILD, IS_ROOT, SLOW, act, alive, floor,
                     on_floor, run_svd, wait_for)

ONE = f"[worker:w]\ncommand = {act('pause')}\n"
root_only = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def say(f, text, *fds, name="w:0"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        data = text if isinstance(text, bytes) else text.encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                   array.array("i", fds))]
        sock.sendmsg([data], rights if fds else [], 0,
                     str(f.run / "notify" / name))


def hears(f, status, name="w"):
    wait_for(lambda: f.why(name)["status"] == status, what=status)


def said(f, text, name="w"):
    """Says it, and waits until it must have been heard."""
    say(f, text)
    say(f, f"STATUS=mark {text!r}")
    hears(f, f"mark {text!r}"[:159], name)


def test_what_is_said_is_shown(fleet):
    f = fleet(ONE)
    f.running()
    why = f.why("w")
    assert why["status"] is why["said"] is why["errno"] is None
    say(f, "READY=1\nSTATUS=serving 3\nERRNO=2")
    hears(f, "serving 3")
    why = f.why("w")
    assert (why["status"], why["said"]) == ("serving 3", "ready")
    assert why["errno"] == os.strerror(2)
    table = f.ctl("status", "-l").out.splitlines()
    assert table[0].endswith("STATUS") and table[1].endswith("serving 3")
    assert "STATUS" not in f.ctl("status").out
    text = f.ctl("why", "w").out
    assert "status: serving 3" in text and "says that it is ready" in text
    said(f, "RELOADING=1\nMONOTONIC_USEC=1")
    assert f.why("w")["said"] == "reloading"
    said(f, "STOPPING=1")
    assert f.why("w")["said"] == "stopping"
    assert f.worker("w")["state"] == "RUNNING"


def test_a_new_life_has_said_nothing(fleet):
    f = fleet(ONE + "backoff_delay = 0\n")
    pid = f.running()["w"]
    say(f, "READY=1\nSTATUS=old\nERRNO=2")
    hears(f, "old")
    os.kill(pid, signal.SIGKILL)
    f.wait("w", generation=2, state="RUNNING")
    why = f.why("w")
    assert why["status"] is why["said"] is why["errno"] is None


def test_what_is_said_between_lives_is_nobodys(fleet):
    f = fleet(ONE)
    f.running()
    f.ctl("stop", "w")
    say(f, "STATUS=late")
    f.ctl("start", "w")
    assert f.why("w")["status"] is None
    say(f, "STATUS=new")
    hears(f, "new")


def test_last_words_are_of_the_life_that_ends(fleet):
    """Also where they are read only once the process is gone."""
    f = fleet("[worker:w]\nrestart = no\ncommand = /bin/sh -c "
              "'systemd-notify --no-block STATUS=last; exit 3'\n")
    f.wait("w", state="FAILED")
    assert f.why("w")["status"] == "last"


def test_systemd_notify_waits_for_its_barrier(fleet):
    f = fleet(launch=False)
    f.ini.write_text(
        "[fleet]\nname = t\n[worker:w]\ncommand = /bin/sh -c '"
        "systemd-notify --ready \"--status=by systemd\" && "
        f"echo heard > {f.path('heard')}; exec {ACT} pause'\n")
    f.start()
    hears(f, "by systemd")
    assert f.wait_lines("heard") == ["heard"]


def test_a_barrier_comes_behind_what_was_said_before(fleet):
    f = fleet(ONE)
    f.running()
    for i in range(20):
        reader, writer = os.pipe()
        say(f, f"STATUS={i}")
        say(f, "BARRIER=1", writer)
        os.close(writer)
        assert os.read(reader, 1) == b""
        os.close(reader)
        assert f.why("w")["status"] == str(i)


PYTHON = ("import svd, time; svd.ready(); svd.status(f'{svd.name()} serves'); "
          "time.sleep(1e6)")


def test_libraries_are_heard(fleet):
    command = shlex.join(["/usr/bin/python3", "-c", PYTHON])
    f = fleet(f"[worker:py]\ncommand = {command}\nnumprocs = 2\n"
              f"environment = PYTHONPATH={BUILD}/libexec/python\n")
    for i in range(2):
        hears(f, f"py:{i} serves", f"py:{i}")


def test_a_floor_s_worker_is_heard(fleet):
    f = fleet(floor() + "[worker:w]\n" +
              on_floor("report", "report", "pause") + "\n", launch=False)
    f.ini.write_text(f.ini.read_text().replace(
        "report report", f"report {f.path('report')}"))
    f.start()
    f.running("w")
    assert f.report("report")["notify"] == str(f.run / "notify" / "w:0")
    say(f, "STATUS=on a floor")
    hears(f, "on a floor")


HOSTILE = [
    b"", b"\0", b"\n" * 4096, b"=" * 4096, b"READY=1\0STATUS=no", b"x" * 4097,
    b"STATUS=no\n" * 20000, b"\xff" * 4096, b"STATUS", b"MAINPID=1",
    b"MAINPID=-1\nMAINPID=99999999999999999999", b"WATCHDOG_USEC=-1",
    b"EXTEND_TIMEOUT_USEC=99999999999999999999",
    b"FDSTORE=1", b"FDSTOREREMOVE=1\nFDNAME=" + b"x" * 4000, b"ERRNO=0"]


def test_alien_messages_harm_nobody(fleet):
    f = fleet(ONE + "[worker:v]\n" + ONE.partition("\n")[2])
    pids = f.running()
    supervisor = f.supervisor()
    for text in HOSTILE:
        with contextlib.suppress(OSError):
            say(f, text)
    say(f, "STATUS=fine")
    hears(f, "fine")
    assert f.running() == pids
    assert f.supervisor() == supervisor
    assert f.log().count("w: a message of its by sd_notify is left out") == 1


def test_a_status_is_fit_for_a_terminal(fleet):
    f = fleet(ONE)
    f.running()
    say(f, b"STATUS=\x1b[2J\xc2\x9b1m \xffcaf\xc3\xa9\t\r" + b"x" * 300)
    status = wait_for(lambda: f.why("w")["status"])
    assert status == "?[2J?1m ?caf\u00e9??" + "x" * 143
    assert len(status.encode()) == 159
    assert "\x1b" not in f.ctl("status", "-l").out


def test_descriptors_that_come_along_are_closed(fleet):
    f = fleet(ONE)
    f.running()
    say(f, "STATUS=before")
    hears(f, "before")
    before = f.descriptors()
    reader, writer = os.pipe()
    for text in ("READY=1", "x" * 5000, "\0", "BARRIER=1", "nonsense"):
        say(f, text, *[writer] * 200)
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert f.descriptors() == before


def lingering():
    """A socket that waits for its peer for 20 s at the last close."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    near.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            near.send(bytes(65536))
    near.setblocking(True)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
    return near, far


def call_with(f, fd):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(f.run / "control.sock"))
        sock.sendmsg([b'{"method":"org.svd.Fleet.Ping"}\0'],
                     [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


@pytest.mark.parametrize("give", [
    lambda f, fd: say(f, "STATUS=here", fd),
    lambda f, fd: say(f, "BARRIER=1", fd),
    call_with], ids=["status", "barrier", "control"])
def test_nobody_waits_for_a_socket_that_lingers(fleet, give):
    f = fleet(ONE)
    f.running()
    near, far = lingering()
    supervisor = f.status()["supervisor_pid"]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        give(f, near.fileno())
        near.close()  # the last is what is in the message
    finally:
        os.kill(supervisor, signal.SIGCONT)
    began = time.monotonic()
    said(f, "READY=1")
    assert time.monotonic() - began < 5 * SLOW
    far.close()


LINGERS = """import array, os, socket, struct, sys, time
def wait():
    while not os.path.exists("go"):
        time.sleep(0.01)
listener = socket.create_server(("127.0.0.1", 0))
near = socket.create_connection(listener.getsockname())
far, _ = listener.accept()
near.setblocking(False)
try:
    while True:
        near.send(bytes(65536))
except BlockingIOError:
    near.setblocking(True)
near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
channel = socket.socket(fileno=int(os.environ["SVD_CHANNEL_FD"]))
open("ready", "w").close()
wait()
channel.sendmsg([b"nonsense"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                 array.array("i", [near.fileno()]))])
near.close()
open("done", "w").close()
time.sleep(1000)
"""


def test_nor_for_one_that_came_on_a_channel(fleet):
    f = fleet("", launch=False)
    f.path("lingers.py").write_text(LINGERS)
    f.ini.write_text(f"[worker:w]\ncommand = {sys.executable} -S lingers.py\n"
                     f"directory = {f.path('.')}\nchannel = rpc\nstop_timeout = 0\n")
    f.start()
    wait_for(f.path("ready").exists)
    supervisor = f.status()["supervisor_pid"]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        f.path("go").touch()
        wait_for(f.path("done").exists)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    began = time.monotonic()
    wait_for(lambda: "its channel has ended" in f.log())
    assert f.stop() == 0
    assert time.monotonic() - began < 5 * SLOW


def test_a_flood_holds_up_only_its_sender(fleet):
    f = fleet(ONE + f"[worker:flood]\ncommand = {act('pause')}\n")
    f.running()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(str(f.run / "notify" / "flood:0"))
        sock.setblocking(False)
        sent = 0
        for i in range(5):
            with contextlib.suppress(BlockingIOError):
                while True:
                    sock.send(b"STATUS=%d" % sent)
                    sent += 1
            say(f, f"STATUS={i}")
            hears(f, str(i))
        # Whatever was taken was heard, in order.
        hears(f, str(sent - 1), "flood")


@root_only
def test_only_its_user_is_heard(fleet):
    f = fleet(ONE + f"[worker:n]\ncommand = {act('pause')}\nuser = nobody\n")
    f.running()
    for name, uid in (("w:0", 0), ("n:0", 65534)):
        st = os.stat(f.run / "notify" / name)
        assert stat.S_ISSOCK(st.st_mode)
        assert stat.S_IMODE(st.st_mode) == 0o600
        assert st.st_uid == uid
    for name, rc in (("w:0", errno.EACCES), ("n:0", 0)):
        done = subprocess.run(
            ["/usr/bin/python3", "-c", "import socket, sys; "
             "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
             "sys.exit(s.connect_ex(sys.argv[1]) or not s.send(b'STATUS=me'))",
             f.run / "notify" / name], user=65534, group=65534, check=False)
        assert done.returncode == rc
    hears(f, "me", "n")
    assert f.why("w")["status"] is None


def test_a_socket_whose_name_is_gone_is_made_anew(fleet):
    f = fleet(ONE)
    f.running()
    path = f.run / "notify" / "w:0"
    path.unlink()
    f.ctl("restart", "w")
    say(f, "STATUS=again")
    hears(f, "again")
    shutil.rmtree(f.run / "notify")
    f.ctl("restart", "w")
    say(f, "STATUS=and again")
    hears(f, "and again")
    # Something else in its place.
    path.unlink()
    path.write_text("")
    f.ctl("restart", "w")
    say(f, "STATUS=third")
    hears(f, "third")


def test_without_a_runtime_directory_workers_go_on(fleet):
    f = fleet(ONE + "backoff_delay = 0\n")
    pid = f.running()["w"]
    kept = f.dir / "kept"
    f.run.rename(kept)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid) and "cannot create" in f.log())
    assert "error: w: notify" not in f.log()
    kept.rename(f.run)
    f.wait("w", generation=2, state="RUNNING")
    f.ctl("restart", "w")
    say(f, "STATUS=back")
    hears(f, "back")


def test_who_leaves_the_fleet_has_no_socket(fleet):
    f = fleet(ONE + f"[worker:v]\ncommand = {act('pause')}\nnumprocs = 3\n")
    f.running()
    names = lambda: sorted(os.listdir(f.run / "notify"))  # noqa: E731
    assert names() == ["v:0", "v:1", "v:2", "w:0"]
    before = f.descriptors()
    f.ctl("scale", "v", 1)
    wait_for(lambda: names() == ["v:0", "w:0"])
    # The keeper has let go of their FIFOs and rings, too.
    wait_for(lambda: f.descriptors() == [before[0] - 6, before[1] - 2])
    f.ctl("scale", "v", 2)
    f.running("v:1")
    say(f, "STATUS=new", name="v:1")
    hears(f, "new", "v:1")
    f.stop()
    assert not (f.run / "notify").exists()


def test_what_is_said_while_there_is_no_supervisor(fleet):
    f = fleet(ONE)
    pid = f.running()["w"]
    say(f, "READY=1\nSTATUS=before\nERRNO=3")
    hears(f, "before")
    old = f.status()["supervisor_pid"]
    os.kill(old, signal.SIGSTOP)
    say(f, "STATUS=meanwhile")
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: f.new_supervisor(old))
    hears(f, "meanwhile")
    assert f.worker("w")["pid"] == pid
    assert f.why("w")["said"] == "ready"
    assert f.why("w")["errno"] == os.strerror(3)
    say(f, "STATUS=after")
    hears(f, "after")


def test_after_the_keeper_s_death_it_is_the_same_socket(fleet):
    f = fleet(ONE)
    pid = f.running()["w"]
    say(f, "STATUS=before")
    hears(f, "before")
    f.crash()

    def nobody_hears():
        # The others of svd may take a moment to be gone.
        try:
            say(f, "STATUS=before")
        except ConnectionRefusedError:
            return True

    wait_for(nobody_hears)
    f.recover()
    f.wait("w", pid=pid)
    hears(f, "before")
    say(f, "STATUS=after")
    hears(f, "after")


def test_a_path_that_is_too_long_is_cut(fleet):
    """Where the control socket has room, so has that."""
    f = fleet(launch=False)
    f.run = f.dir / ("x" * (107 - len("/control.sock") - 1 - len(str(f.dir))))
    f.args = ["-r", f.run, f.ini]
    f.ini.write_text("[fleet]\nname = t\n[worker:w]\n"
                     f"command = {act('pause')}\n[worker:{'y' * 40}]\n"
                     f"command = {act('pause')}\n")
    f.start()
    f.running()
    names = sorted(os.listdir(f.run / "notify"))
    assert "w:0" in names and len(names) == 2
    names.remove("w:0")
    assert len(names[0]) == 5
    say(f, "STATUS=short", name=names[0])
    hears(f, "short", "y" * 40)
    f.ctl("restart", "y" * 40)
    say(f, "STATUS=again", name=names[0])
    hears(f, "again", "y" * 40)


def test_in_init_mode_the_caller_s_socket_is_passed_on(tmp_path):
    done = run_svd("--", "/bin/sh", "-c", "echo $NOTIFY_SOCKET",
                   env={"NOTIFY_SOCKET": "/some/where"})
    assert done.stdout == "/some/where\n"


def test_ready_by_its_word(fleet):
    f = fleet(floor() + "".join(
        f"[worker:{name}]\nready = notify\n{run}\n" for name, run in
        (("w", f"command = {act('pause')}"), ("f", on_floor("pause")))))
    for name in "wf":
        f.wait(name, state="STARTING", pid=bool)
        say(f, "STATUS=loading", name=f"{name}:0")
        hears(f, "loading", name)
        assert f.worker(name)["state"] == "STARTING"
        say(f, "READY=1\nSTATUS=loaded", name=f"{name}:0")
        f.wait(name, state="RUNNING", ready=True)
        assert f.why(name)["status"] == "loaded"


def test_ready_is_heard_by_the_next_supervisor(fleet):
    f = fleet(ONE + "ready = notify\n")
    f.wait("w", state="STARTING", pid=bool)
    old = f.status()["supervisor_pid"]
    os.kill(old, signal.SIGSTOP)
    say(f, "READY=1")
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: f.new_supervisor(old))
    f.wait("w", state="RUNNING")


def test_the_watchdog_hears(fleet):
    f = fleet(ONE + "watchdog = 1h\nbackoff_delay = 0\n")
    f.running()
    said(f, "WATCHDOG=1\nWATCHDOG_USEC=3000000000")
    assert " watchdog=3000000 " in f.lines("run/state")[-1]
    say(f, "WATCHDOG=trigger")
    f.wait("w", generation=2, state="RUNNING")
    assert "asked to be ended" in f.deaths("w")[0]["reason"]


def test_a_heart_that_beats_and_one_that_stops(fleet):
    f = fleet(ONE + "watchdog = 400ms\nbackoff_delay = 0\n")
    pid = f.running()["w"]
    for _ in range(15):
        say(f, "WATCHDOG=1")
        assert f.worker("w")["pid"] == pid
        with contextlib.suppress(AssertionError):
            wait_for(lambda: False, 0.06 / SLOW)
    wait_for(lambda: f.deaths("w"))
    assert "no heartbeat within 400ms" in f.deaths("w")[0]["reason"]


def test_who_starts_may_ask_for_more_time(fleet):
    f = fleet(ONE + "ready = notify\nstart_timeout = 2s\n")
    pid = f.wait("w", state="STARTING", pid=bool)["pid"]
    say(f, "EXTEND_TIMEOUT_USEC=3600000000\nSTATUS=slow")
    hears(f, "slow")
    far = f.why("w")["until"]
    say(f, "EXTEND_TIMEOUT_USEC=1\nSTATUS=less")
    hears(f, "less")
    assert f.why("w")["until"][:15] == far[:15]
    f.kill_supervisor()
    assert f.why("w")["until"][:15] == far[:15]
    assert f.worker("w")["pid"] == pid
    say(f, "READY=1")
    f.wait("w", state="RUNNING")


def test_who_stops_may_ask_for_more_time(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('ignore', 15, 'pause')}\n"
              "stop_timeout = 200ms\n")
    f.running()
    say(f, "EXTEND_TIMEOUT_USEC=3600000000\nSTATUS=too early")
    hears(f, "too early")
    f.ctl("--no-wait", "stop", "w")
    # More than ten times stop_timeout it does not get.
    say(f, "EXTEND_TIMEOUT_USEC=3600000000\nSTATUS=wait")
    begun = time.monotonic()
    f.wait("w", state="STOPPED")
    assert time.monotonic() - begun > 1.5

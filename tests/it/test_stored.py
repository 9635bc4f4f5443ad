"""FDSTORE=1 of sd_notify(3): what a worker leaves with svd for its next life."""

import os
import signal
import socket

import pytest

from svdtest import act, floor, on_floor, wait_for
from test_said import hears, said, say


SCRIPT = """\
echo "${LISTEN_FDS:-0} ${LISTEN_FDNAMES:--} $((LISTEN_PID == $$))" >> seen
test -z "$LISTEN_FDS" || cat <&3 >> seen
exec %s
"""


def tells(f, *keys):
    """w writes what it has been given, and what is in the first of it."""
    f.path("script").write_text(SCRIPT % act("pause"))
    return "\n".join(["[worker:w]", "backoff_delay = 0",
                      f"directory = {f.dir}", "command = /bin/sh script",
                      *keys]) + "\n"


@pytest.fixture
def memory():
    fd = os.memfd_create("state")
    os.write(fd, b"precious\n")
    os.lseek(fd, 0, os.SEEK_SET)
    yield fd
    os.close(fd)


def again(f, generation):
    os.kill(f.worker("w")["pid"], signal.SIGKILL)
    f.wait("w", generation=generation, state="RUNNING")


def make(fleet, *keys):
    f = fleet(launch=False)
    f.ini.write_text("[fleet]\nname = t\n" + tells(f, *keys))
    f.start()
    assert f.wait_lines("seen")[0].split()[:2] == ["0", "-"]
    return f


def test_what_is_left_comes_back(fleet, memory):
    f = make(fleet)
    say(f, "FDSTORE=1\nFDNAME=state", memory)
    say(f, "FDSTORE=1", memory)  # it is there already
    reader, writer = os.pipe()
    said(f, "STATUS=x")
    say(f, "FDSTORE=1", reader, writer)
    said(f, "STATUS=y")
    again(f, 2)
    line, content = f.wait_lines("seen", 3)[1:]
    assert line.split()[:3] == ["3", "state:stored:stored", "1"]
    assert content == "precious"
    for fd in reader, writer:
        os.close(fd)
    # Also after the supervisor's death, and what is taken out is out.
    f.kill_supervisor()
    say(f, "FDSTOREREMOVE=1\nFDNAME=stored")
    os.lseek(memory, 0, os.SEEK_SET)
    said(f, "STATUS=z")
    f.ctl("restart", "w")
    line, content = f.wait_lines("seen", 5)[3:]
    assert line.split()[:3] == ["1", "state", "1"]
    assert content == "precious"


def test_it_ends_where_the_worker_rests(fleet, memory):
    f = make(fleet)
    before = f.descriptors()
    say(f, "FDSTORE=1", memory)
    said(f, "STATUS=x")
    assert f.descriptors() == [n + 1 for n in before]
    f.ctl("stop", "w")
    wait_for(lambda: f.descriptors() == before)
    f.ctl("start", "w")
    assert f.wait_lines("seen", 2)[1].split()[0] == "0"


def test_last_words_are_kept(fleet, memory):
    """Read with the death, or by the next supervisor."""
    f = make(fleet)
    old = f.status()["supervisor_pid"]
    pid = f.worker("w")["pid"]
    os.kill(old, signal.SIGSTOP)
    say(f, "FDSTORE=1\nFDNAME=last", memory)
    os.kill(pid, signal.SIGKILL)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: f.new_supervisor(old))
    assert f.wait_lines("seen", 3)[1].split()[:3] == ["1", "last", "1"]


def test_there_is_a_limit(fleet):
    f = make(fleet)
    before = f.descriptors()
    with socket.socket() as one:
        for i in range(3):
            fds = [os.memfd_create("x") for _ in range(30)]
            say(f, "FDSTORE=1", *fds)
            for fd in fds:
                os.close(fd)
        say(f, "FDSTORE=1", one.fileno())
    said(f, "STATUS=x")
    assert f.descriptors() == [n + 64 for n in before]
    assert "no room for more than 64" in f.log()
    again(f, 2)
    assert f.wait_lines("seen", 2)[1].split()[0] == "64"


def test_what_might_hang_us_is_refused(fleet):
    f = make(fleet)
    before = f.descriptors()
    # Not of memory, as a test's own directory may be.
    with open("/proc/self/stat") as file:
        say(f, "FDSTORE=1", file.fileno())
    said(f, "STATUS=x")
    assert "only sockets" in f.log()
    wait_for(lambda: f.descriptors() == before)


def test_on_a_floor_too(fleet, memory):
    f = fleet(floor() + "[worker:w]\nbackoff_delay = 0\nchannel = rpc\n" +
              on_floor("pause") + "\n")
    pid = f.running("w")["w"]
    say(f, "FDSTORE=1", memory)
    say(f, "STATUS=kept")
    hears(f, "kept")
    os.kill(pid, signal.SIGKILL)
    pid = f.wait("w", generation=2, state="RUNNING")["pid"]
    assert "memfd:state" in os.readlink(f"/proc/{pid}/fd/3")

"""Output that goes to syslog or to the journal: each line, in its form, over
receivers that are slow or away."""

import os
import re
import socket
import struct

import pytest

from output import kill_logger
from svdtest import act, wait_for
from test_output import error_of, stops_growing, worker

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts")

# /dev and /run of its own, with the sockets' names leading to the test's.
PLACES = """
mkdir {dir}/dev && mount -t tmpfs none {dir}/dev || exit
for n in null zero full random urandom tty; do
    : >{dir}/dev/$n && mount --bind /dev/$n {dir}/dev/$n || exit
done
ln -s {dir}/syslog {dir}/dev/log && mount --rbind {dir}/dev /dev &&
    mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&
    ln -s {dir}/journal /run/systemd/journal/socket && exec "$@"
"""


class Receiver:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(path))
        self.sock.settimeout(10)

    def get(self):
        return self.sock.recv(1 << 20)

    def until(self, last):
        """Messages up to the one that last says yes to."""
        found = [self.get()]
        while not last(found[-1]):
            found.append(self.get())
        return found


def syslog_line(message):
    found = re.fullmatch(
        rb"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ([^:]+): (.*)", message)
    assert found, message
    return int(found[1]), found[2].decode(), found[3]


def journal_fields(message):
    fields = {}
    while message:
        line, message = message.split(b"\n", 1)
        if b"=" in line:
            key, value = line.split(b"=", 1)
        else:
            key = line
            size, = struct.unpack("<Q", message[:8])
            value, end = message[8:8 + size], message[8 + size:]
            assert end[:1] == b"\n"
            message = end[1:]
        fields[key.decode()] = value
    return fields


def start(fleet, text, head=""):
    f = fleet("", launch=False)
    f.ini.write_text(f"[fleet]\nname = test\n{head}{text}")
    f.before = ["unshare", "-m", "sh", "-c", PLACES.format(dir=f.dir), "sh"]
    return f


def test_syslog(fleet):
    f = start(fleet, worker(
        "web", act("write", 1, "said", "write", 2, "wrong", "pause"),
        stdout="syslog", stderr="syslog")
        + worker("db", r"""sh -c 'printf "a\tb\177\n"; exec sleep 99'""", stdout="syslog",
                 numprocs=2))
    syslog = Receiver(f.dir / "syslog")
    f.start()
    got = sorted(syslog_line(syslog.get()) for _ in range(4))
    assert got == [(28, "web", b"wrong"), (30, "db[0]", b"a\tb?"),
                   (30, "db[1]", b"a\tb?"), (30, "web", b"said")]


def test_the_journal(fleet):
    f = start(fleet, worker(
        "web", act("write", 1, "said", "pause"), stdout="journal",
        numprocs=2))
    journal = Receiver(f.dir / "journal")
    f.start()
    got = sorted((journal_fields(journal.get()) for _ in range(2)),
                 key=lambda x: x["SVD_WORKER"])
    for i, fields in enumerate(got):
        assert fields == {
            "PRIORITY": b"6", "SYSLOG_FACILITY": b"3",
            "SYSLOG_IDENTIFIER": b"web:%d" % i, "SVD_FLEET": b"test",
            "SVD_WORKER": b"web:%d" % i, "SVD_STREAM": b"stdout",
            "MESSAGE": b"said"}


@pytest.mark.slow
@pytest.mark.parametrize("log", ["syslog", "journal"])
def test_svds_own_log_and_what_goes_there(fleet, log):
    """Its own lines by their level, workers' by their names."""
    f = start(fleet, worker("web", act("write", 1, "said", "exit", 3),
                            stdout="log", restart="no"), f"log = {log}\n")
    receiver = Receiver(f.dir / log)
    f.start()
    got = receiver.until(lambda m: b"FAILED" in m or b"EXITED" in m)
    if b"said" not in b"".join(got):
        got += receiver.until(lambda m: b"said" in m)
    if log == "syslog":
        lines = list(map(syslog_line, got))
    else:
        lines = [(24 + int(x["PRIORITY"]), x["SYSLOG_IDENTIFIER"].decode(),
                  x["MESSAGE"]) for x in map(journal_fields, got)]
    assert (30, "web", b"said") in lines
    own = [line for line in lines if line[1] == "svd"]
    assert any(re.fullmatch(rb"svd\[\d+\] supervisor: web: .*", text)
               for _, _, text in own)
    assert f.log() == ""


@pytest.mark.slow
def test_a_syslog_that_does_not_read_or_is_away(fleet):
    """The worker waits, the lines come later, none is missing, and twice at
    most those around a kill of the logger."""
    f = start(fleet, "")
    count = f.dir / "count"
    count.write_text("#!/bin/bash\npad=$(printf %900s)\ni=0\n"
                     "while :; do echo $((i++)) $pad.; done\n"
                     .replace("$pad.", '"$pad."'))
    count.chmod(0o755)
    f.ini.write_text("[fleet]\nname = test\n"
                     + worker("web", count, stdout="syslog"))

    def said():
        """The number of the last line that was captured."""
        return int((f.svctl("logs", "-n", 1, "web").out or "0").split()[0])

    def number():
        return int(syslog_line(syslog.get())[2].split()[0])

    f.start()
    wait_for(lambda: "cannot open '/dev/log'" in error_of(f, "web"))
    held = wait_for(lambda: stops_growing(said))
    syslog = Receiver(f.dir / "syslog")
    numbers = [number() for _ in range(100)]
    assert numbers == list(range(100))
    # Nobody reads; the logger is killed; another one takes the place.
    kill_logger(f)
    while len(numbers) < held + 500:
        numbers.append(number())
    assert sorted(set(numbers)) == list(range(max(numbers) + 1))
    assert len(numbers) - len(set(numbers)) <= 1
    syslog.sock.close()
    (f.dir / "syslog").unlink()
    wait_for(lambda: "/dev/log" in error_of(f, "web"))
    syslog = Receiver(f.dir / "syslog")
    after = [number() for _ in range(100)]
    # What was in the socket that was closed is gone with it.
    assert after == list(range(after[0], after[0] + 100))
    assert after[0] > max(numbers)
    wait_for(lambda: error_of(f, "web") == "")

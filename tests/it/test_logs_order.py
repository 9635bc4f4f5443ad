"""svctl logs of several workers: their lines in the order of time."""

import os
import signal
import struct

import pytest

from svdtest import wait_for
from test_logs import COUNT, Following
from test_streams import logger_of

MARKS_MAX = 16384
MARK = struct.Struct("=4Q")  # logger/marks.h
NAMES = ("w:0", "w:1", "file", "apart")


def talking(make, **options):
    """A fleet whose workers say what they are told to, to outputs of all
    kinds."""
    f = make("", launch=False, **options)
    f.path("count").write_text(COUNT)
    f.path("count").chmod(0o755)
    f.path("whisper").write_text(COUNT.replace("\n", "\nexec >&2\n", 1))
    f.path("whisper").chmod(0o755)
    for name in NAMES:
        os.mkfifo(f.path(f"say.{name}"))
    f.ini.write_text(f"""
[worker:w]
command = {f.path('count')} 0 {f.path('say.w')}:%n
numprocs = 2
[worker:file]
command = {f.path('count')} 0 {f.path('say.file')}
stdout = file:{f.path('out')}
[worker:apart]
command = {f.path('whisper')} 0 {f.path('say.apart')}
stdout = null
stderr = log
""")
    f.start()
    return f


def lines(f, *args):
    return f.ctl("logs", *args).out.splitlines()


def shown(name, text):
    return f"{name}{'!' if name == 'apart' else ''} | {text}"


def say(f, name, text):
    """One line of one worker, which svd has when this returns."""
    with open(f.path(f"say.{name}"), "a") as to:
        print(text, file=to)
    wait_for(lambda: lines(f, "-n", "1", name)[-1:] in
             ([text], [shown(name, text)]), every=0.001)
    return shown(name, text)


def say_in_turn(f, count, what):
    """Two workers in turn, and all of them once in five."""
    said = []
    for i in range(count):
        said.append(say(f, NAMES[i % 2], f"{what} {i}"))
        if i % 5 == 0:
            said += [say(f, name, f"{what} {i}") for name in NAMES[2:]]
    return said


def test_lines_of_several_come_in_the_order_of_time(fleet):
    f = talking(fleet)
    said = say_in_turn(f, 10, "first")
    assert lines(f, "-n", "100", "all") == said
    assert lines(f, "-n", "100", "w", "apart") == \
        [line for line in said if not line.startswith("file")]
    # Of each its last two.
    last = [[line for line in said if line.startswith(name)][-2:]
            for name in NAMES]
    assert lines(f, "-n", "2", "all") == \
        [line for line in said if any(line in two for two in last)]
    with Following(f, "logs", "-f", "-n", "100", "all") as logs:
        logs.wait(*said)
        said += say_in_turn(f, 4, "later")
        logs.wait(*said)


def test_the_order_is_known_after_deaths(fleet):
    f = talking(fleet)
    said = []
    for i in range(3):
        said += say_in_turn(f, 6, f"life {i}")
        old = logger_of(f)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda old=old: logger_of(f) not in (0, None, old))
    assert lines(f, "-n", "100", "all") == said


def test_the_order_is_known_after_the_keepers_death(shm, fleet):
    f = talking(fleet, run=shm / "run")
    said = say_in_turn(f, 6, "before")
    f.crash()
    f.recover()
    wait_for(lambda: logger_of(f))
    said += say_in_turn(f, 6, "after")
    assert lines(f, "-n", "100", "all") == said


def test_since_goes_on_in_the_order_of_time(fleet):
    f = talking(fleet)
    say_in_turn(f, 4, "before")
    cursors = [f.ctl("-j", "logs", "-n", "1", name).json["cursor"]
               for name in NAMES]
    said = say_in_turn(f, 6, "after")
    assert lines(f, "--since", ",".join(cursors), "all") == said


@pytest.mark.parametrize("newer", [0, 6])
def test_what_is_older_than_all_that_is_known_comes_first(shm, fleet, newer):
    f = talking(fleet, run=shm / "run")
    old = say_in_turn(f, 6, "old")
    new = say_in_turn(f, newer, "new")
    # As if others had written so much that the first marks are theirs.
    with open(f.run / "rings" / "marks", "r+b") as marks:
        for number in range(1, len(old) + 1):
            marks.seek(number * MARK.size)
            marks.write(MARK.pack(MARKS_MAX + number, 0, 0, 0))
    got = lines(f, "-n", "100", "all")
    assert got[len(old):] == new
    # No order among these, but for each worker's own.
    assert got[:len(old)] == sorted(
        old, key=lambda line: [line.startswith(name)
                               for name in NAMES].index(True))

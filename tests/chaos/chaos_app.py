"""chaos_app: on a Python floor, what witness.c is elsewhere: a worker that
writes down its lives."""

import os
import pathlib
import random
import signal
import sys
import time


def ticks():
    text = pathlib.Path("/proc/self/stat").read_text()
    return int(text[text.rindex(")") + 2:].split()[19])


class Life:
    def __init__(self, folder):
        name, self.generation = (os.environ["SVD_WORKER"],
                                 int(os.environ["SVD_GENERATION"]))
        self.file = f"{folder}/{name}{'' if ':' in name else ':0'}"
        self.ending = False
        signal.signal(signal.SIGTERM, self.on_term)
        self.note("born", self.generation, os.getpid(), ticks())

    def on_term(self, _sig, _frame):
        self.ending = True

    def note(self, *words):
        fd = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(fd, (" ".join(map(str, words)) + "\n").encode())
        os.close(fd)

    def rest(self, seconds):
        until = time.monotonic() + seconds
        while not self.ending and time.monotonic() < until:
            time.sleep(0.02)

    def finish(self, status):
        self.note("exit", self.generation, status)
        return status


def steady(folder):
    life = Life(folder)
    life.rest(float("inf"))
    return life.finish(0)


def crash(folder, ms):
    life = Life(folder)
    life.rest(random.random() * 2 * int(ms) / 1000)
    status = 0 if life.ending else 1 + life.generation % 199
    life.finish(status)
    if status % 3 == 0 and status:
        sys.exit(status)
    return status

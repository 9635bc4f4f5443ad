"""floor_app: what every worker of floors.py is, whoever forked it: it notes
when it got to work, and sleeps.

The record is that of stamp.c: u64 CLOCK_MONOTONIC in ns, i32 instance, i32 pid,
in the machine's own order, appended to a file.
"""

import importlib
import os
import signal
import struct
import time

# What all have loaded: some 80 MB, as an application of some size has.
IMPORTS = ("numpy", "scipy.stats", "asyncio", "ssl", "sqlite3", "http.server",
           "email", "xml.dom.minidom", "logging.config")
RECORD = struct.Struct("=Qii")
LOADED = -2  # in place of an instance


def load():
    for name in IMPORTS:
        importlib.import_module(name)


def stamp(path, instance):
    ns = time.monotonic_ns()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, RECORD.pack(ns, instance, os.getpid()))
    os.close(fd)


def work(path, instance=None):
    """A worker's entry; an instance where the environment does not tell it."""
    if instance is None:
        instance = int(os.environ["SVD_INSTANCE"])
    stamp(path, instance)
    while True:
        signal.pause()


# gunicorn -c python:floor_app: its hooks. It numbers workers by their age; a
# new one gets the instance that none of the others has.

def pre_fork(server, worker):
    taken = {w.instance for w in server.WORKERS.values()}
    worker.instance = next(i for i in range(server.num_workers)
                           if i not in taken)


def post_worker_init(worker):
    stamp(os.environ["BENCH_STAMPS"], worker.instance)


def application(_environ, start_response):
    start_response("204 No Content", [])
    return []


if os.environ.get("BENCH_LOAD"):
    load()

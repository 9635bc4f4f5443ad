"""before: the prefork script that fleet.ini replaces. `python3 before.py`"""

import functools
import gc
import os
import random
import signal
import time
import traceback

from app import crunch, feed, server

PORT = int(os.environ.get("PREFORK_PORT", "1848") + "0")
WORKERS = {
    "server:0": functools.partial(server.main, PORT),
    "server:1": functools.partial(server.main, PORT + 1),
    "crunch:0": functools.partial(crunch.main, 0),
    "crunch:1": functools.partial(crunch.main, 1),
    "feed": feed.main,
}


def start(name):
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ["SVD_WORKER"] = name
        random.seed()
        gc.enable()
        if name.startswith("crunch"):
            os.nice(5)
        WORKERS[name]()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def main():
    gc.disable()
    gc.collect()
    gc.freeze()
    stop = []  # an exception would be lost in what runs after a fork
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    pids, deaths, born, due = {}, {}, {}, dict.fromkeys(WORKERS, 0.0)
    try:
        while not stop:
            for name in [n for n, at in due.items() if at <= time.monotonic()]:
                del due[name]
                pids[start(name)] = name
                born[name] = time.monotonic()
            pid, status = os.waitpid(-1, os.WNOHANG) if pids else (0, 0)
            if pid == 0:
                time.sleep(0.1)
                continue
            name = pids.pop(pid)
            if time.monotonic() - born[name] > 10:
                deaths[name] = 0
            wait = min(2 ** deaths.get(name, 0) / 2, 30)
            deaths[name] = deaths.get(name, 0) + 1
            due[name] = time.monotonic() + wait
            print(f"{name} ended with {status}, again in {wait} s", flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + 5
        while pids:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            pids.pop(pid, None)
            if time.monotonic() > until:
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


if __name__ == "__main__":
    main()

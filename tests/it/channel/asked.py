"""asked: a worker that serves by the module svd."""

import json
import os
import sys
import time

import svd


class Odd(Exception):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class Named(Exception):
    pass


def odd():
    raise Odd(Odd(), 1)


def local():
    class Local(Exception):
        pass

    raise Local("of a function", {"a": 1}, 2**70, b"bytes", 1.5, None)


def long_traceback():
    exec("raise ValueError(" + repr("x" * (10 << 20)) + ")")


def chain():
    try:
        open("/no/such/file")
    except OSError as error:
        raise Named("outer") from error


METHODS = {
    "add": lambda a, b=1: a + b, "echo": lambda *a: list(a), "odd": odd,
    "local": local, "long_traceback": long_traceback, "chain": chain,
    "exit": sys.exit, "crash": os._exit, "sleep": time.sleep,
    "say": lambda text: print(text), "not_json": lambda: {1, 2},
    "nan": lambda: float("nan"), "pid": os.getpid, "recurse": None,
    "environ": lambda key: os.environ.get(key),
}


def fds():
    return sorted(fd for fd in map(int, os.listdir("/proc/self/fd"))
                  if os.path.exists(f"/proc/self/fd/{fd}"))


def tell_fds(path):
    text = json.dumps(fds())
    print("told", flush=True)
    with open(path, "w") as file:
        file.write(text + "\n")
    time.sleep(1000)


def main():
    svd.serve({**METHODS, "fds": fds})


if __name__ == "__main__":
    main()

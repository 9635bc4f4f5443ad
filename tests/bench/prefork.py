"""prefork STAMPS COUNT SPARES: the least that a prefork script can do: import,
freeze, fork COUNT workers of floor_app and SPARES that sleep until they are
wanted, each on a pipe of its own. Then it obeys lines:

    kill N   KILL to worker N, wait for it, and fork it again; or, where there
             are spares, wake one of them instead, and fork another spare later

and answers each with CLOCK_MONOTONIC in ns at its beginning. At the end of its
input it ends all.
"""

import collections
import gc
import os
import signal
import sys
import time

import floor_app


def fork(do, *args):
    pid = os.fork()
    if pid == 0:
        gc.enable()
        do(*args)
        os._exit(1)
    return pid


def be_spare(path, pipe):
    """Its work is the number of an instance."""
    instance = os.read(pipe, 16)
    if instance:
        floor_app.work(path, int(instance))
    os._exit(0)


class Loop:
    def __init__(self, path, count, spares):
        self.path, self.wanted = path, spares
        self.spares = collections.deque()
        self.pids = [fork(floor_app.work, path, i) for i in range(count)]
        self.fill()

    def fill(self):
        while len(self.spares) < self.wanted:
            read, write = os.pipe()
            self.spares.append((fork(be_spare, self.path, read), write))
            os.close(read)

    def kill(self, i):
        since = time.monotonic_ns()
        os.kill(self.pids[i], signal.SIGKILL)
        os.waitpid(self.pids[i], 0)
        if self.spares:
            self.pids[i], pipe = self.spares.popleft()
            os.write(pipe, b"%d" % i)
            os.close(pipe)
        else:
            self.pids[i] = fork(floor_app.work, self.path, i)
        return since

    def end(self):
        for pid in self.pids + [pid for pid, _ in self.spares]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def main(path, count, spares):
    gc.disable()
    floor_app.load()
    floor_app.stamp(path, floor_app.LOADED)
    gc.collect()
    gc.freeze()
    loop = Loop(path, int(count), int(spares))
    for line in sys.stdin:
        print(loop.kill(int(line.split()[1])), flush=True)
        loop.fill()
    loop.end()


main(*sys.argv[1:])

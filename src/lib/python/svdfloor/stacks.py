"""stacks: those of Python, for `svctl dump`, as svd-floors(7) has it.

At a signal the interpreter writes the stacks of all threads to a memfd whose
name tells svd which signal. That is done in C, by the thread that is
interrupted, so that it needs nothing of the interpreter: a worker that hangs
in C code and holds the GIL shows its stacks too.

All of it is inherited from the floor, but for the file: workers have one each,
made while they are spares.
"""

import faulthandler
import os

import _signal

SIGNAL = _signal.SIGRTMAX - 4   # nobody's that is known

_file = -1      # its descriptor, in the floor and in all workers
_seen = None    # device and inode, in the floor
_renewed = []


def offer():
    """In the floor, before it remembers what is done at each signal: what it
    loads may hang too."""
    if _register():
        os.register_at_fork(after_in_child=_renew)


def _register():
    global _file, _seen
    try:
        _file = _make()
        faulthandler.register(SIGNAL, file=_file, all_threads=True)
        _seen = _look()
        return True
    except (OSError, AttributeError, ValueError, RuntimeError):
        return False  # no memfds here, or no such signals


def keep():
    """In the floor, when all is loaded: that may have closed the file."""
    if _file != -1 and _look() != _seen:
        _register()


def _make():
    return os.memfd_create("svd-dump:%d" % SIGNAL)


def _look():
    try:
        seen = os.fstat(_file)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _renew():
    """Not in what a worker forks: it may have put something else there."""
    if _renewed:
        return
    _renewed.append(True)
    try:
        own = _make()
        os.dup2(own, _file, False)
        os.close(own)
    except OSError:
        pass  # it has that of its floor, among others

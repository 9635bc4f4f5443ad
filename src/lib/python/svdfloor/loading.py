"""loading: what a floor does in Python, from its options to its first fork.

Loads the modules and tells svd what became of them. What loading has left that
is the floor's own and must be in no worker is undone here, once, where that
does as well as in each worker (worker.py has the rest).
"""

import gc
import os
import sys
import time

import _signal

from . import protocol, report, stacks, takeover, worker

USAGE = "usage: floor.py [--path DIR]... [--init MODULE:FUNCTION] -- MODULE..."


def main(here, words):
    """here: the directory with libsvdfloor.so and python/. In a worker it does
    not return, in the floor neither."""
    paths, init, modules = _options(words)
    stacks.offer()
    try:
        way = _find_way(here + "/libsvdfloor.so")
    except LookupError as error:
        _usage(f"is started by svd only: SVD_FLOOR_FD: {error}")
    sys.argv = ["floor.py"]
    sys.path[:0] = paths
    sys.path.append(here + "/python")
    collects = gc.isenabled()
    gc.disable()
    signals = _Signals()
    takeover.buffer_lines()
    before = set(sys.modules)
    start = time.monotonic()
    _load(way, modules, init)
    loaded = [name for name in sys.modules if name not in before]
    take_over = _attempt(way, "what was loaded is in the way of a floor", "",
                         lambda: _settle(way, signals))
    late = worker.Late(way.late)
    _tell(way, start, loaded)
    gc.freeze()
    if collects:
        gc.enable()
    job = _serve(way)
    if job is not None:
        worker.live(way, take_over, job, late)
    late.end()
    _end()


def _settle(way, signals):
    """All is loaded. What takes over a Job in a worker."""
    signals.restore()
    stacks.keep()
    _leave_event_loop()
    takeover.fill_standard()
    takeover.forget_input()
    gc.collect()
    report.flush()
    report.flush_files()
    return takeover.prepare(way)


def _serve(way):
    """A Job, in a worker. None: the floor is not needed any more."""
    try:
        return way.serve()
    except KeyboardInterrupt:  # in the floor; in a worker that has just begun
        worker.die_interrupted()
    except OSError as error:
        _lose(error)


def _lose(error):
    sys.stderr.write(f"floor.py: svd cannot be reached: {error}: has a "
                     "preload closed what is not its own?\n")
    os._exit(1)


# --- options -----------------------------------------------------------------

def _usage(text):
    sys.stderr.write(f"floor.py: {text}\n{USAGE}\n")
    sys.exit(2)


def _options(words):
    """(paths, init or "", modules)"""
    paths, init, at = [], "", 0
    while at < len(words) and words[at] != "--":
        if words[at] not in ("--path", "--init"):
            _usage(f"unknown option '{words[at]}'")
        if at + 1 == len(words):
            _usage(f"{words[at]} needs a value")
        if words[at] == "--path":
            paths.append(words[at + 1])
        else:
            init = words[at + 1]
        at += 2
    if init and not all(init.partition(":")):
        _usage(f"--init: '{init}' is not MODULE:FUNCTION")
    return paths, init, words[at + 1:]


def _find_way(path):
    """OSError and its like are no reason not to work: LookupError is."""
    if os.environ.get("SVD_FLOOR_WAY") != "python":
        try:
            from . import library
            way = library.Way(path)
            os.environ.pop("SVD_FLOOR_FD", None)
            return way
        except (ImportError, OSError, AttributeError) as error:
            sys.stderr.write(f"floor.py: {error}: forking by Python alone\n")
    return protocol.Way()


# --- loading -----------------------------------------------------------------

def _load(way, modules, init):
    for module in modules:
        _attempt(way, f"preload '{module}'", module,
                 lambda: __import__(module))
    if init:
        _attempt(way, f"init '{init}'", init.partition(":")[0],
                 lambda: worker.resolve(init)())


def _attempt(way, what, module, act):
    pid = os.getpid()
    try:
        result = act()
    except BaseException as error:
        if os.getpid() != pid:
            raise  # a child's: it ends as it would anywhere
        _fail(way, f"{what}: {report.name(error)}", module, error)
    if os.getpid() != pid:
        sys.exit(f"floor.py: {what} has forked a child that came back")
    return result


def _fail(way, what, module, error):
    """Says it to svd, which says it to people: once, in log and `why`."""
    if error is not None:
        report.strip(error)
        what += report.place(error)
    report.flush()
    way.failed(
        report.one_line(what), report.one_line(module),
        report.cut(report.traceback_of(error) if error else "",
                   report.TEXT_MAX))
    os._exit(1)


def _tell(way, start, modules):
    names = [report.one_line(name) for name in modules if type(name) is str]
    try:
        way.loaded(int((time.monotonic() - start) * 1000), names)
    except OSError as error:
        if error.errno != 22:
            _lose(error)
        _fail(way, "a preload has made the floor a subreaper "
              "(PR_SET_CHILD_SUBREAPER): its workers would be its own, "
              "and not svd's", "", None)


# --- what is the floor's own -------------------------------------------------

class _Signals:
    """What becomes of signals, in Python and below, before loading."""

    def __init__(self):
        self.handlers = {number: _signal.getsignal(number)
                         for number in _signal.valid_signals()}
        self.masks = self._masks()

    @staticmethod
    def _masks():
        """Bits of those caught and of those ignored, whoever has set it."""
        found = {}
        with open("/proc/self/status", "rb") as status:
            for line in status:
                key, _, value = line.partition(b":")
                if key in (b"SigCgt", b"SigIgn"):
                    found[key] = int(value, 16)
        return found

    def restore(self):
        """No code of the floor runs from here on that would want them. A timer
        that goes on would be the end of it."""
        for timer in (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL,
                      _signal.ITIMER_PROF):
            _signal.setitimer(timer, 0)
        now = self._masks()
        for number, handler in self.handlers.items():
            bit = 1 << (number - 1)
            moved = any((now[key] ^ mask) & bit
                        for key, mask in self.masks.items())
            if handler is not None and (
                    moved or _signal.getsignal(number) is not handler):
                _signal.signal(number, handler)
        _signal.set_wakeup_fd(-1)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


_kept = []


def _leave_event_loop():
    """Python 3.12 and later do this in each worker by themselves. The loop is
    kept: to close it in a worker would take its descriptors out of the epoll
    instance that the floor has in common with it."""
    events = sys.modules.get("asyncio.events")
    if events is None or sys.version_info >= (3, 12):
        return
    policy = events._event_loop_policy
    if hasattr(policy, "_local"):
        _kept.append(policy._local)
        policy._local = type(policy._local)()
    events._set_running_loop(None)


def _end():
    """No threads are waited for, and nothing is taken apart: svd waits."""
    import atexit
    atexit._run_exitfuncs()
    report.flush()
    os._exit(0)

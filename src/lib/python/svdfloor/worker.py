"""worker: a Python worker's life, from its set-up to its exit status.

What the floor has left in the interpreter is replaced or dropped, the entry is
called, and what becomes of it is told as the interpreter would tell it. It
never returns into the floor.
"""

import atexit
import gc
import io
import os
import sys
import time

import _signal

from . import report


INTERRUPTED = -1   # in place of an exit status


def live(way, job, collects):
    """Does not return."""
    status = 1
    try:
        late = _Late(way.late)
        status = _end(_call(way, job, late, collects), late)
        if status == INTERRUPTED:
            die_interrupted()
    except KeyboardInterrupt:
        die_interrupted()
    finally:
        os._exit(status & 255)


def die_interrupted():
    """As the interpreter does: whoever waits shall see what it died of."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.kill(os.getpid(), _signal.SIGINT)


def resolve(entry):
    """The object that `module:name` or `module:name.name` names."""
    module, colon, names = entry.partition(":")
    if not (module and colon and names):
        raise ValueError(f"'{entry}' is not MODULE:FUNCTION")
    __import__(module)
    found = sys.modules[module]
    for name in names.split("."):
        found = getattr(found, name)
    if not callable(found):
        raise TypeError(f"'{entry}' is not callable")
    return found


def _call(way, job, late, collects):
    """The exit status."""
    try:
        _take_over(job)
        late.begin()
        if collects:
            gc.enable()
        entry = resolve(sys.argv[0])
        return _status_of(entry(*sys.argv[1:]))
    except SystemExit as end:
        return _exit_status(way, end)
    except KeyboardInterrupt as error:
        report.show(report.strip(error))
        return INTERRUPTED
    except BaseException as error:
        late.end()  # what follows is the runtime's
        report.strip(error)
        _tell(way, error)
        report.show(error)
        return 1


def _status_of(result):
    if result is None:
        return 0
    if type(result) is not int:
        raise TypeError(f"'{sys.argv[0]}' returned {type(result).__name__}, "
                        "not an exit status")
    if not 0 <= result <= 255:
        raise ValueError(
            f"'{sys.argv[0]}' returned {result}, not an exit status")
    return result


def _exit_status(way, end):
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 255
    report.flush()
    try:
        print(end.code, file=sys.stderr)
    except BaseException:
        pass
    way.exception(report.one_line(report.name(end)), b"")
    return 1


def _tell(way, error):
    way.exception(report.one_line(report.name(error)),
                  report.cut(report.traceback_of(error), report.TEXT_MAX))


def _end(status, late):
    """What the interpreter does at its end, but for taking itself apart."""
    for act in (_join_threads, late.end, atexit._run_exitfuncs):
        try:
            act()
        except BaseException as error:
            report.show(report.strip(error))
    if not report.flush():
        status = status or 120
    _flush_c()
    return status


def _join_threads():
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()


def _flush_c():
    """What extensions have printed, where ctypes is there anyway."""
    if "ctypes" in sys.modules:
        sys.modules["ctypes"].CDLL(None).fflush(None)


# --- taking over -------------------------------------------------------------

def _take_over(job):
    """Replaces the floor's own by the worker's."""
    _take_environment(job.environ)
    sys.argv = [os.fsdecode(word) for word in job.argv]
    _take_streams()
    _drop_exit_handlers()
    _drop_children()
    numpy_random = sys.modules.get("numpy.random")
    if hasattr(numpy_random, "seed"):
        numpy_random.seed()  # the interpreter does so for `random` only


def _take_environment(words):
    zone = os.environ.get("TZ")
    os.environ.clear()
    for word in words:
        key, equals, value = word.partition(b"=")
        if key and equals:
            os.environb[key] = value
    if os.environ.get("TZ") != zone:
        time.tzset()


def _take_streams():
    """Objects for output stay, as others (logging) have taken them; they are
    line-buffered since before loading. Of the input, what was found out about
    the floor's (that it can seek) is not true any more."""
    old = sys.__stdin__
    if old is not None:
        sys.__stdin__ = open(0, encoding=old.encoding, errors=old.errors,
                             newline="\n", closefd=False)
        if sys.stdin is old:
            sys.stdin = sys.__stdin__
    if os.environ.get("PYTHONUNBUFFERED"):
        _unbuffer("stdout", 1)
        _unbuffer("stderr", 2)


def _unbuffer(name, fd):
    old = getattr(sys, name)
    if type(old) is not io.TextIOWrapper or old.fileno() != fd:
        return
    stream = io.TextIOWrapper(
        io.FileIO(fd, "w", closefd=False), encoding=old.encoding,
        errors=old.errors, newline="\n", write_through=True)
    stream.mode = "w"
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


_kept = []


def _drop_exit_handlers():
    """Those of the floor; the standard library's own, which work for whatever
    the worker makes, are its own again."""
    atexit._clear()
    if "weakref" in sys.modules:
        finalize = sys.modules["weakref"].finalize
        # Kept: to end what the floor has made is not the worker's business.
        _kept.append(finalize._registry)
        finalize._registry = {}
        finalize._registered_with_atexit = False
    if "logging" in sys.modules:
        atexit.register(sys.modules["logging"].shutdown)
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        _kept.append(dict(util._finalizer_registry))
        util._finalizer_registry.clear()
        util._run_after_forkers()
        atexit.register(util._exit_function)


def _drop_children():
    """Processes that the floor has made are not the worker's to wait for."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        _kept.append(process._children)
        process._children = set()


# --- late modules ------------------------------------------------------------

class _Late:
    """The first finder of modules: finds none, and tells of those that were
    found after it had been asked for them."""

    def __init__(self, say):
        self.say = say
        self.asked = []
        self.said = set()

    def begin(self):
        if self.say is not None:
            sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        self.note()
        self.asked.append(name)
        # The last of an import is nobody's predecessor.
        if self.note not in gc.callbacks:
            gc.callbacks.append(self.note)
        return None

    def note(self, phase=None, info=None):
        """Tells of those that are there by now. The last one may still be."""
        names, self.asked = self.asked, []
        for name in names:
            if name in self.said:
                continue
            if name in sys.modules:
                self.said.add(name)
                self.say(report.one_line(name))
            elif name is names[-1] and phase is not None:
                self.asked.append(name)
        if phase is not None and not self.asked:
            gc.callbacks.remove(self.note)

    def end(self):
        """Before what the runtime itself may load."""
        self.note()
        if self in sys.meta_path:
            sys.meta_path.remove(self)


class FlushBeforeFork:
    """What is in the buffers of a floor at a fork would be written again by
    each worker. Registered before anything is loaded, so that it comes after
    all that is to run before a fork."""

    def __init__(self):
        self.on = True
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        os.register_at_fork(before=self._flush)

    def _flush(self):
        if self.on:
            report.flush()

    def off(self):
        self.on = False

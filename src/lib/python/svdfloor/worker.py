"""worker: a Python worker's life, from its set-up to its exit status.

The entry is called, and what becomes of it is told as the interpreter would
tell it. It never returns into the floor. What of the floor is replaced before
is in takeover.py.
"""

import atexit
import gc
import os
import sys

import _signal

from . import report

INTERRUPTED = -1   # in place of an exit status


def live(way, take_over, job, late):
    """Does not return."""
    status = 1
    try:
        status = _end(call(way, take_over, job, late), late)
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
    found = sys.modules.get(module)
    if found is None:
        __import__(module)
        found = sys.modules[module]
    for name in names.split("."):
        found = getattr(found, name)
    if not callable(found):
        raise TypeError(f"'{entry}' is not callable")
    return found


def call(way, take_over, job, late):
    """The exit status."""
    try:
        take_over(job)
        entry = resolve(sys.argv[0])
        _say_imported()
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


def _say_imported():
    """On its channel, if it has one, svd-channel(7): its code is loaded, and
    what comes now is its own."""
    # What is not in os.environ is an exception, a hundred KB of new pages.
    number = os.environ._data.get(b"SVD_CHANNEL_FD", b"")
    if number.isdigit():
        try:
            os.write(int(number), b"SVC\1\x10" + bytes(31))
        except OSError:
            pass


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
    if not report.flush_all():
        status = status or 120
    return status


def _join_threads():
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()


class Late:
    """The first finder of modules: finds none, and tells of those that were
    found after it had been asked for them. Begins in the floor, which loads
    nothing any more."""

    def __init__(self, say):
        self.say = say
        self.asked = []
        self.said = set()
        if say is not None:
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

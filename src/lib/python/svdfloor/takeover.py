"""takeover: what a worker replaces or drops of what its floor has left it.

Memory that a worker writes to is its own from then on, and the interpreter
writes to whatever it looks at: a reference count. So a worker does as little
as there is to do. What can be found out or done in the floor is, by prepare();
and what runs in each worker has run there before, by rehearse().
"""

import atexit
import io
import os
import sys
import time

from . import report, worker

_kept = []   # what must not end by being forgotten


def prepare(way):
    """In the floor, when all is loaded. The function that takes over a Job."""
    _fill_holes()  # what is made here is used by each worker
    drop, warmed = [], []
    take_over = _make(drop, warmed)
    rehearse(way, take_over)
    drop += _exits() + _finalizers() + _children()
    if way.name == "library":
        _warm_spares(way, take_over, warmed)
    _fill_holes()
    _keep_replaced()
    return take_over


def _make(drop, warmed):
    data = os.environ._data
    zone = data.get(b"TZ")
    look, urandom, number = os.pread, os.urandom, int.from_bytes
    # The interpreter reseeds `random` only.
    reseed = getattr(sys.modules.get("numpy.random"), "seed", None)
    encoding = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

    def take_over(job):
        data.clear()  # what C sees of the environment is so already
        for word in job.environ:
            key, _, value = word.partition(b"=")
            data[key] = value
        if data.get(b"TZ") != zone:
            time.tzset()
        sys.argv = argv = []
        for word in job.argv:
            argv.append(word.decode(*encoding))
        try:
            if look(0, 1, 0):  # a file: forget_input() has made it no such
                _open_input()
        except OSError:
            pass
        if data.get(b"PYTHONUNBUFFERED"):
            _unbuffer()
        if reseed is not None and not warmed:
            # Without a number it does more, in more of the shared memory.
            reseed(number(urandom(4), "little"))
        for act in drop:
            act()

    return take_over


# --- rehearsal ---------------------------------------------------------------

ROUNDS = 20   # by then the interpreter has specialized what it runs


def rehearse(way, take_over):
    """What runs for the first time writes to memory more than it ever will:
    inline caches, versions of types. In the floor, where it must do nothing
    else; and that it does not succeed is no reason not to work."""
    try:
        _rehearse(way, take_over, _handlers())
    except Exception as error:
        sys.stderr.write(f"floor.py: rehearsal: {report.name(error)}\n")


def _handlers():
    """What the standard library does after a fork that does nothing where
    there was none; with other threads, it would take their locks from them."""
    if len(os.listdir("/proc/self/task")) > 1:
        return []
    names = (("threading", "_after_fork"), ("random", "seed"),
             ("logging", "_after_at_fork_child_reinit_locks"))
    found = [getattr(sys.modules.get(module), name, None)
             for module, name in names]
    return [handler for handler in found if handler is not None]


def _rehearse(way, take_over, after):
    job = _rehearsal(way)
    argv = sys.argv
    late = worker.Late(None)
    take_over(job())  # here, a failure is none to tell
    for _ in range(ROUNDS):
        for act in after:
            act()
        worker.call(way, take_over, job(), late)
    sys.argv = argv


def _rehearsal(way, most=None):
    """Jobs with the floor's own environment, or so much of it."""
    entry = [f"{__name__}:_rehearsed".encode(), b"word"]
    words = [key + b"=" + value for key, value in os.environ._data.items()]
    return way.rehearsal(entry, words[:most])


def _rehearsed(word):
    return 0


def _warm_spares(way, take_over, warmed):
    """Once more in each spare, when it is forked and nobody wants it yet: what
    this writes to is its own before its time counts, as is its random seed.
    Not in what a worker forks; nor without the library, where it would hide
    from what sets up the environment that there is one, and who forks be
    warmed for nothing."""
    job, late = _rehearsal(way, 1), worker.Late(None)

    def warm():
        if not warmed:
            worker.call(way, take_over, job(), late)
            warmed.append(True)

    os.register_at_fork(after_in_child=warm)


def _fill_holes():
    """What a worker allocates would be put, a block here and a block there,
    into pages that it has in common with all others. The holes in them are
    filled in the floor, for each size there is in Python's allocator, until it
    begins a page of its own and its addresses follow each other."""
    for size in range(16, 513, 16):
        blocks, last, run = [], 0, 0
        while run < 8 and len(blocks) < 65536 // size:
            blocks.append(object() if size == 16 else 0.5 * len(blocks)
                          if size == 32 else bytes(size - 33))
            run = run + 1 if id(blocks[-1]) == last + size else 0
            last = id(blocks[-1])
        if run == 8:
            _kept.append(blocks)


def _keep_replaced():
    """What each worker will replace: side by side where the worker's own will
    be, and never freed, which would write to yet another place."""
    data = os.environ._data
    items = [(bytes(bytearray(key)), bytes(bytearray(value)))
             for key, value in data.items()]
    data.clear()
    data.update(items)
    sys.argv = list(sys.argv)
    _kept.append((items, sys.argv))


# --- standard streams --------------------------------------------------------

def fill_standard():
    """In the floor: whatever was loaded may have closed them, and what is
    opened next would be taken for them."""
    fd = 0
    while fd <= 2:
        fd = os.open(os.devnull, os.O_RDWR)
        os.set_inheritable(fd, fd <= 2)
    os.close(fd)


def forget_input():
    """In the floor: its standard input can seek (it is /dev/null), and the
    objects remember. They are made again on what cannot."""
    try:
        null = os.dup(0)
    except OSError:
        return  # there is none
    end, other = os.pipe()
    os.dup2(end, 0)
    _open_input()
    os.dup2(null, 0)
    for fd in (null, end, other):
        os.close(fd)


def _open_input():
    old = sys.__stdin__
    if old is None:
        return
    sys.__stdin__ = open(0, encoding=old.encoding, errors=old.errors,
                         newline="\n", closefd=False)
    if sys.stdin is old:
        sys.stdin = sys.__stdin__


def _unbuffer():
    """As an interpreter that is started with PYTHONUNBUFFERED."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if type(old) is not io.TextIOWrapper or old.fileno() != fd:
            continue
        stream = io.TextIOWrapper(
            io.FileIO(fd, "w", closefd=False), encoding=old.encoding,
            errors=old.errors, newline="\n", write_through=True)
        stream.mode = "w"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def buffer_lines():
    """In the floor, before loading: the objects stay, as others (logging) will
    have taken them. What a worker writes shall be seen in time."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


# --- what is to run at the end -----------------------------------------------

class _Seen:
    """Is compared with all exit handlers, and equal to none of them."""

    def __init__(self):
        self.handlers = []
        atexit.unregister(self)

    def __eq__(self, other):
        self.handlers.append(other)
        return False


def _exits():
    """Exit handlers of the floor are dropped, but for the standard library's
    own, which work for whatever the worker makes."""
    ours = [getattr(sys.modules.get(module), function, None)
            for module, function in (("logging", "shutdown"),
                                     ("multiprocessing.util",
                                      "_exit_function"))]
    ours.append(getattr(_finalize(), "_exitfunc", None))
    seen = _Seen().handlers
    again = [handler for handler in seen if handler in ours]

    def drop():
        atexit._clear()
        for handler in again:
            atexit.register(handler)

    return [drop] if len(again) < atexit._ncallbacks() else []


def _finalize():
    return getattr(sys.modules.get("weakref"), "finalize", None)


def _finalizers():
    """To end what the floor has made (temporary files) is not a worker's."""
    finalize = _finalize()

    def drop():
        _kept.append(finalize._registry)
        finalize._registry = {}

    return [drop] if getattr(finalize, "_registry", None) else []


def _children():
    """Nor are its processes."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")

    def drop():
        _kept.append((process._children, dict(util._finalizer_registry)))
        process._children = set()
        util._finalizer_registry.clear()
        util._run_after_forkers()

    if util is None or not (process._children or util._finalizer_registry or
                            len(util._afterfork_registry)):
        return []
    return [drop]

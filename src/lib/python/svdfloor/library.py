"""library: a floor's way to svd through libsvdfloor.so, by svd/floor.h.

Loaded as PyDLL: the calls keep the GIL, which the hooks around the fork need.
So threads that a preload has started stand still while the floor waits; they
would not be in the workers anyway.
"""

import ctypes
import os

_HOOKS = ("PyOS_BeforeFork", "PyOS_AfterFork_Parent", "PyOS_AfterFork_Child")


class _Job(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("instance", ctypes.c_int),
                ("entry", ctypes.c_char_p), ("argc", ctypes.c_int),
                ("argv", ctypes.POINTER(ctypes.c_char_p)),
                ("envp", ctypes.POINTER(ctypes.c_char_p))]


def _strings(array):
    """The bytes in a NULL-terminated array."""
    found = []
    while array and array[len(found)] is not None:
        found.append(array[len(found)])
    return found


class Job:
    """What svd wants of a worker; each value is bytes, argv[0] the entry."""

    def __init__(self, job):
        self.argv = _strings(job.argv)
        self.environ = _strings(job.envp)


def _checked(result, function, arguments):
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


class Way:
    """svd_floor_*(), with exceptions for errors."""

    name = "library"

    def __init__(self, path):
        """OSError, AttributeError: it cannot be loaded. LookupError: svd did
        not start this process."""
        library = ctypes.PyDLL(path, use_errno=True)
        for name in ("open", "loaded", "failed", "serve", "exception"):
            function = library["svd_floor_" + name]
            if name != "serve":
                function.errcheck = _checked
            setattr(self, "_" + name, function)
        self._gather(library)
        self._late = library["svd_floor_late"]
        self._late.restype = None
        self._loaded.argtypes = [
            ctypes.c_uint, ctypes.POINTER(ctypes.c_char_p), ctypes.c_size_t]
        self._failed.argtypes = [ctypes.c_char_p] * 3
        self._exception.argtypes = [ctypes.c_char_p] * 2
        self._late.argtypes = [ctypes.c_char_p]
        self._hooks = (ctypes.c_void_p * len(_HOOKS))(*(
            ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p)
            for name in _HOOKS))
        try:
            self._open()
        except OSError as error:
            raise LookupError(str(error)) from None

    @staticmethod
    def _gather(library):
        """What is loaded from here on is put where forks are cheap, if this
        interpreter lets it be."""
        choose = getattr(ctypes.pythonapi, "PyObject_SetArenaAllocator", None)
        if choose is not None:
            library.svd_floor_arenas(choose)

    def failed(self, what, module, traceback):
        """Each is bytes; module and traceback may be empty."""
        self._failed(what, module or None, traceback or None)

    def loaded(self, ms, modules):
        """OSError (EINVAL): it has become a subreaper."""
        self._loaded(
            ms, (ctypes.c_char_p * len(modules))(*modules), len(modules))

    def serve(self):
        """A Job: this is a worker, set up. None: the floor, not needed."""
        job = _Job()
        result = self._serve(self._hooks, ctypes.byref(job))
        if result == 1:
            return Job(job)
        _checked(result, self._serve, ())
        return None

    @staticmethod
    def rehearsal(argv, environ):
        """A function: it returns a Job as serve() would, again and again."""
        job = _Job(argc=len(argv))
        job.argv = (ctypes.c_char_p * (len(argv) + 1))(*argv)
        job.envp = (ctypes.c_char_p * (len(environ) + 1))(*environ)
        return lambda: Job(job)

    def exception(self, what, traceback):
        """Never blocks. Each is bytes."""
        try:
            self._exception(what, traceback or None)
        except OSError:
            pass

    def late(self, module):
        """bytes"""
        self._late(module)

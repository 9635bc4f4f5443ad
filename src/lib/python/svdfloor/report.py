"""report: exceptions as text, for `svctl why` and the log.

What is described may be hostile: a __str__ that raises, a text of megabytes, a
recursion without end. Nothing here raises.
"""

import _io
import _thread
import gc
import sys

TEXT_MAX = 32 * 1024   # bytes of a traceback, FLOOR_TEXT_MAX
WHAT_MAX = 1024        # bytes of a line
LOCK_SECONDS = 1
_CUT = b"\n[...]\n"
_OURS = __file__.rpartition("/")[0] + "/"


def cut(text, size):
    """As bytes that may be sent: no NUL, at most size. The end of a traceback
    says most, so that the middle is left out."""
    data = text.encode("utf-8", "backslashreplace").replace(b"\0", b"\\0")
    if len(data) <= size:
        return data
    head = (size - len(_CUT)) // 3
    tail = size - len(_CUT) - head
    # Not in the middle of a character.
    return (data[:head].decode("utf-8", "ignore").encode() + _CUT +
            data[-tail:].decode("utf-8", "ignore").encode())


def one_line(text):
    """Bytes of one line without control characters."""
    data = cut(" ".join(text[:4 * WHAT_MAX].split()), WHAT_MAX)
    return bytes(byte if byte >= 32 and byte != 127 else 63
                 for byte in data.replace(_CUT, b" ... "))


def name(error):
    """"ValueError: bad", as the interpreter has it."""
    kind = type(error)
    text = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        text = f"{kind.__module__}.{text}"
    try:
        # Of a SyntaxError, without the file, which place() has. What __str__
        # returns may be more than a str.
        said = str.__str__(
            str(error.msg if isinstance(error, SyntaxError) else error))
    except BaseException:
        said = "<exception str() failed>"
    return f"{text}: {said}" if said else text


def place(error):
    """" (app.py, line 3)": where it was raised, "" where that is not known."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    step = error.__traceback__
    if step is None:
        return ""
    while step.tb_next is not None:
        step = step.tb_next
    return f" ({step.tb_frame.f_code.co_filename}, line {step.tb_lineno})"


def strip(error):
    """Takes the frames of the runtime off its traceback."""
    step = error.__traceback__
    while (step is not None
           and step.tb_frame.f_code.co_filename.startswith(_OURS)):
        step = step.tb_next
    error.__traceback__ = step
    return error


def traceback_of(error):
    """The text that the interpreter would print; "" where that fails."""
    try:
        import traceback
        return "".join(traceback.format_exception(
            type(error), error, error.__traceback__))
    except BaseException:
        return ""


def show(error):
    """Prints it as the interpreter does what nobody has caught."""
    flush()
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as second:
        try:
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(second), second, second.__traceback__)
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(type(error), error, error.__traceback__)
        except BaseException:
            pass
    flush()


def flush():
    """False: standard output could not be written."""
    done = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException:
            done = done and stream is not sys.stdout
    return done


def flush_all():
    """At the end: every file. False as flush()."""
    if len(sys._current_frames()) == 1:
        flush_files()
    else:
        # One that hangs in a write holds its file's lock. The interpreter, at
        # its end, waits no longer for that.
        done = _thread.allocate_lock()
        done.acquire()
        _thread.start_new_thread(lambda: (flush_files(), done.release()), ())
        done.acquire(timeout=LOCK_SECONDS)
    return flush()


def flush_files():
    """Those that were opened since gc.freeze(), and C's, where ctypes is there
    anyway."""
    kinds = _io.TextIOWrapper, _io.BufferedWriter, _io.BufferedRandom
    for file in [some for some in gc.get_objects() if type(some) in kinds]:
        try:
            if not file.closed:
                file.flush()
        except BaseException:
            pass  # as where it is closed by being forgotten
    if "ctypes" in sys.modules:
        sys.modules["ctypes"].CDLL(None).fflush(None)

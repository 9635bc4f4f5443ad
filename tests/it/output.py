"""output: what the tests of captured output share: the worker `numbered`, and
what it must have written."""

import os
import pathlib
import shlex
import signal
import struct

from svdtest import BUILD, alive, children, wait_for

NUMBERED = str(BUILD / "tests" / "numbered")
LONG_BYTES = 300000


def numbered(name, where, pace=300, often=0):
    """A command line for a worker that writes numbered lines."""
    return shlex.join(map(str, [NUMBERED, name, where, pace, often]))


# What a line ends in is the same again after so many.
ENDS = [bytes([97 + i % 26]) * (i * 7919 % 113) for i in range(26 * 113)]


def expected(name, lines, often=0):
    """Millions of lines: so all of a period in one go."""
    start, period = name.encode() + b" %d ", len(ENDS)
    if often:
        return b"".join(
            start % i + (bytes([97 + i % 26]) * LONG_BYTES
                         if i % often == often - 1 else ENDS[i % period]) + b"\n"
            for i in range(lines))
    form, whole = b"".join(start + end + b"\n" for end in ENDS), lines // period
    rest = b"".join(start + end + b"\n" for end in ENDS[:lines % period])
    return b"".join(form % tuple(range(i * period, (i + 1) * period))
                    for i in range(whole)) + rest % tuple(
                        range(whole * period, lines))


def wrote(where, name):
    """(bytes, lines) that it has written, lines once it has ended."""
    try:
        data = (where / f"{name}.wrote").read_bytes()
    except FileNotFoundError:
        return 0, 0
    return struct.unpack("=QQ", data) if len(data) == 16 else (0, 0)


def difference(got, want):
    """Where two long things differ, for a message one can read."""
    if got == want:
        return None
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b),
              min(len(got), len(want)))
    return (f"{len(got)} bytes, not {len(want)}; differ at {at}: "
            f"{got[max(0, at - 40):at + 40]!r}, "
            f"not {want[max(0, at - 40):at + 40]!r}")


def read_if_there(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def rotated(path):
    """The file with all its older ones, oldest first. They may be being renamed
    meanwhile: then something is missing, or is there twice."""
    data, k = read_if_there(path) or b"", 1
    while (older := read_if_there(path.with_name(f"{path.name}.{k}"))) is not None:
        data, k = older + data, k + 1
    return data


# --- the logger's processes --------------------------------------------------

def logger(fleet):
    """The logger's pid; 0: there is none now. A writer that outlives its
    logger, in a write that stalls, is the keeper's child as well."""
    for pid in children(fleet.keeper):
        if alive(pid) and comm(pid) == "svd: logger":
            return pid
    return 0


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def writers(fleet):
    pid = logger(fleet)
    return [p for p in children(pid) if comm(p) == "svd: writer"] if pid else []


def kill(pid, sig=signal.SIGKILL):
    """Kills one that may be gone already; whether it was there."""
    assert pid > 1, "0 would be all of us"
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return False
    return True


def kill_logger(fleet):
    """Kills it, and waits for the next one."""
    old = wait_for(lambda: logger(fleet), what="a logger")
    kill(old)
    return wait_for(lambda: logger(fleet) not in (0, old) and logger(fleet),
                    what="the next logger")


def wait_bytes(fleet, name, count, timeout=20):
    """Waits until a worker has written so many bytes."""
    return wait_for(lambda: wrote(fleet.dir, name)[0] >= count, timeout,
                    f"{name} writes {count} bytes, not {wrote(fleet.dir, name)}")


# --- disks -------------------------------------------------------------------

def mounted(f, what):
    """svd in a mount namespace of its own with something on DIR/disk; where
    the test sees that."""
    disk = f.dir / "disk"
    disk.mkdir()
    f.before = ["unshare", "-m", "sh", "-c",
                f'{what} {disk} && exec "$@"', "sh"]
    f.launch()
    inside = pathlib.Path(f"/proc/{f.keeper}/root{disk}")
    wait_for(f.answers)
    return inside


def error_of(f, name):
    return f.worker(name)["error"] or ""

"""Huge pages for what a floor has loaded: where they pay, and only there."""

import ctypes
import mmap
import pathlib
import sys

import pytest

from floorkit import FakeSvd
from svdtest import BUILD

MB = 1 << 20
PRELOAD = '''
import mmap
import os

def memory(step):
    m = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, len(m), step):
        m[at:at + 4] = (at // step).to_bytes(4, "little")
    return m

dense = memory(4096)
sparse = memory(1 << 20)

def check():
    """A worker writes here and there, and finds all the rest as it was."""
    for at in range(0, len(dense), 3 << 20):
        dense[at + 8] = 1
    for at in range(0, len(dense), 4096):
        assert dense[at:at + 4] == (at // 4096).to_bytes(4, "little")
    with open("/proc/self/smaps_rollup") as rollup:
        print(next(l.split()[1] for l in rollup if "Private_Dirty" in l))
'''


def has_huge_pages():
    memory = mmap.mmap(-1, 8 * MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, len(memory), 4096):
        memory[at] = 1
    begin = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    begin = (begin + 2 * MB - 1) // (2 * MB) * 2 * MB
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return madvise(begin, 4 * MB, 25) == 0


@pytest.mark.skipif(not has_huge_pages(), reason="needs MADV_COLLAPSE")
def test_memory_that_is_used_densely_gets_huge_pages(tmp_path):
    (tmp_path / "big.py").write_text(PRELOAD)
    argv = [sys.executable, BUILD / "libexec" / "floor.py", "--path", tmp_path,
            "--", "big"]
    with FakeSvd(argv, env={"PYTHONDONTWRITEBYTECODE": "1"}) as svd:
        svd.loaded(timeout=30)
        smaps = pathlib.Path(f"/proc/{svd.proc.pid}/smaps").read_text()
        huge, rss = (sum(int(line.split()[1]) for line in smaps.splitlines()
                         if line.startswith(what)) // 1024
                     for what in ("AnonHugePages:", "Rss:"))
        assert 60 <= huge <= 80, huge
        # All that is sparse, and the interpreter.
        assert rss < 64 + 30, rss
        status, said = svd.run("big:check")
        assert status == 0 and int(said) < 4096, said
        # Before and after, on the floor itself too.
        assert svd.run("big:check")[0] == 0

"""What a floor has loaded, in memory: in huge pages where they pay, and only
there; and nothing of files that is not needed any more."""

import contextlib
import ctypes
import dataclasses
import mmap
import pathlib
import sys

import pytest

from floorkit import FakeSvd
from svdtest import BUILD, IS_ROOT, SLOW

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


@contextlib.contextmanager
def floor_of(tmp_path, name, text):
    """A Python floor with that module, when it is loaded."""
    (tmp_path / f"{name}.py").write_text(text)
    argv = [sys.executable, BUILD / "libexec" / "floor.py", "--path", tmp_path,
            "--", name]
    with FakeSvd(argv, env={"PYTHONDONTWRITEBYTECODE": "1"},
                 cwd=tmp_path) as svd:
        svd.loaded(timeout=30)
        yield svd


@dataclasses.dataclass
class Mapping:
    begin: int
    end: int
    mode: str
    offset: int
    name: str
    facts: dict  # {"Rss": ["4", "kB"], "VmFlags": ["rd", ...], ...}


def mappings(pid):
    found = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0]:
            begin, end = (int(a, 16) for a in words[0].split("-"))
            found.append(Mapping(begin, end, words[1], int(words[2], 16),
                                 pathlib.Path(" ".join(words[5:])).name, {}))
        else:
            found[-1].facts[words[0].rstrip(":")] = words[1:]
    return found


def library(mapping):
    """As "libc"; "": it is none's."""
    name, dot, _ = mapping.name.partition(".")
    return name if dot and ".so" in mapping.name else ""


def rollup(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {line.split(":")[0]: int(line.split()[1])
            for line in text.splitlines()[1:]}


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
    with floor_of(tmp_path, "big", PRELOAD) as svd:
        now = rollup(svd.proc.pid)
        huge, rss = now["AnonHugePages"] // 1024, now["Rss"] // 1024
        assert 60 <= huge <= 80, huge
        # All that is sparse, and the interpreter.
        assert rss < 64 + 30, rss
        status, said = svd.run("big:check")
        assert status == 0 and int(said) < 4096, said
        # Before and after, on the floor itself too.
        assert svd.run("big:check")[0] == 0


OBJECTS = '''
import gc

many = [str(i) for i in range(400_000)]
gap = [bytearray(100) for i in range(100_000)]
del gap

def private():
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(l.split()[1]) for l in rollup if "Private_Dirty" in l)

def check():
    """What it needs itself, it has page by page."""
    before = private()
    mine = [str(i) for i in range(50_000)]
    assert many[::1000] == [str(i) for i in range(0, 400_000, 1000)]
    print(before, private() - before)
'''


@pytest.mark.skipif(not has_huge_pages(), reason="needs huge pages")
def test_objects_of_a_python_floor_are_in_huge_pages(tmp_path):
    with floor_of(tmp_path, "objects", OBJECTS) as svd:
        assert rollup(svd.proc.pid)["AnonHugePages"] >= 20 << 10
        for _ in range(2):
            status, said = svd.run("objects:check")
            before, more = map(int, said.split())
            assert status == 0 and before < 2500 * SLOW and more < 6000 * SLOW, said


LIBRARIES = '''
import sqlite3
import ssl
{more}

def check():
    """What was relocated is still there, and what was not is found again."""
    db = sqlite3.connect(":memory:")
    db.execute("create table t (n)")
    db.executemany("insert into t values (?)", ((i,) for i in range(100)))
    assert db.execute("select sum(n) from t").fetchone() == (4950,)
    ssl.create_default_context()
'''
THREAD = "import threading\nthreading.Thread(target=threading.Event().wait, " \
    "daemon=True).start()"


@pytest.mark.parametrize("more, least, most", [("", 0, 4000 * SLOW),
                                               (THREAD, 7000, 99999)])
def test_what_was_read_of_files_to_load_them_is_left(tmp_path, more, least,
                                                     most):
    """But where a thread may be loading still."""
    with floor_of(tmp_path, "libraries", LIBRARIES.format(more=more)) as svd:
        now = rollup(svd.proc.pid)
        assert least <= now["Rss"] - now["Anonymous"] <= most, now
        for _ in range(2):
            assert svd.run("libraries:check")[0] == 0


def with_pages_of_their_own(pid):
    """The libraries that have some which are no file's."""
    return {library(m) for m in mappings(pid)
            if library(m) and m.facts["Anonymous"][0] != "0"}


DATA = '''
import ctypes
import sqlite3
import ssl
{more}

library = ctypes.CDLL({library!r})
number = ctypes.c_int.in_dll(library, "data_number")
words = (ctypes.c_char_p * 2).in_dll(library, "data_words")
zeros = (ctypes.c_char * 65536).in_dll(library, "data_zeros")
number.value += 1  # when it was relocated
zeros[30000] = b"x"

def where(address):
    with open("/proc/self/maps") as maps:
        for line in maps:
            begin, end = (int(a, 16) for a in line.split()[0].split("-"))
            if begin <= address < end:
                return line.split()[1], "memfd:svd-data" in line

def check():
    """What is written to it is the worker's own."""
    assert list(words) == [b"one", b"two"]
    assert number.value == 42
    number.value += 1
    assert number.value == 43
    assert zeros[:] == bytes(30000) + b"x" + bytes(65536 - 30001)
    zeros[50000] = b"y"
    assert where(ctypes.addressof(number)) == where(ctypes.addressof(zeros) + 60000)
    print(where(ctypes.addressof(number)), where(ctypes.addressof(words)))
'''


@pytest.mark.parametrize("more, shared", [("", True), (THREAD, False)])
def test_data_of_libraries_is_a_files_again(tmp_path, more, shared):
    """As long as nobody else can be writing to it."""
    text = DATA.format(more=more, library=str(BUILD / "tests" / "libapp.so"))
    with floor_of(tmp_path, "data", text) as svd:
        left = with_pages_of_their_own(svd.proc.pid)
        assert ("libcrypto" in left) != shared, left
        assert {"libc", "ld-linux-x86-64", "libsvdfloor"} <= left or not shared
        assert not shared or len(left) < 10, left
        for _ in range(2):
            assert svd.run("data:check") == (
                0, f"('rw-p', {shared}) ('r--p', {shared})\n")


@pytest.mark.parametrize("more, joined", [("", True), (THREAD, False)])
def test_what_a_library_begins_with_is_one_mapping_with_its_code(
        tmp_path, more, joined):
    with floor_of(tmp_path, "libraries", LIBRARIES.format(more=more)) as svd:
        maps = mappings(svd.proc.pid)
        code = {library(m): m.offset for m in maps if "x" in m.mode and library(m)}
        assert len(code) > 5 and {"libcrypto", "libc"} <= set(code)
        assert all((offset == 0) == joined for offset in code.values()), code
        assert not [m for m in maps if "w" in m.mode and "x" in m.mode]
        assert svd.run("libraries:check")[0] == 0


SMALL = """
import ctypes
import mmap
{more}

SIZE = 1 << 20
libc = ctypes.CDLL(None)
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.mlock.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

def memory():
    # By something else on either side, so that it is no other's mapping.
    m = mmap.mmap(-1, SIZE + 8192, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(m))
    for at in (begin, begin + SIZE + 4096):
        assert libc.madvise(at, 4096, 10) == 0  # DONTFORK
    for at in range(4096, 4096 + SIZE, 4096):
        m[at:at + 4] = at.to_bytes(4, "little")
    return m, begin + 4096

plain, secret, wiped, locked = (memory() for _ in range(4))
assert libc.madvise(secret[1], SIZE, 16) == 0  # DONTDUMP
assert libc.madvise(wiped[1], SIZE, 18) == 0  # WIPEONFORK
assert libc.mlock(locked[1], SIZE) == 0
with open("addresses", "w") as f:
    print(*(m[1] for m in (plain, secret, wiped, locked)), file=f)

def check():
    for m, _ in (plain, secret, locked):
        for at in range(4096, 4096 + SIZE, 4096):
            assert m[at:at + 4] == at.to_bytes(4, "little")
            m[at:at + 4] = b"mine"
    assert wiped[0][4096:4096 + SIZE] == bytes(SIZE)
"""


def is_large(pid, address):
    """Is the page there a part of a huge one (kpageflags: THP)?"""
    page = ctypes.c_uint64()
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        f.seek(address // 4096 * 8)
        assert f.readinto(page) == 8 and page.value >> 63
    with open("/proc/kpageflags", "rb", buffering=0) as f:
        f.seek((page.value & (1 << 55) - 1) * 8)
        assert f.readinto(page) == 8
    return bool(page.value >> 22 & 1)


def flags_at(pid, address):
    return next(m.facts["VmFlags"] for m in mappings(pid)
                if m.begin <= address < m.end)


@pytest.mark.skipif(not has_huge_pages() or not IS_ROOT,
                    reason="needs MADV_COLLAPSE, and root's view of pages")
@pytest.mark.parametrize("more, packed", [("", True), (THREAD, False)])
def test_small_pages_are_packed_and_what_is_special_is_left_alone(
        tmp_path, more, packed):
    with floor_of(tmp_path, "small", SMALL.format(more=more)) as svd:
        pid = svd.proc.pid
        plain, *special = map(
            int, (tmp_path / "addresses").read_text().split())
        assert is_large(pid, plain + 500_000) == packed
        for address, flag in zip(special, ("dd", "wf", "lo")):
            assert flag in flags_at(pid, address)
            assert not is_large(pid, address + 500_000)
        for _ in range(2):
            assert svd.run("small:check") == (0, "")

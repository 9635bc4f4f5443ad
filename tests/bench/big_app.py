"""big_app: a preload of BIG_MB megabytes, in memory as BIG_HOW says: `pages`,
one mapping; `objects`, small objects of Python's; and behind that a `-small`,
so that no huge pages are made of them.
"""

import ctypes
import mmap
import os

PR_SET_THP_DISABLE = 41  # linux/prctl.h
OBJECT_BYTES = 32        # a float of 24, its reference

kept = []


def fill(size, how):
    if how.startswith("pages"):
        memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for at in range(0, size, mmap.PAGESIZE):
            memory[at] = 1
        kept.append(memory)
    else:
        kept.append([float(i) for i in range(size // OBJECT_BYTES)])


if os.environ["BIG_HOW"].endswith("-small"):
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
fill(int(os.environ["BIG_MB"]) << 20, os.environ["BIG_HOW"])

"""floor.py: a floor of svd in Python. Run by svd, by the user's interpreter:

    PYTHON floor.py [--path DIR]... [--init MODULE:FUNCTION] -- MODULE...

loads the modules once and forks a worker whenever svd asks for one. What it
speaks to svd is described in svd-floors(7). Python 3.9 and later; what runs
here is in every worker's memory, so that it imports next to nothing.
"""

import os
import sys


def _import_runtime():
    """The runtime from beside this file, whatever else is called so."""
    here = os.path.dirname(os.path.abspath(__file__))
    # Where the interpreter has put the script's own directory, if it has.
    if not sys.flags.isolated and not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    sys.path.insert(0, here)
    try:
        from svdfloor import loading
    finally:
        sys.path.remove(here)
    return loading, here


if __name__ == "__main__":
    _loading, _here = _import_runtime()
    # A worker's multiprocessing must not take this for the worker's program.
    del globals()["__file__"]
    _loading.main(_here, sys.argv[1:])

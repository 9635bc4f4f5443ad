"""The worker of counter.c in Python: it counts, takes code and values too.

    svctl call counter-py add 3
    svctl run counter-py 'total *= 2'
    svctl load counter-py total

And from any program, with svd's Python directory in PYTHONPATH:

    import svd
    print(svd.Worker("counter-py").call("add", 3))
"""

import svd

namespace = {"total": 0}


def add(n):
    namespace["total"] += n
    return namespace["total"]


svd.serve({"add": add}, namespace)

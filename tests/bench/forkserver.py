"""forkserver: a supervising loop over multiprocessing's forkserver, with all
that it can preload. Started as `python3 -c 'import forkserver; ...'`, so that
there is no main module which each worker would import again.
"""

import multiprocessing.connection
import signal
import sys

import floor_app


def main(path, count):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*floor_app.IMPORTS, "floor_app"])

    def start(instance):
        process = context.Process(target=floor_app.work,
                                  args=(path, instance), daemon=True)
        process.start()
        return process.sentinel, (process, instance)

    # Those that are daemons are ended with this process.
    workers = dict(start(i) for i in range(count))
    while True:
        for sentinel in multiprocessing.connection.wait(workers):
            process, instance = workers.pop(sentinel)
            process.join()
            workers.update([start(instance)])

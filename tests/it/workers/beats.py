"""beats: a worker that says again and again that it is alive, as long as files
of its directory let it.

    hush     it says nothing more
    trigger  it asks to be ended, once
    work     its heartbeats need a processor, for a while

Words: stubborn, it takes no notice of ABRT."""

import os
import signal
import sys
import time

import svd


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def beat(interval):
    if os.path.exists("work"):
        burn(0.05)
    if os.path.exists("trigger"):
        os.unlink("trigger")
        svd._notify(b"WATCHDOG=trigger", 0)
    if not os.path.exists("hush"):
        svd.heartbeat()
    time.sleep(interval)


def main():
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGABRT, signal.SIG_IGN)
    interval = svd.heartbeat_interval()
    if interval is None:
        sys.exit("no heartbeat is expected")
    print("expected of", os.environ["WATCHDOG_PID"], os.getpid(), flush=True)
    svd.ready()
    while True:
        beat(min(interval / 3, 0.1))


if __name__ == "__main__":
    main()

"""What is said by sd_notify(3) with many descriptors, and after a crash."""

import os
import signal
import time

from svdtest import SLOW
from test_said import ONE, root_only, said, say


def test_who_floods_with_descriptors_holds_up_nobody(fleet):
    f = fleet(ONE)
    f.running()
    fds = [os.open("/dev/null", os.O_RDWR) for _ in range(200)]
    until = time.monotonic() + 1
    took = []
    pid = os.fork()
    if pid == 0:
        try:
            while time.monotonic() < until + 60:
                say(f, "FDSTORE=1", *fds)
        finally:
            os._exit(0)
    try:
        while time.monotonic() < until or len(took) < 9:
            start = time.monotonic()
            f.status()
            took.append(time.monotonic() - start)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for fd in fds:
            os.close(fd)
    # Not each: other tests have their share of the processors.
    assert sorted(took)[len(took) // 2] < 0.5 * SLOW, took
    assert f.log().count("FDSTORE: only sockets") == 1


@root_only
def test_after_the_keepers_death_a_workers_socket_is_its_users(fleet):
    f = fleet(ONE + "user = nobody\n")
    f.running()
    f.crash()
    f.recover()
    assert os.stat(f.run / "notify" / "w:0").st_uid == 65534
    said(f, "STATUS=still here")

"""successor: forks whoever then says that it is the main process. Words: leave,
and the first one ends; session, and the other is a daemon; asked, and it waits
for USR1 before."""

import os
import signal
import socket
import sys
import time

if "asked" in sys.argv:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    print("waits", flush=True)
    signal.sigwait([signal.SIGUSR1])
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.connect(os.environ["NOTIFY_SOCKET"])
    ends = os.pipe()
    if os.fork() == 0:
        if "session" in sys.argv:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
        sock.send(b"MAINPID=%d\nREADY=1" % os.getpid())
        os.close(ends[0])
        os.close(ends[1])
        time.sleep(1e6)
    os.close(ends[1])
    # Its end is that of whoever has said so.
    os.read(ends[0], 1)
    if "leave" in sys.argv:
        sys.exit(7)
    time.sleep(1e6)

"""raw: a worker that speaks the channel's protocol by hand, as svd-channel(7)
describes it, and breaks it on demand: `svctl call NAME HOW`."""

import array
import fcntl
import os
import socket
import struct
import sys
import time

HEAD = struct.Struct("<4sBBHQQIQ")
MAGIC = b"SVC\1"
IMPORTED, LOOP, RESULT, EXCEPTION, ANSWERED = 16, 17, 18, 19, 20

sock = socket.socket(fileno=int(os.environ["SVD_CHANNEL_FD"]))


def frame(kind, request=0, value=b"", magic=MAGIC, flags=0, zero=0, name=0,
          length=None):
    length = len(value) if length is None else length
    return HEAD.pack(magic, kind, flags, zero, request, 0, name, length) + value


def pass_on(data, fd):
    sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                           array.array("i", [fd]))])


def memfd(data, seals):
    fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def file_of(data, request, length=None, seals=0xe, kind=RESULT):
    length = len(data) if length is None else length
    pass_on(frame(kind, request, flags=1, length=length), memfd(data, seals))


BREAKS = {
    "torn head": lambda r: sock.send(frame(RESULT, r)[:35]),
    "torn value": lambda r: sock.send(frame(RESULT, r, b"[1,2]")[:-1]),
    "more behind": lambda r: sock.send(frame(RESULT, r, b"1") + b"2"),
    "nothing": lambda r: sock.send(b""),
    "noise": lambda r: sock.send(os.urandom(100)),
    "http": lambda r: sock.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "version 2": lambda r: sock.send(frame(RESULT, r, b"1", magic=b"SVC\2")),
    "not zero": lambda r: sock.send(frame(RESULT, r, b"1", zero=1)),
    "flags": lambda r: sock.send(frame(RESULT, r, b"1", flags=2)),
    "2^63": lambda r: sock.send(frame(RESULT, r, b"1", length=1 << 63)),
    "2^64-1": lambda r: sock.send(frame(RESULT, r, b"1", length=(1 << 64) - 1)),
    "long name": lambda r: sock.send(frame(RESULT, r, name=0xffffffff)),
    "oversize": lambda r: sock.send(frame(RESULT, r, b"1" * 100000)),
    "type 0": lambda r: sock.send(frame(0, r, b"1")),
    "type 255": lambda r: sock.send(frame(255, r, b"1")),
    "a request": lambda r: sock.send(frame(1, r, b"1")),
    "not JSON": lambda r: sock.send(frame(RESULT, r, b'1}}\0{"error":"x"}')),
    "no value": lambda r: sock.send(frame(RESULT, r, b"")),
    "not UTF-8": lambda r: sock.send(frame(RESULT, r, b'"\xff"')),
    "exception": lambda r: sock.send(frame(EXCEPTION, r, b"{")),
    "unsealed": lambda r: file_of(b"1", r, seals=0),
    "half sealed": lambda r: file_of(b"1", r, seals=0x6),
    "other length": lambda r: file_of(b"1", r, length=2),
    "a file for an exception": lambda r: file_of(b"{}", r, kind=EXCEPTION),
    "a pipe": lambda r: pass_on(frame(RESULT, r, flags=1), os.pipe()[0]),
    "a file too many": lambda r: pass_on(frame(RESULT, r, b"1"), 0),
    "a file too few": lambda r: sock.send(frame(RESULT, r, flags=1)),
    "closed": lambda r: sock.shutdown(socket.SHUT_RDWR),
}

# What costs one request at most.
ODD = {
    "twice": lambda r: [sock.send(frame(RESULT, r, b"1")) for _ in "12"],
    "unasked": lambda r: (sock.send(frame(RESULT, r + 1, b"0")),
                          sock.send(frame(RESULT, r, b"1"))),
    "late": lambda r: (time.sleep(0.4), sock.send(frame(RESULT, r, b'"late"'))),
    "late noise in a file": lambda r: (
        time.sleep(0.3), file_of(b'1}}\0{"error":"x"}', r)),
    "no exception": lambda r: sock.send(frame(EXCEPTION, r, b'{"type":3}')),
    "never": lambda r: None,
    "hello again": lambda r: [sock.send(frame(kind, r)) for kind in
                              (LOOP, IMPORTED)] + [
                                  sock.send(frame(RESULT, r, b"1"))],
    "in a file": lambda r: file_of(b"1", r),
    "large": lambda r: file_of(b'"' + b"x" * 3000000 + b'"', r),
    "large noise": lambda r: file_of(b"x" * 3000000, r),
    "die": lambda r: os._exit(9),
    "answer and die": lambda r: (sock.send(frame(RESULT, r, b"1")),
                                 os._exit(9)),
    "half and die": lambda r: (sock.send(frame(RESULT, r, b"123")[:20]),
                               os._exit(9)),
}


def main():
    sock.send(frame(IMPORTED))
    if sys.argv[1:] == ["stay"]:
        time.sleep(1000)
    sock.send(frame(LOOP))
    while True:
        try:
            data = sock.recv(1 << 17)
        except ConnectionError:
            data = b""
        if not data:
            time.sleep(1000)
        _, kind, _, _, request, _, name, _ = HEAD.unpack_from(data)
        how = data[HEAD.size:HEAD.size + name].decode()
        {**BREAKS, **ODD}[how](request)


if __name__ == "__main__":
    main()

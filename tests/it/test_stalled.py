"""A file system that hangs holds up nobody but who stands on it."""

import contextlib
import ctypes
import os
import struct
import time

import pytest

from svdtest import IS_ROOT, SLOW, act, alive

libc = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2
FUSE_INIT = 26
SET_UP_S = 8  # CHILD_SET_UP_MS


def mount(fd, path):
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"svdtest", str(path).encode(), b"fuse", 0, options) == -1:
        pytest.skip(f"cannot mount: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def dead_file_system(path):
    """A FUSE whose server says hello and then nothing more: whoever looks up a
    name in it sleeps until it is killed."""
    path.mkdir()
    try:
        fd = os.open("/dev/fuse", os.O_RDWR)
    except OSError as e:
        pytest.skip(f"/dev/fuse: {e.strerror}")
    mount(fd, path)
    try:
        unique = struct.unpack_from("=IIQ", os.read(fd, 65536))[2]
        # struct fuse_out_header, then fuse_init_out of version 7.9.
        body = struct.pack("=IIIIHHI", 7, 9, 65536, 0, 1, 1, 4096)
        os.write(fd, struct.pack("=IiQ", 16 + len(body), 0, unique) + body)
        yield path
    finally:
        os.close(fd)
        libc.umount2(str(path).encode(), MNT_DETACH)


@pytest.mark.slow
@pytest.mark.skipif(not IS_ROOT, reason="needs root to mount")
def test_a_directory_that_hangs_holds_up_the_supervisor_for_seconds(
        fleet, tmp_path):
    with dead_file_system(tmp_path / "dead") as dead:
        f = fleet(f"[worker:w]\ncommand = {act('pause')}\n"
                  f"[worker:h]\ncommand = {act('pause')}\n"
                  f"directory = {dead}/x\nautostart = no\n"
                  "restart = no\n")
        pid = f.running("w")["w"]
        supervisor = f.supervisor()
        began = time.monotonic()
        done = f.svctl("-t", 20, "start", "h", timeout=30)
        assert SET_UP_S - 1 < time.monotonic() - began < 18
        assert done.rc == 1 and "directory: hung for 8 s" in done.err
        seen = f.wait("h", state="FAILED")
        assert seen["error"] == "directory: hung for 8 s"
        assert f.supervisor() == supervisor
        assert f.worker("w")["pid"] == pid and alive(pid)

"""svd -b: the parent says how it went, the fleet has left the terminal."""

import contextlib
import os
import pty
import signal
import subprocess

import pytest

from svdtest import (SLOW, SVD, act, alive, marked, run_svd, stat_fields,
                     wait_for)

ONE = f"[worker:w]\ncommand = {act('pause')}\n"


@contextlib.contextmanager
def background(f, *args, **kwargs):
    """svd -b on a fleet that was not launched; what it said."""
    try:
        yield run_svd("-b", *args, "-r", f.run, f.ini, env=f.env, **kwargs)
    finally:
        f.svctl("shutdown")


def keeper(f):
    return f.status()["keeper_pid"]


def test_it_answers_when_the_parent_returns(fleet):
    f = fleet(ONE, launch=False)
    # That this returns at all proves that no pipe of ours is held.
    with background(f) as done:
        assert done.returncode == 0, done
        assert f.svctl("ping").rc == 0
        f.wait("w", state="RUNNING")
        assert done.stdout == ""
    assert f.svctl("ping").rc == 4


def test_it_has_left_session_directory_and_streams(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\nstdout = inherit\n",
              launch=False)
    with background(f) as done:
        assert done.returncode == 0, done
        for pid in keeper(f), f.running("w")["w"]:
            assert stat_fields(pid)[4 - 1] == str(pid)  # its session
            assert os.readlink(f"/proc/{pid}/cwd") == "/"
            for fd in range(3):
                assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"


def test_a_file_stays_its_log(fleet):
    f = fleet(ONE, launch=False)
    with open(f.path("err"), "ab") as log:
        done = subprocess.run([SVD, "-b", "-r", f.run, f.ini], stderr=log,
                              stdout=log, env=f.env, timeout=20 * SLOW)
    try:
        assert done.returncode == 0
        f.wait("w", state="RUNNING")
        f.ctl("restart", "w")
        log = f.path("err").read_text()
        assert log.count("STARTING -> RUNNING") == 2, log
    finally:
        f.svctl("shutdown")


def test_what_is_said_before_it_answers_is_passed_on(fleet):
    f = fleet(ONE, launch=False)
    with background(f) as done:
        pid = done.returncode == 0 and keeper(f)
    # The whole of it is not ours to see: it ends when the answer comes.
    for line in done.stderr.splitlines():
        assert f"svd[{pid}]" in line or "supervisor" in line, done.stderr


def test_a_closed_terminal_is_no_matter(fleet):
    f = fleet(ONE, launch=False)
    parent, child = pty.openpty()
    done = subprocess.run([SVD, "-b", "-r", f.run, f.ini], stdin=child,
                          stdout=child, stderr=child, env=f.env,
                          start_new_session=True, timeout=20 * SLOW)
    os.close(child)
    try:
        assert done.returncode == 0
        for fd in range(3):
            assert os.readlink(
                f"/proc/{keeper(f)}/fd/{fd}") == "/dev/null"
        os.close(parent)
        assert f.ctl("restart", "w")
    finally:
        f.svctl("shutdown")


def test_errors_of_the_configuration_are_said(fleet):
    f = fleet("[worker:w]\ncomand = x\n", launch=False)
    with background(f) as done:
        assert done.returncode == 1
        assert f"{f.ini}:" in done.stderr and "comand" in done.stderr


def test_another_svd_is_said(fleet):
    f = fleet(ONE)
    pid = f.running("w")["w"]
    done = run_svd("-b", "-r", f.run, f.ini, env=f.env)
    assert done.returncode == 3, done
    assert "another svd" in done.stderr
    assert f.worker("w")["pid"] == pid


def test_a_socket_path_too_long_is_said(fleet):
    f = fleet(ONE, launch=False)
    done = run_svd("-b", "-r", f.run / ("x" * 100), f.ini, env=f.env)
    assert done.returncode == 1, done
    assert "too long" in done.stderr


def test_a_directory_that_cannot_be_made_is_said(fleet):
    f = fleet(ONE, launch=False)
    f.path("file").write_text("")
    done = run_svd("-b", "-r", f.path("file") / "run", f.ini, env=f.env)
    assert done.returncode == 1, done
    assert "cannot create" in done.stderr


def test_a_fleet_that_dies_at_once_ends_the_parent_too(fleet):
    """Either it answered before, or the parent exits as it did."""
    f = fleet(f"[worker:w]\ncommand = {act('exit', 7)}\nessential = yes\n"
              "restart = no\n", launch=False)
    with background(f) as done:
        assert done.returncode in (0, 7), done
    assert wait_for(lambda: f.svctl("ping").rc == 4)


@pytest.mark.parametrize("args", [["-b", "--", "/bin/true"],
                                  ["-b", "-r", "/tmp", "--", "/bin/true"]])
def test_a_command_has_no_background(args):
    done = run_svd(*args)
    assert done.returncode == 2 and "-b" in done.stderr, done


def test_check_comes_first(fleet):
    f = fleet(ONE, launch=False)
    done = run_svd("-nb", f.ini)
    assert done.returncode == 0 and done.stdout == "configuration OK\n"


def test_an_interrupted_parent_leaves_the_fleet(fleet):
    """Whoever waits may stop waiting. Whether he did so before there was a
    fleet or after decides only if there is one, not how it is."""
    f = fleet(ONE, launch=False)
    proc = subprocess.Popen([SVD, "-b", "-r", f.run, f.ini],
                            stderr=subprocess.DEVNULL, env=f.env)
    try:
        proc.send_signal(signal.SIGINT)
        proc.wait(20 * SLOW)
        wait_for(lambda: f.svctl("ping").rc == 0 or not marked(f.id))
        if marked(f.id):
            assert alive(keeper(f))
    finally:
        f.svctl("shutdown")

"""How svd itself starts, and why it may refuse to."""

import os
import signal
import socket
import subprocess

import pytest

from svdtest import (SANITIZED, SVCTL, SVD, act, alive, run_svd, stays,
                     wait_for)

ONE = f"[worker:w]\ncommand = {act('pause')}\n"


@pytest.mark.valgrind
def test_a_fleet_runs_and_stops_with_0(fleet):
    f = fleet(ONE)
    assert f.status()["fleet"] == "test"
    assert f.status()["keeper_pid"] == f.keeper
    worker = f.wait("w", state="RUNNING", want="up", ready=True, pid=bool)
    assert worker["generation"] == 1 and worker["restarts"] == 0
    assert worker["last_exit"] is None and worker["next_start"] is None
    assert f.stop() == 0
    assert not (f.run / "control.sock").exists()


def test_a_worker_is_a_child_of_the_keeper(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[worker:w]\ncommand = "
                     f"{act('report', f.path('out'), 'pause')}\n")
    f.start()
    assert int(f.report("out")["ppid"]) == f.keeper


def test_a_second_svd_on_one_fleet_ends_with_3(fleet):
    f = fleet(ONE)
    pid = f.running()["w"]
    second = run_svd("-r", f.run, f.ini)
    assert second.returncode == 3, second
    assert str(f.run) in second.stderr
    assert f.worker("w")["pid"] == pid


def test_a_stale_socket_is_no_obstacle(fleet):
    f = fleet(ONE, launch=False)
    f.run.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
        stale.bind(str(f.run / "control.sock"))
    f.start()
    f.running("w")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
def test_a_directory_that_cannot_be_written_is_named(fleet):
    f = fleet(ONE, launch=False,
              before=["setpriv", "--reuid", "65534", "--clear-groups"])
    f.dir.chmod(0o755)
    f.launch()
    assert f.end() == 1
    assert str(f.run) in f.log() and "Permission denied" in f.log()


def test_no_file_is_a_readable_error():
    done = run_svd("-r", "/tmp/svdtest-none", "/nonexistent/fleet.ini")
    assert done.returncode == 1
    assert "/nonexistent/fleet.ini" in done.stderr
    assert "No such file" in done.stderr


@pytest.mark.parametrize("args", [["-X"], ["-r"], ["a.ini", "b.ini"],
                                  ["--nonsense"], ["--"]])
def test_wrong_usage_ends_with_2(args):
    done = run_svd(*args)
    assert done.returncode == 2, done
    assert done.stderr and not done.stdout


@pytest.mark.parametrize("option", ["-V", "--version", "-h", "--help"])
def test_what_was_asked_for_goes_to_stdout(option):
    done = run_svd(option)
    assert done.returncode == 0 and done.stdout and not done.stderr


BAD = """\
[fleet]
name = bad name
colour = red
[worker:a]
command = /bin/true
restrat = always
stop_timeout = soon
[worker:b]
[wroker:c]
command = /bin/true
[worker:all]
command = /bin/true
[worker:d]
command = "unbalanced
numprocs = 0
"""


def test_all_errors_of_a_file_are_reported_with_their_lines(fleet):
    f = fleet(BAD, launch=False)
    check = run_svd("-n", f.ini)
    assert check.returncode == 1 and "configuration OK" not in check.stdout
    for line in (2, 3, 6, 7, 8, 9, 11, 14, 15):
        assert f"{f.ini}:{line}: " in check.stderr, (line, check.stderr)
    assert "restart" in check.stderr, "no suggestion for restrat"
    assert "worker" in check.stderr
    real = run_svd("-r", f.run, f.ini)
    assert real.returncode == 1
    assert f"{f.ini}:15: " in real.stderr
    assert not (f.run / "control.sock").exists()


def test_a_good_file_is_said_to_be_good(fleet):
    f = fleet(ONE, launch=False)
    done = run_svd("-n", f.ini)
    assert (done.returncode, done.stdout) == (0, "configuration OK\n"), done
    assert not f.run.exists()


HOSTILE = [
    b"", b"\0", b"[", b"[worker:]\ncommand = x\n", b"[worker:a\ncommand = x\n",
    b"command = x\n", b"[worker:a]\n= x\n", b"[worker:a]\ncommand\n",
    b"[worker:a]\ncommand = /bin/true\0user = root\n",
    b"[worker:../../x]\ncommand = x\n", b"[worker:a] junk\ncommand = x\n",
    b"[worker:a]\ncommand = x\n[worker:a]\ncommand = y\n",
    b"[worker:a]\ncommand = ${NO_SUCH_VARIABLE_HERE}\n",
    b"[worker:a]\ncommand = x\nnumprocs = 99999999999999999999\n",
    b"\xff\xfe[\0w\0", b"[worker:" + b"a" * 200 + b"]\ncommand = x\n",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_malformed_file_ends_with_1_and_a_line(fleet, text):
    f = fleet("", launch=False)
    f.ini.write_bytes(text)
    done = run_svd("-n", f.ini)
    if text == b"":
        assert done.returncode in (0, 1)
        return
    assert done.returncode == 1, done
    assert f"{f.ini}:" in done.stderr


def test_a_long_command_stays_one_line(fleet):
    """What inih itself would cut into lines must not inject a key."""
    f = fleet("", launch=False)
    text = "a" * 180 + " user = nobody"
    f.ini.write_text(f"[worker:w]\ncommand = /bin/sh -c "
                     f"'sleep 1000' '{text}'\nrestart = no\n")
    f.start()
    f.running("w")
    line = wait_for(lambda: open(f"/proc/{f.worker('w')['pid']}/cmdline")
                    .read())
    assert text in line
    assert os.stat(f"/proc/{f.worker('w')['pid']}").st_uid == os.geteuid()


def test_a_directory_as_the_fleet_file_is_an_error(fleet):
    f = fleet("", launch=False)
    done = run_svd("-n", f.dir)
    assert done.returncode == 1 and str(f.dir) in done.stderr


def test_closed_standard_descriptors_do_not_reach_the_workers(fleet):
    """0, 1 and 2 closed at start: what svd opens must not become them."""
    f = fleet("", launch=False,
              before=["/bin/sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-'])
    f.ini.write_text(f"[worker:w]\ncommand = "
                     f"{act('report', f.path('out'), 'pause')}\n")
    f.start()
    assert f.report("out")["fds"] == "0 1 2"
    f.running("w")


def test_the_programs_need_libc_only():
    for program in (SVD, SVCTL):
        done = subprocess.run(["ldd", program], capture_output=True, text=True,
                              check=True).stdout
        libraries = {line.split()[0].split("/")[-1].split(".")[0]
                     for line in done.splitlines()}
        if SANITIZED:
            libraries -= {"libasan", "libubsan", "libstdc++", "libm",
                          "libgcc_s", "libdl", "librt", "libpthread"}
        assert libraries <= {"linux-vdso", "libc", "ld-linux-x86-64",
                             "ld-linux-aarch64", "ld-musl-x86_64"}, done


def test_an_idle_fleet_wakes_nobody_up(fleet):
    """No wake-up at rest: both processes stay where they are."""
    f = fleet(ONE)
    f.running("w")
    pids = [f.keeper, f.status()["supervisor_pid"]]

    def switches():
        return [line for pid in pids for line in open(f"/proc/{pid}/status")
                if line.startswith("voluntary_ctxt_switches")]

    seen = []

    def settled():
        seen.append(switches())
        return len(seen) > 20 and seen[-20] == seen[-1]

    wait_for(settled, every=0.05, what="both are quiet")
    before = switches()
    stays(lambda: switches() == before, 1.5, "no wake-up")

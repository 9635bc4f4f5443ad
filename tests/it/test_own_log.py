"""svd's own log: its forms, and that a fleet without room for its output is
refused. Where it goes other than standard error is in test_output*.py."""

import json
import re
import subprocess

import pytest

from svdtest import SVD, act, run_svd

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
TEXT = re.compile(rf"{STAMP} svd\[\d+\] (keeper|supervisor): .+")
LOGFMT = re.compile(
    rf'time={STAMP} level=(error|warning|info) role=(keeper|supervisor) '
    r'pid=\d+ message="(\\.|[^"\\])*"')


def lived(fleet, form):
    """The lines of a fleet that has seen this and that."""
    f = fleet(f"[fleet]\nname = test\nlog_format = {form}\n"
              f"[worker:w]\ncommand = {act('pause')}\n")
    f.running("w")
    f.kill_supervisor()
    f.ctl("restart", "w")
    f.stop()
    lines = f.log().splitlines()
    assert len(lines) > 5
    return f, lines


def test_text(fleet):
    _, lines = lived(fleet, "text")
    for line in lines:
        assert TEXT.fullmatch(line), line


def test_json(fleet):
    f, lines = lived(fleet, "json")
    seen = [json.loads(line) for line in lines]
    for one in seen:
        assert list(one) == ["time", "level", "role", "pid", "message"]
        assert re.fullmatch(STAMP, one["time"])
    assert {one["role"] for one in seen} == {"keeper", "supervisor"}
    assert {one["pid"] for one in seen if one["role"] == "keeper"} == \
        {f.keeper}
    assert [one["level"] for one in seen
            if "was killed by signal 9" in one["message"]] == ["error"]


def test_logfmt(fleet):
    _, lines = lived(fleet, "logfmt")
    for line in lines:
        assert LOGFMT.fullmatch(line), line


def test_workers_do_not_inherit_the_log(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(
        f"[fleet]\nname = test\nlog = file:{f.path('own')}\n[worker:w]\n"
        f"command = {act('report', f.path('out'), 'pause')}\n"
        "stdout = null\n")
    f.start()
    assert f.report("out")["fds"] == "0 1 2"


@pytest.mark.parametrize("text,need", [
    ("numprocs = 50\nstdout = log\n", 250),
    ("numprocs = 50\nstdout = file:/tmp/one\n", 251),
    ("numprocs = 50\nstdout = syslog\nstderr = file:/tmp/%n\n", 400),
])
def test_a_fleet_without_descriptors_for_its_output_is_refused(
        fleet, text, need):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n{text}", launch=False)

    def check(limit, *args):
        return subprocess.run(
            ["prlimit", f"--nofile={limit}:{limit}", SVD, *args, f.ini],
            capture_output=True, text=True)

    assert check(need, "-n").returncode == 0
    for args in ["-n"], ["-r", f.run]:
        done = check(need - 1, *args)
        assert done.returncode == 1
        assert f"need {need} descriptors" in done.stderr, done
        assert f"limit is {need - 1}" in done.stderr


def test_a_place_that_is_not_there_is_said_before_it_is_too_late(fleet):
    f = fleet("", launch=False)
    f.ini.write_text(f"[fleet]\nname = test\nlog = file:{f.path('no')}/own\n"
                     f"[worker:w]\ncommand = {act('pause')}\n")
    for args in ["-r", f.run], ["-b", "-r", f.run]:
        done = run_svd(*args, f.ini)
        assert done.returncode == 1
        assert f"log: directory '{f.path('no')}'" in done.stderr, done
    done = run_svd("-n", f.ini)
    assert done.returncode == 0 and "warning: log: directory" in done.stderr


def test_the_internal_option_is_nobody_elses():
    done = run_svd("-L", "1,text", "/dev/null")
    assert done.returncode == 2 and "-L" in done.stderr

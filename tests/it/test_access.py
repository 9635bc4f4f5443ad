"""Who may use the control socket: root, the owner, and control_group."""

import grp
import os
import shutil
import stat
import subprocess

import pytest

from svdtest import IS_ROOT, SVCTL, act, run_svd

pytestmark = pytest.mark.skipif(
    not IS_ROOT, reason="needs root to become another user")

GROUP = 54321
USER = 65534
READING = (["ping"], ["version"], ["status"], ["why", "w"], ["health"],
           ["status", "-l"], ["floors"], ["floors", "-l"], ["diff"], ["config"], ["config", "w"],
           ["-j", "config"])
ACTING = (["start", "w"], ["stop", "w"], ["restart", "w"], ["kill", "w"],
          ["signal", "USR1", "w"], ["reload"], ["scale", "w", "2"],
          ["refloor", "f"], ["attach", "w"], ["run", "w", "1"],
          ["call", "w", "x"], ["store", "w", "x", "1"], ["load", "w", "1"],
          ["dump", "w"], ["shutdown"])


def text(group):
    return (f"[fleet]\nname = test\ncontrol_group = {group}\n"
            f"environment = SECRET=xyzzy\n"
            f"[worker:w]\ncommand = {act('pause')}\n")


@pytest.fixture
def shared(fleet):
    f = fleet(text(GROUP))
    f.running()
    shutil.copy(SVCTL, f.path("svctl"))
    return f


def as_user(f, *args, uid=USER, gid=USER, groups=()):
    clear = ["--groups", ",".join(map(str, groups))] if groups else \
        ["--clear-groups"]
    return subprocess.run(
        ["setpriv", "--reuid", str(uid), "--regid", str(gid), *clear,
         str(f.path("svctl")), "-r", str(f.run), *args],
        capture_output=True, text=True)


def test_the_socket_is_the_groups(shared):
    st = (shared.run / "control.sock").stat()
    assert stat.S_IMODE(st.st_mode) == 0o660 and st.st_gid == GROUP


def test_a_reader_sees_that_a_secret_changed_but_not_what(shared):
    shared.ini.write_text(shared.ini.read_text().replace("xyzzy", "plugh"))
    done = as_user(shared, "diff", gid=GROUP)
    assert done.returncode == 3, done
    assert "environment: SECRET=*** -> SECRET=***" in done.stdout
    assert "SECRET=xyzzy -> SECRET=plugh" in shared.ctl("diff", rc=3).out
    done = as_user(shared, "config", gid=GROUP)
    assert done.stdout.count("SECRET=***") == 2, "[fleet]'s and the worker's"
    assert "xyzzy" not in done.stdout
    assert "xyzzy" in shared.ctl("config").out


@pytest.mark.parametrize("how", [{"gid": GROUP}, {"groups": (GROUP,)},
                                 {"groups": (1, 2, 3, GROUP, 70000)}])
def test_a_member_may_read_but_not_act(shared, how):
    for args in READING:
        done = as_user(shared, *args, **how)
        assert done.returncode == 0, (args, done)
        assert "xyzzy" not in done.stdout
    for args in ACTING:
        done = as_user(shared, *args, **how)
        assert done.returncode == 7, (args, done)
        assert "permission denied" in done.stderr
    assert shared.worker("w")["generation"] == 1


def test_a_member_may_listen_to_events(shared):
    done = as_user(shared, "-j", "-t", "1", "events", gid=GROUP)
    assert done.returncode == 6 and '"snapshot":true' in done.stdout


def test_a_stranger_may_not_even_connect(shared):
    for how in ({}, {"groups": (1, 2)}, {"gid": GROUP + 1}):
        assert as_user(shared, "ping", **how).returncode == 7


def test_a_stranger_who_can_connect_is_told_nothing(shared):
    (shared.run / "control.sock").chmod(0o666)
    for args in (*READING, *ACTING, ["events"]):
        done = as_user(shared, *args)
        assert done.returncode == 7, (args, done)
        assert not done.stdout and "permission denied" in done.stderr


def test_it_is_so_under_the_next_supervisor(shared):
    shared.kill_supervisor()
    assert as_user(shared, "status", gid=GROUP).returncode == 0
    assert as_user(shared, "stop", "w", gid=GROUP).returncode == 7


def test_a_group_by_its_name(fleet):
    group = next(g for g in grp.getgrall() if g.gr_gid not in (0, os.getgid()))
    f = fleet(text(group.gr_name))
    assert (f.run / "control.sock").stat().st_gid == group.gr_gid


@pytest.mark.parametrize("args", [[], ["-n"]])
def test_an_unknown_group_is_an_error_of_the_file(tmp_path, args):
    ini = tmp_path / "fleet.ini"
    ini.write_text(text("no-such-group"))
    done = run_svd(*args, "-r", tmp_path / "run", ini)
    assert done.returncode == 1
    assert f"{ini}:3: control_group: unknown group 'no-such-group'" \
        in done.stderr

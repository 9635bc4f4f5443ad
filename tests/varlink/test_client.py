"""The control socket, driven by the Varlink project's own Go library."""

import subprocess

from svdtest import BUILD, act


def test_a_client_that_nobody_here_has_written(fleet):
    f = fleet(f"[worker:w]\ncommand = {act('pause')}\n"
              f"[worker:once]\ncommand = {act('exit', 3)}\nrestart = no\n"
              "[worker:down]\ncommand = /bin/true\nautostart = no\n")
    f.running("w")
    f.wait("once", state="FAILED")
    done = subprocess.run(
        [BUILD / "tests" / "varlink-client", f.run / "control.sock", "w"],
        capture_output=True, text=True)
    assert done.returncode == 0, done
    assert int(done.stdout.split()[0]) > 100

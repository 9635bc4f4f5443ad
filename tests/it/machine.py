"""machine: a systemd that tests have for themselves, with svd installed.

It runs in a container over an overlay of this machine's root (tests/it/boot),
so that nothing that is done to it remains. What a test runs in it goes through
run(); its files are under root.
"""

import json
import os
import pathlib
import shutil
import subprocess

from svdtest import BUILD, IS_ROOT, ROOT, SANITIZED, SVCTL, SVD, VALGRIND

# A sanitizer's reports would be lost in there.
CAN_BOOT = (IS_ROOT and shutil.which("systemd-nspawn") is not None and
            not SANITIZED and not VALGRIND)


class Done:
    """What a command in the machine came to."""

    def __init__(self, done):
        self.rc, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"rc={self.rc}\nout={self.out}\nerr={self.err}"


class Machine:
    """Up from its beginning to down()."""

    def __init__(self):
        self.proc = subprocess.Popen(
            [ROOT / "tests/it/boot"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        said = self.proc.stdout.readline().split()
        assert said[:1] == ["up"], "the machine does not boot"
        self.init = int(said[1])
        self.root = pathlib.Path(f"/proc/{self.init}/root")
        self.install()

    def install(self):
        subprocess.run(
            ["make", "-s", "-C", ROOT, f"B={BUILD}", f"DESTDIR={self.root}",
             "PREFIX=/usr/local", "install"],
            check=True, stdout=subprocess.DEVNULL)
        # The builds that are tested are not in every case the folder's.
        for program, where in ((SVD, "sbin/svd"), (SVCTL, "bin/svctl"),
                               (BUILD / "tests/act", "bin/act")):
            shutil.copy(program, self.root / "usr/local" / where)
        self.write("/etc/svd/fleet.ini", "")
        self.ctl("daemon-reload")

    def down(self):
        self.proc.stdin.close()
        assert self.proc.wait(30) == 0
        self.proc.stdout.close()

    def path(self, name):
        return self.root / name.lstrip("/")

    def write(self, name, text):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def read(self, name):
        return self.path(name).read_text()

    def lives(self, pid):
        return self.path(f"/proc/{pid}").exists()

    def run(self, *words, rc=0, timeout=30):
        """Runs a program in there; rc: what it is to exit with, None: any."""
        done = Done(subprocess.run(
            ["nsenter", "-t", str(self.init), "-a", "-r", "-w", "--",
             *map(str, words)], capture_output=True, text=True,
            timeout=timeout, env={"PATH": os.environ["PATH"]}))
        assert rc is None or done.rc == rc, f"{words}: {done!r}"
        return done

    def ctl(self, *words, **kwargs):
        return self.run("systemctl", *words, **kwargs)


class Unit:
    """An instance of svd@.service with a fleet of its own."""

    def __init__(self, machine, name, text, dropin=""):
        self.machine, self.fleet = machine, name
        self.name = f"svd@{name}.service"
        self.ini = f"/etc/svd/{name}.ini"
        machine.write(self.ini, f"[fleet]\nname = {name}\n{text}")
        if dropin:
            self.dropin("test", dropin)

    def dropin(self, name, text):
        self.machine.write(
            f"/etc/systemd/system/{self.name}.d/{name}.conf", text)
        self.machine.ctl("daemon-reload")

    def edit(self, text):
        self.machine.write(self.ini, self.machine.read(self.ini) + text)

    def ctl(self, verb, **kwargs):
        return self.machine.ctl(verb, self.name, **kwargs)

    def show(self, key):
        return self.machine.ctl(
            "show", "--value", "-p", key, self.name).out.strip()

    def svctl(self, *words, rc=0):
        return self.machine.run(
            "svctl", "-r", f"/run/svd/{self.fleet}", *words, rc=rc)

    def main(self):
        return int(self.show("MainPID"))

    def pids(self):
        """Of the workers, by name."""
        status = json.loads(self.svctl("-j", "status", rc=None).out)
        return {w["name"]: w["pid"] for w in status["workers"]}

    def processes(self):
        """All that are in the unit's control group."""
        group = self.show("ControlGroup")
        if not group:
            return []
        done = self.machine.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs",
                                rc=None)
        return list(map(int, done.out.split()))

    def supervisor(self):
        """As /proc has it, the oldest: who is being born is still called so. 0:
        there is none now."""
        done = self.machine.run(
            "pgrep", "-o", "-P", self.main(), "-f", "^svd: supervisor", rc=None)
        return int(done.out or 0)

    def writers(self):
        """The logger's processes that write to files."""
        logger = json.loads(self.svctl(
            "-j", "status", rc=None).out)["logger_pid"]
        return self.machine.run("pgrep", "-P", logger).out.split()

    def environ(self, pid):
        return self.machine.run("cat", f"/proc/{pid}/environ").out.split("\0")

#!/usr/bin/python3
"""chaos: a fleet of all kinds of workers, in which everything is killed at
random for SVD_CHAOS_MINUTES (5); then what its workers wrote down themselves is
compared with what svd says and with the output that it kept. Prints what was
done, and what was lost: exit status 1 if that is not nothing, with all there is
to find out why left where it says.

SVD_CHAOS_SEED repeats what is done to whom in which order; not the instants.
SVD_CHAOS_COLD=1: the keeper is killed as well, and svd started again. Then what
nobody can know is more (svd(8), "When the keeper dies"), and counted apart.
"""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "it"))

from fleetfile import FLOODS, SCALED, STEADY, FleetFile  # noqa: E402
from mayhem import Coroner, Mayhem  # noqa: E402
from output import mounted, rotated  # noqa: E402
from svdtest import (IS_ROOT, SLOW, SVCTL, Fleet, marked,  # noqa: E402
                     wait_for)
from verdict import Events, Followed, Lives, Verdict, from_log  # noqa: E402

DELIVERED = 60  # seconds until all that was written has come where it belongs


class Chaos:
    def __init__(self, minutes, seed, cold=False):
        self.minutes, self.seed, self.cold = minutes, seed, cold
        self.events = None
        self.fleet = Fleet("")
        self.dir = self.fleet.dir
        (self.dir / "lives").mkdir()
        self.text = FleetFile(self.dir, minutes,
                              self.dir / "disk" if IS_ROOT and not cold
                              else None, not cold)
        self.fleet.ini.write_text(self.text.text())
        self.log = open(self.dir / "chaos.log", "w", encoding="utf-8")
        self.mayhem = Mayhem(self.fleet, self.text, random.Random(seed),
                             self.log, cold)
        self.coroner = Coroner(self.fleet)
        self.listeners = []

    # --- the fleet ------------------------------------------------------------

    def start(self):
        if self.text.disk:
            size = 64 + int(16 * self.minutes)
            self.text.inside = mounted(
                self.fleet, f"mount -t tmpfs -o size={size}M chaos")
        else:
            self.fleet.start()
        self.fleet.running(*(f"{name}:{i}" if n > 1 else name
                             for name, n in (("steady", 2), ("fsteady", 1),
                                             ("pysteady", 1))
                             for i in range(n)))
        # They end with svd.
        if not self.cold:
            self.listen("events", "events")
            self.listen("followed", "logs", "-f", "-n", 10 ** 6,
                        *self.floods())
        self.coroner.start()

    def floods(self):
        return [name for name in FLOODS if name in self.text.sections]

    def listen(self, name, *words):
        with open(self.dir / name, "wb") as out, \
                open(self.dir / f"{name}.err", "wb") as err:
            self.listeners.append((name, subprocess.Popen(
                [SVCTL, "-r", str(self.fleet.run), "-j", *map(str, words)],
                stdout=out, stderr=err, env=self.fleet.env)))

    def run(self):
        end = time.monotonic() + self.minutes * 60
        while time.monotonic() < end and self.fleet.proc.poll() is None:
            self.mayhem.strike()
        assert self.fleet.proc.poll() is None, "svd has ended"

    # --- its end ----------------------------------------------------------------

    def settle(self):
        """Everything rests but the steady ones."""
        self.mayhem.end()
        # The last words of a flood are a whole line, which all can see.
        for name in self.floods():
            self.fleet.wait(name, 20, state="RUNNING", pid=bool)
        names = [name for name in self.text.sections if name not in STEADY]
        done = self.fleet.svctl("-t", 90, "stop", *names, timeout=100)
        assert done.rc == 0, done
        self.coroner.end()
        for name, listener in self.listeners:
            assert listener.poll() is None, f"svctl {name} ended by itself"

    def kept(self, name, stream):
        """What svd has kept of a flood's output."""
        if name == "log":
            return from_log(self.dir / "own.log", name)
        if name == "disk":
            return rotated(self.text.inside / "disk.out")
        found = rotated(self.dir / f"{name}.{'err' if stream else 'out'}")
        # As terminals end lines.
        return found.replace(b"\r\n", b"\n") if name == "tty" else found

    def judge(self):
        self.settle()
        workers = self.fleet.workers()
        lives = Lives(self.dir / "lives")
        verdict = Verdict(lives, self.mayhem, self.coroner, workers,
                          self.strays())
        verdict.wrong += self.mayhem.wrong + self.coroner.wrong
        for name, worker in workers.items():
            if name.partition(":")[0] not in STEADY and \
                    (worker["state"], worker["pid"]) != ("STOPPED", 0):
                verdict.say(f"{name} is {worker['state']}, pid "
                            f"{worker['pid']}, not STOPPED")
        verdict.check_lives()
        verdict.check_deaths()
        verdict.check_steady()
        self.judge_output(verdict, lives)
        self.judge_rest(verdict)
        return verdict

    def strays(self):
        """How many of the supervisors that we killed were none, but a worker
        between its clone and its exec: svd's log would name them."""
        log = "".join((self.dir / name).read_text(errors="replace")
                      for name in ("log", "own.log"))
        return sum(f"supervisor {pid} " not in log
                   for pid in self.mayhem.supervisors)

    def judge_output(self, verdict, lives):
        for name in self.floods():
            for stream in (0, 1) if name == "apart" else (0,):
                wrote = sum(lives.counts(f"{name}:0", life, stream)[0]
                            for life in lives.of[f"{name}:0"])
                self.wait_for_bytes(verdict, name, stream, wrote)
                # In svd's log a line that has no end for a second gets one.
                verdict.bytes += verdict.check_output(
                    f"{name}/{stream}", name, stream, self.kept(name, stream),
                    flat=name == "log")
        if not self.cold:
            self.judge_followers(verdict)

    def judge_followers(self, verdict):
        self.wait_for_followers(verdict)
        followed = Followed(self.dir / "followed")
        verdict.wrong += [f"a gap in logs -f: {g}" for g in followed.gaps]
        for name in self.floods():
            for stream in (0, 1) if name == "apart" else (0,):
                verdict.followed += verdict.check_output(
                    f"{name}/{stream} followed", name, stream,
                    followed.of(name, ["stdout", "stderr"][stream])
                    .replace(b"\r\n", b"\n"))
        self.events = Events(self.dir / "events")
        verdict.wrong += self.events.wrong

    def wait_for_bytes(self, verdict, name, stream, wrote):
        """How much must have come is not known after a crash."""
        if self.cold:
            wait_for(lambda: not self.grows(name, stream), DELIVERED)
            return
        try:
            wait_for(lambda: len(self.kept(name, stream)) >= wrote, DELIVERED,
                     every=0.2)
        except AssertionError:
            verdict.say(f"{name}/{stream}: {wrote} bytes written, "
                        f"{len(self.kept(name, stream))} kept")

    def grows(self, name, stream):
        size = len(self.kept(name, stream))
        time.sleep(0.5 * SLOW)
        return len(self.kept(name, stream)) != size

    def wait_for_followers(self, verdict):
        """Until they have come to rest at the end of all there is."""
        sizes = []

        def rests():
            sizes.append([(self.dir / name).stat().st_size
                          for name, _ in self.listeners])
            return len(sizes) > 10 and sizes[-10:] == sizes[-1:] * 10

        wait_for(rests, DELIVERED, every=0.1)
        for name, listener in self.listeners:
            listener.terminate()
            listener.wait()
            said = (self.dir / f"{name}.err").read_text()
            if said:
                verdict.say(f"svctl {name} says: {said[:500]}")

    def judge_rest(self, verdict):
        """Nobody is left, and nobody stays."""
        try:
            wait_for(lambda: not self.left_over(), 30)
        except AssertionError:
            verdict.say(f"left over: {self.left_over()}")
        code = self.fleet.stop(60)
        if code != 0:
            verdict.say(f"svd ended with {code}")
        try:
            wait_for(lambda: not marked(self.fleet.id), 5)
        except AssertionError:
            verdict.say(f"left over: {marked(self.fleet.id)}")
            for pid in marked(self.fleet.id):
                os.kill(pid, signal.SIGKILL)

    def left_over(self):
        """Those whose lives should have ended, and children of such."""
        lives = Lives(self.dir / "lives")
        return [f"{name}, pid {life.pid}"
                for of in (lives.of, lives.children)
                for name, some in of.items() for life in some
                if name.partition(":")[0] not in STEADY and life.is_there()]

    # --- what is said of it -----------------------------------------------------

    def report(self, verdict):
        m = self.mayhem
        kills = sum(n for what, n in m.count.items()
                    if what in ("supervisor", "logger", "writer", "floor",
                                "worker"))
        back = sorted(m.back) or [0]
        lives = verdict.lives.all()
        print(f"{kills} kills: " + ", ".join(
            f"{n} {what}" for what, n in m.count.most_common()))
        print(f"{len(verdict.workers)} workers, {len(lives)} lives, "
              f"{len(self.coroner.seen)} exits, {verdict.bytes} bytes of "
              "output")
        if self.events:
            print(f"{verdict.followed} bytes followed, {self.events.changes} "
                  f"changes of states, {self.events.gaps} gaps marked")
        print(f"control answers again: median {back[len(back) // 2]:.3f} s, "
              f"at most {back[-1]:.3f} s")
        for text in verdict.unknown:
            print(f"not known: {text}")
        for text in verdict.wrong:
            print(f"WRONG: {text}")
        print(f"lost or doubled: {len(verdict.wrong)}; "
              f"not to be known: {len(verdict.unknown)}")

    def clean_up(self):
        self.mayhem.resume(all_of_them=True)
        self.coroner.ended.set()
        for _name, listener in self.listeners:
            listener.kill()
            listener.wait()
        for pid in marked(self.fleet.id):
            os.kill(pid, signal.SIGKILL)
        if self.fleet.proc:
            self.fleet.proc.wait()


def run(minutes, seed, cold=False):
    """Returns what is wrong; leaves all there is in a folder then."""
    print(f"SVD_CHAOS_SEED={seed} SVD_CHAOS_MINUTES={minutes}"
          f"{' SVD_CHAOS_COLD=1' * cold}", flush=True)
    chaos = Chaos(minutes, seed, cold)
    wrong = ["it did not come to its end"]
    try:
        chaos.start()
        chaos.run()
        verdict = chaos.judge()
        chaos.report(verdict)
        wrong = verdict.wrong
    finally:
        if wrong:
            print(f"left for you: {chaos.dir} (lives, chaos.log, log, own.log, "
                  "run/state)")
        chaos.clean_up()
        if not wrong:
            shutil.rmtree(chaos.dir, ignore_errors=True)
    return wrong


def main():
    sys.stdout.reconfigure(line_buffering=True)
    seed = int(os.environ.get("SVD_CHAOS_SEED") or random.getrandbits(32))
    minutes = float(os.environ.get("SVD_CHAOS_MINUTES", "5"))
    cold = bool(int(os.environ.get("SVD_CHAOS_COLD") or 0))
    return bool(run(minutes, seed, cold))


if __name__ == "__main__":
    sys.exit(main())

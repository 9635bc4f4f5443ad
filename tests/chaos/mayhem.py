"""mayhem: what `make chaos` does to a fleet, at random, and the witness of its
deaths that asks `why` all along."""

import collections
import contextlib
import os
import signal
import threading
import time

import fleetfile
from fleetfile import DYING, FLOODS, OBEYING, ONCE, SCALED, VARIED
from output import logger, writers
from svdtest import SLOW, Varlink, blocks, children, stat_fields, wait_for
from verdict import Lives, ident, section

PAUSE = 0.12        # seconds between two blows, on average
STOPPED_MAX = 0.6   # seconds somebody is stopped


class Coroner(threading.Thread):
    """Asks for deaths, oftener than ten of a worker can happen."""

    def __init__(self, fleet):
        super().__init__(daemon=True)
        self.fleet, self.ended = fleet, threading.Event()
        self.seen, self.wrong = {}, []
        self.spans = collections.defaultdict(list)

    def run(self):
        while not self.ended.wait(0.25):
            self.ask()

    def ask(self):
        with contextlib.suppress(OSError, ConnectionError):
            with Varlink(self.fleet.run / "control.sock", timeout=5) as v:
                for worker in v.call("Why", {})["workers"]:
                    self.take(ident(worker["name"]), worker["deaths"])
                return True
        return False

    def take(self, name, deaths):
        if section(name) == SCALED:
            return
        numbers = [d["generation"] for d in deaths]
        if numbers:
            self.spans[name].append((numbers[0], numbers[-1]))
        for death in deaths:
            key = name, death["generation"]
            status = death["code"], death["signal"]
            if self.seen.setdefault(key, status) != status:
                self.wrong.append(f"{key}: {status}, and before "
                                  f"{self.seen[key]}")

    def asked(self, name, generation):
        """Was anybody told of deaths before and after that one together?"""
        return any(first <= generation <= last
                   for first, last in self.spans[name])

    def end(self):
        self.ended.set()
        self.join()
        wait_for(self.ask, 20)


class Mayhem:
    """Blows come from `strike`, one at a time; commands of svctl may take
    longer and wait in a thread, one a section."""

    def __init__(self, fleet, text, rng, log, cold=False):
        """cold: the keeper is killed too, and svd started again."""
        self.fleet, self.text, self.rng, self.log = fleet, text, rng, log
        self.cold, self.crashes, self.perhaps_once = cold, 0, 0
        self.lives = fleet.dir / "lives"
        self.killed, self.count = {}, collections.Counter()
        self.supervisors = []
        self.commanded, self.started_once = set(), 0
        self.wrong, self.busy, self.threads = [], set(), []
        self.stopped, self.full, self.ending = {}, None, False
        self.back = []
        self.blows = [
            (10, self.kill_supervisor), (4, self.kill_newborn),
            (6, self.kill_logger),
            (4, self.kill_writer), (3, self.kill_both), (3, self.kill_floor),
            (12, self.kill_worker), (3, self.kill_two), (4, self.stop_one),
            (6, self.command), (3, self.start_once), (2, self.scale),
            (2, self.reload), (1, self.reload_error), (1, self.refloor),
            (1, self.upgrade), (1, self.fill_disk), (1, self.reopen), (1, self.hang_up),
            (1, self.read_logs)] + [(4, self.crash)] * cold

    def strike(self):
        self.resume()
        weights, blows = zip(*self.blows)
        blow = self.rng.choices(blows, weights)[0]
        self.note(blow.__name__)
        blow()
        # Close together sometimes, as it is then that things overlap.
        mean = PAUSE * SLOW * (0.1 if self.rng.random() < 0.2 else 1)
        time.sleep(min(self.rng.expovariate(1 / mean), 5 * mean))

    def note(self, text):
        print(f"{time.time():.4f} {text}", file=self.log, flush=True)

    # --- kills ----------------------------------------------------------------

    def kill(self, pid, what, sig=signal.SIGKILL):
        if not pid:
            return
        self.note(f"kill {what} {pid} {sig}")
        # Pids come again in the course of a run.
        since = int((stat_fields(pid) or ["0"] * 20)[19])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
            self.killed[pid, since] = what
            self.count[what] += 1

    def kill_supervisor(self):
        pid = self.fleet.supervisor()
        self.kill(pid, "supervisor")
        if pid:
            self.supervisors.append(pid)
            self.behind(self.until_back, "back", time.monotonic())

    def kill_newborn(self):
        """One that has only just begun; then the keeper waits before it
        starts the next, longer each time."""
        self.kill_supervisor()
        old = self.supervisors[-1:]
        with contextlib.suppress(AssertionError):
            pid = wait_for(lambda: self.fleet.supervisor() not in [0, *old]
                           and self.fleet.supervisor(), 2, every=0.0005)
            time.sleep(self.rng.random() * 0.006 * SLOW)
            self.kill(pid, "supervisor")
            self.supervisors.append(pid)

    def until_back(self, since):
        with contextlib.suppress(OSError, ConnectionError), \
                Varlink(self.fleet.run / "control.sock", timeout=20) as v:
            v.call("Ping")
            self.back.append(time.monotonic() - since)

    def kill_logger(self):
        self.kill(logger(self.fleet), "logger")

    def kill_writer(self):
        pids = writers(self.fleet)
        if pids:
            self.kill(self.rng.choice(pids), "writer")

    def kill_both(self):
        for blow in self.rng.sample([self.kill_supervisor, self.kill_logger,
                                     self.kill_writer], 3)[:2]:
            blow()

    def kill_floor(self):
        pids = self.floors()
        if pids:
            self.kill(self.rng.choice(pids), "floor")

    def floors(self):
        """The processes of all floors, as the journal's copy has them."""
        pids = {pid for name in fleetfile.FLOORS
                for pid in self.fleet.floors(name).values()}
        return sorted(pids.intersection(children(self.fleet.keeper)))

    def kill_worker(self, among=DYING + FLOODS + OBEYING):
        lives = Lives(self.lives)
        there = [life for name, of in lives.of.items() for life in of[-1:]
                 if section(name) in among and life.status is None]
        self.rng.shuffle(there)
        for life in there:
            if life.is_there():
                self.kill(life.pid, "worker")
                return

    def kill_two(self):
        for blow in self.rng.sample([self.kill_worker, self.kill_supervisor,
                                     self.kill_floor, self.kill_logger], 2):
            blow()

    def crash(self):
        """All of svd but its workers."""
        self.resume(all_of_them=True)
        self.note(f"crash {self.fleet.keeper}")
        self.count["keeper"] += 1
        self.crashes += 1
        # The next one may come while the others of this one still end.
        self.fleet.crash(wait=False)
        if self.rng.random() < 0.5:
            time.sleep(self.rng.random() * 0.2 * SLOW)
        self.fleet.launch()

    def stop_one(self):
        who = self.rng.choice(["supervisor", "logger", "writer", "floor"])
        pids = {"supervisor": [self.fleet.supervisor()],
                "logger": [logger(self.fleet)],
                "writer": writers(self.fleet),
                "floor": self.floors()}[who]
        pids = [pid for pid in pids if pid and pid not in self.stopped]
        if pids:
            pid = self.rng.choice(pids)
            with contextlib.suppress(ProcessLookupError):
                self.note(f"stop {who} {pid}")
                os.kill(pid, signal.SIGSTOP)
                self.count["stopped"] += 1
                self.stopped[pid] = time.monotonic() + \
                    self.rng.random() * STOPPED_MAX * SLOW

    def resume(self, all_of_them=False):
        for pid, until in list(self.stopped.items()):
            if all_of_them or time.monotonic() > until:
                del self.stopped[pid]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    # --- commands -------------------------------------------------------------

    def behind(self, fn, key, *args):
        """Does it in a thread, one a key."""
        if key in self.busy:
            return

        def run():
            try:
                fn(*args)
            except Exception as error:  # the verdict is to say it
                self.wrong.append(f"{key} {args}: {error!r}")
            finally:
                self.busy.discard(key)

        self.busy.add(key)
        self.threads = [t for t in self.threads if t.is_alive()]
        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def svctl(self, *words, may=(0,)):
        self.count["svctl"] += 1
        self.note(f"svctl {words}")
        done = self.fleet.svctl("-t", 60, *words, timeout=70)
        self.note(f"svctl {words}: {done!r}")
        if done.rc not in may + (4,) * self.cold:
            self.wrong.append(f"svctl {words}: {done!r}")
        return done

    def command(self):
        name = self.rng.choice([name for name in OBEYING + FLOODS
                                if name in self.text.sections])
        command = self.rng.choice(
            ["restart", "restart", "cycle"] +
            (["kill", "signal"] if name in OBEYING else []))
        self.commanded.add(name)
        self.behind(self.do_command, name, name, command)

    def do_command(self, name, command):
        # One that somebody kills while it starts has failed to start.
        if command == "cycle":
            self.svctl("stop", name)
            # Nobody may be there for a while, and then it would stay down.
            wait_for(lambda: self.svctl("start", name, may=(0, 1)).rc != 4,
                     60, every=0.05)
        elif command == "signal":
            self.svctl("signal", "TERM", name, may=(0, 1))
        else:
            self.svctl(command, name, may=(0, 1))

    def start_once(self):
        self.behind(self.do_start_once, ONCE)

    def do_start_once(self):
        if self.svctl("start", ONCE).rc == 0:
            self.started_once += 1
        else:
            self.perhaps_once += 1

    def scale(self):
        self.commanded.add(SCALED)
        self.behind(self.do_scale, "file", self.rng.randint(1, 4))

    def do_scale(self, n):
        self.svctl("scale", SCALED, n, may=(0, 1))
        self.text.numprocs = n

    def reload(self):
        self.commanded.add(VARIED)
        self.behind(self.do_reload, "file")

    def do_reload(self):
        self.text.variant += 1
        self.fleet.ini.write_text(self.text.text())
        self.svctl("reload", may=(0, 1))

    def reload_error(self):
        self.behind(self.do_reload_error, "file")

    def do_reload_error(self):
        self.fleet.ini.write_text(self.text.text() + "[worker:bad]\nfoo = 1\n")
        self.svctl("reload", may=(1,))
        self.fleet.ini.write_text(self.text.text())

    def refloor(self):
        self.commanded.add("gobey")
        self.behind(lambda: self.svctl("refloor", "g", may=(0, 1)), "gobey")

    def upgrade(self):
        """To the same program; it may fail where one of its supervisors is
        killed on the way."""
        self.behind(self.do_upgrade, "upgrade")

    def do_upgrade(self):
        done = self.svctl("upgrade", may=(0, 1, 7))
        self.count["upgrade" if done.rc == 0 else "upgrade that failed"] += 1

    def fill_disk(self):
        if self.text.disk is None or self.full is not None:
            return
        self.note("fill disk")
        self.count["full disk"] += 1
        self.full = self.text.inside / "filler"
        self.behind(self.do_fill_disk, "disk", 0.2 + self.rng.random())

    def do_fill_disk(self, seconds):
        with contextlib.suppress(OSError), open(self.full, "wb") as filler:
            while True:
                filler.write(bytes(1 << 20))
                filler.flush()
        time.sleep(seconds * SLOW)
        self.empty_disk()

    def empty_disk(self):
        if self.full is not None:
            with contextlib.suppress(FileNotFoundError):
                self.full.unlink()
            self.full = None

    def signal(self, sig):
        """To one that has begun: before, it is as deadly as to any program."""
        with contextlib.suppress(OSError):
            wait_for(lambda: blocks(self.fleet.keeper, sig))
            self.fleet.signal(sig)

    def reopen(self):
        self.signal(signal.SIGUSR1)

    def hang_up(self):
        self.signal(signal.SIGHUP)

    def read_logs(self):
        self.behind(lambda: self.svctl("logs", "-n", 5, "all"), "logs")

    # --- the end --------------------------------------------------------------

    def end(self):
        self.resume(all_of_them=True)
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a command does not end"
        self.empty_disk()
        wait_for(self.fleet.answers, 30)
        self.ending = True


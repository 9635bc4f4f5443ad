"""fleetfile: the fleet of `make chaos`. What a worker is here follows from its
section's name: see ROLES."""

import shlex
import sys

from svdtest import BUILD

WITNESS = str(BUILD / "tests" / "witness")
HERE = __file__.rsplit("/", 1)[0]

# Sections by what may be done to them. Whatever dies of itself is never told
# anything, so that each of its restarts is its own.
STEADY = ["steady", "fsteady", "pysteady", "asked"]  # nothing at all
DYING = ["crash", "fcrash", "pycrash", "acrash", "family"]  # kills
FLOODS = ["file", "apart", "log", "ffile", "tty", "disk"]  # kills, restarts
OBEYING = ["obey", "gobey", "pyobey", "aobey"]  # kills, all commands
SCALED = "scaled"
VARIED = "varied"
ONCE = "once"
FLOORS = ["f", "g", "py"]


def witness(folder, *words):
    return "command = " + shlex.join([WITNESS, str(folder), *map(str, words)])


def on_floor(folder, *words, name="f"):
    return (f"floor = {name}\nentry = {WITNESS}.so:act_main\n"
            f"args = {shlex.join([str(folder), *map(str, words)])}")


def on_python(folder, function, *words):
    return (f"floor = py\nentry = chaos_app:{function}\n"
            f"args = {shlex.join([str(folder), *map(str, words)])}")


class FleetFile:
    """Its text, and what chaos has made of it so far."""

    def __init__(self, where, minutes, disk, tty):
        """disk: where one flood writes that runs out of room, or None; tty:
        one writes to a terminal, which ends with the keeper."""
        self.tty = tty
        self.where, self.disk, self.inside = where, disk, None
        self.log_size = f"{max(128, int(16 * minutes))}K"
        self.numprocs, self.variant = 2, 0
        self.sections = {}

    def add(self, name, keys, numprocs=1, **more):
        more = "".join(f"{k} = {v}\n" for k, v in more.items())
        self.sections[name] = f"{keys}\nnumprocs = {numprocs}\n{more}"

    def text(self):
        self.sections.clear()
        lives = self.where / "lives"
        self.add_steady(lives)
        self.add_dying(lives)
        self.add_floods(lives)
        self.add_obeying(lives)
        return (f"[fleet]\nname = chaos\nlog = file:{self.where}/own.log\n"
                f"[floor:f]\nruntime = native\npreload = {WITNESS}.so\n"
                "spares = 2\n"
                f"[floor:g]\nruntime = native\npreload = {WITNESS}.so\n"
                f"[floor:py]\nruntime = python\npython = {sys.executable}\n"
                f"path = {HERE}\npreload = chaos_app\nspares = 1\n"
                + "".join(f"[worker:{name}]\n{keys}"
                          for name, keys in self.sections.items()))

    def add_steady(self, lives):
        self.add("steady", witness(lives, "steady"), 2)
        self.add("fsteady", on_floor(lives, "steady"))
        self.add("pysteady", on_python(lives, "steady"))
        self.add("asked", witness(lives, "steady"), ready="command:/bin/true")

    def add_dying(self, lives):
        again = {"backoff_delay": "40ms", "backoff_limit": "80ms",
                 "log_tail": "4K"}
        self.add("crash", witness(lives, "crash", 150), 3, **again)
        self.add("fcrash", on_floor(lives, "crash", 150), 2, **again)
        self.add("pycrash", on_python(lives, "crash", 150), **again)
        self.add("acrash", witness(lives, "crash", 150), 2,
                 ready="command:/bin/true", **again)
        self.add("family", witness(lives, "family", 200), 2, **again)

    def add_floods(self, lives):
        def to(name, **more):
            return {"stdout": f"file:{self.where}/{name}.out",
                    "log_size": self.log_size, "log_keep": 1000,
                    "backoff_delay": "20ms", "backoff_limit": "20ms",
                    "stop_timeout": "60s", "log_tail": "1M", **more}

        pace = 20000
        self.add("file", witness(lives, "flood", pace), **to("file"))
        self.add("apart", witness(lives, "flood", pace, "apart"),
                 **to("apart", stderr=f"file:{self.where}/apart.err"))
        self.add("log", witness(lives, "flood", 2 * pace),
                 **to("log", stdout="log", log_tail="16M"))
        self.add("ffile", on_floor(lives, "flood", pace), **to("ffile"))
        if self.tty:
            self.add("tty", witness(lives, "flood", pace),
                     **to("tty", tty="yes"))
        if self.disk:
            self.add("disk", witness(lives, "flood", 4 * pace), **to(
                "disk", stdout=f"file:{self.disk}/disk.out"))

    def add_obeying(self, lives):
        again = {"backoff_delay": "20ms", "backoff_limit": "20ms"}
        self.add("obey", witness(lives, "steady"), 2, **again)
        self.add("gobey", on_floor(lives, "steady", name="g"), 2, **again)
        self.add("pyobey", on_python(lives, "steady"), **again)
        # Somebody listens there, and it may even be the supervisor.
        self.add("aobey", witness(lives, "steady"), **again,
                 ready=f"unix:{self.where}/run/control.sock")
        self.add(SCALED, witness(lives, "steady"), self.numprocs, **again)
        self.add(VARIED, witness(lives, "steady"), **again,
                 environment=f"VARIANT={self.variant}")
        self.add(ONCE, witness(lives, "once", 50), type="oneshot",
                 autostart="no")

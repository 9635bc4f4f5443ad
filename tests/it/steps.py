"""steps: an svd that dies at a step of one's choice, and a fleet with a worker
in each state to be compared with itself afterwards."""

import contextlib
import mmap
import signal
import struct
import time

from svdtest import (BUILD, SLOW, Varlink, act, alive, floor, on_floor,
                     wait_for)
from test_floors import odd

SVD = str(BUILD / "tests" / "svd-steps")
ROLES = ("keeper", "supervisor", "logger", "writer")
NAME_SIZE = 32
QUIET = 0.05 * SLOW


class Steps:
    """What tests/steps/steps.c reads and writes: struct steps."""

    def __init__(self, path):
        size = len(ROLES) * (4 + 4 + 4 + NAME_SIZE) + 4
        path.write_bytes(bytes(size))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)
        self.armed = set()

    def _number(self, at, role, value=None):
        offset = 4 * (at * len(ROLES) + ROLES.index(role))
        if value is not None:
            struct.pack_into("=I", self.map, offset, value)
        return struct.unpack_from("=I", self.map, offset)[0]

    def made(self, role):
        return self._number(0, role)

    def left(self, role):
        return self._number(1, role)

    def arm(self, role, n, then=0):
        """It dies at its n-th step from now; 0: it does not. Then its successor
        dies at its step of that number."""
        self._number(2, role, then)
        self._number(1, role, n)
        (self.armed.add if n > 0 else self.armed.discard)(role)

    def take_all(self):
        """From now on the keeper dies with whoever dies."""
        self.map[-4:] = struct.pack("=I", 1)

    def at(self, role):
        """The call before which it died last."""
        offset = 12 * len(ROLES) + NAME_SIZE * ROLES.index(role)
        text = self.map[offset:offset + NAME_SIZE]
        return text[:text.index(b"\0")].decode()

    def quiet(self, role, done=lambda: True):
        """Waits until the role has died of it, or until done() and it has made
        no step for a while. Whether it has died."""
        last, since = None, time.monotonic()
        deadline = since + 20 * SLOW
        while True:
            now = time.monotonic()
            if role in self.armed and self.left(role) == 0:
                return True
            if self.made(role) != last or not done():
                last, since = self.made(role), now
            if now - since > QUIET:
                return False
            assert now < deadline, f"{role} does not come to rest"
            time.sleep(0.001)


# --- the fleet ----------------------------------------------------------------

def stanza(name, *lines):
    return "\n".join([f"[worker:{name}]", *lines]) + "\n"


def bystanders(f):
    """One in each state, on a floor, waiting for one: nothing may happen to
    them."""
    note = ("note", f.path("births"))
    terms = f.path("terms")

    def run(*words):
        return f"command = {act(*note, *words)}"

    return (
        floor(spares=1) +
        odd("sleep 3600000", preload_timeout="1h").replace(
            "[floor:f]", "[floor:away]") +
        stanza("running", run("on", 15, terms, "pause")) +
        stanza("standing", on_floor(*note, "pause")) +
        stanza("waiting", on_floor(*note, "pause", name="away")) +
        stanza("stopped", run("pause"), "autostart = no") +
        stanza("backoff", run("exit", 3), "backoff_delay = 1h",
               "backoff_limit = 1h") +
        stanza("failed", run("exit", 4), "restart = no") +
        stanza("exited", run("exit", 0), "type = oneshot") +
        stanza("stopping", run("on", 15, terms, "pause"),
               "stop_timeout = 1h") +
        stanza("asked", run("on", 15, terms, "pause"), "stop_timeout = 1h",
               f"stop_command = {act('append', terms, 'asked', 'pause')}"))


STATES = {"running": "RUNNING", "standing": "RUNNING", "waiting": "STARTING",
          "stopped": "STOPPED", "backoff": "BACKOFF", "failed": "FAILED",
          "exited": "EXITED", "stopping": "STOPPING", "asked": "STOPPING"}


def steps_of(f):
    """Of a fleet that is yet to be started."""
    f.program = SVD
    f.env["SVD_STEPS"] = str(f.path("steps"))
    return Steps(f.path("steps"))


def start(f, more):
    """Starts the fleet with these stanzas more, each bystander in its state.
    Returns its Steps."""
    steps = steps_of(f)
    f.ini.write_text("[fleet]\nname = t\n" + more + bystanders(f))
    f.start()
    f.running("stopping", "asked")
    f.wait_lines("births", len(STATES) - 2)
    f.ctl("--no-wait", "stop", "stopping", "asked")
    f.wait_lines("terms", 2)
    for name, state in STATES.items():
        f.wait(name, state=state)
    wait_for(lambda: floor_of(f)["spares"] == 1)
    return steps


def floor_of(f):
    """The generation of the floor f that serves, or will."""
    return next(one for one in f.ctl("-j", "floors").json["floors"]
                if one["name"] == "f" and one["state"] != "RETIRED")


@contextlib.contextmanager
def ended(f):
    """Ends the fleet afterwards. Those that do not stop are killed by the
    second TERM."""
    try:
        yield
    finally:
        f.signal(signal.SIGTERM)
        wait_for(lambda: "stopping the fleet" in f.log())
        f.signal(signal.SIGTERM)
        assert f.end() == 128 + signal.SIGTERM


class Moment(float):
    """Equal to another that was told as so many seconds from now."""

    def __eq__(self, other):
        return abs(self - other) < SLOW

    __hash__ = None


def look(f):
    """All that can be seen of the fleet, but what time alone changes; the
    bystanders' processes too."""
    seen = {}
    with f.varlink() as v:
        at = time.monotonic()
        status = v.call("Status")
        why = v.call("Why", {"names": ["all"]})
        floors = v.call("Floors")
    deaths = {w["name"]: w["deaths"] for w in why["workers"]}
    for w in status["workers"]:
        one = dict(w)
        del one["uptime"]
        if one["next_start"] is not None:
            one["next_start"] = Moment(one["next_start"] + at)
        one["deaths"] = deaths[w["name"]]
        one["lives"] = w["pid"] == 0 or alive(w["pid"])
        seen[w["name"]] = one
    for one in floors["floors"]:
        if one["state"] == "RETIRED":
            continue
        seen[f"floor:{one['name']}"] = {
            key: one[key] for key in ("state", "generation", "pid", "load_ms",
                                      "spares", "modules", "error")}
    seen["births"] = sorted(f.lines("births"))
    seen["terms"] = f.lines("terms")
    return seen


def call(f, method, **parameters):
    """A call that may be cut off: whether it was answered."""
    with contextlib.suppress(OSError, ConnectionError):
        with Varlink(f.run / "control.sock", timeout=5) as v:
            v.call(method, parameters)
            return True
    return False

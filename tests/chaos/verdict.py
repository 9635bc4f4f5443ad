"""verdict: what workers wrote down themselves, held against what svd says and
what it has kept of their output. What is wrong is a list of sentences; what
nobody can know is counted apart."""

import collections
import json
import pathlib
import re
import struct

from fleetfile import DYING, ONCE, SCALED, STEADY
from output import rotated
from svdtest import stat_fields

PIECE_MAX = 4096


def ident(name):
    """web and web:0 are the same one."""
    return name if ":" in name else f"{name}:0"


def section(name):
    return name.partition(":")[0]


class Life:
    def __init__(self, generation, pid, ticks):
        self.generation, self.pid, self.ticks = generation, pid, ticks
        self.key, self.status = (pid, ticks), None

    def is_there(self):
        fields = stat_fields(self.pid)
        return bool(fields) and fields[0] not in "ZX" and \
            int(fields[19]) == self.ticks


class Lives:
    """All that workers have written: id -> lives, in their order."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.of = collections.defaultdict(list)
        self.children = collections.defaultdict(list)
        self.complaints = []
        for path in sorted(self.folder.iterdir()):
            if not re.search(r":\d+$", path.name):
                continue
            for line in path.read_text().splitlines():
                self.take(path.name, *line.split())

    def take(self, name, what, *numbers):
        generation, *rest = map(int, numbers)
        if what == "born":
            self.of[name].append(Life(generation, *rest))
        elif what == "exit":
            self.find(name, generation).status = rest[0]
        elif what == "child":
            self.children[name].append(Life(generation, *rest))
        else:
            self.complaints.append(
                f"{name}: when generation {generation} began, process "
                f"{rest[0]} of an earlier one was there "
                f"({'a child' if what == 'left' else 'itself'})")

    def find(self, name, generation):
        return next(life for life in reversed(self.of[name])
                    if life.generation == generation)

    def all(self):
        return [life for lives in self.of.values() for life in lives]

    def counts(self, name, life, stream):
        """(bytes the system has taken, bytes it may have taken)"""
        path = self.folder / f"{name}.{life.generation}"
        data = path.read_bytes() if path.exists() else b""
        return struct.unpack("=QQQQ", data)[2 * stream:2 * stream + 2] \
            if len(data) == 32 else (0, 0)


# --- lives and deaths ---------------------------------------------------------

class Verdict:
    def __init__(self, lives, mayhem, coroner, workers, strays=0):
        """strays: kills that may have met a birth."""
        self.lives, self.mayhem, self.coroner = lives, mayhem, coroner
        self.strays = strays
        self.workers = {ident(name): w for name, w in workers.items()}
        self.wrong, self.unknown = list(lives.complaints), []
        self.bytes = self.followed = 0

    def say(self, text):
        self.wrong.append(text)

    def check_lives(self):
        for name, worker in self.workers.items():
            if section(name) == SCALED:
                continue
            lives = self.lives.of[name]
            wrote = [life.generation for life in lives]
            for generation in sorted({g for g in wrote if wrote.count(g) > 1}):
                self.say(f"{name}: generation {generation} was born twice")
            for generation in range(1, worker["generation"] + 1):
                if generation not in wrote:
                    self.check_silent(name, generation)
            if wrote and max(wrote) > worker["generation"]:
                self.say(f"{name}: generation {max(wrote)} has lived, "
                         f"{worker['generation']} is the last one known")
            if section(name) in DYING and \
                    worker["restarts"] != worker["generation"] - 1:
                self.say(f"{name}: {worker['restarts']} restarts, generation "
                         f"{worker['generation']}")
        self.check_once()

    def check_silent(self, name, generation):
        """One that did not come to write: it was killed before. By a command,
        or the last stop; or by a kill of ours that was not meant for it."""
        _code, sig = self.coroner.seen.get((name, generation), (None, None))
        last = generation == self.workers[name]["generation"]
        if sig == 15 and last or sig in (9, 15) and \
                section(name) in self.mayhem.commanded:
            return
        if self.mayhem.cold and sig in (None, 9, 15):
            self.unknown.append(f"{name}: generation {generation} was about "
                                "to be born in a crash of svd")
        elif sig == 9 and self.strays > 0:
            self.strays -= 1
            self.unknown.append(f"{name}: generation {generation} was killed "
                                "before it could write")
        else:
            self.say(f"{name}: generation {generation} was never born")

    def check_once(self):
        births = len(self.lives.of[f"{ONCE}:0"])
        least = self.mayhem.started_once
        if not least <= births <= least + self.mayhem.perhaps_once:
            self.say(f"{ONCE}: started {self.mayhem.started_once} times, "
                     f"lived {births} times")

    def check_deaths(self):
        for (name, generation), status in self.coroner.seen.items():
            if section(name) == SCALED:
                continue
            lives = [life for life in self.lives.of[name]
                     if life.generation == generation]
            if self.mayhem.cold and status == (None, None):
                self.unknown.append(f"{name}: how generation {generation} "
                                    "ended")
            elif lives and status not in self.causes(name, lives[0]):
                self.say(f"{name}: generation {generation} ended by "
                         f"{lives[0].status}, svd says {status}, and it was "
                         f"{self.mayhem.killed.get(lives[0].key, 'spared')}")
        for name, lives in self.lives.of.items():
            for life in lives:
                self.check_end(name, life)

    def causes(self, name, life):
        """The statuses that it may have ended by."""
        found = set()
        if life.status is not None:
            found.add((life.status, None) if life.status >= 0
                      else (None, -life.status))
        if life.key in self.mayhem.killed:
            found.add((None, 9))
        if section(name) in self.mayhem.commanded:
            found |= {(None, 15), (None, 9)}
        if self.mayhem.ending and life is self.lives.of[name][-1]:
            found.add((None, 15))
        return found

    def check_end(self, name, life):
        """It is there, or has a reason not to be, and its death was seen."""
        if life.is_there():
            return
        if not self.causes(name, life):
            self.say(f"{name}: generation {life.generation} (pid {life.pid}) "
                     "is gone, and nobody has ended it")
        elif section(name) != SCALED and \
                (name, life.generation) not in self.coroner.seen:
            if self.coroner.asked(name, life.generation):
                self.say(f"{name}: the death of generation {life.generation} "
                         "is not known")
            else:
                self.unknown.append(f"{name}: nobody asked in time of "
                                    f"generation {life.generation}")

    def check_steady(self):
        for name, lives in self.lives.of.items():
            if section(name) in STEADY and \
                    (len(lives) != 1 or not lives[0].is_there()):
                self.say(f"{name}, whom nothing was done to, has had "
                         f"{len(lives)} lives")

    # --- output ---------------------------------------------------------------

    def check_output(self, what, name, stream, got, flat=False):
        """got: all that was kept of a stream; flat: a line may be several
        there. Returns how much that was."""
        if flat:
            got = got.replace(b"\n", b"")
        if self.mayhem.cold:
            return self.check_with_holes(what, name, stream, got, flat)
        at = 0
        lives = self.lives.of[ident(name)]
        for life, after in zip(lives, lives[1:] + [None]):
            least, most = self.texts(name, stream, life, flat)
            want = most if got[at:at + len(most)] == most else least
            if name == "tty":
                # A terminal takes a part of a write, too: up to where the
                # next life begins.
                head = b"tty:0 %d 0 " % after.generation if after else b""
                end = got.find(head, at + len(least)) if head else len(got)
                want = most[:max(len(least), end - at)]
            if got[at:at + len(want)] != want:
                self.say(f"{what}: " + difference(
                    got[at:at + len(want)], want) +
                    f" in generation {life.generation}, at {at}")
                return len(got)
            at += len(want)
        if at != len(got):
            self.say(f"{what}: {len(got) - at} bytes too many behind {at}: "
                     f"{got[at:at + 80]!r}")
        return len(got)

    def texts(self, name, stream, life, flat):
        """What a life has written for sure, and at most."""
        name = ident(name)
        wrote, trying = self.lives.counts(name, life, stream)
        most = text(name + "!" * stream, life.generation, wrote + trying)
        found = most[:wrote], most
        return [t.replace(b"\n", b"") for t in found] if flat else found

    def check_with_holes(self, what, name, stream, got, flat):
        """The same where what the logger had taken may have gone with a crash
        of svd, and what was in a FIFO with a worker that died then."""
        want = b"".join(self.texts(name, stream, life, flat)[1]
                        for life in self.lives.of[ident(name)])
        at = pos = lost = holes = 0
        while at < len(got):
            n = common(got, at, want, pos)
            at, pos = at + n, pos + n
            if at == len(got):
                break
            # So much has the number of its line in it.
            found = want.find(got[at:at + 300], pos)
            if found == -1:
                self.say(f"{what}: {got[at:at + 80]!r} at {at} does not come "
                         f"behind {want[max(0, pos - 60):pos]!r}")
                return len(got)
            lost, holes, pos = lost + found - pos, holes + 1, found
        if lost or pos < len(want):
            self.unknown.append(f"{what}: {lost} bytes in {holes} holes, "
                                f"{len(want) - pos} at the end")
        return len(got)


def common(a, i, b, j):
    """How many bytes are the same from there on."""
    n = min(len(a) - i, len(b) - j)
    step, done = 1 << 16, 0
    while done < n:
        if a[i + done:i + done + step] != b[j + done:j + done + step]:
            if step == 1:
                break
            step //= 16
            continue
        done += step
    return min(done, n)


def text(name, generation, size):
    """The first bytes of what a flood writes in one life."""
    out, length, i = [], 0, 0
    while length < size:
        line = b"%s %d %d %s\n" % (name.encode(), generation, i,
                                   bytes([97 + i % 26]) * (i * 7919 % 113))
        out.append(line)
        length += len(line)
        i += 1
    return b"".join(out)[:size]


def difference(got, want):
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b),
              min(len(got), len(want)))
    return (f"{len(got)} bytes, not {len(want)}; {got[at:at + 60]!r}, not "
            f"{want[at:at + 60]!r}")


def from_log(path, name):
    """A worker's stream as svd's own log has its lines."""
    mark = re.compile(rb"^\S+Z " + name.encode() + rb": (.*)$", re.M)
    return b"".join(line + b"\n" for line in mark.findall(path.read_bytes()))


class Followed:
    """What `svctl -j logs -f` has printed: (name, stream) -> bytes."""

    def __init__(self, path):
        self.streams, self.gaps = collections.defaultdict(list), []
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break
                reply = json.loads(line)
                key = reply["name"], reply["stream"]
                if reply.get("gap"):
                    self.gaps.append(f"{key}: {reply['cursor']}")
                if "line" in reply:
                    self.streams[key].append(reply["line"] + "\n")

    def of(self, name, stream):
        return "".join(self.streams[name, stream]).encode()


class Events:
    """Holds what `svctl -j events` has printed together."""

    def __init__(self, path):
        self.wrong, self.gaps, self.changes = [], 0, 0
        self.epoch, self.seq, self.states = None, 0, {}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    self.take(json.loads(line))

    def take(self, event):
        if event["gap"]:
            self.gaps += 1
        elif self.epoch is not None and \
                (event["epoch"], event["seq"]) != (self.epoch, self.seq + 1):
            self.wrong.append(f"events: {event['epoch']} {event['seq']} comes "
                              f"after {self.epoch} {self.seq}, without a gap")
        self.epoch, self.seq = event["epoch"], event["seq"]
        if event["snapshot"]:
            self.states = {w["name"]: w["state"] for w in event["workers"]}
            return
        self.changes += 1
        worker = event["worker"]
        was = self.states.get(worker["name"], event["from"])
        if was != event["from"]:
            self.wrong.append(
                f"events: {worker['name']} comes from {event['from']}, was "
                f"{was} ({self.epoch} {self.seq})")
        self.states[worker["name"]] = worker["state"]


def kept(where, name):
    return rotated(where / name)

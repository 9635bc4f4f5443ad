"""A short `make chaos`; and that whoever judges there sees what he is to see.

SVD_TEST_SEED repeats what is done in a run, not its instants.
"""

import os
import pathlib
import struct
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "chaos"))

import chaos  # noqa: E402
import verdict  # noqa: E402

SEED = int(os.environ["SVD_TEST_SEED"])


@pytest.mark.slow
@pytest.mark.parametrize("way", ["warm", "cold"])
def test_nothing_is_lost_in_a_short_chaos(way):
    cold = way == "cold"
    assert chaos.run(0.1 if cold else 0.17, SEED + cold, cold) == []


class Mayhem:
    """One that has done as it is told."""

    def __init__(self, **done):
        self.killed = dict.fromkeys(done.get("killed", ()), "worker")
        self.commanded, self.ending = set(done.get("commanded", ())), False
        self.started_once = done.get("started_once", 0)
        self.perhaps_once, self.cold = 0, False


class Coroner:
    def __init__(self, *deaths, asked=True):
        self.seen = {(f"{name}:0", generation): status
                     for name, generation, status in deaths}
        self.asked = lambda name, generation: asked


def judge(tmp_path, lives, *deaths, status=(), asked=True, **done):
    """lives: worker -> lines that it has written; deaths: what svd says;
    status: worker -> its last generation."""
    for name, lines in lives.items():
        (tmp_path / f"{name}:0").write_text("\n".join(lines) + "\n")
    workers = {name: {"generation": generation, "restarts": generation - 1}
               for name, generation in dict(status).items()}
    v = verdict.Verdict(verdict.Lives(tmp_path), Mayhem(**done),
                        Coroner(*deaths, asked=asked), workers)
    v.check_lives()
    v.check_deaths()
    v.check_steady()
    return v


TWO = ["born 1 999991 5", "exit 1 7", "born 2 999992 6", "exit 2 -11"]
SEEN = ("crash", 1, (7, None)), ("crash", 2, (None, 11))


def test_what_is_right_is_not_complained_of(tmp_path):
    v = judge(tmp_path, {"crash": TWO}, *SEEN, status={"crash": 2})
    assert (v.wrong, v.unknown) == ([], [])


@pytest.mark.parametrize("lines,seen,status,complaint", [
    (TWO + TWO[:1], SEEN, 2, "born twice"),
    (TWO[2:], SEEN, 2, "never born"),
    (TWO, SEEN, 1, "last one known"),
    (TWO, SEEN[:1], 2, "the death of generation 2 is not known"),
    (TWO, (SEEN[0], ("crash", 2, (None, 9))), 2, "svd says (None, 9)"),
    (TWO[:3], SEEN[:1], 2, "nobody has ended it"),
    (TWO + ["double 2 999991"], SEEN, 2, "itself"),
    (TWO + ["left 2 999991"], SEEN, 2, "a child"),
])
def test_what_is_wrong_is_seen(tmp_path, lines, seen, status, complaint):
    v = judge(tmp_path, {"crash": lines}, *seen, status={"crash": status})
    assert any(complaint in text for text in v.wrong), v.wrong


def test_a_restart_too_many_is_seen(tmp_path):
    (tmp_path / "once:0").write_text("born 1 999991 5\nexit 1 0\n")
    v = judge(tmp_path, {}, ("once", 1, (0, None)), started_once=2)
    assert any("started 2 times, lived 1" in text for text in v.wrong)
    v = judge(tmp_path, {"steady": ["born 1 999991 5"]}, killed=[(999991, 5)])
    assert any("steady:0, whom nothing" in text for text in v.wrong)


def test_what_nobody_asked_in_time_is_counted_apart(tmp_path):
    v = judge(tmp_path, {"crash": TWO}, SEEN[1], asked=False)
    assert v.wrong == [] and len(v.unknown) == 1


def test_what_a_crash_has_cost_is_counted_and_nothing_else_may_be(tmp_path):
    (tmp_path / "file:0").write_text("born 1 999991 5\n")
    (tmp_path / "file:0.1").write_bytes(struct.pack("=QQQQ", 9000, 0, 0, 0))
    got = verdict.text("file:0", 1, 9000)
    v = judge(tmp_path, {}, killed=[(999991, 5)], asked=False)
    v.mayhem.cold = True
    v.unknown.clear()
    v.check_output("file", "file", 0, got)
    assert (v.wrong, v.unknown) == ([], [])
    v.check_output("file", "file", 0, got[:500] + got[700:5000] + got[5001:])
    assert v.unknown == ["file: 201 bytes in 2 holes, 0 at the end"]
    for doubled in got[:500] + got[400:], got + got[-1:], got[:99] + b"?":
        del v.wrong[:]
        v.check_output("file", "file", 0, doubled)
        assert len(v.wrong) == 1


@pytest.mark.parametrize("trying,change,complaint", [
    (0, lambda got: got, None),
    (0, lambda got: got[:300] + got[301:], "in generation 1"),
    (0, lambda got: got[:500] + got[400:], "bytes"),
    (0, lambda got: got[:-1], "bytes, not"),
    (0, lambda got: got + got[-1:], "1 bytes too many"),
    (64, lambda got: got, None),
    (64, lambda got: got[:-64], None),
    (64, lambda got: got[:-63], "1 bytes too many"),
])
def test_each_byte_of_output_is_looked_at(tmp_path, trying, change, complaint):
    """trying: a write that was under way as its worker was killed."""
    (tmp_path / "file:0").write_text("born 1 999991 5\nborn 2 999992 6\n")
    for generation, taken, more in (1, 1000, 0), (2, 2000, trying):
        (tmp_path / f"file:0.{generation}").write_bytes(
            struct.pack("=QQQQ", taken, more, 0, 0))
    got = verdict.text("file:0", 1, 1000) + \
        verdict.text("file:0", 2, 2000 + trying)
    v = judge(tmp_path, {}, killed=[(999991, 5), (999992, 6)], asked=False)
    v.check_output("file", "file", 0, change(got))
    said = [text for text in v.wrong if text.startswith("file:")]
    if complaint is None:
        assert said == []
    else:
        assert complaint in said[0]


def change(seq, name="w", was="A", state="B", epoch="1", gap=False):
    return {"epoch": epoch, "seq": seq, "gap": gap, "snapshot": False,
            "from": was, "worker": {"name": name, "state": state}}


def snapshot(seq, state, epoch="1", gap=False):
    return {"epoch": epoch, "seq": seq, "gap": gap, "snapshot": True,
            "workers": [{"name": "w", "state": state}]}


@pytest.mark.parametrize("events,wrong", [
    ([snapshot(5, "A"), change(6), change(7, was="B", state="A")], 0),
    ([snapshot(5, "A"), change(7)], 1),
    ([snapshot(5, "A"), change(6), change(6)], 2),
    ([snapshot(5, "A"), snapshot(2, "C", "2")], 1),
    ([snapshot(5, "A"), snapshot(2, "C", "2", gap=True)], 0),
    ([snapshot(5, "C"), change(6)], 1),
])
def test_events_hang_together(tmp_path, events, wrong):
    path = tmp_path / "events"
    path.write_text("".join(f"{verdict.json.dumps(e)}\n" for e in events))
    assert len(verdict.Events(path).wrong) == wrong

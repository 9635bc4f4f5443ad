"""What the control protocol says of itself is what it does."""

import re

import pytest

from svdtest import ACT, ROOT, act, floor
from varlink_idl import Interface, IdlError

SERVICE, FLEET = "org.varlink.service", "org.svd.Fleet"
ALL = """
[worker:w]
command = {pause}
numprocs = 2
[worker:failed]
command = {exit}
restart = no
[worker:down]
command = /bin/true
autostart = no
[worker:backoff]
command = /no/such/program
backoff_delay = 1h
backoff_limit = 1h
[worker:on]
floor = f
entry = {act}.so:act_main
args = pause
[worker:waits]
floor = none
entry = x.so:x
[floor:none]
runtime = native
preload = /no/such.so
""" + floor()


@pytest.fixture
def all_states(fleet):
    f = fleet(ALL.format(pause=act("pause"), exit=act("exit", 3), act=ACT))
    f.running("w:0", "w:1")
    f.wait("failed", state="FAILED")
    f.wait("backoff", state="BACKOFF")
    return f


def describe(f):
    with f.varlink() as v:
        names = v.call(f"{SERVICE}.GetInfo")["interfaces"]
        texts = {name: v.call(f"{SERVICE}.GetInterfaceDescription",
                              {"interface": name})["description"]
                 for name in names}
    return {name: Interface(text) for name, text in texts.items()}


class Strict:
    """A connection each of whose replies is held to the description."""

    def __init__(self, f):
        self.interfaces = describe(f)
        self.v = f.varlink()
        self.errors = set()

    def call(self, method, parameters=None, **flags):
        full = method if "." in method else f"{FLEET}.{method}"
        self.v.send(full, parameters, **flags)
        return self.receive(full)

    def receive(self, method):
        reply = self.v.receive()
        interface, name = method.rsplit(".", 1)
        assert set(reply) <= {"parameters", "error", "continues"}
        if "error" in reply:
            self.errors.add(reply["error"])
            interface, error = reply["error"].rsplit(".", 1)
            type_ = self.interfaces[interface].errors[error]
        else:
            type_ = self.interfaces[interface].methods[name][1]
        self.interfaces[interface].check(type_, reply["parameters"], method)
        return reply


GOOD = [
    ("Ping", {}), ("Version", {}), ("Status", {}), ("Status", {"names": None}),
    ("Status", {"names": ["w", "w:0", "all"], "long": True}),
    ("Why", {"names": ["all"]}), ("Health", {}), ("Events", {}),
    ("Events", {"names": ["w"], "epoch": "x", "seq": 3}),
    ("Restart", {"names": ["w:1"]}), ("Restart", {"names": ["backoff"]}),
    ("Stop", {"names": ["w:1"], "wait": False}), ("Stop", {"names": ["w:1"]}),
    ("Start", {"names": ["w:1"]}), ("Signal", {"names": ["w"], "signal": "CONT"}),
    ("Signal", {"names": ["down"], "signal": "9"}), ("Kill", {"names": ["w:0"]}),
    ("Floors", {}), ("Floors", {"long": True}),
    ("Refloor", {"floor": "f"}), ("Refloor", {"floor": "f", "wait": False}),
    ("Why", {"names": ["floor:f"]}), ("Why", {"names": ["waits"]}),
    (f"{SERVICE}.GetInfo", {}),
    (f"{SERVICE}.GetInterfaceDescription", {"interface": SERVICE}),
]


def test_every_reply_is_as_the_description_says(all_states):
    strict = Strict(all_states)
    for method, parameters in GOOD:
        assert "error" not in strict.call(method, parameters), method
    assert strict.call("Events", more=True)["continues"]
    all_states.ctl("restart", "w")
    assert strict.receive(f"{FLEET}.Events")["continues"]


def wrong_values(interface, type_):
    """Values of about every wrong type."""
    values = [None, True, 3, 3.5, "x", [], ["x"], [3], [None], {}, {"x": 1}]
    for value in values:
        try:
            interface.check(type_, value)
        except IdlError:
            yield value


def right_value(interface, name, type_):
    if name == "names":
        return ["w:0"]
    for value in (None, True, 3, "CONT", []):
        try:
            interface.check(type_, value)
            return value
        except IdlError:
            pass
    raise AssertionError(type_)


def test_every_parameter_is_held_to_its_type(all_states):
    """Each of each method; what is refused is refused by its name."""
    strict = Strict(all_states)
    checked = 0
    for interface in strict.interfaces.values():
        for method, ((_, fields), _) in interface.methods.items():
            right = {n: right_value(interface, n, t) for n, t in fields.items()}
            bad = [(n, {**right, n: value}) for n, type_ in fields.items()
                   for value in wrong_values(interface, type_)]
            bad.append(("no_such", {**right, "no_such": None}))
            for name, parameters in bad:
                reply = strict.call(f"{interface.name}.{method}", parameters)
                assert reply.get("error") == f"{SERVICE}.InvalidParameter", (
                    method, parameters, reply)
                assert reply["parameters"] == {"parameter": name}, (
                    method, parameters)
                checked += 1
    assert checked > 100
    assert all_states.worker("w:0")["generation"] == 1, "and nothing was done"


def test_errors_that_are_declared_and_sent(all_states):
    strict = Strict(all_states)
    for method, parameters, flags, error in [
            ("Stop", {"names": ["nobody"]}, {}, f"{FLEET}.NoSuchWorker"),
            ("Stop", {"names": []}, {}, f"{SERVICE}.InvalidParameter"),
            ("Signal", {"names": ["w"], "signal": "NO"}, {},
             f"{SERVICE}.InvalidParameter"),
            ("Ping", {}, {"upgrade": True}, f"{SERVICE}.InvalidParameter"),
            ("Nonsense", {}, {}, f"{SERVICE}.MethodNotFound"),
            ("org.example.Other.Ping", {}, {}, f"{SERVICE}.InterfaceNotFound"),
            (f"{SERVICE}.GetInterfaceDescription", {"interface": "x.y"}, {},
             f"{SERVICE}.InterfaceNotFound")]:
        reply = strict.call(method, parameters, **flags)
        assert reply.get("error") == error, (method, reply)


def test_no_error_is_sent_past_the_table(all_states):
    """Only the table of errors in call.c spells their names."""
    declared = {error for i in describe(all_states).values()
                for error in i.errors}
    for path in (ROOT / "src" / "supervisor").glob("*.c"):
        if path.name == "call.c":
            continue
        text = path.read_text()
        assert "varlink_write_error" not in text, path
        for error in declared:
            assert f'"{error}"' not in text, (path, error)


def test_svctl_knows_every_error(all_states):
    text = (ROOT / "src" / "ctl" / "report.c").read_text()
    for error in describe(all_states)[FLEET].errors:
        assert f'FLEET("{error}")' in text, error


def test_each_method_and_error_has_words_on_it(all_states):
    for interface in describe(all_states).values():
        for name in interface.members:
            assert len(interface.docs[name]) > 10, name


# --- the checker itself ----------------------------------------------------------

@pytest.mark.parametrize("text", [
    "", "interface a\nmethod F() -> ()", "interface a.b", "interface a.b\n",
    "interface a.b method F() -> ()", "interface a.b\nmethod f() -> ()",
    "interface a.b\nmethod F() -> (a: int,)", "interface a.b\nmethod F() -> ",
    "interface a.b\nmethod F(a: nix) -> ()",
    "interface a.b\nmethod F(a: Nix) -> ()",
    "interface a.b\nmethod F(a: ??int) -> ()",
    "interface a.b\nmethod F(a: int, a: int) -> ()",
    "interface a.b\nmethod F(a__b: int) -> ()",
    "interface a.b\nmethod F(a: int, b) -> ()",
    "interface a.b\nmethod F() -> () method G() -> ()",
    "interface a.b\nmethod F() -> ()\nerror F ()",
    "interface a.b\nmethod F() -> ()\nnonsense",
])
def test_the_checker_refuses(text):
    with pytest.raises(IdlError):
        Interface(text)


def test_the_checker_accepts():
    i = Interface("# x\ninterface org.svd.Fleet\n\n# t\ntype T (a: ?[]int, # c\n"
                  "  b: [string](x: bool, y: (one, two)))\n"
                  "method F(t: T) -> ()\nerror E ()")
    i.check(("alias", "T"), {"a": [1], "b": {"k": {"x": True, "y": "one"}}})
    for bad in ({"b": 1}, {"b": {}, "a": [True]}, {"b": {}, "c": 1}, None,
                {"b": {"k": {"x": True, "y": "three"}}}):
        with pytest.raises(IdlError):
            i.check(("alias", "T"), bad)
    assert re.match(r"t$", i.docs["T"])

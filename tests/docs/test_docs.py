"""What the documents must say: every key, verb and exit code, each in its
page; and every fleet file that ships passes `svd -n`."""

import os
import re
import subprocess

import pytest

from svdtest import BUILD, ROOT, SVCTL, SVD
from varlink_idl import Interface


def page(name):
    """A page as mandoc or a reader without it would see it: its source."""
    path = ROOT / "man" / name
    assert path.exists(), f"man/{name} is missing"
    return path.read_text()


def mentions(text, macro, word):
    """Whether `.macro word` or an inline `macro word` stands in mdoc source."""
    word = re.escape(word).replace(r"\-", r"\\?-")
    return re.search(rf"(?:^\.|\s){macro}\s(?:.*\s)?{word}(?:\s|$)", text, re.M)


def configuration_keys():
    """The key table's rows: [section, key], and "live" where it is that."""
    out = subprocess.run([BUILD / "tests" / "keys"], capture_output=True,
                         text=True, check=True).stdout
    return [line.split() for line in out.splitlines()]


def verbs():
    out = subprocess.run([SVCTL, "-h"], capture_output=True, text=True).stdout
    return re.findall(r"^ {4,}(\w+)\b", out, re.M)


def test_every_key_stands_in_its_page():
    text, keys = page("svd.ini.5"), configuration_keys()
    assert len(keys) > 30, keys
    missing = [key for _, key, *_ in keys
               if not mentions(text, "(?:It )?Ic", key)]
    assert not missing


@pytest.mark.parametrize("kind,words", [
    ("worker", "take effect without a restart"),
    ("floor", "these need no loading anew")])
def test_the_page_says_which_changes_need_no_restart(kind, words):
    """The lists in the page are the table's."""
    text = page("svd.ini.5")
    section = text[text.index(".Ss Changes while the fleet runs"):]
    section = section[:section.index("\n.S", 5)]
    begin = section.index(words)
    listed = re.findall(r"^\.Ic (\w+)",
                        section[begin:section.index(".Pp", begin)], re.M)
    live = [row[1] for row in configuration_keys()
            if row[0] == kind and row[-1] == "live"]
    assert live and sorted(listed) == sorted(live)


def test_the_page_of_the_journal_says_what_its_lines_have():
    """Each key of each kind, in the order and of the type that it has."""
    out = subprocess.run([BUILD / "tests" / "keys", "state"], check=True,
                         capture_output=True, text=True).stdout
    text = page("svd-state.5")
    for kind in ("fleet", "worker"):
        section = text[text.index(f".Ss {kind}\n"):]
        section = section[:section.index("\n.S", 5)]
        told = re.findall(r"^\.It Ic (\w+)\n(\w+):", section, re.M)
        rows = [line.split() for line in out.splitlines()]
        assert told and told == [(k, t) for r, k, t in rows if r == kind]
    # Of a death they are the worker's, and what is told is that they are.
    section = text[text.index(".Ss death\n"):text.index(".Ss gone\n")]
    keys = [key for kind, key, _ in rows if kind == "death"]
    assert re.findall(r"^\.Ic (\w+)", section, re.M) == keys
    assert {kind for kind, *_ in rows} == {"fleet", "worker", "death", "gone"}


def test_every_verb_stands_in_its_page():
    text, names = page("svctl.8"), verbs()
    assert {"status", "start", "stop", "restart", "signal", "kill", "why",
            "shutdown", "ping", "version"} <= set(names), names
    missing = [v for v in names if not mentions(text, "(?:It |Xo )?Ic", v)]
    assert not missing


@pytest.mark.parametrize("name,codes", [
    ("svd.8", (0, 1, 2, 3, 10, 126, 127)), ("svctl.8", range(8))])
def test_every_exit_code_stands_in_its_page(name, codes):
    text = page(name)
    section = text[text.index(".Sh EXIT STATUS"):]
    section = section[:section.index("\n.Sh ", 5)]
    missing = [c for c in codes
               if not re.search(rf"(?:^|\D){c}(?:\D|$)", section, re.M)]
    assert not missing


@pytest.fixture
def interface(fleet):
    """The control interface of a running fleet, as it describes itself."""
    with fleet("[worker:w]\ncommand = /bin/sleep 1000\n").varlink() as v:
        return Interface(v.call(
            "org.varlink.service.GetInterfaceDescription",
            {"interface": "org.svd.Fleet"})["description"])


def section(text, name):
    text = text[text.index(f".Sh {name}"):]
    return text[:text.index("\n.Sh ", 5)]


def test_every_method_and_error_stands_in_its_page(interface):
    """Word for word, but for blanks."""
    text = " ".join(section(page("svctl.8"), "PROTOCOL").split())
    text = text.replace("( ", "(")
    wanted = re.findall(r"^(?:method|error) .*$", interface.text, re.M)
    assert len(wanted) > 10
    assert not [w for w in wanted if w not in text]


def test_every_member_of_a_reply_stands_in_its_page(interface):
    text = page("svctl.8")
    json = text[text.index(".Ss JSON"):text.index(".Sh PROTOCOL")]
    members = {field for _, out in interface.methods.values()
               for field in out[1]}
    for type_ in interface.types.values():
        members |= set(type_[1])
    assert len(members) > 30
    assert not [m for m in members if not mentions(json, "(?:It )?Va", m)]


def test_every_option_stands_in_its_page():
    for program, name in ((SVCTL, "svctl.8"), (SVD, "svd.8")):
        out = subprocess.run([program, "-h"], capture_output=True, text=True)
        options = re.findall(r"(?<!\S)(-\w|--[\w-]+)", out.stdout)
        assert len(options) > 8, out
        text = page(name)
        for option in options:
            letters = option.lstrip("-")
            flag = rf"Fl (?:\w \| )*{letters}\b" if option[1] != "-" else \
                rf"Fl Fl {re.escape(letters)}\b"
            assert re.search(flag, text), (name, option)


# --- what floors and svd say to each other ------------------------------------

def floor_header():
    return (ROOT / "src" / "ipc" / "proto_floor.h").read_text()


def protocol():
    return section(page("svd-floors.7"), "PROTOCOL")


def test_every_message_and_field_of_floors_stands_in_its_page():
    """Those that the header's own description lists."""
    comment = floor_header().partition("*/")[0]
    verbs = re.findall(r"^ \*\t([A-Z]+) +(?:svd|floor|worker)\b", comment, re.M)
    fields = set(re.findall(r"\b([a-z]+)=", comment))
    assert len(verbs) == 10 and len(fields) > 20, (verbs, fields)
    text = protocol()
    assert not [v for v in verbs if not mentions(text, "(?:It )?Ic", v)]
    assert not [f for f in fields if not mentions(text, "(?:It )?Va", f)]


@pytest.mark.parametrize("name", [
    "FLOOR_PACKET_MAX", "FLOOR_FDS_MAX", "FLOOR_TEXT_MAX", "FLOOR_LATE_BYTES",
    "FLOOR_VERSION"])
def test_numbers_of_the_floors_protocol_are_the_headers(name):
    value = re.search(rf"^#define {name} (.*?)(?:/\*|$)", floor_header(), re.M)
    number = eval(value[1])
    assert re.search(rf"(?<!\d){number}(?!\d)", protocol()), number


def test_stages_of_the_floors_protocol_are_the_headers():
    header = (ROOT / "src" / "ipc" / "proto_birth.h").read_text()
    stages = re.findall(r"^\tX\((\w+),", header, re.M)
    said = re.search(r"The stages are (\d), streams and umask; (\d), user; "
                     r"(\d), directory", protocol())
    assert said and [stages[int(n)] for n in said.groups()] == [
        "STREAMS", "USER", "DIRECTORY"]


FILES = sorted([*(ROOT / "etc").glob("*.ini"),
                *(ROOT / "contrib").rglob("*.ini")])


def test_there_is_an_example():
    assert FILES


@pytest.mark.parametrize(
    "path", FILES, ids=[str(p.relative_to(ROOT)) for p in FILES])
def test_every_shipped_fleet_file_is_right(path):
    """In the environment that its first lines ask for."""
    wanted = {name: str(path.parent) for name in re.findall(
        r"^#\t(\w+)=\S+ svd ", path.read_text(), re.M)}
    done = subprocess.run([SVD, "-n", str(path)], capture_output=True,
                          text=True, env={**os.environ, **wanted})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "configuration OK\n" and not done.stderr

"""What the documents must say: every key, verb and exit code, each in its
page; and every fleet file that ships passes `svd -n`."""

import re
import subprocess

import pytest

from svdtest import BUILD, ROOT, SVCTL, SVD


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
    """The key table's rows: [section, key]."""
    out = subprocess.run([BUILD / "tests" / "keys"], capture_output=True,
                         text=True, check=True).stdout
    return [line.split() for line in out.splitlines()]


def verbs():
    out = subprocess.run([SVCTL, "-h"], capture_output=True, text=True).stdout
    return re.findall(r"^ {4,}(\w+)\b", out, re.M)


def test_every_key_stands_in_its_page():
    text, keys = page("svd.ini.5"), configuration_keys()
    assert len(keys) > 30, keys
    missing = [key for _, key in keys if not mentions(text, "(?:It )?Ic", key)]
    assert not missing


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


FILES = sorted([*(ROOT / "etc").glob("*.ini"),
                *(ROOT / "contrib").rglob("*.ini")])


def test_there_is_an_example():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=[p.name for p in FILES])
def test_every_shipped_fleet_file_is_right(path):
    done = subprocess.run([SVD, "-n", str(path)], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "configuration OK\n" and not done.stderr

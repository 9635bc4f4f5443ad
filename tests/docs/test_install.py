"""What is installed is enough to build and run the example, and is all gone
again by uninstall."""

import re
import subprocess

import pytest

from svdtest import BUILD, wait_for


def make(target, where):
    return subprocess.run(
        ["make", "-s", f"B={BUILD}", f"DESTDIR={where}", "PREFIX=/usr",
         target], check=True, cwd=BUILD.parent, capture_output=True, text=True)


@pytest.fixture
def installed(tmp_path):
    make("install", tmp_path)
    return tmp_path / "usr"


def test_the_example_is_built_and_run_as_it_says(installed, fleet):
    examples = installed / "share/doc/svd/examples"
    text = (examples / "worker.c").read_text()
    (command,) = re.findall(r"^ \*\s+(cc .*)$", text, re.M)
    subprocess.run([*command.split(), f"-I{installed}/include",
                    f"-L{installed}/lib"], cwd=examples, check=True)
    f = fleet((examples / "native.ini").read_text(), env={
        "LD_LIBRARY_PATH": f"{examples}:{installed}/lib"})
    for n in range(3):
        f.wait(f"answer:{n}", state="RUNNING")
    wait_for(lambda: re.search(r"answer:2: \d+ is (not )?prime", f.log()))


def test_uninstall_leaves_nothing(installed, tmp_path):
    assert (installed / "lib/libsvdworker.so.0").exists()
    assert (installed / "include/svd/floor.h").exists()
    make("uninstall", tmp_path)
    assert [p for p in installed.rglob("*") if not p.is_dir()] == []

"""The shells' completions: made from the tables, and driven for real."""

import os
import re
import shlex
import subprocess

import pytest

from svdtest import BUILD, SVCTL, SVD, act, floor

MADE = BUILD / "completions"
FILES = ["svctl.bash", "svd.bash", "_svctl", "_svd", "svctl.fish", "svd.fish"]
ENV = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}"}
ENV.pop("SVD_SOCKET", None)


def words_of(program):
    """Options, and of svctl the commands, as the program itself tells them."""
    out = subprocess.run([program, "-h"], capture_output=True, text=True).stdout
    options = set(re.findall(r"(?<!\S)--([\w-]+)", out)) 
    commands = set(re.findall(r"^ {4}(\w+)", out, re.M))
    assert len(options) > 6
    return options, commands


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_right_and_has_every_word(name):
    path = MADE / name
    shell = {"bash": "bash", "fish": "fish"}.get(path.suffix[1:], "zsh")
    subprocess.run([shell, "-n", path], check=True)
    text = path.read_text()
    assert not re.search(r"@[a-z-]+@", text), "all is filled in"
    options, commands = words_of(SVCTL if "svctl" in name else SVD)
    assert ("svctl" in name) == bool(commands)
    wanted = {option: rf"-l {option}\b" if shell == "fish" else
              rf"--{option}\b" for option in options}
    wanted |= {c: rf"(?<![\w-]){c}\b" for c in commands}
    assert not [word for word, at in wanted.items() if not re.search(at, text)]


@pytest.fixture
def named(fleet):
    f = fleet(f"[worker:web]\ncommand = {act('pause')}\nnumprocs = 2\n"
              f"[worker:job]\ncommand = {act('pause')}\n" +
              floor("page") + floor("print"))
    f.running()
    return f


def bash(name, line, function):
    """What bash would offer at the end of this line."""
    words = re.findall(r"[^\s:]+|:", line)
    if line[-1:].isspace():
        words.append("")
    quoted = " ".join(map(shlex.quote, words))
    done = subprocess.run(
        ["bash", "-c", f"source {MADE / name}\n"
         f"COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}\n"
         f"COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}\n"
         f"complete -p {name.partition('.')[0]} >&2 || exit 9\n"
         f'{function}; printf "%s\\n" "${{COMPREPLY[@]}}"'],
        env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done
    return set(done.stdout.split())


def fish(name, line):
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {MADE / name}\n"
         f"complete -C {shlex.quote(line)}"],
        env=ENV, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done
    return {offer.split("\t")[0] for offer in done.stdout.splitlines()}


ALL_NAMES = {"web", "web:0", "web:1", "job", "all"}


def cases(run, name):
    at = f"-r {run}"
    return [
        ("svctl re", {"reload", "restart", "refloor",
                       "reattach"}),
        (f"svctl {at} stat", {"status"}),
        (f"svctl {at} stop ", ALL_NAMES),
        (f"svctl {at} stop job w", {"web", "web:0", "web:1"}),
        (f"svctl --runtime-dir={run} status j", {"job"}),
        (f"svctl {at} refloor ", {"page", "print"}),
        (f"svctl --runtime-dir={run} refloor pr", {"print"}),
        (f"svctl {at} refloor page ", set()),
        (f"svctl {at} signal US", {"USR1", "USR2"}),
        (f"svctl {at} signal USR1 j", {"job"}),
        ("svctl --no", {"--no-wait"}),
        (f"svctl {at} status --lo", {"--long"}),
        (f"svctl {at} stop --lo", set()),
        (f"svctl {at} ping ", set()),
        (f"svctl -r {run.parent}/ru", {f"{run}"}),
        ("svctl -s /no/such stop ", set()),
    ]


def test_bash_completes(named):
    for line, offered in cases(named.run, "bash"):
        got = {word.rstrip("/") for word in bash("svctl.bash", line, "_svctl")}
        if "/no/such" in line:
            got -= {"all"}
        assert got == offered, line
    # Behind a colon readline wants only what follows it.
    assert bash("svctl.bash", f"svctl -r {named.run} stop web:",
                "_svctl") == {"0", "1"}


def test_fish_completes(named):
    for line, offered in cases(named.run, "fish"):
        got = {word.rstrip("/") for word in fish("svctl.fish", line)}
        if "/no/such" in line:
            got -= {"all"}
        # fish also offers what only contains the word, where nothing begins so.
        assert got == offered or not offered and "--lo" in line, line


def test_bash_completes_svd(tmp_path, monkeypatch):
    (tmp_path / "fleet.ini").touch()
    (tmp_path / "other.txt").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert bash("svd.bash", "svd --ch", "_svd") == {"--check"}
    assert bash("svd.bash", "svd -n ", "_svd") == {"fleet.ini", "folder"}
    assert bash("svd.bash", "svd -r ", "_svd") == {"folder"}
    assert "bash" in bash("svd.bash", "svd -- bas", "_svd")


def test_nothing_is_said_where_no_daemon_answers(tmp_path):
    for args in (["bash", "-c", f"source {MADE}/svctl.bash; COMP_WORDS=(svctl)"
                  f" COMP_LINE='svctl -r {tmp_path} stop ' COMP_POINT=100; _svctl"],
                 ["fish", "--no-config", "-c", f"source {MADE}/svctl.fish;"
                  f"complete -C 'svctl -r {tmp_path} stop '"]):
        done = subprocess.run(args, env=ENV, capture_output=True, text=True)
        assert not done.stderr, done


def test_install_puts_them_where_shells_look(tmp_path):
    subprocess.run(["make", "-s", f"B={BUILD}", f"DESTDIR={tmp_path}",
                    "PREFIX=/usr", "install"], check=True, cwd=BUILD.parent,
                   capture_output=True)
    for path in ("bash-completion/completions/svctl",
                 "bash-completion/completions/svd",
                 "zsh/site-functions/_svctl", "zsh/site-functions/_svd",
                 "fish/vendor_completions.d/svctl.fish",
                 "fish/vendor_completions.d/svd.fish"):
        assert (tmp_path / "usr/share" / path).stat().st_size > 100, path

"""Python floors: what floor.py says to svd, what becomes of an entry, and what
of the floor is not in its workers. svd is played by the test; each test runs
both ways, with libsvdfloor.so and by Python alone.

SVD_TEST_PYTHON is another interpreter to run them with."""

import errno
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import textwrap

import pytest

from floorkit import FakeSvd
from svdtest import BUILD, IS_ROOT, ROOT, SLOW, children, stat_fields, wait_for

PYTHON = os.environ.get("SVD_TEST_PYTHON", "/usr/bin/python3")
LIBEXEC = BUILD / "libexec"
USER, DIRECTORY = 6, 7  # enum birth_stage
NOBODY = 54321          # a user that no system knows
# What a fleet for many purposes would have.
MODULES = ("asyncio ssl sqlite3 http.server email xml.dom.minidom "
           "logging.config").split()

as_root = pytest.mark.skipif(not IS_ROOT, reason="only root changes users")


class Maker:
    """floor(SOURCE): a floor that has loaded SOURCE as the module `app`."""

    def __init__(self, way, path):
        self.way, self.path = way, path

    def write(self, modules):
        """{"package/module": source}"""
        for name, source in modules.items():
            file = self.path / f"{name}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(textwrap.dedent(source))

    def __call__(self, app="", preload=("app",), init=None, env=None,
                 libexec=LIBEXEC, python=PYTHON, **options):
        self.write({"app": app})
        argv = [python, libexec / "floor.py", "--path", self.path]
        argv += ["--init", init] if init else []
        env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "",
               **(env or {})}
        if self.way == "python":
            env["SVD_FLOOR_WAY"] = "python"
        return FakeSvd([*argv, "--", *preload], env=env, **options)


@pytest.fixture(params=["library", "python"])
def floor(request, tmp_path):
    return Maker(request.param, tmp_path)


def run(floor, entry, *args, app="", **options):
    """(exit status, output, EXCEPTION or None) of one worker."""
    with floor(app) as svd:
        svd.loaded()
        worker = svd.fork()
        status, output = worker.run(entry, *args, **options)
        return status, output, worker.recv()


# --- loading -----------------------------------------------------------------

def test_loaded(floor):
    floor.write({"pack/inner": "import colorsys"})
    with floor("import pack.inner") as svd:
        loaded = svd.loaded()
        assert loaded.get("version") == "1"
        assert loaded.get("threads") == "1"
        assert loaded.get("way") == {"library": "vfork",
                                     "python": "python"}[floor.way]
        names = loaded.all("module")
        assert names == ["pack", "colorsys", "pack.inner", "app"] or \
            set(names) == {"pack", "colorsys", "pack.inner", "app"}
        assert int(loaded.get("modules")) == len(names)
        assert 0 <= int(loaded.get("ms")) < 5000 * SLOW
        assert ("late" in loaded.fds) == (floor.way == "library")


def test_more_modules_than_a_packet_holds(floor):
    with floor("""
            import sys, types
            for i in range(3000):
                sys.modules[f"generated_{i:04}_{'x' * 40}"] = \\
                    types.ModuleType("generated")
            """) as svd:
        loaded = svd.loaded()
        assert int(loaded.get("modules")) > 3000
        assert 500 < len(loaded.all("module")) < 3000


LOAD_FAILURES = {
    "import nosuchmodule": "ModuleNotFoundError: No module named "
                           "'nosuchmodule' (APP, line 1)",
    "\nx = = 1": "SyntaxError: invalid syntax (APP, line 2)",
    "\n\nraise ValueError('two\\nlines')":
        "ValueError: two lines (APP, line 3)",
    "import sys\nsys.exit(3)": "SystemExit: 3 (APP, line 2)",
    "raise KeyboardInterrupt": "KeyboardInterrupt (APP, line 1)",
    "def f(): f()\nf()": "RecursionError: maximum recursion depth exceeded "
                         "(APP, line 1)",
    "class E(Exception):\n  def __str__(self): 1 / 0\nraise E":
        "app.E: <exception str() failed> (APP, line 3)",
}


@pytest.mark.parametrize("source", LOAD_FAILURES)
def test_a_module_that_cannot_be_loaded(floor, source):
    with floor(source) as svd:
        failed = svd.expect("LOADFAIL")
        what = LOAD_FAILURES[source].replace(
            "APP", str(floor.path / "app.py"))
        assert failed.get("what") == f"preload 'app': {what}"
        assert failed.get("module") == "app"
        traceback = failed.get("traceback")
        assert "app.py\", line " in traceback
        assert str(LIBEXEC) not in traceback
        assert svd.recv() is None
        assert svd.wait() == 1
        # It is svd who writes it to the log.
        assert svd.output() == ""


def test_the_second_module_and_its_line(floor):
    floor.write({"good": "", "bad": "import good\ngood.nothing"})
    with floor(preload=("good", "bad", "app")) as svd:
        failed = svd.expect("LOADFAIL")
        assert failed.get("module") == "bad"
        assert "bad.py, line 2)" in failed.get("what")


def test_a_module_that_is_not_there(floor):
    with floor(preload=("app", "not.there")) as svd:
        failed = svd.expect("LOADFAIL")
        assert failed.get("what") == "preload 'not.there': " \
            "ModuleNotFoundError: No module named 'not'"
        assert failed.get("traceback") == \
            "ModuleNotFoundError: No module named 'not'\n"


def test_a_traceback_of_megabytes_is_cut(floor):
    with floor("raise ValueError('begin' + 10_000_000 * 'x' + 'end')") as svd:
        failed = svd.expect("LOADFAIL", 30)
        traceback = failed.get("traceback")
        assert len(traceback) <= 32 * 1024
        assert traceback.startswith("Traceback") and "begin" in traceback
        assert "[...]" in traceback and traceback.endswith("end\n")


def test_a_module_that_ends_the_interpreter(floor):
    with floor("import os\nos._exit(7)") as svd:
        assert svd.recv() is None
        assert svd.wait() == 7


def test_a_module_that_closes_all_descriptors(floor):
    with floor("import os\nos.closerange(3, 100)") as svd:
        assert svd.recv() is None
        assert svd.wait() == 1
        assert "svd cannot be reached: " in svd.output()


def test_a_module_that_forks(floor):
    """What comes back from there is no floor, and says nothing to svd."""
    with floor("""
            import os, sys
            def wait(pid):
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            def fork(act):
                pid = os.fork()
                if pid == 0:
                    sys.stderr = None
                    act()
                wait(pid)
            fork(lambda: sys.exit(5))
            fork(lambda: 1 / 0)
            pid = os.fork()
            if pid:
                wait(pid)
            def entry():
                return 4
            """) as svd:
        svd.loaded()
        for _ in range(5):
            assert svd.run("app:entry") == (4, "")
        svd.send("RETIRE")
        assert svd.wait() == 0
        assert svd.recv() is None
        assert svd.output().splitlines() == [
            "5", "1",
            "floor.py: preload 'app' has forked a child that came back", "1"]


@pytest.mark.parametrize("timer", ["REAL", "VIRTUAL", "PROF"])
def test_a_module_that_leaves_a_timer_on(floor, timer):
    with floor(f"""
            import atexit, signal
            def look():
                print(signal.getitimer(signal.ITIMER_{timer}))
            atexit.register(look)
            signal.setitimer(signal.ITIMER_{timer}, 1000)
            """) as svd:
        svd.loaded()
        svd.send("RETIRE")
        assert svd.wait() == 0
        assert svd.output() == "(0.0, 0.0)\n"


def test_a_module_that_is_in_the_way_of_a_floor(floor):
    with floor("import os\nos.environ = {}") as svd:
        failed = svd.expect("LOADFAIL")
        assert failed.get("what").startswith(
            "what was loaded is in the way of a floor: AttributeError: ")
        assert svd.wait() == 1


def test_a_module_that_closes_the_standard_streams(floor):
    with floor("""
            import os
            for fd in 0, 1, 2:
                os.close(fd)
            def entry():
                print(*sorted(os.listdir("/proc/self/fd"))[:3])
            """) as svd:
        svd.loaded()
        for _ in range(2):
            assert svd.run("app:entry", stdin=open("/dev/null")) == \
                (0, "0 1 2\n")


def test_init(floor):
    app = """
        state = "not called"
        class Sub:
            @staticmethod
            def init():
                global state
                state = "called"
        def fail():
            raise LookupError("nothing")
        def entry():
            print(state)
        """
    with floor(app, init="app:Sub.init") as svd:
        svd.loaded()
        assert svd.run("app:entry") == (0, "called\n")
    with floor(app, init="app:fail") as svd:
        failed = svd.expect("LOADFAIL")
        assert failed.get("what").startswith(
            "init 'app:fail': LookupError: nothing (")
        assert failed.get("module") == "app"
    with floor(app, init="app:missing") as svd:
        assert "has no attribute 'missing'" in \
            svd.expect("LOADFAIL").get("what")


def test_a_subreaper_is_refused(floor):
    with floor("""
            import ctypes
            assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
            """) as svd:
        assert "subreaper" in svd.expect("LOADFAIL").get("what")
        assert svd.wait() == 1


def test_usage():
    def fails(*argv, env=None):
        done = subprocess.run(
            [PYTHON, str(LIBEXEC / "floor.py"), *argv],
            env={**os.environ, **(env or {})}, capture_output=True, text=True)
        assert done.returncode == 2
        return done.stderr

    assert "SVD_FLOOR_FD" in fails("--", "os")
    assert "SVD_FLOOR_FD" in fails("--", "os", env={"SVD_FLOOR_FD": "x"})
    assert "'--bad'" in fails("--bad", "--", "os")
    assert "needs a value" in fails("--path")
    assert "MODULE:FUNCTION" in fails("--init", "app", "--", "app")


def test_where_modules_come_from(floor):
    floor.write({"json": "raise SystemExit('the wrong json')"})
    app = """
        import sys
        def entry():
            import svd
            print(sys.path, svd.__file__)
        """
    with floor(app, preload=("json",)) as svd:
        # What is in `path` comes first, as for any interpreter.
        assert "the wrong json" in svd.expect("LOADFAIL").get("what")
    (floor.path / "json.py").unlink()
    with floor(app) as svd:
        svd.loaded()
        status, output = svd.run("app:entry")
        path, package = output.strip().rsplit(" ", 1)
        assert status == 0
        assert path.startswith(f"['{floor.path}', ")
        assert path.endswith(f", '{LIBEXEC}/python']")
        assert f"'{LIBEXEC}'" not in path
        assert package == f"{LIBEXEC}/python/svd/__init__.py"


def test_without_the_library(floor, tmp_path):
    libexec = tmp_path / "libexec"
    shutil.copytree(LIBEXEC, libexec,
                    ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    with floor("def entry(): return 5", libexec=libexec) as svd:
        assert svd.loaded().get("way") == "python"
        assert svd.run("app:entry") == (5, "")
        assert ("libsvdfloor.so" in svd.output()) == (floor.way == "library")
    (libexec / "libsvdfloor.so").write_text("not a library")
    with floor("def entry(): return 5", libexec=libexec) as svd:
        assert svd.loaded().get("way") == "python"


def test_numbers_are_those_of_the_headers():
    import importlib.util
    spec = importlib.util.spec_from_file_location(
        "svdfloor", LIBEXEC / "svdfloor/__init__.py",
        submodule_search_locations=[str(LIBEXEC / "svdfloor")])
    import sys
    sys.modules["svdfloor"] = importlib.util.module_from_spec(spec)
    from svdfloor import protocol, report
    ipc = ROOT / "src/ipc"
    stages = re.findall(r"X\((\w+), \"", (ipc / "proto_birth.h").read_text())
    assert stages.index("STREAMS") == protocol.STREAMS
    assert stages.index("USER") == protocol.USER == USER
    assert stages.index("DIRECTORY") == protocol.DIRECTORY == DIRECTORY
    header = (ipc / "proto_floor.h").read_text()
    for name, value in (("VERSION", protocol.VERSION),
                        ("PACKET_MAX", protocol.PACKET_MAX // 1024),
                        ("FDS_MAX", protocol.FDS_MAX),
                        ("TEXT_MAX", report.TEXT_MAX // 1024)):
        found = re.search(rf"#define FLOOR_{name} \(?(\d+)", header)
        assert int(found.group(1)) == value


# --- what becomes of an entry ------------------------------------------------

STATUSES = {
    "None": 0, "0": 0, "7": 7, "255": 255,
    "sys.exit()": 0, "sys.exit(3)": 3, "sys.exit(-1)": 255,
    "sys.exit(True)": 1, "os._exit(9)": 9,
}


@pytest.mark.parametrize("value", STATUSES)
def test_statuses(floor, value):
    status, output, said = run(
        floor, "app:entry", app=f"import os, sys\ndef entry(): return {value}")
    assert (status, output, said) == (STATUSES[value], "", None)


@pytest.mark.parametrize("value,text", [
    ("True", "TypeError: 'app:entry' returned bool, not an exit status"),
    ("'x'", "TypeError: 'app:entry' returned str, not an exit status"),
    ("300", "ValueError: 'app:entry' returned 300, not an exit status"),
    ("-1", "ValueError: 'app:entry' returned -1, not an exit status")])
def test_what_is_no_status(floor, value, text):
    status, output, said = run(
        floor, "app:entry", app=f"def entry(): return {value}")
    assert (status, output) == (1, text + "\n")
    assert said.verb == "EXCEPTION" and said.get("what") == text


def test_exit_with_a_text(floor):
    status, output, said = run(
        floor, "app:entry", app="import sys\ndef entry(): sys.exit('no mail')")
    assert (status, output) == (1, "no mail\n")
    assert said.get("what") == "SystemExit: no mail"


def test_an_exception(floor):
    status, output, said = run(floor, "app:entry", app="""\
        def inner():
            raise ValueError("bad\\nworse")
        def entry():
            inner()
        """)
    assert status == 1
    assert said.verb == "EXCEPTION"
    assert said.get("what") == "ValueError: bad worse"
    traceback = said.get("traceback")
    assert traceback == output
    assert re.sub(r"\n +[~^]+(?=\n)", "", traceback) == (
        "Traceback (most recent call last):\n"
        f'  File "{floor.path}/app.py", line 4, in entry\n    inner()\n'
        f'  File "{floor.path}/app.py", line 2, in inner\n'
        '    raise ValueError("bad\\nworse")\n'
        "ValueError: bad\nworse\n").replace(
            "    inner()\n", "    inner()\n")


@pytest.mark.parametrize("source,what", [
    ("class E(Exception):\n  def __str__(self): 1 / 0\n"
     "  __repr__ = __str__\ndef entry(): raise E",
     "app.E: <exception str() failed>"),
    ("def entry(): entry()",
     "RecursionError: maximum recursion depth exceeded"),
    ("def entry(): raise ValueError('a\\0b\\ud800\\x1b[m\\u2603')",
     "ValueError: a\\0b\\ud800?[m\u2603"),
    ("class S(str):\n  def __format__(self, how): 1 / 0\n"
     "  __len__ = __format__\nclass E(Exception):\n"
     "  def __str__(self): return S('odd')\ndef entry(): raise E",
     "app.E: odd"),
    ("def entry(): raise BaseException", "BaseException"),
    ("def entry(): raise GeneratorExit(3)", "GeneratorExit: 3"),
    ("def entry(): exec('x = = 1')", "SyntaxError: invalid syntax"),
    ("def entry(arg): pass", "TypeError: entry() missing 1 required "
     "positional argument: 'arg'"),
])
def test_odd_exceptions(floor, source, what):
    status, output, said = run(floor, "app:entry", app=source)
    assert status == 1
    assert said.get("what") == what
    assert str(LIBEXEC) not in output + said.get("traceback")


def test_an_exception_of_megabytes(floor):
    status, output, said = run(floor, "app:entry", app="""
        def entry():
            raise ValueError("begin" + 10_000_000 * "x" + "end")
        """)
    assert status == 1 and len(output) > 10_000_000
    assert len(said.get("what")) <= 1024
    traceback = said.get("traceback")
    assert len(traceback) <= 32 * 1024
    assert "begin" in traceback and traceback.endswith("end\n")


def test_an_exception_in_a_child_is_not_the_workers(floor):
    status, output, said = run(floor, "app:entry", app="""
        import os
        def entry():
            pid = os.fork()
            if pid == 0:
                raise ValueError("the child's")
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """)
    assert status == 0 and said is None
    assert output.endswith("ValueError: the child's\n1\n")


def test_excepthook(floor):
    app = """
        import sys
        def hook(kind, error, traceback):
            print("hook", kind.__name__, error)
            if str(error) == "fail":
                raise LookupError
        sys.excepthook = hook
        def entry(text):
            raise ValueError(text)
        """
    status, output, said = run(floor, "app:entry", "bad", app=app)
    assert (status, output) == (1, "hook ValueError bad\n")
    assert said.get("what") == "ValueError: bad"
    status, output, said = run(floor, "app:entry", "fail", app=app)
    assert status == 1
    assert "Error in sys.excepthook" in output and "LookupError" in output
    assert output.endswith("ValueError: fail\n")


def test_interrupted(floor):
    with floor("""
            import time
            def entry():
                print("up", flush=True)
                while True:  # pause() would not see what came just before
                    time.sleep(0.01)
            """) as svd:
        svd.loaded()
        worker = svd.fork()
        r, w = os.pipe()
        with open(r) as pipe, open(w, "w") as end:
            worker.start("app:entry", stdout=end, stderr=end)
            assert pipe.readline() == "up\n"
            os.kill(worker.pid, signal.SIGINT)
            assert worker.wait() == -signal.SIGINT
            end.close()
            assert pipe.read().endswith("\nKeyboardInterrupt\n")
        # It was asked to end so, which is nothing to be told of.
        assert worker.recv() is None
        # So early that the entry is not called yet.
        for _ in range(20):
            worker = svd.fork()
            worker.start("app:entry")
            os.kill(worker.pid, signal.SIGINT)
            assert worker.wait() == -signal.SIGINT


@pytest.mark.parametrize("entry,what", [
    ("missing:f", "ModuleNotFoundError: No module named 'missing'"),
    ("app:f", "AttributeError: module 'app' has no attribute 'f'"),
    ("app:number", "TypeError: 'app:number' is not callable"),
    ("app", "ValueError: 'app' is not MODULE:FUNCTION"),
    ("app:", "ValueError: 'app:' is not MODULE:FUNCTION")])
def test_no_such_entry(floor, entry, what):
    status, output, said = run(floor, entry, app="number = 1")
    assert (status, output) == (1, what + "\n")
    assert said.get("what") == what


def test_an_entry_with_dots_in_a_module_that_is_loaded_for_it(floor):
    floor.write({"pack/mod": """
        class Outer:
            class Inner:
                @staticmethod
                def run(*args):
                    print(args)
        """})
    assert run(floor, "pack.mod:Outer.Inner.run", "1", "a b") == \
        (0, "('1', 'a b')\n", None)


# --- what a worker finds itself to be ----------------------------------------

def test_a_worker_is_set_up(floor, tmp_path):
    with floor("""
            import os, sys
            def entry(*args):
                for fd in os.listdir("/proc/self/fd"):
                    path = f"/proc/self/fd/{fd}"
                    if int(fd) > 2 and os.path.lexists(path):
                        print(os.readlink(path))
                print(os.getsid(0) == os.getpgid(0) == os.getpid())
                print(args, sys.argv)
                print(sorted(os.environ.items()))
                print(os.popen("env -u PWD -u _ -u SHLVL -u OLDPWD | sort")
                      .read(), end="")
                print(os.getcwd(), oct(os.umask(0)), open("/proc/self/comm")
                      .read(), end="")
            """, env={"FLOOR_OWN": "x"}) as svd:
        svd.loaded()
        env = {"PATH": os.environ["PATH"], "LIST": "a=b=c", "EMPTY": "",
               "SVD_WORKER": "web:2"}
        status, output = svd.run(
            "app:entry", "one", "zwei\udcff".replace("\udcff", "\u2603"),
            env=env, name="web:2", directory=tmp_path, umask="027")
    assert status == 0
    fds, output = output.split("True\n")
    argv, pairs, *env_of_child, cwd = output.splitlines()
    assert argv == str(("one", "zwei\u2603")) + " " + \
        str(["app:entry", "one", "zwei\u2603"])
    assert pairs == str(sorted(env.items()))
    assert env_of_child == sorted(f"{k}={v}" for k, v in env.items())
    assert cwd == f"{tmp_path} 0o27 web:2"
    # Its line, and a file for its stacks, beside 0, 1 and 2.
    assert re.fullmatch(r"/memfd:svd-dump:\d+ \(deleted\)\n"
                        r"socket:\[\d+\]\n", fds), fds


def test_a_directory_that_is_not_there(floor):
    with floor() as svd:
        svd.loaded()
        worker = svd.fork()
        worker.start_only("app:entry", directory="/nonexistent")
        failed = worker.recv()
        while failed.get("errno") == "0":  # what may hang is told before
            failed = worker.recv()
        assert failed.verb == "STARTFAIL"
        assert failed.get("stage") == str(DIRECTORY)
        assert failed.get("errno") == str(errno.ENOENT)
        assert worker.wait() == 126


@as_root
def test_a_user(floor):
    app = """
        import os
        def entry():
            print(os.getresuid(), os.getresgid(), sorted(os.getgroups()))
            os.listdir("/proc/self/fd")
            with open("/proc/self/comm") as comm:
                assert comm.read() == "web:0\\n"
        """
    with floor(app) as svd:
        svd.loaded()
        more = [("uid", NOBODY), ("gid", NOBODY + 1), ("group", 5),
                ("group", 6)]
        status, output = svd.run("app:entry", more=more)
        assert (status, output) == (
            0, f"{(NOBODY,) * 3} {(NOBODY + 1,) * 3} [5, 6]\n")
    with floor(f"import os\nos.setresuid({NOBODY}, {NOBODY}, {NOBODY})") as svd:
        svd.loaded()
        worker = svd.fork()
        worker.start_only("app:entry", more=[("uid", 0), ("gid", 0)])
        failed = worker.expect("STARTFAIL")
        assert failed.get("stage") == str(USER)
        assert failed.get("errno") == str(errno.EPERM)
        assert worker.wait() == 126


def test_standard_input(floor, tmp_path):
    data = tmp_path / "data"
    data.write_text("first\nsecond\n")
    with floor("""
            import sys
            def entry():
                print(sys.stdin.seekable(), sys.stdin.readline(), end="")
                if sys.stdin.seekable():
                    sys.stdin.seek(0)
                print(sys.stdin.read(), end="")
            """) as svd:
        svd.loaded()
        with open(data) as file:
            assert svd.run("app:entry", stdin=file) == \
                (0, "True first\nfirst\nsecond\n")
        r, w = os.pipe()
        os.write(w, b"first\nsecond\n")
        os.close(w)
        assert svd.run("app:entry", stdin=r) == (0, "False first\nsecond\n")
        os.close(r)
        with open("/dev/null") as null:
            assert svd.run("app:entry", stdin=null) == (0, "False ")


def test_output_shows_in_time(floor):
    with floor("""
            import signal
            def entry():
                print("line")
                print("half", end="")
                signal.pause()
            """) as svd:
        svd.loaded()
        for env, text in (({}, b"line\n"),
                          ({"PYTHONUNBUFFERED": "1"}, b"line\nhalf")):
            r, w = os.pipe()
            worker = svd.fork()
            worker.start("app:entry", stdout=w, env=env)
            os.close(w)
            seen = b""
            while len(seen) < len(text):
                seen += os.read(r, 100)
            assert seen == text
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            assert os.read(r, 100) == b""
            os.close(r)


def test_half_a_line_is_not_written_again(floor):
    with floor("""
            import sys
            print("half a line", end="")
            sys.stdout.write(" more")
            def entry():
                print("worker")
            """) as svd:
        svd.loaded()
        for _ in range(3):
            assert svd.run("app:entry") == (0, "worker\n")
        svd.send("RETIRE")
        assert svd.wait() == 0
        assert svd.output() == "half a line more"


def test_files_are_written_once(floor, tmp_path):
    """Whether the floor has opened them or a worker, who closes nothing."""
    with floor("""
            log = open("log", "a")
            log.write("floor\\n")
            def entry(word):
                log.write(word + "\\n")
                log.flush()
                global own
                own = open(word, "wb")
                own.write(b"binary")
                loop = [open("loop" + word, "w+")]
                loop.append(loop)
                loop[0].write("text")
            """, cwd=tmp_path) as svd:
        svd.loaded()
        for word in "ab":
            assert svd.run("app:entry", word, directory=tmp_path) == (0, "")
            assert (tmp_path / word).read_text() == "binary"
            assert (tmp_path / f"loop{word}").read_text() == "text"
        assert (tmp_path / "log").read_text() == "floor\na\nb\n"


def test_a_file_that_a_thread_writes_to_for_ever(floor):
    """It holds the lock of the file, and the worker ends all the same."""
    with floor("""
            import os, select, threading
            def entry():
                global end
                end = os.pipe()
                file = open(end[1], "wb")
                threading.Thread(target=file.write, args=(bytes(1 << 20),),
                                 daemon=True).start()
                select.select([end[0]], [], [])
                return 3
            """) as svd:
        svd.loaded()
        assert svd.run("app:entry") == (3, "")


def test_a_standard_output_that_is_full(floor):
    with floor("""
            def entry():
                print("lost", end="")
            """) as svd:
        svd.loaded()
        with open("/dev/full", "w") as full:
            worker = svd.fork()
            worker.start("app:entry", stdout=full)
            assert worker.wait() == 120  # as the interpreter


def test_the_zone(floor):
    with floor("""
            import time
            def entry():
                print(time.strftime("%H", time.localtime(0)))
            """, env={"TZ": "UTC0"}) as svd:
        svd.loaded()
        assert svd.run("app:entry", env={"TZ": "XXX-5"}) == (0, "05\n")
        assert svd.run("app:entry", env={"TZ": "UTC0"}) == (0, "00\n")


# --- what is the floor's own -------------------------------------------------

def test_signals(floor):
    with floor("""
            import faulthandler, os, signal, sys
            def handler(number, frame):
                print("the floor's handler")
            signal.signal(signal.SIGTERM, handler)
            signal.signal(signal.SIGINT, handler)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            # Python does not know of this one.
            faulthandler.register(signal.SIGUSR2, file=sys.__stderr__)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
            r, w = os.pipe()
            os.set_blocking(w, False)
            signal.set_wakeup_fd(w)
            def entry(number):
                assert signal.set_wakeup_fd(-1) == -1
                os.kill(os.getpid(), int(number))
                print("survived")
            def look():
                print(signal.getsignal(signal.SIGTERM).name,
                      signal.getsignal(signal.SIGINT).__name__,
                      signal.getsignal(signal.SIGPIPE).name,
                      signal.pthread_sigmask(signal.SIG_BLOCK, []))
            """) as svd:
        svd.loaded()
        assert svd.run("app:look") == \
            (0, "SIG_DFL default_int_handler SIG_IGN set()\n")
        for sig in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
                    signal.SIGHUP):
            assert svd.run("app:entry", int(sig)) == (-sig, "")


def test_random(floor):
    floor.write({"numpy/__init__": "", "numpy/random": """
        seeds = []
        def seed(value=None):
            seeds.append(value)
        """})
    with floor("""
            import random, tempfile, uuid
            import numpy.random
            random.seed(1)
            tempfile.mktemp()
            def entry():
                print(random.random(), numpy.random.seeds[-1],
                      tempfile.mktemp(), uuid.uuid4())
            """) as svd:
        svd.loaded()
        drawn = [svd.run("app:entry")[1].split() for _ in range(4)]
        for values in zip(*drawn):
            assert len(set(values)) == 4
        assert "None" not in drawn[0]


def test_event_loop(floor):
    with floor("""
            import asyncio, os, warnings
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            fds = len(os.listdir("/proc/self/fd"))
            async def work():
                return "done"
            def entry():
                warnings.simplefilter("ignore")
                try:
                    assert asyncio.get_event_loop() is not loop
                except RuntimeError:
                    pass  # there is none, as in a program that begins
                assert asyncio._get_running_loop() is None
                print(asyncio.run(work()), asyncio.run(work()))
            """) as svd:
        svd.loaded()
        for _ in range(2):
            assert svd.run("app:entry") == (0, "done done\n")


EXITS = """
    import atexit, logging, logging.handlers, os, sys, tempfile
    atexit.register(print, "exit of the floor", flush=True)
    ours = tempfile.TemporaryDirectory()
    def entry():
        atexit.register(print, "exit of the worker")
        own = tempfile.TemporaryDirectory()
        print(ours.name, own.name)
        to = logging.StreamHandler(sys.stdout)
        # It writes only when it is shut down.
        logging.getLogger().addHandler(
            logging.handlers.MemoryHandler(100, target=to))
        logging.getLogger().warning("logged")
        globals()["keep"] = own
    """


def test_exits(floor):
    with floor(EXITS) as svd:
        svd.loaded()
        paths = []
        for _ in range(2):
            status, output = svd.run("app:entry")
            dirs, *rest = output.splitlines()
            assert (status, sorted(rest)) == (
                0, ["exit of the worker", "logged"])
            paths.append(dirs.split())
        (floor_dir, first), (same, second) = paths
        assert floor_dir == same and first != second
        assert os.path.isdir(floor_dir)
        assert not os.path.exists(first) and not os.path.exists(second)
        svd.send("RETIRE")
        assert svd.wait() == 0
        assert svd.output() == "exit of the floor\n"
        assert not os.path.exists(floor_dir)


def test_what_a_worker_registers_runs_though_the_floor_registered_nothing(floor):
    with floor("""
            import atexit, logging.handlers, sys, weakref
            class Thing: pass
            def entry():
                thing = Thing()
                globals()["keep"] = thing, weakref.finalize(
                    thing, print, "finalized")
                to = logging.StreamHandler(sys.stdout)
                logging.getLogger().addHandler(
                    logging.handlers.MemoryHandler(100, target=to))
                logging.getLogger().warning("logged")
                atexit.register(lambda: 1 / 0)
                return 3
            """) as svd:
        svd.loaded()
        status, output = svd.run("app:entry")
        assert status == 3
        assert "finalized\n" in output and "logged\n" in output
        assert "ZeroDivisionError" in output


def test_fork_handlers(floor):
    with floor("""
            import os
            events = []
            os.register_at_fork(
                before=lambda: events.append("before"),
                after_in_parent=lambda: events.append("parent"),
                after_in_child=lambda: events.append("child"))
            def entry():
                print(*events)
            """) as svd:
        svd.loaded()
        first, second = (svd.run("app:entry")[1].split() for _ in range(2))
        if floor.way == "library":
            assert first == ["before", "child"]
            assert second == ["before", "parent", "before", "child"]
        else:
            assert first == ["before", "child"] * 2
            assert second == ["before", "parent"] + ["before", "child"] * 2


THREADS = """
    import threading, time
    event = threading.Event()
    threading.Thread(target=event.wait, daemon=True).start()
    def entry():
        assert threading.main_thread() is threading.current_thread()
        assert threading.active_count() == 1
        def late():
            event.wait(0.2)
            print("late thread")
        threading.Thread(target=late).start()
        print("entry ends")
    """


@pytest.mark.parametrize("errors", [False, True])
def test_threads(floor, errors):
    env = {"PYTHONWARNINGS": "error"} if errors else {}
    with floor(THREADS, env=env) as svd:
        loaded = svd.loaded()
        assert loaded.get("threads") == "2"
        assert loaded.get("way") == {"library": "double",
                                     "python": "python"}[floor.way]
        for _ in range(2):
            assert svd.run("app:entry") == (0, "entry ends\nlate thread\n")
        # They do not keep the floor from its end.
        svd.send("RETIRE")
        assert svd.wait() == 0
        assert svd.output() == ""


MULTIPROCESSING = """
    import multiprocessing, os, sys
    import multiprocessing.pool
    def double(x):
        return 2 * x
    def report(queue):
        queue.put((sys.argv, "app" in sys.modules))
    def entry(method):
        context = multiprocessing.get_context(method)
        assert multiprocessing.active_children() == []
        with context.Pool(2) as pool:
            print(pool.map(double, [1, 2, 3]))
        queue = context.Queue()
        process = context.Process(target=report, args=(queue,))
        process.start()
        print(queue.get(timeout=20))
        process.join()
    """


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(floor, method):
    with floor(MULTIPROCESSING) as svd:
        svd.loaded()
        worker = svd.fork()
        status, output = worker.run(
            "app:entry", method, env={"PATH": os.environ["PATH"]})
        # A daemon of multiprocessing's, which ends with the worker.
        wait_for(lambda: not svd.left(), 10, "the end of what it started")
        assert (status, output) == (
            0, f"[2, 4, 6]\n(['app:entry', '{method}'], True)\n")


def test_children_of_the_floor_are_not_the_workers(floor):
    with floor("""
            import multiprocessing, time
            def sleep():
                time.sleep(60)
            child = multiprocessing.get_context("fork").Process(
                target=sleep, daemon=True)
            child.start()
            def entry():
                print(multiprocessing.active_children())
            """) as svd:
        svd.loaded()
        child, = children(svd.proc.pid)
        assert svd.run("app:entry") == (0, "[]\n")
        assert (stat_fields(child) or "Z")[0] != "Z"
        svd.send("RETIRE")
        assert svd.wait() == 0
        wait_for(lambda: (stat_fields(child) or "Z")[0] == "Z")


def test_the_collector(floor):
    with floor("""
            import gc
            assert not gc.isenabled()
            def entry():
                print(gc.isenabled(), gc.get_freeze_count() > 1000)
            """) as svd:
        svd.loaded()
        assert svd.run("app:entry") == (0, "True True\n")


# --- late modules ------------------------------------------------------------

def late_names(fd):
    """{pid: [name, ...]}"""
    data = os.pread(fd, 1 << 20, 0)
    used, = struct.unpack("<Q", data[:8])
    found = {}
    for line in data[8:8 + used].decode().splitlines():
        pid, name = line.split(" ", 1)
        found.setdefault(int(pid), []).append(name)
    return found


def test_late_modules(tmp_path):
    floor = Maker("library", tmp_path)
    floor.write({"one": "import two", "two": "", "three": "",
                 "fails": "raise ValueError"})
    with floor("""
            import gc, importlib.util, signal
            def entry():
                try:
                    import not_there
                except ImportError:
                    pass
                import one, two, one
                importlib.util.find_spec("three")
                try:
                    import fails
                except ValueError:
                    pass
                raise ValueError  # whose traceback takes modules too
            def idle():
                import three
                gc.collect()
                signal.pause()
            """) as svd:
        fd = svd.loaded().fds["late"]
        worker, again, idle = (svd.fork() for _ in range(3))
        assert worker.run("app:entry")[0] == 1
        assert late_names(fd) == {worker.pid: ["one", "two"]}
        assert again.run("app:entry")[0] == 1
        assert late_names(fd)[again.pid] == ["one", "two"]
        idle.start("app:idle")
        wait_for(lambda: late_names(fd).get(idle.pid) == ["three"])


# --- with svd ----------------------------------------------------------------

FLEET = """[fleet]
name = t
[floor:app]
runtime = python
python = {python}
path = {path}
preload = app
[worker:one]
floor = app
entry = app:entry
args = "a b" c
restart = no
"""


def supervised(fleet, floor, app):
    floor.write({"app": app})
    return fleet(FLEET.format(python=PYTHON, path=floor.path),
                 env={"SVD_FLOOR_WAY": floor.way})


def test_a_worker_of_svd(fleet, floor):
    f = supervised(fleet, floor, """
        def entry(*words):
            print("called with", words)
            raise LookupError("nothing to do")
        """)
    f.wait("one", state="FAILED")
    wait_for(lambda: "called with ('a b', 'c')" in f.log())
    why = f.ctl("why", "one").out
    assert "LookupError: nothing to do" in why
    assert 'app.py", line 4, in entry' in why
    assert ("pure Python" in f.ctl("floors").out) == (floor.way == "python")


def test_what_cannot_be_loaded_is_told_once(fleet, floor):
    f = supervised(fleet, floor, "import json\n\nnothing.at.all\n")
    line = 'app.py", line 3'
    wait_for(lambda: "NameError" in f.ctl("why", "one").out)
    why = f.ctl("why", "one").out
    assert "preload 'app': NameError" in why and "app.py, line 3" in why
    assert f.log().count(line) == 1, f.log()


# --- forking -----------------------------------------------------------------

def test_many(floor):
    """All are svd's children, and the floor has no zombies."""
    with floor("def entry(n): return int(n)") as svd:
        svd.loaded()
        for n in range(50):
            assert svd.run("app:entry", n) == (n, "")
        workers = [svd.fork() for _ in range(20)]
        wait_for(lambda: children(svd.proc.pid) == [])
        assert {worker.pid for worker in workers} <= \
            set(children(os.getpid()))


def test_a_spare_ends_when_svd_lets_go_of_it(floor):
    with floor() as svd:
        svd.loaded()
        spare = svd.fork()
        spare.close()
        assert spare.wait() == 0
        assert svd.output() == ""


@pytest.mark.parametrize("how", ["RETIRE", "EOF"])
def test_the_end_of_a_floor(floor, how):
    with floor("""
            import sys
            def entry():
                sys.stdin.read()
                return 4
            """) as svd:
        svd.loaded()
        svd.send("NONSENSE", ("token", 3))  # is skipped
        r, w = os.pipe()
        worker = svd.fork()
        worker.start("app:entry", stdin=r)
        os.close(r)
        svd.send("RETIRE") if how == "RETIRE" else svd.close()
        assert svd.wait() == 0
        assert not worker.ended()
        os.close(w)
        assert worker.wait() == 4


def test_a_fork_that_fails(tmp_path):
    """By Python alone; that of the library is tested with it."""
    floor = Maker("python", tmp_path)
    with floor("""
            import os
            fork, left = os.fork, [1, 0, 1]
            def failing():
                if left and not left.pop():
                    raise BlockingIOError(11, "no more processes")
                return fork()
            os.fork = failing
            def entry(): return 6
            """) as svd:
        svd.loaded()
        # In the floor; in the process between it and the worker.
        for _ in range(2):
            token = svd.ask()
            failed = svd.recv()
            if failed.verb == "FORKED":
                break
            assert failed.verb == "FORKFAIL"
            assert int(failed.get("token")) == token
            assert "no more processes" in failed.get("what")
        else:
            assert svd.run("app:entry") == (6, "")


# --- memory ------------------------------------------------------------------

def private_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^Private_\w+: +(\d+)", text, re.M)))


def test_an_idle_worker_shares_what_it_can(tmp_path):
    """At most 1 MB is its own, and it was loaded from 20."""
    floor = Maker("library", tmp_path)
    with floor("""
            import signal
            def entry():
                signal.pause()
            """, preload=(*MODULES, "app")) as svd:
        svd.loaded(30)
        workers = [svd.fork() for _ in range(4)]
        for worker in workers:
            worker.start("app:entry", env={"PATH": "/usr/bin:/bin"})
        for worker in workers:
            wait_for(lambda: stat_fields(worker.pid)[0] == "S")
        assert private_kb(workers[1].pid) < 1100

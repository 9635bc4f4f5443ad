"""Fixtures and rules of tests/it and tests/docs."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "it"))

import svdtest  # noqa: E402

# What pytest makes of the tests is kept, but not beside them.
sys.dont_write_bytecode = False
sys.pycache_prefix = str(svdtest.BUILD / "pycache")


_kill = os.kill


def kill(pid, sig):
    """A pid of 0 is "none" in much that svd says, and to kill(2) all of us."""
    assert pid not in (0, -1), f"signal {sig} to process {pid}"
    _kill(pid, sig)


os.kill = kill


def interrupt(*_):
    raise KeyboardInterrupt


def heed(sig, handler):
    """As in the foreground, also where nohup(1) or a shell's & begins us."""
    if signal.getsignal(sig) == signal.SIG_IGN:
        signal.signal(sig, handler)


def pytest_configure(config):
    with contextlib.suppress(ValueError):
        heed(signal.SIGHUP, signal.SIG_DFL)
        heed(signal.SIGINT, signal.default_int_handler)
        heed(signal.SIGQUIT, signal.SIG_DFL)
    # As when timeout(1) ends us: fixtures then still end what they started.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, interrupt)
    # Before the processes of xdist are started: one seed for all.
    os.environ.setdefault("SVD_TEST_SEED", str(random.getrandbits(32)))
    config.addinivalue_line("markers", "slow: takes many seconds of waiting")
    config.addinivalue_line("markers", "valgrind: run by check-valgrind too")


def is_heap(nodeid):
    """Whether the tests of its module share what is dear to make."""
    return nodeid.split("::")[0].endswith("/test_systemd.py")


def pytest_collection_modifyitems(items):
    """What takes long comes early, so that nobody waits for it at the end, and
    between the others, as most of it is waiting."""
    def kind(item):
        return "heap" if is_heap(item.nodeid) else \
            "slow" if item.get_closest_marker("slow") else "rest"

    heap, slow, rest = ([item for item in items if kind(item) == wanted]
                        for wanted in ("heap", "slow", "rest"))
    items[:] = heap
    for item in slow:
        items += [item, *rest[:2]]
        del rest[:2]
    items += rest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScheduling

    class Sparing(LoadScheduling):
        """Gives nobody more tests than the next two, but heaps as a whole. Of
        itself xdist hands out dozens, and in the end all wait for whoever has
        got the longest ones."""

        def _send_tests(self, node, num):
            while num > 0 and self.pending and len(self.node2pending[node]) < 3:
                heap = [i for i in self.pending if is_heap(self.collection[i])]
                super()._send_tests(node, max(1, len(heap)))
                num -= max(1, len(heap))

    return Sparing(config, log) if config.getvalue("dist") == "load" else None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """As root in CI everything can run, so a skipped test is a failed one."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and svdtest.IS_ROOT and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    if report.when == "call":
        item.call_failed = report.failed


def clean_up(fleet, failed):
    """Ends svd, and proves that nothing of it is left."""
    leaks = []
    if fleet.proc and fleet.proc.poll() is None:
        # Of workers that crash all the time there are some at any.
        left = set(svdtest.zombies(fleet.keeper))
        try:
            svdtest.wait_for(
                lambda: not left.intersection(svdtest.zombies(fleet.keeper)), 5)
        except AssertionError:
            leaks.append(f"zombies: {left}")
        try:
            fleet.stop()
        except svdtest.subprocess.TimeoutExpired:
            leaks.append("svd did not end by TERM")
            fleet.proc.kill()
            fleet.proc.wait()
    # What was killed by the kernel with its namespace takes a moment.
    try:
        svdtest.wait_for(
            lambda: not svdtest.marked(fleet.id, fleet.run), 5)
    except AssertionError:
        for pid in svdtest.marked(fleet.id, fleet.run):
            leaks.append(f"left: {pid} {svdtest.command_line(pid)}")
            os.kill(pid, signal.SIGKILL)
    if failed or leaks:
        log = fleet.log() if fleet.log_path.exists() else ""
        print(f"--- log of {fleet.ini}:\n{log[-8000:]}")
    shutil.rmtree(fleet.dir, ignore_errors=True)
    return leaks


@pytest.fixture
def shm():
    """A folder on a tmpfs, where a runtime directory belongs. To be asked for
    before a fleet that is to use it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="svdtest-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def fleet(request):
    """Makes fleets: fleet(TEXT, ...) starts svd and waits for its answer,
    fleet(TEXT, wait=False) does not wait, launch=False does not start."""
    made = []

    def make(text="", wait=True, launch=True, **options):
        one = svdtest.Fleet(text, **options)
        made.append(one)
        if launch:
            one.start() if wait else one.launch()
        return one

    yield make
    failed = getattr(request.node, "call_failed", True)
    leaks = [leak for one in made for leak in clean_up(one, failed)]
    assert not leaks, leaks

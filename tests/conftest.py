"""Fixtures and rules of tests/it and tests/docs."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "it"))

import svdtest  # noqa: E402


_kill = os.kill


def kill(pid, sig):
    """A pid of 0 is "none" in much that svd says, and to kill(2) all of us."""
    assert pid not in (0, -1), f"signal {sig} to process {pid}"
    _kill(pid, sig)


os.kill = kill


def interrupt(*_):
    raise KeyboardInterrupt


def pytest_configure(config):
    # As when timeout(1) ends us: fixtures then still end what they started.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, interrupt)
    # Before the processes of xdist are started: one seed for all.
    os.environ.setdefault("SVD_TEST_SEED", str(random.getrandbits(32)))
    config.addinivalue_line("markers", "slow: takes many seconds of waiting")
    config.addinivalue_line("markers", "valgrind: run by check-valgrind too")


def pytest_collection_modifyitems(items):
    """The slow ones first, so that nobody waits for them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
        try:
            svdtest.wait_for(lambda: not svdtest.zombies(fleet.keeper), 5)
        except AssertionError:
            leaks.append(f"zombies: {svdtest.zombies(fleet.keeper)}")
        try:
            fleet.stop()
        except svdtest.subprocess.TimeoutExpired:
            leaks.append("svd did not end by TERM")
            fleet.proc.kill()
            fleet.proc.wait()
    # What was killed by the kernel with its namespace takes a moment.
    try:
        svdtest.wait_for(
            lambda: not svdtest.marked(fleet.id, fleet.run), 2)
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

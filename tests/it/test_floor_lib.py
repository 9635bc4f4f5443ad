"""Native floors and the floor runtime, libsvdfloor: what a floor says to svd,
and what comes of a fork. svd is played by the test."""

import pytest

from floorkit import FakeSvd
from svdtest import BUILD, SVD

APP = str(BUILD / "tests" / "libapp.so")
WAYS = ("vfork", "double")


def native(*preload, load=None, init=None, way=None, env=None, **options):
    """A floor of svd's own, what it does while it loads."""
    argv = [SVD, "-P", "floor", *(["--init", init] if init else []), "--",
            *(preload or [APP])]
    env = dict(env or {})
    if load:
        env["APP_LOAD"] = load
    if way == "double":
        env["SVD_FLOOR_WAY"] = "double"
    return FakeSvd(argv, env=env, **options)


@pytest.mark.parametrize("way", WAYS)
def test_a_floor_loads_once_and_forks(way):
    with native(way=way, init="good_init") as svd:
        loaded = svd.loaded()
        assert loaded.get("way") == way
        assert loaded.all("module") == [APP]
        for status in (0, 3, 255):
            worker = svd.fork()
            assert worker.way == way
            assert worker.run("libapp.so:status", status) == (status, "")
        assert svd.output() == "init was called\n"
        svd.send("RETIRE")
        assert svd.wait() == 0

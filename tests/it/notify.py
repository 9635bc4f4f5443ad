"""notify: fixtures for what a worker says to its supervisor."""

import os
import socket

import pytest

VARIABLES = ("NOTIFY_SOCKET", "SVD_READY_FD", "WATCHDOG_USEC", "WATCHDOG_PID",
             "SVD_WORKER", "SVD_FLEET", "SVD_INSTANCE", "SVD_GENERATION")


@pytest.fixture(autouse=True)
def env(monkeypatch):
    """Nothing of svd's; env(NAME=value) adds."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def add(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return add


@pytest.fixture(params=["path", "abstract"])
def notify(request, env, tmp_path):
    """A notify socket."""
    name = f"\0svd-test-{os.getpid()}" if request.param == "abstract" else \
        str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name)
        sock.settimeout(5)
        env(NOTIFY_SOCKET=name.replace("\0", "@"))
        yield sock

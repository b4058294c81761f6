"""What the tests of the commands share: a daemon or a stand-in, and a way to say commands."""

from __future__ import annotations

import pytest

from masv_watch import cli
from tests.integration.cli.standin import Standin
from tests.integration.cli.town import Town

_VARIABLES = (
    "MASV_WATCH_CONFIG", "MASV_WATCH_URL", "MASV_WATCH_TOKEN", "MASV_WATCH_CACERT",
)  # fmt: skip


@pytest.fixture
def carry_out(capsys, monkeypatch):
    """Carry out a command in this process; give its status, output and complaints."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def carry_out(*words):
        capsys.readouterr()
        try:
            status = cli.main(list(words))
        except SystemExit as stop:
            status = stop.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return status, printed.out, printed.err

    return carry_out


@pytest.fixture
def standin():
    standin = Standin()
    yield standin
    standin.end()


@pytest.fixture
def tell(standin, carry_out, monkeypatch, tmp_path):
    """Say commands to the stand-in, without any configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASV_WATCH_URL", standin.url)
    return carry_out


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    town = Town(tmp_path_factory.mktemp("town"))
    yield town
    town.daemon.stop()
    town.sandbox.end()


@pytest.fixture
def say(town, carry_out, monkeypatch):
    """Say commands to the real daemon, beside its configuration."""
    monkeypatch.setenv("MASV_WATCH_CONFIG", str(town.config))
    return carry_out

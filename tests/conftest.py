"""What every test may ask for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch.store import sqlite
from tests import searching
from tests.mounted import Mounts
from tests.waiting import eventually as _eventually

# before any test is made: each takes what it does not name from the profile
searching.register()


#: where every test runs whole daemons, which takes seconds of a processor each
_OF_DAEMONS = (
    "tests/browser",
    "tests/faults",
    "tests/integration/benchmarks",
    "tests/integration/daemon",
    "tests/integration/docs",
)
#: files of these that stand for the rest in `make test`: the main job, a kill, a torn file
_SLICES = {
    "tests/faults/test_kill.py",
    "tests/faults/test_torn_files.py",
    "tests/integration/daemon/test_daemon_delivery.py",
    "tests/integration/daemon/test_daemon_intake.py",
    "tests/integration/daemon/test_daemon_sending.py",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what `make test` leaves to `make test-daemon`."""
    for item in items:
        path = item.path.relative_to(config.rootpath).as_posix()
        if path.startswith(_OF_DAEMONS) and path not in _SLICES:
            item.add_marker("daemon")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates in captured output: pytest-xdist cannot carry them and dies."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode("utf-8"))
        for title, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def project() -> Path:
    """Give the checkout's top folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Give the function that waits for a condition: `eventually(condition, within=5)`."""
    return _eventually


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    """Give mounts that end with the test."""
    made = Mounts()
    yield made
    made.end()


@pytest.fixture(autouse=True, scope="session")
def copied_schema() -> Iterator[None]:
    """Let each new store of this process begin with a copy of the newest schema.

    To make it statement by statement takes longer than most tests do. What migrates an older state,
    and daemons of their own, make it as ever.
    """
    real, newest = sqlite.migrate, sqlite3.connect(":memory:", check_same_thread=False)
    newest.isolation_level = None
    real(newest, ":memory:", known=sqlite.SCHEMA)

    def migrate(connection: sqlite3.Connection, path: str, *, known: int) -> None:
        is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if is_new and known == sqlite.SCHEMA:
            newest.backup(connection)
        real(connection, path, known=known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "migrate", migrate)
        yield
    newest.close()


@pytest.fixture(autouse=True, scope="session")
def synced() -> Iterator[tuple[str, ...]]:
    """Let no store of this process wait for the disk; give what a real one begins with.

    It matters when the power fails, which no test does to itself. Daemons of their own wait for it.
    """
    real = sqlite.PRAGMAS
    with pytest.MonkeyPatch.context() as patch:
        hasty = [each for each in real if not each.startswith("synchronous")]
        patch.setattr(sqlite, "PRAGMAS", (*hasty, "synchronous=OFF"))
        yield real

"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch.store import sqlite
from tests import searching
from tests.waiting import eventually as _eventually

# before any test is made: each takes what it does not name from the profile
searching.register()


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

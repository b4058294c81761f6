"""A hot folder of its own for each test, by its path and open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch.files import Root
from masv_watch.watch.hints import Hints


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    """Give an empty hot folder."""
    folder = tmp_path / "hot"
    folder.mkdir()
    return folder


@pytest.fixture
def rung() -> list[str]:
    """Give the list of rings."""
    return []


@pytest.fixture
def hints(rung: list[str]) -> Iterator[Hints]:
    """Give hints that note each ring, stopped at the end."""
    made = Hints(rung.append)
    yield made
    made.stop()


@pytest.fixture
def root(hot: Path) -> Iterator[Root]:
    """Give the hot folder, open."""
    with Root.open(os.fsencode(hot)) as opened:
        yield opened
